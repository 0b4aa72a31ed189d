"""The roof: what a device can do at best, which kernels are compared with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backends.base import Device
from ..backends.timing import untimed
from ..recent import Recent

ELEMENTS = 1 << 22  # of an array that NumPy copies
SIDE = 512  # of the matrices that it multiplies
ROUNDS = 20  # the quickest counts


@dataclass(frozen=True)
class Roof:
    """What a device did at best: `bandwidth` in bytes a second, read and written, and `flops`.

    `flops` are operations with float32 a second; a multiplication and an addition are two.
    """

    device: str
    bandwidth: float
    flops: float

    def share(self, nbytes: int, flops: int | None, seconds: float) -> tuple[float, str]:
        """Return how near work came to the roof (1 is all), and which: "memory" or "arithmetic"."""
        if seconds <= 0:
            return 0.0, "memory"
        memory = nbytes / seconds / self.bandwidth
        arithmetic = (flops or 0) / seconds / self.flops
        return max((memory, "memory"), (arithmetic, "arithmetic"))

    def __str__(self) -> str:
        return (
            f"{self.device} moves {self.bandwidth / 1e9:.3g} GB/s and computes "
            f"{self.flops / 1e9:.3g} GFLOP/s at best"
        )


_known: Recent[Device] = Recent(32)


def roof_of(device: Device, again: bool = False) -> Roof:
    """Return the roof of a device, measured at the first call, or `again`."""
    roof = None if again else _known[device]
    if roof is None:
        roof = _measured(device, again)
        _known.keep(device, roof)
    return roof


def _measured(device: Device, again: bool) -> Roof:
    """Measure a device; a GPU `again` where its roof is on disk. Raises: as its kernels do."""
    with untimed():
        if device.launches:
            from ..backends.webgpu import roof

            gpu: Any = device
            return Roof(device.name, *roof.measured(gpu, again))
        return Roof(device.name, *_of_numpy())


def _of_numpy() -> tuple[float, float]:
    source, target = np.ones(ELEMENTS, np.float32), np.empty(ELEMENTS, np.float32)
    a = np.ones((SIDE, SIDE), np.float32)
    bandwidth = 2 * source.nbytes / _quickest(lambda: np.copyto(target, source))
    return bandwidth, 2 * SIDE**3 / _quickest(lambda: a @ a)


def _quickest(work: Callable[[], object]) -> float:
    work()
    durations = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        durations.append(time.perf_counter() - start)
    return max(min(durations), 1e-9)
