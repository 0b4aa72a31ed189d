"""L-BFGS: against PyTorch's, with and without its line search, saved, refused in compiled steps."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import optim
from wgrad.errors import ArgumentError, DTypeError, ShapeError, TraceError

START = [np.array([-1.2, 1.0]), np.array([[0.7], [-0.4]])]
SETTINGS: list[dict[str, Any]] = [
    {"lr": 0.001},
    {"lr": 0.01, "max_iter": 7, "history_size": 2},
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "max_iter": 5, "history_size": 3},
    {"line_search_fn": "strong_wolfe", "lr": 20.0, "max_eval": 9, "max_iter": 4},
]
each_setting = pytest.mark.parametrize("settings", SETTINGS, ids=str)


def valley(library, params):
    """Rosenbrock's function of all parameters in a row."""
    x = library.concat([p.reshape(-1) for p in params])
    return (100 * (x[1:] - x[:-1] ** 2) ** 2).sum() + ((1 - x[:-1]) ** 2).sum()


def train(library, settings, steps, dtype="float64"):
    if library is wg:
        params = [wg.parameter(x, dtype=dtype) for x in START]
    else:
        params = [library.tensor(x, dtype=library.float64, requires_grad=True) for x in START]
    optimizer = library.optim.LBFGS(params, **settings)

    def closure():
        optimizer.zero_grad()
        loss = valley(library, params)
        loss.backward()
        return loss.detach()

    losses = [float(optimizer.step(closure)) for _ in range(steps)]
    return losses, optimizer, closure, params


@each_setting
def test_lbfgs_is_pytorchs(numpy_device, settings):
    torch = pytest.importorskip("torch")
    losses, mine, closure, params = train(wg, settings, 6)
    others, its, theirs, tensors = train(torch, settings, 6)
    np.testing.assert_allclose(losses, others, rtol=1e-10)
    for p, q in zip(params, tensors, strict=True):
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-9)
    state, other = mine.state_dict(), its.state_dict()
    assert state["state"][0]["func_evals"] == other["state"][0]["func_evals"]
    assert {*state["state"][0]} <= {*other["state"][0]} <= {*state["state"][0], "al"}
    mine.load_state_dict(other)
    assert float(mine.step(closure)) == pytest.approx(float(its.step(theirs)), rel=1e-10)


def test_lbfgs_finds_the_lowest_place(device):
    """Where a quadratic is lowest is known; float32, a compiled closure."""
    a = np.array([[3.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]])
    b = np.array([1.0, -2.0, 0.5])
    w, matrix, vector = wg.parameter(np.zeros(3)), wg.tensor(a), wg.tensor(b)
    optimizer = optim.LBFGS([w], line_search_fn="strong_wolfe")

    @wg.compile
    def closure():
        optimizer.zero_grad()
        loss = (w * (matrix @ w)).sum() / 2 - (w * vector).sum()
        loss.backward()
        return loss.detach()

    for _ in range(2):
        optimizer.step(closure)
    np.testing.assert_allclose(w.numpy(), np.linalg.solve(a, b), rtol=1e-4)
    assert len(closure.programs) == 1


def test_lbfgs_goes_on_where_it_was_saved(numpy_device):
    settings = {"line_search_fn": "strong_wolfe", "max_iter": 4}
    whole = train(wg, settings, 6)[3]
    _, first, _, params = train(wg, settings, 3)
    saved = pickle.loads(pickle.dumps(first.state_dict()))
    _, second, closure, others = train(wg, {**settings, "max_iter": 9}, 0)
    for p, q in zip(others, params, strict=True):
        p.assign(q.detach())
    second.load_state_dict(saved)
    for _ in range(3):
        second.step(closure)
    for p, q in zip(others, whole, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_lbfgs_leaves_frozen_parameters_and_failed_steps_alone(numpy_device):
    _, optimizer, closure, params = train(wg, {"line_search_fn": "strong_wolfe"}, 0)
    params[1].requires_grad_(False)
    optimizer.step(closure)
    assert params[1].tolist() == START[1].tolist() and params[0].tolist() != START[0].tolist()
    calls = []

    def failing():
        calls.append(0)
        if len(calls) == 3:
            raise KeyError("mine")
        return closure()

    params[1].requires_grad_()
    before = [p.tolist() for p in params], str(optimizer.state_dict())
    with pytest.raises(KeyError):
        optimizer.step(failing)
    assert ([p.tolist() for p in params], str(optimizer.state_dict())) == before


def test_lbfgs_in_a_compiled_function_is_an_error(numpy_device):
    _, optimizer, closure, _ = train(wg, {}, 0)
    with pytest.raises(TraceError, match=r"LBFGS\.step reads numbers on the host: call it outside"):
        wg.compile(lambda: optimizer.step(closure))()


BAD: list[Any] = [
    (lambda p: optim.LBFGS([{"params": p[:1]}, {"params": p[1:]}]), "a second group came"),
    (lambda p: optim.LBFGS(p).add_param_group({"params": p}), "a second group came"),
    (lambda p: optim.LBFGS([*p, wg.parameter([1.0])]), "of one device and dtype are needed"),
    (lambda p: optim.LBFGS(p, max_iter=0), "max_iter is 0"),
    (lambda p: optim.LBFGS(p, max_eval=1.5), "max_eval is 1.5"),
    (lambda p: optim.LBFGS(p, history_size=0), "history_size is 0"),
    (lambda p: optim.LBFGS(p, tolerance_grad=-1), "tolerance_grad is -1"),
    (lambda p: optim.LBFGS(p, line_search_fn="weak"), "line_search_fn="),
    (lambda p: optim.LBFGS(p).step(), "no closure came"),
    (lambda p: optim.LBFGS(p).step(3), "closure=3 came"),
    (lambda p: optim.LBFGS(p).step(lambda: None), "the closure returned None"),
    (lambda p: optim.LBFGS(p).step(lambda: wg.ones(2)), r"the closure returned a tensor \(2,\)"),
]


@pytest.mark.parametrize(("call", "words"), BAD)
def test_lbfgs_refuses_what_does_not_fit(numpy_device, call, words):
    with pytest.raises(ArgumentError, match=words):
        call([wg.parameter(x, dtype="float64") for x in START])


@pytest.mark.parametrize(
    "change",
    [
        {"d": [1.0]},
        {"n_iter": -1},
        {"n_iter": 1.5},
        {"old_dirs": 3},
        {"ro": []},
        {"prev_loss": "x"},
        {"d": None, "old_stps": [[1.0]]},
    ],
)
def test_lbfgs_refuses_a_bad_state_and_keeps_its_own(numpy_device, change):
    _, optimizer, _, _ = train(wg, {"line_search_fn": "strong_wolfe"}, 1)
    before = str(optimizer.state_dict())
    state = optimizer.state_dict()
    state["state"][0] |= change
    with pytest.raises((ArgumentError, ShapeError, DTypeError)):
        optimizer.load_state_dict(state)
    del state["state"][0]["d"]
    with pytest.raises(ArgumentError, match=r"without .*'d'"):
        optimizer.load_state_dict(state)
    with pytest.raises(ArgumentError, match="the state of parameter 0"):
        optimizer.load_state_dict({**state, "state": {1: {}}})
    assert str(optimizer.state_dict()) == before
