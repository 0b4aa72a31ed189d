"""Graphs: device work that can be fused is written as a graph of one op, over no unit axes."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch

from ...backends import families
from ...backends.array import Number
from ...layout import Layout, Shape
from ...ops.elementwise import equal, where
from ..ir import (
    Component,
    Graph,
    Inputs,
    Inside,
    Lookup,
    Position,
    Program,
    Ref,
    Result,
    Statement,
    Step,
    Stored,
    Window,
    fused,
    plain,
    pruned,
    single,
)
from ..ir.domains import Seen, relaid
from .base import runs_at
from .limits import Limits


@runs_at(50)
def lift_to_graphs(program: Program, limits: Limits) -> Program:
    """Return the program with elementwise work, reductions and lookups as fused steps."""
    return program.with_steps([lifted(step, limits) for step in program.steps])


def lifted(step: Step, limits: Limits) -> Step:
    """Return a step as a fused one, where a graph can say what it does."""
    first = step.inputs[0] if step.inputs else None
    if (
        isinstance(step.work, families.Matmul)
        and isinstance(first, Ref)
        and 0 in first.layout.shape
    ):
        zeros = families.Full(step.out.shape, 0, step.out.dtype)
        return lifted(Step(zeros, (), step.outs), limits)
    apart = _is_apart(step, limits) or not all(out.size for out in step.outs)
    graph = None if apart else as_graph(step)
    if graph is None:
        return step
    return fused(*squeezed(*graph), step.outs)


def _is_apart(step: Step, limits: Limits) -> bool:
    """Whether the device's own method does a step better."""
    work = step.work
    if isinstance(work, families.ScatterAdd):
        return not limits.scatters_compare
    if isinstance(work, families.Reduce) and work.fold.wide_for(work.dtype) is not None:
        return not limits.folds_wide
    bound = len(step.reads()) >= limits.buffers
    if isinstance(work, families.Call):
        return bound
    return isinstance(work, families.Place) and (bound or len(step.inputs) > limits.pieces)


def as_graph(step: Step) -> Seen | None:
    """Return a step that is one device method as a graph, or None where no graph says it."""
    return _lift(step.work, step)


@singledispatch
def _lift(work: families.Family, step: Step) -> Seen | None:
    return None


def squeezed(graph: Graph, inputs: Inputs) -> Seen:
    """Return the graph over its domain without axes of extent 1."""
    left = [a for a, n in enumerate(graph.shape) if n != 1]
    if len(left) == len(graph.shape):
        return graph, inputs
    shape = tuple(graph.shape[a] for a in left)
    axes = tuple(i for i, a in enumerate(left) if a in graph.axes)

    def narrowed(x: Layout) -> Layout:
        return Layout(shape, tuple(x.strides[a] for a in left), x.offset)

    statements = tuple(s.on_axes(left.index) for s in graph.statements)
    results = tuple([r.relaid(narrowed) for r in graph.results])
    made = replace(graph, shape=shape, axes=axes, statements=statements, results=results)
    if graph.axes and not axes:  # nothing is left to fold: the reduction is a copy
        made = replace(made, statements=(), results=(plain(0),))
    return made, relaid(inputs, narrowed)


@_lift.register
def _map(work: families.Map, step: Step) -> Seen:
    return single(work.body, work.dtypes, work.dtype, work.shape, ()), step.inputs


@_lift.register
def _call(work: families.Call, step: Step) -> Seen:
    """The call itself is a statement, and so is each of its results, which have their places."""
    f = work.function
    call = Statement(f, tuple(range(len(f.ins))), f.ins, f.out)
    parts = [Statement(Component(k), (~0,), (f.out,), f.out) for k in range(len(f.parts))]
    stored = tuple([Stored(~(k + 1), into) for k, into in enumerate(work.places())])
    result = plain(~1) if len(stored) == 1 else Result(stored)
    return Graph(work.shape, (), f.ins, (call, *parts), (result,)), step.inputs


@_lift.register
def _reduce(work: families.Reduce, step: Step) -> Seen:
    (x,) = step.refs()
    graph = single(work.fold, (x.dtype,), work.dtype, x.layout.shape, work.axes)
    return graph, step.inputs


