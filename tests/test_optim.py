"""SGD against its formulas in float64 (and PyTorch where it is installed), in place, on device."""

from __future__ import annotations

import copy
import gc
import itertools
import pickle
import tracemalloc

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn, optim
from wgrad.errors import ArgumentError, DTypeError, GradientError, ShapeError

SETTINGS = [
    {"momentum": momentum, "nesterov": nesterov, "weight_decay": decay}
    for momentum, nesterov, decay in itertools.product((0.0, 0.9), (False, True), (0.0, 0.1))
    if momentum or not nesterov
]
each_setting = pytest.mark.parametrize("settings", SETTINGS, ids=str)
LEARNING_RATES = (0.1, 0.1, 0.05, 0.2, 0.0, 0.1)  # one a step


def gradients(rng: np.random.Generator) -> list[np.ndarray | None]:
    """Return a gradient per step; None where there is none."""
    found: list[np.ndarray | None] = [rng.normal(size=(3, 2)) for _ in LEARNING_RATES]
    found[1] = None
    return found


def reference(start, grads, momentum, nesterov, weight_decay):
    """SGD as https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html writes it."""
    theta, b = start, None
    for lr, g in zip(LEARNING_RATES, grads, strict=True):
        if g is None:
            continue
        g = g + weight_decay * theta
        if momentum != 0:
            b = g if b is None else momentum * b + g
            g = g + momentum * b if nesterov else b
        theta = theta - lr * g
    return theta


def run(parameter, grads, optimizer):
    for lr, g in zip(LEARNING_RATES, grads, strict=True):
        optimizer.lr = lr
        parameter.set_grad(g)
        optimizer.step()
    return parameter


def train(seed: int = 0, steps: int = 3, **settings):
    """Return a small trained model and its optimizer."""
    model = nn.MLP(2, [3, 1], seed=seed)
    optimizer = optim.SGD(model.parameters(), lr=0.1, **settings)
    return advance(model, optimizer, steps)


def advance(model, optimizer, steps):
    x, y = wg.tensor([[0.0, 1.0], [1.0, 1.0]]), wg.tensor([[1.0], [0.0]])
    for _ in range(steps):
        optimizer.zero_grad()
        nn.mse_loss(model(x), y).backward()
        optimizer.step()
    return model, optimizer


# The formulas.


@each_setting
def test_sgd_follows_the_formulas(device, rng, settings):
    start, grads = rng.normal(size=(3, 2)), gradients(rng)
    p = wg.parameter(start)
    run(p, grads, optim.SGD([p], lr=1.0, **settings))
    np.testing.assert_allclose(p.numpy(), reference(start, grads, **settings), rtol=2e-6, atol=1e-6)


@each_setting
def test_sgd_follows_the_formulas_in_float64(numpy_device, rng, settings):
    start, grads = rng.normal(size=(3, 2)), gradients(rng)
    p = wg.parameter(start, dtype="float64")
    run(p, grads, optim.SGD([p], lr=1.0, **settings))
    assert p.dtype is wg.float64
    np.testing.assert_allclose(p.numpy(), reference(start, grads, **settings), rtol=1e-14)


def test_sgd_does_what_pytorch_does(numpy_device, rng):
    torch = pytest.importorskip("torch")
    for settings in SETTINGS:
        start, grads = rng.normal(size=(3, 2)), gradients(rng)
        p = wg.parameter(start, dtype="float64")
        run(p, grads, optim.SGD([p], lr=1.0, **settings))
        q = torch.tensor(start, requires_grad=True)
        theirs = torch.optim.SGD([q], lr=1.0, **settings)
        for lr, g in zip(LEARNING_RATES, grads, strict=True):
            theirs.param_groups[0]["lr"] = lr
            q.grad = None if g is None else torch.tensor(g)
            theirs.step()
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-14)


