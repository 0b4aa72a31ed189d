"""Adagrad: steps by the gradient over the root of the sum of its squares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..creation import full_like, zeros_like
from ..ops.elementwise import sqrt
from ..tensor import Tensor
from .optimizer import Optimizer
from .remembered import Kept
from .settings import Setting, flag
from .slope import slope


class Adagrad(Optimizer):
    """Adagrad, as PyTorch defines it.

    With the gradient g of a parameter p (its negative with maximize) and the number t of its steps
    so far, this one included:

        g = g + weight_decay * p
        v = v + g * g                               at first initial_accumulator_value
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(v) + eps)

    Raises: what Optimizer raises. Source: Duchi et al., "Adaptive Subgradient Methods for Online
    Learning and Stochastic Optimization" (JMLR 12, 2011).

    >>> w = wg.parameter([1.0, -2.0])
    >>> optimizer = wg.optim.Adagrad([w], lr=0.5)
    >>> w.square().sum().backward()
    >>> optimizer.step()
    >>> w  # the first step is of size lr
    tensor([ 0.5, -1.5], requires_grad=True)
    """

    lr_decay = Setting("How fast the learning rate falls: at least 0.")
    weight_decay = Setting("How strongly the parameters are drawn to 0: at least 0.")
    initial_accumulator_value = Setting("What the sum of squares begins with: at least 0.")
    eps = Setting("What is added to the root of the sum: at least 0.")
    maximize = Setting("Whether steps go up the gradient.", flag)
    state = {"sum": zeros_like}  # noqa: RUF012  # the base declares it for the class
    counts_steps = True

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params,
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
            maximize=maximize,
        )

    def begin(self, name: str, p: Tensor, settings: Mapping[str, Any]) -> Kept:
        return full_like(p, settings["initial_accumulator_value"])

    def update(self, p: Tensor, g: Tensor, state: Any, now: Mapping[str, Any]) -> Tensor:
        g = slope(p, g, now)
        v = state["sum"] = state["sum"] + g * g
        lr = now["lr"] / (1 + (state.step - 1) * now["lr_decay"])
        return p - lr * (g / (sqrt(v) + now["eps"]))
