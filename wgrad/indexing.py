"""The public functions that pick elements: take, scatter_add, x[key], with their checks."""

from __future__ import annotations

import operator
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from . import dtypes
from .backends.base import Device
from .core import Value, apply, check_devices
from .errors import DeviceError, DTypeError, IndexRangeError, ShapeError, shown
from .layout import (
    Shape,
    broadcast_shapes,
    check_size,
    normalize_axis,
)
from .ops import indexing as primitives
from .ops import movement
from .ops.families import expanded, with_dtype
from .shaping import as_tensor, as_tensors, reshape

if TYPE_CHECKING:
    from .tensor import Tensor


def take(x: Tensor, indices: Any, axis: int | None = None) -> Tensor:
    """Return the entries of `x` at integer `indices` (any shape) along `axis`.

    With axis=None `x` is flattened first. Shapes: (n, m), indices (i, j), axis 0 -> (i, j, m).
    Negative indices do not count from the end. Raises: IndexRangeError, DTypeError.
    """
    x = as_tensor(x, "take")
    index = index_tensor(indices, x, "take")
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    at = normalize_axis(axis, len(x.shape), "take")
    primitives.check_indices(index, x.shape[at], "take")
    lead, tail = x.shape[:at], x.shape[at + 1 :]
    count = prod(index.shape)
    flat = reshape(index, (*(1 for _ in lead), count, *(1 for _ in tail)))
    out = apply(primitives.gather_, x, expanded(flat, (*lead, count, *tail)), axis=at)
    return reshape(out, (*lead, *index.shape, *tail))


def take_along_axis(x: Tensor, indices: Any, axis: int = -1) -> Tensor:
    """Return out[.., j, ..] = x[.., indices[.., j, ..], ..]; other axes broadcast.

    Raises: IndexRangeError for an index outside 0 to x.shape[axis] - 1; DTypeError; ShapeError.
    """
    x = as_tensor(x, "take_along_axis")
    index = index_tensor(indices, x, "take_along_axis")
    if len(index.shape) != len(x.shape):
        raise ShapeError(
            f"take_along_axis: indices of shape {index.shape} and a tensor of shape {x.shape} need "
            "equally many axes"
        )
    at = normalize_axis(axis, len(x.shape), "take_along_axis")
    primitives.check_indices(index, x.shape[at], "take_along_axis")
    x, index = _broadcast_but(x, index, at, "take_along_axis")
    return apply(primitives.gather_, x, index, axis=at)


def scatter_add(x: Tensor, indices: Any, values: Tensor, axis: int = -1) -> Tensor:
    """Return `x` with `values` added at `indices` along `axis`: the transpose of take_along_axis.

    `indices` and `values` have one shape, which agrees with x.shape outside `axis`. Where indices
    repeat, values are added in their order: the same bits in every run.
    """
    x, values = as_tensors("scatter_add", x, values)
    index = index_tensor(indices, x, "scatter_add")
    at = normalize_axis(axis, len(x.shape), "scatter_add")
    same = index.shape == values.shape and len(index.shape) == len(x.shape)
    if not same or _without(index.shape, at) != _without(x.shape, at):
        raise ShapeError(
            f"scatter_add: indices {index.shape} and values {values.shape} need one shape that "
            f"agrees with {x.shape} outside axis {at}"
        )
    primitives.check_indices(index, x.shape[at], "scatter_add")
    check_devices("scatter_add", (x, values))
    if values.dtype.rank > x.dtype.rank:
        raise DTypeError(
            f"scatter_add: {values.dtype.name} values do not fit a {x.dtype.name} tensor: convert "
            "one with .astype() first"
        )
    values = with_dtype(values, x.dtype)
    return x + apply(primitives.scatter_, values, index, axis=at, size=x.shape[at])


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]


def _broadcast_but(x: Tensor, index: Tensor, axis: int, op: str) -> tuple[Tensor, Tensor]:
    """Broadcast two tensors against each other in every axis but `axis`."""
    shape = broadcast_shapes(op, _without(x.shape, axis), _without(index.shape, axis))
    lead, tail = shape[:axis], shape[axis:]
    return (
        expanded(x, (*lead, x.shape[axis], *tail)),
        expanded(index, (*lead, index.shape[axis], *tail)),
    )


def index_tensor(indices: Any, x: Tensor, op: str) -> Tensor:
    """Return `indices` as an integer tensor on the device of `x`."""
    if isinstance(indices, Value):
        if indices.device is not x.device:
            raise DeviceError(
                f"{op}: the indices are on {indices.device.name} and the tensor on {x.device.name}"
            )
        return indices  # type: ignore[return-value]  # a Value is a Tensor
    return host_indices(indices, x.device, op)


