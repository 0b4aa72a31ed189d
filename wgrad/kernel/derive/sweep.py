"""Leaves out what nothing needs. Knows that every name of a function stands for one thing.

What a derived function computes of values only to throw it away (all of them where only the tangent
is asked for) would be dropped by compilers too, but would be derived again for the next order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..language import syntax as s
from ..language.nodes import Node


def swept(
    statements: tuple[s.Statement, ...], writes: Callable[[s.Expression], bool]
) -> tuple[s.Statement, ...]:
    """Return statements without declarations and assignments whose names nothing needs.

    `writes` tells whether evaluating an expression may write to something.
    """
    sweep = _Sweep(writes)
    sweep.read(statements)
    return sweep.kept(statements)


def names_in(node: Node | None) -> set[str]:
    """Return the names that a tree mentions."""
    names: set[str] = set()
    pending: list[Node | None] = [node]
    while pending:
        each = pending.pop()
        if each is None:
            continue
        if type(each) is s.Identifier:
            names.add(each.name)
        for name in each.below:
            value = getattr(each, name)
            if type(value) is tuple:
                pending.extend(value)
            else:
                pending.append(value)
    return names


class _Sweep:
    def __init__(self, writes: Callable[[s.Expression], bool]):
        self.writes = writes
        self.needs: dict[str, list[set[str]]] = {}  # what the statements about a local name mention
        self.locals: set[str] = set()
        self.live: set[str] = set()
        self.pending: list[str] = []

    def read(self, statements: Iterable[s.Statement]) -> None:
        """Find the names that something needs."""
        self._declared(statements)
        for statement in statements:
            self._statement(statement)
        while self.pending:
            for name in self.needs.pop(self.pending.pop(), ()):
                self._mark(name)

    def _mark(self, names: set[str]) -> None:
        new = names - self.live
        self.live |= new
        self.pending.extend(new)

    def _declared(self, statements: Iterable[Node]) -> None:
        for statement in statements:
            if isinstance(statement, (s.Let, s.Const, s.Var)):
                self.locals.add(statement.name)
                self.needs[statement.name] = []
            elif not isinstance(statement, s.Expression):
                self._declared(statement.children())

    def _statement(self, node: Node) -> None:
        if isinstance(node, s.Expression):
            self._mark(names_in(node))
            return
        name = self.subject(node)
        if name is None:
            if isinstance(node, (s.Let, s.Var, s.Const)):
                self._mark({node.name} | names_in(node))
                return
            for child in node.children():
                self._statement(child)
            return
        self.needs[name].append(names_in(node) - {name})

    def subject(self, node: Node) -> str | None:
        """Return the name without which a statement has no use; None where it has one."""
        if isinstance(node, (s.Let, s.Var, s.Const)):
            return None if node.value is not None and self.writes(node.value) else node.name
        if isinstance(node, (s.Assign, s.Increment, s.Decrement)):
            if isinstance(node, s.Assign) and self.writes(node.value):
                return None
            place = node.target
            while isinstance(place, (s.Index, s.Member)):
                if isinstance(place, s.Index) and self.writes(place.index):
                    return None
                place = place.base
            if isinstance(place, s.Identifier) and place.name in self.locals:
                return place.name
        return None

    def kept(self, statements: Iterable[Node]) -> tuple[Any, ...]:
        """Return the statements that are of use."""
        kept = (self._kept(x) for x in statements)
        return tuple(x for x in kept if x is not None)

    def _kept(self, node: Node) -> Node | None:
        if isinstance(node, s.Expression):
            return node
        if isinstance(node, (s.Let, s.Var, s.Const, s.Assign, s.Increment, s.Decrement)):
            name = self.subject(node)
            return node if name is None or name in self.live else None
        kept = node.mapped(self._kept)
        if isinstance(kept, s.If) and kept.otherwise is None and not kept.then.statements:
            return None if not self.writes(kept.condition) else kept
        if isinstance(kept, s.For) and not kept.body.statements and self._only_counts(kept):
            return None
        return kept

    def _only_counts(self, loop: s.For) -> bool:
        """Return whether a loop without a body changes nothing but its own variable."""
        mine = loop.initial.name if isinstance(loop.initial, s.Var) else None
        changed = None if loop.update is None else self.subject(loop.update)
        quiet = loop.condition is None or not self.writes(loop.condition)
        return quiet and mine is not None and changed == mine
