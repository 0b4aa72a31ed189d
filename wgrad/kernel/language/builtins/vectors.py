"""Functions of whole vectors and matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..types import Type, scalar_of
from ..values import each, held
from .base import FLOAT, NUMBER, builtin


def _sum(values: Sequence[Any], kind: Type) -> Any:
    scalar = scalar_of(kind)
    assert scalar is not None
    total = values[0]
    for value in values[1:]:
        total = held(total + value, scalar)
    return total


def _dot(values: tuple, kinds: tuple[Type, ...], result: Type) -> Any:
    a, b = values
    return _sum([x * y for x, y in zip(a, b, strict=True)], result)


def _length(x: Any) -> float:
    return math.hypot(*x) if isinstance(x, tuple) else abs(x)


def _norm(values: tuple, kinds: tuple[Type, ...], result: Type) -> Any:
    return (
        each(_length, (values[0],), result)
        if not isinstance(values[0], tuple)
        else each(lambda: _length(values[0]), (), result)
    )


def _distance(values: tuple, kinds: tuple[Type, ...], result: Type) -> Any:
    a, b = values
    if not isinstance(a, tuple):
        return each(lambda x, y: abs(x - y), (a, b), result)
    return each(lambda: math.dist(a, b), (), result)


def _cross(values: tuple, kinds: tuple[Type, ...], result: Type) -> Any:
    (a0, a1, a2), (b0, b1, b2) = values
    product = (a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0)
    return each(lambda x: x, (product,), result)


def _normalize(values: tuple, kinds: tuple[Type, ...], result: Type) -> Any:
    length = _length(values[0])
    if length == 0:
        raise ValueError("a vector of length 0 has no direction")
    return each(lambda x: x / length, values, result)


def _plain_dot(a: tuple, b: tuple) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _reflect(values: tuple, kinds: tuple[Type, ...], result: Type) -> Any:
    e, normal = values
    twice = 2 * _plain_dot(normal, e)
    return each(lambda x, n: x - twice * n, (e, normal), result)


def _refract(values: tuple, kinds: tuple[Type, ...], result: Type) -> Any:
    e, normal, ratio = values
    cosine = _plain_dot(normal, e)
    k = 1.0 - ratio * ratio * (1.0 - cosine * cosine)
    if k < 0:
        return each(lambda x: 0.0, (e,), result)
    part = ratio * cosine + math.sqrt(k)
    return each(lambda x, n: ratio * x - part * n, (e, normal), result)


def _face_forward(values: tuple, kinds: tuple[Type, ...], result: Type) -> Any:
    towards, incident, reference = values
    sign = 1 if _plain_dot(incident, reference) < 0 else -1
    return each(lambda x: sign * x, (towards,), result)


def _transpose(values: tuple, kinds: tuple[Type, ...], result: Type) -> Any:
    return tuple(zip(*values[0], strict=True))


def _determinant(values: tuple, kinds: tuple[Type, ...], result: Type) -> Any:
    def expanded(rows: list[tuple]) -> float:
        if len(rows) == 1:
            return rows[0][0]
        return sum(
            (-1) ** i * x * expanded([row[:i] + row[i + 1 :] for row in rows[1:]])
            for i, x in enumerate(rows[0])
        )

    return each(lambda: expanded(list(values[0])), (), result)


builtin("dot", "vecN<T>, vecN<T> -> T", T=NUMBER, constant=_dot)
builtin("length", "T -> T", "vecN<T> -> T", T=FLOAT, constant=_norm)
builtin("distance", "T, T -> T", "vecN<T>, vecN<T> -> T", T=FLOAT, constant=_distance)
builtin("cross", "vec3<T>, vec3<T> -> vec3<T>", T=FLOAT, constant=_cross)
builtin("normalize", "vecN<T> -> vecN<T>", T=FLOAT, constant=_normalize)
builtin("reflect", "vecN<T>, vecN<T> -> vecN<T>", T=FLOAT, constant=_reflect)
builtin("refract", "vecN<T>, vecN<T>, T -> vecN<T>", T=FLOAT, constant=_refract)
builtin("faceForward", "vecN<T>, vecN<T>, vecN<T> -> vecN<T>", T=FLOAT, constant=_face_forward)
builtin("transpose", "matCxR<T> -> matRxC<T>", T=FLOAT, constant=_transpose)
builtin("determinant", "matNxN<T> -> T", T=FLOAT, constant=_determinant)
builtin(
    "all",
    "bool -> bool",
    "vecN<bool> -> bool",
    constant=lambda values, kinds, result: all(_listed(values[0])),
)
builtin(
    "any",
    "bool -> bool",
    "vecN<bool> -> bool",
    constant=lambda values, kinds, result: any(_listed(values[0])),
)


def _listed(value: Any) -> tuple:
    return value if isinstance(value, tuple) else (value,)
