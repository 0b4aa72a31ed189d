"""Tensors from host data and from nothing: tensor, zeros, ones, full, arange, linspace, eye."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import dtypes
from .backends.base import Device
from .core import Node, Value
from .devices import device as find_device
from .dtypes import DType, as_dtype
from .errors import (
    ArgumentError,
    DTypeError,
    GradientError,
    OutOfMemoryError,
    ShapeError,
    WgradError,
    shown,
)
from .layout import MAX_AXES, normalize_shape
from .shaping import as_number, as_tensor
from .tensor import Tensor

DeviceLike = str | Device | None


def host_array(data: Any, where: str) -> np.ndarray:
    """Return any host data as a NumPy array of numbers or booleans.

    Raises: ShapeError for ragged lists; DTypeError for data that is not numeric; ArgumentError for
    an integer that is beyond 64 bits.
    """
    if isinstance(data, (list, tuple)) and _holds_tensors(data, where):
        data = _detached(data)
    try:
        array = np.asarray(data)
    except WgradError:
        raise
    except (ValueError, OverflowError) as error:
        raise ShapeError(f"{where}: the nested lists do not form a box ({error})") from None
    except TypeError as error:
        raise DTypeError(f"{where}: {type(data).__name__} is not numeric data ({error})") from None
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


def _holds_tensors(data: Sequence, where: str, depth: int = 0) -> bool:
    if depth == MAX_AXES:
        raise ShapeError(f"{where}: lists within lists came, deeper than {MAX_AXES}, the most axes")
    return any(
        isinstance(x, Value)
        or (isinstance(x, (list, tuple)) and _holds_tensors(x, where, depth + 1))
        for x in data
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
            out = Tensor(target.copy(data.array))
            return out.requires_grad_() if requires_grad else out
        data = data.numpy()
    array = host_array(data, where)
    chosen = dtypes.infer(array) if dtype is None else as_dtype(dtype)
    assert target is not None
    target.check_dtype(chosen, where)
    _check_requires_grad(chosen, requires_grad)
    host = dtypes.cast_array(array, chosen, where)
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
    value = as_number(value, "full")
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
    return full(shape, 0, float if dtype is None else dtype, device, requires_grad)


def ones(
    shape: int | Sequence[int],
    dtype: Any = float,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of ones (float32 unless asked otherwise)."""
    return full(shape, 1, float if dtype is None else dtype, device, requires_grad)


def full_like(x: Tensor, value: bool | int | float, dtype: Any = None) -> Tensor:
    """Return a tensor of `value` with the shape, device and (unless given) dtype of `x`."""
    x = as_tensor(x, "full_like")
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
    first, last, step = (as_number(x, "arange") for x in (start, stop, step))
    if step == 0:
        raise ArgumentError("arange: step 0 never reaches the stop; a step other than 0 is needed")
    whole = all(isinstance(x, int) for x in (first, last, step))
    chosen = (
        dtypes.int32 if dtype is None and whole else as_dtype(float if dtype is None else dtype)
    )
    if whole:
        count = int(max(0, -((first - last) // step)))
        _check_count(count, "arange")
        if count == 0:
            last = first = 0
        for end in (first, first + step * (count - 1)) if count else ():
            dtypes.cast_scalar(end, chosen, "arange")
    if not whole or chosen.is_floating:
        first, last, step = (_finite(x, "arange") for x in (first, last, step))
        span = (last - first) / step
        _check_count(max(0, math.ceil(span)) if math.isfinite(span) else 2**63, "arange")
    return from_host(
        _host_numbers("arange", np.arange, first, last, step), "arange", chosen, device
    )


def _finite(value: Any, where: str) -> float:
    found = float(dtypes.cast_scalar(value, dtypes.float64, where))
    if not math.isfinite(found):
        raise ArgumentError(f"{where}: {value} came, and finite numbers are needed")
    return found


def _check_count(count: int, where: str) -> None:
    """Refuse what is made on the host and has more elements than an int32 can count."""
    if count >= 2**31:
        raise OutOfMemoryError(
            f"{where}: {shown(count)} elements are asked for; fewer than 2**31 are possible"
        )


def _host_numbers(where: str, make: Any, *args: Any) -> np.ndarray:
    try:
        with np.errstate(all="ignore"):
            return make(*args)
    except MemoryError as error:
        raise OutOfMemoryError(f"{where}: the host has no room ({error})") from None


def linspace(
    start: float, stop: float, num: int, dtype: Any = float, device: DeviceLike = None
) -> Tensor:
    """Return `num` evenly spaced numbers from `start` to `stop`, both included."""
    first, last = (_finite(as_number(x, "linspace"), "linspace") for x in (start, stop))
    try:
        count = operator.index(num)
    except TypeError:
        count = -1
    if count < 0:
        raise ArgumentError(
            f"linspace: num is {shown(num)}, and an integer of at least 0 is needed"
        )
    _check_count(count, "linspace")
    data = _host_numbers("linspace", np.linspace, first, last, count)
    return from_host(data, "linspace", dtype, device)


def eye(rows: int, columns: int | None = None, dtype: Any = float, device: Any = None) -> Tensor:
    """Return the identity matrix of shape (rows, columns or rows)."""
    extents = normalize_shape((rows, rows if columns is None else columns), "eye")
    _check_count(math.prod(extents), "eye")
    chosen = as_dtype(float if dtype is None else dtype)
    data = _host_numbers("eye", np.eye, *extents, 0, chosen.numpy)
    return from_host(data, "eye", chosen, device)
