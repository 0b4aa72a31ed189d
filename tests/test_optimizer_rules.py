"""Every rule over 100 steps: against float64 NumPy written here, and against PyTorch.

A row of RULES is a class, its settings, and a generator that gives new values for old ones: it is
sent a gradient, and keeps what the rule remembers in its own variables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import optim

STEPS = 100
Rule = Iterator[Callable[[np.ndarray, np.ndarray, float], np.ndarray]]


# The rules, in float64. Each returns a function of parameter, gradient and the number of the step.


def sgd(lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
    v: Any = None

    def step(p, g, t):
        nonlocal v
        g = g + weight_decay * p
        if momentum:
            v = g if v is None else momentum * v + (1 - dampening) * g
            g = g + momentum * v if nesterov else v
        return p - lr * g

    return step


def adam(lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, apart=False):
    m = v = top = 0.0

    def step(p, g, t):
        nonlocal m, v, top
        if apart:
            p = p * (1 - lr * weight_decay)
        else:
            g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        top = np.maximum(top, v) if amsgrad else v
        correction = np.sqrt(top / (1 - betas[1] ** t)) + eps
        return p - lr * m / (1 - betas[0] ** t) / correction

    return step


def adamw(lr, weight_decay=0.01, **others):
    return adam(lr, weight_decay=weight_decay, apart=True, **others)


def rmsprop(lr, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False):
    v = a = b = 0.0

    def step(p, g, t):
        nonlocal v, a, b
        g = g + weight_decay * p
        v = alpha * v + (1 - alpha) * g * g
        a = alpha * a + (1 - alpha) * g if centered else 0.0
        b = momentum * b + g / (np.sqrt(v - a * a) + eps)
        return p - lr * b

    return step


def adagrad(lr, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10):
    v = initial_accumulator_value

    def step(p, g, t):
        nonlocal v
        g = g + weight_decay * p
        v = v + g * g
        return p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(v) + eps)

    return step


def adadelta(lr, rho=0.9, eps=1e-6, weight_decay=0.0):
    v = u = 0.0

    def step(p, g, t):
        nonlocal v, u
        g = g + weight_decay * p
        v = rho * v + (1 - rho) * g * g
        s = np.sqrt(u + eps) / np.sqrt(v + eps) * g
        u = rho * u + (1 - rho) * s * s
        return p - lr * s

    return step


def adamax(lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    m = u = 0.0

    def step(p, g, t):
        nonlocal m, u
        g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        u = np.maximum(betas[1] * u, np.abs(g) + eps)
        return p - lr / (1 - betas[0] ** t) * m / u

    return step


def nadam(lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, momentum_decay=4e-3,
          decoupled_weight_decay=False):  # fmt: skip
    m = v = 0.0
    product = 1.0

    def step(p, g, t):
        nonlocal m, v, product
        if decoupled_weight_decay:
            p = p * (1 - lr * weight_decay)
        else:
            g = g + weight_decay * p
        mu = betas[0] * (1 - 0.5 * 0.96 ** (t * momentum_decay))
        ahead = betas[0] * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
        product *= mu
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        root = np.sqrt(v / (1 - betas[1] ** t)) + eps
        p = p - lr * (1 - mu) / (1 - product) * g / root
        return p - lr * ahead / (1 - product * ahead) * m / root

    return step


def radam(lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled_weight_decay=False):
    m = v = 0.0

    def step(p, g, t):
        nonlocal m, v
        if decoupled_weight_decay:
            p = p * (1 - lr * weight_decay)
        else:
            g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        most = 2 / (1 - betas[1]) - 1
        known = most - 2 * t * betas[1] ** t / (1 - betas[1] ** t)
        scale = 1.0
        if known > 5:
            part = (known - 4) * (known - 2) * most / ((most - 4) * (most - 2) * known)
            scale = math.sqrt(part) * math.sqrt(1 - betas[1] ** t) / (np.sqrt(v) + eps)
        return p - lr * m / (1 - betas[0] ** t) * scale

    return step


def asgd(lr, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0.0):
    eta = lr

    def step(p, g, t):
        nonlocal eta
        p = p * (1 - lambd * eta) - eta * (g + weight_decay * p)
        eta = lr / (1 + lambd * lr * t) ** alpha
        return p

    return step


def rprop(lr, etas=(0.5, 1.2), step_sizes=(1e-6, 50.0)):
    last, size = 0.0, lr

    def step(p, g, t):
        nonlocal last, size
        same = np.sign(g * last)
        size = np.clip(size * np.select([same > 0, same < 0], etas[::-1], 1.0), *step_sizes)
        last = np.where(same < 0, 0.0, g)
        return p - np.sign(last) * size

    return step


def lion(lr, betas=(0.9, 0.99), weight_decay=0.0):
    m = 0.0

    def step(p, g, t):
        nonlocal m
        blend = betas[0] * m + (1 - betas[0]) * g
        m = betas[1] * m + (1 - betas[1]) * g
        return p * (1 - lr * weight_decay) - lr * np.sign(blend)

    return step


def muon(lr, weight_decay=0.1, momentum=0.95, nesterov=True, adjust_lr_fn=None, ns_steps=5):
    b = 0.0

    def step(p, g, t):
        nonlocal b
        b = momentum * b + (1 - momentum) * g
        u = momentum * b + (1 - momentum) * g if nesterov else b
        n, m = u.shape
        u = u.T if n > m else u
        u = u / np.linalg.norm(u)
        for _ in range(ns_steps):
            s = u @ u.T
            u = 3.4445 * u + (-4.775 * s + 2.0315 * s @ s) @ u
        u = u.T if n > m else u
        ratio = (
            0.2 * max(n, m) ** 0.5 if adjust_lr_fn == "match_rms_adamw" else max(1, n / m) ** 0.5
        )
        return p * (1 - lr * weight_decay) - lr * ratio * u

    return step


RULES: list[Any] = [
    (optim.SGD, sgd, {"lr": 0.05}),
    (optim.SGD, sgd, {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    (optim.SGD, sgd, {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    (optim.Adam, adam, {"lr": 0.05, "weight_decay": 0.1}),
    (optim.Adam, adam, {"lr": 0.05, "betas": (0.5, 0.8), "amsgrad": True}),
    (optim.AdamW, adamw, {"lr": 0.05, "amsgrad": True}),
    (optim.RMSprop, rmsprop, {"lr": 0.01}),
    (optim.RMSprop, rmsprop, {
        "lr": 0.01, "alpha": 0.9, "weight_decay": 0.1, "momentum": 0.5, "centered": True,
    }),
    (optim.Adagrad, adagrad, {
        "lr": 0.1, "lr_decay": 0.01, "weight_decay": 0.1, "initial_accumulator_value": 0.3,
    }),
    (optim.Adadelta, adadelta, {"lr": 1.0, "weight_decay": 0.1}),
    (optim.Adamax, adamax, {"lr": 0.05, "weight_decay": 0.1}),
    (optim.NAdam, nadam, {"lr": 0.05, "weight_decay": 0.1}),
    (optim.NAdam, nadam, {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    (optim.RAdam, radam, {"lr": 0.05, "weight_decay": 0.1, "betas": (0.9, 0.99)}),
    (optim.RAdam, radam, {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    (optim.ASGD, asgd, {"lr": 0.05, "lambd": 0.1, "weight_decay": 0.1, "t0": 20.0}),
    (optim.Rprop, rprop, {"lr": 0.05, "step_sizes": (1e-3, 0.3)}),
    (optim.Lion, lion, {"lr": 0.01, "weight_decay": 0.1}),
    (optim.Muon, muon, {"lr": 0.05}),
    (optim.Muon, muon, {"lr": 0.05, "nesterov": False, "adjust_lr_fn": "match_rms_adamw"}),
]  # fmt: skip
each_rule = pytest.mark.parametrize(
    ("rule", "reference", "settings"),
    RULES,
    ids=[f"{i}-{r[0].__name__}" for i, r in enumerate(RULES)],
)
START = np.random.default_rng(0).standard_normal((3, 2))
NOISE = np.random.default_rng(1).standard_normal((STEPS, 3, 2))
SIGNS = np.random.default_rng(2).choice([-1.0, 1.0], 3)  # of rows: Rprop sees both turns


def expected(reference, settings, maximize=False) -> np.ndarray:
    step, p = reference(**settings), START
    for t, noise in enumerate(NOISE, 1):
        g = p + noise
        p = step(p, -g if maximize else g, t)
    return p


def trained(rule, settings, dtype, compiled=False, **more) -> tuple[np.ndarray, Any, Any]:
    p = wg.parameter(START, dtype=dtype)
    optimizer = rule([p], **settings, **more)

    def step(noise):
        optimizer.zero_grad()
        (0.5 * p * p + noise * p).sum().backward()
        optimizer.step()

    run = wg.compile(step) if compiled else step
    for noise in NOISE:
        run(wg.tensor(noise, dtype=dtype))
    return p.numpy(), optimizer, run


@each_rule
def test_rules_follow_their_formulas_for_100_steps(numpy_device, rule, reference, settings):
    found = trained(rule, settings, "float64")[0]
    np.testing.assert_allclose(found, expected(reference, settings), rtol=1e-10, atol=1e-10)


@each_rule
def test_rules_follow_their_formulas_compiled(numpy_device, rule, reference, settings):
    follows_compiled(rule, reference, settings)


@pytest.mark.parametrize(
    ("rule", "reference", "settings"),
    [*{row[0]: row for row in RULES}.values()],
    ids=[*dict.fromkeys(row[0].__name__ for row in RULES)],
)
def test_rules_follow_their_formulas_on_the_gpu(webgpu, rule, reference, settings):
    follows_compiled(rule, reference, settings)


def follows_compiled(rule, reference, settings):
    found, _, run = trained(rule, settings, "float32", compiled=True)
    np.testing.assert_allclose(found, expected(reference, settings), rtol=1e-5, atol=1e-5)
    assert len(run.programs) == 1


@pytest.mark.parametrize(
    "rule", [r for r in RULES if r[0] is not optim.Muon][1::2], ids=lambda rule: rule[0].__name__
)
def test_rules_climb_with_maximize(numpy_device, rule):
    kind, reference, settings = rule
    found = trained(kind, settings, "float64", maximize=True)[0]
    np.testing.assert_allclose(found, expected(reference, settings, True), rtol=1e-9, atol=1e-10)


@each_rule
def test_rules_are_pytorchs(numpy_device, rule, reference, settings):
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.optim, rule.__name__, None)
    if theirs is None:
        pytest.skip("PyTorch has no such rule")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # some keep numbers of their own in it
    try:
        p = torch.tensor(START, requires_grad=True)
        optimizer = theirs([p], **settings)
        for noise in NOISE:
            optimizer.zero_grad()
            (0.5 * p * p + torch.tensor(noise) * p).sum().backward()
            optimizer.step()
    finally:
        torch.set_default_dtype(before)
    rtol = 0.2 if rule is optim.Muon else 1e-10  # which PyTorch computes in bfloat16
    found = trained(rule, settings, "float64")[0]
    np.testing.assert_allclose(found, p.detach().numpy(), rtol=rtol, atol=rtol)
