"""Parts of a tensor along one axis: the public split and unstack, and picks by host indices."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..core import Tensor, apply
from ..creation import from_host
from ..creation.inputs import as_tensor
from ..errors import ArgumentError, ShapeError, shown
from ..layout import normalize_axis
from ..ops import indexing, movement, placing
from ..ops.families import expanded
from .views import reshape

MOST_RUNS = 8  # pieces from which a gather costs less than joining them

Run = tuple[int, int, int]  # first, step (1, -1 or 0), count


def part(x: Tensor, run: Run, axis: int) -> Tensor:
    """Return a view of a run of entries along `axis`; step 0 repeats one."""
    first, step, count = run
    if step == 0:
        one = part(x, (first, 1, 1), axis)
        return expanded(one, (*x.shape[:axis], count, *x.shape[axis + 1 :]))
    starts = tuple(first if a == axis else 0 for a in range(len(x.shape)))
    sizes = tuple(count if a == axis else n for a, n in enumerate(x.shape))
    steps = tuple(step if a == axis else 1 for a in range(len(x.shape)))
    return movement.slice_view(x, starts, sizes, steps)


def runs(x: Tensor, pieces: Sequence[Run], axis: int) -> Tensor:
    """Return runs of entries of `x` joined along `axis`."""
    if len(pieces) == 1:
        return part(x, pieces[0], axis)
    return placing.concat([part(x, run, axis) for run in pieces], axis)


def picked(x: Tensor, indices: np.ndarray, axis: int, op: str) -> Tensor:
    """Return the entries of `x` at valid `indices` of the host, along `axis`.

    Few runs of neighbours are joined as views, whose gradients are views again; more of them are
    gathered.
    """
    few = _runs_of(indices)
    if few is not None:
        return runs(x, few, axis)
    index = from_host(indices, op, dtypes.int32, x.device)
    column = tuple(-1 if a == axis else 1 for a in range(len(x.shape)))
    shape = (*x.shape[:axis], len(indices), *x.shape[axis + 1 :])
    return apply(indexing.gather_, x, expanded(reshape(index, column), shape), axis=axis)


def _runs_of(indices: np.ndarray) -> list[Run] | None:
    """Return indices as runs, or None where they are more than MOST_RUNS."""
    made: list[Run] = []
    at = 0
    while at < len(indices):
        if len(made) == MOST_RUNS:
            return None
        count, step = 1, 1
        if at + 1 < len(indices) and abs(int(indices[at + 1] - indices[at])) <= 1:
            step = int(indices[at + 1] - indices[at])
            breaks = np.flatnonzero(np.diff(indices[at:]) != step)
            count = int(breaks[0]) + 1 if len(breaks) else len(indices) - at
        made.append((int(indices[at]), step, count))
        at += count
    return made or [(0, 1, 0)]


def split(x: Tensor, indices_or_sections: int | Sequence[int], axis: int = 0) -> tuple[Tensor, ...]:
    """Return views of `x`: so many equal parts along `axis`, or the parts between given indices.

    [2, 5] gives x[:2], x[2:5] and x[5:], as numpy.split does. Raises: ShapeError when the parts
    would not be equal; ArgumentError.

    >>> wg.split(wg.arange(6), 3)
    (tensor([0, 1]), tensor([2, 3]), tensor([4, 5]))
    >>> wg.split(wg.arange(6), [1, 4])
    (tensor([0]), tensor([1, 2, 3]), tensor([4, 5]))
    """
    x = as_tensor(x, "split")
    at = normalize_axis(axis, len(x.shape), "split")
    extent = x.shape[at]
    given: Any = indices_or_sections
    if isinstance(given, np.ndarray) and given.ndim == 1:
        given = given.tolist()
    several = isinstance(given, (tuple, list))
    try:
        numbers = [operator.index(n) for n in (given if several else [given])]
    except TypeError:
        raise ArgumentError(
            f"split: {shown(given)} came; a number of parts, or a list of indices, is needed"
        ) from None
    if not several:
        (count,) = numbers
        if count < 1 or extent % count:
            raise ShapeError(
                f"split: axis {at} of shape {x.shape} has extent {extent}, which {shown(count)} "
                "equal parts cannot have"
            )
        size = extent // count
        numbers = [size * i for i in range(1, count)]
    parts = []
    for first, last in zip([0, *numbers], [*numbers, extent], strict=True):
        start, stop, _ = slice(first, last).indices(extent)
        parts.append(part(x, (start, 1, max(stop - start, 0)), at))
    return tuple(parts)


def unstack(x: Tensor, axis: int = 0) -> tuple[Tensor, ...]:
    """Return a view of every entry of `x` along `axis`, without that axis.

    >>> rows = wg.unstack(wg.tensor([[1, 2], [3, 4]]))
    >>> rows[1]
    tensor([3, 4])
    """
    x = as_tensor(x, "unstack")
    at = normalize_axis(axis, len(x.shape), "unstack")
    shape = (*x.shape[:at], *x.shape[at + 1 :])
    return tuple(reshape(part(x, (i, 1, 1), at), shape) for i in range(x.shape[at]))
