"""Layers without parameters: pooling, flattening, and images in another size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..functional.convolution import Numbers
from ..functional.interpolation import check_options, interpolate
from ..functional.pooling import (
    adaptive_avg_pool2d,
    avg_pool2d,
    checked_divisor,
    max_pool2d,
    output_sizes,
)
from ..functional.windows import pool_frame
from ..layout import MAX_AXES, normalize_axis
from ..shaping import checked_flag, flatten
from ..tensor import Tensor
from .module import Module


class MaxPool2d(Module):
    """The largest value of every window: nn.functional.max_pool2d as a layer.

    Raises: ArgumentError, here as in all of these, for what serves no image.
    """

    def __init__(
        self,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        padding: Numbers = 0,
        dilation: Numbers = 1,
        ceil_mode: bool = False,
    ):
        pool_frame("MaxPool2d", 2, kernel_size, stride, padding, dilation)
        checked_flag(ceil_mode, "MaxPool2d", "ceil_mode")
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.ceil_mode = ceil_mode

    def forward(self, x: Any) -> Tensor:
        return max_pool2d(
            x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(Module):
    """The mean of every window: nn.functional.avg_pool2d as a layer."""

    def __init__(
        self,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        padding: Numbers = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        pool_frame("AvgPool2d", 2, kernel_size, stride, padding)
        checked_flag(ceil_mode, "AvgPool2d", "ceil_mode")
        checked_flag(count_include_pad, "AvgPool2d", "count_include_pad")
        checked_divisor(divisor_override, "AvgPool2d")
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, x: Any) -> Tensor:
        return avg_pool2d(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Module):
    """Means over a given number of windows: nn.functional.adaptive_avg_pool2d as a layer."""

    def __init__(self, output_size: Any):
        output_sizes(output_size, "AdaptiveAvgPool2d")
        self.output_size = output_size

    def forward(self, x: Any) -> Tensor:
        return adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class Flatten(Module):
    """The axes from `start_dim` to `end_dim` made one: all but the batch, unless told otherwise."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        for axis in (start_dim, end_dim):
            normalize_axis(axis, MAX_AXES, "Flatten")
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Any) -> Tensor:
        return flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Upsample(Module):
    """Images in another size: nn.functional.interpolate as a layer."""

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ):
        check_options("Upsample", size, scale_factor, mode, align_corners, recompute_scale_factor)
        self.size = size
        self.scale_factor = scale_factor
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, x: Any) -> Tensor:
        return interpolate(
            x,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        by = "size" if self.scale_factor is None else "scale_factor"
        return f"{by}={getattr(self, by)}, mode={self.mode!r}"
