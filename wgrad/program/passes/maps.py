"""Elementwise chains: a step that one elementwise step alone reads is computed inside it."""

from __future__ import annotations

from ..ir import Program, Step
from .base import runs_at
from .joining import Joiner, fits, joined
from .limits import Limits


@runs_at(60)
def fuse_maps(program: Program, limits: Limits) -> Program:
    """Return the program with chains of elementwise steps as one step each."""
    return Joiner(program, limits).grow(_grown)


def is_map(step: Step) -> bool:
    """Whether a step is elementwise work alone."""
    return step.is_fused and not step.graph.axes


def _grown(joiner: Joiner, step: Step) -> Step | None:
    """Return the step with one of its producers moved in, or None."""
    if not is_map(step):
        return None
    for producer in joiner.producers(step):
        if not is_map(producer) or not joiner.only_reader(producer, step):
            continue
        if joiner.hold_together(producer, step, frozenset()):
            made = joined(producer, step, frozenset())
            if made is not None and fits(made, joiner.limits):
                joiner.join(producer, step, made)
                return made
    return None
