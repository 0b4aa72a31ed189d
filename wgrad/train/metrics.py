"""Metrics: functions of (output, target) whose mean over an epoch is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ArgumentError, ShapeError, shown
from ..functional import argmax, mean
from ..ops.elementwise import abs_, square
from ..tensor import Tensor

Metric = Callable[[Any, Any], Tensor]


def accuracy(output: Tensor, target: Tensor) -> Tensor:
    """Return the share of right answers, from 0 to 1.

    Shapes: scores (n, c, ...) and labels (n, ...), the greatest score is the answer; or logits and
    targets 0 or 1 of one shape, where a logit above 0 stands for 1.

    >>> scores = wg.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    >>> wg.train.accuracy(scores, wg.tensor([1, 0, 1]))
    tensor(1.)
    """
    if output.shape == target.shape:
        right = (output > 0) == (target > 0.5)
    elif len(output.shape) == len(target.shape) + 1:
        right = argmax(output, axis=1) == target
    else:
        raise ShapeError(
            f"accuracy: outputs {output.shape} and targets {target.shape} came, and scores (n, c) "
            "with labels (n,), or equal shapes, are needed"
        )
    return mean(right.astype("float32"))


def mean_absolute_error(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean of |output - target|.

    >>> wg.train.mean_absolute_error(wg.tensor([1.0, 2.0]), wg.tensor([1.0, 5.0]))
    tensor(1.5)
    """
    return mean(abs_(output - target))


def mean_squared_error(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean of (output - target)^2.

    >>> wg.train.mean_squared_error(wg.tensor([1.0, 2.0]), wg.tensor([1.0, 4.0]))
    tensor(2.)
    """
    return mean(square(output - target))


NAMED: dict[str, Metric] = {
    "accuracy": accuracy,
    "mae": mean_absolute_error,
    "mse": mean_squared_error,
}


def named(metrics: Any) -> dict[str, Metric]:
    """Return metrics by name: of a dict, or a list of functions and names of ours."""
    if isinstance(metrics, (str, bytes)) or callable(metrics):
        metrics = [metrics]
    found: dict[str, Metric] = {}
    items = metrics.items() if isinstance(metrics, Mapping) else [(None, m) for m in metrics]
    for name, metric in items:
        if isinstance(metric, str) and metric in NAMED:
            name, metric = name or metric, NAMED[metric]
        if not callable(metric):
            raise ArgumentError(
                f"fit: the metric {shown(metric)} came, and a function of (output, target) or one "
                f"of {', '.join(NAMED)} is needed"
            )
        name = name or getattr(metric, "__name__", type(metric).__name__)
        if name in ("loss", "epoch", "lr") or name in found or str(name).startswith("val_"):
            raise ArgumentError(f"fit: a metric is named {name!r}, which means something else")
        found[str(name)] = metric
    return found
