"""The scans, which keep every running total: one entry each.

`back` says that they run from the end of the axis. A running sum is linear, and its transpose runs
the other way. The derivatives of a running product are linear recurrences, exact also at zeros.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..backends.array import Array, Body, Number
from ..backends.base import Device
from ..backends.fold import LOGSUMEXP, MAX, PROD, SUM, Fold
from ..core import REGISTRY, apply, register, wrap
from ..layout import Layout
from . import intervals
from .elementwise import add, equal, exp, isinf, multiply, weighted, where
from .families import with_dtype
from .host import Ruled
from .indexing import positions
from .linear import Linear
from .movement import linear, through_float32


def _running_sum(device: Device, x: Array, axis: int, back: bool) -> Array:
    out = through_float32(device, x, lambda x: device.scan(SUM, x, axis, back))
    if x.dtype.is_integer:
        sums = intervals.running_sum(intervals.interval(x, x.dtype), x.shape[axis])
        out.storage.bounds = intervals.fitting(sums, x.dtype)
    return out


cumulative_sum: Linear = linear(
    "cumulative_sum",
    compute=_running_sum,
    transpose=lambda ct, axis, back: apply(cumulative_sum, ct, axis=axis, back=not back),
    doc="The sums of all elements along `axis` up to each one; from its end, if `back`.",
)


class Running(Ruled):
    """Running totals of a fold along `axis`, with rules for both modes."""

    def __init__(self, name: str, fold: Fold, pull: Callable, push: Callable, doc: str):
        super().__init__(name, (pull,), push, doc)
        self.fold = fold

    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        (x,) = inputs
        assert isinstance(x, Array)
        return through_float32(
            device, x, lambda x: device.scan(self.fold, x, params["axis"], False)
        )


def _product_pull(ct: Any, a: Any, out: Any, axis: int) -> Any:
    """a[k]'s gradient is out[k - 1] s[k], where s[k] = ct[k] + a[k + 1] s[k + 1]."""
    factors = _joined([_part(a, axis, 1, None), _ends(a, axis, 1)], axis)
    return weighted(_recurrence(factors, ct, axis), _shifted(out, axis))


def _product_push(ta: Any, a: Any, out: Any, axis: int) -> Any:
    """out[i]'s tangent is d[i] = ta[i] out[i - 1] + a[i] d[i - 1]."""
    return _forward(_part(a, axis, 1, None), weighted(ta, _shifted(out, axis)), axis)


cumulative_prod = register(
    Running(
        "cumulative_prod",
        PROD,
        _product_pull,
        _product_push,
        "out[i] = a[0] a[1] ... a[i] along `axis`.",
    )
)


def _logsumexp_pull(ct: Any, a: Any, axis: int) -> Any:
    """a[k]'s gradient is own[k] s[k], where s[k] = ct[k] + carried[k + 1] s[k + 1]."""
    own, carried = _shares(a, axis)
    factors = _joined([carried, _ends(carried, axis, 1)], axis)
    sums = _recurrence(factors, with_dtype(ct, own.dtype), axis)
    return with_dtype(multiply(own, sums), a.dtype)


def _logsumexp_push(ta: Any, a: Any, axis: int) -> Any:
    """out[i]'s tangent is d[i] = own[i] ta[i] + carried[i] d[i - 1]."""
    own, carried = _shares(a, axis)
    tangent = _forward(carried, multiply(own, with_dtype(ta, own.dtype)), axis)
    return with_dtype(tangent, ta.dtype)


