"""Losses of signs, counts and distances: margins between inputs, or between classes.

As in PyTorch, but for the order of arguments: the reduction comes after the tensors, and what
follows it has to be named.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..checks.arguments import checked_flag
from ..core import Tensor, apply, check_devices
from ..creation import arange
from ..creation.inputs import as_float, as_tensor
from ..errors import DTypeError, ShapeError
from ..indexing import index_tensor
from ..ops import elementwise as ops
from ..ops import indexing
from ..ops.families import with_dtype
from ..ops.reduction import any_, sum_
from ..shaping import reshape
from .losses import at_least_0, check_reduction, reduced, same_shapes
from .reductions import mean
from .scans import cumulative_prod
from .similarity import pairwise_distance


def margin_ranking_loss(
    input1: Tensor, input2: Any, target: Any, reduction: str = "mean", *, margin: float = 0.0
) -> Tensor:
    """Return max(0, margin - target * (input1 - input2)): the first is to be larger for target 1.

    Shapes: all the same -> 0-d, or that with reduction="none". Raises: ShapeError; ArgumentError.
    """
    name = "margin_ranking_loss"
    check_reduction(reduction, name)
    edge = as_float(margin, name, "margin")
    input1, input2 = same_shapes(name, input1, input2)
    input1, target = same_shapes(name, input1, target)

    def loss(x1: Tensor, x2: Tensor, y: Tensor) -> Tensor:
        return at_least_0(edge - y * (x1 - x2))

    return reduced(loss, reduction, input1, input2, target)


def soft_margin_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """Return log(1 + e ** (-target * input)), for targets 1 and -1, exact for inputs of any size.

    Raises: ShapeError; ArgumentError for an unknown reduction.
    """
    check_reduction(reduction, "soft_margin_loss")
    input, target = same_shapes("soft_margin_loss", input, target)
    return reduced(lambda x, y: -ops.logsigmoid(y * x), reduction, input, target)


def poisson_nll_loss(
    input: Tensor,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """Return how unlikely counts are, given the logarithm of their mean, up to a constant.

    It is e ** input - target * input, or without `log_input`, for a mean, input - target *
    log(input + eps). `full` adds Stirling's formula for log(target!) where the target is above 1.
    Raises: ShapeError; ArgumentError for an unknown reduction.
    """
    name = "poisson_nll_loss"
    check_reduction(reduction, name)
    logarithm = checked_flag(log_input, name, "log_input")
    whole = checked_flag(full, name, "full")
    small = as_float(eps, name, "eps", least=0)
    input, target = same_shapes(name, input, target)

    def loss(x: Tensor, y: Tensor) -> Tensor:
        out = ops.exp(x) - y * x if logarithm else x - y * ops.log(x + small)
        if whole:
            large = ops.greater(y, 1)
            safe = ops.where(large, y, 1.0)
            factorial = safe * ops.log(safe) - safe + 0.5 * ops.log(2 * math.pi * safe)
            out = out + ops.where(large, factorial, 0.0)
        return out

    return reduced(loss, reduction, input, target)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Any,
    negative: Any,
    reduction: str = "mean",
    *,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
) -> Tensor:
    """Return max(0, d(anchor, positive) - d(anchor, negative) + margin), d = pairwise_distance.

    `swap` takes d(positive, negative) for the second distance where that is smaller.
    Shapes: (n, d) or (d,) -> 0-d, or (n,) or () with reduction="none". Raises: ShapeError;
    ArgumentError. Source: Balntas et al., "Learning local feature descriptors with triplets and
    shallow convolutional neural networks" (BMVC 2016).
    """
    name = "triplet_margin_loss"
    order, small = as_float(p, name, "p"), as_float(eps, name, "eps")

    def distance(x1: Tensor, x2: Tensor) -> Tensor:
        return pairwise_distance(x1, x2, order, small)

    how: Any = {"margin": margin, "swap": swap, "distance_function": distance}
    return _triplet(name, anchor, positive, negative, reduction, **how)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Return triplet_margin_loss with a distance of one's own: distance_function(x1, x2).

    None stands for pairwise_distance. Raises: ShapeError; ArgumentError.
    """
    how: Any = {"margin": margin, "swap": swap, "distance_function": distance_function}
    name = "triplet_margin_with_distance_loss"
    return _triplet(name, anchor, positive, negative, reduction, **how)


