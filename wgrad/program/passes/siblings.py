"""Siblings: steps over one domain that read the same memory become one step that reads it once."""

from __future__ import annotations

from ..ir import Program, Step
from ..joining import Joiner, joined
from ..limits import Limits
from .rows import rows_fit


def merge_siblings(program: Program, limits: Limits) -> Program:
    """Return the program with reductions, and elementwise steps, joined to their siblings."""
    return Joiner(program, limits).grow(_grown)


def _grown(joiner: Joiner, step: Step) -> Step | None:
    """Return the step made one with an earlier sibling, or None."""
    mine = step.params["graph"]
    place = joiner.place
    others = {id(s): s for slot in step.reads() for s in joiner.readers[slot]}
    for other in sorted(others.values(), key=lambda s: -place[id(s)]):
        if place[id(other)] >= place[id(step)] or other.kind != "fused":
            continue
        graph = other.params["graph"]
        if (graph.shape, graph.axes) != (mine.shape, mine.axes):
            continue
        if other.writes() & step.reads() or not joiner.may_join(other, step):
            continue
        made = joined(other, step, frozenset(other.writes()))
        if made is not None and rows_fit(made, joiner.limits):
            joiner.join(other, step, made)
            return made
    return None
