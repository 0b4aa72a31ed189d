"""Reading: take, take_along_axis, x[key], and what is added at indices, with their checks."""

from __future__ import annotations

from math import prod
from typing import Any

from ..core import Tensor, apply
from ..creation.inputs import as_tensor
from ..errors import ShapeError
from ..layout import Shape, broadcast_shapes, normalize_axis
from ..ops import indexing as primitives
from ..ops import movement
from ..ops.families import expanded
from ..shaping import reshape
from .indices import from_the_front, index_tensor, shaped
from .joined import join
from .keys import parse


def take(x: Tensor, indices: Any, axis: int | None = None) -> Tensor:
    """Return the entries of `x` at integer `indices` (any shape) along `axis`.

    With axis=None `x` is flattened first. Shapes: (n, m), indices (i, j), axis 0 -> (i, j, m).
    Negative indices count from the end. Raises: IndexRangeError, DTypeError.

    >>> wg.take(wg.tensor([[1, 2], [3, 4], [5, 6]]), wg.tensor([2, 0]), axis=0)  # or x[[2, 0]]
    tensor([[5, 6],
            [1, 2]])
    """
    x = as_tensor(x, "take")
    index = index_tensor(indices, x, "take")
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    at = normalize_axis(axis, len(x.shape), "take")
    return taken(x, _counted(index, x.shape[at], "take"), at)


def _counted(index: Tensor, extent: int, op: str) -> Tensor:
    """Return indices from -extent to extent - 1 counted from the front, checked."""
    return from_the_front(primitives.checked_indices(index, extent, op, least=-extent), extent)


def taken(x: Tensor, index: Tensor, at: int) -> Tensor:
    """Return the entries of `x` at an index tensor, which was checked, along an axis."""
    lead, tail = x.shape[:at], x.shape[at + 1 :]
    out = take_flat(x, shaped(index, (prod(index.shape),)), at)
    return shaped(out, (*lead, *index.shape, *tail))


def take_along_axis(x: Tensor, indices: Any, axis: int = -1) -> Tensor:
    """Return out[.., j, ..] = x[.., indices[.., j, ..], ..]; other axes broadcast.

    Negative indices count from the end. Raises: IndexRangeError; DTypeError; ShapeError.

    >>> x = wg.tensor([[3.0, 1.0], [0.0, 9.0]])
    >>> wg.take_along_axis(x, wg.argsort(x), axis=1)  # each row by an order of its own
    tensor([[1., 3.],
            [0., 9.]])
    """
    x = as_tensor(x, "take_along_axis")
    index = index_tensor(indices, x, "take_along_axis")
    if len(index.shape) != len(x.shape):
        raise ShapeError(
            f"take_along_axis: indices of shape {index.shape} and a tensor of shape {x.shape} need "
            "equally many axes"
        )
    at = normalize_axis(axis, len(x.shape), "take_along_axis")
    index = _counted(index, x.shape[at], "take_along_axis")
    x, index = _broadcast_but(x, index, at, "take_along_axis")
    return apply(primitives.gather_, x, index, axis=at)


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]


def _broadcast_but(x: Tensor, index: Tensor, axis: int, op: str) -> tuple[Tensor, Tensor]:
    """Broadcast two tensors against each other in every axis but `axis`."""
    shape = broadcast_shapes(op, _without(x.shape, axis), _without(index.shape, axis))
    lead, tail = shape[:axis], shape[axis:]
    return (
        expanded(x, (*lead, x.shape[axis], *tail)),
        expanded(index, (*lead, index.shape[axis], *tail)),
    )


def getitem(x: Tensor, key: Any) -> Tensor:
    """Return x[key] for every key that NumPy knows.

    Integers, slices with any step, None and an Ellipsis give views. Index arrays (lists, ranges,
    arrays, tensors; several broadcast against each other) and boolean masks give copies; negative
    indices count from the end. Indices from the host, and tensors made of such, cost no readback.
    Those that a GPU computed are read back once, to check them, and the number of true elements of
    a mask is, for the result's shape depends on it.

    Raises: IndexRangeError, DTypeError; ShapeError for index arrays that do not broadcast.
    """
    parts = parse(x, key)
    view = parts.view(x)
    if not parts.taken:
        return apply(movement.alias, x) if view is x else view
    joined = join(parts, x.device)
    return joined.result(take_flat(joined.laid_out(view), joined.index, joined.axis))


def take_flat(x: Tensor, index: Tensor, axis: int) -> Tensor:
    """Return the entries of `x` along `axis` at a 1-d index that was checked."""
    lead, tail = x.shape[:axis], x.shape[axis + 1 :]
    count = index.shape[0]
    column = shaped(index, (*(1,) * len(lead), count, *(1,) * len(tail)))
    return apply(primitives.gather_, x, expanded(column, (*lead, count, *tail)), axis=axis)
