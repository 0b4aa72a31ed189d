"""Normalizations: a mean and a variance over some axes, a shift and a scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite, prod
from typing import Any

import numpy as np

from ..checks.arguments import checked_flag
from ..core import Tensor, Value, check_devices
from ..creation.inputs import as_float, as_tensor
from ..errors import ArgumentError, DTypeError, ShapeError
from ..interrupts import whole
from ..layout import Shape, normalize_shape
from ..ops.elementwise import equal, maximum, reciprocal, sqrt, square, where
from ..shaping import reshape
from ..tape import no_grad
from .convolution import numbers
from .precision import floating, in_float32, widened
from .reductions import centered, in_range, mean


def layer_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Return `input` with mean 0 and variance 1 over its last axes, times weight, plus bias.

    Shapes: (..., *normalized_shape) -> the same; weight and bias have the normalized shape.
    Raises: ShapeError, ArgumentError. Source: Ba et al., "Layer normalization" (2016).

    >>> x = wg.tensor([[1.0, 3.0], [100.0, 300.0]])
    >>> wg.round(wg.nn.functional.layer_norm(x, (2,)))
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """
    x, shape = _last_axes(input, normalized_shape, "layer_norm")
    weight, bias = _affine(x, shape, shape, "layer_norm", weight=weight, bias=bias)
    axes = tuple(range(len(x.shape) - len(shape), len(x.shape)))
    return _normalized(x, weight, bias, x.shape, axes, as_float(eps, "layer_norm", "eps", least=0))


def rms_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Return `input` over the root of its mean square over its last axes, times weight.

    Shapes: as layer_norm's. An `eps` of None is the distance from 1 to the next number of the
    dtype. Raises: ShapeError, ArgumentError. Source: Zhang and Sennrich, "Root mean square layer
    normalization" (NeurIPS 2019).

    >>> wg.round(wg.nn.functional.rms_norm(wg.tensor([[5.0, -5.0]]), (2,)))
    tensor([[ 1., -1.]])
    """
    x, shape = _last_axes(input, normalized_shape, "rms_norm")
    weight, _ = _affine(x, shape, shape, "rms_norm", weight=weight, bias=None)
    small = np.finfo(x.dtype.numpy).eps if eps is None else eps
    return _unit_power(
        x, weight, tuple(range(-len(shape), 0)), as_float(small, "rms_norm", "eps", least=0)
    )


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Return `input` with mean 0 and variance 1 over each group of channels of each sample.

    Shapes: (n, channels, ...) -> the same; weight and bias (channels,). Raises: ShapeError unless
    num_groups divides the channels; ArgumentError. Source: Wu and He, "Group normalization" (2018).

    >>> wg.nn.functional.group_norm(wg.randn(4, 6, 8), 2).shape
    (4, 6, 8)
    """
    x = _channels(input, "group_norm")
    (count,) = numbers(num_groups, 1, "group_norm", "num_groups", 1)
    channels = x.shape[1]
    if channels % count:
        raise ShapeError(f"group_norm: {count} groups do not divide {channels} channels")
    weight, bias = _channel_affine(x, "group_norm", weight, bias)
    groups = x.shape[0], count, prod(x.shape[1:]) // count
    return _normalized(x, weight, bias, groups, (2,), as_float(eps, "group_norm", "eps", least=0))


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return `input` with mean 0 and variance 1 in each channel, times weight, plus bias.

    With training=True the statistics are those of the batch, and the running ones (None: there are
    none) move towards them in place by `momentum`: running * (1 - momentum) + batch * momentum,
    where the variance counts n - 1. Otherwise they are the running ones.
    Shapes: (n, channels, ...) -> the same; all others (channels,).
    Raises: ShapeError, also for one value a channel in training; ArgumentError, DTypeError.
    Source: Ioffe and Szegedy, "Batch normalization" (ICML 2015).

    >>> x = wg.tensor([[1.0, 100.0], [3.0, 300.0]])  # two samples of two channels
    >>> wg.round(wg.nn.functional.batch_norm(x, None, None, training=True))
    tensor([[-1., -1.],
            [ 1.,  1.]])
    """
    x = _channels(input, "batch_norm")
    axes = (0, *range(2, len(x.shape)))
    running = running_mean, running_var
    fresh = checked_flag(training, "batch_norm", "training")
    return _by_channel("batch_norm", x, axes, running, weight, bias, fresh, momentum, eps)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return `input` with mean 0 and variance 1 in each channel of each sample.

    As batch_norm otherwise; the running statistics follow the mean over the samples.
    Shapes: (n, channels, ...) -> the same, with at least one axis more; all others (channels,).
    Raises: ShapeError, ArgumentError, DTypeError.
    Source: Ulyanov et al., "Instance normalization" (2016).
    """
    x = _channels(input, "instance_norm", 3)
    axes = tuple(range(2, len(x.shape)))
    running = running_mean, running_var
    fresh = checked_flag(use_input_stats, "instance_norm", "use_input_stats")
    return _by_channel("instance_norm", x, axes, running, weight, bias, fresh, momentum, eps)


