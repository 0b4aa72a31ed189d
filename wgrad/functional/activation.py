"""Activation functions with parameters: they fill in PyTorch's defaults and check numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks.arguments import checked_choice
from ..core import Tensor
from ..creation.inputs import as_float, as_number, as_tensor, as_tensors
from ..errors import ArgumentError, ShapeError
from ..layout import normalize_axis
from ..ops import elementwise as ops
from ..ops.elementwise.activation import SELU
from ..shaping import reshape, split
from .precision import floating


def _numbers(where: str, **values: Any) -> list[float]:
    return [as_float(value, where, name) for name, value in values.items()]


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """Return `input`, times `negative_slope` where it is not positive.

    >>> wg.nn.functional.leaky_relu(wg.tensor([-2.0, 3.0]), 0.25)
    tensor([-0.5,  3. ])
    """
    return ops.leaky_relu(input, *_numbers("leaky_relu", negative_slope=negative_slope))


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Return leaky_relu with learned slopes: one, or one for each channel (axis 1).

    Shapes: input (n, channels, ...), weight (1,) or (channels,). Raises: ShapeError.
    """
    input, weight = as_tensors("prelu", input, weight)
    channels = input.shape[1] if len(input.shape) > 1 else 1
    if weight.shape not in ((), (1,), (channels,)):
        raise ShapeError(
            f"prelu: weight {weight.shape} came for input {input.shape}; shape (1,) or "
            f"({channels},) is needed"
        )
    if weight.shape == (channels,) and len(input.shape) > 1:
        weight = reshape(weight, (channels, *(1 for _ in input.shape[2:])))
    return ops.leaky_relu(input, weight if input.shape else reshape(weight, ()))


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """Return `input`, or alpha * (e ** input - 1) where it is not positive.

    Source: Clevert et al., "Fast and accurate deep network learning by ELUs" (ICLR 2016).

    >>> wg.nn.functional.elu(wg.tensor([-200.0, 0.0, 3.0]))
    tensor([-1.,  0.,  3.])
    """
    return ops.elu(input, *_numbers("elu", alpha=alpha), 1.0, 1.0)


def selu(input: Tensor) -> Tensor:
    """Return a scaled elu whose layers keep mean 0 and variance 1.

    Source: Klambauer et al., "Self-normalizing neural networks" (NeurIPS 2017).
    """
    return ops.elu(input, *SELU, 1.0)


def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """Return `input`, or alpha * (e ** (input / alpha) - 1) where it is not positive.

    Raises: ArgumentError for an alpha of 0.
    """
    (alpha,) = _numbers("celu", alpha=alpha)
    if alpha == 0:
        raise ArgumentError("celu: alpha is 0, and the input is divided by it")
    return ops.elu(input, alpha, 1.0, 1 / alpha)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """Return `input` times the probability that a normal number is smaller.

    approximate="tanh" computes a near formula through a tanh. Raises: ArgumentError.
    Source: Hendrycks and Gimpel, "Gaussian error linear units" (2016).

    >>> wg.nn.functional.gelu(wg.tensor([0.0, 10.0]))
    tensor([ 0., 10.])
    """
    checked_choice(approximate, ("none", "tanh"), "gelu", "approximate")
    return ops.gelu(input) if approximate == "none" else ops.gelu_tanh(input)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Return log(1 + e ** (beta * input)) / beta; `input` where beta * input > threshold.

    Raises: ArgumentError for a beta of 0.

    >>> wg.nn.functional.softplus(wg.tensor([-200.0, 200.0]))
    tensor([  0., 200.])
    """
    beta, threshold = _numbers("softplus", beta=beta, threshold=threshold)
    if beta == 0:
        raise ArgumentError("softplus: beta is 0, and the result is divided by it")
    return ops.softplus(input, beta, threshold)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """Return `input` kept between two numbers, at which its slope is 0.

    Raises: ArgumentError unless min_val < max_val.
    """
    input = as_tensor(input, "hardtanh")
    low, high = _numbers("hardtanh", min_val=min_val, max_val=max_val)
    if not low < high:
        raise ArgumentError(f"hardtanh: min_val {low} must be less than max_val {high}")
    # As they came: integers stay those of an input of integers.
    return ops.hardtanh(input, as_number(min_val, "hardtanh"), as_number(max_val, "hardtanh"))


def relu6(input: Tensor) -> Tensor:
    """Return `input` kept between 0 and 6."""
    return ops.hardtanh(input, 0, 6)


def glu(input: Tensor, axis: int = -1) -> Tensor:
    """Return the first half of `input` along `axis` times the sigmoid of the second half.

    Raises: ShapeError for an odd extent. Source: Dauphin et al., "Language modeling with gated
    convolutional networks" (ICML 2017).

    >>> wg.nn.functional.glu(wg.tensor([[3.0, 5.0, 0.0, 100.0]]))
    tensor([[1.5, 5. ]])
    """
    x = as_tensor(input, "glu")
    at = normalize_axis(axis, len(x.shape), "glu")
    if x.shape[at] % 2:
        raise ShapeError(f"glu: axis {at} of shape {x.shape} is odd, and two halves are needed")
    first, second = split(x, 2, at)
    return ops.gated(first, second)


def softsign(input: Tensor) -> Tensor:
    """Return input / (1 + abs(input)), which is 1 or -1 at infinity."""
    x = floating(as_tensor(input, "softsign"))
    limit = float(np.finfo(x.dtype.numpy).max)  # inf / inf would be NaN
    x = ops.clamp(x, -limit, limit)
    return x / (1 + ops.abs_(x))
