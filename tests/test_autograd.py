"""wg.autograd.grad: gradients of results that are there, as PyTorch gives them."""

from __future__ import annotations

import numpy as np
import pytest

import wgrad as wg
from wgrad.errors import DTypeError, GradientError, ShapeError

grad = wg.autograd.grad
POINTS = np.array([0.3, -1.2, 2.0])


def leaf(values=POINTS, dtype=None) -> wg.Tensor:
    return wg.tensor(values, dtype=dtype, requires_grad=True)


def test_gradients_of_any_order_and_no_grad_changes(device):
    x = leaf()
    (first,) = grad(wg.sin(x).sum(), x, create_graph=True)
    (second,) = grad(first.sum(), [x], create_graph=True)
    (third,) = grad(second, x, wg.ones_like(second))
    for found, expected in (
        (first, np.cos),
        (second, lambda a: -np.sin(a)),
        (third, lambda a: -np.cos(a)),
    ):
        np.testing.assert_allclose(found.detach().numpy(), expected(POINTS), rtol=2e-6)
    assert x.grad is None and not third.requires_grad


def test_several_outputs_and_inputs(numpy_device):
    x, y = leaf(dtype="float64"), leaf(POINTS + 1, dtype="float64")
    z = x * y
    outputs = [z, (x * x).sum()]
    factor = wg.tensor([1.0, 2.0, 3.0], dtype="float64")
    gx, gy, gz = grad(outputs, (x, y, z), [factor, None])
    np.testing.assert_allclose(gx.numpy(), factor.numpy() * (POINTS + 1) + 2 * POINTS)
    np.testing.assert_allclose(gy.numpy(), factor.numpy() * POINTS)
    np.testing.assert_allclose(gz.numpy(), factor.numpy())  # an intermediate result
    a, b = grad(x.sum() + y.sum(), [x, y])
    a += 1  # the cotangent of both, and no memory is shared
    assert b.tolist() == [1, 1, 1]


def test_unused_inputs(numpy_device):
    x, other = leaf(), leaf()
    assert grad(x.sum(), [x, other], allow_unused=True)[1] is None
    assert grad(x.sum(), [other], materialize_grads=True)[0].tolist() == [0, 0, 0]
    with pytest.raises(GradientError, match="no output depends on input 1 of shape"):
        grad(x.sum(), [x, other])


def test_only_what_leads_to_the_inputs_is_walked(numpy_device):
    """The rule of an operation that no input lies behind is not asked for anything."""

    @wg.custom_op(backward=lambda ct, out, x: 1 / 0)
    def broken(x):
        return x * 2

    x, other = leaf(), leaf()
    assert grad((x * broken(other)).sum(), x)[0].tolist() == (2 * x.detach()).tolist()


def test_inside_a_compiled_step(device):
    """A second derivative in a loss, whose gradient trains a weight."""
    w = leaf([0.5])

    @wg.compile
    def step(x):
        x = x.detach().requires_grad_()
        u = wg.sin(w * x)
        (du,) = grad(u.sum(), x, create_graph=True)
        (ddu,) = grad(du.sum(), x, create_graph=True)
        w.grad = None
        loss = (ddu + 4 * u).square().mean()  # 0 for w = 2
        loss.backward()
        with wg.no_grad():
            w.sub_(w.grad, alpha=0.02)
        return loss.detach()

    x = wg.linspace(0, 3, 20)
    losses = [step(x).item() for _ in range(60)]
    assert losses[-1] < 0.1 * losses[0]


def test_bad_input_is_named(numpy_device):
    x = leaf()
    y = x * x
    for call, error, text in (
        (lambda: grad(y, x), GradientError, r"output 0 has shape \(3,\)"),
        (lambda: grad(y.sum(), wg.ones(3)), GradientError, "input 0 of shape .* does not require"),
        (lambda: grad(wg.ones(()), x), GradientError, "output 0 of shape .* has no history"),
        (lambda: grad(y, x, wg.ones(2)), ShapeError, r"gradient of shape \(2,\)"),
        (lambda: grad([y, y], x, [wg.ones(3)]), ShapeError, "2 outputs came"),
        (lambda: grad(y.sum(), []), DTypeError, "list came as inputs"),
        (lambda: grad(3.0, x), DTypeError, "float came as outputs"),
        (lambda: wg.autograd.Function, AttributeError, "wg.custom_op"),
    ):
        with pytest.raises(error, match=text):
            call()


def test_as_pytorch_does():
    torch = pytest.importorskip("torch")
    results = []
    for lib in (wg, torch):
        x = lib.tensor(POINTS.astype("f"), requires_grad=True)
        (first,) = lib.autograd.grad((x**3).sum(), x, create_graph=True)
        (second,) = lib.autograd.grad(first, x, grad_outputs=lib.ones_like(first))
        results.append(second.detach().numpy())
    np.testing.assert_allclose(*results, rtol=1e-6)
