"""Common subexpressions: a step that repeats an earlier one is replaced by its result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..ir import Program, Ref, Step
from .base import runs_at
from .limits import Limits


@runs_at(20, fuses=False)
def merge_common(program: Program, limits: Limits) -> Program:
    """Return the program with equal steps made one. A kept slot keeps a step of its own."""
    kept = program.kept
    seen: dict[Any, Step] = {}
    same: dict[int, int] = {}
    steps: list[Step] = []
    for step in program.steps:
        step = with_renamed(step, same)
        is_kept = not step.writes().isdisjoint(kept)
        work, inputs, _ = step.account
        key = work, inputs, tuple((out.shape, out.dtype) for out in step.outs)
        first = None if is_kept else seen.get(key)
        if first is not None:
            same |= {b.index: a.index for a, b in zip(first.outs, step.outs, strict=True)}
            continue
        if not is_kept:
            seen[key] = step
        steps.append(step)
    return program.with_steps(steps)


def with_renamed(step: Step, same: dict[int, int]) -> Step:
    """Return a step that reads slots with the same values in the place of some."""
    if same.keys().isdisjoint(step.reads()):
        return step
    inputs = [
        replace(x, slot=same.get(x.slot, x.slot)) if isinstance(x, Ref) else x for x in step.inputs
    ]
    return replace(step, inputs=tuple(inputs))
