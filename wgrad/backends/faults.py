"""Integers out of range that a program met: what it notes about them, and the error they become.

Each range check of a program has a record of two int32: how many integers were out of range in the
first run in which some were, and one of them. Knows no op, and no program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import WgradError
from ..layout import Layout
from .array import Array


@dataclass(frozen=True)
class Allowed:
    """What integers may be: from `least` to `greatest`, or `besides`; and the error for others.

    `error` takes one of the others and how the message goes on.
    """

    least: int
    greatest: int
    besides: int | None
    error: Callable[[int, str], WgradError]

    @property
    def limits(self) -> tuple[int, int, int | None]:
        """What `outlier` takes."""
        return self.least, self.greatest, self.besides

    def holds(self, ends: tuple[int, int] | None) -> bool:
        """Whether all that lies in an interval is allowed."""
        return ends is not None and self.least <= ends[0] and ends[1] <= self.greatest

    def excludes(self, ends: tuple[int, int] | None) -> bool:
        """Whether nothing that lies in an interval is allowed."""
        if ends is None or (self.besides is not None and ends[0] <= self.besides <= ends[1]):
            return False
        return ends[1] < self.least or self.greatest < ends[0]


class Check(NamedTuple):
    """One range check: the error for one integer and how its message goes on; and its place."""

    error: Callable[[int, str], Exception]
    place: str
    unsigned: bool


class Faults:
    """The records of a program's checks, in device memory that its runs write to."""

    def __init__(self, records: Array, checks: Sequence[Check]):
        self.records = records
        self.checks = tuple(checks)

    def settle(self) -> Exception | None:
        """Return the error for what runs have noted until now, and clear the records.

        Waits for the device.
        """
        device = self.records.storage.device
        notes = device.download(self.records)
        errors = [
            _error(check, int(count), int(worst))
            for check, (count, worst) in zip(self.checks, notes, strict=True)
            if count
        ]
        if not errors:
            return None
        clear = device.full(notes.shape, 0, self.records.dtype)
        device.write(self.records.view(Layout.dense(notes.shape)), clear)
        return errors[0]


def _error(check: Check, count: int, worst: int) -> Exception:
    worst = worst & 0xFFFFFFFF if check.unsigned else worst
    others = {1: "", 2: " and another one"}.get(count, f" and {count - 1} others")
    return check.error(
        worst,
        f"; a compiled function computed it{others} at {check.place}, and the run in which it did "
        "has left what it would have assigned to as it was",
    )
