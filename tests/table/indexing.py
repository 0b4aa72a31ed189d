"""Rows of the ops that pick elements."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import wgrad as wg

from .references import np_scatter_add
from .row import ALL, NUMBERS, Arg, Row


def indexing() -> Iterator[Row]:
    def index(shape: tuple[int, ...], size: int) -> Arg:
        return Arg(shape, integers=(0, size - 1), kind="index")

    yield Row(
        "take",
        ("gather",),
        lambda x, i: wg.take(x, i, axis=1),
        lambda x, i: np.take(x, i, axis=1),
        (Arg((2, 3, 2)), index((2, 4), 3)),
        dtypes=ALL,
        public=("take",),
    )
    yield Row(
        "take-flat",
        ("gather",),
        wg.take,
        np.take,
        (Arg((2, 3)), index((5,), 6)),
        dtypes=ALL,
    )
    yield Row(
        "take_along_axis",
        ("gather",),
        lambda x, i: wg.take_along_axis(x, i, 0),
        lambda x, i: np.take_along_axis(x, i, 0),
        (Arg((3, 4)), index((5, 4), 3)),
        dtypes=ALL,
        public=("take_along_axis",),
    )
    yield Row(
        "take_along_axis-broadcast",
        ("gather",),
        lambda x, i: wg.take_along_axis(x, i, -1),
        lambda x, i: np.take_along_axis(*np.broadcast_arrays(x, np.repeat(i, 3, 0))[:1], i, -1),
        (Arg((3, 4)), index((1, 4), 4)),
        dtypes=ALL,
    )
    for axis, values in ((0, (5, 2)), (1, (3, 6))):
        yield Row(
            f"scatter_add-axis{axis}",
            ("scatter_add",),
            lambda x, i, v, axis=axis: wg.scatter_add(x, i, v, axis),
            lambda x, i, v, axis=axis: np_scatter_add(x, i, v, axis),
            (Arg((3, 2)), index(values, (3, 2)[axis]), Arg(values)),
            dtypes=NUMBERS,
            grad=(0, 2),
            public=("scatter_add",),
        )
