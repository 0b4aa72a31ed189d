"""Compositions of ops: what has no kernel and no gradient rule of its own."""

from __future__ import annotations

import operator
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from . import dtypes
from .backends.base import kept_shape, tracing
from .core import Value, apply, check_devices, wrap
from .devices import device as find_device
from .errors import ArgumentError, DTypeError, ShapeError, shown
from .indexing import host_indices, index_tensor
from .layout import broadcast_shapes, normalize_axes, normalize_axis
from .ops import indexing, movement
from .ops.elementwise import add, clamp, equal, exp, isnan, log, power, square, where
from .ops.families import NUMBERS, coerce, expanded, with_dtype
from .ops.linalg import matmul_, matmul_transposed
from .ops.reduction import max_, min_, sum_
from .shaping import as_tensor, as_tensors, reshape, squeeze
from .tape import no_grad

if TYPE_CHECKING:
    from .tensor import Tensor


def pow(a: Any, b: Any) -> Tensor:
    """Return a ** b; integers stay integers, and then b is at least 0.

    Raises: ArgumentError for integers to a negative power, which have no integer result.
    """
    if not all(isinstance(x, Value) or type(x) in NUMBERS for x in (a, b)):
        a, b = coerce("pow", (a, b))
    if type(b) in (int, float) and b == 2 and isinstance(a, Value) and a.dtype.rank > 0:
        return square(a)
    if not isinstance(a, Value) and not isinstance(b, Value):
        a, b = coerce("pow", (a, b))
    integer = all(dtypes.scalar_rank(x) < 2 for x in (a, b) if not isinstance(x, Value)) and all(
        not x.dtype.is_floating for x in (a, b) if isinstance(x, Value)
    )
    if integer:
        _check_exponent(b)
    return power(a, b)


def _check_exponent(b: Any) -> None:
    """Raise ArgumentError when an integer exponent is negative somewhere."""
    least = b
    if isinstance(b, Value):
        if not b.dtype.rank or not b.array.layout.size:
            return
        if (tracer := tracing()) is not None:
            tracer.range_checked(b, 0, 2**32, _check_exponent, "pow")
            return
        least = indexing.bounds(b, 0, 2**32)[0]
    if least < 0:
        raise ArgumentError(
            f"pow: an integer to the power {shown(least)} is no integer: convert to float32 first"
        )


def clip(x: Tensor, lo: Any = None, hi: Any = None) -> Tensor:
    """Return `x` kept between `lo` and `hi`, bounds included (None: no bound).

    The slope is 1 at both bounds; NaN stays NaN. Raises: ArgumentError when lo > hi.
    """
    x = as_tensor(x, "clip")
    if lo is None and hi is None:
        return apply(movement.alias, x)
    if isinstance(lo, (int, float)) and isinstance(hi, (int, float)) and lo > hi:
        raise ArgumentError(f"clip: lo {shown(lo)} is greater than hi {shown(hi)}")
    least, greatest = _extremes(x.dtype)
    return clamp(x, least if lo is None else lo, greatest if hi is None else hi)


def _extremes(dtype: dtypes.DType) -> tuple[Any, Any]:
    if dtype.is_integer:
        info = np.iinfo(dtype.numpy)
        return int(info.min), int(info.max)
    return -float("inf"), float("inf")


