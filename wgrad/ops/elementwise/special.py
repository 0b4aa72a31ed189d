"""Complementary and inverse error functions, sinc and the modified Bessel function of order 0."""

from __future__ import annotations

import math

import numpy as np

from .. import accuracy
from ..accuracy import Accuracy
from ..families import Elementwise
from .arithmetic import clamp
from .declare import elementwise
from .transcendental import bell, erf, erfc_of_positive, exp

_ROOT = math.sqrt(math.pi)


def _erfc(a: np.ndarray) -> np.ndarray:
    x = a.astype(np.float64)
    upper = erfc_of_positive(np.abs(x))
    return np.where(x < 0, 2 - upper, upper).astype(a.dtype)


erfc = elementwise(
    "erfc",
    wgsl="real_erfc(a)",
    numpy=_erfc,
    partials=(lambda a: (-2 / _ROOT) * bell(a),),
    ulp=Accuracy(8, points=(0.5, 1, 10.05, -1), more=accuracy.erfc_tail),
    doc="1 - erf(a), which keeps its digits where it is small.",
)


def _erfinv(a: np.ndarray) -> np.ndarray:
    """A first guess to 1 %, and Halley's steps to the zero of erfc(y) - (1 - x)."""
    x = np.minimum(np.abs(a.astype(np.float64)), 1)
    rest = 1 - x
    size = np.log(np.maximum(rest, 1e-300) * (1 + x))
    t = 2 / (math.pi * 0.147) + size / 2
    y = np.sqrt(np.maximum(np.sqrt(t * t - size / 0.147) - t, 0))
    for _ in range(3):
        # The difference without the digits that erfc or erf alone would lack.
        off = np.where(x > 0.5, rest - erfc_of_positive(y), erf.body.numpy(y) - x)
        step = off / ((2 / _ROOT) * np.exp(-y * y))
        y = y - step / (1 + y * step)
    y = np.where(x == 1, np.inf, y)
    return np.where(np.abs(a) <= 1, np.copysign(y, a), np.nan).astype(a.dtype)


erfinv = elementwise(
    "erfinv",
    wgsl="real_erfinv(a)",
    numpy=_erfinv,
    partials=(lambda out: (_ROOT / 2) * exp(out * out),),
    ulp=Accuracy(8, points=(1, 0.9965), more=accuracy.near_one),
    doc="The x with erf(x) = a: infinite at 1 and -1, NaN beyond.",
)


# Sinc.
def _sinc(a: np.ndarray) -> np.ndarray:
    x = a.astype(np.float64)
    n = np.rint(x)
    r = x - n  # exact: a sine of pi times it keeps its digits
    odd = n / 2 != np.trunc(n / 2)
    sine = np.where(odd, -1, 1) * np.sin(math.pi * r)
    value = np.where(r == 0, 0, sine / (math.pi * x))
    value = np.where(np.abs(x) < 1e-9, 1, np.where(np.isinf(x), 0, value))
    return value.astype(a.dtype)


def _sinc_ratio(a: np.ndarray, k: float) -> np.ndarray:
    x, last = a.astype(np.float64), int(k)
    square = (math.pi * x) ** 2
    term = np.full_like(x, 1 / math.prod(range(1, 2 * last + 2, 2)))
    series = term
    for i in range(1, 25):
        term = term * (-0.5 * square / (i * (2 * last + 2 * i + 1)))
        series = series + term
    n = np.rint(x)
    cosine = np.where(n / 2 != np.trunc(n / 2), -1, 1) * np.cos(math.pi * (x - n))
    before, value = cosine, _sinc(x)
    for i in range(last):
        before, value = value, ((2 * i + 1) * value - before) / square
    value = np.where(square < 4 * last + 6, series, value)
    return np.where(np.abs(x) > 1e18, 0, np.where(np.isnan(x), x, value)).astype(a.dtype)


_MOST = 1e30  # whose product with a ratio of 0 is 0

sinc_ratio: Elementwise = elementwise(
    "sinc_ratio",
    wgsl="sinc_ratio(a, b)",
    numpy=_sinc_ratio,
    partials=(lambda a, b: -(math.pi**2) * clamp(a, -_MOST, _MOST) * sinc_ratio(a, b + 1), None),
    ulp=Accuracy(
        8, points=(0.5, 1, 2.5), terms=1, calls={"sinc_ratio 1": (1,), "sinc_ratio 2": (2,)}
    ),
    doc="j(z) / z ** b with z = pi a and the spherical Bessel function j of order b.",
)
sinc = elementwise(
    "sinc",
    wgsl="real_sinc(a)",
    numpy=_sinc,
    partials=(lambda a: -(math.pi**2) * clamp(a, -_MOST, _MOST) * sinc_ratio(a, 1.0),),
    ulp=Accuracy(8, points=(0.5, 1, 2.5)),
    doc="sin(pi a) / (pi a): 1 at 0, exactly 0 at other integers and at infinity.",
)


# Bessel.
def _i0(a: np.ndarray) -> np.ndarray:
    x = np.abs(a.astype(np.float64))
    near, far = np.minimum(x, 25), np.maximum(x, 25)
    series, term = np.ones_like(x), np.ones_like(x)
    for k in range(1, 70):
        term = term * (near / (2 * k)) ** 2
        series = series + term
    slow, term = np.ones_like(x), np.ones_like(x)
    for k in range(1, 26):
        term = term * ((2 * k - 1) ** 2 / (8 * k)) / far
        slow = slow + term
    half = np.exp(far / 2)  # e ** far may be too large
    large = half * (slow / np.sqrt(2 * math.pi * far)) * half
    value = np.where(x < 25, series, np.where(np.isinf(x), x, large))
    return np.where(np.isnan(x), x, value).astype(a.dtype)


def _i0_ratio(a: np.ndarray, k: float) -> np.ndarray:
    x, last = np.minimum(np.abs(a.astype(np.float64)), 715), int(k)
    square, ratio, product = x * x, np.zeros_like(x), np.ones_like(x)
    for i in range(last + 40 + int(np.max(x, initial=0, where=~np.isnan(x))), 0, -1):
        ratio = 1 / (2 * i + square * ratio)
        if i <= last:
            product = product * ratio
    return (_i0(a.astype(np.float64)) * product).astype(a.dtype)


i0_ratio: Elementwise = elementwise(
    "i0_ratio",
    wgsl="i0_ratio(a, b)",
    numpy=_i0_ratio,
    partials=(lambda a, b: a * i0_ratio(a, b + 1), None),
    ulp=Accuracy(
        10, within=(-91.9, 91.9), points=(7.75,), calls={"i0_ratio 1": (1,), "i0_ratio 2": (2,)}
    ),
    doc="I(a) / a ** b with the modified Bessel function I of order b.",
)
i0 = elementwise(
    "i0",
    wgsl="real_i0(a)",
    numpy=_i0,
    partials=(lambda a: a * i0_ratio(a, 1.0),),
    ulp=Accuracy(8, points=(7.75, 91.9)),
    doc="The modified Bessel function of order 0.",
)
