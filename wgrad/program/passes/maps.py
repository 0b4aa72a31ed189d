"""Elementwise chains: a step that one elementwise step alone reads is computed inside it."""

from __future__ import annotations

from ..ir import Program, Step
from .base import runs_at
from .joining import Joiner
from .limits import Limits


@runs_at(60)
def fuse_maps(program: Program, limits: Limits) -> Program:
    """Return the program with chains of elementwise steps as one step each."""
    joiner = Joiner(program, limits)

    def join(producer: Step, step: Step) -> Step | None:
        both = is_map(producer) and is_map(step)
        return joiner.join(producer, step) if both and not joiner.needed(producer, step) else None

    return joiner.grow(join)


def is_map(step: Step) -> bool:
    """Whether a step is elementwise work alone."""
    return step.is_fused and not step.graph.axes
