"""Python floats as arguments of compiled functions: inputs once they vary, unless asked for."""

import copy
import json
import math
import time
import warnings

import numpy as np
import pytest
from test_capture import alike

import wgrad as wg
from wgrad import optim


def traces_of(f):
    """Return a function that counts the traces that f makes in a call."""
    made = []

    def counted(*args, **kwargs):
        before, trace = len(made), f._policy.trace
        f._policy.trace = lambda *a: (made.append(1), trace(*a))[1]
        try:
            out = f(*args, **kwargs)
        finally:
            del f._policy.trace
        return out, len(made) - before

    return counted


RATES = [0.1, 0.1, 0.05, 0.025, 0.2, 0.1, 0.3, 0.7, 0.013]


def test_floats_that_vary_are_inputs(device):
    def f(x, a, b=2.5):
        return (x * a + b).sum() - a / b + (1 - a) * 2 * x.mean()

    counted = traces_of(wg.compile(f))
    x = wg.tensor([1.0, 2.0, 4.0])
    made = []
    for i, a in enumerate(RATES):
        found, traced = counted(x, a, b=1.5 + i)
        made.append(traced)
        np.testing.assert_allclose(found.numpy(), f(x, a, b=1.5 + i).numpy(), rtol=1e-6)
    assert sum(made[5:]) == 0


def test_a_learning_rate_by_hand_needs_no_trace(device):
    def make():
        w = wg.parameter([1.0, -2.0])
        x = wg.tensor([1.0, 3.0])

        def step(lr):
            w.zero_grad()
            (w * x - 1).square().sum().backward()
            with wg.no_grad():
                w.assign(w - lr * w.grad)
            return w * 1.0

        return step, lambda i: (RATES[i] / 8,), lambda: [w]

    compiled = alike(make, len(RATES))
    counted = traces_of(compiled)
    assert [counted(lr)[1] for lr in (0.01, 0.02, 0.03)] == [0, 0, 0]


def test_a_hundred_values_warn_of_nothing(device):
    f = wg.compile(lambda x, lr: x - lr * x)
    x = wg.ones(3)
    for i in range(100):
        lr = 0.5 / (i + 2)
        np.testing.assert_allclose(f(x, lr).numpy(), np.float32(1) - np.float32(lr), rtol=1e-6)
    assert len(f.programs) <= 3


