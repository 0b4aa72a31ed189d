"""Recurrent networks: NumPy's and PyTorch's values, gradients and names, compiled, bad input."""

from __future__ import annotations

import copy
import itertools
import pickle
from typing import Any

import numpy as np
import pytest
from torch_modules import agree, starts_alike

import wgrad as wg
from wgrad import nn
from wgrad.errors import ArgumentError, ShapeError

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 3, 5))  # time, samples, features
KINDS = ("RNN", "GRU", "LSTM")
OPTIONS: list[dict[str, Any]] = [
    {},
    {"num_layers": 2, "bidirectional": True},
    {"num_layers": 2, "bias": False, "batch_first": True},
]
CASES = [(kind, options) for kind in KINDS for options in OPTIONS]
CASES += [
    ("RNN", {"nonlinearity": "relu"}),
    ("LSTM", {"proj_size": 2, "num_layers": 2, "bidirectional": True}),
]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def stepped(kind: str, state: dict, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple:
    """Return the next (h, c), by the formulas of the docstrings in NumPy."""
    wi, wh, bi, bh = (state[f"{n}_l0"] for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    if kind == "RNN":
        return np.tanh(x @ wi.T + bi + h @ wh.T + bh), c
    if kind == "GRU":
        xr, xz, xn = np.split(x @ wi.T + bi, 3, -1)
        hr, hz, hn = np.split(h @ wh.T + bh, 3, -1)
        n = np.tanh(xn + sigmoid(xr + hr) * hn)
        z = sigmoid(xz + hz)
        return (1 - z) * n + z * h, c
    i, f, g, o = np.split(x @ wi.T + bi + h @ wh.T + bh, 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def by_hand(kind: str, state: dict, h: np.ndarray, c: np.ndarray) -> tuple:
    outs = []
    for x in X:
        h, c = stepped(kind, state, x, h, c)
        outs.append(h)
    return np.stack(outs), h, c


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_and_states_are_those_of_the_formulas(kind: str, numpy_device):
    net = getattr(nn, kind)(5, 4, seed=3).double()
    state = {name: x.numpy() for name, x in net.state_dict().items()}
    h, c = RNG.standard_normal((2, 1, 3, 4))
    given = (wg.tensor(h, "float64"), wg.tensor(c, "float64"))
    out, last = net(wg.tensor(X, "float64"), given if kind == "LSTM" else given[0])
    expected = by_hand(kind, state, h[0], c[0])
    np.testing.assert_allclose(out.numpy(), expected[0], rtol=1e-10)
    for found, wanted in zip(last if kind == "LSTM" else (last,), expected[1:], strict=False):
        np.testing.assert_allclose(found.numpy()[0], wanted, rtol=1e-10)
    cell = getattr(nn, f"{kind}Cell")(5, 4).double()
    cell.load_state_dict({name.removesuffix("_l0"): x for name, x in state.items()})
    states: Any = given if kind == "LSTM" else given[0]
    states = (states[0][0], states[1][0]) if kind == "LSTM" else states[0]
    for x in X:
        states = cell(wg.tensor(x, "float64"), states)
    found = states[0] if kind == "LSTM" else states
    np.testing.assert_allclose(found.numpy(), expected[1], rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_slopes(kind: str, numpy_device):
    net = getattr(nn, kind)(2, 2, bidirectional=True, seed=1).double()
    x = wg.tensor(X[:3, :2, :2], "float64", requires_grad=True)
    params = {name: p.detach() for name, p in net.named_parameters()}
    names = ("weight_ih_l0", "weight_hh_l0_reverse", "bias_hh_l0")

    def loss(x: wg.Tensor, *some: wg.Tensor) -> wg.Tensor:
        given = {**params, **dict(zip(names, some, strict=True))}
        return (wg.functional_call(net, given, x)[0] ** 2).sum()

    inputs = [params[name].copy().requires_grad_() for name in names]
    assert wg.gradcheck(loss, [x, *inputs])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_networks_are_pytorchs(case: tuple, numpy_device):
    torch = pytest.importorskip("torch")
    kind, options = case

    def make(nn: Any) -> Any:
        return getattr(nn, kind)(5, 4, **options)

    n = X.shape[1 - options.get("batch_first", False)]
    rows = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    h = RNG.standard_normal((rows, n, options.get("proj_size") or 4))
    agree(torch, make, [X], modes=[True])
    if kind == "LSTM":
        c = RNG.standard_normal((rows, n, 4))
        agree(torch, make, [X, h, c], lambda net, xs: net(xs[0], (xs[1], xs[2])), modes=[False])
    else:
        agree(torch, make, [X, h], modes=[False])


@pytest.mark.parametrize("kind", KINDS)
def test_single_sequences_cells_and_starts_are_pytorchs(kind: str, numpy_device):
    torch = pytest.importorskip("torch")
    agree(torch, lambda nn: getattr(nn, kind)(5, 4, num_layers=2), [X[:, 0]])
    for x in (X[0], X[0, 0]):
        agree(torch, lambda nn: getattr(nn, f"{kind}Cell")(5, 4), [x], modes=[True])
    starts_alike(torch, lambda nn: getattr(nn, kind)(12, 20, 2, bidirectional=True))
    starts_alike(torch, lambda nn: getattr(nn, f"{kind}Cell")(12, 20, bias=False))


def test_dropout_is_between_layers_and_in_training_alone(numpy_device):
    nets = [nn.GRU(5, 4, num_layers=n, dropout=1.0, seed=2) for n in (1, 2)]
    x = wg.tensor(X.astype("f"))
    one, two = nets
    assert (one(x)[0] == nn.GRU(5, 4, seed=2)(x)[0]).all()
    zeros = two(x)[0]
    assert not (zeros == two.eval()(x)[0]).any()
    assert (zeros == two.train()(x * 2)[0]).all()  # of the first layer nothing is left


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_steps_are_what_they_are_plain(kind: str, device):
    plain = getattr(nn, kind)(5, 4, seed=5)
    traced = copy.deepcopy(plain)
    x = wg.tensor(X[:2].astype("f"))

    def step_of(net: nn.Module) -> Any:
        def step(x: wg.Tensor) -> wg.Tensor:
            net.zero_grad()
            loss = (net(x)[0] ** 2).mean()
            loss.backward()
            with wg.no_grad():
                for p in net.parameters():
                    p -= 0.1 * p.grad
            return loss

        return step

    eager, compiled = step_of(plain), wg.compile(step_of(traced))
    for _ in range(3):
        np.testing.assert_allclose(compiled(x).item(), eager(x).item(), rtol=1e-5)


def test_networks_pickle_and_say_what_they_are(numpy_device):
    net = nn.LSTM(5, 4, 2, bidirectional=True, proj_size=3, seed=1)
    again = pickle.loads(pickle.dumps(net))
    x = wg.tensor(X.astype("f"))
    assert again(x)[0].tolist() == net(x)[0].tolist()
    assert repr(net) == "LSTM(5, 4, num_layers=2, bidirectional=True, proj_size=3)"
    assert repr(nn.RNNCell(2, 3, False, "relu")) == "RNNCell(2, 3, bias=False, nonlinearity='relu')"
    assert list(nn.RNN(5, 4).state_dict()) == [
        *("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    ]
    same = [nn.GRU(5, 4, seed=7).state_dict() for _ in range(2)]
    for a, b in itertools.pairwise(same):
        assert all((a[name] == b[name]).all() for name in a)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: nn.RNN(5, 4)(x[..., :3]), ShapeError, r"\(4, 3, 3\) came.*the last of 5"),
        (lambda x: nn.GRU(5, 4)(x[:0]), ShapeError, "no steps"),
        (lambda x: nn.GRU(5, 4)(x, wg.zeros((1, 3, 5))), ShapeError, r"\(1, 3, 4\) is needed"),
        (lambda x: nn.LSTM(5, 4)(x, wg.zeros((1, 3, 4))), ArgumentError, "a pair"),
        (lambda x: nn.LSTM(5, 4, proj_size=4), ArgumentError, "less than hidden_size=4"),
        (lambda x: nn.RNN(5, 4, nonlinearity="elu"), ArgumentError, '"tanh" or "relu"'),
        (lambda x: nn.RNN(5, 4, dropout=2), ArgumentError, "from 0 to 1"),
        (lambda x: nn.LSTMCell(5, 4)(x), ShapeError, "1 or 2 axes"),
    ],
)
def test_bad_calls_say_what_is_needed(call, error, words, numpy_device):
    with pytest.raises(error, match=words):
        call(wg.ones((4, 3, 5)))
