"""Loops: slices that a loop gives, and nothing reads, and carries that are outputs, too."""

from __future__ import annotations

from dataclasses import replace

from ...backends.families import Copy, Place
from ...layout import Layout
from ..ir import Loop, Program, Ref, Slot, Step, readers
from .base import runs_at
from .limits import Limits


@runs_at(35, fuses=False)
def drop_slices(program: Program, limits: Limits) -> Program:
    """Return the program with loops that give only those slices which are read or kept.

    Where the device gains by it, a carry is read where the turn before gave it as an output.
    """
    wanted = program.kept | readers(program).keys()
    steps: list[Step] = []
    for step in program.steps:
        after: list[Step] = []
        if isinstance(step.work, Loop):
            step = _with_slices(step, wanted)
            if limits.ties:
                step, after = _tied(step)
        steps += [step, *after]
    return program.with_steps(steps)


def _with_slices(step: Step, wanted: frozenset[int]) -> Step:
    work = step.work
    assert isinstance(work, Loop)
    outs = step.outs[work.carries :]
    left = [i for i, out in enumerate(outs) if out.index in wanted]
    if len(left) == len(outs):
        return step
    body = replace(work.body, outputs=tuple([work.body.outputs[i] for i in left]))
    kept = (*step.outs[: work.carries], *(outs[i] for i in left))
    return Step(replace(work, body=body), step.inputs, kept)


def _tied(step: Step) -> tuple[Step, list[Step]]:
    """Return a loop whose carries are read where they were given as outputs, and what follows.

    A carry's values before each turn, if they are given too, are those after the turn before.
    """
    work = step.work
    assert isinstance(work, Loop)
    body, after = work.body, []
    outs = dict(zip(body.outputs, step.outs[work.carries :], strict=True))
    copies = {  # of what is given: the slot that is copied, and the step
        one.out.index: (x.slot, one)
        for one in body.steps
        if isinstance(one.work, Copy) and one.out.index in outs
        for x in one.refs()
        if x.whole() and x.layout.size == one.out.size
    }
    updates = dict(body.updates)
    gone: set[int] = set()
    tied: dict[int, int] = {}
    renamed: dict[int, int] = {}
    for i, slot in enumerate(body.inputs[work.fixed : work.fixed + work.carries]):
        end = updates.get(slot.index)
        later = next((o for o, (x, _) in copies.items() if x == end and end is not None), None)
        if end is None or later is None or not slot.size:
            continue
        del updates[slot.index]
        gone.add(later)
        renamed[later] = end
        tied[i] = later
        before = [o for o, (x, _) in copies.items() if x == slot.index]
        for o in before:
            gone.add(o)
            after.append(_shifted(work, step.inputs[work.fixed + i], outs[later], outs[o]))
            del outs[o]
    if not tied:
        return step, []
    order = list(outs)
    outputs = tuple([renamed.get(o, o) for o in order])
    steps = [one for one in body.steps if gone.isdisjoint(one.writes())]
    body = replace(body, steps=steps, outputs=outputs, updates=updates)
    pairs = tuple([(i, order.index(o)) for i, o in tied.items()])
    made = Step(
        replace(work, body=body, tied=pairs),
        step.inputs,
        (*step.outs[: work.carries], *outs.values()),
    )
    return made, after


def _shifted(work: Loop, start: object, ends: Slot, out: Slot) -> Step:
    """Return the step that makes the values before each turn of those after it."""
    assert isinstance(start, Ref)
    n, shape = work.length, out.shape[1:]
    dense = Layout.dense(out.shape)
    size = Layout.dense(shape).size
    rest = Layout((n - 1, *shape), dense.strides, 0 if work.is_reverse else size)
    seen = Layout((n - 1, *shape), dense.strides, size if work.is_reverse else 0)
    first = Layout((1, *shape), dense.strides, (n - 1) * size if work.is_reverse else 0)
    one = start.layout.reshape((1, *shape))
    assert one is not None, "an axis more is a view"
    pieces = replace(start, layout=one), Ref(ends.index, seen, ends.dtype)
    return Step(Place((first, rest), out.shape, None), pieces, (out,))
