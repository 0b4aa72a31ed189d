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


def convolution(x: Any, kernel: Any, bias: Any) -> Any:
    """Return a 3x3 convolution, padded by 1: nine shifted images, and one matrix product.

    Shapes: x (batch, in, h, w), kernel (out, in, 3, 3), bias (out,) -> (batch, out, h, w).
    """
    batch, channels, h, w = x.shape
    out = kernel.shape[0]
    padded = wg.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    shifted = [padded[:, :, i : i + h, j : j + w] for i in range(3) for j in range(3)]
    columns = wg.stack(shifted, axis=2).reshape(batch, channels * 9, h * w)
    product = kernel.reshape(out, channels * 9) @ columns + bias.reshape(out, 1)
    return product.reshape(batch, out, h, w)


def max_pool(x: Any) -> Any:
    """Return the largest of every 2x2 square; an odd last row or column is left out."""
    batch, channels, h, w = x.shape
    even = x[:, :, : h // 2 * 2, : w // 2 * 2]
    return even.reshape(batch, channels, h // 2, 2, w // 2, 2).max(axis=(3, 5))
