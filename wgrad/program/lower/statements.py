"""What the NumPy lowering calls for the statements of a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from ...backends.array import Body, Number
from ...backends.families import number_key
from ...backends.fold import Fold
from ...backends.functions import Function
from ...backends.numpy import is_plain_reduction, reduced, select
from ...layout import Layout, Shape
from ...ops.elementwise.arithmetic import weighted
from ..ir import Component, Graph, Inside, Lookup, Position, Ref, Slot, Statement
from .bodies import BodyCall, Scalar, parts
from .calls import (
    NUMBERS,
    Argument,
    Arrayed,
    Calls,
    Fixed,
    Plain,
    Temp,
    arrayed,
    common_shape,
    compact,
    dtype_of,
    expanded,
    listed,
    shape_of,
    strides_of,
)

_MANY = 1 << 12  # elements of which a choice is computed


def add_graph(
    made: Calls, graph: Graph, inputs: Sequence[Ref | Temp | Number], outs: Sequence[Slot]
) -> None:
    """Add the calls of every statement, and note where the results of the graph are."""
    values: list[Arrayed] = []

    def value(arg: int) -> Arrayed | Number:
        return compact(inputs[arg]) if arg >= 0 else values[~arg]

    beside = _beside(graph, inputs)
    for j, s in enumerate(graph.statements):
        if j in beside:
            whole, layout = beside[j]
            values.append(replace(whole(made, s), layout=layout))
        else:
            values.append(_statement(made, graph, s, [value(arg) for arg in s.args]))
    for out, result in zip(outs, graph.results, strict=True):
        shape = graph.row_shape if result.row else graph.shape
        for arg, into in result.stored:
            x = expanded(arrayed(value(arg), graph.dtype_of(arg).numpy), shape)
            place = None if into is None else Layout(shape, into.strides, into.offset)
            made.results.append((out, x, place))


_SMALL = 1 << 14  # elements of which a call costs about as much as the work
_Maker = Callable[[Calls, Statement], Temp]


def _beside(
    graph: Graph, inputs: Sequence[Ref | Temp | Number]
) -> dict[int, tuple[_Maker, Layout]]:
    """Return the statements that do the same to parts of rows which lie side by side.

    The gates of a recurrent cell are such parts. What makes the values of whole rows comes with
    the layout of each part in them: one call costs less than many, also where a row has more.
    """
    groups: dict[Any, dict[int, Ref]] = {}
    for j, s in enumerate(graph.statements):
        x = inputs[s.args[0]] if len(s.args) == 1 and s.args[0] >= 0 else None
        if isinstance(s.what, Body) and isinstance(x, Ref) and x.layout.shape == graph.shape:
            if x.layout.shape and x.layout.strides[-1] == 1 and all(x.layout.strides):
                groups.setdefault((s.what, s.out, x.slot, x.layout.strides), {})[j] = x
    made: dict[int, tuple[_Maker, Layout]] = {}
    for beside in groups.values():
        offsets = [x.layout.offset for x in beside.values()]
        first, each = min(offsets), graph.shape[-1:]
        row = max(offsets) - first + sum(each)
        (x, *others) = beside.values()
        steps = [abs(s) for s in x.layout.strides[:-1]]
        shape = (*graph.shape[:-1], row)
        wide = len(set(offsets)) * sum(each) * 3 < row * 2 or prod(shape) > _SMALL
        if not others or wide or row > min(steps, default=row):
            continue
        whole = _Row(replace(x, layout=Layout(shape, x.layout.strides, first)))
        dense = Layout.dense(shape).strides
        for j, part in beside.items():
            made[j] = whole, Layout(graph.shape, dense, part.layout.offset - first)
    return made


class _Row:
    """Whole rows of which statements take parts; their values are made by the first of these."""

    def __init__(self, x: Ref):
        self._x = x
        self._made: Temp | None = None

    def __call__(self, made: Calls, s: Statement) -> Temp:
        """Return the values that a statement makes of the rows."""
        if self._made is None:
            x = made.widened(self._x)
            self._made = _map(made, s, [x], len(self._x.layout.shape))
        return self._made


def _statement(made: Calls, graph: Graph, s: Statement, args: list) -> Arrayed:
    rank = len(graph.shape)
    if isinstance(s.what, Position):
        line = np.arange(graph.shape[s.what.axis], dtype=s.out.numpy)
        return Fixed(line.reshape([-1 if a == s.what.axis else 1 for a in range(rank)]))
    if isinstance(s.what, Fold):
        return _fold(made, graph, s, arrayed(args[0], s.dtypes[0].numpy))
    if isinstance(s.what, Inside):
        return _inside(made, graph, s, *args)
    if isinstance(s.what, Lookup):
        data, index = args
        return _lookup(made, s.what, data, arrayed(index, s.dtypes[1].numpy), rank)
    if isinstance(s.what, Component):
        (planes,) = args  # the results lie one behind the other
        layout = planes.layout
        first = layout.offset + s.what.index * layout.strides[0]
        return replace(planes, layout=Layout(layout.shape[1:], layout.strides[1:], first))
    if isinstance(s.what, Function):
        return _called(made, s.what, args, rank)
    if all(isinstance(x, NUMBERS) for x in args):  # a body wants one array at the least
        args = [arrayed(x, d.computes) for x, d in zip(args, s.dtypes, strict=True)]
    args = [x if isinstance(x, NUMBERS) else made.widened(x) for x in args]
    return _map(made, s, args, rank)


def _map(made: Calls, s: Statement, args: list, rank: int) -> Temp:
    """Add an elementwise body: part by part where those are known, else as one call."""
    body, dtype = s.what, s.out.numpy
    assert isinstance(body, Body)
    if body is weighted.body and dtype.kind == "f":
        return _weighted(made, s, args, rank)
    calls = _parts(made, body, [x if isinstance(x, NUMBERS) else dtype_of(x) for x in args])
    if calls is None:
        ready = [arrayed(x, kind.computes) for x, kind in zip(args, s.dtypes, strict=True)]
        text = f"copyto({{out}}, {{f}}({listed(args)}), 'unsafe')"
        return made.add(text, body.numpy, ready, common_shape(ready, rank), dtype)
    results: list[Temp] = []
    for part in calls:

        def known(x: int | Scalar) -> Arrayed:
            if isinstance(x, Scalar):
                return arrayed(x.value, x.dtype)
            return args[x] if x >= 0 else results[~x]

        results.append(_part(made, part, [known(x) for x in part.args], rank))
    return results[-1] if results[-1].dtype == dtype else made.copy(results[-1], dtype)


def _weighted(made: Calls, s: Statement, args: list, rank: int) -> Temp:
    """Add a product that is mended where it has a NaN in it, which is seldom."""
    ready = [arrayed(x, kind.computes) for x, kind in zip(args, s.dtypes, strict=True)]
    text = "multiply({0}, {1}, out={out})\nif {doubt}: {f}({out}, {0})"
    out = made.add(
        text, mend, ready, common_shape(ready, rank), s.out.computes,
        aligned=(1,), safe=False, factor=1,
    )  # fmt: skip
    return out if out.dtype == s.out.numpy else made.copy(out, s.out.numpy)


def mend(out: np.ndarray, weight: np.ndarray) -> None:
    """Set a product to 0 where it is NaN and the weight is 0."""
    np.copyto(out, 0, where=(weight == 0) & np.isnan(out))


def _called(made: Calls, function: Function, args: list, rank: int) -> Temp:
    ready = [
        made.widened(arrayed(x, kind.computes)) for x, kind in zip(args, function.ins, strict=True)
    ]
    shape = (len(function.parts), *common_shape(ready, rank))
    text = f"{{f}}({{out}}, {listed(ready)})"
    return made.add(text, function.into, ready, shape, function.out.numpy, safe=False)


def _parts(made: Calls, body: Body, operands: list) -> list[BodyCall] | None:
    """Return what a body does, found out once for operands that are alike."""
    key = body, *[number_key(x) if isinstance(x, NUMBERS) else x for x in operands]
    if key not in made.bodies:
        made.bodies[key] = parts(body, operands)
    return made.bodies[key]


def _part(made: Calls, part: BodyCall, args: list[Arrayed], rank: int) -> Temp:
    if part.function is np.copyto:
        return made.copy(args[0], part.dtype)
    shape = common_shape(args, rank)
    if part.function is np.where:
        return _choice(made, args, shape, part.dtype)
    text = f"{{f}}({listed(args)}, out={{out}})"
    how: dict[str, Any] = {"aligned": tuple(range(len(args)))}
    return made.add(text, part.function, args, shape, part.dtype, **how)


def _choice(made: Calls, args: list[Arrayed], shape: Shape, dtype: np.dtype) -> Temp:
    """Add a choice by a mask: of few elements as copies, which are short calls."""
    if prod(shape) < _MANY or any(dtype_of(x) != dtype for x in args[1:]):
        text = "copyto({out}, {2}, 'unsafe')\ncopyto({out}, {1}, 'unsafe', {0})"
        return made.add(text, None, args, shape, dtype, aligned=(2,), safe=False)
    mask, x, other = args
    if isinstance(other, Fixed) and other.live is None and not other.array.tobytes().strip(b"\0"):
        text, args = "{f}({out}, {0}, {1}, None)", [mask, x]
    else:
        text = "{f}({out}, {0}, {1}, {2})"
    return made.add(text, select, args, shape, dtype, aligned=(1,), safe=False)


def _fold(made: Calls, graph: Graph, s: Statement, x: Arrayed) -> Arrayed:
    """Add a reduction, with the order of summation that the device's own has."""
    assert isinstance(s.what, Fold)
    if not graph.axes:
        return made.copy(expanded(x, graph.shape), s.out.numpy)
    x = expanded(x, graph.shape)
    kind = s.what.accumulator(s.out.computes, prod(graph.shape[a] for a in graph.axes))
    args: tuple[Argument, ...] = (x, Plain(kind))
    function: Callable = s.what.numpy.reduce
    call = f"{{f}}({{0}}, {graph.axes}, {{1}}"
    if dtype_of(x) == kind and not is_plain_reduction(graph.shape, graph.axes):
        args, function = (*args, Plain(s.what.numpy)), reduced
        call = f"{{f}}({{2}}, {{0}}, {graph.axes}, {{1}}"
    steps = strides_of(x)
    kept = [steps[a] for a, n in enumerate(graph.shape) if a not in graph.axes and n != 1]
    if kind == s.out.numpy and _falling(kept):
        out = made.add(f"{call}, {{out}})", function, args, graph.kept, kind, safe=False)
    else:  # what NumPy makes may lie in another order, and the order of summation follows that
        text = f"copyto({{out}}, {call}), 'unsafe')"
        out = made.add(text, function, args, graph.kept, s.out.numpy)
    return Temp(out.index, Layout.dense(graph.row_shape), out.dtype)


