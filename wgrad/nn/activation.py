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
    """max(x, 0).

    Shapes: any -> the same. Source: Nair and Hinton, "Rectified linear units improve restricted
    Boltzmann machines" (ICML 2010).

    >>> wg.nn.ReLU()(wg.tensor([-2.0, 3.0]))
    tensor([0., 3.])
    """


class ReLU6(FunctionModule, function=relu6, takes_inplace=True):
    """x kept between 0 and 6.

    Shapes: any -> the same.

    >>> wg.nn.ReLU6()(wg.tensor([-2.0, 3.0, 9.0]))
    tensor([0., 3., 6.])
    """


class LeakyReLU(FunctionModule, function=leaky_relu, takes_inplace=True):
    """x, times `negative_slope` where it is not positive.

    Shapes: any -> the same. Source: Maas et al., "Rectifier nonlinearities improve neural network
    acoustic models" (ICML 2013).

    >>> wg.nn.LeakyReLU(0.25)(wg.tensor([-2.0, 3.0]))
    tensor([-0.5,  3. ])
    """


class ELU(FunctionModule, function=elu, takes_inplace=True):
    """x, or alpha * (e ** x - 1) where it is not positive.

    Shapes: any -> the same. Source: Clevert et al., "Fast and accurate deep network learning by
    exponential linear units" (ICLR 2016).

    >>> wg.nn.ELU()(wg.tensor([-500.0, 0.0, 3.0]))
    tensor([-1.,  0.,  3.])
    """


class CELU(FunctionModule, function=celu, takes_inplace=True):
    """x, or alpha * (e ** (x / alpha) - 1) where it is not positive.

    Shapes: any -> the same. Source: Barron, "Continuously differentiable exponential linear units"
    (2017).

    >>> wg.nn.CELU(alpha=2.0)(wg.tensor([-500.0, 0.0, 3.0]))
    tensor([-2.,  0.,  3.])
    """


class SELU(FunctionModule, function=selu, takes_inplace=True):
    """1.0507 * x, or 1.7581 * (e ** x - 1) where x is not positive.

    So scaled, an ELU keeps mean 0 and variance 1 from layer to layer.
    Shapes: any -> the same. Source: Klambauer et al., "Self-normalizing neural networks" (NeurIPS
    2017).

    >>> wg.round(wg.nn.SELU()(wg.tensor([-500.0, 0.0, 100.0])))
    tensor([ -2.,   0., 105.])
    """


class GELU(FunctionModule, function=gelu):
    """x times the probability that a normal number is smaller; approximate="tanh" is a near one.

    Shapes: any -> the same. Source: Hendrycks and Gimpel, "Gaussian error linear units" (2016).

    >>> wg.nn.GELU()(wg.tensor([0.0, 10.0]))
    tensor([ 0., 10.])
    """


class SiLU(FunctionModule, function=silu, takes_inplace=True):
    """x * sigmoid(x), also called swish.

    Shapes: any -> the same. Source: Elfwing et al., "Sigmoid-weighted linear units for neural
    network function approximation in reinforcement learning" (2017).

    >>> wg.nn.SiLU()(wg.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """


class Mish(FunctionModule, function=mish, takes_inplace=True):
    """x * tanh(log(1 + e ** x)).

    Shapes: any -> the same. Source: Misra, "Mish: a self regularized non-monotonic activation
    function" (BMVC 2020).

    >>> wg.nn.Mish()(wg.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """


class Softplus(FunctionModule, function=softplus):
    """log(1 + e ** (beta * x)) / beta; x where beta * x is above `threshold`.

    Shapes: any -> the same. Source: Dugas et al., "Incorporating second-order functional knowledge
    for better option pricing" (NeurIPS 2000).

    >>> wg.nn.Softplus()(wg.tensor([-200.0, 200.0]))
    tensor([  0., 200.])
    """


class Softsign(FunctionModule, function=softsign):
    """x / (1 + abs(x)).

    Shapes: any -> the same.

    >>> wg.nn.Softsign()(wg.tensor([-1.0, 0.0, 3.0]))
    tensor([-0.5 ,  0.  ,  0.75])
    """


class Sigmoid(FunctionModule, function=sigmoid):
    """1 / (1 + e ** -x).

    Shapes: any -> the same.

    >>> wg.nn.Sigmoid()(wg.tensor([-200.0, 0.0, 200.0]))
    tensor([0. , 0.5, 1. ])
    """


class LogSigmoid(FunctionModule, function=logsigmoid):
    """log(sigmoid(x)), exact also where sigmoid is 0 or 1.

    Shapes: any -> the same.

    >>> wg.nn.LogSigmoid()(wg.tensor([-500.0, 500.0]))
    tensor([-500.,    0.])
    """


class Tanh(FunctionModule, function=tanh):
    """The hyperbolic tangent.

    Shapes: any -> the same.

    >>> wg.nn.Tanh()(wg.tensor([-100.0, 0.0, 100.0]))
    tensor([-1.,  0.,  1.])
    """


