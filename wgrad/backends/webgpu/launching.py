"""What every kernel family needs: memory, kernels, packed parameters, launches.

A family is planned by what is known of an adapter alone (facts.py): it takes memory, names kernels
and launches them, and whose device it is decides what that means: an open adapter's (eager.py) does
it at once, a planner (planner.py) notes it.
"""

from __future__ import annotations

import struct
from abc import abstractmethod
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from ... import dtypes
from ...dtypes import DType
from ...layout import Layout, Shape
from ...recent import Recent
from ..array import Array, Body, Number, Storage
from ..base import Device
from ..shader import Groups
from . import shaders
from .buffers import Buffer
from .facts import Facts
from .matmul import Products
from .problem import Kernel

THREADS = 64  # of a workgroup, in every shader but map_flat and matmul's
STRUCTURES_KEPT = 512  # kernels of eager work: so many ops and dtypes in all layouts
WIDE_FROM = 1 << 14  # elements from which moving them by vec4s is worth a shader of its own
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


def host_words(data: np.ndarray, dtype: DType) -> np.ndarray:
    """Return host data of a dtype as a GPU's memory has it: flat, and in whole words."""
    host = data.astype(np.uint32) if dtype is dtypes.bool_ else data
    host = host.reshape(-1)
    return np.append(host, host[-1:]) if host.nbytes % 4 else host


class Launching(Device):
    """A device of kernels over buffers; subclasses have the families, and run them or plan them."""

    launches = True
    has_large: bool  # has there been a buffer that one binding does not hold?
    # Takes (size, nbytes): memory of any content for so many elements.
    _storage: Callable[[int, int], Storage]
    # Takes what `_made` has made, the buffers of its bindings from 1 on, its Params and how many
    # workgroups run.
    launch: Callable[[Any, tuple[Buffer, ...], bytes, int | Groups], None]

    def __init__(self, name: str, facts: Facts, products: Products):
        self.name = name
        self.facts = facts
        self.products = products
        self.dtypes = facts.dtypes
        self._kernels: Recent[tuple] = Recent(STRUCTURES_KEPT)
        # Elements that fit one binding, whatever an operation makes of them.
        self._surely_fits = facts.largest_binding // 4
        # Threads that keep a GPU busy, or the SIMD units of a software adapter.
        self._busy = 1 << 8 if facts.is_software else 1 << 14

    @abstractmethod
    def _made(self, kernel: Kernel) -> Any:
        """Return what `launch` takes for a kernel."""

    @abstractmethod
    def constant(self, data: bytes) -> Storage:
        """Return memory that begins with `data`, only to be read."""

    def itemsize(self, dtype: DType) -> int:
        return 2 if dtype is dtypes.float16 else max(4, dtype.itemsize)  # a bool is a u32 there

    def _empty(self, shape: Shape, dtype: DType) -> Array:
        size = prod(shape)
        return Array(self._storage(size, self.itemsize(dtype) * size), Layout.dense(shape), dtype)

    def _may_not_fit(self, *arrays: Array) -> bool:
        """Whether an operation on arrays has to look if it needs windows (windows.py)."""
        for x in arrays:
            if x.layout.size > self._surely_fits:
                return True
            if self.has_large and x.storage.buffer.nbytes > self.facts.largest_binding:
                return True
        return False

    # Kernels.
    def _kernel(self, key: tuple, access: int | str, code: Callable[[], str]) -> Any:
        """Return the kernel of a structure, made at its first use.

        See Kernel for `access`; a number says how many buffers are read before the one written.
        """
        kernel = self._kernels[key]
        if kernel is None:
            words = (getattr(part, "name", part) for part in key)
            label = " ".join(x for x in words if isinstance(x, str) and x)
            letters = access if isinstance(access, str) else "r" * access + "w"
            kernel = self._made(Kernel(label, code(), letters))
            self._kernels.keep(key, kernel)
        return kernel

    def _mover(self, name: str, access: str, dtype: DType, wide: bool = False) -> Any:
        """Return the kernel of a shader that moves elements of 4 bytes or 2, or fours of them."""
        kind = "f16" if dtype is dtypes.float16 else "vec4<u32>" if wide else "u32"
        lines = {"alias T = u32;": f"alias T = {kind};"}
        return self._kernel((name, kind), access, lambda: shaders.fill(name, lines=lines))

    def _launch(
        self,
        kernel: Any,
        inputs: Sequence[Array],
        out: Array,
        params: bytes,
        threads: int,
        size: int = THREADS,
    ) -> None:
        buffers = tuple([x.storage.buffer for x in inputs] + [out.storage.buffer])
        self.launch(kernel, buffers, params, -(-threads // size))


def without(strides: Shape, axis: int) -> Shape:
    """Return strides that stand still along `axis`."""
    return (*strides[:axis], 0, *strides[axis + 1 :])


def by_quads(
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


def as_words(x: Array) -> Array:
    return Array(x.storage, x.layout, dtypes.uint32)
