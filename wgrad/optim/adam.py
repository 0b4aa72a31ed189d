"""Adam and AdamW: steps by running averages of the gradient and of its square."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..creation import zeros_like
from ..tensor import Tensor
from .kernels import NEGATED, StepKernel
from .live import number_of
from .optimizer import Optimizer
from .settings import Setting, flag, two_below_one

# The numbers come ready from the host: 1 - beta2 in float32 would lose digits.
_FIRST = StepKernel("adam_first", "a + c * (b - a)", lambda a, b, c: a + c * (b - a))
_SECOND = StepKernel("adam_second", "c * a + d * (b * b)", lambda a, b, c, d: c * a + d * (b * b))
_STEP = StepKernel(
    "adam_step",
    "e * a - d * (b / (sqrt(c) * f + g))",
    lambda a, b, c, d, e, f, g: e * a - d * (b / (np.sqrt(c) * f + g)),
)
_LARGER = StepKernel("adam_larger", "nan_max(a, b)", np.maximum)
_DECAY = StepKernel("adam_decay", "a + c * b", lambda a, b, c: a + c * b)


class Adam(Optimizer):
    """Adam, as PyTorch defines it.

    With the gradient g of a parameter p and the number t of its steps so far, this one included:

        g = g + weight_decay * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        p = p - lr / (1 - beta1 ** t) * m / (sqrt(v / (1 - beta2 ** t)) + eps)

    With amsgrad, the last line has the largest v so far in place of v; with maximize, g is the
    negative gradient. Raises: what Optimizer raises; ArgumentError for betas outside 0 to 1 (1
    excluded).
    Source: Kingma and Ba, https://arxiv.org/abs/1412.6980

    >>> w = wg.parameter([1.0, -2.0])
    >>> optimizer = wg.optim.Adam([w], lr=0.1)
    >>> for _ in range(60):
    ...     optimizer.zero_grad()
    ...     loss = (w - 1).square().sum()
    ...     loss.backward()
    ...     optimizer.step()
    >>> bool(loss < 0.1)
    True
    """

    betas = Setting("How much of both averages each step keeps: from 0, below 1.", two_below_one)
    eps = Setting("What is added to the root of the average square: at least 0.")
    weight_decay = Setting("How strongly the parameters are drawn to 0: at least 0.")
    amsgrad = Setting("Whether steps divide by the largest average square so far.", flag)
    maximize = Setting("Whether steps go up the gradient.", flag)
    state = dict.fromkeys(("exp_avg", "exp_avg_sq", "max_exp_avg_sq"), zeros_like)
    counts_steps = True
    _by_kernels = True
    _former = {"moments": ("exp_avg", "exp_avg_sq")}  # noqa: RUF012  # the base declares it

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
        )

    def update(self, p: Tensor, g: Tensor, state: Any, now: Mapping[str, Any]) -> Tensor:
        lr, (beta1, beta2), decay, t = now["lr"], now["betas"], now["weight_decay"], state.step
        if now["maximize"]:
            g = NEGATED(g)
        if decay and not self._decoupled:
            g = _DECAY(g, p, decay)
        m = state["exp_avg"] = _FIRST(state["exp_avg"], g, 1 - beta1)
        v = state["exp_avg_sq"] = _SECOND(state["exp_avg_sq"], g, beta2, 1 - beta2)
        if now["amsgrad"]:
            v = state["max_exp_avg_sq"] = _LARGER(state["max_exp_avg_sq"], v)
        size = lr / (1 - beta1**t)
        shrink = 1 - lr * decay if self._decoupled else 1.0
        correction = 1 / number_of(math.sqrt, 1 - beta2**t)
        return _STEP(p, m, v, size, shrink, correction, now["eps"])


class AdamW(Adam):
    """Adam whose weight decay is a step of its own: p = p * (1 - lr * weight_decay) first.

    The gradient and its averages know nothing of the decay. Raises: what Adam raises.
    Source: Loshchilov and Hutter, https://arxiv.org/abs/1711.05101

    >>> model = wg.nn.Linear(3, 1)
    >>> optimizer = wg.optim.AdamW(
    ...     [{"params": [model.weight]}, {"params": [model.bias], "weight_decay": 0.0}], lr=0.001
    ... )
    >>> [group["weight_decay"] for group in optimizer.param_groups]
    [0.01, 0.0]
    """

    _decoupled = True

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
