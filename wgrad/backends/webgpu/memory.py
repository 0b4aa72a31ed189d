"""The pool: buffers by size class, given out again in the order of the GPU's work.

A buffer that comes back may be used by the next kernel at once, for the queue runs kernels in
order; only host writes have to wait, which `Gpu.write` sees to.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from heapq import heappop, heappush
from operator import attrgetter
from typing import Any

from ...errors import OutOfMemoryError
from ...interrupts import interrupts_wait
from ...statistics import COUNTERS
from ..array import Storage
from ..base import Device
from ..tracing import UNBACKED
from .buffers import Buffer
from .gpu import Gpu

SMALLEST = 256  # bytes
KEPT = 1 << 29  # bytes of free buffers that are kept


def size_class(nbytes: int, *limits: int) -> int:
    """Return the size of the buffers that serve `nbytes`: four classes an octave, each of 16s.

    At most a quarter is wasted; what is within one of the limits (the device's largest binding,
    its largest buffer) is not rounded beyond it.
    """
    if nbytes <= SMALLEST:
        return SMALLEST
    step = max(16, 1 << (nbytes - 1).bit_length() - 3)
    rounded = -(-nbytes // step) * step
    beyond = any(nbytes <= limit < rounded for limit in limits)
    return nbytes + -nbytes % 16 if beyond else rounded


class Pool:
    """The free buffers of one device."""

    def __init__(self, gpu: Gpu):
        self.gpu = gpu
        self.limits = gpu.facts.largest_binding, gpu.facts.largest_buffer
        # Filled by destructors, which may run in any thread, even in the middle of `acquire`;
        # appending to a deque is atomic, so nothing is locked there.
        self.returned: deque[Buffer] = deque()
        # By size, when much is free in the order of their use. Of a size, a heap by uid: the lowest
        # is given out first, so that work that is done again gets the same buffers, whatever order
        # they came back in, and finds them bound.
        self._free: dict[int, list[tuple[Any, Buffer]]] = {}
        self._free_bytes = 0

    def fill(self, storage: GpuStorage, nbytes: int) -> None:
        """Give a storage a buffer of at least `nbytes`, with any content.

        Raises: OutOfMemoryError.
        """
        with self.gpu.lock:
            self._take_back()
            wanted = size_class(nbytes, *self.limits)
            shelf = self._free.get(wanted, [])
            # Unpacked, not called: no handler of a signal comes before the storage has the buffer,
            # and whoever came before is seen.
            taken = map(heappop, (shelf,))
            if shelf:
                ((_, storage.buffer),) = taken
                self._free_bytes -= wanted
                if self._free_bytes > KEPT // 4:
                    with interrupts_wait():
                        self._free[wanted] = self._free.pop(wanted)
                COUNTERS.buffers_reused += 1
                return
            with interrupts_wait():
                storage.buffer = self._made(wanted)

    def _made(self, nbytes: int) -> Buffer:
        try:
            made = self.gpu.create_buffer(nbytes)
        except OutOfMemoryError:
            if not self._free_bytes:
                raise
            self.trim(0)
            self.gpu.wait()  # what is dropped goes back to the driver when its work is done
            made = self.gpu.create_buffer(nbytes)
        made.give_back = partial(self.returned.append, made)
        return made

    def _take_back(self) -> None:
        free = self._free
        while True:
            taken = map(deque.popleft, (self.returned,))
            if not self.returned:
                break
            (buffer,) = taken  # unpacked, and put away by the first call: none is lost
            self._free_bytes += buffer.nbytes
            if buffer.nbytes in free:
                heappush(free[buffer.nbytes], (buffer.uid, buffer))
            else:
                free[buffer.nbytes] = [(buffer.uid, buffer)]
        if self._free_bytes > KEPT:
            self.trim(KEPT // 2)

    def trim(self, keep: int) -> None:
        """Give free buffers back to the driver until `keep` bytes are left.

        First go those of the sizes that were not asked for the longest.
        """
        with interrupts_wait(), self.gpu.lock:
            for size, shelf in self._free.items():
                while shelf and self._free_bytes > keep:
                    self.gpu.drop_buffer(shelf.pop()[1])
                    self._free_bytes -= size


class GpuStorage(Storage):
    """A storage whose buffer goes back to the pool when nothing refers to it any more."""

    __slots__ = ("pool",)

    def __init__(self, device: Device, pool: Pool, size: int, nbytes: int | None):
        """Take a buffer of `nbytes` from the pool; with None the storage is UNBACKED."""
        super().__init__(device, UNBACKED, size)
        self.pool = pool
        if nbytes is not None:
            pool.fill(self, nbytes)
            self.buffer.used = nbytes

    # No Python function: there a handler of a signal could raise, and Python would drop both its
    # exception and the buffer.
    __del__: Any = property(attrgetter("buffer.give_back"))
