"""Losses of predictions: one number, or with reduction="none" one for each element.

As in PyTorch, with two differences: `reduction` is the third argument and what follows it has to be
named, and shapes must be equal, for broadcasting would hide a mistake.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..checks.arguments import checked_choice, checked_flag
from ..core import Tensor, check_devices
from ..creation.inputs import as_float, as_tensor, as_tensors
from ..errors import ShapeError
from ..ops.elementwise import (
    abs_,
    clamp,
    equal,
    exp,
    greater,
    less,
    log,
    logsigmoid,
    not_equal,
    square,
    weighted,
    where,
)
from ..ops.elementwise import binary_cross_entropy as binary_cross_entropy_
from ..ops.families import with_dtype
from ..ops.reduction import sum_
from .precision import in_float32
from .reductions import mean

_REDUCTIONS = ("mean", "sum", "none")


def check_reduction(reduction: Any, name: str, known: tuple[str, ...] = _REDUCTIONS) -> None:
    """Raise ArgumentError for what is no reduction."""
    checked_choice(reduction, known, name, "reduction")


def reduce_loss(loss: Tensor, reduction: str) -> Tensor:
    """Return the mean or the sum of a loss, or itself."""
    if reduction == "none":
        return loss
    return mean(loss) if reduction == "mean" else sum_(loss)


def reduced(loss: Callable[..., Tensor], reduction: str, *tensors: Tensor | None) -> Tensor:
    """Return the mean or the sum of a loss of tensors, or itself, computed in float32 at least.

    Integers beside floats are converted first: their logarithms would be float32's.
    """
    floats = [x.dtype for x in tensors if x is not None and x.dtype.is_floating]
    if floats:
        common = functools.reduce(dtypes.promote, floats)
        tensors = tuple(
            x if x is None or x.dtype.is_floating else with_dtype(x, common) for x in tensors
        )
    return in_float32(lambda *wide: reduce_loss(loss(*wide), reduction))(*tensors)


def at_least_0(x: Tensor) -> Tensor:
    """Return relu(x), but with a slope of 1 at 0."""
    return clamp(x, 0.0, math.inf)


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
    """Return the squared error. Raises: ShapeError; ArgumentError for an unknown reduction.

    >>> wg.mse_loss(wg.tensor([1.0, 2.0]), wg.tensor([1.0, 4.0]))
    tensor(2.)
    >>> wg.mse_loss(wg.tensor([1.0, 2.0]), wg.tensor([1.0, 4.0]), "sum")
    tensor(4.)
    """
    check_reduction(reduction, "mse_loss")
    input, target = same_shapes("mse_loss", input, target)
    return reduced(lambda x, y: square(x - y), reduction, input, target)


def l1_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """Return the absolute error. Raises: ShapeError; ArgumentError for an unknown reduction.

    >>> wg.nn.functional.l1_loss(wg.tensor([1.0, 2.0]), wg.tensor([1.0, 5.0]))
    tensor(1.5)
    """
    check_reduction(reduction, "l1_loss")
    input, target = same_shapes("l1_loss", input, target)
    return reduced(_absolute, reduction, input, target)


def huber_loss(
    input: Tensor, target: Any, reduction: str = "mean", *, delta: float = 1.0
) -> Tensor:
    """Return half the squared error, and past an error of `delta` its tangent.

    Raises: ShapeError; ArgumentError unless delta > 0.
    Source: Huber, "Robust estimation of a location parameter" (1964).

    >>> wg.nn.functional.huber_loss(wg.tensor([0.5, 10.0]), wg.zeros(2), "none")
    tensor([0.125, 9.5  ])
    """
    check_reduction(reduction, "huber_loss")
    limit = as_float(delta, "huber_loss", "delta", above=0)
    input, target = same_shapes("huber_loss", input, target)
    return reduced(lambda x, y: _huber(x - y, limit), reduction, input, target)


def smooth_l1_loss(
    input: Tensor, target: Any, reduction: str = "mean", *, beta: float = 1.0
) -> Tensor:
    """Return huber_loss over its delta, which is called `beta`; with beta=0 it is l1_loss.

    So it is with a beta that is 0 beside the input's dtype, such as 1e-40 for float32.
    Raises: ShapeError; ArgumentError unless beta >= 0.

    >>> wg.nn.functional.smooth_l1_loss(wg.tensor([0.5, 10.0]), wg.zeros(2), "none")
    tensor([0.125, 9.5  ])
    """
    check_reduction(reduction, "smooth_l1_loss")
    limit = as_float(beta, "smooth_l1_loss", "beta", least=0)
    input, target = same_shapes("smooth_l1_loss", input, target)

    def loss(input: Tensor, target: Tensor) -> Tensor:
        error = input - target
        kind = np.float64 if error.dtype is dtypes.float64 else np.float32
        if limit < float(np.finfo(kind).tiny):  # what a GPU takes for 0
            return abs_(error)
        return _huber(error, limit, limit)

    return reduced(loss, reduction, input, target)


def _absolute(input: Tensor, target: Tensor) -> Tensor:
    return abs_(input - target)


def _huber(error: Tensor, limit: float, scale: float = 1.0) -> Tensor:
    """Return the Huber loss over `scale`, which divides a factor: the product may underflow."""
    near = clamp(error, -limit, limit)
    return (near if scale == 1 else near / scale) * (error - 0.5 * near)


def gaussian_nll_loss(
    input: Tensor,
    target: Any,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Return (log var + (input - target) ** 2 / var) / 2, with `var` at least `eps`.

    `full` adds log(2 pi) / 2. Where `eps` stands for `var`, the gradient by var is the one at eps.
    `var` is a number, or has the input's shape, or that with a last axis of 1 or none.
    Raises: ShapeError; ArgumentError unless eps > 0.

    >>> mean, target, var = wg.tensor([0.0, 0.0]), wg.tensor([0.0, 3.0]), wg.ones(2)
    >>> wg.nn.functional.gaussian_nll_loss(mean, target, var, reduction="none")
    tensor([0. , 4.5])
    """
    name = "gaussian_nll_loss"
    check_reduction(reduction, name)
    small = as_float(eps, name, "eps", above=0)
    whole = checked_flag(full, name, "full")
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
    check_devices(name, (input, target, var))

    def loss(input: Tensor, target: Tensor, var: Tensor) -> Tensor:
        # As if eps had been given where var is smaller: its slope passes, to lift var again.
        var = where(greater(var, small), var, (var - var.detach()) + small)
        error = input - target
        error_term = 0.5 * (log(var) + error * (error / var))
        return error_term + 0.5 * math.log(2 * math.pi) if whole else error_term

    return reduced(loss, reduction, input, target, var)


