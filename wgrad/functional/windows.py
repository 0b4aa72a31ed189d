"""Where the windows of pooling lie: checked sizes, counts, views of them, and what they cover."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..checks.arguments import checked_flag
from ..errors import ArgumentError
from ..layout import Shape
from ..ops import movement
from ..ops import windows as primitives
from .convolution import numbers, window_counts


def frame(name: str, d: int, size: Any, stride: Any, dilation: Any, padding: Any) -> tuple:
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
    """Return what `frame` does. Raises: ArgumentError, also for windows of padding alone."""
    kernel, steps, gaps, pads = frame(name, d, size, stride, dilation, padding)
    if any(2 * p > r + 1 for p, r in zip(pads, _reach(kernel, gaps), strict=True)):
        raise ArgumentError(
            f"{name}: padding {pads} came, and it must be at most half of the kernel {kernel}"
        )
    return kernel, steps, gaps, pads


def pool_counts(
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


def windows_of(
    x: Any, counts: Shape, kernel: Shape, steps: Shape, gaps: Shape
) -> tuple[Any, Shape]:
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


def inside_image(
    image: Shape, counts: Shape, kernel: Shape, steps: Shape, gaps: Shape, pads: Shape, axes: Shape
) -> tuple[np.ndarray, ...]:
    """Return for each axis which elements of windows lie in the image, broadcasting to them."""
    places = places_in_image(counts, kernel, steps, gaps, pads, axes)
    return tuple((at >= 0) & (at < n) for at, n in zip(places, image, strict=True))


def image_positions(
    image: Shape, counts: Shape, kernel: Shape, steps: Shape, gaps: Shape, pads: Shape, axes: Shape
) -> np.ndarray:
    """Return the position in the flattened image of every element of windows, its size outside."""
    position, inside, size = np.zeros((), np.int32), np.ones((), bool), prod(image)
    places = places_in_image(counts, kernel, steps, gaps, pads, axes)
    for at, n in zip(places, image, strict=True):
        position = position * np.int32(n) + at
        inside = inside & (at >= 0) & (at < n)
    return np.where(inside, position, np.int32(size))


def places_in_image(
    counts: Shape, kernel: Shape, steps: Shape, gaps: Shape, pads: Shape, axes: Shape
) -> list[np.ndarray]:
    """Return for each axis which places of it windows show, broadcasting to them."""
    others = [i for i in range(2, 2 + 2 * len(axes)) if i not in axes]
    positions = []
    for c, k, s, g, p, *at in zip(counts, kernel, steps, gaps, pads, others, axes, strict=True):
        places = np.add.outer(np.arange(c) * s - p, np.arange(k) * g).astype(np.int32)
        shape = [1] * (2 + 2 * len(axes))
        shape[at[0]], shape[at[1]] = c, k
        positions.append(places.reshape(shape))
    return positions


def divisors(
    image: Shape, counts: Shape, kernel: Shape, steps: Shape, pads: Shape, include: bool
) -> Any:
    """Return how many elements every window counts: one number where all agree."""
    products: Any = 1
    for n, count, k, s, p in zip(image, counts, kernel, steps, pads, strict=True):
        first = np.arange(count) * s - p
        last = np.minimum(first + k, n + p)
        inside = np.minimum(last, n) - np.maximum(first, 0)
        products = np.multiply.outer(products, last - first if include else inside)
    same = products.min() == products.max()
    return int(products.flat[0]) if same else products
