"""Caches that forget: what was not used for long goes when a bound is reached. Knows no content.

Every cache of this package whose keys follow from shapes, texts or buffers is one of these, or a
functools.lru_cache with a bound: a program that meets ever new shapes keeps to a fixed memory.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(dict[K, Any]):
    """At most `limit` entries, of those used last; `recent[key]` is None where there is no entry.

    There are two generations: what is used again moves to the younger one, which is this dict, so
    that finding it costs what a dict does. When that is half of the limit, it becomes the older
    one, and what was not used since the last time goes.
    """

    def __init__(self, limit: int):
        super().__init__()
        self.limit = limit
        self._older: dict[K, Any] = {}

    @property
    def count(self) -> int:
        """The number of entries."""
        return len(self) + len(self._older)

    def __missing__(self, key: K) -> Any:
        value = self._older.pop(key, None)
        if value is not None:
            self[key] = value
        return value

    def keep(self, key: K, value: Any) -> list[tuple[K, Any]]:
        """Add an entry, and return those that had to go for it."""
        self[key] = value
        if 2 * len(self) < self.limit:
            return []
        gone = list(self._older.items())
        self._older = dict(self)
        super().clear()
        return gone

    def clear(self) -> None:
        """Let all entries go."""
        self._older.clear()
        super().clear()

    def drop(self, key: K) -> None:
        """Let an entry go, if it is there."""
        self._older.pop(key, None)
        self.pop(key, None)


class Shared(Generic[K, V]):
    """Values that are made once as long as somebody uses them, and the `limit` most recent ones."""

    def __init__(self, limit: int):
        self._recent: Recent[K] = Recent(limit)
        self._used: WeakValueDictionary[Any, Any] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._used)

    def find(self, key: K, make: Callable[[], V]) -> V:
        """Return the value of a key, made where it is not there."""
        value = self._recent[key]
        if value is None:
            value = self._used.get(key)
            if value is None:
                value = self._used[key] = make()
            self._recent.keep(key, value)
        return value
