"""Compiled steps that make leaves of their own: penalties on gradients, attacks, inner loops."""

import numpy as np
import pytest
from test_capture import alike

import wgrad as wg
from wgrad import optim


def network():
    rng = np.random.default_rng(0)
    w, v = wg.parameter(rng.standard_normal((3, 8)) / 2), wg.parameter(rng.standard_normal((8, 1)))
    return [w, v], lambda x: (x @ w).tanh() @ v


def gradient_penalty(create):
    """The slope of a critic between true and made samples is drawn to 1 (WGAN-GP)."""
    params, critic = network()
    optimizer = optim.Adam(params, lr=0.01)
    samples = wg.tensor(np.random.default_rng(1).standard_normal((6, 5, 3)), dtype=float)

    def step(x):
        between = (x * 0.3 + 1.4).requires_grad_()
        if create:
            critic(between).sum().backward(create_graph=True)
            slope = between.grad
        else:
            slope = wg.grad(lambda a: critic(a).sum())(between)
        optimizer.zero_grad()
        penalty = (slope.square().sum(axis=1).sqrt() - 1).square().mean()
        penalty.backward()
        optimizer.step()
        return penalty.detach()

    return step, lambda i: (samples[i],), lambda: params


def attack():
    """Train on inputs moved along the sign of their gradient (FGSM)."""
    params, f = network()
    optimizer = optim.SGD(params, lr=0.01, momentum=0.9)
    samples = wg.tensor(np.random.default_rng(1).standard_normal((6, 5, 3)), dtype=float)

    def step(x):
        x = x.detach().requires_grad_()
        f(x).square().mean().backward()
        moved = (x + 0.1 * x.grad.sign()).detach()
        optimizer.zero_grad()
        loss = f(moved).square().mean()
        loss.backward()
        optimizer.step()
        return moved

    return step, lambda i: (samples[i],), lambda: params


def siren():
    """Fit the slope of a function of coordinates that are made inside."""
    params, f = network()
    optimizer = optim.SGD(params, lr=0.01)

    def step():
        at = wg.linspace(-1, 1, 12).reshape(4, 3) * 2
        at.requires_grad = True
        f(at).sum().backward(create_graph=True)
        optimizer.zero_grad()
        loss = (at.grad - 1).square().mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step, lambda i: (), lambda: params


def hooks():
    w = wg.parameter([1.0, 2.0])

    def step(x):
        h = w * x
        h.retain_grad()
        handle = h.register_hook(lambda ct: ct * h.detach())
        h.tanh().sum().backward()
        handle.remove()
        found = h.grad * 1
        w.zero_grad()
        return found

    return step, lambda i: (wg.full((2,), 1.0 + i),), lambda: [w]


def inner_loop(kind):
    """Learn a few steps ahead with an optimizer that is made inside."""
    w = wg.tensor([1.0, -2.0])

    def step(x):
        fast = wg.parameter(w.detach() * 1)
        optimizer = kind([fast])
        for _ in range(3):
            optimizer.zero_grad()
            (fast * x - 1).square().sum().backward()
            optimizer.step()
        w.assign(w + 0.1 * (fast.detach() - w.detach()))
        return fast.detach()

    return step, lambda i: (wg.full((2,), 1.0 + i / 4),), lambda: [w]


CASES = {
    "gradient penalty by backward": lambda: gradient_penalty(True),
    "gradient penalty by grad": lambda: gradient_penalty(False),
    "attack": attack,
    "siren": siren,
    "hooks": hooks,
    "inner SGD": lambda: inner_loop(lambda p: optim.SGD(p, lr=0.05, momentum=0.9)),
    "inner Adam": lambda: inner_loop(lambda p: optim.Adam(p, lr=0.1)),
}


@pytest.mark.parametrize("case", CASES)
def test_leaves_made_inside_are_compiled(device, case):
    compiled = alike(CASES[case])
    assert any(s.captures for s in compiled._signatures.values())
