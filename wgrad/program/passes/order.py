"""Order: what replaces an input comes after all that still reads it, so that it can be in place."""

from __future__ import annotations

from ..ir import Program, Step
from ..limits import Limits


def updates_last(program: Program, limits: Limits) -> Program:
    """Return the program with readers of an input before the step that makes its new values.

    Readers that themselves follow from the update stay where they are.
    """
    steps = list(program.steps)
    for old, new in program.updates.items():
        place = next(i for i, s in enumerate(steps) if new in s.writes())
        late = [i for i, s in enumerate(steps) if i > place and old in s.reads()]
        if late:
            steps[place : late[-1] + 1] = _delayed(steps[place : late[-1] + 1])
    return program.with_steps(steps)


def _delayed(steps: list[Step]) -> list[Step]:
    """Return the steps with the first, and those that follow from it, as late as may be."""
    reached = set(steps[0].writes())
    early: list[Step] = []
    late = [steps[0]]
    for step in steps[1:]:
        if step.reads() & reached:
            reached |= step.writes()
            late.append(step)
        else:
            early.append(step)
    return [*early, *late]
