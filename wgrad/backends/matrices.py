"""Matrix products of strided NumPy arrays: what a library cannot read as it lies is copied first.

A second factor that is much larger in a copy than in memory, as windows of images are, is copied
and multiplied block by block: a block stays in the cache.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..layout import Layout, Shape
from .array import product_shape

_LINE = 16  # floats of a cache line: those that lie further apart are read one by one
BLOCK = 3 << 16  # bytes of a block at the most, where one slice is no larger


class Blocks(NamedTuple):
    """How a factor is copied in blocks: with its axes in `order`, and one of those cut.

    `shape` is that of the first block, `axis` the cut axis in it. If `turned`, columns come first
    and what is cut is summed over; else rows come first and columns are cut.
    """

    order: tuple[int, ...]
    axis: int
    shape: Shape
    turned: bool


def product(a: np.ndarray, b: np.ndarray, lead: int | None = None, inner: int = 1) -> np.ndarray:
    """Return the matrix product of arrays with `lead` batch axes and `inner` to sum over."""
    if lead is None and inner == 1:
        return np.matmul(a, b)
    lead = a.ndim - 2 if lead is None else lead
    shape = product_shape(a.shape, b.shape, lead, inner)
    left = _matrices(a, lead, a.ndim - inner)
    cut = blocks(_layout(b), b.itemsize, lead, lead + inner, prod(left.shape[:-1]))
    if cut is None:
        return np.matmul(left, _matrices(b, lead, lead + inner)).reshape(shape)
    out = np.empty((left.shape[0], prod(b.shape[lead + inner :])), a.dtype)
    in_blocks(out, left, b.transpose(cut.order), np.empty(cut.shape, b.dtype), *cut[1::2])
    return out.reshape(shape)


def _layout(x: np.ndarray) -> Layout:
    return Layout(x.shape, tuple(s // x.itemsize for s in x.strides))


def _matrices(x: np.ndarray, lead: int, columns: int) -> np.ndarray:
    """Return an array as (*batch, rows, columns), a view of it or of a copy."""
    seen = as_matrices(_layout(x), lead, columns)
    if seen is None:
        order, seen = copied_matrices(_layout(x), lead, columns)
        x = np.ascontiguousarray(x.transpose(order))
    return as_strided(x, seen.shape, tuple(s * x.itemsize for s in seen.strides))


def as_matrices(x: Layout, lead: int, columns: int) -> Layout | None:
    """Return a view as (*batch, rows, columns), where strides can say that.

    Of its axes `lead` are those of the batch, and columns begin at `columns`. A batch of one is
    none.
    """
    return x.reshape((*_batch(x, lead), prod(x.shape[lead:columns]), prod(x.shape[columns:])))


def copied_matrices(x: Layout, lead: int, columns: int) -> tuple[tuple[int, ...], Layout]:
    """Return the axes in the order of a copy, and how it is (*batch, rows, columns).

    Libraries read either order, so the copy has the one in which it is made in long rows.
    """
    axes, batch = range(len(x.shape)), _batch(x, lead)
    n, m = prod(x.shape[lead:columns]), prod(x.shape[columns:])
    if not _is_turned(x, lead, columns):
        return tuple(axes), Layout.dense((*batch, n, m))
    k = len(batch)
    turned = Layout.dense((*batch, m, n)).permute((*range(k), k + 1, k))
    return (*axes[:lead], *axes[columns:], *axes[lead:columns]), turned


def blocks(x: Layout, itemsize: int, lead: int, columns: int, rows: int) -> Blocks | None:
    """Return how a second factor is copied in blocks; None where it is read, or copied, whole.

    The first factor has so many `rows`.
    """
    whole = x.size * itemsize <= BLOCK or as_matrices(x, lead, columns) is not None
    if whole or _batch(x, lead):
        return None
    axes = range(len(x.shape))
    turned = _is_turned(x, lead, columns)
    first, last = axes[lead:columns], axes[columns:]
    if turned and rows * prod(x.shape[columns:]) * itemsize > BLOCK:
        return None  # sums of blocks would take their time
    order = (*axes[:lead], *last, *first) if turned else tuple(axes)
    cut = next(a for a in (first if turned else last) if x.shape[a] > 1)
    axis, n = order.index(cut), x.shape[cut]
    size = max(1, BLOCK * n // (x.size * itemsize))
    shape = tuple(size if a == cut else x.shape[a] for a in order)
    return Blocks(order, axis, shape, turned) if size < n else None


def in_blocks(
    out: np.ndarray, a: np.ndarray, b: np.ndarray, block: np.ndarray, axis: int, turned: bool
) -> None:
    """Multiply a matrix by a factor whose axes are in the order of its blocks; see `Blocks`.

    `block` is memory for one of them.
    """
    step, at = block.shape[axis], 0
    for start in range(0, b.shape[axis], step):
        part = b[(*[slice(None)] * axis, slice(start, start + step))]
        if part.shape != block.shape:
            block = block.reshape(-1)[: part.size].reshape(part.shape)
        np.copyto(block, part)
        if not turned:
            matrix = block.reshape(a.shape[1], -1)
            end = at + matrix.shape[1]
            np.matmul(a, matrix, out=out[:, at:end])
        else:
            matrix = block.reshape(out.shape[1], -1).T
            end = at + matrix.shape[0]
            if start == 0:
                np.matmul(a[:, :end], matrix, out=out)
            else:
                out += np.matmul(a[:, at:end], matrix)
        at = end


def _batch(x: Layout, lead: int) -> Shape:
    return x.shape[:lead] if prod(x.shape[:lead]) != 1 else ()


def _is_turned(x: Layout, lead: int, columns: int) -> bool:
    """Whether a copy is made in longer rows, with neighbours closer, column by column."""

    def length(first: int, end: int) -> float:
        axes = [(abs(x.strides[a]), -x.shape[a]) for a in range(first, end) if x.shape[a] > 1]
        step, count = min(axes, default=(1, 0))
        return -count / min(max(step, 1), _LINE)

    return length(lead, columns) > length(columns, len(x.shape))
