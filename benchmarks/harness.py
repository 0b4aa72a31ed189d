"""Alternating rounds: every contender runs once a round, so drift of the machine hits all alike.

Nothing is timed that did not return what ours returned.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from .cases import Case
from .peers.base import AbsentError
from .workers import Built, Pool

ROUND = 0.1  # seconds that a contender's round takes about
STEPS = 500  # of a round at most
PAUSE = 0.05  # between rounds: threads of the one before may spin for a while
TOLERANCE = 1e-3  # of the largest element of an output


@dataclass
class Timing:
    """How one contender did: the seconds of a step in every round, or why it is absent."""

    name: str
    seconds: list[float] = field(default_factory=list)
    kernels: int | None = None
    absent: str | None = None

    @property
    def median(self) -> float:
        return median(self.seconds)


@dataclass
class Row:
    """Ours against one contender; against None, the case's limit is what counts."""

    case: Case
    ours: Timing
    theirs: Timing | None
    goal: float | None  # at least so many times faster; below 1, at most so many times slower

    @property
    def absent(self) -> str | None:
        """Why there is nothing to compare, if so."""
        return self.ours.absent or (self.theirs.absent if self.theirs is not None else None)

    @property
    def speedup(self) -> float | None:
        """How many times faster ours is."""
        if self.theirs is None or self.absent:
            return None
        return self.theirs.median / self.ours.median

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None where there is no goal, or nothing to compare."""
        if self.absent:
            return None
        if self.theirs is None:
            limit, kernels = self.case.limit, self.case.kernels
            in_time = limit is None or self.ours.median <= limit
            return in_time and (kernels is None or self.ours.kernels == kernels)
        speedup = self.speedup
        return None if self.goal is None or speedup is None else speedup >= self.goal


def measure(case: Case, pool: Pool, rounds: int) -> list[Row]:
    """Check a case's contenders against ours, time them in turn, and return its rows."""
    timings = {name: Timing(name) for name in (case.ours, *case.goals)}
    built: dict[str, Built] = {}
    reference: str | None = None
    for name, timing in timings.items():
        if pool.contenders[name].fresh:
            continue
        try:
            worker = pool.get(name)
            if reference is not None:
                _check_adapter(pool.get(reference).about.adapter, worker.about.adapter)
            found = worker.ask("build", case.problem)
            if reference is not None:
                _check_outputs(reference, built[reference], found)
            built[name], timing.kernels = found, found.kernels
            reference = reference or name  # ours, where it is there
        except AbsentError as error:
            timing.absent = str(error)
    for k in range(rounds):
        for timing in rotated(list(timings.values()), k):
            name = timing.name
            if timing.absent is None:
                time.sleep(PAUSE)
                try:
                    timing.seconds.append(_round(case, pool, name, built.get(name)))
                except AbsentError as error:
                    timing.absent = str(error)
    ours = timings[case.ours]
    rows = [Row(case, ours, timings[name], goal) for name, goal in case.goals.items()]
    if case.limit is not None or case.kernels is not None:
        rows.append(Row(case, ours, None, None))
    return rows


def _round(case: Case, pool: Pool, name: str, built: Built | None) -> float:
    if built is not None:
        return pool.get(name).ask("time", steps_of(built.seconds))
    worker = pool.start(name)
    try:
        return worker.ask("first", case.problem)
    finally:
        worker.close()


def rotated(items: list, by: int) -> list:
    """Return the items, begun at another one: nobody always follows the same neighbour."""
    start = by % len(items)
    return items[start:] + items[:start]


def steps_of(seconds: float) -> int:
    """Return how many steps make a round."""
    return max(1, min(STEPS, round(ROUND / seconds)))


def _check_adapter(reference: str, found: str) -> None:
    if reference and found and reference != found:
        raise AbsentError(f"it runs on {found}, and ours on {reference}")


def _check_outputs(name: str, reference: Built, found: Built) -> None:
    off = disagreement(reference.outputs, found.outputs)
    if off > TOLERANCE:
        raise AbsentError(f"disagrees with {name} by {off:.1g} of the largest value")


def disagreement(first: list, second: list) -> float:
    """Return the largest difference of two lists of outputs, by the output's largest value.

    Steps that only one of them ran are left out.
    """
    worst = 0.0
    for ours, theirs in zip(first, second, strict=False):
        for a, b in zip(ours, theirs, strict=True):
            if a.shape != b.shape or not np.isfinite(b).all():
                return float("inf")
            scale = max(float(np.abs(a).max(initial=0)), 1e-30)
            worst = max(worst, float(np.abs(a - b).max(initial=0)) / scale)
    return worst
