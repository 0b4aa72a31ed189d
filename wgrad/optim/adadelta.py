"""Adadelta: steps as large as those before, by the gradient over its running average square."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..creation import zeros_like
from ..ops.elementwise import sqrt
from ..tensor import Tensor
from .optimizer import Optimizer
from .settings import Setting, below_one, flag
from .slope import slope


class Adadelta(Optimizer):
    """Adadelta, as PyTorch defines it.

    With the gradient g of a parameter p (its negative with maximize), in this order:

        g = g + weight_decay * p
        v = rho * v + (1 - rho) * g * g
        s = sqrt(u + eps) / sqrt(v + eps) * g
        u = rho * u + (1 - rho) * s * s
        p = p - lr * s

    Raises: what Optimizer raises; ArgumentError for rho outside 0 to 1 (1 excluded).
    Source: Zeiler, https://arxiv.org/abs/1212.5701

    >>> w = wg.parameter([1.0, -2.0])
    >>> optimizer = wg.optim.Adadelta([w])
    >>> w.square().sum().backward()
    >>> optimizer.step()
    >>> bool((abs(w) < wg.tensor([1.0, 2.0])).all())  # nearer to 0
    True
    """

    rho = Setting("How much of both averages each step keeps: from 0, below 1.", below_one)
    eps = Setting("What is added to both averages: at least 0.")
    weight_decay = Setting("How strongly the parameters are drawn to 0: at least 0.")
    maximize = Setting("Whether steps go up the gradient.", flag)
    state = dict.fromkeys(("square_avg", "acc_delta"), zeros_like)
    counts_steps = True  # for PyTorch, which wants them

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize
        )

    def update(self, p: Tensor, g: Tensor, state: Any, now: Mapping[str, Any]) -> Tensor:
        g, rho, eps = slope(p, g, now), now["rho"], now["eps"]
        v = state["square_avg"] = rho * state["square_avg"] + (1 - rho) * (g * g)
        step = sqrt(state["acc_delta"] + eps) / sqrt(v + eps) * g
        state["acc_delta"] = rho * state["acc_delta"] + (1 - rho) * (step * step)
        return p - now["lr"] * step
