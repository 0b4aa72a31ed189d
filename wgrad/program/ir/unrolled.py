"""Graphs with a short axis of their domain taken apart: a statement for each place along it.

So work on the elements of a vector, and folds of them, are over the same domain as a function that
gives the vector, or takes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from ...backends.fold import Fold
from ...dtypes import float16, float32
from ...layout import Layout, Shape
from .domains import Seen, reshaped
from .graph import Graph, Result, Statement, Stored
from .slots import Inputs, Ref

LONGEST = 4  # places along an axis that is taken apart


def over_points(graph: Graph, inputs: Inputs, shape: Shape, first: bool) -> Seen | None:
    """Return a graph over `shape` that has been over one axis more, a short one: last, or first.

    None where it has another size, or cannot be taken apart.
    """
    size = prod(shape)
    count = prod(graph.shape) // size if size else 0
    if not 1 < count <= LONGEST or count * size != prod(graph.shape):
        return None
    wanted = (count, *shape) if first else (*shape, count)
    seen: Seen | None = (graph, inputs)
    if wanted != graph.shape:
        every = tuple(range(len(wanted)))
        if graph.axes and len(graph.axes) != len(graph.shape):
            return None
        seen = reshaped(graph, inputs, wanted, every if graph.axes else ())
    return None if seen is None else unrolled(*seen, 0 if first else len(shape))


def unrolled(graph: Graph, inputs: Inputs, axis: int) -> Seen | None:
    """Return a graph over its domain without `axis`; folds along others become one for each place.

    None where a statement asks where along the axis it is, and where a fold along it needs more
    than a float on the way.
    """
    if axis in graph.asks:
        return None
    folds = [s for s in graph.statements if isinstance(s.what, Fold)] if axis in graph.axes else []
    if any(_is_wide(s) or s.dtypes[0] is not s.out for s in folds):
        return None
    return _Unrolled(graph, inputs, axis).seen()


def _is_wide(s: Statement) -> bool:
    return isinstance(s.what, Fold) and s.what.wide_for(s.out) is not None


class _Unrolled:
    """A graph while it is taken apart; `values` has what stands for a value, place by place."""

    def __init__(self, graph: Graph, inputs: Inputs, axis: int):
        self.graph = graph
        self.axis = axis
        self.count = graph.shape[axis]
        self.is_folded = axis in graph.axes
        self.shape = _without(graph.shape, axis)
        self.axes = tuple([a - (a > axis) for a in graph.axes if a != axis])
        self.inputs: list = []
        self.dtypes: list = []
        self.statements: list[Statement] = []
        self.values: dict[int, list[int]] = {}
        for i, x in enumerate(inputs):
            moves = isinstance(x, Ref) and x.layout.strides[axis] != 0
            ats = [self._operand(i, x, c) for c in range(self.count if moves else 1)]
            self.values[i] = ats if moves else ats * self.count
        for j, s in enumerate(graph.statements):
            self.values[~j] = self._statement(s)

    def seen(self) -> Seen:
        results = tuple([self._result(r) for r in self.graph.results])
        dtypes, statements = tuple(self.dtypes), tuple(self.statements)
        return Graph(self.shape, self.axes, dtypes, statements, results), tuple(self.inputs)

    def _at(self, layout: Layout, c: int) -> Layout:
        """Return a layout over the domain, at one place along the axis."""
        start = layout.offset + c * layout.strides[self.axis]
        return Layout(self.shape, _without(layout.strides, self.axis), start)

    def _operand(self, i: int, x: object, c: int) -> int:
        self.inputs.append(replace(x, layout=self._at(x.layout, c)) if isinstance(x, Ref) else x)
        self.dtypes.append(self.graph.dtypes[i])
        return len(self.inputs) - 1

    def _statement(self, s: Statement) -> list[int]:
        s = s.on_axes(lambda a: a - (a > self.axis))
        args = [self.values[a] for a in s.args]
        if isinstance(s.what, Fold) and self.is_folded:
            return [self._folded(s.what, args[0], s)] * self.count
        if all(len(set(x)) == 1 for x in args):
            return [self._add(s, [x[0] for x in args])] * self.count
        return [self._add(s, [x[c] for x in args]) for c in range(self.count)]

    def _folded(self, fold: Fold, values: Sequence[int], s: Statement) -> int:
        inner = float32 if s.out is float16 else s.out  # rounded once, in the end
        total, kind = values[0], s.out
        for c, value in enumerate(values[1:], 1):
            out = inner if self.axes or c < len(values) - 1 else s.out
            step = Statement(fold.body, (), (kind, s.out), out)
            total, kind = self._add(step, (total, value)), out
        return self._add(s._replace(dtypes=(kind,)), (total,)) if self.axes else total

    def _add(self, s: Statement, args: Sequence[int]) -> int:
        self.statements.append(s._replace(args=tuple(args)))
        return ~(len(self.statements) - 1)

    def _result(self, r: Result) -> Result:
        views = self.graph.views(r)
        if r.row and self.is_folded:
            places = [None if r.is_plain else self._at(view, 0) for view in views]
            stored = [Stored(self.values[v][0], x) for v, x in zip(r.values, places, strict=True)]
            return Result(tuple(stored), bool(self.axes))
        return Result(
            tuple(
                [
                    Stored(self.values[v][c], self._at(view, c))
                    for v, view in zip(r.values, views, strict=True)
                    for c in range(self.count)
                ]
            ),
            r.row,
        )


def _without(shape: Shape, axis: int) -> Shape:
    return (*shape[:axis], *shape[axis + 1 :])
