"""Derivatives of compiled functions, taken from outside: the values, and what is told."""

import warnings

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn
from wgrad.errors import GradientError

TOLD = "runs uncompiled where gradients pass through it"


def f(x):
    return (x.tanh() * x).sum()


def point():
    return wg.tensor([0.5, -1.0, 2.0])


@pytest.mark.parametrize(
    "derivative",
    [
        lambda g: wg.grad(g)(point()),
        lambda g: wg.value_and_grad(g)(point())[0],
        lambda g: wg.value_and_grad(g)(point())[1],
        lambda g: wg.vjp(g, point())[1](2.0),
        lambda g: wg.grad(wg.grad(g))(wg.tensor(0.75)),
        lambda g: wg.jacobian(lambda x: g(x) * x)(point()),
        lambda g: wg.hessian(g)(point()),
        lambda g: wg.hvp(g, point(), wg.ones(3)),
        lambda g: wg.jvp(g, (point(),), (wg.ones(3),))[1],
        lambda g: wg.grad(g)(wg.parameter([0.5, 0.25])),
        lambda g: wg.grad(lambda x: g(x * 2))(point()),
        lambda g: wg.compile(wg.grad(g))(point()),
    ],
)
def test_derivatives_of_a_compiled_function_are_those_of_the_function(device, derivative):
    compiled, expected = wg.compile(f), derivative(f).numpy()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(4):
            np.testing.assert_allclose(derivative(compiled).numpy(), expected, rtol=1e-6)
    assert len(told) <= 1 and all(TOLD in str(w.message) for w in told)
    assert all(w.filename == __file__ for w in told)


def test_the_gradient_is_that_of_mathematics(device):
    x = point().numpy().astype(np.float64)
    slope = np.tanh(x) + x / np.cosh(x) ** 2
    with pytest.warns(UserWarning, match=TOLD):
        np.testing.assert_allclose(wg.grad(wg.compile(f))(point()).numpy(), slope, rtol=1e-5)
    assert wg.gradcheck(f, [point()])


def test_a_compiled_loss_in_the_midst_of_a_graph(device):
    w = wg.parameter([1.0, 2.0])
    inner = wg.parameter([3.0, -1.0])
    loss = wg.compile(lambda h: (h * inner).square().sum())
    with pytest.warns(UserWarning, match=TOLD):
        loss(w * 2).backward()
    plain = wg.grad(lambda a, b: (a * 2 * b).square().sum(), (0, 1))(w.detach(), inner.detach())
    np.testing.assert_allclose(w.grad.numpy(), plain[0].numpy(), rtol=1e-6)
    np.testing.assert_allclose(inner.grad.numpy(), plain[1].numpy(), rtol=1e-6)


def test_effects_happen_once_under_a_transform(device):
    seen = wg.zeros(())
    wg.manual_seed(3)

    @wg.compile
    def loss(x):
        seen.assign(seen + 1)
        return (nn.functional.dropout(x, 0.5) * x).sum()

    x = wg.ones(100)
    with pytest.warns(UserWarning, match=TOLD):
        value, slope = wg.value_and_grad(loss)(x)
    assert seen.item() == 1 and wg.get_rng_state()[1] == 100
    np.testing.assert_allclose(slope.sum().item(), 2 * value.item(), rtol=1e-6)


def test_a_compiled_function_that_no_gradient_passes_through_stays_compiled(device):
    prepare = wg.compile(lambda data: data * 2 + 1)
    w = wg.parameter([1.0, 2.0])
    for _ in range(4):
        found = wg.grad(lambda a: (a * prepare(wg.ones(2))).sum())(w)
        assert found.tolist() == [3, 3]
    assert len(prepare.programs) == 1
    with wg.no_grad():
        assert prepare((w * 2).detach()).tolist() == [5, 9]
    h = w * 2
    for _ in range(3):
        with wg.no_grad():
            assert prepare(h).tolist() == [5, 9]
    assert wg.grad(lambda a: (a * prepare(a.detach())).sum())(w).tolist() == [3, 5]


def test_backward_through_a_result_says_where_it_belongs(device):
    w = wg.parameter([1.0, 2.0])
    out = wg.compile(lambda x: (w * x).sum())(wg.ones(2))
    with pytest.raises(GradientError, match="inside the function"):
        out.backward()
    assert w.grad is None
