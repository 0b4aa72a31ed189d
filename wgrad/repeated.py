"""Random numbers that are the same in every pass over a function: which were taken in the first.

Knows generators by what they are, and nothing of how they draw.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any


class Draws:
    """What the first pass took from generators, and how much of it this pass has taken again."""

    def __init__(self) -> None:
        self._taken: list[tuple[Any, int, int]] = []
        self._at = 0

    @contextmanager
    def one_pass(self) -> Iterator[None]:
        """Let what runs in the block take what the pass before took."""
        self._at = 0
        token = _passes.set((*_passes.get(), self))
        try:
            yield
        finally:
            _passes.reset(token)

    def again(self, generator: Any, count: int) -> int | None:
        """Return where the pass before took `count` numbers at this point, if it did."""
        if self._at < len(self._taken):
            stream, first, size = self._taken[self._at]
            if stream is generator and size == count:
                self._at += 1
                return first
        return None

    def note(self, generator: Any, first: int, count: int) -> None:
        """Remember what this pass took at this point."""
        self._taken[self._at :] = [(generator, first, count)]
        self._at += 1

    def in_turns(self, length: int) -> Draws:
        """Return what so many passes take, each going on where the one before ended."""
        sizes: dict[Any, int] = {}
        for stream, _, size in self._taken:
            sizes[stream] = sizes.get(stream, 0) + size
        made = Draws()
        made._taken = [
            (stream, first + i * sizes[stream], size)
            for i in range(length)
            for stream, first, size in self._taken
        ]
        return made


_passes: ContextVar[tuple[Draws, ...]] = ContextVar("wgrad_passes", default=())


def taken_again(generator: Any, count: int) -> tuple[int | None, tuple[Draws, ...]]:
    """Return what an earlier pass took at this point, if any did, and who is to note what is taken.

    Passes nest: the innermost that goes over its function again decides.
    """
    passes = _passes.get()
    for depth in reversed(range(len(passes))):
        first = passes[depth].again(generator, count)
        if first is not None:
            return first, passes[depth + 1 :]
    return None, passes
