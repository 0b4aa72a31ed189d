"""Values with their tangents, and the statements that compute them.

A `Maker` writes the statements of one block: what a tangent needs twice gets a name. A `Dual` is a
value with its tangent; arithmetic of duals is that of derivatives, so that a rule may be written as
the formula whose derivative it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..language import syntax as s
from ..language.nodes import Node
from ..language.types import Matrix, Scalar, Type, Vector, scalar_of, with_scalar
from . import helpers
from .terms import Term, is_negative, is_number, is_simple, joined, operation, term, type_node, zero

HIGHEST = 24  # operations inside each other in a tangent, before a part of it gets a name


Rule = Callable[..., "Term | None"]
RULES: dict[str, Rule] = {}  # how builtin functions are derived, by name: rules.py has them


class Names(Protocol):
    """Hands out names that nothing else has."""

    def fresh(self, hint: str) -> str:
        """Return a name like `hint`."""

    def helper(self, role: helpers.Role) -> str:
        """Return the name of one of our functions."""


class Dual:
    """A value and its tangent, which is None where it is zero."""

    __slots__ = ("maker", "tangent", "value")

    def __init__(self, maker: Maker, value: Term, tangent: Term | None = None):
        self.maker = maker
        self.value = value
        self.tangent = tangent

    def __add__(self, other: Any) -> Dual:
        return self.maker.binary("+", self, self.maker.dual_of(other))

    def __sub__(self, other: Any) -> Dual:
        return self.maker.binary("-", self, self.maker.dual_of(other))

    def __rsub__(self, other: Any) -> Dual:
        return self.maker.binary("-", self.maker.dual_of(other), self)

    def __mul__(self, other: Any) -> Dual:
        return self.maker.binary("*", self, self.maker.dual_of(other))

    def __rmul__(self, other: Any) -> Dual:
        return self.maker.binary("*", self.maker.dual_of(other), self)

    def __truediv__(self, other: Any) -> Dual:
        return self.maker.binary("/", self, self.maker.dual_of(other))


class Maker:
    """Writes statements, and arithmetic with its tangents."""

    def __init__(self, names: Names):
        self.names = names
        self.out: list[s.Statement] = []
        self.here: Node = s.Break()  # the node of the text that is being read, for errors

    # Terms

    def let(self, value: Term, hint: str = "t") -> Term:
        """Give a term a name, unless it is short enough to be repeated."""
        if is_simple(value.node):
            return value
        name = self.names.fresh(hint)
        written = type_node(value.type) if value.fixed else None  # it may be of abstract numbers
        self.out.append(s.Let(name, written, value.node))
        return Term(s.Identifier(name), value.type, value.fixed, sure=value.sure)

    def call(self, name: str, *arguments: Term, kind: Type | None = None) -> Term:
        """Return the call of a builtin, by default of the type of the first argument."""
        height = max(x.height for x in arguments) + 1
        fixed = all(x.fixed for x in arguments)
        node = s.call(name, *(x.node for x in arguments))
        return Term(node, kind or arguments[0].type, fixed, height)

    def fit(self, value: Term, kind: Type) -> Term:
        """Return a scalar as a vector of which it is every component, where one is needed."""
        if isinstance(kind, Vector) and isinstance(value.type, Scalar):
            node = s.Call(type_node(kind), (value.node,))
            return Term(node, kind, value.fixed, value.height + 1, value.sure)
        return value

    def sum(self, a: Term | None, b: Term | None, op: str = "+") -> Term | None:
        """Return a + b, or a - b, of tangents."""
        if a is None:
            return -b if b is not None and op == "-" else b
        if b is None:
            return a
        if op == "+" and isinstance(b.node, s.Unary) and b.node.op == "-":
            return self.sum(a, -b, "-")
        a, b = self.low(a), self.low(b)
        return operation(op, a, b, a.type if isinstance(a.type, Matrix) else None)

    def low(self, value: Term) -> Term:
        """Give a term a name where it has grown high."""
        return self.let(value) if value.height > HIGHEST else value

    def product(self, a: Term | None, b: Term | None) -> Term | None:
        """Return a * b of which one is a tangent: zero where either is zero."""
        if a is None or b is None or is_number(a, 0.0) or is_number(b, 0.0):
            return None
        a, b = self.low(a), self.low(b)
        kind = helpers.product_type(a.type, b.type)
        scalar = scalar_of(joined(with_scalar_of(a.type), with_scalar_of(b.type)))
        assert scalar is not None
        kind = with_scalar(kind, scalar)
        for one, other in ((a, b), (b, a)):
            if is_number(one, 1.0):
                return self.fit(other, kind)
        if a.sure or b.sure:
            return operation("*", a, b, kind)
        if is_negative(a) or is_negative(b):
            opposite = self.product(-a, b) if is_negative(a) else self.product(a, -b)
            return None if opposite is None else -opposite
        if not isinstance(a.type, Matrix) and not isinstance(b.type, Matrix):
            a, b = self.fit(a, kind), self.fit(b, kind)
        elif isinstance(a.type, Scalar):
            a, b = b, a
        return self.bilinear("product", a, b, kind)

    def times(self, a: Term, b: Term) -> Term:
        """Return a product of two terms neither of which is known to be zero."""
        return self.product(a, b) or zero(joined(a.type, b.type))

    def bilinear(self, kind: str, a: Term, b: Term, result: Type) -> Term:
        """Return the call of one of our functions."""
        name = self.names.helper(helpers.Role(kind, a.type, b.type))
        return self.call(name, a, b, kind=result)

    def dot(self, a: Term | None, b: Term | None) -> Term | None:
        """Return the dot product of two vectors of which one is a tangent."""
        if a is None or b is None:
            return None
        kind = scalar_of(joined(a.type, b.type))
        if a.sure or b.sure:
            return self.call("dot", a, b, kind=kind)
        assert kind is not None
        return self.bilinear("dot", a, b, kind)

    # Duals

    def dual_of(self, value: Any) -> Dual:
        """Return a number or a term as a dual; a dual as it is."""
        return value if isinstance(value, Dual) else Dual(self, term(value))

    def named(self, value: Dual) -> Dual:
        """Return a dual whose value may be repeated."""
        return Dual(self, self.let(value.value), value.tangent)

    def binary(self, op: str, a: Dual, b: Dual, kind: Type | None = None) -> Dual:
        """Return `a op b` with its tangent; `kind` is its type, where that is known."""
        x, y, dx, dy = a.value, b.value, a.tangent, b.tangent
        if op == "*" or op == "%":
            x = self.let(x) if dy is not None else x
        if (op == "*" and dx is not None) or (op in "/%" and (dx or dy) is not None):
            y = self.let(y)
        value = operation(op, x, y, kind)
        if dx is None and dy is None:
            return Dual(self, value)
        if op in "+-":
            tangent = self.sum(dx, dy, op)
        elif op == "*":
            tangent = self.sum(self.product(dx, y), self.product(x, dy))
        elif op == "%":
            tangent = self.sum(dx, self.remainder(x, y, dy), "-")
        else:
            value, tangent = self.quotient(value, dx, y, dy)
        if tangent is not None:
            tangent = self.fit(tangent, value.type)
        return Dual(self, value, tangent)

    def quotient(
        self, value: Term, dx: Term | None, y: Term, dy: Term | None
    ) -> tuple[Term, Term | None]:
        """Return x / y and its tangent, (dx - dy x / y) / y."""
        if dy is None and y.sure:
            assert dx is not None
            return value, operation("/", self.low(dx), y, value.type)
        if dy is None:
            return value, self.product(dx, 1.0 / y)
        value = self.let(value)
        change = self.sum(dx, self.product(dy, value), "-")
        return value, self.product(change, 1.0 / y)

    def remainder(self, x: Term, y: Term, dy: Term | None) -> Term | None:
        """Return what the tangent of x % y, which is x - y trunc(x / y), has by that of y."""
        if dy is None:
            return None
        return self.product(dy, self.call("trunc", operation("/", x, y)))

    def select(self, a: Term | None, b: Term | None, condition: Term) -> Term | None:
        """Return the tangent b where the condition holds and a elsewhere."""
        known = b if a is None else a
        if known is None:
            return None
        none = zero(known.type)
        return self.call("select", a or none, b or none, condition, kind=known.type)

    def compared(self, a: Term, op: str, b: Term) -> Term:
        """Return a comparison, with a name."""
        shape = joined(a.type, b.type)
        kind = with_scalar(shape, Scalar("bool"))
        if isinstance(kind, Vector):
            a, b = self.fit(a, shape), self.fit(b, shape)
        return self.let(Term(s.Binary(op, a.node, b.node), kind))

    def builtin(self, name: str, arguments: list[Dual], kind: Type | None = None) -> Dual:
        """Return the call of a builtin function, with its tangent by the rule for it."""
        if all(x.tangent is None for x in arguments):
            return Dual(self, self.call(name, *(x.value for x in arguments), kind=kind))
        rule = RULES.get(name)
        if rule is None:
            raise self.here.span.error(
                f"{name} has no derivative here: give the op its derivative with backward=, or "
                "call it on what needs no gradient"
            )
        arguments = [self.named(x) for x in arguments]
        result = Result(self, self.call(name, *(x.value for x in arguments), kind=kind))
        tangent = rule(self, result, *arguments)
        return Dual(self, result.value, tangent)


class Result:
    """The value of a call, which gets a name when a rule asks for it."""

    __slots__ = ("maker", "value")

    def __init__(self, maker: Maker, value: Term):
        self.maker = maker
        self.value = value

    def __call__(self) -> Term:
        self.value = self.maker.let(self.value)
        return self.value


def with_scalar_of(kind: Type) -> Type:
    """Return the scalar type that a type is made of."""
    scalar = scalar_of(kind)
    assert scalar is not None
    return scalar
