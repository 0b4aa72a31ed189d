"""Functions of numbers, which work component by component."""

from __future__ import annotations

import math
from typing import Any

from ..types import (
    ABSTRACT_FLOAT,
    ABSTRACT_INT,
    F16,
    F32,
    I32,
    Field,
    Scalar,
    Structure,
    Type,
    Vector,
    scalar_of,
    with_scalar,
)
from ..values import each
from .base import ANY, FLOAT, NUMBER, SIGNED, Match, builtin, by_component


def _real(name: str, fn: Any) -> None:
    builtin(name, "V -> V", T=FLOAT, constant=by_component(fn))


def _sign(x: float) -> float:
    return (x > 0) - (x < 0)


def _fused(a: float, b: float, c: float) -> float:
    return a * b + c


def _clamped(x: float, low: float, high: float) -> float:
    if low > high:
        raise ValueError(f"the low bound {low} is above the high one, {high}")
    return min(max(x, low), high)


def _power(x: float, y: float) -> float:
    if x == 0 and y == 0:
        raise ValueError("pow(0, 0) is not defined")
    return math.pow(x, y)


def _smoothstep(low: float, high: float, x: float) -> float:
    if low == high:
        raise ValueError(f"both bounds are {low}")
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


for _name in ("acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "exp", "exp2"):
    _real(_name, getattr(math, _name))
for _name in ("log", "log2", "sin", "sinh", "sqrt", "tan", "tanh", "degrees", "radians"):
    _real(_name, getattr(math, _name))
_real("ceil", math.ceil)
_real("floor", math.floor)
_real("fract", lambda x: x - math.floor(x))
_real("inverseSqrt", lambda x: 1.0 / math.sqrt(x))
_real("round", round)  # half to even, as Python does
_real("saturate", lambda x: min(max(x, 0.0), 1.0))
_real("trunc", math.trunc)

builtin("abs", "V -> V", T=NUMBER, constant=by_component(abs))
builtin("sign", "V -> V", T=FLOAT | SIGNED, constant=by_component(_sign))
builtin("min", "V, V -> V", T=NUMBER, constant=by_component(min))
builtin("max", "V, V -> V", T=NUMBER, constant=by_component(max))
builtin("clamp", "V, V, V -> V", T=NUMBER, constant=by_component(_clamped))
builtin("atan2", "V, V -> V", T=FLOAT, constant=by_component(math.atan2))
builtin("pow", "V, V -> V", T=FLOAT, constant=by_component(_power))
builtin("step", "V, V -> V", T=FLOAT, constant=by_component(lambda edge, x: float(x >= edge)))
builtin("smoothstep", "V, V, V -> V", T=FLOAT, constant=by_component(_smoothstep))
builtin("fma", "V, V, V -> V", T=FLOAT, constant=by_component(_fused))
builtin(
    "mix",
    "V, V, V -> V",
    "vecN<T>, vecN<T>, T -> vecN<T>",
    T=FLOAT,
    constant=by_component(lambda a, b, t: a * (1 - t) + b * t),
)
builtin("ldexp", "V, W -> V", T=FLOAT, I=SIGNED, constant=by_component(math.ldexp))
builtin(
    "select",
    "V, V, bool -> V",
    "vecN<T>, vecN<T>, vecN<bool> -> vecN<T>",
    T=ANY,
    constant=by_component(lambda no, yes, condition: yes if condition else no),
)


# Functions of two results, which are the members of a structure that has no name in WGSL.


def _parts(name: str, second: str, first_scalar: Any) -> Any:
    """Return the `resolve` of a function that takes a float apart."""

    def resolve(templates: tuple[Type, ...], kinds: tuple[Type, ...]) -> Match | str:
        if len(kinds) != 1 or not isinstance(kinds[0], (Scalar, Vector)):
            return f"{name} takes one float, or a vector of floats"
        scalar = scalar_of(kinds[0])
        if scalar == ABSTRACT_INT:
            scalar = ABSTRACT_FLOAT
        if scalar not in FLOAT:
            return f"{name} takes floats, not {kinds[0]}"
        kind = with_scalar(kinds[0], scalar)
        size = f"vec{kind.size}_" if isinstance(kind, Vector) else ""
        word = "abstract" if scalar == ABSTRACT_FLOAT else scalar.name
        fields = (Field("fract", kind), Field(second, with_scalar(kind, first_scalar(scalar))))
        return Match((kind,), Structure(f"__{name}_result_{size}{word}", fields))

    return resolve


def _frexp(values: tuple, kinds: tuple[Type, ...], result: Type) -> Any:
    assert isinstance(result, Structure)
    fract, exponent = result.fields
    return (
        each(lambda x: math.frexp(x)[0], values, fract.type),
        each(lambda x: math.frexp(x)[1], values, exponent.type),
    )


def _modf(values: tuple, kinds: tuple[Type, ...], result: Type) -> Any:
    assert isinstance(result, Structure)
    fract, whole = result.fields
    return (
        each(lambda x: math.modf(x)[0], values, fract.type),
        each(lambda x: math.modf(x)[1], values, whole.type),
    )


def _exponent(scalar: Scalar) -> Scalar:
    return I32 if scalar in (F32, F16) else ABSTRACT_INT


builtin("frexp", resolve=_parts("frexp", "exp", _exponent), constant=_frexp)
builtin("modf", resolve=_parts("modf", "whole", lambda scalar: scalar), constant=_modf)
