"""Sums, statistics and norms over axes, and where the extremes are."""

from __future__ import annotations

from math import prod as prod_of
from typing import TYPE_CHECKING, Any

from .. import dtypes
from ..errors import ArgumentError, DTypeError, ShapeError, shown
from ..layout import Shape, normalize_axes, normalize_axis
from ..ops.elementwise import (
    abs_,
    equal,
    isnan,
    less,
    maximum,
    not_equal,
    power,
    sqrt,
    square,
    where,
)
from ..ops.families import Reduction, expanded, with_dtype
from ..ops.reduction import max_, min_, sum_
from ..ops.reduction import prod as prod_
from ..shaping import as_tensor, reshape, squeeze
from ..tape import no_grad
from .precision import in_float32

if TYPE_CHECKING:
    from ..tensor import Tensor


def counted(x: Tensor, dtype: Any, op: str) -> Tensor:
    """Return `x` in what it is added up or multiplied in: `dtype`, or int32 for bools.

    Raises: DTypeError for a bool `dtype`, and for one that the device does not have.
    """
    wanted = dtypes.as_dtype(dtype) if dtype is not None else x.dtype
    if dtype is not None and wanted is dtypes.bool_:
        raise DTypeError(f"{op}: dtype=bool came, and a dtype of numbers is needed")
    if wanted is dtypes.bool_:
        wanted = dtypes.int32
    x.device.check_dtype(wanted, op)
    return with_dtype(x, wanted)


