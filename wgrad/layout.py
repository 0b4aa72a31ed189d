"""Layout(shape, strides, offset): all view arithmetic, and no data.

Strides and offset count elements, not bytes. A stride may be 0 (an expanded axis) or negative (a
flipped one). Every view operation is a function from layout to layout; a kernel is told layouts
and never thinks of views.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import lru_cache
from math import prod

from .errors import AxisError, ShapeError, shown

Shape = tuple[int, ...]
MAX_AXES = 64  # as many as NumPy has, so that every tensor can become an array


@lru_cache(maxsize=1024)
def contiguous_strides(shape: Shape) -> Shape:
    """Return the strides of a C-contiguous array of `shape`."""
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= max(extent, 1)
    return tuple(reversed(strides))


class Layout:
    """Where the elements of a view lie in flat storage: offset + sum(index * stride)."""

    __slots__ = ("contiguous", "offset", "shape", "size", "strides")

    def __init__(self, shape: Shape, strides: Shape, offset: int = 0):
        self.shape = shape
        self.strides = strides
        self.offset = offset
        self.size = prod(shape)
        # Axes of extent 1 never move, so their strides do not count; nor do any when it is empty.
        self.contiguous = strides == (dense := contiguous_strides(shape)) or all(
            s == d or n <= 1 for s, d, n in zip(strides, dense, shape, strict=True)
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Layout)
            and self.shape == other.shape
            and self.strides == other.strides
            and self.offset == other.offset
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.strides, self.offset))

    @staticmethod
    @lru_cache(maxsize=1024)
    def dense(shape: Shape) -> Layout:
        """Return the C-contiguous layout of `shape` at offset 0."""
        return Layout(shape, contiguous_strides(shape))

    def __repr__(self) -> str:
        return f"Layout(shape={self.shape}, strides={self.strides}, offset={self.offset})"

    def permute(self, axes: Sequence[int]) -> Layout:
        return _permuted(self.shape, self.strides, self.offset, tuple(axes))

    def expand(self, shape: Shape) -> Layout:
        """Broadcast to `shape`, which must be one that NumPy would broadcast to."""
        return _expanded(self.shape, self.strides, self.offset, shape)

    def slice(self, starts: Shape, sizes: Shape, steps: Shape) -> Layout:
        offset = self.offset
        if all(sizes):
            offset += sum(b * s for b, s in zip(starts, self.strides, strict=True))
        return Layout(sizes, tuple(s * k for s, k in zip(self.strides, steps, strict=True)), offset)

    def diagonal(self, offset: int, axis1: int, axis2: int) -> Layout:
        """Return the view of the elements at i along `axis1` and i + offset along `axis2`.

        i is the last axis; it has as many steps as lie within both.
        """
        first, second = max(0, -offset), max(0, offset)
        count = max(0, min(self.shape[axis1] - first, self.shape[axis2] - second))
        rest = [a for a in range(len(self.shape)) if a not in (axis1, axis2)]
        shape = (*(self.shape[a] for a in rest), count)
        strides = (*(self.strides[a] for a in rest), self.strides[axis1] + self.strides[axis2])
        start = first * self.strides[axis1] + second * self.strides[axis2] if count else 0
        return Layout(shape, strides, self.offset + start)

    def windows(self, counts: Shape, sizes: Shape, steps: Shape, dilations: Shape) -> Layout:
        """Show the last axes as counts[i] windows of sizes[i] elements, which may overlap.

        Windows begin steps[i] apart, and their elements lie dilations[i] apart. The axes of the
        windows come first, then those within them; all must lie within the layout.
        """
        lead = len(self.shape) - len(counts)
        last = self.strides[lead:]
        between = tuple(s * k for s, k in zip(last, steps, strict=True))
        within = tuple(s * k for s, k in zip(last, dilations, strict=True))
        shape = (*self.shape[:lead], *counts, *sizes)
        return Layout(shape, (*self.strides[:lead], *between, *within), self.offset)

    @property
    def overlaps(self) -> bool:
        """Whether elements may share memory: such a view can be read, and not be written to."""
        reach = 0  # of the axes with smaller steps
        for step, n in sorted((abs(s), n) for s, n in zip(self.strides, self.shape, strict=True)):
            if n > 1:
                if step <= reach:
                    return self.size > 0
                reach += step * (n - 1)
        return False

    def reshape(self, shape: Shape) -> Layout | None:
        """Return the view of `shape`, or None when only a copy can have it."""
        if self.contiguous:
            return Layout(shape, contiguous_strides(shape), self.offset)
        if self.size == 0:
            return Layout.dense(shape)
        # Walk both shapes from the left in groups of equal element counts; within a group the
        # old axes must be one run (each stride the next one's stride times its extent).
        old = [(n, s) for n, s in zip(self.shape, self.strides, strict=True) if n != 1]
        strides: list[int] = []
        at = 0
        left = 0
        while left < len(shape):
            if shape[left] == 1:
                strides.append(0)
                left += 1
                continue
            have, want, right = old[at][0], shape[left], left + 1
            at += 1
            while have != want:
                if have < want:
                    if old[at - 1][1] != old[at][1] * old[at][0]:
                        return None
                    have *= old[at][0]
                    at += 1
                else:
                    want *= shape[right]
                    right += 1
            step = old[at - 1][1]
            group: list[int] = []
            for extent in reversed(shape[left:right]):
                group.append(step)
                step *= extent
            strides.extend(reversed(group))
            left = right
        return Layout(shape, tuple(strides), self.offset)


# The same few layouts are asked for at every step; all are alike that have equal numbers in them.
@lru_cache(maxsize=1024)
def _permuted(shape: Shape, strides: Shape, offset: int, axes: Shape) -> Layout:
    return Layout(tuple([shape[a] for a in axes]), tuple([strides[a] for a in axes]), offset)


@lru_cache(maxsize=1024)
def _expanded(shape: Shape, strides: Shape, offset: int, target: Shape) -> Layout:
    lead = len(target) - len(shape)
    moved = [0] * lead
    for old, new, stride in zip(shape, target[lead:], strides, strict=True):
        moved.append(stride if old == new else 0)
    return Layout(target, tuple(moved), offset)


def collapse(shape: Shape, strides: Sequence[Shape]) -> tuple[Shape, list[Shape]]:
    """Merge neighbouring axes that every one of `strides` walks as one run; drop extents of 1.

    Fewer axes mean fewer divisions in a kernel: a contiguous operand collapses to one axis.
    """
    extents: list[int] = []
    merged: list[list[int]] = []  # one row of strides per kept axis
    for axis, extent in enumerate(shape):
        if extent == 1:
            continue
        row = [s[axis] for s in strides]
        if merged and all(last == s * extent for last, s in zip(merged[-1], row, strict=True)):
            extents[-1] *= extent
            merged[-1] = row
        else:
            extents.append(extent)
            merged.append(row)
    return tuple(extents), [tuple(row[i] for row in merged) for i in range(len(strides))]


def compose(outer: Layout, shape: Shape, inner: Layout) -> Layout | None:
    """Return where `outer`, a view of a dense array of `shape`, finds what lies at `inner`.

    `inner` is a view of that shape: the result shows through both. None when no strides can.
    """
    if inner.contiguous or outer.size == 0:
        return Layout(outer.shape, outer.strides, inner.offset + outer.offset)
    extents, (steps,) = collapse(shape, [inner.strides])
    dense = contiguous_strides(extents)

    def digits(distance: int) -> list[int]:
        digits_of = []
        for step in dense:
            digit, distance = divmod(distance, step)
            digits_of.append(digit)
        return digits_of

    start = digits(outer.offset)
    low, high = list(start), list(start)
    strides = []
    for n, stride in zip(outer.shape, outer.strides, strict=True):
        moves = [d if stride > 0 else -d for d in digits(abs(stride))] if n > 1 else []
        for axis, move in enumerate(moves):
            low[axis] += min(0, move * (n - 1))
            high[axis] += max(0, move * (n - 1))
        strides.append(sum(m * s for m, s in zip(moves, steps, strict=False)))
    if any(a < 0 or b >= n for a, b, n in zip(low, high, extents, strict=True)):
        return None  # a step along one axis would carry over into the next
    offset = inner.offset + sum(d * s for d, s in zip(start, steps, strict=True))
    return Layout(outer.shape, tuple(strides), offset)


def normalize_axis(axis: int, ndim: int, op: str) -> int:
    """Return `axis` counted from the front. Raises: AxisError when the tensor has no such axis."""
    try:
        index = operator.index(axis)
    except TypeError:
        raise AxisError(f"{op}: axis {shown(axis)} came, and an integer is needed") from None
    if not -ndim <= index < ndim:
        span = f"{-ndim} to {ndim - 1}" if ndim else "none: the tensor is 0-d"
        raise AxisError(f"{op}: axis {shown(index)} is out of range; the tensor's axes are {span}")
    return index % ndim


def normalize_axes(axis: int | Sequence[int] | None, ndim: int, op: str) -> Shape:
    """Return axes as a sorted tuple counted from the front; None means all of them."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int and 0 <= axis < ndim:
        return (axis,)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    normal = tuple(sorted(normalize_axis(a, ndim, op) for a in axes))
    if len(set(normal)) != len(normal):
        raise AxisError(f"{op}: axes {shown(tuple(axes))} name one axis twice")
    return normal


