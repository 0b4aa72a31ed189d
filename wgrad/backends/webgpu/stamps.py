"""Stamps: when each timed dispatch began and ended, by the GPU's own clock.

A dispatch that is timed has a compute pass of its own, whose two ends are written to a query set.
The set is read when it is full, or when somebody asks: however many dispatches come, it is this
large.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...errors import DeviceError
from ...interrupts import interrupts_wait
from ..timing import Timing, now_ns

if TYPE_CHECKING:
    from .gpu import Gpu

PAIRS = 2000  # dispatches until the set is read; a query set has at most 4096 stamps
WHOLE = PAIRS  # a place of its own, for a pass that is read at once
TRIES = 3  # to find how the clocks differ: the quickest tells best


class Stamps:
    """The query set of one adapter, and who waits for what is in it."""

    def __init__(self, gpu: Gpu):
        self._gpu = gpu
        self._pending: list[Timing] = []  # by their places in the set
        self._offset: float | None = None  # from the GPU's clock to the host's
        usage = gpu.wgpu.BufferUsage
        count = 2 * PAIRS + 2
        with gpu.driving:
            try:
                self._queries = gpu.raw.create_query_set(type="timestamp", count=count)
                self._target = gpu.raw.create_buffer(
                    size=8 * count, usage=usage.QUERY_RESOLVE | usage.COPY_SRC
                )
            except Exception as error:
                raise gpu.failure(DeviceError, "there are no timestamps", error) from error

    @property
    def room(self) -> int:
        """How many more dispatches the set has room for."""
        return PAIRS - len(self._pending)

    def pass_of(self, place: int) -> dict[str, Any]:
        """Return what a compute pass is begun with, to be stamped at a place of the set."""
        ends = {
            "beginning_of_pass_write_index": 2 * place,
            "end_of_pass_write_index": 2 * place + 1,
        }
        return {"timestamp_writes": {"query_set": self._queries, **ends}}

    @property
    def next(self) -> int:
        """The first free place."""
        return len(self._pending)

    def whole(self) -> float:
        """Return the nanoseconds that the pass took which was stamped as a whole."""
        begin, end = self._resolved(WHOLE, WHOLE + 1)
        return end - begin

    def submitted(self, timings: Sequence[Timing]) -> None:
        """Note whose stamps are on their way to the next free places."""
        self._pending += timings

    def make_room(self, count: int) -> None:
        """Read the set unless it has room for so many dispatches."""
        if self.room < count:
            self.read()

    def begin(self) -> None:
        """Find how the clocks differ, unless that is known since the last `end`."""
        if self._offset is not None:
            return
        offsets = []
        with interrupts_wait(), self._gpu.lock:
            for _ in range(TRIES):
                with self._gpu.driving:
                    encoder = self._gpu.raw.create_command_encoder()
                    encoder.begin_compute_pass(**self.pass_of(WHOLE)).end()
                    commands = encoder.finish()
                    before = now_ns()
                    self._gpu.raw.queue.submit([commands])
                begin, end = self._resolved(WHOLE, WHOLE + 1)
                after = now_ns()
                offsets.append((after - before, (before + after - begin - end) / 2))
        self._offset = min(offsets)[1]

    def end(self) -> None:
        """Forget how the clocks differ: they drift apart."""
        self._offset = None

    def read(self) -> None:
        """Wait for all dispatches that were stamped, and say when they ran."""
        with interrupts_wait(), self._gpu.lock:
            count = len(self._pending)
            if not count:
                return
            self._gpu.check()
            ticks = self._resolved(0, count)
            offset = self._offset or 0.0
            for i, timing in enumerate(self._pending[:count]):
                timing.ran(ticks[2 * i] + offset, ticks[2 * i + 1] + offset)
            # Were there more by now, which a finalizer has launched, they would stay untimed.
            self._pending.clear()

    def _resolved(self, first: int, last: int) -> list[float]:
        """Return the stamps of some places, in nanoseconds."""
        gpu = self._gpu
        count = 2 * (last - first)
        with gpu.driving:
            try:
                encoder = gpu.raw.create_command_encoder()
                encoder.resolve_query_set(self._queries, 2 * first, count, self._target, 0)
                gpu.raw.queue.submit([encoder.finish()])
            except Exception as error:
                raise gpu.failure(DeviceError, "timestamps were not read", error) from error
        raw = gpu.read_raw(self._target, 0, 8 * count)
        return [tick * gpu.period for tick in memoryview(raw).cast("Q")]
