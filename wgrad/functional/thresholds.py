"""Activations that are made of others: shrinking, thresholds, noisy slopes and noisy choices."""

from __future__ import annotations

from typing import Any

from ..checks.arguments import checked_flag
from ..core import Tensor
from ..creation import arange
from ..creation.inputs import as_float, as_tensor
from ..errors import ArgumentError
from ..layout import normalize_axis
from ..ops import elementwise as ops
from ..ops.families import with_dtype
from ..random import Generator, rand, uniform
from ..shaping import reshape
from .precision import floating, in_float32
from .reductions import argmax
from .regularization import check_generator
from .softmax import softmax


def _floats(input: Any, name: str) -> Tensor:
    return floating(as_tensor(input, name))


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Return `input`, but 0 where it lies in -lambd to lambd."""
    x, edge = _floats(input, "hardshrink"), as_float(lambd, "hardshrink", "lambd")
    inside = ops.logical_and(ops.greater_equal(x, -edge), ops.less_equal(x, edge))
    return ops.where(inside, 0.0, x)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Return `input` nearer to 0 by `lambd`, and 0 where it is within that of 0.

    Raises: ArgumentError for a negative lambd.
    """
    x, edge = _floats(input, "softshrink"), as_float(lambd, "softshrink", "lambd", least=0)
    return x - ops.clamp(x, -edge, edge)


def tanhshrink(input: Tensor) -> Tensor:
    """Return input - tanh(input)."""
    x = _floats(input, "tanhshrink")
    return x - ops.tanh(x)


def threshold(input: Tensor, threshold: float, value: float) -> Tensor:
    """Return `input` where it is above a threshold, and `value` elsewhere."""
    x = as_tensor(input, "threshold")
    edge = as_float(threshold, "threshold", "threshold")
    return ops.where(ops.less_equal(x, edge), as_float(value, "threshold", "value"), x)


def rrelu(
    input: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Return `input`, where it is not positive times a slope: uniform in `lower` to `upper`.

    Without training the slope is the middle of the two. Raises: ArgumentError for lower > upper.
    Source: Xu et al., "Empirical evaluation of rectified activations" (2015).
    """
    name = "rrelu"
    least, most = as_float(lower, name, "lower"), as_float(upper, name, "upper")
    if not least <= most:
        raise ArgumentError(f"{name}: lower={least} and upper={most} came, and lower <= upper")
    check_generator(generator, name)
    x = _floats(input, name)
    if not checked_flag(training, name, "training"):
        return ops.leaky_relu(x, (least + most) / 2)
    slopes = uniform(least, most, x.shape, x.dtype, x.device, generator)
    return ops.leaky_relu(x, slopes)


def gumbel_softmax(
    logits: Tensor,
    tau: float = 1.0,
    hard: bool = False,
    eps: float = 1e-10,
    axis: int = -1,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Return softmax((logits + g) / tau), g Gumbel noise: a soft choice by the logits' odds.

    `hard` returns the choice as 0 and 1, with the gradient of the soft one. `eps` has no effect.
    Raises: AxisError; ArgumentError unless tau > 0.
    Source: Jang et al., "Categorical reparameterization with Gumbel-softmax" (ICLR 2017).

    >>> drawn = wg.nn.functional.gumbel_softmax(wg.zeros((4, 3)), hard=True)
    >>> wg.round(drawn).sum(1)  # one of three, in each row
    tensor([1., 1., 1., 1.])
    """
    name = "gumbel_softmax"
    heat = as_float(tau, name, "tau", above=0)
    chosen = checked_flag(hard, name, "hard")
    check_generator(generator, name)
    x = _floats(logits, name)
    at = normalize_axis(axis, len(x.shape), name)
    drawn = rand(x.shape, device=x.device, generator=generator)
    noise = -ops.log(-ops.log(ops.clamp(drawn, 2.0**-25, 1.0)))

    @in_float32
    def soft(x: Tensor) -> Tensor:
        return softmax((x + noise) / heat, at)

    out = soft(x)
    if not chosen:
        return out
    places = reshape(
        arange(x.shape[at], device=x.device), (x.shape[at], *(1 for _ in x.shape[at + 1 :]))
    )
    picked = ops.equal(argmax(out.detach(), at, keepdims=True), places)
    return with_dtype(picked, out.dtype) - out.detach() + out