class Hardtanh(FunctionModule, function=hardtanh, takes_inplace=True):
    """x kept between `min_val` and `max_val`.

    Shapes: any -> the same.

    >>> wg.nn.Hardtanh()(wg.tensor([-5.0, 0.5, 5.0]))
    tensor([-1. ,  0.5,  1. ])
    """


class Hardsigmoid(FunctionModule, function=hardsigmoid, takes_inplace=True):
    """(x + 3) / 6 kept between 0 and 1.

    Shapes: any -> the same.

    >>> wg.nn.Hardsigmoid()(wg.tensor([-5.0, 0.0, 5.0]))
    tensor([0. , 0.5, 1. ])
    """


class Hardswish(FunctionModule, function=hardswish, takes_inplace=True):
    """x * hardsigmoid(x).

    Shapes: any -> the same. Source: Howard et al., "Searching for MobileNetV3" (ICCV 2019).

    >>> wg.nn.Hardswish()(wg.tensor([-5.0, 0.0, 5.0]))
    tensor([0., 0., 5.])
    """


class Softmax(FunctionModule, function=softmax):
    """e ** x over its sum along `axis`: positive numbers whose sum is 1.

    Shapes: any -> the same.

    >>> wg.nn.Softmax()(wg.tensor([[0.0, 0.0], [1000.0, 0.0]]))
    tensor([[0.5, 0.5],
            [1. , 0. ]])
    """


class LogSoftmax(FunctionModule, function=log_softmax):
    """log(softmax(x)) along `axis`, stable for large values.

    Shapes: any -> the same.

    >>> wg.nn.LogSoftmax()(wg.tensor([1000.0, 0.0]))
    tensor([    0., -1000.])
    """


class Softmin(FunctionModule, function=softmin):
    """softmax(-x) along `axis`: the least value has the largest share.

    Shapes: any -> the same.

    >>> wg.nn.Softmin()(wg.tensor([0.0, 1000.0]))
    tensor([1., 0.])
    """


class GLU(FunctionModule, function=glu):
    """The first half along `axis` times the sigmoid of the second.

    Shapes: (..., 2 n, ...) -> (..., n, ...). Source: Dauphin et al., "Language modeling with gated
    convolutional networks" (ICML 2017).

    >>> wg.nn.GLU()(wg.tensor([[3.0, 5.0, 0.0, 100.0]]))  # 3 * sigmoid(0), 5 * sigmoid(100)
    tensor([[1.5, 5. ]])
    """


class Hardshrink(FunctionModule, function=hardshrink):
    """x, but 0 where it lies in -lambd to lambd.

    Shapes: any -> the same.

    >>> wg.nn.Hardshrink()(wg.tensor([-1.0, 0.25, 2.0]))
    tensor([-1.,  0.,  2.])
    """


class Softshrink(FunctionModule, function=softshrink):
    """x nearer to 0 by `lambd`, and 0 where it is within that of 0.

    Shapes: any -> the same.

    >>> wg.nn.Softshrink()(wg.tensor([-2.0, 0.25, 2.0]))
    tensor([-1.5,  0. ,  1.5])
    """


class Tanhshrink(FunctionModule, function=tanhshrink):
    """x - tanh(x).

    Shapes: any -> the same.

    >>> wg.nn.Tanhshrink()(wg.tensor([-100.0, 0.0, 100.0]))
    tensor([-99.,   0.,  99.])
    """


class Softmax2d(Module):
    """The softmax over channels, at each pixel of images.

    Shapes: (n, channels, h, w) or (channels, h, w) -> the same. Raises: in the call, ShapeError.

    >>> wg.nn.Softmax2d()(wg.zeros((2, 1, 1))).tolist()  # two channels of one pixel
    [[[0.5]], [[0.5]]]
    """

    def forward(self, x: Any) -> Tensor:
        x = as_tensor(x, "Softmax2d")
        if len(x.shape) not in (3, 4):
            raise ShapeError(f"Softmax2d: an input {x.shape} came; 3 or 4 axes are needed")
        return softmax(x, -3)


class Threshold(Module):
    """x where it is above `threshold`, and `value` elsewhere.

    Shapes: any -> the same.

    >>> wg.nn.Threshold(1.0, -7.0)(wg.tensor([0.5, 2.0]))
    tensor([-7.,  2.])
    """

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
    Shapes: any -> the same. Source: Xu et al., "Empirical evaluation of rectified activations in
    convolutional network" (2015).

    >>> layer = wg.nn.RReLU(0.25, 0.75).eval()
    >>> layer(wg.tensor([-2.0, 3.0]))
    tensor([-1.,  3.])
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

    Shapes: x (n, channels, ...) -> the same; weight (num_parameters,), all `init` at first.
    Raises: ArgumentError; in the call, ShapeError.
    Source: He et al., "Delving deep into rectifiers" (ICCV 2015).

    >>> layer = wg.nn.PReLU()
    >>> layer(wg.tensor([[-2.0], [3.0]])).tolist()
    [[-0.5], [3.0]]
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: DeviceLike = None):
        self.num_parameters = size(num_parameters, "PReLU: num_parameters")
        start = as_float(init, "PReLU", "init")
        self.weight = full(self.num_parameters, start, device=device).requires_grad_()

    def forward(self, x: Any) -> Tensor:
        return prelu(x, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"
