"""Activation functions as modules, for nn.Sequential; only PReLU has something to learn.

Those that have `inplace` in PyTorch take it, and it has no effect: they return new tensors.
"""

from __future__ import annotations

from typing import Any

from ..checks.arguments import size
from ..creation import DeviceLike, full
from ..creation.inputs import as_float, as_tensor
from ..errors import ShapeError
from ..functional.activation import (
    celu,
    elu,
    gelu,
    glu,
    hardtanh,
    leaky_relu,
    prelu,
    relu6,
    selu,
    softplus,
    softsign,
)
from ..functional.softmax import log_softmax, softmax, softmin
from ..functional.thresholds import hardshrink, rrelu, softshrink, tanhshrink, threshold
from ..ops.elementwise.activation import (
    hardsigmoid,
    hardswish,
    logsigmoid,
    mish,
    relu,
    sigmoid,
    silu,
)
from ..ops.elementwise.hyperbolic import tanh
from ..random import Generator
from ..tensor import Tensor
from .module import Module
from .wrapped import FunctionModule


class ReLU(FunctionModule, function=relu, takes_inplace=True):
    """max(x, 0)."""


class ReLU6(FunctionModule, function=relu6, takes_inplace=True):
    """x kept between 0 and 6."""


class LeakyReLU(FunctionModule, function=leaky_relu, takes_inplace=True):
    """x, times `negative_slope` where it is not positive."""


class ELU(FunctionModule, function=elu, takes_inplace=True):
    """x, or alpha * (e ** x - 1) where it is not positive."""


class CELU(FunctionModule, function=celu, takes_inplace=True):
    """x, or alpha * (e ** (x / alpha) - 1) where it is not positive."""


class SELU(FunctionModule, function=selu, takes_inplace=True):
    """A scaled ELU whose layers keep mean 0 and variance 1."""


class GELU(FunctionModule, function=gelu):
    """x times the probability that a normal number is smaller; approximate="tanh" is a near one."""


class SiLU(FunctionModule, function=silu, takes_inplace=True):
    """x * sigmoid(x), also called swish."""


class Mish(FunctionModule, function=mish, takes_inplace=True):
    """x * tanh(log(1 + e ** x))."""


class Softplus(FunctionModule, function=softplus):
    """log(1 + e ** (beta * x)) / beta; x where beta * x is above `threshold`."""


class Softsign(FunctionModule, function=softsign):
    """x / (1 + abs(x))."""


class Sigmoid(FunctionModule, function=sigmoid):
    """1 / (1 + e ** -x)."""


class LogSigmoid(FunctionModule, function=logsigmoid):
    """log(sigmoid(x)), exact also where sigmoid is 0 or 1."""


class Tanh(FunctionModule, function=tanh):
    """The hyperbolic tangent."""


class Hardtanh(FunctionModule, function=hardtanh, takes_inplace=True):
    """x kept between `min_val` and `max_val`."""


class Hardsigmoid(FunctionModule, function=hardsigmoid, takes_inplace=True):
    """(x + 3) / 6 kept between 0 and 1."""


class Hardswish(FunctionModule, function=hardswish, takes_inplace=True):
    """x * hardsigmoid(x)."""


class Softmax(FunctionModule, function=softmax):
    """e ** x over its sum along `axis`: positive numbers whose sum is 1."""


class LogSoftmax(FunctionModule, function=log_softmax):
    """log(softmax(x)) along `axis`, stable for large values."""


class Softmin(FunctionModule, function=softmin):
    """softmax(-x) along `axis`: the least value has the largest share."""


class GLU(FunctionModule, function=glu):
    """The first half along `axis` times the sigmoid of the second."""


class Hardshrink(FunctionModule, function=hardshrink):
    """x, but 0 where it lies in -lambd to lambd."""


class Softshrink(FunctionModule, function=softshrink):
    """x nearer to 0 by `lambd`, and 0 where it is within that of 0."""


class Tanhshrink(FunctionModule, function=tanhshrink):
    """x - tanh(x)."""


class Softmax2d(Module):
    """The softmax over channels, at each pixel of images.

    Shapes: (n, channels, h, w) or (channels, h, w) -> the same. Raises: in the call, ShapeError.
    """

    def forward(self, x: Any) -> Tensor:
        x = as_tensor(x, "Softmax2d")
        if len(x.shape) not in (3, 4):
            raise ShapeError(f"Softmax2d: an input {x.shape} came; 3 or 4 axes are needed")
        return softmax(x, -3)


class Threshold(Module):
    """x where it is above `threshold`, and `value` elsewhere."""

    def __init__(self, threshold: float, value: float, inplace: bool = False):
        self.threshold = as_float(threshold, "Threshold", "threshold")
        self.value = as_float(value, "Threshold", "value")

    def forward(self, x: Any) -> Tensor:
        return threshold(x, self.threshold, self.value)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}"


class RReLU(Module):
    """x, where it is not positive times a slope: uniform in `lower` to `upper` in training.

    In evaluation the slope is the middle of the two. The numbers come from the global stream, or
    from `generator`.
    """

    def __init__(
        self,
        lower: float = 1 / 8,
        upper: float = 1 / 3,
        inplace: bool = False,
        *,
        generator: Generator | None = None,
    ):
        self.lower = as_float(lower, "RReLU", "lower")
        self.upper = as_float(upper, "RReLU", "upper")
        self.generator = generator

    def forward(self, x: Any) -> Tensor:
        return rrelu(x, self.lower, self.upper, self.training, generator=self.generator)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}"


class PReLU(Module):
    """A leaky ReLU that learns its slope: one, or one for each channel (axis 1).

    Shapes: x (n, channels, ...) -> the same; weight (num_parameters,).
    Raises: ArgumentError; in the call, ShapeError.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: DeviceLike = None):
        self.num_parameters = size(num_parameters, "PReLU: num_parameters")
        start = as_float(init, "PReLU", "init")
        self.weight = full(self.num_parameters, start, device=device).requires_grad_()

    def forward(self, x: Any) -> Tensor:
        return prelu(x, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"
