"""Hooks on modules: what they are told and may change, as in PyTorch, and under compile."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn
from wgrad.errors import GradientError

X = np.random.default_rng(0).standard_normal((3, 2)).astype("f")


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 4, seed=1), nn.Tanh(), nn.Linear(4, 1, seed=2))


def test_forward_hooks_are_told_in_order_and_may_change_what_passes(device):
    model, told = net(), []
    x = wg.tensor(X)
    plain = model(x)
    handles = [
        model[0].register_forward_hook(lambda m, args, out: told.append(("a", out.shape))),
        model[0].register_forward_hook(lambda m, args, out: out * 2),
        model[0].register_forward_hook(
            lambda m, args, out: told.append(("first", len(args))), prepend=True
        ),
        model[0].register_forward_pre_hook(lambda m, args: told.append(("pre", m is model[0]))),
    ]
    doubled = model(x)
    assert told == [("pre", True), ("first", 1), ("a", (3, 4))]
    expected = model[2](wg.tanh(2 * (x @ model[0].weight.T + model[0].bias)))
    np.testing.assert_allclose(doubled.numpy(), expected.numpy(), rtol=1e-5)
    for handle in handles:
        handle.remove()
        handle.remove()
    assert (model(x) == plain).all() and len(told) == 3
    with model.register_forward_pre_hook(lambda m, args: args[0] * 0):
        assert (model(x) == model(x * 0)).all()
    with model.register_forward_pre_hook(lambda m, args: (args[0] * 0,)):
        assert not (model(x) == plain).any()
    assert (model(x) == plain).all()


def test_hooks_see_keywords_and_errors_where_they_ask_for_it(numpy_device):
    class Scaled(nn.Module):
        def forward(self, x, scale=1.0):
            if scale is None:
                raise ValueError("no scale")
            return x * scale

    model, told = Scaled(), []
    model.register_forward_hook(
        lambda m, args, kwargs, out: told.append((kwargs["scale"], out is None)),
        with_kwargs=True,
        always_call=True,
    )
    with model.register_forward_pre_hook(
        lambda m, args, kwargs: (args, {"scale": 5.0}), with_kwargs=True
    ):
        assert model(wg.ones(2), scale=2.0).tolist() == [5.0, 5.0]
    with pytest.raises(ValueError, match="no scale"):
        model(wg.ones(2), scale=None)
    assert told == [(5.0, False), (None, True)]
    with (
        model.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True),
        pytest.raises(GradientError, match="a pair"),
    ):
        model(wg.ones(2), scale=1.0)


class Two(nn.Module):
    """Two inputs and two outputs, one of which a loss may leave out."""

    def forward(self, x: Any, y: Any) -> Any:
        return x * y, x + 2 * y


def both(register: Any, model: Any, told: list) -> None:
    register(model, lambda m, below, above: told.append((below, above)))


def test_backward_hooks_are_told_whole_gradients(device):
    model, told = Two(), []
    model.register_full_backward_hook(lambda m, below, above: told.append((below, above)))
    x, y = (wg.tensor(v, requires_grad=True) for v in ([1.0, 2.0], [3.0, 4.0]))
    product, total = model(x, y)
    (product.sum() + 10 * total.sum()).backward()
    ((below, above),) = told
    assert [g.tolist() for g in above] == [[1, 1], [10, 10]]
    assert [g.tolist() for g in below] == [[13, 14], [21, 22]]
    assert x.grad.tolist() == [13, 14] and y.grad.tolist() == [21, 22]
    model(x, wg.ones(2))[0].sum().backward()  # one input needs none; one output is not used
    assert told[1][0][1] is None and told[1][1][1].tolist() == [0, 0]
    with wg.no_grad():
        model(x, y)
    layer, told = nn.Linear(2, 1), []
    both(nn.Module.register_full_backward_hook, layer, told)
    layer(wg.tensor(X)).sum().backward()  # no input needs a gradient
    assert told[0][0] == (None,) and told[0][1][0].shape == (3, 1)


def test_backward_hooks_may_change_gradients(device):
    layer = nn.Linear(2, 1, seed=1)
    x = wg.tensor(X, requires_grad=True)
    layer.register_full_backward_hook(lambda m, below, above: (below[0] * 3,))
    layer.register_full_backward_pre_hook(lambda m, above: (above[0] * 2,))
    layer(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.tile(6 * layer.weight.numpy(), (3, 1)), rtol=1e-6)
    np.testing.assert_allclose(layer.bias.grad.numpy(), [6])  # of the pre hook alone
    layer.register_full_backward_hook(lambda m, below, above: (below[0][:1],))
    with pytest.raises(GradientError, match="of the same shape"):
        layer(x).sum().backward()


def test_backward_hooks_are_pytorchs(numpy_device):
    torch = pytest.importorskip("torch")

    class Theirs(torch.nn.Module):
        def forward(self, x: Any, y: Any) -> Any:
            return x * y, x + 2 * y

    found = []
    for model, make in (
        (Two(), lambda v: wg.tensor(v, requires_grad=True)),
        (Theirs(), lambda v: torch.tensor(v, requires_grad=True)),
    ):
        told: list = []
        model.register_full_backward_pre_hook(lambda m, above: (above[0] * 2, above[1]))
        model.register_full_backward_hook(
            lambda m, below, above, told=told: told.append([g.tolist() for g in (*below, *above)])
        )
        model.register_full_backward_hook(lambda m, below, above: (below[0] * 5, below[1]))
        x, y = make([1.0, 2.0]), make([3.0, 4.0])
        a, b = model(x, y)
        (a.sum() + (b * b).sum()).backward()
        found.append((told, x.grad.tolist(), y.grad.tolist()))
    assert found[0] == found[1]


def test_hooks_run_while_a_compiled_function_is_traced(device):
    """What they compute with tensors is part of the program."""
    model = net()
    scale = wg.tensor(2.0)
    model[0].register_forward_hook(lambda m, args, out: out * scale)
    model[2].register_full_backward_hook(lambda m, below, above: (below[0] * 0.5,))

    def gradient(x: wg.Tensor) -> Any:
        model.zero_grad()
        model(x).sum().backward()
        return model[0].weight.grad.copy()

    step = wg.compile(gradient)
    x = wg.tensor(X)
    for number in (2.0, 2.0, 5.0):
        scale.assign(number)
        np.testing.assert_allclose(step(x).numpy(), gradient(x).numpy(), rtol=1e-5)
    handle = model[1].register_forward_hook(lambda m, args, out: out + 1.0)
    for _ in range(3):  # one that comes later, or goes, is followed
        np.testing.assert_allclose(step(x).numpy(), gradient(x).numpy(), rtol=1e-5)
    handle.remove()
    for _ in range(2):
        np.testing.assert_allclose(step(x).numpy(), gradient(x).numpy(), rtol=1e-5)


def double(module: nn.Module, args: tuple, out: wg.Tensor) -> wg.Tensor:
    return out * 2


def test_hooks_copy_with_their_module_and_hold_no_part_of_it(numpy_device):
    model = net()
    model[0].register_forward_hook(double)
    model.register_forward_hook(nn.Linear(1, 1))  # a module as a hook is no part of the model
    assert len(model.parameters()) == 4
    model._hooks = None
    x = wg.tensor(X)
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert (again(x) == model(x)).all()
        again[0]._hooks = None
        assert not (again(x) == model(x)).any()
