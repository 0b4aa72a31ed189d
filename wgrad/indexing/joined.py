"""The index arrays and masks of a key joined: one flat index along merged axes of the view."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from .. import dtypes
from ..backends.base import Device
from ..core import Tensor, apply
from ..errors import ShapeError
from ..layout import Shape, broadcast_shapes, check_size
from ..ops import indexing as primitives
from ..ops import movement
from ..ops.elementwise import add, multiply
from ..ops.families import expanded, with_dtype
from .indices import from_the_front, host_indices, shaped
from .keys import Key, is_bool


def mask_positions(mask: Any) -> Any:
    """Return where a mask (of any shape) is true, counted in row-major order, as int32.

    For a tensor that asks the device for one number: how many there are.
    """
    if isinstance(mask, np.ndarray):
        return np.flatnonzero(mask)
    flat = shaped(mask, (mask.array.layout.size,))
    if not flat.shape[0]:
        return np.zeros(0, np.int64)
    count = int(with_dtype(flat, dtypes.int32).sum().item())
    order = apply(primitives.argsort_, flat, axis=0, descending=True)
    return order[:count]


@dataclass
class Joined:
    """All index arrays of a key as one: `index`, flat, along `axis` of the view laid out anew.

    The view is permuted to `axes`, then has `shape`; `spread` is the shape of the index arrays
    together, whose axes stand at `place` in the result. `arrays` count along `extents` positions.
    """

    axes: Shape
    shape: Shape
    axis: int
    spread: Shape
    place: int
    arrays: list[Any]
    extents: list[int]
    device: Device

    @functools.cached_property
    def index(self) -> Tensor:
        """Return sum(array * the extents after it)."""
        hosted: Any = None  # those of the host are added up there
        total: Any = None
        for i, array in enumerate(self.arrays):
            step = prod(self.extents[i + 1 :])
            if isinstance(array, np.ndarray):
                hosted = array * step if hosted is None else hosted + array * step
            else:
                array = with_dtype(from_the_front(array, self.extents[i]), dtypes.int32)
                array = array if step == 1 else multiply(array, step)
                total = array if total is None else add(total, array)
        if hosted is not None:
            made = host_indices(np.asarray(hosted), self.device, "indexing")
            total = made if total is None else add(total, made)
        return shaped(expanded(total, self.spread), (prod(self.spread),))

    def laid_out(self, view: Tensor) -> Tensor:
        """Return the view with the axes that are indexed merged into one."""
        return shaped(_permuted(view, self.axes), self.shape)

    def laid_back(self, x: Tensor, shape: Shape) -> Tensor:
        """Return what `laid_out` was given, a view of `shape`."""
        x = shaped(x, tuple([shape[a] for a in self.axes]))
        return _permuted(x, tuple(self.axes.index(a) for a in range(len(self.axes))))

    def result(self, out: Tensor) -> Tensor:
        """Return what was taken along the merged axis in the shape and order of the result."""
        lead, tail = self.shape[: self.axis], self.shape[self.axis + 1 :]
        return _permuted(shaped(out, (*lead, *self.spread, *tail)), self._order())

    def flat(self, value: Tensor) -> Tensor:
        """Return the inverse of `result`: a value of the result's shape, along the merged axis."""
        order = self._order()
        value = _permuted(value, tuple(order.index(a) for a in range(len(order))))
        lead, tail = self.shape[: self.axis], self.shape[self.axis + 1 :]
        return shaped(value, (*lead, prod(self.spread), *tail))

    def result_shape(self) -> Shape:
        """Return the shape of the result."""
        shape = (*self.shape[: self.axis], *self.spread, *self.shape[self.axis + 1 :])
        return tuple(shape[a] for a in self._order())

    def _order(self) -> Shape:
        """Return the axes of (lead, spread, tail) in the order of the result."""
        rank = len(self.shape) - 1 + len(self.spread)
        ours = range(self.axis, self.axis + len(self.spread))
        others = [a for a in range(rank) if a not in ours]
        return (*others[: self.place], *ours, *others[self.place :])


def _permuted(x: Tensor, axes: Shape) -> Tensor:
    return x if axes == tuple(range(len(axes))) else movement.permute(x, axes)


def join(key: Key, device: Device) -> Joined:
    """Return the index arrays of a key as one flat index along one axis.

    Raises: ShapeError for arrays that do not broadcast with each other.
    """
    axes = [t.axis + i for t in key.taken for i in range(len(t.shape))]
    rank = len(key.shape)
    beside = axes == list(range(axes[0], axes[0] + len(axes)))
    rest = [a for a in range(rank) if a not in axes]
    axis = axes[0] if beside else 0
    order = (*rest[:axis], *axes, *rest[axis:])
    merged = prod(key.shape[a] for a in axes)
    if merged >= 2**31:
        raise ShapeError(f"indexing: the axes that are indexed have {merged} positions together")
    indices = [mask_positions(t.index) if is_bool(t.index) else t.index for t in key.taken]
    spread = broadcast_shapes("indexing", *(tuple(i.shape) for i in indices))
    check_size((*spread, *(key.shape[a] for a in rest)), "indexing")
    extents = [prod(t.shape) for t in key.taken]
    shape = (
        *(key.shape[a] for a in rest[:axis]),
        merged,
        *(key.shape[a] for a in rest[axis:]),
    )
    place = 0 if key.first else axis
    return Joined(order, shape, axis, spread, place, indices, extents, device)
