"""Functions with their tangents, for all that a function calls: `Deriver`.

A function is derived once for each set of parameters that have tangents where it is called, so what
does not depend on them costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..language import syntax as s
from ..language.builtins import TABLE
from ..language.check import check
from ..language.nodes import Node, unshared
from ..language.symbols import Typed
from ..language.typenames import is_type_name
from ..language.types import Pointer, Type
from ..language.words import KEYWORDS, RESERVED
from .helpers import Role, function_of, name_of, roles
from .reading import Derived
from .refused import reached
from .statements import Body
from .sweep import names_in, swept
from .terms import type_name, type_node

_WRITING = {name for name in TABLE if name.startswith(("atomic", "workgroupUniform"))}


class Deriver:
    """Derives functions of one text, and collects what they need."""

    def __init__(self, typed: Typed):
        typed, self.renamed = unhidden(typed)  # the old name to the new one
        self.typed = typed
        self.functions = {name: x.node for name, x in typed.functions.items()}
        self.impure = frozenset(
            name
            for name, x in typed.functions.items()
            if any(isinstance(p.type, Pointer) for p in x.parameters)
        )
        self.casting = frozenset(
            name
            for name in typed.functions
            if any("bitcast" in typed.functions[x].builtins for x in reached(typed, name))
        )
        used = {x for info in typed.functions.values() for x in info.builtins}
        self.careful = bool(self.impure or used & _WRITING)  # else no expression writes anything
        self.pointed: set[str] = set()  # derived functions that take pointers
        self.roles = roles(self.functions)
        self.known = {role: name for name, role in self.roles.items()}
        self.made: dict[str, s.Declaration] = {}
        self.taken = set(typed.globals)
        self.locals = names_in(typed.module)  # what a name of the module would be hidden by
        self._derived: dict[tuple[str, frozenset[int]], Derived] = {}
        self._pairs: dict[Type, str] = {}

    # What is written

    def fresh(self, hint: str) -> str:
        """Return a name for a declaration."""
        name = unused(hint, self.taken, self.locals)
        self.taken.add(name)
        return name

    def helper(self, role: Role) -> str:
        """Return the name of one of our functions, which is written when it is first asked for."""
        name = self.known.get(role)
        if name is None:
            name = self.known[role] = self.fresh(name_of(role))
            self.made[name] = function_of(role).but(name=name)
        return name

    def pair(self, kind: Type) -> str:
        """Return the name of the structure of a value and its tangent."""
        name = self._pairs.get(kind)
        if name is None:
            name = self._pairs[kind] = self.fresh(f"with_tangent_{type_name(kind)}")
            members = (
                s.StructMember("value", type_node(kind)),
                s.StructMember("tangent", type_node(kind)),
            )
            self.made[name] = s.Struct(name, members)
        return name

    def derived(self, name: str, pattern: frozenset[int]) -> Derived:
        """Return a function with its tangent by some of its parameters."""
        derived = self._derived.get((name, pattern))
        if derived is None:
            derived = self._derived[name, pattern] = self._derive(name, pattern)
        return derived

    def _derive(self, name: str, pattern: frozenset[int]) -> Derived:
        body, statements = self.read(name, pattern, whole=True)
        if body.pattern != pattern:
            return self.derived(name, body.pattern)
        if not body.returns_tangent and not any(
            isinstance(self.typed.functions[name].parameters[i].type, Pointer) for i in pattern
        ):
            return Derived(name, frozenset(), False)
        result = self.functions[name].result
        if body.returns_tangent:
            kind = self.typed.functions[name].result
            assert kind is not None
            result = s.Identifier(self.pair(kind))
        derived_name = self.fresh(f"{name}_d")
        if name in self.impure:
            self.pointed.add(derived_name)
        self.made[derived_name] = s.Function(
            derived_name, (*body.parameters, *body.tangents), result, s.Block(statements)
        )
        return Derived(derived_name, pattern, body.returns_tangent)

    def read(
        self, name: str, pattern: Iterable[int], whole: bool
    ) -> tuple[Body, tuple[s.Statement, ...]]:
        """Return a body that was read, and its statements without those of no use."""
        body = Body(Local(self), self.functions[name], pattern, whole)
        statements = body.read()
        return body, swept(statements, self.writes)

    def writes(self, node: Node) -> bool:
        """Return whether evaluating an expression may write to something."""
        return self.careful and any(
            x.op == "&" if isinstance(x, s.Unary) else isinstance(x, s.Call) and self._writes(x)
            for x in node.walk()
        )

    def _writes(self, call: s.Call) -> bool:
        name = call.callee.name
        return name in self.impure or name in self.pointed or name in _WRITING

    # The text

    def module(self, *roots: str) -> Typed:
        """Return a checked text of some functions and what they use."""
        declared: dict[str, s.Declaration] = {}
        for x in self.typed.module.declarations:
            if not isinstance(x, s.ConstAssert):
                declared[x.name] = x  # type: ignore[attr-defined]
        declared.update(self.made)
        needed = set(roots)
        pending = list(roots)
        while pending:
            for name in names_in(declared[pending.pop()]) & declared.keys():
                if name not in needed:
                    needed.add(name)
                    pending.append(name)
        kept = tuple(x for name, x in declared.items() if name in needed)
        return check(unshared(s.Module(self.typed.module.directives, kept)))


class Local:
    """What the body of one function asks for: names of its own, and the rest of the deriver."""

    def __init__(self, deriver: Deriver):
        self.deriver = deriver
        self.typed = deriver.typed
        self.functions = deriver.functions
        self.impure = deriver.impure
        self.casting = deriver.casting
        self.helper = deriver.helper
        self.pair = deriver.pair
        self.derived = deriver.derived
        self.restart()

    def restart(self) -> None:
        """Forget the names that were handed out for the function."""
        self.taken: set[str] = set()
        self.counts: dict[str, int] = {}

    def fresh(self, hint: str) -> str:
        """Return a name for a local."""
        name = unused(hint, self.taken, self.deriver.taken, self.counts)
        self.taken.add(name)
        self.deriver.locals.add(name)
        return name

    def role_of(self, name: str) -> Role | None:
        """Return what a function is of ours, or None."""
        return self.deriver.roles.get(name)


def unused(
    hint: str, mine: set[str], others: set[str], counts: dict[str, int] | None = None
) -> str:
    """Return a name like `hint` that is not in the sets, and that WGSL has no meaning for."""
    counts = {} if counts is None else counts
    name = hint
    while name in mine or name in others or is_word(name):
        counts[hint] = counts.get(hint, 0) + 1
        name = f"{hint}_{counts[hint]}"
    return name


def is_word(name: str) -> bool:
    """Return whether WGSL has a meaning for a name."""
    return name in TABLE or name in KEYWORDS or name in RESERVED or is_type_name(name)


def unhidden(typed: Typed) -> tuple[Typed, dict[str, str]]:
    """Return a text in which no declaration hides a builtin, and new names by the old ones."""
    hiding = {x for x in typed.globals if x in TABLE or is_type_name(x)}
    if not hiding:
        return typed, {}
    taken = names_in(typed.module) | typed.globals.keys()
    names: dict[str, str] = {}
    for name in sorted(hiding):
        names[name] = unused(f"own_{name}", taken, set())

    def renamed(node: Any) -> Any:
        if isinstance(node, s.Identifier) and node.name in names:
            symbol = typed.symbols.get(id(node))
            if symbol is not None and symbol.is_global:
                return node.mapped(renamed).but(name=names[node.name])
        rewritten = node.mapped(renamed)
        if isinstance(rewritten, s.Declaration) and not isinstance(rewritten, s.Statement):
            name = rewritten.name  # type: ignore[attr-defined]
            return rewritten.but(name=names[name]) if name in names else rewritten
        return rewritten

    return check(renamed(typed.module)), names
