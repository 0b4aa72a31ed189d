"""Two steps made one: the mechanism that every fusion pass shares.

`Joiner` says which pairs may become one without a cycle, and puts the result where everything that
it reads is there and nothing that reads it has come. Which pairs are worth it is what the passes
say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

from ...backends.array import Number
from ...dtypes import DType
from ...layout import Layout
from ..ir import Graph, Program, Ref, Slot, Statement, Step, fused, operand_key, pruned
from ..ir.domains import Seen, as_elements, as_rows, reshaped, seen_through
from ..ir.unrolled import over_points
from .folds import buffers_when_split
from .limits import Limits
from .ordering import Order

PRODUCT = -1  # the slot that stands for a matmul's product in the graph over it


class Joiner:
    """The steps of a program while pairs of them become one."""

    def __init__(self, program: Program, limits: Limits):
        self.program = program
        self.limits = limits
        self.order = Order(program)
        self._kept = program.kept

    def done(self) -> Program:
        """Return the program with the steps as they are now."""
        return self.program.with_steps(list(self.order))

    def grow(self, join: Callable[[Step, Step], Step | None]) -> Program:
        """Return the program after every fused step has grown as far as it does.

        `join` makes one step of a producer and of the step that reads it, or returns None.
        """
        for first in self.program.steps:
            step: Step | None = first
            while step is not None and step in self.order and step.is_fused:
                producers = self.order.not_behind(self.producers(step), step)
                grown = (join(producer, step) for producer in producers)
                step = next(filter(None, grown), None)
        return self.done()

    def producers(self, step: Step) -> list[Step]:
        """Return the steps whose results `step` reads, the latest first."""
        maker = self.order.maker
        steps = {id(m): m for slot in step.reads() if (m := maker.get(slot)) is not None}
        return sorted(steps.values(), key=self.order.place, reverse=True)

    def needed(self, a: Step, b: Step) -> frozenset[int]:
        """Return which results of `a` something other than `b` needs."""

        def is_needed(slot: int) -> bool:
            readers = self.order.readers.get(slot, {})
            return slot in self._kept or len(readers) > (id(b) in readers)

        return frozenset(filter(is_needed, a.writes()))

    def join(
        self,
        a: Step,
        b: Step,
        finish: Callable[[Step], Step | None] = lambda joined: joined,
        needed: frozenset[int] | None = None,
        plain: Step | None = None,
    ) -> Step | None:
        """Put one step in the place of `b` and of the earlier `a`, and return it.

        None where they cannot be one, no kernel holds them, or `finish`, which the joined step goes
        through, returns None. Of a's results those that are `needed` elsewhere are stored. `plain`
        is what `a` is as a fused step, where it is another one.
        """
        needed = self.needed(a, b) if needed is None else needed
        made = self._joined(a, b, plain or a, needed)
        made = None if made is None else finish(made)
        if made is not None:
            self.order.replace(a, b, made)
        return made

    def _joined(self, a: Step, b: Step, plain: Step, needed: frozenset[int]) -> Step | None:
        limits = self.limits
        if len(plain.graph.statements) + len(b.graph.statements) > limits.statements:
            return None
        sets = b.reads(), plain.reads(), b.writes(), needed
        if sum(map(len, sets)) > limits.buffers:  # else they are few, whichever they are
            slots = (b.reads() - plain.writes()) | plain.reads() | b.writes() | needed
            if len(slots - {PRODUCT}) > limits.buffers:
                return None
        if self.order.leads(a, b):
            return None  # by way of a third step, which cannot come between them any more
        made = joined(plain, b, needed)
        if made is not None and len(made.graph.statements) > limits.statements:
            return None  # for an axis was taken apart
        if made is not None and buffers_when_split(made, limits) > limits.buffers:
            return None
        if made is not None and len(made.inputs) > limits.numbers:
            numbers = sum(not isinstance(x, Ref) for x in made.inputs)
            return made if numbers <= limits.numbers else None
        return made


def joined(a: Step, b: Step, needed: frozenset[int]) -> Step | None:
    """Return fused steps `a` and `b` as one, or None where they do not fit one domain.

    `b` may read what `a` makes, element by element. Of a's results those that are `needed`
    elsewhere are stored.
    """
    pair = _one_domain(a, b)
    made = None if pair is None else _over(pair, a, b, needed)
    if made is None:
        pair = _pulled(a, b, needed)
        made = None if pair is None else _over(pair, a, b, needed)
    if made is None and (a.graph.calls or b.graph.calls):
        made = _by_points(a, b, needed)
    return made


def _by_points(a: Step, b: Step, needed: frozenset[int]) -> Step | None:
    """Return steps as one over fewer points than one of them has: its short axis is taken apart.

    Those are the elements of the smaller domain, or the rows of `a` where it folds and `b` goes on.
    """
    by_rows = a.graph.axes and not b.graph.axes
    points = a.graph.kept if by_rows else a.graph.shape
    sizes = prod(points), prod(b.graph.shape)
    if sizes[0] == sizes[1]:
        return None
    for first in (False, True):
        if sizes[0] < sizes[1]:
            seen = over_points(b.graph, b.inputs, points, first)
        else:
            seen = over_points(a.graph, a.inputs, b.graph.shape, first)
        if seen is None:
            continue
        x, y = (a, fused(*seen, b.outs)) if sizes[0] < sizes[1] else (fused(*seen, a.outs), b)
        pair = _one_domain(x, y)
        made = None if pair is None else _over(pair, x, y, needed)
        if made is not None:
            return made
    return None


def _over(pair: tuple[Seen, Seen], a: Step, b: Step, needed: frozenset[int]) -> Step | None:
    """Return two steps, whose graphs have been brought onto one domain, as one, or None."""
    (first, a_inputs), (second, b_inputs) = pair
    shape, axes = first.shape, first.axes
    made = {out.index: result for out, result in zip(a.outs, first.results, strict=True)}
    operands = _Operands(a, first, a_inputs)
    moves = operands.moves

    def moved(value: int) -> int:
        return moves[value] if value >= 0 else value

    args: list[int] = []
    for i, x in enumerate(b_inputs):
        result = made.get(x.slot) if isinstance(x, Ref) else None
        if result is None:
            args.append(operands.place(x, second, i))
            continue
        assert isinstance(x, Ref)
        views = first.views(result)
        if x.layout not in views or i in second.tables:
            return None  # it reads elements that other threads compute
        args.append(moved(result.stored[views.index(x.layout)].value))
    shift = len(first.statements)

    def later(value: int) -> int:
        return args[value] if value >= 0 else value - shift

    in_place = operands.in_place
    statements: tuple[Statement, ...] = (
        *(first.statements if in_place else (s.moved(moved) for s in first.statements)),
        *[
            Statement(what, tuple([args[v] if v >= 0 else v - shift for v in values]), kinds, out)
            for what, values, kinds, out in second.statements
        ],
    )
    stored = [(o, r) for o, r in zip(a.outs, first.results, strict=True) if o.index in needed]
    outs: list[Slot] = [*(out for out, _ in stored), *b.outs]
    results = [
        *((r for _, r in stored) if in_place else (r.moved(moved) for _, r in stored)),
        *(r.moved(later) for r in second.results),
    ]
    graph = Graph(shape, axes, tuple(operands.dtypes), statements, tuple(results))
    if not all(r.is_plain for r in first.results):  # some results of a call may not be needed
        return fused(*pruned(graph, operands.inputs), tuple(outs))
    both = fused(graph, operands.inputs, tuple(outs))
    vars(both)["operands"] = operands.places  # which it would find out anew
    return both


class _Operands:
    """The operands of a fused step, and further ones after them, each once.

    There may be hundreds, once for every step that is joined: those of the first are only copied.
    """

    def __init__(self, step: Step, graph: Graph, inputs: tuple[Ref | Number, ...]):
        self.inputs: list[Ref | Number] = []
        self.dtypes: list[DType] = []
        self.places: dict[Any, int] = {}
        known = step.operands if inputs is step.inputs else None
        self.in_place = known is not None and len(known) == len(inputs)  # each comes once
        if known is not None and self.in_place:
            self.inputs, self.dtypes = list(inputs), list(graph.dtypes)
            self.places = dict(known)
        self.moves = (
            range(len(inputs))
            if self.in_place
            else [self.place(x, graph, i) for i, x in enumerate(inputs)]
        )

    def place(self, x: Ref | Number, graph: Graph, i: int) -> int:
        """Return the place of what is operand `i` of its own graph."""
        place = self.places.setdefault(operand_key(x, graph, i), len(self.inputs))
        if place == len(self.inputs):
            self.inputs.append(x)
            self.dtypes.append(graph.dtypes[i])
        return place


def _one_domain(a: Step, b: Step) -> tuple[Seen, Seen] | None:
    """Return both graphs over one domain: that of whichever has folds, else b's, else a's."""
    x: Seen = (a.graph, a.inputs)
    y: Seen = (b.graph, b.inputs)
    flip = bool(x[0].axes) and not y[0].axes
    if flip:
        x, y = y, x
    shape, axes = y[0].shape, y[0].axes
    moved: Seen | None
    if x[0].axes or not axes:
        moved = reshaped(*x, shape, axes)
        if moved is None:
            other = reshaped(*y, x[0].shape, x[0].axes)
            if other is not None:
                moved, y = x, other
    else:
        moved = as_elements(*x, shape, axes) or as_rows(*x, shape, axes)
    if moved is None:
        return None
    return (y, moved) if flip else (moved, y)


def _pulled(a: Step, b: Step, needed: frozenset[int]) -> tuple[Seen, Seen] | None:
    """Return an elementwise `a` computed where `b` reads it, if `b` does so through one view."""
    graph: Graph = b.graph
    views = {ref.layout for ref in b.refs() if ref.slot in a.writes()}
    if needed or len(views) != 1 or len(a.outs) != 1 or a.graph.axes:
        return None
    (view,) = views
    if view.size > a.out.size:
        return None  # it would be computed again and again
    pulled = seen_through(a.graph, a.inputs, view)
    if pulled is None:
        return None
    seen, inputs = pulled
    dense = Layout.dense(view.shape)
    (out,) = a.outs
    read = tuple(
        replace(x, layout=dense) if isinstance(x, Ref) and x.slot == out.index else x
        for x in b.inputs
    )
    return (replace(seen, axes=graph.axes), inputs), (graph, read)
