"""Matrix multiplication, the one bilinear primitive; shapes agree when it is applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..backends.base import Array
from ..core import apply
from .families import Bilinear, register
from .movement import permute


def bilinear(
    name: str, *, compute: Callable[..., Array], transposes: Sequence[Callable], doc: str
) -> Bilinear:
    """Declare a bilinear op: compute(device, a, b), and its transpose towards either input."""
    op = Bilinear(name, compute, transposes, doc)
    register(op)
    return op


def matrix_transpose(x: Any) -> Any:
    """Return `x` with its last two axes exchanged, without a copy."""
    n = len(x.shape)
    return permute(x, (*range(n - 2), n - 1, n - 2))


matmul_: Bilinear = bilinear(
    "matmul",
    compute=lambda device, a, b: device.matmul(a, b),
    transposes=(
        lambda ct, b: apply(matmul_, ct, matrix_transpose(b)),
        lambda ct, a: apply(matmul_, matrix_transpose(a), ct),
    ),
    doc="(..., n, k) @ (..., k, m) -> (..., n, m) with equal leading axes.",
)
