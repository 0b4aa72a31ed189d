"""Rows of the elementwise ops."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

import wgrad as wg
from wgrad.ops.elementwise import weighted

from .row import ALL, INTS, Arg, Row, apart, away, between, to_bool, to_float


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
