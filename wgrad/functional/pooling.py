"""Pooling: made of windows of an image, with PyTorch's names and arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dtypes
from ..core import wrap
from ..errors import ArgumentError, DTypeError, ShapeError, shown
from ..indexing import take
from ..layout import Shape, check_size
from ..ops import movement
from ..ops.elementwise import where
from ..ops.families import with_dtype
from ..ops.reduction import max_, sum_
from ..shaping import as_float, as_tensor, checked_flag, pad, reshape
from .convolution import Numbers, numbers, with_batch
from .precision import in_float32
from .windows import divisors, inside_image, pool_counts, pool_frame, windows_of

if TYPE_CHECKING:
    from ..tensor import Tensor


def max_pool1d(
    input: Any,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the largest value of every window: what max_pool2d does along one axis."""
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    input: Any,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the largest value of every window; NaN if there is one. Padding never wins.

    Shapes: (N, C, H, W) -> (N, C, PH, PW), or without N; PH is (H + 2 padding - dilation (kernel
    - 1) - 1) / stride + 1, rounded down, or up with ceil_mode where the last window begins inside.
    The stride is the kernel's size unless given. The gradient goes to the first largest value in
    the order of rows, as PyTorch's does. Raises: ShapeError, ArgumentError, DTypeError.
    """
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode)


def avg_pool1d(
    input: Any,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the mean of every window: what avg_pool2d does along one axis."""
    return _avg_pool(
        "avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None
    )


def avg_pool2d(
    input: Any,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the mean of every window; with count_include_pad padding counts as zeros.

    Shapes: (N, C, H, W) -> (N, C, PH, PW), or without N, as in max_pool2d. What ceil_mode adds
    beyond the padding never counts. `divisor_override` divides the sums instead of the counts.
    Raises: ShapeError, ArgumentError, DTypeError.
    """
    return _avg_pool(
        "avg_pool2d",
        2,
        input,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Tensor:
    """Return means over as many windows as asked for, which cover the image evenly.

    Shapes: (N, C, H, W) -> (N, C, *output_size), or without N; None keeps an extent. Window i is
    [floor(i H / PH), ceil((i + 1) H / PH)). Raises: ShapeError, ArgumentError, DTypeError.
    """
    name = "adaptive_avg_pool2d"
    sizes = output_sizes(output_size, name)
    x, single = with_batch(name, _floating(input, name), 2)
    image = x.shape[2:]
    if 0 in image:
        raise ShapeError(f"{name}: an image of {image} is empty")
    counts = tuple(n if size is None else size for n, size in zip(image, sizes, strict=True))
    out = _even_means(x, check_size((*x.shape[:2], *counts), name)[2:])
    return reshape(out, out.shape[1:]) if single else out


def checked_divisor(value: Any, name: str) -> float | None:
    """Return what sums are divided by, None for their counts. Raises: ArgumentError."""
    found = None if value is None else as_float(value, name, "divisor_override")
    if found == 0:
        raise ArgumentError(f"{name}: divisor_override=0 came, and nothing divides by 0")
    return found


def output_sizes(value: Any, name: str) -> tuple[int | None, ...]:
    """Return two sizes, None for those of the image. Raises: ArgumentError."""
    asked = value if isinstance(value, (tuple, list)) else (value,) * 2
    if len(asked) != 2:
        raise ArgumentError(f"{name}: output_size={shown(value)} came; 2 sizes are needed")
    return tuple(
        None if size is None else numbers(size, 1, name, "output_size", 1)[0] for size in asked
    )


def _max_pool(
    name: str, d: int, input: Any, size: Any, stride: Any, padding: Any, dilation: Any, up: Any
) -> Tensor:
    x = as_tensor(input, name)
    if x.dtype is dtypes.bool_:
        raise DTypeError(f"{name}: a bool tensor came and numbers are needed: use .astype()")
    x, single = with_batch(name, x, d)
    kernel, steps, gaps, pads = pool_frame(name, d, size, stride, padding, dilation)
    image = x.shape[2:]
    counts, after = pool_counts(name, image, kernel, steps, gaps, pads, up)
    if any(pads) or any(after):
        least = -np.inf if x.dtype.is_floating else int(np.iinfo(x.dtype.numpy).min)
        x = pad(x, ((0, 0), (0, 0), *zip(pads, after, strict=True)), value=least)
    seen, axes = windows_of(x, counts, kernel, steps, gaps)
    ties: Any = "first"
    if any(pads):  # what precedes the image must not be the first of those that are -inf
        ties = inside_image(image, counts, kernel, steps, gaps, pads, axes)
    out = max_(seen, axes, ties=ties)
    return reshape(out, out.shape[1:]) if single else out


def _avg_pool(
    name: str,
    d: int,
    input: Any,
    size: Any,
    stride: Any,
    padding: Any,
    up: Any,
    include: Any,
    divisor: Any,
) -> Tensor:
    x, single = with_batch(name, _floating(input, name), d)
    kernel, steps, gaps, pads = pool_frame(name, d, size, stride, padding)
    whole = checked_flag(include, name, "count_include_pad")
    divisor = checked_divisor(divisor, name)
    image = x.shape[2:]
    counts, after = pool_counts(name, image, kernel, steps, gaps, pads, up)
    if any(pads) or any(after):
        x = pad(x, ((0, 0), (0, 0), *zip(pads, after, strict=True)))
    seen, axes = windows_of(x, counts, kernel, steps, gaps)
    if divisor is None:
        divisor = divisors(image, counts, kernel, steps, pads, whole)
    out = _means(seen, axes, divisor)
    return reshape(out, out.shape[1:]) if single else out


@in_float32
def _means(seen: Tensor, axes: Shape, divisor: Any) -> Tensor:
    total = sum_(seen, axes)
    return total / (_constant(divisor, total) if isinstance(divisor, np.ndarray) else divisor)


@in_float32
def _even_means(x: Tensor, counts: Shape) -> Tensor:
    for axis, count in enumerate(counts, 2):
        x = _even_means_along(x, axis, count)
    return x


def _even_means_along(x: Any, axis: int, count: int) -> Any:
    n = x.shape[axis]
    if n % count == 0:
        shape = (*x.shape[:axis], count, n // count, *x.shape[axis + 1 :])
        return sum_(movement.reshape(x, shape), axis + 1) / (n // count)
    # Windows of several sizes: the longest of them, without what is too much.
    firsts = np.arange(count) * n // count
    sizes = -(-(np.arange(1, count + 1) * n) // count) - firsts
    places = firsts[:, None] + np.arange(sizes.max())
    inside = np.arange(sizes.max()) < sizes[:, None]
    taken = take(x, np.minimum(places, n - 1).astype(np.int32).reshape(-1), axis=axis)
    taken = reshape(taken, (*x.shape[:axis], *inside.shape, *x.shape[axis + 1 :]))
    after = (1,) * (len(x.shape) - axis - 1)
    mask = wrap(x.device.upload(inside.reshape(*inside.shape, *after), dtypes.bool_))
    total = sum_(where(mask, taken, 0.0), axis + 1)
    return total / _constant(sizes.reshape(-1, *after), x)


def _constant(data: np.ndarray, like: Any) -> Any:
    """Return host numbers as a tensor of the dtype and device of another."""
    return wrap(like.device.upload(data.astype(like.dtype.numpy), like.dtype))


def _floating(input: Any, name: str) -> Any:
    x = as_tensor(input, name)
    return x if x.dtype.is_floating else with_dtype(x, dtypes.float32)
