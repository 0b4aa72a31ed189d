"""Graph: several ops over one domain as a list of statements, which one kernel computes.

Every statement is computed at every element of the domain, or, where nothing it depends on varies
along the folded `axes`, once per row: the sum, the maximum, and what follows from them. Nothing
here knows a device or a shading language.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

from ...backends.array import OPERANDS, Body, Number, kept_shape, reduced_shape
from ...backends.fold import Fold
from ...backends.functions import Function
from ...dtypes import DType
from ...layout import Layout, Shape
from .slots import Ref, Slot, shown_input


@dataclass(frozen=True)
class Lookup:
    """operand[index]: `stride` elements of the operand's memory for each step of the index.

    The operand's layout over the domain says where index 0 lies; `extent` indices are valid, and
    the host has checked them.
    """

    extent: int
    stride: int
    name: str = "gather"


@dataclass(frozen=True)
class Position:
    """How far along `axis` of the domain an element lies."""

    axis: int
    name: str = "position"


class Window(NamedTuple):
    """`size` places along `axis` of the domain, from `first` on."""

    axis: int
    first: int
    size: int


@dataclass(frozen=True)
class Inside:
    """The first argument within all windows, the second elsewhere.

    The first is an operand, whose layout over the domain says where it would lie all over it; only
    what is inside is read.
    """

    windows: tuple[Window, ...]
    name: str = "place"


@dataclass(frozen=True)
class Component:
    """One of the results of the function that the argument is a call of."""

    index: int

    @property
    def name(self) -> str:
        return f"result {self.index} of"


# The statement of a Function has several results, which only a Component takes.
What = Body | Fold | Lookup | Position | Inside | Function | Component


class Statement(NamedTuple):
    """One op. An argument i >= 0 is operand i of the graph, and ~j the result of statement j."""

    what: What
    args: tuple[int, ...]
    dtypes: tuple[DType, ...]
    out: DType

    @property
    def asks(self) -> Shape:
        """The axes of the domain along which it depends on where an element lies."""
        if isinstance(self.what, Position):
            return (self.what.axis,)
        return tuple(w.axis for w in self.what.windows) if isinstance(self.what, Inside) else ()

    def on_axes(self, place: Callable[[int], int]) -> Statement:
        """Return the statement for a domain whose axes lie elsewhere."""
        if isinstance(self.what, Position):
            return self._replace(what=Position(place(self.what.axis)))
        if isinstance(self.what, Inside):
            windows = tuple(w._replace(axis=place(w.axis)) for w in self.what.windows)
            return self._replace(what=Inside(windows))
        return self

    def moved(self, place: Callable[[int], int]) -> Statement:
        """Return the statement with other arguments."""
        what, args, dtypes, out = self
        return Statement(what, tuple(map(place, args)), dtypes, out)


class Stored(NamedTuple):
    """An operand or a statement, coded as arguments are, and where in an output it is stored.

    `into` is a layout over the domain, with stride 0 along folded axes if it is stored once per
    row. None: element by element (or row by row), in order.
    """

    value: int
    into: Layout | None = None


class Result(NamedTuple):
    """What one output holds: a value, or several, each in a place of its own.

    `row` says that they are stored once per row, not at every element of the domain.
    """

    stored: tuple[Stored, ...]
    row: bool = False

    @property
    def values(self) -> list[int]:
        """What is stored."""
        return [x.value for x in self.stored]

    @property
    def places(self) -> list[Layout]:
        """Where values are stored that have places of their own."""
        return [x.into for x in self.stored if x.into is not None]

    @property
    def is_plain(self) -> bool:
        """Whether it is one value, in order."""
        return self.stored[0].into is None

    def moved(self, place: Callable[[int], int]) -> Result:
        """Return the result where its values lie elsewhere."""
        return Result(tuple([Stored(place(x.value), x.into) for x in self.stored]), self.row)

    def relaid(self, place: Callable[[Layout], Layout]) -> Result:
        """Return the result with other places in its output; in order is one of its own."""
        moved = [Stored(v, into if into is None else place(into)) for v, into in self.stored]
        return Result(tuple(moved), self.row)


def plain(value: int, row: bool = False) -> Result:
    """Return the result that holds one value, in order."""
    return Result((Stored(value),), row)


@dataclass(frozen=True)
class Graph:
    """What a fused step computes: `statements` in order, over operands of `dtypes`.

    `shape` is the domain, `axes` what its folds fold over (none in an elementwise graph).
    Operands are views that have the domain's shape, with stride 0 where they do not vary.
    """

    shape: Shape
    axes: Shape
    dtypes: tuple[DType, ...]
    statements: tuple[Statement, ...]
    results: tuple[Result, ...]

    @cached_property
    def name(self) -> str:
        """The names of its ops, in order."""
        ops = [s.what.name for s in self.statements if not isinstance(s.what, Component)]
        return " ".join(ops) or "copy"

    @cached_property
    def kept(self) -> Shape:
        """The shape of what is stored once per row."""
        return reduced_shape(self.shape, self.axes)

    @cached_property
    def row_shape(self) -> Shape:
        """The domain with extent 1 at the folded axes."""
        return kept_shape(self.shape, self.axes)

    def views(self, result: Result) -> list[Layout]:
        """Return how the domain sees what is stored for a result: a view for each value."""
        if not result.is_plain:
            return result.places
        dense = Layout.dense(self.row_shape if result.row else self.shape)
        return [dense.expand(self.shape) if result.row else dense]

    @cached_property
    def tables(self) -> frozenset[int]:
        """The operands of which elements are read other than the domain's own, or not all."""
        return frozenset(s.args[0] for s in self.statements if isinstance(s.what, (Lookup, Inside)))

    @cached_property
    def calls(self) -> int:
        """How many functions of users are called at every element, or row."""
        return sum(isinstance(s.what, Function) for s in self.statements)

    @cached_property
    def asks(self) -> frozenset[int]:
        """The axes along which some statement depends on where an element lies."""
        return frozenset(a for s in self.statements for a in s.asks)

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """For each statement the number of folds, one after the other, that it follows from."""
        depths: list[int] = []
        for s in self.statements:
            deepest = 0
            for a in s.args:
                if a < 0 and depths[~a] > deepest:
                    deepest = depths[~a]
            depths.append(deepest + isinstance(s.what, Fold))
        return tuple(depths)

    @property
    def levels(self) -> int:
        """How many folds follow from one another: the passes over a row that they need."""
        return max(self.depths, default=0)

    def dtype_of(self, value: int) -> DType:
        """Return the dtype of an operand or a statement."""
        return self.dtypes[value] if value >= 0 else self.statements[~value].out

    def rows(self, inputs: Sequence[Ref | Number]) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
        """Return which operands, and which statements, are the same all along the folded axes."""
        if not self.axes:
            return (False,) * len(inputs), (False,) * len(self.statements)
        operands = tuple(not isinstance(x, Ref) or self.is_still(x.layout) for x in inputs)
        apart = self.axes.__contains__
        made: list[bool] = []
        for s in self.statements:
            still = isinstance(s.what, Fold)
            if not still and not (s.asks and any(map(apart, s.asks))):
                still = True
                for a in s.args:
                    if not (operands[a] if a >= 0 else made[~a]):
                        still = False
                        break
            made.append(still)
        return operands, tuple(made)

    def operations(self, inputs: Sequence[Any]) -> int:
        """Return how much arithmetic it is; see `Family.operations`."""
        rows = self.rows(inputs)[1]
        size, row = prod(self.shape), prod(self.kept)
        return sum(
            row if rows[j] and not isinstance(s.what, Fold) else size
            for j, s in enumerate(self.statements)
            if not isinstance(s.what, Component)
        )

    def is_still(self, layout: Layout) -> bool:
        """Whether what is seen so is the same all along the folded axes."""
        return all(layout.strides[a] == 0 or layout.shape[a] == 1 for a in self.axes)


