"""The WebGPU device: each kernel family chooses a shader variant, packs its parameters, launches.

A variant is chosen by structure alone (the op, the dtypes, contiguous or strided); shapes, strides
and numbers travel in uniforms, so one pipeline serves every shape.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from ... import dtypes
from ...dtypes import DType
from ...errors import ShapeError
from ...layout import Layout, Shape, collapse
from .. import threefry
from ..base import (
    OPERANDS,
    UNBACKED,
    Array,
    Body,
    Device,
    Number,
    batch_gather_shape,
    reduced_shape,
)
from . import reduce, scan, shaders, sort
from .device import Gpu, Pipeline
from .matmul import Matmul
from .memory import GpuStorage, Pool
from .problem import Problem, Scratch
from .variants import map_source, random_source, reduce_source, scan_source

THREADS = 64  # of a workgroup, in every shader but map_flat and matmul's
FLAT_QUADS = 512  # of a workgroup of map_flat: 256 threads, two each
WIDE_FROM = 1 << 14  # elements from which a strided map by vec4s is worth a shader of its own
MAX_RANK = 8  # axes that cannot be merged, in a Params
MOST_ELEMENTS = (1 << 31) - 1  # of a view, an expanded one: addresses are u32, some are signed
SCATTER_RUN = 32768  # indices that one run of a scatter looks through
SORTED_FROM = 64  # indices from which sorting them costs less than every output looking at all
PRODUCTS_KEPT = 4096  # planned matrix products
# The result's shape, the bytes of scratch memory, and what to launch.
_Product = tuple[Shape, int, list[tuple[Pipeline, list[int], bytes, int]]]
_COPY = Body("copy", "a", np.copy)
_FILL = Body("fill", "a", np.copy)


def pack_dims(extents: Shape, *strides: Shape) -> bytes:
    """Return the `Dims` of lib/index.wgsl: extents, then one vec4 of strides per axis."""
    rank = len(extents)
    lanes = len(strides)
    words = [0] * 40
    words[:rank] = extents
    for axis in range(rank):
        start = 8 + 4 * axis
        words[start : start + lanes] = [s[axis] & 0xFFFFFFFF for s in strides]
    return struct.pack("<40I", *words)


def scalar_bits(value: Number, dtype: DType) -> int:
    """Return the bits of a number as a u32: how uniforms carry it."""
    if dtype.is_floating:
        with np.errstate(over="ignore"):  # beyond float32 it is an infinity, as on the host
            return int(np.float32(value).view(np.uint32))
    return int(value) & 0xFFFFFFFF


class WebGpuDevice(Device):
    """One adapter of wgpu."""

    dtypes = frozenset({dtypes.bool_, dtypes.int32, dtypes.uint32, dtypes.float32})

    def __init__(self, name: str, gpu: Gpu):
        info = gpu.info
        self.name = name
        self.description = (
            f"{info['device']} ({info['adapter_type']}, {info['backend_type']}, "
            f"{info['description']})"
        )
        self.gpu = gpu
        self.pool = Pool(gpu)
        self._pipelines: dict[tuple, Pipeline] = {}
        self._texts: dict[str, Pipeline] = {}
        self.products = Matmul(gpu)
        self._products: dict[tuple, _Product] = {}
        self._normal_table: Array | None = None
        # Threads that keep a GPU busy, or the SIMD units of a software adapter.
        self._busy = 1 << 8 if gpu.is_software else 1 << 14

    def itemsize(self, dtype: DType) -> int:
        return 4  # a bool is a u32 in a buffer

    # Memory.
    def _empty(self, shape: Shape, dtype: DType) -> Array:
        size = prod(shape)
        storage = GpuStorage(self, self.pool, size, self.pool.acquire(4 * size))
        return Array(storage, Layout.dense(shape), dtype)

    def upload(self, data: np.ndarray, dtype: DType) -> Array:
        out = self._empty(data.shape, dtype)
        if data.size:
            host = data.astype(np.uint32) if dtype is dtypes.bool_ else data
            self.gpu.write(out.storage.buffer, host.reshape(-1), 4 * data.size)
        return out

    def download(self, x: Array) -> np.ndarray:
        stored = np.dtype(np.uint32) if x.dtype is dtypes.bool_ else x.dtype.numpy
        if x.layout.size == 0:
            return np.zeros(x.shape, x.dtype.numpy)
        if not x.layout.contiguous:
            x = self.copy(x)
        raw = self.gpu.read(x.storage.buffer, 4 * x.layout.offset, 4 * x.layout.size)
        host = np.frombuffer(raw, stored).reshape(x.shape)
        return host.astype(np.bool_) if x.dtype is dtypes.bool_ else host.copy()

    def full(self, shape: Shape, value: Number, dtype: DType) -> Array:
        return self.map(_FILL, (value,), (dtype,), shape, dtype)

    def unbacked(self, size: int) -> GpuStorage:
        return GpuStorage(self, self.pool, size, UNBACKED)

    def synchronize(self) -> None:
        self.gpu.wait()

    # Pipelines.
    def _pipeline(self, key: tuple, inputs: int | str, code: Callable[[], str]) -> Pipeline:
        """Return the pipeline of a structure, compiled at its first use.

        `inputs` counts the buffers that are read before the one that is written, or has a letter
        for each, as `Gpu.compile` takes them.
        """
        found = self._pipelines.get(key)
        if found is None:
            label = " ".join(getattr(k, "name", str(k)) for k in key)
            found = self._pipelines[key] = self.gpu.compile(code(), inputs, label)
        return found

    def pipeline_of(self, code: str, access: str, label: str) -> Pipeline:
        """Return the pipeline of a whole shader text; equal texts are compiled once."""
        found = self._texts.get(code)
        if found is None:
            found = self._texts[code] = self.gpu.compile(code, access, label)
        return found

    def _launch(
        self,
        pipeline: Pipeline,
        inputs: Sequence[Array],
        out: Array,
        params: bytes,
        threads: int,
        size: int = THREADS,
    ) -> None:
        buffers = tuple([x.storage.buffer for x in inputs] + [out.storage.buffer])
        self.gpu.launch(pipeline, buffers, params, -(-threads // size))

    # Elementwise.
    def map(
        self,
        body: Body,
        operands: Sequence[Array | Number],
        dtypes: Sequence[DType],
        shape: Shape,
        dtype: DType,
    ) -> Array:
        out = self._empty(shape, dtype)
        size = out.layout.size
        if size == 0:
            return out
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
            pipeline = self._pipeline(
                (body, *dtypes, dtype, pattern, "flat"),
                len(arrays),
                lambda: map_source(body, pattern, dtypes, dtype, flat=True, wide=True),
            )
            quads = -(-size // 4)
            params = struct.pack("<20I", quads, 0, 0, 0, *scalars)
            self._launch(pipeline, arrays, out, params, quads, FLAT_QUADS)
            return out
        arrays, extents, strides = self._merged(shape, arrays)
        offsets = [x.layout.offset for x in arrays]
        found = _by_quads(extents, offsets, strides) if size >= WIDE_FROM else None
        if found is not None:
            ways, extents, offsets, strides = found
            way = iter(ways)
            pattern = "".join(next(way) if p == "t" else p for p in pattern)
            size //= 4
        wide = found is not None
        pipeline = self._pipeline(
            (body, *dtypes, dtype, pattern, "wide" if wide else "strided"),
            len(arrays),
            lambda: map_source(body, pattern, dtypes, dtype, flat=False, wide=wide),
        )
        head = struct.pack("<24I", size, len(extents), 0, 0, *_four(offsets), *scalars)
        self._launch(pipeline, arrays, out, head + pack_dims(extents, *strides), size)
        return out

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
        if x.layout.contiguous:
            made = self.map(_COPY, (_as_words(x),), (dtypes.uint32,), x.shape, dtypes.uint32)
            return Array(made.storage, made.layout, x.dtype)
        out = self._empty(x.shape, x.dtype)
        self.write(out, x)
        return out

    def write(self, target: Array, x: Array) -> None:
        if target.layout.size == 0:
            return
        if target.storage.buffer is x.storage.buffer:
            x = self.copy(x)  # one buffer cannot be read and written in one dispatch
        shape = target.shape
        extents, strides = collapse(shape, [x.layout.strides, target.layout.strides])
        if len(extents) > MAX_RANK:
            self._write_parts(target, x, extents, strides)
            return
        offsets, size, kind = [x.layout.offset, target.layout.offset], target.layout.size, "u32"
        found = _by_quads(extents, offsets, strides) if size >= WIDE_FROM else None
        if found is not None and found[0] == "tt":
            _, extents, offsets, strides = found
            size, kind = size // 4, "vec4<u32>"
        pipeline = self._pipeline(
            ("copy", kind), 1, lambda: shaders.fill("copy", {"type": f"alias T = {kind};"})
        )
        params = struct.pack("<8I", size, len(extents), 0, 0, *_four(offsets))
        self._launch(pipeline, [x], target, params + pack_dims(extents, *strides), size)

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
    def reduce(self, kind: str, x: Array, axes: Shape, dtype: DType) -> Array:
        _check_size("reduce", x)
        fold = reduce.plan(x.layout, axes, self._busy, apart=not self.gpu.is_software)
        shape = reduced_shape(x.shape, axes)
        if fold is None:  # too many axes that cannot be merged
            kept = tuple(i for i in range(len(x.shape)) if i not in axes)
            moved = self.copy(x.view(x.layout.permute((*kept, *axes))))
            return self.reduce(kind, moved, tuple(range(len(kept), len(x.shape))), dtype)
        pipeline = self._pipeline(
            ("reduce", kind, x.dtype, fold.along, fold.grid),
            1,
            lambda: reduce_source(kind, x.dtype, fold.along, fold.grid),
        )
        out = self._empty(fold.shape, dtype)
        self._launch(pipeline, [x], out, fold.packed(), fold.threads)
        if fold.again:
            out = self.reduce(kind, out, fold.again, dtype)
        return out.view(Layout.dense(shape))

    def scan(self, kind: str, x: Array, axis: int, back: bool) -> Array:
        _check_size("scan", x)
        if x.layout.size == 0:
            return self._empty(x.shape, x.dtype)
        found = scan.plan(x.layout, axis, back)
        if found is None:  # too many axes that cannot be merged
            return self.scan(kind, self.copy(x), axis, back)
        before = x
        if found.parts is not None:
            totals = self.reduce(kind, x.view(found.parts), (axis + 1,), x.dtype)
            before = self.scan(kind, totals, axis, False)
        pipeline = self._pipeline(
            ("scan", kind, x.dtype, found.along), 2, lambda: scan_source(kind, x.dtype, found.along)
        )
        out = self._empty(x.shape, x.dtype)
        self._launch(pipeline, [x, before], out, found.packed, found.threads)
        return out

    # Matrix products.
    def matmul(self, a: Array, b: Array) -> Array:
        left, right = a.layout, b.layout
        key = (
            *(left.shape, left.strides, left.offset),
            *(right.shape, right.strides, right.offset, a.dtype),
        )
        found = self._products.get(key)
        if found is None:
            _check_size("matmul", a, b)
            shape = (*a.shape[:-1], b.shape[-1])
            if a.shape[-1] == 0 or 0 in shape:
                return self.full(shape, 0, a.dtype)
            problem = Problem.of(left, right, a.dtype)
            if problem is None:  # the last resort: too many batch axes
                return self.matmul(self.copy(a), self.copy(b))
            if len(self._products) >= PRODUCTS_KEPT:  # ever new shapes or offsets
                self._products.clear()
            found = self._products[key] = self._planned(shape, problem)
        shape, nbytes, launches = found
        out = self._empty(shape, a.dtype)
        buffers = [a.storage.buffer, b.storage.buffer, out.storage.buffer]
        if nbytes:
            scratch = GpuStorage(self, self.pool, nbytes, self.pool.acquire(nbytes))
            buffers.append(scratch.buffer)
        for pipeline, places, params, groups in launches:
            self.gpu.launch(pipeline, tuple([buffers[i] for i in places]), params, groups)
        return out

    def _planned(self, shape: Shape, problem: Problem) -> _Product:
        """Return a plan with pipelines, and with places among (a, b, out, scratch)."""
        nbytes, launches = 0, []
        for kernel, params, groups, buffers in self.products.plan(problem):
            places: list[int] = []
            for which in buffers:
                if isinstance(which, Scratch):
                    nbytes = which.nbytes
                    places.append(3)
                else:
                    places.append({"a": 0, "b": 1, 0: 2}[which])
            launches.append((self.products.pipeline(kernel), places, params, groups))
        return shape, nbytes, launches

    # Indexing.
    def gather(self, x: Array, index: Array, axis: int) -> Array:
        out = self._empty(index.shape, x.dtype)
        if out.layout.size == 0:
            return out
        axis_stride = x.layout.strides[axis]
        strides = _without(x.layout.strides, axis)
        extents, both = collapse(index.shape, [strides, index.layout.strides])
        if len(extents) > MAX_RANK:  # contiguous operands have at most 3
            return self.gather(self.copy(x), self.copy(index), axis)
        pipeline = self._pipeline(("gather",), 2, lambda: shaders.source("gather"))
        offsets = (x.layout.offset, index.layout.offset, 0, 0)
        head = (out.layout.size, len(extents), axis_stride & 0xFFFFFFFF, 0, *offsets)
        params = struct.pack("<8I", *head) + pack_dims(extents, *both)
        self._launch(pipeline, [x, index], out, params, out.layout.size)
        return out

    def scatter_add(self, index: Array, values: Array, axis: int, size: int) -> Array:
        shape = batch_gather_shape(index, axis, size)
        count = index.shape[axis]
        if count == 0 or 0 in shape:
            return self.full(shape, 0, values.dtype)
        _check_size("scatter_add", values)
        out = self._empty(shape, values.dtype)
        place = tuple(int(i == axis) for i in range(len(shape)))
        rows = [_without(values.layout.strides, axis), _without(index.layout.strides, axis), place]
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
        pipeline = self._pipeline(
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
            self._launch(pipeline, inputs, out, params, out.layout.size)
        return out

    def _order(self, index: Array, axis: int, size: int) -> Array:
        """Return the positions along `axis` in the order of their indices, all less than `size`."""
        row = Layout((1, index.shape[axis]), (0, index.layout.strides[axis]), index.layout.offset)
        keys = _as_words(index).view(row)
        if not row.contiguous:
            keys = self.copy(keys)
        return sort.sorted_positions(self, keys, max(1, (size - 1).bit_length()))

    def scatter(self, target: Array, index: Array, values: Array, axis: int) -> None:
        count = index.shape[0]
        if values.layout.size == 0:
            return
        _check_size("scatter", values)
        size = target.shape[axis]
        steps = (values.layout.strides[axis], index.layout.strides[0], target.layout.strides[axis])
        rows = [_without(x.layout.strides, axis) for x in (values, target)]
        counts = tuple(int(i == axis) for i in range(len(values.shape)))
        extents, strides = collapse(values.shape, [*rows, counts])
        if len(extents) > MAX_RANK:
            whole = self.copy(target)  # contiguous operands have at most 3
            self.scatter(whole, index, self.copy(values), axis)
            self.write(target, whole)
            return
        order = self._order(index, 0, size)
        pipeline = self._pipeline(("scatter",), 3, lambda: shaders.source("scatter"))
        offsets = (values.layout.offset, target.layout.offset, index.layout.offset, 0)
        head = (values.layout.size, len(extents), count, 0, *(s & 0xFFFFFFFF for s in steps), 0)
        params = struct.pack("<12I", *head, *offsets) + pack_dims(extents, *strides)
        self._launch(pipeline, [values, index, order], target, params, values.layout.size)

    def argsort(self, x: Array, axis: int, descending: bool) -> Array:
        if x.layout.size == 0:
            return self._empty(x.shape, dtypes.int32)
        _check_size("argsort", x)
        axes = (*(i for i in range(len(x.shape)) if i != axis), axis)
        moved = x.layout.permute(axes)
        body = sort.BODIES[x.dtype.name, descending]
        keys = self.map(body, (x.view(moved),), (x.dtype,), moved.shape, dtypes.uint32)
        rows = keys.view(Layout.dense((moved.size // x.shape[axis], x.shape[axis])))
        found = sort.sorted_positions(self, rows, sort.key_bits(x.dtype))
        found = found.view(Layout.dense(moved.shape))
        if axes == tuple(range(len(axes))):
            return found
        back = tuple(axes.index(i) for i in range(len(axes)))
        return self.copy(found.view(found.layout.permute(back)))

    def searchsorted(self, x: Array, values: Array, right: bool) -> Array:
        if not values.layout.contiguous:
            values = self.copy(values)
        out = self._empty(values.shape, dtypes.int32)
        size, row = out.layout.size, x.layout
        if size == 0:
            return out
        if row.size == 0:
            return self.full(out.shape, 0, dtypes.int32)
        pipeline = self._pipeline(("searchsorted", x.dtype), 2, lambda: sort.search_source(x.dtype))
        step = row.strides[0] & 0xFFFFFFFF
        words = (size, row.size, step, row.offset, values.layout.offset, int(right), 0, 0)
        self._launch(pipeline, [x, values], out, struct.pack("<8I", *words), size)
        return out

    # Random numbers.
    def random(self, kind: str, key: tuple[int, int], counter: int, shape: Shape) -> Array:
        out = self._empty(shape, dtypes.uint32 if kind == "bits" else dtypes.float32)
        size = out.layout.size
        if size == 0:
            return out
        pipeline = self._pipeline(
            ("random", kind), int(kind == "normal"), lambda: random_source(kind)
        )
        block, skip = divmod(counter, 2)
        words = (*key, block & 0xFFFFFFFF, block >> 32, skip, size, 0, 0)
        tables = [self._normals()] if kind == "normal" else []
        self._launch(pipeline, tables, out, struct.pack("<8I", *words), (size + skip + 1) // 2)
        return out

    def _normals(self) -> Array:
        if self._normal_table is None:
            self._normal_table = self.upload(threefry.normal_table(), dtypes.int32)
        return self._normal_table


def _check_size(where: str, *arrays: Array) -> None:
    """Raise ShapeError for a view (an expanded one) with more elements than a u32 index counts."""
    for x in arrays:
        if x.layout.size > MOST_ELEMENTS:
            raise ShapeError(
                f"{where}: a tensor of {x.layout.size} elements came, and a kernel of device "
                f"{x.storage.device.name} counts to {MOST_ELEMENTS}"
            )


def _begins_flat(x: Array) -> bool:
    return x.layout.contiguous and x.layout.offset == 0


def _by_quads(
    extents: Shape, offsets: list[int], strides: list[Shape]
) -> tuple[str, Shape, list[int], list[Shape]] | None:
    """Return the same operands by vec4s, or None where one has no four neighbours side by side.

    A letter each says how: "t" by vec4s, or "r" for four times the same element.
    """
    if extents[-1] % 4:
        return None
    ways, starts, rows = "", [], []
    for offset, row in zip(offsets, strides, strict=True):
        if row[-1] == 0:
            ways += "r"
            starts.append(offset)
            rows.append(row)
        elif row[-1] == 1 and not any(s % 4 for s in (offset, *row[:-1])):
            ways += "t"
            starts.append(offset // 4)
            rows.append((*(s // 4 for s in row[:-1]), 1))
        else:
            return None
    return ways, (*extents[:-1], extents[-1] // 4), starts, rows


def _four(values: Sequence[int]) -> tuple[int, ...]:
    return (*values, *(0,) * (4 - len(values)))


def _without(strides: Shape, axis: int) -> Shape:
    """Return strides that stand still along `axis`."""
    return (*strides[:axis], 0, *strides[axis + 1 :])


def _as_words(x: Array) -> Array:
    return Array(x.storage, x.layout, dtypes.uint32)
