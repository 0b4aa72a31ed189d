"""Rows of the ops that move elements, or only the view of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import wgrad as wg

from .row import ALL, FLOATS, Arg, Row


def movement() -> Iterator[Row]:
    box = Arg((2, 3, 4))

    def row(id: str, op: str, call: Any, reference: Any, *args: Arg, **more: Any) -> Row:
        more.setdefault("dtypes", ALL)
        more.setdefault("rtol", 0)
        more.setdefault("atol", 0)
        return Row(id, (op,), call, reference, args or (box,), **more)

    yield row("alias", "alias", lambda x: +x, np.copy, public=())
    yield row("copy", "copy", lambda x: x.copy(), np.copy, public=())
    yield row(
        "broadcast_to",
        "broadcast_to",
        lambda x: wg.broadcast_to(x, (2, 3, 4)),
        lambda x: np.broadcast_to(x, (2, 3, 4)),
        Arg((3, 1)),
        public=("broadcast_to",),
    )
    yield row(
        "permute_dims",
        "permute_dims",
        lambda x: wg.permute_dims(x, (1, 2, 0)),
        lambda x: np.transpose(x, (1, 2, 0)),
        public=("permute_dims",),
    )
    yield row(
        "transpose",
        "permute_dims",
        lambda x: wg.transpose(x, 0, -1),
        lambda x: np.swapaxes(x, 0, -1),
        public=("transpose",),
    )
    yield row(
        "matrix_transpose",
        "permute_dims",
        wg.matrix_transpose,
        np.matrix_transpose,
        public=("matrix_transpose",),
    )
    yield row(
        "slice", "slice", lambda x: x[1:, ::-2, 1:4:2], lambda x: x[1:, ::-2, 1:4:2], public=()
    )
    yield row("index", "slice", lambda x: x[-1, :, 2], lambda x: x[-1, :, 2], public=())
    yield row(
        "flip",
        "slice",
        lambda x: wg.flip(x, (0, 2)),
        lambda x: np.flip(x, (0, 2)),
        public=("flip",),
    )
    yield row(
        "reshape",
        "reshape",
        lambda x: wg.reshape(x, (4, -1)),
        lambda x: np.reshape(x, (4, -1)),
        public=("reshape",),
    )
    yield row(
        "view",
        "reshape",
        lambda x: wg.view(x, (2, 1, -1, 4)),  # a view of any layout
        lambda x: np.reshape(x, (2, 1, 3, 4)),
        public=("view",),
    )
    yield row(
        "reshape-of-a-transpose",
        "reshape",
        lambda x: wg.reshape(wg.permute_dims(x, (2, 0, 1)), (6, 4)),
        lambda x: np.reshape(np.transpose(x, (2, 0, 1)), (6, 4)),
        public=(),
    )
    yield row(
        "flatten",
        "reshape",
        lambda x: wg.flatten(x, 1),
        lambda x: x.reshape(2, 12),
        public=("flatten",),
    )
    yield row(
        "expand_dims",
        "reshape",
        lambda x: wg.expand_dims(x, -2),
        lambda x: np.expand_dims(x, -2),
        public=("expand_dims",),
    )
    yield row(
        "squeeze",
        "reshape",
        lambda x: wg.squeeze(x, 1),
        lambda x: np.squeeze(x, 1),
        Arg((3, 1, 2)),
        public=("squeeze",),
    )
    yield row(
        "moveaxis",
        "permute_dims",
        lambda x: wg.moveaxis(x, (0, -1), (1, 0)),
        lambda x: np.moveaxis(x, (0, -1), (1, 0)),
        public=("moveaxis",),
    )
    yield row(
        "expand_dims-twice",
        "reshape",
        lambda x: wg.expand_dims(x, (0, -1)),
        lambda x: np.expand_dims(x, (0, -1)),
    )
    yield row(
        "broadcast_arrays",
        "broadcast_to",
        lambda x, y: wg.concat(wg.broadcast_arrays(x, y)),
        lambda x, y: np.concatenate(np.broadcast_arrays(x, y)),
        Arg((3, 1)),
        Arg((1, 2)),
        grad=(0, 1),
        public=("broadcast_arrays",),
    )
    yield row(
        "broadcast_shapes",
        "broadcast_to",
        lambda x: wg.broadcast_to(x, wg.broadcast_shapes(x.shape, (2, 1), 3)),
        lambda x: np.broadcast_to(x, (2, 3)),
        Arg((1, 3)),
        public=("broadcast_shapes",),
    )
    for indexing in ("xy", "ij"):
        yield row(
            f"meshgrid-{indexing}",
            "broadcast_to",
            lambda x, y, indexing=indexing: wg.stack(wg.meshgrid(x, y, indexing=indexing)),
            lambda x, y, indexing=indexing: np.stack(np.meshgrid(x, y, indexing=indexing)),
            Arg((3,)),
            Arg((2,)),
            grad=(0, 1),
            public=("meshgrid",),
        )
    yield row(
        "pad",
        "embed",
        lambda x: wg.pad(x, ((1, 0), (0, 2)), value=1),
        lambda x: np.pad(x, ((1, 0), (0, 2)), constant_values=1),
        Arg(),
        public=("pad",),
    )
    for mode in ("edge", "reflect", "symmetric", "wrap"):
        yield row(
            f"pad-{mode}",
            "concat",
            lambda x, mode=mode: wg.pad(x, ((0, 0), (2, 1)), mode),
            lambda x, mode=mode: np.pad(x, ((0, 0), (2, 1)), mode),
            Arg(),
        )
    yield row(
        "pad-far",
        "gather",  # of so many pieces
        lambda x: wg.pad(x, ((0, 0), (7, 11)), "reflect"),
        lambda x: np.pad(x, ((0, 0), (7, 11)), "reflect"),
        Arg(),
    )
    for id, shift, axis in (("roll", (1, -1), (0, 2)), ("roll-flat", 7, None)):
        yield row(
            id,
            "concat",
            lambda x, shift=shift, axis=axis: wg.roll(x, shift, axis),
            lambda x, shift=shift, axis=axis: np.roll(x, shift, axis),
            public=("roll",),
        )
    yield row(
        "tile",
        "broadcast_to",
        lambda x: wg.tile(x, (2, 1, 3)),
        lambda x: np.tile(x, (2, 1, 3)),
        Arg(),
        public=("tile",),
    )
    for id, op, repeats in (("repeat", "broadcast_to", 3), ("repeat-each", "concat", [2, 0, 3, 1])):
        yield row(
            id,
            op,
            lambda x, repeats=repeats: wg.repeat(x, repeats, 2),
            lambda x, repeats=repeats: np.repeat(x, repeats, 2),
            public=("repeat",),
        )
    yield row(
        "split",
        "slice",
        lambda x: wg.split(x, [1, 3], -1)[1],
        lambda x: np.split(x, [1, 3], -1)[1],
        public=("split",),
    )
    yield row(
        "unstack",
        "slice",
        lambda x: wg.stack(wg.unstack(x, 1)[::-1]),
        lambda x: np.stack([x[:, i] for i in (2, 1, 0)]),
        public=("unstack",),
    )
    yield row(
        "diagonal",
        "diagonal",
        lambda x: wg.diagonal(x, 1, 2, 0),
        lambda x: np.diagonal(x, 1, 2, 0),
        Arg((3, 2, 3)),
        public=("diagonal",),
    )
    yield row("diag", "diagonal", lambda x: wg.diag(x, -1), lambda x: np.diag(x, -1), Arg((3, 4)))
    yield row(
        "diag-of-a-vector",
        "embed_diagonal",
        lambda x: wg.diag(x, 2),
        lambda x: np.diag(x, 2),
        Arg((3,)),
        public=("diag",),
    )
    yield row(
        "diag_embed",
        "embed_diagonal",
        lambda x: wg.diag_embed(x, -1, 0, 2),
        lambda x: np.moveaxis(np.array([np.diag(row, -1) for row in x]), 1, 0),
        Arg((2, 3)),
        public=("diag_embed",),
    )
    yield row(
        "unfold-method",
        "windows",
        lambda x: x.unfold(1, 2, 1),
        lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, 1),
        Arg((2, 4, 2)),
        public=(),
    )
    for name in ("tril", "triu"):
        yield row(
            name,
            "where",
            lambda x, name=name: getattr(wg, name)(x, 1),
            lambda x, name=name: getattr(np, name)(x, 1),
            Arg((2, 4, 3)),
            public=(name,),
        )
    three = (Arg((2, 3)), Arg((2, 1)), Arg((2, 4)))
    yield row(
        "concat",
        "concat",
        lambda *xs: wg.concat(xs, axis=1),
        lambda *xs: np.concatenate(xs, axis=1),
        *three,
        grad=(0, 1, 2),
        public=("concat",),
    )
    yield row(
        "stack",
        "concat",
        lambda *xs: wg.stack(xs, axis=-1),
        lambda *xs: np.stack(xs, axis=-1),
        Arg(),
        Arg(),
        grad=(0, 1),
        public=("stack",),
    )
    yield row(
        "to_device",
        "to_device",
        lambda x: _there_and_back(x),
        np.copy,
        public=(),
    )
    for target in ALL:
        reference = np.dtype("float64" if target in FLOATS else target)
        yield row(
            f"astype-{target}",
            "astype",
            lambda x, target=target: x.astype(target),
            lambda x, reference=reference: x.astype(reference),
            Arg(low=0.0, high=9.0, integers=(0, 9)),
            dtypes=tuple(d for d in ALL if d != target),
            result=lambda dtype, target=target: target,
            grad=(0,) if target == "float32" else (),
            rtol=1e-6 if target in FLOATS else 0,
            public=(),
        )


def _there_and_back(x: wg.Tensor) -> wg.Tensor:
    """Move a tensor to another device, where there is one for its dtype, and back."""
    here = x.device
    if here.name == "numpy":
        # A second NumPy device takes the place of the GPU, so that this runs everywhere.
        from wgrad.backends.numpy import NumpyDevice

        return x.to(NumpyDevice()).to(here)
    return x.to("numpy").to(here)