def _falling(strides: Sequence[int]) -> bool:
    """Whether axes with these strides lie in memory one within a step of the other, in order."""
    sizes = [abs(s) for s in strides]
    return len(sizes) < 2 or (min(sizes) > 0 and sizes == sorted(set(sizes), reverse=True))


def _lookup(made: Calls, what: Lookup, data: Arrayed, index: Arrayed, rank: int) -> Arrayed:
    if not isinstance(data, Ref):
        assert what.extent == 1, "a lookup reads memory"
        return data  # index 0 is all there is
    first = _first_of_rows(data.layout, what, shape_of(index))
    if first is not None:  # every index stands for so much memory in a row: one copy each
        tail, shape = data.layout.shape[first:], shape_of(index)[:first]
        dense = Layout.dense((what.extent, *tail))
        table = replace(data, layout=Layout(dense.shape, dense.strides, data.layout.offset))
        text = "{0}.take({1}, 0, {out}, 'clip')"  # "raise" would take a copy of the result
        return made.add(
            text, None, (table, _leading(index, first)), (*shape, *tail), dtype_of(data)
        )
    start = Fixed(_positions(data.layout))
    whole = start.array.dtype
    if what.stride != 1:
        args = (index, Fixed(np.array(what.stride, whole)))
        index = made.add(
            "{f}({0}, {1}, out={out})", np.multiply, args, common_shape(args, rank), whole
        )
    args = (index, start)
    places = made.add(
        "{f}({0}, {1}, out={out})", np.add, args, common_shape(args, rank), whole, aligned=(0,)
    )
    last = int(_positions(data.layout).max(initial=0)) + max(what.stride, 0) * (what.extent - 1)
    flat = Ref(data.slot, Layout.dense((last + 1,)), data.dtype)
    text = "{0}.take({1}, None, {out}, 'clip')"
    return made.add(text, None, (flat, places), shape_of(places), data.dtype.numpy)


