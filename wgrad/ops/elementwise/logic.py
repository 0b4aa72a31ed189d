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
    example="""
    >>> x = wg.tensor([4.0, 0.0], requires_grad=True)
    >>> wg.where(x > 0, wg.sqrt(x), 0.0).sum().backward()
    >>> x.grad  # the root's infinite slope at 0 stays outside
    tensor([0.25, 0.  ])
    """,
)


def _comparison(
    name: str,
    symbol: str,
    numpy: Callable,
    boolean: str,
    doc: str,
    example: str = "",
    floating: str = "",
) -> Elementwise:
    return elementwise(
        name,
        wgsl=by_kind(f"a {symbol} b", boolean=boolean, floating=floating),
        numpy=numpy,
        partials=(None, None),
        kind="compare",
        doc=doc,
        example=example,
    )


equal: Elementwise = _comparison(
    "equal",
    "==",
    np.equal,
    "a == b",
    "a == b.",
    example="""
    >>> wg.equal(wg.tensor([1, 2]), wg.tensor([1, 3]))  # or x == y
    tensor([ True, False])
    """,
)
not_equal = _comparison(
    "not_equal",
    "!=",
    np.not_equal,
    "a != b",
    "a != b; NaN differs from everything.",
    floating="a != b || is_nan(a) || is_nan(b)",  # drivers compile != to "less or greater"
    example="""
    >>> wg.not_equal(wg.tensor([1.0, wg.nan]), wg.tensor([1.0, wg.nan]))  # or x != y
    tensor([False,  True])
    """,
)
less: Elementwise = _comparison(
    "less",
    "<",
    np.less,
    "!a && b",
    "a < b.",
    example="""
    >>> wg.less(wg.tensor([1, 2, 3]), 2)  # or x < 2
    tensor([ True, False, False])
    """,
)
less_equal: Elementwise = _comparison(
    "less_equal",
    "<=",
    np.less_equal,
    "!a || b",
    "a <= b.",
    example="""
    >>> wg.less_equal(wg.tensor([1, 2, 3]), 2)  # or x <= 2
    tensor([ True,  True, False])
    """,
)
greater: Elementwise = _comparison(
    "greater",
    ">",
    np.greater,
    "a && !b",
    "a > b.",
    example="""
    >>> x = wg.tensor([0.2, 0.7])
    >>> wg.greater(x, 0.5)  # or x > 0.5
    tensor([False,  True])
    """,
)
greater_equal: Elementwise = _comparison(
    "greater_equal",
    ">=",
    np.greater_equal,
    "a || !b",
    "a >= b.",
    example="""
    >>> wg.greater_equal(wg.tensor([1, 2, 3]), 2)  # or x >= 2
    tensor([False,  True,  True])
    """,
)


def _logical(
    name: str, wgsl: str, numpy: Callable, arity: int, doc: str, example: str = ""
) -> Elementwise:
    return elementwise(
        name,
        wgsl=wgsl,
        numpy=numpy,
        partials=(None,) * arity,
        kind="logical",
        doc=doc,
        example=example,
    )


logical_and: Elementwise = _logical(
    "logical_and",
    "a && b",
    np.logical_and,
    2,
    "Both are true.",
    example="""
    >>> x = wg.tensor([-1.0, 0.5, 2.0])
    >>> wg.logical_and(x > 0, x < 1)  # or (x > 0) & (x < 1)
    tensor([False,  True, False])
    """,
)
logical_or = _logical(
    "logical_or",
    "a || b",
    np.logical_or,
    2,
    "At least one is true.",
    example="""
    >>> x = wg.tensor([-1.0, 0.5, 2.0])
    >>> wg.logical_or(x < 0, x > 1)  # or (x < 0) | (x > 1)
    tensor([ True, False,  True])
    """,
)
logical_xor = _logical("logical_xor", "a != b", np.logical_xor, 2, "Exactly one is true.")
logical_not: Elementwise = _logical(
    "logical_not",
    "!a",
    np.logical_not,
    1,
    "a is false.",
    example="""
    >>> wg.logical_not(wg.tensor([True, False]))
    tensor([False,  True])
    """,
)


def _test(
    name: str, wgsl: str, integer: str, numpy: Callable, doc: str, example: str = ""
) -> Elementwise:
    return elementwise(
        name,
        wgsl=by_kind(integer, floating=wgsl),
        numpy=numpy,
        partials=(None,),
        kind="compare",
        doc=doc,
        example=example,
    )


isnan = _test(
    "isnan",
    "is_nan(a)",
    "false",
    np.isnan,
    "a is not a number.",
    example="""
    >>> wg.isnan(wg.tensor([0.0, wg.nan, wg.inf]))
    tensor([False,  True, False])
    """,
)
isinf = _test("isinf", "is_inf(a)", "false", np.isinf, "a is infinite.")
isfinite = _test(
    "isfinite",
    "!is_nan(a) && !is_inf(a)",
    "true",
    np.isfinite,
    "a is neither infinite nor NaN.",
    example="""
    >>> wg.isfinite(wg.tensor([0.0, wg.nan, wg.inf]))
    tensor([ True, False, False])
    """,
)
