"""The derivative of each builtin function of WGSL: one rule a name.

A rule gets the maker, the call's value, and a dual for each argument whose values may be repeated;
it returns the tangent. There are three ways to write one:

    slopes     one partial derivative an argument, which the tangent of the argument is times
    formula    what the function computes, in arithmetic of duals: its tangent is taken
    by hand    where the value says which branch is taken

`Maker.product` is zero where either factor is zero, so an infinite slope counts nothing where its
argument does not depend on anything. Where a maximum or minimum has several, the slope is that of
the argument whose value WGSL returns; `abs` and `length` have slope 0 at 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..language import syntax as s
from ..language.types import Matrix, Scalar, Structure, Vector, scalar_of
from .helpers import smallest
from .maker import RULES, Dual, Maker, Result, Rule
from .terms import Term, operation, term, type_node, zero

LN2 = math.log(2.0)
_MOST_FACTORS = 8  # of a power that is written as a product


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Return a decorator that keeps a rule by its names."""

    def kept(fn: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, fn))
        return fn

    return kept


def slope(name: str, partial: Callable[[Maker, Term, Result], Any]) -> None:
    """Declare a function of one argument by its derivative."""

    def tangent_of(m: Maker, out: Result, x: Dual) -> Term | None:
        return m.product(x.tangent, term(partial(m, x.value, out)))

    RULES[name] = tangent_of


def formula(name: str, value: Callable[..., Dual]) -> None:
    """Declare a function by what it computes."""

    def tangent_of(m: Maker, out: Result, *arguments: Dual) -> Term | None:
        return value(m, *arguments).tangent

    RULES[name] = tangent_of


# One argument

slope("sin", lambda m, x, out: m.call("cos", x))
slope("cos", lambda m, x, out: -m.call("sin", x))
slope("tan", lambda m, x, out: out() * out() + 1.0)
slope("sinh", lambda m, x, out: m.call("cosh", x))
slope("cosh", lambda m, x, out: m.call("sinh", x))
slope("tanh", lambda m, x, out: 1.0 - out() * out())
slope("asin", lambda m, x, out: m.call("inverseSqrt", (1.0 - x) * (x + 1.0)))
slope("acos", lambda m, x, out: -m.call("inverseSqrt", (1.0 - x) * (x + 1.0)))
slope("atan", lambda m, x, out: 1.0 / (x * x + 1.0))
slope("asinh", lambda m, x, out: m.call("inverseSqrt", x * x + 1.0))
slope("acosh", lambda m, x, out: m.call("inverseSqrt", (x - 1.0) * (x + 1.0)))
slope("atanh", lambda m, x, out: 1.0 / ((1.0 - x) * (x + 1.0)))
slope("exp", lambda m, x, out: out())
slope("exp2", lambda m, x, out: LN2 * out())
slope("log", lambda m, x, out: 1.0 / x)
slope("log2", lambda m, x, out: 1.0 / (x * LN2))
slope("sqrt", lambda m, x, out: operation("/", term(0.5), out()))
slope("abs", lambda m, x, out: m.call("sign", x))
slope("fract", lambda m, x, out: 1.0)
slope("quantizeToF16", lambda m, x, out: 1.0)


@rule("inverseSqrt")
def _inverse_sqrt(m: Maker, out: Result, x: Dual) -> Term | None:
    change = m.product(x.tangent, out())
    return m.product(None if change is None else -0.5 * change, 1.0 / x.value)


@rule("saturate")
def _saturate(m: Maker, out: Result, x: Dual) -> Term | None:
    return m.select(None, x.tangent, m.compared(x.value, "==", out()))


def _one(like: Term) -> Term:
    if isinstance(like.type, Vector):
        node = s.Call(type_node(like.type), (s.Literal(1.0),))
        return Term(node, like.type, fixed=True, sure=True)
    return Term(s.Literal(1.0), like.type, fixed=True, sure=True)


@rule("sign", "floor", "ceil", "round", "trunc", "step")
def _flat(m: Maker, out: Result, *arguments: Dual) -> Term | None:
    return None


@rule("degrees", "radians", "transpose")
def _linear(m: Maker, out: Result, x: Dual) -> Term | None:
    assert x.tangent is not None
    return m.call(_name(out), x.tangent, kind=out.value.type)


def _name(out: Result) -> str:
    node = out.value.node
    assert isinstance(node, s.Call)
    return node.callee.name


