"""Expressions of a text with their tangents. Knows no statements but those it writes in front.

Each name of the text has a `Binding`: the name it gets, and the name of its tangent. All names of a
derived function differ, so that no name of the text hides one that derivatives need.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol

from ..language import syntax as s
from ..language.symbols import Typed
from ..language.types import (
    Array,
    Pointer,
    Structure,
    Type,
    concrete,
    is_abstract,
    scalar_of,
    with_scalar,
)
from .maker import Dual, Maker, Names
from .terms import Term, has_float, tangent_type, type_node, zero

ADVICE = "give the op its derivative with backward="


class Binding:
    """What a name of the text stands for.

    `tangent` is the node of its tangent, None where that is zero. `root` tells the variable, or the
    pointer that came as a parameter, which is written through the name; None for what is fixed.
    """

    __slots__ = ("name", "root", "tangent")

    def __init__(self, name: str, tangent: s.Expression | None = None, root: Hashable = None):
        self.name = name
        self.tangent = tangent
        self.root = root


class Derived(Protocol):
    """A function with its tangent."""

    name: str  # of the function that takes and returns tangents too
    pattern: frozenset[int]  # the parameters that have tangents, with the pointers written to
    returns_tangent: bool


class Source(Names, Protocol):
    """What there is to know about the whole text."""

    functions: dict[str, s.Function]
    typed: Typed
    impure: frozenset[str]  # functions that take pointers

    def role_of(self, name: str) -> Any:
        """Return what a function is of ours, or None."""

    def pair(self, kind: Type) -> str:
        """Return the name of the structure of a value and its tangent."""

    def restart(self) -> None:
        """Forget the names that were handed out for the function."""

    def derived(self, name: str, pattern: frozenset[int]) -> Derived:
        """Return a function with its tangent by some of its parameters."""


class Expressions(Maker):
    """Reads expressions of one function."""

    names: Source

    def __init__(self, source: Source):
        super().__init__(source)
        self.scopes: list[dict[str, Binding]] = [{}]
        self.active: set[Hashable] = set()  # roots that have tangents
        self.missed = False  # whether a root turned out to have a tangent after it was read
        self.careful = False  # whether this statement may write to what it reads

    # Names

    def find(self, name: str) -> Binding | None:
        """Return what a name stands for in the function; None for one of the module."""
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return None

    def activate(self, root: Hashable) -> None:
        """Note that a root has a tangent; what was read before has to be read again."""
        if root not in self.active:
            self.active.add(root)
            self.missed = True

    def type(self, node: s.Expression) -> Type:
        """Return the type of the value of an expression."""
        return self.names.typed.types[id(node)]

    # Without tangents

    def plain(self, node: Any) -> Any:
        """Return what has no tangent, with the names that the derived function uses."""
        shape = type(node)
        if shape is s.Literal:
            return node
        if shape is s.Identifier:
            binding = self.find(node.name)
            if node.arguments:
                return node.mapped(self.plain)
            if binding is None:
                return node
            found = s.Identifier(binding.name, span=node.span)
            return self._loaded(node, found) if binding.root is not None else found
        if shape is s.Binary and node.op in ("&&", "||") and self.careful:
            return self._short(node)
        if shape is s.Call:
            return self._plain_call(node)
        if self.careful and shape in (s.Index, s.Member, s.Unary) and self.is_load(node):
            return self._loaded(node, self.place(node)[0])
        if shape is s.Unary and node.op in "&*":
            return (
                node.but(operand=self.place(node.operand)[0])
                if node.op == "&"
                else (node.but(operand=self.pointer(node.operand)[0]))
            )
        return node.mapped(self.plain)

    def _plain_call(self, node: s.Call) -> Any:
        name = node.callee.name
        if name in self.names.functions:
            if name in self.names.impure:
                return self.call_of(node).value.node
        elif name == "bitcast":
            for argument in node.arguments:
                if has_float(self.type(argument)) and self.dual(argument).tangent is not None:
                    raise node.span.error(
                        f"{name} of what needs a gradient has no derivative: {ADVICE}"
                    )
        return node.but(
            callee=node.callee.mapped(self.plain),
            arguments=tuple(self._argument(x) for x in node.arguments),
        )

    def _argument(self, node: s.Expression) -> s.Expression:
        if self.points(node):
            return self.pointer(node)[0]
        return self.plain(node)

    def is_load(self, node: s.Expression) -> bool:
        """Return whether an expression reads a variable, or a part of one."""
        while isinstance(node, (s.Index, s.Member)):
            node = node.base
        if isinstance(node, s.Identifier):
            binding = self.find(node.name)
            return binding is not None and binding.root is not None
        return isinstance(node, s.Unary) and node.op == "*"

    def _loaded(self, node: s.Expression, found: s.Expression) -> s.Expression:
        """Return what was read, kept under a name where the statement may write to it."""
        if not self.careful or self.points(node):
            return found
        name = self.names.fresh("old")
        self.out.append(s.Let(name, None, found))
        return s.Identifier(name)

    def _short(self, node: s.Binary) -> s.Expression:
        """Return `a && b` or `a || b` where b may write: it is only read where a asks for it."""
        left = self.plain(node.left)
        outer, self.out = self.out, []
        right = self.plain(node.right)
        inner, self.out = self.out, outer
        if not inner:
            return node.but(left=left, right=right)
        name = self.names.fresh("both" if node.op == "&&" else "either")
        found = s.Identifier(name)
        self.out.append(s.Var(name, None, left))
        condition = found if node.op == "&&" else s.Unary("!", found)
        body = s.Block((*inner, s.Assign(s.Identifier(name), "=", right)))
        self.out.append(s.If(condition, body))
        return s.Identifier(name)

    # Places in memory

    def place(self, node: s.Expression) -> tuple[s.Expression, s.Expression | None, Binding | None]:
        """Return what is written or pointed to, its tangent, and the binding that it is part of."""
        if isinstance(node, s.Identifier):
            binding = self.find(node.name)
            if binding is None:
                return node, None, None
            return s.Identifier(binding.name, span=node.span), binding.tangent, binding
        if isinstance(node, s.Unary) and node.op == "*":
            value, tangent, root = self.pointer(node.operand)
            change = None if tangent is None else s.Unary("*", tangent)
            return node.but(operand=value), change, root
        if isinstance(node, s.Member):
            base, tangent, root = self.place(node.base)
            kind = self._base_type(node.base)
            return node.but(base=base), self._member(tangent, node.name, kind), root
        assert isinstance(node, s.Index)
        base, tangent, root = self.place(node.base)
        index = self.plain(node.index)
        index = self.let(Term(index, self.type(node.index)), "i").node
        change = None if tangent is None else s.Index(tangent, index)
        return node.but(base=base, index=index), change, root

    def _base_type(self, node: s.Expression) -> Type:
        kind = self.type(node)
        return kind.store if isinstance(kind, Pointer) else kind

    def _member(self, tangent: s.Expression | None, name: str, kind: Type) -> s.Expression | None:
        """Return the tangent of a member of a type."""
        if tangent is None:
            return None
        if isinstance(kind, Structure) and kind.name.startswith("__"):
            return tangent if name == "fract" else None
        return s.Member(tangent, name)

    def pointer(
        self, node: s.Expression
    ) -> tuple[s.Expression, s.Expression | None, Binding | None]:
        """Return a pointer, the pointer to the tangent, and the binding that is pointed into."""
        if isinstance(node, s.Unary) and node.op == "&":
            value, tangent, root = self.place(node.operand)
            change = None if tangent is None else s.Unary("&", tangent)
            if isinstance(value, s.Unary) and value.op == "*":  # &*p
                change = None if tangent is None else tangent.operand  # type: ignore[attr-defined]
                return value.operand, change, root
            return node.but(operand=value), change, root
        return self.place(node)

    # With tangents

    def dual(self, node: s.Expression) -> Dual:
        """Return an expression with its tangent."""
        kind = self.type(node)
        if not has_float(kind):
            return Dual(self, Term(self.plain(node), kind))
        if self.names.typed.is_constant(node):
            return Dual(self, Term(self.plain(node), kind, fixed=True))
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
        value = Term(node.but(operand=x.value.node), kind, x.value.fixed)
        return Dual(self, value, None if x.tangent is None else -x.tangent)

    def binary_of(self, node: s.Binary, kind: Type) -> Dual:
        """Return an operation on floats."""
        left, right = self.dual(node.left), self.dual(node.right)
        return self.binary(node.op, left, right, kind)

    def part(self, node: Any, kind: Type) -> Dual:
        """Return a member, a swizzle or an element."""
        if self.is_load(node):
            value, tangent, _ = self.place(node)
            return self.load(node, value, tangent, kind)
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
        tangent = None if change is None else Term(change, tangent_type(kind))
        return Dual(self, Term(value, kind, base.value.fixed), tangent)

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

    def points(self, node: s.Expression) -> bool:
        """Return whether an expression is a pointer."""
        return isinstance(self.type(node), Pointer)

    def construction(self, node: s.Call, kind: Type) -> Dual:
        """Return a value made of its parts, or converted."""
        parts = [self.dual(x) for x in node.arguments]
        fixed = all(x.value.fixed for x in parts)
        value = node.but(
            callee=node.callee.mapped(self.plain), arguments=tuple(x.value.node for x in parts)
        )
        found = Term(value, kind, fixed)
        if all(x.tangent is None for x in parts):
            return Dual(self, found)
        kind = concrete(kind)
        changes = tuple(
            (x.tangent or zero(_part_type(kind, i, x.value.type))).node for i, x in enumerate(parts)
        )
        height = max(x.tangent.height for x in parts if x.tangent is not None)
        return Dual(self, found, Term(s.Call(type_node(kind), changes), kind, height=height + 1))

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
        derived = self.names.derived(name, frozenset(changes)) if changes else None
        if derived is not None:
            for i in derived.pattern - changes.keys():
                self.written(node, roots[i])
        if derived is None or not (derived.pattern or derived.returns_tangent):
            found: s.Expression = node.but(arguments=tuple(values))
            return self._called(found, kind, None)
        given = [changes[i] for i in sorted(derived.pattern) if i in changes]
        found = s.call(derived.name, *values, *given)
        return self._called(found, kind, derived)

    def written(self, node: s.Node, root: Binding | None) -> None:
        """Note that what needs a gradient is written to a place."""
        if root is None or root.root is None:
            raise node.span.error(
                "what needs a gradient is written to a variable of the module, which has no "
                f"derivative: {ADVICE}"
            )
        self.activate(root.root)

    def _called(self, found: s.Expression, kind: Type | None, derived: Derived | None) -> Dual:
        if kind is None:  # a statement of its own
            return Dual(self, Term(found, Structure("void", ())))
        if derived is None:
            if self.careful:
                name = self.names.fresh("r")
                self.out.append(s.Let(name, None, found))
                found = s.Identifier(name)
            return Dual(self, Term(found, kind))
        name = self.names.fresh("r")
        self.out.append(s.Let(name, None, found))
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
            from .rules import power_tangent

            if a.tangent is None and b.tangent is None:
                return Dual(self, value)
            value = self.let(value)
            return Dual(self, value, power_tangent(self, value, a, b))

        def part(x: Term | None, y: Term | None) -> Term | None:
            return None if x is None or y is None else self.bilinear(role.kind, x, y, kind)

        return Dual(self, value, self.sum(part(a.tangent, b.value), part(a.value, b.tangent)))


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
