"""Special functions: digits in float64, values at poles and zeros, derivatives of every order."""

from __future__ import annotations

import math
from collections.abc import Callable
from math import inf, nan, pi

import numpy as np
import pytest

import wgrad as wg
from wgrad import errors
from wgrad.ops.elementwise.special import i0_ratio, sinc_ratio


def double(function: Callable, x: np.ndarray) -> np.ndarray:
    with wg.device("numpy"):
        return function(wg.tensor(x, "float64")).numpy()


def relative(found: np.ndarray, right: np.ndarray) -> float:
    return float(np.max(np.abs(found - right) / np.abs(right)))


def numbers(rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([10 ** rng.uniform(-8, 7, 3000), rng.uniform(0, 30, 3000)])


def test_float64_has_all_digits_of_the_standard_library(rng):
    x = rng.uniform(-6, 26, 3000)
    assert relative(double(wg.erfc, x), np.array([math.erfc(v) for v in x])) < 1e-13
    x = numbers(rng)
    x = x[np.minimum(np.abs(x - 1), np.abs(x - 2)) > 1e-3]
    assert relative(double(wg.lgamma, x), np.array([math.lgamma(v) for v in x])) < 1e-12
    y = np.concatenate([rng.uniform(-5, 5, 3000), 10 ** rng.uniform(-300, 0, 100)])
    forth = double(wg.erf, double(wg.erfinv, double(wg.erf, y)))
    assert relative(forth, double(wg.erf, y)) < 4e-16


def test_float64_has_all_digits_of_scipy(rng):
    special = pytest.importorskip("scipy.special")
    inside = np.concatenate([rng.uniform(-1, 1, 3000), 1 - 10 ** rng.uniform(-16, -1, 1000)])
    assert relative(double(wg.erfinv, inside), special.erfinv(inside)) < 2e-15
    x = numbers(rng)
    x = x[np.abs(x - 1.4616) > 1e-2]
    assert relative(double(wg.digamma, x), special.digamma(x)) < 1e-13
    for n in (1, 2, 3, 5, 9, 20):
        found = double(lambda t, n=n: wg.polygamma(n, t), x)
        assert relative(found, special.polygamma(n, x)) < 4e-15, n
    x = rng.uniform(-700, 700, 3000)
    assert relative(double(wg.i0, x), special.i0(x)) < 4e-15
    for k in (1, 2, 5):
        found = double(lambda t, k=k: i0_ratio(t, float(k)), x)
        assert relative(found, special.iv(k, x) / x**k) < 4e-15
        z = rng.uniform(0.01, 9, 3000)
        found = double(lambda t, k=k: sinc_ratio(t, float(k)), z)
        right = special.spherical_jn(k, pi * z) / (pi * z) ** k
        np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-14)


def test_negative_numbers_are_reflected(rng):
    special = pytest.importorskip("scipy.special")
    x = -rng.uniform(0, 20, 3000)
    x = x[np.abs(x - np.rint(x)) > 1e-3]
    near = {"rtol": 1e-10, "atol": 1e-12}
    np.testing.assert_allclose(double(wg.lgamma, x), special.gammaln(x), **near)
    np.testing.assert_allclose(double(wg.digamma, x), special.digamma(x), **near)
    for n in (1, 2, 3, 4):  # digamma's derivatives, by Cauchy's integral around x
        turns = np.exp(2j * pi * (np.arange(64) + 0.5) / 64)
        radius = 0.5 * np.abs(x - np.rint(x))[:, None]
        around = special.digamma(x[:, None] + radius * turns) / (radius * turns) ** n
        right = math.factorial(n) * around.mean(1).real
        found = double(lambda t, n=n: wg.polygamma(n, t), x)
        np.testing.assert_allclose(found, right, rtol=1e-8, atol=1e-8)


