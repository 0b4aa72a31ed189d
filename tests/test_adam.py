"""Adam and AdamW: against NumPy in float64, against PyTorch, compiled, saved and loaded."""

import numpy as np
import pytest

import wgrad as wg
from wgrad import optim

RULES = [
    (optim.Adam, {}),
    (optim.Adam, {"weight_decay": 0.1, "betas": (0.5, 0.9)}),
    (optim.AdamW, {"eps": 1e-3}),
    (optim.AdamW, {"weight_decay": 0.2, "betas": (0.0, 0.95)}),
]


def by_hand(rule, p, grads, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=None):
    """Return where float64 NumPy gets with the formulas of the papers."""
    decay = weight_decay if weight_decay is not None else 0.01 * (rule is optim.AdamW)
    m = v = np.zeros_like(p)
    for t, g in enumerate(grads, 1):
        if rule is optim.AdamW:
            p = p * (1 - lr * decay)
        else:
            g = g + decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        p = p - lr * (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
    return p


def run(rule, start, grads, dtype=wg.float32, **settings):
    p = wg.parameter(start, dtype=dtype)
    optimizer = rule([p], lr=0.05, **settings)
    for g in grads:
        p.set_grad(wg.tensor(g, dtype=dtype))
        optimizer.step()
    return p.numpy()


@pytest.mark.parametrize(("rule", "settings"), RULES)
def test_adam_follows_its_formulas(device, rng, rule, settings):
    start, grads = rng.standard_normal(5), rng.standard_normal((7, 5))
    plain = by_hand(rule, start, grads, 0.05, **settings)
    np.testing.assert_allclose(run(rule, start, grads, **settings), plain, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize(("rule", "settings"), RULES)
def test_adam_is_exact_in_float64(numpy_device, rng, rule, settings):
    start, grads = rng.standard_normal(5), rng.standard_normal((40, 5))
    plain = by_hand(rule, start, grads, 0.05, **settings)
    np.testing.assert_allclose(run(rule, start, grads, wg.float64, **settings), plain, rtol=1e-12)


@pytest.mark.parametrize(("rule", "settings"), RULES)
def test_adam_agrees_with_pytorch(numpy_device, rng, rule, settings):
    torch = pytest.importorskip("torch")
    start, grads = rng.standard_normal(5), rng.standard_normal((9, 5))
    p, idle = (torch.tensor(start, requires_grad=True) for _ in range(2))
    optimizer = getattr(torch.optim, rule.__name__)([p, idle], lr=0.05, **settings)
    ours = [wg.parameter(start, dtype=wg.float64) for _ in range(2)]
    mine = rule(ours, lr=0.05, **settings)
    for i, g in enumerate(grads):
        p.grad = torch.tensor(g)
        ours[0].set_grad(wg.tensor(g, dtype=wg.float64))
        idle.grad = torch.tensor(g) if i % 3 == 0 else None  # counts its own steps
        ours[1].set_grad(wg.tensor(g, dtype=wg.float64) if i % 3 == 0 else None)
        optimizer.step()
        mine.step()
    for a, b in zip(ours, (p, idle), strict=True):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("rule", [optim.Adam, optim.AdamW])
def test_adam_compiled_counts_its_steps_and_reads_its_settings(device, rng, rule):
    start, grads = rng.standard_normal((2, 4)), rng.standard_normal((9, 4)).astype("f4")

    def train(compiled):
        params = [wg.parameter(x) for x in start]
        optimizer = rule(params, lr=0.1, weight_decay=0.1)

        def step(g):
            optimizer.zero_grad()
            ((params[0] + params[1] * 2) * g).sum().backward()
            optimizer.step()

        run = wg.compile(step) if compiled else step
        for i, g in enumerate(grads):
            optimizer.lr = 0.1 / (1 + i)
            optimizer.betas = (0.9 - 0.01 * i, 0.99)
            run(wg.tensor(g))
        if compiled:
            assert len(run.programs) == 1
        assert [x["step"] for x in optimizer.state_dict()["state"].values()] == [9, 9]
        return [p.numpy() for p in params]

    for a, b in zip(train(True), train(False), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_adam_compiled_traces_anew_when_its_state_is_loaded(device):
    def train(compiled):
        p = wg.parameter([1.0, -2.0])
        optimizer = optim.Adam([p], lr=0.1)

        def step(g):
            p.set_grad(g)
            optimizer.step()

        run = wg.compile(step) if compiled else step
        snapshot = None
        for i in range(10):
            run(wg.tensor([1.0 + i, 0.5]))
            if i == 4:
                snapshot = optimizer.state_dict()
            if i == 6:
                optimizer.load_state_dict(snapshot)
        return p.tolist(), optimizer.state_dict()["state"][0]["step"]

    found, plain = train(True), train(False)
    np.testing.assert_allclose(found[0], plain[0], rtol=1e-5, atol=1e-6)
    assert found[1] == plain[1] == 8


def test_adam_failed_trace_leaves_its_state(device):
    p = wg.parameter([1.0])
    optimizer = optim.Adam([p])

    @wg.compile
    def step():
        p.set_grad(wg.ones(1))
        optimizer.step()
        return p.item()

    with pytest.raises(wg.errors.TraceError):
        step()
    assert optimizer.state_dict()["state"] == {}
    assert p.tolist() == [1.0] and p.grad is None


def test_adam_state_goes_on_elsewhere(device, rng):
    start, grads = rng.standard_normal(3), rng.standard_normal((6, 3))
    p = wg.parameter(run(optim.Adam, start, []))
    first = optim.Adam([p], lr=0.05)
    for i, g in enumerate(grads):
        if i == 3:
            p = wg.parameter(p.numpy())
            other = optim.Adam([p], lr=9.0)
            other.load_state_dict(first.state_dict())
            first = other
        p.set_grad(wg.tensor(g.astype("f4")))
        first.step()
    np.testing.assert_allclose(p.numpy(), run(optim.Adam, start, grads), rtol=1e-6)


@pytest.mark.parametrize(
    "settings",
    [{"betas": (0.9, 1.0)}, {"betas": 0.9}, {"betas": (-0.1, 0.9)}, {"eps": -1}, {"lr": "x"}],
)
def test_adam_refuses_settings_out_of_range(device, settings):
    with pytest.raises(wg.errors.ArgumentError, match=r"Adam: (betas|eps|lr)"):
        optim.Adam([wg.parameter([1.0])], **settings)


@pytest.mark.parametrize(
    "change",
    [
        {"state": {0: {"step": 0.5}}},
        {"state": {0: {"step": -1}}},
        {"state": {0: {"step": "x"}}},
        {"state": {0: 3}},
        {"state": {1: {}}},
        {"state": {0: {"exp_avg": [1.0, 2.0]}}},
        {"state": {0: {"moments": [1.0]}}},
        {"param_groups": [{"lr": 0.5, "betas": (2, 3), "params": [0]}]},
        {"param_groups": [{"lr": 0.5, "params": [0]}]},
        {"more": 1},
    ],
)
def test_adam_refuses_a_bad_state_and_keeps_its_own(device, change):
    optimizer = optim.Adam([wg.parameter([1.0])], lr=0.25)
    with pytest.raises(wg.errors.WgradError):
        state = optimizer.state_dict()
        state["param_groups"][0]["lr"] = 0.5
        optimizer.load_state_dict({**state, **change})
    assert optimizer.lr == 0.25 and optimizer.state_dict()["state"] == {}
