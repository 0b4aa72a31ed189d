"""The convolutional layers, Conv1d to Conv3d and their transposes ConvTranspose1d to 3d."""

from __future__ import annotations

from math import prod
from typing import Any

from ..checks.arguments import checked_choice, size
from ..creation import DeviceLike
from ..creation.inputs import as_tensor
from ..errors import ArgumentError, ShapeError, shown
from ..functional.convolution import (
    Numbers,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    numbers,
)
from ..functional.padding import pad
from ..layout import Shape
from ..random import Seed
from ..tensor import Tensor
from .layers import Uniform
from .wrapped import ForImages


class _Convolution(ForImages):
    """What the layers share: their numbers, their initial values and their repr."""

    transposed: bool = False
    _is_brief = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Numbers,
        stride: Numbers = 1,
        padding: Numbers | str = 0,
        dilation: Numbers = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        seed: Seed = None,
        device: DeviceLike = None,
    ):
        name, d = type(self).__name__, self.axes
        self.in_channels = size(in_channels, f"{name}: in_channels")
        self.out_channels = size(out_channels, f"{name}: out_channels")
        self.groups = size(groups, f"{name}: groups")
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ArgumentError(
                f"{name}: groups={groups} came, and it must divide {in_channels} and {out_channels}"
            )
        modes = ("zeros",) if self.transposed else ("zeros", "reflect", "replicate", "circular")
        self.padding_mode = checked_choice(padding_mode, modes, name, "padding_mode")
        self.kernel_size = numbers(kernel_size, d, name, "kernel_size", 1)
        self.stride = numbers(stride, d, name, "stride", 1)
        self.dilation = numbers(dilation, d, name, "dilation", 1)
        self.output_padding = (0,) * d
        self.padding: Any = self._padding(padding)
        rows, columns = self.out_channels, self.in_channels
        if self.transposed:
            rows, columns = columns, rows
        shape = (rows, columns // self.groups, *self.kernel_size)
        make = Uniform(prod(shape[1:]), seed, device)
        self.weight = make(*shape)
        self.bias = make(self.out_channels) if bias else None

    def _padding(self, padding: Numbers | str) -> Shape | str:
        name = type(self).__name__
        if not isinstance(padding, str) or self.transposed:
            return numbers(padding, self.axes, name, "padding", 0)
        if padding not in ("valid", "same"):
            raise ArgumentError(
                f'{name}: padding={shown(padding)} came; numbers, "valid" or "same" are needed'
            )
        if padding == "same" and any(s != 1 for s in self.stride):
            raise ArgumentError(f'{name}: padding="same" needs stride 1, and {self.stride} came')
        return padding

    def _applied(self, x: Any, how: tuple) -> Tensor:
        """Return the function of an input that fits."""
        name, d = type(self).__name__, self.axes
        weight = self.weight  # once, for it may be computed whenever it is read
        x = as_tensor(x, name, weight)
        if len(x.shape) not in (d + 1, d + 2) or x.shape[-d - 1] != self.in_channels:
            raise ShapeError(
                f"{name}: an input of shape {x.shape} came, and {self.in_channels} channels before "
                f"the {d} axes of the image are needed"
            )
        if self.padding_mode != "zeros" and self.padding != "valid":
            x, how = self._padded(x), (how[0], 0, *how[2:])
        return type(self)._function(x, weight, self.bias, *how)

    def _padded(self, x: Tensor) -> Tensor:
        """Return an input with what the padding mode puts around it."""
        widths: list[int] = []
        for i in range(self.axes):
            if self.padding == "same":
                total = self.dilation[i] * (self.kernel_size[i] - 1)
                before, after = total // 2, total - total // 2
            else:
                before = after = self.padding[i]
            widths[:0] = before, after  # PyTorch's pad begins with the last axis
        return pad(x, tuple(widths), self.padding_mode)

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}", f"kernel_size={self.kernel_size}"]
        parts.append(f"stride={self.stride}")
        usual = {"padding": 0, "output_padding": 0, "dilation": 1}
        for key, number in usual.items():
            value = getattr(self, key)
            if value != (number,) * self.axes:
                parts.append(f"{key}={value!r}")
        parts += [f"padding_mode={self.padding_mode!r}"] * (self.padding_mode != "zeros")
        parts += [f"groups={self.groups}"] * (self.groups != 1)
        parts += ["bias=False"] * (self.bias is None)
        return ", ".join(parts)

    def forward(self, x: Any) -> Tensor:
        how = self.stride, self.padding, self.dilation, self.groups
        return self._applied(x, how)


