"""Programs as traces leave them, before any pass: where tests of passes and executors start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

from wgrad.backends.array import Array, Storage
from wgrad.backends.base import Device
from wgrad.backends.families import Draw
from wgrad.layout import Layout
from wgrad.program.compile import compile
from wgrad.program.ir import Program
from wgrad.program.run import executors
from wgrad.program.run.plain import PlainExecutor


class Traced:
    """A program, where it runs, and the inputs and random numbers of the call that was traced."""

    def __init__(self, program: Program, device: Device):
        self.program = program
        self.device = device
        self.inputs: list[Storage] = []
        self.draw: Draw

    def copies(self) -> list[Storage]:
        """Return the inputs as they were, in memory of their own."""
        return _copies(self.program, self.inputs)

    def run(self, inputs: Sequence[Storage], draw: Draw) -> list[Storage]:
        """Note the inputs, then run the program step by step: what compile asks of an executor."""
        self.inputs, self.draw = _copies(self.program, inputs), draw
        return PlainExecutor(self.program, self.device).run(inputs, draw)


def traced(f: Callable, *args: Any) -> Traced:
    """Return what f(*args) does, which it has done once when this returns."""
    found: list[Traced] = []

    def note(program: Program, device: Device, *_: Any, **__: Any) -> Traced:
        found.append(Traced(program, device))
        return found[-1]

    with mock.patch.object(executors, "build", note):
        compile(f)(*args)
    if not found:
        raise LookupError("the function runs nothing on a device")
    (one,) = found
    return one


def _copies(program: Program, storages: Sequence[Storage]) -> list[Storage]:
    return [
        s.device.copy(Array(s, Layout.dense((s.size,)), slot.dtype)).storage
        for slot, s in zip(program.inputs, storages, strict=True)
    ]
