"""Order: sort, argsort, topk, searchsorted.

Everything is sorted as NumPy sorts: -0 equals 0, and NaN is greater than every number, so it comes
last, and first where the order is descending.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import dtypes
from ..checks.arguments import checked_choice
from ..checks.arguments import count as checked_count
from ..core import Tensor, apply, check_devices
from ..creation.inputs import as_tensor, as_tensors
from ..errors import AxisError, DTypeError, ShapeError
from ..layout import normalize_axis
from ..ops import indexing as primitives
from ..ops import movement
from ..ops.families import with_dtype
from .indices import index_tensor
from .taking import take_flat


class TopK(NamedTuple):
    """The k greatest (or least) values along an axis, in order, and their positions."""

    values: Tensor
    indices: Tensor


def _axis_of(x: Tensor, axis: int, op: str) -> int:
    if not x.shape:
        raise AxisError(f"{op}: a 0-d tensor has no axis to sort along")
    return normalize_axis(axis, len(x.shape), op)


def argsort(x: Tensor, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """Return the int32 positions of the values along `axis` in their order.

    Equal values stay in the order of their positions; it is always `stable`. NaN is greater than
    every number. Raises: AxisError.

    >>> x = wg.tensor([3.0, 1.0, 2.0])
    >>> order = wg.argsort(x)
    >>> order, x[order]
    (tensor([1, 2, 0]), tensor([1., 2., 3.]))
    """
    x = as_tensor(x, "argsort")
    return _order(x, _axis_of(x, axis, "argsort"), descending)


def _order(x: Tensor, axis: int, descending: bool) -> Tensor:
    return apply(primitives.argsort_, x, axis=axis, descending=bool(descending))


def sort(x: Tensor, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """Return the values along `axis` in their order; NaN is greater than every number.

    The gradient goes to where each value came from. Raises: AxisError.

    >>> wg.sort(wg.tensor([3.0, 1.0, 2.0]), descending=True)
    tensor([3., 2., 1.])
    """
    x = as_tensor(x, "sort")
    at = _axis_of(x, axis, "sort")
    return apply(primitives.gather_, x, _order(x, at, descending), axis=at)


def topk(x: Tensor, k: int, axis: int = -1, largest: bool = True, sorted: bool = True) -> TopK:
    """Return the `k` greatest values along `axis` (the least unless `largest`), and where they are.

    Of equal values the one that stands first comes first. They are in order also without `sorted`.
    Shapes: (n, m), axis 1 -> (n, k). Raises: ArgumentError for a `k` that the axis does not have.

    >>> values, indices = wg.topk(wg.tensor([0.1, 0.7, 0.2]), 2)
    >>> values, indices
    (tensor([0.7, 0.2]), tensor([1, 2]))
    """
    x = as_tensor(x, "topk")
    at = _axis_of(x, axis, "topk")
    count = checked_count(k, "topk", "k", x.shape[at])
    order = _order(x, at, largest)
    sizes = (*x.shape[:at], count, *x.shape[at + 1 :])
    zeros, ones = (0,) * len(sizes), (1,) * len(sizes)
    indices = movement.slice_view(order, zeros, sizes, ones)
    return TopK(apply(primitives.gather_, x, indices, axis=at), indices)


def searchsorted(x1: Tensor, x2: Tensor, side: str = "left", sorter: Any = None) -> Tensor:
    """Return where in the ascending 1-d `x1` each of `x2` would be put to keep it in order, int32.

    With "left" x1[i - 1] < v <= x1[i], with "right" x1[i - 1] <= v < x1[i]. `sorter`, integers,
    sorts an `x1` that is not: argsort(x1). Shapes: (n,), any -> the same.

    Raises: ArgumentError for another side; ShapeError; IndexRangeError for a wrong sorter.

    >>> wg.searchsorted(wg.tensor([1, 3, 5]), wg.tensor([0, 3, 4]))
    tensor([0, 1, 2])
    """
    x1, x2 = as_tensors("searchsorted", x1, x2)
    check_devices("searchsorted", (x1, x2))
    checked_choice(side, ("left", "right"), "searchsorted", "side")
    if len(x1.shape) != 1:
        raise ShapeError(f"searchsorted: x1 has shape {x1.shape}, and 1 axis is needed")
    common = dtypes.promote(x1.dtype, x2.dtype)
    if common is dtypes.bool_:
        raise DTypeError("searchsorted: bool tensors came, and numbers are needed")
    x1, x2 = with_dtype(x1.detach(), common), with_dtype(x2.detach(), common)
    if sorter is not None:
        places = index_tensor(sorter, x1, "searchsorted")
        if places.shape != x1.shape:
            raise ShapeError(
                f"searchsorted: a sorter of shape {places.shape} came for x1 of shape {x1.shape}"
            )
        places = primitives.checked_indices(places, x1.shape[0], "searchsorted")
        x1 = take_flat(x1, places, 0)
    return apply(primitives.searchsorted_, x1, x2, right=side == "right")
