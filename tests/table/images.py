"""References of convolutions, pooling and interpolation: plain loops over images in float64."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

Numbers = Sequence[int]


def np_conv(
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None = None,
    stride: Numbers = (1, 1),
    padding: Sequence[tuple[int, int]] = ((0, 0), (0, 0)),
    dilation: Numbers = (1, 1),
    groups: int = 1,
) -> np.ndarray:
    """Return a convolution of any number of axes; `padding` is (before, after) for each."""
    x = np.pad(x, ((0, 0), (0, 0), *padding))
    filters, each, *kernel = w.shape
    reach = [(k - 1) * g for k, g in zip(kernel, dilation, strict=True)]
    shape = [(n - r - 1) // s + 1 for n, r, s in zip(x.shape[2:], reach, stride, strict=True)]
    out = np.zeros((len(x), filters, *shape), np.result_type(x, w))
    for f in range(filters):
        first = f // (filters // groups) * each
        for p in itertools.product(*map(range, shape)):
            box = tuple(
                slice(i * s, i * s + r + 1, g)
                for i, s, r, g in zip(p, stride, reach, dilation, strict=True)
            )
            seen = x[(slice(None), slice(first, first + each), *box)]
            out[(slice(None), f, *p)] = (seen * w[f]).reshape(len(x), -1).sum(1)
    return out if bias is None else out + bias.reshape(-1, *(1,) * len(kernel))


def np_conv_transpose(
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None = None,
    stride: Numbers = (1, 1),
    padding: Numbers = (0, 0),
    more: Numbers = (0, 0),
    dilation: Numbers = (1, 1),
    groups: int = 1,
) -> np.ndarray:
    """Return filters placed where the elements of `x` say, added up, and cut by the padding."""
    channels, each, *kernel = w.shape
    ways = list(zip(x.shape[2:], stride, dilation, kernel, strict=True))
    wide = [(n - 1) * s + g * (k - 1) + 1 for n, s, g, k in ways]
    wide = [n + m for n, m in zip(wide, more, strict=True)]
    out = np.zeros((len(x), each * groups, *wide), np.result_type(x, w))
    for c in range(channels):
        first = c // (channels // groups) * each
        for p in itertools.product(*map(range, x.shape[2:])):
            box = tuple(
                slice(i * s, i * s + g * (k - 1) + 1, g)
                for i, (_, s, g, k) in zip(p, ways, strict=True)
            )
            share = x[(slice(None), c, *p)].reshape(-1, *(1,) * (1 + len(kernel))) * w[c]
            out[(slice(None), slice(first, first + each), *box)] += share
    inside = tuple(slice(p, n - p) for p, n in zip(padding, wide, strict=True))
    out = out[(slice(None), slice(None), *inside)]
    return out if bias is None else out + bias.reshape(-1, *(1,) * len(kernel))


def windows(
    x: np.ndarray, kernel: Numbers, stride: Numbers, padding: Numbers, up: bool, dilation: int = 1
) -> Iterator[tuple[tuple, np.ndarray, int]]:
    """Yield for every window its place, what it sees of the image, and its size with padding."""
    counts = []
    for n, k, s, p in zip(x.shape[-2:], kernel, stride, padding, strict=True):
        room = (n + 2 * p - dilation * (k - 1) - 1) / s
        count = (math.ceil(room) if up else math.floor(room)) + 1
        counts.append(count - (up and (count - 1) * s >= n + p))
    for place in itertools.product(*map(range, counts)):
        rows, size = [], 1
        for n, i, k, s, p in zip(x.shape[-2:], place, kernel, stride, padding, strict=True):
            all_of_it = [i * s - p + j * dilation for j in range(k)]
            size *= sum(at < n + p for at in all_of_it)
            rows.append([at for at in all_of_it if 0 <= at < n])
        yield place, x[..., rows[0], :][..., rows[1]], size


def np_pool(fold: Any, x: np.ndarray, *how: Any, **more: Any) -> np.ndarray:
    """Return fold(seen, size) of every window of the last two axes."""
    found = {place: fold(seen, size) for place, seen, size in windows(x, *how, **more)}
    rows, columns = (1 + max(place[i] for place in found) for i in (0, 1))
    cells = [[found[i, j] for j in range(columns)] for i in range(rows)]
    return np.moveaxis(np.array(cells), (0, 1), (-2, -1))


def largest(seen: np.ndarray, size: int) -> np.ndarray:
    return seen.max((-2, -1))


def mean_with_padding(seen: np.ndarray, size: int) -> np.ndarray:
    return seen.sum((-2, -1)) / size


def mean_inside(seen: np.ndarray, size: int) -> np.ndarray:
    return seen.mean((-2, -1))


def np_unfold(x: np.ndarray, *how: Any) -> np.ndarray:
    """Return every window as a column, with zeros for padding."""
    kernel, stride, padding, dilation = how
    x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    columns = [
        seen.reshape(len(x), -1)
        for _, seen, _ in windows(x, kernel, stride, (0, 0), False, dilation)
    ]
    return np.stack(columns, -1)


def np_fold(columns: np.ndarray, image: Numbers, *how: Any) -> np.ndarray:
    """Return columns as windows added up: what np_unfold takes each element from, gets it."""
    rows = np.prod(how[0])
    channels = columns.shape[1] // rows
    size = channels * image[0] * image[1]
    places = np_unfold(1.0 + np.arange(size).reshape(1, channels, *image), *how)[0].astype(int)
    out = np.zeros((len(columns), 1 + size), columns.dtype)
    for i, found in enumerate(columns):
        np.add.at(out[i], places, found)
    return out[:, 1:].reshape(-1, channels, *image)


def np_adaptive(x: np.ndarray, sizes: Numbers) -> np.ndarray:
    """Return means over windows that cover the last two axes evenly."""
    n, m = x.shape[-2:]
    rows = [slice(i * n // sizes[0], -(-(i + 1) * n // sizes[0])) for i in range(sizes[0])]
    columns = [slice(i * m // sizes[1], -(-(i + 1) * m // sizes[1])) for i in range(sizes[1])]
    cells = [[x[..., r, c].mean((-2, -1)) for c in columns] for r in rows]
    return np.moveaxis(np.array(cells), (0, 1), (-2, -1))


def np_interpolate(x: np.ndarray, sizes: Numbers, mode: str, corners: bool = False) -> np.ndarray:
    """Return the axes from 2 on in other sizes, one after the other, element by element."""
    for axis, size in enumerate(sizes, 2):
        n = x.shape[axis]
        taken = []
        for i in range(size):
            if mode == "nearest":
                taken.append(np.take(x, i * n // size, axis))
                continue
            if mode == "nearest-exact":
                taken.append(np.take(x, (2 * i + 1) * n // (2 * size), axis))
                continue
            at = i * (n - 1) / max(size - 1, 1) if corners else max((i + 0.5) * n / size - 0.5, 0)
            low = min(math.floor(at), n - 1)
            near, far = np.take(x, low, axis), np.take(x, min(low + 1, n - 1), axis)
            taken.append(near * (1 - (at - low)) + far * (at - low))
        x = np.stack(taken, axis)
    return x


def np_cubic(x: np.ndarray, sizes: Numbers) -> np.ndarray:
    """Return the axes from 2 on in other sizes, by Keys' cubic of slope -3/4."""
    a = -0.75
    for axis, size in enumerate(sizes, 2):
        n = x.shape[axis]
        taken = []
        for i in range(size):
            at = (i + 0.5) * n / size - 0.5
            low, total = math.floor(at), 0.0
            for j in range(low - 1, low + 3):
                t = abs(at - j)
                near = (a + 2) * t**3 - (a + 3) * t**2 + 1
                weight = near if t <= 1 else a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a
                total = total + weight * np.take(x, min(max(j, 0), n - 1), axis)
            taken.append(total)
        x = np.stack(taken, axis)
    return x


