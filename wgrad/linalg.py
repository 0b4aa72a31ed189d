"""The Array API standard's `linalg`: its functions, of stacks of matrices.

`diagonal` and `trace` take the last two axes, where wg.diagonal and wg.trace take those asked for.
What takes a decomposition of a matrix (det, inv, svd, ...) is computed by NumPy's LAPACK on the
host, in float64, and rounded to the dtype. For a GPU's tensors that is a trip to the host, which
waits for it; `wg.stats()["host_trips"]` counts them. A compiled function cannot call them: that is
a TraceError which names the line. Integers become float32.
"""

from __future__ import annotations

from typing import Any

from . import functional, shaping
from .core import Tensor
from .creation.inputs import as_tensor
from .errors import ArgumentError, ShapeError, shown
from .functional import cross, matmul, norm, outer, tensordot, vecdot
from .functional.decompositions import eigh, eigvalsh, qr, svd
from .functional.solving import (
    cholesky,
    det,
    inv,
    matrix_power,
    matrix_rank,
    pinv,
    slogdet,
    solve,
    svdvals,
)
from .shaping import matrix_transpose

_INF = float("inf")

# fmt: off
__all__ = [
    "cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm",
    "matrix_power", "matrix_rank", "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve",
    "svd", "svdvals", "tensordot", "trace", "vecdot", "vector_norm",
]
# fmt: on


def diagonal(x: Tensor, offset: int = 0) -> Tensor:
    """Return the diagonals of matrices as a view. Shapes: (..., n, n) -> (..., n)."""
    return shaping.diagonal(x, offset, -2, -1)


def trace(x: Tensor, offset: int = 0, *, dtype: Any = None) -> Tensor:
    """Return the sums of the diagonals of matrices, in `dtype`. Shapes: (..., n, n) -> (...)."""
    return functional.trace(x, offset, -2, -1, dtype=dtype)


def vector_norm(x: Tensor, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """Return the norms of vectors over axes, of all elements for None: wg.norm.

    >>> wg.linalg.vector_norm(wg.tensor([3.0, 4.0]))
    tensor(5.)
    """
    return norm(x, axis, keepdims, ord)


def matrix_norm(x: Tensor, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """Return the norms of matrices, the last two axes. Shapes: (..., n, m) -> (...).

    ord="fro" is the root of the sum of squares; 1 and -1 are the largest and the least sum of the
    abs of a column, inf and -inf those of a row; 2 and -2 are the largest and the least singular
    value, "nuc" is their sum. Equal ones share the gradient. Raises: ShapeError; ArgumentError for
    others.

    >>> wg.linalg.matrix_norm(wg.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor(5.)
    """
    x = as_tensor(x, "matrix_norm")
    if len(x.shape) < 2:
        raise ShapeError(f"matrix_norm: shape {x.shape} came, and at least 2 axes are needed")
    if isinstance(ord, str) and ord == "fro":
        return norm(x, (-2, -1), keepdims)
    if isinstance(ord, (int, float, str)) and not isinstance(ord, bool) and ord in (2, -2, "nuc"):
        return _spectral_norm(x, keepdims, ord)
    if isinstance(ord, bool) or not isinstance(ord, (int, float)) or abs(ord) not in (1, _INF):
        raise ArgumentError(
            f'matrix_norm: ord={shown(ord)} came; "fro", "nuc", 1, -1, 2, -2, inf and -inf are '
            "possible"
        )
    folded, other = (-2, -1) if abs(ord) == 1 else (-1, -2)
    sums = norm(x, folded, keepdims=True, ord=1)
    norms = (functional.max if ord > 0 else functional.min)(
        sums, axis=other, keepdims=True, ties="split"
    )
    return norms if keepdims else shaping.squeeze(norms, (-2, -1))


def _spectral_norm(x: Tensor, keepdims: bool, ord: Any) -> Tensor:
    values = svdvals(x)
    if ord == "nuc" or not values.shape[-1]:
        norms = functional.sum(values, axis=-1)
    else:  # equal ones share the gradient, as a norm's has to be one of those beside
        norms = (functional.max if ord == 2 else functional.min)(values, axis=-1, ties="split")
    return shaping.expand_dims(norms, (-2, -1)) if keepdims else norms
