"""Checks of values that a tensor is about to take: saved ones of a module or an optimizer."""

from __future__ import annotations

from typing import Any

from ..creation import host_array, tensor
from ..dtypes import DType
from ..errors import DTypeError, ShapeError
from . import Tensor


def prepare_value(value: Any, like: Tensor, where: str, dtype: DType | None = None) -> Tensor:
    """Return `value` on the device of `like`, of its dtype unless another is given.

    Its memory is its own, or `value`'s. Raises: ShapeError unless the shapes are equal; DTypeError
    for no data, or for floats where integers are.
    """
    dtype = dtype or like.dtype
    if not isinstance(value, Tensor):
        data = host_array(value, where)
        floats = dtype.is_floating and data.dtype.kind == "f"  # at once: float64 keeps its digits
        value = tensor(data, dtype if floats else None, device="numpy")
    if value.shape != like.shape:
        raise ShapeError(f"{where}: shape {value.shape} came, and {like.shape} is needed")
    if value.dtype.rank > dtype.rank:
        raise DTypeError(f"{where}: {value.dtype.name} came for a {dtype.name} tensor")
    return value.detach().astype(dtype).to(like.device)
