"""Unread results: what a fused step stores, and nothing reads any more after other fusions."""

from __future__ import annotations

from dataclasses import replace

from ..graph import Graph, pruned
from ..ir import Program, Step, readers
from ..limits import Limits


def drop_unread(program: Program, limits: Limits) -> Program:
    """Return the program with fused steps that store only what is read or kept."""
    wanted = program.kept | readers(program).keys()
    return program.with_steps([_with_results(step, wanted) for step in program.steps])


def _with_results(step: Step, wanted: frozenset[int]) -> Step:
    name = {"fused": "graph", "matmul": "epilogue"}.get(step.kind, "")
    graph: Graph | None = step.params.get(name)
    stored = [i for i, out in enumerate(step.outs) if out.index in wanted]
    if graph is None or len(stored) in (0, len(step.outs)):
        return step
    results = tuple(graph.results[i] for i in stored)
    graph = replace(graph, results=results)
    outs = tuple(step.outs[i] for i in stored)
    factors = step.inputs[:2] if step.kind == "matmul" else ()
    graph, inputs = pruned(graph, step.inputs[len(factors) :], fixed=len(factors) // 2)
    params = {**step.params, name: graph}
    return replace(step, inputs=(*factors, *inputs), outs=outs, params=params)
