"""Expressions, compiled to functions of a frame and a mask, which give a value for every lane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..language import syntax as s
from ..language.operators import LOGIC
from ..language.symbols import Symbol
from ..language.types import (
    FLOATS,
    Array,
    Matrix,
    Pointer,
    Scalar,
    Structure,
    Type,
    Vector,
    scalar_of,
    swizzle,
)
from .arithmetic import UNARY, conversion, operator
from .calls import Calls
from .frames import Eval, Frame
from .leaves import count, leaves_of
from .masks import Mask
from .paths import steps_of
from .places import clamped, lanes_of
from .vectors import product


class Expressions(Calls):
    """Compiles expressions."""

    nowhere: Frame  # what constants are computed in

    def compile(self, node: s.Expression) -> Eval:
        """Return what computes an expression."""
        if self.typed.is_constant(node):
            value = self.constant(node)
            return lambda f, m: value
        return self._general(node)

    def constant(self, node: s.Expression) -> Any:
        """Return the value of a constant expression. Computing in float64, it is found anew: the
        type pass has rounded it to f32."""
        kind = self.typed.type_of(node)
        if not self.numbers.wide or all(x.scalar not in FLOATS for x in leaves_of(kind)):
            return self.numbers.lift(self.typed.constant(node), kind)
        return self.numbers.fitted(self._general(node)(self.nowhere, None), kind)

    def _general(self, node: s.Expression) -> Eval:
        if isinstance(node, (s.Index, s.Member)) or self._is_variable(node):
            if self.typed.reference_of(node) is not None:
                return self.read(self.path(node))
        return _KINDS[type(node)](self, node)

    def _is_variable(self, node: s.Expression) -> bool:
        if isinstance(node, s.Unary):
            return node.op == "*"
        return isinstance(node, s.Identifier)

    def literal(self, node: s.Literal) -> Eval:
        """Compile a number whose digits are all kept, but for one that says it is an f32 or f16."""
        value: Any = node.value
        if node.suffix in ("f", "h"):
            value = (np.float32 if node.suffix == "f" else np.float16)(value)
        kind = self.typed.type_of(node)
        assert isinstance(kind, Scalar)
        number = self.numbers.dtype(kind).type(value)
        return lambda f, m: number

    def identifier(self, node: s.Identifier) -> Eval:
        """Compile the name of a value."""
        symbol = self.typed.symbol_of(node)
        if symbol.kind in ("const", "override"):
            value = self._named(symbol)
            return lambda f, m: value
        slot = self.slot(symbol)
        return lambda f, m: f.cells[slot]

    def _named(self, symbol: Symbol) -> Any:
        """Return the value of a const or an override."""
        assert symbol.type is not None
        if symbol.kind == "override":
            return self.override(symbol)
        assert isinstance(symbol.node, (s.Const, s.GlobalConst))
        return self.numbers.fitted(self.constant(symbol.node.value), symbol.type)

    def unary(self, node: s.Unary) -> Eval:
        """Compile a sign, or `&x`."""
        if node.op == "&":
            return self.path(node.operand).spot()
        operand = self.compile(node.operand)
        fn = UNARY[node.op]
        if isinstance(self.typed.type_of(node.operand), Scalar):
            return lambda f, m: fn(operand(f, m))
        return lambda f, m: tuple([fn(x) for x in operand(f, m)])

    def binary(self, node: s.Binary) -> Eval:
        """Compile an operator of two operands, and the long sums that lie to its left."""
        chain = [node]
        while isinstance(chain[-1].left, s.Binary) and not self.typed.is_constant(chain[-1].left):
            chain.append(chain[-1].left)
        value = self.compile(chain[-1].left)
        for inner in reversed(chain):
            value = self._operation(inner, value)
        return value

    def _operation(self, node: s.Binary, left: Eval) -> Eval:
        if node.op in LOGIC:
            return self._logic(node, left)
        kinds = self.typed.type_of(node.left), self.typed.type_of(node.right)
        right = self.compile(node.right)
        fn = self.operation(node.op, *kinds)
        return lambda f, m: fn(left(f, m), right(f, m))

    def operation(self, op: str, left: Type, right: Type) -> Callable[[Any, Any], Any]:
        """Return what an operator does to two values."""
        if op == "*" and (isinstance(left, Matrix) or isinstance(right, Matrix)):
            if not isinstance(left, Scalar) and not isinstance(right, Scalar):
                return lambda a, b: product(a, left, b, right)
        scalar = scalar_of(left)
        assert scalar is not None
        fn = operator(op, scalar)
        if isinstance(left, Scalar) and isinstance(right, Scalar):
            return fn
        if isinstance(right, Scalar):
            return lambda a, b: tuple([fn(x, b) for x in a])
        if isinstance(left, Scalar):
            return lambda a, b: tuple([fn(a, y) for y in b])
        return lambda a, b: tuple(map(fn, a, b))

    def _logic(self, node: s.Binary, left: Eval) -> Eval:
        """`&&` and `||`: what stands right is only run for lanes that need it."""
        right = self.compile(node.right)
        both = node.op == "&&"
        fn = np.logical_and if both else np.logical_or

        def decide(f: Frame, m: Mask) -> Any:
            a = left(f, m)
            if a.ndim == 0:
                return right(f, m) if bool(a) is both else a
            needed = a if both else ~a
            here = needed if m is None else needed & m
            return fn(a, right(f, here)) if here.any() else a

        return decide

    def index(self, node: s.Index) -> Eval:
        """Compile an element of a value."""
        base = self.compile(node.base)
        kind = self.typed.type_of(node.base)
        at = self.typed.constant(node.index)
        index = self.compile(node.index)
        if isinstance(kind, Array):
            extent = kind.count
            assert isinstance(extent, int)
            bare = isinstance(kind.element, Scalar)

            def element(f: Frame, m: Mask) -> Any:
                i = clamped(index(f, m), extent)
                leaves = [_element(x, i, f.n) for x in base(f, m)]
                return leaves[0] if bare else tuple(leaves)

            return element
        assert isinstance(kind, (Vector, Matrix))
        part, step, size, _ = steps_of(kind)
        if at is not None:
            return _sliced(base, at * step, step, isinstance(part, Scalar))

        def chosen(f: Frame, m: Mask) -> Any:
            value, i = base(f, m), clamped(index(f, m), size)
            if isinstance(i, int):
                column = value[i * step : (i + 1) * step]
            else:
                column = tuple(np.choose(i, list(value[k::step])) for k in range(step))
            return column if step > 1 else column[0]

        return chosen

    def member(self, node: s.Member) -> Eval:
        """Compile a member of a structure, or a swizzle."""
        kind = self.typed.type_of(node.base)
        if isinstance(kind, Pointer):
            kind = kind.store
        if isinstance(kind, Structure):
            start = 0
            for field in kind.fields:
                if field.name == node.name:
                    bare = isinstance(field.type, Scalar)
                    return _sliced(self.compile(node.base), start, count(field.type), bare)
                start += count(field.type)
        assert isinstance(kind, Vector)
        places = swizzle(node.name, kind.size)
        assert places is not None
        if self.refers(node.base):
            base = self.read(self.base_path(node.base))
        else:
            base = self.compile(node.base)
        if len(places) == 1:
            return _sliced(base, places[0], 1, True)
        return lambda f, m: tuple(map(base(f, m).__getitem__, places))

    def cast(self, value: Eval, source: Type, target: Type) -> Eval:
        """Return a value whose components are converted as the name of a type asks for."""
        a, b = scalar_of(source), scalar_of(target)
        assert a is not None and b is not None
        if a == b:
            return value
        fn = conversion(a, b, self.numbers)
        if isinstance(source, Scalar):
            return lambda f, m: fn(value(f, m))
        return lambda f, m: tuple([fn(x) for x in value(f, m)])


def _sliced(base: Eval, start: int, size: int, bare: bool) -> Eval:
    if bare:
        return lambda f, m: base(f, m)[start]
    end = start + size
    return lambda f, m: base(f, m)[start:end]


def _element(leaf: Any, index: Any, n: int) -> Any:
    if isinstance(index, int):
        element = leaf[index]
        return element[0] if element.shape == (1,) else element
    lanes = 0 if leaf.shape[-1] == 1 else lanes_of(n)
    inner = leaf.ndim - 2
    element = leaf[(index, *[slice(None)] * inner, lanes)]
    return np.moveaxis(element, 0, -1) if inner else element


_KINDS: dict[type, Callable[[Any, Any], Eval]] = {
    s.Literal: Expressions.literal,
    s.Identifier: Expressions.identifier,
    s.Unary: Expressions.unary,
    s.Binary: Expressions.binary,
    s.Index: Expressions.index,
    s.Member: Expressions.member,
    s.Call: Expressions.call,
}
