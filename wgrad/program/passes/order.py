"""Order: what replaces an input comes after all that still reads it, so that it can be in place."""

from __future__ import annotations

from ..ir import Program, Step
from .base import runs_at
from .limits import Limits
from .ordering import Order


@runs_at(130)
def updates_last(program: Program, limits: Limits) -> Program:
    """Return the program with readers of an input before the step that makes its new values.

    Readers that themselves follow from the update stay where they are.
    """
    order = Order(program)
    for old, new in program.updates.items():
        first = order.maker[new]
        last = max((first, *order.readers.get(old, {}).values()), key=order.place)
        if last is not first:
            _delay(order, first, last)
    return program.with_steps(list(order))


def _delay(order: Order, first: Step, last: Step) -> None:
    """Move a step, and those up to `last` that follow from it, as late as may be."""
    late = [first, *order.following(first, order.place(last) + 1)]
    following = set(map(id, late))
    if id(last) in following:
        last = next((step for step in order.earlier(last) if id(step) not in following), first)
    end = order.place(last)
    order.move_behind([step for step in late if order.place(step) < end], last)
