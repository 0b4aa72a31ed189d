"""Writing and adding at index tensors: scatter, scatter_add, index_add, masked_scatter and others.

Where indices repeat nothing depends on the order in which a GPU runs: values are written, added and
multiplied in the order in which they stand.
"""

from __future__ import annotations

from math import prod
from typing import Any

from .. import dtypes
from ..checks.arguments import checked_choice, checked_flag
from ..core import Tensor, Value, apply, check_devices, wrap
from ..creation import arange
from ..creation.inputs import as_number, as_numeric, as_tensor, as_tensors
from ..errors import DTypeError, ShapeError
from ..layout import Shape, broadcast_shapes, normalize_axis
from ..ops import indexing as primitives
from ..ops import movement
from ..ops.elementwise import (
    add,
    divide,
    equal,
    floor_divide,
    less,
    logical_and,
    maximum,
    minimum,
    multiply,
    remainder,
    subtract,
    value_of,
    where,
)
from ..ops.families import expanded, with_dtype
from ..ops.placing import concat
from ..ops.scan import cumulative_sum
from ..shaping import reshape
from .indices import index_tensor

FOLDS = ("sum", "prod", "mean", "amax", "amin")


def scatter(
    x: Tensor, indices: Any, values: Any, axis: int = -1, *, reduce: str | None = None
) -> Tensor:
    """Return `x` with `values` written at `indices` along `axis`; the last one stays.

    Element (i, j) of the values goes to (indices[i, j], j) for axis 0. `values` is a number, or has
    at least the extents of `indices`, which are at most those of `x` outside `axis`. reduce="add"
    adds to what is there instead, "multiply" multiplies it. Negative indices do not count from the
    end. Raises: IndexRangeError; ShapeError; DTypeError; ArgumentError.

    >>> wg.scatter(wg.zeros(4), wg.tensor([0, 2]), wg.tensor([5.0, 7.0]))
    tensor([5., 0., 7., 0.])
    """
    name = "scatter"
    if reduce is not None:
        checked_choice(reduce, ("add", "multiply"), name, "reduce")
        how = {"add": "sum", "multiply": "prod"}[reduce]
        return _folded(name, x, indices, values, axis, how, True)
    x, index, values, at = _operands(name, x, indices, values, axis)
    flat = _flat(index, x.shape, at)
    out = apply(primitives.scatter, reshape(x, (-1,)), flat, reshape(values, (-1,)), axis=0)
    return reshape(out, x.shape)


def scatter_add(x: Tensor, indices: Any, values: Any, axis: int = -1) -> Tensor:
    """Return `x` with `values` added at `indices` along `axis`: the transpose of take_along_axis.

    Shapes and errors are scatter's. Where indices repeat, values are added in their order: the same
    bits in every run.

    >>> wg.scatter_add(wg.zeros(3), wg.tensor([0, 2, 0]), wg.ones(3))  # how often each comes
    tensor([2., 0., 1.])
    """
    x, index, values, at = _operands("scatter_add", x, indices, values, axis)
    return add(x, _sum(values, index, x.shape, at))


def scatter_reduce(
    x: Tensor,
    indices: Any,
    values: Any,
    reduce: str,
    axis: int = -1,
    *,
    include_self: bool = True,
) -> Tensor:
    """Return `x` folded with `values` at `indices` along `axis`.

    `reduce` is "sum", "prod", "mean", "amax" or "amin". Without include_self what `x` has counts
    only where no value comes. Tied extremes share the gradient; means of integers are rounded
    down. Shapes and errors are scatter's.
    """
    return _folded("scatter_reduce", x, indices, values, axis, reduce, include_self)


def index_add(
    x: Tensor, indices: Any, values: Tensor, axis: int, *, alpha: bool | int | float = 1
) -> Tensor:
    """Return `x` with alpha * values[.., j, ..] added at indices[j] along `axis`.

    Shapes: x (n, m), indices (k,), values (k, m), axis 0 -> (n, m). Values of equal indices are
    added in their order. Raises: IndexRangeError; ShapeError; DTypeError.

    >>> wg.index_add(wg.zeros(3), wg.tensor([0, 2, 0]), wg.tensor([1.0, 2.0, 10.0]), axis=0)
    tensor([11.,  0.,  2.])
    """
    factor = as_number(alpha, "index_add", "alpha")
    x, index, values, at = _along(x, indices, values, axis, "index_add")
    if factor != 1:
        values = with_dtype(multiply(values, factor), x.dtype)
    return add(x, _sum(values, index, x.shape, at))


def index_reduce(
    x: Tensor,
    indices: Any,
    values: Tensor,
    axis: int,
    reduce: str,
    *,
    include_self: bool = True,
) -> Tensor:
    """Return `x` folded with values[.., j, ..] at indices[j] along `axis`, as scatter_reduce does.

    Shapes: x (n, m), indices (k,), values (k, m), axis 0 -> (n, m). Raises: IndexRangeError;
    ShapeError; DTypeError; ArgumentError.
    """
    x, index, values, at = _along(x, indices, values, axis, "index_reduce")
    return _fold("index_reduce", x, index, values, at, reduce, include_self)


