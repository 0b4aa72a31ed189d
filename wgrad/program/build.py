"""From a captured program to one that is ready to run on its device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..backends.base import Device, Storage
from .interpret import Draw, Interpreter
from .ir import Program
from .limits import Limits
from .passes import PASSES, simplify


class Executor(Protocol):
    """A program ready to run, as the passes have left it."""

    program: Program

    def run(self, inputs: Sequence[Storage], draw: Draw) -> list[Storage]:
        """Run once: update `inputs` in place, and return the outputs' storages, in order."""


def build(program: Program, device: Device, fuse: bool) -> Executor:
    """Return what runs `program`, after the passes, on `device`."""
    without = () if fuse else set(PASSES) - {"constants", "common", "dead"}
    return Interpreter(simplify(program, Limits(), without), device)
