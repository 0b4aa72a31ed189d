"""Pooling and unfolding: made of windows of an image, with PyTorch's names and arguments."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dtypes
from ..core import wrap
from ..errors import ArgumentError, DTypeError, ShapeError, shown
from ..indexing import take
from ..layout import Shape, check_size
from ..ops import movement
from ..ops import windows as primitives
from ..ops.families import with_dtype
from ..ops.reduction import max_, sum_
from ..shaping import as_float, as_tensor, checked_flag, pad, reshape
from .convolution import Numbers, numbers, window_counts, with_batch
from .precision import in_float32

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


def unfold(
    input: Any,
    kernel_size: Numbers,
    dilation: Numbers = 1,
    padding: Numbers = 0,
    stride: Numbers = 1,
) -> Tensor:
    """Return every window of the images as a column: what is known as im2col.

    Shapes: (N, C, H, W) -> (N, C KH KW, PH PW), or without N. Raises: ShapeError, ArgumentError.
    """
    x, single = with_batch("unfold", as_tensor(input, "unfold"), 2)
    kernel, steps, gaps, pads = _frame("unfold", 2, kernel_size, stride, dilation, padding)
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
    kernel, steps, gaps, pads = _frame("fold", 2, kernel_size, stride, dilation, padding)
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


def _frame(name: str, d: int, size: Any, stride: Any, dilation: Any, padding: Any) -> tuple:
    """Return kernel, stride, dilation and padding, one number for each of d axes."""
    kernel = numbers(size, d, name, "kernel_size", 1)
    steps = kernel if stride is None else numbers(stride, d, name, "stride", 1)
    gaps = numbers(dilation, d, name, "dilation", 1)
    return kernel, steps, gaps, numbers(padding, d, name, "padding", 0)


def _reach(kernel: Shape, gaps: Shape) -> Shape:
    return tuple(g * (k - 1) for g, k in zip(gaps, kernel, strict=True))


def pool_frame(
    name: str, d: int, size: Any, stride: Any, padding: Any, dilation: Any = 1
) -> tuple[Shape, ...]:
    """Return what `_frame` does. Raises: ArgumentError, also for windows of padding alone."""
    kernel, steps, gaps, pads = _frame(name, d, size, stride, dilation, padding)
    if any(2 * p > r + 1 for p, r in zip(pads, _reach(kernel, gaps), strict=True)):
        raise ArgumentError(
            f"{name}: padding {pads} came, and it must be at most half of the kernel {kernel}"
        )
    return kernel, steps, gaps, pads


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


def _pool_counts(
    name: str, image: Shape, kernel: Shape, steps: Shape, gaps: Shape, pads: Shape, up: Any
) -> tuple[Shape, Shape]:
    """Return how many windows there are along every axis, and how much follows the image."""
    up = checked_flag(up, name, "ceil_mode")
    reach = _reach(kernel, gaps)
    # Rounded up, windows may reach further; but they must begin before the padding that follows.
    more = tuple(p + (s - 1 if up else 0) for p, s in zip(pads, steps, strict=True))
    counts = window_counts(name, image, kernel, steps, gaps, pads, more)
    room = zip(counts, image, pads, steps, strict=True)
    counts = tuple(min(c, -(-(n + p) // s)) if up else c for c, n, p, s in room)
    ends = zip(counts, steps, reach, image, pads, strict=True)
    return counts, tuple(max(0, (c - 1) * s + r + 1 - n - p) for c, s, r, n, p in ends)


def _windows(x: Any, counts: Shape, kernel: Shape, steps: Shape, gaps: Shape) -> tuple[Any, Shape]:
    """Return the windows of the last axes, and which axes of the result lie within them."""
    d, lead = len(kernel), len(x.shape) - len(kernel)
    if kernel == steps and all(g == 1 or k == 1 for g, k in zip(gaps, kernel, strict=True)):
        # Tiles: a reshape, whose gradient moves nothing.
        used = tuple(n * k for n, k in zip(counts, kernel, strict=True))
        if used != x.shape[lead:]:
            shape = (*x.shape[:lead], *used)
            x = movement.slice_view(x, (0,) * len(shape), shape, (1,) * len(shape))
        tiles = [n for pair in zip(counts, kernel, strict=True) for n in pair]
        return movement.reshape(x, (*x.shape[:lead], *tiles)), tuple(
            lead + 2 * i + 1 for i in range(d)
        )
    seen = primitives.windows(x, counts, kernel, steps, gaps)
    return seen, tuple(range(lead + d, lead + 2 * d))


def _max_pool(
    name: str, d: int, input: Any, size: Any, stride: Any, padding: Any, dilation: Any, up: Any
) -> Tensor:
    x = as_tensor(input, name)
    if x.dtype is dtypes.bool_:
        raise DTypeError(f"{name}: a bool tensor came and numbers are needed: use .astype()")
    x, single = with_batch(name, x, d)
    kernel, steps, gaps, pads = pool_frame(name, d, size, stride, padding, dilation)
    image = x.shape[2:]
    counts, after = _pool_counts(name, image, kernel, steps, gaps, pads, up)
    if any(pads) or any(after):
        least = -np.inf if x.dtype.is_floating else int(np.iinfo(x.dtype.numpy).min)
        x = pad(x, ((0, 0), (0, 0), *zip(pads, after, strict=True)), value=least)
    seen, axes = _windows(x, counts, kernel, steps, gaps)
    ties: Any = "first"
    if any(pads):  # what precedes the image must not be the first of those that are -inf
        ties = _inside(image, counts, kernel, steps, gaps, pads, axes)
    out = max_(seen, axes, ties=ties)
    return reshape(out, out.shape[1:]) if single else out


def _inside(
    image: Shape, counts: Shape, kernel: Shape, steps: Shape, gaps: Shape, pads: Shape, axes: Shape
) -> tuple[np.ndarray, ...]:
    """Return for each axis which elements of windows lie in the image, broadcasting to them."""
    others = [i for i in range(2, 2 + 2 * len(axes)) if i not in axes]
    found = []
    for n, c, k, s, g, p, *at in zip(
        image, counts, kernel, steps, gaps, pads, others, axes, strict=True
    ):
        places = np.add.outer(np.arange(c) * s - p, np.arange(k) * g)
        shape = [1] * (2 + 2 * len(axes))
        shape[at[0]], shape[at[1]] = c, k
        found.append(((places >= 0) & (places < n)).reshape(shape))
    return tuple(found)


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
    counts, after = _pool_counts(name, image, kernel, steps, gaps, pads, up)
    if any(pads) or any(after):
        x = pad(x, ((0, 0), (0, 0), *zip(pads, after, strict=True)))
    seen, axes = _windows(x, counts, kernel, steps, gaps)
    if divisor is None:
        divisor = _divisors(image, counts, kernel, steps, pads, whole)
    out = _means(seen, axes, divisor)
    return reshape(out, out.shape[1:]) if single else out


@in_float32
def _means(seen: Tensor, axes: Shape, divisor: Any) -> Tensor:
    total = sum_(seen, axes)
    return total / (_constant(divisor, total) if isinstance(divisor, np.ndarray) else divisor)


def _divisors(
    image: Shape, counts: Shape, kernel: Shape, steps: Shape, pads: Shape, include: bool
) -> Any:
    """Return how many elements every window counts: one number where all agree."""
    found: Any = 1
    for n, count, k, s, p in zip(image, counts, kernel, steps, pads, strict=True):
        first = np.arange(count) * s - p
        last = np.minimum(first + k, n + p)
        inside = np.minimum(last, n) - np.maximum(first, 0)
        found = np.multiply.outer(found, last - first if include else inside)
    same = found.min() == found.max()
    return int(found.flat[0]) if same else found


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
    # Windows of several sizes: the longest of them, and weights that leave out what is too much.
    firsts = np.arange(count) * n // count
    sizes = -(-(np.arange(1, count + 1) * n) // count) - firsts
    places = firsts[:, None] + np.arange(sizes.max())
    weights = (np.arange(sizes.max()) < sizes[:, None]) / sizes[:, None]
    taken = take(x, np.minimum(places, n - 1).astype(np.int32).reshape(-1), axis=axis)
    taken = reshape(taken, (*x.shape[:axis], *weights.shape, *x.shape[axis + 1 :]))
    shape = (*weights.shape, *(1,) * (len(x.shape) - axis - 1))
    return sum_(taken * _constant(weights.reshape(shape), x), axis + 1)


def _constant(data: np.ndarray, like: Any) -> Any:
    """Return host numbers as a tensor of the dtype and device of another."""
    return wrap(like.device.upload(data.astype(like.dtype.numpy), like.dtype))


def _floating(input: Any, name: str) -> Any:
    x = as_tensor(input, name)
    return x if x.dtype.is_floating else with_dtype(x, dtypes.float32)
