"""What every optimizer has: checked parameters, a learning rate, zero_grad, saved state."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from ..backends.array import Array, Body, Number
from ..backends.tracing import Live, changing
from ..core.tracing import tracing
from ..dtypes import DType, float16, float32
from ..errors import ArgumentError, DTypeError, GradientError, ShapeError, shown
from ..interrupts import whole
from ..tensor import Tensor


def checked_number(value: Any, where: str) -> float:
    """Return a number that is finite and at least 0. Raises: ArgumentError."""
    try:
        number = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise ArgumentError(
            f"{where} is {shown(value)}, and a finite number of at least 0 is needed"
        )
    return number


def map_arrays(body: Body, *operands: Array | Number, dtype: DType | None = None) -> Array:
    """Run an elementwise kernel over arrays of one shape and device, and numbers.

    The result is of `dtype`, or of that of the first operand.
    """
    first = operands[0]
    assert isinstance(first, Array)
    kinds = [x.dtype if isinstance(x, Array) else first.dtype for x in operands]
    return first.storage.device.map(body, operands, kinds, first.shape, dtype or first.dtype)


def kept_in(p: Tensor) -> DType:
    """Return the dtype of what an optimizer remembers of a parameter.

    It is float32 for a float16 one: the square of a small gradient is 0 in float16.
    """
    return float32 if p.dtype is float16 else p.dtype


class Optimizer(ABC):
    """A list of parameters and a rule that steps them down their gradients.

    Parameters without a gradient are skipped, and so are frozen ones: those that do not require
    grad at the time of a step. `lr` may be assigned between steps. What is
    remembered of a float16 parameter is float32, but the parameter itself does not see a step of
    less than half a unit in its last place, 1/4096 of it: to train on, keep parameters in float32
    and convert them where they are used.

    Raises: ArgumentError for no parameters, one that comes twice, or numbers out of range;
    DTypeError for what is no tensor; GradientError for a tensor that is no parameter; ShapeError
    for an expanded view.
    """

    # Attributes that this class's `step` reads as Live numbers (or keeps by Tracer.each_run): a
    # compiled step goes on when they change, unless one becomes zero or ceases to be.
    read_each_run: ClassVar[frozenset[str]] = frozenset()
    _lr: float

    def __init__(self, params: Iterable[Tensor], lr: float):
        tracer = tracing()
        self._trace = None if tracer is None else tracer.start  # the one that makes it, if any
        self.lr = lr
        self.params = self._checked(params)

    @property
    def _is_found(self) -> bool:
        """Whether a function is traced that finds the optimizer, and does not make it itself.

        What such a one changes is state, and its numbers are read anew for every run.
        """
        tracer = tracing()
        return tracer is not None and tracer.start != self._trace

    def _number(self, function: Callable[..., float], *args: Any) -> float:
        """Return what a function gives: a number that stays the one it is in every run, or Live."""
        return Live(function, *args) if self._is_found else function(*args)

    @property
    def _name(self) -> str:
        return type(self).__name__

    @property
    def lr(self) -> float:
        """The learning rate: at least 0."""
        return self._as_read("_lr")

    @lr.setter
    def lr(self, value: float) -> None:
        self._assign("_lr", checked_number(value, f"{self._name}: lr"))

    def _as_read(self, name: str) -> Any:
        """Return a setting that is asked for by name; a program that rests on it is told so."""
        value = getattr(self, name)
        tracer = tracing()
        if tracer is not None and self._is_found:
            tracer.require(self._is_still, name, value)
        return value

    def _assign(self, name: str, value: Any) -> None:
        """Assign a setting, which inside a function that is traced no replay would do again."""
        tracer = tracing()
        if tracer is not None and self._is_found:
            changing(self, name)
            tracer.cannot_repeat(f"assigns {self._name}.{name.removeprefix('_')}", " in every call")
        setattr(self, name, value)

    def _is_still(self, name: str, value: Any) -> bool:
        return getattr(self, name) == value

    def _checked(self, params: Iterable[Tensor]) -> list[Tensor]:
        if isinstance(params, (Tensor, Mapping, str)) or not isinstance(params, Iterable):
            raise DTypeError(
                f"{self._name}: {type(params).__name__} came, and a list of tensors is needed, "
                "such as model.parameters()"
            )
        found: list[Tensor] = []
        seen: dict[int, int] = {}
        for i, x in enumerate(params):  # one at a time: there may be no end to them
            if not isinstance(x, Tensor):
                raise DTypeError(
                    f"{self._name}: parameter {i} is {type(x).__name__}, and a tensor is needed"
                )
            if not x.is_parameter:
                state = "is computed from others" if x.requires_grad else "does not require grad"
                raise GradientError(
                    f"{self._name}: parameter {i} of shape {x.shape} {state}; only a leaf that "
                    "requires grad can be optimized, see wg.parameter"
                )
            if any(
                n > 1 and stride == 0
                for n, stride in zip(x.shape, x.array.layout.strides, strict=True)
            ):
                raise ShapeError(
                    f"{self._name}: parameter {i} of shape {x.shape} is an expanded view, whose "
                    "elements share memory: optimize a copy()"
                )
            if seen.setdefault(id(x), i) != i:
                raise ArgumentError(f"{self._name}: parameters {seen[id(x)]} and {i} are the same")
            found.append(x)
        if not found:
            raise ArgumentError(f"{self._name}: no parameters came, and at least one is needed")
        return found

    @abstractmethod
    def step(self) -> None:
        """Change every parameter that has a gradient and is not frozen, in place."""

    @staticmethod
    def _is_moved(p: Tensor) -> bool:
        """Whether a step changes a parameter."""
        return p.requires_grad and p.grad is not None

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return a snapshot of the settings and of what the rule remembers, not the parameters."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a snapshot; when this raises, nothing has changed."""

    @whole
    def zero_grad(self) -> None:
        """Set the gradient of every parameter that has one to zeros."""
        for x in self.params:
            x.zero_grad()
