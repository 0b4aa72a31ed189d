"""Attention: means of values, weighted by how well their keys fit a query."""

from __future__ import annotations

import math

from .. import dtypes
from ..checks.arguments import checked_flag
from ..core import Tensor, check_devices
from ..creation import arange
from ..creation.inputs import as_float, as_tensor, as_tensors
from ..errors import ArgumentError, DTypeError, ShapeError
from ..layout import Shape, broadcast_shapes
from ..ops.elementwise import equal, exp, greater, less_equal, where
from ..ops.reduction import any_, sum_
from ..random import Generator
from ..shaping import matrix_transpose, repeat, reshape
from .linalg import matmul
from .precision import in_float32
from .regularization import check_generator, check_share, drop
from .softmax import shifted


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Return softmax(query @ key.mT * scale + mask) @ value.

    A bool mask says where attention is allowed, a float mask is added; is_causal lets query i see
    the keys 0 to i. A query that may see no key gets zeros, and no gradient; a key that no query
    may see counts for nothing, whatever it and its value are. But where some queries see a key, a
    NaN or an infinity in its value makes NaN of the others too, as in PyTorch, for their weight of
    0 is multiplied by it. `scale` is 1 / sqrt(e) unless given; `dropout_p` drops that share of the
    weights, whenever it is not 0.
    With enable_gqa the third axis from the end counts heads, and each head of key and value serves
    as many neighbouring heads of the query as there are to one (grouped-query attention).
    Shapes: query (..., n, e), key (..., m, e), value (..., m, d), mask (..., n, m) -> (..., n, d);
    leading axes broadcast.
    Raises: ShapeError; DTypeError; ArgumentError for a mask beside is_causal.
    Source: Vaswani et al., "Attention is all you need" (NeurIPS 2017).

    >>> q, k, v = wg.ones((2, 8, 5, 16)), wg.ones((2, 8, 7, 16)), wg.ones((2, 8, 7, 32))
    >>> wg.nn.functional.scaled_dot_product_attention(q, k, v).shape  # 2 samples, 8 heads
    (2, 8, 5, 32)
    """
    name = "scaled_dot_product_attention"
    query, key, value = as_tensors(name, query, key, value)
    q, k, v = query.shape, key.shape, value.shape
    if min(len(q), len(k), len(v)) < 2 or q[-1] != k[-1] or k[-2] != v[-2]:
        raise ShapeError(
            f"{name}: query {q}, key {k} and value {v} disagree: (..., n, e), (..., m, e) and "
            "(..., m, d) are needed"
        )
    if checked_flag(enable_gqa, name, "enable_gqa"):
        key, value = _for_groups(name, q, key), _for_groups(name, q, value)
        k, v = key.shape, value.shape
    lead = broadcast_shapes(name, q[:-2], k[:-2], v[:-2])
    if not (query.dtype.is_floating and key.dtype.is_floating and value.dtype.is_floating):
        raise DTypeError(
            f"{name}: {query.dtype.name}, {key.dtype.name} and {value.dtype.name} tensors came, "
            "and floating ones are needed"
        )
    share = check_share(dropout_p, name, "dropout_p")
    check_generator(generator, name)
    causal = checked_flag(is_causal, name, "is_causal")
    factor = 1 / math.sqrt(q[-1] or 1) if scale is None else as_float(scale, name, "scale")
    if attn_mask is not None:
        if causal:
            raise ArgumentError(f"{name}: attn_mask and is_causal came, and only one can be used")
        attn_mask = as_tensor(attn_mask, name, query)
        whole = (*lead, q[-2], k[-2])
        if broadcast_shapes(name, attn_mask.shape, whole) != whole:
            raise ShapeError(f"{name}: a mask {attn_mask.shape} does not fit scores {whole}")
        if not attn_mask.dtype.is_floating and attn_mask.dtype is not dtypes.bool_:
            raise DTypeError(
                f"{name}: the mask is {attn_mask.dtype.name}, and bool or floats are needed"
            )
    check_devices(name, (query, key, value, attn_mask))
    return _attended(query, key, value, attn_mask, factor, causal, share, generator)


@in_float32
def _attended(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    factor: float,
    causal: bool,
    share: float,
    generator: Generator | None,
) -> Tensor:
    """Return the attention of tensors that have been checked."""
    if causal:
        mask = _causal(query.shape[-2], key.shape[-2], query)
    elif mask is not None:
        query, key, value = _counted(mask, query, key, value)
    scores = matmul(query * factor, matrix_transpose(key))
    if mask is not None:
        if mask.dtype is dtypes.bool_:
            scores = where(mask, scores, -math.inf)
        else:
            scores = scores + mask
    x, largest = shifted(scores, -1, "scaled_dot_product_attention")
    weights = exp(x - largest)
    total = sum_(weights, axis=-1, keepdims=True)
    if mask is not None and not causal:
        total = where(equal(total, 0), 1.0, total)  # only where all is masked: zeros, not NaN
    weights = weights / total
    return matmul(drop(weights, share, generator) if share else weights, value)


def _for_groups(name: str, query: Shape, x: Tensor) -> Tensor:
    """Return keys or values with each head repeated for the queries that it serves."""
    heads = query[-3] if len(query) > 2 else 0
    if len(x.shape) < 3 or not x.shape[-3] or heads % x.shape[-3]:
        raise ShapeError(
            f"{name}: enable_gqa came with query {query} and key or value {x.shape}; (..., heads, "
            "n, e) is needed, and the heads of key and value must divide those of the query"
        )
    return repeat(x, heads // x.shape[-3], axis=-3) if heads != x.shape[-3] else x


def _counted(
    mask: Tensor, query: Tensor, key: Tensor, value: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return all three with 0 for queries that see nothing, and for keys that nobody sees.

    They may be padding that is NaN, and its product with a weight of 0 would be NaN too.
    """
    allowed = mask if mask.dtype is dtypes.bool_ else greater(mask.detach(), -math.inf)
    allowed = reshape(allowed, (*(1 for _ in range(2 - len(mask.shape))), *mask.shape))
    queries, keys = (
        allowed if allowed.shape[axis] == 1 else any_(allowed, axis=axis, keepdims=True)
        for axis in (-1, -2)
    )
    keys = matrix_transpose(keys)
    return where(queries, query, 0.0), where(keys, key, 0.0), where(keys, value, 0.0)


def _causal(queries: int, keys: int, like: Tensor) -> Tensor:
    column = reshape(arange(queries, device=like.device), (queries, 1))
    return less_equal(arange(keys, device=like.device), column)
