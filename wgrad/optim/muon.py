"""Muon: momentum of matrices, made nearly orthogonal before each step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..checks.arguments import checked_choice
from ..creation import zeros_like
from ..errors import ShapeError
from ..ops.elementwise import maximum, sqrt
from ..tensor import Tensor
from .optimizer import Optimizer
from .settings import Setting, below_one, count, flag, three_finite


def _rate(value: Any, where: str) -> str | None:
    options = ("original", "match_rms_adamw")
    return None if value is None else checked_choice(value, options, *where.split(": "))


class Muon(Optimizer):
    """Muon, as PyTorch defines it, for the matrices of hidden layers: other parameters need Adam.

    With the gradient g of a parameter p of shape (n, m), in this order:

        b = momentum * b + (1 - momentum) * g
        u = momentum * b + (1 - momentum) * g       with nesterov, else u = b
        u = u / max(|u|, eps), and ns_steps times u = (A + B * s + C * s @ s) @ u with s = u @ u.T
        p = p * (1 - lr * weight_decay) - lr * r * u

    where A, B, C are ns_coefficients, and a tall u is transposed meanwhile. r is
    sqrt(max(1, n / m)) with adjust_lr_fn=None or "original", and 0.2 * sqrt(max(n, m)) with
    "match_rms_adamw". PyTorch makes u orthogonal in bfloat16; here it has the parameter's digits.

    Raises: what Optimizer raises; ShapeError for a parameter that is no matrix; ArgumentError for
    momentum outside 0 to 1 (1 excluded) or an unknown adjust_lr_fn.
    Source: Jordan et al., https://kellerjordan.github.io/posts/muon; Liu et al.,
    https://arxiv.org/abs/2502.16982

    >>> w = wg.parameter(wg.eye(2))
    >>> optimizer = wg.optim.Muon([w], lr=0.1, weight_decay=0.0)
    >>> (w * wg.tensor([[3.0, 0.0], [0.0, 1.0]])).sum().backward()
    >>> optimizer.step()
    >>> bool((wg.diag(w) < 1).all())  # the gradient's directions count about alike
    True
    """

    weight_decay = Setting("How strongly the parameters are drawn to 0: at least 0.")
    momentum = Setting("How much of the velocity each step keeps: from 0, below 1.", below_one)
    nesterov = Setting("Whether a step looks ahead.", flag)
    ns_coefficients = Setting("What powers of u @ u.T are multiplied by.", three_finite)
    eps = Setting("The least norm that is divided by: at least 0.")
    ns_steps = Setting("How often u is brought closer to orthogonal: at least 1.", count)
    adjust_lr_fn = Setting("How the learning rate follows the shape.", _rate)
    state = {"momentum_buffer": zeros_like}  # noqa: RUF012  # the base declares it for the class

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ):
        super().__init__(
            params,
            lr=lr,
            weight_decay=weight_decay,
            momentum=momentum,
            nesterov=nesterov,
            ns_coefficients=ns_coefficients,
            eps=eps,
            ns_steps=ns_steps,
            adjust_lr_fn=adjust_lr_fn,
        )

    def _parameters(self, came: Any) -> list[Tensor]:
        params = super()._parameters(came)
        for i, x in enumerate(params, len(self.params)):
            if x.ndim != 2:
                raise ShapeError(
                    f"Muon: parameter {i} has shape {x.shape}, and a matrix is needed: give other "
                    "parameters to AdamW"
                )
        return params

    def update(self, p: Tensor, g: Tensor, state: Any, now: Mapping[str, Any]) -> Tensor:
        lr, momentum, decay = now["lr"], now["momentum"], now["weight_decay"]
        b = state["momentum_buffer"] = momentum * state["momentum_buffer"] + (1 - momentum) * g
        u = momentum * b + (1 - momentum) * g if now["nesterov"] else b
        n, m = p.shape
        u = _orthogonal(u.T if n > m else u, now["ns_coefficients"], now["ns_steps"], now["eps"])
        if now["adjust_lr_fn"] == "match_rms_adamw":
            ratio = 0.2 * math.sqrt(max(n, m))
        else:
            ratio = math.sqrt(max(1.0, n / m))
        if decay:
            p = p * (1 - lr * decay)
        return p - lr * ratio * (u.T if n > m else u)


def _orthogonal(u: Tensor, coefficients: Any, steps: int, eps: Any) -> Tensor:
    """Return u with singular values near 1: Newton's and Schulz's iteration, of degree 5."""
    a, b, c = coefficients
    u = u / maximum(sqrt((u * u).sum()), eps)
    for _ in range(steps):
        s = u @ u.T
        u = a * u + (b * s + c * (s @ s)) @ u
    return u
