"""Keys: what stands in x[...] taken apart, checked, and made a view and one index array.

A key has a basic part (integers, slices, None, an Ellipsis), which a view shows, and perhaps index
arrays and masks, which are joined to one flat index along merged axes of that view. Whether it is
read or assigned to is not known here.
"""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dtypes
from ..backends.base import Device, tracing
from ..core import Value, apply
from ..errors import DeviceError, DTypeError, IndexRangeError, ShapeError, shown
from ..layout import Shape, broadcast_shapes, check_size
from ..ops import indexing as primitives
from ..ops import movement
from ..ops.elementwise import add, less, multiply, where
from ..ops.families import expanded, with_dtype
from ..shaping import reshape

if TYPE_CHECKING:
    from ..tensor import Tensor


def index_tensor(indices: Any, x: Tensor, op: str) -> Tensor:
    """Return `indices` as an integer tensor on the device of `x`."""
    if isinstance(indices, Value):
        if indices.device is not x.device:
            raise DeviceError(
                f"{op}: the indices are on {indices.device.name} and the tensor on {x.device.name}"
            )
        return indices  # type: ignore[return-value]  # a Value is a Tensor
    return host_indices(indices, x.device, op)


def host_indices(indices: Any, device: Device, op: str, what: str = "indices") -> Tensor:
    """Return integers from the host as an int32 tensor. Raises: DTypeError, IndexRangeError."""
    from ..creation import from_host, host_array

    data = host_array(indices, op)
    if data.dtype.kind not in "iu" and data.size:
        raise DTypeError(f"{op}: {what} of {data.dtype} came and integers are needed")
    if data.size and (data.min() < -(2**31) or data.max() >= 2**31):
        raise IndexRangeError(
            f"{op}: {what} from {data.min()} to {data.max()} came; no tensor has that many entries"
        )
    return from_host(data, op, dtypes.int32, device)


@dataclass
class Taken:
    """An index array, a mask of several axes or a 0-d bool, for axes of the view from `axis` on."""

    axis: int
    shape: Shape  # of those axes; a bool has one of its own, of extent 1
    index: Any  # a NumPy array or a tensor; bools are a mask


@dataclass
class Key:
    """A key, taken apart for a tensor of one shape.

    The view shows `sizes` elements along each axis from `starts` in steps of `steps`; `shape` is
    the view's without the axes of integers, and with those of None. `first` says that the axes of
    index arrays come first in the result, and not where the arrays stand in the key.
    """

    starts: Shape
    sizes: Shape
    steps: Shape
    shape: Shape
    taken: list[Taken] = field(default_factory=list)
    first: bool = False

    def is_whole(self, shape: Shape) -> bool:
        """Whether the view shows all of a tensor of `shape`, as it is."""
        return self.sizes == shape and all(step == 1 for step in self.steps)

    def view(self, x: Tensor) -> Tensor:
        """Return the view that the basic part shows."""
        if not self.is_whole(x.shape):
            x = movement.slice_view(x, self.starts, self.sizes, self.steps)
        return reshape(x, self.shape)


def parse(x: Tensor, key: Any) -> Key:
    """Return a key taken apart for the tensor `x`. Raises: IndexRangeError, DTypeError, ..."""
    keys = [_known(k, x) for k in (key if isinstance(key, tuple) else (key,))]
    ndim = len(x.shape)
    used = sum(_axes_of(k) for k in keys)
    if sum(k is Ellipsis for k in keys) > 1:
        raise IndexRangeError("indexing: only one Ellipsis (...) can be used")
    if used > ndim:
        raise IndexRangeError(f"indexing: {used} indices came for a tensor of {ndim} axes")
    if not any(k is Ellipsis for k in keys):
        keys.append(Ellipsis)
    starts, sizes, steps, shape = [], [], [], []
    taken: list[Taken] = []
    order = ""  # of the kinds of keys: i an integer, a an index array, - any other
    axis = 0

    def show(start: int, size: int, step: int) -> None:
        starts.append(start)
        sizes.append(size)
        steps.append(step)

    for k in keys:
        extents = x.shape[axis : axis + (ndim - used if k is Ellipsis else _axes_of(k))]
        axis += len(extents)
        if k is None:
            shape.append(1)
        elif k is Ellipsis or _is_array(k):
            if k is not Ellipsis:
                found = _checked(k, extents, axis - len(extents))
                taken.append(Taken(len(shape), extents or (1,), found))
            for extent in extents:
                show(0, extent, 1)
            shape += extents if k is Ellipsis else extents or (1,)
        elif isinstance(k, slice):
            show(*_slice_parts(k, extents[0]))
            shape.append(sizes[-1])
        else:
            show(_integer_part(k, extents[0], axis - 1), 1, 1)
        if _is_array(k):  # NumPy takes a 0-d array for an integer
            order += "a" if k.shape or _is_bool(k) else "i"
        else:
            order += "-" if k is None or k is Ellipsis or isinstance(k, slice) else "i"
    check_size(tuple(shape), "indexing")
    found = Key(tuple(starts), tuple(sizes), tuple(steps), tuple(shape), taken)
    found.first = "a" in order and "-" in order.strip("-")
    return found