@_lift.register
def _copy(work: families.Copy, step: Step) -> Seen:
    (x,) = step.refs()
    return Graph(x.layout.shape, (), (x.dtype,), (), (plain(0),)), step.inputs


@_lift.register
def _write(work: families.Write, step: Step) -> Seen | None:
    """What is written over all of a slot is a copy, and the old values are not read."""
    _, value = step.inputs
    target = work.target
    assert isinstance(value, Ref)
    if target != Layout.dense(target.shape) or target.size != step.out.size:
        return None
    return Graph(target.shape, (), (value.dtype,), (), (plain(0),)), (value,)


@_lift.register
def _full(work: families.Full, step: Step) -> Seen:
    return Graph(work.shape, (), (work.dtype,), (), (plain(0),)), (work.value,)


@_lift.register
def _gather(work: families.Gather, step: Step) -> Seen:
    data, index = step.refs()
    axis, layout = work.axis, data.layout
    what = Lookup(layout.shape[axis], layout.strides[axis])
    start = Layout(index.layout.shape, _without(layout.strides, axis), layout.offset)
    dtypes = (data.dtype, index.dtype)
    graph = single(what, dtypes, data.dtype, index.layout.shape, ())
    return graph, (replace(data, layout=start), index)


@_lift.register
def _place(work: families.Place, step: Step) -> Seen | None:
    """Every piece is read where it lies, and what is under it elsewhere."""
    shape, dtype = step.out.shape, step.out.dtype
    inputs: list[Ref | Number] = [0 if work.fill is None else work.fill]
    statements: list[Statement] = []
    value = 0  # what is under the next piece
    for piece, target in zip(step.refs(), work.targets, strict=True):
        if target.size == 0:
            continue
        found = window(piece.layout, target, shape)
        if found is None:
            return None
        windows, layout = found
        here = len(inputs)
        inputs.append(replace(piece, layout=layout))
        if windows:
            statements.append(Statement(Inside(windows), (here, value), (dtype, dtype), dtype))
        value = ~(len(statements) - 1) if windows else here
    dtypes = (dtype,) * len(inputs)
    return pruned(Graph(shape, (), dtypes, tuple(statements), (plain(value),)), inputs)


def window(piece: Layout, target: Layout, shape: Shape) -> tuple[tuple[Window, ...], Layout] | None:
    """Return where a piece lies in a dense `shape`, and its layout all over that.

    None where its elements do not lie side by side there.
    """
    dense = Layout.dense(shape).strides
    if len(target.shape) != len(shape):
        return None
    windows, strides, offset, rest = [], [], piece.offset, target.offset
    for axis, (n, size) in enumerate(zip(shape, target.shape, strict=True)):
        start, rest = divmod(rest, dense[axis])
        step, left = divmod(target.strides[axis], dense[axis]) if size > 1 else (1, 0)
        if left or abs(step) != 1:
            return None
        if size != n:
            windows.append(Window(axis, min(start, start + step * (size - 1)), size))
        strides.append(piece.strides[axis] * step)
        offset -= start * strides[axis]
    return tuple(windows), Layout(shape, tuple(strides), offset)


@_lift.register
def _scatter_add(work: families.ScatterAdd, step: Step) -> Seen | None:
    """One index per row is a comparison: the value where the position is the index, else 0."""
    index, values = step.refs()
    axis, shape = work.axis, step.out.shape
    if index.layout.shape[axis] != 1 or shape[axis] == 1:
        return None

    def spread(x: Layout) -> Layout:
        return Layout(shape, _without(x.strides, axis), x.offset)

    kind, dtype = index.dtype, step.out.dtype
    dtypes = (kind, dtype, dtype)
    _, hit = equal.resolve((index, index))
    statements = (
        Statement(Position(axis), (), (), kind),
        Statement(equal.body, (~0, 0), (kind, kind), hit),
        Statement(where.body, (~1, 1, 2), (hit, dtype, dtype), dtype),
    )
    graph = Graph(shape, (), dtypes, statements, (plain(~2),))
    return graph, relaid((index, values, 0), spread)


def _without(strides: Shape, axis: int) -> Shape:
    return (*strides[:axis], 0, *strides[axis + 1 :])
