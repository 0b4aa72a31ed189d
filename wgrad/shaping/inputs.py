"""What public functions are given, as tensors and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dtypes
from ..core import Value
from ..errors import ArgumentError, shown

if TYPE_CHECKING:
    from ..tensor import Tensor


def as_tensor(x: Any, where: str, like: Any = None) -> Tensor:
    """Return `x` if it is a tensor, else a tensor on the device of `like` (or the default).

    Floating data stays float64 where `like` is; any other becomes what `wg.tensor` makes of it.
    Raises: DTypeError and ShapeError that begin with `where`.
    """
    if isinstance(x, Value):
        return x  # type: ignore[return-value]  # a Value is a Tensor
    from ..creation import from_host, host_array

    if not isinstance(like, Value):
        return from_host(x, where)
    data = host_array(x, where)
    exact = like.dtype is dtypes.float64 and data.dtype.kind == "f"
    return from_host(data, where, dtypes.float64 if exact else None, like.device)


def as_tensors(where: str, *data: Any) -> tuple[Tensor, ...]:
    """Return `data` as tensors: what is none yet goes where the first one that is lives."""
    given = [x for x in data if isinstance(x, Value)]
    like: Any = next((x for x in given if x.dtype is dtypes.float64), given[0] if given else None)
    return tuple(as_tensor(x, where, like) for x in data)


def as_number(value: Any, where: str, name: str = "") -> bool | int | float:
    """Return a number, of Python, NumPy or a tensor of one element, as Python's. Raises:
    ArgumentError."""
    if isinstance(value, Value):
        value = value.item()  # type: ignore[attr-defined]  # a Value is a Tensor
    elif isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (np.bool_, np.integer, np.floating)):
        return {"b": bool, "f": float}.get(value.dtype.kind, int)(value)
    what = f"{name}={shown(value)}" if name else shown(value)
    raise ArgumentError(f"{where}: {what} came, and a number is needed")
