"""Scopes: which declaration a name means, and what the passes over a text share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, NamedTuple

from ...errors import ShaderError
from . import syntax as s
from .builtins import TABLE
from .nodes import Node
from .symbols import FunctionInfo, Symbol, Typed
from .types import SCALARS, Type

CONST, OVERRIDE, RUNTIME = 0, 1, 2  # when an expression's value is known
STAGES = ("a constant", "an expression of overrides", "an expression that is run")


class ExpressionInfo(NamedTuple):
    """What an expression gives: its type, when its value is known, and the value of a constant."""

    type: Type
    stage: int = RUNTIME
    constant: Any = None


class SharedNodeError(Exception):
    """A node stands in two places of the tree, so that it has no one type."""


class Scopes:
    """Names, from the innermost block out to the module."""

    def __init__(self, module: s.Module):
        self.typed = Typed(module)
        self.scopes: list[dict[str, Symbol]] = []
        self.pending: dict[str, s.Declaration] = {}  # of the module, not yet looked at
        self.opened: list[str] = []  # of the module, being looked at
        self.function: FunctionInfo | None = None
        self.values_given = False  # of overrides, which makes them constants

    def find(self, name: str) -> Symbol | None:
        """Return what a name means here, None where the text does not declare it."""
        for scope in reversed(self.scopes):
            symbol = scope.get(name)
            if symbol is not None:
                return symbol
        symbol = self.typed.globals.get(name)
        if symbol is None and name in self.pending:
            symbol = self.look_at(self.pending[name])
        return symbol

    def look_at(self, node: s.Declaration) -> Symbol:
        """Return the symbol of a declaration of the module, which may stand further below."""
        raise NotImplementedError

    def outside(self, fn: Callable[[], Symbol]) -> Symbol:
        """Return what `fn` does where only the names of the module are known."""
        scopes, function = self.scopes, self.function
        self.scopes, self.function = [], None
        try:
            return fn()
        finally:
            self.scopes, self.function = scopes, function

    def declare(self, symbol: Symbol) -> Symbol:
        """Add a name to the innermost scope. Raises: ShaderError where it is there already."""
        scope = self.scopes[-1]
        other = scope.get(symbol.name)
        assert symbol.node is not None
        if other is not None:
            assert other.node is not None
            line = other.node.span.line
            raise symbol.node.span.error(
                f"{symbol.name!r} is declared here already, on line {line}"
            )
        scope[symbol.name] = symbol
        self.typed.symbols[id(symbol.node)] = symbol
        return symbol

    @contextmanager
    def at(self, node: Node) -> Iterator[None]:
        """Inside, what a constant cannot be is an error at a node."""
        try:
            yield
        except (ValueError, OverflowError, ZeroDivisionError) as error:
            says = str(error)
            if isinstance(error, OverflowError):
                says = "the result is too large"
            elif isinstance(error, ZeroDivisionError):
                says = "division by 0"
            elif says == "math domain error":
                says = "it is not defined there"
            raise node.span.error(f"this constant has no value: {says}") from None

    def unknown(self, node: s.Identifier, what: str) -> ShaderError:
        """Return the error of a name that means nothing, with the one that was meant perhaps."""
        known = [*self.typed.globals, *self.pending, *SCALARS]
        for scope in self.scopes:
            known += scope
        if what == "function":
            known += TABLE
        close = get_close_matches(node.name, known, 1)
        meant = f": did you mean {close[0]!r}?" if close else ""
        return node.span.error(f"unknown {what} {node.name!r}{meant}")

    def need_stage(self, value: ExpressionInfo, most: int, node: Node, what: str) -> None:
        """Raise where a value is known too late for what it is needed for."""
        if value.stage > most:
            raise node.span.error(f"{what} has to be {STAGES[most]}, not {STAGES[value.stage]}")
