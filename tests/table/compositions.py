"""Rows of the compositions that have no op of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import wgrad as wg

from .references import np_cross_entropy, np_softmax
from .row import FLOATS, INTS, Arg, Row, away, distinct, to_float


def compositions() -> Iterator[Row]:
    logits = Arg((3, 4), -4, 4)
    for name in ("softmax", "log_softmax"):
        for axis in (-1, 0):
            yield Row(
                f"{name}-axis{axis}",
                ("max", "exp", "sum"),
                lambda x, name=name, axis=axis: getattr(wg, name)(x, axis),
                lambda x, name=name, axis=axis: (
                    np.log(np_softmax(x, axis)) if "log" in name else np_softmax(x, axis)
                ),
                (logits,),
                result=to_float,
                rtol=1e-5,
                public=(name,),
            )
    labels = Arg((3,), integers=(0, 3), kind="index")
    for reduction, fold in (("mean", np.mean), ("sum", np.sum), ("none", np.copy)):
        yield Row(
            f"cross_entropy-{reduction}",
            ("gather",),
            lambda x, i, r=reduction: wg.cross_entropy(x, i, r),
            lambda x, i, fold=fold: fold(np_cross_entropy(x, i)),
            (logits, labels),
            result=to_float,
            rtol=1e-5,
            public=("cross_entropy",),
        )
        yield Row(
            f"mse_loss-{reduction}",
            ("square",),
            lambda x, y, r=reduction: wg.mse_loss(x, y, r),
            lambda x, y, fold=fold: fold((x - y) ** 2),
            (Arg(), Arg()),
            dtypes=FLOATS,
            rtol=1e-5,
            grad=(0, 1),
            public=("mse_loss",),
        )
    yield Row(
        "one_hot",
        ("equal", "astype"),
        lambda i: wg.one_hot(i, 4),
        lambda i: np.eye(4)[i],
        (Arg((2, 3), integers=(0, 3)),),
        dtypes=INTS,
        result=lambda dtype: "float32",
        grad=(),
        public=("one_hot",),
    )
    yield Row(
        "clip-numbers",
        ("clamp",),
        lambda x: wg.clip(x, -1, 1),
        lambda x: np.clip(x, -1, 1),
        (Arg(),),
        dtypes=("float32", "float64", "int32"),
        smooth=away(-1, 1),
    )
    yield Row(
        "clip-below",
        ("clamp",),
        lambda x: wg.clip(x, min=1),
        lambda x: np.maximum(x, 1),
        (Arg(),),
        smooth=away(1),
    )
    for name in ("conj", "real", "imag"):

        def part(x: Any, name: str = name, xp: Any = wg) -> Any:
            return getattr(xp, name)(x) + 2 * x

        yield Row(name, ("add",), part, lambda x, f=part: f(x, xp=np), (Arg(),), public=(name,))
    yield Row("pow-square", ("square",), lambda x: x**2, np.square, (Arg(),))
    yield Row("pow-cube", ("pow",), lambda x: x**3, lambda x: x**3, (Arg(),), rtol=1e-5)
    yield Row(
        "pow-of-number",
        ("pow",),
        lambda x: 2**x,
        lambda x: 2.0**x,
        (Arg(integers=(0, 9)),),
        rtol=1e-5,
    )
    yield Row(
        "pow-root",
        ("pow",),
        lambda x: x**0.5,
        lambda x: x**0.5,
        (Arg(low=0.2, high=4.0, integers=(0, 9)),),
        result=to_float,
        rtol=1e-5,
    )
    yield Row(
        "max-split",
        ("max",),
        lambda x: wg.max(x, axis=1, ties="split"),
        lambda x: np.max(x, axis=1),
        (Arg((2, 5)),),
        smooth=distinct,
    )
    yield Row(
        "arithmetic-with-numbers",
        ("add", "subtract", "multiply", "divide", "negative"),
        lambda x: 3 - 2 * x + x / 4 - 1 / (x - 9.5) + (-x - 1),
        lambda x: 3 - 2 * x + x / 4 - 1 / (x - 9.5) + (-x - 1),
        (Arg(),),
        dtypes=(*FLOATS, "int32"),
        result=to_float,
        rtol=1e-5,
    )
