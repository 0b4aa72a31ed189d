"""Runs a program step by step through the methods of a device: slow, plain, the same everywhere.

It is what `fuse=False` means, what the passes and the generated kernels are compared with, and
what the bisection falls back on. Every statement of a fused step is a call of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backends.array import Array, Number, Storage
from ..backends.base import Device
from ..backends.tracing import Live
from ..layout import Layout
from .graph import Fold, Graph, Inside, Lookup, Position, Result, Statement
from .ir import Program, Ref, Step

# Turns a generator and an offset into its stream into a key and a counter.
Draw = Callable[[Any, int], tuple[tuple[int, int], int]]


class Interpreter:
    """A program ready to run on a device."""

    def __init__(self, program: Program, device: Device):
        self.program = program
        self.device = device
        self._dying = last_uses(program)

    def run(self, inputs: Sequence[Storage], draw: Draw) -> list[Storage]:
        """Run once: update `inputs` in place, and return the outputs' storages, in order."""
        storages = {s.index: x for s, x in zip(self.program.inputs, inputs, strict=True)}
        for step, dying in zip(self.program.steps, self._dying, strict=True):
            for out, array in zip(
                step.outs, run_step(self.device, step, storages, draw), strict=True
            ):
                storages[out.index] = array.storage
            for dead in dying:
                del storages[dead]
        ends = {i: storages[s] for i, s in self.program.updates.items()}
        for slot, x in zip(self.program.inputs, inputs, strict=True):
            if slot.index in ends:
                ends[slot.index].buffer = x.adopt(ends[slot.index].buffer)
        return [storages[s] for s in self.program.outputs]


def last_uses(program: Program) -> list[tuple[int, ...]]:
    """Return for each step the slots that nothing reads after it, kept ones left out."""
    seen = set(program.kept)
    rows: list[tuple[int, ...]] = []
    for step in reversed(program.steps):
        dying = (step.reads() | step.writes()) - seen
        seen |= dying
        rows.append(tuple(sorted(dying)))
    return rows[::-1]


def number(x: Number) -> Number:
    """Return the number that `x` is now."""
    return x.read() if isinstance(x, Live) else x


def run_step(
    device: Device,
    step: Step,
    storages: dict[int, Storage],
    draw: Draw,
    read: Callable[[Number], Number] = number,
) -> list[Array]:
    """Do the work of one step and return its outputs, dense and in memory of their own."""
    args = [
        Array(storages[x.slot], x.layout, x.dtype) if isinstance(x, Ref) else read(x)
        for x in step.inputs
    ]
    params = step.params
    if step.kind == "fused":
        return run_graph(device, params["graph"], args)
    if step.kind == "matmul" and params.get("epilogue") is not None:
        a, b = args[:2]
        assert isinstance(a, Array) and isinstance(b, Array)
        product = device.matmul(a, b, params["lead"], params["inner"])
        product = product.view(Layout.dense(params["epilogue"].shape))
        return run_graph(device, params["epilogue"], [product, *args[2:]])
    if step.kind == "batch":
        return [x for part in params["parts"] for x in run_step(device, part, storages, draw, read)]
    return [_SINGLE[step.kind](device, step, args, draw)]


def place_into(device: Device, step: Step, whole: Array, placed: Sequence[Array]) -> None:
    """Put what a "write" or a "scatter" places into the whole of what it is placed in."""
    target = whole.view(step.params["target"])
    if step.kind == "write":
        device.write(target, placed[0])
    else:
        index, values = placed
        device.scatter(target, index, values, step.params["axis"])


def _placed(device: Device, step: Step, args: list, draw: Draw) -> Array:
    whole = device.copy(args[0])
    place_into(device, step, whole, args[1:])
    return whole


_SINGLE: dict[str, Callable[[Device, Step, list, Draw], Array]] = {
    "full": lambda d, s, a, draw: d.full(s.out.shape, number(s.params["value"]), s.out.dtype),
    "map": lambda d, s, a, draw: d.map(
        s.params["body"], a, s.params["dtypes"], s.out.shape, s.out.dtype
    ),
    "reduce": lambda d, s, a, draw: d.reduce(s.params["kind"], a[0], s.params["axes"], s.out.dtype),
    "scan": lambda d, s, a, draw: d.scan(
        s.params["kind"], a[0], s.params["axis"], s.params["back"]
    ),
    "matmul": lambda d, s, a, draw: d.matmul(a[0], a[1], s.params["lead"], s.params["inner"]),
    "copy": lambda d, s, a, draw: d.copy(a[0]),
    "write": _placed,
    "place": lambda d, s, a, draw: d.place(a, s.params["targets"], s.out.shape, s.params["fill"]),
    "gather": lambda d, s, a, draw: d.gather(a[0], a[1], s.params["axis"]),
    "scatter_add": lambda d, s, a, draw: d.scatter_add(
        a[0], a[1], s.params["axis"], s.params["size"]
    ),
    "scatter": _placed,
    "argsort": lambda d, s, a, draw: d.argsort(a[0], s.params["axis"], s.params["descending"]),
    "searchsorted": lambda d, s, a, draw: d.searchsorted(a[0], a[1], s.params["right"]),
    "random": lambda d, s, a, draw: d.random(
        s.params["kind"], *draw(s.params["generator"], s.params["offset"]), s.out.shape
    ),
}


