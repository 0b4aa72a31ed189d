"""Fixtures of the suite: the device under test, and the proof that the GPU was really used.

`WGRAD_REQUIRE=webgpu` (a comma-separated list) turns the skips of what is missing into failures,
and fails a run in which WebGPU tests ran but nothing was ever dispatched.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import wgrad as wg
from wgrad import environment
from wgrad.backends.base import Device

# Whatever was measured on this machine before, and is kept on disk, must not show in tests.
os.environ["WGRAD_CACHE_DIR"] = os.devnull
DEVICES = ("numpy", "webgpu")


def _required(text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    for name in sorted(names.difference(DEVICES)):
        raise ValueError(f"{name!r} is none of {', '.join(DEVICES)}")
    return names


try:
    REQUIRED = environment.Variable("WGRAD_REQUIRE", _required, frozenset()).read()
    environment.Variable("WGRAD_FUZZ", environment.count, 0).read()  # for the fuzzing tests
except wg.errors.ArgumentError as error:
    raise pytest.UsageError(str(error)) from None

_opened: dict[str, Device | str] = {}  # a device, or the reason why there is none
_webgpu = {"tests": 0, "dispatches": 0}  # of this process; an xdist controller adds up its workers'


def open_device(name: str) -> Device | str:
    """Return the device, or why it cannot be had; asked once a process."""
    if name not in _opened:
        try:
            _opened[name] = wg.device(name)
        except wg.errors.WgradError as error:
            _opened[name] = str(error)
    return _opened[name]


def need(name: str) -> Device:
    """Return a device; without it skip, or fail where WGRAD_REQUIRE names it."""
    found = open_device(name)
    if isinstance(found, Device):
        return found
    if name in REQUIRED:
        pytest.fail(f"WGRAD_REQUIRE={name}, and there is none: {found}")
    pytest.skip(f"no {name} device: {found}")


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """Each device in turn, as the default one."""
    yield from _entered(request.param)


@pytest.fixture
def webgpu() -> Iterator[Device]:
    """The WebGPU device as the default one, for what only it can show."""
    yield from _entered("webgpu")


@pytest.fixture
def numpy_device() -> Iterator[Device]:
    """The NumPy device as the default one: the reference, and the home of float64."""
    yield from _entered("numpy")


def _entered(name: str) -> Iterator[Device]:
    found = need(name)
    before = wg.stats()["dispatches"]
    with found:
        yield found
    if name == "webgpu":
        after = wg.stats()["dispatches"]
        _webgpu["tests"] += 1
        _webgpu["dispatches"] += after - before if after >= before else after  # a test may reset


@pytest.fixture(autouse=True)
def _seeded() -> None:
    wg.manual_seed(0)
    np.random.seed(0)


@pytest.fixture
def rng() -> np.random.Generator:
    """Host-side random numbers, the same in every run."""
    return np.random.default_rng(0)


def pytest_configure(config: pytest.Config) -> None:
    """Let interrupts arrive, and let the processes that tests start share their bytecode."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as shells do for background jobs
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Where no bytecode may lie beside the sources, each of them would compile all of wgrad anew.
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", "") and "PYTHONPYCACHEPREFIX" not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="wgrad-bytecode-")
        config.add_cleanup(folder.cleanup)
        os.environ["PYTHONPYCACHEPREFIX"] = folder.name


def pytest_sessionstart() -> None:
    """Let the workers of xdist share what a fresh tree costs: 15 s of pytest's work on assertions.

    Each reads all test modules. Here it reads some that are its own, and the others will find
    these compiled. A module that cannot be read is reported when its turn comes.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    for path in sorted(Path(__file__).parent.glob("test_*.py"))[int(worker) :: count] * (count > 1):
        with contextlib.suppress(Exception, pytest.skip.Exception):
            importlib.import_module(path.stem)


def pytest_collection_finish() -> None:
    """Keep the collector to what tests make: it would walk all 17,000 of them every time."""
    gc.collect()
    gc.freeze()


def pytest_report_header() -> list[str]:
    lines = []
    for name in DEVICES:
        found = open_device(name)
        lines.append(
            f"{name}: {found.description}"
            if isinstance(found, Device)
            else f"{name}: none ({found})"
        )
    if REQUIRED:
        lines.append(f"required: {', '.join(sorted(REQUIRED))}")
    return lines


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Add up what the xdist workers did."""
    for key, count in getattr(node, "workeroutput", {}).get("webgpu", {}).items():
        _webgpu[key] += count


def _idle() -> bool:
    return "webgpu" in REQUIRED and _webgpu["tests"] > 0 and _webgpu["dispatches"] == 0


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["webgpu"] = dict(_webgpu)
    elif _idle():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _idle():
        terminalreporter.section("WebGPU was never used", red=True)
        terminalreporter.line(
            f"{_webgpu['tests']} WebGPU tests ran, and not one kernel was dispatched"
        )
    elif _webgpu["tests"]:
        terminalreporter.line(
            f"webgpu: {_webgpu['tests']} tests, {_webgpu['dispatches']} dispatches"
        )
