"""Layers that lay images out anew: flattened, in another size, shuffled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..functional.convolution import numbers
from ..functional.interpolation import check_options, interpolate
from ..functional.pixels import pixel_shuffle, pixel_unshuffle
from ..layout import MAX_AXES, normalize_axis
from ..shaping import flatten
from ..tensor import Tensor
from .module import Module


class Flatten(Module):
    """The axes from `start_dim` to `end_dim` made one: all but the batch, unless told otherwise.

    Shapes: (n, a, b, ...) -> (n, a * b * ...).

    >>> wg.nn.Flatten()(wg.ones(2, 3, 4, 4)).shape
    (2, 48)
    """

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
    """Images in another size: nn.functional.interpolate as a layer.

    Shapes: (n, c, h, w) -> (n, c, *size), or h and w times `scale_factor`; so with one or three
    axes in place of h and w.

    >>> wg.nn.Upsample(scale_factor=2)(wg.tensor([[[1.0, 2.0]]]))
    tensor([[[1., 1., 2., 2.]]])
    """

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
    """Channels as pixels of larger images: nn.functional.pixel_shuffle as a layer.

    Shapes: (..., c * r * r, h, w) -> (..., c, h * r, w * r), where r is `upscale_factor`. Source:
    Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel
    convolutional neural network" (CVPR 2016).

    >>> wg.nn.PixelShuffle(2)(wg.ones(1, 12, 4, 4)).shape
    (1, 3, 8, 8)
    """

    def __init__(self, upscale_factor: int):
        (self.upscale_factor,) = numbers(upscale_factor, 1, "PixelShuffle", "upscale_factor", 1)

    def forward(self, x: Any) -> Tensor:
        return pixel_shuffle(x, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Pixels as channels of smaller images: nn.functional.pixel_unshuffle as a layer.

    Shapes: (..., c, h * r, w * r) -> (..., c * r * r, h, w), where r is `downscale_factor`.

    >>> wg.nn.PixelUnshuffle(2)(wg.ones(1, 3, 8, 8)).shape
    (1, 12, 4, 4)
    """

    def __init__(self, downscale_factor: int):
        name = "PixelUnshuffle"
        (self.downscale_factor,) = numbers(downscale_factor, 1, name, "downscale_factor", 1)

    def forward(self, x: Any) -> Tensor:
        return pixel_unshuffle(x, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"
