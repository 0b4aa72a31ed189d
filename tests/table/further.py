"""Rows of further functions that networks are made of: losses, thresholds, distances, sampling."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

import wgrad as wg
from wgrad.nn import functional as F

from .row import FLOATS, Arg, Row, away, distinct

SIGNS = np.array([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0]])


def further() -> Iterator[Row]:
    def row(name: str, op: str, call: Any, reference: Any, *args: Arg, **more: Any) -> Row:
        options = {"dtypes": FLOATS, "rtol": 2e-5, "atol": 2e-6} | more
        options = {"grad": tuple(range(len(args))), "public": (name,)} | options
        covers = options.pop("covers", (op,))
        return Row(name, covers, call, reference, args, **options)

    one, signed = (Arg(),), SIGNS.tolist()
    yield row(
        "hardshrink", "where", F.hardshrink, lambda x: np.where(np.abs(x) <= 0.5, 0, x), *one,
        smooth=away(0.5, -0.5),
    )  # fmt: skip
    yield row(
        "softshrink", "clamp", F.softshrink,
        lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0), *one, smooth=away(0.5, -0.5),
    )  # fmt: skip
    yield row("tanhshrink", "tanh", F.tanhshrink, lambda x: x - np.tanh(x), *one)
    yield row(
        "threshold", "where", lambda x: F.threshold(x, 0.25, -3.0),
        lambda x: np.where(x <= 0.25, -3, x), *one, smooth=away(0.25),
    )  # fmt: skip
    yield row(
        "rrelu", "where", F.rrelu, lambda x: np.where(x > 0, x, x * (1 / 8 + 1 / 3) / 2), *one,
        smooth=away(0), covers=(),
    )  # fmt: skip
    yield row(
        "soft_margin_loss", "logsigmoid", lambda x: F.soft_margin_loss(x, signed),
        lambda x: np.log1p(np.exp(-SIGNS * x)).mean(), *one,
    )  # fmt: skip
    yield row(
        "margin_ranking_loss", "relu", lambda a, b: F.margin_ranking_loss(a, b, signed, margin=5.0),
        lambda a, b: np.maximum(0, 5 - SIGNS * (a - b)).mean(), Arg(), Arg(),
        covers=(),
    )  # fmt: skip
    yield row(
        "poisson_nll_loss", "exp", lambda x: F.poisson_nll_loss(x, [[0.0, 2.0, 5.0]] * 2),
        lambda x: (np.exp(x) - np.array([0, 2, 5]) * x).mean(), *one,
    )  # fmt: skip
    yield row(
        "multilabel_soft_margin_loss", "logsigmoid",
        lambda x: F.multilabel_soft_margin_loss(x, (np.array(SIGNS) > 0).tolist()),
        lambda x: np.log1p(np.exp(-SIGNS * x)).mean(), *one,
    )  # fmt: skip
    yield row(
        "multilabel_margin_loss", "relu",
        lambda x: F.multilabel_margin_loss(x * 0.2, [[0, 2, -1], [1, -1, 0]], "none"),
        lambda x: np.array([
            sum(
                np.maximum(0, 1 - 0.2 * (a[i] - a[j]))
                for i in own for j in range(3) if j not in own
            ) / 3
            for a, own in zip(x, ([0, 2], [1]), strict=True)
        ]),
        *one,
    )  # fmt: skip

    def far(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.sqrt(((a - b + 1e-6) ** 2).sum(-1))

    three = Arg(), Arg(low=3.0, high=5.0), Arg(low=-5.0, high=-3.0)
    for name in ("triplet_margin_loss", "triplet_margin_with_distance_loss"):
        yield row(
            name, "relu",
            lambda a, b, c, name=name: getattr(F, name)(a, b, c, margin=30.0),
            lambda a, b, c: np.maximum(0, far(a, b) - far(a, c) + 30).mean(), *three,
            covers=(),
        )  # fmt: skip
    yield row("pairwise_distance", "sqrt", F.pairwise_distance, far, *three[:2], covers=())
    yield row(
        "pdist", "sqrt", F.pdist,
        lambda x: np.array([
            np.sqrt(((a - b) ** 2).sum()) for a, b in itertools.combinations(x, 2)
        ]),
        Arg((3, 2)), covers=(), smooth=distinct,
    )  # fmt: skip
    channels = Arg((2, 4, 2))
    yield row(
        "channel_shuffle", "permute_dims", lambda x: F.channel_shuffle(x, 2),
        lambda x: x[:, [0, 2, 1, 3]], channels,
    )  # fmt: skip
    yield row(
        "local_response_norm", "square", lambda x: F.local_response_norm(x, 3, 0.3, 0.75, 2.0),
        lambda x: x / (2 + 0.1 * sum(np.pad(x * x, ((0, 0), (1, 1), (0, 0)))[:, i : i + 4]
                                     for i in range(3))) ** 0.75,
        channels, covers=(),
    )  # fmt: skip
    image = Arg((1, 2, 4, 4), 0.25, 2.0)
    yield row(
        "lp_pool2d", "expand", lambda x: F.lp_pool2d(x, 3, 2),
        lambda x: (x.reshape(1, 2, 2, 2, 2, 2) ** 3).sum((3, 5)) ** (1 / 3), image, covers=(),
    )  # fmt: skip
    yield row(
        "embedding_bag", "gather", lambda w: F.embedding_bag([[0, 2], [1, 1]], w),
        lambda w: np.stack([(w[0] + w[2]) / 2, w[1]]), Arg((3, 2)), covers=(),
    )  # fmt: skip
    yield row(
        "bilinear", "multiply", F.bilinear,
        lambda a, b, w: np.einsum("bn,knm,bm->bk", a, w, b), Arg(), Arg((2, 2)), Arg((4, 3, 2)),
    )  # fmt: skip
    yield row(
        "ctc_loss", "exp", lambda x: F.ctc_loss(wg.log_softmax(x, 2), [[1, 2]], [3], [2], 0, "sum"),
        _aligned, Arg((3, 1, 3)), covers=(),
    )  # fmt: skip
    places = [[[[-0.7, 0.1], [0.35, -0.6]]]]
    yield row(
        "grid_sample", "gather", lambda x: F.grid_sample(x, wg.tensor(places, x.dtype)),
        lambda x: _seen(x, np.array(places)), image,
    )  # fmt: skip
    yield row(
        "affine_grid", "matmul", lambda t: F.affine_grid(t, (1, 1, 2, 2)),
        lambda t: np.stack([
            np.stack([t[0] @ np.array([a, b, 1]) for a in (-0.5, 0.5)]) for b in (-0.5, 0.5)
        ])[None],
        Arg((1, 2, 3)),
    )  # fmt: skip


def _aligned(x: np.ndarray) -> np.ndarray:
    """Return -log of the sum over all timings that read 1, 2 once repeats and blanks are gone."""
    share = np.exp(x[:, 0]) / np.exp(x[:, 0]).sum(1, keepdims=True)
    total = 0.0
    for path in itertools.product(range(3), repeat=3):
        if [k for k, _ in itertools.groupby(path) if k] == [1, 2]:
            total += np.prod([share[t, k] for t, k in enumerate(path)])
    return np.array(-np.log(total))


def _seen(x: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return an image between its elements, by the weights of all of them."""
    h, w = x.shape[2:]
    column, line = (((grid[..., i] + 1) * n - 1) / 2 for i, n in ((0, w), (1, h)))
    across = np.maximum(0, 1 - np.abs(column[..., None] - np.arange(w)))
    down = np.maximum(0, 1 - np.abs(line[..., None] - np.arange(h)))
    return np.einsum("nchw,nijh,nijw->ncij", x, down, across)
