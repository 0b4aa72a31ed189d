"""Checks of values that a tensor is about to take: saved ones of a module or an optimizer."""

from __future__ import annotations

from typing import Any

from ..creation import host_array, tensor
from ..errors import DTypeError, ShapeError
from . import Tensor


def prepare_value(value: Any, like: Tensor, where: str) -> Tensor:
    """Return `value` on the device of `like` and of its dtype.

    Its memory is its own, or `value`'s. Raises: ShapeError unless the shapes are equal; DTypeError
    for no data, or for floats where integers are.
    """
    if not isinstance(value, Tensor):
        data = host_array(value, where)
        # At once: float64 keeps its digits.
        floats = like.dtype.is_floating and data.dtype.kind == "f"
        value = tensor(data, like.dtype if floats else None, device="numpy")
    if value.shape != like.shape:
        raise ShapeError(f"{where}: shape {value.shape} came, and {like.shape} is needed")
    if value.dtype.rank > like.dtype.rank:
        raise DTypeError(f"{where}: {value.dtype.name} came for a {like.dtype.name} tensor")
    return value.detach().astype(like.dtype).to(like.device)
