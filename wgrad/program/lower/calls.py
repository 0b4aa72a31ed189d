"""A step as NumPy calls: what each calls, what it reads, and what its result looks like.

Values keep the rank of the step's domain, with extent 1 along the axes on which they do not vary:
NumPy broadcasts them, and nothing is computed twice. Where results live is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from ...backends import threefry
from ...backends.array import Body, Number, product_shape
from ...backends.numpy import REDUCERS, accumulator, add_at, positions, product, put, scanned
from ...backends.tracing import Live
from ...layout import Layout, Shape
from ..graph import Fold, Graph, Inside, Lookup, Position, Statement
from ..ir import Ref, Slot, Step
from ..passes.lift import as_graph
from .bodies import Part, Scalar, parts

NUMBERS = (bool, int, float)


@dataclass(frozen=True)
class Temp:
    """A view of the result of call `index` of the same step."""

    index: int
    layout: Layout
    dtype: np.dtype


@dataclass(frozen=True, eq=False)
class Fixed:
    """An array that no run changes, or one that shows a number which is read anew: `live`."""

    array: np.ndarray
    live: Live | None = None


@dataclass(frozen=True, eq=False)
class Plain:
    """A Python object as an argument; a Live is read anew in every run."""

    value: Any


@dataclass(frozen=True, eq=False)
class Drawn:
    """The key and the counter of random numbers at an offset of a generator's stream."""

    generator: Any
    offset: int


Argument = Ref | Temp | Fixed | Plain | Drawn
Arrayed = Ref | Temp | Fixed


@dataclass
class Call:
    """One NumPy call: its result is dense, of `shape`.

    `text` is its source, with {f} for the function, {0} for an argument and {out} for the result.
    `aligned` are the arguments that are read where the same element of the result is written: the
    result may take their memory. If not `safe` it may take that of no other either. `home` is the
    slot in whose memory the result is to be, where that is known.
    """

    text: str
    function: Any
    args: tuple[Argument, ...]
    shape: Shape
    dtype: np.dtype
    aligned: tuple[int, ...] = ()
    safe: bool = True
    home: int | None = None

    @property
    def size(self) -> int:
        """The number of elements of the result."""
        return prod(self.shape)

    def temps(self) -> set[int]:
        """Return the calls whose results are read."""
        return {x.index for x in self.args if isinstance(x, Temp)}


@dataclass
class Calls:
    """The calls of one step, and what each of its output slots is to hold in the end."""

    calls: list[Call] = field(default_factory=list)
    results: list[tuple[Slot, Arrayed]] = field(default_factory=list)
    _wide: dict[Arrayed, Temp] = field(default_factory=dict)

    def add(
        self,
        text: str,
        function: Any,
        args: Sequence[Argument],
        shape: Shape,
        dtype: Any,
        **how: Any,
    ) -> Temp:
        """Add a call and return its result."""
        self.calls.append(Call(text, function, tuple(args), shape, dtype, **how))
        return Temp(len(self.calls) - 1, Layout.dense(shape), dtype)

    def widened(self, x: Arrayed) -> Arrayed:
        """Return an argument in the type that is computed in: float16 as float32, copied once."""
        if _dtype(x) != np.float16:
            return x
        if x not in self._wide:
            self._wide[x] = self.copy(x, np.dtype(np.float32))
        return self._wide[x]

    def copy(self, x: Arrayed, dtype: np.dtype, **how: Any) -> Temp:
        """Add a copy, which converts as `astype` does."""
        text = "copyto({out}, {0}, 'unsafe')"
        return self.add(text, None, (x,), _shape(x), dtype, aligned=(0,), **how)


def calls_of(step: Step) -> list[Calls]:
    """Return the calls of a step; those of a batch part by part."""
    if step.kind == "batch":
        return [calls for part in step.params["parts"] for calls in calls_of(part)]
    made = Calls()
    if step.kind == "fused":
        _graph(made, step.params["graph"], step.inputs, step.outs)
    elif step.kind in _KINDS:
        _KINDS[step.kind](made, step)
    else:
        found = as_graph(step)
        assert found is not None, step.kind
        _graph(made, *found, step.outs)
    return [made]


