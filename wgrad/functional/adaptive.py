"""Adaptive pooling: as many windows as asked for, which cover an image evenly."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..core import Tensor, wrap
from ..creation.inputs import as_tensor
from ..errors import ArgumentError, DTypeError, ShapeError, shown
from ..indexing import take
from ..layout import Shape, check_size
from ..ops import movement
from ..ops.elementwise import where
from ..ops.reduction import max_, sum_
from ..shaping import reshape
from .convolution import numbers, with_batch
from .pooling import constant, floating
from .precision import in_float32


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Tensor:
    """Return means over windows: what adaptive_avg_pool2d does along one axis."""
    return _adaptive("adaptive_avg_pool1d", 1, adaptive_means, input, output_size)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Tensor:
    """Return means over as many windows as asked for, which cover the image evenly.

    Shapes: (N, C, H, W) -> (N, C, *output_size), or without N; None keeps an extent. Window i is
    [floor(i H / PH), ceil((i + 1) H / PH)). Raises: ShapeError, ArgumentError, DTypeError.
    """
    return _adaptive("adaptive_avg_pool2d", 2, adaptive_means, input, output_size)


def adaptive_avg_pool3d(input: Any, output_size: Any) -> Tensor:
    """Return means over windows: what adaptive_avg_pool2d does in three axes."""
    return _adaptive("adaptive_avg_pool3d", 3, adaptive_means, input, output_size)


def adaptive_max_pool1d(input: Any, output_size: Any) -> Tensor:
    """Return the largest value of every window: what adaptive_max_pool2d does along one axis."""
    return _adaptive("adaptive_max_pool1d", 1, _maxima, input, output_size)


def adaptive_max_pool2d(input: Any, output_size: Any) -> Tensor:
    """Return the largest values of as many windows as asked for, those of adaptive_avg_pool2d.

    The gradient goes to the first largest value of a window. Shapes and errors are
    adaptive_avg_pool2d's.
    """
    return _adaptive("adaptive_max_pool2d", 2, _maxima, input, output_size)


def adaptive_max_pool3d(input: Any, output_size: Any) -> Tensor:
    """Return the largest value of every window: what adaptive_max_pool2d does in three axes."""
    return _adaptive("adaptive_max_pool3d", 3, _maxima, input, output_size)


def output_sizes(value: Any, d: int, name: str) -> tuple[int | None, ...]:
    """Return d sizes, None for those of the image. Raises: ArgumentError."""
    asked = value if isinstance(value, (tuple, list)) else (value,) * d
    if len(asked) != d:
        count = f"{d} sizes are" if d > 1 else "1 size is"
        raise ArgumentError(f"{name}: output_size={shown(value)} came; {count} needed")
    return tuple(
        None if size is None else numbers(size, 1, name, "output_size", 1)[0] for size in asked
    )


def _adaptive(name: str, d: int, fold: Any, input: Any, output_size: Any) -> Tensor:
    sizes = output_sizes(output_size, d, name)
    x = as_tensor(input, name)
    if fold is adaptive_means:
        x = floating(x, name)
    elif x.dtype is dtypes.bool_:
        raise DTypeError(f"{name}: a bool tensor came and numbers are needed: use .astype()")
    x, single = with_batch(name, x, d)
    image = x.shape[2:]
    if 0 in image:
        raise ShapeError(f"{name}: an image of {image} is empty")
    counts = tuple(n if size is None else size for n, size in zip(image, sizes, strict=True))
    out = fold(x, check_size((*x.shape[:2], *counts), name)[2:])
    return reshape(out, out.shape[1:]) if single else out


def _ends(n: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where the windows along an axis begin, and how many elements they have."""
    firsts = np.arange(count) * n // count
    return firsts, -(-(np.arange(1, count + 1) * n) // count) - firsts


def _maxima(x: Any, counts: Shape) -> Any:
    for axis in reversed(range(2, 2 + len(counts))):  # so that the first row of equals wins
        n, count = x.shape[axis], counts[axis - 2]
        firsts, sizes = _ends(n, count)
        # Windows shorter than the longest show their last element again.
        places = firsts[:, None] + np.minimum(np.arange(sizes.max()), sizes[:, None] - 1)
        taken = take(x, places.astype(np.int32).reshape(-1), axis=axis)
        taken = reshape(taken, (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]))
        x = max_(taken, (axis + 1,), ties="first")
    return x


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
    taken = take(x, np.minimum(places, n - 1).astype(np.int32).reshape(-1), axis=axis)
    taken = reshape(taken, (*x.shape[:axis], *inside.shape, *x.shape[axis + 1 :]))
    after = (1,) * (len(x.shape) - axis - 1)
    mask = wrap(x.device.upload(inside.reshape(*inside.shape, *after), dtypes.bool_))
    total = sum_(where(mask, taken, 0.0), axis + 1)
    return total / constant(sizes.reshape(-1, *after), x)
