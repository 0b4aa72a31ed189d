"""Fixtures of the suite, besides those of wgrad's plugin, which pyproject.toml loads."""

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

import pytest_wgrad
import wgrad as wg
from pytest_wgrad import DEVICES, open_device
from wgrad import environment
from wgrad.backends.base import Device

__all__ = ["DEVICES", "need", "open_device"]  # for tests that open devices themselves

# Whatever was measured on this machine before, and is kept on disk, must not show in tests.
os.environ["WGRAD_CACHE_DIR"] = os.devnull

try:
    environment.Variable("WGRAD_FUZZ", environment.count, 0).read()  # for the fuzzing tests
except wg.errors.ArgumentError as error:
    raise pytest.UsageError(str(error)) from None

_configs: list[pytest.Config] = []  # that of this session


def need(name: str) -> Device:
    """Return a device; without it skip, or fail where the session requires it."""
    return pytest_wgrad.need(_configs[0], name)


@pytest.fixture
def device(wgrad_device: Device) -> Device:
    """Each device in turn, as the default one."""
    return wgrad_device


@pytest.fixture
def webgpu(request: pytest.FixtureRequest) -> Iterator[Device]:
    """The WebGPU device as the default one, for what only it can show."""
    with pytest_wgrad.entered(request.config, "webgpu") as device:
        yield device


@pytest.fixture
def numpy_device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """The NumPy device as the default one: the reference, and the home of float64."""
    with pytest_wgrad.entered(request.config, "numpy") as device:
        yield device


@pytest.fixture(autouse=True)
def _seeded() -> None:
    wg.manual_seed(0)
    np.random.seed(0)


@pytest.fixture(scope="module", autouse=True)
def _quick_collector() -> None:
    """Keep the collector to what a file's tests make: the tests before left packages and caches."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def rng() -> np.random.Generator:
    """Host-side random numbers, the same in every run."""
    return np.random.default_rng(0)


def pytest_configure(config: pytest.Config) -> None:
    """Let interrupts arrive, and let the processes that tests start share their bytecode."""
    _configs.append(config)
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
