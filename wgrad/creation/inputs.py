"""Makes tensors and numbers of what public functions are given, or says what is wrong with it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..core import Tensor
from ..errors import ArgumentError, GradientError, shown
from ..tape import is_recording
from .host import from_host, host_array


def as_tensor(x: Any, where: str, like: Any = None) -> Tensor:
    """Return `x` if it is a tensor, else a tensor on the device of `like` (or the default).

    Data takes the dtype that `dtypes.beside` says, or else what `wg.tensor` gives it.
    Raises: DTypeError and ShapeError that begin with `where`.
    """
    if isinstance(x, Tensor):
        return x
    if not isinstance(like, Tensor):
        return from_host(x, where)
    data = host_array(x, where)
    return from_host(data, where, dtypes.beside(data, like.dtype), like.device)


def as_tensors(where: str, *data: Any) -> tuple[Tensor, ...]:
    """Return `data` as tensors: what is none yet goes where the first one that is lives."""
    given = [x for x in data if isinstance(x, Tensor)]
    like: Any = next((x for x in given if x.dtype is dtypes.float64), given[0] if given else None)
    return tuple(as_tensor(x, where, like) for x in data)


def as_number(value: Any, where: str, name: str = "") -> bool | int | float:
    """Return a number, of Python, NumPy or a tensor of one element, as Python's.

    Raises: ArgumentError; GradientError for a tensor whose history would be lost.
    """
    if isinstance(value, Tensor) and value.array.layout.size == 1:
        if value.node is not None and value.node.requires_grad and is_recording():
            raise GradientError(
                f"{where}: a tensor that requires grad came where a number is needed, and its "
                "history would be lost: use .detach(), or compute with it"
            )
        value = value.item()
    elif isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (np.bool_, np.integer, np.floating)):
        return {"b": bool, "f": float}.get(value.dtype.kind, int)(value)
    what = f"{name}={shown(value)}" if name else shown(value)
    raise ArgumentError(f"{where}: {what} came, and a number is needed")


def as_float(value: Any, where: str, name: str = "") -> float:
    """Return a number as `as_number` does, as a float. Raises: as it; ArgumentError for 10**400."""
    number = as_number(value, where, name)
    try:
        return float(number)
    except OverflowError:
        what = f"{name}={shown(number)}" if name else shown(number)
        raise ArgumentError(f"{where}: {what} came, and no float is as large") from None
