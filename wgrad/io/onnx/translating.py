"""From what a function did to operators: constants are found, and parts become one operator."""

from __future__ import annotations

import itertools
from typing import Any

from ...errors import TraceError
from ...origin import place
from .building import Graph, Step
from .functions import PARTS
from .operations import ROWS
from .recording import Part, Ref


def translate(graph: Graph) -> None:
    """Write the operators of all calls of the runs. Raises: TraceError."""
    first, *others = graph.runs
    for other in others:
        alike = len(other.calls) == len(first.calls) and all(
            (a.op, a.out, _refs(a.inputs)) == (b.op, b.out, _refs(b.inputs))
            for a, b in zip(first.calls, other.calls, strict=True)
        )
        if not alike:
            raise TraceError(
                "onnx.export: the function does other operations for inputs of other sizes, and a "
                "graph has the same for all: leave out dynamic_axes"
            )
    steps = [Step(c, tuple(r.calls[i] for r in graph.runs)) for i, c in enumerate(first.calls)]
    steps = _moving(graph, steps)
    for part, group in itertools.groupby(steps, lambda s: s.part):
        _write(graph, part, list(group), steps)
    graph.here = None


def _refs(inputs: tuple[Any, ...]) -> list[Ref]:
    return [x for x in inputs if isinstance(x, Ref)]


def _moving(graph: Graph, steps: list[Step]) -> list[Step]:
    """Return the steps whose results follow from inputs or parameters, or differ between runs.

    The others' results are constants.
    """
    moving = set(graph.names)
    left = []
    for step in steps:
        if any(x in moving or graph.value(x).is_parameter for x in _refs(step.inputs)) or (
            not graph.is_constant(step.out)
        ):
            moving.add(step.out)
            left.append(step)
    return left


def _write(graph: Graph, part: Part | None, group: list[Step], steps: list[Step]) -> None:
    """Write steps: as one operator where they are a part that has a row, else one by one."""
    if part is not None:
        used = {x for s in steps if s.part is not part for x in _refs(s.inputs)} | graph.results
        seen = [s.out for s in group if s.out in used]
        if seen == [group[-1].out]:
            graph.here = group[0]
            made = PARTS[part.name](graph, part)
            if made is not None:
                graph.names[seen[0]] = made
                return
    for step in group:
        graph.here = step
        row = ROWS.get(step.name)
        if row is None:
            raise TraceError(
                f"onnx.export: {step.name}, called at {place(step.called.origin)}, has no operator "
                "in ONNX that this wgrad knows"
            )
        made = row(graph, step)
        if made:
            graph.names[step.out] = made
