"""PyTorch's functions that the standard lacks, each made of functions that it has."""

from __future__ import annotations

from typing import Any

from .. import indexing, shaping
from ..checks.arguments import count as checked_count
from ..checks.arguments import integer as checked_integer
from ..core import Tensor
from ..creation.inputs import as_tensor
from ..errors import ArgumentError, ShapeError
from ..layout import integers, normalize_axis
from ..ops.elementwise import where
from ..shaping.parts import part
from .reductions import max, min


def amax(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return the largest value over axes; equal ones share the gradient.

    >>> wg.amax(wg.tensor([[1.0, 5.0], [3.0, 4.0]]), axis=0)
    tensor([3., 5.])
    """
    return max(x, axis, keepdims, "split")


def amin(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return the smallest value over axes; equal ones share the gradient.

    >>> wg.amin(wg.tensor([[1.0, 5.0], [3.0, 4.0]]), axis=0)
    tensor([1., 4.])
    """
    return min(x, axis, keepdims, "split")


def chunk(x: Tensor, chunks: int, axis: int = 0) -> tuple[Tensor, ...]:
    """Return at most `chunks` views of `x` along `axis`: equal ones, of which the last may be less.

    Raises: ArgumentError; AxisError.

    >>> wg.chunk(wg.arange(5), 2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    x = as_tensor(x, "chunk")
    at = normalize_axis(axis, len(x.shape), "chunk")
    if checked_count(chunks, "chunk", "chunks") == 0:
        raise ArgumentError("chunk: chunks=0 came, and an integer of at least 1 is needed")
    extent = x.shape[at]
    size = -(-extent // chunks)
    return shaping.split(x, list(range(size, extent, size)) if size else chunks, at)


def narrow(x: Tensor, axis: int, start: int, length: int) -> Tensor:
    """Return a view of `length` entries along `axis`, from `start` on. Raises: ArgumentError.

    >>> wg.narrow(wg.arange(6), 0, 1, 3)  # or x[1:4]
    tensor([1, 2, 3])
    """
    x = as_tensor(x, "narrow")
    at = normalize_axis(axis, len(x.shape), "narrow")
    first = checked_integer(start, "narrow", "start")
    size = checked_count(length, "narrow", "length")
    first += x.shape[at] * (first < 0)
    if not 0 <= first <= x.shape[at] - size:
        raise ArgumentError(
            f"narrow: start={start} and length={length} came for axis {at} of shape {x.shape}"
        )
    return part(x, (first, 1, size), at)


def select(x: Tensor, axis: int, index: int) -> Tensor:
    """Return a view of one entry along `axis`, which is gone. Raises: IndexRangeError.

    >>> wg.select(wg.tensor([[1, 2], [3, 4]]), 0, 1)  # or x[1]
    tensor([3, 4])
    """
    x = as_tensor(x, "select")
    at = normalize_axis(axis, len(x.shape), "select")
    return indexing.getitem(x, (*[slice(None)] * at, index))


def unflatten(x: Tensor, axis: int, sizes: Any) -> Tensor:
    """Return `x` with several axes in the place of one; one of their `sizes` may be -1.

    >>> wg.unflatten(wg.zeros((4, 6)), 1, (2, 3)).shape
    (4, 2, 3)
    """
    x = as_tensor(x, "unflatten")
    at = normalize_axis(axis, len(x.shape), "unflatten")
    inside = integers(sizes, "unflatten")
    return shaping.reshape(x, (*x.shape[:at], *inside, *x.shape[at + 1 :]))


def gather(x: Tensor, axis: int, indices: Any) -> Tensor:
    """Return out[i, j] = x[indices[i, j], j] for axis 0, and so on: as take_along_axis.

    Outside `axis` the indices may have smaller extents than `x`, and have no larger ones.
    Raises: IndexRangeError; DTypeError; ShapeError.

    >>> scores = wg.tensor([[0.1, 0.9], [0.6, 0.4]])
    >>> wg.gather(scores, 1, wg.tensor([[1], [0]]))  # the score of each row's label
    tensor([[0.9],
            [0.6]])
    """
    x = as_tensor(x, "gather")
    at = normalize_axis(axis, len(x.shape), "gather")
    index = indexing.index_tensor(indices, x, "gather")
    if len(index.shape) != len(x.shape) or any(
        n > m for i, (n, m) in enumerate(zip(index.shape, x.shape, strict=True)) if i != at
    ):
        raise ShapeError(
            f"gather: indices of shape {index.shape} came for {x.shape}: as many axes are needed, "
            f"and no larger extents outside axis {at}"
        )
    for i, n in enumerate(index.shape):
        if i != at and n != x.shape[i]:
            x = part(x, (0, 1, n), i)
    return indexing.take_along_axis(x, index, at)


def index_select(x: Tensor, axis: int, indices: Any) -> Tensor:
    """Return the entries along `axis` at a list of indices: `take(x, indices, axis)`.

    >>> wg.index_select(wg.tensor([[1, 2], [3, 4], [5, 6]]), 0, wg.tensor([2, 0]))
    tensor([[5, 6],
            [1, 2]])
    """
    return indexing.take(x, indices, axis)


def masked_fill(x: Tensor, mask: Any, value: Any) -> Tensor:
    """Return `x` with `value` where `mask`, which broadcasts, is true. Raises: DTypeError.

    >>> x = wg.tensor([1.0, -2.0, 3.0])
    >>> wg.masked_fill(x, x < 0, 0)
    tensor([1., 0., 3.])
    """
    return where(mask, value, as_tensor(x, "masked_fill"))


def masked_select(x: Tensor, mask: Any) -> Tensor:
    """Return the elements of `x` where `mask` is true, in one line; both broadcast.

    >>> x = wg.tensor([1.0, -2.0, 3.0])
    >>> wg.masked_select(x, x > 0)  # or x[x > 0]
    tensor([1., 3.])
    """
    x, mask = shaping.broadcast_arrays(as_tensor(x, "masked_select"), mask)
    return indexing.getitem(x, mask)