@rule("modf", "frexp")
def _parts(m: Maker, out: Result, x: Dual) -> Term | None:
    """Return the tangent of the member `fract`, the only one that has any."""
    if _name(out) == "modf":
        return x.tangent
    exponent = s.Unary("-", s.Member(out().node, "exp"))
    kind = out.value.type
    assert isinstance(kind, Structure)
    integers = next(f.type for f in kind.fields if f.name == "exp")
    return _scaled(m, x, Term(exponent, integers))


@rule("ldexp")
def _ldexp(m: Maker, out: Result, x: Dual, exponent: Dual) -> Term | None:
    return _scaled(m, x, exponent.value)


def _scaled(m: Maker, x: Dual, exponent: Term) -> Term | None:
    return None if x.tangent is None else m.call("ldexp", x.tangent, exponent)


# Several arguments


@rule("max")
def _max(m: Maker, out: Result, a: Dual, b: Dual) -> Term | None:
    return m.select(a.tangent, b.tangent, m.compared(a.value, "<", b.value))


@rule("min")
def _min(m: Maker, out: Result, a: Dual, b: Dual) -> Term | None:
    return m.select(a.tangent, b.tangent, m.compared(b.value, "<", a.value))


@rule("clamp")
def _clamp(m: Maker, out: Result, x: Dual, low: Dual, high: Dual) -> Term | None:
    above = m.select(x.tangent, low.tangent, m.compared(x.value, "<", low.value))
    highest = m.call("max", x.value, low.value)
    return m.select(above, high.tangent, m.compared(high.value, "<", highest))


@rule("select")
def _select(m: Maker, out: Result, a: Dual, b: Dual, condition: Dual) -> Term | None:
    return m.select(a.tangent, b.tangent, condition.value)


@rule("pow")
def _pow(m: Maker, out: Result, a: Dual, b: Dual) -> Term | None:
    """Return b a**(b-1) da + a**b log(a) db. Where a is 0, the second counts nothing."""
    return power_tangent(m, out(), a, b)


def power_tangent(m: Maker, value: Term, a: Dual, b: Dual) -> Term | None:
    """Return the tangent of a ** b, of which `value` is the value."""
    first = second = None
    if a.tangent is not None:
        first = m.product(a.tangent, _power_slope(m, a.value, b.value))
    if b.tangent is not None:
        there = m.compared(a.value, "!=", zero(a.value.type))
        log = m.select(None, m.call("log", a.value), there)
        weight = m.product(m.bilinear("power", a.value, b.value, value.type), log)
        second = m.product(b.tangent, weight)
    return m.sum(first, second)


def _power_slope(m: Maker, a: Term, b: Term) -> Term | None:
    """Return b a**(b-1): where b is a number in the text, without a power that is not needed."""
    number = _literal(b)
    if number is None:
        less = m.let(b - 1.0)
        return m.product(b, m.bilinear("power", a, less, a.type))
    if number == 0.0:
        return None
    power = _whole_power(m, a, number - 1)
    if power is None:
        power = m.call("pow", a, m.fit(term(number - 1), a.type))
    return power if number == 1.0 else number * power


def _whole_power(m: Maker, a: Term, exponent: float) -> Term | None:
    """Return a power by products, where the exponent is small and whole.

    Adapters do so for some exponents, and then texts go by it that a negative base has such powers,
    which it has not in WGSL.
    """
    if exponent not in range(_MOST_FACTORS + 1):
        return None
    if exponent == 0:
        return _one(a)
    power = a
    for bit in f"{int(exponent):b}"[1:]:
        power = m.let(power)
        power = power * power
        power = power * a if bit == "1" else power
    return power


def _literal(x: Term) -> float | None:
    """Return the number that a term is in the text, also as every component of a vector."""
    node = x.node
    if isinstance(node, s.Call) and len(node.arguments) == 1 and isinstance(x.type, Vector):
        node = node.arguments[0]
    sign = 1.0
    if isinstance(node, s.Unary) and node.op == "-":
        node, sign = node.operand, -1.0
    return sign * node.value if isinstance(node, s.Literal) else None


@rule("atan2")
def _atan2(m: Maker, out: Result, y: Dual, x: Dual) -> Term | None:
    """Return (x dy - y dx) / (x x + y y), and 0 at 0, 0."""
    turned = m.sum(m.product(x.value, y.tangent), m.product(y.value, x.tangent), "-")
    square = m.let(x.value * x.value + y.value * y.value)
    return m.product(turned, _inverse(m, square))


@rule("fma")
def _fma(m: Maker, out: Result, a: Dual, b: Dual, c: Dual) -> Term | None:
    return m.sum(m.sum(m.product(a.tangent, b.value), m.product(a.value, b.tangent)), c.tangent)


