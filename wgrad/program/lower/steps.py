"""What the NumPy lowering calls for a step, by its kind."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ...backends import threefry
from ...backends.array import product_shape
from ...backends.numpy import add_at, positions, product, put, scanned
from ...dtypes import held
from ...layout import Layout
from ..graph import Graph
from ..ir import Ref, Step
from ..passes.lift import as_graph
from .calls import Argument, Calls, Drawn, Fixed, Temp
from .statements import add_graph


def calls_of(step: Step, bodies: dict[Any, Any]) -> list[Calls]:
    """Return the calls of a step; those of a batch part by part.

    `bodies` is one dict for all steps of a program, empty at first.
    """
    if step.kind == "batch":
        return [calls for part in step.params["parts"] for calls in calls_of(part, bodies)]
    made = Calls(bodies=bodies)
    if step.kind == "fused":
        add_graph(made, step.params["graph"], step.inputs, step.outs)
    elif step.kind in _KINDS:
        _KINDS[step.kind](made, step)
    else:
        found = as_graph(step)
        assert found is not None, step.kind
        add_graph(made, *found, step.outs)
    return [made]


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
        add_graph(made, graph, (seen, *step.inputs[2:]), step.outs)


def _write(made: Calls, step: Step) -> None:
    base, value = step.inputs
    assert isinstance(base, Ref) and isinstance(value, Ref)
    home, shape, dtype = step.out.index, step.out.shape, step.out.dtype
    target = Ref(home, step.params["target"], dtype)
    text = "copyto({out}, {0})\ncopyto({1}, {2})"
    made.add(text, None, (base, target, value), shape, dtype.numpy, safe=False, home=home)


def _place(made: Calls, step: Step) -> None:
    home, shape, dtype = step.out.index, step.out.shape, step.out.dtype
    args: list[Argument] = [Fixed(held(step.params["fill"] or 0, dtype.numpy))]
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
