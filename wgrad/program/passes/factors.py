"""Factors: a matrix that every turn of a loop multiplies by is laid out once, in order.

Libraries are slower with a transposed factor, and a copy of it costs less than that in a few turns.
It is made late, for other passes would read through it.
"""

from __future__ import annotations

from dataclasses import replace

from ...backends.families import Copy, Matmul
from ...layout import Layout
from ..ir import Loop, Program, Ref, Slot, Step
from .base import runs_at
from .limits import Limits


@runs_at(125)
def lay_out_factors(program: Program, limits: Limits) -> Program:
    """Return the program with loops that read transposed factors as copies of them."""
    if not limits.ties:
        return program
    program = replace(program)
    steps: list[Step] = []
    for step in program.steps:
        steps += _in_order(program, step) if isinstance(step.work, Loop) else [step]
    return program.with_steps(steps)


def _in_order(program: Program, step: Step) -> list[Step]:
    """Return a loop that reads second factors of its products in order, and copies before it."""
    work = step.work
    assert isinstance(work, Loop)
    body = replace(work.body)
    fixed = {slot.index: x for slot, x in zip(body.inputs, step.inputs[: work.fixed], strict=False)}
    copies: dict[Ref, Slot] = {}
    given: list[Ref] = []
    made: list[Step] = []
    first: list[Step] = []
    for one in body.steps:
        b = one.inputs[1] if isinstance(one.work, Matmul) else None
        if isinstance(b, Ref) and b.slot in fixed and not b.layout.contiguous and b.layout.size:
            whole = fixed[b.slot]
            assert isinstance(whole, Ref)
            if b not in copies:
                copies[b] = body.new_slot(b.layout.shape, b.dtype)
                out = program.new_slot(b.layout.shape, b.dtype)
                start = b.layout.offset + whole.layout.offset
                seen = Layout(b.layout.shape, b.layout.strides, start)
                first.append(Step(Copy(), (replace(whole, layout=seen),), (out,)))
                given.append(out.whole())
            one = replace(one, inputs=(one.inputs[0], copies[b].whole(), *one.inputs[2:]))
        made.append(one)
    body.steps, body.inputs = made, [*copies.values(), *body.inputs]
    return [*first, Step(replace(work, body=body), (*given, *step.inputs), step.outs)]
