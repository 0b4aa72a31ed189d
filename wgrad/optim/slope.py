"""What most rules do first: turn the gradient where they go up, and add weight decay to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..tensor import Tensor


def slope(p: Tensor, g: Tensor, now: Mapping[str, Any], decay: bool = True) -> Tensor:
    """Return the gradient, negative with `maximize`, plus weight decay unless that comes apart."""
    if now["maximize"]:
        g = -g
    return g + now["weight_decay"] * p if decay and now["weight_decay"] else g


def decayed(p: Tensor, g: Tensor, now: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """Return the parameter and the gradient with weight decay in one of the two.

    With `decoupled_weight_decay` it is a step of its own, p * (1 - lr * weight_decay).
    """
    apart = now["decoupled_weight_decay"]
    if apart and now["weight_decay"]:
        p = p * (1 - now["lr"] * now["weight_decay"])
    return p, slope(p, g, now, decay=not apart)
