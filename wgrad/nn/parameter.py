"""Parameter: what PyTorch's users call the tensors that a module learns."""

from __future__ import annotations

from typing import Any

from ..creation import parameter
from ..tensor import Tensor


class _Marked(type):
    """The kind of a class whose instances are told by a mark: a tensor has one class only."""

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, Tensor) and x.is_parameter


class Parameter(metaclass=_Marked):
    """A leaf that gradients are asked for, made of a copy of `data`: what `wg.parameter` returns.

    With requires_grad=False it starts frozen. isinstance(x, nn.Parameter) is `x.is_parameter`.

    >>> wg.nn.Parameter(wg.zeros(2))
    tensor([0., 0.], requires_grad=True)
    """

    def __new__(cls, data: Any, requires_grad: bool = True) -> Any:
        """Return the tensor. Raises: as `wg.parameter` does."""
        return parameter(data).requires_grad_(requires_grad)
