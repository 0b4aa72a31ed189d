"""References, compiled: how the place is found that a variable or a part of it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..language import syntax as s
from ..language.layouts import align_of, members, rounded_up, size_of, stride_of
from ..language.symbols import Symbol, Typed
from ..language.types import Array, Matrix, Pointer, Structure, Type, Vector, swizzle
from .frames import Eval, Frame
from .leaves import Numbers, count, has_extents
from .masks import Mask
from .places import Local, Stored

Step = Callable[[Any, Frame, Mask], Any]
Root = Callable[[Frame, Mask], Any]


class Path:
    """A reference: where it begins, and the steps from there to the part that is meant.

    `start` and `offset` say, in arrays and in bytes, where the part lies; `slot` is that of a
    variable of the function itself. With `steps`, which are taken at run time, `slot` is None.
    """

    def __init__(self, root: Root, kind: Type, slot: int | None = None):
        self.root = root
        self.kind = kind
        self.whole = kind
        self.slot = slot
        self.start = 0
        self.offset = 0
        self.steps: list[Step] = []

    def part(self, start: int, offset: int, kind: Type) -> Path:
        """Go on to a part whose place is known."""
        self.start += start
        self.offset += offset
        self.kind = kind
        return self

    def step(self, step: Step, kind: Type) -> Path:
        """Go on to a part whose place is found at run time."""
        if self.start or self.offset:
            start, offset = self.start, self.offset
            self.steps.append(lambda spot, f, m: spot.part(start, offset))
            self.start = self.offset = 0
        self.steps.append(step)
        self.slot = None
        self.kind = kind
        return self

    def spot(self) -> Eval:
        """Return what finds the place."""
        root, steps = self.root, tuple(self.steps)
        start, offset = self.start, self.offset

        def locate(f: Frame, m: Mask) -> Any:
            spot = root(f, m)
            for step in steps:
                spot = step(spot, f, m)
            return spot.part(start, offset) if start or offset else spot

        return locate


class Paths:
    """Compiles references, and what is read from them."""

    typed: Typed
    numbers: Numbers

    def compile(self, node: s.Expression) -> Eval:
        """Return what computes an expression."""
        raise NotImplementedError

    def slot(self, symbol: Symbol) -> int:
        """Return the number of a variable in its frame."""
        raise NotImplementedError

    def outer(self, symbol: Symbol, node: s.Identifier) -> Path:
        """Return the path of a variable of the module."""
        raise NotImplementedError

    def extent(self, kind: Array) -> int | None:
        """Return how many elements an array has, None where the buffer says it."""
        raise NotImplementedError

    def path(self, node: s.Expression) -> Path:
        """Return the path of an expression that refers to memory."""
        if isinstance(node, s.Identifier):
            symbol = self.typed.symbol_of(node)
            assert symbol.type is not None
            if symbol.is_global:
                return self.outer(symbol, node)
            slot = self.slot(symbol)
            return Path(lambda f, m: Local(f.cells, slot), symbol.type, slot)
        if isinstance(node, s.Unary):
            return self._behind(node.operand)
        assert isinstance(node, (s.Index, s.Member))
        base = self.base_path(node.base)
        return self._member(base, node) if isinstance(node, s.Member) else self._index(base, node)

    def refers(self, node: s.Expression) -> bool:
        """Return whether an expression that is indexed, or has a member, refers to memory."""
        if self.typed.reference_of(node) is not None:
            return True
        return isinstance(self.typed.type_of(node), Pointer)

    def base_path(self, node: s.Expression) -> Path:
        """Return the path of what is indexed, or has a member: a pointer stands for its target."""
        if isinstance(self.typed.type_of(node), Pointer):
            return self._behind(node)
        return self.path(node)

    def _behind(self, node: s.Expression) -> Path:
        """Return the path of what a pointer points to."""
        kind = self.typed.type_of(node)
        assert isinstance(kind, Pointer)
        return Path(self.compile(node), kind.store)

    def _member(self, base: Path, node: s.Member) -> Path:
        kind = base.kind
        if isinstance(kind, Structure):
            start = 0
            for member in members(kind):
                if member.name == node.name:
                    return base.part(start, member.offset, member.type)
                start += count(member.type)
        assert isinstance(kind, Vector)
        (at,) = swizzle(node.name, kind.size) or (0,)
        return base.part(at, at * width(kind.element), kind.element)

    def _index(self, base: Path, node: s.Index) -> Path:
        kind = base.kind
        at = self.typed.constant(node.index)
        index = self.compile(node.index)
        if isinstance(kind, Array):
            extent = self.extent(kind)
            stride = stride_of(kind)
            return base.step(
                lambda spot, f, m: spot.element(index(f, m), extent, stride), kind.element
            )
        assert isinstance(kind, (Vector, Matrix))
        part, step, size, stride = steps_of(kind)
        if at is not None:
            return base.part(at * step, at * stride, part)
        return base.step(lambda spot, f, m: spot.component(index(f, m), size, step, stride), part)

    def read(self, path: Path) -> Eval:
        """Return what reads a reference."""
        stored = Stored.of(path.kind, self.numbers)
        slot, start = path.slot, path.start
        if slot is None or has_extents(path.whole):
            spot = path.spot()
            return lambda f, m: spot(f, m).load(stored, f.n)
        if path.kind == path.whole:
            return lambda f, m: f.cells[slot]
        if stored.bare:
            return lambda f, m: f.cells[slot][start]
        end = start + stored.size
        return lambda f, m: f.cells[slot][start:end]


def width(kind: Type) -> int:
    """Return the bytes of a component; a bool takes as many as a u32."""
    return size_of(kind)


def steps_of(kind: Vector | Matrix) -> tuple[Type, int, int, int]:
    """Return what a vector or matrix is made of, how many arrays each is, how many, how far."""
    if isinstance(kind, Vector):
        return kind.element, 1, kind.size, width(kind.element)
    column = kind.column
    return column, kind.rows, kind.columns, rounded_up(size_of(column), align_of(column))
