"""Rows of the functions that PyTorch and NumPy have beyond the standard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import wgrad as wg

from .row import ALL, FLOATS, NUMBERS, Arg, Row, distinct, to_bool, to_float


def ported() -> Iterator[Row]:
    box = Arg((3, 4))
    mask, index = Arg((3, 4), kind="bool"), Arg((2, 3), integers=(0, 2), kind="index")

    def row(name: str, op: str, call: Callable, reference: Callable, *args: Arg, **how: Any) -> Row:
        how = {"dtypes": ALL, "public": (name,), **how}
        return Row(name, (op,), call, reference, args or (box,), **how)

    for name, extreme in (("amax", np.max), ("amin", np.min)):
        yield row(
            name, name[1:], lambda x, name=name: getattr(wg, name)(x, 1),
            lambda x, extreme=extreme: extreme(x, 1), smooth=distinct,
        )  # fmt: skip
    yield row("chunk", "slice", lambda x: wg.chunk(x, 3, 1)[1], lambda x: x[:, 2:])
    yield row("narrow", "slice", lambda x: wg.narrow(x, 1, -3, 2), lambda x: x[:, 1:3])
    yield row("select", "slice", lambda x: wg.select(x, 1, 2), lambda x: x[:, 2])
    yield row(
        "unflatten", "reshape", lambda x: wg.unflatten(x, 1, (2, -1)), lambda x: x.reshape(3, 2, 2)
    )
    yield row(
        "gather", "gather", lambda x, i: wg.gather(x, 0, i),
        lambda x, i: np.take_along_axis(x[:, :3], i, 0), box, index,
    )  # fmt: skip
    yield row(
        "index_select", "gather", lambda x: wg.index_select(x, 1, [3, 0, 3]),
        lambda x: x[:, [3, 0, 3]],
    )  # fmt: skip
    yield row(
        "masked_fill", "where", lambda x, m: wg.masked_fill(x, m, 2),
        lambda x, m: np.where(m, 2, x), box, mask, dtypes=NUMBERS,
    )  # fmt: skip
    yield row(
        "masked_select", "gather", lambda x, m: wg.masked_select(x, m), lambda x, m: x[m],
        box, mask,
    )  # fmt: skip
    yield row("nan_to_num", "where", lambda x: wg.nan_to_num(x), np.copy, dtypes=FLOATS)
    yield row(
        "isclose", "less_equal", lambda x, y: wg.isclose(x, y, 0.2, 1.5),
        lambda x, y: np.isclose(x, y, 0.2, 1.5), box, box,
        dtypes=NUMBERS, result=to_bool, grad=(),
    )  # fmt: skip
    yield row(
        "allclose", "less_equal", lambda x, y: wg.tensor(wg.allclose(x, y, 0.2, 1.5)),
        lambda x, y: np.allclose(x, y, 0.2, 1.5), box, box,
        dtypes=NUMBERS, result=to_bool, grad=(),
    )  # fmt: skip
    yield row(
        "quantile", "gather", lambda x: wg.quantile(x, [0.2, 0.9], 1, True),
        lambda x: np.quantile(x.astype(float), [0.2, 0.9], 1, keepdims=True),
        dtypes=NUMBERS, result=to_float, smooth=distinct, rtol=1e-5, atol=1e-5,
    )  # fmt: skip
    yield row(
        "median", "gather", lambda x: wg.median(x, 1), lambda x: np.median(x, 1),
        dtypes=NUMBERS, result=to_float, smooth=distinct, rtol=1e-5, atol=1e-5,
    )  # fmt: skip