def _known(k: Any, x: Tensor) -> Any:
    """Return one part of a key with arrays as NumPy arrays or tensors, and checked."""
    from ..creation import host_array

    if isinstance(k, (bool, np.bool_)):
        return np.array(bool(k))
    if isinstance(k, np.ndarray) and not k.shape and k.dtype != np.bool_:
        return k[()]
    if isinstance(k, (list, tuple, range, np.ndarray)):
        data = host_array(k, "indexing")
        if not data.size and not isinstance(k, np.ndarray):
            data = data.astype(np.int64)  # an empty list
        if data.dtype.kind not in "biu":
            raise DTypeError(
                f"indexing: an array of {data.dtype} came and integers or bools are needed"
            )
        return data
    if isinstance(k, Value):
        if not k.dtype.is_integer and k.dtype is not dtypes.bool_:
            raise DTypeError(
                f"indexing: a {k.dtype.name} tensor came and an integer or bool one is needed: "
                "convert with .astype(wg.int32)"
            )
        index_tensor(k, x, "indexing")
    return k


def _is_array(k: Any) -> bool:
    return isinstance(k, (np.ndarray, Value))


def _is_bool(k: Any) -> bool:
    return k.dtype in (dtypes.bool_, np.bool_)


def _axes_of(k: Any) -> int:
    """Return how many axes of the tensor one part of a key is for; an Ellipsis takes the rest."""
    if k is None or k is Ellipsis:
        return 0
    return len(k.shape) if _is_array(k) and _is_bool(k) else 1


def _checked(k: Any, extents: Shape, axis: int) -> Any:
    """Return an array of a key, whose indices lie in the extent; those of the host count from
    the front then."""
    if _is_bool(k):
        if k.shape != extents:
            raise IndexRangeError(
                f"indexing: a mask of shape {k.shape} came for axes {axis} and on, whose extents "
                f"are {extents}"
            )
        return k
    (extent,) = extents
    if isinstance(k, np.ndarray):
        return _counted(k, extent)
    primitives.check_indices(k, extent, "indexing", least=-extent)
    return k


def _from_the_front(k: Tensor, extent: int) -> Tensor:
    """Return a checked index tensor as int32, with what counts from the end counted anew."""
    if k.dtype is dtypes.uint32:
        return with_dtype(k, dtypes.int32)
    if tracing() is None and primitives.bounds(k, -extent, extent)[0] >= 0:
        return k
    return where(less(k, 0), add(k, extent), k)


def _counted(k: np.ndarray, extent: int) -> np.ndarray:
    """Return host indices counted from the front. Raises: IndexRangeError."""
    if k.size and (k.min() < -extent or k.max() >= extent):
        worst = k.min() if k.min() < -extent else k.max()
        there = f"{extent} positions, 0 to {extent - 1}, exist" if extent else "no position exists"
        raise IndexRangeError(f"indexing: index {worst} is out of range: {there}")
    wide = k.astype(np.int64)  # the extent may not fit the dtype of the indices
    return np.where(wide < 0, wide + extent, wide)


def _slice_parts(k: slice, extent: int) -> tuple[int, int, int]:
    try:
        start, stop, step = k.indices(extent)
    except (TypeError, ValueError) as error:
        raise IndexRangeError(
            f"indexing: {shown(k)} is not a slice of integers ({error})"
        ) from None
    size = len(range(start, stop, step))
    return start, size, step if size > 1 else 1  # a huge step would make a huge stride


def _integer_part(k: Any, extent: int, axis: int) -> int:
    try:
        index = operator.index(k)
    except TypeError:
        raise IndexRangeError(
            f"indexing: {shown(k)} came; an integer, slice, None, ..., integer array or mask is "
            "needed"
        ) from None
    if not -extent <= index < extent:
        raise IndexRangeError(
            f"indexing: index {shown(index)} is out of range for axis {axis}, whose extent is "
            f"{extent}"
        )
    return index % extent


