"""What planning knows of an adapter: plain numbers, so that any machine can be planned for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ... import dtypes
from ...dtypes import DType
from ...errors import ArgumentError

HALF_FEATURE = "shader-f16"
MOST_BUFFERS = 16  # of one kernel, whatever an adapter binds


@dataclass(frozen=True)
class Facts:
    """An adapter as kernels are planned for it. The defaults are those that every adapter has.

    Kernels keep to 256 invocations and 16 KiB of memory a workgroup, which are portable.
    """

    buffers: int = 8  # storage buffers that a kernel binds
    largest_binding: int = 1 << 27  # bytes bound at once; more is worked on in windows,
    align: int = 256  # which begin at multiples of so many bytes
    largest_buffer: int = 1 << 28  # bytes
    is_software: bool = False  # it runs on the host's own cores
    has_half: bool = False  # it holds float16

    def check(self) -> None:
        """Raise ArgumentError for fewer buffers than WebGPU promises, or parts of vec4s."""
        if self.buffers < 8:
            raise ArgumentError(f"Facts: buffers={self.buffers} came, and at least 8 are needed")
        for name in ("largest_binding", "align", "largest_buffer"):
            x = getattr(self, name)
            if x < 16 or x % 16:
                raise ArgumentError(f"Facts: {name}={x} came, and a multiple of 16 is needed")

    @classmethod
    def of(
        cls, limits: Mapping[str, int], features: Collection[str], is_software: bool = False
    ) -> Facts:
        """Return the facts of an adapter, or of a device with its limits, as wgpu names them."""
        largest = limits["max-buffer-size"] // 16 * 16  # in whole vec4s, as all memory is
        return cls(
            # One is left for what kernels note, where more are bound than are promised.
            buffers=max(8, min(limits["max-storage-buffers-per-shader-stage"] - 1, MOST_BUFFERS)),
            largest_binding=min(limits["max-storage-buffer-binding-size"] // 16 * 16, largest),
            align=max(16, limits["min-storage-buffer-offset-alignment"]),
            largest_buffer=largest,
            is_software=is_software,
            has_half=HALF_FEATURE in features,
        )

    @property
    def dtypes(self) -> frozenset[DType]:
        """What arrays can be of."""
        everywhere = {dtypes.bool_, dtypes.int32, dtypes.uint32, dtypes.float32}
        return frozenset(everywhere | {dtypes.float16} if self.has_half else everywhere)
