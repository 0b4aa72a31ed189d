"""Order in memory: a product with one factor for a whole batch is one product, the batch last.

So a convolution is one call of a library, whose windows are long rows. What is computed of its
result element by element, or folded, goes in the order in which that lies, and lies so as well:
readers see it through other strides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import NamedTuple

from ...backends.array import Number
from ...backends.families import Copy, Matmul, Place
from ...layout import Layout, Shape, compose
from ..ir import Fused, Graph, Inputs, Product, Program, Ref, Slot, Step, readers
from ..ir.domains import relaid, reshaped
from .base import runs_at
from .limits import Limits
from .products import as_fused

Order = tuple[int, ...]  # axes, the one with the largest step first


@runs_at(105)
def keep_memory_order(program: Program, limits: Limits) -> Program:
    """Return the program with products of shared factors as one each, and what follows in order."""
    large = any(
        isinstance(step.work, Matmul) and _shared(step, limits.large_factor)
        for step in program.steps
    )
    return _Reordered(program, limits.large_factor).program if large else program


class _Seen(NamedTuple):
    """Where a slot's elements lie, which readers take for dense in `shape`; maybe in a copy."""

    shape: Shape
    layout: Layout
    slot: int

    def through(self, x: Ref) -> Ref | None:
        layout = compose(x.layout, self.shape, self.layout)
        return None if layout is None else replace(x, slot=self.slot, layout=layout)


