"""Long folds: a reduction over many elements by few threads becomes two, the first with lanes.

Each lane folds a run of neighbouring elements, and a second step folds the lanes. No chain of
additions is longer than `limits.chain`, which keeps float sums exact to a few ULP (and lavapipe
within the 65535 iterations after which it stops a loop).
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from ...backends.array import Number, reduced_shape
from ...backends.families import Reduce
from ...backends.fold import Fold
from ...dtypes import float16, float32
from ...layout import Layout
from ..ir import Graph, Program, Ref, Slot, Statement, Step, fused, plain, pruned
from ..ir.domains import relaid, reshaped
from .base import runs_at
from .limits import Limits


@runs_at(110)
def split_long_folds(program: Program, limits: Limits) -> Program:
    """Return the program with reductions split until no thread folds too much."""
    steps: list[Step] = []
    program = replace(program)
    for step in program.steps:
        steps.extend(_split(program, step, limits))
    return program.with_steps(steps)


def buffers_when_split(step: Step, limits: Limits) -> int:
    """Return how many buffers a kernel needs at the most once a step's long folds are split.

    Between the kernels that it becomes lies a slot for each fold. 0 where nothing is split.
    """
    graph: Graph = step.graph
    if not graph.axes or graph.levels != 1 or not all(r.row for r in graph.results):
        return 0
    if prod(graph.shape[a] for a in graph.axes) <= limits.small_row:
        return 0
    folds = sum(isinstance(s.what, Fold) for s in graph.statements)
    still = graph.rows(step.inputs)[0]
    kept = {x.slot for x, k in zip(step.inputs, still, strict=True) if k and isinstance(x, Ref)}
    return folds + max(len(step.reads()), len(kept) + max(folds, len(step.outs)))


def _split(program: Program, step: Step, limits: Limits) -> list[Step]:
    if not step.is_fused:
        return [step]
    graph: Graph = step.graph
    if graph.levels != 1 or not all(r.row for r in graph.results):
        return [step]
    rows, length = prod(graph.kept), prod(graph.shape[a] for a in graph.axes)
    # Where a row's elements are far apart, short chains are for the cache: many columns at a time.
    apart = graph.axes[-1] != len(graph.shape) - 1
    chain = max(2, limits.chain // 64) if apart else limits.chain
    lanes = max(-(-length // chain), min(length // 64, -(-limits.threads // rows)))
    if length <= limits.small_row or lanes <= 1:
        return [step]
    merged = _merged(step)
    axis, divisor = _divided(merged.graph, lanes)
    if divisor is None or axis in merged.graph.asks:
        return [step] if length <= limits.chain else _unfused(program, step)
    first, second = _two(program, merged, axis, divisor)
    return [first, *_split(program, second, limits)]


def _merged(step: Step) -> Step:
    """Return the step with its folded axes as one, where they are the last and strides allow."""
    graph: Graph = step.graph
    kept = reduced_shape(graph.shape, graph.axes)
    shape = (*kept, prod(graph.shape[a] for a in graph.axes))
    flat = reshaped(graph, step.inputs, shape, (len(kept),))
    return step if flat is None else fused(*flat, step.outs)


def _divided(graph: Graph, lanes: int) -> tuple[int, int | None]:
    """Return the longest folded axis, and the least divisor of it that gives enough lanes."""
    axis = max(graph.axes, key=lambda a: graph.shape[a])
    extent = graph.shape[axis]
    fitting = [d for d in range(lanes, min(extent // 2, 8 * lanes) + 1) if extent % d == 0]
    by_quads = [d for d in fitting if d % 4 == 0]
    return axis, min(by_quads or fitting, default=None)


def _two(program: Program, step: Step, axis: int, lanes: int) -> tuple[Step, Step]:
    graph: Graph = step.graph
    folds = [j for j, s in enumerate(graph.statements) if isinstance(s.what, Fold)]

    extents = graph.shape
    run = extents[axis] // lanes
    shape = (*extents[:axis], lanes, run, *extents[axis + 1 :])

    def split(x: Layout) -> Layout:
        s = x.strides
        return Layout(shape, (*s[:axis], s[axis] * run, s[axis], *s[axis + 1 :]), x.offset)

    axes = tuple(a if a < axis else a + 1 for a in graph.axes)
    statements = tuple(_unrounded(s.on_axes(lambda a: a + (a >= axis))) for s in graph.statements)
    results = tuple(plain(~j, True) for j in folds)
    whole = Graph(shape, axes, graph.dtypes, statements, results)
    partial, inputs = pruned(whole, relaid(step.inputs, split))
    slots = [program.new_slot(partial.kept, statements[j].out) for j in folds]
    first = fused(partial, inputs, tuple(slots))
    lane_axis = [a for a in range(len(shape)) if a not in axes].index(axis)
    return first, _after(step, folds, slots, partial.kept, (lane_axis,))


def _unrounded(s: Statement) -> Statement:
    """Return a statement whose result is folded again, if it is a fold: sums stay float32."""
    return s._replace(out=float32) if isinstance(s.what, Fold) and s.out is float16 else s


def _after(
    step: Step, folds: list[int], slots: list[Slot], shape: tuple[int, ...], axes: tuple[int, ...]
) -> Step:
    """Return what follows from the folds, which `slots` hold: over their rows, or folded again."""
    graph: Graph = step.graph
    still, rows = graph.rows(step.inputs)
    kept = [a for a in range(len(graph.shape)) if a not in graph.axes]

    def on_rows(x: Layout) -> Layout:
        steps = iter(x.strides[a] for a in kept)
        strides = tuple(0 if a in axes else next(steps) for a in range(len(shape)))
        return Layout(shape, strides, x.offset)

    dense = Layout.dense(shape)
    inputs: list[Ref | Number] = [Ref(slot.index, dense, slot.dtype) for slot in slots]
    dtypes = [slot.dtype for slot in slots]
    place: dict[int, int] = {}
    for i, x in enumerate(step.inputs):
        if still[i]:
            place[i] = len(inputs)
            inputs += relaid([x], on_rows)
            dtypes.append(graph.dtypes[i])
    statements: list[Statement] = []
    for j, s in enumerate(graph.statements):
        if j in folds:
            at = folds.index(j)
            if axes:
                statements.append(Statement(s.what, (at,), (dtypes[at],), s.out))
                place[~j] = ~(len(statements) - 1)
            else:
                place[~j] = at
        elif rows[j]:
            moved = s.on_axes(
                lambda a: [b for b in range(len(shape)) if b not in axes][kept.index(a)]
            )
            statements.append(moved.moved(lambda a: place[a]))
            place[~j] = ~(len(statements) - 1)

    stored = [r.relaid(on_rows).moved(place.__getitem__) for r in graph.results]
    results = tuple([r._replace(row=bool(axes)) for r in stored])
    made, read = pruned(Graph(shape, axes, tuple(dtypes), tuple(statements), results), inputs)
    return fused(made, read, step.outs)


def _unfused(program: Program, step: Step) -> list[Step]:
    """Return the step with its folds done by the device, where no divisor gives lanes."""
    graph: Graph = step.graph
    folds = [j for j, s in enumerate(graph.statements) if isinstance(s.what, Fold)]
    steps: list[Step] = []
    slots: list[Slot] = []
    for j in folds:
        s = graph.statements[j]
        assert isinstance(s.what, Fold)
        (value,) = s.args
        read = step.inputs[value] if value >= 0 else None
        if not isinstance(read, Ref):
            x = program.new_slot(graph.shape, graph.dtype_of(value))
            feeding, inputs = pruned(replace(graph, axes=(), results=(plain(value),)), step.inputs)
            steps.append(fused(feeding, inputs, (x,)))
            read = x.whole()
        # Else the device reads the operand as it lies: expanded, a copy may not fit into memory.
        out = program.new_slot(graph.kept, s.out)
        steps.append(Step(Reduce(s.what, graph.axes, s.out), (read,), (out,)))
        slots.append(out)
    return [*steps, _after(step, folds, slots, graph.kept, ())]
