"""Pooling: made of windows of an image, with PyTorch's names and arguments."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .. import dtypes
from ..backends.array import kept_shape
from ..checks.arguments import checked_flag
from ..core import Tensor, wrap
from ..creation.inputs import as_float, as_numeric, as_tensor
from ..errors import ArgumentError
from ..layout import Shape
from ..ops.elementwise import equal, isnan, where
from ..ops.reduction import max_, min_, sum_
from ..shaping import pad, reshape
from .convolution import Numbers, with_batch
from .dimensions import for_axes
from .precision import floating, in_float32
from .windows import (
    divisors,
    image_positions,
    inside_image,
    pool_counts,
    pool_frame,
    windows_of,
)


def _max_pool(
    d: int,
    input: Any,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest value of every window; NaN if there is one. Padding never wins.

    Shapes: (N, C, {image}) -> (N, C, {windows}), or without N. Along an axis of n there are
    (n + 2 padding - dilation (kernel - 1) - 1) / stride + 1 windows, rounded down, or up with
    ceil_mode where the last one begins inside. The stride is the kernel's size unless given. The
    gradient goes to the first largest value in the order of rows, as PyTorch's does. With
    return_indices the result is a pair: the values, and where each was found, as an int32 position
    in its flattened image, which max_unpool{d}d takes. Raises: ShapeError, ArgumentError,
    DTypeError.

    >>> x = wg.ones((2, 3, {each[8]}))
    >>> wg.nn.functional.max_pool{d}d(x, 2).shape
    (2, 3, {each[4]})
    """
    name = f"max_pool{d}d"
    x = as_numeric(input, name)
    located = checked_flag(return_indices, name, "return_indices")
    x, single = with_batch(name, x, d)
    kernel, steps, gaps, pads = pool_frame(name, d, kernel_size, stride, padding, dilation)
    image = x.shape[2:]
    counts, after = pool_counts(name, image, kernel, steps, gaps, pads, ceil_mode)
    if any(pads) or any(after):
        least = -np.inf if x.dtype.is_floating else int(np.iinfo(x.dtype.numpy).min)
        x = pad(x, ((0, 0), (0, 0), *zip(pads, after, strict=True)), value=least)
    seen, axes = windows_of(x, counts, kernel, steps, gaps)
    ties: Any = "first"
    if any(pads):  # what precedes the image must not be the first of those that are -inf
        ties = inside_image(image, counts, kernel, steps, gaps, pads, axes)
    out = max_(seen, axes, ties=ties)
    results = [out]
    if located:
        where_from = image_positions(image, counts, kernel, steps, gaps, pads, axes)
        line = wrap(x.device.upload(where_from, dtypes.int32))
        results.append(least_position(seen, out, axes, line, prod(image)))
    if single:
        results = [reshape(y, y.shape[1:]) for y in results]
    return tuple(results) if located else results[0]


def _avg_pool(
    d: int,
    input: Any,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the mean of every window; with count_include_pad padding counts as zeros.

    Shapes: (N, C, {image}) -> (N, C, {windows}), or without N, as in max_pool{d}d. What ceil_mode
    adds beyond the padding never counts. `divisor_override` divides the sums instead of the counts.
    Raises: ShapeError, ArgumentError, DTypeError.

    >>> x = wg.ones((2, 3, {each[8]}))
    >>> wg.nn.functional.avg_pool{d}d(x, 2).shape
    (2, 3, {each[4]})
    """
    name = f"avg_pool{d}d"
    x, single = with_batch(name, floating(as_tensor(input, name)), d)
    kernel, steps, gaps, pads = pool_frame(name, d, kernel_size, stride, padding)
    whole = checked_flag(count_include_pad, name, "count_include_pad")
    divisor: Any = checked_divisor(divisor_override, name)
    image = x.shape[2:]
    counts, after = pool_counts(name, image, kernel, steps, gaps, pads, ceil_mode)
    if any(pads) or any(after):
        x = pad(x, ((0, 0), (0, 0), *zip(pads, after, strict=True)))
    seen, axes = windows_of(x, counts, kernel, steps, gaps)
    if divisor is None:
        divisor = divisors(image, counts, kernel, steps, pads, whole)
    out = _means(seen, axes, divisor)
    return reshape(out, out.shape[1:]) if single else out


def avg_pool1d(
    input: Any,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the mean of every window: what avg_pool2d does along one axis."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


max_pool1d, max_pool2d, max_pool3d = for_axes(_max_pool)
_, avg_pool2d, avg_pool3d = for_axes(_avg_pool)


def checked_divisor(value: Any, name: str) -> float | None:
    """Return what sums are divided by, None for their counts. Raises: ArgumentError."""
    divisor = None if value is None else as_float(value, name, "divisor_override")
    if divisor == 0:
        raise ArgumentError(f"{name}: divisor_override=0 came, and nothing divides by 0")
    return divisor


def least_position(seen: Any, out: Any, axes: Shape, positions: Any, size: int) -> Any:
    """Return the least of the positions at which windows have the largest values found in them.

    `positions`, of an image of `size` elements, broadcast to the windows `seen`, in which `axes`
    lie within a window.
    """
    largest = reshape(out.detach(), kept_shape(seen.shape, axes))
    hit = equal(seen, largest)
    if seen.dtype.is_floating:
        hit = hit | isnan(seen)
    places = min_(where(hit, positions, size), axes)
    places.array.storage.bounds = 0, size - 1
    return places


@in_float32
def _means(seen: Tensor, axes: Shape, divisor: Any) -> Tensor:
    total = sum_(seen, axes)
    return total / (constant(divisor, total) if isinstance(divisor, np.ndarray) else divisor)


def constant(data: np.ndarray, like: Any) -> Any:
    """Return host numbers as a tensor of the dtype and device of another."""
    return wrap(like.device.upload(data.astype(like.dtype.numpy), like.dtype))
