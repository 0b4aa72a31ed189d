"""softmax, softmin, log_softmax and logsumexp, which subtract the largest value first."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backends.array import kept_shape
from ..core import Tensor, wrap
from ..creation.inputs import as_tensor
from ..layout import normalize_axes
from ..ops.elementwise import clamp, equal, exp, log, where
from ..ops.reduction import sum_
from ..shaping import squeeze
from .precision import floating, in_float32
from .reductions import max


def shifted(x: Tensor, axis: Any, name: str) -> tuple[Tensor, Tensor]:
    """Return a floating `x` and its largest value over `axis`, kept, as a constant.

    Subtracting it keeps exp in range, and no derivative needs to pass: it cancels. It is kept
    finite, for inf - inf is NaN.
    """
    x = floating(as_tensor(x, name))
    axes = normalize_axes(axis, len(x.shape), name)
    if any(x.shape[i] == 0 for i in axes):  # nothing to subtract from
        return x, wrap(x.device.full(kept_shape(x.shape, axes), 0, x.dtype))
    largest = max(x.detach(), axis=axes, keepdims=True)
    limit = float(np.finfo(x.dtype.numpy).max)
    return x, clamp(largest, -limit, limit)


@in_float32
def logsumexp(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return log(sum(exp(x))) over axes, stable for large and for very negative values.

    Of nothing but -inf it is -inf, with gradient 0.

    >>> wg.logsumexp(wg.tensor([1000.0, -1000.0]))  # exp(1000) would be infinite
    tensor(1000.)
    """
    x, largest = shifted(x, axis, "logsumexp")
    sums = sum_(exp(x - largest), axis=axis, keepdims=True)
    nothing = equal(sums, 0)
    total = where(nothing, -math.inf, log(where(nothing, 1.0, sums)) + largest)
    return total if keepdims else squeeze(total, normalize_axes(axis, len(x.shape), "logsumexp"))


@in_float32
def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Return exp(x) / sum(exp(x)) along `axis`: positive, sums to 1, stable for large values.

    >>> wg.softmax(wg.tensor([[0.0, 0.0], [1000.0, 0.0]]))
    tensor([[0.5, 0.5],
            [1. , 0. ]])
    """
    x, largest = shifted(x, axis, "softmax")
    e = exp(x - largest)
    return e / sum_(e, axis=axis, keepdims=True)


def softmin(x: Tensor, axis: int = -1) -> Tensor:
    """Return softmax(-x) along `axis`: the least value has the largest share.

    >>> wg.nn.functional.softmin(wg.tensor([0.0, 1000.0]))
    tensor([1., 0.])
    """
    return softmax(-as_tensor(x, "softmin"), axis)


@in_float32
def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Return log(softmax(x)) along `axis`, stable for large values.

    >>> wg.log_softmax(wg.tensor([1000.0, 0.0]))  # log(softmax(x)) would be -inf for the second
    tensor([    0., -1000.])
    """
    x, largest = shifted(x, axis, "log_softmax")
    low = x - largest
    return low - log(sum_(exp(low), axis=axis, keepdims=True))
