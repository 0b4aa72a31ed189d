"""Turns: a part of a trace that becomes the body of a loop.

A loop's function runs once, on arrays that a turn is given, and its steps are cut out of the trace.
What they read from outside is the same in every turn; steps that rest on nothing else stay outside.

The reverse pass of a loop is a turn of another: what it reads of the first turn's values, the first
loop keeps for each of its own turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...backends.array import Array, births
from ...backends.base import Device
from ...backends.families import Copy, Full
from ...core import caller
from ...dtypes import DType
from ...layout import Layout, Shape
from ..ir import Loop, Program, Ref, Slot, Step, span


class Turn:
    """One turn while it is traced, from its making until `close` or `withdraw`."""

    def __init__(self, tracer: Any, device: Device, of: Turn | None = None):
        self.tracer = tracer
        self.device = device
        self.of = of  # the turn whose reverse this is
        self.carries: list[Slot] = []
        self.slices: list[Slot] = []
        self.why: str | None = None  # what it did that no loop does
        self.first = len(tracer.steps)
        self.start = next(births)
        self.home: int | None = None  # the first result of its loop, by which that is found
        self._mark = tracer.mark()
        tracer.turns.append(self)

    def given(self, shape: Shape, dtype: DType, of: Array | None = None) -> Array:
        """Return an array that has other values in each turn: slices of an array, or a carry."""
        layout = Layout.dense(shape)
        made = Array(self.device.unbacked(layout.size), layout, dtype)
        slot = Slot(self.tracer.new_slot(dtype), shape, dtype)
        self.tracer.inner[made.storage] = slot.index, self
        (self.carries if of is None else self.slices).append(slot)
        if of is not None:
            made.storage.bounds = of.storage.bounds
            self.tracer.follow(made, of)
        return made

    def may_read(self, other: Turn) -> bool:
        """Whether what belongs to another turn is there in this one."""
        return other is self or other is self.of

    def is_of(self, tracer: Any) -> bool:
        """Whether it belongs to a trace, and a loop is made of it."""
        return tracer is self.tracer and self.home is not None

    def withdraw(self) -> None:
        """Leave the trace as it was before the turn."""
        self.tracer.turns.remove(self)
        self.tracer.back_to(self._mark)

    def close(
        self,
        ends: Sequence[Array],
        starts: Sequence[Array | None],
        xs: Sequence[Array],
        ys: Sequence[Array],
        length: int,
        is_reverse: bool,
    ) -> list[Array] | None:
        """End the turn, and return what its loop gives: last carries, and all slices.

        `ends` are the carries at the end of a turn, `starts` those of the first one (None: zeros),
        `xs` what slices are of, and `ys` the slices that a turn gives. None where no loop does what
        the turn did; then it is withdrawn.
        """
        self.why = self.why or self.tracer.since(self._mark)
        if self.why is not None:
            self.withdraw()
            return None
        return _Cut(self, length, is_reverse).loop(ends, starts, xs, ys)

    def own(self, made: set[int]) -> None:
        """End the turn; what its steps made is there in its reverse alone from now on."""
        tracer = self.tracer
        tracer.turns.remove(self)
        for storage, slot in list(tracer.made.items()):
            if slot in made:
                del tracer.made[storage]
                tracer.inner[storage] = slot, self

    # What its reverse reads.
    def _place(self) -> tuple[list[Step], int]:
        assert self.home is not None
        found = _found(self.tracer.steps, self.home)
        assert found is not None
        return found

    def slots(self) -> dict[int, Slot]:
        """Return what has other values in each turn, by slot."""
        steps, i = self._place()
        made = [out for step in steps[i].work.body.steps for out in step.outs]  # type: ignore[attr-defined]
        return {slot.index: slot for slot in (*self.carries, *self.slices, *made)}

    def keep(self, slot: Slot) -> Ref:
        """Return the values that a slot has in all turns, which its loop gives from now on."""
        steps, i = self._place()
        step, work = steps[i], steps[i].work
        assert isinstance(work, Loop)
        body = work.body
        places = [x.index for x in body.inputs]
        if slot.index in places[work.fixed + work.carries :]:
            ref = step.inputs[places.index(slot.index)]
            assert isinstance(ref, Ref)
            return ref
        if slot.index in body.outputs:
            return step.outs[work.carries + body.outputs.index(slot.index)].whole()
        inside, added = slot, []
        if slot.index in places or slot.index in body.updates.values():
            inside = replace(slot, index=self.tracer.new_slot(slot.dtype))
            added = [Step(Copy(), (slot.whole(),), (inside,))]
        shape = (work.length, *slot.shape)
        out = Slot(self.tracer.new_slot(slot.dtype), shape, slot.dtype)
        body = replace(
            body,
            steps=[*added, *body.steps] if slot.index in places else [*body.steps, *added],
            outputs=(*body.outputs, inside.index),
            slots=len(self.tracer.dtypes),
        )
        steps[i] = Step(replace(work, body=body), step.inputs, (*step.outs, out))
        return out.whole()


class _Cut:
    """The steps of a turn on their way out of the trace, into the body of a loop."""

    def __init__(self, turn: Turn, length: int, is_reverse: bool):
        self.turn, self.tracer = turn, turn.tracer
        self.length, self.is_reverse = length, is_reverse
        self.steps: list[Step] = []
        self.others = {} if turn.of is None else turn.of.slots()
        # Inputs of the body, by the slots outside that they stand for: what is the same in every
        # turn begins at an element of its slot, and of another turn's values there are slices.
        self.fixed: dict[int, tuple[Slot, int]] = {}
        self.kept: dict[int, Slot] = {}

    def loop(
        self,
        ends: Sequence[Array],
        starts: Sequence[Array | None],
        xs: Sequence[Array],
        ys: Sequence[Array],
    ) -> list[Array]:
        """Put a loop in the place of the steps."""
        turn, tracer = self.turn, self.tracer
        results = [tracer.ref(x) for x in (*ends, *ys)]
        stacked = [tracer.ref(x) for x in xs]
        self._cut()
        outs = self._own(results)
        mine = {s.index for s in (*turn.carries, *turn.slices)}
        mine |= {out.index for step in self.steps for out in step.outs}
        outside = [ref for s in self.steps for ref in s.refs() if ref.slot not in mine]
        stacked += self._slices(outside)
        fixed = self._same(outside)
        steps = [replace(s, inputs=tuple(map(self._input, s.inputs))) for s in self.steps]
        first = [
            self._zeros(slot) if x is None else tracer.ref(x)
            for slot, x in zip(turn.carries, starts, strict=True)
        ]
        given = outs[len(ends) :]
        pairs = zip(turn.carries, outs, strict=False)
        body = Program(
            steps,
            [*(slot for slot, _ in self.fixed.values()), *turn.carries, *turn.slices],
            tuple([out.index for out in given]),
            {old.index: new.index for old, new in pairs},
            len(tracer.dtypes),
        )
        work = Loop(body, self.length, self.is_reverse, len(turn.carries), len(turn.slices))
        shapes = [(s.shape, s.dtype) for s in turn.carries]
        shapes += [((self.length, *out.shape), out.dtype) for out in given]
        turn.own({out.index for step in steps for out in step.outs})
        made = tracer.add(turn.device, work, (*fixed, *first, *stacked), shapes)
        turn.home = tracer.steps[-1].outs[0].index if made else None
        return list(made)

    def _cut(self) -> None:
        """Take the steps out of the trace, but for those that every turn would do alike."""
        tracer, turn = self.tracer, self.turn
        steps, origins = tracer.steps[turn.first :], tracer.origins[turn.first :]
        del tracer.steps[turn.first :], tracer.origins[turn.first :]
        varying = {s.index for s in (*turn.carries, *turn.slices)} | self.others.keys()
        for step, origin in zip(steps, origins, strict=True):
            # What reads nothing is made where it is used: most are numbers.
            if not step.reads() or not varying.isdisjoint(step.reads()):
                self.steps.append(step)
                varying |= step.writes()
            else:
                tracer.steps.append(step)
                tracer.origins.append(origin)

    def _own(self, results: Sequence[Ref]) -> list[Slot]:
        """Return slots of the body that hold results, each a slot of its own."""
        made = {out.index: out for step in self.steps for out in step.outs}
        outs: list[Slot] = []
        for ref in results:
            slot = made.pop(ref.slot, None)
            if slot is None or slot.shape != ref.layout.shape or not ref.whole():
                if slot is not None:
                    made[ref.slot] = slot
                slot = Slot(self.tracer.new_slot(ref.dtype), ref.layout.shape, ref.dtype)
                self.steps.append(Step(Copy(), (ref,), (slot,)))
            outs.append(slot)
        return outs

    def _zeros(self, like: Slot) -> Ref:
        made = Slot(self.tracer.new_slot(like.dtype), like.shape, like.dtype)
        self.tracer.steps.append(Step(Full(like.shape, 0, like.dtype), (), (made,)))
        self.tracer.origins.append(caller())
        return made.whole()

    # What is read from outside.
    def _slices(self, refs: Sequence[Ref]) -> list[Ref]:
        """Make slices of what another turn's values are; return what they are of."""
        stacked: list[Ref] = []
        for index in dict.fromkeys(ref.slot for ref in refs if ref.slot in self.others):
            slot = self.others[index]
            self.kept[index] = replace(slot, index=self.tracer.new_slot(slot.dtype))
            self.turn.slices.append(self.kept[index])
            assert self.turn.of is not None
            stacked.append(self.turn.of.keep(slot))
        return stacked

    def _same(self, refs: Sequence[Ref]) -> list[Ref]:
        """Make inputs of memory that is the same in every turn, as much of it as is read."""
        spans: dict[int, tuple[int, int, DType]] = {}
        for ref in refs:
            if ref.slot not in self.others:
                first, end = span(ref.layout)
                before = spans.get(ref.slot, (first, end))
                spans[ref.slot] = min(first, before[0]), max(end, before[1]), ref.dtype
        operands: list[Ref] = []
        for index, (first, end, dtype) in spans.items():
            shape = (end - first,)
            self.fixed[index] = Slot(self.tracer.new_slot(dtype), shape, dtype), first
            operands.append(Ref(index, Layout(shape, (1,), first), dtype))
        return operands

    def _input(self, x: Any) -> Any:
        """Return what a step of the body reads in the place of something from outside."""
        if not isinstance(x, Ref):
            return x
        if x.slot in self.kept:
            return replace(x, slot=self.kept[x.slot].index)
        if x.slot not in self.fixed:
            return x
        slot, first = self.fixed[x.slot]
        layout = Layout(x.layout.shape, x.layout.strides, x.layout.offset - first)
        return Ref(slot.index, layout, x.dtype)


def _found(steps: list[Step], result: int) -> tuple[list[Step], int] | None:
    """Return the list, and the place in it, of the step that gives a slot; in loops, too."""
    for i, step in enumerate(steps):
        if result in step.writes():
            return steps, i
        if isinstance(step.work, Loop) and (inside := _found(step.work.body.steps, result)):
            return inside
    return None
