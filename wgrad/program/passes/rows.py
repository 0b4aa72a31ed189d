"""Reductions: what is computed per element before them, per row after them, and beside them.

A reduction takes in the elementwise work that feeds it, and the work on its results. Where the
results go back to the elements of the same rows (softmax, cross-entropy, layer norms), several
reductions and all between them become one kernel that walks every row a few times.
"""

from __future__ import annotations

from functools import partial
from math import prod

from ...backends.functions import Function
from ..ir import Graph, Program, Step
from .base import runs_at
from .joining import Joiner
from .limits import Limits
from .maps import is_map


@runs_at(80)
def fuse_rows(program: Program, limits: Limits) -> Program:
    """Return the program with reductions joined to what feeds them and to what reads them."""
    joiner = Joiner(program, limits)

    def join(producer: Step, step: Step) -> Step | None:
        if not producer.is_fused or _stay_apart(producer, step):
            return None
        return joiner.join(producer, step, partial(if_it_pays, limits))

    return joiner.grow(join)


def _stay_apart(producer: Step, step: Step) -> bool:
    """Whether two steps are maps, as they were before; folds beside calls may be maps by now."""
    return is_map(producer) and is_map(step) and not (producer.graph.calls or step.graph.calls)


def if_it_pays(limits: Limits, step: Step) -> Step | None:
    """Return a step, or None where the kernels that it was joined from are faster."""
    graph: Graph = step.graph
    passes = graph.levels + any(not r.row for r in graph.results)
    if passes == 1:
        return step
    by_element = zip(graph.statements, graph.rows(step.inputs)[1], strict=True)
    if any(isinstance(s.what, Function) and not is_row for s, is_row in by_element):
        return None  # each pass would call it anew, and it may be long
    rows, length = prod(graph.kept), prod(graph.shape[a] for a in graph.axes)
    last = graph.axes == tuple(range(len(graph.shape) - len(graph.axes), len(graph.shape)))
    fewest = limits.fewest_rows if last else limits.fewest_columns
    is_some_work = rows >= fewest or rows * length <= limits.small
    may_walk = passes <= limits.passes and length <= limits.longest_row and is_some_work
    return step if may_walk else None
