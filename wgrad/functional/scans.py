"""Running totals along an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core import Op, apply, wrap
from ..errors import AxisError, ShapeError
from ..layout import normalize_axis
from ..ops import scan
from ..shaping import as_tensor, concat
from .reductions import counted

if TYPE_CHECKING:
    from ..tensor import Tensor


def cumulative_sum(
    x: Tensor, axis: int | None = None, *, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """Return the sums of all elements up to each one along `axis`; bools are counted as int32.

    `axis` may be left out for one axis. `include_initial` puts the sum of nothing, 0, in front.
    `dtype` is what elements are converted to first.
    Shapes: (..., n, ...) -> (..., n, ...), or (..., n + 1, ...).
    Raises: AxisError, ShapeError, DTypeError.
    """
    return _scanned(scan.cumulative_sum, 0, x, axis, dtype, include_initial, back=False)


def cumulative_prod(
    x: Tensor, axis: int | None = None, *, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """Return the products of all elements up to each one along `axis`; arguments as in the sum.

    Gradients are exact where elements are 0. What `include_initial` puts in front is 1.
    """
    return _scanned(scan.cumulative_prod, 1, x, axis, dtype, include_initial)


def _scanned(
    op: Op, nothing: int, x: Any, axis: Any, dtype: Any, initial: bool, **params: Any
) -> Tensor:
    x = as_tensor(x, op.name)
    if not x.shape:
        raise ShapeError(f"{op.name}: a 0-d tensor came, and an axis is needed")
    if axis is None and len(x.shape) > 1:
        raise AxisError(f"{op.name}: axis= is needed for {len(x.shape)} axes: which one?")
    at = normalize_axis(0 if axis is None else axis, len(x.shape), op.name)
    x = counted(x, dtype, op.name)
    out = apply(op, x, axis=at, **params)
    if not initial:
        return out
    shape = (*x.shape[:at], 1, *x.shape[at + 1 :])
    return concat([wrap(x.device.full(shape, nothing, x.dtype)), out], at)
