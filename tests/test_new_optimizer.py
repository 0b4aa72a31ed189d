# ruff: noqa: RUF012  # what a rule remembers is a dict of its class
"""A rule of one's own: eager, compiled, in groups, saved and loaded, on each device."""

from __future__ import annotations

import doctest
import inspect
import math
import pickle
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import optim
from wgrad.errors import ArgumentError, ShapeError, WgradError
from wgrad.optim import Optimizer, Setting, below_one, two_below_one


class RMSprop(Optimizer):
    """Steps by the gradient over the root of its running square, centered or with momentum."""

    alpha = Setting("How much of the average square each step keeps.", below_one)
    eps = Setting("What is added to its root.")
    momentum = Setting("How much of the last step each step keeps.")
    state = {"square": wg.zeros_like, "buffer": wg.zeros_like}

    def __init__(self, params, lr=0.01, alpha=0.99, eps=1e-8, momentum=0.0):
        super().__init__(params, lr=lr, alpha=alpha, eps=eps, momentum=momentum)

    def update(self, p, g, state, now):
        state["square"] = now["alpha"] * state["square"] + (1 - now["alpha"]) * g * g
        step = g / (wg.sqrt(state["square"]) + now["eps"])
        if now["momentum"]:
            step = state["buffer"] = now["momentum"] * state["buffer"] + step
        return p - now["lr"] * step


class Lion(Optimizer):
    """The sign of a blend of the gradient and its average, with decay of its own."""

    betas = Setting("What the blend and the average keep.", two_below_one)
    weight_decay = Setting("How strongly parameters are drawn to 0.")
    state = {"average": wg.zeros_like}

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, lr=lr, betas=betas, weight_decay=weight_decay)

    def update(self, p, g, state, now):
        (b1, b2), m = now["betas"], state["average"]
        state["average"] = b2 * m + (1 - b2) * g
        return p * (1 - now["lr"] * now["weight_decay"]) - now["lr"] * wg.sign(
            b1 * m + (1 - b1) * g
        )


class Warming(Optimizer):
    """Numbers of all kinds: counts, powers, functions of Python, comparisons, a divisor."""

    scale = Setting("A divisor.")
    counts_steps = True

    def __init__(self, params, lr=0.1, scale=1.0):
        super().__init__(params, lr=lr, scale=scale)

    def update(self, p, g, state, now):
        rate = now["lr"] * (1 - 0.5**state.step) + self.number(math.sin, state.step)
        if state.step > 3:  # another program from the fourth step on
            rate = rate / now["scale"]
        return p - rate * g


RULES: list[Any] = [
    (RMSprop, {"lr": 0.05}),
    (RMSprop, {"lr": 0.05, "momentum": 0.5, "alpha": 0.9}),
    (Lion, {"lr": 0.01, "weight_decay": 0.1}),
    (Warming, {"scale": 2.0}),
    (optim.Adam, {"lr": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9}),
]
each_rule = pytest.mark.parametrize(("rule", "settings"), RULES)


def test_rules_of_ones_own_take_forty_lines():
    for rule in (RMSprop, Lion):
        assert len(inspect.getsource(rule).splitlines()) <= 40


def test_the_example_of_the_base_class_runs(device):
    names: dict[str, Any] = {"wg": wg}
    for example in doctest.DocTestParser().get_examples(inspect.getdoc(Optimizer) or ""):
        exec(example.source, names)
    np.testing.assert_allclose(names["w"].numpy(), [0.8, -1.8], atol=1e-5)


def grads(rng: np.random.Generator, count: int = 7) -> list[np.ndarray]:
    return list(rng.standard_normal((count, 4)).astype("f4"))


def run(rule, settings, given, compiled, rates=None, groups=False):
    """Return parameters after steps whose learning rate changes, the optimizer and programs."""
    p, q = wg.parameter([1.0, -2.0, 3.0, 0.5]), wg.parameter([[2.0], [1.0], [0.0], [-1.0]])
    params = [{"params": p}, {"params": [q], "lr": 0.5 * settings.get("lr", 0.1)}]
    optimizer = rule(params if groups else [p, q], **settings)

    def step(g):
        optimizer.zero_grad()
        ((p * g).sum() + (q * g.reshape(4, 1)).square().sum()).backward()
        optimizer.step()

    f = wg.compile(step) if compiled else step
    for i, g in enumerate(given):
        if rates is not None and i < len(rates):
            for group, part in zip(optimizer.param_groups, (1.0, 0.5), strict=False):
                group["lr"] = rates[i] * part
        f(wg.tensor(g))
    return [p.numpy(), q.numpy()], optimizer, f.programs if compiled else []


