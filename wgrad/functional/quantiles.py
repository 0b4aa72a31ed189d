"""The median and other quantiles: values between those that stand in order."""

from __future__ import annotations

import math
from math import prod
from typing import Any

import numpy as np

from ..checks.arguments import checked_choice
from ..core import Tensor
from ..errors import ArgumentError, ShapeError, shown
from ..indexing import sort
from ..ops.elementwise import isfinite, isnan, where
from ..shaping import expand_dims, permute_dims, reshape, stack
from ..shaping.parts import part
from .reductions import over_floats

METHODS = ("linear", "lower", "higher", "nearest", "midpoint")


def quantile(
    x: Tensor, q: Any, axis: Any = None, keepdims: bool = False, *, method: str = "linear"
) -> Tensor:
    """Return the value below which a share `q` of all values over axes lies.

    `q` is a number from 0 to 1, or a list of them, whose axis then comes first. Between two values
    `method` says what counts: "linear" in proportion, "lower", "higher", "nearest" (of equally near
    ones that with the even place), or "midpoint". Where there is a NaN, the quantile is NaN.

    Shapes: (..., n, ...) -> (...), or (len(q), ...). Raises: ArgumentError; AxisError; ShapeError
    where there is nothing.

    >>> wg.quantile(wg.tensor([4.0, 1.0, 3.0, 2.0]), [0.0, 0.5])
    tensor([1. , 2.5])
    """
    return _quantile("quantile", x, q, axis, keepdims, method)


def median(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return the value in the middle over axes: of an even number the mean of both.

    That is NumPy's; PyTorch's is the lower of the two, `quantile(x, 0.5, method="lower")`.

    >>> wg.median(wg.tensor([5.0, 1.0, 2.0, 100.0]))
    tensor(3.5)
    """
    return _quantile("median", x, 0.5, axis, keepdims, "linear")


def _quantile(op: str, x: Any, q: Any, axis: Any, keepdims: bool, method: str) -> Tensor:
    checked_choice(method, METHODS, op, "method")
    x, axes, count = over_floats(x, axis, op)
    shares = q.tolist() if hasattr(q, "tolist") else q
    several = isinstance(shares, (list, tuple))
    try:
        numbers = [float(s) for s in (shares if several else [shares])]
    except (TypeError, ValueError):
        numbers = [math.nan]
    if not all(0 <= s <= 1 for s in numbers) or not numbers:
        raise ArgumentError(f"{op}: q={shown(q)} came, and numbers from 0 to 1 are needed")
    if not count:
        raise ShapeError(f"{op}: nothing over axes {axes} of shape {x.shape}")
    others = [i for i in range(len(x.shape)) if i not in axes]
    rest = tuple([x.shape[i] for i in others])
    line = reshape(permute_dims(x, (*others, *axes)), (prod(rest), count))
    ordered = sort(line, 1)
    last = part(ordered, (count - 1, 1, 1), 1)
    made = []
    for share in numbers:
        value = _between(ordered, share * (count - 1), method)
        made.append(reshape(where(isnan(last), last, value), rest))
    out = stack(made) if several else made[0]
    return expand_dims(out, tuple([i + several for i in axes])) if keepdims and axes else out


def _between(ordered: Tensor, place: float, method: str) -> Tensor:
    """Return what stands at a place of the last axis, which is kept, or between two of them."""
    low = math.floor(place)
    share = place - low
    if method == "nearest":
        low, share = int(np.rint(place)), 0.0
    elif method in ("lower", "higher"):
        low, share = (low if method == "lower" else math.ceil(place)), 0.0
    first = part(ordered, (low, 1, 1), 1)
    if not share:
        return first
    second = part(ordered, (low + 1, 1, 1), 1)
    share = 0.5 if method == "midpoint" else share
    apart = second - first
    # From the nearer end, so that no digits of it are lost.
    near = first + apart * share if share < 0.5 else second - apart * (1 - share)
    # Where one is infinite there is no distance, and between two far numbers none that fits.
    return where(isfinite(apart), near, first * (1 - share) + second * share)
