"""Rows of the elementwise ops."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

import wgrad as wg
from wgrad.ops.elementwise import weighted
from wgrad.ops.elementwise.special import i0_ratio, sinc_ratio

from .row import ALL, FLOATS, INTS, NUMBERS, Arg, Row, apart, away, between, to_bool, to_float


def elementwise() -> Iterator[Row]:
    pair = (Arg(), Arg())

    def row(name: str, call: Any, reference: Any, args: tuple[Arg, ...], **more: Any) -> Row:
        more.setdefault("grad", tuple(range(len(args))))
        more.setdefault("public", (name,))
        return Row(name, (name,), call, reference, args, elementwise=True, **more)

    yield row("add", wg.add, np.add, pair, dtypes=ALL)
    yield row("subtract", wg.subtract, np.subtract, pair)
    yield row("multiply", wg.multiply, np.multiply, pair, dtypes=ALL)
    yield row("weighted", weighted, np.multiply, pair, dtypes=ALL, result=to_float, public=())
    # A divisor away from 0, whose differences would need smaller steps.
    divisor = Arg(low=0.5, high=2.0, integers=(1, 9))
    yield row("divide", wg.divide, np.divide, (Arg(), divisor), dtypes=ALL, result=to_float)
    yield row("negative", wg.negative, np.negative, (Arg(),))
    yield row("reciprocal", wg.reciprocal, lambda a: 1 / a, (divisor,), dtypes=ALL, result=to_float)
    yield row("square", wg.square, np.square, (Arg(),))
    base, exponent = Arg(low=0.3, high=2.5, integers=(-5, 5)), Arg(integers=(0, 6))
    yield row("pow", wg.pow, np.power, (base, exponent), rtol=1e-5)

    wide = Arg(low=-9.0, high=9.0)
    transcendental = {"dtypes": ALL, "result": to_float, "rtol": 2e-6}
    yield row("exp", wg.exp, np.exp, (wide,), **transcendental)
    positive = Arg(low=0.2, high=4.0, integers=(1, 9))
    yield row("log", wg.log, np.log, (positive,), **transcendental)
    yield row("sqrt", wg.sqrt, np.sqrt, (positive,), **transcendental)
    yield row("sin", wg.sin, np.sin, (wide,), **transcendental)
    yield row("cos", wg.cos, np.cos, (wide,), **transcendental)
    yield row("tanh", wg.tanh, np.tanh, (Arg(low=-3, high=3),), **transcendental)
    yield row(
        "sigmoid", wg.sigmoid, lambda a: 1 / (1 + np.exp(-1.0 * a)), (wide,), **transcendental
    )

    inside = Arg(low=-0.9, high=0.9, integers=(-1, 1))
    functions: dict[str, tuple[Any, Arg]] = {
        "exp2": (np.exp2, wide),
        "expm1": (np.expm1, wide),
        "log1p": (np.log1p, positive),
        "log2": (np.log2, positive),
        "log10": (np.log10, positive),
        "erf": (np.vectorize(math.erf, otypes=[float]), Arg()),
        "tan": (np.tan, Arg(low=-1.2, high=1.2)),
        "asin": (np.arcsin, inside),
        "acos": (np.arccos, inside),
        "atan": (np.arctan, Arg()),
        "sinh": (np.sinh, Arg(low=-3, high=3)),
        "cosh": (np.cosh, Arg(low=-3, high=3)),
        "asinh": (np.arcsinh, wide),
        "acosh": (np.arccosh, Arg(low=1.2, high=4.0, integers=(1, 9))),
        "atanh": (np.arctanh, inside),
    }
    for name, (function, arg) in functions.items():
        yield row(name, getattr(wg, name), function, (arg,), **transcendental)
    special: dict[str, tuple[Any, Arg]] = {
        "erfc": (np.vectorize(math.erfc, otypes=[float]), Arg()),
        "erfinv": (_inverse_erf, Arg(low=-0.9, high=0.9, integers=(0, 0))),
        "lgamma": (np.vectorize(math.lgamma, otypes=[float]), positive),
        "digamma": (lambda a: _zeta_sum(1.0 * a, 0), positive),
        "i0": (lambda a: np.i0(1.0 * a), Arg(low=-9, high=9)),
        "sinc": (np.sinc, Arg()),
    }
    for name, (function, arg) in special.items():
        no_poles = {"erfinv": FLOATS, "lgamma": NUMBERS}.get(name, ALL)
        how = {**transcendental, "dtypes": no_poles}
        yield row(name, getattr(wg, name), function, (arg,), **how)
    for n in (1, 2):
        yield Row(
            f"polygamma-{n}",
            ("polygamma",),
            lambda x, n=n: wg.polygamma(n, x),
            lambda a, n=n: _zeta_sum(1.0 * a, n),
            (positive,),
            elementwise=True,
            public=("polygamma",),
            **transcendental,
        )
    # The derivatives of sinc and i0, of which they are 0 and 1 times a power.
    ratios = {"sinc_ratio": (sinc_ratio, _sinc_slope), "i0_ratio": (i0_ratio, _i0_slope)}
    for name, (op, function) in ratios.items():
        args = (Arg(low=0.3, high=3),)
        call = lambda x, op=op: op(x, 1.0)  # noqa: E731
        yield Row(name, (name,), call, function, args, FLOATS, to_float, 1e-5, elementwise=True)
    apart_from_0 = {"smooth": away(0), **transcendental}
    yield row("atan2", wg.atan2, np.arctan2, pair, **apart_from_0)
    yield row("hypot", wg.hypot, np.hypot, pair, **apart_from_0)
    yield row("logaddexp", wg.logaddexp, np.logaddexp, pair, **transcendental)
    weight = Arg(low=-0.5, high=1.5, integers=(0, 2))
    yield row(
        "lerp", wg.lerp, lambda a, b, c: a + c * (b - a), (Arg(), Arg(), weight), **transcendental
    )

    # Rounding, and the parts of a float.
    for name in ("ceil", "floor", "trunc"):
        yield row(name, getattr(wg, name), getattr(np, name), (Arg(),), smooth=between(0))
    yield row("round", wg.round, np.rint, (Arg(),), smooth=between(0.5))
    nonzero = Arg(low=0.5, high=2.0)
    for name, function in (("floor_divide", np.floor_divide), ("remainder", np.remainder)):
        yield row(
            name,
            getattr(wg, name),
            function,
            (Arg(low=-5, high=5), nonzero),
            smooth=lambda a, b: between(0)(a / b),
        )
    yield row("positive", wg.positive, np.positive, (Arg(),))
    kink = {"dtypes": ALL, "result": to_float, "smooth": away(0)}
    yield row("copysign", wg.copysign, lambda a, b: np.copysign(1.0 * a, 1.0 * b), pair, **kink)
    yield row("nextafter", wg.nextafter, lambda a, b: a + 0.0 * b, pair, **kink)
    yield row("signbit", wg.signbit, np.signbit, (Arg(),), result=to_bool, grad=())

    # Bits.
    bits = {"dtypes": (*INTS, "bool"), "grad": ()}
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
        yield row(name, getattr(wg, name), getattr(np, name), pair, **bits)
    yield row("bitwise_invert", wg.bitwise_invert, np.invert, (Arg(),), **bits)
    places = (Arg(), Arg(integers=(0, 40)))
    shifts = {"dtypes": INTS, "grad": ()}
    yield row("bitwise_left_shift", wg.bitwise_left_shift, np.left_shift, places, **shifts)
    yield row("bitwise_right_shift", wg.bitwise_right_shift, np.right_shift, places, **shifts)

    yield row("relu", wg.relu, lambda a: np.maximum(a, 0), (Arg(),), smooth=away(0))
    yield row("abs", wg.abs, np.abs, (Arg(),), smooth=away(0))
    yield row("sign", wg.sign, np.sign, (Arg(),), smooth=away(0))
    yield row("maximum", wg.maximum, np.maximum, pair, dtypes=ALL, smooth=apart)
    yield row("minimum", wg.minimum, np.minimum, pair, dtypes=ALL, smooth=apart)
    low = Arg(low=-1.5, high=-0.5, integers=(-6, 3))
    high = Arg(low=0.5, high=1.5, integers=(4, 6))
    yield row("clamp", wg.clip, np.clip, (Arg(), low, high), smooth=apart, public=("clip",))
    yield row(
        "where",
        wg.where,
        np.where,
        (Arg(kind="bool"), Arg(), Arg()),
        dtypes=ALL,
        grad=(1, 2),
    )

    near = (Arg(integers=(0, 2)), Arg(integers=(0, 2)))  # equal often enough
    for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
        yield row(
            name, getattr(wg, name), getattr(np, name), near, dtypes=ALL, result=to_bool, grad=()
        )
    for name in ("logical_and", "logical_or", "logical_xor"):
        yield row(name, getattr(wg, name), getattr(np, name), pair, dtypes=("bool",), grad=())
    yield row("logical_not", wg.logical_not, np.logical_not, (Arg(),), dtypes=("bool",), grad=())
    for name in ("isnan", "isinf", "isfinite"):
        yield row(
            name,
            getattr(wg, name),
            getattr(np, name),
            (Arg(),),
            dtypes=ALL,
            result=to_bool,
            grad=(),
        )


def _inverse_erf(a: np.ndarray) -> np.ndarray:
    """By bisection."""
    erf = np.vectorize(math.erf, otypes=[float])
    low, high = np.full_like(1.0 * a, -9), np.full_like(1.0 * a, 9)
    for _ in range(60):
        middle = (low + high) / 2
        less = erf(middle) < a
        low, high = np.where(less, middle, low), np.where(less, high, middle)
    return (low + high) / 2


def _zeta_sum(a: np.ndarray, n: int) -> np.ndarray:
    """Polygamma functions of positive numbers: a thousand terms, and the first ones of a series."""
    steps = np.arange(1000.0).reshape(-1, *(1,) * a.ndim)
    far = a + 1000
    if n == 0:
        return np.log(far) - 0.5 / far - 1 / (12 * far**2) - (1 / (a + steps)).sum(0)
    if n == 1:
        rest = 1 / far + 0.5 / far**2 + 1 / (6 * far**3)
        return ((a + steps) ** -2).sum(0) + rest
    found = -2 * ((a + steps) ** -3).sum(0) - (1 / far**2 + 1 / far**3 + 0.5 / far**4)
    return np.where(np.isneginf(a), np.nan, found)  # there are poles all the way


def _sinc_slope(a: np.ndarray) -> np.ndarray:
    z = math.pi * a
    near = np.abs(z) < 1e-2  # where the terms cancel
    return np.where(near, 1 / 3 - z**2 / 30, (np.sin(z) / z - np.cos(z)) / np.where(near, 1, z**2))


def _i0_slope(a: np.ndarray) -> np.ndarray:
    """I_1(a) / a, by its integral: the mean of sin(t)**2 e**(a cos t) over half a turn."""
    t = (np.arange(64) + 0.5).reshape(-1, *(1,) * a.ndim) * (math.pi / 64)
    return (np.sin(t) ** 2 * np.exp(a * np.cos(t))).mean(0)
