"""Powers, exponentials, logarithms, trigonometric and hyperbolic functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..families import Elementwise
from .declare import elementwise
from .logic import logical_and, where


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
    wgsl="real_tanh(a)",
    numpy=np.tanh,
    partials=(lambda out: 1 - out * out,),
    doc="The hyperbolic tangent; never overflows.",
)