# Steps that are no graphs.
def _matmul(made: Calls, step: Step) -> None:
    a, b = step.inputs[:2]
    assert isinstance(a, Ref) and isinstance(b, Ref)
    lead, inner = step.params["lead"], step.params["inner"]
    shape = product_shape(a.layout.shape, b.layout.shape, lead, inner)
    plain = inner == 1 and lead == len(shape) - 2
    how, function = ("", np.matmul) if plain else (f"{lead}, {inner}, ", product)
    text = f"{{f}}({{0}}, {{1}}, {how}out={{out}})"
    kind = a.dtype.computes
    found = made.add(text, function, (made.widened(a), made.widened(b)), shape, kind)
    if kind != a.dtype.numpy:
        found = made.copy(found, a.dtype.numpy)
    graph: Graph | None = step.params.get("epilogue")
    if graph is None:
        made.results.append((step.out, found))
    else:
        seen = Temp(found.index, Layout.dense(graph.shape), found.dtype)
        _graph(made, graph, (seen, *step.inputs[2:]), step.outs)


def _write(made: Calls, step: Step) -> None:
    base, value = step.inputs
    assert isinstance(base, Ref) and isinstance(value, Ref)
    home, shape, dtype = step.out.index, step.out.shape, step.out.dtype
    target = Ref(home, step.params["target"], dtype)
    text = "copyto({out}, {0})\ncopyto({1}, {2})"
    made.add(text, None, (base, target, value), shape, dtype.numpy, safe=False, home=home)


def _place(made: Calls, step: Step) -> None:
    home, shape, dtype = step.out.index, step.out.shape, step.out.dtype
    args: list[Argument] = [Fixed(np.array(step.params["fill"] or 0, dtype.numpy))]
    lines = [] if step.params["fill"] is None else ["copyto({out}, {0})"]
    for piece, target in zip(step.refs(), step.params["targets"], strict=True):
        lines.append(f"copyto({{{len(args)}}}, {{{len(args) + 1}}})")
        args += [Ref(home, target, dtype), piece]
    made.add("\n".join(lines), None, args, shape, dtype.numpy, safe=False, home=home)


def _random(made: Calls, step: Step) -> None:
    drawn = Drawn(step.params["generator"], step.params["offset"])
    shape, dtype = step.out.shape, step.out.dtype.numpy
    change = {"uniform": threefry.uniform, "normal": threefry.normal}.get(step.params["kind"])
    words = f"bits(*{{0}}, {prod(shape)})"
    numbers = words if change is None else f"{{f}}({words})"
    text = f"copyto({{out}}, {numbers}.reshape({shape}))"
    made.results.append((step.out, made.add(text, change, (drawn,), shape, dtype)))


def _scan(made: Calls, step: Step) -> None:
    (x,) = step.refs()
    kind, axis, back = (step.params[name] for name in ("kind", "axis", "back"))
    text = f"copyto({{out}}, {{f}}({kind!r}, {{0}}, {axis}, {back}), 'unsafe')"
    out = made.add(text, scanned, (x,), step.out.shape, step.out.dtype.numpy)
    made.results.append((step.out, out))


def _scatter_add(made: Calls, step: Step) -> None:
    index, values = step.refs()
    axis, shape = step.params["axis"], step.out.shape
    grid = [Fixed(x) for x in np.indices(index.layout.shape, sparse=True)]
    places = ", ".join("{0}" if i == axis else f"{{{2 + i}}}" for i in range(len(shape)))
    once = index.layout.shape[axis] == 1  # nothing is hit twice
    add = f"{{out}}[{places}] = {{1}}" if once else f"{{f}}({{out}}, ({places},), {{1}})"
    args: list[Argument] = [index, values, *grid]
    text = f"{{out}}.fill(0)\n{add}"
    out = made.add(text, add_at, args, shape, step.out.dtype.numpy, safe=False)
    made.results.append((step.out, out))


def _scatter(made: Calls, step: Step) -> None:
    base, index, values = step.refs()
    home, shape, dtype = step.out.index, step.out.shape, step.out.dtype
    target = Ref(home, step.params["target"], dtype)
    text = f"copyto({{out}}, {{0}})\n{{f}}({{1}}, {{2}}, {{3}}, {step.params['axis']})"
    args = (base, target, index, values)
    made.add(text, put, args, shape, dtype.numpy, safe=False, home=home)


def _argsort(made: Calls, step: Step) -> None:
    (x,) = step.refs()
    how = f"{step.params['axis']}, {step.params['descending']}"
    text = f"copyto({{out}}, {{f}}({{0}}, {how}), 'unsafe')"
    found = made.add(text, positions, (x,), step.out.shape, step.out.dtype.numpy)
    made.results.append((step.out, found))


