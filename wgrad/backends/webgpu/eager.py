"""The device of an open adapter: holds values, and launches what kernel families plan at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from weakref import WeakValueDictionary

import numpy as np

from ... import dtypes
from ...dtypes import DType
from ...recent import Shared
from ..array import Array, Storage
from ..faults import Faults
from .facts import HALF_FEATURE
from .gpu import Gpu
from .implementation import NATIVE
from .kernels import Kernels
from .launching import host_words
from .memory import GpuStorage, Pool, size_class
from .pipelines import Pipeline
from .problem import Kernel
from .tune import Measured

CONSTANTS_KEPT = 8  # besides those that who runs them holds


class WebGpuDevice(Kernels):
    """One adapter of WebGPU."""

    products: Measured

    def __init__(self, name: str, gpu: Gpu):
        super().__init__(name, gpu.facts, Measured(gpu))
        info = gpu.info
        self.description = (
            f"{info['device']} ({info['adapter_type']}, {info['backend_type']}, "
            f"{info['description']})"
        )
        if gpu.implementation is not NATIVE:  # as nearly all are
            self.description += f", by {gpu.implementation.engine}"
        self.gpu = gpu
        gpu.name = name
        self.pool = Pool(gpu)
        self.launch = gpu.launch
        self._storage = partial(GpuStorage, self, self.pool)
        # Memory that programs share: blocks by size and count, since one runs after the other, and
        # what their kernels look up.
        self._blocks: WeakValueDictionary[tuple[int, int], GpuStorage] = WeakValueDictionary()
        self._constants: Shared[bytes, GpuStorage] = Shared(CONSTANTS_KEPT)
        self._expected: dict[Faults, None] = {}  # what runs may have noted since the last wait

    @property
    def has_large(self) -> bool:  # type: ignore[override]  # no attribute, but the adapter's
        return self.gpu.has_large

    def _made(self, kernel: Kernel) -> Pipeline:
        return self.gpu.pipeline(kernel)

    def why_not(self, dtype: DType) -> str:
        if dtype is dtypes.float16:
            name = self.gpu.info["device"]
            return f"adapter {name} lacks the feature {HALF_FEATURE}: take float32, or device numpy"
        return super().why_not(dtype)

    # Memory.
    def upload(self, data: np.ndarray, dtype: DType) -> Array:
        out = self._empty(data.shape, dtype)
        if data.size:
            host = host_words(data, dtype)
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

    def window(self, x: Array) -> Storage:
        size, offset = (self.itemsize(x.dtype) * n for n in (x.layout.size, x.layout.offset))
        if not offset or not size or offset % 4:
            return super().window(x)
        made = self._storage(x.layout.size, size)
        self.gpu.move(x.storage.buffer, offset, made.buffer, size + -size % 4)
        return made

    def blocks(self, sizes: Sequence[int]) -> list[GpuStorage]:
        """Return memory of so many bytes each, which all who ask share as long as they hold it."""
        counts: Counter[int] = Counter()
        made = []
        for nbytes in sizes:
            kind = size_class(nbytes, *self.pool.limits)
            key = kind, counts[kind]
            counts[kind] += 1
            block = self._blocks.get(key)
            if block is None:
                block = self._blocks[key] = GpuStorage(self, self.pool, 0, nbytes)
            made.append(block)
        return made

    def constant(self, data: bytes) -> GpuStorage:
        def made() -> GpuStorage:
            storage = GpuStorage(self, self.pool, 0, len(data))
            self.gpu.write(storage.buffer, data, len(data))
            return storage

        return self._constants.find(data, made)

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
        self.gpu.settle_notes()
        if not self._expected:
            return
        with self.gpu.lock:
            due, self._expected = self._expected, {}
            errors = [error for faults in due if (error := faults.settle()) is not None]
        if errors:
            raise errors[0]
