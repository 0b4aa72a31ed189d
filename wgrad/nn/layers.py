"""The layers: Linear, Identity, Bilinear and MLP."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from ..checks.arguments import size
from ..creation import DeviceLike
from ..creation.inputs import as_tensor
from ..errors import ArgumentError, ShapeError, shown
from ..functional.bilinear import bilinear
from ..functional.linalg import linear
from ..ops.elementwise import relu, sigmoid, tanh
from ..random import Seed, stream_of, uniform
from ..tensor import Tensor
from .module import Module

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor] | None] = {
    "tanh": tanh,
    "relu": relu,
    "sigmoid": sigmoid,
    "none": None,
}


class Uniform:
    """Makes parameters that start uniform in (-b, b) with b = 1 / sqrt(fan), all of one stream."""

    def __init__(self, fan: int, seed: Seed, device: DeviceLike):
        self.bound = 1 / math.sqrt(fan)
        self.stream = stream_of(seed)
        self.device = device

    def __call__(self, *shape: int) -> Tensor:
        """Return a parameter of a shape."""
        values = uniform(-self.bound, self.bound, shape, device=self.device, generator=self.stream)
        return values.requires_grad_()


class Linear(Module):
    """An affine map of the last axis: y = x @ weight.T + bias.

    Shapes: x (..., in_features) -> (..., out_features); weight (out_features, in_features), bias
    (out_features,). Both start uniform in (-b, b) with b = 1 / sqrt(in_features), as PyTorch's do.
    With `seed` (an integer, or a wg.Generator to go on with) they are the same in every run and on
    every device, and the global stream is left alone.

    Raises: ArgumentError for sizes below 1; in the call, ShapeError.
    Source: He et al., "Delving deep into rectifiers" (ICCV 2015), with the slope a = sqrt(5).

    >>> layer = wg.nn.Linear(3, 2)
    >>> layer(wg.ones(4, 3)).shape, layer.weight.shape
    ((4, 2), (2, 3))
    """

    _is_brief = True

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        seed: Seed = None,
        device: DeviceLike = None,
    ):
        self.in_features = size(in_features, "Linear: in_features")
        self.out_features = size(out_features, "Linear: out_features")
        make = Uniform(self.in_features, seed, device)
        self.weight = make(self.out_features, self.in_features)
        self.bias = make(self.out_features) if bias else None

    def forward(self, x: Any) -> Tensor:
        weight = self.weight  # once, for it may be computed whenever it is read
        x = as_tensor(x, "Linear", weight)
        if not x.shape or x.shape[-1] != self.in_features:
            raise ShapeError(
                f"Linear: an input of shape {x.shape} came, and its last axis must have "
                f"{self.in_features} features"
            )
        return linear(x, weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}{', bias=False' * (self.bias is None)}"


class Identity(Module):
    """A module that returns its input; what it is made with has no effect, as in PyTorch.

    Shapes: any -> the same.

    >>> wg.nn.Identity()(wg.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """

    def __init__(self, *args: Any, **kwargs: Any):
        pass

    def forward(self, x: Any) -> Any:
        return x


class Bilinear(Module):
    """A map that is linear in each of two inputs: y[k] = x1 @ weight[k] @ x2 + bias[k].

    Shapes: x1 (..., in1_features), x2 (..., in2_features) -> (..., out_features); weight
    (out_features, in1_features, in2_features), bias (out_features,). Both start uniform in (-b, b)
    with b = 1 / sqrt(in1_features), as PyTorch's do; `seed` as in Linear.

    Raises: ArgumentError for sizes below 1; in the call, ShapeError.

    >>> layer = wg.nn.Bilinear(3, 4, 5)
    >>> layer(wg.ones(2, 3), wg.ones(2, 4)).shape
    (2, 5)
    """

    _is_brief = True

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: DeviceLike = None,
        *,
        seed: Seed = None,
    ):
        self.in1_features = size(in1_features, "Bilinear: in1_features")
        self.in2_features = size(in2_features, "Bilinear: in2_features")
        self.out_features = size(out_features, "Bilinear: out_features")
        make = Uniform(self.in1_features, seed, device)
        self.weight = make(self.out_features, self.in1_features, self.in2_features)
        self.bias = make(self.out_features) if bias else None

    def forward(self, input1: Any, input2: Any) -> Tensor:
        return bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        sizes = f"{self.in1_features}, {self.in2_features}, {self.out_features}"
        return f"{sizes}{', bias=False' * (self.bias is None)}"


class MLP(Module):
    """A chain of Linear layers with an activation after each.

    Shapes: (..., in_features) -> (..., sizes[-1]). `hidden` follows every layer but the last,
    `output` the last: "tanh", "relu", "sigmoid" or "none". The layers start as Linear's do, all
    from one stream when there is a `seed`.

    Raises: ArgumentError for sizes below 1, no sizes, or an unknown activation.

    >>> net = wg.nn.MLP(2, [16, 16, 1], hidden="relu", seed=0)
    >>> net(wg.ones(5, 2)).shape
    (5, 1)
    """

    def __init__(
        self,
        in_features: int,
        sizes: Sequence[int],
        hidden: str = "tanh",
        output: str = "none",
        seed: Seed = None,
        device: DeviceLike = None,
    ):
        if not isinstance(sizes, (list, tuple)) or not sizes:
            raise ArgumentError(
                f"MLP: sizes {shown(sizes)} came, and a list such as [4, 1] is needed"
            )
        widths = [
            size(in_features, "MLP: in_features"),
            *(size(n, f"MLP: sizes[{i}]") for i, n in enumerate(sizes)),
        ]
        self.hidden = _activation_name(hidden, "hidden")
        self.output = _activation_name(output, "output")
        stream = stream_of(seed)
        self.layers = [
            Linear(n, m, seed=stream, device=device) for n, m in itertools.pairwise(widths)
        ]

    def forward(self, x: Any) -> Tensor:
        last = len(self.layers) - 1
        for i, layer in enumerate(self.layers):
            x = layer(x)
            activation = ACTIVATIONS[self.output if i == last else self.hidden]
            if activation is not None:
                x = activation(x)
        return x

    def extra_repr(self) -> str:
        return f"hidden={self.hidden!r}, output={self.output!r}"


def _activation_name(name: str, where: str) -> str:
    if not isinstance(name, str) or name not in ACTIVATIONS:
        known = ", ".join(map(repr, ACTIVATIONS))
        raise ArgumentError(
            f"MLP: {where} activation {shown(name)} is unknown: one of {known} is needed"
        )
    return name
