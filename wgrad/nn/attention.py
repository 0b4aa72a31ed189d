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
from ..random import Generator, Seed, normal, stream_of, uniform
from ..shaping import broadcast_to, concat, pad, reshape, transpose
from ..tensor import Tensor
from .layers import Linear
from .module import Module


class MultiheadAttention(Module):
    """Attention whose queries, keys and values are cut into `num_heads` parts after a projection.

    Called with (query, key, value) it returns (output, weights). Shapes, with batch_first=True:
    query (n, t, e), key and value (n, s, e) -> (n, t, e) and (n, t, s), where e is `embed_dim`;
    without it the first two axes of the inputs and of the output change places, and n may be left
    out. `dropout` drops that share of the weights in training.
    Keys may have `kdim` features and values `vdim`, e unless given. add_bias_kv puts one more key
    and value, which are learned, behind the others, and add_zero_attn one of zeros; each is one
    more column of the weights, which no mask hides.
    in_proj_weight (3 e, e) starts uniform in (-b, b) with b = sqrt(6 / (4 e)), the biases as 0.
    Where kdim or vdim is not e, q_proj_weight (e, e), k_proj_weight (e, kdim) and v_proj_weight (e,
    vdim) take its place, with b = sqrt(6 / (e + features)). bias_k and bias_v (1, 1, e) are normal
    with the deviation sqrt(1 / e).
    Raises: ArgumentError unless num_heads divides embed_dim; in the call, ShapeError, DTypeError.
    Source: Vaswani et al., "Attention is all you need" (NeurIPS 2017).

    >>> attention = wg.nn.MultiheadAttention(8, num_heads=2, kdim=3, vdim=5, batch_first=True)
    >>> out, weights = attention(wg.ones(4, 6, 8), wg.ones(4, 7, 3), wg.ones(4, 7, 5))
    >>> out.shape, weights.shape
    ((4, 6, 8), (4, 6, 7))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        *,
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
        self.kdim = self.embed_dim if kdim is None else size(kdim, f"{name}: kdim")
        self.vdim = self.embed_dim if vdim is None else size(vdim, f"{name}: vdim")
        self.add_zero_attn = checked_flag(add_zero_attn, name, "add_zero_attn")
        self.batch_first = checked_flag(batch_first, name, "batch_first")
        self.generator = generator
        e, stream = self.embed_dim, stream_of(seed)

        def weight(rows: int, features: int) -> Tensor:
            bound = math.sqrt(6 / (rows + features))
            values = uniform(-bound, bound, (rows, features), device=device, generator=stream)
            return values.requires_grad_()

        alike = self.kdim == self.vdim == e
        self.in_proj_weight = weight(3 * e, e) if alike else None
        self.q_proj_weight = None if alike else weight(e, e)
        self.k_proj_weight = None if alike else weight(e, self.kdim)
        self.v_proj_weight = None if alike else weight(e, self.vdim)
        self.in_proj_bias = zeros(3 * e, device=device).requires_grad_() if bias else None
        self.bias_k: Tensor | None = None
        self.bias_v: Tensor | None = None
        if checked_flag(add_bias_kv, name, "add_bias_kv"):
            self.bias_k, self.bias_v = (
                normal(0.0, math.sqrt(1 / e), (1, 1, e), device=device, generator=stream)
                for _ in range(2)
            )
            self.bias_k.requires_grad_()
            self.bias_v.requires_grad_()
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
        query i see the keys 0 to i. The weights are the mean over the heads, or, without
        average_attn_weights, those of each head: (n, num_heads, t, s). A query that may see no key
        gets zeros before the last projection.
        """
        name = "MultiheadAttention"
        need_weights = checked_flag(need_weights, name, "need_weights")
        average_attn_weights = checked_flag(average_attn_weights, name, "average_attn_weights")
        is_causal = checked_flag(is_causal, name, "is_causal")
        like = self.out_proj.weight
        inputs = [as_tensor(x, name, like) for x in (query, key, value)]
        batched = len(inputs[0].shape) == 3
        features = self.embed_dim, self.kdim, self.vdim
        inputs = [self._batch_first(x, batched, m) for x, m in zip(inputs, features, strict=True)]
        self._check(*inputs)
        (n, t, e), s = inputs[0].shape, inputs[1].shape[1]
        parts = self._with_more(*map(self._projected, inputs, range(3)))
        q, k, v = (
            transpose(reshape(x, (n, x.shape[1], self.num_heads, e // self.num_heads)), 1, 2)
            for x in parts
        )
        more = k.shape[2] - s
        masks = key_padding_mask, attn_mask
        alone = is_causal and not more and all(x is None for x in masks)
        mask = None if alone else self._mask(*masks, is_causal, (n, t, s), batched)
        if mask is not None and more:  # what was put behind the keys may always be seen
            seen = mask.dtype is dtypes.bool_
            mask = pad(mask, ((0, 0),) * (len(mask.shape) - 1) + ((0, more),), value=seen)
        wanted = eye(s + more, dtype=v.dtype, device=v.device) if need_weights else v  # weights @ 1
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
        bias, whole = self.in_proj_bias, self.in_proj_weight
        own = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)[part]
        weight = own if whole is None else whole[rows]
        assert weight is not None  # one of the two ways holds all three
        return linear(x, weight, None if bias is None else bias[rows])

    def _with_more(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return all three, with the learned key and value and those of zeros behind theirs."""
        n, e = k.shape[0], self.embed_dim
        if self.bias_k is not None and self.bias_v is not None:
            k, v = (
                concat([x, broadcast_to(more, (n, 1, e))], 1)
                for x, more in ((k, self.bias_k), (v, self.bias_v))
            )
        if self.add_zero_attn:
            k, v = (pad(x, ((0, 0), (0, 1), (0, 0))) for x in (k, v))
        return q, k, v

    def _batch_first(self, x: Tensor, batched: bool, features: int) -> Tensor:
        if len(x.shape) != 2 + batched or x.shape[-1] != features:
            raise ShapeError(
                f"MultiheadAttention: an input of shape {x.shape} came; three of 2 or of 3 axes "
                f"are needed, the last of {features}"
            )
        if not batched:
            return x[None]
        return x if self.batch_first else transpose(x, 0, 1)

    def _check(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        if key.shape[:2] != value.shape[:2] or key.shape[0] != query.shape[0]:
            raise ShapeError(
                f"MultiheadAttention: query {query.shape}, key {key.shape} and value "
                f"{value.shape} disagree: (n, t, {self.embed_dim}), (n, s, {self.kdim}) and (n, s, "
                f"{self.vdim}) are needed"
            )

    def _mask(
        self, padding: Any, attn: Any, causal: bool, shape: Shape, batched: bool
    ) -> Tensor | None:
        """Return all masks as one that scaled_dot_product_attention takes."""
        name, like = "MultiheadAttention", self.out_proj.weight
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
        usual = {
            "kdim": self.embed_dim, "vdim": self.embed_dim, "add_zero_attn": False
        }  # fmt: skip
        more = [f"{k}={getattr(self, k)}" for k, v in usual.items() if getattr(self, k) != v]
        more += ["add_bias_kv=True"] * (self.bias_k is not None)
        parts = [f"{self.embed_dim}, {self.num_heads}, dropout={self.dropout}", *more]
        return ", ".join([*parts, f"batch_first={self.batch_first}"])