def binary_cross_entropy(
    input: Tensor, target: Any, reduction: str = "mean", *, weight: Any = None
) -> Tensor:
    """Return -(target * log(input) + (1 - target) * log(1 - input)), with logarithms >= -100.

    `input` are probabilities: one outside 0 to 1 gives NaN. For logits there is
    binary_cross_entropy_with_logits, whose gradient does not vanish. `weight` broadcasts.
    Raises: ShapeError; ArgumentError for an unknown reduction.

    >>> p, target = wg.tensor([0.5, 0.5]), wg.tensor([1.0, 0.0])
    >>> loss = wg.nn.functional.binary_cross_entropy(p, target)
    >>> wg.allclose(loss, wg.log(wg.tensor(2.0)))
    True
    """
    name = "binary_cross_entropy"
    check_reduction(reduction, name)
    input, target = same_shapes(name, input, target)
    factor = _factor(weight, input, name)

    def loss(x: Tensor, y: Tensor, factor: Tensor | None) -> Tensor:
        return _times(binary_cross_entropy_(x, y), factor)

    return reduced(loss, reduction, input, target, factor)


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

    >>> logits, target = wg.tensor([50.0, -50.0, 50.0]), wg.tensor([1.0, 0.0, 0.0])
    >>> wg.nn.functional.binary_cross_entropy_with_logits(logits, target, "none") > 1
    tensor([False, False,  True])
    """
    name = "binary_cross_entropy_with_logits"
    check_reduction(reduction, name)
    input, target = same_shapes(name, input, target)
    factor = _factor(weight, input, name)
    yes = _factor(pos_weight, input, name, "pos_weight")

    def loss(x: Tensor, y: Tensor, factor: Tensor | None, yes: Tensor | None) -> Tensor:
        likelihood = _times(weighted(y, logsigmoid(x)), yes) + weighted(1 - y, logsigmoid(-x))
        return _times(-likelihood, factor)

    return reduced(loss, reduction, input, target, factor, yes)


def _factor(weight: Any, like: Tensor, name: str, what: str = "weight") -> Tensor | None:
    """Return a weight as a tensor that broadcasts to a loss, None for none."""
    if weight is None:
        return None
    weight = as_tensor(weight, name, like)
    shape = (1,) * (len(like.shape) - len(weight.shape)) + weight.shape
    if len(shape) > len(like.shape) or any(
        n not in (1, m) for n, m in zip(shape, like.shape, strict=True)
    ):
        raise ShapeError(f"{name}: {what} {weight.shape} does not broadcast to {like.shape}")
    check_devices(name, (like, weight))
    return weight


def _times(loss: Tensor, weight: Tensor | None) -> Tensor:
    """Return a loss times a weight; what has a weight of 0 does not count, whatever it is."""
    return loss if weight is None else weighted(weight, loss)


def kl_div(
    input: Tensor, target: Any, reduction: str = "mean", *, log_target: bool = False
) -> Tensor:
    """Return target * (log(target) - input): how far `input`, a logarithm, is from the target.

    Where the target is 0 the loss is. With log_target=True the target is a logarithm too.
    reduction="batchmean" divides the sum by the first extent, which is the divergence by
    definition, and "mean" by the number of elements.
    Raises: ShapeError; ArgumentError for an unknown reduction.

    >>> p = wg.tensor([0.5, 0.5])
    >>> wg.nn.functional.kl_div(wg.log(p), p)  # a distribution, and itself
    tensor(0.)
    """
    check_reduction(reduction, "kl_div", ("mean", "batchmean", "sum", "none"))
    logarithms = checked_flag(log_target, "kl_div", "log_target")
    input, target = same_shapes("kl_div", input, target)
    samples = input.shape[0] if input.shape else 1

    def loss(input: Tensor, target: Tensor) -> Tensor:
        if logarithms:
            terms = weighted(exp(target), target - input)
        else:
            tiny = float(np.finfo(target.dtype.numpy).tiny)  # below, slopes of logarithms overflow
            least = where(less(abs_(target), tiny), tiny, target)
            logarithm = log(where(equal(target, 0), 1.0, least))
            terms = weighted(target, logarithm) - weighted(target, input)
        return sum_(terms) / samples if reduction == "batchmean" else terms

    return reduced(loss, "none" if reduction == "batchmean" else reduction, input, target)


def hinge_embedding_loss(
    input: Tensor, target: Any, reduction: str = "mean", *, margin: float = 1.0
) -> Tensor:
    """Return `input` where the target is 1, and max(0, margin - input) where it is -1.

    At the margin itself the slope is that of within, as in PyTorch.
    Raises: ShapeError; ArgumentError for an unknown reduction.
    """
    check_reduction(reduction, "hinge_embedding_loss")
    edge = as_float(margin, "hinge_embedding_loss", "margin")
    input, target = same_shapes("hinge_embedding_loss", input, target)

    def loss(input: Tensor, target: Tensor) -> Tensor:
        far = where(not_equal(target, 1), at_least_0(edge - input), 0.0)
        return far + where(not_equal(target, -1), input, 0.0)

    return reduced(loss, reduction, input, target)
