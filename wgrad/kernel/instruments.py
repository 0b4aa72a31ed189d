"""Checks put into a kernel through its tree: sites of interest, and a buffer where they report.

An instrumented text has one more binding, the report, and knows in each invocation which one it is.
What is put in where is said by `guarding.py` and `debugging.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .language import Node, Place, Typed, parse, printed
from .language import syntax as s
from .language.types import Structure

CALL = "global_invocation_id"


@dataclass(frozen=True)
class Site:
    """A place in the text that something was put in at: what for, and its node."""

    kind: str
    node: Any
    subject: str = ""  # the name of a binding or a variable, or the text of an expression

    @property
    def place(self) -> Place:
        """Where it is, in the file that a person edits."""
        return self.node.span.place


class Instruments:
    """An entry point of a checked text that gets things put in."""

    def __init__(self, typed: Typed, entry: str, atomic: bool = True):
        self.typed = typed
        self.point = typed.entry_points[entry]
        self.sites: list[Site] = []
        self._taken = names_of(typed.module)
        self._more: list[s.Declaration] = []
        self._names: dict[str, str] = {}
        self._first: list[str] = []
        self.report = self.name("report")
        self.invocation = self.name("invocation")
        kind = "atomic<u32>" if atomic else "u32"
        at = 1 + max((x.binding for x in typed.bindings if x.group == 0), default=-1)
        self.declare(
            f"@group(0) @binding({at}) var<storage, read_write> {self.report}: array<{kind}>;"
            f"var<private> {self.invocation}: vec3u;"
        )

    def name(self, wanted: str) -> str:
        """Return the name of something that is put in, which the text does not have."""
        if wanted not in self._names:
            unused = f"wgrad_{wanted}"
            while unused in self._taken:
                unused += "_"
            self._taken.add(unused)
            self._names[wanted] = unused
        return self._names[wanted]

    def declare(self, text: str) -> None:
        """Add declarations."""
        self._more += parse(text).declarations

    def begin(self, statement: str) -> None:
        """Add a statement at the start of the entry point, where `invocation` is known."""
        self._first.append(statement)

    def site(self, kind: str, node: Any, subject: str = "") -> int:
        """Note a site, and return its number."""
        self.sites.append(Site(kind, node, subject))
        return len(self.sites) - 1

    def call(self, function: str, *arguments: s.Expression | int) -> s.Call:
        """Return the call of a function that was put in; numbers become u32."""
        given = [s.number(x, "u") if isinstance(x, int) else x for x in arguments]
        return s.call(self.name(function), *given)

    def text(self, changed: Callable[[s.Function], s.Function]) -> str:
        """Return the text, with every function that the entry point uses as `changed` says."""
        made: list[s.Declaration] = []
        for node in self.typed.module.declarations:
            if isinstance(node, s.Function) and node.name in self.point.functions:
                function = ending(node, changed(node))
                made.append(self._entry(function) if node.name == self.point.name else function)
            elif not isinstance(node, s.Function):
                made.append(node)
        return printed(s.Module(self.typed.module.directives, (*made, *self._more)))

    def _entry(self, node: s.Function) -> s.Function:
        """Return the entry point with what it does first."""
        source, parameters = self._invocation_of(node)
        text = "".join([f"{self.invocation} = {source};", *self._first])
        (made,) = parse(f"fn f() {{ {text} }}").declarations
        assert isinstance(made, s.Function)
        body = node.body.but(statements=(*made.body.statements, *node.body.statements))
        return node.but(body=body, parameters=parameters)

    def _invocation_of(self, node: s.Function) -> tuple[str, tuple[s.Parameter, ...]]:
        """Return what the number of the invocation is called, and the parameters that give it."""
        for parameter, symbol in zip(
            node.parameters, self.typed.functions[node.name].parameters, strict=True
        ):
            if _is_id(parameter):
                return parameter.name, node.parameters
            if isinstance(symbol.type, Structure):
                struct = self.typed.globals[symbol.type.name].node
                assert isinstance(struct, s.Struct)
                for member in struct.members:
                    if _is_id(member):
                        return f"{parameter.name}.{member.name}", node.parameters
        name = self.name("id")
        builtin = s.Attribute("builtin", (s.Identifier(CALL),))
        more = s.Parameter(name, s.Identifier("vec3u"), (builtin,))
        return name, (*node.parameters, more)


def _is_id(node: s.Parameter | s.StructMember) -> bool:
    return any(
        x.name == "builtin"
        and isinstance(x.arguments[0], s.Identifier)
        and x.arguments[0].name == CALL
        for x in node.attributes
    )


def ending(before: s.Function, after: s.Function) -> s.Function:
    """Return a function that returns at its end, where a loop that never ended may end now."""
    if before.result is None or after is before:
        return after
    if not any(isinstance(x, (s.For, s.While, s.Loop)) for x in before.body.walk()):
        return after
    last = before.body.statements[-1]
    if isinstance(last, s.Return):
        return after
    zero = s.Return(s.Call(before.result))  # type: ignore[arg-type]  # a type's name
    return after.but(body=after.body.but(statements=(*after.body.statements, zero)))


def names_of(node: Node) -> set[str]:
    """Return all names that a text has."""
    names = (getattr(x, "name", None) for x in node.walk())
    return {x for x in names if isinstance(x, str)}


def root_of(node: Node) -> s.Identifier | None:
    """Return the variable that a place such as `a.b[i].c` is a part of."""
    while isinstance(node, (s.Index, s.Member, s.Unary)):
        node = node.operand if isinstance(node, s.Unary) else node.base
    return node if isinstance(node, s.Identifier) else None