def _searchsorted(made: Calls, step: Step) -> None:
    x, values = step.refs()
    side = "right" if step.params["right"] else "left"
    text = f"copyto({{out}}, {{f}}({{0}}, {{1}}, '{side}'), 'unsafe')"
    shape, dtype = step.out.shape, step.out.dtype.numpy
    made.results.append((step.out, made.add(text, np.searchsorted, (x, values), shape, dtype)))


_KINDS: dict[str, Callable[[Calls, Step], None]] = {
    "matmul": _matmul,
    "write": _write,
    "place": _place,
    "random": _random,
    "scan": _scan,
    "scatter_add": _scatter_add,
    "scatter": _scatter,
    "argsort": _argsort,
    "searchsorted": _searchsorted,
}


# Graphs.
def _graph(
    made: Calls, graph: Graph, inputs: Sequence[Ref | Temp | Number], outs: Sequence[Slot]
) -> None:
    values: list[Arrayed] = []

    def value(arg: int) -> Arrayed | Number:
        return _compact(inputs[arg]) if arg >= 0 else values[~arg]

    for s in graph.statements:
        values.append(_statement(made, graph, s, [value(arg) for arg in s.args]))
    for out, result in zip(outs, graph.results, strict=True):
        x = _arrayed(value(result.value), graph.dtype_of(result.value).numpy)
        shape = graph.row_shape if result.row else graph.shape
        made.results.append((out, _expanded(x, shape)))


def _statement(made: Calls, graph: Graph, s: Statement, args: list) -> Arrayed:
    rank = len(graph.shape)
    if isinstance(s.what, Position):
        line = np.arange(graph.shape[s.what.axis], dtype=s.out.numpy)
        return Fixed(line.reshape([-1 if a == s.what.axis else 1 for a in range(rank)]))
    if isinstance(s.what, Fold):
        return _fold(made, graph, s, _arrayed(args[0], s.dtypes[0].numpy))
    if isinstance(s.what, Inside):
        return _inside(made, graph, s, *args)
    if isinstance(s.what, Lookup):
        data, index = args
        return _lookup(made, s.what, data, _arrayed(index, s.dtypes[1].numpy), rank)
    if all(isinstance(x, NUMBERS) for x in args):  # a body wants one array at the least
        args = [_arrayed(x, d.computes) for x, d in zip(args, s.dtypes, strict=True)]
    args = [x if isinstance(x, NUMBERS) else made.widened(x) for x in args]
    return _map(made, s.what, args, s.out.numpy, rank)


def _map(made: Calls, body: Body, args: list, dtype: np.dtype, rank: int) -> Temp:
    """Add an elementwise body: part by part where those are known, else as one call."""
    found = parts(body, [x if isinstance(x, NUMBERS) else _dtype(x) for x in args])
    if found is None:
        ready = [Plain(x) if isinstance(x, NUMBERS) else x for x in args]
        text = f"copyto({{out}}, {{f}}({_listed(args)}), 'unsafe')"
        return made.add(text, body.numpy, ready, _common(ready, rank), dtype)
    results: list[Temp] = []
    for part in found:

        def known(x: int | Scalar) -> Arrayed:
            if isinstance(x, Scalar):
                return _arrayed(x.value, x.dtype)
            return args[x] if x >= 0 else results[~x]

        results.append(_part(made, part, [known(x) for x in part.args], rank))
    return results[-1] if results[-1].dtype == dtype else made.copy(results[-1], dtype)


def _part(made: Calls, part: Part, args: list[Arrayed], rank: int) -> Temp:
    if part.function is np.copyto:
        return made.copy(args[0], part.dtype)
    text = f"{{f}}({_listed(args)}, out={{out}})"
    how: dict[str, Any] = {"aligned": tuple(range(len(args)))}
    if part.function is np.where:
        text = "copyto({out}, {2}, 'unsafe')\ncopyto({out}, {1}, 'unsafe', {0})"
        how = {"aligned": (2,), "safe": False}
    return made.add(text, part.function, args, _common(args, rank), part.dtype, **how)


