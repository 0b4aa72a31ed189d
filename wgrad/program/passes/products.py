"""Products: elementwise work over the result of a matmul is done where the matmul stores it.

Bias, activation, residual, the mask of a gradient, the update of a parameter: the product goes
from registers into them, and is stored itself only if something else reads it.
"""

from __future__ import annotations

from functools import partial
from math import prod

from ...backends.families import Matmul
from ...layout import Layout, Shape
from ..ir import Graph, Product, Program, Ref, Step, fused, plain
from .base import runs_at
from .joining import PRODUCT, Joiner
from .lift import squeezed
from .limits import Limits
from .maps import is_map


@runs_at(70)
def fuse_into_products(program: Program, limits: Limits) -> Program:
    """Return the program with elementwise readers of products moved into the matmuls."""
    joiner = Joiner(program, limits)

    def join(producer: Step, step: Step) -> Step | None:
        if not (isinstance(producer.work, Matmul) and is_map(step)):
            return None
        plain = as_fused(producer)
        finish = partial(_product, producer, plain.graph.shape, limits)
        return joiner.join(producer, step, finish, plain=plain)

    return joiner.grow(join)


def _product(product: Step, shape: Shape, limits: Limits, over: Step) -> Step | None:
    """Return the matmul that computes a graph over its product, of this shape, as well."""
    work, graph, first = product.work, over.graph, over.inputs[0]
    assert isinstance(work, Matmul) and isinstance(first, Ref) and first.slot == PRODUCT
    if first.layout != Layout.dense(graph.shape) or first.layout.size != prod(shape):
        return None  # it reads the product through a view, and a matmul makes all of it in order
    inputs = (*product.inputs[:2], *over.inputs[1:])
    made = Step(Product(work.lead, work.inner, graph), inputs, over.outs)
    return made if len(made.reads() | made.writes()) <= limits.buffers else None


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
