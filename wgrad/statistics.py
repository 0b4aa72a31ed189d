"""Counters that show where work ran: how many dispatches, submits, readbacks, bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Counters:
    """What the WebGPU devices of this process have done so far."""

    dispatches: int = 0  # kernels launched
    submits: int = 0  # command buffers handed to the GPU
    uploads: int = 0  # host to device copies
    bytes_uploaded: int = 0
    readbacks: int = 0  # device to host copies, each of which waits for the GPU
    bytes_read: int = 0
    host_trips: int = 0  # operations that NumPy computed for the GPU: linalg's and fft's
    buffers_created: int = 0  # buffers that the pool did not have
    buffers_reused: int = 0  # buffers that it had
    bytes_allocated: int = 0  # device memory held now, the pool's included
    pipelines_compiled: int = 0
    compile_seconds: float = 0.0  # CPU time of this; software adapters do it at a first run
    bind_groups_created: int = 0


COUNTERS = Counters()
_before = Counters()  # what was counted before the counters last started again


def start_again() -> None:
    """Set the counters to zero; memory that is held is not a count, and stays."""
    for name in vars(COUNTERS):
        if name != "bytes_allocated":
            setattr(_before, name, getattr(_before, name) + getattr(COUNTERS, name))
            setattr(COUNTERS, name, type(getattr(COUNTERS, name))())


def whole() -> dict[str, float]:
    """Return what was done since the process began, however often counters started again."""
    return {name: getattr(_before, name) + getattr(COUNTERS, name) for name in vars(COUNTERS)}
