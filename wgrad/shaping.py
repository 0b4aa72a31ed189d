"""The public functions that reshape and join: they check and normalise what a user writes, and
apply the primitives of ops/movement."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from . import dtypes
from .core import Value
from .errors import ArgumentError, AxisError, DeviceError, ShapeError, shown
from .layout import (
    Shape,
    broadcast_shapes,
    check_size,
    integers,
    normalize_axes,
    normalize_axis,
    normalize_shape,
)
from .ops import movement
from .ops.families import expanded, with_dtype

if TYPE_CHECKING:
    from .tensor import Tensor


def as_tensor(x: Any, where: str, like: Any = None) -> Tensor:
    """Return `x` if it is a tensor, else a tensor on the device of `like` (or the default).

    Data takes the dtype that `dtypes.beside` says, or else what `wg.tensor` gives it.
    Raises: DTypeError and ShapeError that begin with `where`.
    """
    if isinstance(x, Value):
        return x  # type: ignore[return-value]  # a Value is a Tensor
    from .creation import from_host, host_array

    if not isinstance(like, Value):
        return from_host(x, where)
    data = host_array(x, where)
    return from_host(data, where, dtypes.beside(data, like.dtype), like.device)


def as_tensors(where: str, *data: Any) -> tuple[Tensor, ...]:
    """Return `data` as tensors: what is none yet goes where the first one that is lives."""
    given = [x for x in data if isinstance(x, Value)]
    like: Any = next((x for x in given if x.dtype is dtypes.float64), given[0] if given else None)
    return tuple(as_tensor(x, where, like) for x in data)


def as_number(value: Any, where: str, name: str = "") -> bool | int | float:
    """Return a number, of Python, NumPy or a tensor of one element, as Python's. Raises:
    ArgumentError."""
    if isinstance(value, Value):
        value = value.item()  # type: ignore[attr-defined]  # a Value is a Tensor
    elif isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (np.bool_, np.integer, np.floating)):
        return {"b": bool, "f": float}.get(value.dtype.kind, int)(value)
    what = f"{name}={shown(value)}" if name else shown(value)
    raise ArgumentError(f"{where}: {what} came, and a number is needed")


def reshape(x: Tensor, shape: int | Sequence[int]) -> Tensor:
    """Return the same elements in `shape`, in which one extent may be -1: whatever fits.

    A view wherever one is possible. Raises: ShapeError when the number of elements differs.
    """
    x = as_tensor(x, "reshape")
    target = _target(x, shape, "reshape")
    return x if target == x.shape else movement.reshape(x, target)


def view(x: Tensor, shape: int | Sequence[int]) -> Tensor:
    """Return `reshape(x, shape)` that shares the memory of `x`, and never copies.

    Raises: ShapeError when the number of elements differs, or when only a copy can have the shape.
    """
    x = as_tensor(x, "view")
    target = _target(x, shape, "view")
    if x.array.layout.reshape(target) is None:
        raise ShapeError(
            f"view: the elements of this {x.shape} do not lie in memory as {shown(target)} needs: "
            "use reshape, which copies"
        )
    return x if target == x.shape else movement.reshape(x, target)


def _target(x: Tensor, shape: Any, op: str) -> Shape:
    """Return the shape asked for, with the extent that -1 stands for."""
    items, size = list(integers(shape, op)), prod(x.shape)
    if items.count(-1) == 1:
        rest = prod(normalize_shape([n for n in items if n != -1], op))
        if rest > 0 and size % rest == 0:
            items[items.index(-1)] = size // rest
    if -1 in items:
        raise ShapeError(f"{op}: {shown(tuple(items))} does not say how to lay out shape {x.shape}")
    target = normalize_shape(items, op)
    if prod(target) != size:
        raise ShapeError(
            f"{op}: shape {x.shape} has {size} elements and {shown(target)} has {prod(target)}"
        )
    return target


def flatten(x: Tensor, start_axis: int = 0, end_axis: int = -1) -> Tensor:
    """Return `x` with the axes from `start_axis` to `end_axis` made one; 0-d becomes (1,)."""
    x = as_tensor(x, "flatten")
    if not x.shape:
        return reshape(x, (1,))
    first = normalize_axis(start_axis, len(x.shape), "flatten")
    last = normalize_axis(end_axis, len(x.shape), "flatten")
    if first > last:
        raise AxisError(f"flatten: start axis {first} is after end axis {last}")
    return reshape(x, (*x.shape[:first], prod(x.shape[first : last + 1]), *x.shape[last + 1 :]))


def permute_dims(x: Tensor, axes: Sequence[int]) -> Tensor:
    """Return a view of `x` whose axis i is the old axis axes[i]."""
    x = as_tensor(x, "permute_dims")
    items = axes if isinstance(axes, (tuple, list)) else (axes,)
    found = tuple(normalize_axis(a, len(x.shape), "permute_dims") for a in items)
    if sorted(found) != list(range(len(x.shape))):
        raise AxisError(
            f"permute_dims: axes {shown(tuple(items))} are not a permutation of the "
            f"{len(x.shape)} axes"
        )
    return movement.permute(x, found)


def transpose(x: Tensor, axis0: int, axis1: int) -> Tensor:
    """Return a view of `x` with two axes exchanged."""
    x = as_tensor(x, "transpose")
    order = list(range(len(x.shape)))
    i, j = (normalize_axis(a, len(order), "transpose") for a in (axis0, axis1))
    order[i], order[j] = order[j], order[i]
    return movement.permute(x, tuple(order))


def matrix_transpose(x: Tensor) -> Tensor:
    """Return a view of `x` with its last two axes exchanged."""
    x = as_tensor(x, "matrix_transpose")
    if len(x.shape) < 2:
        raise ShapeError(f"matrix_transpose: shape {x.shape} has fewer than 2 axes")
    return transpose(x, -1, -2)


def broadcast_to(x: Tensor, shape: int | Sequence[int]) -> Tensor:
    """Return a view of `x` repeated to `shape` by NumPy's broadcasting rules."""
    x = as_tensor(x, "broadcast_to")
    target = normalize_shape(shape, "broadcast_to")
    if len(target) < len(x.shape) or broadcast_shapes("broadcast_to", x.shape, target) != target:
        raise ShapeError(f"broadcast_to: shape {x.shape} does not broadcast to {target}")
    return expanded(x, target)


