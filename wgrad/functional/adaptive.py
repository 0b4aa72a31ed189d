"""Adaptive pooling: as many windows as asked for, which cover an image evenly."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .. import dtypes
from ..checks.arguments import checked_flag
from ..core import Tensor, wrap
from ..creation.inputs import as_numeric, as_tensor
from ..errors import ArgumentError, ShapeError, shown
from ..indexing import take
from ..layout import Shape, check_size
from ..ops import movement
from ..ops.elementwise import where
from ..ops.reduction import max_, sum_
from ..shaping import reshape
from .convolution import numbers, with_batch
from .dimensions import for_axes
from .pooling import constant, least_position
from .precision import floating, in_float32


def _adaptive_avg_pool(d: int, input: Any, output_size: Any) -> Tensor:
    """Return means over as many windows as asked for, which cover the image evenly.

    Shapes: (N, C, {image}) -> (N, C, *output_size), or without N; None keeps an extent. Of an axis
    of n made m, window i is [floor(i n / m), ceil((i + 1) n / m)). Raises: ShapeError,
    ArgumentError, DTypeError.
    """
    name = f"adaptive_avg_pool{d}d"
    x, counts, single = _framed(name, d, lambda: floating(as_tensor(input, name)), output_size)
    out = adaptive_means(x, counts)
    return reshape(out, out.shape[1:]) if single else out


def _adaptive_max_pool(d: int, input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest values of as many windows as asked for, those of adaptive_avg_pool{d}d.

    The gradient goes to the first largest value of a window. Shapes and errors are
    adaptive_avg_pool{d}d's. With return_indices the result is a pair: the values, and where each
    was found, as an int32 position in its flattened image, which max_unpool{d}d takes:

        image = wg.tensor([[[1.0, 5.0, 2.0, 0.0], [3.0, 4.0, 0.0, 7.0]]])
        values, places = F.adaptive_max_pool2d(image, (1, 2), True)  # [[[5, 7]]], [[[1, 7]]]
        F.max_unpool2d(values, places, (2, 2))  # 5 and 7 in their places, and zeros
    """
    name = f"adaptive_max_pool{d}d"
    located = checked_flag(return_indices, name, "return_indices")
    x, counts, single = _framed(name, d, lambda: as_numeric(input, name), output_size)
    results = [y if not single else reshape(y, y.shape[1:]) for y in _maxima(x, counts, located)]
    return tuple(results) if located else results[0]


adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = for_axes(_adaptive_avg_pool)
adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = for_axes(_adaptive_max_pool)


def output_sizes(value: Any, d: int, name: str) -> tuple[int | None, ...]:
    """Return d sizes, None for those of the image. Raises: ArgumentError."""
    asked = value if isinstance(value, (tuple, list)) else (value,) * d
    if len(asked) != d:
        count = f"{d} sizes are" if d > 1 else "1 size is"
        raise ArgumentError(f"{name}: output_size={shown(value)} came; {count} needed")
    return tuple(
        None if size is None else numbers(size, 1, name, "output_size", 1)[0] for size in asked
    )


def _framed(name: str, d: int, image: Any, output_size: Any) -> tuple[Any, Shape, bool]:
    """Return images, how many windows they have along each axis, and whether a batch was added."""
    sizes = output_sizes(output_size, d, name)
    x, single = with_batch(name, image(), d)
    extents = x.shape[2:]
    if 0 in extents:
        raise ShapeError(f"{name}: an image of {extents} is empty")
    counts = tuple(n if size is None else size for n, size in zip(extents, sizes, strict=True))
    return x, check_size((*x.shape[:2], *counts), name)[2:], single


def _ends(n: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where the windows along an axis begin, and how many elements they have."""
    firsts = np.arange(count) * n // count
    return firsts, -(-(np.arange(1, count + 1) * n) // count) - firsts


def _maxima(x: Any, counts: Shape, located: bool) -> list[Any]:
    """Return the largest values and, where asked for, their positions in the flattened image.

    One axis after the other, the last one first, so that the first row of equals wins.
    """
    image, best = x.shape[2:], None
    for axis in reversed(range(2, 2 + len(counts))):
        firsts, sizes = _ends(x.shape[axis], counts[axis - 2])
        # Windows shorter than the longest show their last element again.
        places = firsts[:, None] + np.minimum(np.arange(sizes.max()), sizes[:, None] - 1)
        seen = _shown(x, places, axis)
        x = max_(seen, (axis + 1,), ties="first")
        if located:
            shape = (*places.shape, *(1 for _ in range(axis - 1, len(image))))
            steps = (places * prod(image[axis - 1 :])).astype(np.int32).reshape(shape)
            line = wrap(x.device.upload(steps, dtypes.int32))
            line = line if best is None else line + _shown(best, places, axis)
            best = least_position(seen, x, (axis + 1,), line, prod(image))
    return [x, best] if located else [x]


def _shown(x: Any, places: np.ndarray, axis: int) -> Any:
    """Return the elements at the places along an axis, which becomes two: windows, and in them."""
    taken = take(x, places.astype(np.int32).reshape(-1), axis=axis)
    return reshape(taken, (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]))


@in_float32
def adaptive_means(x: Tensor, counts: Shape) -> Tensor:
    """Return means over `counts` windows of the axes from the third on."""
    for axis, count in enumerate(counts, 2):
        x = _means_along(x, axis, count)
    return x


def _means_along(x: Any, axis: int, count: int) -> Any:
    n = x.shape[axis]
    if n % count == 0:
        shape = (*x.shape[:axis], count, n // count, *x.shape[axis + 1 :])
        return sum_(movement.reshape(x, shape), axis + 1) / (n // count)
    # Windows of several sizes: the longest of them, without what is too much.
    firsts, sizes = _ends(n, count)
    places = firsts[:, None] + np.arange(sizes.max())
    inside = np.arange(sizes.max()) < sizes[:, None]
    taken = _shown(x, np.minimum(places, n - 1), axis)
    after = (1,) * (len(x.shape) - axis - 1)
    mask = wrap(x.device.upload(inside.reshape(*inside.shape, *after), dtypes.bool_))
    total = sum_(where(mask, taken, 0.0), axis + 1)
    return total / constant(sizes.reshape(-1, *after), x)
