"""Products: elementwise work over the result of a matmul is done where the matmul stores it.

Bias, activation, residual, the mask of a gradient, the update of a parameter: the product goes
from registers into them, and is stored itself only if something else reads it.
"""

from __future__ import annotations

from math import prod

from ...backends.families import Matmul
from ...layout import Layout
from ..ir import Graph, Product, Program, Ref, Step, fused, plain
from .base import runs_at
from .joining import PRODUCT, Joiner, fits, joined
from .lift import squeezed
from .limits import Limits
from .maps import is_map


@runs_at(70)
def fuse_into_products(program: Program, limits: Limits) -> Program:
    """Return the program with elementwise readers of products moved into the matmuls."""
    joiner = Joiner(program, limits)
    for step in program.steps:
        if is_map(step):
            for producer in joiner.producers(step):
                if isinstance(producer.work, Matmul) and joiner.may_join(producer, step):
                    made = _joined(joiner, producer, step)
                    if made is not None:
                        joiner.join(producer, step, made)
                        break
    return joiner.done()


def _joined(joiner: Joiner, product: Step, step: Step) -> Step | None:
    alone = as_fused(product)
    over = joined(alone, step, joiner.needed(product, step))
    if over is None or not fits(over, joiner.limits):
        return None
    graph: Graph = over.graph
    first = over.inputs[0]
    assert isinstance(first, Ref) and first.slot == PRODUCT
    if first.layout != Layout.dense(graph.shape) or first.layout.size != prod(alone.graph.shape):
        return None  # it reads the product through a view, and a matmul makes all of it in order
    inputs = (*product.inputs[:2], *over.inputs[1:])
    work = product.work
    assert isinstance(work, Matmul)
    made = Step(Product(work.lead, work.inner, graph), inputs, over.outs)
    slots = made.reads() | made.writes()
    return made if len(slots) <= joiner.limits.buffers else None


def as_fused(product: Step) -> Step:
    """Return what a matmul does to its product, as a fused step whose operand 0 that is."""
    if isinstance(product.work, Product):
        graph = product.work.graph
        shown = Ref(PRODUCT, Layout.dense(graph.shape), graph.dtypes[0])
        return fused(graph, (shown, *product.inputs[2:]), product.outs)
    shape, dtype = product.out.shape, product.out.dtype
    whole = Graph(shape, (), (dtype,), (), (plain(0),))
    graph, inputs = squeezed(whole, (Ref(PRODUCT, Layout.dense(shape), dtype),))
    return fused(graph, inputs, product.outs)
