"""Rows of the matrix products."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import wgrad as wg

from .row import Arg, Row


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
