"""Ops that read and write at indices, the order of values, and the check of indices beforehand.

What is indexed with is what `checked_indices` returns, and nothing else: see `checked`.

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
from ..backends.faults import Allowed
from ..backends.fold import MAX, MIN
from ..core import REGISTRY, Op, Rule, Value, apply, register, wrap
from ..core.batched import Batched, everything, lowered, raised
from ..core.tracing import tracing
from ..errors import DTypeError, IndexRangeError, WgradError
from ..layout import Layout, Shape
from . import intervals, movement
from .elementwise import equal, where
from .families import expanded, in_front, with_dtype
from .linear import Linear
from .movement import through_float32


def bounds(x: Value, least: int, greatest: int) -> tuple[int, int]:
    """Return two values that all of an integer tensor lie between, exact unless within limits.

    Known without asking the device for data that came from the host, and for what was moved,
    gathered or computed from such data where that leads to limits as narrow; otherwise one
    readback, remembered until the tensor is written to.
    """
    x = everything(x)
    storage = x.array.storage
    if storage.bounds is not None:
        low, high = storage.bounds
        if least <= low and high <= greatest:
            return low, high
    device, whole = x.device, x.array
    if whole.layout.size == 0:
        return 0, -1
    axes = tuple(range(len(whole.shape)))
    ends = whole
    if storage.bounds is None and axes:  # else most likely an error, before which nothing runs
        both = [device.reduce(fold, whole, axes, whole.dtype) for fold in (MIN, MAX)]
        targets = [Layout((1,), (1,), i) for i in range(2)]
        ends = device.place([x.view(targets[0]) for x in both], targets, (2,), None)
    data = device.download(ends)
    interval = int(data.min()), int(data.max())
    if whole.layout.contiguous and whole.layout.size == storage.size:
        storage.bounds = interval
    return interval


def outlier(x: Value, least: int, greatest: int, besides: int | None = None) -> int | None:
    """Return a value of an integer tensor outside limits that is not `besides`; None without."""
    low, high = bounds(x, least, greatest)
    if low >= least and high <= greatest:
        return None
    if besides is None:
        return low if low < least else high
    x = everything(x)
    data = x.device.download(x.array)
    outside = data[((data < least) | (data > greatest)) & (data != besides)]
    return int(outside[0]) if outside.size else None


def checked(x: Any, allowed: Allowed) -> Any:
    """Return integers that all are `allowed`: `x`, where it is known by now that they are.

    A trace knows it, checks what comes from outside before every run, or returns `x` with the
    nearest ones that are allowed in the place of others; then the program itself looks whether
    there are others, and the error comes when the run, or on a GPU the next wait, is over. So what
    is indexed with is what this function returns. Raises: the error of `allowed`.
    """
    storage = x.array.storage
    if isinstance(storage, Batched):  # of all examples
        whole = lowered(x)
        made = checked(whole, allowed)
        return x if made is whole else raised(made, storage.level, storage.shared_by_all)
    tracer = tracing()
    if tracer is not None:
        return tracer.checked(x, allowed)
    worst = outlier(x, *allowed.limits)
    if worst is not None:
        raise allowed.error(worst, "")
    return x


COUNTLESS = 2**31 - 1  # a size for what has no positions, but numbers to become some


def checked_indices(
    index: Any,
    size: int,
    op: str,
    what: str = "index",
    besides: int | None = None,
    least: int = 0,
) -> Any:
    """Return `index` as `checked` does: of an integer dtype, with values from `least` to size - 1.

    The value `besides` is allowed as well.

    Raises: DTypeError, IndexRangeError.
    """
    if not index.dtype.is_integer:
        raise DTypeError(
            f"{op}: the {what} tensor is {index.dtype.name} and an integer dtype is needed: "
            "convert with .astype(wg.int32)"
        )
    traced = tracing() is not None
    known = index.array.storage.bounds
    if known is not None and not traced and least <= known[0] and known[1] < size:
        return index  # the common case
    if index.array.layout.size == 0:
        return index
    if not size and traced:  # whatever it will be
        raise IndexRangeError(f"{op}: {what} is out of range: no position exists")
    there = f"{size} positions, {least} to {size - 1}, exist" if size else "no position exists"
    if size == COUNTLESS:
        there = f"{least} to {size - 1} is needed"

    def error(worst: int, more: str) -> WgradError:
        return IndexRangeError(f"{op}: {what} {worst} is out of range: {there}{more}")

    return checked(index, Allowed(least, size - 1, besides, error))


def _gather(device: Device, x: Array, index: Array, axis: int) -> Array:
    out = device.gather(x, index, axis)
    out.storage.bounds = intervals.known(x)
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


def overwrite(
    name: str, compute: Any, rules: tuple, doc: str, batch: Callable | None = None
) -> Overwrite:
    """Declare an op that overwrites, with its transposes towards the inputs in order."""
    op = Overwrite(name, compute, rules[0], doc)
    op.rules = tuple(rule and Rule(rule) for rule in rules)
    return register(op, batch)


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
    if x.dtype.is_integer:
        out.storage.bounds = intervals.union(intervals.known(x), intervals.known(values))
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


def _scatter_batch(op: Any, level: Any, inputs: list, batched: list, params: dict) -> Any:
    """Where every example has indices of its own, they count on through all examples."""
    axis, index = params["axis"], inputs[1]
    if not batched[1]:
        x, values = level.in_front([inputs[0], inputs[2]], [batched[0], batched[2]])
        return apply(op, x, index, values, axis=axis + 1)
    x, _, values = level.in_front(inputs, batched)
    n, extent = level.size, x.shape[axis + 1]
    order = (0, axis + 1, *(i for i in range(1, len(x.shape)) if i != axis + 1))
    flat = [_rows(movement.permute(t, order)) for t in (x, values)]
    starts = wrap(index.device.upload(np.arange(n, dtype=np.int32) * extent, dtypes.int32))
    starts.array.storage.bounds = 0, max(n - 1, 0) * extent
    places = with_dtype(index, dtypes.int32) + expanded(
        movement.reshape(starts, (n, 1)), index.shape
    )
    places = movement.reshape(places, (places.array.layout.size,))
    places = checked_indices(places, n * extent, op.name)
    out = apply(op, flat[0], places, flat[1], axis=0)
    out = movement.reshape(out, (n, extent, *flat[0].shape[1:]))
    return movement.permute(out, tuple(order.index(i) for i in range(len(order))))


def _rows(x: Any) -> Any:
    """Return `x` with its first two axes made one."""
    return movement.reshape(x, (x.shape[0] * x.shape[1], *x.shape[2:]))


scatter: Overwrite = overwrite(
    "scatter",
    _scatter,
    (
        lambda ct, b, shapes, axis: apply(scatter, ct, b, _zeros(ct, shapes[2]), axis=axis),
        None,
        _scattered,
    ),
    "a with a[.., b[j], ..] = c[.., j, ..] along an axis; of equal indices the last one stays.",
    _scatter_batch,
)


class Positions(Op):
    """An op whose result is positions: integers, which no derivative passes.

    `most` says from the shapes of the inputs and the parameters what they are at most.
    """

    batch = in_front

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


def positions(
    name: str,
    compute: Callable,
    most: Callable[..., int],
    doc: str,
    batch: Callable | None = None,
) -> Positions:
    """Declare an op whose result is positions."""
    return register(Positions(name, compute, most, doc), batch)


argsort_ = positions(
    "argsort",
    lambda device, x, axis, descending: device.argsort(x, axis, descending),
    lambda shape, axis, descending: shape[axis] - 1,
    "The int32 positions of the values along an axis in their order, equal ones as they stand.",
)


def _search_batch(op: Any, level: Any, inputs: list, batched: list, params: dict) -> Any:
    """Where every example has values of its own to search in: by the order of both together.

    The place of a value among all, less its place among the values that are looked for, is how
    many of the sorted ones come before it. Sorting is stable: those in front win ties.
    """
    x, values = inputs
    if not batched[0]:
        return apply(op, x, values, **params)
    x, values = level.in_front(inputs, batched)
    n, k = x.shape[1], values.array.layout.size // max(level.size, 1)
    flat = movement.reshape(values, (level.size, k))
    parts, first = ([x, flat], n) if params["right"] else ([flat, x], 0)
    both = apply(REGISTRY["concat"], *parts, axis=1)
    among = movement.slice_view(_ranks(both), (0, first), (level.size, k), (1, 1))
    return movement.reshape(among - _ranks(flat), values.shape)


def _ranks(x: Any) -> Any:
    """Return the place of every element of a row in the row's order."""
    order = apply(argsort_, x, axis=1, descending=False)
    return apply(argsort_, order, axis=1, descending=False)


searchsorted_ = positions(
    "searchsorted",
    lambda device, x, values, right: device.searchsorted(x, values, right),
    lambda shape, _, right: shape[0],
    "How many of the sorted a, of one axis, are before each of b, int32; equal ones too if right.",
    _search_batch,
)
