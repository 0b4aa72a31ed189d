"""Watching the Python state that a function reads, so that a change between calls is noticed.

A `Walk` writes down what there is, by value and by identity. To compare identities is quick; only
where one differs is the walk repeated, and values decide.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from ...backends.array import Storage
from ...core import place
from ..trace.observe import Observation
from ..trace.outline import Outside
from .notes import TooMuchError, at_use
from .walk import Walk


class Watch(Outside):
    """The state that `roots` (name, object) lead to, at the time of its making.

    With `ran`, what some calls did, only as much of it as that code reads.
    """

    def __init__(self, roots: Sequence[tuple[str, Any]], ran: Observation | None = None):
        self._roots = [(name, _finder(x)) for name, x in roots]
        self.ran = ran
        whole = ran is None or ran.reflects
        walk = Walk(roots, ran, whole)
        if walk.reads_all and not whole:
            walk = Walk(roots, ran, True)
        self._same = walk.same
        self.walk: Walk | None = walk  # until `forget`
        self.tokens, self.paths = walk.tokens, walk.paths
        self.storages: set[Storage] = walk.storages
        self.tensors = walk.tensors  # ids of those met, which live while they are watched

    def holds(self) -> bool:
        """Whether the state is now what it was."""
        if self._same.hold():
            return True
        try:
            fresh = Watch([(name, find()) for name, find in self._roots], self.ran)
        except TooMuchError:
            return False
        if fresh.tokens != self.tokens:
            return False
        fresh.forget()
        self.__dict__.update(fresh.__dict__)
        return True

    def change(self) -> str | None:
        """Return the name of the first thing that has changed since; None where nothing has."""
        try:
            return self.difference(Watch([(name, find()) for name, find in self._roots], self.ran))
        except TooMuchError as error:
            return str(error)

    def forget(self) -> None:
        """Let go of objects that are needed only while a function is traced."""
        self.walk = None

    @property
    def seen(self) -> dict[int, Any]:
        """All objects that were met, by id."""
        assert self.walk is not None
        return self.walk.seen

    def difference(self, other: Watch) -> str | None:
        """Return the name of the first thing that differs; None where nothing does."""
        if self.tokens == other.tokens:
            return None
        pairs = zip(self.tokens, other.tokens, strict=False)
        at = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
        if at is None:
            at = min(len(self.tokens), len(other.tokens))
        longer = self if len(self.tokens) > len(other.tokens) else other
        return at_use(longer.paths[at], longer.ran)

    @property
    def met(self) -> list[Any]:
        """All tensors that were met."""
        assert self.walk is not None
        return [x for _, x in self.walk.named_tensors]

    def name_of(self, x: Any) -> str | None:
        """Return what a tensor, its node or its storage is called; None for one not found."""
        assert self.walk is not None
        for path, tensor in self.walk.named_tensors:
            if any(part is x for part in (tensor, tensor.node, tensor.array.storage)):
                return at_use(path, self.ran)
        return None

    def place_of(self, x: Any) -> str:
        """Return what an object that was met is called."""
        assert self.walk is not None
        return at_use(self.walk.places[id(x)], self.ran)

    def asked_since(self, after: Watch, ran: Observation) -> str | None:
        """Return what a call that `ran` in between rests on and nobody can see, if anything."""
        assert self.walk is not None and after.walk is not None
        for key, (path, _, state) in after.walk.dice.items():
            before = self.walk.dice.get(key)
            if before is not None and before[2] != state:
                name = at_use(path, after.ran)
                return f"it draws from {name}, whose numbers a replay would not draw"
        for key, code in after.walk.lost.items():
            if key in ran.codes:
                where = place((code, 0))
                return f"it runs {code.co_qualname} of {where}, a closure that is kept out of sight"
        if after.walk.refusal is None or ran is after.ran:
            return after.walk.refusal
        # What earlier calls ran is not held against this one.
        roots = [(name, find()) for name, find in after._roots]
        with contextlib.suppress(TooMuchError):
            return Walk(roots, ran, after.walk.reads_all or ran.reflects).refusal
        return after.walk.refusal


def _finder(x: Any) -> Callable[[], Any]:
    """Return what gives `x` back; what is known by its identity is not kept alive by it."""
    same: Any = type(x).__eq__
    if same is object.__eq__:
        with contextlib.suppress(TypeError):
            return weakref.ref(x)
    return lambda: x
