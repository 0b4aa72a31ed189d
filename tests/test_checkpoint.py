"""wg.checkpoint: the same numbers with less memory, eager and compiled."""

import gc

import numpy as np
import pytest

import wgrad as wg
from wgrad.backends.array import Storage
from wgrad.errors import GradientError
from wgrad.nn import functional as F

B, D, DEPTH = 32, 16, 4


class Chain(wg.nn.Module):
    """Blocks with dropout, whose weights are used as well as their inputs."""

    def __init__(self, saving):
        self.saving = saving
        rngs = map(np.random.default_rng, range(DEPTH))
        self.weights = [wg.parameter(0.4 * rng.standard_normal((D, D))) for rng in rngs]

    def block(self, x, w):
        h = F.dropout(wg.tanh(x @ w), 0.25)
        return wg.exp(-wg.square(wg.sum(h, 1, keepdims=True) * h)) + x

    def forward(self, x):
        for w in self.weights:
            x = wg.checkpoint(self.block, x, w) if self.saving else self.block(x, w)
        return wg.sum(x * x)


def trained(saving, compiled, steps=3):
    wg.manual_seed(3)
    model, x = Chain(saving), wg.tensor(np.random.default_rng(9).standard_normal((B, D)))
    optimizer = wg.optim.SGD(model.parameters(), lr=1e-5)

    def step(x):
        optimizer.zero_grad()
        loss = model(x)
        loss.backward()
        optimizer.step()
        return loss

    run = wg.compile(step) if compiled else step
    losses = [float(run(x)) for _ in range(steps)]
    return losses, run


def test_checkpoint_changes_no_number(numpy_device, webgpu):
    with numpy_device:
        plain, _ = trained(False, False)
        np.testing.assert_allclose(trained(True, False)[0], plain, rtol=1e-5)
    np.testing.assert_allclose(trained(True, False)[0], plain, rtol=3e-5)
    saving, step = trained(True, True)
    np.testing.assert_allclose(saving, plain, rtol=3e-5)
    assert "later" in str(step.explain())


def test_checkpoint_lowers_the_peak_of_a_compiled_step(numpy_device):
    (plain, kept), (saving, small) = trained(False, True), trained(True, True)
    np.testing.assert_allclose(saving, plain, rtol=1e-5)
    peaks = kept.explain().peak_bytes, small.explain().peak_bytes
    assert peaks[1] < 0.75 * peaks[0], peaks


def held(model, x):
    """Return the bytes that a loss keeps alive until its backward pass."""
    gc.collect()
    before = {id(s) for s in gc.get_objects() if type(s) is Storage}
    loss = model(x)
    gc.collect()
    made = [s for s in gc.get_objects() if type(s) is Storage and id(s) not in before]
    loss.backward()
    return sum(4 * s.size for s in made)


def test_checkpoint_keeps_no_values_eagerly(numpy_device):
    x = wg.ones((B, D))
    assert held(Chain(True), x) < 0.4 * held(Chain(False), x)


def test_checkpoint_leaves_no_cycles(numpy_device):
    gc.collect()
    gc.disable()
    try:
        w = wg.parameter(np.eye(3))
        before = sum(type(s) is Storage for s in gc.get_objects())
        y = wg.checkpoint(lambda x: wg.exp(wg.tanh(x @ w)), wg.ones((2, 3)))
        wg.sum(y).backward()
        del y
        left = sum(type(s) is Storage for s in gc.get_objects())
        assert left <= before + 1  # the gradient
    finally:
        gc.enable()


def test_checkpoint_has_gradients_of_higher_order(numpy_device):
    x = wg.tensor(np.random.default_rng(0).standard_normal((3, 2)), dtype="float64")

    def f(x):
        return wg.sum(wg.checkpoint(lambda x: wg.exp(wg.sin(x)) * wg.tanh(x), x))

    assert wg.gradcheck(f, [x])
    assert wg.gradcheck(lambda x: wg.sum(wg.grad(f)(x) ** 2), [x], atol=1e-4)
    y = x.detach().requires_grad_()
    loss = f(y)
    loss.backward()
    once = y.grad.numpy().copy()
    loss.backward()
    np.testing.assert_allclose(y.grad.numpy(), 2 * once)
    slope = wg.jvp(f, (x,), (x,))[1]
    np.testing.assert_allclose(float(slope), float(wg.sum(wg.grad(f)(x) * x)))


def test_checkpoint_is_a_decorator_and_takes_modules(device):
    @wg.checkpoint
    def f(x, *, power):
        "What it does."
        return wg.tanh(x) ** power

    x = wg.tensor([0.5, -1.0], requires_grad=True)
    assert f.__name__ == "f" and f.__doc__ == "What it does."
    wg.sum(f(x, power=3)).backward()
    y = x.detach().requires_grad_()
    wg.sum(wg.tanh(y) ** 3).backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-6)


@pytest.mark.parametrize("compiled", [False, True])
def test_checkpoint_counts_a_batch_once(numpy_device, compiled):
    def run(saving):
        wg.manual_seed(0)
        model = wg.nn.Sequential(wg.nn.Linear(4, 4), wg.nn.BatchNorm1d(4), wg.nn.Tanh())
        x = wg.tensor(np.random.default_rng(1).standard_normal((8, 4)), requires_grad=True)

        def step(x):
            y = wg.checkpoint(model, x) if saving else model(x)
            wg.sum(y**3).backward()

        f = wg.compile(step) if compiled else step
        for _ in range(3):
            f(x)
        return [v.numpy() for v in model.state_dict().values()], x.grad.numpy()

    (plain, grad), (saving, again) = run(False), run(True)
    for a, b in zip(plain, saving, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    np.testing.assert_allclose(grad, again, rtol=1e-5)


def test_checkpoint_works_on_what_only_a_closure_has(device):
    x = wg.tensor(np.random.default_rng(2).standard_normal((B, D)), requires_grad=True)
    run = wg.checkpoint(lambda: wg.sum(wg.exp(wg.sin(wg.tanh(x)))))
    plain = wg.grad(lambda x: wg.sum(wg.exp(wg.sin(wg.tanh(x)))))(x)

    def step(x):
        x.grad = None
        run().backward()

    for f in (step, wg.compile(step)):
        for _ in range(3):
            f(x)
            np.testing.assert_allclose(x.grad.numpy(), plain.numpy(), rtol=1e-5)


def test_checkpoint_says_what_is_wrong(numpy_device):
    x, turns = wg.tensor([1.0, 2.0], requires_grad=True), []

    def fickle(x):
        turns.append(1)
        return wg.exp(wg.sin(x)) if len(turns) % 2 else wg.exp(wg.sin(wg.cos(x)))

    with pytest.raises(GradientError, match="did otherwise when it was run again: 3 operations"):
        wg.sum(wg.checkpoint(fickle, x)).backward()
    scale = wg.tensor([1.0, 2.0])
    y = wg.checkpoint(lambda x: wg.exp(x + scale), x)
    scale.assign(wg.zeros(2))
    with pytest.raises(GradientError, match=r"test_checkpoint.py, line \d+ used was assigned to"):
        wg.sum(y).backward()
