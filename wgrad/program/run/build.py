"""From a traced program to one that is ready to run on its device."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...backends.array import Storage
from ...backends.base import Device
from ...backends.families import Draw
from ..ir import Program
from ..lower import numpy
from ..passes import FUSION, SWITCHED_OFF, simplify
from ..passes.limits import Limits
from .plain import PlainExecutor


class Executor(Protocol):
    """A program ready to run, as the passes have left it."""

    program: Program
    device: Any

    def run(
        self, inputs: Sequence[Storage], draw: Draw, spare: list[Any] | None = None
    ) -> list[Storage]:
        """Run once: update `inputs` in place, and return the outputs' storages, in order.

        A run that raises has changed nothing outside. Outputs may take the buffers in `spare`, if
        nothing is written there by a run that raises.
        """


@dataclass
class History:
    """How a program came about: as it was traced, and the steps that each pass left."""

    traced: Program
    passes: list[tuple[str, int]] = field(default_factory=list)

    def note(self, name: str, program: Program) -> None:
        """Remember a pass."""
        self.passes.append((name, len(program.steps)))


def build(
    program: Program,
    device: Device,
    fuse: bool = True,
    without: Collection[str] = (),
    history: History | None = None,
) -> Executor:
    """Return what runs `program` on `device`, after all passes but those named in `without`.

    The environment variable WGRAD_PASSES_OFF names passes to leave out, too. Without `fuse` every
    op stays a call of the device. `history` is told what the passes did.
    """
    left_out = {*without, *SWITCHED_OFF.read()}
    note = (history or History(program)).note
    if not fuse:
        return PlainExecutor(simplify(program, Limits(), left_out | FUSION, note), device)
    if device.name == "numpy":
        left_out |= set(numpy.WITHOUT)
        return numpy.NumpyExecutor(simplify(program, numpy.LIMITS, left_out, note), device)
    # Imported where there is a WebGPU device, and so wgpu.
    from ...backends.webgpu.eager import WebGpuDevice
    from ..lower.webgpu import limits_for
    from .webgpu import WebGpuExecutor

    assert isinstance(device, WebGpuDevice)
    return WebGpuExecutor(simplify(program, limits_for(device.facts), left_out, note), device)
