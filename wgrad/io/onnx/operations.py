"""What each operation of wgrad is in ONNX. An operation without a row here cannot be exported.

A row gets the graph and the step, adds operators, and returns the name of the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import dtypes
from ...dtypes import DType
from .building import Graph, Step
from .recording import Ref

Row = Callable[[Graph, Step], str]


def operands(g: Graph, step: Step) -> list[str]:
    """Return the names of an elementwise step's inputs: not broadcast, and numbers as constants."""
    kinds: Any = step.called.op
    given = [g.value(x) if isinstance(x, Ref) else x for x in step.inputs]
    ins, _ = kinds.resolve([x.array if hasattr(x, "array") else x for x in given])
    chosen = g.broadcast(step.inputs, g.shapes(step.out))
    names = []
    for i, (x, dtype) in enumerate(zip(chosen, ins, strict=True)):
        names.append(g.of(x) if isinstance(x, Ref) else _number(g, step, i, dtype))
    return names


def _number(g: Graph, step: Step, at: int, dtype: DType) -> str:
    """Return a number that was an input, which may be a size."""
    seen = [c.inputs[at] for c in step.every]
    if all(x == seen[0] or x != x for x in seen):
        return g.number(seen[0], dtype)
    size = g.size([int(x) for x in seen]) if all(x == int(x) for x in seen) else None
    if size is None or isinstance(size, int):
        return g.refuse("a number follows from the sizes of the inputs in no simple way")
    return g.cast(g.node("Squeeze", g.computed(size)), dtype)


def same(op: str, boolean: str | None = None, **attributes: Any) -> Row:
    """The operator `op` of all inputs, or `boolean` where they are bools."""

    def row(g: Graph, step: Step) -> str:
        names = operands(g, step)
        bools = boolean and g.value(step.out).dtype is dtypes.bool_
        return g.node(boolean if bools else op, *names, **attributes)  # type: ignore[arg-type]

    return row


def formula(function: Callable[..., str]) -> Row:
    """What `function` makes of the graph and the names of all inputs, and one that makes constants.

    function(node, number, *names): `number` is a Python number in the dtype of the result.
    """

    def row(g: Graph, step: Step) -> str:
        dtype = g.value(step.out).dtype
        return function(g.node, lambda value: g.number(value, dtype), *operands(g, step))

    return row


def _leaky_relu(g: Graph, step: Step) -> str:
    x, slope = operands(g, step)
    if isinstance(step.inputs[1], Ref):
        return g.node("PRelu", x, slope)
    return g.node("LeakyRelu", x, alpha=float(step.inputs[1]))


def _elu(g: Graph, step: Step) -> str:
    a, b, c, d = operands(g, step)
    factors = step.inputs[1:]
    if factors[1:] == (1.0, 1.0) and not isinstance(factors[0], Ref):
        return g.node("Elu", a, alpha=float(factors[0]))
    zero = g.number(0.0, g.value(step.out).dtype)
    below = g.node("Min", a, zero)  # exp of what is not used stays finite
    grown = g.node(
        "Sub", g.node("Exp", g.node("Mul", below, d)), g.number(1.0, g.value(step.out).dtype)
    )
    negative = g.node("Mul", g.node("Mul", b, c), grown)
    return g.node("Where", g.node("Greater", a, zero), g.node("Mul", a, c), negative)


def _softplus(g: Graph, step: Step) -> str:
    a, b, c = operands(g, step)
    if step.inputs[1:] == (1.0, 20.0):
        return g.node("Softplus", a)
    scaled = g.node("Mul", a, b)
    soft = g.node("Div", g.node("Softplus", scaled), b)
    return g.node("Where", g.node("Greater", scaled, c), a, soft)


