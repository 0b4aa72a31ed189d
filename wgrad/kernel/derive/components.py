"""The floats that values are made of: how to set one of them, and how to add up products of all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..language import syntax as s
from ..language.types import F32, U32, Array, Matrix, Scalar, Structure, Type, Vector
from .functions import Deriver
from .helpers import Role
from .terms import has_float, tangent_type, type_name, type_node, zero

UNROLLED = 8  # elements of an array that are added up one by one


def components(kind: Type) -> Iterator[Scalar]:
    """Yield the types of the floats that a type is made of."""
    if isinstance(kind, Scalar):
        if has_float(kind):
            yield kind
    elif isinstance(kind, Vector):
        yield from [kind.element] * kind.size if has_float(kind) else ()
    elif isinstance(kind, Matrix):
        yield from [kind.element] * (kind.columns * kind.rows)
    elif isinstance(kind, Array):
        assert isinstance(kind.count, int)
        for _ in range(kind.count):
            yield from components(kind.element)
    elif isinstance(kind, Structure):
        for field in kind.fields:
            yield from components(field.type)


def seed(kind: Type, at: s.Expression, counted: Iterator[int]) -> s.Expression:
    """Return the value in which one float is 1 and all others are 0: the one of number `at`.

    `counted` numbers the floats.
    """
    if isinstance(kind, Scalar):
        if not has_float(kind):
            return zero(kind).node
        here = s.Binary("==", at, s.Literal(next(counted), "u"))
        return s.call("select", s.Literal(0.0), s.Literal(1.0), here)
    if isinstance(kind, Vector):
        if not has_float(kind):
            return zero(kind).node
        which = tuple(s.Literal(next(counted)) for _ in range(kind.size))
        whole = Vector(kind.size, U32)
        here = s.Binary("==", s.Call(type_node(whole), which), s.Call(type_node(whole), (at,)))
        one = s.Call(type_node(kind), (s.Literal(1.0),))
        return s.call("select", zero(kind).node, one, here)
    if isinstance(kind, Matrix):
        parts: list[Type] = [kind.column] * kind.columns
    elif isinstance(kind, Array):
        assert isinstance(kind.count, int)
        parts = [kind.element] * kind.count
    else:
        assert isinstance(kind, Structure)
        parts = [x.type for x in kind.fields]
    return s.Call(type_node(kind), tuple(seed(x, at, counted) for x in parts))


def units(kind: Type) -> Iterator[s.Expression]:
    """Yield, for each float in a type, the value in which that is 1 and all others are 0."""
    if isinstance(kind, Scalar):
        if has_float(kind):
            yield s.Literal(1.0)
        return
    if isinstance(kind, Vector):
        parts: list[Type] = [kind.element] * kind.size
    elif isinstance(kind, Matrix):
        parts = [kind.element] * (kind.columns * kind.rows)
    elif isinstance(kind, Array):
        assert isinstance(kind.count, int)
        parts = [kind.element] * kind.count
    else:
        assert isinstance(kind, Structure)
        parts = [x.type for x in kind.fields]
    none = [zero(x).node for x in parts]
    for at, part in enumerate(parts):
        for one in units(part):
            yield s.Call(type_node(kind), (*none[:at], one, *none[at + 1 :]))


class Total(NamedTuple):
    """A function that adds up the products of the floats of two values."""

    name: str
    scalar: Scalar


def total_of(deriver: Deriver, kind: Type) -> Total:
    """Return the function that adds up products of a type, where zero times anything is zero."""
    if isinstance(kind, Scalar):
        return Total(deriver.helper(Role("product", kind, kind)), kind)
    if isinstance(kind, Vector):
        return Total(deriver.helper(Role("dot", kind, kind)), kind.element)
    a, b = s.Identifier("a"), s.Identifier("b")
    before: list[s.Statement] = []
    if isinstance(kind, Matrix):
        inner = total_of(deriver, kind.column)
        ways = [
            s.call(inner.name, s.Index(a, s.Literal(i)), s.Index(b, s.Literal(i)))
            for i in range(kind.columns)
        ]
        scalar = kind.element
    elif isinstance(kind, Array):
        assert isinstance(kind.count, int)
        inner, scalar = total_of(deriver, kind.element), F32
        if kind.count > UNROLLED:
            return _looped(deriver, kind, inner)
        ways = [
            s.call(inner.name, s.Index(a, s.Literal(i)), s.Index(b, s.Literal(i)))
            for i in range(kind.count)
        ]
        scalar = inner.scalar
    else:
        assert isinstance(kind, Structure)
        scalar, ways = F32, []
        for field in kind.fields:
            if has_float(tangent_type(field.type)):
                inner = total_of(deriver, field.type)
                way = s.call(inner.name, s.Member(a, field.name), s.Member(b, field.name))
                ways.append(way if inner.scalar == F32 else s.call("f32", way))
    value: s.Expression = ways[0]
    for way in ways[1:]:
        value = s.Binary("+", value, way)
    return _total(deriver, kind, scalar, (*before, s.Return(value)))


def _looped(deriver: Deriver, kind: Array, inner: Total) -> Total:
    i, total = s.Identifier("i"), s.Identifier("total")
    count = s.Literal(kind.count, "u")  # type: ignore[arg-type]
    way = s.call(inner.name, s.Index(s.Identifier("a"), i), s.Index(s.Identifier("b"), i))
    loop = s.For(
        s.Var("i", None, s.Literal(0, "u")),
        s.Binary("<", i, count),
        s.Increment(i),
        s.Block((s.Assign(total, "+=", way),)),
    )
    start = s.Var("total", type_node(inner.scalar), s.Literal(0.0))
    return _total(deriver, kind, inner.scalar, (start, loop, s.Return(total)))


def _total(
    deriver: Deriver, kind: Type, scalar: Scalar, statements: tuple[s.Statement, ...]
) -> Total:
    name = deriver.fresh(f"sum_{type_name(kind)}")
    parameters = (s.Parameter("a", type_node(kind)), s.Parameter("b", type_node(kind)))
    body = s.Block(statements)
    deriver.made[name] = s.Function(name, parameters, type_node(scalar), body)
    return Total(name, scalar)