@rule("dot")
def _dot(m: Maker, out: Result, a: Dual, b: Dual) -> Term | None:
    return m.sum(m.dot(a.tangent, b.value), m.dot(a.value, b.tangent))


@rule("cross")
def _cross(m: Maker, out: Result, a: Dual, b: Dual) -> Term | None:
    def part(x: Term | None, y: Term | None) -> Term | None:
        if x is None or y is None:
            return None
        if x.sure or y.sure:
            return m.call("cross", x, y, kind=out.value.type)
        return m.bilinear("cross", x, y, out.value.type)

    return m.sum(part(a.tangent, b.value), part(a.value, b.tangent))


@rule("determinant")
def _determinant(m: Maker, out: Result, x: Dual) -> Term | None:
    """Return the sum of the determinants with one column's tangent in the column's place."""
    kind = x.value.type
    assert isinstance(kind, Matrix) and x.tangent is not None
    change = m.let(x.tangent)
    total: Term | None = None
    for k in range(kind.columns):
        columns = [
            s.Index((change if i == k else x.value).node, s.Literal(i)) for i in range(kind.columns)
        ]
        mixed = Term(s.Call(type_node(kind), tuple(columns)), kind)
        total = m.sum(total, m.call("determinant", mixed, kind=kind.element))
    return total


def _inverse(m: Maker, length: Term) -> Term:
    """Return 1 / length, and 0 where that is 0."""
    there = m.compared(length, ">=", term(smallest(length.type)))
    inverse = 1.0 / length
    return m.let(m.call("select", zero(length.type), inverse, there))


def _unit(m: Maker, x: Term, inverse: Term) -> Term:
    return m.let(x * inverse)


@rule("length")
def _length(m: Maker, out: Result, x: Dual) -> Term | None:
    if not isinstance(x.value.type, Vector):
        return m.product(x.tangent, m.call("sign", x.value))
    return m.dot(_unit(m, x.value, _inverse(m, out())), x.tangent)


@rule("normalize")
def _normalize(m: Maker, out: Result, x: Dual) -> Term | None:
    """Return (dx - n (n . dx)) / |x|, where n is 0 for a vector of length 0."""
    assert x.tangent is not None
    length = m.let(m.call("length", x.value, kind=scalar_of(x.value.type)))
    inverse = _inverse(m, length)
    unit = _unit(m, x.value, inverse)
    change = m.let(x.tangent)
    along = m.dot(unit, change)
    return m.product(m.sum(change, m.product(unit, along), "-"), inverse)


def _distance(m: Maker, a: Dual, b: Dual) -> Dual:
    kind = scalar_of((a.value if a.tangent is not None else b.value).type)
    return m.builtin("length", [a - b], kind)


def _scalar(x: Dual) -> Scalar:
    return _scalar_type(x.value)


def _scalar_type(x: Term) -> Scalar:
    scalar = scalar_of(x.type)
    assert scalar is not None
    return scalar


def _mix(m: Maker, a: Dual, b: Dual, t: Dual) -> Dual:
    return a * (1.0 - t) + b * t


def _smoothstep(m: Maker, low: Dual, high: Dual, x: Dual) -> Dual:
    t = m.named(m.builtin("saturate", [(x - low) / (high - low)]))
    return t * t * (3.0 - 2.0 * t)


def _reflect(m: Maker, x: Dual, normal: Dual) -> Dual:
    along = m.builtin("dot", [x, normal], _scalar(x))
    return x - 2.0 * along * normal


def _refract(m: Maker, x: Dual, normal: Dual, ratio: Dual) -> Dual:
    along = m.named(m.builtin("dot", [normal, x], _scalar(x)))
    inside = m.named(1.0 - ratio * ratio * (1.0 - along * along))
    bent = ratio * x - (ratio * along + m.builtin("sqrt", [inside])) * normal
    passes = Dual(m, m.compared(inside.value, ">=", term(0.0)))
    return m.builtin("select", [Dual(m, zero(x.value.type)), bent, passes])


def _face_forward(m: Maker, x: Dual, seen: Dual, normal: Dual) -> Dual:
    along = m.call("dot", normal.value, seen.value, kind=_scalar(normal))
    faces = Dual(m, m.compared(along, "<", term(0.0)))
    return m.builtin("select", [0.0 - x, x, faces])


formula("distance", _distance)
formula("mix", _mix)
formula("smoothstep", _smoothstep)
formula("reflect", _reflect)
formula("refract", _refract)
formula("faceForward", _face_forward)
