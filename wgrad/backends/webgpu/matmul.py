"""Which matmul kernel runs, and with which parameters.

Two shaders: registers alone for software adapters, workgroup tiles for GPUs. Both read operands
through strides, so transposed ones (the gradients) cost no copy.
"""

from __future__ import annotations

import struct

import numpy as np

from ...dtypes import DType
from ...errors import WgradError
from ..base import Array
from . import shaders
from .device import Gpu, Pipeline

COLUMNS = 64  # of a workgroup's tile, in both shaders
ROWS = {"matmul": 16, "matmul_tiled": 64}
# The longest inner axis of one dispatch: lavapipe stops an invocation after 65535 loop iterations
# (of 4 steps), and sums of pieces are more exact than one long chain of float32 additions.
LONGEST = {"matmul": 1 << 13, "matmul_tiled": 1 << 13}

_SHARE = (
    "fn share_a(mine: vec4<Acc>, batch: u32, row: u32, i: u32, k: u32) -> vec4<Acc> "
    "{{ return {}; }}"
)


class Matmul:
    """The matmul kernels of one adapter."""

    def __init__(self, gpu: Gpu):
        self.gpu = gpu
        self.shader = "matmul" if gpu.is_software else "matmul_tiled"
        self.longest = LONGEST[self.shader]
        self._pipelines: dict[tuple[DType, str], Pipeline] = {}
        self._shuffles: bool | None = None

    def launch(
        self, a: Array, b: Array, out: Array, batch: int, batch_strides: tuple[int, int]
    ) -> None:
        """Record out = a @ b; `batch_strides` are the steps of a and b from matrix to matrix."""
        (m, k), n = a.shape[-2:], b.shape[-1]
        left = (a, a.layout.strides[-2], a.layout.strides[-1], batch_strides[0])
        right = (b, b.layout.strides[-2], b.layout.strides[-1], batch_strides[1])
        out_strides = (n, 1)
        unit = "ANY"
        if self.shader == "matmul":
            unit = _unit(right, k, n)
            # The transposed problem, b^T a^T, has the same result: taken when its tiles fit the
            # output better, or, where both fit alike, when its right operand loads faster.
            other = (a, left[2], left[1], left[3])
            other_unit = _unit(other, k, m)
            tiles, others = _tiles(m, n), _tiles(n, m)
            if others < tiles or (
                others == tiles and _UNITS.index(other_unit) > _UNITS.index(unit)
            ):
                left, right = (b, right[2], right[1], right[3]), other
                m, n, out_strides, unit = n, m, (1, n), other_unit
        params = struct.pack(
            "<16I",
            *(m, n, k, batch),
            *(v & 0xFFFFFFFF for v in (left[0].layout.offset, left[3], left[1], left[2])),
            *(v & 0xFFFFFFFF for v in (right[0].layout.offset, right[3], right[1], right[2])),
            *(*out_strides, 0, 0),
        )
        rows = ROWS[self.shader]
        groups = batch * -(-m // rows) * -(-n // COLUMNS)
        buffers = (left[0].storage.buffer, right[0].storage.buffer, out.storage.buffer)
        self.gpu.launch(self._pipeline(out.dtype, unit), buffers, params, groups)

    def _pipeline(self, dtype: DType, unit: str) -> Pipeline:
        found = self._pipelines.get((dtype, unit))
        if found is None:
            label = f"{self.shader} {dtype.name} {unit}"
            found = self.gpu.compile(self._source(dtype, unit), 2, label)
            self._pipelines[dtype, unit] = found
        return found

    def _source(self, dtype: DType, unit: str) -> str:
        kind = dtype.storage
        lines = {"alias T = f32;": f"alias T = {kind};", "alias Acc = f32;": f"alias Acc = {kind};"}
        if self.shader == "matmul":
            if unit != "ANY":
                lines["alias BElement = T;"] = "alias BElement = vec4<T>;"
                lines["const B_UNIT = UNIT_ANY;"] = f"const B_UNIT = UNIT_{unit};"
            if self._can_shuffle():
                lines[_SHARE.format("load_a(batch, row + i, k)")] = _SHARE.format(
                    "subgroupShuffle(mine, i % LANES)"
                )
        return shaders.fill(self.shader, lines=lines)

    def _can_shuffle(self) -> bool:
        """Ask the adapter itself whether 8 neighbouring threads exchange values.

        The sizes that adapters report do not tell: a subgroup may be as small as 4.
        """
        if self._shuffles is None:
            self._shuffles = False
            if "subgroup" in self.gpu.features:
                try:
                    probe = self.gpu.compile(shaders.source("subgroup_probe"), 0, "subgroup probe")
                    buffer = self.gpu.create_buffer(256)
                    self.gpu.launch(probe, (buffer,), b"", 1)
                    seen = np.frombuffer(self.gpu.read(buffer, 0, 32), np.uint32)
                    self._shuffles = bool((seen == 107).all())
                    self.gpu.drop_buffer(buffer)
                except WgradError:  # the feature is there by name alone
                    self._shuffles = False
        return self._shuffles


_UNITS = ("ANY", "K", "N")  # from the slowest loads of the right operand to the fastest


def _unit(operand: tuple[Array, int, int, int], k: int, n: int) -> str:
    """Return along which axis a right operand of k rows and n columns can be read by vec4."""
    x, row, column, batch = operand
    if (x.layout.offset | batch) % 4:
        return "ANY"
    if column == 1 and row % 4 == 0 and n % 4 == 0:
        return "N"
    if row == 1 and column % 4 == 0 and k % 4 == 0:
        return "K"
    return "ANY"


def _tiles(m: int, n: int) -> int:
    return -(-m // ROWS["matmul"]) * -(-n // COLUMNS)
