"""Range checks that a program makes itself, of integers whose range is known in a run alone.

Such integers are used with the nearest ones that are allowed in the place of others. How many
there were is noted in records (backends/faults.py), which are memory from outside that every run
writes to; and where there were some, all else from outside that the run writes to keeps its values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...backends.array import Array, Number
from ...backends.faults import Allowed, Check, Faults
from ...backends.fold import MAX, MIN, SUM, Fold
from ...core import Value, wrap
from ...dtypes import int32, uint32
from ...layout import Layout
from ...ops.elementwise import clamp, equal, greater, less, logical_and, logical_not, logical_or
from ...ops.elementwise import where as where_
from ...ops.intervals import HELD
from ...ops.movement import cast


class Suspect(NamedTuple):
    """A check of the program: its record, of shape (1, 2), and what is said about it."""

    record: Array
    check: Check


def bounded(x: Value, allowed: Allowed, place: str) -> tuple[Value, Suspect]:
    """Return integers with the nearest allowed ones in the place of others, and their check."""
    array, device = x.array, x.device
    dtype = array.dtype
    low, high = HELD[dtype]
    low, high = max(low, allowed.least), min(high, allowed.greatest)
    outside = _map(logical_or, _map(less, array, low), _map(greater, array, high))
    inside = _map(clamp, array, low, high)
    if allowed.besides is not None:
        extra = _map(equal, array, allowed.besides)
        outside = _map(logical_and, outside, _map(logical_not, extra))
        inside = _map(where_, extra, allowed.besides, inside)
        low, high = min(low, allowed.besides), max(high, allowed.besides)
    inside.storage.bounds = low, high
    shown = _map(where_, outside, array, low)
    least, greatest = (_fold(fold, shown) for fold in (MIN, MAX))
    worst = _map(where_, _map(less, least, low), least, greatest)
    count = _fold(SUM, cast(device, outside, int32))
    record = _joined([count, cast(device, worst, int32)], axis=1)
    return wrap(inside), Suspect(record, Check(allowed.error, place, dtype is uint32))


def settled(suspects: Sequence[Suspect], records: Array) -> tuple[Faults, Array, Array]:
    """Return what tells of the checks, the new records, and whether some check failed (0-d)."""
    fresh = _joined([s.record for s in suspects], axis=0)
    counts = fresh.layout.slice((0, 0), (len(suspects), 1), (1, 1))
    before, failed = (_map(greater, _fold(MAX, x.view(counts)), 0) for x in (records, fresh))
    noted = _map(where_, before.view(before.layout.expand(fresh.shape)), records, fresh)
    return Faults(records, [s.check for s in suspects]), noted, failed.view(Layout.dense(()))


def _map(op: Any, *operands: Array | Number) -> Array:
    """Return an elementwise op of operands of one shape and of numbers."""
    first = next(x for x in operands if isinstance(x, Array))
    ins, out = op.resolve(operands)
    return first.storage.device.map(op.body, operands, ins, first.shape, out)


def _fold(fold: Fold, x: Array) -> Array:
    """Return a reduction over all axes, of shape (1, 1)."""
    axes = tuple(range(len(x.shape)))
    device = x.storage.device
    out = device.reduce(fold, x, axes, x.dtype) if axes else x
    return out.view(Layout((1, 1), (1, 1), out.layout.offset))


def _joined(pieces: Sequence[Array], axis: int) -> Array:
    """Return arrays of two axes side by side."""
    extents = [x.shape[axis] for x in pieces]
    shape = list(pieces[0].shape)
    shape[axis] = sum(extents)
    whole, starts, targets = Layout.dense(tuple(shape)), [0, 0], []
    for x in pieces:
        targets.append(whole.slice(tuple(starts), x.shape, (1, 1)))
        starts[axis] += x.shape[axis]
    return pieces[0].storage.device.place(pieces, targets, tuple(shape), None)
