"""The kernel families: each chooses a shader variant, packs its parameters, and launches it.

A variant is chosen by structure alone (the op, the dtypes, contiguous or strided); shapes, strides
and numbers travel in uniforms, so one pipeline serves every shape.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ... import dtypes
from ...dtypes import DType
from ...layout import Layout, Shape, collapse
from ...recent import Recent
from .. import threefry
from ..array import OPERANDS, Array, Body, Number, Operands, product_shape, reduced_shape
from ..fold import Fold
from ..shader import Groups
from . import reduce, scan, windows
from .calls import Calls
from .facts import Facts
from .launches import drawn
from .launching import (
    COPY,
    MAX_RANK,
    WIDE_FROM,
    as_words,
    by_quads,
    host_words,
    pack_dims,
    scalar_bits,
)
from .matmul import Products
from .problem import Hot, Kernel, Problem, Scratch
from .variants import map_source, random_source, reduce_source, scan_source

FLAT_QUADS = 512  # of a workgroup of map_flat: 256 threads, two each
# Where numbers begin in the Params of map_flat and map_strided.
FLAT_SCALARS, STRIDED_SCALARS = 16, 32
SHORT_BELOW = 1 << 14  # elements that a software adapter folds by a text that compiles sooner
PRODUCTS_KEPT = 1024  # planned matrix products
_FILL = Body("fill", "a", np.copy)


class _Launch(NamedTuple):
    """A launch of a product, with buffers by their places among (a, b, out, scratch)."""

    kernel: Any
    places: list[int]
    params: bytes
    groups: int | Groups
    hot: Hot[Kernel] | None


class _Product:
    """A planned product: the result's shape, bytes of scratch memory, and what is launched."""

    def __init__(self, shape: Shape, nbytes: int, launches: list[_Launch]):
        self.shape = shape
        self.nbytes = nbytes
        self.launches = launches
        # Runs until what is hot takes over; never, where nothing is.
        self.left = min([x.hot.after for x in launches if x.hot is not None], default=-1)