def test_sgd_reproduces_the_golden_regression(device):
    w, b = wg.parameter([[0.1, 0.2], [0.3, 0.4]]), wg.parameter([0.0, 0.0])
    x, y = wg.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), wg.tensor([[1.0], [2.0], [3.0]])
    optimizer = optim.SGD([w, b], lr=0.01)
    losses = []
    for epoch in range(10):
        loss = ((x @ w + b - y) ** 2).mean()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        if epoch == 0:
            np.testing.assert_allclose(
                w.grad.numpy(), [[-1.7666667, 0.8666667], [-2.2666667, 1.0666667]], rtol=1e-6
            )
            np.testing.assert_allclose(b.grad.numpy(), [-0.5, 0.2], rtol=1e-5)
        optimizer.step()
    np.testing.assert_allclose(losses[:2], [0.17166667, 0.08350407], rtol=1e-5)
    np.testing.assert_allclose(losses[9], 0.00379425, rtol=1e-4)


# In place.


@each_setting
def test_step_writes_where_views_and_references_see_it(device, settings):
    w = wg.parameter([[1.0, 2.0], [3.0, 4.0]])
    alias, view = w.detach(), w.detach()[1]
    w.set_grad([[10.0, 10.0], [10.0, 20.0]])
    optim.SGD([w], lr=0.1, **{**settings, "weight_decay": 0.0, "nesterov": False}).step()
    assert w.requires_grad and w.is_leaf
    for x, expected in ((w, [[0, 1], [2, 2]]), (alias, [[0, 1], [2, 2]]), (view, [2, 2])):
        np.testing.assert_allclose(x.numpy(), expected, atol=1e-6)


def test_step_updates_a_parameter_that_is_a_view_of_something(device):
    base = wg.zeros((3, 4))
    column = base[:, 1].detach().requires_grad_()
    column.set_grad([1.0, 2.0, 3.0])
    optim.SGD([column], lr=1.0, momentum=0.9).step()
    assert base.tolist() == [[0, -1, 0, 0], [0, -2, 0, 0], [0, -3, 0, 0]]


@each_setting
def test_step_leaves_the_gradient_as_it_is(device, settings):
    p, g = wg.parameter([1.0, 2.0]), wg.tensor([3.0, 4.0])
    p.set_grad(g)
    optimizer = optim.SGD([p], lr=0.1, **settings)
    for _ in range(3):
        optimizer.step()
        assert p.grad is g and g.tolist() == [3.0, 4.0]


def test_step_makes_a_graph_from_before_unusable(device):
    p = wg.parameter([1.0, 2.0])
    loss = (p * p).sum()
    loss.backward()
    optim.SGD([p], lr=0.1).step()
    with pytest.raises(GradientError, match=r"multiply at .*test_optim\.py.* was assigned to"):
        loss.backward()


def test_step_is_not_recorded(device):
    p = wg.parameter([1.0])
    p.set_grad([1.0])
    optim.SGD([p], lr=0.5, momentum=0.9).step()
    assert p.node.op is None
    (p * 3).sum().backward()
    assert p.grad.tolist() == [4.0]  # 1, set by hand, and 3


def test_step_skips_parameters_without_a_gradient(device):
    used, unused = wg.parameter([1.0]), wg.parameter([1.0])
    used.set_grad([1.0])
    optimizer = optim.SGD([used, unused], lr=0.5, momentum=0.9, weight_decay=0.5)
    optimizer.step()
    assert unused.tolist() == [1.0] and used.item() == pytest.approx(0.25)
    assert list(optimizer.state_dict()["state"]) == [0]


def test_zero_grad_leaves_zeros_which_momentum_carries_on_from(device):
    p = wg.parameter([1.0])
    p.set_grad([1.0])
    optimizer = optim.SGD([p], lr=0.5, momentum=0.5)
    optimizer.step()
    optimizer.zero_grad()
    assert p.grad.tolist() == [0.0]
    optimizer.step()
    assert p.item() == 0.25


@pytest.mark.parametrize(
    ("settings", "kernels"),
    [
        ({}, 1),
        ({"weight_decay": 0.1}, 1),
        ({"momentum": 0.9}, 2),
        ({"momentum": 0.9, "weight_decay": 0.1}, 3),
        ({"momentum": 0.9, "nesterov": True}, 3),
    ],
)
def test_step_runs_few_kernels_and_reads_nothing_back(webgpu, settings, kernels):
    ps = [wg.parameter(np.ones(n)) for n in (3, 5, 1000)]
    for p in ps:
        p.set_grad(wg.ones_like(p))
    optimizer = optim.SGD(ps, lr=0.1, **settings)
    optimizer.step()
    webgpu.synchronize()
    before = wg.stats()
    optimizer.step()
    webgpu.synchronize()
    after = wg.stats()
    assert after["dispatches"] - before["dispatches"] == kernels * len(ps)
    assert after["readbacks"] == before["readbacks"]


