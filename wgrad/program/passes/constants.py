"""Constants: a tensor of one value becomes a number in what reads it, and so do ops of numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...backends.array import Body, Number
from ...backends.tracing import Live
from ...dtypes import DType, held
from ...ops.elementwise import multiply
from ..ir import Program, Ref, Step
from ..limits import Limits
from .common import with_renamed

# Ops that give their first input back when the second is this number, to the bit.
_NEUTRAL = {"multiply": 1, "weighted": 1, "divide": 1, "subtract": 0}


def fold_constants(program: Program, limits: Limits) -> Program:
    """Return the program with constants as numbers, and without what follows from them alone."""
    kept = program.kept
    known: dict[int, Number] = {}
    same: dict[int, int] = {}
    steps: list[Step] = []
    for step in program.steps:
        step = with_renamed(step, same)
        if step.kind in ("map", "copy"):  # every view of a constant is that constant
            inputs = tuple(known.get(x.slot, x) if isinstance(x, Ref) else x for x in step.inputs)
            if any(isinstance(x, Ref) for x in inputs) or not any(
                isinstance(x, Live) for x in inputs
            ):  # of numbers that are read anew alone, no step can be made
                same_inputs = known.keys().isdisjoint(step.reads())
                step = _computed(_product(step if same_inputs else replace(step, inputs=inputs)))
        if step.kind == "full":
            known[step.out.index] = step.params["value"]
        source = None if step.out.index in kept else _unchanged(step)
        if source is not None:
            same[step.out.index] = source
        else:
            steps.append(step)
    return program.with_steps(steps)


def _product(step: Step) -> Step:
    """Return what is weighted by a number that is not 0 as a product."""
    weight = step.inputs[0]
    known = not isinstance(weight, (Ref, Live)) and weight != 0
    if step.kind != "map" or step.params["body"].name != "weighted" or not known:
        return step
    return replace(step, params={**step.params, "body": multiply.body})


def _computed(step: Step) -> Step:
    """Return a step whose inputs are all fixed numbers as the constant that it makes."""
    if any(isinstance(x, (Ref, Live)) for x in step.inputs):
        return step
    (value,) = step.inputs if step.kind == "copy" else (_value(step),)
    return Step("full", (), step.outs, {"value": value})


def _value(step: Step) -> Number:
    body: Body = step.params["body"]
    dtypes: tuple[DType, ...] = step.params["dtypes"]
    operands = [held(x, d.computes).reshape(1) for x, d in zip(step.inputs, dtypes, strict=True)]
    with np.errstate(all="ignore"):
        return np.asarray(body.numpy(*operands)).astype(step.out.dtype.numpy).item()


def _unchanged(step: Step) -> int | None:
    """Return the slot whose values a step merely repeats, or None."""
    if step.kind != "map" or len(step.inputs) != 2:
        return None
    x, number = step.inputs
    neutral = _NEUTRAL.get(step.params["body"].name)
    if not isinstance(x, Ref) or isinstance(number, (Ref, Live)) or number != neutral:
        return None
    if str(number).startswith("-"):  # -0.0 - -0.0 is 0.0
        return None
    same_type = x.dtype is step.out.dtype and x.whole()
    return x.slot if same_type and x.layout.size == step.out.size else None
