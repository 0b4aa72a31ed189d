"""Loops: work that no carry waits for is done outside of them, for all turns at once.

Three kinds of it. What a turn computes from its slices alone is there before the first turn. What
its outputs follow from, and no carry does, can wait until after the last. And a carry to which each
turn only adds, as the gradient of a weight, is one product or one sum over what the turns give.

What the turns give for that is memory: never more of it than is of all turns anyway. What a
checkpoint computes again stays inside, for the same reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ...backends.families import Copy, Full, Map, Matmul, Place, Reduce
from ...backends.fold import SUM
from ...dtypes import DType
from ...layout import Layout, Shape, compose
from ...ops.elementwise import add
from ..ir import Later, Loop, Program, Ref, Slot, Step, slice_of
from .base import runs_at
from .limits import Limits
from .slopes import join_slopes


@runs_at(5)
def work_outside(program: Program, limits: Limits) -> Program:
    """Return the program with loops that do only what has to be done turn by turn."""
    if not any(isinstance(step.work, Loop) for step in program.steps):
        return program
    program = replace(program, lines=dict(program.lines))
    steps: list[Step] = []
    for step in program.steps:
        steps += _Parted(program, step, limits).steps() if isinstance(step.work, Loop) else [step]
    program = program.with_steps(steps)
    return join_slopes(program, limits) if limits.small_turn else program


class _Sum(NamedTuple):
    """A carry to which every turn adds: its place, the adding, and what makes the term, if known.

    `reads` are what has to be known of all turns.
    """

    place: int
    adding: Step
    term: Ref
    maker: Step | None

    @property
    def reads(self) -> list[Ref]:
        return [self.term] if self.maker is None else list(self.maker.refs())


class _Parted:
    """A loop on its way to less work in its turns."""

    def __init__(self, program: Program, step: Step, limits: Limits):
        assert isinstance(step.work, Loop)
        self.program, self.step, self.limits = program, step, limits
        self.work, self.body = work, body = step.work, step.work.body
        self.first = work.fixed + work.carries
        refs = [x for x in step.inputs if isinstance(x, Ref)]
        self.slots, self.count = body.memory(), body.slots
        self.carries = [x.index for x in body.inputs[work.fixed : self.first]]
        self.starts = refs[work.fixed : self.first]
        self.maker = {out.index: one for one in body.steps for out in one.outs}
        self.readers: dict[int, list[Step]] = {}
        for one in body.steps:
            for slot in one.reads():
                self.readers.setdefault(slot, []).append(one)
        # What is known outside, by slot of the body: values of all turns, and those of any.
        pairs = zip(body.inputs[self.first :], refs[self.first :], strict=True)
        self.stacked = {slot.index: x for slot, x in pairs}
        self.same = {x.index: ref for x, ref in zip(body.inputs, refs[: work.fixed], strict=False)}
        self.results = dict(zip(body.outputs, step.outs[work.carries :], strict=True))
        self.full = {i for i, one in self.maker.items() if isinstance(one.work, Full)}
        self.outer: list[Step] = []  # outside, in order
        self.inner = list(body.steps)

    def steps(self) -> list[Step]:
        """Return what stands in the loop's place."""
        sums = [x for x in map(self._sum, range(self.work.carries)) if x is not None]
        self._before(sums)
        before, self.outer = self.outer, []
        self.known = dict(self.stacked)  # before the loop
        for chosen in (sums, []):
            waiting = self._waiting(chosen)
            for late in (waiting, []) if waiting else ([],):
                wanted = self._wanted(chosen, late)
                gone = {out.index for one in late for out in one.outs}
                more = [i for i in wanted if i not in self.results]
                less = [i for i in gone if i in self.results]
                if self._bytes(more) - self._bytes(less) <= self._bound():
                    loop = self._loop(chosen, late, wanted)
                    for one in late:
                        self._do(one)
                    for x in chosen:
                        self._add_up(x)
                    return [*before, *loop, *self.outer]
        raise AssertionError("nothing at all fits any bound")

    # How much memory.
    def _bytes(self, slots: Iterable[int]) -> int:
        every = [self.slots[i] for i in slots]
        return sum(x.size * x.dtype.numpy.itemsize for x in every)

    def _bound(self) -> int:
        """Return how many bytes of a turn may be kept besides: as many as there are.

        None where it computes again what was not to be kept.
        """
        if any(isinstance(one.work, Later) for one in self.body.steps):
            return 0
        return self._bytes([*(x.index for x in self.body.inputs[self.first :]), *self.results])

    # What leaves the turns.
    def _sum(self, place: int) -> _Sum | None:
        """Return the adding to a carry, if that is all that turns do with it."""
        old = self.carries[place]
        new = self.body.updates.get(old)
        adding = None if new is None else self.maker[new]
        if adding is None or not isinstance(adding.work, Map) or adding.work.body is not add.body:
            return None
        refs = list(adding.refs())
        others = [x for x in refs if x.slot != old]
        if len(refs) != 2 or len(others) != 1 or new in self.results or new in self.readers:
            return None
        if self.readers[old] != [adding] or not all(x.whole() for x in refs if x.slot == old):
            return None
        (term,) = others
        maker = self.maker.get(term.slot)
        alone = self.readers.get(term.slot) == [adding] and term.slot not in self.results
        alone = alone and term.slot not in self.body.updates.values()
        if maker is None or not alone or not _adds_up(maker):
            maker = None
        is_carried = term.slot in self.carries or term.slot in self.body.updates.values()
        return None if is_carried and maker is None else _Sum(place, adding, term, maker)

    def _before(self, sums: list[_Sum]) -> None:
        """Do what follows from slices alone."""
        ours, ends = {id(x.maker) for x in sums}, set(self.body.updates.values())
        known, free = set(self.stacked), set(self.same) | self.full
        able: list[Step] = []
        for one in self.inner:
            reads = one.reads()
            if id(one) in ours or one.writes() & ends:  # last values are the loop's to give
                continue
            if reads & known and reads <= known | free and _is_plain(one):
                able.append(one)
                known |= one.writes()
        chosen: list[Step] = []
        wanted: set[int] = set()
        for one in reversed(able):  # what does not pay goes with what does
            if self._pays(one) or one.writes() & wanted:
                chosen.append(one)
                wanted |= one.reads()
        gone = set(map(id, chosen))
        left = [one for one in self.inner if id(one) not in gone]
        needed = {slot for one in left for slot in one.reads()}
        made = {out.index for one in chosen for out in one.outs}
        if self._bytes(made & needed - set(self.results)) > self._bound():
            return
        for one in reversed(chosen):
            self._do(one)
        self.inner = left

    def _pays(self, one: Step) -> bool:
        return isinstance(one.work, (Matmul, Reduce)) or one.out.size <= self.limits.small_turn

    def _waiting(self, sums: list[_Sum]) -> list[Step]:
        """Return the steps that no carry waits for, and that pay, in order."""
        adding = {id(x.adding) for x in sums} | {id(x.maker) for x in sums}
        rest = [one for one in self.inner if id(one) not in adding]
        ends = {new for old, new in self.body.updates.items()}
        ends -= {out.index for x in sums for out in x.adding.outs}
        carried = set(self.carries) | ends
        needed = set(ends)
        free: list[Step] = []
        for one in reversed(rest):
            copied = isinstance(one.work, Copy) and one.reads() & carried
            stays = one.writes() & needed or not _is_plain(one) or not one.reads() or copied
            if stays:
                needed |= one.reads()
            else:
                free.append(one)
        late: list[Step] = []
        made: set[int] = set()
        for one in reversed(free):
            if self._pays(one) or one.reads() & made:
                late.append(one)
                made |= one.writes()
        return late

    def _wanted(self, sums: list[_Sum], late: list[Step]) -> list[int]:
        """Return what the turns are to give for what is done after them."""
        there = set(self.stacked) | set(self.same) | self.full
        there |= {out.index for one in late for out in one.outs}
        reads = [x.slot for one in late for x in one.refs()]
        reads += [x.slot for one in sums for x in one.reads]
        return [slot for slot in dict.fromkeys(reads) if slot not in there]

    # The loop that is left.
    def _loop(self, sums: list[_Sum], late: list[Step], wanted: list[int]) -> list[Step]:
        work, body = self.work, self.body
        gone = {id(x) for one in sums for x in (one.adding, one.maker)} | set(map(id, late))
        steps = [one for one in self.inner if id(one) not in gone]
        added = {place.place for place in sums}
        makes = {out.index for one in steps for out in one.outs}
        outs = {i: out for i, out in self.results.items() if i in makes}
        first: list[Step] = []
        for index in wanted:
            if index not in outs:
                slot = inside = self.slots[index]
                if index in self.carries or index in body.updates.values():
                    inside = replace(slot, index=self.count)
                    self.count += 1
                    copy = Step(Copy(), (slot.whole(),), (inside,))
                    (first if index in self.carries else steps).append(copy)
                shape = (work.length, *slot.shape)
                outs[inside.index] = self.program.new_slot(shape, slot.dtype)
                self.stacked[index] = outs[inside.index].whole()
        self.stacked |= {i: out.whole() for i, out in outs.items()}
        steps = [*first, *steps]
        reads = {slot for one in steps for slot in one.reads()}
        carries = [i for i in range(work.carries) if i not in added]
        fixed = [x for x in body.inputs[: work.fixed] if x.index in reads]
        slices = [i for i in self.known if i in reads]
        inputs = [*fixed, *(body.inputs[work.fixed + i] for i in carries)]
        updates = {old: new for old, new in body.updates.items() if new in makes}
        left = replace(
            body,
            steps=steps,
            inputs=[*inputs, *(self.slots[i] for i in slices)],
            outputs=tuple(outs),
            updates=updates,
            slots=self.count,
        )
        given = [*(self.same[x.index] for x in fixed), *(self.starts[i] for i in carries)]
        given += [self.known[i] for i in slices]
        results = (*(self.step.outs[i] for i in carries), *outs.values())
        if not results:
            return []
        loop = replace(work, body=left, carries=len(carries), slices=len(slices))
        return [Step(loop, tuple(given), results)]

    # What is done outside.
    def _made(self, work: Any, inputs: Sequence[Any], shape: Shape, dtype: DType) -> Slot:
        """Add a step outside, and return what it makes."""
        out = self.program.new_slot(shape, dtype)
        self.outer.append(Step(work, tuple(inputs), (out,)))
        return out

    def _one(self, x: Ref) -> Ref:
        """Return what a view of memory that is the same in every turn shows outside."""
        if x.slot not in self.same:
            full = self.maker[x.slot].work
            assert isinstance(full, Full)
            self.same[x.slot] = self._made(full, (), full.shape, full.dtype).whole()
        whole = self.same[x.slot]
        part = compose(x.layout, self.slots[x.slot].shape, whole.layout)
        assert part is not None
        return Ref(whole.slot, part, x.dtype)

    def _all(self, x: Ref) -> Ref:
        """Return what a view shows in all turns, which are its first axis."""
        n = self.work.length
        if x.slot not in self.stacked:
            one = self._one(x)
            return replace(one, layout=one.layout.expand((n, *one.layout.shape)))
        whole = self.stacked[x.slot]
        part = compose(x.layout, self.slots[x.slot].shape, slice_of(whole.layout, 0))
        if part is None:  # no strides can show both views
            whole = self._made(Copy(), (whole,), whole.layout.shape, whole.dtype).whole()
            part = x.layout
        strides = (whole.layout.strides[0], *part.strides)
        return Ref(whole.slot, Layout((n, *part.shape), strides, part.offset), x.dtype)

    def _do(self, one: Step) -> None:
        """Do what a step does, for all turns at once."""
        n, work = self.work.length, one.work
        inputs = [self._all(x) if isinstance(x, Ref) else x for x in one.inputs]
        if isinstance(work, Map):
            work = replace(work, shape=(n, *work.shape))
        elif isinstance(work, Reduce):
            work = replace(work, axes=tuple([a + 1 for a in work.axes]))
        elif isinstance(work, Place):
            size = one.out.size
            targets = [Layout((n, *t.shape), (size, *t.strides), t.offset) for t in work.targets]
            work = replace(work, targets=tuple(targets), shape=(n, *work.shape))
        elif isinstance(work, Matmul):
            b = one.inputs[1]
            assert isinstance(b, Ref)
            if work.lead == 0 and b.slot not in self.stacked:
                inputs[1] = self._one(b)  # one product, of the rows of all turns
            else:
                work = replace(work, lead=work.lead + 1)
        out = self.results.get(one.out.index)
        if out is None:
            out = self.program.new_slot((n, *one.out.shape), one.out.dtype)
        lines = self.program.lines
        if one.out.index in lines:
            lines.setdefault(out.index, lines[one.out.index])
        self.outer.append(Step(work, tuple(inputs), (out,)))
        self.stacked[one.out.index] = out.whole()

    def _add_up(self, x: _Sum) -> None:
        """Add all terms at once to the first value of a carry."""
        term, out, one = x.term, self.step.outs[x.place], x.maker
        if one is None:
            total = self._made(
                Reduce(SUM, (0,), term.dtype), [self._all(term)], term.layout.shape, term.dtype
            ).whole()
        else:
            seen = [self._all(ref) for ref in one.refs()]
            if isinstance(one.work, Matmul):
                a, inner = seen[0].layout, one.work.inner
                rows = range(1, len(a.shape) - inner)
                order = [*rows, 0, *range(len(a.shape) - inner, len(a.shape))]
                seen[0] = replace(seen[0], layout=a.permute(order))
                work: Any = replace(one.work, inner=inner + 1)
            else:
                assert isinstance(one.work, Reduce)
                work = replace(one.work, axes=(0, *[a + 1 for a in one.work.axes]))
            made = self._made(work, seen, one.out.shape, one.out.dtype)
            total = replace(term, slot=made.index)
        old = self.carries[x.place]
        inputs = []
        for ref in x.adding.refs():
            inputs.append(self.starts[x.place] if ref.slot == old else total)
        self.outer.append(Step(x.adding.work, tuple(inputs), (out,)))


def _adds_up(maker: Step) -> bool:
    """Whether the results of a step in all turns have a sum that is one such step."""
    work = maker.work
    if isinstance(work, Reduce):
        return work.fold == SUM
    return isinstance(work, Matmul) and work.lead == 0


def _is_plain(one: Step) -> bool:
    """Whether a step's work can be done for all turns at once."""
    known = isinstance(one.work, (Map, Copy, Matmul, Reduce, Place))
    return known and all(out.size for out in one.outs)
