"""Pixels from channels, and back."""

from __future__ import annotations

from typing import Any

from ..core import Tensor
from ..creation.inputs import as_tensor
from ..errors import ShapeError
from ..layout import check_size
from ..shaping import permute_dims, reshape
from .convolution import numbers


def pixel_shuffle(input: Any, upscale_factor: int) -> Tensor:
    """Return channels laid out as blocks of r x r pixels, r being `upscale_factor`.

    Shapes: (..., C r r, H, W) -> (..., C, H r, W r). Raises: ShapeError; ArgumentError.
    Source: Shi et al., "Real-time single image and video super-resolution" (CVPR 2016).

    >>> wg.nn.functional.pixel_shuffle(wg.ones(1, 12, 4, 4), 2).shape
    (1, 3, 8, 8)
    """
    x, r, lead = _operands(input, upscale_factor, "pixel_shuffle", "upscale_factor")
    channels, rows, columns = x.shape[lead:]
    if channels % (r * r):
        raise ShapeError(
            f"pixel_shuffle: {channels} channels came, and a multiple of {r * r} is needed"
        )
    shape = (channels // (r * r), rows * r, columns * r)
    check_size((*x.shape[:lead], *shape), "pixel_shuffle")
    split = reshape(x, (*x.shape[:lead], shape[0], r, r, rows, columns))
    order = (*range(lead), lead, lead + 3, lead + 1, lead + 4, lead + 2)
    return reshape(permute_dims(split, order), (*x.shape[:lead], *shape))


def pixel_unshuffle(input: Any, downscale_factor: int) -> Tensor:
    """Return blocks of r x r pixels laid out as channels: what undoes pixel_shuffle.

    Shapes: (..., C, H r, W r) -> (..., C r r, H, W). Raises: ShapeError; ArgumentError.
    """
    x, r, lead = _operands(input, downscale_factor, "pixel_unshuffle", "downscale_factor")
    channels, rows, columns = x.shape[lead:]
    if rows % r or columns % r:
        raise ShapeError(
            f"pixel_unshuffle: an image of {(rows, columns)} came, and multiples of {r} are needed"
        )
    split = reshape(x, (*x.shape[:lead], channels, rows // r, r, columns // r, r))
    order = (*range(lead), lead, lead + 2, lead + 4, lead + 1, lead + 3)
    shape = (channels * r * r, rows // r, columns // r)
    return reshape(permute_dims(split, order), (*x.shape[:lead], *shape))


def _operands(input: Any, factor: Any, name: str, what: str) -> tuple[Tensor, int, int]:
    """Return the images, the side of a block, and how many axes precede the channels."""
    x = as_tensor(input, name)
    (r,) = numbers(factor, 1, name, what, 1)
    if len(x.shape) < 3:
        raise ShapeError(
            f"{name}: an input of shape {x.shape} came, and channels, rows and columns are needed"
        )
    return x, r, len(x.shape) - 3
