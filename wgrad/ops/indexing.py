"""Ops that read and write at indices, the order of values, and the check of indices beforehand.

`gather` and its transpose `scatter_add` take an index tensor that has the shape of the result (of
the values, for scatter_add): a 1-d index is expanded over the other axes without a copy. `scatter`
and `place` overwrite part of a tensor, at a 1-d index and at a slice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..backends.array import Array
from ..backends.base import Device
from ..backends.tracing import tracing
from ..core import Op, Rule, Value, apply, wrap
from ..errors import DTypeError, IndexRangeError
from ..layout import Shape
from . import movement
from .elementwise import equal, where
from .families import Linear, expanded, register
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


COUNTLESS = 2**31 - 1  # a size for what has no positions, but numbers to become some


def check_indices(
    index: Value,
    size: int,
    op: str,
    what: str = "index",
    besides: int | None = None,
    least: int = 0,
) -> None:
    """Raise unless `index` is of an integer dtype with every value from `least` to size - 1.

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
            check_indices(x, size, op, what, besides, least)

        tracer.range_checked(index, least, size - 1, check, op, besides)
        return
    worst = outlier(index, least, size - 1, besides)
    if worst is not None:
        there = f"{size} positions, {least} to {size - 1}, exist" if size else "no position exists"
        if size == COUNTLESS:
            there = f"{least} to {size - 1} is needed"
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


def _scatter_add(device: Device, values: Array, index: Array, axis: int, size: int) -> Array:
    return through_float32(device, values, lambda x: device.scatter_add(index, x, axis, size))


scatter_: Gather = Gather(
    "scatter_add",
    _scatter_add,
    lambda ct, b, axis: apply(gather_, ct, b, axis=axis),
    "Zeros of extent `size` along `axis`, with a added at the positions b, in order.",
)
scatter_.rules = (*scatter_.rules, None)
register(scatter_)


def _zeros(like: Value, shape: Shape) -> Any:
    """Return zeros of `shape`, which take the memory of one."""
    return expanded(wrap(like.device.full((), 0, like.dtype)), shape)


class Overwrite(Linear):
    """Linear in the tensor (the first input) and in what part of it becomes (the last one)."""

    def push(self, call: Any, tangents: Any) -> Any:
        x, *index, value = call.inputs
        return apply(
            self,
            _zeros(x, x.shape) if tangents[0] is None else tangents[0],
            *index,
            _zeros(x, value.shape) if tangents[-1] is None else tangents[-1],
            **call.params,
        )


def overwrite(name: str, compute: Any, rules: tuple, doc: str) -> Overwrite:
    """Declare an op that overwrites, with its transposes towards the inputs in order."""
    op = Overwrite(name, compute, rules[0], doc)
    op.rules = tuple(rule and Rule(rule) for rule in rules)
    register(op)
    return op


def _place(device: Device, x: Array, value: Array, starts: Shape, steps: Shape) -> Array:
    out = device.copy(x)
    device.write(out.view(out.layout.slice(starts, value.shape, steps)), value)
    return out


place: Overwrite = overwrite(
    "place",
    _place,
    (
        lambda ct, shapes, starts, steps: apply(
            place, ct, _zeros(ct, shapes[1]), starts=starts, steps=steps
        ),
        lambda ct, shapes, starts, steps: movement.slice_view(ct, starts, shapes[1], steps),
    ),
    "a with the elements at start, start + step, ... along every axis replaced by those of b.",
)


def _scatter(device: Device, x: Array, index: Array, values: Array, axis: int) -> Array:
    out = device.copy(x)
    device.scatter(out, index, values, axis)
    return out


def _scattered(ct: Any, b: Any, shapes: tuple[Shape, ...], axis: int) -> Any:
    """Return the cotangent of the values: nothing for those that a later one replaced."""
    count, ahead = shapes[1][0], (1,) * axis
    after = (1,) * (len(ct.shape) - axis - 1)
    column = movement.reshape(b, (*ahead, count, *after))
    out = apply(gather_, ct, expanded(column, shapes[2]), axis=axis)
    numbers = wrap(b.device.upload(np.arange(count, dtype=np.int32), dtypes.int32))
    nobody = wrap(b.device.full((ct.shape[axis],), 0, dtypes.int32))
    last = apply(gather_, apply(scatter, nobody, b, numbers, axis=0), b, axis=0)
    stays = movement.reshape(apply(equal, last, numbers), (*ahead, count, *after))
    return apply(where, expanded(stays, shapes[2]), out, 0.0)


scatter: Overwrite = overwrite(
    "scatter",
    _scatter,
    (
        lambda ct, b, shapes, axis: apply(scatter, ct, b, _zeros(ct, shapes[2]), axis=axis),
        None,
        _scattered,
    ),
    "a with a[.., b[j], ..] = c[.., j, ..] along an axis; of equal indices the last one stays.",
)


class Positions(Op):
    """An op whose result is positions: integers, which no derivative passes.

    `most` says from the shapes of the inputs and the parameters what they are at most.
    """

    def __init__(self, name: str, compute: Callable, most: Callable[..., int], doc: str):
        super().__init__(name, (), doc)
        self.compute = compute
        self.most = most

    def run(self, device: Device, inputs: tuple, params: dict) -> Array:
        out = self.compute(device, *inputs, **params)
        out.storage.bounds = 0, max(self.most(*[x.shape for x in inputs], **params), 0)
        return out

    def pull(self, position: int, ct: Any, env: Any) -> None:
        return None

    def push(self, call: Any, tangents: Any) -> None:
        return None


def positions(name: str, compute: Callable, most: Callable[..., int], doc: str) -> Positions:
    """Declare an op whose result is positions."""
    op = Positions(name, compute, most, doc)
    register(op)
    return op


argsort_ = positions(
    "argsort",
    lambda device, x, axis, descending: device.argsort(x, axis, descending),
    lambda shape, axis, descending: shape[axis] - 1,
    "The int32 positions of the values along an axis in their order, equal ones as they stand.",
)
searchsorted_ = positions(
    "searchsorted",
    lambda device, x, values, right: device.searchsorted(x, values, right),
    lambda shape, _, right: shape[0],
    "How many of the sorted a, of one axis, are before each of b, int32; equal ones too if right.",
)
