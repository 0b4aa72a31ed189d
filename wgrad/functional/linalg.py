"""Matrix products of every shape."""

from __future__ import annotations

from math import prod
from typing import Any

from .. import dtypes
from ..backends.array import Array
from ..core import Tensor, Value, apply, check_devices
from ..creation.inputs import as_tensor, as_tensors
from ..errors import DTypeError, ShapeError
from ..layout import broadcast_shapes
from ..ops.elementwise import add
from ..ops.families import coerce, expanded, with_dtype
from ..ops.linalg import matmul_, matmul_transposed
from ..ops.standing import biased, stands_alone
from ..shaping import reshape
from .precision import beside


def matmul(x1: Any, x2: Any, /) -> Tensor:
    """Return the matrix product over the last axis of `x1` and the last but one of `x2`.

    Shapes: (n, k), (k, m) -> (n, m); leading axes broadcast; a 1-d operand is a row on the left
    and a column on the right, and that axis leaves the result. Sums accumulate in the dtype.
    Raises: ShapeError, DTypeError.

    >>> a = wg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> wg.matmul(a, wg.tensor([1.0, 1.0]))  # or a @ b
    tensor([3., 7.])
    >>> (wg.ones((10, 2, 3)) @ wg.ones((3, 4))).shape  # a batch of products
    (10, 2, 4)
    """
    if isinstance(x1, Tensor) and isinstance(x2, Tensor):  # as below, for most are two matrices
        one, other = x1.array, x2.array
        rows, columns = one.layout.shape, other.layout.shape
        if len(rows) == len(columns) == 2 and rows[1] == columns[0] and one.dtype is other.dtype:
            if one.dtype is not dtypes.bool_:
                return apply(matmul_, x1, x2)
    operands: Any = coerce("matmul", (x1, x2))
    a, b = operands
    for x in (a, b):
        if not isinstance(x, Value) or not x.shape:
            raise ShapeError("matmul: a 0-d operand came; at least 1 axis is needed, or use *")
    row, column = len(a.shape) == 1, len(b.shape) == 1
    inner = b.shape[0] if column else b.shape[-2]
    if a.shape[-1] != inner:
        raise ShapeError(
            f"matmul: a {a.shape} and b {b.shape} disagree: a.shape[-1] must equal "
            f"{'b.shape[0]' if column else 'b.shape[-2]'}"
        )
    common = dtypes.promote(a.dtype, b.dtype)
    if common is dtypes.bool_:
        raise DTypeError("matmul: bool tensors came and numbers are needed: convert with .astype()")
    check_devices("matmul", (a, b))
    left = reshape(a, (1, inner)) if row else a
    right = reshape(b, (inner, 1)) if column else b
    lead = broadcast_shapes("matmul", left.shape[:-2], right.shape[:-2])
    out = apply(
        matmul_,
        expanded(with_dtype(left, common), (*lead, *left.shape[-2:])),
        expanded(with_dtype(right, common), (*lead, *right.shape[-2:])),
    )
    shape = out.shape
    if row or column:
        shape = (*lead, *(() if row else shape[-2:-1]), *(() if column else shape[-1:]))
    return out if shape == out.shape else reshape(out, shape)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x @ weight.T + bias. Shapes: (..., k), (m, k), (m,) -> (..., m).

    Raises: ShapeError, DTypeError.

    >>> weight, bias = wg.tensor([[1.0, 2.0], [0.0, 1.0]]), wg.tensor([0.5, 0.0])
    >>> wg.linear(wg.tensor([[1.0, 1.0]]), weight, bias)
    tensor([[3.5, 1. ]])
    """
    if isinstance(x, Tensor) and isinstance(weight, Tensor) and isinstance(bias, Tensor):
        given = x.array, weight.array, bias.array
        n, m, more = [y.layout.shape for y in given]
        fits = len(n) == len(m) == 2 and n[1] == m[1] and more == m[:1]
        if fits and _are_alike(*given) and stands_alone():
            return biased(x, weight, bias)  # what is below would be too, by a longer way
    x, weight = as_tensors("linear", x, weight)
    if bias is not None:
        bias = as_tensor(bias, "linear", weight)
    if not x.shape or len(weight.shape) != 2 or x.shape[-1] != weight.shape[1]:
        raise ShapeError(
            f"linear: x {x.shape} and weight {weight.shape} disagree: x.shape[-1] must equal "
            "weight.shape[1], of 2 axes"
        )
    bias = None if bias is None else as_tensor(bias, "linear", x)
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(
            f"linear: bias {bias.shape} came for weight {weight.shape}; shape {weight.shape[:1]} "
            "is needed"
        )
    check_devices("linear", (x, weight, bias))
    common = dtypes.promote(x.dtype, weight.dtype)
    if common is dtypes.bool_:
        raise DTypeError("linear: bool tensors came and numbers are needed: convert with .astype()")
    rows = x if len(x.shape) == 2 else reshape(x, (prod(x.shape[:-1]), x.shape[-1]))
    if bias is not None and _are_alike(x.array, weight.array, bias.array) and stands_alone():
        return reshape(biased(rows, weight, bias), (*x.shape[:-1], weight.shape[0]))
    out = apply(matmul_transposed, with_dtype(rows, common), with_dtype(weight, common))
    if bias is not None:
        out = add(out, beside(out, bias))
    return out if len(x.shape) == 2 else reshape(out, (*x.shape[:-1], weight.shape[0]))


def _are_alike(x: Array, weight: Array, bias: Array) -> bool:
    """Whether all are float32, or all float64, which need no conversion."""
    return x.dtype is weight.dtype is bias.dtype and x.dtype in (dtypes.float32, dtypes.float64)
