"""Losses whose derivative goes on where their formula is cut off."""

from __future__ import annotations

import numpy as np

from .. import accuracy
from ..accuracy import Accuracy
from ..families import Elementwise
from .arithmetic import maximum
from .declare import elementwise


def _cross_entropy(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return -(b * np.maximum(np.log(a), -100) + (1 - b) * np.maximum(np.log1p(-a), -100))


binary_cross_entropy: Elementwise = elementwise(
    "binary_cross_entropy",
    wgsl="-(b * nan_max(real_log(a), -100.0) + (1.0 - b) * nan_max(real_log1p(-a), -100.0))",
    numpy=_cross_entropy,
    partials=(
        lambda a, b: (a - b) / maximum(a * (1 - a), 1e-12),
        lambda a: binary_cross_entropy(a, 1.0) - binary_cross_entropy(a, 0.0),
    ),
    ulp=Accuracy(8, within=(0, 1), more=accuracy.shares),
    doc="-(b * log(a) + (1 - b) * log(1 - a)), with logarithms of at least -100; the slope does "
    "not vanish where they are kept there.",
)
