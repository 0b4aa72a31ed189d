"""Makes tensors and numbers of what public functions are given, or says what is wrong with it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..core import Tensor
from ..errors import ArgumentError, DTypeError, GradientError, shown
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


def as_numeric(x: Any, where: str) -> Tensor:
    """Return `x` as `as_tensor` does. Raises: as it; DTypeError for bools."""
    x = as_tensor(x, where)
    if x.dtype is dtypes.bool_:
        raise DTypeError(
            f"{where}: a bool tensor came and numbers are needed: convert with .astype()"
        )
    return x


def as_tensors(where: str, *data: Any) -> tuple[Tensor, ...]:
    """Return `data` as tensors: what is none yet goes where the first one that is lives."""
    given = [x for x in data if isinstance(x, Tensor)]
    if len(given) == len(data):
        return data
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


def as_float(
    value: Any, where: str, name: str = "", above: float | None = None, least: float | None = None
) -> float:
    """Return a number as `as_number` does, as a float, which is more than `above`, or >= `least`.

    Raises: as it; ArgumentError for 10**400, and for a number out of bounds or NaN where there are
    some.
    """
    number = as_number(value, where, name)
    what = f"{where}: {name}={shown(number)}" if name else f"{where}: {shown(number)}"
    try:
        made = float(number)
    except OverflowError:
        raise ArgumentError(f"{what} came, and no float is as large") from None
    if above is not None and not made > above:
        raise ArgumentError(f"{what} came, and more than {above:g} is needed")
    if least is not None and not made >= least:
        raise ArgumentError(f"{what} came, and at least {least:g} is needed")
    return made
