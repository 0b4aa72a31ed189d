"""Inverses, determinants, ranks and linear equations of stacks of matrices, by NumPy's LAPACK."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..checks.arguments import integer
from ..core import Tensor, apply, wrap
from ..creation import eye
from ..creation.inputs import as_tensor, as_tensors
from ..errors import ShapeError
from ..ops import decompositions, solving
from ..ops.elementwise import greater
from ..ops.families import expanded, with_dtype
from ..ops.host import unpacked
from ..shaping import expand_dims, matrix_transpose, squeeze
from .matrices import equations, matrices
from .precision import floating
from .reductions import count_nonzero, max


class SlogdetResult(NamedTuple):
    """The sign of a determinant (0 where it is 0) and the logarithm of its size (then -inf)."""

    sign: Tensor
    logabsdet: Tensor


def cholesky(x: Tensor, *, upper: bool = False) -> Tensor:
    """Return L with x = L @ L.mT, lower triangular, or L.mT if `upper`.

    x is symmetric and positive definite; its lower triangle is read, and its gradient is
    symmetric. Shapes: (..., n, n) -> (..., n, n). Raises: LinAlgError, ShapeError.

    >>> wg.linalg.cholesky(wg.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    x = matrices(x, "cholesky", square=True)
    factor = apply(solving.cholesky, x)
    return matrix_transpose(factor) if upper else factor


def inv(x: Tensor) -> Tensor:
    """Return the inverses of square matrices. Shapes: (..., n, n) -> (..., n, n).

    Raises: LinAlgError for a singular one, ShapeError.

    >>> wg.linalg.inv(wg.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5 , 0.  ],
            [0.  , 0.25]])
    """
    return apply(solving.inv, matrices(x, "inv", square=True))


def det(x: Tensor) -> Tensor:
    """Return the determinants of square matrices. Shapes: (..., n, n) -> (...).

    The gradient is the matrix of cofactors, of singular matrices too; from the third order on the
    derivatives need an inverse. Raises: ShapeError.

    >>> wg.linalg.det(wg.tensor([[2.0, 0.0], [5.0, 4.0]]))
    tensor(8.)
    """
    return apply(solving.det, matrices(x, "det", square=True))


def slogdet(x: Tensor) -> SlogdetResult:
    """Return the signs of determinants and the logarithms of their sizes.

    Of a singular matrix they are 0 and -inf, and there is no gradient: to ask for it is a
    LinAlgError. Shapes: (..., n, n) -> (...) and (...). Raises: ShapeError.

    >>> sign, logabsdet = wg.linalg.slogdet(wg.tensor([[0.0, 1.0], [1.0, 0.0]]))
    >>> sign, logabsdet
    (tensor(-1.), tensor(0.))
    """
    x = matrices(x, "slogdet", square=True)
    sign, logarithm = unpacked(apply(solving.slogdet, x), (), ())
    return SlogdetResult(sign, logarithm)


def solve(x1: Tensor, x2: Tensor) -> Tensor:
    """Return x with x1 @ x = x2.

    Leading axes broadcast; an x2 of one axis is a vector, all others are matrices.
    Shapes: (..., n, n), (n,) -> (..., n), or (..., n, n), (..., n, k) -> (..., n, k).
    Raises: LinAlgError for a singular matrix; ShapeError.

    >>> wg.linalg.solve(wg.tensor([[2.0, 0.0], [0.0, 4.0]]), wg.tensor([2.0, 2.0]))
    tensor([1. , 0.5])
    """
    x1, x2 = as_tensors("solve", x1, x2)
    vector = len(x2.shape) == 1
    a, b = equations(x1, expand_dims(x2, -1) if vector else x2, "solve")
    solution = apply(solving.solve, a, b)
    return squeeze(solution, -1) if vector else solution


def matrix_power(x: Tensor, n: int) -> Tensor:
    """Return the product of n equal square matrices; of inverses for a negative n.

    Shapes: (..., n, n) -> (..., n, n). Raises: ArgumentError, LinAlgError, ShapeError.

    >>> wg.linalg.matrix_power(wg.tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
    tensor([[1., 5.],
            [0., 1.]])
    """
    x = matrices(x, "matrix_power", square=True)
    times = integer(n, "matrix_power", "n")
    factor = inv(x) if times < 0 else x
    product = expanded(eye(x.shape[-1], dtype=x.dtype, device=x.device), x.shape)
    first = True
    for place, bit in enumerate(reversed(f"{abs(times):b}")):
        if place:
            factor = factor @ factor
        if bit == "1":
            product = factor if first else product @ factor
            first = False
    return product.copy() if times in (0, 1) else product


def pinv(x: Tensor, *, rtol: Any = None) -> Tensor:
    """Return the pseudoinverses of matrices. Shapes: (..., m, n) -> (..., n, m).

    Singular values up to `rtol` times the largest count as 0; `rtol` is a number or one for each
    matrix, max(m, n) times the dtype's epsilon if it is left out. The gradient holds while the
    rank stays. Raises: LinAlgError, ShapeError.

    >>> wg.linalg.pinv(wg.tensor([[2.0, 0.0], [0.0, 0.0]]))
    tensor([[0.5, 0. ],
            [0. , 0. ]])
    """
    x = matrices(x, "pinv")
    return apply(solving.pinv, x, _tolerance(rtol, x, "pinv"))


def matrix_rank(x: Tensor, *, rtol: Any = None) -> Tensor:
    """Return how many singular values are greater than `rtol` times the largest, int32.

    `rtol` is as in `pinv`. Shapes: (..., m, n) -> (...). Raises: LinAlgError, ShapeError.

    >>> wg.linalg.matrix_rank(wg.tensor([[1.0, 2.0], [2.0, 4.0]]))
    tensor(1)
    """
    x = matrices(x, "matrix_rank")
    tolerance = _tolerance(rtol, x, "matrix_rank")
    values = svdvals(x)
    if not values.shape[-1]:
        return count_nonzero(values, axis=-1)
    least = expand_dims(tolerance, -1) * max(values, axis=-1, keepdims=True)
    return count_nonzero(greater(values, least), axis=-1)


def svdvals(x: Tensor) -> Tensor:
    """Return the singular values of matrices, in falling order.

    Their gradient is right where some are equal. Shapes: (..., m, n) -> (..., min(m, n)).
    Raises: LinAlgError for NaN and infinities, ShapeError.

    >>> wg.linalg.svdvals(wg.tensor([[0.0, 2.0], [3.0, 0.0]]))
    tensor([3., 2.])
    """
    x = matrices(x, "svdvals")
    tall = x.shape[-2] >= x.shape[-1]
    return apply(decompositions.svdvals, x if tall else matrix_transpose(x))


def _tolerance(rtol: Any, x: Tensor, op: str) -> Tensor:
    """Return a relative tolerance for each matrix."""
    lead = x.shape[:-2]
    if rtol is None:
        small = np.max(x.shape[-2:]) * np.finfo(x.dtype.numpy).eps
        return wrap(x.device.full(lead, float(small), x.dtype))
    given = with_dtype(floating(as_tensor(rtol, op, x)), x.dtype)
    if len(given.shape) > len(lead) or any(
        n not in (1, m) for n, m in zip(given.shape[::-1], lead[::-1], strict=False)
    ):
        raise ShapeError(
            f"{op}: rtol of shape {given.shape} came; one number, or one for each matrix, shape "
            f"{lead}, is needed"
        )
    return expanded(given, lead)
