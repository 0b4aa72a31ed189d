"""Stochastic gradient descent, with momentum, Nesterov's variant, dampening and weight decay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..creation import zeros_like
from ..errors import ArgumentError
from ..tensor import Tensor
from .kernels import NEGATED, StepKernel
from .live import number_of
from .optimizer import Optimizer
from .settings import Setting, finite, flag


def _numpy_step(a: Any, b: Any, c: Any) -> Any:
    step = np.multiply(b, c)
    if isinstance(step, np.ndarray):  # one array, not two: a step is bound by memory
        return np.subtract(a, step, out=step)
    return a - step


_STEP = StepKernel("sgd_step", "a - c * b", _numpy_step)
_DECAYED_STEP = StepKernel(
    "sgd_decayed_step", "a - c * (b + d * a)", lambda a, b, c, d: a - c * (b + d * a)
)
_BLENDED = StepKernel("sgd_blended", "d * a + c * b", lambda a, b, c, d: d * a + c * b)
_ADD_SCALED = StepKernel("sgd_add_scaled", "a + c * b", lambda a, b, c: a + c * b)


class SGD(Optimizer):
    """Stochastic gradient descent, as PyTorch defines it.

    With the gradient g of a parameter p (its negative with maximize), in this order:

        g = g + weight_decay * p
        v = momentum * v + (1 - dampening) * g      the first time v = g
        p = p - lr * v              with nesterov: p - lr * (g + momentum * v)

    Raises: what Optimizer raises; ArgumentError for nesterov without momentum or with dampening.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html

    >>> w = wg.parameter([1.0, -2.0])
    >>> optimizer = wg.optim.SGD([w], lr=0.25, momentum=0.9)
    >>> w.square().sum().backward()  # the gradient is 2 w
    >>> optimizer.step()
    >>> w
    tensor([ 0.5, -1. ], requires_grad=True)
    """

    momentum = Setting("How much of the velocity each step keeps: at least 0.")
    dampening = Setting("How much less than the gradient the velocity gains.", finite)
    weight_decay = Setting("How strongly the parameters are drawn to 0: at least 0.")
    nesterov = Setting("Whether a step looks ahead.", flag)
    maximize = Setting("Whether steps go up the gradient.", flag)
    state = {"momentum_buffer": zeros_like}  # noqa: RUF012  # the base declares it for the class
    counts_steps = True  # with momentum: the first is not dampened
    _by_kernels = True
    _former = {"velocity": ("momentum_buffer",)}  # noqa: RUF012  # as above

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
        )

    @classmethod
    def check(cls, settings: dict[str, Any]) -> None:
        if settings["nesterov"] and (not settings["momentum"] or settings["dampening"]):
            raise ArgumentError(
                f"{cls.__name__}: nesterov=True needs a momentum greater than 0 and no dampening"
            )

    def _counted(self, chosen: Sequence[int]) -> tuple[int, ...]:
        groups = self.param_groups
        if not any(g.values_now["dampening"] for g in groups):
            return ()
        counting = {
            i
            for g in groups
            if g.values_now["momentum"]
            for i in range(g.first, g.first + len(g.params))
        }
        return tuple([i for i in chosen if i in counting])

    def update(self, p: Tensor, g: Tensor, state: Any, now: Mapping[str, Any]) -> Tensor:
        lr, momentum, decay = now["lr"], now["momentum"], now["weight_decay"]
        if now["maximize"]:
            g = NEGATED(g)
        if not momentum:
            return _DECAYED_STEP(p, g, lr, decay) if decay else _STEP(p, g, lr)
        v = state["momentum_buffer"]
        if decay:
            g = _ADD_SCALED(g, p, decay, dtype=v.dtype)
        if now["dampening"]:
            share = number_of(_undampened, now["dampening"], state.step)
            v = _BLENDED(g, v, momentum, share, dtype=v.dtype)
        else:
            v = _ADD_SCALED(g, v, momentum, dtype=v.dtype)
        state["momentum_buffer"] = v
        return _STEP(p, _ADD_SCALED(g, v, momentum, dtype=v.dtype) if now["nesterov"] else v, lr)


def _undampened(dampening: float, step: float) -> float:
    """Return how much of the gradient the velocity gains in a step: the first time all of it."""
    return 1.0 if step <= 1 else 1.0 - dampening
