"""Buffers and workgroup memory at run time, and places in them. Bytes lie as WGSL lays them out.

What is read outside of a buffer is 0, and what is written there is lost, as drivers with robust
buffer access do it. In workgroup memory such an index counts as the last one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..language.layouts import align_of, members, rounded_up, size_of, stride_of
from ..language.types import (
    BOOL,
    F16,
    F32,
    I32,
    U32,
    Array,
    Atomic,
    Matrix,
    Scalar,
    Structure,
    Type,
    Vector,
)
from .masks import Mask
from .places import Stored, clamped, lanes_of


class Cell(NamedTuple):
    """Where a scalar component lies: its first byte, and the arrays that it lies in."""

    offset: int
    scalar: Scalar
    extents: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()


@lru_cache(maxsize=1024)
def cells_of(kind: Type) -> tuple[Cell, ...]:
    """Return where the components of a type lie, in the order of `leaves_of`."""
    if isinstance(kind, Scalar):
        return (Cell(0, kind),)
    if isinstance(kind, Atomic):
        return (Cell(0, kind.element),)
    if isinstance(kind, Vector):
        width = size_of(kind.element)
        return tuple(Cell(i * width, kind.element) for i in range(kind.size))
    if isinstance(kind, Matrix):
        far = rounded_up(size_of(kind.column), align_of(kind.column))
        inner = cells_of(kind.column)
        return tuple(_moved(x, c * far) for c in range(kind.columns) for x in inner)
    if isinstance(kind, Array):
        assert isinstance(kind.count, int)
        count, stride = kind.count, stride_of(kind)
        return tuple(
            x._replace(extents=(count, *x.extents), strides=(stride, *x.strides))
            for x in cells_of(kind.element)
        )
    assert isinstance(kind, Structure)
    return tuple(_moved(x, m.offset) for m in members(kind) for x in cells_of(m.type))


def _moved(cell: Cell, by: int) -> Cell:
    return cell._replace(offset=cell.offset + by)


def _grid(cell: Cell) -> Any:
    """Return the first bytes of a component in all elements: a number, or (*extents, 1)."""
    offsets: Any = cell.offset
    for i, (extent, stride) in enumerate(zip(cell.extents, cell.strides, strict=True)):
        shape = [1] * (len(cell.extents) + 1)
        shape[i] = extent
        offsets = offsets + (np.arange(extent) * stride).reshape(shape)
    return offsets


class Memory:
    """Memory of some bytes, seen as each type of numbers.

    Computing in float64 (`wide`), it holds a float64 for every 2 bytes instead, which is the value
    of what begins there: of a float as well as of an integer.
    """

    def __init__(self, nbytes: int, wide: bool, clamps: bool = False):
        self.nbytes = nbytes
        self.clamps = clamps
        self.wide = wide
        if wide:
            self.values = np.zeros(nbytes // 2, np.float64)
            self.views: dict[Scalar, np.ndarray] = {}
        else:
            self.values = np.zeros(nbytes // 4, np.uint32)
            u32 = self.values
            self.views = {U32: u32, BOOL: u32, I32: u32.view(np.int32)}
            self.views |= {F32: u32.view(np.float32), F16: u32.view(np.float16)}

    def _at(self, scalar: Scalar, offset: Any) -> tuple[np.ndarray, Any]:
        """Return the array that has a number, and where."""
        if self.wide:
            return self.values, offset >> 1
        return self.views[scalar], offset >> (1 if scalar == F16 else 2)

    def read(self, scalar: Scalar, offset: Any, dtype: np.dtype) -> Any:
        """Return numbers by their first bytes."""
        values, at = self._at(scalar, offset)
        if isinstance(at, int):
            return values[at].astype(dtype) if at < len(values) else dtype.type(0)
        inside = at < len(values)
        if inside.all():
            return values[at].astype(dtype, copy=False)
        numbers = values[np.minimum(at, len(values) - 1)].astype(dtype)
        return np.where(inside, numbers, dtype.type(0))

    def write(self, scalar: Scalar, offset: Any, value: Any, mask: Mask, n: int) -> None:
        """Replace numbers for the lanes of a mask; where several write to one, the last stays."""
        values, at = self._at(scalar, offset)
        if value.ndim and value.shape[-1] == n and n > 1 and mask is not None:
            value = value[..., mask]
        if isinstance(at, int) or at.shape[-1] == 1:
            if value.ndim and value.shape[-1] != 1:
                value = value[..., -1:] if value.ndim > 1 else value[-1]
            if isinstance(at, int):
                if at < len(values):
                    values[at] = value
                return
        elif mask is not None:
            at = at[..., mask]
        inside = at < len(values)
        if inside.all():
            values[at] = value
        else:
            values[at[inside]] = np.broadcast_to(value, at.shape)[inside]


class Spot:
    """A place in memory: `offset` is its first byte, one number or one for each lane."""

    __slots__ = ("memory", "offset")

    def __init__(self, memory: Memory, offset: Any = 0):
        self.memory = memory
        self.offset = offset

    def part(self, start: int, offset: int) -> Spot:
        """Return a member, column or component."""
        return Spot(self.memory, self.offset + offset)

    def element(self, index: Any, size: int | None, stride: int) -> Spot:
        """Return an element of an array."""
        if self.memory.clamps and size is not None:
            at = clamped(index, size)
        else:
            at = int(index) & 0xFFFFFFFF if index.ndim == 0 else index.view(np.uint32)
            at = at if isinstance(at, int) else at.astype(np.int64)
        return Spot(self.memory, self.offset + at * stride)

    def component(self, index: Any, size: int, step: int, stride: int) -> Spot:
        """Return a column, or a component, that is known at run time."""
        return Spot(self.memory, self.offset + clamped(index, size) * stride)

    def length(self, stride: int) -> int:
        """Return how many elements an array has whose length the buffer says."""
        return (self.memory.nbytes - int(self.offset)) // stride

    def load(self, stored: Stored, n: int) -> Any:
        """Return the value."""
        numbers = stored.numbers
        leaves = []
        for cell in cells_of(stored.kind):
            at = self.offset + _grid(cell)
            leaves.append(self.memory.read(cell.scalar, at, numbers.dtype(cell.scalar)))
        return leaves[0] if stored.bare else tuple(leaves)

    def store(self, stored: Stored, value: Any, mask: Mask, n: int) -> None:
        """Replace the value for the lanes of a mask."""
        values = (value,) if stored.bare else value
        for cell, x in zip(cells_of(stored.kind), values, strict=True):
            self.memory.write(cell.scalar, self.offset + _grid(cell), x, mask, n)

    def lanes(self, mask: Mask, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the lanes of a mask whose place is inside, and the place of each."""
        lanes = lanes_of(n) if mask is None else np.flatnonzero(mask)
        at = np.broadcast_to(np.asarray(self.offset), (n,))[lanes]
        inside = at < self.memory.nbytes
        return lanes[inside], at[inside]
