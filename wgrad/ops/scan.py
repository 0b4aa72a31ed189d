"""The scans, which keep every running total: one entry each.

`back` says that they run from the end of the axis. A running sum is linear, and its transpose runs
the other way. The derivatives of a running product are linear recurrences, exact also at zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..backends.array import Array, Number
from ..backends.base import Device
from ..core import Call, Op, apply, wrap
from . import intervals
from .elementwise import add, multiply, weighted
from .families import REGISTRY, Linear, register
from .movement import through_float32

if TYPE_CHECKING:
    from ..tensor import Tensor


def _running_sum(device: Device, x: Array, axis: int, back: bool) -> Array:
    out = through_float32(device, x, lambda x: device.scan("sum", x, axis, back))
    if x.dtype.is_integer:
        found = intervals.running_sum(intervals.interval(x, x.dtype), x.shape[axis])
        out.storage.bounds = intervals.fitting(found, x.dtype)
    return out


cumulative_sum: Linear = Linear(
    "cumulative_sum",
    _running_sum,
    lambda ct, axis, back: apply(cumulative_sum, ct, axis=axis, back=not back),
    "The sums of all elements along `axis` up to each one; from its end, if `back`.",
)
register(cumulative_sum)


class CumulativeProduct(Op):
    """out[i] = a[0] a[1] ... a[i] along `axis`."""

    def __init__(self, name: str, doc: str):
        # Which values the rules below need is all that these partials say.
        super().__init__(name, (lambda out, a, axis: None,), doc)

    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        (x,) = inputs
        assert isinstance(x, Array)
        return through_float32(device, x, lambda x: device.scan("prod", x, params["axis"], False))

    def pull(self, position: int, ct: Tensor, env: dict[str, Any]) -> Tensor | None:
        """a[k]'s gradient is out[k - 1] s[k], where s[k] = ct[k] + a[k + 1] s[k + 1]."""
        axis = env["axis"]
        factors = _joined([_part(env["a"], axis, 1, None), _ends(env["a"], axis, 1)], axis)
        return weighted(_recurrence(factors, ct, axis), _shifted(env["out"], axis))

    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        """out[i]'s tangent is d[i] = t[i] out[i - 1] + a[i] d[i - 1]."""
        (t,) = tangents
        assert t is not None
        env = call.env()
        axis = env["axis"]
        terms = weighted(t, _shifted(env["out"], axis))
        return _flipped(_recurrence(_flipped(env["a"], axis), _flipped(terms, axis), axis), axis)


cumulative_prod = CumulativeProduct(
    "cumulative_prod", "The products of all elements along `axis` up to each one."
)
register(cumulative_prod)


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
