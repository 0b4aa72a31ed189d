"""Connectionist temporal classification: how unlikely a labelling is, whatever its timing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..checks.arguments import checked_flag, integer
from ..core import Tensor, Value, apply
from ..creation import arange, host_array, tensor
from ..creation.inputs import as_tensor
from ..errors import ArgumentError, IndexRangeError, ShapeError
from ..indexing import index_tensor
from ..ops import elementwise as ops
from ..ops import indexing
from ..ops.families import expanded
from ..ops.reduction import sum_
from ..shaping import concat, reshape, stack
from .losses import check_reduction
from .precision import in_float32
from .reductions import mean


def ctc_loss(
    log_probs: Tensor,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Return -log of the probability that labels come in this order, over all timings.

    `log_probs` are logarithms of probabilities (log_softmax) of each class at each time, of which
    `blank` is none of the labels. A label may last; between two equal ones there is a blank.
    "mean" divides each loss by its number of labels first. Where there is not enough time for the
    labels the loss is infinite, or with `zero_infinity` 0.
    Shapes: log_probs (time, n, classes) or (time, classes), targets (n, labels) or all labels one
    after the other in a line, lengths (n,) -> 0-d, or (n,) with reduction="none".
    The lengths of targets in a line, and all that is checked, must be known when it is called.
    Raises: ShapeError; IndexRangeError for what is no class; ArgumentError for wrong lengths.
    Source: Graves et al., "Connectionist temporal classification" (ICML 2006).
    """
    name = "ctc_loss"
    check_reduction(reduction, name)
    finite = checked_flag(zero_infinity, name, "zero_infinity")
    x = as_tensor(log_probs, name)
    if len(x.shape) not in (2, 3):
        raise ShapeError(f"{name}: log_probs {x.shape} came; (time, n, classes) is needed")
    single = len(x.shape) == 2
    x = reshape(x, (x.shape[0], 1, x.shape[1])) if single else x
    time, n, classes = x.shape
    empty = integer(blank, name, "blank")
    if not 0 <= empty < classes:
        raise IndexRangeError(f"{name}: blank={empty} came, and there are {classes} classes")
    times = _lengths(input_lengths, n, time, name, "input_lengths")
    counts = _lengths(target_lengths, n, None, name, "target_lengths")
    labels = _labels(targets, counts, x, name)
    most = labels.shape[1]
    if int(counts.max(initial=0)) > most:
        raise ArgumentError(f"{name}: target_lengths up to {counts.max()} came for {labels.shape}")
    labels = indexing.checked_indices(labels, classes, name, "label")

    @in_float32
    def losses(x: Tensor) -> Tensor:
        return _losses(x, labels, times, counts, empty)

    loss = losses(x)
    if finite:
        loss = ops.where(ops.equal(loss, math.inf), 0.0, loss)
    if reduction == "mean":
        return mean(loss / tensor(np.maximum(counts, 1), loss.dtype, loss.device))
    if reduction == "sum":
        return sum_(loss)
    return reshape(loss, ()) if single else loss


def _losses(x: Tensor, labels: Tensor, times: np.ndarray, counts: np.ndarray, blank: int) -> Tensor:
    """Return the loss of each sequence, by the forward recursion over time in logarithms.

    The states are blank, label, blank, label, ..., blank: 2 * labels + 1.
    """
    time, n, _ = x.shape
    most = labels.shape[1]
    states = 2 * most + 1
    odd = arange(states, device=x.device)
    blanks = ops.equal(odd % 2, 0)
    spread = concat(
        [_doubled(labels, blank), tensor(np.full((n, 1), blank), labels.dtype, x.device)], 1
    )
    before = concat(
        [tensor(np.full((n, 2), -1), labels.dtype, x.device), spread[:, : states - 2]], 1
    )
    skips = ops.logical_and(ops.logical_not(blanks), ops.not_equal(spread, before[:, :states]))
    at = [apply(indexing.gather_, x[t], spread, axis=1) for t in range(time)]
    low = float(np.finfo(x.dtype.numpy).min) / 4  # as good as no chance, and without NaN in slopes
    none = expanded(as_tensor(low, "ctc_loss", x), (n, 1))
    first = ops.less(odd, 2)
    alpha = ops.where(first, at[0], low)
    seen = [alpha]
    for scores in at[1:]:
        step = concat([none, alpha[:, :-1]], 1) if states > 1 else expanded(none, (n, 1))
        jump = concat([none, none, alpha[:, : states - 2]], 1)[:, :states] if states > 2 else step
        jump = ops.where(skips, jump, low)
        total = ops.logaddexp(ops.logaddexp(alpha, step), jump)
        alpha = ops.maximum(total + scores, low)
        seen.append(alpha)
    every = stack(seen, 0)
    last = np.maximum(times - 1, 0)
    rows = np.arange(n)
    final = every[last, rows]
    ends = np.stack([2 * counts, np.maximum(2 * counts - 1, 0)], 1)
    picked = apply(indexing.gather_, final, tensor(ends, dtypes.int32, x.device), axis=1)
    second = ops.where(tensor(counts > 0, device=x.device), picked[:, 1], low)
    chance = ops.logaddexp(picked[:, 0], second)
    return ops.where(ops.less(chance, low / 2), math.inf, -chance)


def _doubled(labels: Tensor, blank: int) -> Tensor:
    """Return blank, label, blank, label, ... of each row."""
    n, most = labels.shape
    gaps = tensor(np.full((n, most), blank), labels.dtype, labels.device)
    return reshape(stack([gaps, labels], 2), (n, 2 * most))


def _lengths(given: Any, n: int, most: int | None, name: str, what: str) -> np.ndarray:
    """Return lengths as integers of the host. Raises: ShapeError; ArgumentError."""
    data = given.numpy() if isinstance(given, Value) else host_array(given, name)  # type: ignore[attr-defined]
    data = data.reshape(1) if data.ndim == 0 else data
    if data.shape != (n,) or data.dtype.kind not in "iu":
        raise ShapeError(f"{name}: {what} {data.shape} came, and {n} integers are needed")
    if data.size and (data.min() < 0 or (most is not None and data.max() > most)):
        limit = "" if most is None else f" to {most}"
        raise ArgumentError(f"{name}: {what} from {data.min()} to {data.max()} came, from 0{limit}")
    return data.astype(np.int64)


def _labels(targets: Any, counts: np.ndarray, x: Tensor, name: str) -> Tensor:
    """Return labels as rows of equal length; what is beyond a row's own counts for nothing."""
    n = len(counts)
    rows = index_tensor(targets, x, name)
    if len(rows.shape) == 2 and rows.shape[0] == n:
        return rows
    if len(rows.shape) != 1 or rows.shape[0] != counts.sum():
        raise ShapeError(
            f"{name}: targets {rows.shape} came; ({n}, labels), or all {counts.sum()} labels in a "
            "line, are needed"
        )
    most = int(counts.max(initial=0))
    starts = np.cumsum(counts) - counts
    places = np.minimum(starts[:, None] + np.arange(most), max(rows.shape[0] - 1, 0))
    if not rows.shape[0]:
        return reshape(rows, (n, 0))
    return rows[tensor(places, dtypes.int32, x.device)]
