"""Products: elementwise work over the result of a matmul is done where the matmul stores it.

Bias, activation, residual, the mask of a gradient, the update of a parameter: the product goes
from registers into them, and is stored itself only if something else reads it.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from ...layout import Layout
from ..graph import Graph, Result
from ..ir import Program, Ref, Step
from ..joining import PRODUCT, Joiner, fits, joined
from ..limits import Limits
from .lift import squeezed
from .maps import is_map


def fuse_into_products(program: Program, limits: Limits) -> Program:
    """Return the program with elementwise readers of products moved into the matmuls."""
    joiner = Joiner(program, limits)
    for step in program.steps:
        if is_map(step):
            for producer in joiner.producers(step):
                if producer.kind == "matmul" and joiner.may_join(producer, step):
                    made = _joined(joiner, producer, step)
                    if made is not None:
                        joiner.join(producer, step, made)
                        break
    return joiner.done()


def _joined(joiner: Joiner, product: Step, step: Step) -> Step | None:
    plain = as_fused(product)
    over = joined(plain, step, joiner.needed(product, step))
    if over is None or not fits(over, joiner.limits):
        return None
    graph: Graph = over.params["graph"]
    first = over.inputs[0]
    assert isinstance(first, Ref) and first.slot == PRODUCT
    if first.layout != Layout.dense(graph.shape) or first.layout.size != prod(
        plain.params["graph"].shape
    ):
        return None  # it reads the product through a view, and a matmul makes all of it in order
    inputs = (*product.inputs[:2], *over.inputs[1:])
    made = Step("matmul", inputs, over.outs, {**product.params, "epilogue": graph})
    slots = made.reads() | made.writes()
    return made if len(slots) <= joiner.limits.buffers else None


def as_fused(product: Step) -> Step:
    """Return what a matmul does to its product, as a fused step whose operand 0 that is."""
    epilogue: Graph | None = product.params.get("epilogue")
    if epilogue is not None:
        shown = Ref(PRODUCT, Layout.dense(epilogue.shape), epilogue.dtypes[0])
        return Step("fused", (shown, *product.inputs[2:]), product.outs, {"graph": epilogue})
    shape, dtype = product.out.shape, product.out.dtype
    whole = Graph(shape, (), (dtype,), (), (Result(0),))
    graph, inputs = squeezed(whole, (Ref(PRODUCT, Layout.dense(shape), dtype),))
    return replace(product, kind="fused", inputs=inputs, params={"graph": graph})
