"""What channels and neighbours do to one another: local norms, powers in windows, shuffles."""

from __future__ import annotations

from typing import Any

from ..checks.arguments import checked_flag
from ..checks.arguments import size as checked_size
from ..core import Tensor
from ..creation.inputs import as_float, as_tensor
from ..errors import ArgumentError, ShapeError
from ..ops.elementwise import abs_, relu, sign, square
from ..ops.reduction import sum_
from ..shaping import pad, reshape, transpose
from .arithmetic import pow as power
from .convolution import Numbers, numbers
from .pooling import avg_pool1d, avg_pool2d, avg_pool3d
from .precision import floating, in_float32
from .unfolding import sliding_windows


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Return input / (k + alpha * s) ** beta, s the mean square of `size` channels around each.

    Shapes: (n, channels, ...) -> the same; channels that are not there count as 0.
    Raises: ShapeError for less than 3 axes; ArgumentError.
    Source: Krizhevsky et al., "ImageNet classification with deep convolutional neural networks"
    (NeurIPS 2012).
    """
    name = "local_response_norm"
    count = checked_size(size, f"{name}: size")
    factor, exponent, base = (
        as_float(v, name, n) for v, n in ((alpha, "alpha"), (beta, "beta"), (k, "k"))
    )
    x = floating(as_tensor(input, name))
    if len(x.shape) < 3:
        raise ShapeError(f"{name}: an input of shape {x.shape} came; at least 3 axes are needed")

    @in_float32
    def normed(x: Tensor) -> Tensor:
        widths = [(0, 0)] * len(x.shape)
        widths[1] = count // 2, (count - 1) // 2
        windows = sliding_windows(pad(square(x), tuple(widths)), 1, count, 1)
        return x / power(sum_(windows, axis=-1) * (factor / count) + base, exponent)

    return normed(x)


def lp_pool1d(
    input: Tensor,
    norm_type: float,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the root of order `norm_type` of the sum of powers of that order in every window.

    A sum below 0, of an odd order, counts as 0. Shapes: (N, C, L) -> (N, C, P), or without N.
    Raises: ShapeError, ArgumentError.
    """
    return _lp("lp_pool1d", avg_pool1d, 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor,
    norm_type: float,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Return lp_pool1d of images. Shapes: (N, C, H, W) -> (N, C, PH, PW), or without N."""
    return _lp("lp_pool2d", avg_pool2d, 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor,
    norm_type: float,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Return lp_pool1d of volumes. Shapes: (N, C, D, H, W) -> (N, C, PD, PH, PW), or without N."""
    return _lp("lp_pool3d", avg_pool3d, 3, input, norm_type, kernel_size, stride, ceil_mode)


def _lp(
    name: str,
    pool: Any,
    axes: int,
    input: Any,
    norm_type: Any,
    kernel_size: Numbers,
    stride: Numbers | None,
    ceil_mode: Any,
) -> Tensor:
    order = as_float(norm_type, name, "norm_type")
    if not order:
        raise ArgumentError(f"{name}: norm_type is 0, which has no root")
    ceil = checked_flag(ceil_mode, name, "ceil_mode")
    x = floating(as_tensor(input, name))
    count = 1
    for n in numbers(kernel_size, axes, name, "kernel_size", 1):
        count *= n

    @in_float32
    def pooled(x: Tensor) -> Tensor:
        means = pool(power(x, order), kernel_size, stride, 0, ceil)
        return power(relu(sign(means) * relu(abs_(means))) * count, 1 / order)

    return pooled(x)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Return channels in another order: the first of each group, then the second of each, ...

    Shapes: (n, channels, ...) -> the same. Raises: ShapeError; ArgumentError unless the groups
    divide the channels.
    """
    name = "channel_shuffle"
    x, parts = as_tensor(input, name), checked_size(groups, f"{name}: groups")
    if len(x.shape) < 3:
        raise ShapeError(f"{name}: an input of shape {x.shape} came; at least 3 axes are needed")
    n, channels, *image = x.shape
    if channels % parts:
        raise ArgumentError(f"{name}: groups={parts} came, and it must divide {channels} channels")
    split = reshape(x, (n, parts, channels // parts, *image))
    return reshape(transpose(split, 1, 2), x.shape)
