"""Reductions: what is computed per element before them, per row after them, and beside them.

A reduction takes in the elementwise work that feeds it, and the work on its results. Where the
results go back to the elements of the same rows (softmax, cross-entropy, layer norms), several
reductions and all between them become one kernel that walks every row a few times.
"""

from __future__ import annotations

from math import prod

from ..graph import Graph
from ..ir import Program, Step
from ..joining import Joiner, fits, joined
from ..limits import Limits
from .base import runs_at
from .maps import is_map


@runs_at(80)
def fuse_rows(program: Program, limits: Limits) -> Program:
    """Return the program with reductions joined to what feeds them and to what reads them."""
    return Joiner(program, limits).grow(_grown)


def _grown(joiner: Joiner, step: Step) -> Step | None:
    for producer in joiner.order.not_behind(joiner.producers(step), step):
        if not producer.is_fused or (is_map(producer) and is_map(step)):
            continue
        needed = joiner.needed(producer, step)
        if joiner.hold_together(producer, step, needed) and joiner.may_join(producer, step):
            made = joined(producer, step, needed)
            if made is not None and rows_fit(made, joiner.limits):
                joiner.join(producer, step, made)
                return made
    return None


def rows_fit(step: Step, limits: Limits) -> bool:
    """Whether one kernel may hold the step, and pays."""
    graph: Graph = step.graph
    if not fits(step, limits):
        return False
    passes = folds_deep(graph) + any(not r.row for r in graph.results)
    if passes == 1:
        return True
    rows, length = prod(graph.kept), prod(graph.shape[a] for a in graph.axes)
    last = graph.axes == tuple(range(len(graph.shape) - len(graph.axes), len(graph.shape)))
    fewest = limits.fewest_rows if last else limits.fewest_columns
    return (
        passes <= limits.passes
        and length <= limits.longest_row
        and (rows >= fewest or rows * length <= limits.small)
    )


def folds_deep(graph: Graph) -> int:
    """Return how many folds follow from one another: the passes over a row that they need."""
    return max(graph.depths, default=0)
