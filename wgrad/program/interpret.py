"""Runs a program step by step through the methods of a device: slow, plain, the same everywhere.

It is what `fuse=False` means, what the passes and the generated kernels are compared with, and
what the bisection falls back on. Every statement of a fused step is a call of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..backends.array import Array, Number, Storage
from ..backends.base import Device
from ..backends.events import WATCHERS, Doing, during
from ..backends.families import Draw
from ..backends.tracing import Live
from .ir import Program, Step
from .slots import Ref


class Interpreter:
    """A program ready to run on a device."""

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
            made = told_step(self.program, self.device, step, storages, draw)
            for out, array in zip(step.outs, made, strict=True):
                storages[out.index] = array.storage
            for dead in dying:
                del storages[dead]
        ends = {i: storages[s] for i, s in self.program.updates.items()}
        for slot, x in zip(self.program.inputs, inputs, strict=True):
            if slot.index in ends:
                ends[slot.index].buffer = x.adopt(ends[slot.index].buffer)
        return [storages[s] for s in self.program.outputs]


def last_uses(program: Program) -> list[tuple[int, ...]]:
    """Return for each step the slots that nothing reads after it, kept ones left out."""
    seen = set(program.kept)
    rows: list[tuple[int, ...]] = []
    for step in reversed(program.steps):
        dying = (step.reads() | step.writes()) - seen
        seen |= dying
        rows.append(tuple(sorted(dying)))
    return rows[::-1]


def number(x: Number) -> Number:
    """Return the number that `x` is now."""
    return x.read() if isinstance(x, Live) else x


def told_step(program: Program, device: Device, *work: Any) -> list[Array]:
    """Do the work of one step as `run_step` does; kernels are told of as this step's."""
    if not WATCHERS:
        return run_step(device, *work)
    what = Doing(work[0].name, program.line_of(work[0]), replayed=True)
    return during(run_step, what, device, *work)


def run_step(device: Device, step: Step, storages: dict[int, Storage], draw: Draw) -> list[Array]:
    """Do the work of one step and return its outputs, dense and in memory of their own."""
    args = [
        Array(storages[x.slot], x.layout, x.dtype) if isinstance(x, Ref) else number(x)
        for x in step.inputs
    ]
    return step.work.now(draw).run(device, args)
