"""Sums, statistics and norms over axes, and where the extremes are."""

from __future__ import annotations

import math
from math import prod as prod_of
from typing import Any

import numpy as np

from .. import dtypes
from ..backends.array import kept_shape
from ..checks.arguments import checked_choice
from ..core import Tensor
from ..creation import arange
from ..creation.inputs import as_tensor
from ..errors import ArgumentError, DTypeError, ShapeError, shown
from ..layout import Shape, normalize_axes, normalize_axis
from ..ops import movement
from ..ops.elementwise import (
    abs_,
    equal,
    greater,
    isnan,
    less,
    logical_and,
    maximum,
    negative,
    not_equal,
    power,
    sqrt,
    square,
    where,
)
from ..ops.families import expanded, with_dtype
from ..ops.reduction import Reduction, max_, min_, sum_
from ..ops.reduction import prod as prod_
from ..shaping import reshape, squeeze
from .precision import floating, in_float32


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

    >>> x = wg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> wg.sum(x), wg.sum(x, axis=0)
    (tensor(10.), tensor([4., 6.]))
    """
    return sum_(counted(as_tensor(x, "sum"), dtype, "sum"), axis, keepdims)


def prod(x: Tensor, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> Tensor:
    """Return the product over axes; gradients are exact where elements are 0. `dtype` as in sum.

    >>> wg.prod(wg.tensor([[1, 2], [3, 4]]), axis=1)
    tensor([ 2, 12])
    """
    return prod_(counted(as_tensor(x, "prod"), dtype, "prod"), axis, keepdims)


def count_nonzero(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return how many elements over axes are not 0, as int32; NaN is not 0.

    >>> wg.count_nonzero(wg.tensor([[0, 1], [2, 3]]), axis=0)
    tensor([1, 2])
    """
    x = as_tensor(x, "count_nonzero")
    return sum_(with_dtype(with_dtype(x, dtypes.bool_), dtypes.int32), axis, keepdims)


