"""Unread results: what a fused step stores, and nothing reads any more after other fusions."""

from __future__ import annotations

from dataclasses import replace

from ..ir import Fused, Product, Program, Step, pruned, readers
from .base import runs_at
from .limits import Limits


@runs_at(100)
def drop_unread(program: Program, limits: Limits) -> Program:
    """Return the program with fused steps that store only what is read or kept."""
    wanted = program.kept | readers(program).keys()
    return program.with_steps([_with_results(step, wanted) for step in program.steps])


def _with_results(step: Step, wanted: frozenset[int]) -> Step:
    work = step.work
    stored = [i for i, out in enumerate(step.outs) if out.index in wanted]
    if not isinstance(work, (Fused, Product)) or len(stored) in (0, len(step.outs)):
        return step
    graph = replace(work.graph, results=tuple(work.graph.results[i] for i in stored))
    factors, inputs = step.inputs[: work.factors], step.inputs[work.factors :]
    graph, read = pruned(graph, inputs, fixed=len(factors) // 2)
    outs = tuple(step.outs[i] for i in stored)
    return Step(replace(work, graph=graph), (*factors, *read), outs)
