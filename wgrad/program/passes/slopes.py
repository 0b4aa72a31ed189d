"""Slopes: factors that a turn's cotangents are weighted by one after the other become one factor.

The chain rule multiplies what a carry brings by a slope, and by another. What no carry brings is
known for all turns, so the slopes' product is, too: it is made once for all turns. Only a slope
that is known to be at most 1 is joined to another, for their product is never too large for a
float where that other is not.
"""

from __future__ import annotations

import math
from dataclasses import replace

from ...backends.families import Copy, Map
from ...backends.tracing import Live
from ...layout import Layout, Shape, compose
from ...ops.elementwise import multiply, sigmoid, tanh
from ...ops.elementwise.arithmetic import weighted
from ...ops.elementwise.hyperbolic import sigmoid_slope
from ..ir import Loop, Program, Ref, Step, readers, slice_of
from .limits import Limits

_LARGEST = {sigmoid.body: 1.0, tanh.body: 1.0, sigmoid_slope.body: 0.25}
Sizes = dict[int, float]  # of slots: what no value is further from 0 than
Known = dict[int, tuple[Shape, Ref]]  # of slots of a body: their shapes, and values of all turns


def join_slopes(program: Program, limits: Limits) -> Program:
    """Return the program with loops whose turns weight by products that were made before them."""
    sizes: Sizes = {}
    steps: list[Step] = []
    for step in program.steps:
        if not isinstance(step.work, Loop):
            _note(step, sizes)
            steps.append(step)
            continue
        steps += _joined(program, step, sizes, limits)
        work, inner = step.work, Sizes()
        for slot, x in zip(work.body.inputs, step.inputs, strict=True):
            if not work.fixed <= len(inner) < work.fixed + work.carries:
                inner[slot.index] = _largest(x, sizes)
            else:
                inner[slot.index] = math.inf
        for one in work.body.steps:
            _note(one, inner)
        for index, out in zip(work.body.outputs, step.outs[work.carries :], strict=True):
            sizes[out.index] = inner.get(index, math.inf)
    return program.with_steps(steps)


def _largest(x: object, sizes: Sizes) -> float:
    """Return what no value of an operand is further from 0 than."""
    if isinstance(x, Ref):
        return sizes.get(x.slot, math.inf)
    return abs(x) if isinstance(x, (int, float)) and not isinstance(x, Live) else math.inf


def _note(step: Step, sizes: Sizes) -> None:
    """Note how large the values of a step's result are, where that is known."""
    work = step.work
    if isinstance(work, Copy):
        sizes[step.out.index] = _largest(step.inputs[0], sizes)
    elif isinstance(work, Map) and work.body in (multiply.body, weighted.body):
        a, b = (_largest(x, sizes) for x in step.inputs)
        sizes[step.out.index] = math.inf if math.inf in (a, b) else a * b
    elif isinstance(work, Map):
        sizes[step.out.index] = _LARGEST.get(work.body, math.inf)


def _joined(program: Program, step: Step, sizes: Sizes, limits: Limits) -> list[Step]:
    """Return a loop, and before it the products of slopes that its turns weight by."""
    work = step.work
    assert isinstance(work, Loop)
    first = work.fixed + work.carries
    body = replace(work.body)
    pairs = zip(body.inputs[first:], step.inputs[first:], strict=True)
    known: Known = {slot.index: (slot.shape, x) for slot, x in pairs if isinstance(x, Ref)}
    reading, kept = readers(body), body.kept
    weighting: dict[int, Step] = {}  # by what they make, which only one other step reads
    slots = list(body.inputs)
    before: list[Step] = []
    steps: dict[int, Step] = {}  # by what they make
    for one in body.steps:
        slope = _slope(one, known, limits)
        if slope is not None:
            x = one.inputs[0]
            earlier = weighting.get(x.slot) if isinstance(x, Ref) and x.whole() else None
            seen = None if earlier is None else _slope(earlier, known, limits)
            if earlier is not None and seen is not None:
                if min(_largest(seen, sizes), _largest(slope, sizes)) <= 1:
                    shape = (work.length, *one.out.shape)
                    out = program.new_slot(shape, one.out.dtype)
                    assert isinstance(one.work, Map)
                    made = Step(replace(one.work, shape=shape), (seen, slope), (out,))
                    _note(made, sizes)
                    before.append(made)
                    slots.append(body.new_slot(one.out.shape, one.out.dtype))
                    known[slots[-1].index] = one.out.shape, out.whole()
                    del steps[earlier.outs[0].index]
                    one = replace(one, inputs=(earlier.inputs[0], slots[-1].whole()))
            if len(reading.get(one.out.index, ())) == 1 and one.out.index not in kept:
                weighting[one.out.index] = one
        steps[one.outs[0].index] = one
    if not before:
        return [step]
    left = list(steps.values())
    wanted = {slot for one in left for slot in one.reads()} | kept
    slices = [slot for slot in slots[first:] if slot.index in wanted]
    body.steps, body.inputs = left, [*slots[:first], *slices]
    loop = replace(work, body=body, slices=len(slices))
    given = [known[slot.index][1] for slot in slices]
    return [*before, Step(loop, (*step.inputs[:first], *given), step.outs)]


def _slope(one: Step, known: Known, limits: Limits) -> Ref | None:
    """Return the slope of all turns by which a step weights what is not known before them."""
    if not isinstance(one.work, Map) or one.work.body is not weighted.body:
        return None
    x, slope = one.inputs
    if not isinstance(x, Ref) or not isinstance(slope, Ref) or x.slot in known:
        return None
    if slope.slot not in known or one.out.size > limits.small_turn:
        return None
    shape, whole = known[slope.slot]
    part = compose(slope.layout, shape, slice_of(whole.layout, 0))
    if part is None:
        return None
    n, stride = whole.layout.shape[0], whole.layout.strides[0]
    return replace(whole, layout=Layout((n, *part.shape), (stride, *part.strides), part.offset))
