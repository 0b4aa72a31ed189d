"""Windows of images as columns, and back: unfold and fold, with PyTorch's names and arguments."""

from __future__ import annotations

from math import prod
from typing import Any

from ..core import Tensor
from ..creation.inputs import as_tensor
from ..errors import ShapeError
from ..layout import check_size, normalize_axis
from ..ops import movement
from ..ops import windows as primitives
from ..shaping import moveaxis, pad, reshape
from .convolution import Numbers, numbers, window_counts, with_batch
from .windows import frame


def unfold(
    input: Any,
    kernel_size: Numbers,
    dilation: Numbers = 1,
    padding: Numbers = 0,
    stride: Numbers = 1,
) -> Tensor:
    """Return every window of the images as a column: what is known as im2col.

    Shapes: (N, C, H, W) -> (N, C KH KW, PH PW), or without N. Raises: ShapeError, ArgumentError.

    >>> wg.nn.functional.unfold(wg.ones(1, 3, 4, 4), 2).shape
    (1, 12, 9)
    """
    x, single = with_batch("unfold", as_tensor(input, "unfold"), 2)
    kernel, steps, gaps, pads = frame("unfold", 2, kernel_size, stride, dilation, padding)
    counts = window_counts("unfold", x.shape[2:], kernel, steps, gaps, pads, pads)
    n, channels = x.shape[:2]
    shape = check_size((n, channels * prod(kernel), prod(counts)), "unfold")
    if any(pads):
        x = pad(x, ((0, 0), (0, 0), *((p, p) for p in pads)))
    seen = primitives.windows(x, counts, kernel, steps, gaps)
    columns = reshape(movement.permute(seen, (0, 1, 4, 5, 2, 3)), shape)
    return reshape(columns, shape[1:]) if single else columns


def fold(
    input: Any,
    output_size: Numbers,
    kernel_size: Numbers,
    dilation: Numbers = 1,
    padding: Numbers = 0,
    stride: Numbers = 1,
) -> Tensor:
    """Return columns put back as windows of images, added up where they overlap.

    Shapes: (N, C KH KW, PH PW) -> (N, C, *output_size), or without N: the transpose of unfold.
    Raises: ShapeError, ArgumentError.
    """
    x = as_tensor(input, "fold")
    kernel, steps, gaps, pads = frame("fold", 2, kernel_size, stride, dilation, padding)
    image = numbers(output_size, 2, "fold", "output_size", 1)
    counts = window_counts("fold", image, kernel, steps, gaps, pads, pads)
    rows, columns = prod(kernel), prod(counts)
    if len(x.shape) not in (2, 3) or x.shape[-2] % rows or x.shape[-1] != columns:
        raise ShapeError(
            f"fold: an input of shape {x.shape} came, and (N, C * {rows}, {columns}), or without "
            f"N, is needed for an image of {image}"
        )
    lead = x.shape[:-2] or (1,)
    channels = x.shape[-2] // rows
    seen = reshape(x, (*lead, channels, *kernel, *counts))
    seen = movement.permute(seen, (0, 1, 4, 5, 2, 3))
    wide = tuple(n + 2 * p for n, p in zip(image, pads, strict=True))
    out = primitives.overlap_add(seen, kernel, steps, gaps, wide)
    if any(pads):
        starts, shape = (0, 0, *pads), (*out.shape[:2], *image)
        out = movement.slice_view(out, starts, shape, (1,) * 4)
    return reshape(out, out.shape[1:]) if len(x.shape) == 2 else out


def sliding_windows(x: Any, axis: int, size: int, step: int) -> Tensor:
    """Return a view of the windows of `size` elements along `axis`, `step` apart, as a last axis.

    Windows that overlap show the same memory. Shapes: (n, m), axis 0 -> ((n - size) // step + 1,
    m, size). Raises: AxisError; ArgumentError; ShapeError where no window fits.
    """
    name = "unfold"
    x = as_tensor(x, name)
    at = normalize_axis(axis, len(x.shape), name)
    (count,) = numbers(size, 1, name, "size", 1)
    (apart,) = numbers(step, 1, name, "step", 1)
    if count > x.shape[at]:
        raise ShapeError(f"{name}: windows of {count} came for axis {at} of shape {x.shape}")
    windows = (x.shape[at] - count) // apart + 1
    moved = moveaxis(x, at, -1)
    return moveaxis(primitives.windows(moved, (windows,), (count,), (apart,), (1,)), -2, at)
