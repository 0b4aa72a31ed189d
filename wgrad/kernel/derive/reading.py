"""Names, places in memory and what has no tangent, as the derived function has them.

Each name of the text has a `Binding`: the name it gets, and the name of its tangent. All names of a
derived function differ, so that no name of the text hides one that derivatives need.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Protocol

from ..language import syntax as s
from ..language.symbols import Typed
from ..language.types import Pointer, Structure, Type
from .maker import Dual, Maker, Names
from .terms import Term, has_float

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


@dataclass(frozen=True, slots=True)
class Derived:
    """A function that takes and returns tangents too.

    `pattern` holds the numbers of the parameters that have tangents, in order behind all values:
    those asked for, and the pointers through which what depends on these is written.
    """

    name: str
    pattern: frozenset[int]
    returns_tangent: bool


class Source(Names, Protocol):
    """What there is to know about the whole text."""

    functions: dict[str, s.Function]
    typed: Typed
    impure: frozenset[str]  # functions that take pointers
    casting: frozenset[str]  # functions in which there is a bitcast, or in those that they call

    def role_of(self, name: str) -> Any:
        """Return what a function is of ours, or None."""

    def pair(self, kind: Type) -> str:
        """Return the name of the structure of a value and its tangent."""

    def restart(self) -> None:
        """Forget the names that were handed out for the function."""

    def derived(self, name: str, pattern: frozenset[int]) -> Derived:
        """Return a function with its tangent by some of its parameters."""


class Reader(Maker):
    """Reads what has no tangent, and places in memory."""

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
            identifier = s.Identifier(binding.name, span=node.span)
            return self._loaded(node, identifier) if binding.root is not None else identifier
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
            if name in self.names.casting:
                self.call_of(node)  # which raises for a bitcast of what needs a gradient
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

    def _loaded(self, node: s.Expression, value: s.Expression) -> s.Expression:
        """Return what was read, kept under a name where the statement may write to it."""
        if not self.careful or self.points(node):
            return value
        name = self.names.fresh("old")
        self.out.append(s.Let(name, None, value))
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
        result = s.Identifier(name)
        self.out.append(s.Var(name, None, left))
        condition = result if node.op == "&&" else s.Unary("!", result)
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
            pointed = None if tangent is None else s.Unary("*", tangent)
            return node.but(operand=value), pointed, root
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

    def points(self, node: s.Expression) -> bool:
        """Return whether an expression is a pointer."""
        return isinstance(self.type(node), Pointer)

    # What expressions.py adds.

    def dual(self, node: s.Expression) -> Dual:
        """Return an expression with its tangent."""
        raise NotImplementedError

    def call_of(self, node: s.Call) -> Dual:
        """Return a call of a function of the text."""
        raise NotImplementedError
