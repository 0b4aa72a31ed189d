"""What one kernel makes of several ops is what they make one by one: compilers know algebra."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import wgrad as wg
from wgrad.ops.elementwise import binary_cross_entropy

EDGES = [0.0, -0.0, 1.0, -1.0, 3.0, np.inf, -np.inf, np.nan, 1e-40, 3e38, -3e38, 1e20, 1e-20, 2**24]
X, Y = (a.ravel().astype(np.float32) for a in np.meshgrid(EDGES, EDGES))
Rule = Callable[[wg.Tensor, wg.Tensor], wg.Tensor]

# Each is the left side of a rule by which compilers rewrite floats that are neither large, nor
# infinite, nor NaN; the numbers beside it are mathematics.
RULES: list[Rule] = [
    lambda x, y: (x + y) - y,
    lambda x, y: (x - y) + y,
    lambda x, y: wg.sqrt(x) * wg.sqrt(x),
    lambda x, y: x * y + x * (1e10 - y),
    lambda x, y: x * y - y * x,
    lambda x, y: wg.positive(x) - x,
    lambda x, y: wg.negative(-x) - x,
    lambda x, y: wg.stack([x, y], 1).sum(1) - x,
    lambda x, y: (x * y) / y,
    lambda x, y: wg.logical_not(x < y),
    lambda x, y: (x < y) & (x < 1.0),
    lambda x, y: wg.where(x < y, x, y),
    lambda x, y: 1 / (1 / x),
    lambda x, y: wg.sqrt(wg.square(x)),
    lambda x, y: binary_cross_entropy(wg.isinf(x) - 2.0, wg.isinf(x).astype("float32")),
]


def both(x: wg.Tensor, y: wg.Tensor) -> list[wg.Tensor]:
    return [rule(x, y) for rule in RULES]


def test_kernels_rewrite_no_sums_and_products(device):
    x, y = wg.tensor(X), wg.tensor(Y)
    for i, (found, eager) in enumerate(zip(wg.compile(both)(x, y), both(x, y), strict=True)):
        np.testing.assert_array_equal(found.numpy(), eager.numpy(), err_msg=f"rule {i}")


def test_what_is_lost_in_a_sum_is_lost_in_a_kernel_too(device):
    """2^24 + 1 is no float32, and 1e30 + 1 is 1e30: a compensated sum finds what was lost."""

    def two_sum(x: wg.Tensor, y: wg.Tensor) -> tuple[wg.Tensor, wg.Tensor]:
        total = x + y
        part = total - x
        return total, (x - (total - part)) + (y - part)

    x, y = wg.tensor([2.0**24, 1e30, 1.0]), wg.tensor([1.0, 1.0, 2.0**-30])
    for run in (two_sum, wg.compile(two_sum)):
        total, lost = (v.numpy().astype(np.float64) for v in run(x, y))
        exact = x.numpy().astype(np.float64) + y.numpy().astype(np.float64)
        assert total.tolist() == [2.0**24, np.float32(1e30), 1.0]
        assert lost[0] == 1.0 and lost[2] == 2.0**-30
        assert (total + lost)[0] == exact[0]


def test_infinities_that_meet_are_nan_in_a_kernel_too(device):
    x, y = wg.tensor([np.inf, np.nan, 3e38, -1.0]), wg.tensor([1.0, 1.0, 3e38, 1.0])
    f = wg.compile(lambda x, y: ((x + y) - y, wg.negative(-x) - x, wg.sqrt(x) * wg.sqrt(x)))
    a, b, c = (v.numpy() for v in f(x, y))
    assert np.isnan(a[1]) and a[[0, 2, 3]].tolist() == [np.inf, np.inf, -1.0]
    assert np.isnan(b[:2]).all() and b[2:].tolist() == [0.0, 0.0]
    assert c[0] == np.inf and np.isnan(c[1]) and np.isnan(c[3])
