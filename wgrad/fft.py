"""The Array API standard's `fft`, with pairs in the place of complex numbers.

There are no complex dtypes here. What the standard calls a complex array of a shape is a floating
tensor with one axis more, the last one, of extent 2: real and imaginary parts, as PyTorch's
`view_as_real` has them. `axis` and `axes` count without it, so that axis=-1 is the last one of the
numbers. `x[..., 0]` and `x[..., 1]` are the parts, `wg.hypot` of both the magnitudes, and
`wg.stack([x, wg.zeros_like(x)], -1)` makes pairs of real numbers.

NumPy computes all transforms on the host, in float64, and rounds to the dtype: for a GPU's tensors
`wg.stats()["host_trips"]` counts the trips, and a compiled function cannot call them, which is a
TraceError. `norm` says what is scaled: "backward" the inverse by 1/n, "forward" the other one, and
"ortho" both by 1/sqrt(n).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import dtypes, shaping
from .checks.arguments import checked_choice
from .checks.arguments import count as checked_count
from .core import Tensor, apply
from .creation import from_host, tensor
from .creation.host import DeviceLike
from .creation.inputs import as_float, as_tensor
from .errors import ArgumentError, AxisError, DTypeError, ShapeError, shown
from .functional.precision import floating
from .layout import Shape, integers, normalize_axis
from .ops import fourier, indexing

__all__ = [
    *("fft", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifftn", "ifftshift", "ihfft"),
    *("irfft", "irfftn", "rfft", "rfftfreq", "rfftn"),
]

NORMS = ("backward", "ortho", "forward")


def fft(x: Tensor, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """Return the discrete Fourier transform of pairs along an axis, cut or filled with 0 to n.

    Shapes: (..., m, ..., 2) -> (..., n, ..., 2). Raises: ShapeError, ArgumentError, AxisError.

    >>> x = wg.tensor([[1.0, 0.0], [1.0, 0.0]])  # two ones, as pairs of real and imaginary part
    >>> wg.fft.fft(x)
    tensor([[2., 0.],
            [0., 0.]])
    """
    return _transform("fft", x, n, axis, norm, False)


def ifft(x: Tensor, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """Return the inverse of `fft`; arguments and shapes as there.

    >>> pairs = wg.tensor([[1.0, 0.0], [1.0, 0.0]])
    >>> wg.fft.ifft(wg.fft.fft(pairs))
    tensor([[1., 0.],
            [1., 0.]])
    """
    return _transform("ifft", x, n, axis, norm, True)


def fftn(x: Tensor, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
    """Return the transform of pairs along several axes, cut or filled with 0 to the extents s.

    Without `axes` they are the last ones, as many as `s` has, or all of them.
    """
    return _transform("fftn", x, s, axes, norm, False)


def ifftn(x: Tensor, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
    """Return the inverse of `fftn`; arguments as there."""
    return _transform("ifftn", x, s, axes, norm, True)


def rfft(x: Tensor, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """Return the first n // 2 + 1 pairs of the transform of real numbers along an axis.

    Shapes: (..., m, ...) -> (..., n // 2 + 1, ..., 2). Raises: ArgumentError, AxisError.

    >>> wg.fft.rfft(wg.tensor([1.0, 0.0, 0.0, 0.0]))  # a pulse has all frequencies alike
    tensor([[1., 0.],
            [1., 0.],
            [1., 0.]])
    """
    return _of_real("rfft", x, n, axis, norm)


def irfft(x: Tensor, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """Return the n real numbers that pairs, the first half of them, are the transform of.

    n is 2 (m - 1) if it is left out. Shapes: (..., m, ..., 2) -> (..., n, ...).
    Raises: ShapeError, ArgumentError, AxisError.

    >>> x = wg.tensor([1.0, 2.0, 3.0, 4.0])
    >>> wg.allclose(wg.fft.irfft(wg.fft.rfft(x)), x)
    True
    """
    return _to_real("irfft", x, n, axis, norm)


def rfftn(x: Tensor, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
    """Return the transform of real numbers along several axes: half of it along the last one."""
    return _of_real("rfftn", x, s, axes, norm)


def irfftn(x: Tensor, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
    """Return the real numbers that pairs are the `rfftn` of; the last of `s` as n of `irfft`."""
    return _to_real("irfftn", x, s, axes, norm)


def hfft(x: Tensor, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """Return the n real numbers that are the transform of numbers whose first half are the pairs.

    The others are their conjugates in the opposite order. Shapes: as those of `irfft`.
    """
    conjugates = _conjugate(_pairs(x, "hfft"))
    return _to_real("hfft", conjugates, n, axis, _opposite(norm, "hfft"))


def ihfft(x: Tensor, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """Return the inverse of `hfft`, the first half of it. Shapes: as those of `rfft`."""
    return _conjugate(_of_real("ihfft", x, n, axis, _opposite(norm, "ihfft")))


def fftfreq(n: int, *, d: float = 1.0, dtype: Any = None, device: DeviceLike = None) -> Tensor:
    """Return the frequencies of `fft` for samples `d` apart, in cycles per unit. Shape: (n,)."""
    return _frequencies("fftfreq", np.fft.fftfreq, n, d, dtype, device)


def rfftfreq(n: int, *, d: float = 1.0, dtype: Any = None, device: DeviceLike = None) -> Tensor:
    """Return the frequencies of `rfft` for n samples `d` apart. Shape: (n // 2 + 1,)."""
    return _frequencies("rfftfreq", np.fft.rfftfreq, n, d, dtype, device)


def fftshift(x: Tensor, axes: Any = None, *, pairs: bool | None = None) -> Tensor:
    """Return `x` with the frequency 0 moved to the middle of axes, of all if they are left out.

    `pairs` says whether a last axis of 2 holds real and imaginary parts, and is not counted. It
    has to be given where there is such an axis and another one.
    Raises: ArgumentError, AxisError.
    """
    return _shifted("fftshift", x, axes, pairs, lambda n: n // 2)


def ifftshift(x: Tensor, axes: Any = None, *, pairs: bool | None = None) -> Tensor:
    """Return the inverse of `fftshift`; arguments as there."""
    return _shifted("ifftshift", x, axes, pairs, lambda n: -(n // 2))


# What is given.
def _pairs(x: Any, op: str) -> Tensor:
    x = as_tensor(x, op)
    if len(x.shape) < 2 or x.shape[-1] != 2:
        raise ShapeError(
            f"{op}: shape {x.shape} came; complex numbers are pairs here, real and imaginary parts "
            "along a last axis of 2"
        )
    return floating(x)


def _axes(op: str, s: Any, axes: Any, ndim: int) -> tuple[tuple[int, ...], Shape | None]:
    """Return axes counted from the front, and the extents that they are to have."""
    extents = None if s is None else integers(s, op)
    if axes is None:
        axes = range(ndim) if extents is None else range(-len(extents), 0)
    elif not isinstance(axes, (tuple, list)):
        axes = (axes,)
    chosen = tuple(normalize_axis(a, ndim, op) for a in axes)
    if len(set(chosen)) != len(chosen) or not chosen:
        raise AxisError(f"{op}: axes {shown(tuple(axes))} came; one or more different are needed")
    if extents is not None and len(extents) != len(chosen):
        raise ArgumentError(f"{op}: s={shown(s)} came for {len(chosen)} axes: one extent for each")
    return chosen, extents


def _resized(x: Tensor, axes: Sequence[int], extents: Sequence[int], op: str) -> Tensor:
    """Return `x` cut, or filled with 0, to extents along axes."""
    widths = [(0, 0)] * len(x.shape)
    for axis, n in zip(axes, extents, strict=True):
        if n < 1:
            raise ArgumentError(
                f"{op}: n={shown(n)} came for axis {axis}, and at least 1 is needed"
            )
        x = x[(*(slice(None),) * axis, slice(n))]
        widths[axis] = (0, n - x.shape[axis])
    return shaping.pad(x, widths) if any(after for _, after in widths) else x


def _scaled(x: Tensor, norm: str, count: int, inverse: bool, op: str) -> Tensor:
    norm = checked_choice(norm, NORMS, op, "norm")
    if norm == "ortho":
        return x * (1 / math.sqrt(count))
    return x * (1 / count) if inverse == (norm == "backward") else x


def _opposite(norm: str, op: str) -> str:
    norm = checked_choice(norm, NORMS, op, "norm")
    return {"backward": "forward", "forward": "backward"}.get(norm, norm)


def _conjugate(x: Tensor) -> Tensor:
    return x * tensor([1.0, -1.0], x.dtype, x.device)


# The transforms.
def _transform(op: str, x: Any, s: Any, axes: Any, norm: str, inverse: bool) -> Tensor:
    x = _pairs(x, op)
    chosen, extents = _axes(op, s, axes, len(x.shape) - 1)
    x = _resized(x, chosen, extents or [x.shape[a] for a in chosen], op)
    out = apply(fourier.dft, x, axes=chosen, inverse=inverse)
    return _scaled(out, norm, math.prod(x.shape[a] for a in chosen), inverse, op)


def _of_real(op: str, x: Any, s: Any, axes: Any, norm: str) -> Tensor:
    x = floating(as_tensor(x, op))
    chosen, extents = _axes(op, s, axes, len(x.shape))
    x = _resized(x, chosen, extents or [x.shape[a] for a in chosen], op)
    out = apply(fourier.real_dft, x, axes=chosen)
    return _scaled(out, norm, math.prod(x.shape[a] for a in chosen), False, op)


def _to_real(op: str, x: Any, s: Any, axes: Any, norm: str) -> Tensor:
    x = _pairs(x, op)
    chosen, extents = _axes(op, s, axes, len(x.shape) - 1)
    *others, last = extents or [*(x.shape[a] for a in chosen[:-1]), 2 * (x.shape[chosen[-1]] - 1)]
    if last < 1:
        raise ArgumentError(f"{op}: n={shown(last)} came, and at least 1 is needed")
    x = _resized(x, chosen, (*others, last // 2 + 1), op)
    out = apply(fourier.inverse_real_dft, x, axes=chosen, n=last)
    return _scaled(out, norm, math.prod(others) * last, True, op)


def _frequencies(op: str, make: Any, n: Any, d: Any, dtype: Any, device: DeviceLike) -> Tensor:
    count = checked_count(n, op, "n", indexing.COUNTLESS, least=1)
    spacing = as_float(d, op, "d")
    if spacing == 0:
        raise ArgumentError(f"{op}: d=0 came, and samples are some way apart")
    chosen = dtypes.as_dtype(float if dtype is None else dtype)
    if not chosen.is_floating:
        raise DTypeError(f"{op}: dtype {chosen.name} came, and a floating one is needed")
    return from_host(make(count, spacing), op, chosen, device)


def _shifted(op: str, x: Any, axes: Any, pairs: bool | None, shift: Any) -> Tensor:
    x = as_tensor(x, op)
    could = len(x.shape) > 1 and x.shape[-1] == 2
    if pairs is None and could:
        raise ArgumentError(
            f"{op}: shape {x.shape} came: say whether its last axis is real and imaginary parts, "
            "pairs=True, or numbers like the others, pairs=False"
        )
    if pairs and not could:
        raise ShapeError(f"{op}: pairs=True and shape {x.shape} came; a last axis of 2 is needed")
    chosen, _ = _axes(op, None, axes, len(x.shape) - bool(pairs))
    return shaping.roll(x, tuple(shift(x.shape[a]) for a in chosen), chosen)