def _first_of_rows(layout: Layout, what: Lookup, index: Shape) -> int | None:
    """Return the axis from which on an index stands for a dense row; None where it does not."""
    first = next((k for k, n in enumerate(layout.shape) if n != 1), 0)
    tail = Layout(layout.shape[first:], layout.strides[first:], 0)
    dense = tail.contiguous and tail.size == what.stride and all(n == 1 for n in index[first:])
    return first if first and dense else None


def _leading(x: Arrayed, axes: int) -> Arrayed:
    """Return a view without the axes from `axes` on, all of extent 1."""
    if isinstance(x, Fixed):
        return Fixed(x.array.reshape(x.array.shape[:axes]), x.live)
    layout = x.layout
    return replace(x, layout=Layout(layout.shape[:axes], layout.strides[:axes], layout.offset))


def _inside(made: Calls, graph: Graph, s: Statement, piece: Ref, under: Arrayed | Number) -> Temp:
    assert isinstance(s.what, Inside)
    starts, sizes = [0] * len(graph.shape), list(graph.shape)
    for axis, first, size in s.what.windows:
        starts[axis], sizes[axis] = first, size
    place, steps = (tuple(starts), tuple(sizes)), (1,) * len(sizes)
    piece = replace(piece, layout=piece.layout.expand(graph.shape).slice(*place, steps))
    keys = ", ".join(f"{i}:{i + n}" for i, n in zip(*place, strict=True))
    text = f"copyto({{out}}, {{1}})\ncopyto({{out}}[{keys or '...'}], {{0}})"
    args = (piece, arrayed(under, s.out.numpy))
    return made.add(text, None, args, graph.shape, s.out.numpy, aligned=(1,), safe=False)


def _positions(layout: Layout) -> np.ndarray:
    """Return where in flat memory the elements of a compact view lie."""
    grid = np.indices(layout.shape, dtype=np.intp, sparse=True)
    steps = zip(grid, layout.strides, strict=True)
    total = sum((g * s for g, s in steps), np.array(layout.offset, np.intp))
    return np.broadcast_to(total, layout.shape).copy()
