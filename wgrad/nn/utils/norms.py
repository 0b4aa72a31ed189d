"""Weight normalization and spectral normalization as formulas of tensors."""

from __future__ import annotations

from math import prod

from ...creation.inputs import as_float
from ...functional.linalg import matmul
from ...functional.reductions import norm
from ...functional.similarity import normalize
from ...interrupts import whole
from ...layout import normalize_axis
from ...ops.reduction import sum_
from ...shaping import matrix_transpose, moveaxis, reshape
from ...tensor import Tensor


def size_along(x: Tensor, dim: int | None, where: str) -> Tensor:
    """Return the norm of every slice of `x` along an axis, with extents of 1; None of the whole."""
    if dim is None or dim == -1:  # -1 is PyTorch's other word for the whole
        return norm(x)
    at = normalize_axis(dim, len(x.shape), where)
    others = tuple(i for i in range(len(x.shape)) if i != at)
    return norm(x, others, keepdims=True) if others else abs(x)


def weight_normed(g: Tensor, v: Tensor, dim: int | None, where: str) -> Tensor:
    """Return g * v / |v|."""
    return v * (g / size_along(v, dim, where))


def as_matrix(x: Tensor, dim: int) -> Tensor:
    """Return `x` with the axis `dim` as rows, and all others as columns."""
    front = moveaxis(x, dim, 0) if dim else x
    return reshape(front, (front.shape[0], prod(front.shape[1:])))


def follow(matrix: Tensor, u: Tensor, v: Tensor, times: int, eps: float) -> None:
    """Bring u and v nearer to the first singular vectors of a matrix, in place."""
    m, left, right = matrix.detach(), u.detach(), v.detach()
    for _ in range(times):
        left = normalize(matmul(m, right), axis=0, eps=eps)
        right = normalize(matmul(matrix_transpose(m), left), axis=0, eps=eps)
    _renew(u, v, left, right)


@whole  # the two are of one pair
def _renew(u: Tensor, v: Tensor, left: Tensor, right: Tensor) -> None:
    u.assign(left)
    v.assign(right)


def spectral_normed(x: Tensor, matrix: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Return `x` over the singular value of its matrix that belongs to u and v."""
    # Copies, for the next call changes u and v, and the backward pass of this one needs them.
    left, right = u.detach().copy(), v.detach().copy()
    return x / sum_(left * matmul(matrix, right))


def checked_eps(eps: float, where: str) -> float:
    """Return what norms are at least, as a float. Raises: ArgumentError."""
    return as_float(eps, where, "eps", least=0)
