"""ASGD: stochastic gradient descent with a falling rate, and the average of where it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..creation import full, ones, zeros_like
from ..tensor import Tensor
from .optimizer import Optimizer
from .remembered import Kept
from .settings import Setting, at_least_zero, flag
from .slope import slope


class ASGD(Optimizer):
    """Averaged stochastic gradient descent, as PyTorch defines it.

    With the gradient g of a parameter p (its negative with maximize) and the number t of its steps
    so far, this one included:

        g = g + weight_decay * p
        p = p * (1 - lambd * eta) - eta * g         at first eta = lr
        a = a + mu * (p - a)                        at first mu = 1
        eta = lr / (1 + lambd * lr * t) ** alpha
        mu = 1 / max(1, t - t0)

    a, the average, is `state_dict()["state"][i]["ax"]`. Raises: what Optimizer raises.
    Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging" (SIAM
    Journal on Control and Optimization 30, 1992).

    >>> w = wg.parameter([1.0])
    >>> optimizer = wg.optim.ASGD([w], lr=0.5, lambd=0.0, t0=0)
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     (w * 2).sum().backward()
    ...     optimizer.step()
    >>> w, optimizer.state_dict()["state"][0]["ax"]  # where it is, and the average of 0, -1, -2
    (tensor([-2.], requires_grad=True), tensor([-1.5]))
    """

    lambd = Setting("How strongly the parameters are drawn to 0, and the rate falls.")
    alpha = Setting("The power by which the rate falls: at least 0.")
    t0 = Setting("The step at which averaging begins: at least 0.", at_least_zero)
    weight_decay = Setting("How strongly the parameters are drawn to 0: at least 0.")
    maximize = Setting("Whether steps go up the gradient.", flag)
    state = dict.fromkeys(("eta", "mu", "ax"), zeros_like)
    counts_steps = True

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params,
            lr=lr,
            lambd=lambd,
            alpha=alpha,
            t0=t0,
            weight_decay=weight_decay,
            maximize=maximize,
        )

    def begin(self, name: str, p: Tensor, settings: Mapping[str, Any]) -> Kept:
        if name == "eta":
            return full((), settings["lr"], dtype=p.dtype, device=p.device)
        return ones((), dtype=p.dtype, device=p.device) if name == "mu" else zeros_like(p)

    def update(self, p: Tensor, g: Tensor, state: Any, now: Mapping[str, Any]) -> Tensor:
        g, lr, lambd, t = slope(p, g, now), now["lr"], now["lambd"], state.step
        eta, mu = state["eta"], state["mu"]
        p = p * (1 - lambd * eta) - eta * g
        state["ax"] = mu * p + (1 - mu) * state["ax"]
        state["eta"] = 0.0 * eta + lr / (1 + lambd * lr * t) ** now["alpha"]
        state["mu"] = 0.0 * mu + self.number(_share, t, now["t0"])
        return p


def _share(t: float, t0: float) -> float:
    """Return how much of the average the next place is."""
    return 1 / max(1.0, t - t0)
