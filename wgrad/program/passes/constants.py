"""Constants: a tensor of one value becomes a number in what reads it, and so do ops of numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...backends.array import Number
from ...backends.families import Call, Copy, Full, Map
from ...backends.tracing import Live
from ...dtypes import held
from ...ops.elementwise import multiply
from ..ir import Inputs, Program, Ref, Step
from .base import runs_at
from .common import with_renamed
from .limits import Limits

# Ops that give their first input back when the second is this number, to the bit.
_NEUTRAL = {"multiply": 1, "weighted": 1, "divide": 1, "subtract": 0}


@runs_at(10, fuses=False)
def fold_constants(program: Program, limits: Limits) -> Program:
    """Return the program with constants as numbers, and without what follows from them alone."""
    kept = program.kept
    known: dict[int, Number] = {}
    same: dict[int, int] = {}
    steps: list[Step] = []
    for step in program.steps:
        step = with_renamed(step, same)
        if isinstance(step.work, (Map, Copy, Call)):  # every view of a constant is that constant
            inputs = tuple(known.get(x.slot, x) if isinstance(x, Ref) else x for x in step.inputs)
            if isinstance(step.work, Call):
                if any(isinstance(x, Ref) for x in inputs):
                    step = replace(step, inputs=inputs)
            elif any(isinstance(x, Ref) for x in inputs) or not any(
                isinstance(x, Live) for x in inputs
            ):  # of numbers that are read anew alone, no step can be made
                same_inputs = known.keys().isdisjoint(step.reads())
                step = _computed(_product(step if same_inputs else replace(step, inputs=inputs)))
        if isinstance(step.work, Full):
            known[step.out.index] = step.work.value
        source = _unchanged(step)
        if source is not None and step.out.index not in kept:
            same[step.out.index] = source
        else:
            steps.append(step)
    return program.with_steps(steps)


def _product(step: Step) -> Step:
    """Return what is weighted by a number that is not 0 as a product."""
    weight, work = step.inputs[0], step.work
    known = not isinstance(weight, (Ref, Live)) and weight != 0
    if not isinstance(work, Map) or work.name != "weighted" or not known:
        return step
    return replace(step, work=replace(work, body=multiply.body))


def _computed(step: Step) -> Step:
    """Return a step whose inputs are all fixed numbers as the constant that it makes."""
    if any(isinstance(x, (Ref, Live)) for x in step.inputs):
        return step
    value: Any = _value(step.work, step.inputs) if isinstance(step.work, Map) else step.inputs[0]
    return Step(Full(step.out.shape, value, step.out.dtype), (), step.outs)


def _value(work: Map, inputs: Inputs) -> Number:
    operands = [held(x, d.computes).reshape(1) for x, d in zip(inputs, work.dtypes, strict=True)]
    with np.errstate(all="ignore"):
        return np.asarray(work.body.numpy(*operands)).astype(work.dtype.numpy).item()


def _unchanged(step: Step) -> int | None:
    """Return the slot whose values a step merely repeats, or None."""
    if not isinstance(step.work, Map) or len(step.inputs) != 2:
        return None
    x, number = step.inputs
    neutral = _NEUTRAL.get(step.name)
    if not isinstance(x, Ref) or isinstance(number, (Ref, Live)) or number != neutral:
        return None
    if str(number).startswith("-"):  # -0.0 - -0.0 is 0.0
        return None
    same_type = x.dtype is step.out.dtype and x.whole()
    return x.slot if same_type and x.layout.size == step.out.size else None
