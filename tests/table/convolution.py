"""Rows of convolutions, pooling, unfolding and interpolation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from wgrad.nn import functional as F

from .images import (
    largest,
    mean_inside,
    mean_with_padding,
    np_adaptive,
    np_conv,
    np_conv_transpose,
    np_cubic,
    np_even,
    np_fold,
    np_interpolate,
    np_pool,
    np_pool_any,
    np_unfold,
)
from .row import FLOATS, INTS, Arg, Row, distinct, to_float

NO_BOOLS = (*FLOATS, *INTS)


def convolution() -> Iterator[Row]:
    yield from _convolutions()
    yield from _transposed()
    yield from _pools()
    yield from _interpolations()


def _convolutions() -> Iterator[Row]:
    def row(id: str, d: int, how: dict, reference: Any, *shapes: tuple, **more: Any) -> Row:
        call = getattr(F, f"conv{d}d")
        return Row(
            id,
            ("convolution",),
            lambda *xs: call(*xs, **how),
            reference,
            tuple(map(Arg, shapes)),
            dtypes=NO_BOOLS,
            rtol=1e-5,
            atol=1e-5,
            grad=tuple(range(len(shapes))),
            public=(f"conv{d}d",),
        )

    yield row("conv2d", 2, {}, np_conv, (2, 2, 4, 3), (3, 2, 2, 2), (3,))
    yield row(
        "conv2d-everything",
        2,
        {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2},
        lambda x, w: np_conv(x, w, None, (2, 1), ((1, 1), (2, 2)), (1, 2), 2),
        (1, 4, 4, 3),
        (2, 2, 3, 2),
    )
    yield row(
        "conv2d-same",
        2,
        {"padding": "same", "dilation": (1, 2)},
        lambda x, w: np_conv(x, w, None, (1, 1), ((0, 1), (2, 2)), (1, 2)),
        (1, 1, 4, 4),
        (2, 1, 2, 3),
    )
    yield row(
        "conv2d-unbatched",
        2,
        {"padding": "valid"},
        lambda x, w, b: np_conv(x[None], w, b)[0],
        (2, 3, 3),
        (1, 2, 1, 2),
        (1,),
    )
    yield row(
        "conv1d",
        1,
        {"stride": 2, "padding": 1},
        lambda x, w, b: np_conv(x, w, b, (2,), ((1, 1),), (1,)),
        (2, 2, 6),
        (2, 2, 3),
        (2,),
    )
    yield row(
        "conv3d",
        3,
        {"stride": (1, 2, 1), "padding": (0, 1, 1)},
        lambda x, w: np_conv(x, w, None, (1, 2, 1), ((0, 0), (1, 1), (1, 1)), (1, 1, 1)),
        (1, 2, 2, 3, 2),
        (2, 2, 2, 2, 2),
    )


def _transposed() -> Iterator[Row]:
    def row(id: str, d: int, how: dict, reference: Any, *shapes: tuple) -> Row:
        call = getattr(F, f"conv_transpose{d}d")
        return Row(
            id,
            ("convolution_to_image",),
            lambda *xs: call(*xs, **how),
            reference,
            tuple(map(Arg, shapes)),
            dtypes=NO_BOOLS,
            rtol=1e-5,
            atol=1e-5,
            grad=tuple(range(len(shapes))),
            public=(f"conv_transpose{d}d",),
        )

    yield row("conv_transpose2d", 2, {}, np_conv_transpose, (1, 2, 2, 3), (2, 2, 2, 2), (2,))
    yield row(
        "conv_transpose2d-everything",
        2,
        {"stride": (3, 2), "padding": (1, 0), "output_padding": (0, 1), "groups": 2},
        lambda x, w: np_conv_transpose(x, w, None, (3, 2), (1, 0), (0, 1), (1, 1), 2),
        (2, 2, 2, 2),
        (2, 1, 4, 3),
    )
    yield row(
        "conv_transpose2d-dilated",
        2,
        {"stride": 2, "padding": 1, "dilation": (2, 1)},
        lambda x, w: np_conv_transpose(x, w, None, (2, 2), (1, 1), (0, 0), (2, 1)),
        (1, 1, 3, 2),
        (1, 2, 2, 3),
    )
    yield row(
        "conv_transpose1d",
        1,
        {"stride": 2, "padding": 1},
        lambda x, w, b: np_conv_transpose(x[None], w, b, (2,), (1,), (0,), (1,))[0],
        (2, 4),
        (2, 2, 3),
        (2,),
    )
    yield row(
        "conv_transpose3d",
        3,
        {"stride": (1, 2, 1)},
        lambda x, w, b: np_conv_transpose(x, w, b, (1, 2, 1), (0,) * 3, (0,) * 3, (1,) * 3),
        (1, 2, 1, 2, 2),
        (2, 1, 2, 2, 2),
        (1,),
    )
    # The op that trains filters comes first where a gradient is taken: here it is what is called.
    yield Row(
        "convolution_to_filters",
        ("convolution_to_filters",),
        _filters_gradient,
        lambda x, ct: np_conv(x.swapaxes(0, 1), ct.swapaxes(0, 1)).swapaxes(0, 1),
        (Arg((2, 1, 4, 3)), Arg((2, 2, 3, 2))),
        dtypes=FLOATS,
        rtol=1e-5,
        atol=1e-5,
        grad=(0, 1),
    )


def _filters_gradient(x: Any, ct: Any) -> Any:
    """Return the gradient of filters of ones, made of an op that is linear in both inputs."""
    import wgrad as wg

    ones = wg.ones((2, 1, 2, 2), x.dtype, x.device)
    return wg.vjp(lambda w: F.conv2d(x, w), ones)[1](ct)


def _pools() -> Iterator[Row]:
    def row(id: str, ops: tuple, call: Any, reference: Any, shape: tuple, **more: Any) -> Row:
        more = {"dtypes": NO_BOOLS, "rtol": 1e-5, **more}
        return Row(id, ops, call, reference, (Arg(shape),), public=(id.split("-")[0],), **more)

    yield row(
        "max_pool2d",
        ("max", "reshape"),
        lambda x: F.max_pool2d(x, 2),
        lambda x: np_pool(largest, x, (2, 2), (2, 2), (0, 0), False),
        (2, 1, 5, 4),
        smooth=distinct,
    )
    yield row(
        "max_pool2d-everything",
        ("max", "windows"),
        lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 0), 1, True),
        lambda x: np_pool(largest, x, (3, 2), (2, 1), (1, 0), True),
        (1, 2, 4, 4),
        smooth=distinct,
    )
    yield row(
        "max_pool2d-dilated",
        ("max", "windows"),
        lambda x: F.max_pool2d(x, 2, 2, 1, 2),
        lambda x: np_pool(largest, x, (2, 2), (2, 2), (1, 1), False, dilation=2),
        (2, 4, 5),
        smooth=distinct,
    )
    yield row(
        "max_pool1d",
        ("max", "windows"),
        lambda x: F.max_pool1d(x, 3, 1),
        lambda x: np_pool(largest, x[..., None, :], (1, 3), (1, 1), (0, 0), False)[..., 0, :],
        (2, 2, 6),
        smooth=distinct,
    )
    yield row(
        "max_pool3d",
        ("max", "windows"),
        lambda x: F.max_pool3d(x, 2, 1),
        lambda x: np_pool_any(np.max, x, (2, 2, 2), (1, 1, 1)),
        (1, 2, 2, 3, 3),
        smooth=distinct,
    )
    for d, kernel in ((1, (3,)), (2, (2, 2)), (3, (1, 2, 2))):
        yield row(
            f"max_unpool{d}d",
            ("scatter",),
            lambda x, d=d, k=kernel: _unpooled(x, d, k),
            lambda x, k=kernel: _kept(x, k),
            ((1, 2, 6), (1, 2, 4, 4), (1, 1, 2, 2, 4))[d - 1],
            smooth=distinct,
            dtypes=FLOATS,
        )
    for d, sizes in ((1, (4,)), (2, (2, 3)), (3, (1, 2, 2))):
        yield row(
            f"adaptive_max_pool{d}d",
            ("max", "gather"),
            lambda x, d=d, sizes=sizes: getattr(F, f"adaptive_max_pool{d}d")(x, sizes),
            lambda x, sizes=sizes: np_even(np.max, x, sizes),
            ((1, 2, 6), (1, 2, 3, 4), (1, 1, 2, 3, 3))[d - 1],
            smooth=distinct,
        )
    averages = {"result": to_float}
    yield row(
        "avg_pool3d",
        ("sum", "windows"),
        lambda x: F.avg_pool3d(x, (1, 2, 2), (1, 2, 1)),
        lambda x: np_pool_any(np.mean, x, (1, 2, 2), (1, 2, 1)),
        (1, 2, 2, 4, 3),
        **averages,
    )
    for d, sizes in ((1, (4,)), (3, (1, 3, 2))):
        yield row(
            f"adaptive_avg_pool{d}d",
            ("sum",),
            lambda x, d=d, sizes=sizes: getattr(F, f"adaptive_avg_pool{d}d")(x, sizes),
            lambda x, sizes=sizes: np_even(np.mean, x, sizes),
            ((1, 2, 6), None, (1, 1, 2, 4, 3))[d - 1],
            **averages,
        )
    yield row(
        "avg_pool2d",
        ("sum", "reshape"),
        lambda x: F.avg_pool2d(x, 2),
        lambda x: np_pool(mean_inside, x, (2, 2), (2, 2), (0, 0), False),
        (1, 2, 4, 5),
        **averages,
    )
    yield row(
        "avg_pool2d-padded",
        ("sum", "windows"),
        lambda x: F.avg_pool2d(x, 3, 2, 1, True),
        lambda x: np_pool(mean_with_padding, x, (3, 3), (2, 2), (1, 1), True),
        (1, 1, 4, 6),
        **averages,
    )
    yield row(
        "avg_pool2d-inside",
        ("sum", "windows"),
        lambda x: F.avg_pool2d(x, (2, 3), (1, 2), (1, 1), False, False),
        lambda x: np_pool(mean_inside, x, (2, 3), (1, 2), (1, 1), False),
        (1, 1, 3, 4),
        **averages,
    )
    yield row(
        "avg_pool2d-divisor",
        ("sum", "windows"),
        lambda x: F.avg_pool2d(x, 2, 1, divisor_override=3),
        lambda x: np_pool(lambda seen, _: seen.sum((-2, -1)) / 3, x, (2, 2), (1, 1), (0, 0), False),
        (1, 3, 3),
        **averages,
    )
    yield row(
        "avg_pool1d",
        ("sum", "windows"),
        lambda x: F.avg_pool1d(x, 2, 1),
        lambda x: (x[..., 1:] + x[..., :-1]) / 2,
        (2, 2, 5),
        **averages,
    )
    yield row(
        "adaptive_avg_pool2d",
        ("sum", "gather"),
        lambda x: F.adaptive_avg_pool2d(x, (3, None)),
        lambda x: np_adaptive(x, (3, 4)),
        (1, 2, 5, 4),
        **averages,
    )
    yield row(
        "adaptive_avg_pool2d-global",
        ("sum",),
        lambda x: F.adaptive_avg_pool2d(x, 1),
        lambda x: np_adaptive(x, (1, 1)),
        (2, 3, 4),
        **averages,
    )
    how = ((2, 3), (1, 2), (1, 0), 1)
    yield row(
        "unfold",
        ("windows",),
        lambda x: F.unfold(x, (2, 3), padding=(1, 0), stride=(1, 2)),
        lambda x: np_unfold(x, *how),
        (2, 2, 3, 5),
        rtol=0,
    )
    yield row(
        "fold",
        ("overlap_add",),
        lambda x: F.fold(x, (3, 5), (2, 3), padding=(1, 0), stride=(1, 2)),
        lambda x: np_fold(x, (3, 5), *how),
        (2, 12, 8),
    )
    yield row(
        "fold-apart",
        ("overlap_add",),
        lambda x: F.fold(x, (5, 4), 2, stride=(3, 2)),
        lambda x: np_fold(x, (5, 4), (2, 2), (3, 2), (0, 0), 1),
        (1, 4, 4),
    )
    yield row(
        "fold-dilated",
        ("overlap_add",),
        lambda x: F.fold(x, (6, 5), 2, dilation=(3, 2), stride=(2, 1)),
        lambda x: _dilated_fold(x),
        (1, 4, 6),
    )


def _unpooled(x: Any, d: int, kernel: tuple) -> Any:
    """Return the largest value of every window where it was, and zeros elsewhere."""
    values, places = getattr(F, f"max_pool{d}d")(x, kernel, return_indices=True)
    return getattr(F, f"max_unpool{d}d")(values, places, kernel)


def _kept(x: np.ndarray, kernel: tuple) -> np.ndarray:
    best = np_pool_any(np.max, x, kernel, kernel)
    for axis, k in enumerate(kernel, 2):
        best = np.repeat(best, k, axis)
    return np.where(x == best, x, 0)


def _dilated_fold(x: np.ndarray) -> np.ndarray:
    """Return a fold with a dilation of its own for each axis, as a transposed convolution."""
    parts = x.reshape(1, 4, 2, 3)
    filters = np.eye(4, dtype=x.dtype).reshape(4, 1, 2, 2)
    return np_conv_transpose(parts, filters, None, (2, 1), (0, 0), (0, 0), (3, 2))


def _interpolations() -> Iterator[Row]:
    def row(id: str, ops: tuple, shape: tuple, sizes: tuple, mode: str, **how: Any) -> Row:
        dtypes = NO_BOOLS if mode.startswith("nearest") else FLOATS
        references = {
            "bicubic": lambda x: np_cubic(x, sizes),
            "area": lambda x: np_even(np.mean, x, sizes),
        }
        return Row(
            f"interpolate-{id}",
            ops,
            lambda x: F.interpolate(x, mode=mode, **how),
            references.get(
                mode, lambda x: np_interpolate(x, sizes, mode, how.get("align_corners", False))
            ),
            (Arg(shape),),
            dtypes=dtypes,
            rtol=1e-5,
            public=("interpolate",),
        )

    box = (1, 2, 3, 4)
    yield row("nearest", ("broadcast_to",), box, (6, 12), "nearest", scale_factor=(2, 3))
    yield row("nearest-size", ("gather", "slice"), box, (2, 5), "nearest", size=(2, 5))
    yield row("bilinear", ("gather",), box, (5, 8), "bilinear", size=(5, 8))
    corners = {"size": (5, 2), "align_corners": True}
    yield row("corners", ("gather",), box, (5, 2), "bilinear", **corners)
    yield row("linear", ("gather",), (2, 1, 5), (3,), "linear", size=3)
    volume = (1, 1, 2, 3, 2)
    yield row("trilinear", ("gather",), volume, (3, 2, 4), "trilinear", size=(3, 2, 4))
    yield row("nearest-3d", ("gather",), volume, (2, 4, 3), "nearest", size=(2, 4, 3))
    yield row("exact", ("gather",), box, (5, 7), "nearest-exact", size=(5, 7))
    yield row("bicubic", ("gather",), box, (5, 3), "bicubic", size=(5, 3))
    yield row("area", ("sum",), volume, (1, 2, 2), "area", size=(1, 2, 2))
