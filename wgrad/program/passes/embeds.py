"""Embeddings: what is written into a new memory full of one number is looked up from there.

Padding, and the gradient of a slice, are a fill and a write into part of it. As one graph over the
result, every element asks whether it lies inside, and where what it holds comes from.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...backends.base import Body
from ...dtypes import bool_, int32
from ...layout import Layout, Shape
from ...ops.elementwise import where
from ..graph import Graph, Lookup, Position, Result, Statement
from ..ir import Program, Ref, Step, makers
from ..limits import Limits


def look_up_embeddings(program: Program, limits: Limits) -> Program:
    """Return the program with writes into what is full of one number as lookups."""
    if not limits.embeds_look_up:
        return program
    making = makers(program)
    return program.with_steps([_looked_up(step, making) or step for step in program.steps])


def _looked_up(step: Step, making: dict[int, Step]) -> Step | None:
    if step.kind != "write":
        return None
    base, value = step.inputs
    assert isinstance(base, Ref) and isinstance(value, Ref)
    filled = making.get(base.slot)
    target: Layout = step.params["target"]
    size, steps = step.out.size, value.layout.strides
    if filled is None or filled.kind != "full" or target.size in (0, size) or size >= 2**31:
        return None
    axes = sorted(
        (s, n, t) for s, n, t in zip(target.strides, target.shape, steps, strict=True) if n > 1
    )
    if any(s < 0 or t < 0 for s, _, t in axes) or target.overlaps:
        return None
    inside, place = _bodies(target.offset, tuple(axes[::-1]))
    extent = 1 + sum((n - 1) * t for _, n, t in axes)
    domain, dtype = Layout.dense((size,)), step.out.dtype
    statements = (
        Statement(Position(0), (), (), int32),
        Statement(inside, (~0,), (int32,), bool_),
        Statement(place, (~0,), (int32,), int32),
        Statement(Lookup(extent, 1), (0, ~2), (dtype, int32), dtype),
        Statement(where.body, (~1, ~3, 1), (bool_, dtype, dtype), dtype),
    )
    graph = Graph(domain.shape, (), (dtype, dtype), statements, (Result(~4),))
    table = Ref(value.slot, Layout(domain.shape, (0,), value.layout.offset), dtype)
    return Step("fused", (table, filled.params["value"]), step.outs, {"graph": graph})


@lru_cache(maxsize=1024)
def _bodies(offset: int, axes: tuple[Shape, ...]) -> tuple[Body, Body]:
    """Return whether a position lies in a target, and where its value does: 0 for those outside.

    `axes` are (stride in the target, extent, stride of the value), the largest stride first, of
    a target whose elements share no memory: each stride passes over all that the next ones reach.
    """
    rest = f"(a - {offset})"
    conditions, terms = [f"a >= {offset}"], []
    for step, extent, stride in axes:
        conditions.append(f"{rest} / {step} < {extent}")
        terms.append(f"min({rest} / {step}, {extent - 1}) * {stride}")
        rest = f"({rest} % {step})"
    conditions.append(f"{rest} == 0")
    found = f"max({' + '.join(terms) or '0'}, 0)"

    def split(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        left = np.maximum(a - offset, 0)
        ok, at = a >= offset, np.zeros_like(left)
        for step, extent, stride in axes:
            digit, left = np.divmod(left, step)
            ok &= digit < extent
            at += np.minimum(digit, extent - 1) * stride
        return ok & (left == 0), at.astype(np.int32)

    inside = Body("inside", " && ".join(conditions), lambda a: split(a)[0])
    return inside, Body("place", found, lambda a: split(a)[1])