def _gelu(g: Graph, step: Step) -> str:
    (x,) = operands(g, step)
    tanh = step.name == "gelu_tanh"
    if g.opset >= 20:
        return g.node("Gelu", x, approximate="tanh" if tanh else "none")
    dtype = g.value(step.out).dtype

    def number(value: float) -> str:
        return g.number(value, dtype)

    if tanh:
        cubic = g.node("Mul", g.node("Mul", g.node("Mul", x, x), x), number(0.044715))
        inner = g.node("Mul", g.node("Add", x, cubic), number(math.sqrt(2 / math.pi)))
        share = g.node("Tanh", inner)
    else:
        share = g.node("Erf", g.node("Mul", x, number(math.sqrt(0.5))))
    half = g.node("Mul", x, number(0.5))
    return g.node("Mul", half, g.node("Add", share, number(1.0)))


def _clip(g: Graph, step: Step) -> str:
    x, low, high = operands(g, step)
    if isinstance(step.inputs[1], Ref) or isinstance(step.inputs[2], Ref):
        return g.node("Min", g.node("Max", x, low), high)
    return g.node("Clip", x, low, high)


def _base(base: float) -> Row:
    factor = 1 / math.log(base)
    return formula(lambda node, number, x: node("Mul", node("Log", x), number(factor)))


# Where elements go.
def _reshape(g: Graph, step: Step) -> str:
    shapes = g.shapes(step.out)
    return g.node("Reshape", g.of(step.inputs[0]), g.shape(shapes, free=True))


def _broadcast_to(g: Graph, step: Step) -> str:
    source = step.inputs[0]
    g.sources[step.out] = source
    shapes = g.shapes(step.out)
    here = g.here

    def make() -> str:
        before, g.here = g.here, here
        try:
            return g.node("Expand", g.of(source), g.shape(shapes))
        finally:
            g.here = before

    g.later[step.out] = make
    return ""


def _slice(g: Graph, step: Step) -> str:
    """Cut along every axis of which not all is taken."""
    starts, sizes, steps = (step.across(p) for p in ("starts", "sizes", "steps"))
    whole = g.shapes(step.inputs[0])
    ways = list(zip(starts, sizes, whole, steps, strict=True))
    rows = [
        i
        for i in range(len(starts[0]))
        if any(s[i] or n[i] != w[i] or t[i] != 1 for s, n, w, t in ways)
    ]
    ends = []
    for s, n, w, t in ways:
        stops = [s[i] + (n[i] - 1) * t[i] + (1 if t[i] > 0 else -1) if n[i] else s[i] for i in rows]
        # -1 would count from the end; and an end at the end may stay there.
        ends.append([-(2**31) if e < 0 else e for e in stops])
        ends[-1] = [
            2**31 - 1 if t[i] > 0 and e >= w[i] else e for i, e in zip(rows, ends[-1], strict=True)
        ]
    from_there = [[s[i] for i in rows] for s in starts]
    return g.node(
        "Slice",
        g.of(step.inputs[0]),
        g.shape(from_there),
        g.shape(ends),
        g.integers(*rows),
        g.integers(*[steps[0][i] for i in rows]),
    )


def _embed(g: Graph, step: Step) -> str:
    if any(n != 1 for n in step.params["steps"]):
        return g.refuse("elements are placed apart from one another")
    before = step.across("starts")
    inner, outer = g.shapes(step.inputs[0]), g.shapes(step.out)
    pads = [
        (*b, *(o - i - s for o, i, s in zip(os, ns, b, strict=True)))
        for b, ns, os in zip(before, inner, outer, strict=True)
    ]
    value = g.number(step.params["value"], g.value(step.out).dtype)
    return g.node("Pad", g.of(step.inputs[0]), g.shape(pads), value)


def _astype(g: Graph, step: Step) -> str:
    return g.cast(g.of(step.inputs[0]), step.params["dtype"])


def _same(g: Graph, step: Step) -> str:
    return g.of(step.inputs[0])


def _permute(g: Graph, step: Step) -> str:
    return g.node("Transpose", g.of(step.inputs[0]), perm=list(step.params["axes"]))


