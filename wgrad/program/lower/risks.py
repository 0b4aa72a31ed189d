"""Steps that may fail in the midst of a run: they come before all that a run does to the outside.

So that a run that fails has changed nothing outside, new values of inputs are written into their
memory only when nothing can fail any more; what is needed before lies in memory of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from ..ir import Program, Step


def risks_first(program: Program, is_risky: Callable[[Step], bool]) -> tuple[Program, int]:
    """Return the program with its risky steps, and what they follow from, before all others.

    The number is how many steps that are, up to the last of the risky ones.
    """
    needed: set[int] = set()
    early: set[int] = set()
    for step in reversed(program.steps):
        if is_risky(step) or not needed.isdisjoint(step.writes()):
            early.add(id(step))
            needed |= step.reads()
    if not early:
        return program, 0
    steps = sorted(program.steps, key=lambda step: id(step) not in early)
    return program.with_steps(steps), len(early)
