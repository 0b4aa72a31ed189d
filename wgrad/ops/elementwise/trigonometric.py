"""Trigonometric functions, their inverses, and the length of a vector of two."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import accuracy
from ..accuracy import Accuracy
from ..families import Elementwise
from .arithmetic import square
from .declare import elementwise
from .logic import equal, where
from .transcendental import sqrt

_TURNING = Accuracy(4, within=(-30000, 30000), more=accuracy.turns)
sin = elementwise(
    "sin",
    wgsl="real_sin(a)",
    numpy=np.sin,
    partials=(lambda a: cos(a),),
    ulp=_TURNING,
    doc="Sine.",
    example="""
    >>> x = wg.tensor([0.0, 1.0])
    >>> wg.allclose(wg.sin(x) ** 2 + wg.cos(x) ** 2, wg.ones(2))
    True
    """,
)
cos: Elementwise = elementwise(
    "cos",
    wgsl="real_cos(a)",
    numpy=np.cos,
    partials=(lambda a: -sin(a),),
    ulp=_TURNING,
    doc="Cosine.",
    example="""
    >>> wg.round(wg.cos(wg.tensor([0.0, wg.pi])))
    tensor([ 1., -1.])
    """,
)
tan = elementwise(
    "tan",
    wgsl="real_tan(a)",
    numpy=np.tan,
    partials=(lambda out: 1 + out * out,),
    ulp=_TURNING,
    doc="Tangent.",
)
asin = elementwise(
    "asin",
    wgsl="real_asin(a)",
    numpy=np.arcsin,
    partials=(lambda a: 1 / sqrt((1 - a) * (1 + a)),),
    ulp=Accuracy(4, points=(0.5, 1, 1e-4)),
    doc="The angle from -pi/2 to pi/2 whose sine is a; its slope at -1 and 1 is infinite.",
)
acos = elementwise(
    "acos",
    wgsl="real_acos(a)",
    numpy=np.arccos,
    partials=(lambda a: -1 / sqrt((1 - a) * (1 + a)),),
    ulp=Accuracy(4, points=(0.5, 1, 1e-4)),
    doc="The angle from 0 to pi whose cosine is a; its slope at -1 and 1 is infinite.",
)
atan = elementwise(
    "atan",
    wgsl="real_atan(a)",
    numpy=np.arctan,
    partials=(lambda a: 1 / (1 + square(a)),),
    ulp=Accuracy(4, points=(0.5, 1, 1e-4)),
    doc="The angle from -pi/2 to pi/2 whose tangent is a.",
)


def _nonzero(length: Any) -> Any:
    return where(equal(length, 0), 1.0, length)


def _per_square(component: Any, a: Any, b: Any) -> Any:
    """component / (a**2 + b**2), whose squares may overflow; 0 at the origin."""
    length = _nonzero(hypot(a, b))
    return component / length / length


hypot: Elementwise = elementwise(
    "hypot",
    wgsl="real_hypot(a, b)",
    numpy=np.hypot,
    partials=(lambda out, a: a / _nonzero(out), lambda out, b: b / _nonzero(out)),
    ulp=Accuracy(4, points=(1e18, 1e-18)),
    doc="sqrt(a ** 2 + b ** 2) without overflow; an infinity wins over NaN; slope 0 at 0, 0.",
)
atan2 = elementwise(
    "atan2",
    wgsl="real_atan2(a, b)",
    numpy=np.arctan2,
    partials=(lambda a, b: _per_square(b, a, b), lambda a, b: _per_square(-a, a, b)),
    ulp=Accuracy(4, points=(1,)),
    doc="The angle, from -pi to pi, of the point (b, a); its slope at (0, 0) is 0.",
    example="""
    >>> wg.round(wg.atan2(wg.tensor([0.0, 1.0]), wg.tensor([1.0, 1.0])) * 180 / wg.pi)  # degrees
    tensor([ 0., 45.])
    """,
)
