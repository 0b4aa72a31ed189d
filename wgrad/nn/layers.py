"""The layers: Linear, Sequential and MLP."""

from __future__ import annotations

import contextlib
import itertools
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self

from ..checks.arguments import size
from ..creation import DeviceLike
from ..creation.inputs import as_tensor
from ..errors import ArgumentError, IndexRangeError, ShapeError, shown
from ..functional import linear
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


class Linear(Module):
    """An affine map of the last axis: y = x @ weight.T + bias.

    Shapes: x (..., in_features) -> (..., out_features); weight (out_features, in_features), bias
    (out_features,). Both start uniform in (-b, b) with b = 1 / sqrt(in_features), as PyTorch's do.
    With `seed` (an integer, or a wg.Generator to go on with) they are the same in every run and on
    every device, and the global stream is left alone.

    Raises: ArgumentError for sizes below 1; in the call, ShapeError.
    Source: He et al., "Delving deep into rectifiers" (ICCV 2015), with the slope a = sqrt(5).
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
        bound = 1 / math.sqrt(self.in_features)
        stream = stream_of(seed)

        def initial(*shape: int) -> Tensor:
            values = uniform(-bound, bound, shape, device=device, generator=stream)
            return values.requires_grad_()

        self.weight = initial(self.out_features, self.in_features)
        self.bias = initial(self.out_features) if bias else None

    def forward(self, x: Any) -> Tensor:
        x = as_tensor(x, "Linear", self.weight)
        if not x.shape or x.shape[-1] != self.in_features:
            raise ShapeError(
                f"Linear: an input of shape {x.shape} came, and its last axis must have "
                f"{self.in_features} features"
            )
        return linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}{', bias=False' * (self.bias is None)}"


class Identity(Module):
    """A module that returns its input; what it is made with has no effect, as in PyTorch."""

    def __init__(self, *args: Any, **kwargs: Any):
        pass

    def forward(self, x: Any) -> Any:
        return x


class Sequential(Module):
    """Modules, or functions of one tensor, applied one after the other.

    Its steps are named 0, 1, ... in names of tensors, "2.bias", and found by net[0] and net[1:].
    They are changed as those of a list, but one at a time; the later ones get new numbers:

        net = nn.Sequential(nn.Linear(2, 4), wg.tanh, nn.Linear(4, 1))
        net[1] = nn.ReLU()
        net.append(nn.Sigmoid()).insert(2, nn.Dropout(0.1))
        del net[-1]
    """

    def __init__(self, *steps: Callable[[Any], Any]):
        self.steps = _steps(steps)

    def forward(self, x: Any) -> Any:
        for step in self.steps:
            x = step(x)
        return x

    def _held(self) -> list[tuple[Any, Any]]:
        others = [(name, x) for name, x in vars(self).items() if x is not self.steps]
        return [*enumerate(self.steps), *others]

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Callable[[Any], Any]]:
        return iter(self.steps)

    def __getitem__(self, which: int | slice) -> Any:
        """Return one step; or, for a slice, a Sequential of the same steps."""
        try:
            picked = self.steps[which]
        except (TypeError, IndexError, ValueError):
            raise IndexRangeError(
                f"Sequential: {shown(which)} came; an index or a slice of {len(self.steps)} steps "
                "is needed"
            ) from None
        return Sequential(*picked) if isinstance(picked, list) else picked

    def __setitem__(self, which: int, step: Callable[[Any], Any]) -> None:
        """Put another step in the place of one. Raises: ArgumentError, IndexRangeError."""
        self.steps[self._place(which, len(self.steps))] = _steps([step])[0]

    def __delitem__(self, which: int | slice) -> None:
        """Take one step, or those of a slice, out. Raises: IndexRangeError."""
        self[which]  # raises where there is none
        del self.steps[which]

    def append(self, step: Callable[[Any], Any]) -> Self:
        """Put a step at the end, and return the whole. Raises: ArgumentError."""
        return self.extend([step])

    def extend(self, steps: Iterable[Callable[[Any], Any]]) -> Self:
        """Put the steps of a Sequential, or of a list, at the end, and return the whole.

        Raises: ArgumentError, and then nothing has changed.
        """
        self.steps += _steps(steps)
        return self

    def insert(self, index: int, step: Callable[[Any], Any]) -> Self:
        """Put a step before number `index`, counted from the end where negative; return the whole.

        Raises: ArgumentError; IndexRangeError beyond -n to n for n steps.
        """
        self.steps.insert(self._place(index, len(self.steps) + 1), _steps([step])[0])
        return self

    def pop(self, which: int | slice = -1) -> Any:
        """Take one step out and return it; or, for a slice, a Sequential of what was taken out."""
        step = self[which]
        del self.steps[which]
        return step

    def _place(self, which: Any, end: int) -> int:
        """Return an index from 0 up to but without `end`. Raises: IndexRangeError."""
        n = len(self.steps)
        with contextlib.suppress(TypeError):
            index = operator.index(which)
            if -n <= index < end:
                return index + n if index < 0 else index
        raise IndexRangeError(
            f"Sequential: {shown(which)} came; an index from {-n} to {end - 1} is needed"
            if end
            else f"Sequential: {shown(which)} came, and there are no steps"
        )


def _steps(steps: Any) -> list[Callable[[Any], Any]]:
    """Return a list of modules and functions. Raises: ArgumentError."""
    if not isinstance(steps, Iterable):
        raise ArgumentError(f"Sequential: {shown(steps)} came, and a list of steps is needed")
    listed = list(steps)
    for i, step in enumerate(listed):
        if not callable(step):
            raise ArgumentError(
                f"Sequential: step {i} is {type(step).__name__}; modules or functions are needed"
            )
    return listed


class MLP(Module):
    """A chain of Linear layers with an activation after each.

    Shapes: (..., in_features) -> (..., sizes[-1]). `hidden` follows every layer but the last,
    `output` the last: "tanh", "relu", "sigmoid" or "none". The layers start as Linear's do, all
    from one stream when there is a `seed`.

    Raises: ArgumentError for sizes below 1, no sizes, or an unknown activation.
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
