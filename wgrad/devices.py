"""Which devices there are, which one is meant (names, the default, the environment), what they did.

Knows the backends; nothing below it knows this module. wgpu is imported only when a WebGPU device
is asked for, or all are listed.
"""

from __future__ import annotations

import logging
import os
from dataclasses import asdict, dataclass, field

import numpy as np

from . import environment
from .backends.base import Device, current_device
from .backends.numpy import NumpyDevice
from .backends.tracing import tracing
from .errors import DeviceError, MissingDependencyError, shown
from .statistics import COUNTERS, start_again

log = logging.getLogger("wgrad")

_MAKES = ("cuda", "mps", "xpu", "rocm", "tpu")  # what others call GPUs
_numpy = NumpyDevice()
_opened: dict[int, Device] = {}  # the GPUs in use, which live as long as the process
_chosen: Device | None = None  # what set_default_device() was told
_automatic: Device | None = None  # what "auto" was resolved to, which does not change
_from_environment: tuple[str, Device] | None = None


@dataclass(frozen=True)
class DeviceInfo:
    """One row of `devices()`: `name` is what `device()` takes."""

    name: str
    adapter: str
    type: str  # "CPU" for software, "DiscreteGPU", "IntegratedGPU", ...
    backend: str  # "NumPy", "Vulkan", "Metal", "D3D12"
    driver: str  # what it says of itself and its version: "Mesa 22.3.6 (LLVM 15.0.6)"
    dtypes: tuple[str, ...]
    features: tuple[str, ...] = field(repr=False, default=())
    limits: dict[str, int] = field(repr=False, default_factory=dict)
    implementation: str = ""  # of WebGPU, and its package: "wgpu 0.32.0 (wgpu-native)"


def devices() -> list[DeviceInfo]:
    """Return the NumPy device and every WebGPU adapter with its name, type, features and limits.

    >>> wg.devices()[0].name  # the others are adapters of this machine
    'numpy'
    """
    names = tuple(sorted(d.name for d in _numpy.dtypes))
    version = f"NumPy {np.__version__}"
    first = [DeviceInfo("numpy", _numpy.description, "CPU", "NumPy", version, names)]
    from .backends.webgpu import adapters

    return [*first, *(DeviceInfo(**row) for row in adapters.describe())]


def device(name: str | Device | None = None) -> Device:
    """Return the device of a name: "numpy", "webgpu", "webgpu:<part of an adapter's name>", "auto".

    "cpu" is another name for "numpy", and "gpu" for "webgpu". None means the default device; "auto"
    takes a hardware GPU where there is one and NumPy otherwise, since a software adapter is slower
    than NumPy. The result is a context manager that makes the device the default inside a `with`
    block.

    Raises: DeviceError when there is no such device, in a sentence that says what to install.

    >>> with wg.device("numpy"):
    ...     x = wg.zeros(3)
    >>> x.device.name
    'numpy'
    """
    if isinstance(name, Device):
        return name
    if name is None:
        return default_device()
    text = name if isinstance(name, str) else ""
    kind, _, part = text.partition(":")
    if text in ("numpy", "cpu"):
        return _numpy
    if text == "auto":
        return _auto()
    if kind in ("webgpu", "gpu") and (text == kind or part.strip()):
        return _gpu(part.strip())
    hint = '; a GPU is "webgpu" here, of whatever make' if kind in _MAKES else ""
    raise DeviceError(
        f'device {shown(name)} is unknown: "numpy", "webgpu", '
        f'"webgpu:<part of an adapter\'s name>" or "auto" is needed{hint}'
    )


def default_device() -> Device:
    """Return the device that new tensors go to.

    In this order: the innermost `with device:` block, `set_default_device`, the environment
    variable WGRAD_DEVICE, "auto".

    >>> with wg.device("numpy"):
    ...     print(wg.default_device().name)
    numpy
    """
    chosen = current_device() or _chosen
    return chosen if chosen is not None else _environment_device()


def set_default_device(name: str | Device | None) -> None:
    """Choose the device that new tensors go to; None goes back to WGRAD_DEVICE or "auto".

    >>> wg.set_default_device("numpy")
    >>> wg.zeros(3).device.name
    'numpy'
    >>> wg.set_default_device(None)  # back to WGRAD_DEVICE, or "auto"
    """
    global _chosen
    if (tracer := tracing()) is not None:
        tracer.refuse(
            "the function calls set_default_device, which would not be done again: call it outside"
        )
    _chosen = None if name is None else device(name)


def synchronize(name: str | Device | None = None) -> None:
    """Wait until a device has done all work given to it; without a name, all devices in use.

    Work on a GPU is handed over and runs later, so what is to be timed ends with this. What reads
    values (`x.numpy()`, `print(x)`) waits by itself. Raises: DeviceError.

    >>> y = wg.ones((4, 4)) @ wg.ones((4, 4))
    >>> wg.synchronize()  # here the product is done, also on a GPU
    """
    if (tracer := tracing()) is not None:
        tracer.refuse(
            "the function calls wg.synchronize, which would not be done again: call it outside"
        )
    if name is not None:
        device(name).synchronize()
        return
    for opened in list(_opened.values()):
        opened.synchronize()


def stats(reset: bool = False) -> dict[str, int]:
    """Return what the WebGPU devices did in this process; all zeros when only NumPy ran.

    `dispatches` above zero is the proof that kernels ran on the adapter. With `reset` the
    counters start again at zero (memory held is not a count and stays).

    >>> with wg.device("numpy"):
    ...     before = wg.stats()["dispatches"]
    ...     y = wg.exp(wg.zeros(3))
    >>> wg.stats()["dispatches"] - before  # no kernel ran on a GPU
    0
    """
    if (tracer := tracing()) is not None:
        tracer.cannot_repeat("calls wg.stats", ": the answer may be another at each call")
    counts = asdict(COUNTERS)
    if reset:
        start_again()
    return counts


def _environment_device() -> Device:
    global _from_environment
    name = os.environ.get("WGRAD_DEVICE") or "auto"
    if _from_environment is None or _from_environment[0] != name:
        environment.check()
        try:
            _from_environment = name, device(name)
        except DeviceError as error:
            raise DeviceError(f"WGRAD_DEVICE={name}: {error}") from error
    return _from_environment[1]


def _gpu(part: str) -> Device:
    from .backends.webgpu import adapters

    opened = adapters.open_device(part)
    _opened[id(opened)] = opened
    return opened


def _auto() -> Device:
    """Resolve "auto" once, and say what it is."""
    global _automatic
    if _automatic is None:
        try:
            from .backends.webgpu import adapters

            part = adapters.hardware_name()
        except (DeviceError, MissingDependencyError) as error:
            part = None
            reason = str(error)
        else:
            reason = "no hardware GPU was found"
        if part is None:
            _automatic = _numpy
            log.info('device "auto" is numpy: %s', reason)
        else:
            _automatic = _gpu(part)
            log.info('device "auto" is %s: %s', _automatic.name, _automatic.description)
    return _automatic
