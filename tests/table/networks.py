"""Rows of what networks are made of: activations, normalizations, attention and losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import wgrad as wg
from wgrad.nn import functional as F
from wgrad.ops.elementwise.activation import gelu_slope
from wgrad.ops.elementwise.hyperbolic import sigmoid_slope

from .references import np_softmax
from .row import ALL, FLOATS, NUMBERS, Arg, Row, apart, away, to_float

_erf = np.vectorize(math.erf, otypes=[float])


def networks() -> Iterator[Row]:
    yield from activations()
    yield from composites()


def activations() -> Iterator[Row]:
    wide = Arg(low=-7.0, high=7.0)

    def row(name: str, reference: Callable, op: str = "", call: Any = None, **more: Any) -> Row:
        options = {"dtypes": ALL, "result": to_float, "rtol": 2e-6, "public": (name,)} | more
        return Row(
            op or name,
            tuple(options.pop("covers", (op or name,))),
            call or getattr(F, name),
            lambda a, *others: reference(1.0 * a, *others),
            options.pop("args", (wide,)),
            elementwise=True,
            **options,
        )

    def elu(a: np.ndarray, alpha: float, scale: float = 1.0, inner: float = 1.0) -> np.ndarray:
        return scale * np.where(a > 0, a, alpha * np.expm1(np.minimum(a, 0) * inner))

    def softplus(a: np.ndarray) -> np.ndarray:
        return np.logaddexp(a, 0)

    def hard(a: np.ndarray) -> np.ndarray:
        return np.clip(a + 3, 0, 6) / 6

    yield row("logsigmoid", lambda a: -softplus(-a))
    yield row("softsign", lambda a: a / (1 + np.abs(a)), smooth=away(0), covers=("abs",))
    yield row("silu", lambda a: a / (1 + np.exp(-a)))
    yield row("mish", lambda a: a * np.tanh(softplus(a)))
    yield row("gelu", lambda a: a * (0.5 - 0.5 * _erf(-a / math.sqrt(2))), atol=2e-6)
    yield row(
        "gelu",
        lambda a: a / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (a + 0.044715 * a**3))),
        op="gelu_tanh",
        call=lambda a: F.gelu(a, "tanh"),
        atol=2e-6,
    )
    yield row(
        "gelu_slope",
        lambda a: (
            0.5 - 0.5 * _erf(-a / math.sqrt(2)) + a * np.exp(-a * a / 2) / math.sqrt(2 * math.pi)
        ),
        call=gelu_slope,
        atol=2e-6,
        public=(),
    )
    yield row(
        "sigmoid_slope", lambda a: 0.25 / np.cosh(a / 2) ** 2, call=sigmoid_slope, public=(),
    )  # fmt: skip
    yield row("softplus", lambda a: softplus(2 * a) / 2, call=lambda a: F.softplus(a, 2.0))
    yield row("elu", lambda a: elu(a, 1.5), call=lambda a: F.elu(a, 1.5), smooth=away(0))
    yield row(
        "selu", lambda a: elu(a, 1.6732632423543772, 1.0507009873554805),
        op="elu-selu", covers=("elu",), smooth=away(0),
    )  # fmt: skip
    yield row(
        "celu", lambda a: elu(a, 0.5, 1.0, 2.0), call=lambda a: F.celu(a, 0.5),
        op="elu-celu", covers=("elu",), smooth=away(0),
    )  # fmt: skip
    yield row("leaky_relu", lambda a: np.where(a > 0, a, 0.01 * a), smooth=away(0))
    yield row("hardswish", lambda a: a * hard(a), smooth=away(-3, 3))
    yield row("hardsigmoid", hard, smooth=away(-3, 3))
    kept = {"dtypes": NUMBERS, "result": lambda dtype: dtype, "smooth": away(-1, 1)}
    yield row(
        "hardtanh",
        lambda a: np.clip(a, -1, 1),
        call=lambda a: F.hardtanh(a, -1, 1),
        **kept | {"dtypes": (*FLOATS, "int32")},
    )
    yield row(
        "relu6", lambda a: np.clip(a, 0, 6), op="hardtanh-relu6", covers=("hardtanh",),
        **kept | {"smooth": away(0, 6)},
    )  # fmt: skip
    yield Row(
        "prelu",
        ("leaky_relu",),
        F.prelu,
        lambda a, w: np.where(a > 0, a, w[:, None] * a),
        (Arg((2, 3, 2)), Arg((3,))),
        result=to_float,
        grad=(0, 1),
        smooth=away(0),
        public=("prelu",),
    )


def _shuffled(x: np.ndarray) -> np.ndarray:
    """Return four channels as the pixels of one."""
    out = np.zeros((len(x), 1, 2 * x.shape[2], 2 * x.shape[3]), x.dtype)
    for channel in range(4):
        out[:, 0, channel // 2 :: 2, channel % 2 :: 2] = x[:, channel]
    return out


def _centered(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    middle = x.mean(axes, keepdims=True)
    return (x - middle) / np.sqrt(((x - middle) ** 2).mean(axes, keepdims=True) + 1e-5)


def composites() -> Iterator[Row]:
    def row(name: str, op: str, call: Any, reference: Any, *args: Arg, **more: Any) -> Row:
        options = {"dtypes": FLOATS, "rtol": 2e-5, "grad": tuple(range(len(args)))} | more
        public = (name.split("-")[0],)
        return Row(name, (op,), call, reference, args, public=public, **options)

    x, w = Arg((2, 4, 3)), Arg((4,), 0.5, 1.5)

    def column(a: np.ndarray) -> np.ndarray:
        return a[:, None]

    def drawn(shape: tuple[int, ...]) -> np.ndarray:
        return wg.rand(shape, device="numpy", generator=wg.Generator(3)).numpy()

    yield row(
        "layer_norm", "square",
        lambda x, w, b: F.layer_norm(x, 3, w, b),
        lambda x, w, b: _centered(x, (2,)) * w + b,
        x, Arg((3,)), Arg((3,)),
    )  # fmt: skip
    yield row(
        "rms_norm", "square",
        lambda x, w: F.rms_norm(x, (3,), w, 1e-5),
        lambda x, w: x / np.sqrt((x * x).mean(2, keepdims=True) + 1e-5) * w,
        x, Arg((3,)),
    )  # fmt: skip
    yield row(
        "group_norm", "square",
        lambda x, w, b: F.group_norm(x, 2, w, b),
        lambda x, w, b: (
            _centered(x.reshape(2, 2, 6), (2,)).reshape(x.shape) * column(w) + column(b)
        ),
        x, w, w,
    )  # fmt: skip
    yield row(
        "batch_norm", "square",
        lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
        lambda x, w, b: _centered(x, (0, 2)) * column(w) + column(b),
        x, w, w,
    )  # fmt: skip
    yield row(
        "instance_norm", "square",
        lambda x: F.instance_norm(x), lambda x: _centered(x, (2,)), x,
        smooth=lambda x: x.std(2).min() > 0.4,
    )  # fmt: skip
    yield row("softmin", "exp", lambda x: F.softmin(x, 1), lambda x: np_softmax(-x, 1), x)
    yield row(
        "glu", "gated",
        lambda x: F.glu(x, 1),
        lambda x: x[:, :2] / (1 + np.exp(-x[:, 2:])), x,
    )  # fmt: skip
    yield row(
        "pad-last", "embed",
        lambda x: F.pad(x, (1, -1, 0, 2), value=0.5),
        lambda x: np.pad(x[..., :-1], ((0, 0), (0, 2), (1, 0)), constant_values=0.5), x,
    )  # fmt: skip
    yield row(
        "pixel_shuffle", "permute_dims",
        lambda x: F.pixel_shuffle(x, 2), _shuffled, Arg((2, 4, 3, 2)),
    )  # fmt: skip
    yield row(
        "pixel_unshuffle", "permute_dims",
        lambda x: F.pixel_unshuffle(x, 2),
        lambda x: np.stack([x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)], 2).reshape(
            2, 8, 2, 1
        ),
        Arg((2, 2, 4, 2)),
    )  # fmt: skip
    yield row(
        "dropout", "multiply",
        lambda x: F.dropout(x, 0.25, generator=wg.Generator(3)) * 3,
        lambda x: x * 4 * (drawn(x.shape) >= 0.25),
        x,
    )  # fmt: skip
    yield row(
        "scaled_dot_product_attention", "matmul",
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda q, k, v: np_softmax(
            np.where(np.tri(3, 4) > 0, q @ k.swapaxes(-1, -2) / math.sqrt(2), -np.inf)
        ) @ v,
        Arg((2, 3, 2)), Arg((2, 4, 2)), Arg((2, 4, 3)),
    )  # fmt: skip
    yield row(
        "embedding", "gather",
        lambda i, w: F.embedding(i, w), lambda i, w: w[i],
        Arg((2, 3), integers=(0, 3), kind="index"), Arg((4, 3)),
        grad=(1,),
    )  # fmt: skip
    yield row(
        "normalize", "sqrt",
        F.normalize, lambda x: x / np.sqrt((x * x).sum(1, keepdims=True)), x,
    )  # fmt: skip
    yield row(
        "cosine_similarity", "sqrt",
        lambda a, b: F.cosine_similarity(a, b, axis=-1),
        lambda a, b: (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1)),
        Arg((2, 3), 0.5), Arg((2, 3), -2.0, -0.5),
    )  # fmt: skip
    pair, shares = (Arg(), Arg()), (Arg(low=0.25, high=0.75), Arg(low=0.25, high=0.75))
    yield row("l1_loss", "abs", F.l1_loss, lambda a, b: np.abs(a - b).mean(), *pair, smooth=apart)
    for name, scale in (("huber_loss", 1.0), ("smooth_l1_loss", 0.5)):
        yield row(
            name, "clamp",
            lambda a, b, name=name: getattr(F, name)(
                a, b, "sum", **{"delta" if name == "huber_loss" else "beta": 0.5}
            ),
            lambda a, b, scale=scale: np.where(
                np.abs(a - b) < 0.5, (a - b) ** 2 / 2, 0.5 * np.abs(a - b) - 0.125
            ).sum() / scale,
            *pair,
            smooth=lambda a, b: away(0.5)(np.abs(a - b)),
        )  # fmt: skip
    yield row(
        "gaussian_nll_loss", "log",
        F.gaussian_nll_loss, lambda a, b, v: (np.log(v) + (a - b) ** 2 / v).mean() / 2,
        *pair, Arg(low=0.5),
    )  # fmt: skip
    yield row(
        "binary_cross_entropy", "binary_cross_entropy",
        lambda a, b: F.binary_cross_entropy(a, b, "none"),
        lambda a, b: -(b * np.log(a) + (1 - b) * np.log(1 - a)),
        *shares,
    )  # fmt: skip
    yield row(
        "binary_cross_entropy_with_logits", "logsigmoid",
        lambda a, b: F.binary_cross_entropy_with_logits(a, b, "none", pos_weight=2.0),
        lambda a, b: 2 * b * np.log1p(np.exp(-a)) + (1 - b) * np.log1p(np.exp(a)),
        Arg(), shares[1],
    )  # fmt: skip
    yield row(
        "kl_div", "log",
        lambda a, b: F.kl_div(a, b, "batchmean"),
        lambda a, b: (b * (np.log(b) - a)).sum() / 2,
        Arg(), shares[1],
    )  # fmt: skip
    yield row(
        "hinge_embedding_loss", "clamp",
        lambda a: F.hinge_embedding_loss(a, [[1.0, -1, 1], [-1, -1, 1]], "none", margin=0.5),
        lambda a: np.where([[1, 0, 1], [0, 0, 1]], a, np.maximum(0, 0.5 - a)),
        Arg(), smooth=away(0.5),
    )  # fmt: skip
    yield row(
        "cosine_embedding_loss", "sqrt",
        lambda a, b: F.cosine_embedding_loss(a, b, [1.0, 1.0], "none"),
        lambda a, b: 1 - (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1)),
        Arg((2, 3), 0.5), Arg((2, 3), -2.0, -0.5),
    )  # fmt: skip
    labels = Arg((3,), integers=(0, 3), kind="index")
    yield row(
        "nll_loss", "gather",
        lambda x, i: F.nll_loss(x, i, "none"),
        lambda x, i: -np.take_along_axis(x, i[:, None], 1)[:, 0],
        Arg((3, 4)), labels, grad=(0,),
    )  # fmt: skip
    yield row(
        "multi_margin_loss", "relu",
        lambda x, i: F.multi_margin_loss(x, i, "none", p=2, margin=5.0),
        lambda x, i: (
            (5 - np.take_along_axis(x, i[:, None], 1) + x) ** 2 * (i[:, None] != np.arange(4))
        ).sum(1) / 4,
        Arg((3, 4)), labels, grad=(0,),
    )  # fmt: skip
    yield row(
        "cross_entropy-smoothing", "gather",
        lambda x, i: F.cross_entropy(x, i, label_smoothing=0.2),
        lambda x, i: -(
            (0.8 * np.eye(4)[i] + 0.05) * np.log(np_softmax(x))
        ).sum(1).mean(),
        Arg((3, 4)), labels, grad=(0,),
    )  # fmt: skip
