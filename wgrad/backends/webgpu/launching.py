"""What every kernel family needs: memory, pipelines, packed parameters, launches."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Sequence
from math import prod

import numpy as np

from ... import dtypes
from ...dtypes import DType
from ...layout import Layout, Shape
from ...recent import Recent
from ..array import Array, Body, Number
from ..base import Device
from ..faults import Faults
from . import shaders
from .device import Gpu, Pipeline
from .memory import GpuStorage, Pool

THREADS = 64  # of a workgroup, in every shader but map_flat and matmul's
HALF_FEATURE = "shader-f16"
STRUCTURES_KEPT = 512  # pipelines of eager work: so many ops and dtypes in all layouts
MAX_RANK = 8  # axes that cannot be merged, in a Params


COPY = Body("copy", "a", np.copy)


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


def dtypes_of(features: Collection[str]) -> frozenset[DType]:
    """Return what an adapter with these features holds."""
    found = {dtypes.bool_, dtypes.int32, dtypes.uint32, dtypes.float32}
    return frozenset(found | {dtypes.float16} if HALF_FEATURE in features else found)


_FLOAT, _WORD = struct.Struct("<f"), struct.Struct("<I")


def scalar_bits(value: Number, dtype: DType) -> int:
    """Return the bits of a number as a u32: how uniforms carry it."""
    if dtype.is_floating:
        try:
            (bits,) = _WORD.unpack(_FLOAT.pack(value))
            return bits
        except OverflowError:
            with np.errstate(over="ignore"):  # beyond float32 it is an infinity, as on the host
                return int(np.float32(value).view(np.uint32))
    return int(value) & 0xFFFFFFFF


class Launching(Device):
    """A device that holds buffers and launches pipelines; subclasses say which."""

    launches = True

    def __init__(self, name: str, gpu: Gpu):
        info = gpu.info
        self.name = name
        self.description = (
            f"{info['device']} ({info['adapter_type']}, {info['backend_type']}, "
            f"{info['description']})"
        )
        self.dtypes = dtypes_of(gpu.features)
        self.gpu = gpu
        self.pool = Pool(gpu)
        self._pipelines: Recent[tuple] = Recent(STRUCTURES_KEPT)
        self._expected: dict[Faults, None] = {}  # what runs may have noted since the last wait
        # Elements that fit one binding, whatever an operation makes of them.
        self._surely_fits = gpu.largest_binding // 4
        # Threads that keep a GPU busy, or the SIMD units of a software adapter.
        self._busy = 1 << 8 if gpu.is_software else 1 << 14

    def itemsize(self, dtype: DType) -> int:
        return 2 if dtype is dtypes.float16 else max(4, dtype.itemsize)  # a bool is a u32 there

    def why_not(self, dtype: DType) -> str:
        if dtype is dtypes.float16:
            name = self.gpu.info["device"]
            return f"adapter {name} lacks the feature {HALF_FEATURE}: take float32, or device numpy"
        return super().why_not(dtype)

    # Memory.
    def _empty(self, shape: Shape, dtype: DType) -> Array:
        size = prod(shape)
        storage = GpuStorage(self, self.pool, size, self.itemsize(dtype) * size)
        return Array(storage, Layout.dense(shape), dtype)

    def upload(self, data: np.ndarray, dtype: DType) -> Array:
        out = self._empty(data.shape, dtype)
        if data.size:
            host = data.astype(np.uint32) if dtype is dtypes.bool_ else data
            host = host.reshape(-1)
            if host.nbytes % 4:  # WebGPU writes whole words
                host = np.append(host, host[-1:])
            self.gpu.write(out.storage.buffer, host, host.nbytes)
        return out

    def download(self, x: Array) -> np.ndarray:
        stored = np.dtype(np.uint32) if x.dtype is dtypes.bool_ else x.dtype.numpy
        if x.layout.size == 0:
            return np.zeros(x.shape, x.dtype.numpy)
        if not x.layout.contiguous:
            x = self.copy(x)
        size = stored.itemsize
        self._settle()
        start, end = size * x.layout.offset, size * (x.layout.offset + x.layout.size)
        first = start - start % 4  # WebGPU reads whole words
        raw = self.gpu.read(x.storage.buffer, first, end + -end % 4 - first)
        host = np.frombuffer(raw, stored, x.layout.size, start - first).reshape(x.shape)
        return host.astype(np.bool_) if x.dtype is dtypes.bool_ else host.copy()

    def unbacked(self, size: int) -> GpuStorage:
        return GpuStorage(self, self.pool, size, None)

    def synchronize(self) -> None:
        self.gpu.wait()
        self._settle()

    def expect(self, faults: Faults) -> None:
        with self.gpu.lock:
            self._expected[faults] = None

    def _settle(self) -> None:
        """Raise the first of the faults that runs have noted until now."""
        if not self._expected:
            return
        with self.gpu.lock:
            due, self._expected = self._expected, {}
            found = [error for faults in due if (error := faults.settle()) is not None]
        if found:
            raise found[0]

    def _may_not_fit(self, *arrays: Array) -> bool:
        """Whether an operation on arrays has to look if it needs windows (windows.py)."""
        for x in arrays:
            if x.layout.size > self._surely_fits:
                return True
            if self.gpu.has_large and x.storage.buffer.nbytes > self.gpu.largest_binding:
                return True
        return False

    # Pipelines.
    def _pipeline(self, key: tuple, inputs: int | str, code: Callable[[], str]) -> Pipeline:
        """Return the pipeline of a structure, compiled at its first use.

        `inputs` counts the buffers that are read before the one that is written, or has a letter
        for each, as `Gpu.compile` takes them.
        """
        found = self._pipelines[key]
        if found is None:
            label = " ".join(getattr(k, "name", str(k)) for k in key)
            found = self.gpu.compile(code(), inputs, label)
            self._pipelines.keep(key, found)
        return found

    def _mover(self, name: str, inputs: int, dtype: DType, wide: bool = False) -> Pipeline:
        """Return the pipeline of a shader that moves elements of 4 bytes or 2, or fours of them."""
        kind = "f16" if dtype is dtypes.float16 else "vec4<u32>" if wide else "u32"
        lines = {"alias T = u32;": f"alias T = {kind};"}
        return self._pipeline((name, kind), inputs, lambda: shaders.fill(name, lines=lines))

    def pipeline_of(self, code: str, access: str, label: str) -> Pipeline:
        """Return the pipeline of a whole shader text; one that is in use is not compiled again."""
        return self.gpu.pipeline(code, access, label)

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


def without(strides: Shape, axis: int) -> Shape:
    """Return strides that stand still along `axis`."""
    return (*strides[:axis], 0, *strides[axis + 1 :])


def as_words(x: Array) -> Array:
    return Array(x.storage, x.layout, dtypes.uint32)
