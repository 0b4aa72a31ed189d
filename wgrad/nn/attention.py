"""MultiheadAttention: attention in several learned projections at a time."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..checks.arguments import checked_flag, size
from ..creation import DeviceLike, arange, eye, zeros
from ..creation.inputs import as_tensor
from ..errors import ArgumentError, DTypeError, ShapeError
from ..functional.attention import scaled_dot_product_attention
from ..functional.linalg import linear
from ..functional.reductions import mean
from ..functional.regularization import check_share
from ..layout import Shape
from ..ops.elementwise import greater, logical_not, logical_or, where
from ..random import Generator, Seed, stream_of, uniform
from ..shaping import reshape, transpose
from ..tensor import Tensor
from .layers import Linear
from .module import Module


class MultiheadAttention(Module):
    """Attention whose queries, keys and values are cut into `num_heads` parts after a projection.

    Called with (query, key, value) it returns (output, weights). Shapes, with batch_first=True:
    query (n, t, e), key and value (n, s, e) -> (n, t, e) and (n, t, s), where e is `embed_dim`;
    without it the first two axes of the inputs and of the output change places, and n may be left
    out. `dropout` drops that share of the weights in training.
    in_proj_weight (3 e, e) starts uniform in (-b, b) with b = sqrt(6 / (4 e)), the biases as 0.
    Raises: ArgumentError unless num_heads divides embed_dim; in the call, ShapeError, DTypeError.
    Source: Vaswani et al., "Attention is all you need" (NeurIPS 2017).

    >>> attention = wg.nn.MultiheadAttention(8, num_heads=2, batch_first=True)
    >>> x = wg.randn(3, 5, 8)
    >>> out, weights = attention(x, x, x)  # to itself
    >>> out.shape, weights.shape
    ((3, 5, 8), (3, 5, 5))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        batch_first: bool = False,
        seed: Seed = None,
        device: DeviceLike = None,
        generator: Generator | None = None,
    ):
        name = "MultiheadAttention"
        self.embed_dim = size(embed_dim, f"{name}: embed_dim")
        self.num_heads = size(num_heads, f"{name}: num_heads")
        if self.embed_dim % self.num_heads:
            raise ArgumentError(f"{name}: {num_heads} heads do not divide embed_dim={embed_dim}")
        self.dropout = check_share(dropout, name, "dropout")
        self.batch_first = bool(batch_first)
        self.generator = generator
        e, stream = self.embed_dim, stream_of(seed)
        bound = math.sqrt(6 / (4 * e))
        values = uniform(-bound, bound, (3 * e, e), device=device, generator=stream)
        self.in_proj_weight = values.requires_grad_()
        self.in_proj_bias = zeros(3 * e, device=device).requires_grad_() if bias else None
        self.out_proj = Linear(e, e, bias, seed=stream, device=device)
        if self.out_proj.bias is not None:
            self.out_proj.bias = zeros(e, device=device).requires_grad_()

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Return (output, weights); the weights are None unless they are needed.

        key_padding_mask (n, s), or (s,) without n, and attn_mask (t, s) or (n * num_heads, t, s)
        say True where attention is NOT allowed, as PyTorch's, or are floats to add; is_causal lets
        query i see the keys 0 to i. The weights are the mean over the heads, or (n, num_heads, t,
        s). A query that may see no key gets zeros before the last projection.
        """
        name = "MultiheadAttention"
        need_weights = checked_flag(need_weights, name, "need_weights")
        average_attn_weights = checked_flag(average_attn_weights, name, "average_attn_weights")
        is_causal = checked_flag(is_causal, name, "is_causal")
        inputs = [as_tensor(x, name, self.in_proj_weight) for x in (query, key, value)]
        batched = len(inputs[0].shape) == 3
        inputs = [self._batch_first(x, batched) for x in inputs]
        self._check(*inputs)
        n, t, e = inputs[0].shape
        s = inputs[1].shape[1]
        heads = [
            transpose(reshape(x, (n, x.shape[1], self.num_heads, e // self.num_heads)), 1, 2)
            for x in map(self._projected, inputs, range(3))
        ]
        masks = key_padding_mask, attn_mask
        alone = is_causal and all(x is None for x in masks)
        mask = None if alone else self._mask(*masks, is_causal, (n, t, s), batched)
        q, k, v = heads
        wanted = eye(s, dtype=v.dtype, device=v.device) if need_weights else v  # weights @ 1
        made = scaled_dot_product_attention(
            q,
            k,
            wanted,
            mask,
            self.dropout if self.training else 0.0,
            alone,
            generator=self.generator,
        )
        weights = made if need_weights else None
        mixed = made if weights is None else weights @ v
        out = self.out_proj(reshape(transpose(mixed, 1, 2), (n, t, e)))
        out = out if self.batch_first or not batched else transpose(out, 0, 1)
        if weights is not None and average_attn_weights:
            weights = mean(weights, 1)
        if not batched:
            out, weights = out[0], None if weights is None else weights[0]
        return out, weights

    def _projected(self, x: Tensor, part: int) -> Tensor:
        rows = slice(part * self.embed_dim, (part + 1) * self.embed_dim)
        bias = self.in_proj_bias
        return linear(x, self.in_proj_weight[rows], None if bias is None else bias[rows])

    def _batch_first(self, x: Tensor, batched: bool) -> Tensor:
        if len(x.shape) != 2 + batched or x.shape[-1] != self.embed_dim:
            raise ShapeError(
                f"MultiheadAttention: an input of shape {x.shape} came; three of 2 or of 3 axes "
                f"are needed, the last of {self.embed_dim}"
            )
        if not batched:
            return x[None]
        return x if self.batch_first else transpose(x, 0, 1)

    def _check(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        if key.shape != value.shape or key.shape[0] != query.shape[0]:
            raise ShapeError(
                f"MultiheadAttention: query {query.shape}, key {key.shape} and value "
                f"{value.shape} disagree: (n, t, e), (n, s, e) and (n, s, e) are needed"
            )

    def _mask(
        self, padding: Any, attn: Any, causal: bool, shape: Shape, batched: bool
    ) -> Tensor | None:
        """Return all masks as one that scaled_dot_product_attention takes."""
        name, like = "MultiheadAttention", self.in_proj_weight
        blocked: Tensor | None = None
        added: Tensor | None = None
        (n, t, s), h = shape, self.num_heads
        views: dict[str, tuple[Any, dict[Shape, Shape]]] = {
            "key_padding_mask": (padding, {(n, s): (n, 1, 1, s)} if batched else {(s,): (s,)}),
            "attn_mask": (attn, {(t, s): (1, 1, t, s), (n * h, t, s): (n, h, t, s)}),
        }
        if causal:
            rows = reshape(arange(t, device=like.device), (t, 1))
            blocked = greater(arange(s, device=like.device), rows)
        for what, (given, known) in views.items():
            if given is None:
                continue
            mask = as_tensor(given, name, like)
            if mask.shape not in known:
                needed = " or ".join(map(str, known))
                raise ShapeError(f"{name}: {what} {mask.shape} came, and {needed} is needed")
            mask = reshape(mask, known[mask.shape])
            if mask.dtype is dtypes.bool_:
                blocked = mask if blocked is None else logical_or(blocked, mask)
            elif mask.dtype.is_floating:
                added = mask if added is None else added + mask
            else:
                raise DTypeError(
                    f"{name}: {what} is {mask.dtype.name}, and bool or floats are needed"
                )
        if added is None:
            return None if blocked is None else logical_not(blocked)
        return added if blocked is None else where(blocked, -math.inf, added)

    def extra_repr(self) -> str:
        return (
            f"{self.embed_dim}, {self.num_heads}, dropout={self.dropout}, "
            f"batch_first={self.batch_first}"
        )
