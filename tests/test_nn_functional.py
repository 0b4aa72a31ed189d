"""Functions of networks: PyTorch's numbers, large inputs, state, compiled runs, bad arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from wgrad.nn import functional as F

RNG = np.random.default_rng(0)
LABELS, PADDED = np.array([3, 0, 2, 1, 3]), np.array([3, 0, -100, 1, 3])
WEIGHT = np.array([0.3, 0.9, 0.5, 0.7])
SHARES = RNG.dirichlet(np.ones(4), 5)
MASK = np.array([[1, 0, 1, 1], [0, 0, 0, 0], [0, 1, 0, 1]], bool)
SCORES = RNG.standard_normal((5, 4))
QKV = [RNG.standard_normal(shape) for shape in ((2, 3, 5), (2, 4, 5), (2, 4, 6))]

# (name, the call with `F` ours or PyTorch's and `t` what makes a tensor, inputs)
CASES: list[tuple[str, Callable[..., Any], list[np.ndarray]]] = []
for reduction in ("mean", "sum", "none"):
    for target in (LABELS, PADDED, SHARES):
        for smoothing in (0.0, 0.2):
            for weight in (None, WEIGHT):
                CASES.append(
                    (
                        "cross_entropy",
                        lambda F, t, x, y=target, w=weight, s=smoothing, r=reduction: (
                            F.cross_entropy(x, t(y), reduction=r, label_smoothing=s, weight=t(w))
                        ),
                        [SCORES],
                    )
                )
    for target in (LABELS, PADDED):
        CASES.append(
            (
                "nll_loss",
                lambda F, t, x, y=target, r=reduction: F.nll_loss(
                    x, t(y), reduction=r, weight=t(WEIGHT)
                ),
                [SCORES],
            )
        )
for causal, mask in ((True, None), (False, None), (False, MASK)):
    CASES.append(
        (
            "attention",
            lambda F, t, q, k, v, c=causal, m=mask: F.scaled_dot_product_attention(
                q, k, v, t(m), is_causal=c
            ),
            QKV,
        )
    )
POINTS = np.array([-1e4, -20, -3, -1, -0.5, -0.0, 0, 0.5, 1, 3, 6, 20, 1e4])
for name in [
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "softplus",
    "mish",
    "hardtanh",
    "relu6",
    "hardsigmoid",
    "hardswish",
    "logsigmoid",
]:
    CASES.append((name, lambda F, t, x, name=name: getattr(F, name)(x), [POINTS]))
CASES.append(("gelu-tanh", lambda F, t, x: F.gelu(x, approximate="tanh"), [POINTS]))
CASES.append(
    (
        "embedding",
        lambda F, t, w: F.embedding(t(np.array([[0, 2], [1, 2]])), w, padding_idx=-2),
        [SCORES[:4]],
    )
)


@pytest.mark.parametrize(
    ("call", "arrays"), [c[1:] for c in CASES], ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)]
)
def test_values_and_gradients_are_pytorchs(call: Callable, arrays: list, numpy_device):
    torch = pytest.importorskip("torch")
    ours = [wg.tensor(x, "float64", requires_grad=True) for x in arrays]
    theirs = [torch.tensor(x, requires_grad=True) for x in arrays]

    def mine(x: Any) -> Any:
        return x if x is None else wg.tensor(x, "float64" if x.dtype.kind == "f" else None)

    out = call(F, mine, *ours)
    expected = call(torch.nn.functional, lambda x: x if x is None else torch.tensor(x), *theirs)
    np.testing.assert_allclose(out.numpy(), expected.detach().numpy(), rtol=1e-6, atol=1e-9)
    ct = np.random.default_rng(1).standard_normal(tuple(expected.shape))
    out.backward(wg.tensor(ct, "float64"))
    expected.backward(torch.tensor(ct))
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-6, atol=1e-9)


LARGE: list[tuple[str, Callable]] = [
    ("cross_entropy", lambda x: F.cross_entropy(x, [0, 2])),
    ("bce", lambda x: F.binary_cross_entropy_with_logits(x, wg.ones_like(x))),
    ("huber", lambda x: F.huber_loss(x, -x.detach())),
    ("margin", lambda x: F.multi_margin_loss(x, [0, 2])),
    ("layer_norm", lambda x: F.layer_norm(x, 3).square().sum()),
    ("normalize", lambda x: F.normalize(x).square().sum()),
    ("attention", lambda x: F.scaled_dot_product_attention(x, x, x).sum()),
    *[
        (n, lambda x, n=n: getattr(F, n)(x).sum())
        for n in ("gelu", "silu", "mish", "elu", "softplus", "logsigmoid")
    ],
]


@pytest.mark.parametrize("call", [c for _, c in LARGE], ids=[n for n, _ in LARGE])
def test_large_inputs_give_finite_values_and_slopes_also_compiled(call: Callable, device):
    x = wg.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4 - 1]])
    value, slope = wg.value_and_grad(call)(x)
    assert np.isfinite(value.item()) and np.isfinite(slope.numpy()).all()
    compiled, again = wg.compile(wg.value_and_grad(call))(x)
    np.testing.assert_allclose(compiled.numpy(), value.numpy(), rtol=1e-6)
    np.testing.assert_allclose(again.numpy(), slope.numpy(), rtol=1e-5, atol=1e-7)


def test_cross_entropy_keeps_the_digits_of_a_small_loss_of_large_logits(device):
    low = F.cross_entropy(wg.tensor([[0.0, 1.0, 2.0]]), [2]).item()
    assert F.cross_entropy(wg.tensor([[10000.0, 10001.0, 10002.0]]), [2]).item() == low


def test_compiled_cross_entropy_meets_ignored_and_wrong_labels_later(device):
    f = wg.compile(lambda x, y: F.cross_entropy(x, y))
    x = wg.tensor(SCORES)
    for labels in (LABELS, LABELS, PADDED, LABELS, PADDED):
        expected = F.cross_entropy(x, labels).item()
        assert f(x, wg.tensor(labels)).item() == pytest.approx(expected, rel=1e-6)
    with pytest.raises(IndexRangeError, match="label 4"):
        f(x, wg.tensor([4, -100, 0, 0, 0]))
    with pytest.raises(IndexRangeError, match="label -1 "):
        f(x, wg.tensor([-1, -100, 0, 0, 0]))


@pytest.mark.parametrize("compiled", [False, True])
def test_batch_norm_moves_the_running_statistics(compiled: bool, device):
    data = np.float32(RNG.standard_normal((4, 3, 2)))
    middle, spread = wg.zeros(3), wg.ones(3)

    def f(x: wg.Tensor) -> wg.Tensor:
        return F.batch_norm(x, middle, spread, training=True)

    step = wg.compile(f) if compiled else f
    expected = np.zeros(3), np.ones(3)
    for k in (1, 2, 3):
        step(wg.tensor(data * k))
        found = (data * k).mean((0, 2)), (data * k).var((0, 2), ddof=1)
        expected = tuple(0.9 * e + 0.1 * s for e, s in zip(expected, found, strict=True))
    np.testing.assert_allclose(middle.numpy(), expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(spread.numpy(), expected[1], rtol=1e-5)


def test_normalizing_writes_nothing_before_all_is_checked(device):
    x, middle = wg.tensor(RNG.standard_normal((4, 3, 2))), wg.zeros(3)
    nan = wg.tensor(float("nan"))
    bad: list[tuple[str, type[Exception], Any, Any]] = [
        ("running_var is int32", DTypeError, wg.ones(3, dtype="int32"), 0.1),
        ("running_var is an expanded view", ShapeError, wg.broadcast_to(wg.ones(1), (3,)), 0.1),
        ("running_var .*needed", ShapeError, wg.ones(2), 0.1),
        ("running_var is list", DTypeError, [1.0, 1.0, 1.0], 0.1),
        ("momentum=nan", ArgumentError, wg.ones(3), nan.numpy()),
        ("momentum=an array", ArgumentError, wg.ones(3), wg.ones(3)),
    ]
    for name in ("batch_norm", "instance_norm"):
        for words, error, spread, momentum in bad:
            with pytest.raises(error, match=f"{name}: {words}"):
                getattr(F, name)(x, middle, spread, None, None, True, momentum)
        with pytest.raises(DTypeError, match="running_mean is int32"):
            getattr(F, name)(x, wg.ones(3, dtype="int32"), wg.ones(3), None, None, False)
    assert middle.tolist() == [0, 0, 0]
    with pytest.raises(ArgumentError, match="BatchNorm1d: momentum=nan"):
        wg.nn.BatchNorm1d(3, momentum=float("nan"))


@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 3, 0), (0, 3, 0)], ids=str)
def test_statistics_of_no_samples_move_nothing(shape: tuple, device):
    for f in (F.instance_norm, lambda x, m, v: F.batch_norm(x, m, v, training=True)):
        middle, spread = wg.ones(3), wg.ones(3)
        assert f(wg.zeros(shape), middle, spread).shape == shape
        assert middle.tolist() == spread.tolist() == [1, 1, 1]


def test_dropout_scales_what_it_keeps_and_follows_the_seed(device):
    x = wg.ones(4000, requires_grad=True)
    out = F.dropout(x, 0.25, generator=wg.Generator(1))
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), out.numpy())
    assert set(np.unique(out.numpy())) == {0.0, np.float32(4 / 3)}
    assert abs(out.numpy().mean() - 1) < 0.05
    again = F.dropout(x, 0.25, generator=wg.Generator(1))
    np.testing.assert_array_equal(again.numpy(), out.numpy())
    assert F.dropout(x, 0.25, training=False) is x
    assert F.dropout(x, 1.0).sum().item() == 0


@pytest.mark.parametrize("compiled", [False, True])
def test_gaussian_nll_loss_lifts_a_variance_that_is_too_small(compiled: bool, device):
    torch = pytest.importorskip("torch")
    var = np.array([0.0, 1e-9, 2.0**-10, 0.5, np.nan], np.float32)
    x, y = np.float32([0.001, 0.3, 0.02, 1, 1]), np.zeros(5, np.float32)

    def f(v: wg.Tensor) -> wg.Tensor:
        return F.gaussian_nll_loss(wg.tensor(x), y, v, reduction="sum", eps=2.0**-10)

    slope = wg.compile(wg.grad(f)) if compiled else wg.grad(f)
    theirs = torch.tensor(var, requires_grad=True)
    torch.nn.functional.gaussian_nll_loss(
        torch.tensor(x), torch.tensor(y), theirs, reduction="sum", eps=2.0**-10
    ).backward()
    np.testing.assert_allclose(slope(wg.tensor(var)).numpy(), theirs.grad.numpy(), rtol=1e-5)


@pytest.mark.parametrize("beta", [1e-300, 1e-46, 1e-40, 1e-30])
def test_smooth_l1_loss_with_a_tiny_beta_is_l1_loss(beta: float, device):
    x, zeros = wg.tensor([3e-9, -2.0, 0.0]), np.zeros(3)
    f = wg.value_and_grad(lambda x: F.smooth_l1_loss(x, zeros, "sum", beta=beta))
    for value, slope in (f(x), wg.compile(f)(x)):
        assert value.item() == np.float32(2 + 3e-9)
        np.testing.assert_array_equal(slope.numpy(), [1, -1, 0])


def test_slopes_at_a_margin_are_pytorchs(device):
    torch = pytest.importorskip("torch")
    cases: list[tuple[Callable, list]] = [
        (lambda F, t, x, y: F.cosine_embedding_loss(x, y, t([-1.0])), [[[1.0, 0]], [[0, 1.0]]]),
        (lambda F, t, x: F.hinge_embedding_loss(x, t([-1.0, -1])), [[1.0, 1.5]]),
        (lambda F, t, x: F.multi_margin_loss(x, t([0])), [[[1.0, 0]]]),
    ]
    for call, arrays in cases:
        ours = [wg.tensor(x, requires_grad=True) for x in arrays]
        theirs = [torch.tensor(x, requires_grad=True) for x in arrays]
        call(F, wg.tensor, *ours).backward()
        call(torch.nn.functional, torch.tensor, *theirs).backward()
        for x, y in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-6)


X = np.ones((2, 4), np.float32)
BAD: list[tuple[str, type[Exception], Callable]] = [
    ("p=1.5", ArgumentError, lambda x: F.dropout(x, 1.5)),
    ("reduction", ArgumentError, lambda x: F.l1_loss(x, x, "avg")),
    ("equal shapes", ShapeError, lambda x: F.huber_loss(x, x[0])),
    ("do not divide", ShapeError, lambda x: F.group_norm(x, 3)),
    ("does not end", ShapeError, lambda x: F.layer_norm(x, 3)),
    ("label 4", IndexRangeError, lambda x: F.nll_loss(x, [0, 4])),
    ("integer dtype", DTypeError, lambda x: F.nll_loss(x, [0.0, 1.0])),
    ("4 classes", ShapeError, lambda x: F.cross_entropy(x, [0, 1], weight=[1.0])),
    ("embedding: index 2 is", IndexRangeError, lambda x: F.embedding([0, 2], x)),
    ("embedding: index -1 is", IndexRangeError, lambda x: F.embedding(wg.tensor([[-1]]), x, 0)),
    ("embedding: .*float32", DTypeError, lambda x: F.embedding(x, x)),
    ("padding_idx 2", IndexRangeError, lambda x: F.embedding([0], x, 2)),
    (
        "only one",
        ArgumentError,
        lambda x: F.scaled_dot_product_attention(x, x, x, X[:, :2], 0, True),
    ),
    ("disagree", ShapeError, lambda x: F.scaled_dot_product_attention(x, x[:, :3], x)),
    ("one value", ShapeError, lambda x: F.batch_norm(x[:1], None, None, training=True)),
    ("running_mean", ArgumentError, lambda x: F.batch_norm(x, None, None)),
    ("approximate", ArgumentError, lambda x: F.gelu(x, "erf")),
    ("less than", ArgumentError, lambda x: F.hardtanh(x, 1, 1)),
    ("1 or 2", ArgumentError, lambda x: F.multi_margin_loss(x, [0, 1], p=3)),
]


FLOATS: dict[str, Callable] = {  # FUNCTION-OPTION, given a number
    "leaky_relu-negative_slope": lambda x, v: F.leaky_relu(x, v),
    "elu-alpha": lambda x, v: F.elu(x, v),
    "celu-alpha": lambda x, v: F.celu(x, v),
    "softplus-beta": lambda x, v: F.softplus(x, v),
    "softplus-threshold": lambda x, v: F.softplus(x, 1.0, v),
    "hardtanh-min_val": lambda x, v: F.hardtanh(x, v, 1.0),
    "hardtanh-max_val": lambda x, v: F.hardtanh(x, 0, v),
    "huber_loss-delta": lambda x, v: F.huber_loss(x, x, delta=v),
    "smooth_l1_loss-beta": lambda x, v: F.smooth_l1_loss(x, x, beta=v),
    "gaussian_nll_loss-eps": lambda x, v: F.gaussian_nll_loss(x, x, x, eps=v),
    "hinge_embedding_loss-margin": lambda x, v: F.hinge_embedding_loss(x, x, margin=v),
    "cosine_embedding_loss-margin": lambda x, v: F.cosine_embedding_loss(x, x, [1, 1], margin=v),
    "multi_margin_loss-margin": lambda x, v: F.multi_margin_loss(x, [0, 1], margin=v),
    "multi_margin_loss-p": lambda x, v: F.multi_margin_loss(x, [0, 1], p=v),
    "cross_entropy-label_smoothing": lambda x, v: F.cross_entropy(x, [0, 1], label_smoothing=v),
    "normalize-p": lambda x, v: F.normalize(x, v),
    "normalize-eps": lambda x, v: F.normalize(x, eps=v),
    "cosine_similarity-eps": lambda x, v: F.cosine_similarity(x, x, eps=v),
    "layer_norm-eps": lambda x, v: F.layer_norm(x, 4, eps=v),
    "rms_norm-eps": lambda x, v: F.rms_norm(x, 4, eps=v),
    "group_norm-eps": lambda x, v: F.group_norm(x, 2, eps=v),
    "batch_norm-eps": lambda x, v: F.batch_norm(x, None, None, training=True, eps=v),
    "batch_norm-momentum": lambda x, v: F.batch_norm(x, None, None, training=True, momentum=v),
    "dropout-p": lambda x, v: F.dropout(x, v),
    "scaled_dot_product_attention-dropout_p": lambda x, v: F.scaled_dot_product_attention(
        x, x, x, dropout_p=v
    ),
    "scaled_dot_product_attention-scale": lambda x, v: F.scaled_dot_product_attention(
        x, x, x, scale=v
    ),
    "interpolate-scale_factor": lambda x, v: F.interpolate(x[None], scale_factor=v),
    "avg_pool2d-divisor_override": lambda x, v: F.avg_pool2d(x[None], 2, divisor_override=v),
}


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("value", [10**400, -(10**5000), "a", [[1.0]], X], ids=range(5))
def test_what_is_no_float_is_named(name: str, value: Any, numpy_device):
    function, option = name.split("-")
    with pytest.raises(ArgumentError, match=f"{function}: .*{option}=") as found:
        FLOATS[name](wg.tensor(X), value)
    assert len(str(found.value)) < 200


FLAGS: dict[str, Callable] = {
    "scaled_dot_product_attention-is_causal": lambda x, v: F.scaled_dot_product_attention(
        x, x, x, is_causal=v
    ),
    "batch_norm-training": lambda x, v: F.batch_norm(x, x[0], x[0], training=v),
    "instance_norm-use_input_stats": lambda x, v: F.instance_norm(
        x[:, None], x[0, :1], x[0, :1], use_input_stats=v
    ),
    "dropout-training": lambda x, v: F.dropout(x, training=v),
    "gaussian_nll_loss-full": lambda x, v: F.gaussian_nll_loss(x, x, x, v),
    "kl_div-log_target": lambda x, v: F.kl_div(x, x, log_target=v),
    "max_pool1d-ceil_mode": lambda x, v: F.max_pool1d(x, 2, ceil_mode=v),
    "avg_pool1d-count_include_pad": lambda x, v: F.avg_pool1d(x, 2, count_include_pad=v),
    "interpolate-align_corners": lambda x, v: F.interpolate(
        x[None], 3, mode="linear", align_corners=v
    ),
    "interpolate-recompute_scale_factor": lambda x, v: F.interpolate(
        x[None], scale_factor=2, recompute_scale_factor=v
    ),
    "MultiheadAttention-is_causal": lambda x, v: wg.nn.MultiheadAttention(4, 1)(
        x, x, x, is_causal=v
    ),
}


@pytest.mark.parametrize("name", FLAGS)
def test_flags_are_bools(name: str, numpy_device):
    function, option = name.split("-")
    x = wg.tensor(X)
    for value in (1, "no", X, np.array(True), wg.tensor(True), wg.tensor(X), float("nan")):
        with pytest.raises(ArgumentError, match=f"{function}: {option}="):
            FLAGS[name](x, value)
    for value in (True, np.False_):
        FLAGS[name](x, value)


LAYERS: dict[str, Callable] = {
    "MaxPool2d: kernel_size=-1": lambda nn: nn.MaxPool2d(-1),
    "MaxPool2d: stride=0": lambda nn: nn.MaxPool2d(2, 0),
    "MaxPool2d: padding": lambda nn: nn.MaxPool2d(2, padding=2),
    "MaxPool2d: ceil_mode=2": lambda nn: nn.MaxPool2d(2, ceil_mode=2),
    "AvgPool2d: kernel_size='x'": lambda nn: nn.AvgPool2d("x"),
    "AvgPool2d: divisor_override=0": lambda nn: nn.AvgPool2d(2, divisor_override=0),
    "AvgPool2d: count_include_pad": lambda nn: nn.AvgPool2d(2, count_include_pad="x"),
    "AdaptiveAvgPool2d: output_size=-3": lambda nn: nn.AdaptiveAvgPool2d(-3),
    "AdaptiveAvgPool2d: output_size=": lambda nn: nn.AdaptiveAvgPool2d((1, 2, 3)),
    "Upsample: either size": lambda nn: nn.Upsample(),
    "Upsample: size=": lambda nn: nn.Upsample((2, 0)),
    "Upsample: scale_factor=": lambda nn: nn.Upsample(scale_factor=-1),
    "Upsample: mode": lambda nn: nn.Upsample(2, mode="cubic"),
    "Flatten: axis 'x'": lambda nn: nn.Flatten("x"),
    "BatchNorm2d: momentum=inf": lambda nn: nn.BatchNorm2d(2, momentum=float("inf")),
    "PReLU: init=an integer": lambda nn: nn.PReLU(1, 10**400),
    "Dropout: p=2": lambda nn: nn.Dropout(2),
}


@pytest.mark.parametrize("words", LAYERS)
def test_layers_are_checked_when_they_are_made(words: str, numpy_device):
    with pytest.raises((ArgumentError, ShapeError), match=words):
        LAYERS[words](wg.nn)


def test_numbers_and_generators_of_other_kinds(numpy_device):
    x = wg.tensor(RNG.standard_normal((2, 4)))
    np.testing.assert_array_equal(F.group_norm(x, np.int64(2)).numpy(), F.group_norm(x, 2).numpy())
    for groups in (0, 2.0, True, "a"):
        with pytest.raises(ArgumentError, match="group_norm: num_groups="):
            F.group_norm(x, groups)
    with pytest.raises(ArgumentError, match="attention: generator=7"):
        F.scaled_dot_product_attention(x, x, x, generator=7)
    with pytest.raises(ArgumentError, match="dropout: generator=7"):
        F.dropout(x, 0.0, generator=7)


@pytest.mark.parametrize(("words", "error", "call"), BAD, ids=[b[0] for b in BAD])
def test_bad_arguments_are_named(words: str, error: type, call: Callable, device):
    with pytest.raises(error, match=words):
        call(wg.tensor(X))
