"""Elementwise operations, copies, random numbers, reductions, scans and products in windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING

from .... import dtypes as kinds
from ....dtypes import DType
from ....layout import Layout, Shape
from ...array import Array, Body, Number, product_shape, reduced_shape
from ...families import call_places
from ...fold import SUM, Fold
from ...functions import Function
from ..configs import HARD_LIMIT
from .bound import (
    bound,
    bounds,
    converted,
    is_bound,
    joined,
    operand,
    part_of,
    total,
    windowed,
    words,
)
from .cuts import Operand, cut, over, parts, pieces

if TYPE_CHECKING:
    from ..calls import Calls
    from ..kernels import Kernels


def map_into(
    device: Kernels,
    out: Array,
    body: Body,
    operands: Sequence[Array | Number],
    dtypes: Sequence[DType],
) -> None:
    """Compute an elementwise operation into the whole of a dense array."""
    seen = [operand(device, x) for x in (out, *operands) if isinstance(x, Array)]
    for target, *layouts in pieces(seen, bounds(device)):
        rest = iter(layouts)
        ready = [
            windowed(device, x.view(next(rest))) if isinstance(x, Array) else x for x in operands
        ]
        window = windowed(device, out.view(target))
        end = target.offset + target.size
        whole = end == out.layout.size or end * seen[0].itemsize % 16 == 0
        # Kernels write dense memory from the beginning of a binding on, and whole vec4s.
        if target.contiguous and window.layout.offset == 0 and whole:
            dense = window.view(Layout.dense(target.shape))
            device._map_into(dense, body, ready, dtypes)
        else:
            device.write(window, device.map(body, ready, dtypes, target.shape, out.dtype))


def call_into(
    device: Calls,
    out: Array,
    function: Function,
    operands: Sequence[Array | Number],
    shape: Shape,
    planes: bool,
) -> bool:
    """Call a function at every point, into the whole of a dense array; False needs no windows."""
    arrays = [x for x in operands if isinstance(x, Array)]
    count, size = len(function.parts), prod(shape)
    side_by_side = call_places(shape, count, planes=False)[0]
    seen = [Operand(side_by_side, device.itemsize(function.out))]
    cuts = list(pieces([*seen, *[operand(device, x) for x in arrays]], bounds(device)))
    if len(cuts) == 1 and is_bound(device, out, *arrays):
        return False
    for place, *layouts in cuts:
        rest = iter(layouts)
        ready = [
            windowed(device, x.view(next(rest))) if isinstance(x, Array) else x for x in operands
        ]
        n = place.shape
        made = device.call(function, ready, n, (count,), False)
        strides = tuple([s // count for s in place.strides])
        first = place.offset // count
        for k, part in enumerate(call_places(n, count, planes=False)):
            if planes:
                target = Layout(n, strides, first + k * size)
            else:
                target = Layout(n, place.strides, place.offset + k)
            device.write(out.view(target), made.view(part))
    return True


def write(device: Kernels, target: Array, x: Array) -> bool:
    """Copy into a view of another buffer."""
    cuts = list(pieces([operand(device, a) for a in (target, x)], bounds(device)))
    if len(cuts) == 1 and is_bound(device, target, x):
        return False
    for to, source in cuts:
        device.write(windowed(device, target.view(to)), windowed(device, x.view(source)))
    return True


def random_into(device: Kernels, out: Array, kind: str, key: tuple[int, int], counter: int) -> None:
    """Fill the whole of a dense array with random numbers."""
    flat = Layout.dense((out.layout.size,))
    for (piece,) in pieces([Operand(flat, 4)], bounds(device)):
        target = windowed(device, out.view(piece)).view(Layout.dense(piece.shape))
        device._random_into(target, kind, key, counter + piece.offset)


def reduce(device: Kernels, fold: Fold, x: Array, axes: Shape, dtype: DType) -> Array | None:
    """Reduce rows apart; parts of a long one make a result each, and these are folded."""
    shape = reduced_shape(x.shape, axes)
    kept = [i for i in range(len(x.shape)) if i not in axes]
    places = [kept.index(i) if i in kept else None for i in range(len(x.shape))]
    result = over(x.shape, Layout.dense(shape), places, device.itemsize(dtype))
    division = cut([operand(device, x), result], bounds(device))
    if division is None:
        return bound(device, lambda x: device.reduce(fold, x, axes, dtype), x)
    axis, step = division

    def reduced(dtype: DType, start: int, size: int) -> Array:
        return device.reduce(fold, part_of(x, axis, start, size), axes, dtype)

    at = places[axis]
    if at is not None:
        return joined(device, shape, dtype, at, step, lambda *where: reduced(dtype, *where))
    wide = fold.wide_for(dtype)
    if wide is not None:
        made = [reduced(wide.dtype, *where) for where in parts(x.shape[axis], step)]
        rows = [y.view(Layout.dense((1, prod(shape)))) for y in made]
        return _folded_rows(device, fold, rows, dtype).view(Layout.dense(shape))
    inner = kinds.float32 if dtype is kinds.float16 else dtype  # rounded once, in the end
    whole = total(
        device, fold.body, (reduced(inner, *where) for where in parts(x.shape[axis], step))
    )
    return whole if inner is dtype else converted(device, whole, dtype)


def _folded_rows(device: Kernels, fold: Fold, rows: Sequence[Array], dtype: DType) -> Array:
    """Fold wide rows of any length into one: so many columns at once as one binding holds."""
    most = device.facts.largest_binding // (len(rows) * rows[0].dtype.itemsize)

    def folded(start: int, size: int) -> Array:
        held = wide_beside(device, [part_of(x, 1, start, size) for x in rows], 0)
        return device.reduce(fold, held, (0,), dtype)

    return joined(device, rows[0].shape[1:], dtype, 0, max(most, 1), folded)


def wide_beside(device: Kernels, made: Sequence[Array], axis: int) -> Array:
    """Return dense arrays of something wide as one, side by side along an axis."""
    first, extent = made[0], sum(x.shape[axis] for x in made)
    shape = (*first.shape[:axis], extent, *first.shape[axis + 1 :])
    out, at = device._empty(shape, first.dtype), 0
    for x in made:
        device.write(words(part_of(out, axis, at, x.shape[axis])), words(x))
        at += x.shape[axis]
    return out


def scan(
    device: Kernels, fold: Fold, x: Array, axis: int, back: bool, before: Array | None
) -> Array | None:
    """Scan lines apart; parts of a long one go on from the total of the parts before.

    `before` are wide totals that the lines go on from, if any.
    """
    wide = fold.wide_for(x.dtype)  # with totals of a part, and of all before, for each line
    held = 2 * wide.dtype.itemsize if wide else device.itemsize(x.dtype)
    result = Operand(Layout.dense(x.shape), held)
    division = cut([operand(device, x), result], bounds(device))
    if division is None:
        return bound(device, lambda x: device.scan(fold, x, axis, back, before), x)
    at, step = division
    if at != axis:

        def scanned(start: int, size: int) -> Array:
            own = before
            if own is not None:
                own = wide_beside(device, [part_of(own, at, start, size)], axis)
            return device.scan(fold, part_of(x, at, start, size), axis, back, own)

        return joined(device, x.shape, x.dtype, at, step, scanned)
    order = list(parts(x.shape[axis], step))
    order = order[::-1] if back else order
    out = device._empty(x.shape, x.dtype)
    go_on = _from_wide if wide else _from_last
    made = go_on(device, fold, [part_of(x, axis, *where) for where in order], axis, back, before)
    for where, y in zip(order, made, strict=True):
        device.write(part_of(out, axis, *where), y)
    return out


def _from_last(
    device: Kernels, fold: Fold, rows: Sequence[Array], axis: int, back: bool, before: Array | None
) -> Iterator[Array]:
    """Scan parts, the last total of each put into the first element of the next.

    So sums are in range that of a part alone may be too large.
    """
    for x in rows:
        if before is not None:
            x = device.copy(x)
            first = part_of(x, axis, x.shape[axis] - 1 if back else 0, 1)
            pair = (x.dtype, x.dtype)
            device.write(first, device.map(fold.body, (before, first), pair, first.shape, x.dtype))
        made = device.scan(fold, x, axis, back)
        yield made
        before = part_of(made, axis, 0 if back else x.shape[axis] - 1, 1)


def _from_wide(
    device: Kernels, fold: Fold, rows: Sequence[Array], axis: int, back: bool, before: Array | None
) -> Iterator[Array]:
    """Scan parts, each from the wide total of all before: a float may have vanished for good."""

    def total(x: Array) -> Array:
        made = device.reduce(fold, x, (axis,), wide)
        return made.view(Layout.dense((*x.shape[:axis], 1, *x.shape[axis + 1 :])))

    kind = fold.wide_for(rows[0].dtype)
    assert kind is not None
    wide = kind.dtype
    for i, x in enumerate(rows):
        yield device.scan(fold, x, axis, back, before)
        if i + 1 < len(rows):
            own = total(x)
            before = own if before is None else total(wide_beside(device, [before, own], axis))


def matmul(device: Kernels, a: Array, b: Array, lead: int | None, inner: int) -> Array | None:
    """Multiply parts of the batch, of rows or of columns apart, and add up parts of long sums."""
    if 0 in (*a.shape, *b.shape):
        return None
    batch = len(a.shape) - 2 if lead is None else lead
    rows, columns = len(a.shape) - batch - inner, len(b.shape) - batch - inner
    domain = (*a.shape, *b.shape[batch + inner :])
    shape = product_shape(a.shape, b.shape, lead, inner)
    ends = batch + rows
    of_a = [*range(len(a.shape)), *[None] * columns]
    of_b = [*range(batch), *[None] * rows, *range(batch, len(b.shape))]
    of_out = [*range(ends), *[None] * inner, *range(ends, ends + columns)]
    # Longer sums are computed in parts anyway, whose results lie in one piece of memory.
    held = 4 * -(-prod(domain[ends : ends + inner]) // HARD_LIMIT)
    operands = [
        over(domain, a.layout, of_a, device.itemsize(a.dtype)),
        over(domain, b.layout, of_b, device.itemsize(b.dtype)),
        over(domain, Layout.dense(shape), of_out, held),
    ]
    division = cut(operands, bounds(device))
    if division is None:
        return bound(device, lambda a, b: device.matmul(a, b, lead, inner), a, b)
    axis, step = division

    def product(start: int, size: int) -> Array:
        left, right = part_of(a, of_a[axis], start, size), part_of(b, of_b[axis], start, size)
        return device.matmul(left, right, lead, inner)

    at = of_out[axis]
    if at is not None:
        return joined(device, shape, a.dtype, at, step, product)
    if a.dtype is kinds.float16:  # rounded once, in the end
        left, right = [converted(device, x, kinds.float32) for x in (a, b)]
        return converted(device, device.matmul(left, right, lead, inner), kinds.float16)
    return total(device, SUM.body, (product(*where) for where in parts(domain[axis], step)))
