"""Where work on more memory than one binding holds is cut. Plain numbers: knows no device.

Work is seen as a domain, with one axis for everything that it loops over, and its operands as
layouts over the domain, with stride 0 where they do not vary. Cut along an axis often enough, every
operand touches so little memory that one binding holds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import NamedTuple

from ....layout import Layout, Shape

MOST_ELEMENTS = (1 << 31) - 1  # of an operand: kernels count in u32, and some of it is signed


class Operand(NamedTuple):
    """What one operand touches of its memory: a layout over the domain, and bytes of an element.

    `own` are the axes of the domain that it has itself; None says all.
    """

    layout: Layout
    itemsize: int
    own: Shape | None = None

    def extents(self) -> list[int]:
        """Return the extents of the domain, 1 for the axes that are not its own."""
        shape = self.layout.shape
        return [n if self.own is None or i in self.own else 1 for i, n in enumerate(shape)]

    def touched(self) -> tuple[int, int]:
        """Return the first byte that is touched, and the one behind the last."""
        moves = [
            (n - 1) * s for n, s in zip(self.layout.shape, self.layout.strides, strict=True) if n
        ]
        low = self.layout.offset + sum(m for m in moves if m < 0)
        high = self.layout.offset + sum(m for m in moves if m > 0)
        return low * self.itemsize, (high + 1) * self.itemsize


class Bounds(NamedTuple):
    """The bytes that one binding holds, and of what its beginning is a multiple."""

    binding: int
    align: int

    def excess(self, operand: Operand) -> int:
        """Return by how many bytes what an operand touches is too much for one binding."""
        start, end = operand.touched()
        return end - start + start % self.align - self.binding


def cut(
    operands: Sequence[Operand], bounds: Bounds, spare: int | None = None
) -> tuple[int, int] | None:
    """Return the axis to cut next and how far, or None where every operand fits.

    Distances are powers of two, so that pieces of dense memory begin where bindings may. Along
    the axis `spare` a piece is given so many places more as it has.
    """
    shape = operands[0].layout.shape
    excess, worst = max([(bounds.excess(x), i) for i, x in enumerate(operands)])
    if excess > 0:
        strides, itemsize = operands[worst].layout.strides, operands[worst].itemsize
        along = [(n - 1) * abs(s) * itemsize for n, s in zip(shape, strides, strict=True)]
        axes = sorted((i for i in range(len(shape)) if along[i]), key=lambda i: -along[i])
        steps = [max(0, along[i] - excess) // (abs(strides[i]) * itemsize) + 1 for i in axes]
        if axes[0] == spare and steps[0] == 1 and len(axes) > 1:
            axes, steps = axes[1:], steps[1:]
        axis, step = axes[0], steps[0]
        if axis == spare:
            step = max(step // 2, 1)
    else:
        extents = max([x.extents() for x in operands], key=prod)
        if prod(extents) <= MOST_ELEMENTS:
            return None
        axis = max(range(len(shape)), key=extents.__getitem__)
        step = shape[axis] - 1
    return axis, 1 << step.bit_length() - 1


def parts(extent: int, step: int) -> Iterator[tuple[int, int]]:
    """Iterate over the (start, size) of what an axis is cut into."""
    for start in range(0, extent, step):
        yield start, min(step, extent - start)


def part(layout: Layout, axis: int, start: int, size: int) -> Layout:
    """Return the view of `size` places along an axis, from `start` on."""
    shape = (*layout.shape[:axis], size, *layout.shape[axis + 1 :])
    return Layout(shape, layout.strides, layout.offset + start * layout.strides[axis])


def pieces(operands: Sequence[Operand], bounds: Bounds) -> Iterator[list[Layout]]:
    """Iterate over what to do one after the other: each operand's part of a piece that fits."""
    division = cut(operands, bounds)
    if division is None:
        yield [x.layout for x in operands]
        return
    axis, step = division
    for start, size in parts(operands[0].layout.shape[axis], step):
        smaller = [x._replace(layout=part(x.layout, axis, start, size)) for x in operands]
        yield from pieces(smaller, bounds)


def over(shape: Shape, layout: Layout, axes: Sequence[int | None], itemsize: int) -> Operand:
    """Return an operand of the domain of `shape`; `axes` says which of its own each axis is."""
    strides = tuple([0 if a is None else layout.strides[a] for a in axes])
    own = tuple([i for i, a in enumerate(axes) if a is not None])
    return Operand(Layout(shape, strides, layout.offset), itemsize, own)
