"""Rows of the ops that pick elements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import wgrad as wg
from wgrad.core import apply
from wgrad.ops import indexing as primitives

from .references import np_assigned, np_descending, np_scatter, np_scatter_add
from .row import ALL, FLOATS, INTS, NUMBERS, Arg, Row, distinct, to_bool, to_int


def indexing() -> Iterator[Row]:
    yield from picking()
    yield from scattering()
    yield from assignment()
    yield from order()
    yield from sets()


def picking() -> Iterator[Row]:
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
    keys: dict[str, tuple] = {
        "arrays": ([1, 0, 1], slice(None, None, -1), [2, -1, 2]),
        "arrays-broadcast": (slice(None), [[0], [2]], [1, 1]),
        "array-integer": (1, ..., range(3)),
        "mask": (slice(None), np.arange(12).reshape(3, 4) % 5 < 2),
        "mask-array": (np.array([True, False]), None, [0, -1], 0),
    }
    for name, key in keys.items():
        yield Row(
            f"getitem-{name}",
            ("gather",),
            lambda x, key=key: x[key],
            lambda x, key=key: x[key],
            (Arg((2, 3, 4)),),
            dtypes=ALL,
        )


def scattering() -> Iterator[Row]:
    """Values at index tensors that repeat; of smaller extents than the tensor, too."""
    near = {"rtol": 2e-6, "atol": 2e-6, "dtypes": NUMBERS}

    def row(id: str, op: str, call: Any, reference: Any, *args: Arg, **more: Any) -> Row:
        options = {"grad": (0, 2), "public": (id.split("-")[0],), **near, **more}
        return Row(id, (op,), call, reference, args, **options)

    x, v = Arg((3, 4)), Arg((5, 2))
    i = Arg((5, 2), integers=(0, 2), kind="index")
    yield row(
        "scatter-last", "scatter",
        lambda x, i, v: wg.scatter(x, i, v, 0),
        lambda x, i, v: np_scatter("last", x, i, v, 0), x, i, v, dtypes=ALL,
    )  # fmt: skip
    for reduce, name in (("add", "sum"), ("multiply", "prod")):
        yield row(
            f"scatter-{reduce}", "scatter_add",
            lambda x, i, v, r=reduce: wg.scatter(x, i, v, 0, reduce=r),
            lambda x, i, v, r=name: np_scatter(r, x, i, v, 0), x, i, v,
        )  # fmt: skip
    for name in ("sum", "prod", "mean", "amax", "amin"):
        for include in (True, False):
            yield row(
                f"scatter_reduce-{name}-{include}",
                "value_of" if name[0] == "a" else "scatter_add",
                lambda x, i, v, r=name, s=include: wg.scatter_reduce(
                    x, i, v, r, 0, include_self=s
                ),
                lambda x, i, v, r=name, s=include: np_scatter(r, x, i, v, 0, s),
                x, i, v, dtypes=FLOATS if name[0] == "a" else NUMBERS,
                smooth=lambda x, i, v: distinct(np.concatenate([x.ravel(), v.ravel()])),
            )  # fmt: skip
    line, columns = Arg((5,), integers=(0, 3), kind="index"), Arg((3, 5))
    yield row(
        "index_add", "scatter_add",
        lambda x, i, v: wg.index_add(x, i, v, 1, alpha=2),
        lambda x, i, v: np_scatter("sum", x, np.tile(i, (3, 1)), 2 * v, 1), x, line, columns,
    )  # fmt: skip
    yield row(
        "index_reduce", "scatter_add",
        lambda x, i, v: wg.index_reduce(x, i, v, 1, "prod", include_self=False),
        lambda x, i, v: np_scatter("prod", x, np.tile(i, (3, 1)), v, 1, False), x, line, columns,
    )  # fmt: skip
    mask = np.arange(4) % 3 == 0
    yield row(
        "masked_scatter", "gather",
        lambda x, v: wg.masked_scatter(x, mask, v),
        lambda x, v: np_assigned(x, v.ravel()[:6], (..., mask), (3, 2)), x, v,
        grad=(0, 1), dtypes=ALL,
    )  # fmt: skip


def assignment() -> Iterator[Row]:
    def assigned(x: wg.Tensor, value: wg.Tensor, key: tuple) -> wg.Tensor:
        out = x.copy()
        out[key] = value
        return out

    keys: dict[str, tuple[tuple, tuple]] = {
        "slice": ((slice(None, None, -1), 1, None), (2, 1, 4)),
        "arrays": (([1, 0, 1], slice(1, None), [2, -1, 2]), (3, 2)),
        "array-broadcast": ((slice(None), [0, 0, 2]), (4,)),
        "mask": ((slice(None), np.arange(12).reshape(3, 4) % 5 < 2), (2, 6)),
        "mask-broadcast": ((slice(None), np.array([True, False, True])), (4,)),
    }
    for name, (key, shape) in keys.items():
        yield Row(
            f"setitem-{name}",
            ("copy",),
            lambda x, v, key=key: assigned(x, v, key),
            lambda x, v, key=key: np_assigned(x, v, key),
            (Arg((2, 3, 4)), Arg(shape)),
            dtypes=ALL,
            grad=(0, 1),
        )
    yield Row(
        "place",
        ("place",),
        lambda x, v: apply(primitives.place, x, v, starts=(1, 3), steps=(1, -2)),
        lambda x, v: np_assigned(x, v, (slice(1, 3), slice(3, None, -2))),
        (Arg((3, 4)), Arg((2, 2))),
        dtypes=ALL,
        grad=(0, 1),
    )
    yield Row(
        "scatter",
        ("scatter",),
        lambda x, i, v: apply(primitives.scatter, x, i, v, axis=1),
        lambda x, i, v: np_assigned(x, v, (slice(None), i)),
        (Arg((2, 3, 2)), Arg((4,), integers=(0, 2), kind="index"), Arg((2, 4, 2))),
        dtypes=ALL,
        grad=(0, 2),
    )


def order() -> Iterator[Row]:
    box = Arg((3, 4), integers=(-3, 3))
    for axis in (0, -1):
        yield Row(
            f"sort-axis{axis}",
            ("argsort", "gather"),
            lambda x, axis=axis: wg.sort(x, axis=axis),
            lambda x, axis=axis: np.sort(x, axis=axis),
            (box,),
            dtypes=ALL,
            smooth=distinct,
            public=("sort",),
        )
        yield Row(
            f"argsort-axis{axis}",
            ("argsort",),
            lambda x, axis=axis: wg.argsort(x, axis=axis, descending=True),
            lambda x, axis=axis: np_descending(x, axis),
            (box,),
            dtypes=ALL,
            result=to_int,
            grad=(),
            public=("argsort",),
        )
    yield Row(
        "topk",
        ("argsort", "slice", "gather"),
        lambda x: wg.topk(x, 2, axis=0).values,
        lambda x: np.sort(x, axis=0)[:0:-1],
        (box,),
        dtypes=ALL,
        smooth=distinct,
        public=("topk",),
    )
    yield Row(
        "topk-least",
        ("argsort",),
        lambda x: wg.topk(x, 3, largest=False).indices,
        lambda x: np.argsort(x, axis=-1, kind="stable")[..., :3],
        (box,),
        dtypes=ALL,
        result=to_int,
        grad=(),
    )
    for side in ("left", "right"):
        yield Row(
            f"searchsorted-{side}",
            ("searchsorted", "gather"),
            lambda x, v, side=side: wg.searchsorted(x, v, side, sorter=wg.argsort(x)),
            lambda x, v, side=side: np.searchsorted(x, v, side, np.argsort(x)),
            (Arg((7,), integers=(-3, 3)), Arg((3, 4), integers=(-4, 4))),
            result=to_int,
            grad=(),
            public=("searchsorted",),
        )


def sets() -> Iterator[Row]:
    box = Arg((3, 4), integers=(-3, 3))
    yield Row(
        "unique_values",
        ("argsort", "gather"),
        wg.unique_values,
        np.unique,
        (box,),
        dtypes=ALL,
        smooth=distinct,
        public=("unique_values",),
    )
    for name, position, option in (
        ("unique_all", 1, "return_index"),
        ("unique_inverse", 1, "return_inverse"),
        ("unique_counts", 1, "return_counts"),
        ("unique_all", 3, "return_counts"),
    ):
        yield Row(
            f"{name}-{position}",
            ("argsort",),
            lambda x, name=name, position=position: wg.reshape(
                getattr(wg, name)(x)[position], (-1,)
            ),
            lambda x, option=option: np.unique(x, **{option: True})[1].reshape(-1),
            (box,),
            dtypes=ALL,
            result=to_int,
            grad=(),
            public=(name,),
        )
    yield Row(
        "isin",
        ("argsort", "gather"),
        lambda x, v: wg.isin(x, wg.concat([v, x[0, :2]])),
        lambda x, v: np.isin(x, np.concatenate([v, x[0, :2]])),
        (box, Arg((3,), integers=(-3, 3))),
        dtypes=ALL,
        result=to_bool,
        grad=(),
        public=("isin",),
    )
    yield Row(
        "bincount",
        ("scatter_add",),
        lambda x, i: wg.bincount(i, x, minlength=6),
        lambda x, i: np.bincount(i, x, minlength=6).astype(x.dtype),
        (Arg((9,)), Arg((9,), integers=(0, 4), kind="index")),
        dtypes=NUMBERS,
        public=("bincount",),
    )
    yield Row(
        "bincount-plain",
        ("scatter_add",),
        lambda x: wg.bincount(x),
        np.bincount,
        (Arg((9,), integers=(0, 4)),),
        dtypes=INTS,
        result=to_int,
        grad=(),
    )
    yield Row(
        "nonzero",
        ("argsort",),
        lambda x: wg.stack(wg.nonzero(x)),
        lambda x: np.stack(np.nonzero(x)),
        (Arg((2, 3, 4), integers=(-1, 1)),),
        dtypes=(*INTS, "bool"),
        result=to_int,
        grad=(),
        public=("nonzero",),
    )
