"""From what a function did to operators: constants are found, and parts become one operator."""

from __future__ import annotations

import itertools
from typing import Any

from ...errors import TraceError
from ...origin import place
from .building import Graph, Step
from .functions import PARTS, RESULTS
from .operations import ROWS
from .recording import Called, Part, Recording, Ref


def translate(graph: Graph) -> None:
    """Write the operators of all calls of the runs. Raises: TraceError."""
    first, *others = (_outside(run) for run in graph.runs)
    for other in others:
        alike = len(other) == len(first) and all(
            (a.op, a.out, _seen(graph, a)) == (b.op, b.out, _seen(graph, b))
            for a, b in zip(first, other, strict=True)
        )
        if not alike:
            raise TraceError(
                "onnx.export: the function does other operations for inputs of other sizes, and a "
                "graph has the same for all: leave out dynamic_axes"
            )
    every = {c.out: tuple(r[i] for r in (first, *others)) for i, c in enumerate(first)}
    if all(len(run.calls) == len(graph.runs[0].calls) for run in graph.runs):
        every |= {c[0].out: c for c in zip(*(run.calls for run in graph.runs), strict=True)}
    steps = [Step(c, every.get(c.out, (c,))) for c in graph.runs[0].calls]
    steps = _moving(graph, steps)
    for part, group in itertools.groupby(steps, lambda s: s.part):
        _write(graph, part, list(group), steps)
    graph.here = None


def _outside(run: Recording) -> list[Called]:
    return [c for c in run.calls if c.out not in run.inside]


def _seen(graph: Graph, called: Called) -> list[Ref]:
    """Return what an operation reads, but for what is inside a larger function."""
    outside = len(graph.runs[0].values) - len(graph.runs[0].inside)
    return [x for x in _refs(called.inputs) if x.number < outside]


def _is_loose(graph: Graph, step: Step) -> bool:
    """Whether not all runs have a step, such as one turn of a loop over inputs of one size."""
    return len(step.every) < len(graph.runs)


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
            _is_loose(graph, step) or not graph.is_constant(step.out)
        ):
            moving.add(step.out)
            left.append(step)
    return left


def _write(graph: Graph, part: Part | None, group: list[Step], steps: list[Step]) -> None:
    """Write steps: as one operator where they are a part that has a row, else one by one."""
    if part is not None:
        used = {x for s in steps if s.part is not part for x in _refs(s.inputs)} | graph.results
        seen = {s.out for s in group} & used
        left = part.results(RESULTS.get(part.name, ()))
        results = [graph.runs[0].number(x) for x in left] or [group[-1].out]
        if seen and seen <= set(results):
            graph.here = group[0]
            made = PARTS[part.name](graph, part)
            if made is not None:
                names = (made,) if isinstance(made, str) else made
                graph.names.update(zip(results, names, strict=True))
                return
    for step in group:
        graph.here = step
        if _is_loose(graph, step):
            graph.refuse("a loop takes another number of turns for each size")
        row = ROWS.get(step.name)
        if row is None:
            raise TraceError(
                f"onnx.export: {step.name}, called at {place(step.called.origin)}, has no operator "
                "in ONNX that this wgrad knows"
            )
        made = row(graph, step)
        if made:
            graph.names[step.out] = made
