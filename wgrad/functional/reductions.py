"""Statistics over axes, and where the extremes are."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from .. import dtypes
from ..errors import ArgumentError, ShapeError, shown
from ..layout import normalize_axes, normalize_axis
from ..ops.elementwise import equal, isnan, where
from ..ops.families import expanded, with_dtype
from ..ops.reduction import max_, min_, sum_
from ..shaping import as_tensor, reshape
from ..tape import no_grad
from .precision import in_float32

if TYPE_CHECKING:
    from ..tensor import Tensor


@in_float32
def mean(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return the mean over axes, a float also for integers; of nothing it is NaN."""
    x = as_tensor(x, "mean")
    if not x.dtype.is_floating:
        x = with_dtype(x, dtypes.float32)
    count = prod(x.shape[i] for i in normalize_axes(axis, len(x.shape), "mean"))
    return sum_(x, axis=axis, keepdims=keepdims) / count


def max(x: Tensor, axis: Any = None, keepdims: bool = False, ties: str = "all") -> Tensor:
    """Return the largest value over axes; NaN if there is one.

    ties="all" gives every tied position the full gradient, ties="split" an equal share.
    """
    return max_(x, axis, keepdims, ties=_checked_ties(ties, "max"))


def min(x: Tensor, axis: Any = None, keepdims: bool = False, ties: str = "all") -> Tensor:
    """Return the smallest value over axes; NaN if there is one. `ties` as in max."""
    return min_(x, axis, keepdims, ties=_checked_ties(ties, "min"))


def _checked_ties(ties: str, op: str) -> str:
    if not isinstance(ties, str) or ties not in ("all", "split"):
        raise ArgumentError(f'{op}: ties={shown(ties)} came; "all" or "split" is needed')
    return ties


def _arg(x: Tensor, axis: int | None, keepdims: bool, op: Any, name: str) -> Tensor:
    from ..creation import arange

    x = as_tensor(x, name)
    shape = x.shape
    if axis is None:
        x, at = reshape(x, (-1,)), 0
    else:
        at = normalize_axis(axis, len(shape), name)
    extent = x.shape[at]
    if extent == 0:
        raise ShapeError(f"{name}: axis {at} of shape {shape} is empty")
    with no_grad():
        best = op(x, axis=at, keepdims=True)
        hit = equal(x, expanded(best, x.shape))
        if x.dtype.is_floating:
            hit = hit | isnan(x)  # where there is a NaN, it is the extreme
        column = [1] * len(x.shape)
        column[at] = extent
        places = reshape(arange(extent, device=x.device), column)
        out = min_(where(hit, places, extent), axis=at, keepdims=keepdims or axis is None)
    if axis is None:
        out = reshape(out, (1,) * len(shape) if keepdims else ())
    out.array.storage.bounds = 0, extent - 1
    return out


def argmax(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Return the int32 position of the first largest value along `axis` (flattened for None)."""
    return _arg(x, axis, keepdims, max_, "argmax")


def argmin(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Return the int32 position of the first smallest value along `axis` (flattened for None)."""
    return _arg(x, axis, keepdims, min_, "argmin")
