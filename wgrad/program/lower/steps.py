"""What the NumPy lowering calls for a step, by its kind."""

from __future__ import annotations

from functools import singledispatch
from math import prod

import numpy as np

from ...backends import threefry
from ...backends.array import product_shape
from ...backends.families import (
    Argsort,
    Family,
    Matmul,
    Place,
    Scan,
    Scatter,
    ScatterAdd,
    Searchsorted,
    Write,
)
from ...backends.numpy import add_at, positions, product, put, scanned
from ...layout import Layout
from ..ir import Batch, Draws, Fused, Product, Step
from ..passes.lift import as_graph
from ..slots import Ref
from .calls import Argument, Calls, Drawn, Fixed, Temp
from .statements import add_graph


def calls_of(step: Step) -> list[Calls]:
    """Return the calls of a step; those of a batch part by part."""
    if isinstance(step.work, Batch):
        return [calls for part in step.work.parts for calls in calls_of(part)]
    made = Calls()
    _add(step.work, made, step)
    return [made]


@singledispatch
def _add(work: Family, made: Calls, step: Step) -> None:
    """Add the calls of a step."""
    found = as_graph(step)
    assert found is not None, work
    add_graph(made, *found, step.outs)


@_add.register
def _fused(work: Fused, made: Calls, step: Step) -> None:
    add_graph(made, work.graph, step.inputs, step.outs)


@_add.register
def _matmul(work: Matmul, made: Calls, step: Step) -> None:
    a, b = step.inputs[:2]
    assert isinstance(a, Ref) and isinstance(b, Ref)
    lead, inner = work.lead, work.inner
    shape = product_shape(a.layout.shape, b.layout.shape, lead, inner)
    plain = inner == 1 and lead == len(shape) - 2
    how, function = ("", np.matmul) if plain else (f"{lead}, {inner}, ", product)
    text = f"{{f}}({{0}}, {{1}}, {how}out={{out}})"
    kind = a.dtype.computes
    found = made.add(text, function, (made.widened(a), made.widened(b)), shape, kind)
    if kind != a.dtype.numpy:
        found = made.copy(found, a.dtype.numpy)
    if isinstance(work, Product):
        seen = Temp(found.index, Layout.dense(work.graph.shape), found.dtype)
        add_graph(made, work.graph, (seen, *step.inputs[2:]), step.outs)
    else:
        made.results.append((step.out, found))


@_add.register
def _write(work: Write, made: Calls, step: Step) -> None:
    base, value = step.inputs
    assert isinstance(base, Ref) and isinstance(value, Ref)
    home, shape, dtype = step.out.index, step.out.shape, step.out.dtype
    target = Ref(home, work.target, dtype)
    text = "copyto({out}, {0})\ncopyto({1}, {2})"
    made.add(text, None, (base, target, value), shape, dtype.numpy, safe=False, home=home)


@_add.register
def _place(work: Place, made: Calls, step: Step) -> None:
    home, shape, dtype = step.out.index, step.out.shape, step.out.dtype
    args: list[Argument] = [Fixed(np.array(0 if work.fill is None else work.fill, dtype.numpy))]
    lines = [] if work.fill is None else ["copyto({out}, {0})"]
    for piece, target in zip(step.refs(), work.targets, strict=True):
        lines.append(f"copyto({{{len(args)}}}, {{{len(args) + 1}}})")
        args += [Ref(home, target, dtype), piece]
    made.add("\n".join(lines), None, args, shape, dtype.numpy, safe=False, home=home)


@_add.register
def _random(work: Draws, made: Calls, step: Step) -> None:
    drawn = Drawn(work.generator, work.offset)
    shape, dtype = step.out.shape, step.out.dtype.numpy
    change = {"uniform": threefry.uniform, "normal": threefry.normal}.get(work.kind)
    words = f"bits(*{{0}}, {prod(shape)})"
    numbers = words if change is None else f"{{f}}({words})"
    text = f"copyto({{out}}, {numbers}.reshape({shape}))"
    made.results.append((step.out, made.add(text, change, (drawn,), shape, dtype)))


@_add.register
def _scan(work: Scan, made: Calls, step: Step) -> None:
    (x,) = step.refs()
    text = f"copyto({{out}}, {{f}}({work.fold!r}, {{0}}, {work.axis}, {work.back}), 'unsafe')"
    out = made.add(text, scanned, (x,), step.out.shape, step.out.dtype.numpy)
    made.results.append((step.out, out))


@_add.register
def _scatter_add(work: ScatterAdd, made: Calls, step: Step) -> None:
    index, values = step.refs()
    axis, shape = work.axis, step.out.shape
    grid = [Fixed(x) for x in np.indices(index.layout.shape, sparse=True)]
    places = ", ".join("{0}" if i == axis else f"{{{2 + i}}}" for i in range(len(shape)))
    once = index.layout.shape[axis] == 1  # nothing is hit twice
    add = f"{{out}}[{places}] = {{1}}" if once else f"{{f}}({{out}}, ({places},), {{1}})"
    args: list[Argument] = [index, values, *grid]
    text = f"{{out}}.fill(0)\n{add}"
    out = made.add(text, add_at, args, shape, step.out.dtype.numpy, safe=False)
    made.results.append((step.out, out))


@_add.register
def _scatter(work: Scatter, made: Calls, step: Step) -> None:
    base, index, values = step.refs()
    home, shape, dtype = step.out.index, step.out.shape, step.out.dtype
    target = Ref(home, work.target, dtype)
    text = f"copyto({{out}}, {{0}})\n{{f}}({{1}}, {{2}}, {{3}}, {work.axis})"
    args = (base, target, index, values)
    made.add(text, put, args, shape, dtype.numpy, safe=False, home=home)


@_add.register
def _argsort(work: Argsort, made: Calls, step: Step) -> None:
    (x,) = step.refs()
    how = f"{work.axis}, {work.descending}"
    text = f"copyto({{out}}, {{f}}({{0}}, {how}), 'unsafe')"
    found = made.add(text, positions, (x,), step.out.shape, step.out.dtype.numpy)
    made.results.append((step.out, found))


@_add.register
def _searchsorted(work: Searchsorted, made: Calls, step: Step) -> None:
    x, values = step.refs()
    side = "right" if work.right else "left"
    text = f"copyto({{out}}, {{f}}({{0}}, {{1}}, '{side}'), 'unsafe')"
    shape, dtype = step.out.shape, step.out.dtype.numpy
    made.results.append((step.out, made.add(text, np.searchsorted, (x, values), shape, dtype)))
