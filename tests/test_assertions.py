"""wgrad.testing: what its assertions let through, and what they say."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

import wgrad as wg
from wgrad import testing
from wgrad.errors import DeviceError

X = [0.5, 1.0]


def wrong(x):
    """A square whose gradient is half of what it should be."""
    return wg.custom_op(lambda x: x * x, backward=lambda ct, out, x: ct * x, name="wrong")(x)


def test_the_examples_run(webgpu):
    functions = [getattr(testing, name) for name in testing.__all__]
    finder = doctest.DocTestFinder(recurse=False)
    found = [x for f in functions for x in finder.find(f, globs={"wg": wg})]
    runner = doctest.DocTestRunner()
    results = [runner.run(x) for x in found]
    assert sum(x.attempted for x in results) == 3 and sum(x.failed for x in results) == 0


def test_gradients(device):
    wg.testing.assert_gradients(lambda x, y: wg.sin(x) * y, X, np.ones(2, np.float32))
    with pytest.raises(AssertionError, match=r"^assert_gradients: input 0\[0\]: the gradient"):
        wg.testing.assert_gradients(wrong, X)


def test_devices_agree(webgpu):
    def f(x, scale, more):
        return {"a": (wg.tanh(x) * scale, wg.sum(x)), "b": x > more["least"]}

    wg.testing.assert_devices_agree(f, X, 2.0, {"least": 0.6})
    with wg.device("numpy"):
        wg.testing.assert_devices_agree(wg.tanh, wg.tensor(X))
    with pytest.raises(DeviceError, match="other than numpy"):
        wg.testing.assert_devices_agree(wg.tanh, X, on="numpy")


def on_gpu(x, by):
    return by if x.device.name == "webgpu" else 0.0


DIFFERENT = [
    (lambda x: x * 2 + on_gpu(x, 1e-5), r"the result\[0\] is 1.00001.*of webgpu, and 1.0 of numpy"),
    (lambda x: [x * 2 + on_gpu(x, 1), x], r"the result\[0\]\[0\] is 2.0 .*\(2 of 2 entries"),
    (lambda x: x / on_gpu(x, 1.0), r"is 0.5 of webgpu, and inf of numpy \("),
    (lambda x: (x * 2)[: 2 - int(on_gpu(x, 1))], r"float32 \(1,\) of webgpu, and float32 \(2,\)"),
    (lambda x: [x * 2] * (1 + int(on_gpu(x, 1))), r"webgpu gives the result\[0\], the result\[1\]"),
    (lambda x: (x * 2).to("numpy"), "is on numpy, and f ran on webgpu"),
    (lambda x: x, "no kernel was dispatched on webgpu"),
]


@pytest.mark.parametrize(("f", "said"), DIFFERENT, ids=range(len(DIFFERENT)))
def test_devices_that_differ_are_told_by_entry(webgpu, f, said):
    with pytest.raises(AssertionError, match=said):
        wg.testing.assert_devices_agree(f, X)


def test_tolerances_count_steps_of_the_dtype():
    one, next_one = np.float32([1]), np.nextafter(np.float32([1]), np.float32(2))
    testing._compare("x", next_one, one, 1, 0, "a")
    with pytest.raises(AssertionError, match=r"1.0 steps .* 0.5 are allowed"):
        testing._compare("x", next_one, one, 0.5, 0, "a")
    testing._compare("x", next_one, one, 0, 1e-6, "a")
    odd = np.float32([np.nan, np.inf, -np.inf, 0.0])
    testing._compare("x", odd, odd, 0, 0, "a")
    with pytest.raises(AssertionError, match=r"x\[1\] is inf .* -inf .* \(2 of 4"):
        testing._compare("x", odd, odd[[0, 2, 1, 3]], 1e9, 0, "a")


def test_compiles(device):
    wg.testing.assert_compiles(lambda x: wg.tanh(x) * 2 + 1, X, kernels=1)
    with pytest.raises(AssertionError, match=r"1 kernels run where at most 0 .*tanh"):
        wg.testing.assert_compiles(lambda x: wg.tanh(x) * 2 + 1, X, kernels=0)
    with pytest.raises(AssertionError, match=r"^assert_compiles: \w+ reads a value"):
        wg.testing.assert_compiles(lambda x: x * x.sum().item(), X)


def test_what_runs_uncompiled_says_why(device):
    calls = []

    def f(x):
        calls.append(x.shape)  # another list each time
        return x * len(calls)

    with pytest.raises(AssertionError, match="it runs uncompiled: "):
        wg.testing.assert_compiles(f, X)


def test_a_step_with_its_state_is_taken_as_it_is(device):
    w = wg.parameter([1.0, 2.0])
    optimizer = wg.optim.SGD([w], lr=0.1)

    @wg.compile(state=[w, optimizer])
    def step(x):
        loss = wg.sum((w * x) ** 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    wg.testing.assert_compiles(step, X)
