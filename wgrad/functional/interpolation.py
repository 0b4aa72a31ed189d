"""Images in another size, with PyTorch's names and arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dtypes
from ..core import wrap
from ..errors import ArgumentError, ShapeError, shown
from ..indexing import take
from ..layout import Shape, check_size
from ..ops import movement
from ..ops.elementwise import weighted
from ..ops.families import expanded, with_dtype
from ..shaping import as_float, as_tensor, checked_flag, reshape
from .convolution import numbers
from .precision import in_float32

if TYPE_CHECKING:
    from ..tensor import Tensor

LINEAR = {"linear": 1, "bilinear": 2}  # modes that weigh neighbours, and for how many axes


def interpolate(
    input: Any,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Tensor:
    """Return images of another size: `size`, or floor(extent * scale_factor).

    Shapes: (N, C, H, W) -> (N, C, *size); (N, C, L) for "nearest" and "linear". mode "nearest"
    takes element floor(i * H / PH), "bilinear" (of 2 axes) and "linear" (of 1) weigh the two
    neighbours along each axis: of position i (H - 1) / (PH - 1) with align_corners, which lets the
    corners coincide, else of (i + 1/2) H / PH - 1/2. Where scale_factor is given it stands for
    PH / H, unless recompute_scale_factor: also where PH is H (PyTorch copies the image there on a
    CPU). Raises: ShapeError, ArgumentError.
    """
    name = "interpolate"
    x = as_tensor(input, name)
    d = len(x.shape) - 2
    corners, again = check_options(
        name, size, scale_factor, mode, align_corners, recompute_scale_factor
    )
    if d not in ((LINEAR[mode],) if mode in LINEAR else (1, 2)):
        axes = f"{LINEAR[mode] + 2}" if mode in LINEAR else "3 or 4"
        raise ShapeError(
            f"{name}: an input of shape {x.shape} came, and mode={mode!r} needs {axes} axes: "
            "batch, channels and those of the image"
        )
    image = x.shape[2:]
    target, scales = _target(size, scale_factor, image, again)
    if 0 in x.shape[1:]:
        raise ShapeError(f"{name}: an input of shape {x.shape} has no channels, or empty images")
    check_size((*x.shape[:2], *target), name)
    if mode in LINEAR and not x.dtype.is_floating:
        x = with_dtype(x, dtypes.float32)
    if mode in LINEAR:
        return _weighed(x, target, scales, corners)
    for axis, (count, scale) in enumerate(zip(target, scales, strict=True), 2):
        x = _nearest(x, axis, count, scale)
    return x


def check_options(
    name: str, size: Any, factor: Any, mode: Any, align_corners: Any, again: Any
) -> tuple[bool, bool]:
    """Return the two flags, False for None. Raises: ArgumentError for what serves no image."""
    if not isinstance(mode, str) or mode not in ("nearest", *LINEAR):
        raise ArgumentError(
            f'{name}: mode={shown(mode)} came; "nearest", "linear" or "bilinear" is needed'
        )
    if align_corners is not None and mode == "nearest":
        raise ArgumentError(f"{name}: align_corners came, and it is for linear and bilinear only")
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
    found = [as_float(f, name, "scale_factor") for f in items]
    if len(found) != d or not all(math.isfinite(f) and f > 0 for f in found):
        raise ArgumentError(
            f"{name}: scale_factor={shown(factor)} came; a positive number, or {d} of them, is "
            "needed"
        )
    return found


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


def _nearest(x: Any, axis: int, count: int, scale: float) -> Any:
    n = x.shape[axis]
    lead, tail = x.shape[:axis], x.shape[axis + 1 :]
    if count % n == 0 and scale * count == n:  # each element several times: no indices
        again = expanded(reshape(x, (*lead, n, 1, *tail)), (*lead, n, count // n, *tail))
        return reshape(again, (*lead, count, *tail))
    # In float32, as PyTorch computes them: where a product is just short of an integer, it counts.
    places = np.floor(np.arange(count, dtype=np.float32) * np.float32(scale))
    return _taken(x, axis, np.minimum(places, n - 1))


@in_float32
def _weighed(x: Tensor, target: Shape, scales: list[float], corners: bool) -> Tensor:
    for axis, (count, scale) in enumerate(zip(target, scales, strict=True), 2):
        x = _between(x, axis, count, scale, corners)
    return x


def _between(x: Any, axis: int, count: int, scale: float, corners: bool) -> Any:
    n = x.shape[axis]
    if corners:
        at = np.arange(count) * ((n - 1) / (count - 1) if count > 1 else 0.0)
    else:
        at = np.maximum((np.arange(count) + 0.5) * scale - 0.5, 0.0)
    low = np.minimum(np.floor(at), n - 1)
    if (at == low).all():
        return _taken(x, axis, low)
    weights = (at - low).reshape(-1, *(1,) * (len(x.shape) - axis - 1))
    weight = wrap(x.device.upload(weights.astype(x.dtype.numpy), x.dtype))
    below, above = _taken(x, axis, low), _taken(x, axis, np.minimum(low + 1, n - 1))
    # Not a difference, which overflows, nor a product with an infinite element of weight 0.
    rest = wrap(x.device.upload((1 - weights).astype(x.dtype.numpy), x.dtype))
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
