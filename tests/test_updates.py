"""`x += y` and its kin: in place as in NumPy, a new tensor where the tape follows, an error for
leaves; and the training loops by hand that rest on it."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn, optim
from wgrad.errors import DTypeError, GradientError, ShapeError

FLOATS = ["iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow"]
INTEGERS = [
    "iadd",
    "isub",
    "imul",
    "ifloordiv",
    "imod",
    "iand",
    "ior",
    "ixor",
    "ilshift",
    "irshift",
]


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("other", [2.0, [1.5, 3.0], np.array([[2.0, 0.5], [1.0, 2.0]])], ids=str)
def test_updates_change_memory_as_numpys_do(name: str, other, device):
    update = getattr(operator, name)
    data = np.array([[1.5, 2.0], [4.0, 7.25]])
    x, expected = wg.tensor(data), data.copy()
    whole, row = x, x[0]
    x, expected = update(x, other), update(expected, np.asarray(other))
    assert x is whole
    np.testing.assert_allclose(whole.numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(row.numpy(), expected[0], rtol=1e-6)


@pytest.mark.parametrize("name", INTEGERS)
def test_updates_of_integers_keep_their_dtype(name: str, device):
    update, data = getattr(operator, name), np.array([5, 12, 7], np.int32)
    for dtype in ("int32", "uint32"):
        x = whole = wg.tensor(data, dtype=dtype)
        update(x, wg.tensor([2, 1, 3], dtype=dtype))
        assert whole.dtype.name == dtype
        np.testing.assert_array_equal(whole.numpy(), update(data.copy(), np.array([2, 1, 3])))


def test_updates_of_bools_and_products(device):
    mask = whole = wg.tensor([True, False, True])
    mask &= wg.tensor([True, True, False])
    mask |= [False, True, False]
    mask ^= True
    assert whole.tolist() == [False, False, True]
    x = whole = wg.tensor([[1.0, 2.0], [3.0, 4.0]])
    x @= wg.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert whole.tolist() == [[2, 1], [4, 3]]


def test_updates_of_parts_change_the_whole(device):
    x = wg.zeros((3, 4))
    x[1] += 2
    x[:, ::2] -= 1
    x[x < 0] *= 3
    x[wg.tensor([0, 2]), 1] += 5
    expected = np.zeros((3, 4))
    expected[1] += 2
    expected[:, ::2] -= 1
    expected[expected < 0] *= 3
    expected[[0, 2], 1] += 5
    np.testing.assert_array_equal(x.numpy(), expected)
    column = x[:, 0]
    column += 10
    np.testing.assert_array_equal(x[:, 0].numpy(), expected[:, 0] + 10)


@pytest.mark.parametrize(
    ("make", "other", "error"),
    [
        (lambda: wg.tensor([1, 2]), 0.5, DTypeError),
        (lambda: wg.tensor([True]), 1, DTypeError),
        (lambda: wg.tensor([1.0, 2.0]), [[1.0, 2.0], [3.0, 4.0]], ShapeError),
        (lambda: wg.tensor(1.0), [1.0, 2.0], ShapeError),
        (lambda: wg.broadcast_to(wg.tensor(1.0), (3,)), 1.0, ShapeError),
    ],
)
def test_updates_that_do_not_fit_raise_and_change_nothing(make: Callable, other, error, device):
    x = whole = make()
    before = whole.tolist()
    with pytest.raises(error, match=r"\+=: "):
        x += other
    assert whole.tolist() == before
    assert (x + wg.tensor(other)).size >= 1  # the plain operator has no such limits


def test_parameters_are_updated_in_place_inside_no_grad(device):
    w = wg.parameter([1.0, -2.0])
    params = [w]
    (w * w).sum().backward()
    with wg.no_grad():
        for p in params:
            p -= 0.25 * p.grad
    assert w.tolist() == [0.5, -1.0] and w.requires_grad and w.is_leaf
    w.zero_grad()
    (w * w).sum().backward()
    assert w.grad.tolist() == [1, -2]


def test_an_update_of_a_leaf_outside_says_what_to_write(device):
    w = wg.parameter([1.0, -2.0])
    with pytest.raises(GradientError, match=r"with wg\.no_grad\(\): x \*= y.*x = x \* y"):
        w *= 2
    assert w.tolist() == [1, -2]


def test_an_update_that_the_tape_follows_makes_a_new_tensor(device):
    w = wg.parameter([1.0, -2.0])
    total = first = wg.zeros(2)
    total += w * 3
    total *= total
    assert first.tolist() == [0, 0]
    total.sum().backward()
    assert w.grad.tolist() == [18, -36]
    hidden = before = w.tanh()
    hidden += 1.0  # tanh saved its result, which must stay
    w.zero_grad()
    hidden.sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), 1 - np.tanh([1, -2]) ** 2, rtol=1e-5)
    assert hidden is not before


def test_updates_inside_differentiated_functions(device):
    def f(x):
        x += 1.0
        x *= x
        return x.sum()

    x = wg.tensor([1.0, 2.0])
    assert wg.grad(f)(x).tolist() == [4, 6]
    assert wg.jvp(f, (x,), (wg.ones(2),))[1].item() == 10
    assert x.tolist() == [1, 2]


def test_a_result_updated_inside_no_grad_keeps_its_history(device):
    # PyTorch does the same: the update is a constant to the tape.
    w = wg.parameter([1.0, 2.0])
    h = w * 3
    with wg.no_grad():
        h += 1
    (h * h).sum().backward()
    assert h.tolist() == [4, 7] and w.grad.tolist() == [24, 42]
    h = w.exp()  # whose rule saved the result
    with wg.no_grad():
        h += 1
    with pytest.raises(GradientError, match="was assigned to after the tape saved it"):
        h.sum().backward()


def test_gradients_and_buffers_are_updated_in_place(device):
    w, buffers = wg.parameter([3.0, 4.0]), [wg.ones(2), wg.ones(2)]
    (w * w).sum().backward()
    held = w.grad
    w.grad *= 0.5
    assert w.grad is held and held.tolist() == [3, 4]
    for b in buffers:
        b *= 0.9
        b += 0.1 * w.detach()
    assert all(np.allclose(b.numpy(), [1.2, 1.3]) for b in buffers)


class Counter(nn.Module):
    """A buffer that its module counts on in."""

    def __init__(self):
        self.layer = nn.Linear(3, 2, seed=1)
        self.seen = wg.tensor(0)

    def forward(self, x):
        self.seen += x.shape[0]
        return self.layer(x).tanh()


def by_hand(model: nn.Module, ema: nn.Module, x: wg.Tensor) -> wg.Tensor:
    """A training step without an optimizer, and a moving average of the model."""
    loss = model(x).square().mean()
    loss.backward()
    with wg.no_grad():
        for p in model.parameters():
            p -= 0.5 * p.grad
            p.grad = None
        for e, p in zip(ema.parameters(), model.parameters(), strict=True):
            e *= 0.75
            e += 0.25 * p
    return loss


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_steps_and_moving_averages_by_hand_train(compiled: bool, device):
    model = Counter()
    ema = copy.deepcopy(model).requires_grad_(False)
    assert len(ema.parameters()) == 2
    x = np.random.default_rng(0).normal(size=(5, 3))
    w, b = (p.numpy().astype(float) for p in model.parameters())
    mw, mb = w.copy(), b.copy()
    step = wg.compile(by_hand) if compiled else by_hand
    data = wg.tensor(x)
    for _ in range(6):
        y = np.tanh(x @ w.T + b)
        assert np.isclose(step(model, ema, data).item(), np.mean(y**2), rtol=1e-4)
        slope = 2 * y / y.size * (1 - y**2)
        w, b = w - 0.5 * slope.T @ x, b - 0.5 * slope.sum(axis=0)
        mw, mb = 0.75 * mw + 0.25 * w, 0.75 * mb + 0.25 * b
    for found, expected in zip(
        (*model.parameters(), *ema.parameters()), (w, b, mw, mb), strict=True
    ):
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-6)
    assert model.seen.item() == 30 and ema.seen.item() == 0


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("make", [optim.SGD, optim.AdamW])
def test_frozen_parameters_rest_until_they_are_thawed(make: Callable, compiled: bool, device):
    model = nn.Sequential(nn.Linear(3, 4, seed=0), wg.tanh, nn.Linear(4, 1, seed=1))
    optimizer = make(model.parameters(), lr=0.1, weight_decay=0.1)
    x = wg.tensor(np.random.default_rng(0).normal(size=(5, 3)))

    def plain(x):
        loss = model(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step = wg.compile(plain) if compiled else plain

    def moved() -> list[str]:
        before = model.state_dict()
        step(x)
        after = model.state_dict()
        return [n for n in before if not np.array_equal(before[n].numpy(), after[n].numpy())]

    every = ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert moved() == every
    for _ in range(2):  # with gradients from before the freeze still there
        model[0].requires_grad_(False)
        assert [moved() for _ in range(3)] == [every[2:]] * 3
        model[0].requires_grad_(True)
        assert [moved() for _ in range(3)] == [every] * 3


def test_optimizers_take_frozen_parameters(device):
    layer = nn.Linear(2, 1, seed=0).requires_grad_(False)
    optimizer = optim.SGD(layer.parameters(), lr=1.0)
    layer.requires_grad_()
    layer(wg.ones((1, 2))).sum().backward()
    before = layer.weight.numpy()
    optimizer.step()
    np.testing.assert_allclose(layer.weight.numpy(), before - 1, rtol=1e-6)
    with pytest.raises(GradientError, match="does not require grad"):
        optim.SGD([wg.zeros(2)], lr=1.0)
