"""Atomic functions: each invocation after the other, in their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..language.types import Scalar
from .frames import Frame
from .masks import Mask
from .memory import Spot

_FOLDS: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Max": np.maximum,
    "Min": np.minimum,
    "And": np.bitwise_and,
    "Or": np.bitwise_or,
    "Xor": np.bitwise_xor,
}
NAMES = frozenset((*_FOLDS, "Exchange"))


def changed(name: str, spot: Spot, value: Any, scalar: Scalar, f: Frame, m: Mask) -> Any:
    """Return what was there before each lane changed it; `name` is "Add", "Exchange", ..."""
    lanes, at = spot.lanes(m, f.n)
    order = np.argsort(at, kind="stable")
    lanes, at = lanes[order], at[order]
    given = np.broadcast_to(value, (f.n,))[lanes]
    starts = np.flatnonzero(np.concatenate([[True], at[1:] != at[:-1]])) if len(at) else at
    places = at[starts]
    old = np.broadcast_to(spot.memory.read(scalar, places, value.dtype), places.shape)
    ends = np.append(starts[1:], len(at))
    before = np.empty_like(given)
    before[starts] = old
    after = given[ends - 1] if name == "Exchange" else old.copy()
    many = ends - starts > 1
    if name == "Exchange":
        later = np.ones(len(at), bool)
        later[starts] = False
        before[later] = given[np.flatnonzero(later) - 1]
    else:
        fold = _FOLDS[name]
        after = fold(old, given[starts])
        for k in np.flatnonzero(many):
            run = np.concatenate([old[k : k + 1], given[starts[k] : ends[k]]])
            totals = fold.accumulate(run, dtype=value.dtype)  # type: ignore[attr-defined]
            before[starts[k] : ends[k]] = totals[:-1]
            after[k] = totals[-1]
    spot.memory.write(scalar, places, after, None, len(places))
    previous = np.zeros(f.n, value.dtype)
    previous[lanes] = before
    return previous[0] if f.n == 1 else previous


def exchanged(spot: Spot, wanted: Any, new: Any, scalar: Scalar, f: Frame, m: Mask) -> tuple:
    """Return what was there, and whether it was replaced because it was what is wanted."""
    lanes, at = spot.lanes(m, f.n)
    old = np.zeros(f.n, new.dtype)
    done = np.zeros(f.n, bool)
    wanted, new = (np.broadcast_to(x, (f.n,)) for x in (wanted, new))
    for lane, place in zip(lanes.tolist(), at.tolist(), strict=True):
        old[lane] = spot.memory.read(scalar, place, new.dtype)
        done[lane] = old[lane] == wanted[lane]
        if done[lane]:
            spot.memory.write(scalar, place, new[lane], None, 1)
    return (old[0], done[0]) if f.n == 1 else (old, done)
