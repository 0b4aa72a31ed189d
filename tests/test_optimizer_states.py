"""State dicts of optimizers: PyTorch's and ours, those of before; settings and closures refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_optimizer_rules import RULES, START

import wgrad as wg
from wgrad import optim
from wgrad.errors import ArgumentError, WgradError

SHARED = [row for row in RULES if row[0] is not optim.Lion]


def pair(torch, rule, settings):
    """Return a parameter and its optimizer, ours and PyTorch's."""
    p, q = wg.parameter(START, dtype="float64"), torch.tensor(START, requires_grad=True)
    theirs = getattr(torch.optim, rule.__name__)
    return (p, rule([p], **settings)), (q, theirs([q], **settings))


@pytest.mark.parametrize(
    ("rule", "reference", "settings"), SHARED[1::2], ids=[row[0].__name__ for row in SHARED[1::2]]
)
def test_states_move_to_pytorch_and_back(numpy_device, rule, reference, settings):
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        (p, mine), (q, its) = pair(torch, rule, settings)
        rng = np.random.default_rng(0)

        def both(steps):
            for g in rng.standard_normal((steps, 3, 2)):
                p.set_grad(wg.tensor(g, dtype="float64"))
                q.grad = torch.tensor(g)
                mine.step()
                its.step()
            rtol = 0.2 if rule is optim.Muon else 1e-9
            np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=rtol, atol=rtol)

        both(5)
        mine.load_state_dict(its.state_dict())
        both(5)
        state = mine.state_dict()
        for entry in state["state"].values():
            for name, x in entry.items():
                if isinstance(x, wg.Tensor):
                    entry[name] = torch.tensor(x.numpy())
        its.load_state_dict(state)
        both(5)
    finally:
        torch.set_default_dtype(before)


def test_states_of_before_are_read(numpy_device):
    p, q = wg.parameter([1.0, 2.0]), wg.parameter([3.0])
    sgd = optim.SGD([p, q], momentum=0.5)
    sgd.load_state_dict({
        "lr": 0.1, "momentum": 0.9, "dampening": 0.0, "nesterov": True, "weight_decay": 0.0,
        "maximize": False, "velocity": [wg.tensor([1.0, -1.0]), None],
    })  # fmt: skip
    assert sgd.nesterov and list(sgd.state_dict()["state"]) == [0]
    assert sgd.state_dict()["state"][0]["momentum_buffer"].tolist() == [1.0, -1.0]
    adam = optim.Adam([{"params": [p]}, {"params": [q]}])
    groups = [{**g, "params": [i]} for i, g in enumerate(adam.state_dict()["param_groups"])]
    adam.load_state_dict({
        "param_groups": groups, "steps": [3, 0],
        "moments": [(wg.ones(2), wg.zeros(2)), None],
    })  # fmt: skip
    state = adam.state_dict()["state"]
    assert state[0]["step"] == 3 and state[0]["exp_avg"].tolist() == [1, 1]
    assert 1 not in state or set(state[1]) <= {"step"}


def test_an_adam_is_no_adamw(numpy_device):
    torch = pytest.importorskip("torch")
    (_, mine), (q, _) = pair(torch, optim.Adam, {})
    with pytest.raises(ArgumentError, match="decoupled_weight_decay=True came, which is that of"):
        mine.load_state_dict(torch.optim.AdamW([q]).state_dict())
    mine.load_state_dict(torch.optim.Adam([q]).state_dict())


# Settings out of range.