def masked_scatter(x: Tensor, mask: Any, source: Tensor) -> Tensor:
    """Return `x` with its elements where `mask` is true replaced by those of `source`, in order.

    The mask broadcasts to `x`; the source, of any shape, has at least as many elements as the mask
    is true. Raises: ShapeError; DTypeError; IndexRangeError where the source has too few.
    """
    name = "masked_scatter"
    x, source = as_tensors(name, x, source)
    mask = as_tensor(mask, name, x)
    if mask.dtype is not dtypes.bool_:
        raise DTypeError(f"{name}: a mask of {mask.dtype.name} came, and bools are needed")
    check_devices(name, (x, mask, source))
    if broadcast_shapes(name, x.shape, mask.shape) != x.shape:
        raise ShapeError(f"{name}: a mask {mask.shape} does not broadcast to {x.shape}")
    source = reshape(_fitting(source, x, name), (-1,))
    if not x.size:
        return apply(movement.alias, x)
    flags = reshape(with_dtype(expanded(mask, x.shape), dtypes.int32), (-1,))
    places = multiply(subtract(apply(cumulative_sum, flags, axis=0, back=False), 1), flags)
    places = primitives.checked_indices(places, source.shape[0], name, "element of source")
    taken = apply(primitives.gather_, source, places, axis=0)
    return where(expanded(mask, x.shape), reshape(taken, x.shape), x)


# What came.
def _operands(
    name: str, x: Any, indices: Any, values: Any, axis: int
) -> tuple[Tensor, Tensor, Tensor, int]:
    """Return the tensor, checked indices, values of their shape and x's dtype, and the axis."""
    x = as_tensor(x, name)
    index = index_tensor(indices, x, name)
    at = normalize_axis(axis, len(x.shape), name)
    if not isinstance(values, Value) and not hasattr(values, "__len__"):
        number = dtypes.cast_scalar(as_number(values, name, "values"), x.dtype, name)
        values = wrap(x.device.full((), number, x.dtype))
    else:
        values = as_tensor(values, name, x)
    if not values.shape and index.shape:
        values = expanded(values, index.shape)
    small = len(index.shape) == len(x.shape) == len(values.shape)
    small = small and all(n <= m for n, m in zip(index.shape, values.shape, strict=True))
    others = zip(_without(index.shape, at), _without(x.shape, at), strict=False)
    if not small or any(n > m for n, m in others):
        raise ShapeError(
            f"{name}: indices {index.shape} and values {values.shape} came for {x.shape}; indices "
            f"no larger than the values, and outside axis {at} than the tensor, are needed"
        )
    index = primitives.checked_indices(index, x.shape[at], name)
    check_devices(name, (x, values))
    if values.shape != index.shape:
        zeros, ones = (0,) * len(index.shape), (1,) * len(index.shape)
        values = movement.slice_view(values, zeros, index.shape, ones)
    return x, with_dtype(index, dtypes.int32), _fitting(values, x, name), at


def _along(
    x: Any, indices: Any, values: Any, axis: int, name: str
) -> tuple[Tensor, Tensor, Tensor, int]:
    """Return what `_operands` does, for indices of one axis that count for all others."""
    x, values = as_tensors(name, x, values)
    index = index_tensor(indices, x, name)
    at = normalize_axis(axis, len(x.shape), name)
    if len(index.shape) != 1 or values.shape != (*x.shape[:at], *index.shape, *x.shape[at + 1 :]):
        raise ShapeError(
            f"{name}: indices {index.shape} and values {values.shape} came for {x.shape}; indices "
            f"(k,) and values of the tensor's shape with k at axis {at} are needed"
        )
    index = primitives.checked_indices(index, x.shape[at], name)
    check_devices(name, (x, values))
    column = tuple(-1 if i == at else 1 for i in range(len(x.shape)))
    index = expanded(reshape(with_dtype(index, dtypes.int32), column), values.shape)
    return x, index, _fitting(values, x, name), at


def _fitting(values: Tensor, x: Tensor, name: str) -> Tensor:
    if values.dtype.rank > x.dtype.rank:
        raise DTypeError(
            f"{name}: {values.dtype.name} values do not fit a {x.dtype.name} tensor: convert "
            "one with .astype() first"
        )
    return with_dtype(values, x.dtype)


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]


# What is computed, of operands that have been checked.
def _flat(index: Tensor, shape: Shape, axis: int) -> Tensor:
    """Return where in a flattened tensor of `shape` each of the indices along an axis points."""
    strides = [prod(shape[i + 1 :]) for i in range(len(shape))]
    out = multiply(index, strides[axis])
    for i, n in enumerate(index.shape):
        if i != axis and n > 1:
            column = tuple(-1 if j == i else 1 for j in range(len(shape)))
            places = arange(0, n * strides[i], strides[i], device=index.device)
            out = add(out, reshape(places, column))
    return reshape(out, (-1,))


