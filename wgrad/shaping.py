"""The public functions that reshape, join, cut and index: they check and normalise what a user
writes, and apply the primitives of ops/movement and ops/indexing."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from . import dtypes
from .core import Value, apply
from .errors import ArgumentError, AxisError, DeviceError, DTypeError, IndexRangeError, ShapeError
from .layout import Shape, broadcast_shapes, normalize_axes, normalize_axis, normalize_shape
from .ops import indexing, movement
from .ops.families import coerce, expanded, with_dtype

if TYPE_CHECKING:
    from .tensor import Tensor


def as_tensor(x: Any, where: str, like: Tensor | None = None) -> Tensor:
    """Return `x` if it is a tensor, else a tensor on the device of `like` (or the default)."""
    if isinstance(x, Value):
        return x  # type: ignore[return-value]
    from .creation import tensor

    return tensor(x, device=None if like is None else like.device)


def reshape(x: Tensor, shape: int | Sequence[int]) -> Tensor:
    """Return the same elements in `shape`, in which one extent may be -1: whatever fits.

    A view wherever one is possible. Raises: ShapeError when the number of elements differs.
    """
    items: list[Any] = list(shape) if isinstance(shape, (tuple, list)) else [shape]
    size = prod(x.shape)
    if items.count(-1) == 1:
        rest = prod(operator.index(n) for n in items if n != -1)
        if rest > 0 and size % rest == 0:
            items[items.index(-1)] = size // rest
    if any(n == -1 for n in items):
        raise ShapeError(f"reshape: {tuple(items)} does not say how to lay out shape {x.shape}")
    target = normalize_shape(items, "reshape")
    if prod(target) != size:
        raise ShapeError(
            f"reshape: shape {x.shape} has {size} elements and {target} has {prod(target)}"
        )
    return x if target == x.shape else movement.reshape(x, target)


def flatten(x: Tensor, start_axis: int = 0, end_axis: int = -1) -> Tensor:
    """Return `x` with the axes from `start_axis` to `end_axis` made one; 0-d becomes (1,)."""
    if not x.shape:
        return reshape(x, (1,))
    first = normalize_axis(start_axis, len(x.shape), "flatten")
    last = normalize_axis(end_axis, len(x.shape), "flatten")
    if first > last:
        raise AxisError(f"flatten: start axis {first} is after end axis {last}")
    return reshape(x, (*x.shape[:first], prod(x.shape[first : last + 1]), *x.shape[last + 1 :]))


def permute_dims(x: Tensor, axes: Sequence[int]) -> Tensor:
    """Return a view of `x` whose axis i is the old axis axes[i]."""
    found = tuple(normalize_axis(a, len(x.shape), "permute_dims") for a in axes)
    if sorted(found) != list(range(len(x.shape))):
        raise AxisError(
            f"permute_dims: axes {tuple(axes)} are not a permutation of the {len(x.shape)} axes"
        )
    return movement.permute(x, found)


def transpose(x: Tensor, axis0: int, axis1: int) -> Tensor:
    """Return a view of `x` with two axes exchanged."""
    order = list(range(len(x.shape)))
    i, j = (normalize_axis(a, len(order), "transpose") for a in (axis0, axis1))
    order[i], order[j] = order[j], order[i]
    return movement.permute(x, tuple(order))


def matrix_transpose(x: Tensor) -> Tensor:
    """Return a view of `x` with its last two axes exchanged."""
    if len(x.shape) < 2:
        raise ShapeError(f"matrix_transpose: shape {x.shape} has fewer than 2 axes")
    return transpose(x, -1, -2)


def broadcast_to(x: Tensor, shape: int | Sequence[int]) -> Tensor:
    """Return a view of `x` repeated to `shape` by NumPy's broadcasting rules."""
    target = normalize_shape(shape, "broadcast_to")
    if len(target) < len(x.shape) or broadcast_shapes("broadcast_to", x.shape, target) != target:
        raise ShapeError(f"broadcast_to: shape {x.shape} does not broadcast to {target}")
    return expanded(x, target)


def expand_dims(x: Tensor, axis: int) -> Tensor:
    """Return `x` with a new axis of extent 1 at position `axis`."""
    at = normalize_axis(axis, len(x.shape) + 1, "expand_dims")
    return movement.reshape(x, (*x.shape[:at], 1, *x.shape[at:]))


def squeeze(x: Tensor, axis: int | Sequence[int] | None = None) -> Tensor:
    """Return `x` without `axis` (all axes of extent 1 when None), each of which has extent 1."""
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
    axes = normalize_axes(axis, len(x.shape), "flip")
    starts = tuple(max(n - 1, 0) if i in axes else 0 for i, n in enumerate(x.shape))
    steps = tuple(-1 if i in axes else 1 for i in range(len(x.shape)))
    return movement.slice_view(x, starts, x.shape, steps)


