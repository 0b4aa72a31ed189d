"""NAdam: Adam that looks ahead as Nesterov's momentum does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..creation import ones, zeros_like
from ..ops.elementwise import sqrt
from ..tensor import Tensor
from .optimizer import Optimizer
from .settings import Setting, flag, two_below_one
from .slope import decayed


class NAdam(Optimizer):
    """NAdam, as PyTorch defines it.

    With the gradient g of a parameter p (its negative with maximize) and the number t of its steps
    so far, this one included:

        g = g + weight_decay * p                    decoupled: p = p * (1 - lr * weight_decay)
        c(t) = beta1 * (1 - 0.96 ** (t * momentum_decay) / 2)
        k = k * c(t)                                at first 1
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        s = (1 - c(t)) / (1 - k) * g + c(t + 1) / (1 - k * c(t + 1)) * m
        p = p - lr * s / (sqrt(v / (1 - beta2 ** t)) + eps)

    Raises: what Optimizer raises; ArgumentError for betas outside 0 to 1 (1 excluded).
    Source: Dozat, "Incorporating Nesterov Momentum into Adam" (ICLR workshop, 2016).

    >>> w = wg.parameter([1.0, -2.0])
    >>> optimizer = wg.optim.NAdam([w], lr=0.1)
    >>> w.square().sum().backward()
    >>> optimizer.step()
    >>> bool((abs(w) < wg.tensor([1.0, 2.0])).all())  # nearer to 0
    True
    """

    betas = Setting("How much of both averages each step keeps: from 0, below 1.", two_below_one)
    eps = Setting("What is added to the root of the average square: at least 0.")
    weight_decay = Setting("How strongly the parameters are drawn to 0: at least 0.")
    momentum_decay = Setting("How fast the momentum grows to beta1: at least 0.")
    decoupled_weight_decay = Setting("Whether weight decay is a step of its own.", flag)
    maximize = Setting("Whether steps go up the gradient.", flag)
    state = {  # noqa: RUF012  # the base declares it for the class
        "mu_product": lambda p: ones((), dtype=p.dtype, device=p.device),
        "exp_avg": zeros_like,
        "exp_avg_sq": zeros_like,
    }
    counts_steps = True

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
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
            momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
        )

    def update(self, p: Tensor, g: Tensor, state: Any, now: Mapping[str, Any]) -> Tensor:
        lr, (beta1, beta2), t = now["lr"], now["betas"], state.step
        p, g = decayed(p, g, now)
        mu, ahead = (beta1 * (1 - 0.5 * 0.96 ** (n * now["momentum_decay"])) for n in (t, t + 1))
        product = state["mu_product"] = state["mu_product"] * mu
        m = state["exp_avg"] = beta1 * state["exp_avg"] + (1 - beta1) * g
        v = state["exp_avg_sq"] = beta2 * state["exp_avg_sq"] + (1 - beta2) * (g * g)
        step = (1 - mu) / (1 - product) * g + ahead / (1 - product * ahead) * m
        return p - lr * (step / (sqrt(v / (1 - beta2**t)) + now["eps"]))
