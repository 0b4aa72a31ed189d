"""Terms: expressions with their types, and the arithmetic that writes tangents. Knows no rules.

A tangent of zero is None, so that what is constant leaves no text. Arithmetic of terms drops
factors of 1 and what is added to nothing.
"""

from __future__ import annotations

from typing import Any

from ..language import syntax as s
from ..language.types import (
    ABSTRACT,
    ABSTRACT_FLOAT,
    FLOATS,
    Array,
    Matrix,
    Scalar,
    Structure,
    Type,
    Vector,
    scalar_of,
    with_scalar,
)

_LETTERS = {"f32": "f", "f16": "h", "i32": "i", "u32": "u"}


class Term:
    """An expression and its type.

    `fixed` says that it is a constant, `sure` that it is one without a zero in it: such a factor
    needs no guard. `height` counts the operations inside each other: what grows too high gets a
    name of its own.
    """

    __slots__ = ("fixed", "height", "node", "sure", "type")

    def __init__(
        self,
        node: s.Expression,
        kind: Type,
        fixed: bool = False,
        height: int = 0,
        sure: bool = False,
    ):
        self.sure = sure
        self.node = node
        self.type = kind
        self.fixed = fixed
        self.height = height

    def __add__(self, other: Any) -> Term:
        return operation("+", self, term(other))

    def __sub__(self, other: Any) -> Term:
        return operation("-", self, term(other))

    def __rsub__(self, other: Any) -> Term:
        return operation("-", term(other), self)

    def __mul__(self, other: Any) -> Term:
        return operation("*", self, term(other))

    def __rmul__(self, other: Any) -> Term:
        return operation("*", term(other), self)

    def __rtruediv__(self, other: Any) -> Term:
        return operation("/", term(other), self)

    def __neg__(self) -> Term:
        node = self.node
        if isinstance(node, s.Unary) and node.op == "-":
            return Term(node.operand, self.type, self.fixed, self.height, self.sure)
        return Term(s.Unary("-", node), self.type, self.fixed, self.height + 1, self.sure)

    def member(self, name: str, kind: Type) -> Term:
        """Return a member or a swizzle."""
        return Term(s.Member(self.node, name), kind, height=self.height + 1)


def term(value: Any) -> Term:
    """Return a number as a term; a term as it is."""
    if isinstance(value, Term):
        return value
    return Term(s.number(float(value)), ABSTRACT_FLOAT, fixed=True, sure=value != 0)


def operation(op: str, a: Term, b: Term, kind: Type | None = None) -> Term:
    """Return `a op b` of scalars and vectors, without factors of 1."""
    kind = kind or joined(a.type, b.type)
    if op == "*":
        if is_number(a, 1.0) and kind == b.type:
            return b
        if is_number(b, 1.0) and kind == a.type:
            return a
    height = max(a.height, b.height) + 1
    sure = op in "*/" and a.sure and b.sure
    return Term(s.Binary(op, a.node, b.node), kind, a.fixed and b.fixed, height, sure)


def is_number(term: Term, value: float) -> bool:
    """Return whether a term is the literal of a number, 0 or above."""
    return isinstance(term.node, s.Literal) and term.node.value == value


def is_negative(term: Term) -> bool:
    """Return whether a term is the minus of something."""
    return isinstance(term.node, s.Unary) and term.node.op == "-"


def is_simple(node: s.Expression) -> bool:
    """Return whether an expression is so short that it may stand in several places."""
    for _ in range(3):
        if isinstance(node, (s.Identifier, s.Literal)):
            return True
        if isinstance(node, s.Member) or _is_indexed_simply(node):
            node = node.base  # type: ignore[attr-defined]
        elif isinstance(node, s.Unary) and node.op in "-*":
            node = node.operand
        else:
            return False
    return False


def _is_indexed_simply(node: s.Expression) -> bool:
    return isinstance(node, s.Index) and isinstance(node.index, (s.Identifier, s.Literal))


# Types


def joined(a: Type, b: Type) -> Type:
    """Return the type of an operation on two scalars or vectors, of which one may be abstract."""
    scalar = scalar_of(a) if scalar_of(a) not in ABSTRACT else scalar_of(b)
    shape = b if isinstance(a, Scalar) else a
    return with_scalar(shape, scalar) if scalar is not None else shape


def has_float(kind: Type) -> bool:
    """Return whether there is a float in a type: only such types have tangents."""
    if isinstance(kind, (Scalar, Vector, Matrix)):
        return scalar_of(kind) in FLOATS
    if isinstance(kind, Array):
        return has_float(kind.element)
    return isinstance(kind, Structure) and any(has_float(x.type) for x in kind.fields)


def tangent_type(kind: Type) -> Type:
    """Return the type of a tangent: the type itself.

    A structure carries its integers along as zeros. The results of modf and frexp cannot be named
    or made: their tangent is that of their one member that has any.
    """
    if isinstance(kind, Structure) and kind.name.startswith("__"):
        return next(x.type for x in kind.fields if x.name == "fract")
    return kind


def type_node(kind: Type) -> s.Identifier:
    """Return a type as it is written."""
    if isinstance(kind, Vector) and kind.element.name in _LETTERS:
        return s.Identifier(f"vec{kind.size}{_LETTERS[kind.element.name]}")
    if isinstance(kind, Vector):
        return s.Identifier(f"vec{kind.size}", (type_node(kind.element),))
    if isinstance(kind, Matrix):
        return s.Identifier(f"mat{kind.columns}x{kind.rows}{_LETTERS[kind.element.name]}")
    if isinstance(kind, Array):
        assert isinstance(kind.count, int)
        return s.Identifier("array", (type_node(kind.element), s.Literal(kind.count)))
    return s.Identifier(str(kind))


def type_name(kind: Type) -> str:
    """Return a type as a part of a name: `vec3f`, `array_f32_4`."""
    if isinstance(kind, Array):
        return f"array_{type_name(kind.element)}_{kind.count}"
    node = type_node(kind)
    return "_".join((node.name, *(x.name for x in node.arguments if isinstance(x, s.Identifier))))


def zero(kind: Type) -> Term:
    """Return the zero of a type."""
    if isinstance(kind, Scalar) and kind in FLOATS:
        return Term(s.Literal(0.0), kind, fixed=True)
    return Term(s.Call(type_node(kind)), kind, fixed=True)
