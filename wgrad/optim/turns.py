"""Turns: changes of settings that every run of a program repeats, such as a scheduler's steps.

A run takes all turns first, whatever stands between them in the function. So a turn leaves in each
group what its settings were before, and what a step reads that comes before the turn is that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..backends.tracing import traced_by
from ..core.tracing import Tracer
from ..interrupts import whole

if TYPE_CHECKING:
    from .settings import Group

Callbacks = Sequence[tuple[Callable[..., None], tuple[Any, ...]]]


class Turning:
    """What changes settings of groups, step by step, and can take a step back.

    `_now` is what it changes of itself, a flat dict.
    """

    _now: dict[str, Any]
    _before: dict[int, list[tuple[dict[str, Any], dict[str, Any]]]]

    def _turned_groups(self) -> Sequence[Group]:
        """Return the groups whose settings it changes."""
        raise NotImplementedError

    def _states(self) -> list[dict[str, Any]]:
        """Return the dicts that it changes besides: its own, and those of what it leads."""
        return [self._now]

    def _advance(self) -> None:
        """Take a step: change settings and states."""
        raise NotImplementedError

    def _take_turn(self, tracer: Tracer | None) -> None:
        """Take a step now, and in every run of the program that is traced: whole, or not at all."""
        if tracer is None:
            self._turn(1, -1)
            return
        place = len(tracer.callbacks)
        for x in (*self._states(), *[g.values_now for g in self._turned_groups()]):
            tracer.changing(x)
        self._traced_turn(place)
        tracer.callbacks.append((self._turn, (place,)))

    @whole
    def _traced_turn(self, place: int) -> None:
        with traced_by(None):  # what it reads is no choice of the function's
            self._turn(1, place)

    def _turn(self, by: int, place: int) -> None:
        """Take the step that stands at a place of a trace, or undo it."""
        if by > 0:
            groups = self._turned_groups()
            for group in groups:
                before = group.before.setdefault(place, {})
                before.clear()
                before.update(group.values_now)
            changing = [*self._states(), *[g.values_now for g in groups]]
            self._before[place] = [(x, dict(x)) for x in changing]
            try:
                self._advance()
            except BaseException:
                self._turn(-1, place)
                raise
        else:
            for x, values in self._before[place]:
                x.clear()
                x.update(values)


def turns(callbacks: Callbacks, first: int, last: int | None = None) -> Iterator[tuple[int, Any]]:
    """Yield the places of turns in a part of a trace, and what takes them."""
    for place, (function, _) in enumerate(callbacks[first:last], first):
        owner = getattr(function, "__self__", None)
        if isinstance(owner, Turning):
            yield place, owner


def next_turn(callbacks: Callbacks, group: Group, first: int) -> int | None:
    """Return the place of the first turn from one on that changes a group's settings, if any."""
    for place, owner in turns(callbacks, first):
        if any(group is g for g in owner._turned_groups()):
            return place
    return None