# State.


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_optimizers_pickle_and_copy_with_their_model(device, clone):
    model, optimizer = train(momentum=0.9)
    model2, optimizer2 = clone((model, optimizer))
    assert all(x is y for x, y in zip(optimizer2.params, model2.parameters(), strict=True))
    advance(model, optimizer, 2)
    advance(model2, optimizer2, 2)
    for x, y in zip(model.parameters(), model2.parameters(), strict=True):
        assert x.tolist() == y.tolist()


def test_state_dict_goes_on_exactly_where_it_was_taken(device):
    model, optimizer = train(momentum=0.9, nesterov=True, weight_decay=0.01)
    saved = pickle.loads(pickle.dumps((model.state_dict(), optimizer.state_dict())))
    advance(model, optimizer, 3)
    model2 = nn.MLP(2, [3, 1], seed=9)
    optimizer2 = optim.SGD(model2.parameters(), lr=5.0)
    model2.load_state_dict(saved[0])
    optimizer2.load_state_dict(saved[1])
    assert optimizer2.lr == 0.1 and optimizer2.nesterov and optimizer2.weight_decay == 0.01
    advance(model2, optimizer2, 3)
    for x, y in zip(model.parameters(), model2.parameters(), strict=True):
        assert x.tolist() == y.tolist()


def test_state_dict_is_a_snapshot(device):
    model, optimizer = train(momentum=0.9)
    state = optimizer.state_dict()
    before = [v["momentum_buffer"].tolist() for v in state["state"].values()]
    optimizer.load_state_dict(state)
    advance(model, optimizer, 2)
    assert [v["momentum_buffer"].tolist() for v in state["state"].values()] == before


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda s: s.pop("state"), ArgumentError, 'a dict of "state" and "param_groups"'),
        (lambda s: s.update(extra=1), ArgumentError, 'a dict of "state" and "param_groups"'),
        (lambda s: s["param_groups"].append({}), ArgumentError, "came for 1 groups"),
        (lambda s: s["param_groups"][0].pop("lr"), ArgumentError, "came for .'lr'"),
        (lambda s: s["param_groups"][0].update(lr=-1), ArgumentError, "lr is -1"),
        (lambda s: s["param_groups"][0].update(rate=1), ArgumentError, "'rate' came"),
        (lambda s: s["param_groups"][0].update(params=[0]), ArgumentError, "places of 4 par"),
        (
            lambda s: s["param_groups"][0].update(momentum=0, nesterov=True),
            ArgumentError,
            "nesterov",
        ),
        (lambda s: s["state"].update({4: {}}), ArgumentError, "an entry 4 for 4 parameters"),
        (lambda s: s.update(state=5), DTypeError, "state is int"),
        (lambda s: s["state"].update({0: 5}), DTypeError, "state 0 is int"),
        (lambda s: s["state"][0].update(velocity=5), ArgumentError, "state 0 has .*velocity"),
        (
            lambda s: s["state"][3].update(momentum_buffer=wg.ones(7)),
            ShapeError,
            "momentum_buffer 3",
        ),
        (lambda s: s["state"][3].update(momentum_buffer="x"), DTypeError, "numbers"),
    ],
)
def test_load_state_dict_changes_nothing_when_it_raises(numpy_device, change, error, words):
    _, source = train(momentum=0.5)
    _, optimizer = train(seed=1, momentum=0.9)
    before = str(optimizer.state_dict())
    state = source.state_dict()
    change(state)
    with pytest.raises(error, match=words):
        optimizer.load_state_dict(state)
    assert str(optimizer.state_dict()) == before


