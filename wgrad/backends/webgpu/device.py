"""The only module that touches wgpu: adapters, buffers, pipelines, recording and submitting.

wgpu-native ends the process on any error inside a submit, so whatever could be one is excluded
here: buffers are never destroyed but dropped, a command buffer is submitted once, no binding is
empty, and host writes wait until recorded work that uses their target is on its way.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import sys
import threading
import time
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from ... import forking
from ...errors import (
    DeviceError,
    ForkedError,
    MissingDependencyError,
    OutOfMemoryError,
    ShaderError,
    WgradError,
)
from ...interrupts import interrupts_wait, whole
from ...recent import Recent, Shared
from ...statistics import COUNTERS
from . import headroom
from .buffers import Buffer
from .facts import HALF_FEATURE, Facts
from .launches import folded

PARAMS_BYTES = 256  # the largest Params of any shader; bound at a dynamic offset
RING_BYTES = 1 << 18  # parameters of the dispatches of one submit
BATCH = 128  # dispatches a submit: fewer keep the GPU waiting, more keep it idle for longer
UNSUBMITTED_BYTES = 1 << 24  # uploads without a submit are kept in memory by the driver,
WRITE_OVERHEAD = 2048  # and so much more for each of them
MOVED_BYTES = 1 << 26  # between host and device at once: the driver takes as much beside, for each
GROUPS_KEPT = 8192  # cached bind groups, of a kilobyte each
LAYOUTS_KEPT = 256  # of bind groups, by what becomes of each buffer
PIPELINES_KEPT = 128  # besides those that who runs them holds: up to a megabyte each
# Asked for at the adapter's maximum; everything else is within the portable defaults.
LIMITS = ("max-buffer-size", "max-storage-buffer-binding-size")

NO_ADAPTER = (
    "no WebGPU adapter was found: install your GPU's Vulkan driver, or a software one (Debian and "
    "Ubuntu: apt-get install mesa-vulkan-drivers libvulkan1; Fedora: mesa-vulkan-drivers; Arch: "
    "vulkan-swrast)"
)

_lock = threading.RLock()
forking.register(sys.modules[__name__], "_lock", order=2)
_adapters: list[Any] | None = None
_forked = False


def _after_fork() -> None:
    """In the child: refuse the inherited driver, and keep its destructors from waiting for it."""
    global _forked
    helpers = sys.modules.get("wgpu.backends.wgpu_native._helpers")
    _forked = _adapters is not None or getattr(helpers, "_the_instance", None) is not None
    classes = sys.modules.get("wgpu._classes")
    if _forked and classes is not None:
        # The driver's threads did not come along: releasing an object of theirs never returns.
        classes.GPUObjectBase.__del__ = lambda self: None
    if _forked:
        # Nor do what it does at an exit: Mesa joins its threads there, and what became of their
        # stacks is anyone's. Called first of all, `_exit` gets the status and leaves the rest out.
        with contextlib.suppress(AttributeError, OSError):  # not every libc has on_exit
            libc = ctypes.CDLL(None)
            libc.on_exit(ctypes.cast(libc._exit, ctypes.c_void_p), None)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)


def check_process() -> None:
    """Raise ForkedError in a forked child, where the inherited driver would hang."""
    if _forked:
        raise ForkedError(
            "webgpu: this process was forked after the GPU was opened, and a driver does not "
            'survive a fork: start it with multiprocessing.get_context("spawn")'
        )


def adapters() -> list[Any]:
    """Return the adapters of native backends (Vulkan, Metal, D3D12), OpenGL fallbacks left out.

    Raises: MissingDependencyError when wgpu is not installed; DeviceError when it does not load.
    """
    global _adapters
    check_process()
    with interrupts_wait(), _lock:
        if _adapters is None:
            headroom.require(headroom.DRIVERS, "loading the drivers of this machine's GPUs")
            try:
                wgpu = importlib.import_module("wgpu")
                native = importlib.import_module("wgpu.backends.wgpu_native.extras")
            except (ImportError, OSError) as error:  # OSError: its library does not load
                raise MissingDependencyError(
                    f"webgpu: the package wgpu does not import ({error}): pip install wgpu"
                ) from error
            # Too late when the program used wgpu before us; OpenGL is then left out below.
            with contextlib.suppress(RuntimeError):
                native.set_instance_extras(backends=["Primary"])
            try:
                found = wgpu.gpu.enumerate_adapters_sync()
            except Exception as error:  # wgpu raises RuntimeError and its own kinds
                raise DeviceError(f"webgpu: {NO_ADAPTER} ({error})") from error
            _adapters = [a for a in found if a.info["backend_type"] != "OpenGL"]
    return _adapters


class Pipeline:
    """A compiled shader; `access` says of each storage buffer whether it is read or written."""

    __slots__ = ("__weakref__", "access", "code", "label", "raw")

    def __init__(self, raw: Any, access: str, label: str, code: str):
        self.raw = raw
        self.code = code
        self.access = access
        self.label = label


class _Dispatch(NamedTuple):
    pipeline: Pipeline
    group: Any
    start: int  # of its parameters in the ring
    end: int
    groups: int


class _Driving:
    """A block of calls of the driver: other threads wait, and so do handlers of signals.

    Raises: DeviceError in a finalizer that the garbage collector runs amid such a block, for the
    driver cannot be entered twice.
    """

    def __init__(self, gpu: Gpu):
        self._lock = gpu.lock
        self._waiting = interrupts_wait()  # of the thread that is inside
        self._entered = False

    def __enter__(self) -> None:
        waiting = interrupts_wait()
        waiting.__enter__()
        self._lock.acquire()
        if self._entered:
            self._lock.release()
            waiting.__exit__()
            raise DeviceError(
                "webgpu: a finalizer (__del__, a weakref's callback) used the device amid a call "
                "of its driver; tensors can be used when that has returned"
            )
        self._waiting, self._entered = waiting, True

    def __exit__(self, *exc: object) -> None:
        waiting, self._entered = self._waiting, False
        self._lock.release()
        waiting.__exit__()


class Gpu:
    """An open adapter: records dispatches, submits them in batches, moves bytes both ways.

    Its lock serialises all threads. In the main thread a handler of a signal may come between any
    two calls, work with the device itself, and raise: what it must not part is done with no call
    between, or in a block that it waits for (`driving`). `most_bound` asks for smaller bindings
    than the adapter's, and `most_bytes` for smaller buffers.
    """

    def __init__(self, adapter: Any, most_bound: int | None = None, most_bytes: int | None = None):
        check_process()
        headroom.require(headroom.device_bytes(), "opening a device")
        self.lost: str | None = None  # what the driver said when it gave the device up
        self.wgpu = importlib.import_module("wgpu")
        self.adapter = adapter
        self.info = dict(adapter.info)
        self.features = frozenset(adapter.features)
        wished = (HALF_FEATURE, "subgroup", "timestamp-query")
        wanted = [f for f in wished if f in self.features]
        limits = {k: v for k, v in adapter.limits.items() if k in LIMITS}
        for limit, wish in zip(LIMITS, (most_bytes, most_bound), strict=True):
            limits[limit] = min(limits[limit], wish or limits[limit])
        try:
            self.raw = adapter.request_device_sync(required_features=wanted, required_limits=limits)
        except Exception as error:
            text = f"webgpu: {self.info['device']} did not open: {error}"
            raise (OutOfMemoryError if _is_memory(error) else DeviceError)(text) from error
        self.limits = {k: int(v) for k, v in self.raw.limits.items()}
        self.facts = Facts.of(self.limits, self.features, self.info["adapter_type"] == "CPU")
        self.lock = threading.RLock()
        self._after_fork()
        forking.register(self, "lock", order=3, forget=Gpu._after_fork)
        self.has_large = False  # has there been a buffer that one binding does not hold?
        self.slot = max(32, self.limits["min-uniform-buffer-offset-alignment"])
        self._ring, self._spare = bytearray(RING_BYTES), bytearray(RING_BYTES)
        usage = self.wgpu.BufferUsage
        self._storage_usage = usage.STORAGE | usage.COPY_SRC | usage.COPY_DST
        self._uniforms = self.raw.create_buffer(
            size=RING_BYTES, usage=usage.UNIFORM | usage.COPY_DST | usage.COPY_SRC
        )
        # Held here, a buffer is never garbage. Were a tensor in a reference cycle its only owner,
        # the collector would run wgpu's destructor of the buffer too, just as ours returns it to
        # the pool; binding it later would end the process.
        self._alive: dict[Hashable, Buffer] = {}
        self._layouts: Recent[str] = Recent(LAYOUTS_KEPT)
        # Bind groups, each with the sets of its buffers that have its key.
        self._groups: Recent[tuple] = Recent(GROUPS_KEPT)
        self._texts: Shared[tuple[str, str], Pipeline] = Shared(PIPELINES_KEPT)
        self._stamps: tuple[Any, Any] | None = None  # a query set and the buffer it resolves to
        self._stamped = False  # does the next pass write them?
        self._work: list[_Dispatch] = []  # recorded, not submitted: the only state of a batch
        self._unsubmitted = 0
        self._next_uid = 0
        self.batch = 0
        self.dropped = 0  # buffers so far: who caches bind groups of its own lets go of them then

    def _after_fork(self) -> None:
        """Begin anew with the lock, which another thread may have held amid calls."""
        self.driving = _Driving(self)

    def check(self) -> None:
        """Raise ForkedError in a forked child, and DeviceError when the driver gave the device up.

        What is submitted to a lost device ends the process.
        """
        check_process()
        if self.lost is not None:
            raise DeviceError(
                f"webgpu: {self.info['device']} is lost to this process, with all tensors on it: "
                f"{self.lost}"
            )

    def failure(self, kind: type[WgradError], what: str, error: Exception) -> WgradError:
        """Return our own error for one of the driver's: OutOfMemoryError where memory was short."""
        words = " ".join(str(error).split())
        try:
            self.raw.create_buffer(size=16, usage=self._storage_usage)
        except Exception as lost:
            if "lost" in str(lost):
                self.lost = self.lost or " ".join(str(lost).split())
                kind = DeviceError
        return (OutOfMemoryError if _is_memory(error) else kind)(f"webgpu: {what}: {words}")

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
                return self._read(buffer.raw, offset, nbytes)
            host = bytearray(nbytes)
            for start in range(0, nbytes, MOVED_BYTES):
                size = min(MOVED_BYTES, nbytes - start)
                host[start : start + size] = self._read(buffer.raw, offset + start, size)
            return host

    def wait(self) -> None:
        """Return when everything recorded has run: a mapped read is what tells."""
        self.check()
        with self.lock:
            self.flush()
            self._read(self._uniforms, 0, 4)

    def _read(self, raw: Any, offset: int, nbytes: int) -> Any:
        headroom.require(2 * nbytes, f"a readback of {nbytes} bytes")
        COUNTERS.submits += 1  # the copy to readable memory
        self._unsubmitted = 0
        with self.driving:
            try:
                return self.raw.queue.read_buffer(raw, offset, nbytes)
            except Exception as error:
                what = f"a readback of {nbytes} bytes failed"
                raise self.failure(DeviceError, what, error) from error

    # Pipelines.
    def _layout(self, access: str) -> tuple[Any, Any]:
        """Return the explicit layouts of a shader whose buffers are used as `access` says."""
        found = self._layouts[access]
        if found is None:
            stage = self.wgpu.ShaderStage.COMPUTE
            entries: list[dict] = [
                {
                    "binding": 0,
                    "visibility": stage,
                    "buffer": {
                        "type": "uniform",
                        "has_dynamic_offset": True,
                        "min_binding_size": 0,
                    },
                }
            ]
            for i, use in enumerate(access, 1):
                kind = "read-only-storage" if use == "r" else "storage"
                entries.append({"binding": i, "visibility": stage, "buffer": {"type": kind}})
            group = self.raw.create_bind_group_layout(entries=entries)
            whole = self.raw.create_pipeline_layout(bind_group_layouts=[group])
            found = group, whole
            self._layouts.keep(access, found)
        return found

    def compile(self, code: str, access: str | int, label: str) -> Pipeline:
        """Return the pipeline of a shader text. Raises: ShaderError with the compiler's words.

        `access` has a letter for each storage buffer from binding 1 on, "r" where it is read and
        "w" where it is written; a number of them are read, and one more is written.
        """
        self.check()
        if isinstance(access, int):
            access = "r" * access + "w"
        headroom.require(0, f"compiling shader {label}")
        with self.driving:
            try:
                module = self.raw.create_shader_module(label=label, code=code)
                raw = self.raw.create_compute_pipeline(
                    label=label,
                    layout=self._layout(access)[1],
                    compute={"module": module, "entry_point": "main"},
                )
            except Exception as error:
                if _is_memory(error) or not str(error).strip():
                    what = f"shader {label} was not compiled"
                    raise self.failure(ShaderError, what, error) from error
                raise ShaderError(f"webgpu: shader {label} does not compile: {error}") from error
            COUNTERS.pipelines_compiled += 1
            return Pipeline(raw, access, label, code)

    def pipeline(self, code: str, access: str, label: str) -> Pipeline:
        """Return the pipeline of a shader text; one that is in use is not compiled again."""
        return self._texts.find((code, access), lambda: self.compile(code, access, label))

    # Recording.
    def launch(
        self, pipeline: Pipeline, buffers: tuple[Buffer, ...], params: bytes, groups: int
    ) -> None:
        """Record one dispatch of `groups` workgroups, folded into two dimensions.

        `buffers` are those of the bindings from 1 on; one that is written is bound once.
        """
        if groups == 0:
            return
        if _forked or self.lost is not None:
            self.check()
        with self.lock:
            size = len(params)
            key = (pipeline.access, *[b.uid for b in buffers])
            found = self._groups[key]
            group = self._bind(key, buffers) if found is None else found[0]
            while True:
                work, batch = self._work, self.batch
                last = work[-1] if work else None
                start = 0 if last is None else last.end
                if start + PARAMS_BYTES > RING_BYTES or len(work) >= BATCH:
                    self.flush()
                    continue
                for buffer in buffers:
                    buffer.batch = batch
                place = slice(start, start + size)
                end = start + -(-size // self.slot) * self.slot
                added = (_Dispatch(pipeline, group, start, end, groups),)
                # No call from here on: had a handler or a finalizer launched, it would show.
                if self._work is work and (work[-1] if work else None) is last:
                    self._ring[place] = params
                    work += added
                    return

    def bind_group(self, access: str, buffers: Sequence[Buffer], uniforms: Any) -> Any:
        """Return a new bind group: Params at a dynamic offset of `uniforms`, then the buffers."""
        entries: list[dict] = [
            {"binding": 0, "resource": {"buffer": uniforms, "offset": 0, "size": PARAMS_BYTES}}
        ]
        for i, buffer in enumerate(buffers, 1):
            if buffer.nbytes > self.facts.largest_binding:
                raise OutOfMemoryError(
                    f"webgpu: a kernel came for a tensor of {buffer.nbytes} bytes, and "
                    f"{self.info['device']} binds at most {self.facts.largest_binding} at once"
                )
            resource = {"buffer": buffer.raw, "offset": buffer.start, "size": buffer.nbytes}
            entries.append({"binding": i, "resource": resource})
        COUNTERS.bind_groups_created += 1
        with self.driving:
            try:
                return self.raw.create_bind_group(layout=self._layout(access)[0], entries=entries)
            except Exception as error:
                raise self.failure(DeviceError, "buffers were not bound", error) from error

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

    def timed(self, launches: Sequence[tuple[Pipeline, tuple[Buffer, ...], bytes, int]]) -> float:
        """Run at most BATCH launches in a submit of their own, and return how long they took.

        The GPU's own clock says so where it has one, in ticks, which WebGPU calls nanoseconds;
        the host's elsewhere.
        """
        with interrupts_wait(), self.lock:
            self.flush()
            try:
                for launch in launches:
                    self.launch(*launch)
                self._stamped = self._has_stamps()
                start = time.perf_counter()
                self.flush()
                if self._stamps is None:
                    self.wait()
                    return (time.perf_counter() - start) * 1e9
                raw = self._read(self._stamps[1], 0, 16)
                begin, end = memoryview(raw).cast("Q")
                return float(end - begin)
            finally:
                self._stamped = False

    def _has_stamps(self) -> bool:
        """Say whether the GPU times passes, and prepare it."""
        if self._stamps is None and "timestamp-query" in self.features:
            usage = self.wgpu.BufferUsage
            queries = self.raw.create_query_set(type="timestamp", count=2)
            target = self.raw.create_buffer(size=16, usage=usage.QUERY_RESOLVE | usage.COPY_SRC)
            self._stamps = queries, target
        return self._stamps is not None

    def flush(self) -> None:
        """Submit what is recorded. Raises: DeviceError when the driver refuses it."""
        with self.lock:
            if not self._work:
                return
            self.check()
            headroom.require(0, f"running {len(self._work)} kernels")
            with self.driving:
                if not self._work:  # a handler came before this block, and has submitted it
                    return
                # Together, for a finalizer may launch meanwhile: that belongs to the next batch.
                work, self._work, self._ring, self._spare, self.batch = (
                    self._work, [], self._spare, self._ring, self.batch + 1,
                )  # fmt: skip
                try:
                    commands = self._encode(work)
                except Exception as error:  # mistakes inside a pass surface only here
                    names = ", ".join(sorted({d.pipeline.label for d in work}))
                    what = f"the driver refused {len(work)} dispatches of {names}"
                    raise self.failure(DeviceError, what, error) from error
                # On the queue's own timeline, so earlier batches have read their parameters.
                self.raw.queue.write_buffer(self._uniforms, 0, self._spare, 0, work[-1].end)
                self.raw.queue.submit([commands])
                self._unsubmitted = 0
                COUNTERS.submits += 1
                COUNTERS.dispatches += len(work)

    def _encode(self, work: list[_Dispatch]) -> Any:
        """Return the command buffer of a batch: one encoder, one pass."""
        encoder = self.raw.create_command_encoder()
        stamps = self._stamps if self._stamped else None
        if stamps is None:
            compute = encoder.begin_compute_pass()
        else:
            places = {"beginning_of_pass_write_index": 0, "end_of_pass_write_index": 1}
            compute = encoder.begin_compute_pass(
                timestamp_writes={"query_set": stamps[0], **places}
            )
        bound = None
        for pipeline, group, start, _, groups in work:
            if pipeline is not bound:
                compute.set_pipeline(pipeline.raw)
                bound = pipeline
            compute.set_bind_group(0, group, (start,))
            compute.dispatch_workgroups(*folded(groups))
        compute.end()
        if stamps is not None:
            encoder.resolve_query_set(stamps[0], 0, 2, stamps[1], 0)
        return encoder.finish()


def _is_memory(error: Exception) -> bool:
    """Whether an error of the driver, or of Python, says that memory is short."""
    words = ("not enough memory", "out of memory", "can't start new thread")
    return isinstance(error, MemoryError) or any(w in str(error).lower() for w in words)
