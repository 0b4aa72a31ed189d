"""Activations, losses, noise and layers that PyTorch has: its values, NumPy's, bad input."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch_modules import agree, starts_alike

import wgrad as wg
from wgrad import nn
from wgrad.errors import ArgumentError, IndexRangeError, ShapeError
from wgrad.nn import functional as F

RNG = np.random.default_rng(0)
X, Y, Z = RNG.standard_normal((3, 4, 6))
SIGNS = np.sign(RNG.standard_normal((4, 6)))
IMAGE, VOLUME = RNG.standard_normal((3, 6, 4, 4)), RNG.standard_normal((2, 3, 4, 4, 4))
COUNTS = RNG.integers(0, 5, (4, 6)).astype(float)
LABELS = np.array([[3, 0, -1, 2, 1, 1], [5, -1, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5], [-1] * 6])
BAGS = np.array([[1, 8, 3], [0, 5, 5]])
WEIGHT = RNG.uniform(0.5, 2, 6)
FORMS = RNG.standard_normal((3, 6, 6))
AROUND = np.pad(IMAGE**2, ((0, 0), (1, 1), (0, 0), (0, 0)))  # squares, and no channels beside


def weight_of(nn_: Any) -> Any:
    return (
        wg.tensor(WEIGHT, "float64") if nn_ is nn else pytest.importorskip("torch").tensor(WEIGHT)
    )


# (the name, what makes it, its inputs, and by how many of them it is differentiated)
Case = tuple[str, Callable[[Any], Any], list[np.ndarray], int]
CASES: list[Case] = [
    ("Hardshrink", lambda nn: nn.Hardshrink(), [X], 1),
    ("Softshrink", lambda nn: nn.Softshrink(0.3), [X], 1),
    ("Tanhshrink", lambda nn: nn.Tanhshrink(), [X], 1),
    ("Threshold", lambda nn: nn.Threshold(0.1, 2.0), [X], 1),
    ("Softmax2d", lambda nn: nn.Softmax2d(), [IMAGE], 1),
    ("Bilinear", lambda nn: nn.Bilinear(6, 6, 3), [X, Y], 2),
    ("MarginRankingLoss", lambda nn: nn.MarginRankingLoss(margin=0.3), [X, Y, SIGNS], 2),
    ("SoftMarginLoss", lambda nn: nn.SoftMarginLoss(reduction="sum"), [X, SIGNS], 1),
    ("PoissonNLLLoss", lambda nn: nn.PoissonNLLLoss(full=True), [X, COUNTS], 1),
    ("PoissonNLLLoss", lambda nn: nn.PoissonNLLLoss(log_input=False), [np.abs(X), COUNTS], 1),
    ("TripletMarginLoss", lambda nn: nn.TripletMarginLoss(), [X, Y, Z], 3),
    (
        "TripletMarginLoss",
        lambda nn: nn.TripletMarginLoss(margin=2.0, p=1, swap=True, reduction="none"),
        [X, Y, Z],
        3,
    ),
    (
        "TripletMarginWithDistanceLoss",
        lambda nn: nn.TripletMarginWithDistanceLoss(swap=True),
        [X, Y, Z],
        3,
    ),
    (
        "MultiLabelSoftMarginLoss",
        lambda nn: nn.MultiLabelSoftMarginLoss(weight=weight_of(nn)),
        [X, (SIGNS + 1) / 2],
        1,
    ),
    ("MultiLabelMarginLoss", lambda nn: nn.MultiLabelMarginLoss(), [X, LABELS], 1),
    (
        "MultiLabelMarginLoss",
        lambda nn: nn.MultiLabelMarginLoss(reduction="none"),
        [X[0], LABELS[0]],
        1,
    ),
    ("LPPool1d", lambda nn: nn.LPPool1d(2, 2), [np.abs(IMAGE[0])], 1),
    ("LPPool2d", lambda nn: nn.LPPool2d(3.0, (2, 3), 1, True), [np.abs(IMAGE)], 1),
    ("LPPool3d", lambda nn: nn.LPPool3d(2, 2), [VOLUME], 1),
    ("LocalResponseNorm", lambda nn: nn.LocalResponseNorm(3, 0.1, 0.7, 2.0), [IMAGE], 1),
    ("LocalResponseNorm", lambda nn: nn.LocalResponseNorm(2), [VOLUME], 1),
    *(
        (
            f"InstanceNorm{d}d",
            lambda nn, d=d, n=n: getattr(nn, f"InstanceNorm{d}d")(
                n, affine=True, track_running_stats=True
            ),
            [x],
            1,
        )
        for d, n, x in ((1, 6, IMAGE[..., 0]), (2, 6, IMAGE), (3, 3, VOLUME))
    ),
    ("InstanceNorm2d", lambda nn: nn.InstanceNorm2d(6), [IMAGE[0]], 1),
    *(
        ("EmbeddingBag", lambda nn, m=mode: nn.EmbeddingBag(9, 4, mode=m), inputs, 0)
        for mode in ("sum", "mean", "max")
        for inputs in ([BAGS], [BAGS.ravel(), np.array([0, 2, 2])])
    ),
    ("Unflatten", lambda nn: nn.Unflatten(1, (2, 3)), [X], 1),
    ("Unfold", lambda nn: nn.Unfold(2, 1, 1, 2), [IMAGE], 1),
    ("Fold", lambda nn: nn.Fold((3, 3), 2), [RNG.standard_normal((2, 8, 4))], 1),
    ("ChannelShuffle", lambda nn: nn.ChannelShuffle(3), [IMAGE], 1),
    ("CosineSimilarity", lambda nn: nn.CosineSimilarity(), [X, Y], 2),
    ("PairwiseDistance", lambda nn: nn.PairwiseDistance(keepdim=True), [X, Y], 2),
    ("UpsamplingNearest2d", lambda nn: nn.UpsamplingNearest2d(scale_factor=2), [IMAGE], 1),
    ("UpsamplingBilinear2d", lambda nn: nn.UpsamplingBilinear2d((5, 7)), [IMAGE], 1),
    ("AvgPool3d", lambda nn: nn.AvgPool3d(3, 2, 1, True, False, 5), [VOLUME], 1),
    ("AvgPool3d", lambda nn: nn.AvgPool3d((2, 1, 3), (1, 2, 2), ceil_mode=True), [VOLUME], 1),
    ("MaxPool3d", lambda nn: nn.MaxPool3d(2, (1, 2, 1), 1, (2, 1, 1), False, True), [VOLUME], 1),
    ("Conv3d", lambda nn: nn.Conv3d(3, 6, (1, 3, 2), (1, 2, 1), 1, (2, 1, 1), 3), [VOLUME], 1),
    ("Conv3d", lambda nn: nn.Conv3d(3, 2, 3, padding="same", bias=False), [VOLUME[0]], 1),
    *(
        (
            f"Conv{x.ndim - 2}d",
            lambda nn, m=mode, x=x, p=pads: getattr(nn, f"Conv{x.ndim - 2}d")(
                x.shape[1], 2, 2, padding=p, padding_mode=m
            ),
            [x],
            1,
        )
        for mode, pads, x in (
            ("reflect", 2, IMAGE[..., 0]),
            ("circular", (1, 2), IMAGE),
            ("replicate", "same", VOLUME),
            ("reflect", "valid", IMAGE),
        )
    ),
]
IDS = [f"{i}-{c[0]}" for i, c in enumerate(CASES)]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_modules_are_pytorchs(case: Case, numpy_device):
    torch = pytest.importorskip("torch")
    name, make, inputs, count = case
    modes = (True, False) if "Instance" in name else (True,)
    agree(torch, make, inputs, differentiated=count, modes=modes)
    assert repr(make(nn)).startswith(f"{name}(")


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.sqrt(((x - y + 1e-6) ** 2).sum(-1))


def by_pairs() -> float:
    """Return the multilabel margin loss of X and LABELS, by its definition."""
    total = 0.0
    for x, labels in zip(X, LABELS, strict=True):
        named = list(labels[: list(labels).index(-1)] if -1 in labels else labels)
        others = [i for i in range(6) if i not in named]
        total += sum(relu(1 - (x[i] - x[j])) for i in named for j in others) / 6
    return total / 4


# (ours, what NumPy computes)
VALUES: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {
    "hardshrink": (lambda x, y: F.hardshrink(x), np.where(np.abs(X) > 0.5, X, 0)),
    "softshrink": (lambda x, y: F.softshrink(x), np.sign(X) * relu(np.abs(X) - 0.5)),
    "tanhshrink": (lambda x, y: F.tanhshrink(x), X - np.tanh(X)),
    "threshold": (lambda x, y: F.threshold(x, 0.2, -3.0), np.where(X > 0.2, X, -3)),
    "rrelu": (lambda x, y: F.rrelu(x), np.where(X > 0, X, X * (1 / 8 + 1 / 3) / 2)),
    "pairwise_distance": (lambda x, y: F.pairwise_distance(x, y), distance(X, Y)),
    "pdist": (
        lambda x, y: F.pdist(x),
        [distance(X[i], X[j] + 1e-6) for i in range(4) for j in range(i + 1, 4)],
    ),
    "margin_ranking": (
        lambda x, y: F.margin_ranking_loss(x, y, SIGNS, margin=0.5),
        relu(0.5 - SIGNS * (X - Y)).mean(),
    ),
    "soft_margin": (lambda x, y: F.soft_margin_loss(x, SIGNS), np.log1p(np.exp(-SIGNS * X)).mean()),
    "poisson": (lambda x, y: F.poisson_nll_loss(x, COUNTS), (np.exp(X) - COUNTS * X).mean()),
    "triplet": (
        lambda x, y: F.triplet_margin_loss(x, y, Z),
        relu(distance(X, Y) - distance(X, Z) + 1).mean(),
    ),
    "multilabel": (lambda x, y: F.multilabel_margin_loss(x, LABELS), by_pairs()),
    "response": (
        lambda x, y: F.local_response_norm(wg.tensor(IMAGE, "float64"), 3, 0.5),
        IMAGE / (1 + 0.5 / 3 * sum(AROUND[:, i : i + 6] for i in range(3))) ** 0.75,
    ),
    "shuffle": (
        lambda x, y: F.channel_shuffle(wg.tensor(IMAGE, "float64"), 2),
        IMAGE[:, [0, 3, 1, 4, 2, 5]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_values_are_those_of_the_formulas(name: str, numpy_device):
    ours, expected = VALUES[name]
    x, y = (wg.tensor(v, "float64") for v in (X, Y))
    np.testing.assert_allclose(ours(x, y).numpy(), expected, rtol=1e-10, atol=1e-12)


SCORES = RNG.standard_normal((5, 3, 4))
TOKENS, TIMES, COUNTED = np.array([[1, 2], [3, 3], [2, 0]]), [5, 4, 3], [2, 2, 1]


def by_paths(scores: np.ndarray, labels: list[int]) -> float:
    """Return the CTC loss of one sequence: the sum over every path that collapses to the labels."""
    total = 0.0
    for path in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        kept = [c for c, _ in itertools.groupby(path)]
        if [c for c in kept if c] == labels:
            total += np.exp(sum(scores[t, c] for t, c in enumerate(path)))
    return -np.log(total)


def test_ctc_is_the_sum_over_all_paths(device):
    scores = SCORES - np.log(np.exp(SCORES).sum(-1, keepdims=True))
    expected = [
        by_paths(scores[:t, i], TOKENS[i, :n].tolist())
        for i, (t, n) in enumerate(zip(TIMES, COUNTED, strict=True))
    ]
    x = wg.tensor(scores.astype("f"))
    loss = F.ctc_loss(x, TOKENS, TIMES, COUNTED, reduction="none")
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-5)
    line = [1, 2, 3, 3, 2]
    np.testing.assert_allclose(
        nn.CTCLoss()(x, line, TIMES, COUNTED).item(),
        np.mean(np.array(expected) / COUNTED),
        rtol=1e-5,
    )
    assert F.ctc_loss(x[:2], [[1, 1]] * 3, [2] * 3, [2] * 3, reduction="sum").item() == np.inf
    for call in (
        lambda: F.ctc_loss(x, TOKENS, [6, 4, 3], COUNTED),
        lambda: F.ctc_loss(x, TOKENS, TIMES, [3, 2, 1]),
        lambda: F.ctc_loss(x, TOKENS + 9, TIMES, COUNTED),
        lambda: F.ctc_loss(x, line[1:], TIMES, COUNTED),
        lambda: F.ctc_loss(x, TOKENS, TIMES, COUNTED, blank=4),
    ):
        with pytest.raises((ArgumentError, IndexRangeError, ShapeError)):
            call()


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_ctc_is_pytorchs(reduction: str, numpy_device):
    torch = pytest.importorskip("torch")
    for zero, times in ((True, [5, 1, 3]), (False, TIMES)):
        x = wg.tensor(SCORES, "float64", requires_grad=True)
        y = torch.tensor(SCORES, requires_grad=True)
        ours = nn.CTCLoss(0, reduction, zero)(wg.log_softmax(x, axis=2), TOKENS, times, COUNTED)
        lengths = torch.tensor(times), torch.tensor(COUNTED)
        theirs = torch.nn.CTCLoss(0, reduction, zero)(
            torch.log_softmax(y, 2), torch.tensor(TOKENS), *lengths
        )
        np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-10)
        ours.sum().backward()
        theirs.sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-8, atol=1e-10)


def test_a_step_of_many_of_them_compiles(device):
    """One of each kind, in one function."""

    def loss(x: wg.Tensor, y: wg.Tensor) -> wg.Tensor:
        near = F.softshrink(F.hardshrink(x), 0.1) + F.tanhshrink(y)
        out = F.soft_margin_loss(near, SIGNS) + F.triplet_margin_loss(x, y, near)
        return out + F.multilabel_margin_loss(near, LABELS) + F.poisson_nll_loss(x, COUNTS)

    def both(x: wg.Tensor, y: wg.Tensor) -> Any:
        return wg.value_and_grad(loss)(x, y)

    x, y = wg.tensor(X.astype("f")), wg.tensor(Y.astype("f"))
    step = wg.compile(both)
    for _ in range(3):
        for a, b in zip(step(x, y), both(x, y), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-6)


def test_channels_are_dropped_whole(device):
    wg.manual_seed(1)
    for d, shape in ((1, (4, 50, 3)), (2, (4, 50, 2, 3)), (3, (4, 50, 2, 1, 3))):
        layer = getattr(nn, f"Dropout{d}d")(0.3)
        x = layer(wg.ones(shape)).numpy().reshape(200, -1)
        assert (x == x[:, :1]).all() and set(np.unique(x)) <= {0, np.float32(1 / 0.7)}
        assert 0.2 < (x[:, 0] == 0).mean() < 0.4
        assert (layer.eval()(wg.ones(shape)) == 1).all()
        assert layer.train()(wg.ones(shape[1:])).shape == shape[1:] if d != 2 else True
    x = wg.randn(200, 40)
    out = nn.AlphaDropout(0.2)(x)
    assert abs(out.mean().item()) < 0.05 and abs(out.numpy().std() - 1) < 0.05
    rows = nn.FeatureAlphaDropout(0.5)(wg.ones((9, 30, 7))).numpy()
    assert (rows == rows[..., :1]).all() and len(np.unique(rows)) == 2


def test_noisy_slopes_and_choices(device):
    wg.manual_seed(1)
    layer = nn.RReLU(0.2, 0.4)
    slopes = -layer(-wg.ones(500)).numpy()
    assert 0.2 <= slopes.min() < 0.22 and 0.38 < slopes.max() < 0.4
    assert (layer(wg.ones(5)) == 1).all() and (layer.eval()(-wg.ones(2)) == -0.3).all()
    odds = np.log(np.array([0.7, 0.2, 0.1], "f"))
    x = wg.tensor(np.tile(odds, (2000, 1)), requires_grad=True)
    hard = F.gumbel_softmax(x, tau=0.5, hard=True)
    assert (hard.sum(axis=1) == 1).all()
    np.testing.assert_allclose(hard.mean(axis=0).numpy(), [0.7, 0.2, 0.1], atol=0.05)
    (hard[:, 0]).sum().backward()
    assert (x.grad[:, 0] > 0).any()
    soft = F.gumbel_softmax(x, generator=wg.Generator(1))
    np.testing.assert_allclose(soft.sum(axis=1).numpy(), 1, rtol=1e-5)
    assert (soft == F.gumbel_softmax(x, generator=wg.Generator(1))).all()


def test_weights_start_as_pytorchs(numpy_device):
    torch = pytest.importorskip("torch")
    for make in (
        lambda nn: nn.Linear(30, 40),
        lambda nn: nn.Bilinear(12, 10, 9),
        lambda nn: nn.Conv3d(4, 10, (3, 2, 2), groups=2),
        lambda nn: nn.ConvTranspose3d(6, 8, 2),
        lambda nn: nn.Embedding(40, 30),
        lambda nn: nn.InstanceNorm2d(5, affine=True),
    ):
        starts_alike(torch, make)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: F.softshrink(x, -1), ArgumentError, "at least 0"),
        (lambda x: F.rrelu(x, 0.5, 0.1), ArgumentError, "lower <= upper"),
        (lambda x: F.gumbel_softmax(x, tau=0), ArgumentError, "more than 0"),
        (lambda x: F.dropout2d(x), ShapeError, "3 or 4 axes"),
        (lambda x: F.margin_ranking_loss(x, x, wg.ones(3)), ShapeError, "equal shapes"),
        (lambda x: F.multilabel_margin_loss(x, LABELS + 9), IndexRangeError, "class"),
        (lambda x: F.multilabel_margin_loss(x, LABELS[:2]), ShapeError, "for both"),
        (lambda x: F.multilabel_soft_margin_loss(x, x, weight=wg.ones(3)), ShapeError, "weight"),
        (lambda x: F.bilinear(x, x, wg.ones((2, 6, 5))), ShapeError, "disagree"),
        (lambda x: F.pdist(x[0]), ShapeError, r"\(n, d\)"),
        (lambda x: F.lp_pool1d(x, 0, 2), ArgumentError, "no root"),
        (lambda x: F.channel_shuffle(wg.ones((1, 3, 2)), 2), ArgumentError, "divide 3"),
        (lambda x: F.local_response_norm(x, 2), ShapeError, "3 axes"),
        (lambda x: nn.InstanceNorm2d(3)(x), ShapeError, "4 axes"),
        (lambda x: nn.Softmax2d()(x), ShapeError, "3 or 4 axes"),
        (lambda x: nn.Unflatten(1, 3), ArgumentError, "integers"),
        (lambda x: nn.MarginRankingLoss(0.5), ArgumentError, "a word"),
    ],
)
def test_bad_calls_say_what_is_needed(call, error, words, numpy_device):
    with pytest.raises(error, match=words):
        call(wg.tensor(X.astype("f")))


def test_inplace_of_pytorch_is_taken_and_writes_nowhere(numpy_device):
    x = wg.tensor(X)
    for make in (nn.ReLU, nn.SELU, nn.ELU, nn.Dropout, nn.Dropout2d, nn.RReLU, nn.Hardswish):
        layer = make(inplace=True)
        assert repr(layer) == repr(make())
        layer(x[:, :, None])
        assert (x == wg.tensor(X)).all()
    assert repr(nn.LeakyReLU(0.2, True)) == "LeakyReLU(negative_slope=0.2)"
    for make in (nn.ReLU, nn.SELU):
        with pytest.raises(ArgumentError, match="True or False"):
            make(inplace=3)
