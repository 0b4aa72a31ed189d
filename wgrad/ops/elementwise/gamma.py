"""The logarithm of the gamma function and its derivatives.

Source: Johansson, "Arbitrary-precision computation of the gamma function" (2021), for the series.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..accuracy import Accuracy
from ..families import Elementwise
from .declare import elementwise
from .transcendental import polynomial

# (zeta(k) - 1) / k from k = 2 on, with alternating signs: log gamma(2 + t) - (1 - Euler's constant)
# t as a series in t, for |t| <= 1/2 to 1e-17.
_SERIES = tuple(
    sign * c
    for sign, c in zip(
        (1, -1) * 14,
        (
            *(0.3224670334241132, 0.0673523010531981, 0.020580808427784546, 0.007385551028673986),
            *(0.0028905103307415234, 0.001192753911703261, 0.0005096695247430425),
            *(0.00022315475845357936, 9.945751278180853e-05, 4.492623673813314e-05),
            *(2.0507212775670694e-05, 9.439488275268395e-06, 4.374866789907487e-06),
            *(2.039215753801366e-06, 9.55141213040742e-07, 4.492469198764566e-07),
            *(2.1207184805554667e-07, 1.00432248239681e-07, 4.769810169363981e-08),
            *(2.2711094608943164e-08, 1.0838659214896955e-08, 5.183475041970047e-09),
            *(2.4836745438024785e-09, 1.1921401405860912e-09, 5.731367241678862e-10),
            *(2.7595228851242334e-10, 1.3304764374244491e-10, 6.422964563838101e-11),
        ),
        strict=True,
    )
)
_SLOPE = 1 - 0.5772156649015329  # 1 - Euler's constant
# Bernoulli's numbers B(2j) / (2j)!, from j = 1 on.
_BERNOULLI = (
    *(0.08333333333333333, -0.001388888888888889, 3.306878306878307e-05, -8.267195767195768e-07),
    *(2.08767569878681e-08, -5.284190138687493e-10, 1.3382536530684679e-11),
    *(-3.3896802963225827e-13, 8.586062056277845e-15),
)
_FAR = 12.0  # from where on the asymptotic series have all digits


def _wide(function: Any) -> Any:
    """Compute in float64, of arrays that numbers may go with."""

    def compute(a: np.ndarray, *numbers: float) -> np.ndarray:
        return np.asarray(function(a.astype(np.float64), *numbers)).astype(a.dtype)

    return compute


def _shifted(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return y between 1.5 and 2.5 (less for x below 1.5), the product and the sum of inverses of
    what lies between y and an x of less than 12."""
    y, product, inverses = np.minimum(x, _FAR), np.ones_like(x), np.zeros_like(x)
    for _ in range(11):
        large = y > 2.5
        y = np.where(large, y - 1, y)
        product = np.where(large, product * y, product)
        inverses = np.where(large, inverses + 1 / y, inverses)
    return y, product, inverses


def _positive_lgamma(x: np.ndarray) -> np.ndarray:
    far = np.maximum(x, _FAR)
    terms = [
        b * math.factorial(2 * j - 2) * far ** (1.0 - 2 * j) for j, b in enumerate(_BERNOULLI, 1)
    ]
    stirling = (far - 0.5) * (np.log(far) - 1) + (0.4189385332046727 + sum(terms))
    y, product, _ = _shifted(x)
    small, middle = y < 0.5, y < 1.5
    t = np.where(small, x, np.where(middle, y - 1, y - 2))  # 2 + t is y, y + 1 or y + 2
    near = t * (_SLOPE + t * polynomial(_SERIES[::-1], t))
    near = np.where(middle, near - np.log1p(t), near)
    near = np.where(small, near - np.log(x), near)
    return np.where(x >= _FAR, stirling, near + np.log(product))


def _fraction(x: np.ndarray) -> np.ndarray:
    """Return x less the nearest integer."""
    return x - np.rint(x)


def _lgamma(x: np.ndarray) -> np.ndarray:
    below, r = x < 0, _fraction(x)
    value = _positive_lgamma(np.where(below, 1 - x, np.where(np.isnan(x), 1, x)))
    reflected = math.log(math.pi) - np.log(np.abs(np.sin(math.pi * r))) - value
    reflected = np.where((r == 0) | np.isinf(x), np.inf, reflected)
    return np.where(np.isnan(x), x, np.where(below, reflected, value))


def _positive_digamma(x: np.ndarray) -> np.ndarray:
    far = np.maximum(x, _FAR)
    terms = [b * math.factorial(2 * j - 1) * far ** (-2.0 * j) for j, b in enumerate(_BERNOULLI, 1)]
    series = np.log(far) - 0.5 / far - sum(terms)
    y, _, inverses = _shifted(x)
    for _ in range(2):
        small = y < 1.5
        inverses = np.where(small, inverses - 1 / y, inverses)
        y = np.where(small, y + 1, y)
    slopes = tuple(c * k for k, c in enumerate(_SERIES, 2))
    t = y - 2
    near = _SLOPE + t * polynomial(slopes[::-1], t) + inverses
    return np.where(x >= _FAR, series, near)