def _shares(a: Any, axis: int) -> tuple[Any, Any]:
    """Return the shares of each exponential in its sum, and of what was before (of all but one).

    Sums are counted in the greatest of their terms: the result's own digits would not do, for of
    a large logarithm they leave few to its exponential. An infinite term has all of the sum.
    Those of float16 are float32.
    """
    a = with_dtype(a, dtypes.float32) if a.dtype is dtypes.float16 else a
    places = apply(running_extreme, a, axis=axis, fold=MAX)
    top = wrap(apply(REGISTRY["gather"], a, places, axis=axis).array)  # any unit would do
    endless = where(equal(a, top), 0.0, -math.inf)
    terms = exp(where(isinf(top), endless, a - top))
    terms = where(equal(a, -math.inf), 0.0, terms)
    before, after = _part(top, axis, 0, -1), _part(top, axis, 1, None)
    units = exp(where(equal(before, after), 0.0, before - after))
    sums = _forward(units, terms, axis)
    safe = where(equal(sums, 0), 1.0, sums)  # of nothing but minus infinities
    return terms / safe, units * _part(sums, axis, 0, -1) / _part(safe, axis, 1, None)


logcumsumexp = register(
    Running(
        "logcumsumexp",
        LOGSUMEXP,
        _logsumexp_pull,
        _logsumexp_push,
        "out[i] = log(e ** a[0] + ... + e ** a[i]) along `axis`.",
    )
)


def _hit(*kinds: Any) -> str:
    same = "a == b || is_nan(a)" if kinds[0].is_floating else "a == b"
    return f"select(0, c, {same})"


_HIT = Body("hit", _hit, lambda a, b, c: np.where((a == b) | (a != a), c, 0))


def _latest(device: Device, x: Array, axis: int, fold: Fold) -> Array:
    extremes = through_float32(device, x, lambda x: device.scan(fold, x, axis, False))
    line = device.upload(np.arange(x.shape[axis], dtype=np.int32), dtypes.int32)
    strides = tuple(int(i == axis) for i in range(len(x.shape)))
    places = line.view(Layout(x.shape, strides))
    kinds = (x.dtype, x.dtype, dtypes.int32)
    hits = device.map(_HIT, (x, extremes, places), kinds, x.shape, dtypes.int32)
    return device.scan(MAX, hits, axis, False)


running_extreme = positions(
    "running_extreme",
    _latest,
    lambda shape, axis, fold: shape[axis] - 1,
    "Where along `axis` the greatest (MAX) or least (MIN) element up to each one is: the last of "
    "equal ones, and NaN before all others.",
)


def _recurrence(factors: Any, terms: Any, axis: int) -> Any:
    """Return s with s[k] = terms[k] + factors[k] s[k + 1], by doubling: no step divides.

    After each step s[k] has all terms up to `reach` further, and factors[k] the product that
    leads there; what is 0 yet meets no infinite product. Made of products and slices, it can be
    differentiated again.
    """
    n, reach = terms.shape[axis], 1
    while reach < n:
        head = _part(factors, axis, 0, n - reach)
        near, far = _part(terms, axis, 0, n - reach), _part(terms, axis, reach, None)
        terms = _joined([add(near, weighted(far, head)), _part(terms, axis, n - reach, None)], axis)
        if 2 * reach < n:
            factors = multiply(_part(head, axis, 0, n - 2 * reach), _part(head, axis, reach, None))
        reach *= 2
    return terms


def _forward(factors: Any, terms: Any, axis: int) -> Any:
    """Return d with d[i] = terms[i] + factors[i] d[i - 1]; the factors begin with that of 1."""
    whole = _joined([_ends(terms, axis, 1), factors], axis)
    return _flipped(_recurrence(_flipped(whole, axis), _flipped(terms, axis), axis), axis)


def _part(x: Any, axis: int, start: int, stop: int | None) -> Any:
    return x[(*(slice(None),) * axis, slice(start, stop))]


def _flipped(x: Any, axis: int) -> Any:
    return x[(*(slice(None),) * axis, slice(None, None, -1))]


def _joined(parts: Sequence[Any], axis: int) -> Any:
    return apply(REGISTRY["concat"], *parts, axis=axis)


def _ends(x: Any, axis: int, value: int) -> Any:
    """Return a slice of extent 1 along `axis` that is `value` everywhere."""
    shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    return wrap(x.device.full(shape, value, x.dtype))


def _shifted(x: Any, axis: int) -> Any:
    """Return x one further along `axis`, with a 1 in front."""
    return _joined([_ends(x, axis, 1), _part(x, axis, 0, -1)], axis)