NUMBERS = {
    optim.SGD: ("lr", "momentum", "weight_decay"),
    optim.AdamW: ("lr", "eps", "weight_decay"),
    optim.RMSprop: ("lr", "eps", "weight_decay", "momentum", "alpha"),
    optim.Adagrad: ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"),
    optim.Adadelta: ("lr", "rho", "eps", "weight_decay"),
    optim.Adamax: ("lr", "eps", "weight_decay"),
    optim.NAdam: ("lr", "eps", "weight_decay", "momentum_decay"),
    optim.RAdam: ("lr", "eps", "weight_decay"),
    optim.ASGD: ("lr", "lambd", "alpha", "t0", "weight_decay"),
    optim.Rprop: ("lr",),
    optim.Lion: ("lr", "weight_decay"),
    optim.Muon: ("lr", "weight_decay", "momentum", "eps"),
}


@pytest.mark.parametrize("rule", NUMBERS, ids=lambda r: r.__name__)
def test_rules_refuse_numbers_out_of_range(numpy_device, rule):
    p = [wg.parameter(np.ones((2, 2)))]
    for name in NUMBERS[rule]:
        for value in (-0.1, float("nan"), float("inf"), "0.1", None, True):
            with pytest.raises(ArgumentError, match=f"{rule.__name__}: {name}( is|=)"):
                rule(p, **{name: value})
    below_one = {"alpha", "rho"} & {*NUMBERS[rule]} if rule is not optim.ASGD else ()
    for name in below_one:
        with pytest.raises(ArgumentError, match="below 1 is needed"):
            rule(p, **{name: 1.0})
    for name, setting in rule.settings().items():
        if type(getattr(rule(p), name)) is bool:
            with pytest.raises(ArgumentError, match=f"{rule.__name__}: {name}=2 came"):
                rule(p, **{name: 2})
        assert setting.__doc__
    optimizer = rule(p)
    with pytest.raises(ArgumentError, match="lr is -1"):
        optimizer.param_groups[0]["lr"] = -1


BAD: list[Any] = [
    (lambda p: optim.Adamax(p, betas=(0.9, 1.0)), "betas is 1.0"),
    (lambda p: optim.NAdam(p, betas=0.9), "two numbers are needed"),
    (lambda p: optim.SGD(p, dampening=float("inf")), "dampening is inf"),
    (lambda p: optim.SGD(p, momentum=0.9, dampening=0.1, nesterov=True), "and no dampening"),
    (lambda p: optim.Rprop(p, etas=(1.1, 1.2)), "etas is"),
    (lambda p: optim.Rprop(p, step_sizes=(2.0, 1.0)), "step_sizes is"),
    (lambda p: optim.Muon(p, ns_coefficients=(1.0, 2.0)), "three numbers are needed"),
    (lambda p: optim.Muon(p, ns_steps=0), "ns_steps is 0"),
    (lambda p: optim.Muon(p, adjust_lr_fn="mine"), "adjust_lr_fn="),
    (lambda p: optim.Muon([wg.parameter([1.0])]), r"parameter 0 has shape \(1,\), and a matrix"),
    (lambda p: optim.Adam(p, foreach=True), "foreach=True came, and no argument has that name"),
    (lambda p: optim.SGD(p, fused=True), "fused=True came, and no argument has that name"),
    (lambda p: optim.SGD(p).step(lambda: wg.ones(3)), r"the closure returned a tensor \(3,\)"),
    (lambda p: optim.Adam(p).step(lambda: None), "the closure returned None"),
    (lambda p: optim.Adam(p).step(3), "closure=3 came, and a function"),
]


@pytest.mark.parametrize(("call", "words"), BAD)
def test_rules_refuse_what_does_not_fit(numpy_device, call, words):
    with pytest.raises(WgradError, match=words):
        call([wg.parameter(np.ones((2, 2)))])


@pytest.mark.parametrize("compiled", [False, True])
def test_a_step_takes_a_closure_and_returns_its_loss(device, compiled):
    w = wg.parameter([2.0])
    optimizer = optim.SGD([w], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = w.square().sum()
        loss.backward()
        return loss

    def step():
        return optimizer.step(closure)

    run = wg.compile(step) if compiled else step
    assert [run().item() for _ in range(3)] == [4.0, 1.0, 0.25] and w.item() == 0.25
