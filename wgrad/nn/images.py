"""Layers that lay images out anew: flattened, padded, in another size, shuffled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..functional.convolution import Numbers, numbers
from ..functional.interpolation import check_options, interpolate
from ..functional.padding import checked_pads, pad
from ..functional.pixels import pixel_shuffle, pixel_unshuffle
from ..layout import MAX_AXES, normalize_axis
from ..shaping import as_float, flatten
from ..tensor import Tensor
from .module import Module


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


class PixelShuffle(Module):
    """Channels as pixels of larger images: nn.functional.pixel_shuffle as a layer."""

    def __init__(self, upscale_factor: int):
        (self.upscale_factor,) = numbers(upscale_factor, 1, "PixelShuffle", "upscale_factor", 1)

    def forward(self, x: Any) -> Tensor:
        return pixel_shuffle(x, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Pixels as channels of smaller images: nn.functional.pixel_unshuffle as a layer."""

    def __init__(self, downscale_factor: int):
        name = "PixelUnshuffle"
        (self.downscale_factor,) = numbers(downscale_factor, 1, name, "downscale_factor", 1)

    def forward(self, x: Any) -> Tensor:
        return pixel_unshuffle(x, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class _Pad(Module):
    """What the padding layers share: nn.functional.pad of the last axes, in one mode."""

    axes: int
    mode: str

    def __init__(self, padding: Numbers):
        self.padding = checked_pads(padding, self.axes, type(self).__name__)

    def forward(self, x: Any) -> Tensor:
        return pad(x, self.padding, self.mode)

    def extra_repr(self) -> str:
        return str(self.padding)


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: Numbers, value: float):
        super().__init__(padding)
        self.value = as_float(value, type(self).__name__, "value")

    def forward(self, x: Any) -> Tensor:
        return pad(x, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A number around the last axis: nn.functional.pad as a layer.

    `padding` is one number for all sides, or (before, after) for every axis, the last one first;
    negative numbers cut off. Raises: ArgumentError; in the call, ShapeError.
    """

    axes = 1


class ConstantPad2d(_ConstantPad):
    """A number around the last 2 axes: nn.functional.pad as a layer.

    `padding` is one number for all sides, or (before, after) for every axis, the last one first;
    negative numbers cut off. Raises: ArgumentError; in the call, ShapeError.
    """

    axes = 2


class ConstantPad3d(_ConstantPad):
    """A number around the last 3 axes: nn.functional.pad as a layer.

    `padding` is one number for all sides, or (before, after) for every axis, the last one first;
    negative numbers cut off. Raises: ArgumentError; in the call, ShapeError.
    """

    axes = 3


class ReflectionPad1d(_Pad):
    """What lies inside, mirrored at the edge, around the last axis: mode="reflect".

    `padding` is one number for all sides, or (before, after) for every axis, the last one first;
    negative numbers cut off. Raises: ArgumentError; in the call, ShapeError.
    """

    axes = 1
    mode = "reflect"


class ReflectionPad2d(_Pad):
    """What lies inside, mirrored at the edge, around the last 2 axes: mode="reflect".

    `padding` is one number for all sides, or (before, after) for every axis, the last one first;
    negative numbers cut off. Raises: ArgumentError; in the call, ShapeError.
    """

    axes = 2
    mode = "reflect"


class ReflectionPad3d(_Pad):
    """What lies inside, mirrored at the edge, around the last 3 axes: mode="reflect".

    `padding` is one number for all sides, or (before, after) for every axis, the last one first;
    negative numbers cut off. Raises: ArgumentError; in the call, ShapeError.
    """

    axes = 3
    mode = "reflect"


class ReplicationPad1d(_Pad):
    """The edge, repeated, around the last axis: mode="replicate".

    `padding` is one number for all sides, or (before, after) for every axis, the last one first;
    negative numbers cut off. Raises: ArgumentError; in the call, ShapeError.
    """

    axes = 1
    mode = "replicate"


class ReplicationPad2d(_Pad):
    """The edge, repeated, around the last 2 axes: mode="replicate".

    `padding` is one number for all sides, or (before, after) for every axis, the last one first;
    negative numbers cut off. Raises: ArgumentError; in the call, ShapeError.
    """

    axes = 2
    mode = "replicate"


class ReplicationPad3d(_Pad):
    """The edge, repeated, around the last 3 axes: mode="replicate".

    `padding` is one number for all sides, or (before, after) for every axis, the last one first;
    negative numbers cut off. Raises: ArgumentError; in the call, ShapeError.
    """

    axes = 3
    mode = "replicate"


class CircularPad1d(_Pad):
    """What lies at the other end around the last axis: mode="circular".

    `padding` is one number for all sides, or (before, after) for every axis, the last one first;
    negative numbers cut off. Raises: ArgumentError; in the call, ShapeError.
    """

    axes = 1
    mode = "circular"


class CircularPad2d(_Pad):
    """What lies at the other end around the last 2 axes: mode="circular".

    `padding` is one number for all sides, or (before, after) for every axis, the last one first;
    negative numbers cut off. Raises: ArgumentError; in the call, ShapeError.
    """

    axes = 2
    mode = "circular"


class CircularPad3d(_Pad):
    """What lies at the other end around the last 3 axes: mode="circular".

    `padding` is one number for all sides, or (before, after) for every axis, the last one first;
    negative numbers cut off. Raises: ArgumentError; in the call, ShapeError.
    """

    axes = 3
    mode = "circular"


class ZeroPad1d(ConstantPad1d):
    """Zeros around the last axis: ConstantPad1d of 0."""

    def __init__(self, padding: Numbers):
        super().__init__(padding, 0.0)


class ZeroPad2d(ConstantPad2d):
    """Zeros around the last 2 axes: ConstantPad2d of 0."""

    def __init__(self, padding: Numbers):
        super().__init__(padding, 0.0)


class ZeroPad3d(ConstantPad3d):
    """Zeros around the last 3 axes: ConstantPad3d of 0."""

    def __init__(self, padding: Numbers):
        super().__init__(padding, 0.0)