class _Reordered:
    """A program while its steps are put into other orders, one after the other."""

    def __init__(self, program: Program, large: int):
        self.program = replace(program)
        self._large = large
        self._kept = program.kept
        self._readers = readers(program)
        self._moved: dict[int, _Seen] = {}
        self._copies: dict[int, _Seen] = {}  # in another order, for products alone
        self._wanted = self._batches_last()
        self._made: list[Step] = []
        self._copied: list[Step] = []  # after the step at hand
        for step in program.steps:
            self._made.append(self._reordered(self._read(step)))
            self._made += self._copied
            self._copied.clear()
        self.program = self.program.with_steps(self._made)

    def _batches_last(self) -> dict[int, Order]:
        """Return for slots that shared factors multiply the order in which those want them."""
        wanted: dict[int, Order] = {}
        slots = self.program.memory()
        for step in self.program.steps:
            if isinstance(step.work, Matmul) and (shared := _shared(step, self._large)):
                b = step.inputs[1]
                assert isinstance(b, Ref)
                steps = {b.layout.strides[k] for k in shared}
                shape = slots[b.slot].shape
                dense = Layout.dense(shape).strides
                wanted[b.slot] = tuple(sorted(range(len(shape)), key=lambda a: dense[a] in steps))
        return wanted

    def _read(self, step: Step) -> Step:
        """Return a step that reads slots where they lie now."""

        def seen(x: Ref | Number) -> Ref | Number:
            if not isinstance(x, Ref) or x.slot not in self._moved:
                return x
            there = self._moved[x.slot].through(x)
            assert there is not None, "every reader was asked"
            return there

        return replace(step, inputs=tuple(map(seen, step.inputs)))

    def _reordered(self, step: Step) -> Step:
        if isinstance(step.work, Matmul):
            return self._product(step)
        if isinstance(step.work, Place):
            return self._place(step)
        return self._fused(step) if step.is_fused else step

    # Slots that lie in another order.
    def _move(self, slot: Slot, shape: Shape, order: Order) -> Slot | None:
        """Return a slot with the axes of `shape` in another order, None where a reader cannot."""
        if slot.index in self._kept or not slot.size:
            return None
        there = _Seen(shape, _inverse(shape, order), slot.index)
        for step in self._readers.get(slot.index, ()):
            for x in _views(step, slot.index):
                if x is None or there.through(x) is None:
                    return None
        self._moved[slot.index] = there
        return Slot(slot.index, tuple(shape[a] for a in order), slot.dtype)

    def _moves(self, outs: Sequence[tuple[Slot, Shape, Order]]) -> list[Slot] | None:
        """Return all of some slots in their orders, or None where one of them has to stay."""
        known = dict(self._moved)
        made = [self._move(*out) if _changes(out[2]) else out[0] for out in outs]
        if None in made:
            self._moved = known
            return None
        return [slot for slot in made if slot is not None]

    # Steps.
    def _fused(self, step: Step) -> Step:
        order = self._order_of(step)
        if order is None or not _changes(order):
            return step
        graph = step.graph
        outs = []
        for out, result in zip(step.outs, graph.results, strict=True):
            along = tuple(a for a in order if not (result.row and a in graph.axes))
            old = sorted(along)
            shape = tuple(graph.shape[a] for a in old)
            own = tuple(map(old.index, along)) if result.is_plain else ()
            outs.append((out, shape, own))
        moved = self._moves(outs)
        if moved is None:
            return step
        inputs = relaid(step.inputs, lambda x: x.permute(order))
        return Step(Fused(_permuted(graph, order)), inputs, tuple(moved))

    def _order_of(self, step: Step) -> Order | None:
        """Return the order of the largest operand, if that has been put into another order."""
        graph = step.graph
        whole = [
            x
            for i, x in enumerate(step.inputs)
            if isinstance(x, Ref) and i not in graph.tables and all(x.layout.strides)
        ]
        first = next((x for x in whole if x.slot in self._moved), None)
        return None if first is None else _falling(first.layout)

    def _place(self, step: Step) -> Step:
        work, out = step.work, step.out
        assert isinstance(work, Place)
        largest = max(step.refs(), key=lambda x: x.layout.size)
        order = self._wanted.get(out.index)
        if largest.slot in self._moved and len(largest.layout.shape) == len(out.shape):
            order = _falling(largest.layout)
        moved = None if order is None or not _changes(order) else self._move(out, out.shape, order)
        if moved is None:
            return step
        there = self._moved[out.index]
        targets = [compose(x, there.shape, there.layout) for x in work.targets]
        if None in targets:
            del self._moved[out.index]
            return step
        placed = replace(work, targets=tuple(targets), shape=moved.shape)  # type: ignore[arg-type]
        return Step(placed, step.inputs, (moved,))

    def _product(self, step: Step) -> Step:
        step = self._batch_last(step)
        a, b = step.inputs[:2]
        work = step.work
        assert isinstance(a, Ref) and isinstance(b, Ref) and isinstance(work, Matmul)
        # What is summed over is walked as the factor lies that is in another order.
        left = len(a.layout.shape) - work.inner
        guide = a.layout.strides[left:] if a.slot in self._moved else b.layout.strides[work.lead :]
        order = _falling(Layout(a.layout.shape[left:], guide[: work.inner]))
        if (a.slot not in self._moved and b.slot not in self._moved) or not _changes(order):
            return step
        mine = [*range(left), *(left + k for k in order)]
        inner = [work.lead + k for k in order]
        last = range(work.lead + work.inner, len(b.layout.shape))
        theirs = [*range(work.lead), *inner, *last]
        a = replace(a, layout=a.layout.permute(mine))
        b = replace(b, layout=b.layout.permute(theirs))
        return replace(step, inputs=(a, b, *step.inputs[2:]))

    def _batch_last(self, step: Step) -> Step:
        """Return a product whose batch axes that share the first factor are the last of all."""
        shared = _shared(step, self._large)
        if not shared:
            return step
        work = step.work
        a, b = step.inputs[:2]
        assert isinstance(a, Ref) and isinstance(b, Ref) and isinstance(work, Matmul)
        plain = as_fused(step)
        axes = len(a.layout.shape) - work.inner
        shape = (*a.layout.shape[:axes], *b.layout.shape[work.lead + work.inner :])
        over = reshaped(plain.graph, plain.inputs, shape, ())
        if over is None or over[0].asks:
            return step
        graph, inputs = over
        order = (*(k for k in range(len(shape)) if k not in shared), *shared)
        moved = tuple(
            [
                self._move(out, shape, order) or self._apart(out, shape, order)
                if result.is_plain
                else out
                for out, result in zip(step.outs, graph.results, strict=True)
            ]
        )
        b = self._laid_out(b)
        others = [k for k in range(len(b.layout.shape)) if k not in shared]
        a = replace(
            a, layout=a.layout.permute([k for k in range(axes + work.inner) if k not in shared])
        )
        b = replace(b, layout=b.layout.permute([*others, *shared]))
        lead = work.lead - len(shared)
        if not isinstance(work, Product):
            return Step(Matmul(lead, work.inner), (a, b), moved)
        graph = _permuted(graph, order)
        rest: Inputs = relaid(inputs[1:], lambda x: x.permute(order))
        return Step(Product(lead, work.inner, graph), (a, b, *rest), moved)

    def _apart(self, out: Slot, shape: Shape, order: Order) -> Slot:
        """Return a slot for what a product makes in another order than that of its output.

        A copy of it there costs less than many products.
        """
        slot = self.program.new_slot(tuple(shape[a] for a in order), out.dtype)
        seen = Ref(slot.index, _inverse(shape, order), out.dtype)
        self._copied.append(Step(Copy(), (seen,), (Slot(out.index, shape, out.dtype),)))
        return slot

    def _laid_out(self, b: Ref) -> Ref:
        """Return a factor as it is read with its batch last: from a copy, if it lies otherwise."""
        if b.slot in self._moved or b.slot not in self._wanted:
            return b
        if b.slot not in self._copies:
            slot = self.program.memory()[b.slot]
            order = self._wanted[b.slot]
            seen = replace(slot.whole(), layout=Layout.dense(slot.shape).permute(order))
            out = self.program.new_slot(seen.layout.shape, slot.dtype)
            self._copies[b.slot] = _Seen(slot.shape, _inverse(slot.shape, order), out.index)
            self._made.append(Step(Copy(), (seen,), (out,)))
        return self._copies[b.slot].through(b) or b