@each_rule
@pytest.mark.parametrize("groups", [False, True])
def test_compiled_rules_follow_settings_without_a_new_trace(device, rng, rule, settings, groups):
    given = grads(rng)
    rates = [0.1, 0.05, 0.2, 0.01, 0.3, 0.02, 0.07]
    found, made, programs = run(rule, settings, given, True, rates, groups)
    plain, other, _ = run(rule, settings, given, False, rates, groups)
    for a, b in zip(found, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)
    assert len(programs) == (2 if rule is Warming else 1)
    assert made.param_groups[0]["lr"] == rates[-1]
    assert len(made.param_groups) == len(other.param_groups) == 1 + groups


@pytest.mark.parametrize(("rule", "theirs", "settings"), [
    (RMSprop, "RMSprop", {"lr": 0.05, "momentum": 0.5, "alpha": 0.9}),
    (optim.Adam, "Adam", {"lr": 0.1}),
    (optim.SGD, "SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
])  # fmt: skip
def test_groups_are_pytorchs(numpy_device, rng, rule, theirs, settings):
    torch = pytest.importorskip("torch")
    start, given = rng.standard_normal((2, 4)), rng.standard_normal((6, 2, 4))
    ours = [wg.parameter(x, dtype="float64") for x in start]
    others = [torch.tensor(x, requires_grad=True) for x in start]
    mine = rule([{"params": [ours[0]]}], **settings)
    its = getattr(torch.optim, theirs)([{"params": [others[0]]}], **settings)
    for i, pair in enumerate(given):
        if i == 1:
            mine.add_param_group({"params": ours[1], "lr": 0.7})
            its.add_param_group({"params": others[1], "lr": 0.7})
        for group, other in zip(mine.param_groups, its.param_groups, strict=True):
            group["lr"] = other["lr"] = group["lr"] * 0.9
        for g, a, b in zip(pair, ours, others, strict=True):
            a.set_grad(wg.tensor(g, dtype="float64"))
            b.grad = torch.tensor(g)
        mine.step()
        its.step()
    for a, b in zip(ours, others, strict=True):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-12)
    keys = set(mine.param_groups[0])
    assert {"params", "lr"} <= keys and mine.param_groups[1]["params"] == [ours[1]]


@each_rule
@pytest.mark.parametrize("groups", [False, True])
def test_saved_state_goes_on_where_it_was_taken(device, rng, rule, settings, groups):
    given = grads(rng, 6)
    whole, _, _ = run(rule, settings, given, False, None, groups)
    half, first, _ = run(rule, settings, given[:3], False, None, groups)
    saved = pickle.loads(pickle.dumps(first.state_dict()))
    p, q = (wg.parameter(x) for x in half)
    params = [{"params": p}, {"params": [q]}] if groups else [p, q]
    second = rule(params, lr=7.0)
    second.load_state_dict(saved)
    for g in map(wg.tensor, given[3:]):
        second.zero_grad()
        ((p * g).sum() + (q * g.reshape(4, 1)).square().sum()).backward()
        second.step()
    for a, b in zip((p, q), whole, strict=True):
        np.testing.assert_array_equal(a.numpy(), b)


def test_rules_of_ones_own_train_float16(numpy_device):
    p = wg.parameter([1.0, 2.0], dtype="float16")
    optimizer = RMSprop([p], lr=0.01)
    p.set_grad(wg.tensor([1e-4, 1e-4], dtype="float16"))  # whose squares float16 holds as 0
    optimizer.step()
    assert (
        p.dtype is wg.float16 and optimizer.state_dict()["state"][0]["square"].dtype is wg.float32
    )
    np.testing.assert_allclose(p.numpy(), [0.9, 1.9], rtol=2e-3)


def test_two_steps_in_one_compiled_function_count_apart(device):
    def train(compiled):
        p = wg.parameter([1.0, -2.0, 3.0])
        optimizer = optim.Adam([p], lr=0.1)

        def step(g):
            p.set_grad(g)
            optimizer.step()
            p.set_grad(g * p.detach())
            optimizer.step()

        f = wg.compile(step) if compiled else step
        for i in range(5):
            f(wg.tensor([1.0 + i, 0.5, -i]))
        return p.numpy(), optimizer.state_dict()["state"][0]["step"]

    (found, steps), (plain, others) = train(True), train(False)
    np.testing.assert_allclose(found, plain, rtol=2e-5)
    assert steps == others == 10


def test_an_update_sees_what_was_there_before_it(device):
    class Late(Optimizer):
        state = {"last": wg.zeros_like}

        def update(self, p, g, state, now):
            old = state["last"]
            state["last"] = g
            return p - old

    p = wg.parameter([1.0, 2.0])
    optimizer = Late([p], lr=0.0)
    for g in ([1.0, 1.0], [5.0, 5.0]):
        p.set_grad(wg.tensor(g))
        optimizer.step()
    p.set_grad(wg.zeros(2))
    assert p.tolist() == [0.0, 1.0] and optimizer.state_dict()["state"][0]["last"].tolist() == [
        5.0,
        5.0,
    ]


