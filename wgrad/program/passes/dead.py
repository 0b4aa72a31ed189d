"""Dead code: steps whose results nothing reads."""

from __future__ import annotations

from ..ir import Program, Step
from .base import runs_at
from .limits import Limits


@runs_at(30, fuses=False)
def drop_dead(program: Program, limits: Limits) -> Program:
    """Return the program without the steps that lead to nothing that is kept."""
    wanted = set(program.kept)
    steps: list[Step] = []
    for step in reversed(program.steps):
        if step.writes() & wanted:
            steps.append(step)
            wanted |= step.reads()
    return program.with_steps(steps[::-1])
