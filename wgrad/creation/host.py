"""Tensors that copy host data: tensor, parameter, and the checks of whatever is given as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..backends.base import Device
from ..core import Node, Tensor, Value, wrap
from ..devices import device as find_device
from ..dtypes import DType, as_dtype
from ..errors import (
    ArgumentError,
    DTypeError,
    GradientError,
    OutOfMemoryError,
    ShapeError,
    WgradError,
    shown,
)
from ..interrupts import whole
from ..layout import MAX_AXES
from ..tape import is_recording

DeviceLike = str | Device | None


@whole  # what a handler raises is no failure of the data
def _converted(data: Any, where: str) -> np.ndarray:
    """Return what NumPy makes of data. Raises: what `host_array` raises."""
    try:
        return _counted(data, where) if isinstance(data, range) else np.asarray(data)
    except WgradError:
        raise
    except MemoryError as error:
        raise OutOfMemoryError(f"{where}: the host has no room for the data ({error})") from None
    except Exception as error:  # what PyTorch's tensors, or a user's `__array__`, raise as well
        if isinstance(data, (list, tuple)) and isinstance(error, (ValueError, OverflowError)):
            raise ShapeError(f"{where}: the nested lists do not form a box ({error})") from None
        raise DTypeError(
            f"{where}: a {type(data).__name__} came, which is not numeric data "
            f"({type(error).__name__}: {' '.join(str(error).split())[:120]})"
        ) from error


def host_array(data: Any, where: str) -> np.ndarray:
    """Return any host data as a NumPy array of numbers or booleans.

    Raises: ShapeError for ragged lists; DTypeError for data that is not numeric; ArgumentError for
    an integer that is beyond 64 bits; GradientError for lists that hold tensors with a history.
    """
    if isinstance(data, (list, tuple)) and _holds_tensors(data, where):
        data = _detached(data, where)
    array = data if type(data) is np.ndarray else _converted(data, where)
    if array.dtype.kind == "O":
        if isinstance(data, int):
            raise ArgumentError(f"{where}: {shown(data)} came, and no dtype holds it")
        name = type(data).__name__
        if isinstance(data, (list, tuple, np.ndarray)):
            name += " of objects (or of integers beyond 64 bits)"
        raise DTypeError(
            f"{where}: {'None' if data is None else f'a {name}'} came, and numbers are needed"
        )
    if array.dtype.kind not in "biuf":
        raise DTypeError(
            f"{where}: {shown(data)} of NumPy dtype {array.dtype.name} came, and numbers or "
            "booleans are needed"
        )
    return array


def _counted(data: range, where: str) -> np.ndarray:
    """Return the numbers of a range without a list of them. Raises: OutOfMemoryError."""
    count = max(0, -((data.start - data.stop) // data.step))  # its len() has to fit 63 bits
    if count >= 2**31:
        raise OutOfMemoryError(
            f"{where}: {shown(data)} came, and fewer than 2**31 numbers can be held"
        )
    try:
        return np.arange(data.start, data.stop, data.step)
    except OverflowError:
        raise ArgumentError(f"{where}: {shown(data)} came, and no dtype holds it") from None


def _holds_tensors(data: Sequence, where: str, depth: int = 0) -> bool:
    if depth == MAX_AXES:
        raise ShapeError(f"{where}: lists within lists came, deeper than {MAX_AXES}, the most axes")
    return any(
        isinstance(x, Value)
        or (isinstance(x, (list, tuple)) and _holds_tensors(x, where, depth + 1))
        for x in data
    )


def _detached(data: Any, where: str) -> Any:
    if isinstance(data, (list, tuple)):
        return [_detached(x, where) for x in data]
    if not isinstance(data, Tensor):
        return data
    if data.requires_grad and is_recording():
        raise GradientError(
            f"{where}: a list came with a tensor that requires grad, whose history would be lost: "
            "use wg.stack or wg.concat, or .detach()"
        )
    return data.numpy()


def tensor(
    data: Any,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a new tensor that holds a copy of `data`: a number, nested lists, or any array.

    Without `dtype`, floats become float32 and integers int32 on every device (float16 and float64
    have to be asked for), and the dtype of a tensor is kept. Without `device`, the default one.

    Raises: ShapeError for ragged lists; DTypeError for data that is not numeric or a dtype that
    the device lacks; ArgumentError for values that an integer dtype cannot hold; GradientError
    for an integer tensor asked to require gradients.

    >>> wg.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    >>> wg.tensor([0.5, 2.0], requires_grad=True)
    tensor([0.5, 2. ], requires_grad=True)
    """
    return from_host(data, "tensor", dtype, device, requires_grad)


def from_host(
    data: Any,
    where: str,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return what `tensor` does, with errors that begin with `where`: who was given the data."""
    target = find_device(device) if device is not None or not isinstance(data, Tensor) else None
    if isinstance(data, Tensor):
        target = target or data.device
        dtype = data.dtype if dtype is None else as_dtype(dtype)
        if dtype is data.dtype and target is data.device:
            out = wrap(target.copy(data.array))
            return out.requires_grad_() if requires_grad else out
        data = data.numpy()
    array = host_array(data, where)
    chosen = dtypes.infer(array) if dtype is None else as_dtype(dtype)
    assert target is not None
    target.check_dtype(chosen, where)
    check_requires_grad(chosen, requires_grad)
    host = dtypes.cast_array(array, chosen, where)
    made = target.upload(host, chosen)
    if chosen.is_integer and host.size:
        made.storage.bounds = int(host.min()), int(host.max())
    return wrap(made, Node(requires_grad=True) if requires_grad else None)


def check_requires_grad(dtype: DType, requires_grad: bool) -> None:
    """Raise GradientError when a tensor of `dtype` is asked to require gradients, and cannot."""
    if requires_grad and not dtype.is_floating:
        raise GradientError(
            f"tensor: {dtype.name} cannot require gradients; a floating dtype is needed"
        )


def parameter(data: Any, dtype: Any = None, device: DeviceLike = None) -> Tensor:
    """Return a leaf that requires gradients, also inside `no_grad`; integers become float32.

    >>> wg.parameter([1, 2])
    tensor([1., 2.], requires_grad=True)
    """
    if dtype is None:
        given = data.dtype if isinstance(data, Tensor) else None
        if given is None or not given.is_floating:
            dtype = dtypes.float32
    return tensor(data, dtype, device, requires_grad=True)