def test_zeros_of_lgamma_and_digamma_keep_their_digits(device):
    """Relative to float64, next to 1, 2 and 1.4616..., where terms would cancel."""
    for function, zeros in ((wg.lgamma, (1.0, 2.0)), (wg.digamma, (1.4616321449683623,))):
        for zero in zeros:
            x = (zero + np.linspace(-1e-3, 1e-3, 2001)).astype(np.float32)
            exact = double(function, x.astype(np.float64))
            x, exact = x[exact != 0], exact[exact != 0]
            assert relative(function(wg.tensor(x)).numpy(), exact) < 16 * 2**-24
    x = np.geomspace(1e-3, 1e9, 5001).astype(np.float32)
    x = x[x != 1]
    for function in (wg.lgamma, wg.digamma, lambda t: wg.polygamma(2, t)):
        found = function(wg.tensor(x)).numpy()
        assert relative(found, double(function, x.astype(np.float64))) < 16 * 2**-24


VALUES = (
    ("erfc", wg.erfc, [nan, inf, -inf, 0.0, -9.0, 30.0], [nan, 0, 2, 1, 2, 0]),
    ("erfinv", wg.erfinv, [nan, 1.0, -1.0, 0.0, 1.5, -inf], [nan, inf, -inf, 0, nan, nan]),
    ("lgamma", wg.lgamma, [nan, inf, -inf, 0.0, -0.0, -3.0, 1.0, 2.0], [nan, *[inf] * 5, 0, 0]),
    ("lgamma_large", wg.lgamma, [-1e10, -3e38, 1e-30], [inf, inf, 69.07755279]),
    ("digamma", wg.digamma, [nan, inf, -inf, 0.0, -0.0, -2.0], [nan, inf, nan, -inf, inf, nan]),
    (
        "trigamma",
        lambda x: wg.polygamma(1, x),
        [nan, inf, 0.0, -2.0, 1.0],
        [nan, 0, inf, inf, pi**2 / 6],
    ),
    ("tetragamma", lambda x: wg.polygamma(2, x), [inf, 0.0, 1.0], [0, -inf, -2.4041138063]),
    ("polygamma0", lambda x: wg.polygamma(0, x), [1.0], [-0.5772156649]),
    ("trigamma_far", lambda x: wg.polygamma(1, x), [1e20, 1e30], [1e-20, 1e-30]),
    ("i0", wg.i0, [nan, inf, -inf, 0.0, -1.0, 1000.0], [nan, inf, inf, 1, 1.2660658778, inf]),
    ("sinc", wg.sinc, [nan, inf, -inf, 0.0, 1.0, -7.0, 0.5, 1e10], [nan, 0, 0, 1, 0, 0, 2 / pi, 0]),
)


@pytest.mark.parametrize(
    ("call", "data", "expected"), [v[1:] for v in VALUES], ids=[v[0] for v in VALUES]
)
def test_values_at_poles_ends_and_zeros(call: Callable, data: list, expected: list, device):
    np.testing.assert_allclose(call(wg.tensor(data)).numpy(), expected, rtol=1e-6)


def derivatives(function: Callable, x: float, orders: int, dtype: str) -> list[float]:
    """Return the derivatives of the first orders, each in reverse mode of the one before."""
    found = []
    for _ in range(orders):
        function = wg.grad(function)
        found.append(function(wg.tensor(x, dtype)).item())
    return found


def test_derivatives_of_every_order_at_zero(device):
    dtype = "float64" if device.name == "numpy" else "float32"
    cases = (
        (wg.sinc, [0, -(pi**2) / 3, 0, pi**4 / 5, 0, -(pi**6) / 7]),
        (wg.i0, [0, 1 / 2, 0, 3 / 8, 0, 5 / 16]),
        (wg.erfc, [-2 / math.sqrt(pi), 0, 4 / math.sqrt(pi), 0]),
        (wg.erfinv, [math.sqrt(pi) / 2, 0, pi**1.5 / 4]),
    )
    for function, right in cases:
        found = derivatives(function, 0.0, len(right), dtype)
        np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-6, err_msg=function.name)


def test_derivatives_of_lgamma_are_the_polygamma_functions(device):
    dtype = "float64" if device.name == "numpy" else "float32"
    for x in (0.7, 3.25, -1.3):
        found = derivatives(wg.lgamma, x, 4, dtype)
        right = [double(lambda t, n=n: wg.polygamma(n, t), np.array(x)).item() for n in range(4)]
        np.testing.assert_allclose(found, right, rtol=2e-5)


