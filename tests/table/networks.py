"""Rows of what networks are made of: activations, normalizations, attention and losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from wgrad.nn import functional as F
from wgrad.ops.elementwise.activation import gelu_slope

from .row import ALL, FLOATS, NUMBERS, Arg, Row, away, to_float

_erf = np.vectorize(math.erf, otypes=[float])


def networks() -> Iterator[Row]:
    yield from activations()


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