def pad(x: Tensor, widths: int | Sequence, value: float = 0.0) -> Tensor:
    """Return `x` with `value` around it.

    `widths` is one number, or one (before, after) pair per axis, as in numpy.pad.
    """
    if isinstance(widths, (int, np.integer)):
        pairs: list = [(widths, widths)] * len(x.shape)
    else:
        pairs = [(w, w) if isinstance(w, (int, np.integer)) else tuple(w) for w in widths]
    if len(pairs) != len(x.shape) or any(len(p) != 2 or min(p) < 0 for p in pairs):
        raise ShapeError(
            f"pad: widths {widths!r} came for shape {x.shape}; one (before, after) pair of "
            "numbers of at least 0 per axis is needed"
        )
    shape = tuple(n + b + a for n, (b, a) in zip(x.shape, pairs, strict=True))
    starts, steps = tuple(operator.index(b) for b, _ in pairs), (1,) * len(shape)
    out = movement.embed(x, shape, starts, steps)
    if value == 0:
        return out
    from .creation import full
    from .ops.elementwise import where

    inside = movement.embed(full(x.shape, True, device=x.device), shape, starts, steps)
    return where(inside, out, dtypes.cast_scalar(value, x.dtype, "pad"))


def _joined(tensors: Sequence[Any], op: str) -> list[Tensor]:
    """Return the tensors of one dtype and device that `op` is to join."""
    if isinstance(tensors, Value) or not tensors:
        raise ArgumentError(f"{op}: a list of at least one tensor is needed")
    found = list(coerce(op, [x if isinstance(x, Value) else np.asarray(x) for x in tensors]))
    common = found[0].dtype  # type: ignore[union-attr]
    for x in found:
        common = dtypes.promote(common, x.dtype)  # type: ignore[union-attr]
        if x.device is not found[0].device:  # type: ignore[union-attr]
            raise DeviceError(f"{op}: the tensors are on several devices: move them with .to()")
    return [with_dtype(x, common) for x in found]


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
    return movement.concat(found, at)


