"""Loops: slices that a loop gives, and nothing reads."""

from __future__ import annotations

from dataclasses import replace

from ..ir import Loop, Program, Step, readers
from .base import runs_at
from .limits import Limits


@runs_at(35, fuses=False)
def drop_slices(program: Program, limits: Limits) -> Program:
    """Return the program with loops that give only those slices which are read or kept."""
    wanted = program.kept | readers(program).keys()
    return program.with_steps([_with_slices(step, wanted) for step in program.steps])


def _with_slices(step: Step, wanted: frozenset[int]) -> Step:
    work = step.work
    if not isinstance(work, Loop):
        return step
    outs = step.outs[work.carries :]
    left = [i for i, out in enumerate(outs) if out.index in wanted]
    if len(left) == len(outs):
        return step
    body = replace(work.body, outputs=tuple([work.body.outputs[i] for i in left]))
    kept = (*step.outs[: work.carries], *(outs[i] for i in left))
    return Step(replace(work, body=body), step.inputs, kept)