def _concat(g: Graph, step: Step) -> str:
    return g.node("Concat", *map(g.of, step.inputs), axis=step.params["axis"])


def _gather(g: Graph, step: Step) -> str:
    x, index = map(g.of, step.inputs)
    return g.node("GatherElements", x, index, axis=step.params["axis"])


def _cumulative_sum(g: Graph, step: Step) -> str:
    axis = g.constant(np.int64(step.params["axis"]))
    return g.node("CumSum", g.of(step.inputs[0]), axis, reverse=int(step.params["back"]))


# What adds up.
def _reduced(op: str, boolean: bool = False) -> Row:
    def row(g: Graph, step: Step) -> str:
        x, axes = g.of(step.inputs[0]), step.params["axes"]
        x = g.cast(x, dtypes.int32) if boolean else x
        kept = int(step.params["keepdims"])
        # No axes would mean all of them.
        out = g.node(op, x, g.integers(*axes), keepdims=kept) if axes else g.node("Identity", x)
        return g.cast(out, dtypes.bool_) if boolean else out

    return row


def _matmul(g: Graph, step: Step) -> str:
    a, b = g.broadcast(step.inputs, g.shapes(step.out), kept=2)
    return g.node("MatMul", g.of(a), g.of(b))


def _matmul_transposed(g: Graph, step: Step) -> str:
    a, b = step.inputs
    axes = list(range(len(g.value(b).shape)))
    axes[-2:] = axes[:-3:-1]
    return g.node("MatMul", g.of(a), g.node("Transpose", g.of(b), perm=axes))


def pads_of(geometry: Any) -> list[int]:
    """Return what is added before and after each axis; after as much as before where that does."""
    before, after = list(geometry.padding), []
    ways = zip(
        geometry.image,
        geometry.counts,
        geometry.stride,
        geometry.reach,
        geometry.padding,
        strict=True,
    )
    for n, count, stride, reach, pad in ways:
        least = max(0, (count - 1) * stride + reach + 1 - n - pad)
        alike = (n + 2 * pad - reach - 1) // stride + 1 == count
        after.append(pad if alike else least)
    return before + after


def _convolution(g: Graph, step: Step) -> str:
    geometry = step.params["geometry"]
    every = [pads_of(x) for x in step.across("geometry")]
    if any(x != every[0] for x in every):
        return g.refuse("padding depends on a size")
    x, weight = map(g.of, step.inputs)
    return g.node("Conv", x, weight, pads=every[0], **windows(geometry))


def windows(geometry: Any) -> dict[str, Any]:
    """Return the attributes that say how windows of a convolution lie."""
    return {
        "strides": list(geometry.stride),
        "dilations": list(geometry.dilation),
        "group": geometry.groups,
        "kernel_shape": list(geometry.kernel),
    }


def _to_image(g: Graph, step: Step) -> str:
    geometry = step.params["geometry"]
    more = [
        n - ((c - 1) * s - 2 * p + r + 1)
        for n, c, s, p, r in zip(
            geometry.image,
            geometry.counts,
            geometry.stride,
            geometry.padding,
            geometry.reach,
            strict=True,
        )
    ]
    x, weight = map(g.of, step.inputs)
    pads = [*geometry.padding, *geometry.padding]
    if any(n < 0 for n in more):
        return g.refuse("a transposed convolution is cut off at its end")
    return g.node("ConvTranspose", x, weight, pads=pads, output_padding=more, **windows(geometry))


