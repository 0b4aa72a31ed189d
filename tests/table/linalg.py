"""Rows of the matrix products."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import wgrad as wg

from .row import ALL, FLOATS, Arg, Row, counted


def linalg() -> Iterator[Row]:
    cases = {
        "matmul": ((2, 3), (3, 4)),
        "matmul-batched": ((2, 1, 2, 3), (2, 3, 2)),
        "matmul-vectors": ((3,), (3,)),
        "matmul-row": ((3,), (2, 3, 2)),
        "matmul-column": ((2, 2, 3), (3,)),
    }
    for id, shapes in cases.items():
        yield Row(
            id,
            ("matmul",),
            wg.matmul,
            np.matmul,
            tuple(map(Arg, shapes)),
            rtol=1e-5,
            grad=(0, 1),
            public=("matmul",),
        )
    cases = {
        "linear": ((4, 3), (2, 3), (2,)),
        "linear-of-a-box": ((2, 2, 3), (4, 3), (4,)),
        "linear-of-a-vector": ((3,), (4, 3), (4,)),
    }
    for id, shapes in cases.items():
        yield Row(
            id,
            ("matmul_transposed",),
            wg.linear,
            lambda x, w, b: x @ w.T + b,
            tuple(map(Arg, shapes)),
            rtol=1e-5,
            grad=(0, 1, 2),
            public=("linear",),
        )
    yield Row(
        "linear-without-bias",
        ("matmul_transposed",),
        wg.linear,
        lambda x, w: x @ w.T,
        (Arg((4, 3)), Arg((2, 3))),
        rtol=1e-5,
        grad=(0, 1),
    )


def products() -> Iterator[Row]:
    """Products that are made of matmul, multiplication and sums."""

    def row(id: str, op: str, call: Any, reference: Any, *shapes: Any, **more: Any) -> Row:
        args, every = tuple(map(Arg, shapes)), tuple(range(len(shapes)))
        more.setdefault("public", (id,))
        return Row(id, (op,), call, reference, args, rtol=1e-5, grad=every, **more)

    einsums = {
        "bij,bjk->bik": ("matmul", (2, 2, 3), (2, 3, 2)),
        "bihd,bjhd->bhij": ("matmul", (2, 3, 2, 2), (2, 2, 2, 2)),  # attention
        "ijk,ilk->jl": ("matmul", (2, 3, 2), (2, 2, 2)),  # two labels are summed over
        "ij, jk": ("sum", (2, 1), (3, 2)),  # the 1 broadcasts
        "ij,ij->": ("sum", (2, 3), (2, 3)),
        "ii->i": ("diagonal", (3, 3)),
        "iji": ("diagonal", (3, 2, 3)),
        "i,j->ij": ("multiply", (3,), (2,)),
        "...ij,...j": ("matmul", (2, 2, 3), (1, 3)),
        "ij,jk,kl,k->li": ("matmul", (2, 3), (3, 2), (2, 4), (2,)),
        "ab,cd,e->d": ("sum", (2, 2), (3, 2), (2,)),
    }
    for spec, (op, *shapes) in einsums.items():
        yield row(
            f"einsum-{spec}",
            op,
            lambda *xs, spec=spec: wg.einsum(spec, *xs),
            lambda *xs, spec=spec: np.einsum(spec, *xs),
            *shapes,
            public=("einsum",),
        )
    for id, axes in (("one", 1), ("none", 0), ("pairs", ([0, 2], [1, 0]))):
        yield row(
            f"tensordot-{id}",
            "multiply" if axes == 0 else "matmul",
            lambda a, b, axes=axes: wg.tensordot(a, b, axes),
            lambda a, b, axes=axes: np.tensordot(a, b, axes),
            (2, 2, 3),
            (3, 2, 2),
            public=("tensordot",),
        )
    yield row("outer", "multiply", wg.outer, np.outer, (2, 2), (3,))
    yield row("vecdot", "sum", wg.vecdot, np.vecdot, (2, 3), (2, 1, 3))
    yield row("cross", "multiply", wg.cross, np.cross, (2, 3), (3,))
    yield row("kron", "multiply", wg.kron, np.kron, (2, 3), (2,))
    yield row(
        "vector_norm",
        "square",
        lambda x: wg.linalg.vector_norm(x, axis=1),
        lambda x: np.linalg.vector_norm(x, axis=1),
        (2, 3),
        dtypes=FLOATS,
        public=("linalg.vector_norm",),
    )
    yield row(
        "trace",
        "diagonal",
        lambda x: wg.trace(x, -1, 2, 0),
        lambda x: np.trace(x, -1, 2, 0),
        (3, 2, 3),
        dtypes=ALL,
        result=counted,
    )
