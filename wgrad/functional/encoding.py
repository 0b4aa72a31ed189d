"""Integers as vectors: one_hot and embedding."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..checks.arguments import count as checked_count
from ..checks.arguments import integer
from ..core import Tensor, Value
from ..creation import arange
from ..creation.inputs import as_tensor
from ..devices import device as find_device
from ..errors import IndexRangeError, ShapeError, shown
from ..indexing import host_indices, index_tensor, taken
from ..ops import indexing
from ..ops.elementwise import equal, where
from ..ops.families import with_dtype
from ..shaping import reshape


def one_hot(labels: Any, classes: int, dtype: Any = float, device: Any = None) -> Tensor:
    """Return rows of zeros with a 1 at each label. Shapes: (...) -> (..., classes).

    >>> wg.one_hot(wg.tensor([0, 2]), 3)
    tensor([[1., 0., 0.],
            [0., 0., 1.]])
    """
    count = checked_count(classes, "one_hot", "classes", indexing.COUNTLESS)
    target = dtypes.as_dtype(float if dtype is None else dtype)
    if isinstance(labels, Value):
        index: Any = labels
    else:
        index = host_indices(labels, find_device(device), "one_hot", "labels")
    index.device.check_dtype(target, "one_hot")
    index = indexing.checked_indices(index, count, "one_hot", "label")
    places = arange(count, dtype=index.dtype, device=index.device)
    return with_dtype(equal(reshape(index, (*index.shape, 1)), places), target)


def embedding(input: Any, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Return the rows of `weight` at integer `input`; the row `padding_idx` gets no gradient.

    Shapes: input (...), weight (n, d) -> (..., d). A negative padding_idx counts from the end.
    Raises: ShapeError; DTypeError; IndexRangeError for an index or padding_idx that is no row.

    >>> weight = wg.tensor([[0.0, 0.5], [1.0, 1.5], [2.0, 2.5]])
    >>> wg.nn.functional.embedding(wg.tensor([2, 0]), weight)
    tensor([[2. , 2.5],
            [0. , 0.5]])
    """
    weight = as_tensor(weight, "embedding", input)
    if len(weight.shape) != 2:
        raise ShapeError(f"embedding: a weight of shape {weight.shape} came; (n, d) is needed")
    index = index_tensor(input, weight, "embedding")
    padding = None if padding_idx is None else row(padding_idx, weight.shape[0], "embedding")
    index = indexing.checked_indices(index, weight.shape[0], "embedding")
    out = taken(weight, index, 0)
    if padding is None:
        return out
    return where(reshape(equal(index, padding), (*index.shape, 1)), out.detach(), out)


def row(padding_idx: Any, rows: int, where: str) -> int:
    """Return the row that `padding_idx` means. Raises: ArgumentError, IndexRangeError."""
    chosen = integer(padding_idx, where, "padding_idx")
    if not -rows <= chosen < rows:
        raise IndexRangeError(f"{where}: padding_idx {shown(chosen)} is none of {rows} rows")
    return chosen % rows
