"""Places in the memory of a function, at run time: what a pointer points to.

An index outside of its array, vector or matrix counts as the last one, also one below 0: naga puts
such a clamp into what drivers get.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..language.types import Scalar, Type
from .leaves import Numbers, count
from .masks import DEAD, Mask, narrow


class Stored(NamedTuple):
    """What is stored in a place: its type, of how many arrays, and whether it is a scalar."""

    kind: Type
    size: int
    bare: bool
    numbers: Numbers

    @classmethod
    def of(cls, kind: Type, numbers: Numbers) -> Stored:
        """Return what is stored where a type is."""
        return cls(kind, count(kind), isinstance(kind, Scalar), numbers)


@lru_cache(maxsize=64)
def lanes_of(n: int) -> np.ndarray:
    """Return the numbers of the lanes."""
    lanes = np.arange(n)
    lanes.flags.writeable = False
    return lanes


def clamped(index: Any, size: int) -> Any:
    """Return an index, a number where all lanes have the same, that is inside of `size`."""
    if index.ndim == 0:
        place = int(index)
        return place if 0 <= place < size else size - 1
    return np.minimum(index.view(np.uint32), size - 1).astype(np.intp)


class Local:
    """A place in a variable of a function, or in a private one.

    The variable is `cells[key]`. Of its arrays the place takes those from `start` on, in which
    `indices` are those of fixed arrays. `picks` are indices of vectors and matrices that differ
    from lane to lane: (index, how many there are, how many arrays lie between them).
    """

    __slots__ = ("cells", "indices", "key", "picks", "start")

    def __init__(
        self, cells: list, key: int, start: int = 0, indices: tuple = (), picks: tuple = ()
    ):
        self.cells = cells
        self.key = key
        self.start = start
        self.indices = indices
        self.picks = picks

    def part(self, start: int, offset: int) -> Local:
        """Return a member, column or component."""
        return Local(self.cells, self.key, self.start + start, self.indices, self.picks)

    def element(self, index: Any, size: int, stride: int) -> Local:
        """Return an element of a fixed array."""
        indices = (*self.indices, clamped(index, size))
        return Local(self.cells, self.key, self.start, indices, self.picks)

    def component(self, index: Any, size: int, step: int, stride: int) -> Local:
        """Return a column, or a component, that is known at run time."""
        at = clamped(index, size)
        if isinstance(at, int):
            return self.part(at * step, at * stride)
        picks = (*self.picks, (at, size, step))
        return Local(self.cells, self.key, self.start, self.indices, picks)

    def load(self, stored: Stored, n: int) -> Any:
        """Return the value."""
        root = self.cells[self.key]
        leaves = root if type(root) is tuple else (root,)
        picked = self._picked(leaves, self.start, self.picks, stored.size, n)
        return picked[0] if stored.bare else tuple(picked)

    def _picked(self, leaves: tuple, start: int, picks: tuple, size: int, n: int) -> list:
        if not picks:
            return [self._read(leaf, n) for leaf in leaves[start : start + size]]
        (at, several, step), *rest = picks
        options = [
            self._picked(leaves, start + i * step, tuple(rest), size, n) for i in range(several)
        ]
        return [np.choose(at, option) for option in zip(*options, strict=True)]

    def _read(self, leaf: Any, n: int) -> Any:
        indices = self.indices
        if not indices:
            return leaf.copy() if leaf.ndim > 1 else leaf
        if all(isinstance(x, int) for x in indices):
            part = leaf[indices]
            return part[0] if part.shape == (1,) else part.copy()
        lanes = 0 if leaf.shape[-1] == 1 else lanes_of(n)
        inner = leaf.ndim - 1 - len(indices)
        part = leaf[(*indices, *[slice(None)] * inner, lanes)]
        return np.moveaxis(part, 0, -1) if inner else part

    def store(self, stored: Stored, value: Any, mask: Mask, n: int) -> None:
        """Replace the value for the lanes of a mask."""
        root = self.cells[self.key]
        leaves = list(root) if type(root) is tuple else [root]
        values = (value,) if stored.bare else value
        self._put(leaves, self.start, self.picks, values, mask, n)
        self.cells[self.key] = tuple(leaves) if type(root) is tuple else leaves[0]

    def _put(
        self, leaves: list, start: int, picks: tuple, values: tuple, mask: Mask, n: int
    ) -> None:
        if picks:
            (at, several, step), *rest = picks
            for i in range(several):
                here = narrow(mask, at == i)
                if here is not DEAD:
                    self._put(leaves, start + i * step, tuple(rest), values, here, n)
            return
        for i, value in enumerate(values, start):
            leaves[i] = self._written(leaves[i], value, mask, n)

    def _written(self, leaf: Any, value: Any, mask: Mask, n: int) -> Any:
        indices = self.indices
        if not indices:
            if mask is not None:
                return np.where(mask, value, leaf)
            return value.copy() if value.ndim > 1 else value
        fixed = all(isinstance(x, int) for x in indices)
        differ = mask is not None or not fixed or (value.ndim > 0 and value.shape[-1] != 1)
        if differ and leaf.shape[-1] != n:
            leaf = np.repeat(leaf, n, axis=-1)
        if fixed:
            target = leaf[indices]
            np.copyto(target, value, where=True if mask is None else mask)
            return leaf
        lanes = lanes_of(n) if mask is None else np.flatnonzero(mask)
        chosen = tuple(x if isinstance(x, int) else x[lanes] for x in indices)
        if value.ndim and value.shape[-1] == n:
            value = value[..., lanes]
        inner = leaf.ndim - 1 - len(indices)
        if inner:
            value = np.moveaxis(value, -1, 0)
        leaf[(*chosen, *[slice(None)] * inner, lanes)] = value
        return leaf
