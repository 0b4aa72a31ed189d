"""Losses of classifiers, whose targets are labels, or a probability for each class.

The classes lie along `axis`: the second one unless it is said, as in PyTorch, and of a single axis
that. For (batch, time, classes) pass axis=-1.
"""

from __future__ import annotations

from typing import Any

from ..core import Tensor, Value, apply, check_devices
from ..core.tracing import tracing
from ..creation import arange, host_array
from ..creation.inputs import as_float, as_number, as_tensor
from ..dtypes import float32, float64
from ..errors import ArgumentError, DTypeError, ShapeError, shown
from ..indexing import index_tensor
from ..layout import Shape, normalize_axis
from ..ops import indexing
from ..ops.elementwise import equal, exp, log, relu, weighted, where
from ..ops.families import expanded, with_dtype
from ..ops.reduction import sum_
from ..ops.standing import label_loss, stands_alone
from ..shaping import reshape
from .losses import check_reduction, reduce_loss, reduced
from .precision import in_float32
from .regularization import check_share
from .softmax import shifted


def cross_entropy(
    input: Tensor,
    target: Any,
    reduction: str = "mean",
    *,
    weight: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    axis: int | None = None,
) -> Tensor:
    """Return -log_softmax(input)[target]: the loss of a classifier, from its logits.

    The target is integer labels, or floats of the input's shape: a probability for each class.
    `weight` has a factor for each class. A label `ignore_index` counts nowhere. `label_smoothing`
    mixes that share of the uniform distribution into the target. The mean is over the weights of
    the labels: with weights, the sum of the losses over the sum of the weights (of none it is NaN);
    with probabilities, over the samples.
    Shapes: input (n, classes, ...), target (n, ...) or the input's -> 0-d, or (n, ...) with
    reduction="none". The classes lie along `axis`: None is the second one, or the only one.
    Raises: ShapeError; DTypeError for targets that are neither; IndexRangeError for a label that
    is no class; ArgumentError.

    >>> logits = wg.tensor([[100.0, 0.0, 0.0], [0.0, 100.0, 0.0]])
    >>> wg.cross_entropy(logits, wg.tensor([0, 1]))  # both right, and sure of it
    tensor(0.)
    >>> wg.cross_entropy(logits, wg.tensor([0, 2]), "none")  # the second is wrong
    tensor([  0., 100.])
    """
    name = "cross_entropy"
    check_reduction(reduction, name)
    smoothing = check_share(label_smoothing, name, "label_smoothing")
    logits, target, at = _scores(input, target, axis, name)
    factors = _class_weights(weight, logits, at, name)
    if target.dtype.is_floating and target.shape == logits.shape:
        check_devices(name, (logits, target))
        return _of_shares(logits, target, factors, at, smoothing, reduction)
    labels = _labels(target, logits, at, ignore_index, name)
    return _of_labels(logits, factors, labels, smoothing, reduction)


@in_float32
def _of_shares(
    logits: Tensor,
    target: Tensor,
    factors: Tensor | None,
    at: int,
    smoothing: float,
    reduction: str,
) -> Tensor:
    """Return the cross entropy with a probability for each class."""
    x, largest, normalizer = _log_parts(logits, at)
    if smoothing:
        target = target * (1 - smoothing) + smoothing / logits.shape[at]
    terms = weighted(target, normalizer - (x - largest))
    terms = terms if factors is None else weighted(factors, terms)
    return reduce_loss(sum_(terms, axis=at), reduction)


@in_float32
def _of_labels(
    logits: Tensor, factors: Tensor | None, labels: _Labels, smoothing: float, reduction: str
) -> Tensor:
    """Return the cross entropy with labels."""
    at = labels.at
    classes = logits.shape[at]
    if factors is None and not smoothing and labels.ignored is None and stands_alone():
        if logits.dtype in (float32, float64) and logits.array.layout.size:
            size = labels.column.array.layout.size
            if reduction == "none":
                return labels.reduce(label_loss(logits, labels.column, at, None), None, reduction)
            count = float(size) if reduction == "mean" else 1.0
            return label_loss(logits, labels.column, at, count)
    x, largest, normalizer = _log_parts(logits, at)
    loss = labels.times_weight(normalizer - (labels.pick(x) - largest), factors)
    if smoothing:
        if factors is None:
            spread = classes * normalizer - sum_(x - largest, axis=at, keepdims=True)
        else:
            spread = sum_(weighted(factors, normalizer - (x - largest)), axis=at, keepdims=True)
        loss = weighted(1 - smoothing, loss) + (smoothing / classes) * labels.kept(spread)
    return labels.reduce(loss, factors, reduction)


