"""Normalizations as modules: scale and shift to learn, and BatchNorm's running statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..checks.arguments import size
from ..creation import DeviceLike, ones, tensor, zeros
from ..creation.inputs import as_tensor
from ..errors import ArgumentError, ShapeError
from ..functional.normalization import (
    batch_norm,
    check_momentum,
    group_norm,
    instance_norm,
    layer_norm,
    rms_norm,
)
from ..functional.responses import local_response_norm
from ..interrupts import whole
from ..layout import normalize_shape
from ..tensor import Tensor
from .module import Module


def _learned(make: Any, shape: Any, device: DeviceLike, wanted: bool) -> Tensor | None:
    return make(shape, device=device).requires_grad_() if wanted else None


class _LastAxes(Module):
    """What LayerNorm and RMSNorm share: a normalized shape, and whether they learn a scale."""

    def __init__(self, normalized_shape: Any, eps: float | None, affine: bool, device: DeviceLike):
        self.normalized_shape = normalize_shape(normalized_shape, type(self).__name__)
        self.eps: Any = eps
        self.elementwise_affine = bool(affine)
        self.weight = _learned(ones, self.normalized_shape, device, affine)

    def extra_repr(self) -> str:
        affine = ", elementwise_affine=False" * (not self.elementwise_affine)
        return f"{self.normalized_shape}, eps={self.eps}{affine}"


class LayerNorm(_LastAxes):
    """(x - mean) / sqrt(variance + eps) over the last axes, times weight, plus bias.

    Shapes: x (..., *normalized_shape) -> the same; weight and bias have the normalized shape, and
    start as 1 and 0.
    Raises: ArgumentError; in the call, ShapeError.
    Source: Ba et al., "Layer normalization" (2016).

    >>> wg.round(wg.nn.LayerNorm(2)(wg.tensor([[1.0, 3.0], [100.0, 300.0]])))
    tensor([[-1.,  1.],
            [-1.,  1.]], from round)
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: DeviceLike = None,
    ):
        super().__init__(normalized_shape, eps, elementwise_affine, device)
        self.bias = _learned(zeros, self.normalized_shape, device, elementwise_affine and bias)

    def forward(self, x: Any) -> Tensor:
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)


class RMSNorm(_LastAxes):
    """x / sqrt(mean of squares + eps) over the last axes, times weight.

    The weight starts as 1. Shapes and errors are LayerNorm's; an `eps` of None is the dtype's.
    Source: Zhang and Sennrich, "Root mean square layer normalization" (NeurIPS 2019).

    >>> wg.round(wg.nn.RMSNorm(2)(wg.tensor([[5.0, -5.0]])))
    tensor([[ 1., -1.]], from round)
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: DeviceLike = None,
    ):
        super().__init__(normalized_shape, eps, elementwise_affine, device)

    def forward(self, x: Any) -> Tensor:
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)


class GroupNorm(Module):
    """(x - mean) / sqrt(variance + eps) over each group of channels, times weight, plus bias.

    Shapes: x (n, num_channels, ...) -> the same; weight and bias (num_channels,), which start
    as 1 and 0; there is no bias with bias=False.
    Raises: ArgumentError unless num_groups divides num_channels; in the call, ShapeError.
    Source: Wu and He, "Group normalization" (ECCV 2018).

    >>> wg.nn.GroupNorm(2, 6)(wg.randn(4, 6, 8, 8)).shape  # two groups of three channels
    (4, 6, 8, 8)
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: DeviceLike = None,
        *,
        bias: bool = True,
    ):
        self.num_groups = size(num_groups, "GroupNorm: num_groups")
        self.num_channels = size(num_channels, "GroupNorm: num_channels")
        if self.num_channels % self.num_groups:
            raise ArgumentError(
                f"GroupNorm: {num_groups} groups do not divide {num_channels} channels"
            )
        self.eps = eps
        self.affine = bool(affine)
        self.weight = _learned(ones, self.num_channels, device, affine)
        self.bias = _learned(zeros, self.num_channels, device, affine and bias)

    def forward(self, x: Any) -> Tensor:
        x = as_tensor(x, "GroupNorm", self.weight)
        if len(x.shape) < 2 or x.shape[1] != self.num_channels:
            raise ShapeError(
                f"GroupNorm: an input of shape {x.shape} came, and its second axis must have "
                f"{self.num_channels} channels"
            )
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        affine = ", affine=False" * (not self.affine)
        affine += ", bias=False" * (self.affine and self.bias is None)
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}{affine}"