def matmul(a: Any, b: Any) -> Tensor:
    """Return the matrix product over the last axis of `a` and the last but one of `b`.

    Shapes: (n, k), (k, m) -> (n, m); leading axes broadcast; a 1-d operand is a row on the left
    and a column on the right, and that axis leaves the result. Sums accumulate in the dtype.
    Raises: ShapeError, DTypeError.
    """
    a, b = coerce("matmul", (a, b))
    for x in (a, b):
        if not isinstance(x, Value) or not x.shape:
            raise ShapeError("matmul: a 0-d operand came; at least 1 axis is needed, or use *")
    row, column = len(a.shape) == 1, len(b.shape) == 1
    inner = b.shape[0] if column else b.shape[-2]
    if a.shape[-1] != inner:
        raise ShapeError(
            f"matmul: a {a.shape} and b {b.shape} disagree: a.shape[-1] must equal "
            f"{'b.shape[0]' if column else 'b.shape[-2]'}"
        )
    common = dtypes.promote(a.dtype, b.dtype)
    if common is dtypes.bool_:
        raise DTypeError("matmul: bool tensors came and numbers are needed: convert with .astype()")
    check_devices("matmul", (a, b))
    left = reshape(a, (1, inner)) if row else a
    right = reshape(b, (inner, 1)) if column else b
    lead = broadcast_shapes("matmul", left.shape[:-2], right.shape[:-2])
    out = apply(
        matmul_,
        expanded(with_dtype(left, common), (*lead, *left.shape[-2:])),
        expanded(with_dtype(right, common), (*lead, *right.shape[-2:])),
    )
    shape = out.shape
    if row or column:
        shape = (*lead, *(() if row else shape[-2:-1]), *(() if column else shape[-1:]))
    return out if shape == out.shape else reshape(out, shape)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x @ weight.T + bias. Shapes: (..., k), (m, k), (m,) -> (..., m).

    Raises: ShapeError, DTypeError.
    """
    x, weight = as_tensors("linear", x, weight)
    if bias is not None:
        bias = as_tensor(bias, "linear", weight)
    if not x.shape or len(weight.shape) != 2 or x.shape[-1] != weight.shape[1]:
        raise ShapeError(
            f"linear: x {x.shape} and weight {weight.shape} disagree: x.shape[-1] must equal "
            "weight.shape[1], of 2 axes"
        )
    bias = None if bias is None else as_tensor(bias, "linear", x)
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(
            f"linear: bias {bias.shape} came for weight {weight.shape}; shape {weight.shape[:1]} "
            "is needed"
        )
    check_devices("linear", (x, weight, bias))
    common = dtypes.promote(x.dtype, weight.dtype)
    if common is dtypes.bool_:
        raise DTypeError("linear: bool tensors came and numbers are needed: convert with .astype()")
    rows = x if len(x.shape) == 2 else reshape(x, (prod(x.shape[:-1]), x.shape[-1]))
    out = apply(matmul_transposed, with_dtype(rows, common), with_dtype(weight, common))
    if bias is not None:
        out = add(out, bias)
    return out if len(x.shape) == 2 else reshape(out, (*x.shape[:-1], weight.shape[0]))


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
    from .creation import arange

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


def _shift(x: Tensor, axis: Any, name: str) -> tuple[Tensor, Tensor]:
    """Return a floating `x` and its largest value over `axis`, kept, as a constant.

    Subtracting it keeps exp in range, and no derivative needs to pass: it cancels. It is kept
    finite, for inf - inf is NaN.
    """
    x = as_tensor(x, name)
    axes = normalize_axes(axis, len(x.shape), name)
    if not x.dtype.is_floating:
        x = with_dtype(x, dtypes.float32)
    if any(x.shape[i] == 0 for i in axes):  # nothing to subtract from
        return x, wrap(x.device.full(kept_shape(x.shape, axes), 0, x.dtype))
    with no_grad():
        largest = max(x.detach(), axis=axes, keepdims=True)
        limit = float(np.finfo(x.dtype.numpy).max)
        return x, clamp(largest, -limit, limit)


def logsumexp(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return log(sum(exp(x))) over axes, stable for large and for very negative values."""
    x, largest = _shift(x, axis, "logsumexp")
    total = log(sum_(exp(x - largest), axis=axis, keepdims=True)) + largest
    return total if keepdims else squeeze(total, normalize_axes(axis, len(x.shape), "logsumexp"))


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Return exp(x) / sum(exp(x)) along `axis`: positive, sums to 1, stable for large values."""
    x, largest = _shift(x, axis, "softmax")
    e = exp(x - largest)
    return e / sum_(e, axis=axis, keepdims=True)


def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Return log(softmax(x)) along `axis`, stable for large values."""
    x, largest = _shift(x, axis, "log_softmax")
    shifted = x - largest
    return shifted - log(sum_(exp(shifted), axis=axis, keepdims=True))


def _check_reduction(reduction: str, name: str) -> None:
    if not isinstance(reduction, str) or reduction not in ("mean", "sum", "none"):
        raise ArgumentError(
            f'{name}: reduction {shown(reduction)} came; "mean", "sum" or "none" is needed'
        )


def _reduce_loss(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return loss
    return mean(loss) if reduction == "mean" else sum_(loss)


def mse_loss(prediction: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """Return the squared error; shapes must be equal (broadcasting would hide a mistake)."""
    _check_reduction(reduction, "mse_loss")
    prediction, target = as_tensors("mse_loss", prediction, target)
    if prediction.shape != target.shape:
        raise ShapeError(
            f"mse_loss: the prediction has shape {prediction.shape} and the target {target.shape}; "
            "equal shapes are needed"
        )
    return _reduce_loss(square(prediction - target), reduction)


def cross_entropy(logits: Tensor, labels: Any, reduction: str = "mean") -> Tensor:
    """Return -log_softmax(logits)[label]: the loss of a classifier.

    Shapes: logits (..., classes), integer labels (...) -> 0-d, or (...) with reduction="none".
    Raises: ShapeError; DTypeError for labels that are not integers; IndexRangeError for a label
    that is no class.
    """
    _check_reduction(reduction, "cross_entropy")
    logits = as_tensor(logits, "cross_entropy", labels)
    labels = index_tensor(labels, logits, "cross_entropy")
    if not logits.shape or labels.shape != logits.shape[:-1]:
        raise ShapeError(
            f"cross_entropy: logits {logits.shape} need labels of shape {logits.shape[:-1]}, and "
            f"{labels.shape} came"
        )
    indexing.check_indices(labels, logits.shape[-1], "cross_entropy", "label")
    column = reshape(labels, (*labels.shape, 1))
    chosen = apply(indexing.gather_, logits, column, axis=len(labels.shape))
    loss = logsumexp(logits, -1, keepdims=True) - chosen
    return reshape(loss, labels.shape) if reduction == "none" else _reduce_loss(loss, reduction)


def one_hot(labels: Any, classes: int, dtype: Any = float, device: Any = None) -> Tensor:
    """Return rows of zeros with a 1 at each label. Shapes: (...) -> (..., classes)."""
    from .creation import arange

    try:
        count = operator.index(classes)
    except TypeError:
        count = -1
    if not 0 <= count < 2**31:
        raise ArgumentError(
            f"one_hot: {shown(classes)} classes came, and an integer from 0 to 2**31 - 1 is needed"
        )
    target = dtypes.as_dtype(float if dtype is None else dtype)
    if isinstance(labels, Value):
        found: Any = labels
    else:
        found = host_indices(labels, find_device(device), "one_hot", "labels")
    found.device.check_dtype(target, "one_hot")
    indexing.check_indices(found, count, "one_hot", "label")
    places = arange(count, dtype=found.dtype, device=found.device)
    return with_dtype(equal(reshape(found, (*found.shape, 1)), places), target)
