"""What the NumPy lowering calls for a step, by its kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial, singledispatch
from math import prod
from typing import Any

import numpy as np

from ...backends import families, threefry
from ...backends.array import product_shape
from ...backends.matrices import as_matrices, blocks, copied_matrices, in_blocks
from ...backends.numpy import add_at, positions, put, scanned, shaded
from ...dtypes import held
from ...layout import Layout
from ..ir import Batch, Draws, Fused, Later, Product, Ref, Step
from ..passes.lift import as_graph
from .calls import Argument, Calls, Drawn, Fixed, Plain, Temp, dtype_of
from .statements import add_graph


def calls_of(step: Step, bodies: dict[Any, Any], device: Any) -> list[Calls]:
    """Return the calls of a step; those of a batch part by part.

    `bodies` is one dict for all steps of a program, empty at first.
    """
    if isinstance(step.work, Batch):
        return [calls for part in step.work.parts for calls in calls_of(part, bodies, device)]
    made = Calls(bodies=bodies, device=device)
    result = add_calls(step.work, made, step)
    if result is not None:
        made.results.append((step.out, result, None))
    return [made]


@singledispatch
def add_calls(work: families.Family, made: Calls, step: Step) -> Temp | None:
    """Add the calls of a step, and return its result where they do not put that into a slot."""
    lifted = as_graph(step)
    assert lifted is not None, work
    add_graph(made, *lifted, step.outs)
    return None


@add_calls.register
def _fused(work: Fused, made: Calls, step: Step) -> None:
    add_graph(made, work.graph, step.inputs, step.outs)


@add_calls.register
def _matmul(work: families.Matmul, made: Calls, step: Step) -> Temp | None:
    a, b = step.inputs[:2]
    assert isinstance(a, Ref) and isinstance(b, Ref)
    lead, inner = work.lead, work.inner
    shape = product_shape(a.layout.shape, b.layout.shape, lead, inner)
    kind = a.dtype.computes
    left, right = made.widened(a), made.widened(b)
    assert isinstance(left, (Ref, Temp)) and isinstance(right, (Ref, Temp))
    if inner == 1 and lead == len(shape) - 2:
        out = _dot(made, left, right, kind)
    else:
        out = _product(made, left, right, work, kind)
    out = replace(out, layout=Layout.dense(shape))
    if kind != a.dtype.numpy:
        out = made.copy(out, a.dtype.numpy)
    if not isinstance(work, Product):
        return out
    seen = Temp(out.index, Layout.dense(work.graph.shape), out.dtype)
    add_graph(made, work.graph, (seen, *step.inputs[2:]), step.outs)
    return None


def _product(
    made: Calls, a: Ref | Temp, b: Ref | Temp, work: families.Matmul, dtype: np.dtype
) -> Temp:
    """Add a product of factors with several axes, as `product` of the device makes it."""
    lead, columns = work.lead, work.lead + work.inner
    a = _matrices(made, a, lead, len(a.layout.shape) - work.inner)
    rows = prod(a.layout.shape[:-1])
    cut = blocks(b.layout, dtype.itemsize, lead, columns, rows)
    if cut is None:
        return _dot(made, a, _matrices(made, b, lead, columns), dtype)
    block = made.scratch(cut.shape, dtype)
    args = a, replace(b, layout=b.layout.permute(cut.order)), block
    text = f"{{f}}({{out}}, {{0}}, {{1}}, {{2}}, {cut.axis}, {cut.turned})"
    shape = rows, prod(b.layout.shape[columns:])
    return made.add(text, in_blocks, args, shape, dtype, safe=False)


def _dot(made: Calls, a: Ref | Temp, b: Ref | Temp, dtype: np.dtype) -> Temp:
    """Add a product of matrices. It is `dot` that calls BLAS sooner."""
    flat = len(a.layout.shape) == 2 and dtype.kind == "f"
    shape = product_shape(a.layout.shape, b.layout.shape)
    function = np.dot if flat else np.matmul
    return made.add("{f}({0}, {1}, out={out})", function, (a, b), shape, dtype)


def _matrices(made: Calls, x: Ref | Temp, lead: int, columns: int) -> Ref | Temp:
    """Return a factor as (*batch, rows, columns), copied where no strides show it so."""
    seen = as_matrices(x.layout, lead, columns)
    if seen is not None:
        return replace(x, layout=seen)
    order, seen = copied_matrices(x.layout, lead, columns)
    copied = made.copy(replace(x, layout=x.layout.permute(order)), dtype_of(x))
    return replace(copied, layout=seen)


@add_calls.register
def _in_place(work: families.InPlace, made: Calls, step: Step) -> None:
    base, *values = step.refs()
    slot, shape, dtype = step.out.index, step.out.shape, step.out.dtype
    args = (base, Ref(slot, work.target, dtype), *values)
    put_in, function = "copyto({1}, {2})", None
    if isinstance(work, families.Scatter):
        put_in, function = f"{{f}}({{1}}, {{2}}, {{3}}, {work.axis})", put
    text = f"copyto({{out}}, {{0}})\n{put_in}"
    made.add(text, function, args, shape, dtype.numpy, safe=False, target=slot)


@add_calls.register
def _place(work: families.Place, made: Calls, step: Step) -> None:
    slot, shape, dtype = step.out.index, step.out.shape, step.out.dtype
    args: list[Argument] = [Fixed(held(0 if work.fill is None else work.fill, dtype.numpy))]
    lines = [] if work.fill is None else ["copyto({out}, {0})"]
    for piece, target in zip(step.refs(), work.targets, strict=True):
        lines.append(f"copyto({{{len(args)}}}, {{{len(args) + 1}}})")
        args += [Ref(slot, target, dtype), piece]
    made.add("\n".join(lines), None, args, shape, dtype.numpy, safe=False, target=slot)


@add_calls.register
def _later(work: Later, made: Calls, step: Step) -> Temp | None:
    x, _ = step.refs()
    return made.copy(x, x.dtype.numpy)


@add_calls.register
def _random(work: Draws, made: Calls, step: Step) -> Temp | None:
    drawn = Drawn(work.generator, work.offset)
    shape, dtype = step.out.shape, step.out.dtype.numpy
    change = {"uniform": threefry.uniform, "normal": threefry.normal}.get(work.kind)
    words = f"bits(*{{0}}, {prod(shape)})"
    numbers = words if change is None else f"{{f}}({words})"
    text = f"copyto({{out}}, {numbers}.reshape({shape}))"
    return made.add(text, change, (drawn,), shape, dtype)


@add_calls.register
def _scan(work: families.Scan, made: Calls, step: Step) -> Temp | None:
    (x,) = step.refs()
    text = f"copyto({{out}}, {{f}}({{1}}, {{0}}, {work.axis}, {work.back}), 'unsafe')"
    return made.add(text, scanned, (x, Plain(work.fold)), step.out.shape, step.out.dtype.numpy)


@add_calls.register
def _scatter_add(work: families.ScatterAdd, made: Calls, step: Step) -> Temp | None:
    index, values = step.refs()
    axis, shape = work.axis, step.out.shape
    grid = [Fixed(x) for x in np.indices(index.layout.shape, sparse=True)]
    places = ", ".join("{0}" if i == axis else f"{{{2 + i}}}" for i in range(len(shape)))
    once = index.layout.shape[axis] == 1  # nothing is hit twice
    add = f"{{out}}[{places}] = {{1}}" if once else f"{{f}}({{out}}, ({places},), {{1}})"
    args: list[Argument] = [index, values, *grid]
    text = f"{{out}}.fill(0)\n{add}"
    return made.add(text, add_at, args, shape, step.out.dtype.numpy, safe=False)


@add_calls.register
def _argsort(work: families.Argsort, made: Calls, step: Step) -> Temp | None:
    (x,) = step.refs()
    how = f"{work.axis}, {work.descending}"
    text = f"copyto({{out}}, {{f}}({{0}}, {how}), 'unsafe')"
    return made.add(text, positions, (x,), step.out.shape, step.out.dtype.numpy)


@add_calls.register
def _searchsorted(work: families.Searchsorted, made: Calls, step: Step) -> Temp | None:
    x, values = step.refs()
    side = "right" if work.right else "left"
    text = f"copyto({{out}}, {{f}}({{0}}, {{1}}, '{side}'), 'unsafe')"
    return made.add(text, np.searchsorted, (x, values), step.out.shape, step.out.dtype.numpy)


@add_calls.register
def _dispatch(work: families.Dispatch, made: Calls, step: Step) -> Temp | None:
    """All results but one get their first values; then the shader runs with the memory of all."""
    count = len(step.inputs) - len(work.numbers)
    refs = [x for x in step.inputs[:count] if isinstance(x, Ref)]
    filled = [i for i, out in enumerate(step.outs) if out.size]
    for i in filled:
        source, out = work.makes[i].source, step.outs[i]
        first = "{out}.fill(0)" if source is None else "copyto({out}, {0})"
        args: list[Argument] = [] if source is None else [refs[source]]
        lines = [first]
        if i == filled[-1]:
            memory = [
                step.outs[j].whole() if is_written else refs[j]
                for is_written, j in work.shader.bindings(work.makes)
            ]
            names = [f"{{{len(args) + j}}}" for j in range(len(memory) + len(work.numbers))]
            listed = "".join(f"{x}, " for x in names[: len(memory)])
            lines.append(f"{{f}}(({listed}), {', '.join(names[len(memory) :])})")
            args += [*memory, *(Plain(x) for x in step.inputs[count:])]
        run = partial(_shaded, work)
        text = "\n".join(lines)
        made.add(text, run, args, out.shape, out.dtype.numpy, safe=False, target=out.index)
    return None


def _shaded(work: families.Dispatch, memory: Sequence[np.ndarray], *numbers: float) -> None:
    """Run a shader over memory: what it only reads may come as any view."""
    ready = [
        np.ascontiguousarray(x) if letter == "r" else x
        for letter, x in zip(work.shader.access, memory, strict=True)
    ]
    shaded(work.shader, ready, work.params, work.numbers, work.groups, *numbers)