def _digamma(x: np.ndarray) -> np.ndarray:
    below, r = x < 0, _fraction(x)
    value = _positive_digamma(np.where(below, 1 - x, np.where(np.isnan(x), 1, x)))
    value = np.where(below, value - math.pi / np.tan(math.pi * r), value)
    value = np.where(x == 0, np.copysign(np.inf, -x), value)
    return np.where((below & ((r == 0) | np.isinf(x))) | np.isnan(x), np.nan, value)


def _positive_zeta(s: float, q: np.ndarray, c: float) -> np.ndarray:
    """Return the sum of ((q + i) / c) ** -s over i >= 0, by Euler and Maclaurin from a y on."""
    y, total, first = q, np.zeros_like(q), 16 + int(s)
    for _ in range(first):
        small = y < first
        total = np.where(small, total + (y / c) ** -s, total)
        y = np.where(small, y + 1, y)
    tail, rising = 1 / (s - 1) + 0.5 / y, s
    for j, b in enumerate(_BERNOULLI, 1):
        tail = tail + b * rising * y ** (-2.0 * j)
        rising *= (s + 2 * j - 1) * (s + 2 * j)
    return total + c * (y / c) ** (1 - s) * tail


def _zeta_difference(s: float, d: np.ndarray, c: float) -> np.ndarray:
    """Return the sum of ((m + d) / c) ** -s - ((m - d) / c) ** -s over m = 1/2, 3/2, ...

    For |d| <= 1/4, where the two sums would cancel. From `m` on by derivatives of the sum.
    """
    total = np.zeros_like(d)
    for i in range(32):
        m = i + 0.5
        total = total + ((m - d) / c) ** -s * np.expm1(s * np.log1p(-2 * d / (m + d)))
    at, step = np.full_like(d, 32.5), s / c
    rest, power = np.zeros_like(d), np.ones_like(d)
    for k in (1, 3, 5):
        rest = rest + power * _positive_zeta(s + k, at, c) / math.factorial(k)
        power = power * (d / c) ** 2 * (s + k) * (s + k + 1)
    return total - 2 * d * step * rest


def _polygamma(x: np.ndarray, n: float) -> np.ndarray:
    s, order = n + 1.0, int(n)
    below, fraction = x < 0, x - np.floor(x)
    c = 2.0 ** max(round(math.log2(n * 0.37)), 0)  # near n / e, in which n! is of ordinary size
    value = _positive_zeta(s, np.where(below, fraction, x), c)
    other = _positive_zeta(s, np.ceil(x) - x, c) - _positive_zeta(s, np.where(below, 1 - x, 1), c)
    sign = -1.0 if order % 2 == 0 else 1.0  # (-1) ** s
    value = np.where(below, value + sign * other, value)
    d = x - (np.floor(x) + 0.5)  # exact, where the fraction of a small x is rounded
    near = below & (np.abs(d) <= 0.25)
    if order % 2 == 0 and near.any():
        d = np.where(near, d, 0)
        apart = _zeta_difference(s, d, c) + _positive_zeta(s, np.where(below, 1 - x, 1), c)
        value = np.where(near, apart, value)
    for i in range(1, order + 1):
        value = value * (i / c)
    return np.where(x == np.inf, 0.0, sign * value / c)


polygamma: Elementwise = elementwise(
    "polygamma",
    wgsl="real_polygamma(a, b)",
    numpy=_wide(_polygamma),
    partials=(lambda a, b: polygamma(a, b + 1), None),
    ulp=Accuracy(8, points=(1, 10), terms=1, calls={"polygamma 1": (1,), "polygamma 3": (3,)}),
    doc="The b-th derivative of digamma at a, for a whole number b of at least 1.",
)
digamma = elementwise(
    "digamma",
    wgsl="real_digamma(a)",
    numpy=_wide(_digamma),
    partials=(lambda a: polygamma(a, 1.0),),
    ulp=Accuracy(8, points=(1, 2, 6), terms=1),
    doc="The derivative of lgamma; NaN at negative integers, an infinity of -a's sign at 0.",
)
lgamma = elementwise(
    "lgamma",
    wgsl="real_lgamma(a)",
    numpy=_wide(_lgamma),
    partials=(lambda a: digamma(a),),
    ulp=Accuracy(8, points=(0.75, 1, 1.5, 2, 3, 8), terms=1),
    doc="The logarithm of the absolute value of the gamma function; infinite at 0, -1, -2, ...",
)
