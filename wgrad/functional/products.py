"""Products of vectors and matrices other than matmul: outer, vecdot, cross, kron, and the trace."""

from __future__ import annotations

from typing import Any

from ..core import Tensor
from ..errors import ShapeError
from ..layout import broadcast_shapes, check_size, normalize_axis
from ..ops.elementwise import multiply
from ..shaping import diagonal, moveaxis, reshape, roll
from .contraction import numbers_alike
from .reductions import sum


def outer(x1: Any, x2: Any, /) -> Tensor:
    """Return x1[i] * x2[j] for all pairs; operands of more axes are flattened, as in numpy.outer.

    Shapes: (n,), (m,) -> (n, m). Raises: DTypeError for bools.

    >>> wg.outer(wg.tensor([1, 2]), wg.tensor([10, 20, 30]))
    tensor([[10, 20, 30],
            [20, 40, 60]])
    """
    a, b = (reshape(x, (-1,)) for x in numbers_alike("outer", x1, x2))
    check_size((*a.shape, *b.shape), "outer")
    return multiply(reshape(a, (*a.shape, 1)), b)


def vecdot(x1: Any, x2: Any, /, axis: int = -1) -> Tensor:
    """Return the dot products of vectors that lie along `axis` of each operand.

    The other axes broadcast. Shapes: (..., n), (..., n) -> (...). Raises: ShapeError; DTypeError.

    >>> wg.vecdot(wg.tensor([[1.0, 2.0], [3.0, 4.0]]), wg.tensor([10.0, 1.0]))
    tensor([12., 34.])
    """
    a, b = _along("vecdot", x1, x2, axis)
    return sum(multiply(a, b), axis=-1)


def _along(op: str, a: Any, b: Any, axis: int) -> list[Tensor]:
    """Return operands with `axis` of each at the end, where both have one extent."""
    operands = numbers_alike(op, a, b)
    ends = [moveaxis(x, normalize_axis(axis, len(x.shape), op), -1) for x in operands]
    first, second = (x.shape[-1] for x in ends)
    if first != second:
        raise ShapeError(
            f"{op}: a {operands[0].shape} and b {operands[1].shape} differ along axis {axis}: "
            f"{first} and {second}"
        )
    broadcast_shapes(op, *(x.shape for x in ends))
    return ends


def cross(x1: Any, x2: Any, /, axis: int = -1) -> Tensor:
    """Return the vector products of vectors of 3 elements along `axis`; other axes broadcast.

    Raises: ShapeError; DTypeError.

    >>> wg.cross(wg.tensor([1.0, 0.0, 0.0]), wg.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    a, b = _along("cross", x1, x2, axis)
    if a.shape[-1] != 3:
        raise ShapeError(f"cross: extent {a.shape[-1]} came along axis {axis}, and 3 is needed")
    out = roll(a, -1, -1) * roll(b, 1, -1) - roll(a, 1, -1) * roll(b, -1, -1)
    return moveaxis(out, -1, axis)


def kron(x1: Any, x2: Any, /) -> Tensor:
    """Return the Kronecker product: every element of `x1` times all of `x2`, as blocks.

    Shapes: (n, m), (k, l) -> (n * k, m * l); missing axes are put in front. Raises: DTypeError.

    >>> wg.kron(wg.eye(2), wg.tensor([[1.0, 2.0]]))
    tensor([[1., 2., 0., 0.],
            [0., 0., 1., 2.]])
    """
    a, b = numbers_alike("kron", x1, x2)
    ndim = max(len(a.shape), len(b.shape))
    outer_shape = (1,) * (ndim - len(a.shape)) + a.shape
    inner_shape = (1,) * (ndim - len(b.shape)) + b.shape
    blocks = check_size(tuple(n for n in outer_shape for n in (n, 1)), "kron")
    inside = tuple(n for n in inner_shape for n in (1, n))
    shape = tuple(n * k for n, k in zip(outer_shape, inner_shape, strict=True))
    check_size(shape, "kron")
    return reshape(multiply(reshape(a, blocks), reshape(b, inside)), shape)


def trace(
    x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1, *, dtype: Any = None
) -> Tensor:
    """Return the sums of the diagonals of two axes. Shapes: (n, n, m) -> (m,).

    They are added up in `dtype`, where one is given. Raises: ShapeError; AxisError; DTypeError.

    >>> wg.trace(wg.tensor([[1, 2], [3, 4]]))
    tensor(5)
    """
    return sum(diagonal(x, offset, axis1, axis2), -1, dtype=dtype)
