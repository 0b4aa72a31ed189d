"""Runs a program step by step through the methods of a device: slow, plain, the same everywhere.

It is what `fuse=False` means, what the passes and the generated kernels are compared with, and
what the bisection falls back on. Every statement of a fused step is a call of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...backends.array import Array, Storage
from ...backends.base import Device
from ...backends.events import WATCHERS, during
from ...backends.families import Draw
from ...backends.tracing import Live
from ..ir import Program, Ref, Step, last_uses


class PlainExecutor:
    """Runs a program step by step."""

    def __init__(self, program: Program, device: Device):
        self.program = program
        self.device = device
        self._dying = last_uses(program)

    def run(
        self, inputs: Sequence[Storage], draw: Draw, spare: list[Any] | None = None
    ) -> list[Storage]:
        """Run once: update `inputs` in place, and return the outputs' storages, in order."""
        storages = {s.index: x for s, x in zip(self.program.inputs, inputs, strict=True)}
        for step, dying in zip(self.program.steps, self._dying, strict=True):
            made = self._run_step(step, storages, draw)
            for out, array in zip(step.outs, made, strict=True):
                storages[out.index] = array.storage
            for dead in dying:
                del storages[dead]
        ends = {i: storages[s] for i, s in self.program.updates.items()}
        for slot, x in zip(self.program.inputs, inputs, strict=True):
            if slot.index in ends:
                ends[slot.index].buffer = x.adopt(ends[slot.index].buffer)
        return [storages[s] for s in self.program.outputs]

    def _run_step(self, step: Step, storages: dict[int, Storage], draw: Draw) -> list[Array]:
        """Do the work of one step and return its outputs, dense and in memory of their own."""
        operands: list[Any] = []
        for x in step.inputs:
            if isinstance(x, Ref):
                operands.append(Array(storages[x.slot], x.layout, x.dtype))
            else:
                operands.append(x.read() if isinstance(x, Live) else x)
        run = step.work.now(draw).run
        if not WATCHERS:
            return run(self.device, operands)
        # Observers are told of the device's kernels as of this step's.
        return during(run, self.program.doing(step), self.device, operands)
