"""Picking, putting, sorting and searching in windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....dtypes import bool_, float16, float32, int32, uint32
from ....errors import OutOfMemoryError
from ....layout import Layout
from ...array import Array, Body, batch_gather_shape
from ...fold import SUM
from ..launching import as_words
from .bound import (
    bound,
    bounds,
    converted,
    is_bound,
    joined,
    operand,
    part_of,
    total,
    unused,
    windowed,
)
from .cuts import Operand, cut, over, part, parts

if TYPE_CHECKING:
    from ..indexing import Indexing

# Where an index lies in a window from b on of d places; c where it lies outside.
_LOCAL = Body("window_index", "select(c, a - b, a - b < d)", unused)
# The first value where an index c lies in a window from d on of e places, else the second.
_CHOSEN = Body("window_choice", "select(b, a, c - d < e)", unused)

# Which bools of a line come first, by whether it descends.
_FIRST = {
    True: Body("window_true", "i32(a)", unused),
    False: Body("window_false", "i32(!a)", unused),
}
# Of b up to here a come first: the others.
_OTHERS = Body("window_others", "b - a", unused)
# The place a of those that come first, where the d-th is one of the c of them; or b.
_PLACE = Body("window_place", "select(b, a, d <= c)", unused)
_LESS = Body("window_less", "a - 1 - b", unused)


def _local(device: Indexing, index: Array, start: int, outside: int, size: int) -> Array:
    """Return where indices lie in a window of `size` places; `outside` for those elsewhere."""
    operands = (as_words(index), start, outside, size)
    made = device.map(_LOCAL, operands, (uint32,) * 4, index.shape, uint32)
    return Array(made.storage, made.layout, index.dtype)


def gather(device: Indexing, x: Array, index: Array, axis: int) -> Array | None:
    """Gather parts of the result apart; from a long table, what lies in each of its windows."""
    last = len(index.shape)
    domain = (*index.shape, x.shape[axis])
    own = (*range(last), None)
    of_x = (*(None if i == axis else i for i in range(last)), axis)
    operands = [
        over(domain, x.layout, of_x, device.itemsize(x.dtype)),
        over(domain, index.layout, own, device.itemsize(index.dtype)),
        over(domain, Layout.dense(index.shape), own, device.itemsize(x.dtype)),
    ]
    division = cut(operands, bounds(device))
    if division is None:
        return bound(device, lambda x, index: device.gather(x, index, axis), x, index)
    at, step = division

    def gathered(start: int, size: int) -> Array:
        return device.gather(
            part_of(x, of_x[at], start, size), part_of(index, own[at], start, size), axis
        )

    if at != last:
        return joined(device, index.shape, x.dtype, at, step, gathered)
    words = as_words(index)
    kinds = (x.dtype, x.dtype, uint32, uint32, uint32)
    out: Array | None = None
    for start, size in parts(x.shape[axis], step):
        table = part_of(x, axis, start, size)
        made = device.gather(table, _local(device, index, start, 0, size), axis)
        if out is not None:
            chosen = (made, out, words, start, size)
            made = device.map(_CHOSEN, chosen, kinds, index.shape, x.dtype)
        out = made
    return out


def scatter_add(
    device: Indexing, index: Array, values: Array, axis: int, size: int
) -> Array | None:
    """Add into parts of the result apart; what parts of a long row of values make is added up."""
    last = len(index.shape)
    domain = (*index.shape, size)
    shape = batch_gather_shape(index, axis, size)
    own = (*range(last), None)
    of_out = (*(None if i == axis else i for i in range(last)), axis)
    operands = [
        over(domain, values.layout, own, device.itemsize(values.dtype)),
        over(domain, index.layout, own, device.itemsize(index.dtype)),
        over(domain, Layout.dense(shape), of_out, device.itemsize(values.dtype)),
    ]
    division = cut(operands, bounds(device), spare=last)
    if division is None:
        return bound(
            device,
            lambda index, values: device.scatter_add(index, values, axis, size),
            index,
            values,
        )
    at, step = division

    def added(start: int, count: int) -> Array:
        if at == last:  # one place more takes what belongs elsewhere
            local = _local(device, index, start, count, count)
            made = device.scatter_add(local, values, axis, count + 1)
            return part_of(made, axis, 0, count)
        some = part_of(index, at, start, count)
        return device.scatter_add(some, part_of(values, at, start, count), axis, size)

    place = of_out[at]
    if place is not None:
        return joined(device, shape, values.dtype, place, step, added)
    if values.dtype is float16:  # rounded once, in the end
        exact = device.scatter_add(index, converted(device, values, float32), axis, size)
        return converted(device, exact, float16)
    return total(device, SUM.body, (added(*where) for where in parts(domain[at], step)))


def scatter(device: Indexing, target: Array, index: Array, values: Array, axis: int) -> bool:
    """Put values into parts of the target, one after the other, so that the last ones stay."""
    last = len(values.shape)
    domain = (*values.shape, target.shape[axis])
    own = (*range(last), None)
    of_target = (*(None if i == axis else i for i in range(last)), axis)
    of_index = (*(0 if i == axis else None for i in range(last)), None)
    operands = [
        over(domain, target.layout, of_target, device.itemsize(target.dtype)),
        over(domain, index.layout, of_index, device.itemsize(index.dtype)),
        over(domain, values.layout, own, device.itemsize(values.dtype)),
    ]
    division = cut(operands, bounds(device), spare=last)
    if division is None:
        if is_bound(device, target, index, values):
            return False
        target, index, values = [windowed(device, x) for x in (target, index, values)]
        device.scatter(target, index, values, axis)
        return True
    at, step = division
    for start, size in parts(domain[at], step):
        place = part_of(target, of_target[at], start, size)
        if at != last:
            some = part_of(index, of_index[at], start, size)
            device.scatter(place, some, part_of(values, at, start, size), axis)
            continue
        # One place more takes what belongs elsewhere.
        shape = (*place.shape[:axis], size + 1, *place.shape[axis + 1 :])
        spare = device._empty(shape, target.dtype)
        inside = part_of(spare, axis, 0, size)
        device.write(inside, place)
        device.scatter(spare, _local(device, index, start, size, size), values, axis)
        device.write(place, inside)
    return True


def argsort(device: Indexing, x: Array, axis: int, descending: bool) -> Array | None:
    """Sort lines apart. Raises: OutOfMemoryError for lines that a binding does not hold.

    Bools are counted instead, and their lines may have any length.
    """
    division = cut([operand(device, x), Operand(Layout.dense(x.shape), 4)], bounds(device))
    if division is None:
        return bound(device, lambda x: device.argsort(x, axis, descending), x)
    at, step = division
    if at == axis:
        is_long = 4 * x.shape[axis] > device.facts.largest_binding
        if is_long and x.dtype is not bool_:
            raise OutOfMemoryError(
                f"argsort: lines of {4 * x.shape[axis]} bytes came, and a binding of device "
                f"{device.name}, into which a line has to fit, holds {device.facts.largest_binding}"
            )
        if is_long and len(x.shape) == 1:
            return _parted(device, x, descending)
        # The elements of a line lie far apart: side by side they fit, or are lines of one axis.
        axes = (*(i for i in range(len(x.shape)) if i != axis), axis)
        moved = device.copy(x.view(x.layout.permute(axes)))
        if is_long:
            made = _lines(device, moved, descending)
        else:
            made = device.argsort(moved, len(axes) - 1, descending)
        back = tuple(axes.index(i) for i in range(len(axes)))
        return device.copy(made.view(made.layout.permute(back)))

    def sorted_(start: int, size: int) -> Array:
        return device.argsort(part_of(x, at, start, size), axis, descending)

    return joined(device, x.shape, int32, at, step, sorted_)


def _lines(device: Indexing, x: Array, descending: bool) -> Array:
    """Sort the last axis of dense memory, line by line."""
    size = x.shape[-1]
    flat = Layout.dense((x.layout.size,))
    out = device._empty(x.shape, int32)
    for start in range(0, flat.size, size):
        line = part(flat, 0, start, size)
        device.write(out.view(line), device.argsort(x.view(line), 0, descending))
    return out


def _parted(device: Indexing, x: Array, descending: bool) -> Array:
    """Return the positions of bools with those first that are true, if descending, or false.

    The j-th of either kind is where j more of them have been counted.
    """
    size = x.shape[0]

    def each(body: Body, *operands: Array | int) -> Array:
        return device.map(body, operands, (int32,) * len(operands), (size,), int32)

    first = device.map(_FIRST[descending], (x,), (bool_,), (size,), int32)
    counts = device.scan(SUM, first, 0, False)
    numbers = device.scan(SUM, device.full((size,), 1, int32), 0, False)
    total = counts.view(part(counts.layout, 0, size - 1, 1).expand((size,)))
    ahead = device.searchsorted(counts, each(_LESS, numbers, 0), True)
    behind = device.searchsorted(each(_OTHERS, counts, numbers), each(_LESS, numbers, total), True)
    return each(_PLACE, ahead, behind, total, numbers)


def searchsorted(device: Indexing, x: Array, values: Array, right: bool) -> Array | None:
    """Search for parts of the values apart; what parts of the row count is added up."""
    last = len(values.shape)
    domain = (*values.shape, *x.shape)
    own = (*range(last), None)
    of_x = (*[None] * last, 0)
    operands = [
        over(domain, x.layout, of_x, device.itemsize(x.dtype)),
        over(domain, values.layout, own, device.itemsize(values.dtype)),
        over(domain, Layout.dense(values.shape), own, 4),
    ]
    division = cut(operands, bounds(device))
    if division is None:
        return bound(device, lambda x, values: device.searchsorted(x, values, right), x, values)
    at, step = division

    def counted(start: int, size: int) -> Array:
        some = part_of(values, own[at], start, size)
        return device.searchsorted(part_of(x, of_x[at], start, size), some, right)

    if at == last:
        return total(device, SUM.body, (counted(*where) for where in parts(domain[at], step)))
    return joined(device, values.shape, int32, at, step, counted)
