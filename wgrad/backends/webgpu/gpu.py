"""What an open adapter does: moves bytes both ways, and runs dispatches, many to a submit.

wgpu-native ends the process on any error inside a submit, so whatever could be one is excluded
here: buffers are never destroyed but dropped, a command buffer is submitted once, no binding is
empty, and host writes wait until recorded work that uses their target is on its way.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable, Sequence
from math import prod
from typing import Any, NamedTuple

from ...errors import DeviceError, OutOfMemoryError
from ...interrupts import interrupts_wait, whole
from ...recent import Recent
from ...statistics import COUNTERS
from ..events import WATCHERS, launched, timed
from ..shader import Groups
from ..timing import Timing, now_ns, untimed
from . import device, headroom
from .buffers import Buffer
from .launches import folded
from .pipelines import RING_BYTES, Compiler, Pipeline
from .stamps import WHOLE, Stamps

BATCH = 128  # dispatches a submit: fewer keep the GPU waiting, more keep it idle for longer
UNSUBMITTED_BYTES = 1 << 24  # uploads without a submit are kept in memory by the driver,
WRITE_OVERHEAD = 2048  # and so much more for each of them
MOVED_BYTES = 1 << 26  # between host and device at once: the driver takes as much beside, for each
GROUPS_KEPT = 8192  # cached bind groups, of a kilobyte each


class _Dispatch(NamedTuple):
    pipeline: Pipeline
    group: Any
    start: int  # of its parameters in the ring
    end: int
    groups: int | Groups
    timing: Timing | None = None


Move = tuple[Any, int, Any, int]  # the driver's source, the offset, its target, and bytes


class Gpu(Compiler):
    """An open adapter: records dispatches, submits them in batches, moves bytes both ways."""

    def __init__(self, adapter: Any, most_bound: int | None = None, most_bytes: int | None = None):
        super().__init__(adapter, most_bound, most_bytes)
        self.name = "webgpu"  # of its device, in what is measured
        self.has_large = False  # has there been a buffer that one binding does not hold?
        self.slot = max(32, self.limits["min-uniform-buffer-offset-alignment"])
        self._ring, self._spare = bytearray(RING_BYTES), bytearray(RING_BYTES)
        # Held here, a buffer is never garbage. Were a tensor in a reference cycle its only owner,
        # the collector would run wgpu's destructor of the buffer too, just as ours returns it to
        # the pool; binding it later would end the process.
        self._alive: dict[Hashable, Buffer] = {}
        # Bind groups, each with the sets of its buffers that have its key.
        self._groups: Recent[tuple] = Recent(GROUPS_KEPT)
        self._stamps: Stamps | None = None  # where somebody measures
        self._stamped = False  # is the next pass timed as a whole?
        # Recorded, not submitted: the only state of a batch. Moves come before dispatches.
        self._moves: list[Move] = []
        self._work: list[_Dispatch] = []
        self._unsubmitted = 0
        self._next_uid = 0
        self.batch = 0
        self.dropped = 0  # buffers so far: who caches bind groups of its own lets go of them then
        self.dispatches = 0  # so far, of this adapter alone

    # Memory.
    def create_buffer(self, nbytes: int) -> Buffer:
        """Return new zeroed memory. Raises: OutOfMemoryError."""
        self.check()
        if nbytes > self.facts.largest_buffer:
            raise OutOfMemoryError(
                f"webgpu: a tensor of {nbytes} bytes came, and a buffer of "
                f"{self.info['device']} has at most {self.facts.largest_buffer}"
            )
        headroom.require(nbytes, f"a buffer of {nbytes} bytes")
        if self.facts.is_software:
            headroom.require_memory(nbytes, f"a buffer of {nbytes} bytes")
        with self.driving:
            try:
                raw = self.raw.create_buffer(size=nbytes, usage=self._storage_usage)
            except Exception as error:  # out of memory arrives as a validation error
                what = f"{self.info['device']} has no room for {nbytes} bytes"
                raise self.failure(OutOfMemoryError, what, error) from error
        self._next_uid += 1
        COUNTERS.buffers_created += 1
        COUNTERS.bytes_allocated += nbytes
        self.has_large = self.has_large or nbytes > self.facts.largest_binding
        buffer = self._alive[self._next_uid] = Buffer(raw, nbytes, self._next_uid)
        return buffer

    def drop_buffer(self, buffer: Buffer) -> None:
        """Forget a buffer; the driver frees it when submitted work is done with it."""
        with interrupts_wait(), self.lock:
            if buffer.batch == self.batch:
                self.flush()
            for key in buffer.groups:
                self._groups.drop(key)
            buffer.groups.clear()
            buffer.give_back = None  # which refers to the buffer
            del self._alive[buffer.uid]
            self.dropped += 1
            COUNTERS.bytes_allocated -= buffer.nbytes

    def write(self, buffer: Buffer, data: Any, nbytes: int) -> None:
        """Copy host bytes to the front of a buffer, after recorded work that uses it."""
        self.check()
        with self.lock:
            if buffer.batch == self.batch:
                self.flush()
            headroom.require(min(nbytes, MOVED_BYTES), f"an upload of {nbytes} bytes")
            COUNTERS.uploads += 1
            COUNTERS.bytes_uploaded += nbytes
            for start in range(0, nbytes, MOVED_BYTES):
                self._write(buffer.raw, data, start, min(MOVED_BYTES, nbytes - start))

    def _write(self, raw: Any, data: Any, start: int, nbytes: int) -> None:
        self._unsubmitted += nbytes + WRITE_OVERHEAD
        submits = self._unsubmitted > UNSUBMITTED_BYTES
        if submits:
            self.flush()
        with self.driving:
            try:
                self.raw.queue.write_buffer(raw, start, data, start, nbytes)
                if submits:
                    self.raw.queue.submit([])
                    self._unsubmitted = 0
            except Exception as error:
                what = f"an upload of {nbytes} bytes failed"
                raise self.failure(DeviceError, what, error) from error

    def read(self, buffer: Buffer, offset: int, nbytes: int) -> Any:
        """Return bytes of a buffer when everything recorded has run."""
        self.check()
        with self.lock:
            self.flush()
            COUNTERS.readbacks += 1
            COUNTERS.bytes_read += nbytes
            if nbytes <= MOVED_BYTES:
                return self.read_raw(buffer.raw, offset, nbytes)
            host = bytearray(nbytes)
            for start in range(0, nbytes, MOVED_BYTES):
                size = min(MOVED_BYTES, nbytes - start)
                host[start : start + size] = self.read_raw(buffer.raw, offset + start, size)
            return host

    def wait(self) -> None:
        """Return when everything recorded has run: a mapped read is what tells."""
        self.check()
        with self.lock:
            self.flush()
            self.read_raw(self._uniforms, 0, 4)

    def read_raw(self, raw: Any, offset: int, nbytes: int) -> Any:
        """Return bytes of a buffer of the driver's when what was submitted has run."""
        headroom.require(2 * nbytes, f"a readback of {nbytes} bytes")
        COUNTERS.submits += 1  # the copy to readable memory
        self._unsubmitted = 0
        with self.driving:
            try:
                return self.raw.queue.read_buffer(raw, offset, nbytes)
            except Exception as error:
                what = f"a readback of {nbytes} bytes failed"
                raise self.failure(DeviceError, what, error) from error

    def settle_notes(self) -> None:
        """Raise what kernels have noted of loops that did not end, when all recorded has run."""
        if self.notes.is_expected:
            self.check()
            with self.lock:
                self.flush()
                error = self.notes.settled()
            if error is not None:
                raise error

    # Batches.
    def move(self, source: Buffer, offset: int, target: Buffer, nbytes: int) -> None:
        """Record a copy of bytes to the front of another buffer; offset and bytes are fours.

        The next submit begins with it, that of a replay too: it costs a tenth of a dispatch.
        """
        with self.lock:
            while True:
                if self._work:
                    self.flush()
                    continue
                source.batch = target.batch = self.batch
                moves, added = self._moves, ((source.raw, offset, target.raw, nbytes),)
                # No call from here on, as in `launch`.
                if not self._work and self._moves is moves:
                    moves += added
                    break

    def taken_moves(self) -> list[Move]:
        """Return what `move` has recorded, for whoever submits it now; flush what came before."""
        with self.lock:
            if self._work:
                self.flush()
            moves, self._moves, self.batch = self._moves, [], self.batch + 1
            return moves

    def launch(
        self, pipeline: Pipeline, buffers: tuple[Buffer, ...], params: bytes, groups: int | Groups
    ) -> None:
        """Record one dispatch of `groups` workgroups; a count is folded into two dimensions.

        `buffers` are those of the bindings from 1 on; one that is written is bound once.
        """
        if groups == 0:
            return
        if device.forked or self.lost is not None:
            self.check()
        timing = stamped = None
        if WATCHERS:
            timing = self._timing(pipeline, buffers, groups)
            stamped = timing if timing is not None and timing.clock == "gpu" else None
        if pipeline.notes:
            self.notes.expect(pipeline.code)
        with self.lock:
            size = len(params)
            key = (pipeline.access, *[b.uid for b in buffers])
            kept = self._groups[key]
            group = self._bind(key, buffers) if kept is None else kept[0]
            while True:
                work, batch = self._work, self.batch
                last = work[-1] if work else None
                start = 0 if last is None else last.end
                if start + pipeline.room > RING_BYTES or len(work) >= BATCH:
                    self.flush()
                    continue
                for buffer in buffers:
                    buffer.batch = batch
                place = slice(start, start + size)
                end = start + -(-size // self.slot) * self.slot
                added = (_Dispatch(pipeline, group, start, end, groups, stamped),)
                # No call from here on: had a handler or a finalizer launched, it would show.
                if self._work is work and (work[-1] if work else None) is last:
                    self._ring[place] = params
                    work += added
                    break
        if WATCHERS:
            if timing is not stamped:
                self.wait_for(timing)
            nbytes = sum(b.used for b in buffers)
            launched("webgpu", pipeline.label, prod(folded(groups)), nbytes)

    def _timing(
        self, pipeline: Pipeline, buffers: tuple[Buffer, ...], groups: int | Groups
    ) -> Timing | None:
        """Return the timing of a dispatch, made ready for its clock; None where none measures."""
        nbytes = sum(b.used for b in buffers)
        count = prod(folded(groups))
        made = timed(self.name, pipeline.label, count, nbytes, pipeline.code, self.clock)
        if made is not None:
            self.ready(made)
        return made

    def ready(self, timing: Timing) -> None:
        """Do what has to be done before dispatches that are timed."""
        if timing.clock == "wall":
            self.wait()  # for what came before
        elif (stamps := self.stamps()) is not None:
            stamps.begin()

    def wait_for(self, timing: Timing | None) -> None:
        """Run what is recorded or submitted, one dispatch, and time it by the host's clock."""
        if timing is not None:
            start = now_ns()
            self.wait()
            timing.ran(start, now_ns())

    def stamps(self) -> Stamps | None:
        """Return what times dispatches, or None where the GPU has no clock."""
        if self._stamps is None and "timestamp-query" in self.features:
            with self.lock:
                self._stamps = self._stamps or Stamps(self)
        return self._stamps

    @property
    def clock(self) -> Gpu | None:
        """What knows when dispatches ran: the GPU itself, or None where it has no clock."""
        return None if self.stamps() is None else self

    def settle(self) -> None:
        """Wait for all dispatches that are timed, and say when they ran."""
        with interrupts_wait(), self.lock:
            self.flush()
            if self._stamps is not None:
                self._stamps.read()
                self._stamps.end()

    @whole
    def _bind(self, key: tuple, buffers: tuple[Buffer, ...]) -> Any:
        group = self.bind_group(key[0], buffers, self._uniforms)
        holders = [buffer.groups for buffer in buffers]
        for keys in holders:
            keys.add(key)
        for oldest, (_, others) in self._groups.keep(key, (group, holders)):
            for keys in others:
                keys.discard(oldest)
        return group

    def timed(
        self, launches: Sequence[tuple[Pipeline, tuple[Buffer, ...], bytes, int | Groups]]
    ) -> float:
        """Run at most BATCH launches in a submit of their own, and return how long they took.

        The GPU's own clock says so where it has one, the host's elsewhere; in nanoseconds.
        """
        with interrupts_wait(), self.lock, untimed():
            self.flush()
            try:
                for launch in launches:
                    self.launch(*launch)
                stamps = self.stamps()
                self._stamped = stamps is not None
                start = time.perf_counter()
                self.flush()
                if stamps is not None:
                    return stamps.whole()
                self.wait()
                return (time.perf_counter() - start) * 1e9
            finally:
                self._stamped = False

    def flush(self) -> None:
        """Submit what is recorded. Raises: DeviceError when the driver refuses it."""
        with self.lock:
            if not self._work and not self._moves:
                return
            self.check()
            headroom.require(0, f"running {len(self._work)} kernels")
            if self._stamps is not None:
                self._stamps.make_room(BATCH)
            with self.driving:
                if not self._work and not self._moves:  # a handler has submitted it just now
                    return
                # Together, for a finalizer may launch meanwhile: that belongs to the next batch.
                work, moves, self._work, self._moves, self._ring, self._spare, self.batch = (
                    self._work, self._moves, [], [], self._spare, self._ring, self.batch + 1,
                )  # fmt: skip
                # Passes that are timed belong together.
                timed = self._stamped or any(d.timing is not None for d in work)
                parts = self.stretches([] if timed else [d.pipeline for d in work])
                parts = parts or [(slice(None), None)]
                try:
                    first_moves = [moves, *[()] * (len(parts) - 1)]
                    commands = [
                        self._encode(work[part], before)
                        for (part, _), before in zip(parts, first_moves, strict=True)
                    ]
                except Exception as error:  # mistakes inside a pass surface only here
                    names = ", ".join(sorted({d.pipeline.label for d in work}))
                    what = f"the driver refused {len(work)} dispatches of {names}"
                    raise self.failure(DeviceError, what, error) from error
                # On the queue's own timeline, so earlier batches have read their parameters.
                if work:
                    self.raw.queue.write_buffer(self._uniforms, 0, self._spare, 0, work[-1].end)
                for one, (_, first) in zip(commands, parts, strict=True):
                    self.submit(one, first)
                self._unsubmitted = 0
                self.count(len(work))
                if self._stamps is not None:
                    self._stamps.submitted([d.timing for d in work if d.timing is not None])

    def count(self, dispatches: int) -> None:
        """Count what was just submitted."""
        self.dispatches += dispatches
        COUNTERS.submits += 1
        COUNTERS.dispatches += dispatches

    def _encode(self, work: list[_Dispatch], moves: Sequence[Move] = ()) -> Any:
        """Return the command buffer of a batch, or of a part of it."""
        timings: list[Timing | None] = []
        if self._stamps is not None and self._stamps.room >= len(work):
            timings = [dispatch.timing for dispatch in work]
        rows = [(pipeline, group, start, folded(n)) for pipeline, group, start, _, n, _ in work]
        return self.commands(rows, timings, moves=moves)

    def commands(
        self,
        rows: Iterable[tuple[Pipeline, Any, int, tuple[int, ...]]],
        timings: Sequence[Timing | None] = (),
        first: int | None = None,
        moves: Iterable[Move] = (),
    ) -> Any:
        """Return a command buffer of moves and dispatches, to be submitted once.

        A row is a pipeline, a bind group, where the parameters begin, and the workgroups. All are
        in one pass; where some are timed each has one of its own, stamped from the place `first`
        on, or from the next that is free.
        """
        encoder = self.raw.create_command_encoder()
        for source, offset, target, nbytes in moves:
            encoder.copy_buffer_to_buffer(source, offset, target, 0, nbytes)
        stamps = self._stamps
        if stamps is None or not any(timings):
            options = {} if stamps is None or not self._stamped else stamps.pass_of(WHOLE)
            compute = encoder.begin_compute_pass(**options)
            bound = None
            for pipeline, group, start, size in rows:
                if pipeline is not bound:
                    compute.set_pipeline(pipeline.raw)
                    bound = pipeline
                compute.set_bind_group(0, group, (start,))
                compute.dispatch_workgroups(*size)
            compute.end()
            return encoder.finish()
        place = stamps.next if first is None else first
        for (pipeline, group, start, size), timing in zip(rows, timings, strict=True):
            options = {} if timing is None else stamps.pass_of(place)
            place += timing is not None
            compute = encoder.begin_compute_pass(**options)
            compute.set_pipeline(pipeline.raw)
            compute.set_bind_group(0, group, (start,))
            compute.dispatch_workgroups(*size)
            compute.end()
        return encoder.finish()
