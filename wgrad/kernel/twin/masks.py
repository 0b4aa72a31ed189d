"""Masks: which lanes a statement is run for.

A mask is None for all lanes, an array of bools for some, and DEAD where there are none. Masks are
never changed in place, so that one and the same stands for the same lanes.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

DEAD = False
Mask: TypeAlias = Any  # None, DEAD or an array of bools


def narrow(mask: Mask, condition: Any) -> Mask:
    """Return the lanes of a mask where a condition holds."""
    if condition.ndim == 0:
        return mask if condition else DEAD
    if mask is None:
        count = np.count_nonzero(condition)
        if count == len(condition):
            return None
        return condition if count else DEAD
    both = mask & condition
    return both if both.any() else DEAD


def without(mask: Mask, condition: Any) -> Mask:
    """Return the lanes of a mask where a condition does not hold."""
    return narrow(mask, np.logical_not(condition))


def join(a: Mask, b: Mask) -> Mask:
    """Return the lanes of both masks."""
    if a is DEAD or a is b:
        return b
    if b is DEAD:
        return a
    return None if a is None or b is None else a | b


def left_of(mask: Mask, gone: Mask) -> Mask:
    """Return the lanes of a mask that are not among those which went."""
    if gone is DEAD:
        return mask
    return DEAD if gone is None else without(mask, gone)


def merged(mask: Mask, new: Any, old: Any) -> Any:
    """Return new values for the lanes of a mask, and old ones elsewhere."""
    if mask is None:
        return new
    if type(new) is tuple:
        return tuple([np.where(mask, x, y) for x, y in zip(new, old, strict=True)])
    return np.where(mask, new, old)
