"""Steps that are undone on the device, as a GradScaler does: they do not count.

Which ones were is counted there, and read by the host before it needs the number of steps again.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..backends.tracing import changing, traced_by
from ..core.tracing import tracing
from ..creation import zeros
from ..dtypes import int32
from ..tensor import Tensor
from .settings import finder


class Undone:
    """The undone steps of an optimizer: `totals` has how many, for each choice of parameters."""

    def __init__(self, totals: dict[tuple[int, ...], Tensor]):
        self._totals = totals  # a program finds them in the optimizer, as its state
        self._known: dict[tuple[int, ...], int] = {}
        self.is_unsure = False

    def add(self, counted: tuple[int, ...], failed: Tensor, trace: int | None) -> None:
        """Count the step of some parameters as undone, where a bool on the device is true.

        `trace` is the one in which the optimizer was made, if any.
        """
        tracer = finder(trace)
        total = self._totals.get(counted)
        if total is None or total.device is not failed.device:
            changing(self._totals)
            with traced_by(None if tracer is not None else tracing()):  # what a program finds
                total = (
                    zeros((), dtype=int32, device=failed.device)
                    if total is None
                    else total.to(failed.device)
                )
            self._totals[counted] = total
        total.assign(total + failed.astype(int32))
        if tracer is not None:
            tracer.changing(self, "is_unsure")
            tracer.callbacks.append((self._doubt, ()))
        self.is_unsure = True

    def _doubt(self, by: int) -> None:
        """A run of a program may undo a step, as its trace did."""
        self.is_unsure = True

    def settle(self, steps: list[int]) -> None:
        """Take off the counts what was undone; waits for the device where that is not known."""
        if not self.is_unsure:
            return
        changing(self, "is_unsure", "_known")
        self.is_unsure, known = False, dict(self._known)
        with traced_by(None):  # of steps before those of a trace
            for counted, total in self._totals.items():
                now = int(total.item())
                _take(steps, counted, now - known.get(counted, 0))
                known[counted] = now
        self._known = known


def _take(steps: list[int], counted: Sequence[int], number: int) -> None:
    for i in counted if number else ():
        steps[i] -= number
