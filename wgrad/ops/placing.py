"""Ops that put tensors at their places in a larger one: embed, concat, a matrix with a diagonal.

They are linear, and the transpose of each is a view: what was put in is what is looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..backends.array import Array, Number
from ..backends.base import Device
from ..core import apply, register
from ..layout import Layout, Shape
from . import intervals
from .linear import Linear
from .movement import linear, slice_view, view


def _placed(
    device: Device,
    pieces: Sequence[Array],
    targets: Sequence[Layout],
    shape: Shape,
    fill: Number | None = None,
) -> Array:
    """Place pieces, and remember between which values all of them lie, where that is known."""
    out = device.place(pieces, targets, shape, fill)
    if pieces[0].dtype.is_integer:
        around = [] if fill is None else [(int(fill), int(fill))]
        inside = [intervals.known(x) for x in pieces if x.layout.size]
        out.storage.bounds = intervals.union(*inside, *around)
    return out


class Embed(Linear):
    """Affine, for `value` is around the elements: a tangent or cotangent has 0 there."""

    def push(self, call: Any, tangents: Any) -> Any:
        return apply(self, *tangents, **{**call.params, "value": 0})


def _embed(
    device: Device, x: Array, shape: Shape, starts: Shape, steps: Shape, value: Number
) -> Array:
    target = Layout.dense(shape).slice(starts, x.shape, steps)
    return _placed(device, [x], [target], shape, None if x.shape == shape else value)


embed_ = Embed(
    "embed",
    _embed,
    lambda ct, shapes, starts, steps: slice_view(ct, starts, shapes[0], steps),
    "Place elements at start, start + step, ... with one value around them; with zeros it is the "
    "transpose of slice.",
)
register(embed_)


def _concat(device: Device, *arrays: Array, axis: int) -> Array:
    first = arrays[0].shape
    shape = (*first[:axis], sum(x.shape[axis] for x in arrays), *first[axis + 1 :])
    whole, starts, steps = Layout.dense(shape), [0] * len(shape), (1,) * len(shape)
    targets = []
    for x in arrays:
        targets.append(whole.slice(tuple(starts), x.shape, steps))
        starts[axis] += x.shape[axis]
    return _placed(device, arrays, targets, shape)


def _concat_part(ct: Any, position: int, shapes: Sequence[Shape], axis: int) -> Any:
    starts = [0] * len(ct.shape)
    starts[axis] = sum(s[axis] for s in shapes[:position])
    return slice_view(ct, tuple(starts), shapes[position], (1,) * len(starts))


concat_ = linear(
    "concat",
    compute=_concat,
    transpose=_concat_part,
    doc="Tensors joined along an existing axis.",
)

diagonal_ = view(
    "diagonal",
    layout=lambda layout, offset, axis1, axis2: layout.diagonal(offset, axis1, axis2),
    transpose=lambda ct, shapes, offset, axis1, axis2: apply(
        embed_diagonal_, ct, shape=shapes[0], offset=offset, axis1=axis1, axis2=axis2
    ),
    doc="A diagonal of two axes as a new last axis, without a copy.",
)


def _embed_diagonal(
    device: Device, x: Array, shape: Shape, offset: int, axis1: int, axis2: int
) -> Array:
    target = Layout.dense(shape).diagonal(offset, axis1, axis2)
    return _placed(device, [x], [target], shape, 0)


embed_diagonal_: Linear = linear(
    "embed_diagonal",
    compute=_embed_diagonal,
    transpose=lambda ct, offset, axis1, axis2: diagonal(ct, offset, axis1, axis2),
    doc="Zeros with the last axis of a laid along a diagonal of two axes: the transpose of "
    "diagonal.",
)


def embed(x: Any, shape: Shape, starts: Shape, steps: Shape, value: Number = 0) -> Any:
    """Return `value` in `shape`, with `x` at starts[i], starts[i] + steps[i], ... along axis i."""
    return apply(embed_, x, shape=shape, starts=starts, steps=steps, value=value)


def concat(tensors: Sequence[Any], axis: int) -> Any:
    """Join tensors of one dtype that agree in every axis but `axis`."""
    return apply(concat_, *tensors, axis=axis)


def diagonal(x: Any, offset: int, axis1: int, axis2: int) -> Any:
    """Return the elements at i along `axis1` and i + offset along `axis2`, i along a last axis."""
    return apply(diagonal_, x, offset=offset, axis1=axis1, axis2=axis2)


def embed_diagonal(x: Any, shape: Shape, offset: int, axis1: int, axis2: int) -> Any:
    """Return zeros of `shape` whose diagonal is `x`."""
    return apply(embed_diagonal_, x, shape=shape, offset=offset, axis1=axis1, axis2=axis2)