def test_numbers_that_decide_stay_right(device):
    notes = []

    def f(x, a):
        if a > 0.3:
            return x * 2
        return x * a

    def g(x, a):
        return x.reshape(int(a), -1) * 1

    def h(x, a):
        notes.append(
            f"{a:.2f} {a} {a!r} {round(a, 1)} {a == 0.25} {a in (0.5, 0.25)} {max(a, 0.3)}"
        )
        return x + math.sqrt(a) + a**2 + abs(a) + a % 0.2 + a // 0.1

    def powers(x, a):
        return x**a + wg.full((2,), a) + wg.tensor([a, 1.0]) + wg.clip(x, a, a + 1)

    def types(x, a):
        assert isinstance(a, float) and a.is_integer() is False
        assert json.loads(json.dumps({"a": a})) == {"a": a}
        time.sleep(a * 0)
        return x * copy.copy(a) + x * np.float64(a) + x * np.sqrt(a)

    x = wg.tensor([1.0, 2.0])
    values = [0.25, 0.25, 0.5, 0.1, 0.25, 0.5, 0.9, 0.2, 0.35]
    for function in (f, h, powers, types):
        compiled = wg.compile(function)
        for a in values:
            expected = function(x, a)
            expected_notes = notes[:]
            notes.clear()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = compiled(x, a)
            np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, err_msg=f"{a}")
            assert notes in ([], expected_notes)
            notes.clear()
    compiled = wg.compile(g)
    for a in (2.0, 4.0, 2.0, 4.0, 8.0, 2.0):
        assert compiled(wg.arange(8.0), a).shape == (int(a), 8 // int(a))


def test_special_numbers_have_programs_of_their_own(device):
    def f(x, a):
        return (x * a).sum()

    compiled, x = wg.compile(wg.grad(f)), wg.tensor([np.inf, 2.0])
    for a in (0.5, 0.0, 0.25, 0.0, 1.0, math.inf, 0.125, -1.0, 0.0, 0.75, math.nan, 0.5):
        np.testing.assert_array_equal(compiled(x, a).numpy(), wg.grad(f)(x, a).numpy())


def test_integers_and_floats_inside_containers_are_fixed(device):
    f = wg.compile(lambda x, n, pair: x * n + pair[0])
    for n, a in ((2, 0.5), (2, 0.5), (3, 0.5), (3, 0.25), (2, 0.25)):
        assert f(wg.ones(2), n, (a,)).tolist() == [n + a] * 2


def test_a_float_that_is_returned_or_kept_is_a_float(device):
    kept = []
    f = wg.compile(lambda x, a: (x * a, {"a": a}))
    for a in (0.5, 0.5, 0.25, 0.125, 0.75):
        y, found = f(wg.ones(1), a)
        assert y.item() == a and found == {"a": a} and type(found["a"]) is float

    @wg.compile
    def g(x, a):
        kept.append(a)
        return x * a

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert [g(wg.ones(1), a).item() for a in (0.5, 0.5, 0.25, 0.125, 0.75)] == [
            0.5, 0.5, 0.25, 0.125, 0.75,
        ]  # fmt: skip
    assert kept == [0.5, 0.5, 0.25, 0.125, 0.75]


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32"])
def test_floats_beside_other_dtypes(device, dtype):
    if dtype not in {d.name for d in device.dtypes}:
        pytest.skip("no such dtype here")
    f = lambda x, a: x * a + (x > a)  # noqa: E731
    compiled = wg.compile(f)
    x = wg.tensor([1, 2, 3], dtype=dtype)
    for a in (0.3, 0.3, 0.1, 1.7, 2.9, 0.77):
        found, expected = compiled(x, a), f(x, a)
        assert found.dtype is expected.dtype
        np.testing.assert_array_equal(found.numpy(), expected.numpy())


@pytest.mark.parametrize("first", [True, False])
def test_a_setting_assigned_inside_is_assigned_in_every_call(device, first):
    def make():
        w = wg.parameter([1.0, 2.0])
        optimizer = optim.SGD([w], lr=0.5)

        def step(lr):
            if first:
                optimizer.lr = lr
            optimizer.zero_grad()
            w.square().sum().backward()
            optimizer.step()
            if not first:
                optimizer.lr = lr
            return w * 1

        rates = [0.1, 0.1, 0.1, 0.25, 0.25, 0.25, 0.1, 0.25]
        return step, lambda i: (rates[i],), lambda: [w, optimizer.lr]

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        alike(make, 8)
    assert "it assigns SGD.lr at" in str(told[0].message)


def test_unfused_programs_read_floats_too(device):
    f = wg.compile(lambda x, a: (x * (a * 2) + a).sum(axis=0), fuse=False)
    for a in (0.3, 0.3, 0.1, 1.7, 2.9):
        np.testing.assert_allclose(f(wg.ones((3, 2)), a).numpy(), [9 * a] * 2, rtol=1e-5)


def test_a_type_that_is_asked_for_is_a_floats(device):
    def f(x, a):
        return x * 2 if type(a) in (int, float) else x

    g, x = wg.compile(f), wg.tensor([1.0, 2.0])
    for a in RATES:
        assert g(x, a).tolist() == [2.0, 4.0]


def test_a_float_that_is_kept_stays_what_it_was(device):
    def make():
        box = [0.5]

        def f(x, a):
            out = x * (a - box[0])
            box[0] = a
            return out

        return f

    f, g, x = make(), wg.compile(make()), wg.tensor([1.0, 2.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for a in (0.3, 0.4, 0.6, 0.9, 0.2, 0.2, 0.7, 0.1):
            np.testing.assert_allclose(g(x, a).numpy(), f(x, a).numpy(), rtol=1e-6)


def test_a_division_by_zero_is_pythons_own(device):
    def f(x, a):
        return x * (1 / (a - 0.5))

    g, x = wg.compile(f), wg.tensor([1.0, 2.0])
    for a in (0.25, 0.75, 2.0, 3.0, 0.5, 4.0, 0.5):
        if a == 0.5:
            with pytest.raises(ZeroDivisionError):
                g(x, a)
        else:
            np.testing.assert_allclose(g(x, a).numpy(), f(x, a).numpy(), rtol=1e-6)


POWERS = {
    "of a number": lambda x, t: x * 0.9**t,
    "by a number": lambda x, t: x * t**2,
    "by another": lambda x, t: x * t ** (1 / t) + t**0.5,
    "signs": lambda x, t: x * abs(-t) - abs(t - 40.0) ** 2,
}


@pytest.mark.parametrize("name", POWERS)
def test_powers_and_signs_of_a_float_follow_it(device, name):
    f = POWERS[name]
    compiled = wg.compile(f)
    x = wg.tensor([2.0, -3.0])
    for t in range(2, 60):
        wanted = f(x, t + 0.25).numpy()
        np.testing.assert_array_equal(compiled(x, t + 0.25).numpy(), wanted)
    assert len(compiled.programs) <= 2


def test_powers_that_are_no_floats_are_pythons_own(numpy_device):
    def f(x, t):
        root = (t - 5.0) ** 0.5
        return x * (root.real if isinstance(root, complex) else root + 1)

    compiled, x = wg.compile(f), wg.ones(2)
    for t in (6.0, 9.0, 14.0, 21.0, 4.0, 30.0, 1.5, 7.25):
        assert compiled(x, t).tolist() == f(x, t).tolist()
    g = wg.compile(lambda x, t: x * (t - 5.0) ** -1.5 + x * (t**100 / t**100))
    for t in (6.0, 9.0, 14.0, 21.0):
        g(x, t)
    with pytest.raises(ZeroDivisionError):
        g(x, 5.0)
    with pytest.raises(OverflowError):
        g(x, 1e300)
    g(x, 7.0)


def test_long_arithmetic_of_a_float_ends(device):
    def f(x, a):
        total, power = 0.0, a
        for _ in range(2000):
            total = total + a
        for _ in range(60):
            power = power + power
        return x * total + x * power

    g, x = wg.compile(f), wg.tensor([1.0, 2.0])
    for a in RATES:
        np.testing.assert_allclose(g(x, a).numpy(), f(x, a).numpy(), rtol=1e-6)


def test_function_that_ran_twice_for_a_true_float_says_so(numpy_device):
    """What Python did before it asked for a true float cannot be undone, but is told."""
    calls = [0]

    def scaled(x: wg.Tensor, a: float) -> wg.Tensor:
        calls[0] += 1
        json.dumps(a)
        return x * a

    compiled = wg.compile(scaled)
    compiled(wg.ones(2), 0.25)
    with pytest.warns(UserWarning, match=r"run twice in one call.*calls\[0\] twice"):
        compiled(wg.ones(2), 0.5)
    assert calls == [3]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert compiled(wg.ones(2), 0.75).tolist() == [0.75, 0.75]
    assert calls == [4]
