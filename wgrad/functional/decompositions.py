"""Decompositions of stacks of matrices, by NumPy's LAPACK."""

from __future__ import annotations

from typing import NamedTuple

from ..checks.arguments import checked_choice
from ..core import Tensor, apply
from ..ops import decompositions
from ..shaping import concat, matrix_transpose
from .matrices import matrices


class EighResult(NamedTuple):
    """Eigenvalues in rising order, and eigenvectors as the columns of matrices."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    """A matrix of orthonormal columns and an upper triangular one."""

    Q: Tensor
    R: Tensor


class SVDResult(NamedTuple):
    """Left singular vectors as columns, singular values, right singular vectors as rows."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def eigh(x: Tensor) -> EighResult:
    """Return eigenvalues in rising order, and eigenvectors, of symmetric matrices.

    The lower triangle is read, and the gradient is symmetric. Where eigenvalues are equal, their
    own gradient is right, and one that goes through the vectors is NaN or infinite.
    Shapes: (..., n, n) -> (..., n) and (..., n, n). Raises: LinAlgError, ShapeError.

    >>> values, vectors = wg.linalg.eigh(wg.tensor([[2.0, 1.0], [1.0, 2.0]]))
    >>> wg.round(values)
    tensor([1., 3.])
    """
    x = matrices(x, "eigh", square=True)
    packed = apply(decompositions.eigh, x)
    _, vectors = decompositions.eigh_parts(packed, x.shape)
    return EighResult(apply(decompositions.eigenvalues, x, packed), vectors)


def eigvalsh(x: Tensor) -> Tensor:
    """Return the eigenvalues of symmetric matrices in rising order, as `eigh` does.

    Shapes: (..., n, n) -> (..., n). Raises: LinAlgError, ShapeError.
    """
    return apply(decompositions.eigvalsh, matrices(x, "eigvalsh", square=True))


def qr(x: Tensor, *, mode: str = "reduced") -> QRResult:
    """Return Q with orthonormal columns and an upper triangular R with Q @ R = x.

    "reduced" makes k = min(m, n) columns, "complete" m; the gradient of columns that are there in
    the second alone is that of what they span, which is all that x says of them.
    Shapes: (..., m, n) -> (..., m, k) and (..., k, n).
    Raises: ArgumentError, ShapeError; LinAlgError for the gradient of a matrix without full rank.

    >>> x = wg.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> q, r = wg.linalg.qr(x)
    >>> q.shape, r.shape, wg.allclose(q @ r, x, atol=1e-5)
    ((3, 2), (2, 2), True)
    """
    x = matrices(x, "qr")
    mode = checked_choice(mode, ("reduced", "complete"), "qr", "mode")
    m, n = x.shape[-2:]
    square, complete = x if m >= n else x[..., :m], mode == "complete" and m > n
    packed = apply(decompositions.qr, square, complete=complete)
    q, r = decompositions.qr_parts(packed, square.shape, complete)
    if n > m:  # the first m columns say what Q is
        r = concat([r, matrix_transpose(q) @ x[..., m:]], -1)
    return QRResult(q, r)


def svd(x: Tensor, *, full_matrices: bool = True) -> SVDResult:
    """Return U, S and Vh with (U * S) @ Vh = x, the singular values S in falling order.

    U and Vh are square, or have k = min(m, n) columns and rows without `full_matrices`. Where
    singular values are equal, their own gradient is right, and one that goes through vectors is
    NaN or infinite; vectors that are there in full matrices alone have the gradient of what they
    span. Shapes: (..., m, n) -> (..., m, m), (..., k) and (..., n, n).
    Raises: LinAlgError for NaN and infinities, ArgumentError, ShapeError.

    >>> x = wg.tensor([[0.0, 2.0], [3.0, 0.0]])
    >>> u, s, vh = wg.linalg.svd(x)
    >>> s, wg.allclose((u * s) @ vh, x)
    (tensor([3., 2.]), True)
    """
    x = matrices(x, "svd")
    wide = x.shape[-1] > x.shape[-2]
    tall = matrix_transpose(x) if wide else x
    packed = apply(decompositions.svd, tall, full=full_matrices)
    u, _, vh = decompositions.svd_parts(packed, tall.shape, full_matrices)
    s = apply(decompositions.singular_values, tall, packed, full=full_matrices)
    return SVDResult(matrix_transpose(vh), s, matrix_transpose(u)) if wide else SVDResult(u, s, vh)
