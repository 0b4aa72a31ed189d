"""Rounding, division with a remainder, and the parts of a float."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import accuracy, intervals
from ..accuracy import Accuracy
from ..families import Elementwise
from .arithmetic import sign
from .declare import by_kind, elementwise


def _rounding(name: str, function: Callable, doc: str, example: str = "") -> Elementwise:
    return elementwise(
        name,
        wgsl=by_kind("a", floating=f"{name}(a)"),
        numpy=lambda a: a if a.dtype.kind in "iu" else function(a),
        partials=(0,),
        kind="number",
        interval=intervals.same,
        ulp=Accuracy(0, points=(0.5, 1, 2.0**23)),
        doc=f"{doc}; integers stay; the slope is 0.",
        example=example,
    )


ceil = _rounding(
    "ceil",
    np.ceil,
    "The nearest integer that is not below a",
    example="""
    >>> wg.ceil(wg.tensor([1.2, -1.7]))
    tensor([ 2., -1.])
    """,
)
floor = _rounding(
    "floor",
    np.floor,
    "The nearest integer that is not above a",
    example="""
    >>> wg.floor(wg.tensor([1.7, -1.2]))
    tensor([ 1., -2.])
    """,
)
round_ = _rounding(
    "round",
    np.rint,
    "The nearest integer, of two equally near the even one",
    example="""
    >>> wg.round(wg.tensor([0.5, 1.5, -1.7]))
    tensor([ 0.,  2., -2.])
    """,
)
trunc = _rounding("trunc", np.trunc, "The nearest integer that is not further from 0")


def _divmod(which: str, part: str) -> Callable[..., str]:
    def choose(*dtypes: Any) -> str:
        integer = {"int32": f"int_{which}(a, b)", "uint32": f"uint_{which}(a, b)"}
        return integer.get(dtypes[0].name, f"float_divmod(a, b).{part}")

    return choose


floor_divide: Elementwise = elementwise(
    "floor_divide",
    wgsl=_divmod("floor_divide", "x"),
    numpy=np.floor_divide,
    partials=(0, 0),
    kind="number",
    interval=intervals.floor_divide,
    ulp=Accuracy(4, more=accuracy.quotients),
    doc="a / b rounded down; integers stay integers, and a // 0 is 0 of them; its slope is 0.",
    example="""
    >>> wg.floor_divide(wg.tensor([7, -7]), 2)  # or x // 2
    tensor([ 3, -4])
    """,
)
remainder = elementwise(
    "remainder",
    wgsl=_divmod("remainder", "y"),
    numpy=np.remainder,
    partials=(1, lambda a, b: -floor_divide(a, b)),
    kind="number",
    interval=intervals.remainder,
    ulp=Accuracy(4, more=accuracy.quotients),
    doc="a - b * floor(a / b), exact and of b's sign; of integers a % 0 is 0, of floats NaN.",
    example="""
    >>> wg.remainder(wg.tensor([7, -7]), 3)  # or x % 3: the sign is that of the divisor
    tensor([1, 2])
    """,
)

copysign: Elementwise = elementwise(
    "copysign",
    wgsl="copy_sign(a, b)",
    numpy=np.copysign,
    partials=(lambda a, b: sign(a) * copysign(sign(a), b), 0),
    ulp=0,
    doc="|a| with the sign of b, also of zeros; its slope is 0 at 0.",
)
nextafter = elementwise(
    "nextafter",
    wgsl="next_after(a, b)",
    numpy=np.nextafter,
    partials=(1, 0),
    ulp=0,
    doc="The float beside a on the side of b, a itself where they are equal.",
)
signbit = elementwise(
    "signbit",
    wgsl=by_kind("a < T(0)", boolean="false", floating="(bitcast<u32>(a) >> 31u) == 1u"),
    numpy=np.signbit,
    partials=(None,),
    kind="compare",
    doc="The sign of a is negative, also of -0.0.",
)
