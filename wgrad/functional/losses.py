"""The losses: one number, or with reduction="none" one for each sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core import apply
from ..errors import ArgumentError, ShapeError, shown
from ..indexing import index_tensor
from ..ops import indexing
from ..ops.elementwise import square
from ..ops.reduction import sum_
from ..shaping import as_tensor, as_tensors, reshape
from .reductions import mean
from .softmax import logsumexp

if TYPE_CHECKING:
    from ..tensor import Tensor


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
