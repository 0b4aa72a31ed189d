"""The public functions that look at a tensor in another shape or order, as views where possible."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from .. import layout
from ..checks.arguments import checked_choice
from ..core import Tensor, apply
from ..core.batched import memory
from ..creation.inputs import as_tensor, as_tensors
from ..errors import AxisError, ShapeError, shown
from ..layout import (
    Shape,
    check_size,
    integers,
    normalize_axes,
    normalize_axis,
    normalize_shape,
)
from ..ops import movement
from ..ops.families import expanded


def reshape(x: Tensor, shape: int | Sequence[int], *, copy: bool | None = None) -> Tensor:
    """Return the same elements in `shape`, in which one extent may be -1: whatever fits.

    A view wherever one is possible; copy=True always copies, copy=False never. Raises: ShapeError
    when the number of elements differs, or when only a copy can have the shape and none may be.

    >>> wg.reshape(wg.arange(6), (2, -1))  # or x.reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    x = as_tensor(x, "reshape")
    out = _reshaped(x, shape, "reshape", never=copy is not None and not copy)
    shared = memory(out.array) is memory(x.array)
    return apply(movement.copy_, out) if copy and shared else out


def view(x: Tensor, shape: int | Sequence[int]) -> Tensor:
    """Return `reshape(x, shape)` that shares the memory of `x`, and never copies.

    Raises: ShapeError when the number of elements differs, or when only a copy can have the shape.
    """
    return _reshaped(as_tensor(x, "view"), shape, "view", never=True)