@in_float32
def mean(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return the mean over axes, a float also for integers; of nothing it is NaN.

    The sum has to fit the dtype, as in NumPy and PyTorch.

    >>> x = wg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> wg.mean(x, axis=1, keepdims=True)
    tensor([[1.5],
            [3.5]])
    """
    x, axes, count = over_floats(x, axis, "mean")
    return sum_(x, axes, keepdims) / count


def over_floats(x: Any, axis: Any, op: str) -> tuple[Tensor, Shape, int]:
    """Return a tensor of floats, axes counted from the front, and the extent of them together."""
    x = floating(as_tensor(x, op))
    axes = normalize_axes(axis, len(x.shape), op)
    return x, axes, prod_of(x.shape[i] for i in axes)


@in_float32
def var(x: Tensor, axis: Any = None, keepdims: bool = False, *, correction: float = 0.0) -> Tensor:
    """Return the variance over axes: the squared distances from the mean, over n - correction.

    The mean is taken first, so that no digits cancel. It is NaN where n <= correction. PyTorch's
    default is correction=1; the Array API standard's and NumPy's is 0.

    >>> x = wg.tensor([1.0, 2.0, 3.0])
    >>> wg.var(x, correction=1)
    tensor(1.)
    """
    x, axes, count, left = _counts(x, axis, correction, "var")
    if not count:
        return sum_(square(x), axes, keepdims) / left
    # so that no difference overflows whose square is a number
    scale = _scale_of(_extent_of(x, axes), 1e30, 0)
    out = sum_(square(centered(x / scale, axes)[0]), axes, True) / left * scale * scale
    return out if keepdims else squeeze(out, axes)


@in_float32
def std(x: Tensor, axis: Any = None, keepdims: bool = False, *, correction: float = 0.0) -> Tensor:
    """Return the square root of `var`; where that is 0, so is the gradient.

    Squares that do not fit the dtype are no harm.

    >>> x = wg.tensor([1.0, 3.0])
    >>> wg.std(x), wg.std(wg.tensor([1.0, 2.0, 3.0]), correction=1)
    (tensor(1.), tensor(1.))
    """
    x, axes, count, left = _counts(x, axis, correction, "std")
    if not count:
        return sum_(x, axes, keepdims) / left
    scale = _scale_of(_extent_of(x, axes), _SQUARED)
    around, _ = centered(x / scale, axes)
    out = _root(sum_(square(around), axes, True) / left, 2) * scale
    return out if keepdims else squeeze(out, axes)


def _counts(x: Any, axis: Any, correction: float, op: str) -> tuple[Tensor, Shape, int, float]:
    """Return what `over_floats` does, and what squares are divided by."""
    if isinstance(correction, bool) or not isinstance(correction, (int, float)):
        raise ArgumentError(f"{op}: correction={shown(correction)} came, and a number is needed")
    x, axes, count = over_floats(x, axis, op)
    left = count - correction
    return x, axes, count, left if count and left > 0 else math.nan


_SQUARED = 1e15  # many squares of up to this, and of at least its inverse, can be added up


def centered(x: Tensor, axes: Shape) -> tuple[Tensor, Tensor]:
    """Return `x` less its mean over axes that are not empty, and the mean, whose axes are kept.

    The differences from one of the elements are averaged. So equal ones are at the mean exactly,
    where a rounded mean would leave each a little off, to one side.
    """
    sizes = kept_shape(x.shape, axes)
    first = movement.slice_view(x.detach(), (0,) * len(sizes), sizes, (1,) * len(sizes))
    beside = x - first
    mean_beside = sum_(beside, axes, True) / prod_of(x.shape[i] for i in axes)
    return beside - mean_beside, first + mean_beside


def in_range(x: Tensor, axes: Shape) -> tuple[Tensor, Any]:
    """Return `x` over a scale, and that: it is 1 unless squares over axes might overflow.

    For what is the same of a multiple of `x`: the scale is no part of the tape.
    """
    if any(x.shape[i] == 0 for i in axes):
        return x, 1.0
    scale = _scale_of(_extent_of(x, axes), _SQUARED, 0)
    return x / scale, scale


def _extent_of(x: Tensor, axes: Shape) -> Tensor:
    """Return the largest abs(x) over axes, which are kept; they are not empty."""
    x = x.detach()
    return maximum(max_(x, axes, True), negative(min_(x, axes, True)))


def _scale_of(size: Tensor, most: float, least: float | None = None) -> Tensor:
    """Return what to divide by, so that the largest size becomes `most`, or `least` (1 / most).

    It is 1 for sizes between, infinities and NaN. What is homogeneous, such as a norm, may be
    multiplied by it again: then it cancels in every derivative, and is no part of the tape.
    """
    least = 1 / most if least is None else least
    scale = where(logical_and(greater(size, most), less(size, math.inf)), size * (1 / most), 1.0)
    if not least:
        return scale
    tiny = float(np.finfo(size.dtype.numpy).tiny)  # below, reciprocals are infinite
    return where(less(size, least), maximum(size, tiny) * (1 / least), scale)


def _root(x: Tensor, p: float) -> Tensor:
    """Return x ** (1 / p) for x >= 0, with gradient 0 at 0, where it has none."""
    zero = equal(x, 0)
    inside = where(zero, 1, x)
    return where(zero, x, sqrt(inside) if p == 2 else power(inside, 1 / p))


@in_float32
def norm(x: Tensor, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """Return the vector norm over axes: the `ord`-th root of the sum of abs(x) ** ord.

    ord=inf is the largest of abs(x), -inf the smallest, 0 the number of elements that are not 0.
    Nothing overflows inside that the result can hold. The gradient of a norm of 0 is 0, and equal
    extremes share it; of negative orders it is right where no element but 0 is below 1e-30.
    Raises: ArgumentError for an `ord` that is no number.

    >>> x = wg.tensor([3.0, -4.0])
    >>> wg.norm(x), wg.norm(x, ord=1), wg.norm(x, ord=wg.inf)
    (tensor(5.), tensor(7.), tensor(4.))
    """
    if isinstance(ord, bool) or not isinstance(ord, (int, float)) or ord != ord:
        raise ArgumentError(f"norm: ord={shown(ord)} came, and a number is needed")
    x, axes, count = over_floats(x, axis, "norm")
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
    if math.isinf(ord):
        return extreme(size, axes, keepdims, ties="split")
    largest, scale = _extreme_and_scale(size.detach(), extreme, axes, ord)
    size = size / scale
    if ord == 2:
        out = _root(sum_(square(size), axes, True), ord) * scale
    elif ord > 0:
        zero = equal(size, 0)
        powers = where(zero, 0, power(where(zero, 1, size), ord))
        out = _root(sum_(powers, axes, True), ord) * scale
    else:  # one element of 0 makes a norm of 0, as it does a least value
        zero = equal(largest, 0)
        out = _root(sum_(power(where(zero, 1, size), ord), axes, True), ord) * scale
        out = where(zero, 0, out)
    return out if keepdims else squeeze(out, axes)


def _extreme_and_scale(size: Tensor, extreme: Any, axes: Shape, ord: float) -> tuple[Any, Any]:
    """Return the extreme size, and what to divide by: no power overflows, nor does its slope."""
    largest = extreme(size, axes, True)
    return largest, _scale_of(
        largest, 1 if ord < 0 else 1e30 if ord < 1 else 1e30 ** (1 / (ord + 1))
    )


def max(x: Tensor, axis: Any = None, keepdims: bool = False, ties: str = "all") -> Tensor:
    """Return the largest value over axes; NaN if there is one.

    ties="all" gives every tied position the full gradient, ties="split" an equal share, and
    ties="first" the first one, in the order of rows, all of it. PyTorch splits in `amax` and in
    `max` of a whole tensor, and takes one position in `max` along an axis: for its gradients pass
    ties="split" or "first". Compositions such as norms split, so that theirs are subgradients.

    >>> x = wg.tensor([[1.0, 5.0], [3.0, 4.0]])
    >>> wg.max(x), wg.max(x, axis=0)  # where they are: wg.argmax
    (tensor(5.), tensor([3., 5.]))
    """
    return _extreme(max_, x, axis, keepdims, ties)


def min(x: Tensor, axis: Any = None, keepdims: bool = False, ties: str = "all") -> Tensor:
    """Return the smallest value over axes; NaN if there is one. `ties` as in max.

    >>> wg.min(wg.tensor([[1.0, 5.0], [3.0, 4.0]]), axis=1)
    tensor([1., 3.])
    """
    return _extreme(min_, x, axis, keepdims, ties)


def _extreme(op: Reduction, x: Any, axis: Any, keepdims: bool, ties: str) -> Tensor:
    checked_choice(ties, ("all", "split", "first"), op.name, "ties")
    x = as_tensor(x, op.name)
    out = op(x, axis, keepdims, ties=ties)
    return with_dtype(out, dtypes.bool_) if x.dtype is dtypes.bool_ else out  # folded as int32


def _arg(x: Tensor, axis: int | None, keepdims: bool, op: Any, name: str) -> Tensor:
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
    """Return the int32 position of the first largest value along `axis` (flattened for None).

    >>> scores = wg.tensor([[0.1, 0.7, 0.2], [0.9, 0.0, 0.1]])
    >>> wg.argmax(scores, axis=1)  # the class of each row
    tensor([1, 0])
    """
    return _arg(x, axis, keepdims, max_, "argmax")


def argmin(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Return the int32 position of the first smallest value along `axis` (flattened for None).

    >>> wg.argmin(wg.tensor([3.0, 1.0, 2.0]))
    tensor(1)
    """
    return _arg(x, axis, keepdims, min_, "argmin")