def test_derivatives_agree_with_torchs(numpy_device, rng):
    torch = pytest.importorskip("torch")
    pairs = (
        (wg.erfc, torch.special.erfc, (-3, 3)),
        (wg.erfinv, torch.special.erfinv, (-0.99, 0.99)),
        (wg.lgamma, torch.special.gammaln, (0.1, 9)),
        (wg.digamma, torch.special.digamma, (-2.9, 9)),
        (lambda x: wg.polygamma(2, x), lambda x: torch.special.polygamma(2, x), (0.1, 9)),
        (wg.i0, torch.special.i0, (-9, 9)),
        (wg.sinc, torch.special.sinc, (-5, 5)),
    )
    for mine, theirs, ends in pairs:
        host = rng.uniform(*ends, 50)
        x = torch.tensor(host, requires_grad=True)
        (right,) = torch.autograd.grad(theirs(x).sum(), x)
        found = wg.grad(lambda x, f=mine: f(x).sum())(wg.tensor(host, "float64"))
        np.testing.assert_allclose(found.numpy(), right, rtol=1e-8, atol=1e-10)


def test_slopes_far_away_are_numbers(device):
    x = wg.tensor([inf, -inf, 1e30, -1e30, 1e19])
    for function in (wg.erf, wg.erfc, wg.sinc):
        slope = wg.grad(lambda x, f=function: f(x).sum())
        curvature = wg.grad(lambda x, f=slope: f(x).sum())
        np.testing.assert_allclose(slope(x).numpy(), 0, atol=1e-18)
        assert np.isfinite(curvature(x).numpy()).all()


def test_special_functions_compile(device, rng):
    x = wg.tensor(rng.uniform(0.1, 0.9, 100).astype(np.float32))

    def f(x: wg.Tensor) -> wg.Tensor:
        one = wg.erfc(x) * wg.erfinv(x) + wg.lgamma(x) * wg.digamma(x)
        return one + wg.polygamma(1, x) * wg.i0(x) * wg.sinc(x)

    compiled = wg.compile(wg.grad(lambda x: f(x).sum()))
    eager = wg.grad(lambda x: f(x).sum())(x).numpy()
    for _ in range(3):
        np.testing.assert_allclose(compiled(x).numpy(), eager, rtol=1e-5)


def test_high_orders_neither_vanish_nor_overflow_on_the_way(device):
    for n, x in ((20, 150.0), (30, 20.0), (40, 100.0), (100, 60.0)):
        exact = double(lambda t, n=n: wg.polygamma(n, t), np.array(x)).item()
        first = math.lgamma(n + 1) - (n + 1) * math.log(x)  # of the first term, which is positive
        assert math.copysign(1, exact) == (-1) ** (n + 1) and math.log(abs(exact)) > first
        assert wg.polygamma(n, wg.tensor(x)).item() == pytest.approx(exact, rel=1e-4)


# Of even orders around the middle between two poles, where two sums cancel; by mpmath.
CANCELLING = [
    (2, -1.498719573020935, 0.012964834132225544),
    (2, -2.5001256465911865, -0.13267346405152514),
    (2, -0.4999906122684479, -0.8269809717589249),
    (4, -1.498719573020935, 19.38222368404832),
    (4, -2.5001256465911865, -2.0007103160223902),
    (4, -7.5009765625, -15.023552184030967),
    (6, -0.4999906122684479, -19.23119063704975),
    (6, -2.5001256465911865, -324.41739995271786),
]


@pytest.mark.parametrize(("n", "x", "expected"), CANCELLING)
def test_polygamma_of_even_orders_has_its_digits_between_poles(n, x, expected, device):
    step = np.spacing(np.float32(max(abs(expected), abs(x))))
    assert abs(wg.polygamma(n, wg.tensor([x])).item() - expected) <= 8 * step
    exact = double(lambda t: wg.polygamma(n, t), np.array([x])).item()
    assert exact == pytest.approx(expected, rel=5e-14)


def test_polygamma_wants_an_order(device):
    for n in (-1, 0.5, "1", None, 171, 10**400):
        with pytest.raises(errors.ArgumentError, match="polygamma: n="):
            wg.polygamma(n, wg.ones(2))
