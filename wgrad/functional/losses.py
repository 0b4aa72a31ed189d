"""Losses of predictions: one number, or with reduction="none" one for each element.

As in PyTorch, with two differences: `reduction` is the third argument and what follows it has to be
named, and shapes must be equal, for broadcasting would hide a mistake.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, ShapeError, shown
from ..ops.elementwise import (
    abs_,
    binary_cross_entropy_,
    clamp,
    equal,
    exp,
    log,
    logsigmoid,
    maximum,
    not_equal,
    relu,
    square,
    where,
)
from ..ops.reduction import sum_
from ..shaping import as_number, as_tensor, as_tensors
from .reductions import mean

if TYPE_CHECKING:
    from ..tensor import Tensor

_REDUCTIONS = ("mean", "sum", "none")


def check_reduction(reduction: Any, name: str, known: tuple[str, ...] = _REDUCTIONS) -> None:
    """Raise ArgumentError for what is no reduction."""
    if not isinstance(reduction, str) or reduction not in known:
        names = ", ".join(f'"{x}"' for x in known[:-1])
        raise ArgumentError(
            f'{name}: reduction {shown(reduction)} came; {names} or "{known[-1]}" is needed'
        )


def reduce_loss(loss: Tensor, reduction: str) -> Tensor:
    """Return the mean or the sum of a loss, or itself."""
    if reduction == "none":
        return loss
    return mean(loss) if reduction == "mean" else sum_(loss)


def same_shapes(name: str, input: Any, target: Any) -> tuple[Tensor, ...]:
    """Return both as tensors. Raises: ShapeError unless their shapes are equal."""
    input, target = as_tensors(name, input, target)
    if input.shape != target.shape:
        raise ShapeError(
            f"{name}: the input has shape {input.shape} and the target {target.shape}; equal "
            "shapes are needed"
        )
    return input, target


def mse_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """Return the squared error. Raises: ShapeError; ArgumentError for an unknown reduction."""
    check_reduction(reduction, "mse_loss")
    input, target = same_shapes("mse_loss", input, target)
    return reduce_loss(square(input - target), reduction)


def l1_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """Return the absolute error. Raises: ShapeError; ArgumentError for an unknown reduction."""
    check_reduction(reduction, "l1_loss")
    input, target = same_shapes("l1_loss", input, target)
    return reduce_loss(abs_(input - target), reduction)


def huber_loss(
    input: Tensor, target: Any, reduction: str = "mean", *, delta: float = 1.0
) -> Tensor:
    """Return half the squared error, and past an error of `delta` its tangent.

    Raises: ShapeError; ArgumentError unless delta > 0.
    Source: Huber, "Robust estimation of a location parameter" (1964).
    """
    check_reduction(reduction, "huber_loss")
    limit = float(as_number(delta, "huber_loss", "delta"))
    if not limit > 0:
        raise ArgumentError(f"huber_loss: delta={limit} came, and more than 0 is needed")
    error = _difference("huber_loss", input, target)
    return reduce_loss(_huber(error, limit), reduction)


def smooth_l1_loss(
    input: Tensor, target: Any, reduction: str = "mean", *, beta: float = 1.0
) -> Tensor:
    """Return huber_loss over its delta, which is called `beta`; with beta=0 it is l1_loss.

    Raises: ShapeError; ArgumentError unless beta >= 0.
    """
    check_reduction(reduction, "smooth_l1_loss")
    limit = float(as_number(beta, "smooth_l1_loss", "beta"))
    if not limit >= 0:
        raise ArgumentError(f"smooth_l1_loss: beta={limit} came, and at least 0 is needed")
    error = _difference("smooth_l1_loss", input, target)
    return reduce_loss(_huber(error, limit) / limit if limit else abs_(error), reduction)


def _difference(name: str, input: Any, target: Any) -> Tensor:
    input, target = same_shapes(name, input, target)
    return input - target


def _huber(error: Tensor, limit: float) -> Tensor:
    near = clamp(error, -limit, limit)
    return near * (error - 0.5 * near)


def gaussian_nll_loss(
    input: Tensor,
    target: Any,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Return (log var + (input - target) ** 2 / var) / 2, with `var` at least `eps`.

    `full` adds log(2 pi) / 2. `var` is a number, or has the input's shape, or that with a last
    axis of 1 or none. Raises: ShapeError; ArgumentError unless eps > 0.
    """
    name = "gaussian_nll_loss"
    check_reduction(reduction, name)
    small = float(as_number(eps, name, "eps"))
    if not small > 0:
        raise ArgumentError(f"{name}: eps={small} came, and more than 0 is needed")
    input, target = same_shapes(name, input, target)
    var = as_tensor(var, name, input)
    lead = input.shape[:-1]
    if var.shape == lead and var.shape:
        var = var.reshape((*lead, 1))
    elif var.shape not in ((), input.shape, (*lead, 1)):
        raise ShapeError(
            f"{name}: var {var.shape} came for an input of shape {input.shape}, and {input.shape} "
            f"or {(*lead, 1)} is needed"
        )
    var = maximum(var, small)
    loss = 0.5 * (log(var) + square(input - target) / var)
    return reduce_loss(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


def binary_cross_entropy(
    input: Tensor, target: Any, reduction: str = "mean", *, weight: Any = None
) -> Tensor:
    """Return -(target * log(input) + (1 - target) * log(1 - input)), with logarithms >= -100.

    `input` are probabilities: one outside 0 to 1 gives NaN. For logits there is
    binary_cross_entropy_with_logits, whose gradient does not vanish. `weight` broadcasts.
    Raises: ShapeError; ArgumentError for an unknown reduction.
    """
    name = "binary_cross_entropy"
    check_reduction(reduction, name)
    input, target = same_shapes(name, input, target)
    return reduce_loss(_weighted(binary_cross_entropy_(input, target), weight, name), reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Any,
    reduction: str = "mean",
    *,
    weight: Any = None,
    pos_weight: Any = None,
) -> Tensor:
    """Return binary_cross_entropy of sigmoid(input), exact for logits of any size.

    `weight` multiplies the loss and `pos_weight` its part with the target; both broadcast.
    Raises: ShapeError; ArgumentError for an unknown reduction.
    """
    name = "binary_cross_entropy_with_logits"
    check_reduction(reduction, name)
    input, target = same_shapes(name, input, target)
    yes = _weighted(target * logsigmoid(input), pos_weight, name, "pos_weight")
    loss = -(yes + (1 - target) * logsigmoid(-input))
    return reduce_loss(_weighted(loss, weight, name), reduction)


def _weighted(loss: Tensor, weight: Any, name: str, what: str = "weight") -> Tensor:
    if weight is None:
        return loss
    weight = as_tensor(weight, name, loss)
    shape = (1,) * (len(loss.shape) - len(weight.shape)) + weight.shape
    if len(shape) > len(loss.shape) or any(
        n not in (1, m) for n, m in zip(shape, loss.shape, strict=True)
    ):
        raise ShapeError(f"{name}: {what} {weight.shape} does not broadcast to {loss.shape}")
    return loss * weight


def kl_div(
    input: Tensor, target: Any, reduction: str = "mean", *, log_target: bool = False
) -> Tensor:
    """Return target * (log(target) - input): how far `input`, a logarithm, is from the target.

    Where the target is 0 the loss is. With log_target=True the target is a logarithm too.
    reduction="batchmean" divides the sum by the first extent, which is the divergence by
    definition, and "mean" by the number of elements.
    Raises: ShapeError; ArgumentError for an unknown reduction.
    """
    check_reduction(reduction, "kl_div", ("mean", "batchmean", "sum", "none"))
    input, target = same_shapes("kl_div", input, target)
    if log_target:
        loss = exp(target) * (target - input)
    else:
        nothing = equal(target, 0)
        loss = where(nothing, 0.0, target * log(where(nothing, 1.0, target))) - target * input
    if reduction == "batchmean":
        return sum_(loss) / (input.shape[0] if input.shape else 1)
    return reduce_loss(loss, reduction)


def hinge_embedding_loss(
    input: Tensor, target: Any, reduction: str = "mean", *, margin: float = 1.0
) -> Tensor:
    """Return `input` where the target is 1, and max(0, margin - input) where it is -1.

    Raises: ShapeError; ArgumentError for an unknown reduction.
    """
    check_reduction(reduction, "hinge_embedding_loss")
    edge = float(as_number(margin, "hinge_embedding_loss", "margin"))
    input, target = same_shapes("hinge_embedding_loss", input, target)
    far = where(not_equal(target, 1), relu(edge - input), 0.0)
    return reduce_loss(far + where(not_equal(target, -1), input, 0.0), reduction)
