"""Graphs computed statement by statement, each by a device method: slow, and plain.

It is what the generated kernels are compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...backends.array import Array, Number
from ...backends.base import Device
from ...backends.fold import Fold
from ...backends.functions import Function
from ...layout import Layout
from .graph import Component, Graph, Inside, Lookup, Position, Result, Statement


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
        if not result.is_plain:
            stored.append(_placed(device, graph, result, [value(v) for v in result.values]))
            continue
        ((arg, _),) = result.stored
        x = _stored(device, graph, result, arg, value(arg))
        twice = any(arg in other.values for other in graph.results[:i])
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
        out = device.reduce(s.what, x, graph.axes, s.out) if graph.axes else device.copy(x)
        return out.view(Layout.dense(graph.row_shape))
    if isinstance(s.what, Inside):
        return _inside(device, graph, s.what, *args)
    if isinstance(s.what, Component):
        (made,) = args
        assert isinstance(made, Array)
        layout = made.layout  # planes
        first = layout.offset + s.what.index * layout.strides[0]
        return made.view(Layout(layout.shape[1:], layout.strides[1:], first))
    shape = graph.shape
    arrays = [x for x in args if isinstance(x, Array)]
    if graph.axes and all(graph.is_still(x.layout) for x in arrays):
        shape = graph.row_shape
    ready = [x.view(_narrowed(x.layout, shape)) if isinstance(x, Array) else x for x in args]
    if isinstance(s.what, Function):
        return device.call(s.what, ready, shape, (), True)
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
        gathered = device.gather(data.view(table), index.view(places), len(shape))
        return gathered.view(Layout.dense(shape))
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


def _narrowed(layout: Layout, shape: tuple[int, ...]) -> Layout:
    """Return a view of `shape`, whose extents are the layout's or 1, or which it expands to."""
    strides = tuple(
        0 if had == 1 else stride for had, stride in zip(layout.shape, layout.strides, strict=True)
    )
    return Layout(shape, strides, layout.offset)


def _stored(device: Device, graph: Graph, result: Result, value: int, x: Array | Number) -> Array:
    """Return a result dense, in its own memory, of the shape that it is stored in."""
    shape = graph.row_shape if result.row else graph.shape
    if not isinstance(x, Array):
        return device.full(graph.kept if result.row else shape, x, graph.dtype_of(value))
    view = x.view(_narrowed(x.layout, shape))
    mine = value < 0 and view.layout.contiguous and view.layout.size == view.storage.size
    made = view if mine else device.copy(view)
    return made.view(Layout.dense(graph.kept if result.row else graph.shape))


def _placed(
    device: Device, graph: Graph, result: Result, values: Sequence[Array | Number]
) -> Array:
    """Return several values in their places of one flat array."""
    shape = graph.row_shape if result.row else graph.shape
    dtype = graph.dtype_of(result.values[0])
    pieces: list[Array] = []
    for x in values:
        one = x if isinstance(x, Array) else device.full((1,) * len(shape), x, dtype)
        pieces.append(one.view(_narrowed(one.layout, shape)))
    targets = [_narrowed_to(into, shape) for into in graph.views(result)]
    size = sum(target.size for target in targets)
    return device.place(pieces, targets, (size,), None)


def _narrowed_to(layout: Layout, shape: tuple[int, ...]) -> Layout:
    """Return the part of a layout at the beginning of every axis that has extent 1 in `shape`."""
    return Layout(shape, layout.strides, layout.offset)
