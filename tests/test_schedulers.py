"""Schedulers: against their formulas and PyTorch's, inside compiled steps, saved, out of order."""

from __future__ import annotations

import math
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import optim
from wgrad.errors import ArgumentError, DTypeError, TraceError, WgradError
from wgrad.optim import lr_scheduler as ours

STEPS = 23


def rates(make, library=ours, rule=optim.SGD, steps=STEPS, **settings) -> np.ndarray:
    """Return the rates and momenta of two groups at each step of a schedule."""
    made = wg.parameter if library is ours else pytest.importorskip("torch").tensor
    more = {} if library is ours else {"requires_grad": True}
    groups = [{"params": [made([1.0], **more)], "lr": lr} for lr in (0.8, 0.4)]
    optimizer = rule(groups, **settings)
    scheduler = make(library, optimizer)
    found = []
    for i in range(steps):
        optimizer.step()
        found.append([
            [g["lr"], g["betas"][0] if "betas" in g else g["momentum"]]
            for g in optimizer.param_groups
        ])  # fmt: skip
        scheduler.step(*[abs(math.sin(i))] * (type(scheduler).__name__ == "ReduceLROnPlateau"))
        assert scheduler.get_last_lr() == [g["lr"] for g in optimizer.param_groups]
    return np.array(found)


