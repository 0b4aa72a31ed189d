"""What kernels note of loops that did not end: memory that they write, and the error it becomes."""

from __future__ import annotations

import struct
from typing import Any

from ...errors import DeviceError, WgradError
from ..loops import sites_of

NOTES_BYTES = 16  # of the WgradNotes of lib/rounds.wgsl
CUTS = "llvmpipe"  # the adapter that ends loops after some rounds, and says nothing
TURNS = 3  # of the loop in which that shows


class Notes:
    """The notes of an open adapter."""

    def __init__(self, gpu: Any):
        self._gpu = gpu
        self._memory: Any = None
        self._expected: dict[str, None] = {}  # texts that have run since they were looked at

    @property
    def memory(self) -> Any:
        """The driver's buffer, made when a kernel first needs it."""
        if self._memory is None:
            gpu = self._gpu
            usage = gpu.wgpu.BufferUsage
            self._memory = gpu.raw.create_buffer(
                size=NOTES_BYTES, usage=usage.STORAGE | usage.COPY_DST | usage.COPY_SRC
            )
            self._clear()
        return self._memory

    def _clear(self) -> None:
        turns = TURNS if CUTS in self._gpu.info["device"] else 0
        self._gpu.raw.queue.write_buffer(self._memory, 0, struct.pack("<4I", turns, turns, 0, 0))

    @property
    def is_expected(self) -> bool:
        """Whether a kernel has run that may have noted something."""
        return bool(self._expected)

    def expect(self, code: str) -> None:
        """Look at the notes at the next wait: a kernel of this text runs."""
        self._expected[code] = None

    def settled(self) -> WgradError | None:
        """Return the error for what was noted until now, and clear it; all has been submitted."""
        gpu = self._gpu
        texts, self._expected = self._expected, {}
        _, _, wrong, key = struct.unpack("<4I", gpu.read_raw(self.memory, 0, NOTES_BYTES))
        if not wrong:
            return None
        with gpu.driving:
            self._clear()
        name = gpu.info["device"]
        for text in texts:
            site = sites_of(text).get(key)
            if site is not None:
                return site.error(name)
        return DeviceError("webgpu: a loop of a shader did not end, and its results are wrong")
