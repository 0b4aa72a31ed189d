"""Caches that forget: what was used least recently goes when a bound is reached. Knows no content.

Every cache of this package whose keys follow from shapes, texts or buffers is one of these, or a
functools.lru_cache with a bound: a program that meets ever new shapes keeps to a fixed memory.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(OrderedDict[K, V]):
    """The `limit` entries that were found or kept last, the oldest first."""

    def __init__(self, limit: int):
        super().__init__()
        self.limit = limit

    def find(self, key: K) -> V | None:
        """Return an entry, which is the most recent one then; None where there is none."""
        found = self.get(key)
        if found is not None:
            with contextlib.suppress(KeyError):  # another thread may have let it go just now
                self.move_to_end(key)
        return found

    def keep(self, key: K, value: V) -> list[tuple[K, V]]:
        """Add an entry, and return those that had to go for it."""
        self[key] = value
        self.move_to_end(key)
        gone: list[tuple[K, V]] = []
        while len(self) > self.limit:
            gone.append(self.popitem(last=False))
        return gone


class Shared(Generic[K, V]):
    """Values that are made once as long as somebody uses them, and the `limit` most recent ones."""

    def __init__(self, limit: int):
        self._recent: Recent[K, V] = Recent(limit)
        self._used: WeakValueDictionary[Any, Any] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._used)

    def find(self, key: K, make: Callable[[], V]) -> V:
        """Return the value of a key, made where it is not there."""
        found = self._recent.find(key)
        if found is None:
            found = self._used.get(key)
            if found is None:
                found = self._used[key] = make()
            self._recent.keep(key, found)
        return found
