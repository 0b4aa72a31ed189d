"""Hyperbolic functions and their inverses."""

from __future__ import annotations

import numpy as np

from ..accuracy import Accuracy
from ..families import Elementwise
from .declare import elementwise
from .transcendental import sqrt
from .trigonometric import hypot

sinh = elementwise(
    "sinh",
    wgsl="real_sinh(a)",
    numpy=np.sinh,
    partials=(lambda a: cosh(a),),
    ulp=Accuracy(4, points=(1, 89.415986)),
    doc="The hyperbolic sine.",
)
cosh: Elementwise = elementwise(
    "cosh",
    wgsl="real_cosh(a)",
    numpy=np.cosh,
    partials=(lambda a: sinh(a),),
    ulp=Accuracy(4, points=(1, 89.415986)),
    doc="The hyperbolic cosine.",
)
# 1 - tanh(a) ** 2 and sigmoid(a) * (1 - sigmoid(a)) have no digits left where the functions are
# near 1: both are this bell, of 2 * a and of a.


def _sigmoid_slope(a: np.ndarray) -> np.ndarray:
    small = np.exp(-np.abs(a))
    more = 1 + small
    return small / (more * more)


sigmoid_slope: Elementwise = elementwise(
    "sigmoid_slope",
    wgsl="sigmoid_slope(a)",
    numpy=_sigmoid_slope,
    partials=(lambda out, a: -out * tanh(0.5 * a),),
    ulp=6,
    doc="The derivative of sigmoid, with all its digits.",
)
tanh: Elementwise = elementwise(
    "tanh",
    wgsl="real_tanh(a)",
    numpy=np.tanh,
    partials=(lambda a: 4 * sigmoid_slope(2 * a),),
    ulp=Accuracy(4, points=(0.625, 9, 10)),
    doc="The hyperbolic tangent; never overflows.",
    example="""
    >>> wg.tanh(wg.tensor([-100.0, 0.0, 100.0]))
    tensor([-1.,  0.,  1.])
    """,
)
asinh = elementwise(
    "asinh",
    wgsl="real_asinh(a)",
    numpy=np.arcsinh,
    partials=(lambda a: 1 / hypot(a, 1.0),),
    ulp=Accuracy(4, points=(1e-4, 2.0**28, 1)),
    doc="The number whose hyperbolic sine is a.",
)
acosh = elementwise(
    "acosh",
    wgsl="real_acosh(a)",
    numpy=np.arccosh,
    partials=(lambda a: 1 / (sqrt(a - 1) * sqrt(a + 1)),),
    ulp=Accuracy(4, points=(1, 2.0**28)),
    doc="The positive number whose hyperbolic cosine is a; its slope at 1 is infinite.",
)
atanh = elementwise(
    "atanh",
    wgsl="real_atanh(a)",
    numpy=np.arctanh,
    partials=(lambda a: 1 / ((1 - a) * (1 + a)),),
    ulp=Accuracy(4, points=(1, 1e-4, 0.2)),
    doc="The number whose hyperbolic tangent is a; infinite at -1 and 1.",
)
