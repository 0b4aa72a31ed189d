"""Images in another size, with PyTorch's names and arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..checks.arguments import checked_choice, checked_flag
from ..core import Tensor
from ..creation.inputs import as_float, as_tensor
from ..errors import ArgumentError, ShapeError, shown
from ..indexing import take
from ..layout import Shape, check_size
from ..ops import movement
from ..ops.elementwise import weighted
from ..ops.families import expanded
from ..shaping import reshape
from .adaptive import adaptive_means
from .convolution import numbers
from .pooling import constant
from .precision import floating, in_float32

WEIGHED = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}  # and for how many axes
MODES = ("nearest", "nearest-exact", "area", *WEIGHED)
CUBIC = -0.75  # the slope that a cubic piece takes from its neighbours: PyTorch's, OpenCV's


def interpolate(
    input: Any,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Tensor:
    """Return images of another size: `size`, or floor(extent * scale_factor).

    Shapes: (N, C, H, W) -> (N, C, *size), and so with one or three axes for what follows (N, C).
    mode="nearest" takes element floor(i H / PH) along each axis, "nearest-exact" the one whose
    middle is nearest, floor((i + 1/2) H / PH); "area" is adaptive_avg_pool's mean. "linear" (one
    axis), "bilinear" (two) and "trilinear" (three) weigh the two neighbours of a position,
    "bicubic" (two) the four nearest, by a cubic of slope -0.75. The position is
    i (H - 1) / (PH - 1) with align_corners, which lets the corners coincide, else
    (i + 1/2) H / PH - 1/2. Where scale_factor is given it stands for PH / H, unless
    recompute_scale_factor: also where PH is H (PyTorch copies the image there on a CPU).
    Raises: ShapeError, ArgumentError.

    >>> x = wg.tensor([[[1.0, 2.0]]])
    >>> wg.nn.functional.interpolate(x, scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    >>> wg.nn.functional.interpolate(x, size=5, mode="linear", align_corners=True)
    tensor([[[1.  , 1.25, 1.5 , 1.75, 2.  ]]])
    """
    name = "interpolate"
    x = as_tensor(input, name)
    d = len(x.shape) - 2
    corners, again = check_options(
        name, size, scale_factor, mode, align_corners, recompute_scale_factor
    )
    if d not in ((WEIGHED[mode],) if mode in WEIGHED else (1, 2, 3)):
        axes = f"{WEIGHED[mode] + 2}" if mode in WEIGHED else "3 to 5"
        raise ShapeError(
            f"{name}: an input of shape {x.shape} came, and mode={mode!r} needs {axes} axes: "
            "batch, channels and those of the image"
        )
    image = x.shape[2:]
    target, scales = _target(size, scale_factor, image, again)
    if 0 in x.shape[1:]:
        raise ShapeError(f"{name}: an input of shape {x.shape} has no channels, or empty images")
    check_size((*x.shape[:2], *target), name)
    if mode == "area":
        return adaptive_means(floating(x), target)
    if mode in WEIGHED:
        x = floating(x)
        return (_by_cubics if mode == "bicubic" else _by_lines)(x, target, scales, corners)
    middle = 0.5 if mode == "nearest-exact" else 0.0
    for axis, (count, scale) in enumerate(zip(target, scales, strict=True), 2):
        x = _nearest(x, axis, count, scale, middle)
    return x


def check_options(
    name: str, size: Any, factor: Any, mode: Any, align_corners: Any, again: Any
) -> tuple[bool, bool]:
    """Return the two flags, False for None. Raises: ArgumentError for what serves no image."""
    checked_choice(mode, MODES, name, "mode")
    if align_corners is not None and mode not in WEIGHED:
        names = ", ".join(WEIGHED)
        raise ArgumentError(f"{name}: align_corners came, and it is for {names} only")
    if (size is None) == (factor is None):
        raise ArgumentError(f"{name}: either size or scale_factor is needed")
    given = size if factor is None else factor
    d = max(1, len(given)) if isinstance(given, (tuple, list)) else 1
    if factor is None:
        numbers(size, d, name, "size", 1)
    else:
        _factors(factor, d, name)
    flags = ("align_corners", align_corners), ("recompute_scale_factor", again)
    corners, again = (x is not None and checked_flag(x, name, what) for what, x in flags)
    return corners, again


def _factors(factor: Any, d: int, name: str) -> list[float]:
    items = factor if isinstance(factor, (tuple, list)) else (factor,) * d
    factors = [as_float(f, name, "scale_factor") for f in items]
    if len(factors) != d or not all(math.isfinite(f) and f > 0 for f in factors):
        raise ArgumentError(
            f"{name}: scale_factor={shown(factor)} came; a positive number, or {d} of them, is "
            "needed"
        )
    return factors


def _target(
    size: Any, factor: Any, image: tuple[int, ...], again: bool
) -> tuple[tuple[int, ...], list[float]]:
    """Return the extents asked for, and how many old elements a new one stands for."""
    name, d = "interpolate", len(image)
    if factor is None:
        target = numbers(size, d, name, "size", 1)
        return target, [n / m for n, m in zip(image, target, strict=True)]
    factors = _factors(factor, d, name)
    target = tuple(math.floor(n * f) for n, f in zip(image, factors, strict=True))
    if 0 in target:
        raise ShapeError(f"{name}: scale_factor={shown(factor)} leaves nothing of {image}")
    if again:
        return target, [n / m for n, m in zip(image, target, strict=True)]
    return target, [1 / f for f in factors]


def _nearest(x: Any, axis: int, count: int, scale: float, middle: float) -> Any:
    n = x.shape[axis]
    lead, tail = x.shape[:axis], x.shape[axis + 1 :]
    if count % n == 0 and scale * count == n:  # each element several times: no indices
        again = expanded(reshape(x, (*lead, n, 1, *tail)), (*lead, n, count // n, *tail))
        return reshape(again, (*lead, count, *tail))
    # In float32, as PyTorch computes them: where a product is just short of an integer, it counts.
    places = np.floor((np.arange(count, dtype=np.float32) + np.float32(middle)) * np.float32(scale))
    return _taken(x, axis, np.minimum(places, n - 1))


@in_float32
def _by_lines(x: Tensor, target: Shape, scales: list[float], corners: bool) -> Tensor:
    return _weighed(x, target, scales, corners, _between)


@in_float32
def _by_cubics(x: Tensor, target: Shape, scales: list[float], corners: bool) -> Tensor:
    # Some weights are negative, so that a sum on the way may be twice as large as any element.
    return _weighed(x * 0.5, target, scales, corners, _cubic) * 2


def _weighed(
    x: Tensor, target: Shape, scales: list[float], corners: bool, along: Callable[..., Tensor]
) -> Tensor:
    for axis, (count, scale) in enumerate(zip(target, scales, strict=True), 2):
        x = along(x, axis, count, scale, corners)
    return x


def _positions(n: int, count: int, scale: float, corners: bool) -> np.ndarray:
    """Return where along an axis the new elements lie, which may be outside."""
    if corners:
        return np.arange(count) * ((n - 1) / (count - 1) if count > 1 else 0.0)
    return (np.arange(count) + 0.5) * scale - 0.5


def _column(weights: np.ndarray, x: Any, axis: int) -> Any:
    return constant(weights.reshape(-1, *(1,) * (len(x.shape) - axis - 1)), x)


def _cubic(x: Any, axis: int, count: int, scale: float, corners: bool) -> Any:
    """Weigh four neighbours along an axis; beyond the edge its element is repeated.

    Source: Keys, "Cubic convolution interpolation for digital image processing" (1981).
    """
    n = x.shape[axis]
    at = _positions(n, count, scale, corners)
    low = np.floor(at)
    out: Any = None
    for step in (-1, 0, 1, 2):
        far = np.abs(at - low - step)
        near = ((CUBIC + 2) * far - (CUBIC + 3)) * far * far + 1
        beyond = ((far - 5) * far + 8) * far * CUBIC - 4 * CUBIC
        part = _taken(x, axis, np.clip(low + step, 0, n - 1))
        part = weighted(_column(np.where(far <= 1, near, beyond), x, axis), part)
        out = part if out is None else out + part
    return out


def _between(x: Any, axis: int, count: int, scale: float, corners: bool) -> Any:
    n = x.shape[axis]
    at = np.maximum(_positions(n, count, scale, corners), 0.0)
    low = np.minimum(np.floor(at), n - 1)
    if (at == low).all():
        return _taken(x, axis, low)
    weight = _column(at - low, x, axis)
    below, above = _taken(x, axis, low), _taken(x, axis, np.minimum(low + 1, n - 1))
    # Not a difference, which overflows, nor a product with an infinite element of weight 0.
    rest = _column(1 - (at - low), x, axis)
    return weighted(rest, below) + weighted(weight, above)


def _taken(x: Any, axis: int, places: np.ndarray) -> Any:
    """Return the elements at host-known places along an axis: a view where one can show them."""
    count, n = len(places), x.shape[axis]
    first = int(places[0])
    step = int(places[1]) - first if count > 1 else 1
    if step > 0 and (places == first + step * np.arange(count)).all():
        starts = tuple(first if i == axis else 0 for i in range(len(x.shape)))
        sizes = tuple(count if i == axis else n for i, n in enumerate(x.shape))
        steps = tuple(step if i == axis else 1 for i in range(len(x.shape)))
        return x if count == n else movement.slice_view(x, starts, sizes, steps)
    return take(x, places.astype(np.int32), axis=axis)