class _ConvTranspose(_Convolution):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Numbers,
        stride: Numbers = 1,
        padding: Numbers = 0,
        output_padding: Numbers = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Numbers = 1,
        padding_mode: str = "zeros",
        seed: Seed = None,
        device: DeviceLike = None,
    ):
        sizes = in_channels, out_channels, kernel_size, stride, padding
        super().__init__(*sizes, dilation, groups, bias, padding_mode, seed, device)
        name = type(self).__name__
        self.output_padding = numbers(output_padding, self.axes, name, "output_padding", 0)

    def forward(self, x: Any) -> Tensor:
        how = self.stride, self.padding, self.output_padding, self.groups, self.dilation
        return self._applied(x, how)


class Conv1d(_Convolution, axes=1, function=conv1d):
    """A convolution of one axis: nn.functional.conv1d with a weight and a bias of its own.

    Shapes: (N, in_channels, L) -> (N, out_channels, P), or without N; weight (out_channels,
    in_channels / groups, kernel), bias (out_channels,). Both start uniform in (-b, b) with b = 1 /
    sqrt(in_channels / groups * kernel), as PyTorch's do; `seed` as in Linear.
    Formula: y[o, p] = bias[o] + sum of weight[o, c, k] * x[c, p * stride + k * dilation - padding]
    over the channels c of o's group and the places k of the kernel.

    Raises: ArgumentError; in the call, ShapeError and DTypeError.

    >>> layer = wg.nn.Conv1d(3, 5, kernel_size=3, padding=1)
    >>> layer(wg.ones(2, 3, 10)).shape
    (2, 5, 10)
    """


class Conv2d(_Convolution, axes=2, function=conv2d):
    """Conv1d for images, with kernels of two axes.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, PH, PW), or without N.
    Weight (out_channels, in_channels / groups, kernel, kernel). Source: LeCun et al.,
    "Gradient-based learning applied to document recognition" (Proceedings of the IEEE 1998).

    >>> layer = wg.nn.Conv2d(3, 16, kernel_size=3, padding=1)
    >>> layer(wg.ones(2, 3, 28, 28)).shape
    (2, 16, 28, 28)
    >>> wg.nn.Conv2d(3, 16, 3, stride=2)(wg.ones(2, 3, 28, 28)).shape
    (2, 16, 13, 13)
    """


class Conv3d(_Convolution, axes=3, function=conv3d):
    """Conv1d for volumes, with kernels of three axes.

    Shapes: (N, in_channels, D, H, W) -> (N, out_channels, PD, PH, PW), or without N.

    >>> wg.nn.Conv3d(1, 4, kernel_size=3)(wg.ones(2, 1, 8, 8, 8)).shape
    (2, 4, 6, 6, 6)
    """


class ConvTranspose1d(_ConvTranspose, axes=1, function=conv_transpose1d):
    """A transposed convolution of one axis: nn.functional.conv_transpose1d as a layer.

    Shapes: (N, in_channels, L) -> (N, out_channels, P), or without N; weight (in_channels,
    out_channels / groups, kernel), bias (out_channels,). Both start uniform in (-b, b) with b = 1 /
    sqrt(out_channels / groups * kernel), as PyTorch's do; `seed` as in Linear.
    It is what Conv1d's gradient does: each x[c, p] adds weight[c, o, k] * x[c, p] to y[o, p *
    stride + k * dilation - padding].

    Raises: ArgumentError; in the call, ShapeError and DTypeError.

    >>> layer = wg.nn.ConvTranspose1d(3, 5, kernel_size=2, stride=2)
    >>> layer(wg.ones(2, 3, 10)).shape
    (2, 5, 20)
    """


class ConvTranspose2d(_ConvTranspose, axes=2, function=conv_transpose2d):
    """ConvTranspose1d for images, with kernels of two axes.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, PH, PW), or without N.

    >>> layer = wg.nn.ConvTranspose2d(16, 3, kernel_size=2, stride=2)
    >>> layer(wg.ones(2, 16, 14, 14)).shape  # twice as large
    (2, 3, 28, 28)
    """


class ConvTranspose3d(_ConvTranspose, axes=3, function=conv_transpose3d):
    """ConvTranspose1d for volumes, with kernels of three axes.

    Shapes: (N, in_channels, D, H, W) -> (N, out_channels, PD, PH, PW), or without N.

    >>> layer = wg.nn.ConvTranspose3d(2, 1, kernel_size=2, stride=2)
    >>> layer(wg.ones(1, 2, 3, 3, 3)).shape
    (1, 1, 6, 6, 6)
    """
