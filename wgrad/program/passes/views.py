"""Views: a copy that only rearranges is read through, where the readers' strides can say so."""

from __future__ import annotations

from dataclasses import replace

from ...backends.array import Number
from ...backends.families import Copy, Write
from ...layout import compose
from ..ir import Program, Ref, Step, readers
from .base import runs_at
from .limits import Limits


@runs_at(40, fuses=False)
def read_through_copies(program: Program, limits: Limits) -> Program:
    """Return the program without copies that every reader can do without."""
    kept, reading = program.kept, readers(program)
    through: dict[int, tuple[Ref, Step]] = {}
    steps: list[Step] = []

    def seen(x: Ref | Number) -> Ref | Number | None:
        if not isinstance(x, Ref) or x.slot not in through:
            return x
        source, copy = through[x.slot]
        layout = compose(x.layout, copy.out.shape, source.layout)
        return None if layout is None else replace(source, layout=layout)

    for step in program.steps:
        inputs = [seen(x) for x in step.inputs]
        step = replace(step, inputs=tuple(x for x in inputs if x is not None))
        if isinstance(step.work, Copy) and step.out.index not in kept:
            (source,) = step.refs()
            through[step.out.index] = source, step
            users = reading.get(step.out.index, [])
            if all(
                not isinstance(u.work, Write) and None not in map(seen, u.inputs) for u in users
            ):
                continue
            del through[step.out.index]
        steps.append(step)
    return program.with_steps(steps)