def expand_dims(x: Tensor, axis: int) -> Tensor:
    """Return `x` with a new axis of extent 1 at position `axis`."""
    x = as_tensor(x, "expand_dims")
    at = normalize_axis(axis, len(x.shape) + 1, "expand_dims")
    return movement.reshape(x, check_size((*x.shape[:at], 1, *x.shape[at:]), "expand_dims"))


def squeeze(x: Tensor, axis: int | Sequence[int] | None = None) -> Tensor:
    """Return `x` without `axis` (all axes of extent 1 when None), each of which has extent 1."""
    x = as_tensor(x, "squeeze")
    if axis is None:
        axes = tuple(i for i, n in enumerate(x.shape) if n == 1)
    else:
        axes = normalize_axes(axis, len(x.shape), "squeeze")
    for a in axes:
        if x.shape[a] != 1:
            raise ShapeError(f"squeeze: axis {a} of shape {x.shape} has extent {x.shape[a]}, not 1")
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))


def flip(x: Tensor, axis: int | Sequence[int] | None = None) -> Tensor:
    """Return a view of `x` that runs backwards along `axis` (all axes when None)."""
    x = as_tensor(x, "flip")
    axes = normalize_axes(axis, len(x.shape), "flip")
    starts = tuple(max(n - 1, 0) if i in axes else 0 for i, n in enumerate(x.shape))
    steps = tuple(-1 if i in axes else 1 for i in range(len(x.shape)))
    return movement.slice_view(x, starts, x.shape, steps)


