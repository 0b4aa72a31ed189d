"""The Array API standard's `linalg`, as far as it goes here: its functions, of stacks of matrices.

`diagonal` and `trace` take the last two axes, where wg.diagonal and wg.trace take those asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import functional, shaping
from .functional import cross, matmul, outer, tensordot, vecdot
from .shaping import matrix_transpose

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = [
    "cross",
    "diagonal",
    "matmul",
    "matrix_transpose",
    "outer",
    "tensordot",
    "trace",
    "vecdot",
]


def diagonal(x: Tensor, offset: int = 0) -> Tensor:
    """Return the diagonals of matrices as a view. Shapes: (..., n, n) -> (..., n)."""
    return shaping.diagonal(x, offset, -2, -1)


def trace(x: Tensor, offset: int = 0) -> Tensor:
    """Return the sums of the diagonals of matrices. Shapes: (..., n, n) -> (...)."""
    return functional.trace(x, offset, -2, -1)
