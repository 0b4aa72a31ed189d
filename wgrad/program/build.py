"""From a captured program to one that is ready to run on its device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..backends.base import Device, Storage
from .interpret import Draw, Interpreter
from .ir import Program


class Executor(Protocol):
    """A program ready to run."""

    def run(self, inputs: Sequence[Storage], draw: Draw) -> list[Storage]:
        """Run once: update `inputs` in place, and return the outputs' storages, in order."""


def build(program: Program, device: Device, fuse: bool) -> Executor:
    """Return what runs `program`, as passes have left it, on `device`."""
    return Interpreter(program, device)
