"""Keys: what stands in x[...] taken apart and checked: a view, and the index arrays on it.

Whether a key is read or assigned to is not known here, nor what becomes of its arrays.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import dtypes
from ..core import Tensor, Value
from ..creation import host_array
from ..errors import DTypeError, IndexRangeError, shown
from ..layout import Shape, check_size
from ..ops import indexing as primitives
from ..ops import movement
from .indices import index_tensor, shaped


@dataclass(slots=True)
class Taken:
    """An index array, a mask of several axes or a 0-d bool, for axes of the view from `axis` on."""

    axis: int
    shape: Shape  # of those axes; a bool has one of its own, of extent 1
    index: Any  # a NumPy array or a tensor; bools are a mask


@dataclass(slots=True)
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
        return shaped(x, self.shape)


def parse(x: Tensor, key: Any) -> Key:
    """Return a key taken apart for the tensor `x`. Raises: IndexRangeError, DTypeError, ..."""
    ndim = len(x.shape)
    parts = [_part(k, x) for k in (key if isinstance(key, tuple) else (key,))]
    kinds = "".join([kind for kind, _, _ in parts])
    used = sum([axes for _, _, axes in parts])
    if kinds.count("e") > 1:
        raise IndexRangeError("indexing: only one Ellipsis (...) can be used")
    if used > ndim:
        raise IndexRangeError(f"indexing: {used} indices came for a tensor of {ndim} axes")
    if "e" not in kinds:
        parts.append(("e", Ellipsis, 0))
    starts: list[int] = []
    sizes: list[int] = []
    steps: list[int] = []
    shape: list[int] = []
    taken: list[Taken] = []
    axis = 0
    for kind, k, axes in parts:
        start, step = 0, 1
        extents = x.shape[axis : axis + (ndim - used if kind == "e" else axes)]
        sizes += extents
        if kind == "i":
            start, sizes[-1] = _integer_part(k, extents[0], axis), 1
        elif kind == "s":
            start, sizes[-1], step = _slice_parts(k, extents[0])
            shape.append(sizes[-1])
        elif kind in "at":
            taken.append(Taken(len(shape), extents or (1,), _checked(k, extents, axis)))
            shape += extents or (1,)
        else:
            shape += (1,) if kind == "n" else extents
        starts += (start,) * len(extents)
        steps += (step,) * len(extents)
        axis += len(extents)
    check_size(tuple(shape), "indexing")
    key = Key(tuple(starts), tuple(sizes), tuple(steps), tuple(shape), taken)
    # Where other parts stand between integers and arrays, NumPy puts the arrays' axes first.
    key.first = "a" in kinds and len(re.findall("[ait]+", kinds)) > 1
    return key


def _part(k: Any, x: Tensor) -> tuple[str, Any, int]:
    """Return the kind of one part of a key, what it is, and how many axes of `x` it is for.

    Kinds: i an integer, s a slice, n None, e an Ellipsis, a an index array or a mask, and t a 0-d
    index tensor. Lists and the like become arrays.
    """
    if type(k) is int:
        return "i", k, 1
    if isinstance(k, slice):
        return "s", k, 1
    if k is None:
        return "n", k, 0
    if k is Ellipsis:
        return "e", k, 0
    if isinstance(k, (bool, np.bool_)):
        k = np.array(bool(k))
    elif isinstance(k, (list, tuple, range, np.ndarray)):
        k = _host_key(k)
        if not k.shape and k.dtype != np.bool_:  # NumPy takes a 0-d array for an integer
            return "i", k[()], 1
    elif isinstance(k, Value):
        if not k.dtype.is_integer and k.dtype is not dtypes.bool_:
            raise DTypeError(
                f"indexing: a {k.dtype.name} tensor came and an integer or bool one is needed: "
                "convert with .astype(wg.int32)"
            )
        index_tensor(k, x, "indexing")
    else:
        return "i", k, 1
    if is_bool(k):
        return "a", k, len(k.shape)
    return "a" if k.shape else "t", k, 1


def _host_key(k: Any) -> np.ndarray:
    """Return what stands for an array in a key as one. Raises: DTypeError, ..."""
    data = host_array(k, "indexing")
    if not data.size and not isinstance(k, np.ndarray):
        return data.astype(np.int64)  # an empty list
    if data.dtype.kind not in "biu" and data.shape:
        raise DTypeError(
            f"indexing: an array of {data.dtype} came and integers or bools are needed"
        )
    return data


def is_bool(k: Any) -> bool:
    return k.dtype is dtypes.bool_ or k.dtype == np.bool_


def _checked(k: Any, extents: Shape, axis: int) -> Any:
    """Return an array of a key, whose indices lie in the extent; those of the host count from
    the front then."""
    if is_bool(k):
        if k.shape == extents:
            return k
        if not all(n in (0, m) for n, m in zip(k.shape, extents, strict=True)):
            raise IndexRangeError(
                f"indexing: a mask of shape {k.shape} came for axes {axis} and on, whose extents "
                f"are {extents}"
            )
        return np.broadcast_to(np.False_, extents)  # of size 0, which fits anywhere, as in NumPy
    (extent,) = extents
    if isinstance(k, np.ndarray):
        return _counted(k, extent)
    return primitives.checked_indices(k, extent, "indexing", least=-extent)


def _counted(k: np.ndarray, extent: int) -> np.ndarray:
    """Return host indices counted from the front. Raises: IndexRangeError."""
    wide = k.astype(np.int64)  # the extent may not fit the dtype of the indices
    if not k.size:
        return wide
    low, high = int(k.min()), int(k.max())
    if low < -extent or high >= extent:
        worst = low if low < -extent else high
        there = f"{extent} positions, 0 to {extent - 1}, exist" if extent else "no position exists"
        raise IndexRangeError(f"indexing: index {worst} is out of range: {there}")
    return wide if low >= 0 else np.where(wide < 0, wide + extent, wide)


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