def host_indices(indices: Any, device: Device, op: str, what: str = "indices") -> Tensor:
    """Return integers from the host as an int32 tensor. Raises: DTypeError, IndexRangeError."""
    from .creation import from_host, host_array

    data = host_array(indices, op)
    if data.dtype.kind not in "iu" and data.size:
        raise DTypeError(f"{op}: {what} of {data.dtype} came and integers are needed")
    if data.size and (data.min() < -(2**31) or data.max() >= 2**31):
        raise IndexRangeError(
            f"{op}: {what} from {data.min()} to {data.max()} came; no tensor has that many entries"
        )
    return from_host(data, op, dtypes.int32, device)


def getitem(x: Tensor, key: Any) -> Tensor:
    """Return x[key] for integers, slices with any step, None, an Ellipsis, and one index array.

    Basic keys give views. An integer array or tensor takes entries along its axis, and its
    negative indices count from the end when it comes from the host.
    Raises: IndexRangeError, DTypeError.
    """
    view, taken = _basic_view(x, key)
    if taken is None:
        return view
    axis, indices = taken
    if isinstance(indices, np.ndarray) and indices.dtype.kind == "i":
        wide = indices.astype(np.int64)  # the extent may not fit the dtype of the indices
        indices = np.where(wide < 0, wide + view.shape[axis], wide)
    return take(view, indices, axis)


def _basic_view(x: Tensor, key: Any) -> tuple[Tensor, tuple[int, Any] | None]:
    """Apply the basic part of a key; return the view, and the axis and indices still to take."""
    keys = key if isinstance(key, tuple) else (key,)
    used = sum(k is not None and k is not Ellipsis for k in keys)
    ndim = len(x.shape)
    if sum(k is Ellipsis for k in keys) > 1:
        raise IndexRangeError("indexing: only one Ellipsis (...) can be used")
    if used > ndim:
        raise IndexRangeError(f"indexing: {used} indices came for a tensor of {ndim} axes")
    if not any(k is Ellipsis for k in keys):
        keys = (*keys, Ellipsis)
    starts, sizes, steps, shape = [], [], [], []
    order = ""  # of the kinds of keys: i an integer, a an index array, - any other
    taken: tuple[int, Any] | None = None
    axis = 0
    for k in keys:
        if k is None:
            shape.append(1)
            order += "-"
        elif k is Ellipsis:
            order += "-"
            for extent in x.shape[axis : axis + ndim - used]:
                starts.append(0)
                sizes.append(extent)
                steps.append(1)
                shape.append(extent)
            axis += ndim - used
        else:
            extent = x.shape[axis]
            if isinstance(k, slice):
                start, size, step = _slice_parts(k, extent)
                shape.append(size)
                order += "-"
            elif (indices := _array_key(k)) is not None:
                if taken is not None:
                    raise IndexRangeError("indexing: only one index array can be used at a time")
                start, size, step = 0, extent, 1
                taken = len(shape), indices
                shape.append(extent)
                order += "a" if indices.shape else "i"  # NumPy takes a 0-d one for an integer
            else:
                start, size, step = _integer_part(k, extent, axis), 1, 1
                order += "i"
            starts.append(start)
            sizes.append(size)
            steps.append(step)
            axis += 1
    if taken is not None and taken[0] and "a" in order and "-" in order.strip("-"):
        raise IndexRangeError(
            "indexing: an integer and an index array came with a slice between them, and NumPy "
            "would put the axes of the array first: index in two steps"
        )
    check_size(tuple(shape), "indexing")
    same = tuple(sizes) == x.shape and all(s == 1 for s in steps)
    out = x if same else movement.slice_view(x, tuple(starts), tuple(sizes), tuple(steps))
    if out.shape != tuple(shape):
        out = movement.reshape(out, tuple(shape))
    return (apply(movement.alias, x) if out is x and taken is None else out), taken


def _array_key(k: Any) -> Any:
    """Return a part of a key that is an array of indices, else None. Raises: DTypeError for a
    bool one, and for what is not numeric."""
    from .creation import host_array

    found: Any = k if isinstance(k, Value) else None
    if isinstance(k, (list, np.ndarray)):
        found = host_array(k, "indexing")
    masked = isinstance(k, (bool, np.bool_))
    if found is not None:
        masked = found.dtype in (dtypes.bool_, np.bool_)
    if masked:
        raise DTypeError(
            "indexing: a boolean mask has a result whose shape depends on the data: use wg.where"
        )
    return found


def _slice_parts(k: slice, extent: int) -> tuple[int, int, int]:
    try:
        start, stop, step = k.indices(extent)
    except (TypeError, ValueError) as error:
        raise IndexRangeError(
            f"indexing: {shown(k)} is not a slice of integers ({error})"
        ) from None
    size = len(range(start, stop, step))
    return start, size, step if size > 1 else 1  # a huge step would make a huge stride


def _integer_part(k: Any, extent: int, axis: int) -> int:
    try:
        index = operator.index(k)
    except TypeError:
        raise IndexRangeError(
            f"indexing: {shown(k)} came; an integer, slice, None, ... or integer array is needed"
        ) from None
    if not -extent <= index < extent:
        raise IndexRangeError(
            f"indexing: index {shown(index)} is out of range for axis {axis}, whose extent is "
            f"{extent}"
        )
    return index % extent
