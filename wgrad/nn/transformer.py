"""Transformers: layers of attention and of two linear maps, stacked, as encoder and decoder."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from ..checks.arguments import checked_flag, size
from ..creation import DeviceLike, full
from ..creation.inputs import as_tensor
from ..errors import ArgumentError, DTypeError, ShapeError, shown
from ..functional.activation import gelu
from ..ops.elementwise import relu
from ..random import Seed, stream_of
from ..shaping import triu
from ..tensor import Tensor
from .attention import MultiheadAttention
from .containers import ModuleList
from .init import xavier_uniform_
from .layers import Linear
from .module import Module
from .normalization import LayerNorm
from .regularization import Dropout

Activation = str | Callable[[Tensor], Tensor]


class _Layer(Module):
    """What layers of encoders and decoders share: two linear maps, and where norms stand."""

    _attentions: tuple[str, ...] = ("self_attn",)

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: DeviceLike = None,
        *,
        seed: Seed = None,
    ):
        name = type(self).__name__
        width = size(d_model, f"{name}: d_model")
        inner = size(dim_feedforward, f"{name}: dim_feedforward")
        stream = stream_of(seed)
        for part in self._attentions:
            attention = MultiheadAttention(
                width, nhead, dropout, bias, batch_first=batch_first, seed=stream, device=device
            )
            setattr(self, part, attention)
        self.linear1 = Linear(width, inner, bias, stream, device)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(inner, width, bias, stream, device)
        self.norm_first = checked_flag(norm_first, name, "norm_first")
        parts = range(1, len(self._attentions) + 2)
        for i in parts:
            setattr(self, f"norm{i}", LayerNorm(width, layer_norm_eps, True, bias, device))
        for i in parts:
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = _activation(activation, name)

    def _part(self, x: Tensor, number: int, function: Callable[[Tensor], Tensor]) -> Tensor:
        """Return x + function(x), with the norm of that number before the function, or after."""
        norm, drop = getattr(self, f"norm{number}"), getattr(self, f"dropout{number}")
        return x + drop(function(norm(x))) if self.norm_first else norm(x + drop(function(x)))

    def _feed(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Layer):
    """One layer of an encoder: attention of a sequence to itself, then two linear maps.

    x = norm1(x + attention(x)); x = norm2(x + linear2(activation(linear1(x)))), or with norm_first
    each norm before its part: x + attention(norm1(x)). `activation` is "relu", "gelu" or a
    function. `dropout` drops that share of attention weights and of each part's results in
    training.

    Shapes: src (time, n, d_model), or (n, time, d_model) with batch_first, or without n -> the
    same; src_mask (time, time) and src_key_padding_mask (n, time) are MultiheadAttention's: True
    where attention is NOT allowed, or floats to add. is_causal lets each place see those before it.
    Its attention starts as MultiheadAttention does, linear1 and linear2 as Linear.

    Raises: ArgumentError; in the call, ShapeError, DTypeError.
    Source: Vaswani et al., "Attention is all you need" (NeurIPS 2017).

    >>> layer = wg.nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    >>> layer(wg.ones(3, 5, 8), is_causal=True).shape
    (3, 5, 8)
    """

    def forward(
        self,
        src: Any,
        src_mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
    ) -> Tensor:
        src = as_tensor(src, type(self).__name__, self.linear1.weight)
        attend: Any = self.self_attn  # type: ignore[attr-defined]

        def attention(x: Tensor) -> Tensor:
            return attend(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)[0]

        return self._part(self._part(src, 1, attention), 2, self._feed)


class TransformerDecoderLayer(_Layer):
    """One layer of a decoder: attention to itself, to an encoder's output, then two linear maps.

    The three parts, with norm1 to norm3, are put together as in TransformerEncoderLayer, whose
    arguments it has. Called with (tgt, memory). Shapes: tgt (time, n, d_model) and memory (other,
    n, d_model) -> as tgt. The masks of `tgt` are for the first part, those of `memory` for the
    second.

    Raises: ArgumentError; in the call, ShapeError, DTypeError.
    Source: Vaswani et al., "Attention is all you need" (NeurIPS 2017).

    >>> layer = wg.nn.TransformerDecoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    >>> layer(wg.ones(3, 5, 8), wg.ones(3, 7, 8)).shape  # 5 places attend to 7
    (3, 5, 8)
    """

    _attentions = ("self_attn", "multihead_attn")

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        tgt = as_tensor(tgt, type(self).__name__, self.linear1.weight)
        first: Any = self.self_attn  # type: ignore[attr-defined]
        second: Any = self.multihead_attn  # type: ignore[attr-defined]

        def to_itself(x: Tensor) -> Tensor:
            return first(x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal)[0]

        def to_memory(x: Tensor) -> Tensor:
            masks = memory_key_padding_mask, False, memory_mask
            return second(x, memory, memory, *masks, is_causal=memory_is_causal)[0]

        return self._part(self._part(self._part(tgt, 1, to_itself), 2, to_memory), 3, self._feed)


class _Stack(Module):
    """Copies of one layer, and a norm after the last."""

    def __init__(self, layer: Module, num_layers: int, norm: Module | None):
        name = type(self).__name__
        for x in (layer, norm):
            if not isinstance(x, Module) and not (x is None and layer is not None):
                raise DTypeError(f"{name}: {shown(x)} came, and a module is needed")
        self.num_layers = size(num_layers, f"{name}: num_layers")
        self.layers = ModuleList(copy.deepcopy(layer) for _ in range(self.num_layers))
        self.norm = norm


class TransformerEncoder(_Stack):
    """`num_layers` copies of a layer, one after the other, and `norm` of what comes out.

    All copies start from the layer's values, as in PyTorch. Called with (src, mask,
    src_key_padding_mask, is_causal), which each layer gets; is_causal=None is False.
    `enable_nested_tensor` and `mask_check` say how PyTorch computes it, and change nothing here.
    Shapes: as src.

    Raises: ArgumentError; DTypeError for what is no module.

    >>> layer = wg.nn.TransformerEncoderLayer(8, 2, dim_feedforward=16)
    >>> wg.nn.TransformerEncoder(layer, num_layers=2)(wg.ones(5, 3, 8)).shape
    (5, 3, 8)
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ):
        super().__init__(encoder_layer, num_layers, norm)

    def forward(
        self,
        src: Any,
        mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        x = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, bool(is_causal))
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(_Stack):
    """`num_layers` copies of a decoder's layer, one after the other, and `norm` of what comes out.

    Called with the arguments of TransformerDecoderLayer, which each layer gets; tgt_is_causal=None
    is False. Shapes: as tgt. The rest is as in TransformerEncoder.

    >>> layer = wg.nn.TransformerDecoderLayer(8, 2, dim_feedforward=16)
    >>> wg.nn.TransformerDecoder(layer, num_layers=2)(wg.ones(5, 3, 8), wg.ones(7, 3, 8)).shape
    (5, 3, 8)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None):
        super().__init__(decoder_layer, num_layers, norm)

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        x = tgt
        padding = tgt_key_padding_mask, memory_key_padding_mask
        causal = bool(tgt_is_causal), memory_is_causal
        for layer in self.layers:
            x = layer(x, memory, tgt_mask, memory_mask, *padding, *causal)
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """An encoder and a decoder: from a source sequence and a target so far to the target's next.

    The layers are TransformerEncoderLayer and TransformerDecoderLayer, with a LayerNorm after the
    last of each; `custom_encoder` and `custom_decoder` take their places.
    Shapes: src (other, n, d_model), tgt (time, n, d_model), with batch_first n first -> as tgt.
    All weights of two axes start from nn.init.xavier_uniform_.

    Raises: ArgumentError unless nhead divides d_model; in the call, ShapeError, DTypeError.
    Source: Vaswani et al., "Attention is all you need" (NeurIPS 2017).

    >>> net = wg.nn.Transformer(8, 2, 1, 1, dim_feedforward=16, batch_first=True)
    >>> mask = net.generate_square_subsequent_mask(4)
    >>> net(wg.ones(3, 6, 8), wg.ones(3, 4, 8), tgt_mask=mask).shape
    (3, 4, 8)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: DeviceLike = None,
        *,
        seed: Seed = None,
    ):
        stream = stream_of(seed)
        how: Any = (
            *(d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps),
            *(batch_first, norm_first, bias, device),
        )

        def last() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, True, bias, device)

        if custom_encoder is None:
            layer: Module = TransformerEncoderLayer(*how, seed=stream)
            custom_encoder = TransformerEncoder(layer, num_encoder_layers, last())
        if custom_decoder is None:
            layer = TransformerDecoderLayer(*how, seed=stream)
            custom_decoder = TransformerDecoder(layer, num_decoder_layers, last())
        self.encoder = custom_encoder
        self.decoder = custom_decoder
        self.d_model, self.nhead, self.batch_first = d_model, nhead, bool(batch_first)
        for x in self.parameters():
            if x.ndim > 1:
                xavier_uniform_(x, generator=stream)

    def forward(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Return the decoder's output; masks are those of the layers."""
        name = "Transformer"
        like = self.parameters()[0]
        src, tgt = as_tensor(src, name, like), as_tensor(tgt, name, like)
        axis = 0 if self.batch_first else 1
        for word, x in (("src", src), ("tgt", tgt)):
            if x.ndim not in (2, 3) or x.shape[-1] != self.d_model:
                raise ShapeError(
                    f"{name}: {word} {x.shape} came; 2 or 3 axes, the last of {self.d_model}, are "
                    "needed"
                )
        if src.ndim != tgt.ndim or (src.ndim == 3 and src.shape[axis] != tgt.shape[axis]):
            raise ShapeError(
                f"{name}: src {src.shape} and tgt {tgt.shape} disagree: as many sequences are "
                f"needed in both, counted by axis {axis}"
            )
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        padding = tgt_key_padding_mask, memory_key_padding_mask
        causal = tgt_is_causal, memory_is_causal
        return self.decoder(tgt, memory, tgt_mask, memory_mask, *padding, *causal)

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: DeviceLike = None) -> Tensor:
        """Return a mask to add that lets each place see those up to itself: 0, and -inf after it.

        Shapes: -> (sz, sz).
        """
        count = size(sz, "generate_square_subsequent_mask: sz")
        return triu(full((count, count), -math.inf, device=device), 1)


def _activation(activation: Any, where: str) -> Callable[[Tensor], Tensor]:
    named: dict[str, Callable[[Tensor], Tensor]] = {"relu": relu, "gelu": gelu}
    if isinstance(activation, str) and activation in named:
        return named[activation]
    if callable(activation):
        return activation
    raise ArgumentError(
        f'{where}: activation={shown(activation)} came; "relu", "gelu" or a function is needed'
    )
