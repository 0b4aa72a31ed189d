"""Running totals and extremes along an axis, and differences of neighbours."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..backends.fold import MAX, MIN, Fold
from ..checks.arguments import count
from ..core import Op, Tensor, apply, wrap
from ..creation.inputs import as_numeric, as_tensor, as_tensors
from ..dtypes import bool_, int32
from ..errors import AxisError, ShapeError
from ..layout import normalize_axis
from ..ops import movement, scan
from ..ops.elementwise import subtract
from ..ops.families import with_dtype
from ..ops.indexing import gather_
from ..shaping import concat
from .precision import floating
from .reductions import counted


def cumulative_sum(
    x: Tensor, axis: int | None = None, *, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """Return the sums of all elements up to each one along `axis`; bools are counted as int32.

    `axis` may be left out for one axis. `include_initial` puts the sum of nothing, 0, in front.
    `dtype` is what elements are converted to first.
    Shapes: (..., n, ...) -> (..., n, ...), or (..., n + 1, ...).
    Raises: AxisError, ShapeError, DTypeError.

    >>> wg.cumulative_sum(wg.tensor([1, 2, 3]))
    tensor([1, 3, 6])
    >>> wg.cumulative_sum(wg.tensor([1, 2, 3]), include_initial=True)
    tensor([0, 1, 3, 6])
    """
    return _scanned(scan.cumulative_sum, 0, x, axis, dtype, include_initial, back=False)


def cumulative_prod(
    x: Tensor, axis: int | None = None, *, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """Return the products of all elements up to each one along `axis`; arguments as in the sum.

    Gradients are exact where elements are 0. What `include_initial` puts in front is 1. Products
    may overflow or vanish on the way and come back to numbers; only where an axis of a GPU's tensor
    is longer than one binding do they stay infinite, or 0, from one window of it to the next.

    >>> wg.cumulative_prod(wg.tensor([1, 2, 3, 4]))
    tensor([ 1,  2,  6, 24])
    """
    return _scanned(scan.cumulative_prod, 1, x, axis, dtype, include_initial)


def logcumsumexp(x: Tensor, axis: int | None = None) -> Tensor:
    """Return the logarithms of the sums of all exponentials up to each one along `axis`.

    They do not overflow, and neither do gradients. `axis` may be left out for one axis; integers
    become float32. Shapes: (..., n, ...) -> (..., n, ...). Raises: AxisError, ShapeError.

    >>> wg.logcumsumexp(wg.tensor([1000.0, -1000.0]), 0)
    tensor([1000., 1000.])
    """
    x, at = _along("logcumsumexp", x, axis)
    return apply(scan.logcumsumexp, floating(x), axis=at)


class RunningExtremes(NamedTuple):
    """The extreme elements up to each one, and where they are."""

    values: Tensor
    indices: Tensor


def cummax(x: Tensor, axis: int | None = None) -> RunningExtremes:
    """Return the greatest element up to each one along `axis`, and its position, int32.

    Of equal ones it is the last, and NaN is greater than all others: the gradient goes to the
    element at the position, as in PyTorch. `axis` may be left out for one axis.
    Shapes: (..., n, ...) -> twice (..., n, ...). Raises: AxisError, ShapeError.

    >>> values, indices = wg.cummax(wg.tensor([1, 3, 2, 5]), 0)
    >>> values, indices
    (tensor([1, 3, 3, 5]), tensor([0, 1, 1, 3]))
    """
    return _extremes("cummax", MAX, x, axis)


def cummin(x: Tensor, axis: int | None = None) -> RunningExtremes:
    """Return the least element up to each one along `axis`, and its position; see `cummax`.

    >>> values, indices = wg.cummin(wg.tensor([4, 2, 3, 1]), 0)
    >>> values, indices
    (tensor([4, 2, 2, 1]), tensor([0, 1, 1, 3]))
    """
    return _extremes("cummin", MIN, x, axis)


def _extremes(op: str, fold: Fold, x: Any, axis: Any) -> RunningExtremes:
    x, at = _along(op, x, axis)
    seen = with_dtype(x, int32) if x.dtype is bool_ else x
    indices = apply(scan.running_extreme, seen, axis=at, fold=fold)
    return RunningExtremes(apply(gather_, x, indices, axis=at), indices)


def diff(x: Tensor, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Tensor:
    """Return each element's difference to the one before it along `axis`, `n` times over.

    `prepend` and `append` are tensors that are joined to `x` first, unless n is 0: then `x` comes
    back as it is, as in NumPy. Shapes: (..., m, ...) -> (..., max(m - n, 0), ...).
    Raises: ArgumentError; AxisError; DTypeError for bools; ShapeError.

    >>> wg.diff(wg.tensor([1, 4, 9, 16]))
    tensor([3, 5, 7])
    """
    times = count(n, "diff", "n")
    around = [part for part in (prepend, x, append) if part is not None]
    parts = as_tensors("diff", *around) if len(around) > 1 else (as_tensor(x, "diff"),)
    at = normalize_axis(axis, len(parts[0].shape), "diff")
    whole = concat(parts, at) if len(parts) > 1 else parts[0]
    out = as_numeric(whole if times else apply(movement.alias, as_tensor(x, "diff")), "diff")
    for _ in range(min(times, out.shape[at])):
        out = subtract(_shortened(out, at, 1), _shortened(out, at, 0))
    return out


def _shortened(x: Tensor, axis: int, start: int) -> Tensor:
    """Return `x` without the first entry along `axis` for a start of 1, else without the last."""
    starts = tuple(start if i == axis else 0 for i in range(len(x.shape)))
    sizes = tuple(max(size - 1, 0) if i == axis else size for i, size in enumerate(x.shape))
    return movement.slice_view(x, starts, sizes, (1,) * len(x.shape))


def _scanned(
    op: Op, nothing: int, x: Any, axis: Any, dtype: Any, initial: bool, **params: Any
) -> Tensor:
    x, at = _along(op.name, x, axis)
    x = counted(x, dtype, op.name)
    out = apply(op, x, axis=at, **params)
    if not initial:
        return out
    shape = (*x.shape[:at], 1, *x.shape[at + 1 :])
    return concat([wrap(x.device.full(shape, nothing, x.dtype)), out], at)


def _along(op: str, x: Any, axis: Any) -> tuple[Tensor, int]:
    """Return a tensor and one of its axes, which may be left out for one axis."""
    x = as_tensor(x, op)
    if not x.shape:
        raise ShapeError(f"{op}: a 0-d tensor came, and an axis is needed")
    if axis is None and len(x.shape) > 1:
        raise AxisError(f"{op}: axis= is needed for {len(x.shape)} axes: which one?")
    return x, normalize_axis(0 if axis is None else axis, len(x.shape), op)
