"""Rows of the reductions, and of what is made of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import wgrad as wg

from .references import np_logsumexp
from .row import ALL, NUMBERS, Arg, Row, counted, distinct, to_bool, to_float, to_int


def reductions() -> Iterator[Row]:
    box = Arg((2, 3, 4))
    shapes: tuple[tuple[str, dict[str, Any]], ...] = (
        ("", {}),
        ("-axis", {"axis": 1}),
        ("-axes-kept", {"axis": (0, -1), "keepdims": True}),
    )

    def rows(name: str, args: Any, call: Any, reference: Any, **more: Any) -> Iterator[Row]:
        for suffix, how in shapes:
            yield Row(
                f"{name}{suffix}",
                (more.get("op", name),),
                lambda x, how=how: call(x, **how),
                lambda x, how=how: reference(x, **how),
                args,
                public=(name,),
                **{k: v for k, v in more.items() if k != "op"},
            )

    yield from rows("sum", (box,), wg.sum, np.sum, dtypes=ALL, result=counted, rtol=1e-5)
    yield from rows(
        "prod",
        (Arg((2, 3, 4), 0.5, 1.5, (-2, 2)),),
        wg.prod,
        np.prod,
        dtypes=ALL,
        result=counted,
        rtol=1e-5,
    )
    yield from rows("max", (box,), wg.max, np.max, dtypes=ALL, result=counted, smooth=distinct)
    yield from rows("min", (box,), wg.min, np.min, dtypes=ALL, result=counted, smooth=distinct)
    yield from rows("any", (box,), wg.any, np.any, dtypes=ALL, result=to_bool, grad=())
    yield from rows("all", (box,), wg.all, np.all, dtypes=ALL, result=to_bool, grad=())
    yield from rows(
        "mean", (box,), wg.mean, np.mean, op="sum", dtypes=ALL, result=to_float, rtol=1e-5
    )
    yield from rows(
        "logsumexp",
        (box,),
        wg.logsumexp,
        np_logsumexp,
        op="exp",
        dtypes=NUMBERS,
        result=to_float,
        rtol=1e-5,
    )
    for name in ("argmax", "argmin"):
        op, function, reference = name[3:], getattr(wg, name), getattr(np, name)
        for suffix, how in shapes[:2]:
            yield Row(
                f"{name}{suffix}",
                (op, "where", "min", "equal"),
                lambda x, f=function, how=how: f(x, **how),
                lambda x, f=reference, how=how: f(x, **how),
                (Arg((2, 3, 4), integers=(0, 5)),),
                dtypes=ALL,
                result=to_int,
                grad=(),
                public=(name,),
            )
