"""Sums of products over named axes: einsum, tensordot and what follows from them.

An operand is a tensor with a label for each axis. Two operands become one by a matrix product:
shared labels that stay are its batch axes, shared labels that go are summed over.
"""

from __future__ import annotations

import operator
from collections.abc import Hashable, Sequence
from math import prod
from typing import Any, NamedTuple

from .. import dtypes
from ..core import Tensor, apply, check_devices
from ..creation.inputs import as_tensors
from ..errors import ArgumentError, DTypeError, ShapeError, shown
from ..layout import check_size, normalize_axis
from ..ops import movement
from ..ops.elementwise import multiply
from ..ops.families import expanded, with_dtype
from ..ops.linalg import matmul_
from ..ops.reduction import sum_
from ..shaping import reshape

Label = Hashable
Labels = tuple[Label, ...]


class Labelled(NamedTuple):
    """A tensor, and a label for each of its axes, all different."""

    tensor: Tensor
    labels: Labels

    @property
    def extents(self) -> dict[Label, int]:
        """The extent of each label's axis."""
        return dict(zip(self.labels, self.tensor.shape, strict=True))

    def ordered(self, labels: Labels) -> Tensor:
        """Return the tensor with its axes in another order of its labels."""
        if labels == self.labels:
            return self.tensor
        return movement.permute(self.tensor, tuple(self.labels.index(c) for c in labels))

    def summed(self, labels: Sequence[Label]) -> Labelled:
        """Return the sum over the axes of `labels`."""
        if not labels:
            return self
        axes = tuple(self.labels.index(c) for c in labels)
        left = tuple(c for c in self.labels if c not in labels)
        return Labelled(sum_(self.tensor, axis=axes), left)


def numbers_alike(op: str, *operands: Any) -> list[Tensor]:
    """Return operands as tensors of one device and of the dtype that holds them all.

    Raises: DTypeError for bools alone; DeviceError.
    """
    tensors = as_tensors(op, *operands)
    common = dtypes.bool_
    for x in tensors:
        common = dtypes.promote(common, x.dtype)
    if common is dtypes.bool_:
        raise DTypeError(f"{op}: bool tensors came and numbers are needed: convert with .astype()")
    check_devices(op, tensors)
    return [with_dtype(x, common) for x in tensors]


def contracted(op: str, a: Labelled, b: Labelled, keep: frozenset[Label]) -> Labelled:
    """Return the products of `a` and `b`, summed over every label that is not in `keep`."""
    a, b = (
        x.summed([c for c in x.labels if c not in y.labels and c not in keep])
        for x, y in ((a, b), (b, a))
    )
    extents = {**a.extents, **b.extents}
    both = [c for c in a.labels if c in b.labels]
    batch = tuple(c for c in both if c in keep)
    left = tuple(c for c in a.labels if c not in both)
    right = tuple(c for c in b.labels if c not in both)
    labels = (*batch, *left, *right)
    check_size(tuple(extents[c] for c in labels), op)
    if len(batch) == len(both):
        return Labelled(_multiplied(a, b, labels, extents), labels)
    if not left and not right:
        folded = tuple(c for c in both if c not in keep)
        product = _multiplied(a, b, (*batch, *folded), extents)
        return Labelled(product, (*batch, *folded)).summed(folded)
    inner = _inner_order(a, b, [c for c in both if c not in keep])
    out = apply(
        matmul_,
        _boxed(a, batch, left, inner),
        _boxed(b, batch, inner, right),
    )
    return Labelled(reshape(out, tuple(extents[c] for c in labels)), labels)


def _multiplied(a: Labelled, b: Labelled, labels: Labels, extents: dict[Label, int]) -> Tensor:
    """Return the products, element by element, of operands spread over `labels`."""
    shape = tuple(extents[c] for c in labels)
    spread = []
    for x in (a, b):
        own = x.ordered(tuple(c for c in labels if c in x.labels))
        column = tuple(extents[c] if c in x.labels else 1 for c in labels)
        spread.append(expanded(reshape(own, column), shape))
    return multiply(*spread)


def _boxed(x: Labelled, batch: Labels, rows: Labels, columns: Labels) -> Tensor:
    """Return a matrix for each of the `batch`, with `rows` merged to one axis, and `columns`."""
    extents = x.extents
    shape = (
        *(extents[c] for c in batch),
        prod(extents[c] for c in rows),
        prod(extents[c] for c in columns),
    )
    return reshape(x.ordered((*batch, *rows, *columns)), shape)


def _inner_order(a: Labelled, b: Labelled, inner: Sequence[Label]) -> Labels:
    """Return the summed labels in the order that merges with fewer elements to copy."""
    orders = [tuple(c for c in x.labels if c in inner) for x in (a, b)]
    return min(orders, key=lambda order: sum(_copied(x, order) for x in (a, b)))


def _copied(x: Labelled, order: Labels) -> int:
    """Return how many elements are copied when the axes of `order` become one."""
    layout = x.tensor.array.layout
    merged = layout.permute([x.labels.index(c) for c in order])
    return 0 if merged.reshape((merged.size,)) is not None else layout.size


def tensordot(x1: Any, x2: Any, /, axes: Any = 2) -> Tensor:
    """Return the products of `x1` and `x2` summed over pairs of axes.

    axes=n pairs the last n axes of `x1` with the first n of `x2`; (axes1, axes2) names them.
    Shapes: (i, j, k), (j, k, m), axes 2 -> (i, m). Raises: ShapeError; AxisError; ArgumentError.

    >>> wg.tensordot(wg.ones((2, 3, 4)), wg.ones((3, 4, 5))).shape  # two axes are summed over
    (2, 5)
    """
    a, b = numbers_alike("tensordot", x1, x2)
    lists = _axis_lists(axes, len(a.shape), len(b.shape))
    first, second = (
        [normalize_axis(i, len(x.shape), "tensordot") for i in items]
        for x, items in zip((a, b), lists, strict=True)
    )
    if len(first) != len(second) or len({*first}) < len(first) or len({*second}) < len(second):
        raise ArgumentError(
            f"tensordot: axes={shown(axes)} came; as many different axes of a as of b are needed"
        )
    labels = list(range(len(a.shape))), list(range(-len(b.shape), 0))
    for i, j in zip(first, second, strict=True):
        if a.shape[i] != b.shape[j]:
            raise ShapeError(
                f"tensordot: a {a.shape} and b {b.shape} differ in axes that are summed over "
                f"together: axis {i} of a and axis {j} of b"
            )
        labels[1][j] = i
    keep = [c for c in labels[0] if c not in first] + [c for c in labels[1] if c < 0]
    left, right = (Labelled(x, tuple(names)) for x, names in zip((a, b), labels, strict=True))
    return contracted("tensordot", left, right, frozenset(keep)).ordered(tuple(keep))


def _axis_lists(axes: Any, ndim_a: int, ndim_b: int) -> tuple[Sequence, Sequence]:
    """Return the axes of `a` and those of `b` that tensordot was given. Raises: ArgumentError."""
    if isinstance(axes, (tuple, list)) and len(axes) == 2:
        first, second = (x if isinstance(x, (tuple, list)) else [x] for x in axes)
        return first, second
    try:
        count = operator.index(axes)
    except TypeError:
        count = -1
    if not 0 <= count <= min(ndim_a, ndim_b):
        raise ArgumentError(
            f"tensordot: axes={shown(axes)} came for {ndim_a} and {ndim_b} axes; a number that "
            "both have, or (axes of a, axes of b), is needed"
        )
    return range(ndim_a - count, ndim_a), range(count)