def sum(x: Tensor, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> Tensor:
    """Return the sum over axes; bools are counted as int32.

    `dtype` is what elements are converted to first. Raises: AxisError, DTypeError.
    """
    return sum_(counted(as_tensor(x, "sum"), dtype, "sum"), axis, keepdims)


def prod(x: Tensor, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> Tensor:
    """Return the product over axes; gradients are exact where elements are 0. `dtype` as in sum."""
    return prod_(counted(as_tensor(x, "prod"), dtype, "prod"), axis, keepdims)


def count_nonzero(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return how many elements over axes are not 0, as int32; NaN is not 0."""
    x = as_tensor(x, "count_nonzero")
    return sum_(with_dtype(with_dtype(x, dtypes.bool_), dtypes.int32), axis, keepdims)


@in_float32
def mean(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return the mean over axes, a float also for integers; of nothing it is NaN."""
    x, axes, count = _floating(x, axis, "mean")
    return sum_(x, axes, keepdims) / count


def _floating(x: Any, axis: Any, op: str) -> tuple[Tensor, Shape, int]:
    """Return a tensor of floats, axes counted from the front, and the extent of them together."""
    x = as_tensor(x, op)
    if not x.dtype.is_floating:
        x = with_dtype(x, dtypes.float32)
    axes = normalize_axes(axis, len(x.shape), op)
    return x, axes, prod_of(x.shape[i] for i in axes)


@in_float32
def var(x: Tensor, axis: Any = None, keepdims: bool = False, *, correction: float = 0.0) -> Tensor:
    """Return the variance over axes: the squared distances from the mean, over n - correction.

    The mean is taken first, so that no digits cancel. It is NaN where n <= correction. PyTorch's
    default is correction=1; the Array API standard's and NumPy's is 0.
    """
    return _var(x, axis, keepdims, correction, "var")


@in_float32
def std(x: Tensor, axis: Any = None, keepdims: bool = False, *, correction: float = 0.0) -> Tensor:
    """Return the square root of `var`; where that is 0, so is the gradient."""
    return _root(_var(x, axis, keepdims, correction, "std"), 2)


def _var(x: Any, axis: Any, keepdims: bool, correction: float, op: str) -> Tensor:
    if isinstance(correction, bool) or not isinstance(correction, (int, float)):
        raise ArgumentError(f"{op}: correction={shown(correction)} came, and a number is needed")
    x, axes, count = _floating(x, axis, op)
    left = count - correction
    around = x - sum_(x, axes, True) / count if count else x
    return sum_(square(around), axes, keepdims) / (left if count and left > 0 else float("nan"))


def _root(x: Tensor, p: float) -> Tensor:
    """Return x ** (1 / p) for x >= 0, with gradient 0 at 0, where it has none."""
    zero = equal(x, 0)
    inside = where(zero, 1, x)
    return where(zero, x, sqrt(inside) if p == 2 else power(inside, 1 / p))


@in_float32
def norm(x: Tensor, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """Return the vector norm over axes: the `ord`-th root of the sum of abs(x) ** ord.

    ord=inf is the largest of abs(x), -inf the smallest, 0 the number of elements that are not 0.
    Nothing overflows inside that the result can hold, and the gradient where all is 0 is 0.
    Raises: ArgumentError for an `ord` that is no number.
    """
    if isinstance(ord, bool) or not isinstance(ord, (int, float)) or ord != ord:
        raise ArgumentError(f"norm: ord={shown(ord)} came, and a number is needed")
    x, axes, count = _floating(x, axis, "norm")
    if ord == 0:
        return sum_(with_dtype(not_equal(x, 0), x.dtype), axes, keepdims)
    size = abs_(x)
    if ord == 1:
        return sum_(size, axes, keepdims)
    if not count:
        if ord < 0:
            raise ShapeError(f"norm: nothing to take the norm of order {ord} of in shape {x.shape}")
        return sum_(size, axes, keepdims)
    extreme = max_ if ord > 0 else min_
    if ord in (float("inf"), float("-inf")):
        return extreme(size, axes, keepdims, ties="split")
    scale = _scale(extreme(size.detach(), axes, True))
    size = size / scale
    if ord == 2:
        powers = square(size)
    else:
        zero = equal(size, 0)
        powers = power(where(zero, 1, size), ord) if ord > 0 else power(size, ord)
        if ord > 0:
            powers = where(zero, 0, powers)
    out = _root(sum_(powers, axes, True), ord) * scale
    return out if keepdims else squeeze(out, axes)


@no_grad  # the norm is homogeneous: what it is scaled by cancels in every derivative
def _scale(found: Tensor) -> Tensor:
    # Not by inf, whose quotient would be NaN, nor by what has an infinite reciprocal.
    return where(less(found, float("inf")), maximum(found, 2.0**-100), 1)


def max(x: Tensor, axis: Any = None, keepdims: bool = False, ties: str = "all") -> Tensor:
    """Return the largest value over axes; NaN if there is one.

    ties="all" gives every tied position the full gradient, ties="split" an equal share, and
    ties="first" the first one, in the order of rows, all of it.
    """
    return _extreme(max_, x, axis, keepdims, ties)


def min(x: Tensor, axis: Any = None, keepdims: bool = False, ties: str = "all") -> Tensor:
    """Return the smallest value over axes; NaN if there is one. `ties` as in max."""
    return _extreme(min_, x, axis, keepdims, ties)


def _extreme(op: Reduction, x: Any, axis: Any, keepdims: bool, ties: str) -> Tensor:
    if not isinstance(ties, str) or ties not in ("all", "split", "first"):
        raise ArgumentError(
            f'{op.name}: ties={shown(ties)} came; "all", "split" or "first" is needed'
        )
    x = as_tensor(x, op.name)
    out = op(x, axis, keepdims, ties=ties)
    return with_dtype(out, dtypes.bool_) if x.dtype is dtypes.bool_ else out  # folded as int32


def _arg(x: Tensor, axis: int | None, keepdims: bool, op: Any, name: str) -> Tensor:
    from ..creation import arange

    x = as_tensor(x, name)
    shape = x.shape
    if axis is None:
        x, at = reshape(x, (-1,)), 0
    else:
        at = normalize_axis(axis, len(shape), name)
    extent = x.shape[at]
    if extent == 0:
        raise ShapeError(f"{name}: axis {at} of shape {shape} is empty")
    best = op(x.detach(), axis=at, keepdims=True)
    hit = equal(x, expanded(best, x.shape))
    if x.dtype.is_floating:
        hit = hit | isnan(x)  # where there is a NaN, it is the extreme
    column = [1] * len(x.shape)
    column[at] = extent
    places = reshape(arange(extent, device=x.device), column)
    out = min_(where(hit, places, extent), axis=at, keepdims=keepdims or axis is None)
    if axis is None:
        out = reshape(out, (1,) * len(shape) if keepdims else ())
    out.array.storage.bounds = 0, extent - 1
    return out


def argmax(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Return the int32 position of the first largest value along `axis` (flattened for None)."""
    return _arg(x, axis, keepdims, max_, "argmax")


def argmin(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Return the int32 position of the first smallest value along `axis` (flattened for None)."""
    return _arg(x, axis, keepdims, min_, "argmin")
