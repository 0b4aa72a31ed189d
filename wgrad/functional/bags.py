"""Sums, means and maxima of the rows of a matrix, for each of several bags of indices."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..checks.arguments import checked_choice
from ..core import Tensor, Value
from ..creation import host_array, tensor, zeros
from ..creation.inputs import as_tensor
from ..errors import ArgumentError, ShapeError
from ..indexing import index_add, index_reduce, index_tensor
from ..ops.reduction import max_, sum_
from ..shaping import reshape
from .encoding import embedding


def embedding_bag(
    input: Any,
    weight: Tensor,
    offsets: Any = None,
    mode: str = "mean",
    per_sample_weights: Any = None,
) -> Tensor:
    """Return the mean, "sum" or "max" of the rows of `weight` that each bag of indices names.

    A bag is a row of `input`, or of a line of indices what lies between two of the `offsets`, which
    begin with 0 and must be known when it is called. Empty bags give zeros. `per_sample_weights`,
    of the input's shape, multiply the rows of a "sum".
    Shapes: input (bags, n), or (n,) with offsets (bags,); weight (rows, d) -> (bags, d).
    Raises: ShapeError; ArgumentError; IndexRangeError for an index that is no row.
    """
    name = "embedding_bag"
    checked_choice(mode, ("sum", "mean", "max"), name, "mode")
    weight = as_tensor(weight, name)
    index = index_tensor(input, weight, name)
    if len(index.shape) != (2 if offsets is None else 1):
        raise ShapeError(
            f"{name}: input {index.shape} came; (bags, n), or (n,) and offsets, are needed"
        )
    rows = embedding(index, weight)
    if per_sample_weights is not None:
        if mode != "sum":
            raise ArgumentError(f'{name}: per_sample_weights came with mode="{mode}", not "sum"')
        factors = as_tensor(per_sample_weights, name, weight)
        if factors.shape != index.shape:
            raise ShapeError(f"{name}: weights {factors.shape} came, and {index.shape} is needed")
        rows = rows * reshape(factors, (*index.shape, 1))
    if offsets is None:
        bags, n = index.shape
        if not n:
            return zeros((bags, rows.shape[-1]), dtype=rows.dtype, device=rows.device)
        if mode == "max":
            return max_(rows, 1, ties="split")
        total = sum_(rows, axis=1)
        return total / n if mode == "mean" else total
    counts = _counts(offsets, index.shape[0], name)
    bag = tensor(np.repeat(np.arange(len(counts)), counts), dtypes.int32, rows.device)
    out = zeros((len(counts), rows.shape[-1]), dtype=rows.dtype, device=rows.device)
    if mode == "max":
        return index_reduce(out, bag, rows, 0, "amax", include_self=False)
    total = index_add(out, bag, rows, 0)
    if mode == "sum":
        return total
    sizes = np.maximum(counts, 1)[:, None].astype(rows.dtype.numpy)
    return total / tensor(sizes, rows.dtype, rows.device)


def _counts(offsets: Any, n: int, name: str) -> np.ndarray:
    """Return how many indices each bag has. Raises: ArgumentError."""
    data = offsets.numpy() if isinstance(offsets, Value) else host_array(offsets, name)  # type: ignore[attr-defined]
    counts = np.diff(np.append(data, n)) if data.ndim == 1 and data.size else None
    if counts is None or data.dtype.kind not in "iu" or data[0] != 0 or (counts < 0).any():
        raise ArgumentError(
            f"{name}: offsets from 0 on, none smaller than the one before, and none above {n} are "
            "needed"
        )
    return counts
