"""What every family of windows needs: views of windows, parts of views, and parts put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .... import dtypes as kinds
from ....dtypes import DType
from ....layout import Layout, Shape
from ...array import Array, Body, Storage
from ..buffers import Window
from ..launching import COPY
from .cuts import Bounds, Operand, part, parts

if TYPE_CHECKING:
    from ..indexing import Indexing


def unused(*args: object) -> object:
    """Stand in for the NumPy code of bodies: NumPy has no bindings."""
    raise NotImplementedError


def bounds(device: Indexing) -> Bounds:
    """Return what one binding of a device holds."""
    return Bounds(device.facts.largest_binding, device.facts.align)


def operand(device: Indexing, x: Array) -> Operand:
    """Return a view as an operand of a domain of its own shape."""
    return Operand(x.layout, device.itemsize(x.dtype))


def windowed(device: Indexing, x: Array) -> Array:
    """Return the same view, of a buffer that one binding holds; the view must fit into one."""
    whole = x.storage.buffer
    if whole.nbytes <= device.facts.largest_binding:
        return x
    itemsize = device.itemsize(x.dtype)
    start, end = Operand(x.layout, itemsize).touched()
    start -= start % device.facts.align
    nbytes = end + -end % 16 - start
    storage = Storage(device, Window(whole, start, nbytes), nbytes // itemsize)
    layout = Layout(x.layout.shape, x.layout.strides, x.layout.offset - start // itemsize)
    return Array(storage, layout, x.dtype)


def is_bound(device: Indexing, *arrays: Array) -> bool:
    """Whether one binding holds each of the buffers."""
    return all(x.storage.buffer.nbytes <= device.facts.largest_binding for x in arrays)


def bound(device: Indexing, run: Callable[..., Array], *arrays: Array) -> Array | None:
    """Run an operation on views that fit, as views of windows; None where it needs no window."""
    if is_bound(device, *arrays):
        return None
    return run(*[windowed(device, x) for x in arrays])


def part_of(x: Array, axis: int | None, start: int, size: int) -> Array:
    """Return the part of a view along one of its axes; None is an axis that it does not have."""
    return x if axis is None else x.view(part(x.layout, axis, start, size))


def words(x: Array) -> Array:
    """Return a view that can be copied: of wide elements their words, along an axis in the end."""
    count = x.dtype.itemsize // 4
    if count <= 1:
        return x
    at = x.layout
    strides = (*[s * count for s in at.strides], 1)
    return Array(x.storage, Layout((*at.shape, count), strides, at.offset * count), kinds.uint32)


def joined(
    device: Indexing,
    shape: Shape,
    dtype: DType,
    axis: int,
    step: int,
    make: Callable[[int, int], Array],
) -> Array:
    """Return what `make` gives for every (start, size) along an axis, side by side."""
    out = device._empty(shape, dtype)
    for start, size in parts(shape[axis], step):
        device.write(words(part_of(out, axis, start, size)), words(make(start, size)))
    return out


def total(device: Indexing, body: Body, made: Iterator[Array]) -> Array:
    """Return arrays of one shape folded element by element, in order."""
    so_far = next(made)
    for more in made:
        so_far = device.map(
            body, (so_far, more), (so_far.dtype, more.dtype), so_far.shape, so_far.dtype
        )
    return so_far


def converted(device: Indexing, x: Array, dtype: DType) -> Array:
    """Return an array with another dtype."""
    return device.map(COPY, (x,), (x.dtype,), x.shape, dtype)
