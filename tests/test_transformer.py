"""Transformers: PyTorch's values, gradients and names with every mask; compiled; bad input."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch_modules import agree, starts_alike

import wgrad as wg
from wgrad import nn
from wgrad.errors import ArgumentError, DTypeError, ShapeError

pytestmark = pytest.mark.filterwarnings("ignore:.*nested_tensor")  # PyTorch's word about its own

RNG = np.random.default_rng(0)
X, MEMORY = RNG.standard_normal((4, 3, 6)), RNG.standard_normal((5, 3, 6))
PADDING = np.arange(4) >= np.array([[4], [2], [3]])
CAUSAL = np.triu(np.full((4, 4), -np.inf), 1)
OPTIONS: list[dict[str, Any]] = [
    {},
    {"norm_first": True, "activation": "gelu", "batch_first": True},
    {"bias": False},
]


def mask_for(model: Any, mask: np.ndarray) -> Any:
    """Return a mask as a tensor of whoever made the model."""
    if isinstance(model, nn.Module):
        return wg.tensor(mask, "float64" if mask.dtype.kind == "f" else None)
    return pytest.importorskip("torch").tensor(mask)


def laid(x: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    return np.ascontiguousarray(x.transpose(1, 0, 2)) if options.get("batch_first") else x


CALLS: list[Callable[[Any, list], Any]] = [
    lambda net, xs: net(xs[0]),
    lambda net, xs: net(
        xs[0], mask_for(net, np.isinf(CAUSAL)), src_key_padding_mask=mask_for(net, PADDING)
    ),
    lambda net, xs: net(xs[0], mask_for(net, CAUSAL), is_causal=True),
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_layers_and_stacks_are_pytorchs(options: dict[str, Any], numpy_device):
    torch = pytest.importorskip("torch")

    def encoder(nn: Any) -> Any:
        return nn.TransformerEncoderLayer(6, 2, 8, 0.0, **options)

    def decoder(nn: Any) -> Any:
        return nn.TransformerDecoderLayer(6, 2, 8, 0.0, **options)

    x, memory = laid(X, options), laid(MEMORY, options)
    full = not options
    for call in CALLS if full else CALLS[1:2]:
        agree(torch, encoder, [x], call, modes=[True])
    if full:
        agree(torch, lambda nn: nn.TransformerEncoder(encoder(nn), 2, nn.LayerNorm(6)), [x])
    agree(
        torch,
        lambda nn: nn.TransformerDecoder(decoder(nn), 1 + full),
        [x, memory],
        lambda net, xs: net(
            *xs,
            tgt_mask=mask_for(net, CAUSAL),
            tgt_key_padding_mask=mask_for(net, np.where(PADDING, -np.inf, 0.0)),
        ),
        modes=[True],
    )
    agree(
        torch,
        lambda nn: nn.Transformer(6, 2, 1, 1, 8, 0.0, **options),
        [memory, x],
        lambda net, xs: net(*xs, tgt_mask=mask_for(net, CAUSAL), tgt_is_causal=True),
        modes=[True],
    )


def test_weights_start_as_pytorchs(numpy_device):
    torch = pytest.importorskip("torch")
    starts_alike(torch, lambda nn: nn.TransformerEncoderLayer(24, 2, 32))
    starts_alike(torch, lambda nn: nn.Transformer(24, 2, 1, 1, 32))


def test_an_encoder_is_attention_and_two_linear_maps(numpy_device):
    """By the formula of the docstring, from parts that have tests of their own."""
    layer = nn.TransformerEncoderLayer(6, 2, 8, 0.0, seed=1).double()
    x = wg.tensor(X, "float64")
    y = layer.norm1(x + layer.self_attn(x, x, x, need_weights=False, is_causal=True)[0])
    y = layer.norm2(y + layer.linear2(layer.linear1(y).relu()))
    np.testing.assert_allclose(layer(x, is_causal=True).numpy(), y.numpy(), rtol=1e-10)
    mask = nn.Transformer.generate_square_subsequent_mask(4)
    np.testing.assert_array_equal(mask.numpy(), CAUSAL)
    np.testing.assert_allclose(layer(x, mask).numpy(), y.numpy(), rtol=1e-10)


def test_copies_start_alike_and_are_apart(numpy_device):
    stack = nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 8, seed=1), 2)
    first, second = (layer.linear1.weight for layer in stack.layers)
    assert first is not second and (first == second).all()
    assert "layers.1.self_attn.in_proj_weight" in stack.state_dict()


def test_compiled_layers_are_what_they_are_plain(device):
    plain = nn.TransformerDecoderLayer(4, 2, 8, 0.0, norm_first=True, seed=1)
    traced = copy.deepcopy(plain)
    x, memory = (wg.tensor(x[:, :2, :4].astype("f")) for x in (X, MEMORY))

    def gradients(net: nn.Module, x: wg.Tensor, memory: wg.Tensor) -> Any:
        net.zero_grad()
        out = net(x, memory, tgt_is_causal=True)
        (out**2).mean().backward()
        return out, net.linear1.weight.grad.copy()

    step = wg.compile(lambda x, memory: gradients(traced, x, memory))
    for _ in range(3):
        for a, b in zip(step(x, memory), gradients(plain, x, memory), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: nn.Transformer(6, 4), ArgumentError, "4 heads do not divide"),
        (lambda: nn.TransformerEncoderLayer(6, 2, activation="swish"), ArgumentError, '"gelu"'),
        (lambda: nn.TransformerEncoder(3, 2), DTypeError, "a module is needed"),
        (
            lambda: nn.Transformer(6, 2, 1, 1, 8)(wg.ones((5, 3, 6)), wg.ones((4, 2, 6))),
            ShapeError,
            "as many sequences",
        ),
    ],
)
def test_bad_calls_say_what_is_needed(call, error, words, numpy_device):
    with pytest.raises(error, match=words):
        call()