def pad(x: Tensor, widths: int | Sequence, value: float = 0.0) -> Tensor:
    """Return `x` with `value` around it.

    `widths` is one number for both ends of every axis, (before, after) for every axis, or one such
    pair per axis, as in numpy.pad. Raises: ShapeError; ArgumentError.
    """
    x = as_tensor(x, "pad")
    pairs = _width_pairs(widths, x.shape)
    shape = tuple(n + b + a for n, (b, a) in zip(x.shape, pairs, strict=True))
    check_size(shape, "pad")
    starts, steps = tuple(b for b, _ in pairs), (1,) * len(shape)
    around = dtypes.cast_scalar(as_number(value, "pad", "value"), x.dtype, "pad")
    out = movement.embed(x, shape, starts, steps)
    if around == 0:
        return out
    from .creation import full
    from .ops.elementwise import where

    inside = movement.embed(full(x.shape, True, device=x.device), shape, starts, steps)
    return where(inside, out, around)


class _WidthError(ArgumentError, ShapeError):
    """A width that is no integer is an argument outside its domain, and makes no shape."""


def _width_pairs(widths: Any, shape: Shape) -> list[tuple[int, int]]:
    """Return what pad() was given as one (before, after) pair per axis of `shape`."""
    if isinstance(widths, np.ndarray):
        widths = widths.tolist()
    items = widths if isinstance(widths, (tuple, list)) else (widths,)
    nested = any(isinstance(w, (tuple, list)) for w in items)
    try:
        if nested:
            rows = [tuple(map(operator.index, w)) for w in items]
        else:
            row = tuple(map(operator.index, items))
            rows = [row * 2 if len(row) == 1 else row] * len(shape) if row else []
    except TypeError:
        raise _WidthError(
            f"pad: widths {shown(widths)} came, and integers are needed: one, (before, after), or "
            "one such pair per axis"
        ) from None
    if len(rows) != len(shape) or any(len(r) != 2 or min(r) < 0 for r in rows):
        raise ShapeError(
            f"pad: widths {shown(widths)} came for shape {shape}; one (before, after) pair of "
            "numbers of at least 0 per axis is needed"
        )
    return [(before, after) for before, after in rows]


def _joined(tensors: Sequence[Any], op: str) -> list[Tensor]:
    """Return the tensors of one device that `op` is to join."""
    if isinstance(tensors, Value) or not isinstance(tensors, Sequence) or not len(tensors):
        raise ArgumentError(f"{op}: a list of at least one tensor is needed")
    found = list(as_tensors(op, *tensors))
    for x in found:
        if x.device is not found[0].device:
            raise DeviceError(f"{op}: the tensors are on several devices: move them with .to()")
    return found


def _promoted(tensors: list[Tensor]) -> list[Tensor]:
    """Return tensors converted to the dtype that holds them all."""
    common = tensors[0].dtype
    for x in tensors:
        common = dtypes.promote(common, x.dtype)
    return [with_dtype(x, common) for x in tensors]


def concat(tensors: Sequence[Tensor], axis: int | None = 0) -> Tensor:
    """Return tensors joined along an axis in which alone they may differ; None flattens first."""
    found = _joined(tensors, "concat")
    if axis is None:
        found, axis = [reshape(x, (-1,)) for x in found], 0
    first = found[0].shape
    at = normalize_axis(axis, len(first), "concat")
    for x in found:
        if len(x.shape) != len(first) or any(
            n != m for i, (n, m) in enumerate(zip(x.shape, first, strict=False)) if i != at
        ):
            raise ShapeError(f"concat: shapes {first} and {x.shape} differ outside axis {at}")
    return movement.concat(_promoted(found), at)


def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Return tensors of one shape joined along a new axis."""
    found = _joined(tensors, "stack")
    for x in found:
        if x.shape != found[0].shape:
            raise ShapeError(f"stack: shapes {found[0].shape} and {x.shape} differ")
    at = normalize_axis(axis, len(found[0].shape) + 1, "stack")
    check_size((len(found), *found[0].shape), "stack")
    return movement.concat([expand_dims(x, at) for x in _promoted(found)], at)
