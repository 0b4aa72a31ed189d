"""Tensors from host data and from nothing: tensor, zeros, ones, full, arange, linspace, eye."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import dtypes
from .backends.base import Device
from .core import Node, Value
from .devices import device as find_device
from .dtypes import DType, as_dtype
from .errors import ArgumentError, DTypeError, GradientError, ShapeError, WgradError
from .layout import normalize_shape
from .tensor import Tensor

DeviceLike = str | Device | None


def _host_array(data: Any, where: str) -> np.ndarray:
    """Return any host data as a NumPy array. Raises: ShapeError for ragged lists, DTypeError."""
    if isinstance(data, (list, tuple)) and _holds_tensors(data):
        data = _detached(data)
    try:
        array = np.asarray(data)
    except WgradError:
        raise
    except (ValueError, OverflowError) as error:
        raise ShapeError(f"{where}: the nested lists do not form a box ({error})") from None
    except TypeError as error:
        raise DTypeError(f"{where}: {type(data).__name__} is not numeric data ({error})") from None
    if array.dtype.kind == "O" and array.size:
        raise DTypeError(f"{where}: {type(data).__name__} holds objects, and numbers are needed")
    return array


def _holds_tensors(data: Sequence) -> bool:
    return any(
        isinstance(x, Value) or (isinstance(x, (list, tuple)) and _holds_tensors(x)) for x in data
    )


def _detached(data: Any) -> Any:
    if isinstance(data, (list, tuple)):
        return [_detached(x) for x in data]
    return data.numpy() if isinstance(data, Tensor) else data


def tensor(
    data: Any,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a new tensor that holds a copy of `data`: a number, nested lists, or any array.

    Without `dtype`, floats become float32 and integers int32 on every device (float64 has to be
    asked for), and the dtype of a tensor is kept. Without `device`, the default one.

    Raises: ShapeError for ragged lists; DTypeError for data that is not numeric or a dtype that
    the device lacks; ArgumentError for values that an integer dtype cannot hold; GradientError
    for an integer tensor asked to require gradients.
    """
    target = find_device(device) if device is not None or not isinstance(data, Tensor) else None
    if isinstance(data, Tensor):
        target = target or data.device
        dtype = data.dtype if dtype is None else as_dtype(dtype)
        if dtype is data.dtype and target is data.device:
            out = Tensor(target.copy(data.array))
            return out.requires_grad_() if requires_grad else out
        data = data.numpy()
    array = _host_array(data, "tensor")
    chosen = dtypes.infer(array) if dtype is None else as_dtype(dtype)
    assert target is not None
    target.check_dtype(chosen, "tensor")
    _check_requires_grad(chosen, requires_grad)
    host = dtypes.cast_array(array, chosen, "tensor")
    made = target.upload(host, chosen)
    if chosen.is_integer and host.size:
        made.storage.bounds = int(host.min()), int(host.max())
    return Tensor(made, Node(requires_grad=True) if requires_grad else None)


def _check_requires_grad(dtype: DType, requires_grad: bool) -> None:
    if requires_grad and not dtype.is_floating:
        raise GradientError(
            f"tensor: {dtype.name} cannot require gradients; a floating dtype is needed"
        )


def parameter(data: Any, dtype: Any = None, device: DeviceLike = None) -> Tensor:
    """Return a leaf that requires gradients, also inside `no_grad`; integers become float32."""
    if dtype is None:
        found = data.dtype if isinstance(data, Tensor) else None
        if found is None or not found.is_floating:
            dtype = dtypes.float32
    return tensor(data, dtype, device, requires_grad=True)


def full(
    shape: int | Sequence[int],
    value: bool | int | float,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of `shape` whose every element is `value`; the dtype follows `value`."""
    found = find_device(device)
    if isinstance(value, Value):
        value = value.item()
    if dtype is None:
        chosen = (dtypes.bool_, dtypes.int32, dtypes.float32)[dtypes.scalar_rank(value)]
    else:
        chosen = as_dtype(dtype)
    found.check_dtype(chosen, "full")
    _check_requires_grad(chosen, requires_grad)
    extents = normalize_shape(shape, "full")
    number = dtypes.cast_scalar(value, chosen, "full")
    made = found.full(extents, number, chosen)
    if chosen.is_integer:
        made.storage.bounds = int(number), int(number)
    return Tensor(made, Node(requires_grad=True) if requires_grad else None)


def zeros(
    shape: int | Sequence[int],
    dtype: Any = float,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of zeros (float32 unless asked otherwise)."""
    return full(shape, 0, dtype, device, requires_grad)


def ones(
    shape: int | Sequence[int],
    dtype: Any = float,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of ones (float32 unless asked otherwise)."""
    return full(shape, 1, dtype, device, requires_grad)


def full_like(x: Tensor, value: bool | int | float, dtype: Any = None) -> Tensor:
    """Return a tensor of `value` with the shape, device and (unless given) dtype of `x`."""
    return full(x.shape, value, x.dtype if dtype is None else dtype, x.device)


def zeros_like(x: Tensor, dtype: Any = None) -> Tensor:
    """Return zeros with the shape, device and (unless given) dtype of `x`."""
    return full_like(x, 0, dtype)


def ones_like(x: Tensor, dtype: Any = None) -> Tensor:
    """Return ones with the shape, device and (unless given) dtype of `x`."""
    return full_like(x, 1, dtype)


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1,
    dtype: Any = None,
    device: DeviceLike = None,
) -> Tensor:
    """Return start, start + step, ... up to but without `stop`, as NumPy computes them.

    One argument is the stop. The dtype is int32 when all are integers, else float32.
    """
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise ArgumentError("arange: step 0 never reaches the stop; a step other than 0 is needed")
    return tensor(np.arange(start, stop, step), dtype, device)


def linspace(
    start: float, stop: float, num: int, dtype: Any = float, device: DeviceLike = None
) -> Tensor:
    """Return `num` evenly spaced numbers from `start` to `stop`, both included."""
    count = operator.index(num)
    if count < 0:
        raise ArgumentError(f"linspace: num is {count}, and at least 0 is needed")
    return tensor(np.linspace(start, stop, count), dtype, device)


def eye(rows: int, columns: int | None = None, dtype: Any = float, device: Any = None) -> Tensor:
    """Return the identity matrix of shape (rows, columns or rows)."""
    extents = normalize_shape((rows, rows if columns is None else columns), "eye")
    return tensor(np.eye(extents[0], extents[1]), dtype, device)
