"""The reductions: their family, and one entry each, with the partial of the output by every element
of `a`.

In a partial, `out` is the result spread over the reduced axes, so it has the shape of `a`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from math import prod as prod_of
from operator import and_
from types import MethodType
from typing import Any, Protocol, Self, overload

import numpy as np

from .. import dtypes
from ..backends.array import Array, Number, kept_shape, reduced_shape
from ..backends.base import Device
from ..backends.fold import ALL, ANY, MAX, MIN, PROD, SUM, Fold
from ..core import REGISTRY, Call, Op, Tensor, Value, apply, register, wrap
from ..errors import ArgumentError, ShapeError
from ..layout import Layout, Shape, normalize_axes
from . import intervals
from .elementwise import equal, isnan
from .families import coerce, expanded, guarded_op, in_front, scale, spread, with_dtype

_GIVEN = ("a", "out", "axes", "shapes")  # what the rule of a reduction gets without being told


class Folding(Protocol):
    """A reduction as a method of a tensor."""

    def __call__(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...


class Reduction(Op):
    """An op that folds axes away. Calling it normalises the axes and puts kept ones back.

    Its partial is the derivative of the output by each element of `a`, with `out` spread over the
    reduced axes.
    """

    batch = in_front

    def __init__(self, name: str, fold: Fold, partial: Callable | None, result: str, doc: str):
        super().__init__(name, (partial,), doc)
        self.fold = fold
        self.result = result
        rule = self.rules[0]
        self._options = () if rule is None else tuple(n for n in rule.names if n not in _GIVEN)
        known = list(inspect.signature(type(self).__call__).parameters.values())[1:-1]
        by_name = inspect.Parameter.KEYWORD_ONLY
        more = [inspect.Parameter(n, by_name, default=None) for n in self._options]
        self.__signature__ = inspect.Signature([*known, *more])

    @overload
    def __get__(self, x: Value, owner: Any = None) -> Folding: ...
    @overload
    def __get__(self, x: Any, owner: Any = None) -> Self: ...
    def __get__(self, x: Any, owner: Any = None) -> Any:
        """Return the reduction of one tensor: `any = reduction.any_` makes a method of tensors."""
        return MethodType(self, x) if isinstance(x, Value) else self

    @guarded_op
    def __call__(self, x: Any, axis: Any = None, keepdims: bool = False, **params: Any) -> Tensor:
        if not isinstance(x, Value):
            (x,) = coerce(self.name, (x,))
        for name in params:
            if name not in self._options:
                raise ArgumentError(f"{self.name}: {name} came, and no argument has that name")
        axes = normalize_axes(axis, len(x.shape), self.name)
        empty = [a for a in axes if x.shape[a] == 0]
        if empty and not self.fold.empty:
            raise ShapeError(
                f"{self.name}: axis {empty[0]} of shape {x.shape} is empty, and an empty "
                f"{self.name} has no value"
            )
        if self.result == "same" and x.dtype is dtypes.bool_:
            x = with_dtype(x, dtypes.int32)
        if self.result == "bool":
            x = with_dtype(x, dtypes.bool_)
        return apply(self, x, axes=axes, keepdims=keepdims, **params)

    def shape_of(self, inputs: Sequence[Any], params: Mapping[str, Any]) -> Shape:
        shape_without = kept_shape if params["keepdims"] else reduced_shape
        return shape_without(inputs[0].shape, params["axes"])

    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        (x,) = inputs
        assert isinstance(x, Array)
        axes = params["axes"]
        if not axes:
            return device.copy(x)
        if x.layout.size == 0:  # nothing to fold: the identity, or an empty result
            shape = reduced_shape(x.shape, axes)
            out = device.full(shape, self.fold.identity(x.dtype), x.dtype)
        else:
            out = device.reduce(self.fold, x, axes, x.dtype)
            if x.dtype.is_integer:
                count = x.layout.size // max(1, out.layout.size)
                out.storage.bounds = intervals.folded(self.fold, x, count, x.dtype)
        if params["keepdims"]:
            out = out.view(Layout.dense(kept_shape(x.shape, axes)))
        return out

    def pull(self, position: int, ct: Tensor, env: dict[str, Any]) -> Tensor | None:
        (shape,), axes = env["shapes"], env["axes"]
        return scale(spread(ct, shape, axes), self._partial(env))

    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        (t,) = tangents
        assert t is not None
        part = scale(t, self._partial(call.env()))
        if part is None:
            return None
        axes, keepdims = call.params["axes"], call.params["keepdims"]
        return apply(REGISTRY["sum"], part, axes=axes, keepdims=keepdims)

    def _partial(self, env: Mapping[str, Any]) -> Any:
        rule = self.rules[0]
        assert rule is not None
        if "out" in rule.names:
            env = {**env, "out": spread(env["out"], env["shapes"][0], env["axes"])}
        return rule(env)


def reduction(
    name: str,
    *,
    fold: Fold,
    partial: Callable | None,
    result: str = "same",
    doc: str,
    example: str = "",
) -> Reduction:
    """Declare a reduction by a fold (backends/fold.py); `result` is "same" or "bool"."""
    return register(Reduction(name, fold, partial, result, doc), example=example)


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
    "any",
    fold=ANY,
    partial=None,
    result="bool",
    doc="Whether any element over axes is true.",
    example="""
    >>> x = wg.tensor([[True, False], [False, False]])
    >>> wg.any(x), wg.any(x, axis=1)
    (tensor(True), tensor([ True, False]))
    """,
)
all_ = reduction(
    "all",
    fold=ALL,
    partial=None,
    result="bool",
    doc="Whether all elements over axes are true.",
    example="""
    >>> x = wg.tensor([[True, False], [True, True]])
    >>> wg.all(x), wg.all(x, axis=1)
    (tensor(False), tensor([False,  True]))
    """,
)
