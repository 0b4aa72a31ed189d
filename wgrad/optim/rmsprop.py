"""RMSprop: steps by the gradient over the root of its running average square."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..creation import zeros_like
from ..ops.elementwise import maximum, sqrt
from ..tensor import Tensor
from .optimizer import Optimizer
from .settings import Setting, below_one, flag
from .slope import slope


class RMSprop(Optimizer):
    """RMSprop, as PyTorch defines it.

    With the gradient g of a parameter p (its negative with maximize), in this order:

        g = g + weight_decay * p
        v = alpha * v + (1 - alpha) * g * g
        a = alpha * a + (1 - alpha) * g             with centered, else a = 0
        s = g / (sqrt(v - a * a) + eps)
        b = momentum * b + s
        p = p - lr * b

    Raises: what Optimizer raises; ArgumentError for alpha outside 0 to 1 (1 excluded).
    Source: Tieleman and Hinton, "Lecture 6.5: RMSprop" (Coursera, 2012); with centered: Graves,
    https://arxiv.org/abs/1308.0850

    >>> w = wg.parameter([1.0, -2.0])
    >>> optimizer = wg.optim.RMSprop([w], lr=0.01)
    >>> w.square().sum().backward()
    >>> optimizer.step()
    >>> bool((abs(w) < wg.tensor([1.0, 2.0])).all())  # nearer to 0
    True
    """

    alpha = Setting("How much of the average square each step keeps: from 0, below 1.", below_one)
    eps = Setting("What is added to the root of the average square: at least 0.")
    weight_decay = Setting("How strongly the parameters are drawn to 0: at least 0.")
    momentum = Setting("How much of the last step each step keeps: at least 0.")
    centered = Setting("Whether the square of the average is taken off.", flag)
    maximize = Setting("Whether steps go up the gradient.", flag)
    state = dict.fromkeys(("square_avg", "grad_avg", "momentum_buffer"), zeros_like)
    counts_steps = True  # for PyTorch, which wants them

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params,
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
            maximize=maximize,
        )

    def update(self, p: Tensor, g: Tensor, state: Any, now: Mapping[str, Any]) -> Tensor:
        g, alpha, momentum = slope(p, g, now), now["alpha"], now["momentum"]
        v = state["square_avg"] = alpha * state["square_avg"] + (1 - alpha) * (g * g)
        if now["centered"]:
            a = state["grad_avg"] = alpha * state["grad_avg"] + (1 - alpha) * g
            v = maximum(v - a * a, 0.0)  # which rounding could bring below 0
        step = g / (sqrt(v) + now["eps"])
        if momentum:
            step = state["momentum_buffer"] = momentum * state["momentum_buffer"] + step
        return p - now["lr"] * step
