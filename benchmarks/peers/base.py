"""What a peer is: it turns problems into steps, and knows when they have run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..problems import Problem

Step = Callable[[], tuple]
_folders: list[tempfile.TemporaryDirectory] = []  # of this process, which ends with it


def scratch(name: str) -> Path:
    """Return the path of a file that goes when this process ends."""
    if not _folders:
        _folders.append(tempfile.TemporaryDirectory())
    return Path(_folders[0].name) / name


class AbsentError(Exception):
    """This peer cannot take part, and the message says why."""


@dataclass(frozen=True)
class About:
    """A library with its version, and what it computes on."""

    library: str
    device: str
    software: bool = True  # whether that is no GPU
    adapter: str = ""  # the driver's name for it, where work goes through WebGPU


class Peer:
    """A library at work on a device: it has a method `mlp` for the problem `Mlp`, and so on.

    Such a method returns the step: a function of nothing that starts the work of one step and
    returns its outputs, a tuple of the library's own arrays.
    """

    checked = 3  # steps whose outputs are compared
    warm = 0  # steps from which on they take their usual time, if that are more

    def about(self) -> About:
        """Return the library's version, and what it computes on."""
        raise NotImplementedError  # every peer has its own

    def build(self, problem: Problem) -> Step:
        """Return the step of a problem. Raises: AbsentError."""
        name = type(problem).__name__
        method = getattr(self, name.lower(), None)
        if method is None:
            raise AbsentError(f"{name} is not written for it")
        return method(problem)

    def host(self, output: Any) -> np.ndarray:
        """Return an output as NumPy's."""
        return np.asarray(output)

    def wait(self) -> None:
        """Return when all steps that were started have run."""

    def kernels(self, step: Step) -> int | None:
        """Return how many kernels a step dispatches, where that is known; the step may run."""
        return None