# Index arrays and masks together.
def mask_positions(mask: Any) -> Any:
    """Return where a mask (of any shape) is true, counted in row-major order, as int32.

    For a tensor that asks the device for one number: how many there are.
    """
    if isinstance(mask, np.ndarray):
        return np.flatnonzero(mask)
    flat = reshape(mask, (-1,))
    if not flat.shape[0]:
        return np.zeros(0, np.int64)
    count = int(with_dtype(flat, dtypes.int32).sum().item())
    found = apply(primitives.argsort_, flat, axis=0, descending=True)
    return found[:count]


@dataclass
class Joined:
    """All index arrays of a key as one: `index`, flat, along `axis` of the view laid out anew.

    The view is permuted to `axes`, then has `shape`; `spread` is the shape of the index arrays
    together, whose axes stand at `place` in the result. `arrays` count along `extents` positions.
    """

    axes: Shape
    shape: Shape
    axis: int
    spread: Shape
    place: int
    arrays: list[Any]
    extents: list[int]
    device: Device

    @functools.cached_property
    def index(self) -> Tensor:
        """Return sum(array * the extents after it)."""
        hosted: Any = None  # those of the host are added up there
        found: Any = None
        for i, array in enumerate(self.arrays):
            step = prod(self.extents[i + 1 :])
            if isinstance(array, np.ndarray):
                hosted = array * step if hosted is None else hosted + array * step
            else:
                array = _from_the_front(array, self.extents[i])
                array = array if step == 1 else multiply(array, step)
                found = array if found is None else add(found, array)
        if hosted is not None:
            made = host_indices(np.asarray(hosted), self.device, "indexing")
            found = made if found is None else add(found, made)
        return reshape(expanded(found, self.spread), (-1,))

    def laid_out(self, view: Tensor) -> Tensor:
        """Return the view with the axes that are indexed merged into one."""
        return reshape(_permuted(view, self.axes), self.shape)

    def laid_back(self, x: Tensor, shape: Shape) -> Tensor:
        """Return what `laid_out` was given, a view of `shape`."""
        x = reshape(x, tuple(shape[a] for a in self.axes))
        return _permuted(x, tuple(self.axes.index(a) for a in range(len(self.axes))))

    def result(self, out: Tensor) -> Tensor:
        """Return what was taken along the merged axis in the shape and order of the result."""
        lead, tail = self.shape[: self.axis], self.shape[self.axis + 1 :]
        return _permuted(reshape(out, (*lead, *self.spread, *tail)), self._order())

    def flat(self, value: Tensor) -> Tensor:
        """Return the inverse of `result`: a value of the result's shape, along the merged axis."""
        order = self._order()
        value = _permuted(value, tuple(order.index(a) for a in range(len(order))))
        lead, tail = self.shape[: self.axis], self.shape[self.axis + 1 :]
        return reshape(value, (*lead, prod(self.spread), *tail))

    def result_shape(self) -> Shape:
        """Return the shape of the result."""
        shape = (*self.shape[: self.axis], *self.spread, *self.shape[self.axis + 1 :])
        return tuple(shape[a] for a in self._order())

    def _order(self) -> Shape:
        """Return the axes of (lead, spread, tail) in the order of the result."""
        rank = len(self.shape) - 1 + len(self.spread)
        ours = range(self.axis, self.axis + len(self.spread))
        others = [a for a in range(rank) if a not in ours]
        return (*others[: self.place], *ours, *others[self.place :])


def _permuted(x: Tensor, axes: Shape) -> Tensor:
    return x if axes == tuple(range(len(axes))) else movement.permute(x, axes)


def join(key: Key, device: Device) -> Joined:
    """Return the index arrays of a key as one flat index along one axis.

    Raises: ShapeError for arrays that do not broadcast with each other.
    """
    axes = [t.axis + i for t in key.taken for i in range(len(t.shape))]
    rank = len(key.shape)
    beside = axes == list(range(axes[0], axes[0] + len(axes)))
    rest = [a for a in range(rank) if a not in axes]
    axis = axes[0] if beside else 0
    order = (*rest[:axis], *axes, *rest[axis:])
    merged = prod(key.shape[a] for a in axes)
    if merged >= 2**31:
        raise ShapeError(f"indexing: the axes that are indexed have {merged} positions together")
    indices = [mask_positions(t.index) if _is_bool(t.index) else t.index for t in key.taken]
    spread = broadcast_shapes("indexing", *(tuple(i.shape) for i in indices))
    check_size((*spread, *(key.shape[a] for a in rest)), "indexing")
    extents = [prod(t.shape) for t in key.taken]
    shape = (
        *(key.shape[a] for a in rest[:axis]),
        merged,
        *(key.shape[a] for a in rest[axis:]),
    )
    place = 0 if key.first else axis
    return Joined(order, shape, axis, spread, place, indices, extents, device)
