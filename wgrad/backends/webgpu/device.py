"""Adapters, as the driver lists them, and an open one. See gpu.py for what it does."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

from ... import forking
from ...errors import (
    DeviceError,
    ForkedError,
    OutOfMemoryError,
    WgradError,
)
from ...interrupts import interrupts_wait
from . import headroom, implementation
from .facts import HALF_FEATURE, Facts

# Asked for at the adapter's maximum; everything else is within the portable defaults.
LIMITS = ("max-buffer-size", "max-storage-buffer-binding-size")

NO_ADAPTER = (
    "no WebGPU adapter was found: install your GPU's Vulkan driver, or a software one (Debian and "
    "Ubuntu: apt-get install mesa-vulkan-drivers libvulkan1; Fedora: mesa-vulkan-drivers; Arch: "
    "vulkan-swrast)"
)


def no_adapter() -> str:
    """Return what is said where there is none."""
    here = implementation.chosen()
    if here is implementation.NATIVE:
        return NO_ADAPTER
    return f"{NO_ADAPTER}; {here.engine}, which WGRAD_WGPU chooses, takes fewer drivers than wgpu"


_lock = threading.RLock()
forking.register(sys.modules[__name__], "_lock", order=2)
_adapters: list[Any] | None = None
_refused: str | None = None
forked = False


def _after_fork() -> None:
    """In the child: refuse the inherited driver, and keep its destructors from waiting for it."""
    global forked
    every = implementation.ALL.values()
    forked = _adapters is not None or any(x.is_driving for x in every)
    if forked:
        # The driver's threads did not come along: releasing an object of theirs never returns.
        for each in every:
            each.release_nothing()
        # Nor do what it does at an exit: Mesa joins its threads there, and what became of their
        # stacks is anyone's. Called first of all, `_exit` gets the status and leaves the rest out.
        with contextlib.suppress(AttributeError, OSError):  # not every libc has on_exit
            libc = ctypes.CDLL(None)
            libc.on_exit(ctypes.cast(libc._exit, ctypes.c_void_p), None)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)


def check_process() -> None:
    """Raise ForkedError in a forked child, where the inherited driver would hang."""
    if forked:
        raise ForkedError(
            "webgpu: this process was forked after the GPU was opened, and a driver does not "
            'survive a fork: start it with multiprocessing.get_context("spawn")'
        )


def adapters() -> list[Any]:
    """Return the adapters of native backends (Vulkan, Metal, D3D12), OpenGL fallbacks left out.

    Raises: MissingDependencyError where the package of WebGPU is not installed, or does not load;
    DeviceError without an adapter, or where drivers are not to be loaded.
    """
    global _adapters
    check_process()
    if _refused is not None:
        raise DeviceError(f"webgpu: {_refused}")
    with interrupts_wait(), _lock:
        if _adapters is None:
            headroom.require(headroom.DRIVERS, "loading the drivers of this machine's GPUs")
            wgpu = implementation.chosen().load()
            try:
                with _no_word_of_wayland():
                    adapters = wgpu.gpu.enumerate_adapters_sync()
            except Exception as error:  # wgpu raises RuntimeError and its own kinds
                raise DeviceError(f"webgpu: {no_adapter()} ({error})") from error
            _adapters = [a for a in adapters if a.info["backend_type"] != "OpenGL"]
    return _adapters


def refuse(reason: str) -> None:
    """Load no drivers from here on: one of them would end the process, as another one found."""
    global _refused
    _refused = reason


@contextlib.contextmanager
def _no_word_of_wayland() -> Iterator[None]:
    """Keep the loader's layers from telling stderr, four times, that there is no Wayland.

    Mesa's layer device_select asks Wayland's server which GPU it shows pictures with, at every
    enumeration. The server's socket lies in XDG_RUNTIME_DIR, and libwayland prints an error where
    that is no absolute path (https://gitlab.freedesktop.org/wayland/wayland/-/blob/main/src/
    wayland-client.c, connect_to_socket); a folder without a socket it takes in silence. Where it
    would print, a folder that cannot exist stands in for as long as adapters are enumerated.
    """
    before = os.environ.get("XDG_RUNTIME_DIR")
    found = os.environ.get("WAYLAND_DISPLAY", "").startswith("/") or "WAYLAND_SOCKET" in os.environ
    if sys.platform == "win32" or found or (before or "").startswith("/"):
        yield
        return
    os.environ["XDG_RUNTIME_DIR"] = os.devnull
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before


class _Driving:
    """A block of calls of the driver: other threads wait, and so do handlers of signals.

    Raises: DeviceError in a finalizer that the garbage collector runs amid such a block, for the
    driver cannot be entered twice.
    """

    def __init__(self, gpu: Opened):
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


class Opened:
    """An open adapter as its driver has it, and what every call of the driver has to heed.

    Its lock serialises all threads. In the main thread a handler of a signal may come between any
    two calls, work with the device itself, and raise: what it must not part is done with no call
    between, or in a block that it waits for (`driving`). `most_bound` asks for smaller bindings
    than the adapter's, and `most_bytes` for smaller buffers.
    """

    def __init__(self, adapter: Any, most_bound: int | None = None, most_bytes: int | None = None):
        check_process()
        headroom.require(headroom.device_bytes(), "opening a device")
        self.lost: str | None = None  # what the driver said when it gave the device up
        self.implementation = implementation.chosen()
        self.wgpu = self.implementation.module
        self.adapter = adapter
        self.info = dict(adapter.info)
        self.features = self.implementation.features(adapter.features)
        wished = (HALF_FEATURE, "subgroup", "timestamp-query")
        wanted = [self.implementation.spelled(f) for f in wished if f in self.features]
        limits = {k: v for k, v in adapter.limits.items() if k in LIMITS}
        for limit, wish in zip(LIMITS, (most_bytes, most_bound), strict=True):
            limits[limit] = min(limits[limit], wish or limits[limit])
        try:
            self.raw = adapter.request_device_sync(required_features=wanted, required_limits=limits)
        except Exception as error:
            text = f"webgpu: {self.info['device']} did not open: {error}"
            raise (OutOfMemoryError if is_short(error) else DeviceError)(text) from error
        self.limits = {k: int(v) for k, v in self.raw.limits.items()}
        self.period = self.implementation.period(self.raw)
        self.facts = Facts.of(self.limits, self.features, self.info["adapter_type"] == "CPU")
        self.lock = threading.RLock()
        self._after_fork()
        forking.register(self, "lock", order=3, forget=Opened._after_fork)
        usage = self.wgpu.BufferUsage
        self._storage_usage = usage.STORAGE | usage.COPY_SRC | usage.COPY_DST

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
        return (OutOfMemoryError if is_short(error) else kind)(f"webgpu: {what}: {words}")


def is_short(error: Exception) -> bool:
    """Whether an error of the driver, or of Python, says that memory is short."""
    words = ("not enough memory", "out of memory", "can't start new thread")
    return isinstance(error, MemoryError) or any(w in str(error).lower() for w in words)
