"""Modules over the functions of networks: PyTorch's numbers and names, state, compiled runs."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn
from wgrad.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from wgrad.nn import functional as F

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 6))
IMAGE = RNG.standard_normal((3, 6, 2, 2))
VOLUME = RNG.standard_normal((2, 2, 3, 4, 3))
Y = RNG.standard_normal((4, 6))
SHARES = RNG.uniform(0.1, 0.9, (4, 6))
SIGNS = np.array([1.0, -1, 1, -1])
LABELS = np.array([0, 5, 2, -100])
WEIGHT = np.array([0.5, 1.0, 2.0, 0.3, 0.7, 1.1])
TOKENS = np.array([[0, 3], [3, 1]])
QUERY, MEMORY = RNG.standard_normal((3, 2, 4)), RNG.standard_normal((5, 2, 4))

# (the class's name, what makes it from `nn` and from `t`, which makes a tensor, and its inputs)
Case = tuple[str, Callable[[Any, Callable], Any], list[np.ndarray]]
CASES: list[Case] = [
    *(
        (name, lambda nn, t, name=name: getattr(nn, name)(), [X * 3])
        for name in (
            *("ReLU", "ReLU6", "LeakyReLU", "ELU", "CELU", "SELU", "GELU", "SiLU", "Mish"),
            *("Softplus", "Sigmoid", "LogSigmoid", "Tanh", "Hardtanh", "Hardsigmoid"),
            *("Hardswish", "PReLU", "Softsign"),
        )
    ),
    ("LeakyReLU", lambda nn, t: nn.LeakyReLU(0.3), [X]),
    ("GELU", lambda nn, t: nn.GELU(approximate="tanh"), [X]),
    ("Softmax", lambda nn, t: nn.Softmax(1), [X]),
    ("LogSoftmax", lambda nn, t: nn.LogSoftmax(0), [X]),
    ("Softmin", lambda nn, t: nn.Softmin(1), [X]),
    ("GLU", lambda nn, t: nn.GLU(1), [X]),
    ("PReLU", lambda nn, t: nn.PReLU(6, 0.5), [X]),
    ("LayerNorm", lambda nn, t: nn.LayerNorm(6), [X]),
    ("LayerNorm", lambda nn, t: nn.LayerNorm((2, 2), elementwise_affine=False), [IMAGE]),
    ("LayerNorm", lambda nn, t: nn.LayerNorm(6, bias=False), [X]),
    ("RMSNorm", lambda nn, t: nn.RMSNorm(6), [X]),
    ("GroupNorm", lambda nn, t: nn.GroupNorm(3, 6), [IMAGE]),
    ("GroupNorm", lambda nn, t: nn.GroupNorm(3, 6, bias=False), [IMAGE]),
    ("BatchNorm1d", lambda nn, t: nn.BatchNorm1d(6), [X]),
    ("BatchNorm1d", lambda nn, t: nn.BatchNorm1d(6, bias=False), [X]),
    ("BatchNorm3d", lambda nn, t: nn.BatchNorm3d(2), [VOLUME]),
    ("MaxPool1d", lambda nn, t: nn.MaxPool1d(3, 2, 1), [IMAGE[..., 0]]),
    ("MaxPool3d", lambda nn, t: nn.MaxPool3d((1, 2, 2), 1), [VOLUME]),
    ("AvgPool1d", lambda nn, t: nn.AvgPool1d(3, 2, 1), [X]),
    ("AvgPool3d", lambda nn, t: nn.AvgPool3d(2, 1, 1, False, False), [VOLUME]),
    ("AdaptiveAvgPool1d", lambda nn, t: nn.AdaptiveAvgPool1d(4), [X]),
    ("AdaptiveAvgPool3d", lambda nn, t: nn.AdaptiveAvgPool3d((2, None, 1)), [VOLUME]),
    ("AdaptiveMaxPool1d", lambda nn, t: nn.AdaptiveMaxPool1d(4), [X]),
    ("AdaptiveMaxPool2d", lambda nn, t: nn.AdaptiveMaxPool2d((1, 3)), [VOLUME[0]]),
    ("AdaptiveMaxPool3d", lambda nn, t: nn.AdaptiveMaxPool3d((2, 2, 3)), [VOLUME]),
    ("Conv3d", lambda nn, t: nn.Conv3d(2, 4, (1, 3, 2), padding=1, groups=2), [VOLUME]),
    ("ConvTranspose3d", lambda nn, t: nn.ConvTranspose3d(2, 1, 2, (1, 2, 2), 1), [VOLUME]),
    ("PixelShuffle", lambda nn, t: nn.PixelShuffle(2), [IMAGE[:, :4]]),
    ("PixelUnshuffle", lambda nn, t: nn.PixelUnshuffle(2), [IMAGE]),
    *(
        (f"{kind}Pad{d}d", lambda nn, t, k=kind, d=d: getattr(nn, f"{k}Pad{d}d")(1), [x])
        for kind in ("Zero", "Reflection", "Replication", "Circular")
        for d, x in ((1, VOLUME[0, 0]), (2, VOLUME[0]))
    ),
    ("ZeroPad3d", lambda nn, t: nn.ZeroPad3d((1, -1, 0, 2, 1, 0)), [VOLUME]),
    ("ConstantPad2d", lambda nn, t: nn.ConstantPad2d((-1, 2, 1, 0), 0.5), [VOLUME[0]]),
    ("Upsample", lambda nn, t: nn.Upsample(size=(4, 3), mode="bicubic"), [IMAGE]),
    ("BatchNorm1d", lambda nn, t: nn.BatchNorm1d(2, momentum=None), [IMAGE[:, :2, 0]]),
    ("BatchNorm2d", lambda nn, t: nn.BatchNorm2d(6, affine=False), [IMAGE]),
    ("BatchNorm2d", lambda nn, t: nn.BatchNorm2d(6, track_running_stats=False), [IMAGE]),
    ("Embedding", lambda nn, t: nn.Embedding(4, 3, padding_idx=-1), [TOKENS]),
    ("Dropout", lambda nn, t: nn.Dropout(0.0), [X]),
    ("MultiheadAttention", lambda nn, t: nn.MultiheadAttention(4, 2), [QUERY, MEMORY, MEMORY]),
    *(
        (name, lambda nn, t, name=name: getattr(nn, name)(), [X, Y])
        for name in ("MSELoss", "L1Loss", "HuberLoss", "SmoothL1Loss")
    ),
    ("MSELoss", lambda nn, t: nn.MSELoss(reduction="sum"), [X, Y]),
    ("HuberLoss", lambda nn, t: nn.HuberLoss(reduction="sum", delta=0.4), [X, Y]),
    ("GaussianNLLLoss", lambda nn, t: nn.GaussianNLLLoss(full=True), [X, Y, SHARES]),
    (
        "CrossEntropyLoss",
        lambda nn, t: nn.CrossEntropyLoss(weight=t(WEIGHT), label_smoothing=0.1),
        [X, LABELS],
    ),
    ("NLLLoss", lambda nn, t: nn.NLLLoss(weight=t(WEIGHT)), [X, LABELS]),
    ("MultiMarginLoss", lambda nn, t: nn.MultiMarginLoss(margin=0.5), [X[:3], LABELS[:3]]),
    ("BCELoss", lambda nn, t: nn.BCELoss(), [SHARES, SHARES.T.reshape(4, 6)]),
    ("BCEWithLogitsLoss", lambda nn, t: nn.BCEWithLogitsLoss(pos_weight=t(WEIGHT)), [X, SHARES]),
    ("KLDivLoss", lambda nn, t: nn.KLDivLoss(reduction="batchmean"), [X, SHARES]),
    ("HingeEmbeddingLoss", lambda nn, t: nn.HingeEmbeddingLoss(margin=0.5), [X[:, 0], SIGNS]),
    ("CosineEmbeddingLoss", lambda nn, t: nn.CosineEmbeddingLoss(margin=0.1), [X, Y, SIGNS]),
]
NAMES = [f"{i}-{c[0]}" for i, c in enumerate(CASES)]


def made(case: Case) -> nn.Module:
    return case[1](nn, lambda x: wg.tensor(x))


def given(case: Case, dtype: str = "float32") -> list[wg.Tensor]:
    return [wg.tensor(x, dtype if x.dtype.kind == "f" else None) for x in case[2]]


def first(out: Any) -> Any:
    return out[0] if isinstance(out, tuple) else out


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_modules_are_pytorchs_in_value_gradient_and_names(case: Case, numpy_device):
    torch = pytest.importorskip("torch")
    ours = made(case).astype("float64")
    theirs = case[1](torch.nn, lambda x: torch.tensor(x)).double()
    state = {n: x.numpy().copy() for n, x in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    for name, x in theirs.named_parameters():  # bias and scale start plain, and would show nothing
        state[name] = state[name] + np.random.default_rng(1).uniform(0.1, 0.9, tuple(x.shape))
    ours.load_state_dict(state)
    theirs.load_state_dict({n: torch.tensor(x) for n, x in state.items()})
    for training in (True, True, False):
        inputs = given(case, "float64")
        others = [torch.tensor(x) for x in case[2]]
        if inputs[0].dtype is wg.float64:
            inputs[0].requires_grad_()
            others[0].requires_grad_()
        ours.train(training).zero_grad()
        theirs.train(training).zero_grad(set_to_none=False)
        out, expected = ours(*inputs), theirs(*others)
        if isinstance(out, tuple):
            np.testing.assert_allclose(out[1].numpy(), expected[1].detach().numpy(), rtol=1e-9)
            out, expected = out[0], expected[0]
        np.testing.assert_allclose(out.numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-12)
        ct = np.random.default_rng(2).standard_normal(tuple(expected.shape))
        out.backward(wg.tensor(ct, "float64"))
        expected.backward(torch.tensor(ct))
        pairs = list(zip(ours.parameters(), theirs.parameters(), strict=True))
        if inputs[0].requires_grad:
            pairs.append((inputs[0], others[0]))
        for x, y in pairs:  # PyTorch's 1 / 6 in the slope of hardsigmoid is a float32
            np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-7, atol=1e-12)
        for name, x in theirs.state_dict().items():
            np.testing.assert_allclose(ours.state_dict()[name].numpy(), x.numpy(), rtol=1e-9)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_modules_round_trip_and_say_what_they_are(case: Case, numpy_device):
    module, inputs = made(case), given(case)
    expected = first(module(*inputs)).tolist()
    for again in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module), made(case)):
        again.load_state_dict(module.state_dict())
        assert repr(again) == repr(module)
        assert first(again(*inputs)).tolist() == expected
    assert repr(module).startswith(f"{case[0]}(")


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_modules_compiled_are_what_they_are_plain(case: Case, device):
    plain = made(case)
    traced = copy.deepcopy(plain)
    inputs = given(case)
    step = wg.compile(lambda *inputs: first(traced(*inputs)))
    for _ in range(2):
        expected = first(plain(*inputs))
        np.testing.assert_allclose(step(*inputs).numpy(), expected.numpy(), rtol=2e-6, atol=1e-7)
    for name, x in plain.state_dict().items():
        np.testing.assert_allclose(
            traced.state_dict()[name].numpy(), x.numpy(), rtol=1e-6, atol=1e-7, err_msg=name
        )


def test_repr_shows_what_was_chosen():
    assert repr(nn.ReLU()) == "ReLU()"
    assert repr(nn.LeakyReLU()) == "LeakyReLU()"
    assert repr(nn.LeakyReLU(0.2)) == "LeakyReLU(negative_slope=0.2)"
    assert repr(nn.Dropout(0.25)) == "Dropout(p=0.25)"
    assert repr(nn.Embedding(4, 3, -1)).startswith("Embedding(4, 3, padding_idx=3\n")
    assert repr(nn.NLLLoss(weight=np.ones(2))) == "NLLLoss(weight=array([1., 1.]))"
    assert "weight: buffer float32 (2,)" in repr(nn.CrossEntropyLoss(weight=wg.ones(2)))


def test_batch_norm_averages_all_batches_without_a_momentum(device):
    layer = nn.BatchNorm1d(6, momentum=None)
    step = wg.compile(lambda x: layer(x))
    for k in (1, 2, 3):
        step(wg.tensor(X * k, "float32"))
    means, variances = X.mean(0), X.var(0, ddof=1)
    np.testing.assert_allclose(layer.running_mean.numpy(), means * 2, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.running_var.numpy(), variances * 14 / 3, rtol=1e-5)
    assert layer.num_batches_tracked.item() == 3
    layer.eval()
    before = layer(wg.tensor(X, "float32"))
    middle, spread = layer.running_mean.numpy(), layer.running_var.numpy()
    expected = (X - middle) / np.sqrt(spread + 1e-5)
    np.testing.assert_allclose(before.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert layer.num_batches_tracked.item() == 3


def test_batch_norm_is_untouched_by_an_empty_or_a_wrong_batch(device):
    layer = nn.BatchNorm1d(2, momentum=None)
    assert layer(wg.zeros((0, 2))).shape == (0, 2)
    with pytest.raises(ShapeError, match="one value a channel"):
        layer(wg.ones((1, 2)))
    assert layer.num_batches_tracked.item() == 0
    assert layer.running_mean.tolist() == [0, 0] and layer.running_var.tolist() == [1, 1]


def test_batch_norm_in_float16_follows_too(numpy_device):
    layer = nn.BatchNorm1d(6, momentum=None).astype("float16")
    layer(wg.tensor(X, "float16"))
    np.testing.assert_allclose(layer.running_mean.numpy(), X.mean(0), atol=5e-3)


def test_states_of_float64_arrays_keep_their_digits(numpy_device):
    layer = nn.PReLU().astype("float64")
    layer.load_state_dict({"weight": np.array([0.1])})
    assert layer.weight.tolist() == [0.1]


def test_dropout_draws_anew_in_every_compiled_call_and_nothing_in_evaluation(device):
    layer = nn.Dropout(0.5, generator=wg.Generator(3))
    other = copy.deepcopy(layer)
    x = wg.ones(64)
    step = wg.compile(lambda x: layer(x))
    drawn = [step(x).tolist() for _ in range(3)]
    assert drawn == [other(x).tolist() for _ in range(3)]
    assert drawn[0] != drawn[1] and set(drawn[0]) == {0.0, 2.0}
    assert layer.eval()(x) is x
    assert step(x).tolist() == x.tolist()


def test_embedding_starts_with_zeros_for_padding_and_the_seeds_numbers(device):
    layer = nn.Embedding(5, 3, padding_idx=1, seed=0)
    assert layer.weight.tolist()[1] == [0, 0, 0] and layer.weight.requires_grad
    plain = nn.Embedding(5, 3, seed=0).weight.tolist()
    assert layer.weight.tolist()[2:] == plain[2:] and plain[1] != [0, 0, 0]
    layer([[1, 2], [2, 0]]).sum().backward()
    assert layer.weight.grad.tolist() == [[1] * 3, [0] * 3, [2] * 3, [0] * 3, [0] * 3]


MASKS = [
    {"attn_mask": np.triu(np.ones((3, 3), bool), 1)},
    {"attn_mask": RNG.standard_normal((4, 3, 3)), "average_attn_weights": False},
    {"key_padding_mask": np.array([[0, 0, 1], [0, 1, 0]], bool), "need_weights": False},
    {
        "key_padding_mask": np.array([[0, 0, -np.inf], [0, -1, 0]]),
        "attn_mask": np.triu(np.full((3, 3), -np.inf), 1),
    },
]


@pytest.mark.parametrize("options", MASKS, ids=[" ".join(m) for m in MASKS])
@pytest.mark.parametrize("batch_first", [False, True])
def test_multihead_attention_masks_as_pytorch(options: dict, batch_first: bool, numpy_device):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.MultiheadAttention(4, 2, batch_first=batch_first).double()
    ours = nn.MultiheadAttention(4, 2, batch_first=batch_first).astype("float64")
    ours.load_state_dict({n: x.numpy() for n, x in theirs.state_dict().items()})
    x = RNG.standard_normal((2, 3, 4) if batch_first else (3, 2, 4))

    def call(module: Any, make: Callable) -> Any:
        chosen = {k: make(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        return module(*[make(x)] * 3, **chosen)

    found, expected = call(ours, wg_tensor), call(theirs, torch.tensor)
    np.testing.assert_allclose(found[0].numpy(), expected[0].detach().numpy(), rtol=1e-9)
    assert (found[1] is None) == (expected[1] is None)
    if found[1] is not None:
        np.testing.assert_allclose(found[1].numpy(), expected[1].detach().numpy(), rtol=1e-9)


MORE_KEYS = [
    {"kdim": 3, "vdim": 5},
    {"add_bias_kv": True},
    {"add_zero_attn": True, "bias": False},
    {"kdim": 3, "add_bias_kv": True, "add_zero_attn": True},
]


@pytest.mark.parametrize("options", MORE_KEYS, ids=[" ".join(m) for m in MORE_KEYS])
def test_multihead_attention_with_other_keys_and_more_of_them_is_pytorchs(options, numpy_device):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.MultiheadAttention(4, 2, batch_first=True, **options).double()
    ours = nn.MultiheadAttention(4, 2, batch_first=True, seed=0, **options).astype("float64")
    shapes = {n: tuple(x.shape) for n, x in theirs.state_dict().items()}
    assert {n: x.shape for n, x in ours.state_dict().items()} == shapes
    ours.load_state_dict({n: x.numpy() for n, x in theirs.state_dict().items()})
    features = 4, options.get("kdim", 4), options.get("vdim", 4)
    given = [RNG.standard_normal((2, n, m)) for n, m in zip((3, 5, 5), features, strict=True)]
    blocked, padding = np.triu(np.ones((3, 5), bool), 2), np.arange(10).reshape(2, 5) % 4 == 0
    for i, masks in enumerate(({}, {"attn_mask": blocked, "key_padding_mask": padding})):
        whole = {"average_attn_weights": not i}
        q, k, v = (torch.tensor(x, requires_grad=True) for x in given)
        turned = {n: torch.tensor(x) for n, x in masks.items()}
        expected, seen = theirs(q, k, v, **turned, **whole)
        mine = [wg.tensor(x, "float64", requires_grad=True) for x in given]
        found, weights = ours(*mine, **masks, **whole)
        np.testing.assert_allclose(found.numpy(), expected.detach().numpy(), rtol=1e-9)
        np.testing.assert_allclose(weights.numpy(), seen.detach().numpy(), rtol=1e-9)
        np.testing.assert_allclose(
            ours(*mine, **masks, need_weights=False)[0].numpy(), found.numpy(), rtol=1e-9
        )
        theirs.zero_grad(), ours.zero_grad()
        expected.square().sum().backward()
        found.square().sum().backward()
        for a, b in zip(mine, (q, k, v), strict=True):
            np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-8, atol=1e-12)
        own = dict(ours.named_parameters())
        for name, p in theirs.named_parameters():
            np.testing.assert_allclose(
                own[name].grad.numpy(), p.grad.numpy(), rtol=1e-8, atol=1e-12, err_msg=name
            )


def wg_tensor(x: np.ndarray) -> wg.Tensor:
    return wg.tensor(x, "float64" if x.dtype.kind == "f" else None)


def test_multihead_attention_is_the_same_with_and_without_weights_and_batch(device):
    layer = nn.MultiheadAttention(4, 2, seed=0)
    x = wg.tensor(QUERY, "float32")
    causal = {"is_causal": True}
    whole, weights = layer(x, x, x, **causal)
    for out in (
        layer(x, x, x, need_weights=False, **causal)[0],
        layer(x, x, x, attn_mask=np.triu(np.ones((3, 3), bool), 1))[0],
        layer(x, x, x, key_padding_mask=np.zeros((2, 3), bool), **causal)[0],
    ):
        np.testing.assert_allclose(out.numpy(), whole.numpy(), rtol=1e-5, atol=1e-6)
    one, of_one = layer(x[:, 0], x[:, 0], x[:, 0], **causal)
    np.testing.assert_allclose(one.numpy(), whole.numpy()[:, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(of_one.numpy(), weights.numpy()[0], rtol=1e-5, atol=1e-6)
    hidden = np.array([False, True, False])
    _, some = layer(x[:, 0], x[:, 0], x[:, 0], key_padding_mask=hidden)
    assert ((some.numpy() == 0) == hidden).all()


def test_multihead_attention_with_dropout_compiled_draws_the_same_numbers(device):
    layer = nn.MultiheadAttention(4, 2, 0.4, seed=0, generator=wg.Generator(5))
    other = copy.deepcopy(layer)
    x = wg.tensor(QUERY, "float32")
    step = wg.compile(lambda x: layer(x, x, x))
    for _ in range(3):
        for found, expected in zip(step(x), other(x, x, x), strict=True):
            np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=2e-6, atol=1e-7)
    assert (other(x, x, x)[1].numpy() == 0).any()
    assert not (other.eval()(x, x, x)[1].numpy() == 0).any()


# Functions under wg.compile: the same numbers, random ones included.
COMPILED: list[tuple[str, Callable[..., wg.Tensor], list[np.ndarray]]] = [
    ("dropout", lambda x: F.dropout(x, 0.3), [X]),
    ("attention", lambda x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.4), [QUERY]),
    (
        "attention causal",
        lambda x: F.scaled_dot_product_attention(x, x, x, None, 0.4, True),
        [QUERY],
    ),
    ("embedding", lambda w, i: F.embedding(i, w, padding_idx=1), [X, TOKENS]),
    *(
        (f"{name} {r}", lambda x, y, name=name, r=r: getattr(F, name)(x, y, r), [X, SHARES])
        for name in (
            *("mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "kl_div"),
            "binary_cross_entropy_with_logits",
        )
        for r in ("mean", "none")
    ),
    ("bce", lambda x, y: F.binary_cross_entropy(y, wg.sigmoid(x)), [X, SHARES]),
    ("gaussian_nll", lambda x, y, v: F.gaussian_nll_loss(x, y, v), [X, Y, SHARES]),
    ("cross_entropy", lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1), [X, LABELS]),
    ("cross_entropy soft", lambda x, y: F.cross_entropy(x, y), [X, SHARES]),
    ("nll_loss", lambda x, y: F.nll_loss(F.log_softmax(x), y), [X, LABELS]),
    ("multi_margin", lambda x, y: F.multi_margin_loss(x, y, p=2), [X[:3], LABELS[:3]]),
    ("hinge", lambda x, y: F.hinge_embedding_loss(x, y), [X[:, 0], SIGNS]),
    ("cosine", lambda x, y, s: F.cosine_embedding_loss(x, y, s, margin=0.1), [X, Y, SIGNS]),
    ("layer_norm dropout", lambda x: F.dropout(F.gelu(F.layer_norm(x, 6)), 0.2), [X]),
]


@pytest.mark.parametrize(
    ("call", "arrays"), [c[1:] for c in COMPILED], ids=[c[0] for c in COMPILED]
)
def test_compiled_composites_are_what_they_are_plain(call: Callable, arrays: list, device):
    inputs = [wg.tensor(x, "float32" if x.dtype.kind == "f" else None) for x in arrays]

    def slopes(*inputs: wg.Tensor) -> Any:
        return wg.value_and_grad(lambda x: (call(x, *inputs[1:]) * 1.5).sum())(inputs[0])

    compiled = wg.compile(slopes)
    found: list[list[np.ndarray]] = []
    for function in (slopes, compiled):
        wg.manual_seed(7)
        runs = [function(*inputs) for _ in range(3)]
        found.append([x.numpy() for run in runs for x in run])
    for plain, other in zip(*found, strict=True):
        np.testing.assert_allclose(other, plain, rtol=1e-5, atol=1e-6)


BAD: list[tuple[str, type[Exception], Callable[[], Any]]] = [
    ("num_features is 0", ArgumentError, lambda: nn.BatchNorm1d(0)),
    ("2 or 3 axes", ShapeError, lambda: nn.BatchNorm1d(2)(wg.ones((2, 2, 2, 2)))),
    ("4 axes", ShapeError, lambda: nn.BatchNorm2d(2)(wg.ones((2, 2)))),
    ("do not divide", ArgumentError, lambda: nn.GroupNorm(4, 6)),
    ("6 channels", ShapeError, lambda: nn.GroupNorm(3, 6)(wg.ones((2, 3)))),
    ("does not end", ShapeError, lambda: nn.LayerNorm(3)(wg.ones((2, 4)))),
    ("p=2", ArgumentError, lambda: nn.Dropout(2)),
    ("Embedding: padding_idx 4", IndexRangeError, lambda: nn.Embedding(4, 2, 4)),
    ("num_parameters is True", ArgumentError, lambda: nn.PReLU(True)),
    ("do not divide embed_dim", ArgumentError, lambda: nn.MultiheadAttention(4, 3)),
    ("the last of 4", ShapeError, lambda: nn.MultiheadAttention(4, 2)(*[wg.ones((2, 3))] * 3)),
    (
        "attn_mask",
        ShapeError,
        lambda: nn.MultiheadAttention(4, 2)(*[wg.ones((2, 1, 4))] * 3, attn_mask=wg.ones((3, 2))),
    ),
    (
        "bool or floats",
        DTypeError,
        lambda: nn.MultiheadAttention(4, 2)(*[wg.ones((2, 1, 4))] * 3, attn_mask=[[1, 0], [0, 1]]),
    ),
    ("reduction", ArgumentError, lambda: nn.MSELoss(reduction="avg")(wg.ones(2), wg.ones(2))),
    ("a word is needed", ArgumentError, lambda: nn.CrossEntropyLoss(wg.ones(2))),
    ("inplace", TypeError, lambda: nn.Softmax(inplace=True)),
]


@pytest.mark.parametrize(("words", "error", "call"), BAD, ids=[b[0] for b in BAD])
def test_bad_arguments_of_modules_are_named(words: str, error: type, call: Callable, numpy_device):
    with pytest.raises(error, match=words):
        call()