def test_step_goes_on_after_the_model_has_moved(webgpu):
    expected, _ = train(steps=6, momentum=0.9)
    with wg.device("numpy"):
        model, optimizer = train(steps=3, momentum=0.9)
    model.to(webgpu)
    advance(model, optimizer, 3)
    for x, y in zip(model.parameters(), expected.parameters(), strict=True):
        assert x.device is webgpu
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-5, atol=1e-6)


# Bad input.


def shared_parameter():
    p = wg.parameter(1.0)
    return [p, p]


@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        (lambda: [], ArgumentError, "no parameters"),
        (lambda: [1.0], DTypeError, "parameter 0 is float"),
        (lambda: wg.parameter([1.0]), DTypeError, "Tensor came"),
        (lambda: nn.Linear(1, 1), DTypeError, "Linear came"),
        (lambda: nn.Linear(1, 1).state_dict(), DTypeError, "dict came"),
        (lambda: [wg.tensor(1.0)], GradientError, "does not require grad"),
        (lambda: [wg.parameter(1.0) * 2], GradientError, "is computed from others"),
        (shared_parameter, ArgumentError, "parameters 0 and 1 are the same"),
        (lambda: [wg.zeros(1).broadcast_to(3).requires_grad_()], ShapeError, "expanded view"),
    ],
)
def test_sgd_refuses_what_it_cannot_step(params, error, words):
    with pytest.raises(error, match=words):
        optim.SGD(params(), lr=0.1)


@pytest.mark.parametrize("name", ["lr", "momentum", "weight_decay"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "0.1", None, True])
def test_sgd_refuses_numbers_out_of_range(name, value):
    with pytest.raises(ArgumentError, match=f"{name}( is|=)"):
        optim.SGD([wg.parameter(1.0)], **{"lr": 0.1, name: value})


def test_sgd_refuses_nesterov_without_momentum_and_a_bad_new_rate():
    with pytest.raises(ArgumentError, match="nesterov=True needs a momentum"):
        optim.SGD([wg.parameter(1.0)], lr=0.1, nesterov=True)
    optimizer = optim.SGD(iter([wg.parameter(1.0)]), lr=0)
    with pytest.raises(ArgumentError, match="lr is -1"):
        optimizer.lr = -1
    assert optimizer.lr == 0.0


# Long training.


def test_training_for_hundreds_of_steps_takes_no_more_memory(numpy_device):
    model, optimizer = train(steps=100, momentum=0.9)
    gc.collect()
    objects = len(gc.get_objects())
    advance(model, optimizer, 200)
    tracemalloc.start()  # for the last steps alone, for it makes them slow
    try:
        advance(model, optimizer, 100)
        gc.collect()
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(gc.get_objects()) - objects < 20
    assert held < 10_000 and peak < 100_000  # bytes


def test_training_on_the_gpu_takes_no_more_memory(webgpu):
    model, optimizer = train(steps=150, momentum=0.9)
    gc.collect()
    objects, before = len(gc.get_objects()), wg.stats()
    advance(model, optimizer, 150)
    gc.collect()
    after = wg.stats()
    for name in ("bytes_allocated", "buffers_created", "pipelines_compiled"):
        assert after[name] == before[name], name
    assert after["dispatches"] - before["dispatches"] > 3_000
    assert len(gc.get_objects()) - objects < 300  # cached bind groups may still be added


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
def test_what_an_optimizer_counts_is_the_same_after_compiled_steps(kind, device):
    counts = []
    for wrap in (lambda f: f, wg.compile):
        w = wg.parameter([1.0, 2.0])
        optimizer = kind([w], lr=0.1)

        def step(x, w=w, optimizer=optimizer):
            optimizer.zero_grad()
            (w * x).sum().backward()
            optimizer.step()

        run = wrap(step)
        for _ in range(4):
            run(wg.ones(2))
        counts.append(optimizer._steps)
    assert counts[0] == counts[1]


def test_optimizers_take_named_parameters(numpy_device):
    layer = nn.Linear(2, 1)
    assert optim.SGD(layer.named_parameters(), lr=0.1).params == layer.parameters()
    group = {"params": layer.named_parameters(), "lr": 0.2}
    assert optim.SGD([group], lr=0.1).params == layer.parameters()
