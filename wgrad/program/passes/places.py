"""Places: pieces that are put into zeros apart, and added, are put side by side at once.

And many that are put into little are put there some at a time, for each by itself would be a
dispatch of its own.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import prod

from ...backends.families import Map, Place
from ...layout import Layout, Shape
from ...ops.elementwise import add
from ..ir import Program, Ref, Step, Window, readers
from .base import runs_at
from .lift import window
from .limits import Limits


@runs_at(33)
def place_together(program: Program, limits: Limits) -> Program:
    """Return the program with sums of places that do not overlap as one place each."""
    kept, reading = program.kept, readers(program)
    made: dict[int, Step] = {}
    gone: set[int] = set()
    steps: list[Step] = []

    def placed(x: object, step: Step) -> Step | None:
        """Return the place that an operand of a step is, if nothing else reads it."""
        if not isinstance(x, Ref) or not x.whole() or x.slot in kept or x.slot not in made:
            return None
        is_same = made[x.slot].out.shape == step.out.shape
        return made[x.slot] if is_same and len(reading[x.slot]) == 1 else None

    for step in program.steps:
        if isinstance(step.work, Map) and step.work.body is add.body:
            a, b = (placed(x, step) for x in step.inputs)
            joined = None if a is None or b is None or a is b else _joined(a, b, step)
            if joined is not None and a is not None and b is not None:
                gone |= a.writes() | b.writes()
                step = joined
        if isinstance(step.work, Place):
            made[step.out.index] = step
        steps.append(step)
    left = [step for step in steps if gone.isdisjoint(step.writes())]
    return program.with_steps([x for step in left for x in _by_some(program, step, limits)])


def _by_some(program: Program, step: Step, limits: Limits) -> list[Step]:
    """Return a place as it is, or as several that kernels hold, each into what the last has made.

    As it is, too, where it is large: each of them goes through all of it.
    """
    some = min(limits.pieces, limits.buffers - 1)  # of which one is what the last has made
    work = step.work
    if not isinstance(work, Place) or len(work.targets) <= some or some < 2:
        return [step]
    pieces = list(step.refs())
    if prod(work.shape) > limits.small or any(
        window(x.layout, target, work.shape) is None
        for x, target in zip(pieces, work.targets, strict=True)
    ):
        return [step]
    steps: list[Step] = []
    whole = Layout.dense(work.shape)
    inputs, targets, fill = pieces, list(work.targets), work.fill
    while len(targets) > some:
        out = program.new_slot(work.shape, step.out.dtype)
        first = replace(work, targets=tuple(targets[:some]), fill=0 if fill is None else fill)
        steps.append(Step(first, tuple(inputs[:some]), (out,)))
        inputs, targets = [out.whole(), *inputs[some:]], [whole, *targets[some:]]
        fill = None
    last = replace(work, targets=tuple(targets), fill=fill)
    return [*steps, Step(last, tuple(inputs), step.outs)]


def _joined(a: Step, b: Step, step: Step) -> Step | None:
    """Return the sum of two places as one; None where they overlap, or have more than zeros."""
    one, two = a.work, b.work
    assert isinstance(one, Place) and isinstance(two, Place)
    targets, shape = (*one.targets, *two.targets), one.shape
    boxes = [_box(x, shape) for x in targets]
    if one.fill != 0 or two.fill != 0 or any(_meet(x, y) for x, y in combinations(boxes, 2)):
        return None
    fill = None if sum(x.size for x in targets) == prod(shape) else 0
    return Step(replace(one, targets=targets, fill=fill), (*a.inputs, *b.inputs), step.outs)


def _box(target: Layout, shape: Shape) -> dict[int, Window] | None:
    """Return where a piece lies, by axis; axes on which it is everywhere are left out."""
    found = window(Layout.dense(target.shape), target, shape)
    return None if found is None else {x.axis: x for x in found[0]}


def _meet(x: dict[int, Window] | None, y: dict[int, Window] | None) -> bool:
    """Whether two pieces may overlap."""
    if x is None or y is None:
        return True
    both = [(x[axis], y[axis]) for axis in x.keys() & y.keys()]
    return not any(a.first + a.size <= b.first or b.first + b.size <= a.first for a, b in both)
