"""Gather and its transpose, scatter_add, and the check of indices before anything is dispatched.

Both primitives take an index tensor that has the shape of the result (of the values, for scatter):
a 1-d index is expanded over the other axes without a copy.
"""

from __future__ import annotations

from typing import Any

from ..backends.base import Array, Device, tracing
from ..core import Value, apply
from ..errors import DTypeError, IndexRangeError
from .families import Linear, register
from .movement import through_float32


def bounds(x: Value, least: int, greatest: int) -> tuple[int, int]:
    """Return two values that all of an integer tensor lie between, exact unless within limits.

    Known without asking the device for data that came from the host, and for whatever was moved
    or gathered from such data; otherwise one readback, remembered until the tensor is written to.
    """
    storage = x.array.storage
    if storage.bounds is None:
        device, whole = x.device, x.array
        if x.array.layout.size == 0:
            return 0, -1
        axes = tuple(range(len(whole.shape)))
        ends = [
            device.download(device.reduce(kind, whole, axes, whole.dtype) if axes else whole)
            for kind in ("min", "max")
        ]
        found = int(ends[0].item()), int(ends[1].item())
        if whole.layout.contiguous and whole.layout.size == storage.size:
            storage.bounds = found
        return found
    low, high = storage.bounds
    if low < least or high > greatest:  # those of the whole storage; a view of it may be innocent
        data = x.device.download(x.array)
        return int(data.min()), int(data.max())
    return low, high


def outlier(x: Value, least: int, greatest: int, besides: int | None = None) -> int | None:
    """Return a value of an integer tensor outside limits that is not `besides`; None without."""
    low, high = bounds(x, least, greatest)
    if low >= least and high <= greatest:
        return None
    if besides is None:
        return low if low < least else high
    data = x.device.download(x.array)
    found = data[((data < least) | (data > greatest)) & (data != besides)]
    return int(found[0]) if found.size else None


def check_indices(
    index: Value, size: int, op: str, what: str = "index", besides: int | None = None
) -> None:
    """Raise unless `index` is of an integer dtype with every value from 0 to size - 1.

    The value `besides` is allowed as well.

    Raises: DTypeError, IndexRangeError.
    """
    if not index.dtype.is_integer:
        raise DTypeError(
            f"{op}: the {what} tensor is {index.dtype.name} and an integer dtype is needed: "
            "convert with .astype(wg.int32)"
        )
    if index.array.layout.size == 0:
        return
    if (tracer := tracing()) is not None:

        def check(x: Value) -> None:
            check_indices(x, size, op, what, besides)

        tracer.range_checked(index, 0, size - 1, check, op, besides)
        return
    worst = outlier(index, 0, size - 1, besides)
    if worst is not None:
        there = f"{size} positions, 0 to {size - 1}, exist" if size else "no position exists"
        raise IndexRangeError(f"{op}: {what} {worst} is out of range: {there}")


def _gather(device: Device, x: Array, index: Array, axis: int) -> Array:
    out = device.gather(x, index, axis)
    out.storage.bounds = x.storage.bounds
    return out


class Gather(Linear):
    """Linear in the first input alone: the index is an integer tensor that no derivative enters."""

    def push(self, call: Any, tangents: Any) -> Any:
        return apply(self, tangents[0], call.inputs[1], **call.params)


gather_ = Gather(
    "gather",
    _gather,
    lambda ct, b, axis, shapes: apply(scatter_, ct, b, axis=axis, size=shapes[0][axis]),
    "out[.., j, ..] = a[.., b[.., j, ..], ..]; b has the shape of the result.",
)
gather_.rules = (*gather_.rules, None)
register(gather_)


def _scatter(device: Device, values: Array, index: Array, axis: int, size: int) -> Array:
    return through_float32(device, values, lambda x: device.scatter_add(index, x, axis, size))


scatter_: Gather = Gather(
    "scatter_add",
    _scatter,
    lambda ct, b, axis: apply(gather_, ct, b, axis=axis),
    "Zeros of extent `size` along `axis`, with a added at the positions b, in order.",
)
scatter_.rules = (*scatter_.rules, None)
register(scatter_)
