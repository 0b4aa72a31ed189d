"""Choice (where), comparison, logic, and tests for NaN and infinities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import intervals
from ..families import Elementwise
from .declare import by_kind, elementwise

where = elementwise(
    "where",
    wgsl="select(c, b, a)",
    numpy=np.where,
    partials=(None, lambda a: a, lambda a: logical_not(a)),
    kind="select",
    interval=intervals.where,
    doc="b where the condition a holds, else c; the other branch gets gradient 0, whatever it is: "
    "NaN too, or an infinite slope.",
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
