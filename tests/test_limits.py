"""Memory that is short, and forks while threads work: our own errors, and no process that dies."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import forking
from wgrad.backends.base import Device
from wgrad.backends.webgpu import headroom
from wgrad.backends.webgpu.eager import WebGpuDevice
from wgrad.backends.webgpu.gpu import Gpu
from wgrad.errors import DeviceError, OutOfMemoryError

resource = pytest.importorskip("resource")
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own."""
    script = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(script, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def own(webgpu: Device) -> Iterator[WebGpuDevice]:
    """A device of its own, which a test may break."""
    assert isinstance(webgpu, WebGpuDevice)
    device = WebGpuDevice(webgpu.name, Gpu(webgpu.gpu.adapter))
    with device:
        yield device


# Limits on address space.
LIMITED = """
    import resource, sys
    import wgrad as wg
    def left(mebibytes):
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (mebibytes << 20),) * 2)
    {before}
    try:
        {work}
    except wg.errors.OutOfMemoryError as error:
        print(error)
    else:
        sys.exit("no error")
    with wg.device("numpy"):
        assert wg.ones(3).sum().item() == 3
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits are looked at on Linux")
@pytest.mark.parametrize(
    ("before", "work", "says"),
    [
        ("left(700)", "wg.device('webgpu')", "opening a device"),
        (
            "x = wg.ones((64, 64), device='webgpu'); x.numpy(); left(30)",
            "print(sum((x @ x + i).exp().sum().item() for i in range(100)))",
            "address space",
        ),
    ],
    ids=["device", "work"],
)
def test_limit_on_address_space_is_our_own_error(
    webgpu: Device, before: str, work: str, says: str
) -> None:
    done = run(LIMITED.format(before=before, work=work))
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert says in done.stdout and "ulimit" in done.stdout


def test_headroom_is_the_least_of_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {resource.RLIMIT_AS: resource.RLIM_INFINITY, resource.RLIMIT_DATA: -1}
    limits[resource.RLIMIT_DATA] = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limits.get(which, 1 << 23), 0))
    assert headroom.left() is None
    headroom.require(1 << 60, "anything")
    monkeypatch.setattr(headroom, "_used", lambda word: 1000 * (word + 1))
    limits[resource.RLIMIT_AS] = 50_000
    assert headroom.left() == 49_000
    limits[resource.RLIMIT_DATA] = 40_000
    assert headroom.left() == 34_000
    limits[resource.RLIMIT_DATA] = 10
    assert headroom.left() == 0
    monkeypatch.setattr(headroom, "_used", lambda word: None)  # where nobody says
    assert headroom.left() is None
    few, many = 2, 64
    monkeypatch.setattr(os, "cpu_count", lambda: few)
    small = headroom.device_bytes()
    monkeypatch.setattr(os, "cpu_count", lambda: many)
    assert headroom.device_bytes() > small


def test_work_that_has_no_room_is_done_when_there_is(
    own: WebGpuDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = wg.tensor([1.0, 2.0])
    spare = x + 2
    y = x + 1
    del spare  # the pool keeps its buffer
    with monkeypatch.context() as short:
        short.setattr(headroom, "left", lambda: 1000)
        with pytest.raises(OutOfMemoryError, match="running 2 kernels needs"):
            y.numpy()
        with pytest.raises(OutOfMemoryError, match="compiling shader"):
            wg.acosh(x)
        with pytest.raises(OutOfMemoryError, match=r"\d bytes of address space"):
            wg.zeros(10_000)
    assert y.tolist() == [2, 3]
    assert wg.zeros(10_000).sum().item() == 0


def test_a_buffer_beyond_the_machines_memory_is_refused(
    webgpu: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(webgpu, WebGpuDevice)
    if not webgpu.facts.is_software:
        pytest.skip("a GPU has memory of its own")
    monkeypatch.setattr(headroom, "_available", lambda: 70_000_000)
    with pytest.raises(OutOfMemoryError, match="takes memory of this machine, of which 70000000"):
        wg.zeros((1 << 25) - 1)
    assert wg.zeros(1 << 20).sum().item() == 0


# What the driver says.
class Failing:
    """Stands for an object of the driver, and raises in some of its methods."""

    def __init__(self, real: Any, words: str, *methods: str):
        self._real, self._words, self._methods = real, words, methods

    def __getattr__(self, name: str) -> Any:
        if name in self._methods:
            raise RuntimeError(f"Validation Error\n\nCaused by:\n  {self._words}")
        return getattr(self._real, name)


MEMORY = "Not enough memory left."


@pytest.mark.parametrize(
    ("method", "work"),
    [
        ("create_buffer", lambda x: wg.zeros(77_777)),
        ("create_bind_group", lambda x: x + x),
        ("create_shader_module", lambda x: wg.atanh(x)),
        ("create_compute_pipeline", lambda x: wg.asinh(x)),
        ("create_command_encoder", lambda x: (x * 3).numpy()),
    ],
)
def test_memory_that_the_driver_lacks_is_our_own_error(
    method: str, work: Any, own: WebGpuDevice
) -> None:
    x = wg.tensor([0.25])
    (x * 2).numpy()
    real = own.gpu.raw
    own.gpu.raw = Failing(real, MEMORY, method)
    try:
        with pytest.raises(OutOfMemoryError, match=MEMORY):
            work(x)
    finally:
        own.gpu.raw = real
    assert (x * 2).item() == 0.5


def test_uploads_and_readbacks_without_memory_are_our_own_error(own: WebGpuDevice) -> None:
    x = wg.tensor([0.25])
    x.numpy()
    real = own.gpu.raw

    class Device(Failing):
        queue = Failing(real.queue, MEMORY, "write_buffer", "read_buffer")

    own.gpu.raw = Device(real, MEMORY)
    for work in (lambda: wg.tensor([1.0]), x.numpy, own.synchronize):
        with pytest.raises(OutOfMemoryError, match=MEMORY):
            work()
    own.gpu.raw = real
    assert x.item() == 0.25


def test_a_lost_device_is_given_nothing_more(own: WebGpuDevice) -> None:
    x = wg.tensor([0.25])
    compiled = wg.compile(lambda x: x * 7)
    for _ in range(3):
        compiled(x)
    y = x * 2
    real = own.gpu.raw
    own.gpu.raw = Failing(real, "Parent device is lost", "create_buffer", "create_bind_group")
    with pytest.raises(DeviceError, match="Parent device is lost"):
        wg.tensor([1.0, 2.0]) + 1
    own.gpu.raw = real
    before = wg.stats()["submits"]
    for work in (y.numpy, lambda: x + 1, lambda: wg.ones(3), own.synchronize, lambda: compiled(x)):
        with pytest.raises(DeviceError, match="is lost to this process"):
            work()
    assert wg.stats()["submits"] == before
    with wg.device("webgpu"):
        assert (wg.tensor([1.0]) + 1).item() == 2


# Forks.
@posix
def test_fork_while_threads_work_leaves_a_child_that_works(webgpu: Device) -> None:
    done = run("""
        import os, sys, threading, time, warnings
        import wgrad as wg
        warnings.simplefilter("ignore")  # of Python, about forks with threads
        gpu = wg.device("webgpu")
        shared = wg.compile(lambda x: (x * 2 + 1).sum())
        def work(device):
            with device:
                x = wg.ones((50, 50))
                while True:
                    shared(x), (x @ x).tanh().sum().item(), wg.randn(3).numpy()
        for device in (gpu, gpu, wg.device("numpy")):
            threading.Thread(target=work, args=(device,), daemon=True).start()
        time.sleep(0.5)
        for turn in range(4):
            pid = os.fork()
            if pid == 0:
                with wg.device("numpy"):
                    x = wg.ones((50, 50))
                    assert [shared(x).item() for _ in range(3)] == [7500] * 3
                    wg.randn(3)
                for function in (wg.abs, shared):
                    try:
                        function(wg.ones(3, device=gpu))
                    except wg.errors.ForkedError:
                        pass
                    else:
                        os._exit(4)
                if turn % 2:
                    os._exit(0)
                threading.Thread(target=print).start()
                sys.exit(0)  # what the driver does at an exit is left out
            end = time.monotonic() + 20
            while (found := os.waitpid(pid, os.WNOHANG))[0] == 0:
                if time.monotonic() > end:
                    os.kill(pid, 9)
                    os._exit(5)
                time.sleep(0.01)
            if found[1]:
                print(turn, found[1], file=sys.stderr)
                os._exit(6)
        os._exit(0)
        """)
    assert done.returncode == 0, (done.returncode, done.stderr)


class Owner:
    """Holds a lock, and what it guards."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.whole = True

    def forget(self) -> None:
        self.whole = True


@posix
def test_fork_replaces_a_lock_that_is_held_for_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "WAIT", 0.01)
    owner, kept = Owner(), Owner()
    forking.register(owner, "lock", order=9, forget=Owner.forget)
    forking.register(kept, "lock", order=9, forget=lambda owner: os._exit(7))
    inside, done = threading.Event(), threading.Event()

    def hold() -> None:
        with owner.lock:
            owner.whole = False
            inside.set()
            done.wait(30)
            owner.whole = True

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(30)
    before = owner.lock, kept.lock
    with pytest.warns(DeprecationWarning) if sys.version_info >= (3, 12) else _nothing():
        pid = os.fork()
    if pid == 0:
        free = owner.lock.acquire(blocking=False) and kept.lock.acquire(blocking=False)
        os._exit(0 if free and owner.whole and kept.lock is before[1] else 3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    done.set()
    thread.join()
    assert before == (owner.lock, kept.lock) and kept.lock.acquire(blocking=False)


class _nothing:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        pass


@posix
def test_fork_waits_for_what_is_half_done() -> None:
    owner = Owner()
    forking.register(owner, "lock", order=9)
    inside, waiting = threading.Event(), np.zeros(1)

    def hold() -> None:
        with owner.lock:
            owner.whole = False
            inside.set()
            while not waiting[0]:
                pass
            owner.whole = True

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(30)
    real = forking._before
    assert callable(real)
    threading.Timer(0.1, lambda: waiting.__setitem__(0, 1)).start()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if owner.whole else 3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    thread.join()
