"""The reductions: one entry each, with the partial of the output by every element of `a`.

In a partial, `out` is the result spread over the reduced axes, so it has the shape of `a`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from math import prod as prod_of
from operator import and_
from typing import Any

import numpy as np

from .. import dtypes
from ..backends.array import kept_shape
from ..backends.fold import ALL, ANY, MAX, MIN, PROD, SUM, Fold
from ..core import REGISTRY, apply, register, wrap
from ..layout import Shape
from .elementwise import equal, isnan
from .families import Reduction, expanded, with_dtype


def reduction(
    name: str, *, fold: Fold, partial: Callable | None, result: str = "same", doc: str
) -> Reduction:
    """Declare a reduction by a fold (backends/fold.py); `result` is "same" or "bool"."""
    op = Reduction(name, fold, partial, result, doc)
    register(op)
    return op


def _ties(a: Any, out: Any, axes: Shape, ties: Any = "all") -> Any:
    """Every tied position gets the full gradient, with ties="split" an equal share; or "first".

    A tuple of host masks, which broadcast to `a`, is the first of the positions in all of them.
    """
    winners = equal(a, out)
    if ties == "all":
        return winners
    if ties == "first" or isinstance(ties, tuple):
        hits = winners | isnan(a) if a.dtype.is_floating else winners
        if isinstance(ties, tuple):
            masks = (wrap(a.device.upload(mask, dtypes.bool_)) for mask in ties)
            hits = hits & reduce(and_, masks)
        return _first(hits, axes)
    ones = with_dtype(winners, a.dtype)
    return ones / expanded(apply(REGISTRY["sum"], ones, axes=axes, keepdims=True), a.shape)


def _first(hits: Any, axes: Shape) -> Any:
    """Return where the first of the hits over `axes` is, in the order of rows."""
    shape = kept_shape(hits.shape, tuple(i for i in range(len(hits.shape)) if i not in axes))
    count = prod_of(shape)
    line = np.arange(count, dtype=np.int32).reshape(shape)
    places = expanded(wrap(hits.device.upload(line, dtypes.int32)), hits.shape)
    chosen = apply(REGISTRY["where"], hits, places, count)
    best = apply(REGISTRY["min"], chosen, axes=axes, keepdims=True, ties="all")
    return equal(places, expanded(best, hits.shape))


def _other_product(a: Any, axes: Shape) -> Any:
    """Return for every element the product of all the others, exact also where some are 0.

    The axes are folded in halves: with P the product of two halves, an element of the left half
    sees (all others of P) * right. Made of multiplications and slices, it can be differentiated
    again.
    """
    order = tuple(i for i in range(len(a.shape)) if i not in axes) + axes
    lead = tuple(a.shape[i] for i in order[: len(order) - len(axes)])
    moved = apply(REGISTRY["permute_dims"], a, axes=order)
    back = tuple(order.index(i) for i in range(len(order)))
    size = prod_of(a.shape[i] for i in axes)
    flat = apply(REGISTRY["reshape"], moved, shape=(*lead, size))
    others = apply(REGISTRY["reshape"], _others(flat), shape=moved.shape)
    return apply(REGISTRY["permute_dims"], others, axes=back)


def _others(x: Any) -> Any:
    """`_other_product` over the last axis."""
    n = x.shape[-1]
    if n <= 1:
        return wrap(x.device.full(x.shape, 1, x.dtype))
    half = n // 2
    left, right = x[..., :half], x[..., half : 2 * half]
    pair = left * right
    rest = [x[..., 2 * half :]] if n % 2 else []
    if rest:
        pair = apply(REGISTRY["concat"], pair, rest[0], axis=len(x.shape) - 1)
    outer = _others(pair)
    both = outer[..., :half]
    parts = [both * right, both * left, *([outer[..., half:]] if rest else [])]
    return apply(REGISTRY["concat"], *parts, axis=len(x.shape) - 1)


sum_ = reduction(
    "sum", fold=SUM, partial=lambda: 1, doc="The sum over axes; bools are counted as int32."
)
prod = reduction(
    "prod", fold=PROD, partial=_other_product, doc="The product over axes; exact gradients at 0."
)
max_ = reduction(
    "max",
    fold=MAX,
    partial=_ties,
    doc="The largest value over axes; NaN if there is one. ties='all' gives every tied position "
    "the full gradient, 'split' an equal share, 'first' the first in the order of rows all of it.",
)
min_ = reduction(
    "min",
    fold=MIN,
    partial=_ties,
    doc="The smallest value over axes; NaN if there is one. ties as in max.",
)
any_ = reduction(
    "any", fold=ANY, partial=None, result="bool", doc="Whether any element over axes is true."
)
all_ = reduction(
    "all", fold=ALL, partial=None, result="bool", doc="Whether all elements over axes are true."
)
