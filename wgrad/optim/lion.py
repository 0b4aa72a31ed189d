"""Lion: steps by the sign of a blend of the gradient and its running average."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..creation import zeros_like
from ..ops.elementwise import sign
from ..tensor import Tensor
from .optimizer import Optimizer
from .settings import Setting, flag, two_below_one
from .slope import slope


class Lion(Optimizer):
    """Lion: steps of one size, whose signs are those of a blend of the gradient and its average.

    With the gradient g of a parameter p (its negative with maximize), in this order:

        p = p * (1 - lr * weight_decay) - lr * sign(beta1 * m + (1 - beta1) * g)
        m = beta2 * m + (1 - beta2) * g

    PyTorch has none; arguments are the authors'. Learning rates are 3 to 10 times smaller than
    Adam's. Raises: what Optimizer raises; ArgumentError for betas outside 0 to 1 (1 excluded).
    Source: Chen et al., https://arxiv.org/abs/2302.06675

    >>> w = wg.parameter([1.0, -2.0])
    >>> optimizer = wg.optim.Lion([w], lr=0.25)
    >>> w.square().sum().backward()
    >>> optimizer.step()
    >>> w  # all steps are of one size
    tensor([ 0.75, -1.75], requires_grad=True)
    """

    betas = Setting("What the blend and the average keep: from 0, below 1.", two_below_one)
    weight_decay = Setting("How strongly the parameters are drawn to 0: at least 0.")
    maximize = Setting("Whether steps go up the gradient.", flag)
    state = {"exp_avg": zeros_like}  # noqa: RUF012  # the base declares it for the class

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ):
        super().__init__(params, lr=lr, betas=betas, weight_decay=weight_decay, maximize=maximize)

    def update(self, p: Tensor, g: Tensor, state: Any, now: Mapping[str, Any]) -> Tensor:
        g, (blend, keep), m = slope(p, g, now, decay=False), now["betas"], state["exp_avg"]
        lr, decay = now["lr"], now["weight_decay"]
        if decay:
            p = p * (1 - lr * decay)
        state["exp_avg"] = keep * m + (1 - keep) * g
        return p - lr * sign(blend * m + (1 - blend) * g)