def nll_loss(
    input: Tensor,
    target: Any,
    reduction: str = "mean",
    *,
    weight: Any = None,
    ignore_index: int = -100,
    axis: int | None = None,
) -> Tensor:
    """Return -input[target]: cross_entropy of what are logarithms of probabilities already.

    Shapes, arguments and what is raised: those of cross_entropy with labels.

    >>> log_p = wg.tensor([[-0.5, -1.0], [-2.0, -0.25]])
    >>> wg.nn.functional.nll_loss(log_p, wg.tensor([0, 1]), "none")
    tensor([0.5 , 0.25])
    """
    name = "nll_loss"
    check_reduction(reduction, name)
    scores, target, at = _scores(input, target, axis, name)
    factors = _class_weights(weight, scores, at, name)
    labels = _labels(target, scores, at, ignore_index, name)

    @in_float32
    def loss(scores: Tensor, factors: Tensor | None) -> Tensor:
        losses = labels.times_weight(-labels.pick(scores), factors)
        return labels.reduce(losses, factors, reduction)

    return loss(scores, factors)


def multi_margin_loss(
    input: Tensor,
    target: Any,
    reduction: str = "mean",
    *,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    axis: int | None = None,
) -> Tensor:
    """Return the mean over classes of max(0, margin - input[target] + input[other]) ** p.

    The class of the target itself counts 0; `weight` has a factor for each class, by the target.
    Shapes: input (n, classes), target (n,) -> 0-d, or (n,) with reduction="none"; `axis` is
    cross_entropy's.
    Raises: as cross_entropy with labels; ArgumentError for a p that is neither 1 nor 2.
    Source: Crammer and Singer, "On the algorithmic implementation of multiclass kernel-based
    vector machines" (JMLR 2001).
    """
    name = "multi_margin_loss"
    check_reduction(reduction, name)
    edge = as_float(margin, name, "margin")
    order = as_number(p, name, "p")
    if order not in (1, 2):
        raise ArgumentError(f"{name}: p={shown(order)} came, and 1 or 2 is needed")
    scores, target, at = _scores(input, target, axis, name)
    factors = _class_weights(weight, scores, at, name)
    labels = _labels(target, scores, at, None, name)
    classes = reshape(
        arange(scores.shape[at], dtype=labels.column.dtype, device=scores.device),
        (scores.shape[at], *(1 for _ in scores.shape[at + 1 :])),
    )

    def loss(scores: Tensor, factors: Tensor | None) -> Tensor:
        short = relu(edge - labels.pick(scores) + scores)
        short = where(equal(labels.column, classes), 0.0, short if order == 1 else short * short)
        smooth = sum_(short, axis=at, keepdims=True) / scores.shape[at]
        return reshape(labels.times_weight(smooth, factors), target.shape)

    return reduced(loss, reduction, scores, factors)