ROWS: dict[str, Row] = {
    "add": same("Add", "Or"),
    "subtract": same("Sub"),
    "multiply": same("Mul", "And"),
    "divide": same("Div"),
    "pow": same("Pow"),
    "negative": same("Neg"),
    "positive": same("Identity"),
    "value_of": same("Identity"),
    "reciprocal": same("Reciprocal"),
    "square": formula(lambda node, number, x: node("Mul", x, x)),
    "abs": same("Abs"),
    "sign": same("Sign"),
    "sqrt": same("Sqrt"),
    "exp": same("Exp"),
    "exp2": formula(lambda node, number, x: node("Pow", number(2.0), x)),
    "expm1": formula(lambda node, number, x: node("Sub", node("Exp", x), number(1.0))),
    "log": same("Log"),
    "log1p": formula(lambda node, number, x: node("Log", node("Add", x, number(1.0)))),
    "log2": _base(2),
    "log10": _base(10),
    **{f: same(f.capitalize()) for f in ("sin", "cos", "tan", "asin", "acos", "atan")},
    **{f: same(f.capitalize()) for f in ("sinh", "cosh", "asinh", "acosh", "atanh", "tanh")},
    **{f: same(f.capitalize()) for f in ("erf", "floor", "ceil", "round", "sigmoid", "relu")},
    "trunc": formula(
        lambda node, number, x: node("Mul", node("Sign", x), node("Floor", node("Abs", x)))
    ),
    "floor_divide": formula(lambda node, number, x, y: node("Floor", node("Div", x, y))),
    "hypot": formula(
        lambda node, number, x, y: node("Sqrt", node("Add", node("Mul", x, x), node("Mul", y, y)))
    ),
    "maximum": same("Max", "Or"),
    "minimum": same("Min", "And"),
    "clamp": _clip,
    "hardtanh": _clip,
    "lerp": formula(
        lambda node, number, x, y, t: node("Add", x, node("Mul", t, node("Sub", y, x)))
    ),
    "equal": same("Equal"),
    "not_equal": formula(lambda node, number, x, y: node("Not", node("Equal", x, y))),
    "less": same("Less"),
    "less_equal": same("LessOrEqual"),
    "greater": same("Greater"),
    "greater_equal": same("GreaterOrEqual"),
    "logical_and": same("And"),
    "logical_or": same("Or"),
    "logical_xor": same("Xor"),
    "logical_not": same("Not"),
    "bitwise_and": same("BitwiseAnd", "And"),
    "bitwise_or": same("BitwiseOr", "Or"),
    "bitwise_xor": same("BitwiseXor", "Xor"),
    "bitwise_invert": same("BitwiseNot", "Not"),
    "isnan": same("IsNaN"),
    "isinf": same("IsInf"),
    "isfinite": formula(
        lambda node, number, x: node("Not", node("Or", node("IsInf", x), node("IsNaN", x)))
    ),
    "where": same("Where"),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "softplus": _softplus,
    "gelu": _gelu,
    "gelu_tanh": _gelu,
    "silu": formula(lambda node, number, x: node("Mul", x, node("Sigmoid", x))),
    "mish": same("Mish"),
    "hardswish": same("HardSwish"),
    "hardsigmoid": same("HardSigmoid", alpha=1 / 6, beta=0.5),
    "logsigmoid": formula(lambda node, number, x: node("Neg", node("Softplus", node("Neg", x)))),
    "gated": formula(lambda node, number, x, y: node("Mul", x, node("Sigmoid", y))),
    "sum": _reduced("ReduceSum"),
    "prod": _reduced("ReduceProd"),
    "max": _reduced("ReduceMax"),
    "min": _reduced("ReduceMin"),
    "any": _reduced("ReduceMax", boolean=True),
    "all": _reduced("ReduceMin", boolean=True),
    "matmul": _matmul,
    "matmul_transposed": _matmul_transposed,
    "convolution": _convolution,
    "convolution_to_image": _to_image,
    "reshape": _reshape,
    "broadcast_to": _broadcast_to,
    "permute_dims": _permute,
    "slice": _slice,
    "embed": _embed,
    "concat": _concat,
    "copy": _same,
    "alias": _same,
    "astype": _astype,
    "gather": _gather,
    "cumulative_sum": _cumulative_sum,
}
