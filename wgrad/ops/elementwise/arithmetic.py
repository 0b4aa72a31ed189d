"""Arithmetic: exact ops and those with kinks, on integers and floats alike."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import accuracy, intervals
from ..accuracy import Accuracy
from ..families import Elementwise, with_dtype
from .declare import by_kind, elementwise
from .logic import (
    equal,
    greater,
    greater_equal,
    isfinite,
    less,
    less_equal,
    logical_and,
    logical_or,
    not_equal,
    where,
)

add = elementwise(
    "add",
    wgsl=by_kind("a + b", boolean="a || b"),
    numpy=np.add,
    partials=(1, 1),
    kind="same",
    interval=intervals.add,
    ulp=0.5,
    doc="a + b; for bools, or.",
    example="""
    >>> wg.add(wg.tensor([1.0, 2.0]), 10)  # or wg.tensor([1.0, 2.0]) + 10
    tensor([11., 12.])
    """,
)
subtract = elementwise(
    "subtract",
    wgsl="a - b",
    numpy=np.subtract,
    partials=(1, -1),
    kind="number",
    interval=intervals.subtract,
    ulp=0.5,
    doc="a - b.",
    example="""
    >>> wg.subtract(wg.tensor([5.0, 2.0]), 2)  # or x - 2
    tensor([3., 0.])
    """,
)
multiply = elementwise(
    "multiply",
    wgsl=by_kind("a * b", boolean="a && b"),
    numpy=np.multiply,
    partials=(lambda b: b, lambda a: a),
    kind="same",
    interval=intervals.multiply,
    ulp=0.5,
    doc="a * b; for bools, and.",
    example="""
    >>> wg.multiply(wg.tensor([[1.0], [2.0]]), wg.tensor([3.0, 4.0]))  # shapes broadcast
    tensor([[3., 4.],
            [6., 8.]])
    """,
)


def _of_weight(a: Any, b: Any) -> Any:
    """b, but 0 where the weight is 0 and no product would have been a number."""
    if not isinstance(b, (int, float)):
        return where(logical_or(not_equal(a, 0), isfinite(b)), b, 0.0)
    return b if math.isfinite(b) else with_dtype(where(not_equal(a, 0), b, 0.0), a.dtype)


def _weighted(a: Any, b: Any) -> Any:
    out = a * b
    if isinstance(out, np.ndarray):
        least = np.minimum.reduce(out, axis=None, initial=0)
        if least == least:  # no NaN, the usual case: a look costs less than to choose each
            return out
    return np.where(np.logical_and(a == 0, np.isnan(out)), 0, out)


weighted: Elementwise = elementwise(
    "weighted",
    wgsl="select(a * b, 0.0, a == 0.0)",
    numpy=_weighted,
    partials=(_of_weight, lambda a: a),
    ulp=Accuracy(0.5, zeros=False),
    doc="a * b, and 0 where the weight a is 0, whatever b is: infinite and NaN too. A term that "
    "does not count, and a cotangent of 0, count as nothing.",
)


def _inverse(b: Any) -> Any:
    """1 / b; a number may be 0 here, for which Python has no quotient."""
    return math.copysign(math.inf, b) if isinstance(b, (int, float)) and b == 0 else 1 / b


divide = elementwise(
    "divide",
    wgsl="a / b",
    numpy=np.divide,
    partials=(_inverse, lambda out, b: -out / b),
    ulp=4,
    doc="a / b, a float also for integers; x / 0 is an infinity, 0 / 0 is NaN.",
    example="""
    >>> wg.divide(wg.tensor([1, 3]), 2)  # integers give floats; // keeps them
    tensor([0.5, 1.5])
    """,
)
value_of = elementwise(
    "value_of",
    wgsl="a",
    numpy=lambda a, b: np.positive(a),
    partials=(None, 1),
    ulp=0,
    doc="a, with the derivatives of b.",
)
negative = elementwise(
    "negative",
    wgsl=by_kind("T(0) - a", floating="-a"),  # of u32 there is no -a; of a zero, 0 - a has no sign
    numpy=np.negative,
    partials=(-1,),
    kind="number",
    interval=intervals.negative,
    ulp=0,
    doc="-a.",
    example="""
    >>> wg.negative(wg.tensor([1.0, -2.0]))
    tensor([-1.,  2.])
    """,
)
positive = elementwise(
    "positive",
    wgsl="a",
    numpy=np.positive,
    partials=(1,),
    kind="number",
    interval=intervals.same,
    ulp=0,
    doc="a.",
)
reciprocal = elementwise(
    "reciprocal",
    wgsl="1.0 / a",
    numpy=np.reciprocal,
    partials=(lambda out: -out * out,),
    ulp=4,
    doc="1/a.",
    example="""
    >>> wg.reciprocal(wg.tensor([2.0, -4.0]))
    tensor([ 0.5 , -0.25])
    """,
)
square = elementwise(
    "square",
    wgsl="a * a",
    numpy=np.square,
    partials=(lambda a: 2 * a,),
    kind="number",
    interval=intervals.square,
    ulp=4,
    doc="a * a.",
    example="""
    >>> wg.square(wg.tensor([-3.0, 0.5]))
    tensor([9.  , 0.25])
    """,
)

# Kinks.
abs_ = elementwise(
    "abs",
    wgsl="abs(a)",
    numpy=np.abs,
    partials=(lambda a: sign(a),),
    kind="number",
    interval=intervals.absolute,
    ulp=0,
    doc="|a|.",
    example="""
    >>> wg.abs(wg.tensor([-1.5, 0.0, 2.0]))
    tensor([1.5, 0. , 2. ])
    """,
)
sign: Elementwise = elementwise(
    "sign",
    # WGSL has no sign() of u32, and a shader that uses it does not compile.
    wgsl=by_kind("T(a > T(0)) - T(a < T(0))", floating="real_sign(a)"),
    numpy=np.sign,
    partials=(0,),
    kind="number",
    interval=intervals.sign,
    ulp=0,
    doc="-1, 0 or 1 by the sign of a; NaN stays NaN; its slope is 0.",
    example="""
    >>> wg.sign(wg.tensor([-3.0, 0.0, 2.0]))
    tensor([-1.,  0.,  1.])
    """,
)


def _winner(better: Any, a: Any, b: Any) -> Any:
    """Return the share of the larger (or smaller) of two: all, none, or half of a tie."""
    share = where(equal(a, b), 0.5, where(better, 1.0, 0.0))
    return with_dtype(share, (b if isinstance(a, (int, float)) else a).dtype)


maximum = elementwise(
    "maximum",
    wgsl=by_kind("max(a, b)", boolean="a || b", floating="nan_max(a, b)"),
    numpy=np.maximum,
    partials=(lambda a, b: _winner(a > b, a, b), lambda a, b: _winner(b > a, a, b)),
    kind="same",
    interval=intervals.maximum,
    ulp=Accuracy(0, zeros=False),
    doc="The larger of a and b; NaN if either is; a tie shares the gradient.",
    example="""
    >>> wg.maximum(wg.tensor([1.0, 5.0]), wg.tensor([3.0, 2.0]))
    tensor([3., 5.])
    """,
)
minimum = elementwise(
    "minimum",
    wgsl=by_kind("min(a, b)", boolean="a && b", floating="nan_min(a, b)"),
    numpy=np.minimum,
    partials=(lambda a, b: _winner(a < b, a, b), lambda a, b: _winner(b < a, a, b)),
    kind="same",
    interval=intervals.minimum,
    ulp=Accuracy(0, zeros=False),
    doc="The smaller of a and b; NaN if either is; a tie shares the gradient.",
    example="""
    >>> wg.minimum(wg.tensor([1.0, 5.0]), wg.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """,
)
clamp = elementwise(
    "clamp",
    wgsl=by_kind("min(max(a, b), c)", floating="nan_min(nan_max(a, b), c)"),
    numpy=lambda a, b, c: np.minimum(np.maximum(a, b), c),
    partials=(
        lambda a, b, c: logical_and(greater_equal(a, b), less_equal(a, c)),
        lambda a, b, c: logical_and(less(a, b), less_equal(b, c)),
        lambda a, b, c: logical_or(greater(a, c), greater(b, c)),
    ),
    kind="number",
    arguments=("x", "min", "max"),
    interval=intervals.clamp,
    ulp=Accuracy(0, zeros=False),
    doc="a kept between b and c, bounds included; its slope is 1 at both; c where b is greater "
    "than c; NaN stays NaN.",
)


def _lerp(a: Any, b: Any, c: Any) -> Any:
    large = np.maximum(np.abs(a), np.abs(b))
    scale = np.where(large > np.finfo(large.dtype).max / 2**28, large.dtype.type(0.25), 1)
    start, end = a * scale, b * scale  # whose difference does not overflow
    step = end - start
    upper = np.logical_and(c >= 0.5, c <= 2)  # where 1 - c is exact
    value = np.where(upper, end - (1 - c) * step, start + c * step) / scale
    exact = np.where(c == 0, a, np.where(c == 1, b, value))
    return np.where(np.isnan(value), value, exact)


lerp = elementwise(
    "lerp",
    wgsl="real_lerp(a, b, c)",
    numpy=_lerp,
    partials=(lambda c: 1 - c, lambda c: c, lambda a, b: b - a),
    arguments=("start", "end", "weight"),
    ulp=Accuracy(4, points=(0.5, 1), more=accuracy.weights, terms=2),
    doc="a + c * (b - a): exactly a where the weight c is 0, b where it is 1.",
    example="""
    >>> wg.lerp(wg.tensor([0.0, 10.0]), wg.tensor([1.0, 20.0]), 0.25)
    tensor([ 0.25, 12.5 ])
    """,
)
