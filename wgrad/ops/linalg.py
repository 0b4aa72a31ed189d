"""Matrix multiplication, the one bilinear primitive; shapes agree when it is applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..backends.array import Array
from ..backends.base import Device
from ..core import apply, register
from .linear import Bilinear
from .movement import permute, reshape


def bilinear(
    name: str,
    *,
    compute: Callable[..., Array],
    transposes: Sequence[Callable],
    doc: str,
    batch: Callable,
) -> Bilinear:
    """Declare a bilinear op: compute(device, a, b), its transpose towards either input, and its
    batching rule."""
    return register(Bilinear(name, compute, transposes, doc), batch)


def matrix_transpose(x: Any) -> Any:
    """Return `x` with its last two axes exchanged, without a copy."""
    n = len(x.shape)
    return permute(x, (*range(n - 2), n - 1, n - 2))


def _by_transposed(device: Device, a: Array, b: Array) -> Array:
    n = len(b.shape)
    return device.matmul(a, b.view(b.layout.permute((*range(n - 2), n - 1, n - 2))))


def _product_batch(op: Any, level: Any, inputs: list, batched: list, params: dict) -> Any:
    """Rows of all examples are rows of one product where the other matrix is the same for all."""
    a, b = inputs
    if batched[1] or len(a.shape) != 3:
        return apply(op, *level.in_front(inputs, batched))
    n, rows, k = a.shape
    out = apply(op, reshape(a, (n * rows, k)), b)
    return reshape(out, (n, rows, out.shape[-1]))


matmul_: Bilinear = bilinear(
    "matmul",
    compute=lambda device, a, b: device.matmul(a, b),
    transposes=(
        lambda ct, b: apply(matmul_, ct, matrix_transpose(b)),
        lambda ct, a: apply(matmul_, matrix_transpose(a), ct),
    ),
    doc="(..., n, k) @ (..., k, m) -> (..., n, m) with equal leading axes.",
    batch=_product_batch,
)

matmul_transposed: Bilinear = bilinear(
    "matmul_transposed",
    compute=_by_transposed,
    transposes=(
        lambda ct, b: apply(matmul_, ct, b),
        lambda ct, a: apply(matmul_, matrix_transpose(ct), a),
    ),
    doc="(..., n, k) @ (..., m, k)^T -> (..., n, m): what a linear layer does. The gradient of b "
    "comes out in the layout of b, where a transpose would leave it transposed.",
    batch=_product_batch,
)