def _triplet(
    name: str,
    anchor: Any,
    positive: Any,
    negative: Any,
    reduction: str,
    distance_function: Callable | None,
    margin: float,
    swap: bool,
) -> Tensor:
    check_reduction(reduction, name)
    edge, swaps = as_float(margin, name, "margin"), checked_flag(swap, name, "swap")
    anchor, positive = same_shapes(name, anchor, positive)
    anchor, negative = same_shapes(name, anchor, negative)
    distance = pairwise_distance if distance_function is None else distance_function

    def loss(a: Tensor, p: Tensor, n: Tensor) -> Tensor:
        far = distance(a, n)
        if swaps:
            far = ops.minimum(far, distance(p, n))
        return at_least_0(distance(a, p) - far + edge)

    return reduced(loss, reduction, anchor, positive, negative)


def multilabel_soft_margin_loss(
    input: Tensor, target: Any, reduction: str = "mean", *, weight: Any = None
) -> Tensor:
    """Return the mean over classes, the last axis, of binary cross entropies of logits.

    `weight` has a factor for each class.
    Shapes: input and target (..., classes) -> 0-d, or (...) with reduction="none".
    Raises: ShapeError; ArgumentError for an unknown reduction.
    """
    name = "multilabel_soft_margin_loss"
    check_reduction(reduction, name)
    input, target = same_shapes(name, input, target)
    factors = None if weight is None else as_tensor(weight, name, input)
    if not input.shape or (factors is not None and factors.shape not in ((), input.shape[-1:])):
        came = input.shape if factors is None else (input.shape, factors.shape)
        raise ShapeError(f"{name}: {came} came; (..., classes), and a weight for each, are needed")
    check_devices(name, (input, factors))

    def loss(x: Tensor, y: Tensor, w: Tensor | None) -> Tensor:
        out = -(ops.weighted(y, ops.logsigmoid(x)) + ops.weighted(1 - y, ops.logsigmoid(-x)))
        return mean(out if w is None else w * out, -1)

    return reduced(loss, reduction, input, target, factors)


def multilabel_margin_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """Return by how much less than 1 above the other classes the classes of the target are.

    The target's rows have the numbers of the classes, and after the last one -1. For each of them
    and each class that is not among them: max(0, 1 - (input[class] - input[other])), summed and
    divided by the number of classes.
    Shapes: input and target (n, classes) or (classes,) -> 0-d, or (n,) or () with
    reduction="none". Raises: ShapeError; DTypeError; IndexRangeError for what is no class.
    """
    name = "multilabel_margin_loss"
    check_reduction(reduction, name)
    scores = as_tensor(input, name)
    labels = index_tensor(target, scores, name)
    if labels.shape != scores.shape or len(scores.shape) not in (1, 2):
        raise ShapeError(
            f"{name}: input {scores.shape} and target {labels.shape} came, and (n, classes) or "
            "(classes,) is needed for both"
        )
    if not labels.dtype.is_integer:
        raise DTypeError(f"{name}: a {labels.dtype.name} target came, and integers are needed")
    classes = scores.shape[-1]
    lead = scores.shape[:-1]
    counts = cumulative_prod(with_dtype(ops.greater_equal(labels, 0), labels.dtype), -1)
    valid = ops.greater(counts, 0)
    rows = indexing.checked_indices(ops.where(valid, labels, 0), classes, name, "class")
    places = arange(classes, dtype=rows.dtype, device=scores.device)
    same = ops.equal(reshape(rows, (*lead, classes, 1)), places)
    named = any_(ops.logical_and(same, reshape(valid, (*lead, classes, 1))), -2)
    counted = ops.logical_and(
        reshape(valid, (*lead, classes, 1)),
        ops.logical_not(reshape(named, (*lead, 1, classes))),
    )

    def loss(x: Tensor) -> Tensor:
        own = apply(indexing.gather_, x, rows, axis=len(lead))
        short = ops.relu(1 - (reshape(own, (*lead, classes, 1)) - reshape(x, (*lead, 1, classes))))
        return sum_(ops.where(counted, short, 0.0), (-2, -1)) / classes

    return reduced(loss, reduction, scores)