class _BatchNorm(Module):
    """What BatchNorm1d to BatchNorm3d are, but for the number of axes."""

    axes: tuple[int, ...]  # how many an input may have

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: DeviceLike = None,
        *,
        bias: bool = True,
    ):
        name = type(self).__name__
        self.num_features = size(num_features, f"{name}: num_features")
        self.eps = eps
        self.momentum = None if momentum is None else check_momentum(momentum, name)
        self.affine = bool(affine)
        self.track_running_stats = bool(track_running_stats)
        self.weight = _learned(ones, self.num_features, device, affine)
        self.bias = _learned(zeros, self.num_features, device, affine and bias)
        self.running_mean = self.running_var = self.num_batches_tracked = None
        if track_running_stats:
            self.running_mean = zeros(self.num_features, device=device)
            self.running_var = ones(self.num_features, device=device)
            self.num_batches_tracked = tensor(0, device=device)

    @whole  # the statistics and their count are of the same batches
    def forward(self, x: Any) -> Tensor:
        name = type(self).__name__
        x = as_tensor(x, name, self.weight)
        if len(x.shape) not in self.axes or x.shape[1] != self.num_features:
            raise ShapeError(
                f"{name}: an input of shape {x.shape} came, and {' or '.join(map(str, self.axes))} "
                f"axes are needed, the second with {self.num_features} channels"
            )
        middle, spread, count = self.running_mean, self.running_var, self.num_batches_tracked
        step: Any = 0.0 if self.momentum is None else self.momentum
        following = self.training and x.size > 0  # an empty batch has no statistics
        if following and middle is not None and count is not None:
            now = count + 1
            if self.momentum is None:
                step = (1.0 / now).astype(middle.dtype)
        from_batch = self.training or middle is None
        out = batch_norm(x, middle, spread, self.weight, self.bias, from_batch, step, self.eps)
        if following and count is not None:
            count.assign(now)
        return out

    def extra_repr(self) -> str:
        parts = [f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"]
        parts += ["affine=False"] * (not self.affine)
        parts += ["bias=False"] * (self.affine and self.bias is None)
        parts += ["track_running_stats=False"] * (not self.track_running_stats)
        return ", ".join(parts)


class BatchNorm1d(_BatchNorm):
    """(x - mean) / sqrt(variance + eps) in each channel of a batch, times weight, plus bias.

    In evaluation the statistics are the running ones, which follow those of the batches in
    training by `momentum`; None makes them the average of all batches. Without
    `track_running_stats` there are none, and the batch's are used always. With bias=False only the
    weight is learned.
    Shapes: x (n, channels) or (n, channels, length) -> the same; weight, bias and the running mean
    and variance (channels,), which start as 1, 0, 0 and 1.
    Raises: ArgumentError; in the call, ShapeError, also for one value a channel in training.
    Source: Ioffe and Szegedy, "Batch normalization" (ICML 2015).

    >>> layer = wg.nn.BatchNorm1d(2)
    >>> wg.round(layer(wg.tensor([[1.0, 100.0], [3.0, 300.0]])))
    tensor([[-1., -1.],
            [ 1.,  1.]], from round)
    >>> layer.running_mean  # a tenth of the way to the batch's
    tensor([ 0.2, 20. ])
    """

    axes = 2, 3


class BatchNorm2d(_BatchNorm):
    """BatchNorm1d for images. Shapes: x (n, channels, height, width) -> the same.

    >>> wg.nn.BatchNorm2d(3)(wg.ones(2, 3, 4, 4)).shape
    (2, 3, 4, 4)
    """

    axes = (4,)


class BatchNorm3d(_BatchNorm):
    """BatchNorm1d for volumes. Shapes: x (n, channels, depth, height, width) -> the same.

    >>> wg.nn.BatchNorm3d(3)(wg.ones(2, 3, 4, 4, 4)).shape
    (2, 3, 4, 4, 4)
    """

    axes = (5,)


class _InstanceNorm(Module):
    """What InstanceNorm1d to InstanceNorm3d are, but for the number of axes."""

    axes: int  # of an input with samples

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: DeviceLike = None,
    ):
        name = type(self).__name__
        self.num_features = size(num_features, f"{name}: num_features")
        self.eps = eps
        self.momentum = check_momentum(momentum, name)
        self.affine = bool(affine)
        self.track_running_stats = bool(track_running_stats)
        self.weight = _learned(ones, self.num_features, device, affine)
        self.bias = _learned(zeros, self.num_features, device, affine)
        self.running_mean = self.running_var = self.num_batches_tracked = None
        if track_running_stats:
            self.running_mean = zeros(self.num_features, device=device)
            self.running_var = ones(self.num_features, device=device)
            self.num_batches_tracked = tensor(0, device=device)

    def forward(self, x: Any) -> Tensor:
        name = type(self).__name__
        x = as_tensor(x, name, self.weight)
        single = len(x.shape) == self.axes - 1
        if not (single or len(x.shape) == self.axes) or x.shape[1 - single] != self.num_features:
            raise ShapeError(
                f"{name}: an input of shape {x.shape} came, and {self.axes} axes are needed, the "
                f"second with {self.num_features} channels, or all but the first"
            )
        fresh = self.training or self.running_mean is None
        running = self.running_mean, self.running_var
        affine = self.weight, self.bias
        samples = x[None] if single else x
        out = instance_norm(samples, *running, *affine, fresh, self.momentum, self.eps)
        return out[0] if single else out

    def extra_repr(self) -> str:
        parts = [f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"]
        parts += ["affine=True"] * self.affine
        parts += ["track_running_stats=True"] * self.track_running_stats
        return ", ".join(parts)


class InstanceNorm1d(_InstanceNorm):
    """(x - mean) / sqrt(variance + eps) in each channel of each sample, and weights with `affine`.

    With `track_running_stats` evaluation takes running statistics, which follow those of training
    by `momentum`. As in PyTorch, num_batches_tracked stays 0.
    Shapes: x (n, channels, length) or (channels, length) -> the same; all others (channels,).
    The weight starts as 1, the bias as 0. Raises: ArgumentError; in the call, ShapeError.
    Source: Ulyanov et al., "Instance normalization" (2016).

    >>> wg.round(wg.nn.InstanceNorm1d(1)(wg.tensor([[[1.0, 3.0]], [[10.0, 30.0]]]))).tolist()
    [[[-1.0, 1.0]], [[-1.0, 1.0]]]
    """

    axes = 3


class InstanceNorm2d(_InstanceNorm):
    """InstanceNorm1d for images. Shapes: x (n, channels, height, width), or without n.

    >>> wg.nn.InstanceNorm2d(3)(wg.randn(2, 3, 8, 8)).shape
    (2, 3, 8, 8)
    """

    axes = 4


class InstanceNorm3d(_InstanceNorm):
    """InstanceNorm1d for volumes. Shapes: x (n, channels, depth, height, width), or without n.

    >>> wg.nn.InstanceNorm3d(3)(wg.randn(2, 3, 4, 4, 4)).shape
    (2, 3, 4, 4, 4)
    """

    axes = 5


class LocalResponseNorm(Module):
    """x over a power of the mean square of channels around: nn.functional.local_response_norm.

    Formula: x[c] / (k + alpha / size * s) ** beta, where s is the sum of the squares of the `size`
    channels around c.
    Shapes: (n, channels, ...) -> the same. Source: Krizhevsky et al., "ImageNet classification with
    deep convolutional neural networks" (NeurIPS 2012).

    >>> layer = wg.nn.LocalResponseNorm(2, alpha=2.0, beta=1.0, k=0.0)
    >>> layer(wg.ones(1, 3, 1)).tolist()  # the first channel has one neighbour less
    [[[1.0], [0.5], [0.5]]]
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Any) -> Tensor:
        return local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
