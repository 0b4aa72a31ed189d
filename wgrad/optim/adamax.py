"""Adamax: Adam with the largest gradient of late in place of the average square."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..creation import zeros_like
from ..ops.elementwise import abs_, maximum
from ..tensor import Tensor
from .optimizer import Optimizer
from .settings import Setting, flag, two_below_one
from .slope import slope


class Adamax(Optimizer):
    """Adamax, as PyTorch defines it.

    With the gradient g of a parameter p (its negative with maximize) and the number t of its steps
    so far, this one included:

        g = g + weight_decay * p
        m = beta1 * m + (1 - beta1) * g
        u = max(beta2 * u, |g| + eps)
        p = p - lr / (1 - beta1 ** t) * m / u

    Raises: what Optimizer raises; ArgumentError for betas outside 0 to 1 (1 excluded).
    Source: Kingma and Ba, https://arxiv.org/abs/1412.6980

    >>> w = wg.parameter([1.0, -2.0])
    >>> optimizer = wg.optim.Adamax([w], lr=0.5)
    >>> w.square().sum().backward()
    >>> optimizer.step()
    >>> w  # the first step is of size lr
    tensor([ 0.5, -1.5], requires_grad=True)
    """

    betas = Setting("How much the average and the largest keep: from 0, below 1.", two_below_one)
    eps = Setting("What is added to the gradient's size: at least 0.")
    weight_decay = Setting("How strongly the parameters are drawn to 0: at least 0.")
    maximize = Setting("Whether steps go up the gradient.", flag)
    state = dict.fromkeys(("exp_avg", "exp_inf"), zeros_like)
    counts_steps = True

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize
        )

    def update(self, p: Tensor, g: Tensor, state: Any, now: Mapping[str, Any]) -> Tensor:
        g, (beta1, beta2) = slope(p, g, now), now["betas"]
        m = state["exp_avg"] = beta1 * state["exp_avg"] + (1 - beta1) * g
        u = state["exp_inf"] = maximum(beta2 * state["exp_inf"], abs_(g) + now["eps"])
        return p - now["lr"] / (1 - beta1**state.step) * (m / u)
