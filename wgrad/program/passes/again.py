"""Calls made again: what is folded in several ways is computed in each fold, not kept for all.

A user's function of all pairs takes few numbers and gives many. Its gradients by both of a pair are
folds of one result, over different axes, which no kernel does together: each calls the function.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from ...layout import Layout
from ..ir import Program, Ref, Slot, Step, fused, readers
from .base import runs_at
from .joining import joined
from .limits import Limits
from .maps import is_map

TIMES = 8  # as many elements as are read, and more, have to be given
READERS = 4  # that a function is called for at the most


@runs_at(75)
def call_again(program: Program, limits: Limits) -> Program:
    """Return the program with calls whose result only folds read made once for each of those."""
    reading = readers(program)
    program = replace(program)
    ahead: dict[int, list[Step]] = {}  # what is computed anew for a step, by the step's id
    renamed: dict[int, dict[int, Slot]] = {}
    for step in program.steps:
        if not _gives_many(step) or step.out.index in program.kept:
            continue
        folds = reading.get(step.out.index, [])
        if 1 < len(folds) <= READERS and all(_takes_in(step, x) for x in folds):
            for fold in folds[1:]:
                slot = program.new_slot(step.out.shape, step.out.dtype)
                ahead.setdefault(id(fold), []).append(fused(step.graph, step.inputs, (slot,)))
                renamed.setdefault(id(fold), {})[step.out.index] = slot
    if not ahead:
        return program
    steps: list[Step] = []
    for step in program.steps:
        steps += [*ahead.get(id(step), []), _reading(step, renamed.get(id(step), {}))]
    return program.with_steps(steps)


def _gives_many(step: Step) -> bool:
    """Whether a step is elementwise, calls users' functions, and gives far more than it reads."""
    if not is_map(step) or not step.graph.calls or len(step.outs) > 1:
        return False
    return step.out.size >= TIMES * sum(_size(x.layout) for x in step.refs())


def _size(layout: Layout) -> int:
    """Return how many different elements a view has."""
    return prod(n for n, s in zip(layout.shape, layout.strides, strict=True) if s)


def _takes_in(step: Step, fold: Step) -> bool:
    """Whether a fold that reads the result of a step can be one kernel with it."""
    if not fold.is_fused or not fold.graph.axes:
        return False
    return joined(step, fold, frozenset()) is not None


def _reading(step: Step, slots: dict[int, Slot]) -> Step:
    """Return a step that reads other slots in the place of some."""
    if not slots:
        return step
    inputs = [
        replace(x, slot=slots[x.slot].index) if isinstance(x, Ref) and x.slot in slots else x
        for x in step.inputs
    ]
    return fused(step.graph, inputs, step.outs)