def _by_channel(
    name: str,
    x: Tensor,
    axes: Shape,
    running: tuple[Tensor | None, Tensor | None],
    weight: Tensor | None,
    bias: Tensor | None,
    from_input: bool,
    momentum: Any,
    eps: float,
) -> Tensor:
    """Normalize with statistics over `axes`, or with the running ones."""
    channels = x.shape[1]
    for kind, state in zip(("running_mean", "running_var"), running, strict=True):
        _check_state(state, f"{name}: {kind}", channels, from_input)
    check_devices(name, (x, *running, momentum))
    weight, bias = _channel_affine(x, name, weight, bias)
    small = as_float(eps, name, "eps", least=0)
    momentum = check_momentum(momentum, name)
    if not from_input:
        column = (channels, *(1 for _ in x.shape[2:]))
        middle, spread = (reshape(s, column) for s in running if s is not None)
        return _moved(x, middle, spread, weight, bias, small)
    count = prod(x.shape[i] for i in axes)
    if count == 1:
        raise ShapeError(
            f"{name}: an input of shape {x.shape} has one value a channel, whose variance is 0; "
            "more are needed to normalize by"
        )

    @whole  # mean and variance are of one batch
    @no_grad
    def follow(middle: Tensor, spread: Tensor) -> None:
        others = tuple(i for i in range(len(x.shape)) if i != 1)
        batch = middle, spread * (count / max(count - 1, 1))
        for state, statistic in zip(running, batch, strict=True):
            if state is not None:
                fresh = mean(statistic, others)
                state.assign(widened(state) * (1 - momentum) + fresh * momentum)

    some = 0 not in x.shape  # of no samples there are no statistics
    return _normalized(x, weight, bias, x.shape, axes, small, follow if some else None)


# What is computed, of tensors that have been checked.
@in_float32
def _normalized(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    view: Shape,
    axes: Shape,
    eps: float,
    follow: Callable[[Tensor, Tensor], None] | None = None,
) -> Tensor:
    """Normalize over axes of a view; `follow` gets mean and variance, without their history."""
    seen, scale = in_range(reshape(x, view), axes)
    if any(seen.shape[i] == 0 for i in axes):
        around, middle = seen, mean(seen, axes, keepdims=True)
    else:
        around, middle = centered(seen, axes)
    spread = mean(square(around), axes, keepdims=True)
    if follow is not None:
        follow(middle.detach() * scale, spread.detach() * scale * scale)
    root = _inverse_root(spread, _beside(eps, scale))
    return _scaled(reshape(around * root, x.shape), weight, bias)


@in_float32
def _unit_power(x: Tensor, weight: Tensor | None, axes: Shape, eps: float) -> Tensor:
    x, scale = in_range(x, axes)
    root = _inverse_root(mean(square(x), axes, keepdims=True), _beside(eps, scale))
    return _scaled(x * root, weight, None)


@in_float32
def _moved(
    x: Tensor,
    middle: Tensor,
    spread: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> Tensor:
    return _scaled((x - middle) * _inverse_root(spread, eps), weight, bias)


def _beside(eps: float, scale: Any) -> Any:
    """Return an eps for squares over a scale: less, but never nothing if it was not."""
    if not eps or not isinstance(scale, Value):
        return eps
    small: Any = scale
    return maximum(eps / small / small, where(equal(small, 1), 0.0, 1e-20))


def _inverse_root(x: Tensor, eps: Any) -> Tensor:
    return reciprocal(sqrt(x + eps))


def _scaled(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


# What came.
def check_momentum(momentum: Any, name: str) -> Any:
    """Return a momentum as a number, or as the 0-d tensor that it is. Raises: ArgumentError."""
    if isinstance(momentum, Value) and not momentum.shape:
        return momentum
    number = as_float(momentum, name, "momentum")
    if not isfinite(number):
        raise ArgumentError(f"{name}: momentum={number} came, and a finite number is needed")
    return number


def _check_state(state: Any, what: str, channels: int, written: bool) -> None:
    """Raise unless running statistics can be used, and `written` where they are."""
    if state is None:
        if not written:
            raise ArgumentError(f"{what} is None, and without training it is needed")
        return
    if not isinstance(state, Value):
        raise DTypeError(f"{what} is {type(state).__name__}, and a tensor is needed")
    if state.shape != (channels,):
        raise ShapeError(f"{what} {state.shape} came; ({channels},) is needed")
    if not state.dtype.is_floating:
        raise DTypeError(f"{what} is {state.dtype.name}, and floats are needed")
    if written and state.array.layout.overlaps:
        raise ShapeError(
            f"{what} is an expanded view, whose elements share memory, and it is written to: a "
            "copy() is needed"
        )


def _last_axes(input: Any, normalized_shape: Any, name: str) -> tuple[Tensor, Shape]:
    x = floating(as_tensor(input, name))
    shape = normalize_shape(normalized_shape, name)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ShapeError(
            f"{name}: an input of shape {x.shape} does not end in the normalized shape {shape}"
            + ", of at least one axis" * (not shape)
        )
    return x, shape


def _channels(input: Any, name: str, least: int = 2) -> Tensor:
    x = floating(as_tensor(input, name))
    if len(x.shape) < least:
        raise ShapeError(
            f"{name}: an input of shape {x.shape} came; at least {least} axes are needed, of which "
            "the second counts channels"
        )
    return x


def _affine(x: Tensor, shape: Shape, view: Shape, name: str, **given: Any) -> list[Any]:
    """Return weight and bias, each None or of `shape`, in the shape `view`."""
    parameters: list[Any] = []
    for kind, value in given.items():
        if value is not None:
            value = as_tensor(value, name, x)
            if value.shape != shape:
                raise ShapeError(f"{name}: {kind} {value.shape} came; shape {shape} is needed")
            value = reshape(value, view)
        parameters.append(value)
    check_devices(name, (x, *parameters))
    return parameters


def _channel_affine(x: Tensor, name: str, weight: Any, bias: Any) -> list[Any]:
    channels = x.shape[1]
    view = (channels, *(1 for _ in x.shape[2:]))
    return _affine(x, (channels,), view, name, weight=weight, bias=bias)
