"""The public functions of diagonals and triangles of matrices."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..checks.arguments import integer
from ..core import Tensor
from ..creation import arange
from ..creation.inputs import as_tensor
from ..errors import AxisError, ShapeError
from ..layout import check_size, normalize_axis
from ..ops import placing
from ..ops.elementwise import greater_equal, where
from .views import reshape


def diagonal(x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """Return a view of the elements at i along `axis1` and i + offset along `axis2`.

    i is the last axis of the result. Shapes: (n, n, m) -> (m, n). Raises: AxisError.

    >>> wg.diagonal(wg.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    return placing.diagonal(*_diagonal_arguments(x, offset, axis1, axis2, "diagonal"))


def _diagonal_arguments(
    x: Any, offset: Any, axis1: Any, axis2: Any, op: str
) -> tuple[Tensor, int, int, int]:
    x = as_tensor(x, op)
    if len(x.shape) < 2:
        raise ShapeError(f"{op}: shape {x.shape} came, and at least 2 axes are needed")
    first, second = (normalize_axis(a, len(x.shape), op) for a in (axis1, axis2))
    if first == second:
        raise AxisError(f"{op}: axis {first} came twice, and two axes are needed")
    return x, _clamped(offset, x.shape[first], x.shape[second], op, "offset"), first, second


def _clamped(k: Any, rows: int, columns: int, op: str, name: str) -> int:
    """Return `k`, or the nearest empty diagonal where it lies beyond. Raises: ArgumentError."""
    return min(max(integer(k, op, name), -rows), columns)


def diag(x: Tensor, k: int = 0) -> Tensor:
    """Return the k-th diagonal of a matrix as a view, or a matrix of zeros with `x` as that.

    Shapes: (n, n) -> (n,); (n,) -> (n + |k|, n + |k|). Raises: ShapeError; ArgumentError.

    >>> wg.diag(wg.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    >>> wg.diag(wg.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    x = as_tensor(x, "diag")
    if len(x.shape) == 2:
        return placing.diagonal(x, _clamped(k, *x.shape, "diag", "k"), 0, 1)
    if len(x.shape) != 1:
        raise ShapeError(f"diag: shape {x.shape} came, and 1 or 2 axes are needed")
    offset = _clamped(k, 2**32, 2**32, "diag", "k")
    extent = x.shape[0] + abs(offset)
    shape = check_size((extent, extent), "diag")
    return placing.embed_diagonal(x, shape, offset, 0, 1)


def diag_embed(x: Tensor, offset: int = 0, axis1: int = -2, axis2: int = -1) -> Tensor:
    """Return matrices of zeros with the last axis of `x` along a diagonal: diagonal's inverse.

    `axis1` and `axis2` are the rows and columns among the axes of the result.
    Shapes: (..., n) -> (..., n + |offset|, n + |offset|). Raises: ShapeError; AxisError.

    >>> wg.diag_embed(wg.ones((5, 3))).shape
    (5, 3, 3)
    """
    x = as_tensor(x, "diag_embed")
    if not x.shape:
        raise ShapeError("diag_embed: a 0-d tensor came, and at least 1 axis is needed")
    first, second = (normalize_axis(a, len(x.shape) + 1, "diag_embed") for a in (axis1, axis2))
    if first == second:
        raise AxisError(f"diag_embed: axis {first} came twice, and two axes are needed")
    k = _clamped(offset, 2**32, 2**32, "diag_embed", "offset")
    shape = list(x.shape[:-1])
    for axis in sorted((first, second)):
        shape.insert(axis, x.shape[-1] + abs(k))
    return placing.embed_diagonal(x, check_size(tuple(shape), "diag_embed"), k, first, second)


def tril(x: Tensor, k: int = 0) -> Tensor:
    """Return matrices (..., n, m) with zeros above the k-th diagonal.

    >>> wg.tril(wg.ones((3, 3)))  # what a causal mask is made of
    tensor([[1., 0., 0.],
            [1., 1., 0.],
            [1., 1., 1.]])
    """
    x = as_tensor(x, "tril")
    return where(_below(x, k, "tril"), x, _zero(x))


def triu(x: Tensor, k: int = 0) -> Tensor:
    """Return matrices (..., n, m) with zeros below the k-th diagonal.

    >>> wg.triu(wg.ones((2, 3)), k=1)
    tensor([[0., 1., 1.],
            [0., 0., 1.]])
    """
    x = as_tensor(x, "triu")
    return where(_below(x, k, "triu", 1), _zero(x), x)


def _zero(x: Tensor) -> bool | int:
    return False if x.dtype is dtypes.bool_ else 0


def _below(x: Tensor, k: Any, op: str, above: int = 0) -> Tensor:
    """Return where column - row is at most k, or, with `above`, less than k."""
    if len(x.shape) < 2:
        raise ShapeError(f"{op}: shape {x.shape} came, and at least 2 axes are needed")
    rows, columns = x.shape[-2:]
    last = _clamped(k, rows, columns, op, "k") - above
    row = reshape(arange(last, rows + last, device=x.device), (rows, 1))
    return greater_equal(row, arange(columns, device=x.device))
