"""Stochastic gradient descent, with momentum, Nesterov's variant and weight decay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..checks.arguments import checked_flag
from ..creation import zeros_like
from ..errors import ArgumentError
from ..tensor import Tensor
from .kernels import StepKernel
from .optimizer import Optimizer
from .settings import Setting


def _numpy_step(a: Any, b: Any, c: Any) -> Any:
    step = np.multiply(b, c)
    if isinstance(step, np.ndarray):  # one array, not two: a step is bound by memory
        return np.subtract(a, step, out=step)
    return a - step


_STEP = StepKernel("sgd_step", "a - c * b", _numpy_step)
_DECAYED_STEP = StepKernel(
    "sgd_decayed_step", "a - c * (b + d * a)", lambda a, b, c, d: a - c * (b + d * a)
)
_ADD_SCALED = StepKernel("sgd_add_scaled", "a + c * b", lambda a, b, c: a + c * b)


class SGD(Optimizer):
    """Stochastic gradient descent, as PyTorch defines it.

    With the gradient g of a parameter p, in this order:

        g = g + weight_decay * p
        v = momentum * v + g        the first time v = g
        p = p - lr * v              with nesterov: p - lr * (g + momentum * v)

    Raises: what Optimizer raises; ArgumentError for nesterov without momentum.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
    """

    momentum = Setting("How much of the velocity each step keeps: at least 0.")
    nesterov = Setting(
        "Whether a step looks ahead.", lambda value, where: checked_flag(value, *where.split(": "))
    )
    weight_decay = Setting("How strongly the parameters are drawn to 0: at least 0.")
    state = {"velocity": zeros_like}  # noqa: RUF012  # the base declares it for the class
    _by_kernels = True

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ):
        super().__init__(
            params, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay
        )

    @classmethod
    def check(cls, settings: dict[str, Any]) -> None:
        if settings["nesterov"] and not settings["momentum"]:
            raise ArgumentError(f"{cls.__name__}: nesterov=True needs a momentum greater than 0")

    def update(self, p: Tensor, g: Tensor, state: Any, now: Mapping[str, Any]) -> Tensor:
        lr, momentum, decay = now["lr"], now["momentum"], now["weight_decay"]
        if not momentum:
            return _DECAYED_STEP(p, g, lr, decay) if decay else _STEP(p, g, lr)
        v = state["velocity"]
        if decay:
            g = _ADD_SCALED(g, p, decay, dtype=v.dtype)
        v = state["velocity"] = _ADD_SCALED(g, v, momentum, dtype=v.dtype)
        return _STEP(p, _ADD_SCALED(g, v, momentum, dtype=v.dtype) if now["nesterov"] else v, lr)
