"""Batches: small steps that do not depend on one another share a dispatch.

A dispatch costs more than a small step's own work: the updates of many small parameters, the
reductions of biases. Workgroups are dealt out to the parts; nothing of the parts is mixed.
"""

from __future__ import annotations

from math import prod

from ..ir import Batch, Program, Ref, Step
from .base import runs_at
from .limits import Limits
from .ordering import Order

NEAR = 64  # steps back that a step is brought together with: there may be thousands


@runs_at(120)
def batch_small(program: Program, limits: Limits) -> Program:
    """Return the program with independent small steps as parts of one."""
    order = Order(program)
    for step in program.steps:
        if _is_small(step, limits):
            for other in order.independent(step, NEAR):
                if _may_share(other, step, limits):
                    order.replace(other, step, _together(other, step))
                    break
    return program.with_steps(list(order))


def _is_small(step: Step, limits: Limits) -> bool:
    return step.is_fused and prod(step.graph.shape) <= limits.small


def parts(step: Step) -> tuple[Step, ...]:
    """Return the independent steps that a step consists of."""
    return step.work.parts if isinstance(step.work, Batch) else (step,)


def _may_share(other: Step, step: Step, limits: Limits) -> bool:
    if not isinstance(other.work, Batch) and not _is_small(other, limits):
        return False
    slots = other.reads() | other.writes() | step.reads() | step.writes()
    if len(parts(other)) >= limits.parts or len(slots) > limits.buffers:
        return False  # as a rule, where there are many
    numbers = sum(not isinstance(x, Ref) for x in (*other.inputs, *step.inputs))
    statements = sum(len(p.graph.statements) for p in (*parts(other), step))
    return numbers <= limits.numbers and statements <= limits.statements


def _together(other: Step, step: Step) -> Step:
    work = Batch((*parts(other), step))
    return Step(work, (*other.inputs, *step.inputs), (*other.outs, *step.outs))
