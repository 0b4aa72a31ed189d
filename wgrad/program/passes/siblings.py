"""Siblings: steps over one domain that read the same memory become one step that reads it once."""

from __future__ import annotations

from functools import partial
from itertools import islice

from ...layout import Shape
from ..ir import Program, Step
from .base import runs_at
from .joining import Joiner
from .limits import Limits
from .rows import if_it_pays

NEAR = 32  # siblings of a step that are tried for each slot: there may be thousands

Kin = tuple[int, Shape, Shape]  # a slot that is read, and the domain over which


@runs_at(90)
def merge_siblings(program: Program, limits: Limits) -> Program:
    """Return the program with reductions, and elementwise steps, joined to their siblings."""
    joiner = Joiner(program, limits)
    earlier: dict[Kin, dict[int, Step]] = {}  # the steps that were met, by their ids
    for first in program.steps:
        if first.is_fused:
            step = first
            while (pair := _joined(joiner, earlier, step)) is not None:
                other, step = pair
                for kin in _kin(other):
                    del earlier[kin][id(other)]
            for kin in _kin(step):
                earlier.setdefault(kin, {})[id(step)] = step
    return joiner.done()


def _kin(step: Step) -> list[Kin]:
    """Return where siblings of a step are found: one number that both read makes no kin.

    Of all that a flag guards, and a norm scales, none would be left to become one with what it is
    computed from. They share a dispatch nonetheless (batches.py).
    """
    graph = step.graph
    slots = {x.slot for x in step.refs() if any(x.layout.strides)}
    return [(slot, graph.shape, graph.axes) for slot in slots or step.reads()]


def _joined(
    joiner: Joiner, earlier: dict[Kin, dict[int, Step]], step: Step
) -> tuple[Step, Step] | None:
    """Join a step to an earlier sibling, the nearest that fits; return that, and what both make."""
    order = joiner.order
    kindred: dict[int, Step] = {}
    for kin in _kin(step):
        kindred |= islice(reversed(earlier.get(kin, {}).items()), NEAR)
    # Those that are too large together are most: they are left out before the rest is sorted.
    room = joiner.limits.statements - len(step.graph.statements)
    kindred = {i: x for i, x in kindred.items() if len(x.graph.statements) <= room}
    reads = step.reads()

    def kinship(other: Step) -> tuple[int, int]:  # the most is saved where the most is shared
        return len(reads & other.reads()), order.place(other)

    for other in sorted(kindred.values(), key=kinship, reverse=True):
        if order.place(other) < order.place(step) and not other.writes() & step.reads():
            worth = partial(if_it_pays, joiner.limits)
            if made := joiner.join(other, step, worth, needed=other.writes()):
                return other, made
    return None
