"""Alternating rounds: every contender runs once a round, so drift of the machine hits all alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass
class Case:
    """One comparison: `ours` against `theirs`, and the ratio that is aimed at.

    `goal` is at least this many times faster when it is above 1, else at most this many times
    slower: "at least 10" is 10.0, "at most 4 times" is 1 / 4.
    """

    name: str
    ours: Callable[[], None]
    theirs: Callable[[], None]
    goal: float
    against: str


@dataclass
class Row:
    """The medians of a case in seconds, and how many times faster ours is."""

    case: Case
    ours: float
    theirs: float

    @property
    def speedup(self) -> float:
        return self.theirs / self.ours

    @property
    def met(self) -> bool:
        return self.speedup >= self.case.goal


def measure(case: Case, rounds: int = 9) -> Row:
    """Warm both up twice, then time them in turn."""
    for _ in range(2):
        case.ours()
        case.theirs()
    ours, theirs = [], []
    for _ in range(rounds):
        for run, times in ((case.ours, ours), (case.theirs, theirs)):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
    return Row(case, median(ours), median(theirs))


def describe(row: Row) -> tuple[str, ...]:
    """Return a row of the printed table."""
    goal, speedup = row.case.goal, row.speedup
    ratio = f"{speedup:.2f} x faster" if speedup >= 1 else f"{1 / speedup:.2f} x slower"
    wanted = f"at least {goal:g} x faster" if goal >= 1 else f"at most {1 / goal:g} x slower"
    return (
        row.case.name,
        f"{row.ours * 1e3:.3f}",
        f"{row.theirs * 1e3:.3f}",
        row.case.against,
        ratio,
        wanted,
        "met" if row.met else "MISSED",
    )
