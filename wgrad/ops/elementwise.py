"""The elementwise ops: one entry each, from which kernels, gradients and tests follow.

An entry gives the WGSL expression, the NumPy function and the partial derivatives. A partial names
what it needs (`out`, or the inputs `a`, `b`, `c`), and only that is kept for the reverse pass; a
boolean partial selects instead of multiplying; None means that no derivative passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backends.base import Body
from ..dtypes import DType
from .families import Elementwise, register


def elementwise(
    name: str,
    *,
    wgsl: str | Callable[..., str],
    numpy: Callable[..., Any],
    partials: Sequence[Callable | float | None],
    kind: str = "float",
    doc: str,
) -> Elementwise:
    """Declare an elementwise op of as many inputs as it has partials; a number is a constant one.

    `kind` is one of `Elementwise`'s.
    """
    rules = [_constant(p) if isinstance(p, (int, float)) else p for p in partials]
    op = Elementwise(name, Body(name, wgsl, numpy), kind, rules, len(rules), doc)
    register(op)
    return op


def _constant(value: float) -> Callable:
    return lambda: value


def by_kind(number: str, boolean: str = "", floating: str = "") -> Callable[..., str]:
    """Choose a WGSL expression by the dtype of the last operand."""

    def choose(*dtypes: DType) -> str:
        if dtypes[-1].rank == 0 and boolean:
            return boolean
        return floating if floating and dtypes[-1].is_floating else number

    return choose


# Arithmetic.
add = elementwise(
    "add",
    wgsl=by_kind("a + b", boolean="a || b"),
    numpy=np.add,
    partials=(1, 1),
    kind="same",
    doc="a + b; for bools, or.",
)
subtract = elementwise(
    "subtract", wgsl="a - b", numpy=np.subtract, partials=(1, -1), kind="number", doc="a - b."
)
multiply = elementwise(
    "multiply",
    wgsl=by_kind("a * b", boolean="a && b"),
    numpy=np.multiply,
    partials=(lambda b: b, lambda a: a),
    kind="same",
    doc="a * b; for bools, and.",
)
divide = elementwise(
    "divide",
    wgsl="a / b",
    numpy=np.divide,
    partials=(lambda b: 1 / b, lambda out, b: -out / b),
    doc="a / b, a float also for integers; x / 0 is an infinity, 0 / 0 is NaN.",
)
negative = elementwise(
    "negative", wgsl="T(0) - a", numpy=np.negative, partials=(-1,), kind="number", doc="-a."
)
reciprocal = elementwise(
    "reciprocal",
    wgsl="1.0 / a",
    numpy=np.reciprocal,
    partials=(lambda out: -out * out,),
    doc="1/a.",
)
square = elementwise(
    "square",
    wgsl="a * a",
    numpy=np.square,
    partials=(lambda a: 2 * a,),
    kind="number",
    doc="a * a.",
)


def _power_base(a: Any, b: Any) -> Any:
    """d(a**b)/da = b a**(b-1), which is 0 where b is 0, also at a = 0."""
    if isinstance(b, (int, float)):
        return 0 if b == 0 else b * power(a, b - 1)
    flat = logical_and(a == 0, b == 0)  # left alone here, 0 * 0**-1 would be NaN, its slope too
    return where(flat, 0.0, b * power(a, where(flat, 1.0, b - 1)))


def _power_exponent(out: Any, a: Any) -> Any:
    """d(a**b)/db = a**b log a, and 0 where a is 0 (but NaN where a**b is infinite there)."""
    if isinstance(a, (int, float)):
        return out * math.log(a) if a > 0 else (0 if a == 0 else out * math.nan)
    return out * log(where(a == 0, 1.0, a))


power = elementwise(
    "pow",
    wgsl=lambda *dtypes: {"int32": "int_pow(a, b)", "uint32": "uint_pow(a, b)"}.get(
        dtypes[0].name, "real_pow(a, b)"
    ),
    numpy=np.power,
    partials=(_power_base, _power_exponent),
    kind="number",
    doc="a ** b; (-3) ** 2 is 9, 0 ** 0 is 1, a negative base with a fractional exponent is NaN.",
)

# Exponentials and their kin.
exp = elementwise(
    "exp", wgsl="real_exp(a)", numpy=np.exp, partials=(lambda out: out,), doc="e ** a."
)
log = elementwise(
    "log",
    wgsl="real_log(a)",
    numpy=np.log,
    partials=(lambda a: 1 / a,),
    doc="The natural logarithm; log(0) is -inf, of a negative number NaN.",
)
sqrt = elementwise(
    "sqrt",
    wgsl="sqrt(a)",
    numpy=np.sqrt,
    partials=(lambda out: 0.5 / out,),
    doc="The square root; its slope at 0 is infinite.",
)
sin = elementwise(
    "sin", wgsl="real_sin(a)", numpy=np.sin, partials=(lambda a: cos(a),), doc="Sine."
)
cos: Elementwise = elementwise(
    "cos", wgsl="real_cos(a)", numpy=np.cos, partials=(lambda a: -sin(a),), doc="Cosine."
)
tanh = elementwise(
    "tanh",
    wgsl="safe_tanh(a)",
    numpy=np.tanh,
    partials=(lambda out: 1 - out * out,),
    doc="The hyperbolic tangent; never overflows.",
)


def _sigmoid(a: np.ndarray) -> np.ndarray:
    small = np.exp(-np.abs(a))  # in (0, 1]: neither branch can overflow
    return np.where(a >= 0, 1 / (1 + small), small / (1 + small))


sigmoid = elementwise(
    "sigmoid",
    wgsl="safe_sigmoid(a)",
    numpy=_sigmoid,
    partials=(lambda out: out * (1 - out),),
    doc="1 / (1 + e ** -a); never overflows.",
)

# Kinks.
relu = elementwise(
    "relu",
    wgsl="select(a, T(0), a <= T(0))",
    numpy=lambda a: np.maximum(a, 0),
    partials=(lambda out: out > 0,),
    kind="number",
    doc="max(a, 0), with slope 0 at 0; NaN stays NaN.",
)
abs_ = elementwise(
    "abs", wgsl="abs(a)", numpy=np.abs, partials=(lambda a: sign(a),), kind="number", doc="|a|."
)
sign: Elementwise = elementwise(
    "sign",
    # WGSL has no sign() of u32, and a shader that uses it does not compile.
    wgsl=by_kind("T(a > T(0)) - T(a < T(0))", floating="real_sign(a)"),
    numpy=np.sign,
    partials=(0,),
    kind="number",
    doc="-1, 0 or 1 by the sign of a; NaN stays NaN; its slope is 0.",
)


def _winner(better: Any, tied: Any) -> Any:
    """Return the share of the larger (or smaller) of two: all, none, or half of a tie."""
    return where(tied, 0.5, where(better, 1.0, 0.0))


maximum = elementwise(
    "maximum",
    wgsl=by_kind("max(a, b)", boolean="a || b", floating="nan_max(a, b)"),
    numpy=np.maximum,
    partials=(lambda a, b: _winner(a > b, equal(a, b)), lambda a, b: _winner(b > a, equal(a, b))),
    kind="same",
    doc="The larger of a and b; NaN if either is; a tie shares the gradient.",
)
minimum = elementwise(
    "minimum",
    wgsl=by_kind("min(a, b)", boolean="a && b", floating="nan_min(a, b)"),
    numpy=np.minimum,
    partials=(lambda a, b: _winner(a < b, equal(a, b)), lambda a, b: _winner(b < a, equal(a, b))),
    kind="same",
    doc="The smaller of a and b; NaN if either is; a tie shares the gradient.",
)
clamp = elementwise(
    "clamp",
    wgsl=by_kind("min(max(a, b), c)", floating="nan_min(nan_max(a, b), c)"),
    numpy=lambda a, b, c: np.minimum(np.maximum(a, b), c),
    partials=(
        lambda a, b, c: logical_and(greater_equal(a, b), less_equal(a, c)),
        lambda a, b: less(a, b),
        lambda a, c: greater(a, c),
    ),
    kind="number",
    doc="a kept between b and c, bounds included; its slope is 1 at both; NaN stays NaN.",
)

# Choice and comparison.
where = elementwise(
    "where",
    wgsl="select(c, b, a)",
    numpy=np.where,
    partials=(None, lambda a: a, lambda a: logical_not(a)),
    kind="select",
    doc="b where the condition a holds, else c; the other branch gets gradient 0, whatever it is.",
)


def _comparison(
    name: str, symbol: str, numpy: Callable, boolean: str, doc: str, floating: str = ""
) -> Elementwise:
    return elementwise(
        name,
        wgsl=by_kind(f"a {symbol} b", boolean=boolean, floating=floating),
        numpy=numpy,
        partials=(None, None),
        kind="compare",
        doc=doc,
    )


equal: Elementwise = _comparison("equal", "==", np.equal, "a == b", "a == b.")
not_equal = _comparison(
    "not_equal",
    "!=",
    np.not_equal,
    "a != b",
    "a != b; NaN differs from everything.",
    floating="a != b || is_nan(a) || is_nan(b)",  # drivers compile != to "less or greater"
)
less: Elementwise = _comparison("less", "<", np.less, "!a && b", "a < b.")
less_equal: Elementwise = _comparison("less_equal", "<=", np.less_equal, "!a || b", "a <= b.")
greater: Elementwise = _comparison("greater", ">", np.greater, "a && !b", "a > b.")
greater_equal: Elementwise = _comparison(
    "greater_equal", ">=", np.greater_equal, "a || !b", "a >= b."
)


def _logical(name: str, wgsl: str, numpy: Callable, arity: int, doc: str) -> Elementwise:
    return elementwise(
        name, wgsl=wgsl, numpy=numpy, partials=(None,) * arity, kind="logical", doc=doc
    )


logical_and: Elementwise = _logical("logical_and", "a && b", np.logical_and, 2, "Both are true.")
logical_or = _logical("logical_or", "a || b", np.logical_or, 2, "At least one is true.")
logical_xor = _logical("logical_xor", "a != b", np.logical_xor, 2, "Exactly one is true.")
logical_not: Elementwise = _logical("logical_not", "!a", np.logical_not, 1, "a is false.")


def _test(name: str, wgsl: str, integer: str, numpy: Callable, doc: str) -> Elementwise:
    return elementwise(
        name,
        wgsl=by_kind(integer, floating=wgsl),
        numpy=numpy,
        partials=(None,),
        kind="compare",
        doc=doc,
    )


isnan = _test("isnan", "is_nan(a)", "false", np.isnan, "a is not a number.")
isinf = _test("isinf", "is_inf(a)", "false", np.isinf, "a is infinite.")
isfinite = _test(
    "isfinite", "!is_nan(a) && !is_inf(a)", "true", np.isfinite, "a is neither infinite nor NaN."
)