def test_an_update_that_fails_changes_nothing(device):
    class Broken(Optimizer):
        state = {"last": wg.zeros_like}
        counts_steps = True
        answer: Any = None

        def update(self, p, g, state, now):
            state["last"] = g
            if self.answer is None:
                raise KeyError("mine")
            return self.answer

    p = wg.parameter([1.0, 2.0])
    p.set_grad(wg.ones(2))
    optimizer = Broken([p], lr=0.1)
    for answer, error in ((None, KeyError), (3, ArgumentError), (wg.ones(3), ArgumentError)):
        optimizer.answer = answer
        with pytest.raises(error):
            optimizer.step()
        groups = [{"lr": 0.1, "params": [0]}]
        assert optimizer.state_dict() == {"state": {}, "param_groups": groups}
        assert p.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_setting_that_is_not_there_is_named(device, compiled):
    class Mistyped(Optimizer):
        def update(self, p, g, state, now):
            missing = now.get("typo", 3) == 3 and "typo" not in now
            return p - now["typo" if missing else "lr"] * g

    p = wg.parameter([1.0, 2.0])
    p.set_grad(wg.ones(2))
    optimizer = Mistyped([p], lr=0.1)
    step = wg.compile(optimizer.step) if compiled else optimizer.step
    match = "^Mistyped: the setting 'typo' was asked for, and lr are there$"
    with pytest.raises(ArgumentError, match=match):
        step()
    assert p.tolist() == [1.0, 2.0] and optimizer.param_groups[0].get("typo") is None


BAD: list[Any] = [
    (lambda p: RMSprop(p, alpha=1.0), "RMSprop: alpha is 1.0, and a number below 1"),
    (lambda p: RMSprop([{"params": p, "rate": 1}]), "'rate' came as a setting"),
    (lambda p: RMSprop([{"lr": 1}]), 'a dict with "params" is needed'),
    (lambda p: RMSprop([{"params": p}, {"params": p}]), "parameters 0 and 1 are the same"),
    (lambda p: RMSprop(({"params": p}, 3)[i] for i in range(2)), "3 came as a group"),
    (lambda p: RMSprop(iter([])), "no parameters came"),
    (lambda p: RMSprop(p, lr=10**400), "RMSprop: lr is an integer of 1329 bits"),
    (lambda p: RMSprop(p).add_param_group(3), 'a dict with "params" is needed'),
    (lambda p: RMSprop(p).param_groups[0].update(lr=-1), "lr is -1"),
    (lambda p: RMSprop(p).param_groups[0].update(params=[]), "add_param_group"),
    (lambda p: RMSprop(p).param_groups[0].pop("lr"), "cannot be deleted"),
    (lambda p: optim.SGD([{"params": p, "nesterov": True}], 0.1), "needs a momentum"),
]


@pytest.mark.parametrize(("call", "words"), BAD)
def test_groups_refuse_what_does_not_fit(call, words):
    with pytest.raises(WgradError, match=words) as caught:
        call([wg.parameter([1.0])])
    assert isinstance(caught.value, (ArgumentError, ShapeError))


def test_groups_may_come_one_by_one():
    p, q = wg.parameter([1.0]), wg.parameter([2.0])
    optimizer = RMSprop({"params": x, "lr": i + 1} for i, x in enumerate((p, q)))
    assert [g["lr"] for g in optimizer.param_groups] == [1, 2] and optimizer.params == [p, q]
    with pytest.raises(AttributeError):  # it would not be trained
        groups: Any = optimizer.param_groups  # a tuple, which a checker would refuse
        groups.append({"params": [wg.parameter([3.0])]})


def test_updates_are_told_what_their_class_lacks(numpy_device):
    class Counting(Optimizer):
        def update(self, p, g, state, now):
            return p - g / state.step

    class Numbers(Optimizer):
        state = {"total": lambda p: 0.0}

        def update(self, p, g, state, now):
            state["total"] = state["total"] + 1
            return p

    p = wg.parameter([1.0])
    p.set_grad(wg.ones(1))
    for kind, words in (
        (Counting, "Counting.update: state.step .* counts_steps = True"),
        (Numbers, r"Numbers: state\['total'\] began as 0.0, and a tensor or a tuple"),
    ):
        with pytest.raises(ArgumentError, match=words):
            kind([p], lr=0.1).step()


def test_a_setting_is_that_of_all_groups():
    p, q = wg.parameter([1.0]), wg.parameter([2.0])
    optimizer = RMSprop([{"params": p, "lr": 0.5}, {"params": q}], lr=0.1)
    with pytest.raises(ArgumentError, match="lr differs from group to group"):
        _ = optimizer.lr
    optimizer.lr = 0.3
    assert [g["lr"] for g in optimizer.param_groups] == [0.3, 0.3] and optimizer.lr == 0.3
    assert repr(optimizer).startswith("RMSprop(2 parameters in 2 groups")
