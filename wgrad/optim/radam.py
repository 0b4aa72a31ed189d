"""RAdam: Adam that goes by the average gradient alone until the average square is known well."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..creation import zeros_like
from ..ops.elementwise import sqrt
from ..tensor import Tensor
from .optimizer import Optimizer
from .settings import Setting, flag, two_below_one
from .slope import decayed


class RAdam(Optimizer):
    """RAdam, as PyTorch defines it.

    With the gradient g of a parameter p (its negative with maximize) and the number t of its steps
    so far, this one included:

        g = g + weight_decay * p                    decoupled: p = p * (1 - lr * weight_decay)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        n = 2 / (1 - beta2) - 1
        k = n - 2 * t * beta2 ** t / (1 - beta2 ** t)
        r = sqrt((k - 4) * (k - 2) * n / ((n - 4) * (n - 2) * k))
        s = r * sqrt(1 - beta2 ** t) / (sqrt(v) + eps)      where k > 5, else s = 1
        p = p - lr / (1 - beta1 ** t) * m * s

    Raises: what Optimizer raises; ArgumentError for betas outside 0 to 1 (1 excluded).
    Source: Liu et al., https://arxiv.org/abs/1908.03265

    >>> w = wg.parameter([1.0, -2.0])
    >>> optimizer = wg.optim.RAdam([w], lr=0.1)
    >>> w.square().sum().backward()
    >>> optimizer.step()
    >>> bool((abs(w) < wg.tensor([1.0, 2.0])).all())  # nearer to 0
    True
    """

    betas = Setting("How much of both averages each step keeps: from 0, below 1.", two_below_one)
    eps = Setting("What is added to the root of the average square: at least 0.")
    weight_decay = Setting("How strongly the parameters are drawn to 0: at least 0.")
    decoupled_weight_decay = Setting("Whether weight decay is a step of its own.", flag)
    maximize = Setting("Whether steps go up the gradient.", flag)
    state = dict.fromkeys(("exp_avg", "exp_avg_sq"), zeros_like)
    counts_steps = True

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
        )

    def update(self, p: Tensor, g: Tensor, state: Any, now: Mapping[str, Any]) -> Tensor:
        lr, (beta1, beta2), t = now["lr"], now["betas"], state.step
        p, g = decayed(p, g, now)
        m = state["exp_avg"] = beta1 * state["exp_avg"] + (1 - beta1) * g
        v = state["exp_avg_sq"] = beta2 * state["exp_avg_sq"] + (1 - beta2) * (g * g)
        # One formula for both cases, so that a compiled step has one program for all its runs.
        rectified = self.number(_rectified, beta2, t)
        plain = self.number(_plain, beta2, t)
        scale = rectified / (sqrt(v) + now["eps"]) + plain
        return p - lr / (1 - beta1**t) * (m * scale)


def _known(beta2: float, t: float) -> float:
    """Return how many gradients the average square is as good as the average of."""
    most = 2 / (1 - beta2) - 1
    return most - 2 * t * beta2**t / (1 - beta2**t)


def _rectified(beta2: float, t: float) -> float:
    """Return what is divided by the root of the average square: 0 where too little is known."""
    most, k = 2 / (1 - beta2) - 1, _known(beta2, t)
    if k <= 5:
        return 0.0
    r = math.sqrt((k - 4) * (k - 2) * most / ((most - 4) * (most - 2) * k))
    return r * math.sqrt(1 - beta2**t)


def _plain(beta2: float, t: float) -> float:
    """Return what the average gradient is multiplied by where too little is known, else 0."""
    return 1.0 if _known(beta2, t) <= 5 else 0.0
