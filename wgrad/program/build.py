"""From a captured program to one that is ready to run on its device."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from ..backends.base import Device, Storage
from .interpret import Draw, Interpreter
from .ir import Program
from .limits import Limits
from .lower import numpy
from .passes import FUSION, simplify


class Executor(Protocol):
    """A program ready to run, as the passes have left it."""

    program: Program

    def run(self, inputs: Sequence[Storage], draw: Draw) -> list[Storage]:
        """Run once: update `inputs` in place, and return the outputs' storages, in order."""


def build(
    program: Program, device: Device, fuse: bool = True, without: Collection[str] = ()
) -> Executor:
    """Return what runs `program` on `device`, after all passes but those named in `without`.

    Without `fuse` every op stays a call of the device.
    """
    if not fuse:
        return Interpreter(simplify(program, Limits(), {*without, *FUSION}), device)
    if device.name == "numpy":
        limits, left_out = numpy.LIMITS, {*without, *numpy.WITHOUT}
        return numpy.NumpyExecutor(simplify(program, limits, left_out), device)
    # Imported where there is a WebGPU device, and so wgpu.
    from ..backends.webgpu.kernels import WebGpuDevice
    from .lower.webgpu import WebGpuExecutor, limits_of

    assert isinstance(device, WebGpuDevice)
    return WebGpuExecutor(simplify(program, limits_of(device), without), device)