def _sum(values: Tensor, index: Tensor, shape: Shape, at: int) -> Tensor:
    """Return zeros of `shape` with values added at the indices along an axis."""
    if _without(index.shape, at) == _without(shape, at):
        return apply(primitives.scatter_, values, index, axis=at, size=shape[at])
    return reshape(_added(values, _flat(index, shape, at), prod(shape)), shape)


def _added(values: Tensor, flat: Tensor, size: int) -> Tensor:
    return apply(primitives.scatter_, reshape(values, (-1,)), flat, axis=0, size=size)


def _folded(
    name: str, x: Any, indices: Any, values: Any, axis: int, reduce: str, include: bool
) -> Tensor:
    x, index, values, at = _operands(name, x, indices, values, axis)
    return _fold(name, x, index, values, at, reduce, include)


def _fold(
    name: str, x: Tensor, index: Tensor, values: Tensor, at: int, reduce: str, include: bool
) -> Tensor:
    checked_choice(reduce, FOLDS, name, "reduce")
    x = as_numeric(x, name)
    include = checked_flag(include, name, "include_self")
    if not values.size:
        return apply(movement.alias, x)
    flat = _flat(index, x.shape, at)
    ones = wrap(x.device.full((values.size,), 1, dtypes.int32))
    counts = _added(ones, flat, x.size)
    old, new = reshape(x, (-1,)), reshape(values, (-1,))
    if x.dtype is dtypes.float16:  # sums and products of many have float32's digits
        old, new = with_dtype(old, dtypes.float32), with_dtype(new, dtypes.float32)
    if reduce in ("sum", "mean"):
        out = _summed(old, new, flat, counts, include, reduce == "mean")
    elif reduce == "prod":
        folded = _segments(new, flat, old.size, multiply)
        out = where(equal(counts, 0), old, multiply(old, folded) if include else folded)
    else:
        out = _extreme(old, new, flat, counts, include, maximum if reduce == "amax" else minimum)
    return reshape(with_dtype(out, x.dtype), x.shape)


def _summed(
    old: Tensor, new: Tensor, flat: Tensor, counts: Tensor, include: bool, mean: bool
) -> Tensor:
    kept = old if include else where(equal(counts, 0), old, 0)
    total = add(kept, _added(new, flat, old.size))
    if not mean:
        return total
    count = add(counts, 1) if include else maximum(counts, 1)
    count = with_dtype(count, old.dtype)
    return divide(total, count) if old.dtype.is_floating else floor_divide(total, count)


def _extreme(
    old: Tensor, new: Tensor, flat: Tensor, counts: Tensor, include: bool, op: Any
) -> Tensor:
    """Return the largest or least of what comes to each place; ties share the gradient."""
    before, after = old.detach(), new.detach()
    best = _segments(after, flat, old.size, op)
    out = where(equal(counts, 0), before, op(before, best) if include else best)
    if not old.dtype.is_floating:
        return out
    mine = equal(out, before)
    mine = mine if include else logical_and(mine, equal(counts, 0))
    theirs = equal(apply(primitives.gather_, out, flat, axis=0), after)
    ties = add(_added(with_dtype(theirs, dtypes.int32), flat, old.size), mine)
    share = with_dtype(maximum(ties, 1), old.dtype)
    slope = add(where(mine, old, 0), _added(where(theirs, new, 0), flat, old.size))
    return value_of(out, divide(slope, share))


def _segments(values: Tensor, flat: Tensor, size: int, op: Any) -> Tensor:
    """Return for each of `size` places what `op` makes of all the values that come to it, or 0.

    The values are sorted by their places and folded in a tree: in round r each of a place's values
    whose number is a multiple of 2 ** (r + 1) takes in the one that is 2 ** r further. All is made
    of ops, whose gradients are exact also where a factor is 0.
    """
    count = values.shape[0]
    line = arange(count, device=values.device)
    order = apply(primitives.argsort_, flat, axis=0, descending=False)
    place = apply(primitives.gather_, flat, order, axis=0)
    number = subtract(line, apply(primitives.searchsorted_, place, place, right=False))
    values = apply(primitives.gather_, values, order, axis=0)
    step = 1
    while step < count:
        takes = logical_and(equal(_shifted(place, step), place), less(line, count - step))
        takes = logical_and(takes, equal(remainder(number, 2 * step), 0))
        values = where(takes, op(values, _shifted(values, step)), values)
        step *= 2
    return _added(where(equal(number, 0), values, 0), place, size)


def _shifted(x: Tensor, step: int) -> Tensor:
    """Return x[step:], with its last element repeated to the old extent."""
    n = x.shape[0]
    rest = movement.slice_view(x, (step,), (n - step,), (1,))
    last = movement.slice_view(x, (n - 1,), (1,), (1,))
    return concat([rest, expanded(last, (step,))], 0)
