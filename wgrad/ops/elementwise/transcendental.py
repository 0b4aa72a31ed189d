"""Powers, exponentials, logarithms and the error function."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core import apply
from ..families import REGISTRY
from .declare import elementwise
from .logic import equal, isinf, logical_and, where


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

exp = elementwise(
    "exp", wgsl="real_exp(a)", numpy=np.exp, partials=(lambda out: out,), doc="e ** a."
)
exp2 = elementwise(
    "exp2",
    wgsl="real_exp2(a)",
    numpy=np.exp2,
    partials=(lambda out: math.log(2) * out,),
    doc="2 ** a, exact for integers.",
)
expm1 = elementwise(
    "expm1",
    wgsl="real_expm1(a)",
    numpy=np.expm1,
    partials=(lambda a: exp(a),),
    doc="e ** a - 1, which keeps its digits where a is near 0.",
)
log = elementwise(
    "log",
    wgsl="real_log(a)",
    numpy=np.log,
    partials=(lambda a: 1 / a,),
    doc="The natural logarithm; log(0) is -inf, of a negative number NaN.",
)
log1p = elementwise(
    "log1p",
    wgsl="real_log1p(a)",
    numpy=np.log1p,
    partials=(lambda a: 1 / (1 + a),),
    doc="log(1 + a), which keeps its digits where a is near 0.",
)
log2 = elementwise(
    "log2",
    wgsl="real_log2(a)",
    numpy=np.log2,
    partials=(lambda a: (1 / math.log(2)) / a,),
    doc="The logarithm to base 2, exact for powers of 2.",
)
log10 = elementwise(
    "log10",
    wgsl="real_log10(a)",
    numpy=np.log10,
    partials=(lambda a: (1 / math.log(10)) / a,),
    doc="The logarithm to base 10.",
)


def _share(a: Any, b: Any) -> Any:
    """e**a / (e**a + e**b), a half where both are the same infinity."""
    level = logical_and(equal(a, b), isinf(a))
    return apply(REGISTRY["sigmoid"], where(level, 0.0, a - b))  # which is declared after this


logaddexp = elementwise(
    "logaddexp",
    wgsl="real_logaddexp(a, b)",
    numpy=np.logaddexp,
    partials=(_share, lambda a, b: _share(b, a)),
    doc="log(e ** a + e ** b); never overflows.",
)
sqrt = elementwise(
    "sqrt",
    wgsl="sqrt(a)",
    numpy=np.sqrt,
    partials=(lambda out: 0.5 / out,),
    doc="The square root; its slope at 0 is infinite.",
)

# erf(x) / x over [0, 1] as a polynomial in x ** 2, to 8e-18.
_INNER = (
    -7.795898827002142e-10, 1.3720064546777686e-08, -1.6208483801871705e-07,
    1.6447424703317362e-06, -1.492473690741966e-05, 0.00012055294904839707,
    -0.0008548325975389692, 0.0052239776071164225, -0.02686617064323777,
    0.11283791670945006, -0.37612638903183543, 1.1283791670955126,
)  # fmt: skip
# e ** (x ** 2) (1 - erf(x)) over [1, 6] as a polynomial in (x - 1) / (x + 2), to 9e-17.
_OUTER = (
    0.00021983784535390308, -0.0006928182831925435, 0.0005572296304763596,
    -0.00019913189595461444, 0.000974575207140916, 0.0001600914430602885,
    -0.0025206326862176527, -0.004432878050742287, 0.00642589093763548,
    0.027560934959461283, -0.025632375308066672, -0.18007610117776723,
    0.5697080079975657, -0.8196360443517126, 0.42758357615580705,
)  # fmt: skip


def _polynomial(coefficients: Sequence[float], x: Any) -> Any:
    total: Any = coefficients[0]
    for c in coefficients[1:]:
        total = total * x + c
    return total


def _erf(a: Any) -> Any:
    x = a.astype(np.float64)
    near = np.minimum(np.abs(x), 1)
    far = np.minimum(np.maximum(np.abs(x), 1), 6)  # from where on it is 1
    tail = np.exp(-far * far) * _polynomial(_OUTER, (far - 1) / (far + 2))
    inner = x * _polynomial(_INNER, near * near)
    return np.where(np.abs(x) > 1, np.copysign(1 - tail, x), inner).astype(a.dtype)


erf = elementwise(
    "erf",
    wgsl="real_erf(a)",
    numpy=_erf,
    partials=(lambda a: (2 / math.sqrt(math.pi)) * exp(-(a * a)),),
    doc="The error function: the share of a normal distribution within a * sqrt(2) of its mean.",
)
