"""The work of compiling grows as the program does: calls are counted at one size and twice it.

Calls of Python and of C count alike, and no time is measured.
"""

from __future__ import annotations

import cProfile
from collections.abc import Callable

import numpy as np
import pytest

import wgrad as wg
from wgrad import optim

SMALL = 300  # ops, and as many again; what is quadratic doubles its share
ALLOWED = 2.4  # times as many calls for twice the ops

Case = tuple[Callable, tuple[wg.Tensor, ...]]


def one_is_read_by_all(n: int) -> Case:
    def f(x: wg.Tensor) -> list[wg.Tensor]:
        h = wg.tanh(x)
        return [h * float(i) for i in range(n)]

    return f, (wg.ones(8),)


def many_sums(n: int) -> Case:
    def f(x: wg.Tensor) -> wg.Tensor:
        total = x.sum()
        for i in range(n // 3):
            total = total + (x * float(i)).sum()
        return total

    return f, (wg.ones(8),)


def many_rows(n: int) -> Case:
    def f(x: wg.Tensor) -> wg.Tensor:
        for _ in range(n // 8):
            x = wg.softmax(x * 1.1, -1) + 0.1
        return x

    return f, (wg.ones((4, 8)),)


def many_lookups(n: int) -> Case:
    places = wg.tensor([1, 0, 2, 3])

    def f(x: wg.Tensor) -> wg.Tensor:
        for _ in range(n // 2):
            x = wg.take(x, places, 0) * 1.5
        return x

    return f, (wg.ones(4),)


def many_parameters(n: int, optimizer: Callable = optim.SGD, each: int = 4) -> Case:
    params = [wg.parameter(wg.tensor(0.1 * i)) for i in range(n // each)]
    opt = optimizer(params, lr=0.01)

    def step(x: wg.Tensor) -> wg.Tensor:
        opt.zero_grad()
        total = x * 0
        for p in params:
            total = total + wg.tanh(p * x)
        loss = total.square()
        loss.backward()
        opt.step()
        return loss

    return step, (wg.tensor(1.0),)


def many_moments(n: int) -> Case:
    return many_parameters(n, optim.Adam, 10)


CASES = [
    one_is_read_by_all,
    many_sums,
    many_rows,
    many_lookups,
    many_parameters,
    many_moments,
]


def calls(make: Callable[[int], Case], n: int) -> int:
    """Return how many functions are called for a first run of about n ops."""
    f, args = make(n)
    compiled = wg.compile(f)
    profile = cProfile.Profile()
    profile.runcall(compiled, *args)
    return sum(entry.callcount for entry in profile.getstats())


@pytest.mark.parametrize("make", CASES, ids=lambda f: f.__name__)
def test_compiling_twice_the_ops_takes_twice_the_work(make, numpy_device):
    few, many = (calls(make, n) for n in (SMALL, 2 * SMALL))
    assert many < ALLOWED * few, f"{few} calls, and {many} for twice the ops"


def test_values_do_not_suffer(numpy_device):
    f, args = one_is_read_by_all(300)
    for found, expected in zip(wg.compile(f)(*args), f(*args), strict=True):
        np.testing.assert_array_equal(found.numpy(), expected.numpy())