def single(what: What, dtypes: tuple[DType, ...], out: DType, shape: Shape, axes: Shape) -> Graph:
    """Return the graph of one op whose arguments are its operands, in order."""
    statement = Statement(what, tuple(range(len(dtypes))), dtypes, out)
    row = isinstance(what, Fold)
    return Graph(shape, axes if row else (), dtypes, (statement,), (plain(~0, row),))


def pruned(
    graph: Graph, inputs: Sequence[Ref | Number], fixed: int = 0
) -> tuple[Graph, tuple[Ref | Number, ...]]:
    """Return the graph with only what its results follow from, and the inputs that it still reads.

    The first `fixed` operands stay, read or not, and so does what they are: `inputs` are the rest.
    """
    wanted: set[int] = set()
    stack = [value for r in graph.results for value in r.values]
    while stack:
        value = stack.pop()
        if value not in wanted:
            wanted.add(value)
            stack += graph.statements[~value].args if value < 0 else ()
    operands = [i for i in range(len(graph.dtypes)) if i < fixed or i in wanted]
    place = {i: n for n, i in enumerate(operands)}
    place |= {v: ~n for n, v in enumerate(sorted((v for v in wanted if v < 0), reverse=True))}
    made = Graph(
        graph.shape,
        graph.axes,
        tuple(graph.dtypes[i] for i in operands),
        tuple(s.moved(place.__getitem__) for j, s in enumerate(graph.statements) if ~j in wanted),
        tuple(r.moved(place.__getitem__) for r in graph.results),
    )
    return made, tuple(inputs[i - fixed] for i in operands if i >= fixed)


def graph_lines(
    graph: Graph, inputs: Sequence[Ref | Number | str], outs: Sequence[Slot]
) -> list[str]:
    """Return the lines of a graph: its domain, its inputs by letter, its statements."""
    axes = f", folded over axes {list(graph.axes)}" if graph.axes else ""
    lines = [f"    over {list(graph.shape)}{axes}"]
    names = [OPERANDS[i] if i < len(OPERANDS) else f"x{i}" for i in range(len(inputs))]
    lines += [f"    {n} = {shown_input(x)}" for n, x in zip(names, inputs, strict=True)]

    def name(value: int) -> str:
        return names[value] if value >= 0 else f"v{~value}"

    rows = graph.rows([x if isinstance(x, Ref) else 0 for x in inputs])[1]
    for j, s in enumerate(graph.statements):
        args = [*(f"axis {a}" for a in s.asks), *map(name, s.args)]
        row = "    (once per row)" if rows[j] else ""
        lines.append(f"    v{j} = {s.what.name}({', '.join(args)}){row}")
    for out, result in zip(outs, graph.results, strict=True):
        lines.append(f"    %{out.index} = {', '.join(map(name, result.values))}")
    return lines