def _reshaped(x: Tensor, shape: Any, op: str, never: bool) -> Tensor:
    """Return `x` in another shape, as a view if it can `never` be copied. Raises: ShapeError."""
    target = _target(x, shape, op)
    if never and x.array.layout.reshape(target) is None:
        hint = "use reshape, which copies" if op == "view" else "only copy=True can have it"
        raise ShapeError(
            f"{op}: the elements of this {x.shape} do not lie in memory as {shown(target)} needs: "
            f"{hint}"
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
    """Return `x` with the axes from `start_axis` to `end_axis` made one; 0-d becomes (1,).

    >>> wg.flatten(wg.zeros((8, 3, 4)), 1).shape
    (8, 12)
    """
    x = as_tensor(x, "flatten")
    if not x.shape:
        return reshape(x, (1,))
    first = normalize_axis(start_axis, len(x.shape), "flatten")
    last = normalize_axis(end_axis, len(x.shape), "flatten")
    if first > last:
        raise AxisError(f"flatten: start axis {first} is after end axis {last}")
    return reshape(x, (*x.shape[:first], prod(x.shape[first : last + 1]), *x.shape[last + 1 :]))


def permute_dims(x: Tensor, axes: Sequence[int]) -> Tensor:
    """Return a view of `x` whose axis i is the old axis axes[i].

    >>> images = wg.zeros((8, 28, 28, 3))  # the channels last
    >>> wg.permute_dims(images, (0, 3, 1, 2)).shape
    (8, 3, 28, 28)
    """
    x = as_tensor(x, "permute_dims")
    items = axes if isinstance(axes, (tuple, list)) else (axes,)
    order = tuple(normalize_axis(a, len(x.shape), "permute_dims") for a in items)
    if sorted(order) != list(range(len(x.shape))):
        raise AxisError(
            f"permute_dims: axes {shown(tuple(items))} are not a permutation of the "
            f"{len(x.shape)} axes"
        )
    return movement.permute(x, order)


def moveaxis(x: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Return a view of `x` with the axes `source` at `destination`; the others keep their order.

    >>> wg.moveaxis(wg.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    x = as_tensor(x, "moveaxis")
    ndim = len(x.shape)
    ends = []
    for axes in (source, destination):
        items = axes if isinstance(axes, (tuple, list)) else (axes,)
        normalize_axes(items, ndim, "moveaxis")  # which refuses one axis twice
        ends.append([normalize_axis(a, ndim, "moveaxis") for a in items])
    taken, places = ends
    if len(taken) != len(places):
        raise AxisError(f"moveaxis: {len(taken)} axes came for {len(places)} places")
    order = [a for a in range(ndim) if a not in taken]
    for place, axis in sorted(zip(places, taken, strict=True)):
        order.insert(place, axis)
    return movement.permute(x, tuple(order))


def transpose(x: Tensor, axis0: int, axis1: int) -> Tensor:
    """Return a view of `x` with two axes exchanged.

    >>> wg.transpose(wg.zeros((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    x = as_tensor(x, "transpose")
    order = list(range(len(x.shape)))
    i, j = (normalize_axis(a, len(order), "transpose") for a in (axis0, axis1))
    order[i], order[j] = order[j], order[i]
    return movement.permute(x, tuple(order))


def matrix_transpose(x: Tensor) -> Tensor:
    """Return a view of `x` with its last two axes exchanged.

    >>> wg.matrix_transpose(wg.zeros((5, 2, 3))).shape  # or x.mT
    (5, 3, 2)
    """
    x = as_tensor(x, "matrix_transpose")
    if len(x.shape) < 2:
        raise ShapeError(f"matrix_transpose: shape {x.shape} has fewer than 2 axes")
    return transpose(x, -1, -2)


def broadcast_to(x: Tensor, shape: int | Sequence[int]) -> Tensor:
    """Return a view of `x` repeated to `shape` by NumPy's broadcasting rules.

    >>> wg.broadcast_to(wg.tensor([1, 2]), (3, 2))
    tensor([[1, 2],
            [1, 2],
            [1, 2]])
    """
    x = as_tensor(x, "broadcast_to")
    target = normalize_shape(shape, "broadcast_to")
    shapes = x.shape, target
    if len(target) < len(x.shape) or layout.broadcast_shapes("broadcast_to", *shapes) != target:
        raise ShapeError(f"broadcast_to: shape {x.shape} does not broadcast to {target}")
    return expanded(x, target)


def broadcast_shapes(*shapes: int | Sequence[int]) -> Shape:
    """Return the shape that NumPy's rules broadcast `shapes` to. Raises: ShapeError.

    >>> wg.broadcast_shapes((2, 1), (3,))
    (2, 3)
    """
    extents = [normalize_shape(shape, "broadcast_shapes") for shape in shapes]
    return check_size(layout.broadcast_shapes("broadcast_shapes", *extents), "broadcast_shapes")


def broadcast_arrays(*arrays: Tensor) -> list[Tensor]:
    """Return views of the tensors, each repeated to the shape that all of them broadcast to.

    >>> a, b = wg.broadcast_arrays(wg.zeros((2, 1)), wg.zeros(3))
    >>> a.shape, b.shape
    ((2, 3), (2, 3))
    """
    tensors = as_tensors("broadcast_arrays", *arrays)
    shape = layout.broadcast_shapes("broadcast_arrays", *(x.shape for x in tensors))
    check_size(shape, "broadcast_arrays")
    return [expanded(x, shape) for x in tensors]


def meshgrid(*arrays: Tensor, indexing: str = "xy") -> list[Tensor]:
    """Return for each 1-d tensor a view with its elements along an axis of a grid of all of them.

    indexing="ij" gives the first tensor the first axis, and so on; "xy" exchanges the first two
    axes. Shapes: (n,), (m,) -> twice (m, n), or (n, m) for "ij". Raises: ArgumentError; ShapeError.

    >>> x, y = wg.meshgrid(wg.tensor([1, 2, 3]), wg.tensor([10, 20]))
    >>> x + y
    tensor([[11, 12, 13],
            [21, 22, 23]])
    """
    checked_choice(indexing, ("xy", "ij"), "meshgrid", "indexing")
    tensors = as_tensors("meshgrid", *arrays)
    axes = list(range(len(tensors)))
    if indexing == "xy":
        axes[:2] = axes[:2][::-1]
    for x in tensors:
        if len(x.shape) > 1:
            raise ShapeError(f"meshgrid: shape {x.shape} came, and 1 axis is needed")
    columns = [
        reshape(x, tuple(-1 if a == axis else 1 for a in range(len(tensors))))
        for x, axis in zip(tensors, axes, strict=True)
    ]
    shape = check_size(layout.broadcast_shapes("meshgrid", *(x.shape for x in columns)), "meshgrid")
    return [expanded(x, shape) for x in columns]


def expand_dims(x: Tensor, axis: int | Sequence[int]) -> Tensor:
    """Return `x` with new axes of extent 1 at the positions `axis` of the result.

    >>> wg.expand_dims(wg.zeros((2, 3)), 1).shape  # or x[:, None]
    (2, 1, 3)
    """
    x = as_tensor(x, "expand_dims")
    count = len(axis) if isinstance(axis, (tuple, list)) else 1
    at = normalize_axes(axis, len(x.shape) + count, "expand_dims")
    shape = list(x.shape)
    for a in at:
        shape.insert(a, 1)
    return movement.reshape(x, check_size(tuple(shape), "expand_dims"))


def squeeze(x: Tensor, axis: int | Sequence[int] | None = None) -> Tensor:
    """Return `x` without `axis` (all axes of extent 1 when None), each of which has extent 1.

    >>> x = wg.zeros((1, 3, 1))
    >>> wg.squeeze(x).shape, wg.squeeze(x, axis=0).shape
    ((3,), (3, 1))
    """
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
    """Return a view of `x` that runs backwards along `axis` (all axes when None).

    >>> wg.flip(wg.tensor([[1, 2], [3, 4]]), axis=1)
    tensor([[2, 1],
            [4, 3]])
    """
    x = as_tensor(x, "flip")
    axes = normalize_axes(axis, len(x.shape), "flip")
    starts = tuple(max(n - 1, 0) if i in axes else 0 for i, n in enumerate(x.shape))
    steps = tuple(-1 if i in axes else 1 for i in range(len(x.shape)))
    return movement.slice_view(x, starts, x.shape, steps)
