"""Statements that give names to values and write to memory, compiled; and what functions become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..language import syntax as s
from ..language.symbols import Symbol
from ..language.types import Scalar
from .expressions import Expressions
from .frames import Eval, Frame, Run, Shared
from .leaves import has_extents, owned
from .masks import Mask, merged
from .paths import Path
from .places import Stored


class Code:
    """A function of the text, compiled."""

    def __init__(self, name: str):
        self.name = name
        self.slots = 0
        self.jumps = 0
        self.parameters: tuple[int, ...] = ()
        self.body: Run = lambda f, m: m

    def run(self, arguments: list[Any], mask: Mask, n: int, shared: Shared) -> Any:
        """Return the function of some values, for the lanes of a mask of `n`."""
        frame = Frame(self.slots, self.jumps, n, shared)
        for slot, value in zip(self.parameters, arguments, strict=True):
            frame.cells[slot] = value
        self.body(frame, mask)
        return frame.result


class Assignments(Expressions):
    """Compiles let, var, and all that is assigned."""

    def __init__(self) -> None:
        self.slots: dict[int, int] = {}

    def slot(self, symbol: Symbol) -> int:
        return self.slots.setdefault(id(symbol), len(self.slots))

    def let(self, node: s.Let) -> Run:
        """Compile `let`."""
        slot = self.slot(self.typed.symbol_of(node))
        value = self.compile(node.value)

        def store(f: Frame, m: Mask) -> Mask:
            f.cells[slot] = value(f, m)
            return m

        return store

    def var(self, node: s.Var) -> Run:
        """Compile `var`, which begins anew whenever it is run."""
        symbol = self.typed.symbol_of(node)
        kind = symbol.type
        assert kind is not None
        slot = self.slot(symbol)
        numbers = self.numbers
        value: Eval
        if node.value is None:
            value = lambda f, m: numbers.zero(kind)  # noqa: E731
        else:
            value = self.compile(node.value)
            if has_extents(kind):
                given = value
                value = lambda f, m: owned(given(f, m))  # noqa: E731

        def begin(f: Frame, m: Mask) -> Mask:
            f.cells[slot] = value(f, m)
            f.masks[slot] = m
            return m

        return begin

    def assign(self, node: s.Assign) -> Run:
        """Compile an assignment."""
        value = self.compile(node.value)
        if node.target is None:

            def ignored(f: Frame, m: Mask) -> Mask:
                value(f, m)
                return m

            return ignored
        path = self.path(node.target)
        if node.op == "=":
            return self._stored(path, lambda old, f, m: value(f, m), False)
        kind = self.typed.type_of(node.value)
        fn = self.operation(node.op[:-1], path.kind, kind)
        return self._stored(path, lambda old, f, m: fn(old, value(f, m)), True)

    def increment(self, node: s.Increment | s.Decrement) -> Run:
        """Compile `x++` and `x--`."""
        path = self.path(node.target)
        kind = path.kind
        assert isinstance(kind, Scalar)
        one = self.numbers.dtype(kind).type(1)
        fn = self.operation("+" if isinstance(node, s.Increment) else "-", kind, kind)
        return self._stored(path, lambda old, f, m: fn(old, one), True)

    def _stored(self, path: Path, new: Callable[[Any, Frame, Mask], Any], reads: bool) -> Run:
        """Return what replaces a value by `new(old, frame, mask)`; `reads`: it needs the old."""
        stored = Stored.of(path.kind, self.numbers)
        slot, start = path.slot, path.start
        if slot is None or has_extents(path.whole):
            spot = path.spot()

            def anywhere(f: Frame, m: Mask) -> Mask:
                place = spot(f, m)
                value = new(place.load(stored, f.n) if reads else None, f, m)
                place.store(stored, value, m, f.n)
                return m

            return anywhere
        if path.kind == path.whole:

            def whole(f: Frame, m: Mask) -> Mask:
                value = new(f.cells[slot], f, m)
                if m is not f.masks[slot]:
                    value = merged(m, value, f.cells[slot])
                f.cells[slot] = value
                return m

            return whole
        end = start + stored.size

        def part(f: Frame, m: Mask) -> Mask:
            all_ = f.cells[slot]
            old = all_[start] if stored.bare else all_[start:end]
            value = new(old, f, m)
            all_ = f.cells[slot]  # a function that was called may have written there
            if m is not f.masks[slot]:
                value = merged(m, value, all_[start] if stored.bare else all_[start:end])
            values = (value,) if stored.bare else value
            f.cells[slot] = (*all_[:start], *values, *all_[end:])
            return m

        return part

    def call_statement(self, node: s.CallStatement) -> Run:
        """Compile a call whose value is not used."""
        call = self.call(node.call)

        def run(f: Frame, m: Mask) -> Mask:
            call(f, m)
            return m

        return run