class Kernels(Calls):
    """All kernel families."""

    counts = True  # are products run here, and are those run often to be as fast as may be?

    def __init__(self, name: str, facts: Facts, products: Products):
        super().__init__(name, facts, products)
        self._products: Recent[tuple] = Recent(PRODUCTS_KEPT)
        self._normal_table: Array | None = None

    # Elementwise.
    def full(self, shape: Shape, value: Number, dtype: DType) -> Array:
        return self.map(_FILL, (value,), (dtype,), shape, dtype)

    def map(
        self, body: Body, operands: Operands, dtypes: Sequence[DType], shape: Shape, dtype: DType
    ) -> Array:
        out = self._empty(shape, dtype)
        if out.layout.size == 0:
            return out
        if self.has_large:
            windows.map_into(self, out, body, operands, dtypes)
        else:
            self._map_into(out, body, operands, dtypes)
        return out

    def _map_into(
        self, out: Array, body: Body, operands: Operands, dtypes: Sequence[DType]
    ) -> None:
        """Compute into a dense array that begins where its buffer does."""
        shape, size, dtype = out.layout.shape, out.layout.size, out.dtype
        arrays: list[Array] = []
        scalars = [0] * len(OPERANDS)
        flat = True
        pattern = ""
        for i, (x, wanted) in enumerate(zip(operands, dtypes, strict=True)):
            if isinstance(x, Array):
                arrays.append(x)
                pattern += "t"
                flat = flat and _begins_flat(x)
            else:
                scalars[i] = scalar_bits(x, wanted)
                pattern += "s"
        if not flat and len(arrays) > 4:  # a strided kernel has four offsets
            arrays = [x if _begins_flat(x) else self.copy(x) for x in arrays]
            flat = True
        if flat:
            kernel = self._kernel(
                (body, *dtypes, dtype, pattern, "flat"),
                len(arrays),
                lambda: map_source(body, pattern, dtypes, dtype, flat=True, wide=True),
            )
            quads = -(-size // 4)
            params = struct.pack("<20I", quads, 0, 0, 0, *scalars)
            self._launch(kernel, arrays, out, params, quads, FLAT_QUADS)
            return
        arrays, extents, strides = self._merged(shape, arrays)
        offsets = [x.layout.offset for x in arrays]
        fours = by_quads(extents, offsets, strides) if size >= WIDE_FROM else None
        if fours is not None:
            ways, extents, offsets, strides = fours
            way = iter(ways)
            pattern = "".join(next(way) if p == "t" else p for p in pattern)
            size //= 4
        wide = fours is not None
        kernel = self._kernel(
            (body, *dtypes, dtype, pattern, "wide" if wide else "strided"),
            len(arrays),
            lambda: map_source(body, pattern, dtypes, dtype, flat=False, wide=wide),
        )
        head = struct.pack("<24I", size, len(extents), 0, 0, *_four(offsets), *scalars)
        self._launch(kernel, arrays, out, head + pack_dims(extents, *strides), size)

    def _merged(self, shape: Shape, arrays: list[Array]) -> tuple[list[Array], Shape, list[Shape]]:
        """Return operands with the axes that all of them walk as one merged, at most MAX_RANK.

        Where more are left, operands are copied to contiguous memory, the last resort.
        """
        extents, strides = collapse(shape, [x.layout.strides for x in arrays])
        if len(extents) > MAX_RANK:
            arrays = [x if x.layout.contiguous else self.copy(x) for x in arrays]
            extents, strides = collapse(shape, [x.layout.strides for x in arrays])
        return arrays, extents, strides

    def copy(self, x: Array) -> Array:
        halves = x.dtype is dtypes.float16
        if (
            not self._may_not_fit(x)
            and x.layout.contiguous
            and not (halves and x.layout.offset % 2)
        ):
            words = _pairs(x) if halves else as_words(x)
            made = self.map(COPY, (words,), (dtypes.uint32,), words.shape, dtypes.uint32)
            made.storage.size = x.layout.size
            return Array(made.storage, Layout.dense(x.shape), x.dtype)
        out = self._empty(x.shape, x.dtype)
        self.write(out, x)
        return out

    def write(self, target: Array, x: Array) -> None:
        if target.layout.size == 0:
            return
        if target.storage.buffer.whole is x.storage.buffer.whole:
            x = self.copy(x)  # one buffer cannot be read and written in one dispatch
        if self._may_not_fit(target, x) and windows.write(self, target, x):
            return
        shape = target.shape
        extents, strides = collapse(shape, [x.layout.strides, target.layout.strides])
        if len(extents) > MAX_RANK:
            self._write_parts(target, x, extents, strides)
            return
        offsets, size, wide = [x.layout.offset, target.layout.offset], target.layout.size, False
        if size >= WIDE_FROM and x.dtype is not dtypes.float16:
            quads = by_quads(extents, offsets, strides)
            if quads is not None and quads[0] == "tt":
                wide, (_, extents, offsets, strides) = True, quads
                size //= 4
        params = struct.pack("<8I", size, len(extents), 0, 0, *_four(offsets))
        kernel = self._mover("copy", "rw", x.dtype, wide)
        self._launch(kernel, [x], target, params + pack_dims(extents, *strides), size)

    def _write_parts(self, target: Array, x: Array, extents: Shape, strides: list[Shape]) -> None:
        """Copy views of more than MAX_RANK axes that cannot be merged, one slice at a time."""
        for i in range(extents[0]):
            parts = [
                a.view(Layout(extents[1:], s[1:], a.layout.offset + i * s[0]))
                for a, s in zip((x, target), strides, strict=True)
            ]
            self.write(parts[1], parts[0])

    def place(
        self,
        pieces: Sequence[Array],
        targets: Sequence[Layout],
        shape: Shape,
        fill: Number | None,
    ) -> Array:
        dtype = pieces[0].dtype
        out = self._empty(shape, dtype) if fill is None else self.full(shape, fill, dtype)
        for piece, target in zip(pieces, targets, strict=True):
            self.write(out.view(target), piece)
        return out

    # Reductions.
    def reduce(self, fold: Fold, x: Array, axes: Shape, dtype: DType) -> Array:
        if self._may_not_fit(x):
            made = windows.reduce(self, fold, x, axes, dtype)
            if made is not None:
                return made
        wide = fold.wide_for(dtype)
        plan = reduce.plan(x.layout, axes, self._busy, not self.facts.is_software, wide is not None)
        shape = reduced_shape(x.shape, axes)
        if plan is None:  # too many axes that cannot be merged
            kept = tuple(i for i in range(len(x.shape)) if i not in axes)
            moved = self.copy(x.view(x.layout.permute((*kept, *axes))))
            return self.reduce(fold, moved, tuple(range(len(kept), len(x.shape))), dtype)
        half = dtype is dtypes.float16  # which is folded as float32, and rounded in the end
        result = dtypes.float32 if half else dtype
        part = wide.dtype if wide is not None and plan.again else result
        short = self.facts.is_software and x.layout.size < SHORT_BELOW
        kernel = self._kernel(
            ("reduce", fold, x.dtype, part, plan.along, plan.grid, short),
            "rw",
            lambda: reduce_source(fold, x.dtype, part, plan.along, plan.grid, short),
        )
        out = self._empty(plan.shape, part)
        self._launch(kernel, [x], out, plan.packed(), plan.threads)
        if plan.again:
            out = self.reduce(fold.of or fold, out, plan.again, result)
        if half:
            out = self.map(COPY, (out,), (out.dtype,), out.shape, dtype)
        return out.view(Layout.dense(shape))

    def scan(
        self, fold: Fold, x: Array, axis: int, back: bool, start: Array | None = None
    ) -> Array:
        """Scan lines, which go on from `start`: wide totals with an extent of 1 along the axis."""
        return self._scan(fold, x, axis, back, start, of_totals=False)

    def _scan(
        self,
        fold: Fold,
        x: Array,
        axis: int,
        back: bool,
        start: Array | None,
        of_totals: bool,
    ) -> Array:
        """Scan a tensor, or the totals of its blocks, which are in range."""
        if x.layout.size == 0:
            return self._empty(x.shape, x.dtype)
        if self._may_not_fit(x):
            made = windows.scan(self, fold, x, axis, back, start)
            if made is not None:
                return made
        wide = fold.wide_for(x.dtype)
        plan = scan.plan(x.layout, axis, back, wide is not None, start is not None)
        if plan is None:  # too many axes that cannot be merged
            return self._scan(fold, self.copy(x), axis, back, start, of_totals)
        before, quarters = x if start is None else start, False
        if plan.parts is not None:
            quarters = fold.scales and x.dtype.is_floating and not of_totals
            part, kind = fold.small if quarters else fold, wide.dtype if wide else x.dtype
            totals = self.reduce(part, x.view(plan.parts), (axis + 1,), kind)
            if start is not None:
                totals = windows.wide_beside(self, [start, totals], axis)
            before = self._scan(fold, totals, axis, False, None, of_totals=True)
        begun = start is not None
        kernel = self._kernel(
            ("scan", fold, x.dtype, plan.along, quarters, begun),
            "rrw",
            lambda: scan_source(fold, x.dtype, plan.along, quarters, begun),
        )
        out = self._empty(x.shape, x.dtype)
        self._launch(kernel, [x, before], out, plan.packed, plan.threads)
        return out

    # Matrix products.
    def matmul(self, a: Array, b: Array, lead: int | None = None, inner: int = 1) -> Array:
        left, right = a.layout, b.layout
        if self.has_large and self._may_not_fit(a, b):
            made = windows.matmul(self, a, b, lead, inner)
            if made is not None:
                return made
        key = (
            *(left.shape, left.strides, left.offset),
            *(right.shape, right.strides, right.offset, a.dtype, lead, inner),
        )
        product = self._products[key]
        if product is None:
            shape = product_shape(a.shape, b.shape, lead, inner)
            if 0 in a.shape or 0 in shape:
                return self.full(shape, 0, a.dtype)
            made = windows.matmul(self, a, b, lead, inner)
            if made is not None:
                return made
            problem = Problem.of(left, right, a.dtype, lead, inner)
            if problem is None:  # the last resort: too many axes
                return self.matmul(self.copy(a), self.copy(b), lead, inner)
            product = self._planned(shape, problem)
            self._products.keep(key, product)
        if product.left >= 0:
            self._count(product)
        out = self._empty(product.shape, a.dtype)
        buffers = [a.storage.buffer, b.storage.buffer, out.storage.buffer]
        if product.nbytes:
            scratch = self._storage(product.nbytes, product.nbytes)
            buffers.append(scratch.buffer)
        for kernel, places, params, groups, _ in product.launches:
            self.launch(kernel, tuple([buffers[i] for i in places]), params, groups)
        return out

    def _count(self, product: _Product) -> None:
        """Count a run of a product, and take what is hot once there were so many."""
        if product.left == 0 or not self.counts:
            product.launches = [
                x if x.hot is None else self._hot(x, x.hot) for x in product.launches
            ]
        product.left -= 1

    def _hot(self, launch: _Launch, hot: Hot[Kernel]) -> _Launch:
        return launch._replace(kernel=self._made(hot.kernel), groups=hot.groups, hot=None)

    def _planned(self, shape: Shape, problem: Problem) -> _Product:
        """Return a plan with kernels that are made, and with places among (a, b, out, scratch)."""
        nbytes, launches = 0, []
        for kernel, params, groups, buffers, hot in self.products.plan(problem):
            places: list[int] = []
            for which in buffers:
                if isinstance(which, Scratch):
                    nbytes = which.nbytes
                    places.append(3)
                else:
                    places.append({"a": 0, "b": 1, 0: 2}[which])
            launches.append(_Launch(self._made(kernel), places, params, groups, hot))
        return _Product(shape, nbytes, launches)

    # Random numbers.
    def random(self, kind: str, key: tuple[int, int], counter: int, shape: Shape) -> Array:
        out = self._empty(shape, dtypes.uint32 if kind == "bits" else dtypes.float32)
        if out.layout.size == 0:
            return out
        if self._may_not_fit(out):
            windows.random_into(self, out, kind, key, counter)
        else:
            self._random_into(out, kind, key, counter)
        return out

    def _random_into(self, out: Array, kind: str, key: tuple[int, int], counter: int) -> None:
        """Fill a dense array that begins where its buffer does."""
        size = out.layout.size
        kernel = self._kernel(
            ("random", kind), "rw" if kind == "normal" else "w", lambda: random_source(kind)
        )
        params = drawn(key, counter) + struct.pack("<I", size)
        tables = [self._normals()] if kind == "normal" else []
        self._launch(kernel, tables, out, params, (size + counter % 2 + 1) // 2)

    def _normals(self) -> Array:
        if self._normal_table is None:
            table = threefry.normal_table()
            storage = self.constant(host_words(table, dtypes.int32).tobytes())
            self._normal_table = Array(storage, Layout.dense(table.shape), dtypes.int32)
        return self._normal_table


def _begins_flat(x: Array) -> bool:
    return x.layout.contiguous and x.layout.offset == 0


def _four(values: Sequence[int]) -> tuple[int, ...]:
    return (*values, *(0,) * (4 - len(values)))


def _pairs(x: Array) -> Array:
    """Return contiguous float16s, from an even place on, as u32s that hold two each.

    The last one may reach into the padding that every buffer has.
    """
    layout = Layout((-(-x.layout.size // 2),), (1,), x.layout.offset // 2)
    return Array(x.storage, layout, dtypes.uint32)
