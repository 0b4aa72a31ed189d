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