def _shared(step: Step, large: int) -> Order:
    """Return the batch axes along which a product has one first factor, and many second ones.

    None where the second ones lie as a library takes them, for then they need no copy, and where
    they have fewer than `large` elements.
    """
    a, b = step.inputs[:2]
    work = step.work
    assert isinstance(a, Ref) and isinstance(b, Ref) and isinstance(work, Matmul)
    n, lead = b.layout.shape, work.lead
    shared = tuple(k for k in range(lead) if n[k] > 1 and not a.layout.strides[k])
    shared = tuple(k for k in shared if b.layout.strides[k] and b.layout.size >= large)
    inner, last = prod(n[lead : lead + work.inner]), prod(n[lead + work.inner :])
    fits = not shared or b.layout.reshape((*n[:lead], inner, last)) is not None
    return () if fits else shared


def _views(step: Step, slot: int) -> list[Ref | None]:
    """Return the views through which a step reads a slot; None for one that has to stay."""
    if not isinstance(step.work, (Fused, Matmul, Place, Copy)):
        return [None]
    graph = getattr(step.work, "graph", None)
    first = 1 if isinstance(step.work, Product) else 0
    tables = {i + first for i in graph.tables} if isinstance(graph, Graph) else set()
    views: list[Ref | None] = []
    for i, x in enumerate(step.inputs):
        if isinstance(x, Ref) and x.slot == slot:
            views.append(None if i in tables else x)
    return views


def _permuted(graph: Graph, order: Order) -> Graph:
    """Return a graph over its domain with the axes in another order."""
    statements = tuple([s.on_axes(order.index) for s in graph.statements])
    results = tuple([r.relaid(lambda x: x.permute(order)) for r in graph.results])
    axes = tuple(sorted(map(order.index, graph.axes)))
    shape = tuple(graph.shape[a] for a in order)
    return Graph(shape, axes, graph.dtypes, statements, results)


def _inverse(shape: Shape, order: Order) -> Layout:
    """Return where a view of `shape` finds what lies dense with its axes in another order."""
    dense = Layout.dense(tuple(shape[a] for a in order)).strides
    return Layout(shape, tuple(dense[order.index(a)] for a in range(len(shape))))


def _falling(layout: Layout) -> Order:
    """Return the axes in the order of their steps, the largest first; those of extent 1 lead."""
    steps = zip(layout.shape, layout.strides, strict=True)
    sizes = [-abs(s) if n > 1 else -(1 << 62) for n, s in steps]
    return tuple(sorted(range(len(sizes)), key=sizes.__getitem__))


def _changes(order: Order) -> bool:
    return order != tuple(range(len(order)))
