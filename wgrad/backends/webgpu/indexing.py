"""Kernels that pick elements, put them elsewhere, and order them."""

from __future__ import annotations

import struct
from math import prod

from ... import dtypes
from ...layout import Layout, collapse
from ..array import Array, batch_gather_shape
from . import shaders, sort, windows
from .dispatching import Dispatching
from .launching import MAX_RANK, WIDE_FROM, as_words, by_quads, pack_dims, without

SCATTER_RUN = 32768  # indices that one run of a scatter looks through
SORTED_FROM = 64  # indices from which sorting them costs less than every output looking at all


class Indexing(Dispatching):
    """gather, scatter, scatter_add, argsort and searchsorted."""

    def gather(self, x: Array, index: Array, axis: int) -> Array:
        if index.layout.size and self._may_not_fit(x, index):
            made = windows.gather(self, x, index, axis)
            if made is not None:
                return made
        out = self._empty(index.shape, x.dtype)
        if out.layout.size == 0:
            return out
        axis_stride = x.layout.strides[axis]
        strides = without(x.layout.strides, axis)
        extents, both = collapse(index.shape, [strides, index.layout.strides])
        if len(extents) > MAX_RANK:  # contiguous operands have at most 3
            return self.gather(self.copy(x), self.copy(index), axis)
        offsets, size, wide = [x.layout.offset, index.layout.offset], out.layout.size, False
        if size >= WIDE_FROM and x.dtype is not dtypes.float16 and axis_stride % 4 == 0:
            quads = by_quads(extents, offsets, both)
            if quads is not None and quads[0] == "tr":  # rows, each under one index
                wide, (_, extents, offsets, both) = True, quads
                size, axis_stride = size // 4, axis_stride // 4
        kernel = self._mover("gather", "rrw", x.dtype, wide)
        head = (size, len(extents), axis_stride & 0xFFFFFFFF, 0, *offsets, 0, 0)
        params = struct.pack("<8I", *head) + pack_dims(extents, *both)
        self._launch(kernel, [x, index], out, params, size)
        return out

    def scatter_add(self, index: Array, values: Array, axis: int, size: int) -> Array:
        shape = batch_gather_shape(index, axis, size)
        count = index.shape[axis]
        if count == 0 or 0 in shape:
            return self.full(shape, 0, values.dtype)
        if self._may_not_fit(index, values) or prod(shape) > self._surely_fits:
            made = windows.scatter_add(self, index, values, axis, size)
            if made is not None:
                return made
        out = self._empty(shape, values.dtype)
        place = tuple(int(i == axis) for i in range(len(shape)))
        rows = [without(values.layout.strides, axis), without(index.layout.strides, axis), place]
        extents, strides = collapse(shape, rows)
        if len(extents) > MAX_RANK:
            return self.scatter_add(self.copy(index), self.copy(values), axis, size)
        name, inputs = "scatter_add", [values, index]
        one_row = all(
            s == 0 or n == 1 or i == axis
            for i, (s, n) in enumerate(zip(index.layout.strides, index.shape, strict=True))
        )
        if one_row and out.layout.size >= count >= SORTED_FROM:
            name = "scatter_sorted"
            inputs.append(self._order(index, axis, size))
        kernel = self._kernel(
            (name, values.dtype),
            len(inputs),
            lambda: shaders.fill(name, {"type": f"alias T = {values.dtype.storage};"}),
        )
        steps = (values.layout.strides[axis] & 0xFFFFFFFF, index.layout.strides[axis] & 0xFFFFFFFF)
        offsets = (values.layout.offset, index.layout.offset, 0, 0)
        for first in range(0, count, SCATTER_RUN):
            last = min(first + SCATTER_RUN, count)
            head = (out.layout.size, len(extents), first, last, *steps, 0, 0, *offsets)
            params = struct.pack("<12I", *head) + pack_dims(extents, *strides)
            self._launch(kernel, inputs, out, params, out.layout.size)
        return out

    def _order(self, index: Array, axis: int, size: int) -> Array:
        """Return the positions along `axis` in the order of their indices, all less than `size`."""
        row = Layout((1, index.shape[axis]), (0, index.layout.strides[axis]), index.layout.offset)
        keys = as_words(index).view(row)
        if not row.contiguous:
            keys = self.copy(keys)
        return sort.sorted_positions(self, keys, max(1, (size - 1).bit_length()))

    def scatter(self, target: Array, index: Array, values: Array, axis: int) -> None:
        count = index.shape[0]
        if values.layout.size == 0:
            return
        if self._may_not_fit(target, index, values) and windows.scatter(
            self, target, index, values, axis
        ):
            return
        size = target.shape[axis]
        steps = (values.layout.strides[axis], index.layout.strides[0], target.layout.strides[axis])
        rows = [without(x.layout.strides, axis) for x in (values, target)]
        counts = tuple(int(i == axis) for i in range(len(values.shape)))
        extents, strides = collapse(values.shape, [*rows, counts])
        if len(extents) > MAX_RANK:
            whole = self.copy(target)  # contiguous operands have at most 3
            self.scatter(whole, index, self.copy(values), axis)
            self.write(target, whole)
            return
        order = self._order(index, 0, size)
        kernel = self._mover("scatter", "rrrw", target.dtype)
        offsets = (values.layout.offset, target.layout.offset, index.layout.offset, 0)
        head = (values.layout.size, len(extents), count, 0, *(s & 0xFFFFFFFF for s in steps), 0)
        params = struct.pack("<12I", *head, *offsets) + pack_dims(extents, *strides)
        self._launch(kernel, [values, index, order], target, params, values.layout.size)

    def argsort(self, x: Array, axis: int, descending: bool) -> Array:
        if x.layout.size == 0:
            return self._empty(x.shape, dtypes.int32)
        if self._may_not_fit(x):
            made = windows.argsort(self, x, axis, descending)
            if made is not None:
                return made
        axes = (*(i for i in range(len(x.shape)) if i != axis), axis)
        moved = x.layout.permute(axes)
        body = sort.BODIES[x.dtype.name, descending]
        keys = self.map(body, (x.view(moved),), (x.dtype,), moved.shape, dtypes.uint32)
        rows = keys.view(Layout.dense((moved.size // x.shape[axis], x.shape[axis])))
        order = sort.sorted_positions(self, rows, sort.key_bits(x.dtype))
        order = order.view(Layout.dense(moved.shape))
        if axes == tuple(range(len(axes))):
            return order
        back = tuple(axes.index(i) for i in range(len(axes)))
        return self.copy(order.view(order.layout.permute(back)))

    def searchsorted(self, x: Array, values: Array, right: bool) -> Array:
        if x.layout.size and values.layout.size and self._may_not_fit(x, values):
            made = windows.searchsorted(self, x, values, right)
            if made is not None:
                return made
        if not values.layout.contiguous:
            values = self.copy(values)
        out = self._empty(values.shape, dtypes.int32)
        size, row = out.layout.size, x.layout
        if size == 0:
            return out
        if row.size == 0:
            return self.full(out.shape, 0, dtypes.int32)
        kernel = self._kernel(("searchsorted", x.dtype), "rrw", lambda: sort.search_source(x.dtype))
        step = row.strides[0] & 0xFFFFFFFF
        words = (size, row.size, step, row.offset, values.layout.offset, int(right), 0, 0)
        self._launch(kernel, [x, values], out, struct.pack("<8I", *words), size)
        return out
