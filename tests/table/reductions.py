"""Rows of the reductions, and of what is made of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import wgrad as wg

from .references import np_logsumexp, np_norm
from .row import (
    ALL,
    FLOATS,
    NUMBERS,
    Arg,
    Row,
    counted,
    distinct,
    spaced,
    to_bool,
    to_float,
    to_int,
)


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
    yield from rows("max", (box,), wg.max, np.max, dtypes=ALL, smooth=distinct)
    yield from rows("min", (box,), wg.min, np.min, dtypes=ALL, smooth=distinct)
    yield from rows("any", (box,), wg.any, np.any, dtypes=ALL, result=to_bool, grad=())
    yield from rows("all", (box,), wg.all, np.all, dtypes=ALL, result=to_bool, grad=())
    yield from rows(
        "mean", (box,), wg.mean, np.mean, op="sum", dtypes=ALL, result=to_float, rtol=1e-5
    )
    yield from rows(
        "var", (box,), wg.var, np.var, op="square", dtypes=ALL, result=to_float, rtol=1e-5
    )
    yield from rows(
        "std", (box,), wg.std, np.std, op="sqrt", dtypes=ALL, result=to_float, rtol=1e-5
    )
    yield from rows(
        "count_nonzero",
        (Arg((2, 3, 4), integers=(-1, 1)),),
        wg.count_nonzero,
        np.count_nonzero,
        op="sum",
        dtypes=ALL,
        result=to_int,
        grad=(),
    )
    for order in (2, 1, 3, 0.5, -1, np.inf, -np.inf):
        yield Row(
            f"norm-{order}",
            ("abs",),
            lambda x, order=order: wg.norm(x, 1, ord=order),
            lambda x, order=order: np.linalg.vector_norm(x, axis=1, ord=order),
            (Arg((2, 5)),),
            dtypes=FLOATS,
            rtol=1e-5,
            smooth=spaced,
            public=("norm",),
        )
    yield from rows("norm", (box,), wg.norm, np_norm, op="max", result=to_float, rtol=1e-5)
    for suffix, how in (("", {}), ("-first", {"axis": 0}), ("-initial", {"include_initial": True})):
        how = {"axis": -1, **how}
        for name in ("cumulative_sum", "cumulative_prod"):
            yield Row(
                f"{name}{suffix}",
                (name,),
                lambda x, name=name, how=how: getattr(wg, name)(x, **how),
                lambda x, name=name, how=how: getattr(np, name)(x, **how),
                (Arg((4, 5), 0.5, 1.5, (-2, 2)),),
                dtypes=ALL,
                result=counted,
                rtol=1e-5,
                public=(name,),
            )
    for axis in (0, -1):
        for name, extreme in (("cummax", np.maximum), ("cummin", np.minimum)):
            yield Row(
                f"{name}-{axis}",
                ("running_extreme", "gather"),
                lambda x, name=name, axis=axis: getattr(wg, name)(x, axis).values,
                lambda x, extreme=extreme, axis=axis: extreme.accumulate(x, axis),
                (Arg((4, 5)),),
                dtypes=ALL,
                smooth=distinct,
                public=(name,),
            )
        yield Row(
            f"logcumsumexp-{axis}",
            ("logcumsumexp",),
            lambda x, axis=axis: wg.logcumsumexp(x, axis),
            lambda x, axis=axis: np.logaddexp.accumulate(1.0 * x, axis),
            (Arg((4, 5)),),
            dtypes=ALL,
            result=to_float,
            rtol=1e-5,
            public=("logcumsumexp",),
        )
    for suffix, how in (("", {}), ("-axis0-twice", {"axis": 0, "n": 2})):
        yield Row(
            f"diff{suffix}",
            ("slice", "subtract"),
            lambda x, how=how: wg.diff(x, **how),
            lambda x, how=how: np.diff(x, **how),
            (Arg((4, 5)),),
            public=("diff",),
        )
    yield Row(
        "diff-between",
        ("concat", "slice", "subtract"),
        lambda x, y: wg.diff(x, axis=1, prepend=y, append=y),
        lambda x, y: np.diff(x, axis=1, prepend=y, append=y),
        (Arg((2, 3)), Arg((2, 2))),
        grad=(0, 1),
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
