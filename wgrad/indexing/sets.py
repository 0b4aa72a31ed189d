"""Tensors as sets of values: unique_*, isin, and where a tensor is not zero.

The shape of most results depends on the data: the device is asked for one number, how many there
are, and the rest stays where it is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..checks.arguments import count as checked_count
from ..core import Tensor, apply, check_devices
from ..creation import arange, zeros
from ..creation.inputs import as_tensor, as_tensors
from ..errors import DTypeError, ShapeError
from ..ops import indexing as primitives
from ..ops import intervals
from ..ops.elementwise import equal, logical_not, not_equal, where
from ..ops.families import expanded, with_dtype
from ..shaping import concat, reshape
from .indices import host_indices
from .joined import mask_positions
from .taking import take_flat


class UniqueAll(NamedTuple):
    """Unique values, where each comes first, which one each element is, and how often each is."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """Unique values and how often each is."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """Unique values and which one each element is."""

    values: Tensor
    inverse_indices: Tensor


class _Groups:
    """The elements of a tensor in order, in groups of equal ones. Costs one readback."""

    def __init__(self, x: Any, op: str):
        self.x = as_tensor(x, op)
        self.flat = reshape(self.x, (-1,))
        self.order = apply(primitives.argsort_, self.flat, axis=0, descending=False)
        self.size = self.flat.shape[0]
        with_values = take_flat(self.flat, self.order, 0).detach()
        if self.size:
            first = as_tensor(np.ones(1, bool), op, self.flat)
            begins = concat([first, not_equal(with_values[1:], with_values[:-1])])
            self.starts = mask_positions(begins)
        else:
            self.starts = self.order

    def indices(self) -> Tensor:
        """Return where in the flat tensor each unique value comes first."""
        return take_flat(self.order, self.starts, 0)

    def values(self) -> Tensor:
        return take_flat(self.flat, self.indices(), 0)

    def counts(self) -> Tensor:
        end = host_indices(np.array([self.size]), self.x.device, "unique_counts")
        ends = concat([self.starts[1:], end]) if self.size else self.starts
        return ends - self.starts

    def inverse(self) -> Tensor:
        places = arange(self.size, device=self.x.device)
        group = apply(primitives.searchsorted_, self.starts, places, right=True) - 1
        out = zeros((self.size,), dtypes.int32, self.x.device)
        out = apply(primitives.scatter, out, self.order, group, axis=0)
        out.array.storage.bounds = 0, max(self.size - 1, 0)
        return reshape(out, self.x.shape)


def unique_values(x: Tensor) -> Tensor:
    """Return the different values of `x`, ascending, 1-d. Every NaN is a value of its own.

    How many there are is read back from a GPU. The gradient goes to where each comes first.

    >>> wg.unique_values(wg.tensor([3, 1, 3, 2]))
    tensor([1, 2, 3])
    """
    return _Groups(x, "unique_values").values()


def unique_counts(x: Tensor) -> UniqueCounts:
    """Return the values of `unique_values`, and how often each comes (int32).

    >>> values, counts = wg.unique_counts(wg.tensor([3, 1, 3]))
    >>> values, counts
    (tensor([1, 3]), tensor([1, 2]))
    """
    groups = _Groups(x, "unique_counts")
    return UniqueCounts(groups.values(), groups.counts())


def unique_inverse(x: Tensor) -> UniqueInverse:
    """Return the values of `unique_values`, and for every element of `x` which of them it is.

    >>> values, inverse = wg.unique_inverse(wg.tensor([3, 1, 3]))
    >>> values, inverse, values[inverse]
    (tensor([1, 3]), tensor([1, 0, 1]), tensor([3, 1, 3]))
    """
    groups = _Groups(x, "unique_inverse")
    return UniqueInverse(groups.values(), groups.inverse())


def unique_all(x: Tensor) -> UniqueAll:
    """Return the values of `unique_values`, where in the flat `x` each comes first, for every
    element of `x` which of them it is, and how often each comes."""
    groups = _Groups(x, "unique_all")
    return UniqueAll(groups.values(), groups.indices(), groups.inverse(), groups.counts())


def isin(x1: Tensor, x2: Tensor, invert: bool = False) -> Tensor:
    """Return for every element of `x1` whether it is among those of `x2` (or not, for `invert`).

    NaN is not. Shapes: any, any -> that of `x1`.

    >>> wg.isin(wg.tensor([1, 2, 3]), wg.tensor([3, 5]))
    tensor([False, False,  True])
    """
    x1, x2 = as_tensors("isin", x1, x2)
    check_devices("isin", (x1, x2))
    common = dtypes.promote(x1.dtype, x2.dtype)
    if common is dtypes.bool_:
        common = dtypes.int32
    x1, x2 = with_dtype(x1.detach(), common), with_dtype(x2.detach(), common)
    n = x2.array.layout.size
    if n == 0:
        member = expanded(as_tensor(np.zeros((), bool), "isin", x1), x1.shape).copy()
    else:
        flat = reshape(x2, (-1,))
        order = apply(primitives.argsort_, flat, axis=0, descending=False)
        ordered = take_flat(flat, order, 0)
        places = apply(primitives.searchsorted_, ordered, x1, right=False)
        there = where(places < n, places, n - 1)
        held = reshape(take_flat(ordered, reshape(there, (-1,)), 0), x1.shape)
        member = equal(held, x1)
    return logical_not(member) if invert else member


def bincount(x: Tensor, weights: Any = None, minlength: int = 0) -> Tensor:
    """Return how often each of 0, 1, 2, ... comes in 1-d integers, int32; or the sums of `weights`.

    The greatest of them, on which the result's length depends, is read back from a GPU unless all
    are known to be less than `minlength`, which is the length at the least; only then can it be
    compiled. Differentiable by the weights.
    Raises: IndexRangeError for a negative one; DTypeError; ShapeError; ArgumentError.

    >>> wg.bincount(wg.tensor([0, 2, 2, 5]))
    tensor([1, 0, 2, 0, 0, 1])
    """
    x = as_tensor(x, "bincount")
    if len(x.shape) != 1 or not x.dtype.is_integer:
        raise (ShapeError if len(x.shape) != 1 else DTypeError)(
            f"bincount: a {x.dtype.name} tensor of shape {x.shape} came; integers of 1 axis are "
            "needed"
        )
    minlength = checked_count(minlength, "bincount", "minlength")
    if weights is None:
        values = expanded(as_tensor(np.array(1, np.int32), "bincount", x), x.shape)
    else:
        values = as_tensor(weights, "bincount", x)
        check_devices("bincount", (x, values))
        if values.shape != x.shape:
            raise ShapeError(f"bincount: weights {values.shape} came for integers {x.shape}")
        if values.dtype is dtypes.bool_:
            values = with_dtype(values, dtypes.int32)
    size = 0
    if x.shape[0]:
        x = primitives.checked_indices(x, primitives.COUNTLESS, "bincount", "value")
        known = intervals.known(x.array)
        if known is None or known[1] >= minlength:
            size = int(x.max().item()) + 1
    return apply(primitives.scatter_, values, x, axis=0, size=max(size, minlength))


def nonzero(x: Tensor) -> tuple[Tensor, ...]:
    """Return where `x` is not zero: one int32 tensor of positions per axis, in row-major order.

    How many there are is read back from a GPU. Raises: ShapeError for a 0-d tensor.

    >>> wg.nonzero(wg.tensor([[0, 5], [7, 0]]))
    (tensor([0, 1]), tensor([1, 0]))
    """
    x = as_tensor(x, "nonzero")
    if not x.shape:
        raise ShapeError("nonzero: a 0-d tensor has no axes; reshape it to (1,) first")
    positions: Any = mask_positions(with_dtype(x.detach(), dtypes.bool_))
    if isinstance(positions, np.ndarray):  # of an empty tensor
        positions = host_indices(positions, x.device, "nonzero")
    return tuple(_coordinate(x, axis, positions) for axis in range(len(x.shape)))


def _coordinate(x: Tensor, axis: int, places: Tensor) -> Tensor:
    """Return the positions along one axis of elements that are counted in row-major order."""
    if len(x.shape) == 1:
        return places
    line = arange(x.shape[axis], device=x.device)
    column = reshape(line, [-1 if a == axis else 1 for a in range(len(x.shape))])
    return take_flat(reshape(expanded(column, x.shape), (-1,)), places, 0)