class _Labels:
    """Labels that have been checked: `column` has extent 1 along the axis of the classes."""

    def __init__(self, column: Tensor, ignored: Tensor | None, at: int):
        self.column = column
        self.ignored = ignored
        self.at = at

    def pick(self, scores: Tensor) -> Tensor:
        """Return the score of each label."""
        return apply(indexing.gather_, scores, self.column, axis=self.at)

    def kept(self, loss: Tensor) -> Tensor:
        """Return a loss with 0 where the label is ignored."""
        return loss if self.ignored is None else where(self.ignored, 0.0, loss)

    def weights(self, factors: Tensor) -> Tensor:
        """Return the weight of each label, 0 where it is ignored."""
        shape = list(self.column.shape)
        shape[self.at] = factors.shape[self.at]
        return self.kept(self.pick(expanded(factors, tuple(shape))))

    def times_weight(self, loss: Tensor, factors: Tensor | None) -> Tensor:
        """Return a loss times the weight of each label, 0 where that is 0 or it is ignored."""
        return self.kept(loss if factors is None else weighted(self.weights(factors), loss))

    def reduce(self, loss: Tensor, factors: Tensor | None, reduction: str) -> Tensor:
        """Return the loss of each label, their sum, or their mean over the weights."""
        if reduction == "none":
            shape = self.column.shape
            return reshape(loss, shape[: self.at] + shape[self.at + 1 :])
        if reduction == "sum" or (factors is None and self.ignored is None):
            return reduce_loss(loss, reduction)
        if factors is not None:
            return sum_(loss) / sum_(self.weights(factors))
        assert self.ignored is not None
        return sum_(loss) / sum_(where(self.ignored, 0.0, 1.0))


def _scores(input: Any, target: Any, axis: int | None, name: str) -> tuple[Tensor, Tensor, int]:
    """Return the input, the target as a tensor beside it, and the axis of the classes."""
    scores = as_tensor(input, name, target)
    usual = min(1, len(scores.shape) - 1)
    at = normalize_axis(usual if axis is None else axis, len(scores.shape), name)
    if not isinstance(target, Value):
        target = host_array(target, name)
        floats = target.dtype.kind == "f" and target.size
        target = as_tensor(target, name, scores) if floats else target
    return scores, index_tensor(target, scores, name), at


def _log_parts(logits: Tensor, at: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return (x, m, n) with log_softmax = (x - m) - n: the largest x, and a number beside 1.

    In this order nothing is lost where x is large.
    """
    x, largest = shifted(logits, at, "cross_entropy")
    return x, largest, log(sum_(exp(x - largest), axis=at, keepdims=True))


def _labels(target: Tensor, scores: Tensor, at: int, ignore: Any, name: str) -> _Labels:
    """Check integer labels. Raises: ShapeError, DTypeError, IndexRangeError."""
    shape: Shape = scores.shape[:at] + scores.shape[at + 1 :]
    if target.shape != shape:
        raise ShapeError(
            f"{name}: an input {scores.shape} with its classes along axis {at} needs labels of "
            f"shape {shape}, and {target.shape} came: axis= says where the classes lie"
        )
    classes = scores.shape[at]
    allowed = None if ignore is None else _allowed(ignore, target, classes, name)
    target = indexing.checked_indices(target, classes, name, "label", allowed)
    column = reshape(target, shape[:at] + (1,) + shape[at:])
    if allowed is None:
        return _Labels(column, None, at)
    ignored = equal(column, allowed)
    return _Labels(where(ignored, 0, column), ignored, at)


def _allowed(ignore: Any, target: Tensor, classes: int, name: str) -> int | None:
    """Return the label that is to be ignored, None where it cannot or does not occur."""
    label = as_number(ignore, name, "ignore_index")
    if not isinstance(label, int):
        raise DTypeError(f"{name}: ignore_index={label} came, and an integer is needed")
    if not target.dtype.is_integer or not target.array.layout.size or not classes:
        return None
    least = 0 if target.dtype.name == "uint32" else -(2**31)
    if not least <= label < least + 2**32 or label >= 2**31:
        return None
    if 0 <= label < classes:
        return label
    tracer = tracing()
    if tracer is not None:
        return None if tracer.range_chosen(target, 0, classes - 1) else label
    return None if indexing.outlier(target, 0, classes - 1) is None else label


def _class_weights(weight: Any, scores: Tensor, at: int, name: str) -> Tensor | None:
    if weight is None:
        return None
    weight = as_tensor(weight, name, scores)
    classes = scores.shape[at]
    if weight.shape != (classes,):
        raise ShapeError(f"{name}: weight {weight.shape} came for {classes} classes")
    check_devices(name, (scores, weight))
    if scores.dtype.is_floating and not weight.dtype.is_floating:
        weight = with_dtype(weight, scores.dtype)
    return reshape(weight, (*(1 for _ in range(at)), classes, *(1 for _ in scores.shape[at + 1 :])))
