"""What an adapter can do at best: bytes and operations a second, measured by two small kernels."""

from __future__ import annotations

from . import shaders
from .cache import Results
from .eager import WebGpuDevice
from .problem import Kernel
from .tune import about

_SHADERS = ("roof_copy", "roof_fma")
COPIED = (1 << 22, 1 << 27)  # bytes from one buffer to another, on software and on hardware
THREADS = (1 << 12, 1 << 20)  # that compute there
OPERATIONS = 8192  # of each, see roof_fma.wgsl
REPEATS, ROUNDS = 4, 5  # dispatches a time, and times: the quickest counts


def measured(device: WebGpuDevice, again: bool = False) -> tuple[float, float]:
    """Return the bytes and the operations a second of an adapter, from the disk where they are.

    With `again` they are measured anew. Raises: OutOfMemoryError, DeviceError.
    """
    results = Results(about(device.gpu, _SHADERS), "roof")
    known = None if again else results.get("roof")
    if isinstance(known, list) and len(known) == 2 and all(_is_rate(x) for x in known):
        return known[0], known[1]
    rates = _bandwidth(device), _arithmetic(device)
    results.put("roof", list(rates))
    return rates


def _is_rate(x: object) -> bool:
    return isinstance(x, (int, float)) and x > 0


def _bandwidth(device: WebGpuDevice) -> float:
    facts = device.facts
    wanted = COPIED[not facts.is_software]
    nbytes = min(wanted, facts.largest_binding) // 1024 * 1024
    return 2 * nbytes / _seconds(device, "roof_copy", "rw", nbytes)


def _arithmetic(device: WebGpuDevice) -> float:
    threads = THREADS[not device.facts.is_software]
    return threads * OPERATIONS / _seconds(device, "roof_fma", "w", 16 * threads)


def _seconds(device: WebGpuDevice, name: str, access: str, nbytes: int) -> float:
    """Return how long a kernel takes over buffers of so many bytes, a vec4 a thread."""
    gpu = device.gpu
    pipeline = gpu.pipeline(Kernel(name.replace("_", " "), shaders.source(name), access))
    buffers = [gpu.create_buffer(nbytes) for _ in access]
    try:
        work = [(pipeline, tuple(buffers), b"", nbytes // 16 // 64)]
        gpu.timed(work)  # the driver compiles it now
        return min(gpu.timed(work * REPEATS) for _ in range(ROUNDS)) / REPEATS * 1e-9
    finally:
        for buffer in buffers:
            gpu.drop_buffer(buffer)
