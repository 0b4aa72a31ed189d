"""Indices as integer tensors, from a tensor or from the host."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..backends.base import Device
from ..core import Tensor
from ..core.tracing import tracing
from ..creation import from_host, host_array
from ..errors import DeviceError, DTypeError, IndexRangeError
from ..layout import Shape
from ..ops import indexing as primitives
from ..ops import movement
from ..ops.elementwise import add, less, where


def index_tensor(indices: Any, x: Tensor, op: str) -> Tensor:
    """Return `indices` as an integer tensor on the device of `x`."""
    if isinstance(indices, Tensor):
        if indices.device is not x.device:
            raise DeviceError(
                f"{op}: the indices are on {indices.device.name} and the tensor on {x.device.name}"
            )
        return indices
    return host_indices(indices, x.device, op)


def host_indices(indices: Any, device: Device, op: str, what: str = "indices") -> Tensor:
    """Return integers from the host as an int32 tensor. Raises: DTypeError, IndexRangeError."""
    data = host_array(indices, op)
    if data.dtype.kind not in "iu" and data.size:
        raise DTypeError(f"{op}: {what} of {data.dtype} came and integers are needed")
    if data.size and (data.min() < -(2**31) or data.max() >= 2**31):
        raise IndexRangeError(
            f"{op}: {what} from {data.min()} to {data.max()} came; no tensor has that many entries"
        )
    return from_host(data, op, dtypes.int32, device)


def from_the_front(index: Tensor, extent: int) -> Tensor:
    """Return a checked index tensor with what counts from the end counted from the front."""
    if index.dtype is dtypes.uint32 or not index.size:
        return index
    tracer = tracing()
    if tracer is None:
        counted = primitives.bounds(index, -extent, extent)[0] >= 0
    else:
        counted = tracer.range_chosen(index, 0, extent - 1)
    return index if counted else where(less(index, 0), add(index, extent), index)


def shaped(x: Tensor, shape: Shape) -> Tensor:
    """Return the elements of `x` in a shape that is known to hold as many."""
    return x if x.shape == shape else movement.reshape(x, shape)
