"""Layers that wgrad has no function for, composed of the public ones it has."""

from __future__ import annotations

import math
from typing import Any

import wgrad as wg


def layer_norm(x: Any, scale: Any, shift: Any, eps: float = 1e-5) -> Any:
    """Return the rows of `x` with mean 0 and variance 1, scaled and shifted."""
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred * centred).mean(-1, keepdims=True)
    return centred / wg.sqrt(variance + eps) * scale + shift


def gelu(x: Any) -> Any:
    """Return GELU in its tanh form."""
    return 0.5 * x * (1 + wg.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