def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Return tensors of one shape joined along a new axis."""
    found = _joined(tensors, "stack")
    for x in found:
        if x.shape != found[0].shape:
            raise ShapeError(f"stack: shapes {found[0].shape} and {x.shape} differ")
    at = normalize_axis(axis, len(found[0].shape) + 1, "stack")
    return movement.concat([expand_dims(x, at) for x in found], at)


def take(x: Tensor, indices: Any, axis: int | None = None) -> Tensor:
    """Return the entries of `x` at integer `indices` (any shape) along `axis`.

    With axis=None `x` is flattened first. Shapes: (n, m), indices (i, j), axis 0 -> (i, j, m).
    Negative indices do not count from the end. Raises: IndexRangeError, DTypeError.
    """
    index = index_tensor(indices, x, "take")
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    at = normalize_axis(axis, len(x.shape), "take")
    indexing.check_indices(index, x.shape[at], "take")
    lead, tail = x.shape[:at], x.shape[at + 1 :]
    count = prod(index.shape)
    flat = reshape(index, (*(1 for _ in lead), count, *(1 for _ in tail)))
    out = apply(indexing.gather_, x, expanded(flat, (*lead, count, *tail)), axis=at)
    return reshape(out, (*lead, *index.shape, *tail))


def take_along_axis(x: Tensor, indices: Any, axis: int = -1) -> Tensor:
    """Return out[.., j, ..] = x[.., indices[.., j, ..], ..]; other axes broadcast.

    Raises: IndexRangeError for an index outside 0 to x.shape[axis] - 1; DTypeError; ShapeError.
    """
    index = index_tensor(indices, x, "take_along_axis")
    if len(index.shape) != len(x.shape):
        raise ShapeError(
            f"take_along_axis: indices of shape {index.shape} and a tensor of shape {x.shape} need "
            "equally many axes"
        )
    at = normalize_axis(axis, len(x.shape), "take_along_axis")
    indexing.check_indices(index, x.shape[at], "take_along_axis")
    x, index = _broadcast_but(x, index, at, "take_along_axis")
    return apply(indexing.gather_, x, index, axis=at)


def scatter_add(x: Tensor, indices: Any, values: Tensor, axis: int = -1) -> Tensor:
    """Return `x` with `values` added at `indices` along `axis`: the transpose of take_along_axis.

    `indices` and `values` have one shape, which agrees with x.shape outside `axis`. Where indices
    repeat, values are added in their order: the same bits in every run.
    """
    index = index_tensor(indices, x, "scatter_add")
    at = normalize_axis(axis, len(x.shape), "scatter_add")
    if index.shape != values.shape or _without(index.shape, at) != _without(x.shape, at):
        raise ShapeError(
            f"scatter_add: indices {index.shape} and values {values.shape} need one shape that "
            f"agrees with {x.shape} outside axis {at}"
        )
    indexing.check_indices(index, x.shape[at], "scatter_add")
    values = with_dtype(values, x.dtype)
    return x + apply(indexing.scatter_, values, index, axis=at, size=x.shape[at])


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]


def _broadcast_but(x: Tensor, index: Tensor, axis: int, op: str) -> tuple[Tensor, Tensor]:
    """Broadcast two tensors against each other in every axis but `axis`."""
    shape = broadcast_shapes(op, _without(x.shape, axis), _without(index.shape, axis))
    lead, tail = shape[:axis], shape[axis:]
    return (
        expanded(x, (*lead, x.shape[axis], *tail)),
        expanded(index, (*lead, index.shape[axis], *tail)),
    )


def index_tensor(indices: Any, x: Tensor, op: str) -> Tensor:
    """Return `indices` as an integer tensor on the device of `x`."""
    if isinstance(indices, Value):
        if indices.device is not x.device:
            raise DeviceError(
                f"{op}: the indices are on {indices.device.name} and the tensor on {x.device.name}"
            )
        return indices  # type: ignore[return-value]
    from .creation import tensor

    data = np.asarray(indices)
    if data.dtype.kind not in "iu" and data.size:
        raise DTypeError(f"{op}: indices of {data.dtype} came and integers are needed")
    return tensor(data, dtypes.int32, x.device)


def getitem(x: Tensor, key: Any) -> Tensor:
    """Return x[key] for integers, slices with any step, None, an Ellipsis, and one index array.

    Basic keys give views. An integer array or tensor takes entries along its axis, and its
    negative indices count from the end when it comes from the host.
    Raises: IndexRangeError, DTypeError.
    """
    view, taken = _basic_view(x, key)
    if taken is None:
        return view
    axis, indices = taken
    if not isinstance(indices, Value):
        data = np.asarray(indices)
        if data.dtype.kind in "iu":
            indices = np.where(data < 0, data + view.shape[axis], data)
    return take(view, indices, axis)


def _basic_view(x: Tensor, key: Any) -> tuple[Tensor, tuple[int, Any] | None]:
    """Apply the basic part of a key; return the view, and the axis and indices still to take."""
    keys = key if isinstance(key, tuple) else (key,)
    used = sum(k is not None and k is not Ellipsis for k in keys)
    ndim = len(x.shape)
    if sum(k is Ellipsis for k in keys) > 1:
        raise IndexRangeError("indexing: only one Ellipsis (...) can be used")
    if used > ndim:
        raise IndexRangeError(f"indexing: {used} indices came for a tensor of {ndim} axes")
    if not any(k is Ellipsis for k in keys):
        keys = (*keys, Ellipsis)
    starts, sizes, steps, shape = [], [], [], []
    taken: tuple[int, Any] | None = None
    axis = 0
    for k in keys:
        if k is None:
            shape.append(1)
        elif k is Ellipsis:
            for extent in x.shape[axis : axis + ndim - used]:
                starts.append(0)
                sizes.append(extent)
                steps.append(1)
                shape.append(extent)
            axis += ndim - used
        else:
            extent = x.shape[axis]
            if isinstance(k, slice):
                start, size, step = _slice_parts(k, extent)
                shape.append(size)
            elif _is_array_key(k):
                if taken is not None:
                    raise IndexRangeError("indexing: only one index array can be used at a time")
                start, size, step = 0, extent, 1
                taken = len(shape), k
                shape.append(extent)
            else:
                start, size, step = _integer_part(k, extent, axis), 1, 1
            starts.append(start)
            sizes.append(size)
            steps.append(step)
            axis += 1
    same = tuple(sizes) == x.shape and all(s == 1 for s in steps)
    out = x if same else movement.slice_view(x, tuple(starts), tuple(sizes), tuple(steps))
    if out.shape != tuple(shape):
        out = movement.reshape(out, tuple(shape))
    return (apply(movement.alias, x) if out is x and taken is None else out), taken


def _is_array_key(k: Any) -> bool:
    """Return whether a part of a key is an array of indices. Raises: DTypeError for a bool one."""
    if isinstance(k, Value):
        found, kind = True, "b" if k.dtype is dtypes.bool_ else "i"
    elif isinstance(k, (list, np.ndarray)):
        data = np.asarray(k)
        found, kind = True, data.dtype.kind
    else:
        found, kind = False, "b" if isinstance(k, (bool, np.bool_)) else "i"
    if kind == "b":
        raise DTypeError(
            "indexing: a boolean mask has a result whose shape depends on the data: use wg.where"
        )
    return found


def _slice_parts(k: slice, extent: int) -> tuple[int, int, int]:
    try:
        start, stop, step = k.indices(extent)
    except (TypeError, ValueError) as error:
        raise IndexRangeError(f"indexing: {k} is not a slice of integers ({error})") from None
    return start, len(range(start, stop, step)), step


def _integer_part(k: Any, extent: int, axis: int) -> int:
    try:
        index = operator.index(k)
    except TypeError:
        raise IndexRangeError(
            f"indexing: {k!r} came; an integer, slice, None, ... or integer array is needed"
        ) from None
    if not -extent <= index < extent:
        raise IndexRangeError(
            f"indexing: index {index} is out of range for axis {axis}, whose extent is {extent}"
        )
    return index % extent