def run_graph(device: Device, graph: Graph, operands: Sequence[Array | Number]) -> list[Array]:
    """Compute a graph, every statement by a device method; values keep the domain's rank."""
    values: list[Array] = []

    def value(arg: int) -> Array | Number:
        return operands[arg] if arg >= 0 else values[~arg]

    for statement in graph.statements:
        args = [value(arg) for arg in statement.args]
        values.append(_statement(device, graph, statement, args))
    stored: list[Array] = []
    for i, result in enumerate(graph.results):
        x = _stored(device, graph, result, value(result.value))
        twice = any(result.value == other.value for other in graph.results[:i])
        stored.append(device.copy(x) if twice else x)  # each has memory of its own
    return stored


def _statement(device: Device, graph: Graph, s: Statement, args: list[Array | Number]) -> Array:
    if isinstance(s.what, Position):
        extent = graph.shape[s.what.axis]
        line = device.upload(np.arange(extent, dtype=s.out.numpy), s.out)
        strides = tuple(int(a == s.what.axis) for a in range(len(graph.shape)))
        return line.view(Layout(graph.shape, strides))
    if isinstance(s.what, Fold):
        (x,) = args
        if not isinstance(x, Array):
            x = device.full((1,) * len(graph.shape), x, s.dtypes[0])
        x = x.view(x.layout.expand(graph.shape))
        out = device.reduce(s.what.kind, x, graph.axes, s.out) if graph.axes else device.copy(x)
        return out.view(Layout.dense(graph.row_shape))
    if isinstance(s.what, Inside):
        return _inside(device, graph, s.what, *args)
    shape = graph.shape
    arrays = [x for x in args if isinstance(x, Array)]
    if graph.axes and all(_still(graph, x.layout) for x in arrays):
        shape = graph.row_shape
    ready = [x.view(_narrowed(x.layout, shape)) if isinstance(x, Array) else x for x in args]
    if not arrays:  # an array gives the result its shape
        number: Any = ready[0]
        ready[0] = device.full(shape, number, s.dtypes[0])
    if isinstance(s.what, Lookup):
        data, index = ready
        assert isinstance(data, Array)
        if not isinstance(index, Array):
            index = device.full((), index, s.dtypes[1])
            index = index.view(index.layout.expand(shape))
        n = data.layout
        table = Layout((*shape, s.what.extent), (*n.strides, s.what.stride), n.offset)
        places = Layout((*shape, 1), (*index.layout.strides, 0), index.layout.offset)
        found = device.gather(data.view(table), index.view(places), len(shape))
        return found.view(Layout.dense(shape))
    return device.map(s.what, ready, s.dtypes, shape, s.out)


def _inside(
    device: Device, graph: Graph, what: Inside, piece: Array | Number, under: Array | Number
) -> Array:
    assert isinstance(piece, Array)
    shape, starts = list(graph.shape), [0] * len(graph.shape)
    for axis, first, size in what.windows:
        shape[axis], starts[axis] = size, first
    sizes, steps = tuple(shape), (1,) * len(shape)
    if isinstance(under, Array):
        out = device.copy(under.view(under.layout.expand(graph.shape)))
    else:
        out = device.full(graph.shape, under, piece.dtype)
    target = out.view(out.layout.slice(tuple(starts), sizes, steps))
    device.write(target, piece.view(piece.layout.slice(tuple(starts), sizes, steps)))
    return out


def _still(graph: Graph, layout: Layout) -> bool:
    return all(
        layout.shape[a] == 1 or layout.strides[a] == 0 or graph.shape[a] == 1 for a in graph.axes
    )


def _narrowed(layout: Layout, shape: tuple[int, ...]) -> Layout:
    """Return a view of `shape`, whose extents are the layout's or 1, or which it expands to."""
    strides = tuple(
        0 if had == 1 else stride for had, stride in zip(layout.shape, layout.strides, strict=True)
    )
    return Layout(shape, strides, layout.offset)


def _stored(device: Device, graph: Graph, result: Result, x: Array | Number) -> Array:
    """Return a result dense, in its own memory, of the shape that it is stored in."""
    shape = graph.row_shape if result.row else graph.shape
    if not isinstance(x, Array):
        return device.full(graph.kept if result.row else shape, x, graph.dtype_of(result.value))
    view = x.view(_narrowed(x.layout, shape))
    made = view if view.layout.contiguous and result.value < 0 else device.copy(view)
    return made.view(Layout.dense(graph.kept if result.row else graph.shape))
