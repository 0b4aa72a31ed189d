"""Numbers that a dtype does not hold: infinities without a warning, and powers that are refused."""

import numpy as np
import pytest

import wgrad as wg
import wgrad.nn.functional as F
from wgrad import nn, optim
from wgrad.errors import ArgumentError

HUGE = 1e39  # beyond float32; pytest makes an error of NumPy's warning about it
INF = np.inf


def stepped(make):
    def call():
        p = wg.parameter([1.0, 2.0])
        p.sum().backward()
        make([p]).step()
        return p.detach()

    return call


def x():
    return wg.tensor([1.0, 2.0])


CASES = {
    "full": (lambda: wg.full(2, HUGE), [INF, INF]),
    "full_like": (lambda: wg.full_like(x(), -HUGE), [-INF, -INF]),
    "full of int": (lambda: wg.full(1, 10**39, dtype=float), [INF]),
    "full float16": (lambda: wg.full(1, 1e6, "float16", device="numpy"), [INF]),
    "pad": (lambda: F.pad(x(), (1, 1), value=HUGE), [INF, 1, 2, INF]),
    "ConstantPad1d": (
        lambda: nn.ConstantPad1d(1, HUGE)(wg.ones((1, 2)))[0],
        [INF, 1, 1, INF],
    ),
    "add": (lambda: x() + HUGE, [INF, INF]),
    "strided": (lambda: wg.tensor([1.0, 0.0, 2.0])[::2] * HUGE, [INF, INF]),
    "power": (lambda: HUGE ** x(), [INF, INF]),
    "less": (lambda: x() < HUGE, [True, True]),
    "where": (lambda: wg.where(x() > 1, x(), HUGE), [INF, 2]),
    "clip": (lambda: wg.clip(x(), 2.0, HUGE), [2, 2]),
    "lerp": (lambda: wg.lerp(x(), x() + 1, HUGE), [INF, INF]),
    "int": (lambda: wg.tensor([1, 2]) * HUGE, [INF, INF]),
    "assign": (lambda: x().assign(HUGE), [INF, INF]),
    "leaky_relu": (lambda: F.leaky_relu(-x(), HUGE), [-INF, -INF]),
    "smooth_l1_loss": (lambda: F.smooth_l1_loss(x(), x(), beta=HUGE), 0),
    "layer_norm": (lambda: F.layer_norm(x(), (2,), eps=HUGE), [0, 0]),
    "grad": (lambda: wg.grad(lambda a: (a * HUGE * 0.5).sum())(x()), [INF, INF]),
    "SGD": (stepped(lambda ps: optim.SGD(ps, lr=HUGE)), [-INF, -INF]),
    "Adam": (stepped(lambda ps: optim.Adam(ps, lr=HUGE)), [-INF, -INF]),
}


@pytest.mark.parametrize("name", CASES)
def test_numbers_beyond_a_float_are_infinite_without_a_warning(name: str, device):
    call, expected = CASES[name]
    for f in (call, wg.compile(call)):
        np.testing.assert_array_equal(f().numpy(), expected)


def test_uniform_and_normal_take_bounds_beyond_their_dtype(device):
    for f in (lambda: wg.uniform(0, HUGE, 9), lambda: wg.normal(HUGE, 1, 9)):
        for g in (f, wg.compile(f)):
            assert (g().numpy() > 1e30).all()


def test_numbers_that_vary_may_become_too_large(device):
    def f(x, a):
        return wg.concat([x * a, F.pad(wg.where(x > 1, x, a), (0, 1), value=a)])

    compiled = wg.compile(f)
    for a in (1.0, 2.0, 3.0, 4.0, HUGE, 5.0):
        np.testing.assert_array_equal(compiled(x(), a).numpy(), f(x(), a).numpy())


NEGATIVE = {
    "number": lambda a: a**-1,
    "NumPy's number": lambda a: a ** np.int64(-1),
    "list": lambda a: a ** [-1, 2],
    "array": lambda a: a ** np.array([2, -1]),
    "tensor": lambda a: a ** (wg.full(2, -1) if a.dtype is wg.int32 else -1),
    "tensor without axes": lambda a: wg.pow(wg.tensor(3), wg.tensor(-1)),
    "base": lambda a: 2 ** wg.tensor([-1, 3]),
    "in place": lambda a: a.__ipow__(-1),
}


@pytest.mark.parametrize("name", NEGATIVE)
@pytest.mark.parametrize("dtype", ["int32", "uint32"])
def test_integers_to_negative_powers_are_refused_in_our_words(name: str, dtype: str, device):
    a = wg.tensor([2, 0], dtype)
    for f in (NEGATIVE[name], wg.compile(NEGATIVE[name])):
        with pytest.raises(ArgumentError, match=r"^pow: an integer to the power -1 is no integer"):
            f(a)


def test_integers_to_negative_powers_are_refused_where_memory_is_shared(numpy_device):
    host = np.array([1, 2], np.int32)
    exponents = wg.asarray(host, copy=False)
    base = wg.tensor([2, 3])
    assert (base**exponents).tolist() == [2, 9]
    host[0] = -1  # unseen by the library
    with pytest.raises(ArgumentError, match=r"^pow: an integer to the power -1 is no integer"):
        base**exponents
