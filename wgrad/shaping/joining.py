"""The public functions that join tensors and repeat them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..core import Tensor, Value
from ..creation.inputs import as_tensor, as_tensors
from ..errors import ArgumentError, DeviceError, OutOfMemoryError, ShapeError, shown
from ..layout import check_size, normalize_axis
from ..ops import placing
from ..ops.families import expanded, with_dtype
from .parts import picked, runs
from .views import expand_dims, reshape


def _joined(tensors: Sequence[Any], op: str) -> list[Tensor]:
    """Return the tensors of one device that `op` is to join."""
    wrong = isinstance(tensors, (Value, str, bytes, range))
    if wrong or not isinstance(tensors, Sequence) or not len(tensors):
        raise ArgumentError(f"{op}: a list of at least one tensor is needed")
    converted = list(as_tensors(op, *tensors))
    for x in converted:
        if x.device is not converted[0].device:
            raise DeviceError(f"{op}: the tensors are on several devices: move them with .to()")
    return converted


def _promoted(tensors: list[Tensor]) -> list[Tensor]:
    """Return tensors converted to the dtype that holds them all."""
    common = tensors[0].dtype
    for x in tensors:
        common = dtypes.promote(common, x.dtype)
    return [with_dtype(x, common) for x in tensors]


def concat(arrays: Sequence[Tensor], axis: int | None = 0) -> Tensor:
    """Return tensors joined along an axis in which alone they may differ; None flattens first.

    >>> wg.concat([wg.tensor([1, 2]), wg.tensor([3])])
    tensor([1, 2, 3])
    """
    tensors = _joined(arrays, "concat")
    if axis is None:
        tensors, axis = [reshape(x, (-1,)) for x in tensors], 0
    first = tensors[0].shape
    at = normalize_axis(axis, len(first), "concat")
    for x in tensors:
        if len(x.shape) != len(first) or any(
            n != m for i, (n, m) in enumerate(zip(x.shape, first, strict=False)) if i != at
        ):
            raise ShapeError(f"concat: shapes {first} and {x.shape} differ outside axis {at}")
    return placing.concat(_promoted(tensors), at)


def stack(arrays: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Return tensors of one shape joined along a new axis.

    >>> wg.stack([wg.tensor([1, 2]), wg.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    tensors = _joined(arrays, "stack")
    for x in tensors:
        if x.shape != tensors[0].shape:
            raise ShapeError(f"stack: shapes {tensors[0].shape} and {x.shape} differ")
    at = normalize_axis(axis, len(tensors[0].shape) + 1, "stack")
    check_size((len(tensors), *tensors[0].shape), "stack")
    return placing.concat([expand_dims(x, at) for x in _promoted(tensors)], at)


def roll(x: Tensor, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> Tensor:
    """Return `x` with its elements moved on by `shift` along `axis`; the last ones come first.

    A sequence of shifts is for as many axes, one shift for each of several axes; with axis=None
    `x` is flattened, and gets its shape back. Raises: ArgumentError; AxisError.

    >>> wg.roll(wg.arange(5), 2)
    tensor([3, 4, 0, 1, 2])
    """
    x = as_tensor(x, "roll")
    shifts = _integers(shift, "roll", "shift")
    if axis is None:
        if len(shifts) != 1:
            raise ArgumentError(f"roll: {len(shifts)} shifts came, and axis=None takes one")
        return reshape(_rolled(reshape(x, (-1,)), shifts[0], 0), x.shape)
    items = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = [normalize_axis(a, len(x.shape), "roll") for a in items]
    if len(shifts) not in (1, len(axes)) and len(axes) != 1:
        raise ArgumentError(f"roll: {len(shifts)} shifts came for {len(axes)} axes")
    total = dict.fromkeys(axes, 0)  # an axis may be named twice
    for i in range(max(len(shifts), len(axes)) if axes and shifts else 0):
        total[axes[i % len(axes)]] += shifts[i % len(shifts)]
    for a, n in total.items():
        x = _rolled(x, n, a)
    return x


def _rolled(x: Tensor, shift: int, axis: int) -> Tensor:
    extent = x.shape[axis]
    first = shift % extent if extent else 0
    if first == 0:
        return runs(x, [(0, 1, extent)], axis)
    return runs(x, [(extent - first, 1, first), (0, 1, extent - first)], axis)


def tile(x: Tensor, repetitions: int | Sequence[int]) -> Tensor:
    """Return `x` side by side, so many times along each axis; missing axes are put in front.

    >>> wg.tile(wg.tensor([1, 2]), 3)
    tensor([1, 2, 1, 2, 1, 2])
    """
    x = as_tensor(x, "tile")
    counts = _integers(repetitions, "tile", "repetitions")
    if any(n < 0 for n in counts):
        raise ArgumentError(f"tile: repetitions {shown(repetitions)} came; none may be negative")
    counts = (1,) * (len(x.shape) - len(counts)) + counts
    extents = (1,) * (len(counts) - len(x.shape)) + x.shape
    shape = tuple(n * r for n, r in zip(extents, counts, strict=True))
    check_size(shape, "tile")
    split, spread = [], []
    for n, r in zip(extents, counts, strict=True):
        split += [n] if r == 1 else [1, n]
        spread += [n] if r == 1 else [r, n]
    return reshape(expanded(reshape(x, tuple(split)), check_size(tuple(spread), "tile")), shape)


def repeat(x: Tensor, repeats: Any, axis: int | None = None) -> Tensor:
    """Return every entry of `x` along `axis` so many times in a row; axis=None flattens `x` first.

    `repeats` is an integer, or integers, one per entry; a tensor of them is read by the host, for
    the shape of the result depends on it. Raises: ArgumentError; ShapeError; AxisError.

    >>> wg.repeat(wg.tensor([1, 2]), 3)
    tensor([1, 1, 1, 2, 2, 2])
    """
    x = as_tensor(x, "repeat")
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    at = normalize_axis(axis, len(x.shape), "repeat")
    if isinstance(repeats, (Value, np.ndarray)):
        repeats = np.asarray(repeats).tolist()
    counts = _integers(repeats, "repeat", "repeats")
    extent = x.shape[at]
    if len(counts) not in (1, extent):
        raise ShapeError(
            f"repeat: {len(counts)} repeats came for axis {at} of shape {x.shape}; 1 or {extent} "
            "are needed"
        )
    if any(n < 0 for n in counts):
        raise ArgumentError(f"repeat: repeats {shown(repeats)} came; none may be negative")
    total = counts[0] * extent if len(counts) == 1 else sum(counts)
    shape = check_size((*x.shape[:at], total, *x.shape[at + 1 :]), "repeat")
    if len(counts) == 1:
        spread = (*x.shape[: at + 1], counts[0], *x.shape[at + 1 :])
        return reshape(expanded(expand_dims(x, at + 1), check_size(spread, "repeat")), shape)
    if total >= 2**31:
        raise OutOfMemoryError(f"repeat: {total} entries are asked for; fewer than 2**31 can be")
    return picked(x, np.repeat(np.arange(extent), counts), at, "repeat")


def _integers(value: Any, op: str, name: str) -> tuple[int, ...]:
    """Return one integer, or several, as a tuple. Raises: ArgumentError."""
    items = value if isinstance(value, (tuple, list)) else (value,)
    try:
        return tuple([operator.index(n) for n in items])
    except TypeError:
        raise ArgumentError(f"{op}: {name} {shown(value)} came, and integers are needed") from None
