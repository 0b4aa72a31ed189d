"""Lengths and angles of vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks.arguments import checked_flag
from ..core import Tensor, check_devices
from ..creation.inputs import as_float, as_tensor, as_tensors
from ..errors import ShapeError
from ..indexing import take
from ..layout import broadcast_shapes, normalize_axis
from ..ops.elementwise import maximum, not_equal, where
from ..ops.reduction import sum_
from .losses import at_least_0, check_reduction, reduced
from .precision import floating, in_float32
from .reductions import in_range, norm


def normalize(input: Tensor, p: float = 2.0, axis: int = 1, eps: float = 1e-12) -> Tensor:
    """Return `input` over its p-norm along `axis`, or over `eps` where the norm is smaller.

    Raises: AxisError; ArgumentError unless p > 0 and eps > 0.

    >>> wg.nn.functional.normalize(wg.tensor([[3.0, 4.0], [0.0, 2.0]]))
    tensor([[0.6, 0.8],
            [0. , 1. ]])
    """
    x = floating(as_tensor(input, "normalize"))
    at = normalize_axis(axis, len(x.shape), "normalize")
    order, least = (as_float(v, "normalize", n, above=0) for v, n in ((p, "p"), (eps, "eps")))
    return _of_unit_norm(x, order, at, least)


def cosine_similarity(x1: Tensor, x2: Tensor, axis: int = 1, eps: float = 1e-8) -> Tensor:
    """Return the cosine of the angle between vectors along `axis`; norms count as at least `eps`.

    Shapes: broadcast, less the axis. Raises: ShapeError; ArgumentError unless eps > 0.

    >>> x, y = wg.tensor([[1.0, 0.0], [0.0, 2.0]]), wg.tensor([[5.0, 0.0], [3.0, 0.0]])
    >>> wg.nn.functional.cosine_similarity(x, y)
    tensor([1., 0.])
    """
    name = "cosine_similarity"
    least = as_float(eps, name, "eps", above=0)
    x1, x2, at = _vectors(x1, x2, axis, name)
    return _cosine(x1, x2, at, least)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdims: bool = False
) -> Tensor:
    """Return the p-norm of x1 - x2 + eps along the last axis.

    Shapes: (..., d), (..., d) -> (...), or (..., 1) with keepdims; leading axes broadcast.
    Raises: ShapeError.
    """
    name = "pairwise_distance"
    order, small = as_float(p, name, "p"), as_float(eps, name, "eps")
    keep = checked_flag(keepdims, name, "keepdims")
    x1, x2, _ = _vectors(x1, x2, -1, name)

    @in_float32
    def distance(x1: Tensor, x2: Tensor) -> Tensor:
        return norm(x1 - x2 + small, -1, keep, order)

    return distance(x1, x2)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """Return the p-norms of the differences of all pairs of rows, (0, 1), (0, 2), ..., in a line.

    Shapes: (n, d) -> (n (n - 1) / 2,). Raises: ShapeError; ArgumentError for a negative p.
    """
    order = as_float(p, "pdist", "p", least=0)
    x = floating(as_tensor(input, "pdist"))
    if len(x.shape) != 2:
        raise ShapeError(f"pdist: an input of shape {x.shape} came, and (n, d) is needed")
    first, second = np.triu_indices(x.shape[0], 1)

    @in_float32
    def distance(x: Tensor) -> Tensor:
        return norm(take(x, first, 0) - take(x, second, 0), -1, False, order)

    return distance(x)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Any, reduction: str = "mean", *, margin: float = 0.0
) -> Tensor:
    """Return 1 - cosine where the target is 1, and max(0, cosine - margin) where it is -1.

    Where the cosine is the margin the slope is that of a larger one, as in PyTorch.
    Shapes: inputs (n, d) or (d,), target (n,) or () -> 0-d, or the target's with
    reduction="none". Raises: ShapeError; ArgumentError for an unknown reduction.
    """
    name = "cosine_embedding_loss"
    check_reduction(reduction, name)
    edge = as_float(margin, name, "margin")
    x1, x2, at = _vectors(input1, input2, -1, name)
    target = as_tensor(target, name, x1)
    shape = broadcast_shapes(name, x1.shape, x2.shape)[:-1]
    if target.shape != shape:
        raise ShapeError(f"{name}: a target {target.shape} came, and {shape} is needed")
    check_devices(name, (x1, target))

    def loss(x1: Tensor, x2: Tensor, target: Tensor) -> Tensor:
        cosine = _cosine(x1, x2, at, 1e-8)
        near = where(not_equal(target, -1), 1 - cosine, 0.0)
        return near + where(not_equal(target, 1), at_least_0(cosine - edge), 0.0)

    return reduced(loss, reduction, x1, x2, target)


def _vectors(x1: Any, x2: Any, axis: Any, name: str) -> tuple[Tensor, Tensor, int]:
    """Return two tensors of floats that agree along an axis, and that axis from the back."""
    x1, x2 = (floating(x) for x in as_tensors(name, x1, x2))
    check_devices(name, (x1, x2))
    shape = broadcast_shapes(name, x1.shape, x2.shape)
    at = normalize_axis(axis, len(shape), name) - len(shape)
    for x in (x1, x2):
        if len(x.shape) < -at or x.shape[at] != shape[at]:
            raise ShapeError(f"{name}: {x1.shape} and {x2.shape} disagree along axis {axis}")
    return x1, x2, at


@in_float32
def _cosine(x1: Tensor, x2: Tensor, at: int, eps: float) -> Tensor:
    x1, x2 = (_of_unit_norm(x, 2.0, at, eps) for x in (x1, x2))
    return sum_(x1 * x2, axis=at)


@in_float32
def _of_unit_norm(x: Tensor, p: float, axis: int, eps: float) -> Tensor:
    x, scale = in_range(x, (axis,))  # the norm itself may overflow
    return x / maximum(norm(x, axis, keepdims=True, ord=p), eps / scale)
