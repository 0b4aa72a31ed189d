"""Dead code: steps whose result nothing reads."""

from __future__ import annotations

from ..ir import Program, Step


def drop_dead(program: Program) -> Program:
    """Return the program without the steps that lead to nothing that is kept."""
    wanted = set(program.kept)
    steps: list[Step] = []
    for step in reversed(program.steps):
        if step.out in wanted:
            steps.append(step)
            wanted.update(ref.slot for ref in step.refs())
    return program.with_steps(steps[::-1])
