"""Expressions of a text with their tangents."""

from __future__ import annotations

from typing import Any

from ..language import syntax as s
from ..language.nodes import Node
from ..language.types import (
    Array,
    Structure,
    Type,
    concrete,
    is_abstract,
    scalar_of,
    with_scalar,
)
from .maker import Dual
from .reading import ADVICE, Binding, Derived, Reader
from .rules import power_tangent
from .terms import Term, has_float, tangent_type, type_node, zero


class Expressions(Reader):
    """Reads expressions of one function."""

    def dual(self, node: s.Expression) -> Dual:
        """Return an expression with its tangent."""
        kind = self.type(node)
        if not has_float(kind):
            return Dual(self, Term(self.plain(node), kind))
        typed = self.names.typed
        if typed.is_constant(node):
            sure = _has_no_zero(typed.constant(node))
            return Dual(self, Term(self.plain(node), kind, fixed=True, sure=sure))
        return _READERS[type(node)](self, node, kind)

    def load(self, node: s.Expression, value: s.Expression, tangent: Any, kind: Type) -> Dual:
        """Return what is read, kept under a name where the statement may write to it."""
        value = self._loaded(node, value)
        if tangent is None:
            return Dual(self, Term(value, kind))
        return Dual(self, Term(value, kind), Term(self._loaded(node, tangent), tangent_type(kind)))

    def identifier(self, node: s.Identifier, kind: Type) -> Dual:
        """Return what a name stands for."""
        binding = self.find(node.name)
        if binding is None:
            fixed = self.names.typed.symbol_of(node).kind == "override"
            return Dual(self, Term(node, kind, fixed))
        value = s.Identifier(binding.name, span=node.span)
        if binding.root is not None:
            return self.load(node, value, binding.tangent, kind)
        tangent = None if binding.tangent is None else Term(binding.tangent, tangent_type(kind))
        return Dual(self, Term(value, kind), tangent)

    def unary(self, node: s.Unary, kind: Type) -> Dual:
        """Return -x, or what a pointer points to."""
        if node.op == "*":
            value, tangent, _ = self.place(node)
            return self.load(node, value, tangent, kind)
        x = self.dual(node.operand)
        negative = Term(node.but(operand=x.value.node), kind, x.value.fixed)
        return Dual(self, negative, None if x.tangent is None else -x.tangent)

    def binary_of(self, node: s.Binary, kind: Type) -> Dual:
        """Return an operation on floats."""
        left, right = self.dual(node.left), self.dual(node.right)
        return self.binary(node.op, left, right, kind)

    def part(self, node: Any, kind: Type) -> Dual:
        """Return a member, a swizzle or an element."""
        if self.is_load(node):
            place, tangent, _ = self.place(node)
            return self.load(node, place, tangent, kind)
        base = self.dual(node.base)
        change = None if base.tangent is None else base.tangent.node
        if isinstance(node, s.Member):
            value = node.but(base=base.value.node)
            change = self._member(change, node.name, self.type(node.base))
        else:
            index = self.plain(node.index)
            if change is not None:
                index = self.let(Term(index, self.type(node.index)), "i").node
                change = s.Index(change, index)
            value = node.but(base=base.value.node, index=index)
        moves = None if change is None else Term(change, tangent_type(kind))
        return Dual(self, Term(value, kind, base.value.fixed), moves)

    # Calls

    def call_expression(self, node: s.Call, kind: Type) -> Dual:
        """Return a call: of a function of the text, of a type, or of a builtin."""
        meant = self.names.typed.symbol_of(node.callee).kind
        if meant == "function":
            return self.call_of(node)
        if meant != "builtin":
            return self.construction(node, kind)
        name = node.callee.name
        if name == "bitcast" or any(self.points(x) for x in node.arguments):
            return Dual(self, Term(self._plain_call(node), kind))
        arguments = [self.dual(x) for x in node.arguments]
        self.here = node
        return self.builtin(name, arguments, kind)

    def construction(self, node: s.Call, kind: Type) -> Dual:
        """Return a value made of its parts, or converted."""
        parts = [self.dual(x) for x in node.arguments]
        fixed = all(x.value.fixed for x in parts)
        value = node.but(
            callee=node.callee.mapped(self.plain), arguments=tuple(x.value.node for x in parts)
        )
        term = Term(value, kind, fixed)
        if all(x.tangent is None for x in parts):
            return Dual(self, term)
        kind = concrete(kind)
        changes = tuple(
            (x.tangent or zero(_part_type(kind, i, x.value.type))).node for i, x in enumerate(parts)
        )
        height = max(x.tangent.height for x in parts if x.tangent is not None)
        return Dual(self, term, Term(s.Call(type_node(kind), changes), kind, height=height + 1))

    def call_of(self, node: s.Call) -> Dual:
        """Return a call of a function of the text; what it writes to gets its tangents too."""
        name = node.callee.name
        function = self.names.functions[name]
        role = self.names.role_of(name)
        values: list[s.Expression] = []
        changes: dict[int, s.Expression] = {}
        roots: dict[int, Binding | None] = {}
        duals: list[Dual] = []
        for i, argument in enumerate(node.arguments):
            if self.points(argument):
                value, change, roots[i] = self.pointer(argument)
            else:
                x = self.dual(argument)
                if role is not None:
                    duals.append(x)
                value, change = x.value.node, None if x.tangent is None else x.tangent.node
            values.append(value)
            if change is not None:
                changes[i] = change
        kind = self.type(node) if function.result is not None else None
        if role is not None and kind is not None:
            return self._ours(node, role, duals, kind)
        if kind is not None and not has_float(kind) and name not in self.names.impure:
            changes = {}  # it only decides something, by whatever means
        derived = self.names.derived(name, frozenset(changes)) if changes else None
        if derived is not None:
            for i in derived.pattern - changes.keys():
                self.written(node, roots[i])
        if derived is None or not (derived.pattern or derived.returns_tangent):
            call: s.Expression = node.but(arguments=tuple(values))
            return self._called(call, kind, None)
        given = [changes[i] for i in sorted(derived.pattern) if i in changes]
        call = s.call(derived.name, *values, *given)
        return self._called(call, kind, derived)

    def written(self, node: Node, root: Binding | None) -> None:
        """Note that what needs a gradient is written to a place."""
        if root is None or root.root is None:
            raise node.span.error(
                "what needs a gradient is written to a variable of the module, which has no "
                f"derivative: {ADVICE}"
            )
        self.activate(root.root)

    def _called(self, expression: s.Expression, kind: Type | None, derived: Derived | None) -> Dual:
        if kind is None:  # a statement of its own
            return Dual(self, Term(expression, Structure("void", ())))
        if derived is None:
            if self.careful:
                name = self.names.fresh("r")
                self.out.append(s.Let(name, None, expression))
                expression = s.Identifier(name)
            return Dual(self, Term(expression, kind))
        name = self.names.fresh("r")
        self.out.append(s.Let(name, None, expression))
        if not derived.returns_tangent:
            return Dual(self, Term(s.Identifier(name), kind))
        value = Term(s.Member(s.Identifier(name), "value"), kind)
        return Dual(self, value, Term(s.Member(s.Identifier(name), "tangent"), kind))

    def _ours(self, node: s.Call, role: Any, duals: list[Dual], kind: Type) -> Dual:
        """Return a call of one of our own functions, whose derivative is known."""
        a, b = duals
        a = self.named(a) if b.tangent is not None or role.kind == "power" else a
        b = self.named(b) if a.tangent is not None or role.kind == "power" else b
        value = Term(node.but(arguments=(a.value.node, b.value.node)), kind)
        if role.kind == "power":
            if a.tangent is None and b.tangent is None:
                return Dual(self, value)
            value = self.let(value)
            return Dual(self, value, power_tangent(self, value, a, b))

        def part(x: Term | None, y: Term | None) -> Term | None:
            return None if x is None or y is None else self.bilinear(role.kind, x, y, kind)

        return Dual(self, value, self.sum(part(a.tangent, b.value), part(a.value, b.tangent)))


def _has_no_zero(value: Any) -> bool:
    return all(map(_has_no_zero, value)) if isinstance(value, tuple) else bool(value)


def _part_type(kind: Type, at: int, given: Type) -> Type:
    """Return the type of an argument from which a value of a type is made."""
    if isinstance(kind, Array):
        return kind.element
    if isinstance(kind, Structure):
        return kind.fields[at].type
    scalar = scalar_of(kind)
    if is_abstract(given) and scalar is not None:
        return with_scalar(given, scalar)
    return given


_READERS: dict[type, Any] = {
    s.Identifier: Expressions.identifier,
    s.Unary: Expressions.unary,
    s.Binary: Expressions.binary_of,
    s.Index: Expressions.part,
    s.Member: Expressions.part,
    s.Call: Expressions.call_expression,
}