def np_pool_any(fold: Any, x: np.ndarray, kernel: Numbers, stride: Numbers) -> np.ndarray:
    """Return fold(window) for windows of the axes from 2 on, of any number, without padding."""
    counts = [(n - k) // s + 1 for n, k, s in zip(x.shape[2:], kernel, stride, strict=True)]
    out = np.zeros((*x.shape[:2], *counts), x.dtype if fold is np.max else float)
    for place in itertools.product(*map(range, counts)):
        box = tuple(slice(i * s, i * s + k) for i, s, k in zip(place, stride, kernel, strict=True))
        out[(..., *place)] = fold(x[(..., *box)], axis=tuple(range(2, x.ndim)))
    return out


def np_even(fold: Any, x: np.ndarray, sizes: Numbers) -> np.ndarray:
    """Return fold(window) for windows that cover the axes from 2 on evenly."""
    out = np.zeros((*x.shape[:2], *sizes), x.dtype if fold is np.max else float)
    for place in itertools.product(*map(range, sizes)):
        box = tuple(
            slice(i * n // m, -(-(i + 1) * n // m))
            for i, n, m in zip(place, x.shape[2:], sizes, strict=True)
        )
        out[(..., *place)] = fold(x[(..., *box)], axis=tuple(range(2, x.ndim)))
    return out
