"""Sizes that are known only when a graph runs, found by running a function on inputs of several.

A size is what it was in each run. Where that follows an axis of an input, it becomes operators that
compute it from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """An extent that varies, where inputs have it (name and axis), and what it is in each run."""

    symbol: str
    places: tuple[tuple[str, int], ...]
    extents: tuple[int, ...]


@dataclass(frozen=True)
class Size:
    """times * extent of `axis` (times that of `other`) + more."""

    axis: Axis
    times: int
    more: int = 0
    other: Axis | None = None

    @property
    def symbol(self) -> str | None:
        """The name of the size, if it is the extent of an axis as it is."""
        plain = self.times == 1 and not self.more and self.other is None
        return self.axis.symbol if plain else None


def explained(seen: Sequence[int], axes: Sequence[Axis]) -> int | Size | None:
    """Return what a size is, given its value in each run; None for what follows no axis so."""
    if len(set(seen)) == 1:
        return seen[0]
    for axis in axes:
        found = _line(seen, axis.extents)
        if found is not None:
            return Size(axis, *found)
    for i, first in enumerate(axes):
        for second in axes[i:]:
            products = [m * n for m, n in zip(first.extents, second.extents, strict=True)]
            found = _line(seen, products)
            if found is not None:
                return Size(first, *found, second)
    return None


def _line(seen: Sequence[int], along: Sequence[int]) -> tuple[int, int] | None:
    """Return integers a and b with seen = a * along + b in every run."""
    other = next((i for i, n in enumerate(along) if n != along[0]), 0)
    if not other:
        return None
    times, rest = divmod(seen[other] - seen[0], along[other] - along[0])
    more = seen[0] - times * along[0]
    fits = all(times * n + more == s for n, s in zip(along, seen, strict=True))
    return (times, more) if not rest and times and fits else None
