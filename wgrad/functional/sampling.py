"""Sampling: which of several categories, drawn by their probabilities.

Categories wait for exponential times, at a rate of their probability each; the first that arrives
is drawn, and the first k are k different ones (the Gumbel trick: the logarithm of such a time is a
Gumbel number, the other way up). Nothing is added up, so a category of probability 0 never comes.
Source: Kool, van Hoof and Welling, https://arxiv.org/abs/1903.06059
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import dtypes
from ..checks.arguments import checked_flag
from ..checks.arguments import count as checked_count
from ..core import Tensor
from ..core.batched import levels
from ..core.tracing import tracing
from ..creation.inputs import as_tensor
from ..errors import ArgumentError, DTypeError, ShapeError
from ..indexing import topk
from ..layout import Shape, broadcast_shapes, normalize_axis, normalize_shape
from ..ops.elementwise import log
from ..ops.families import with_dtype
from ..random import Generator, waits
from ..shaping import expand_dims, moveaxis
from .reductions import argmax


def categorical(
    logits: Tensor,
    axis: int = -1,
    shape: int | Sequence[int] | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Return which category is drawn, int32: category i with probability softmax(logits)[i].

    Shapes: logits (..., n) -> (...); with `shape`, which (...) has to broadcast to, that many.
    A logit of -inf is never drawn; a row that holds NaN, or -inf alone, gives any.

    Raises: ShapeError, AxisError, DTypeError, ArgumentError.
    Source: jax.random.categorical.

    >>> wg.categorical(wg.tensor([0.0, -wg.inf]), shape=(3,))  # three draws of one row
    tensor([0, 0, 0])
    """
    scores = _floats(logits, "categorical")
    at = normalize_axis(axis, len(scores.shape), "categorical")
    scores = moveaxis(scores, at, -1)
    rows = scores.shape[:-1]
    wanted = rows if shape is None else normalize_shape(shape, "categorical")
    if broadcast_shapes("categorical", rows, wanted) != wanted:
        raise ShapeError(
            f"categorical: logits of shape {logits.shape} came, and {rows} does not broadcast "
            f"to shape={wanted}"
        )
    if not scores.shape[-1]:
        raise ShapeError(f"categorical: logits of shape {logits.shape} came, without a category")
    return argmax(_noisy(scores, (*wanted, scores.shape[-1]), generator, "categorical"), -1)


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Return `num_samples` categories for each row, int32, drawn in proportion to `input`.

    The weights are at least 0 and need not add up to 1. Without `replacement` the samples of a row
    differ, in the order in which they were drawn. Shapes: (n,) -> (k,), or (m, n) -> (m, k).

    Raises: ArgumentError for weights that are negative, NaN or infinite, a row of zeros, and more
    samples than weights above 0 without replacement. In compiled functions and inside vmap, where
    values cannot be looked at, such rows give any categories.
    Raises: ShapeError, DTypeError.

    >>> drawn = wg.multinomial(wg.tensor([0.0, 10.0, 3.0]), 2)  # 1 and 2, in one order or the other
    >>> wg.sort(drawn)
    tensor([1, 2])
    """
    name = "multinomial"
    weights = _floats(input, name)
    if len(weights.shape) not in (1, 2) or not weights.shape[-1]:
        raise ShapeError(f"{name}: shape {weights.shape} came, and (n,) or (m, n) is needed")
    categories = weights.shape[-1]
    again = checked_flag(replacement, name, "replacement")
    k = checked_count(num_samples, name, "num_samples", None if again else categories)
    if tracing() is None and not levels():
        _check_weights(weights, 1 if again else k, name)
    scores = log(weights)
    if again:
        shape = (*weights.shape[:-1], k, categories)
        return argmax(_noisy(expand_dims(scores, -2), shape, generator, name), -1)
    return topk(_noisy(scores, scores.shape, generator, name), k).indices


def _floats(x: Any, where: str) -> Tensor:
    x = as_tensor(x, where).detach()
    if x.dtype is dtypes.bool_:
        raise DTypeError(f"{where}: a bool tensor came and numbers are needed")
    if not x.shape:
        raise ShapeError(f"{where}: a tensor of shape () came, and an axis of categories is needed")
    wide = x.dtype if x.dtype is dtypes.float64 else dtypes.float32
    return with_dtype(x, wide)


def _noisy(scores: Tensor, shape: Shape, generator: Generator | None, where: str) -> Tensor:
    """Return logits with Gumbel noise."""
    return scores - log(waits(shape, scores.device, generator, where))


def _check_weights(weights: Tensor, least: int, where: str) -> None:
    values = weights.numpy()
    if not ((values >= 0) & (values < float("inf"))).all():
        raise ArgumentError(f"{where}: a weight is negative, NaN or infinite; 0 or more is needed")
    fewest = (values > 0).sum(axis=-1).min(initial=weights.shape[-1])
    if fewest < max(least, 1):
        raise ArgumentError(
            f"{where}: a row has {fewest} weights above 0, and {max(least, 1)} are needed"
        )