def integers(shape: int | Sequence[int], op: str) -> Shape:
    """Return the extents of `shape` as ints, of either sign. Raises: ShapeError for other things.

    One number is a shape of one axis.
    """
    items = shape if isinstance(shape, (tuple, list)) else (shape,)
    try:
        return tuple([operator.index(n) for n in items])
    except TypeError:
        raise ShapeError(f"{op}: shape {shown(shape)} is not made of integers") from None


def normalize_shape(shape: int | Sequence[int], op: str) -> Shape:
    """Return `shape` as a tuple of ints, of which none is negative.

    Raises: ShapeError, also for what no tensor can have: 2**63 elements, or 65 axes.
    """
    extents = integers(shape, op)
    for n in extents:
        if n < 0:
            raise ShapeError(f"{op}: shape {shown(extents)} has a negative extent")
    return check_size(extents, op)


def check_size(shape: Shape, op: str) -> Shape:
    """Return `shape` itself. Raises: ShapeError for 2**63 elements, or more than 64 axes."""
    if len(shape) > MAX_AXES:
        raise ShapeError(f"{op}: {len(shape)} axes came, and a tensor has at most {MAX_AXES}")
    if prod(shape) >= 2**63 or (0 in shape and prod(n for n in shape if n) >= 2**63):
        raise ShapeError(
            f"{op}: shape {shown(shape)} came, and a tensor has fewer than 2**63 elements"
        )
    return shape


@lru_cache(maxsize=1024)
def broadcast_shapes(op: str, *shapes: Shape) -> Shape:
    """Return the shape that NumPy's rules broadcast `shapes` to. Raises: ShapeError."""
    result: list[int] = []
    for axis in range(1, max(map(len, shapes), default=0) + 1):
        extent = 1
        for shape in shapes:
            n = shape[-axis] if axis <= len(shape) else 1
            if n != 1:
                if extent not in (1, n):
                    names = " and ".join(map(str, shapes))
                    raise ShapeError(
                        f"{op}: shapes {names} do not broadcast: axis -{axis} has {extent} and {n}"
                    )
                extent = n
        result.append(extent)
    return tuple(reversed(result))