# Each with the rate of a group that began with lr, at step t; None where it depends on the past.
SCHEDULES: dict[str, tuple[Any, Any]] = {
    "LambdaLR": (lambda L, o: L.LambdaLR(o, lambda t: 0.9**t), lambda lr, t: lr * 0.9**t),
    "LambdaLR of each": (
        lambda L, o: L.LambdaLR(o, [lambda t: 1.0, lambda t: 1 / (1 + t)]), None,
    ),
    "MultiplicativeLR": (
        lambda L, o: L.MultiplicativeLR(o, lambda t: 0.9), lambda lr, t: lr * 0.9**t,
    ),
    "StepLR": (lambda L, o: L.StepLR(o, 5, 0.5), lambda lr, t: lr * 0.5 ** (t // 5)),
    "MultiStepLR": (
        lambda L, o: L.MultiStepLR(o, [3, 7, 7], 0.5),
        lambda lr, t: lr * 0.5 ** ((t >= 3) + 2 * (t >= 7)),
    ),
    "ConstantLR": (
        lambda L, o: L.ConstantLR(o, 0.25, 4), lambda lr, t: lr * (0.25 if t < 4 else 1),
    ),
    "LinearLR": (
        lambda L, o: L.LinearLR(o, 0.2, 0.6, 8), lambda lr, t: lr * (0.2 + 0.4 * min(t, 8) / 8),
    ),
    "ExponentialLR": (lambda L, o: L.ExponentialLR(o, 0.8), lambda lr, t: lr * 0.8**t),
    "PolynomialLR": (
        lambda L, o: L.PolynomialLR(o, 10, 2.0), lambda lr, t: lr * (1 - min(t, 10) / 10) ** 2,
    ),
    "CosineAnnealingLR": (
        lambda L, o: L.CosineAnnealingLR(o, 6, 0.1),
        lambda lr, t: 0.1 + (lr - 0.1) * (1 + math.cos(math.pi * t / 6)) / 2,
    ),
    "CosineAnnealingWarmRestarts": (
        lambda L, o: L.CosineAnnealingWarmRestarts(o, 4, 2, 0.1),
        lambda lr, t: 0.1 + (lr - 0.1) * (
            1 + math.cos(math.pi * (t / 4 if t < 4 else (t - 4) / 8 if t < 12 else (t - 12) / 16))
        ) / 2,
    ),
    "CyclicLR": (
        lambda L, o: L.CyclicLR(o, 0.1, [0.5, 1.0], 4, 2, mode="triangular2"), None,
    ),
    "CyclicLR by range": (
        lambda L, o: L.CyclicLR(o, [0.1, 0.2], 1.0, 3, mode="exp_range", gamma=0.9), None,
    ),
    "CyclicLR by function": (
        lambda L, o: L.CyclicLR(o, 0.1, 1.0, 3, scale_fn=lambda n: 1 / n), None,
    ),
    "OneCycleLR": (lambda L, o: L.OneCycleLR(o, [0.5, 1.0], STEPS), None),
    "OneCycleLR in three": (
        lambda L, o: L.OneCycleLR(
            o, 0.5, epochs=5, steps_per_epoch=5, three_phase=True, anneal_strategy="linear"
        ), None,
    ),
    "ReduceLROnPlateau": (
        lambda L, o: L.ReduceLROnPlateau(o, "max", 0.5, 2, cooldown=1, min_lr=[0.1, 0.01]), None,
    ),
    "ReduceLROnPlateau by amount": (
        lambda L, o: L.ReduceLROnPlateau(o, patience=1, threshold=0.1, threshold_mode="abs"), None,
    ),
    "SequentialLR": (
        lambda L, o: L.SequentialLR(
            o, [L.LinearLR(o, 0.1, total_iters=5), L.CosineAnnealingLR(o, 18)], [5]
        ),
        lambda lr, t: lr * (
            0.1 + 0.9 * t / 5 if t < 5 else (1 + math.cos(math.pi * (t - 5) / 18)) / 2
        ),
    ),
    "ChainedScheduler": (
        lambda L, o: L.ChainedScheduler([L.ExponentialLR(o, 0.9), L.ConstantLR(o, 0.5, 4)]),
        lambda lr, t: lr * 0.9**t * (0.5 if t < 4 else 1),
    ),
    "SequentialLR of chained": (
        lambda L, o: L.SequentialLR(
            o,
            [L.ChainedScheduler([L.ExponentialLR(o, 0.9), L.StepLR(o, 2)]), L.ConstantLR(o, 0.5)],
            [7],
        ),
        lambda lr, t: lr * (0.9**t * 0.1 ** (t // 2) if t < 7 else 0.5 if t < 12 else 1.0),
    ),
}  # fmt: skip
each_schedule = pytest.mark.parametrize(("make", "formula"), SCHEDULES.values(), ids=SCHEDULES)


@each_schedule
def test_schedules_follow_their_formulas(numpy_device, make, formula):
    found = rates(make, momentum=0.9)
    assert np.isfinite(found).all()
    if formula is not None:
        expected = [[formula(lr, t) for lr in (0.8, 0.4)] for t in range(STEPS)]
        np.testing.assert_allclose(found[..., 0], expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", [x for x in SCHEDULES if x != "SequentialLR of chained"])
@pytest.mark.parametrize("rule", ["SGD", "Adam"])
def test_schedules_are_pytorchs(numpy_device, name, rule):
    """PyTorch's SequentialLR steps a chain that comes first once before its first rate."""
    make = SCHEDULES[name][0]
    torch = pytest.importorskip("torch")
    settings = {"momentum": 0.9} if rule == "SGD" else {}
    found = rates(make, rule=getattr(optim, rule), **settings)
    theirs = rates(make, torch.optim.lr_scheduler, getattr(torch.optim, rule), **settings)
    np.testing.assert_allclose(found, theirs, rtol=1e-10, atol=1e-15)


def test_one_cycle_goes_up_and_down_and_momentum_against_it(numpy_device):
    found = rates(lambda L, o: L.OneCycleLR(o, 1.0, 20, pct_start=0.5), steps=20, momentum=0.9)
    rate, momentum = found[:, 0].T
    np.testing.assert_allclose([rate[0], rate[9], rate[19]], [0.04, 1.0, 0.04 / 1e4], rtol=1e-12)
    np.testing.assert_allclose([momentum[0], momentum[9], momentum[19]], [0.95, 0.85, 0.95])


# Inside compiled steps.


def training(rule, make, compiled, inside, order=(), steps=9, **settings):
    p, q = wg.parameter([1.0, -2.0]), wg.parameter([0.5, 3.0])
    optimizer = rule([{"params": [p]}, {"params": [q], "lr": 0.05}], lr=0.1, **settings)
    scheduler = make(ours, optimizer)

    def step(x):
        optimizer.zero_grad()
        ((p * q - x).square().sum() + p.sum()).backward()
        for what in order or ("step", "turn"):
            if what == "step":
                optimizer.step()
            elif inside:
                scheduler.step()

    run = wg.compile(step) if compiled else step
    for i in range(steps):
        run(wg.tensor([0.1 * i, 1.0]))
        if not inside:
            scheduler.step()
    return [*p.tolist(), *q.tolist()], scheduler, run


INSIDE = ["LambdaLR", "StepLR", "OneCycleLR", "SequentialLR", "ChainedScheduler"]


@pytest.mark.parametrize("inside", [False, True])
def test_compiled_steps_follow_a_schedule_on_the_gpu(webgpu, inside):
    follows_compiled("OneCycleLR", inside)


@pytest.mark.parametrize("name", INSIDE)
@pytest.mark.parametrize("inside", [False, True])
def test_compiled_steps_follow_a_schedule_without_a_new_trace(numpy_device, name, inside):
    follows_compiled(name, inside)


def follows_compiled(name, inside):
    for rule, settings in ((optim.SGD, {"momentum": 0.9}), (optim.Adam, {})):
        make = SCHEDULES[name][0]
        plain, scheduler, _ = training(rule, make, False, inside, **settings)
        found, other, run = training(rule, make, True, inside, **settings)
        np.testing.assert_allclose(found, plain, rtol=2e-5, atol=1e-6)
        assert len(run.programs) == 1
        assert other.last_epoch == scheduler.last_epoch == 9
        assert other.get_last_lr() == scheduler.get_last_lr()


@pytest.mark.parametrize("order", [("turn", "step"), ("step", "turn", "step"), ("turn", "turn"),
                                   ("turn", "step", "turn", "step", "turn")], ids=str)  # fmt: skip
def test_steps_read_the_rates_of_their_place_in_a_compiled_function(numpy_device, order):
    def make(L, o):
        return L.ExponentialLR(o, 0.5)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the schedule comes first
        plain, scheduler, _ = training(optim.SGD, make, False, True, order, weight_decay=0.1)
        found, other, run = training(optim.SGD, make, True, True, order, weight_decay=0.1)
    np.testing.assert_allclose(found, plain, rtol=2e-5, atol=1e-6)
    assert len(run.programs) == 1 and other.get_last_lr() == scheduler.get_last_lr()


def test_a_rate_that_decides_is_looked_at_where_it_stands(numpy_device):
    """A rule that asks whether its rate is large, before and after turns of the schedule."""

    class Asking(optim.Optimizer):
        def update(self, p, g, state, now):
            return p - (now["lr"] if now["lr"] > 0.3 else 0.0) * g

    def train(compiled, first):
        p = wg.parameter([1.0])
        optimizer = Asking([p], lr=1.0)
        scheduler = ours.ExponentialLR(optimizer, 0.5)
        optimizer._has_stepped = True

        def step():
            p.set_grad(wg.ones(1))
            if first:
                scheduler.step()
            optimizer.step()
            if not first:
                scheduler.step()

        run = wg.compile(step) if compiled else step
        for _ in range(6):
            run()
        return p.item(), scheduler.get_last_lr()

    for first in (False, True):
        assert train(True, first) == train(False, first)


def test_declared_steps_follow_a_schedule(device):
    p = wg.parameter([1.0, 2.0])
    optimizer = optim.SGD([p], lr=1.0)
    scheduler = ours.ExponentialLR(optimizer, 0.5)

    @wg.compile(state=[p, optimizer, scheduler])
    def step():
        p.set_grad(wg.ones_like(p))
        optimizer.step()
        scheduler.step()

    for _ in range(4):
        step()
    np.testing.assert_allclose(p.numpy(), [1 - 1.875, 2 - 1.875])
    assert scheduler.last_epoch == 4 and len(step.programs) == 1


@pytest.mark.parametrize("reading", [
    lambda o, s: s.get_last_lr()[0], lambda o, s: s.last_epoch, lambda o, s: o.lr,
])  # fmt: skip
def test_what_a_function_reads_of_a_schedule_is_never_old(numpy_device, reading):
    p = wg.parameter([1.0])
    optimizer = optim.SGD([p], lr=1.0)
    scheduler = ours.StepLR(optimizer, 2, 0.5)
    found = []

    def step():
        p.set_grad(wg.ones(1))
        before = reading(optimizer, scheduler)
        optimizer.step()
        scheduler.step()
        return p * 0 + before, p * 0 + reading(optimizer, scheduler)

    run = wg.compile(step)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it runs uncompiled
        for _ in range(6):
            found.append([x.item() for x in run()])
    rate = [0.5 ** (t // 2) for t in range(7)]
    expected = rate if found[0][0] == 1.0 else range(7)
    assert found == [[expected[t], expected[t + 1]] for t in range(6)]


def test_a_run_that_fails_takes_its_turn_back(numpy_device):
    p = wg.parameter([1.0])
    optimizer = optim.Adam([p], lr=1.0)
    wrong = []

    def schedule(t):
        if wrong:
            raise KeyError("mine")
        return 0.5**t

    one, two = ours.StepLR(optimizer, 1, 0.5), ours.LambdaLR(optimizer, schedule)

    @wg.compile(state=[p, optimizer])
    def step():
        p.set_grad(wg.ones(1))
        optimizer.step()
        one.step()
        two.step()

    for _ in range(3):
        step()
    before = p.item(), optimizer.lr, optimizer._steps[0], one.last_epoch, two.last_epoch
    wrong.append(1)
    with pytest.raises(KeyError):
        step()
    after = p.item(), optimizer.lr, optimizer._steps[0], one.last_epoch, two.last_epoch
    assert before == after == (before[0], 0.125, 3, 3, 3)
    wrong.clear()
    step()
    assert (optimizer.lr, one.last_epoch, two.last_epoch) == (0.0625, 4, 4)


# State.


@each_schedule
def test_a_saved_schedule_goes_on_where_it_was_taken(numpy_device, make, formula):
    def parts():
        groups = [{"params": wg.parameter([1.0])} for _ in "ab"]
        optimizer = optim.SGD(groups, lr=0.8, momentum=0.9)
        optimizer.step()
        return optimizer, make(ours, optimizer)

    (one, scheduler), (two, other) = parts(), parts()

    def step(s, i):
        s.step(*[abs(math.sin(i))] * (type(s).__name__ == "ReduceLROnPlateau"))

    for i in range(8):
        step(scheduler, i)
    saved = pickle.loads(pickle.dumps((one.state_dict(), scheduler.state_dict())))
    two.load_state_dict(saved[0])
    other.load_state_dict(saved[1])
    for i in range(8, 20):
        step(scheduler, i)
        step(other, i)
        assert [g["lr"] for g in one.param_groups] == [g["lr"] for g in two.param_groups]
        assert one.momentum == two.momentum
    assert other.last_epoch == scheduler.last_epoch == 20


@pytest.mark.parametrize("name", ["StepLR", "MultiStepLR", "CyclicLR", "OneCycleLR", "SequentialLR",
                                  "ReduceLROnPlateau", "CosineAnnealingWarmRestarts"])  # fmt: skip
def test_states_move_to_pytorch_and_back(numpy_device, name):
    torch = pytest.importorskip("torch")
    make = SCHEDULES[name][0]
    mine = optim.SGD([{"params": [wg.parameter([1.0])]} for _ in "ab"], lr=0.8, momentum=0.9)
    p = [{"params": [torch.tensor([1.0], requires_grad=True)]} for _ in "ab"]
    its = torch.optim.SGD(p, lr=0.8, momentum=0.9)
    pair = (mine, make(ours, mine)), (its, make(torch.optim.lr_scheduler, its))

    def go(optimizer, scheduler, count):
        metric = [1.0] * (name == "ReduceLROnPlateau")
        for _ in range(count):
            optimizer.step()
            scheduler.step(*metric)
        return [g["lr"] for g in optimizer.param_groups]

    go(*pair[1], 5)
    mine.load_state_dict(its.state_dict())
    pair[0][1].load_state_dict(pair[1][1].state_dict())
    assert go(*pair[0], 3) == pytest.approx(go(*pair[1], 3), rel=1e-12)
    go(*pair[0], 2)
    its.load_state_dict(mine.state_dict())
    pair[1][1].load_state_dict(pair[0][1].state_dict())
    assert go(*pair[0], 4) == pytest.approx(go(*pair[1], 4), rel=1e-12)


def test_a_schedule_goes_on_from_a_step(numpy_device):
    optimizer = optim.SGD([wg.parameter([1.0])], lr=0.8)
    with pytest.raises(ArgumentError, match="group 0 has no initial_lr"):
        ours.StepLR(optimizer, 2, 0.5, last_epoch=3)
    first = ours.StepLR(optimizer, 2, 0.5)
    optimizer.step()
    for _ in range(3):
        first.step()
    again = ours.StepLR(optimizer, 2, 0.5, last_epoch=2)
    again.step()
    assert again.last_epoch == 4 and optimizer.lr == 0.2


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda s: s.pop("gamma"), ArgumentError, "without .'gamma'"),
        (lambda s: s.update(gamma="x"), ArgumentError, "gamma is 'x'"),
        (lambda s: s.update(_last_lr=[1.0, 2.0]), ArgumentError, "_last_lr is"),
        (lambda s: s.update(last_epoch=None, base_lrs=3), ArgumentError, "base_lrs is 3"),
    ],
)
def test_bad_states_change_nothing(numpy_device, change, error, words):
    scheduler = ours.StepLR(optim.SGD([wg.parameter([1.0])], lr=0.8), 2)
    before, state = scheduler.state_dict(), scheduler.state_dict()
    change(state)
    with pytest.raises(error, match=words):
        scheduler.load_state_dict(state)
    with pytest.raises(DTypeError, match="int came"):
        scheduler.load_state_dict(3)
    assert scheduler.state_dict() == before


# Out of order, and bad input.


def made(momentum=0.9) -> optim.SGD:
    optimizer = optim.SGD([wg.parameter([1.0])], lr=0.8, momentum=momentum)
    optimizer._has_stepped = True
    return optimizer


def test_a_schedule_before_its_optimizer_is_warned_of_once(numpy_device):
    optimizer = optim.SGD([wg.parameter([1.0])], lr=0.8)
    scheduler = ours.StepLR(optimizer, 2)
    with pytest.warns(UserWarning, match="StepLR.step: it came before the first optimizer.step"):
        scheduler.step()
    scheduler.step()
    assert scheduler.last_epoch == 2


def test_one_cycle_ends_with_a_sentence(numpy_device):
    optimizer = made()
    scheduler = ours.OneCycleLR(optimizer, 1.0, 3)
    for _ in range(3):
        scheduler.step()
    before = dict(optimizer.param_groups[0]), scheduler.state_dict()
    with pytest.raises(ArgumentError, match="step 4 came, and the schedule has 3"):
        scheduler.step()
    assert (dict(optimizer.param_groups[0]), scheduler.state_dict()) == before


def test_a_metric_inside_a_compiled_step_is_an_error(numpy_device):
    optimizer = made()
    scheduler = ours.ReduceLROnPlateau(optimizer)

    @wg.compile
    def step(x):
        scheduler.step(x.sum())

    with pytest.raises(TraceError, match=r"ReduceLROnPlateau\.step reads its metric on the host"):
        step(wg.ones(2))
    for bad in (wg.ones(2), "x", None):
        with pytest.raises(ArgumentError, match="and a number is needed"):
            scheduler.step(bad)
    assert scheduler.last_epoch == 0


BAD: list[Any] = [
    (lambda o: ours.StepLR(None, 2), "optimizer=None came"),
    (lambda o: ours.StepLR([o], 2), "an optimizer is needed"),
    (lambda o: ours.StepLR(o, 0), "step_size=0 came"),
    (lambda o: ours.StepLR(o, 2.5), "step_size=2.5 came"),
    (lambda o: ours.StepLR(o, 2, -0.1), "gamma is -0.1"),
    (lambda o: ours.StepLR(o, 2, last_epoch=-2), "last_epoch=-2"),
    (lambda o: ours.MultiStepLR(o, 3), "milestones=3 came"),
    (lambda o: ours.MultiStepLR(o, [3, "x"]), "milestones='x' came"),
    (lambda o: ours.ConstantLR(o, 0.0), "factor=0.0 came"),
    (lambda o: ours.ConstantLR(o, 1.5), "factor=1.5 came"),
    (lambda o: ours.LinearLR(o, 0.0), "start_factor=0.0 came"),
    (lambda o: ours.LinearLR(o, total_iters=0), "total_iters=0 came"),
    (lambda o: ours.ExponentialLR(o, float("nan")), "gamma is nan"),
    (lambda o: ours.PolynomialLR(o, -1), "total_iters=-1 came"),
    (lambda o: ours.CosineAnnealingLR(o, 0), "T_max=0 came"),
    (lambda o: ours.CosineAnnealingWarmRestarts(o, 3, 0), "T_mult=0 came"),
    (lambda o: ours.CosineAnnealingWarmRestarts(o, 3).step(-1), "epoch is -1"),
    (lambda o: ours.LambdaLR(o, 3), "lr_lambda=3 came"),
    (lambda o: ours.LambdaLR(o, [abs, abs]), "lr_lambda has 2 entries"),
    (lambda o: ours.LambdaLR(o, lambda t: -1.0), r"lr_lambda\(0\) is -1.0"),
    (lambda o: ours.CyclicLR(o, 0.1, [1.0, 2.0]), "max_lr has 2 entries"),
    (lambda o: ours.CyclicLR(o, 0.1, 1.0, mode="square"), "mode=\"?'?square"),
    (lambda o: ours.CyclicLR(o, 0.1, 1.0, scale_fn=2), "scale_fn=2 came"),
    (lambda o: ours.CyclicLR(optim.Rprop([wg.parameter(1.0)]), 0.1, 1.0), "has neither momentum"),
    (lambda o: ours.OneCycleLR(o, 1.0), "neither total_steps came nor epochs"),
    (lambda o: ours.OneCycleLR(o, 1.0, 10, pct_start=1.5), "pct_start=1.5 came"),
    (lambda o: ours.OneCycleLR(o, 1.0, 10, div_factor=0), "div_factor=0 came"),
    (lambda o: ours.OneCycleLR(o, [1.0, 2.0], 10), "max_lr has 2 entries"),
    (lambda o: ours.ReduceLROnPlateau(o, factor=1.0), "factor=1.0 came"),
    (lambda o: ours.ReduceLROnPlateau(o, mode="least"), "mode=\"?'?least"),
    (lambda o: ours.ReduceLROnPlateau(o, min_lr=[0.1, 0.2]), "min_lr has 2 entries"),
    (lambda o: ours.SequentialLR(o, [], []), "a list of schedulers is needed"),
    (lambda o: ours.SequentialLR(o, [3], []), "scheduler 0 is 3"),
    (lambda o: ours.SequentialLR(o, [ours.StepLR(o, 1)], [2]), "a list of 0 is needed"),
    (lambda o: ours.SequentialLR(o, [ours.StepLR(o, 1)] * 3, [3, 2]), "growing ones are needed"),
    (lambda o: ours.SequentialLR(o, [ours.StepLR(made(), 1)], []), "of another optimizer"),
    (lambda o: ours.ChainedScheduler([ours.StepLR(o, 1), ours.StepLR(made(), 1)]), "another opt"),
    (lambda o: ours.ChainedScheduler([ours.ReduceLROnPlateau(o)]), "whose step needs a metric"),
    (lambda o: ours.LRScheduler(o), "defines no get_lr"),
]


@pytest.mark.parametrize(("call", "words"), BAD)
def test_schedulers_refuse_what_does_not_fit(numpy_device, call, words):
    with pytest.raises((WgradError, NotImplementedError), match=words):
        call(made())


def test_a_group_that_comes_later_is_named(numpy_device):
    optimizer = made()
    scheduler = ours.LambdaLR(optimizer, lambda t: 0.5)
    optimizer.add_param_group({"params": [wg.parameter([1.0])]})
    with pytest.raises(ArgumentError, match="has 2 groups by now, and had 1"):
        scheduler.step()
    assert scheduler.last_epoch == 0