def _fold(made: Calls, graph: Graph, s: Statement, x: Arrayed) -> Arrayed:
    """Add a reduction, with the order of summation that the device's own has."""
    assert isinstance(s.what, Fold)
    if not graph.axes:
        return made.copy(_expanded(x, graph.shape), s.out.numpy)
    x = _expanded(x, graph.shape)
    kind = accumulator(s.what.kind, s.out, prod(graph.shape[a] for a in graph.axes))
    args, function = (x, Plain(kind)), REDUCERS[s.what.kind].reduce
    found = f"{{f}}({{0}}, {graph.axes}, {{1}}"
    steps = _strides(x)
    kept = [steps[a] for a, n in enumerate(graph.shape) if a not in graph.axes and n != 1]
    if kind == s.out.numpy and _falling(kept):
        out = made.add(f"{found}, out={{out}})", function, args, graph.kept, kind)
    else:  # what NumPy makes may lie in another order, and the order of summation follows that
        text = f"copyto({{out}}, {found}), 'unsafe')"
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
    start = Fixed(_positions(data.layout))
    whole = start.array.dtype
    if what.stride != 1:
        args = (index, Fixed(np.array(what.stride, whole)))
        index = made.add("{f}({0}, {1}, out={out})", np.multiply, args, _common(args, rank), whole)
    args = (index, start)
    places = made.add(
        "{f}({0}, {1}, out={out})", np.add, args, _common(args, rank), whole, aligned=(0,)
    )
    last = int(_positions(data.layout).max(initial=0)) + max(what.stride, 0) * (what.extent - 1)
    flat = Ref(data.slot, Layout.dense((last + 1,)), data.dtype)
    text = "{0}.take({1}, None, {out}, 'clip')"  # "raise" would take a copy of the result
    return made.add(text, None, (flat, places), _shape(places), data.dtype.numpy)


def _inside(made: Calls, graph: Graph, s: Statement, piece: Ref, under: Arrayed | Number) -> Temp:
    assert isinstance(s.what, Inside)
    starts, sizes = [0] * len(graph.shape), list(graph.shape)
    for axis, first, size in s.what.windows:
        starts[axis], sizes[axis] = first, size
    place, steps = (tuple(starts), tuple(sizes)), (1,) * len(sizes)
    piece = replace(piece, layout=piece.layout.expand(graph.shape).slice(*place, steps))
    keys = ", ".join(f"{i}:{i + n}" for i, n in zip(*place, strict=True))
    text = f"copyto({{out}}, {{1}})\ncopyto({{out}}[{keys or '...'}], {{0}})"
    args = (piece, _arrayed(under, s.out.numpy))
    return made.add(text, None, args, graph.shape, s.out.numpy, aligned=(1,), safe=False)


def _positions(layout: Layout) -> np.ndarray:
    """Return where in flat memory the elements of a compact view lie."""
    grid = np.indices(layout.shape, dtype=np.intp, sparse=True)
    steps = zip(grid, layout.strides, strict=True)
    total = sum((g * s for g, s in steps), np.array(layout.offset, np.intp))
    return np.broadcast_to(total, layout.shape).copy()


# Arguments.
def _arrayed(x: Arrayed | Number, dtype: np.dtype) -> Arrayed:
    """Return an argument as an array; a number as one without axes."""
    if not isinstance(x, NUMBERS):
        return x
    return Fixed(np.array(x, dtype), x if isinstance(x, Live) else None)


def _compact(x: Ref | Temp | Number) -> Arrayed | Number:
    """Return a view with extent 1 along the axes on which it does not vary."""
    if isinstance(x, NUMBERS):
        return x
    layout = x.layout
    steps = zip(layout.shape, layout.strides, strict=True)
    return _relaid(
        x, Layout(tuple(n if s else min(n, 1) for n, s in steps), layout.strides, layout.offset)
    )


def _expanded(x: Arrayed, shape: Shape) -> Arrayed:
    if isinstance(x, Fixed):
        return Fixed(np.broadcast_to(x.array, shape), x.live)
    return _relaid(x, x.layout.expand(shape))


def _relaid(x: Ref | Temp, layout: Layout) -> Ref | Temp:
    if isinstance(x, Ref):
        return Ref(x.slot, layout, x.dtype)
    return Temp(x.index, layout, x.dtype)


def _shape(x: Arrayed) -> Shape:
    return x.array.shape if isinstance(x, Fixed) else x.layout.shape


def _strides(x: Arrayed) -> Shape:
    return x.array.strides if isinstance(x, Fixed) else x.layout.strides


def _dtype(x: Arrayed) -> np.dtype:
    if isinstance(x, Fixed):
        return x.array.dtype
    return x.dtype.numpy if isinstance(x, Ref) else x.dtype


def _common(args: Sequence[Argument], rank: int) -> Shape:
    """Return the shape that arguments of `rank` axes, and numbers, broadcast to."""
    shapes = [_shape(x) for x in args if isinstance(x, Arrayed)]
    return np.broadcast_shapes((1,) * rank, *shapes)


def _listed(args: Sequence) -> str:
    return ", ".join(f"{{{i}}}" for i in range(len(args)))
