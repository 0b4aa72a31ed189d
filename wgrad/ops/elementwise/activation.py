"""Activation functions of neural networks."""

from __future__ import annotations

import numpy as np

from .declare import elementwise


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

relu = elementwise(
    "relu",
    wgsl="select(a, T(0), a <= T(0))",
    numpy=lambda a: np.maximum(a, 0),
    partials=(lambda out: out > 0,),
    kind="number",
    doc="max(a, 0), with slope 0 at 0; NaN stays NaN.",
)
