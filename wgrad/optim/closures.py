"""Closures of a step: functions that compute the loss and its gradients anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ArgumentError, shown
from ..tensor import Tensor


def loss_of(closure: Callable[[], Any], where: str) -> Any:
    """Return what a closure returns, a scalar. Raises: ArgumentError."""
    if not callable(closure):
        raise ArgumentError(
            f"{where}.step: closure={shown(closure)} came, and a function that returns the loss is "
            "needed"
        )
    loss = closure()
    if isinstance(loss, (int, float)) or (isinstance(loss, Tensor) and loss.size == 1):
        return loss
    came = f"a tensor {loss.shape}" if isinstance(loss, Tensor) else shown(loss)
    raise ArgumentError(
        f"{where}.step: the closure returned {came}, and the loss, one number, is needed"
    )
