"""Long loops in which few lanes are left: these are put together, and go on among themselves.

A loop that most lanes leave early would else be computed for all of them until the last is done.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .frames import Frame
from .leaves import as_tuple
from .masks import DEAD, Mask, join

SMALL = 512  # lanes that are not worth it
ROUNDS = 4  # of a loop before it is
SHARE = 3  # at most one lane out of so many is left


def is_worth_it(mask: Mask, rounds: int, f: Frame) -> bool:
    """Return whether the lanes of a mask are so few that they should be put together."""
    if type(mask) is not np.ndarray or rounds < ROUNDS or f.n < SMALL:
        return False
    return bool(SHARE * np.count_nonzero(mask) < f.n)


def gathered(f: Frame, mask: Mask) -> tuple[Frame, np.ndarray]:
    """Return a frame that has the lanes of a mask alone, and their numbers."""
    lanes = np.flatnonzero(mask)
    g = Frame(len(f.cells), len(f.jumps), len(lanes), f.shared)
    for i, value in enumerate(f.cells):
        if type(value) is tuple:
            g.cells[i] = tuple([_taken(x, lanes) for x in value])
        elif value is not None:
            g.cells[i] = _taken(value, lanes)
    return g, lanes


def _taken(x: Any, lanes: np.ndarray) -> Any:
    if x.ndim == 0:
        return x
    if x.ndim == 1:
        return x[lanes[0]] if len(lanes) == 1 else x[lanes]
    return x.copy() if x.shape[-1] == 1 else x[..., lanes]


def scattered(f: Frame, g: Frame, before: list[Any], lanes: np.ndarray) -> None:
    """Put what a frame of some lanes holds now back into the one of all; `before` is what it had.

    Variables that only the loop has, and that are new there, stay out.
    """
    for i, (new, old) in enumerate(zip(g.cells, before, strict=True)):
        whole = f.cells[i]
        if whole is None or new is None or old is None:
            continue
        parts = zip(as_tuple(whole), as_tuple(new), as_tuple(old), strict=True)
        leaves = [x if a is b and a.ndim < 2 else _spread(x, a, lanes, f.n) for x, a, b in parts]
        f.cells[i] = tuple(leaves) if type(whole) is tuple else leaves[0]
    if g.done is DEAD:
        return
    done = lanes if g.done is None else lanes[g.done]
    mask = np.zeros(f.n, bool)
    mask[done] = True
    f.done = join(f.done, mask)
    if g.result is not None:
        values = [_of(x, g.done, g.n) for x in as_tuple(g.result)]
        wholes = values if f.result is None else as_tuple(f.result)
        blank = f.result is None
        both = zip(wholes, values, strict=True)
        spread = [_spread(None if blank else x, a, done, f.n) for x, a in both]
        f.result = tuple(spread) if type(g.result) is tuple else spread[0]


def _of(x: Any, mask: Mask, n: int) -> Any:
    """Return the lanes of a mask of one component."""
    return x if mask is None or x.ndim == 0 or x.shape[-1] != n else x[..., mask]


def _spread(whole: Any, part: Any, lanes: np.ndarray, n: int) -> np.ndarray:
    """Return a component of all lanes, in which some have what is in `part`."""
    shape = (*part.shape[:-1], n)
    out = np.zeros(shape, part.dtype) if whole is None else np.array(np.broadcast_to(whole, shape))
    out[..., lanes] = part
    return out
