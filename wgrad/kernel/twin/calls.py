"""Calls, compiled: of types, of builtin functions, and of functions of the text."""

from __future__ import annotations

from typing import Any

from ..language import syntax as s
from ..language.builtins import Match
from ..language.symbols import Symbol
from ..language.types import (
    Array,
    Matrix,
    Scalar,
    Structure,
    Type,
    Vector,
    scalar_of,
)
from .arithmetic import bitcast
from .frames import Eval, Frame
from .leaves import as_tuple, joined
from .masks import Mask
from .numeric import EACH
from .paths import Paths
from .vectors import WHOLE, transposed


class Calls(Paths):
    """Compiles calls."""

    def cast(self, value: Eval, source: Type, target: Type) -> Eval:
        """Return a value whose components are converted as the name of a type asks for."""
        raise NotImplementedError

    def override(self, symbol: Symbol) -> Any:
        """Return the value of an override."""
        raise NotImplementedError

    def function(self, name: str) -> Any:
        """Return a function of the text, compiled."""
        raise NotImplementedError

    def together(self, node: s.Call, arguments: list[Eval]) -> Eval:
        """Return a builtin in which invocations take part together."""
        raise NotImplementedError

    def call(self, node: s.Call) -> Eval:
        """Compile a call."""
        symbol = self.typed.symbol_of(node.callee)
        if symbol.kind == "function":
            return self._call_function(node, symbol)
        if symbol.kind == "builtin":
            return self._call_builtin(node)
        return self._construct(node, self.typed.type_of(node))

    # Types

    def _construct(self, node: s.Call, kind: Type) -> Eval:
        if not node.arguments:
            zero = self.numbers.zero(kind)
            return lambda f, m: zero
        arguments = [self.compile(x) for x in node.arguments]
        kinds = [self.typed.type_of(x) for x in node.arguments]
        if isinstance(kind, Scalar):
            return self.cast(arguments[0], kinds[0], kind)
        if isinstance(kind, Array):
            return _array(arguments, kind)
        if isinstance(kind, (Vector, Matrix)) and len(arguments) == 1:
            value = self.cast(arguments[0], kinds[0], kind)
            if isinstance(kinds[0], Scalar):
                assert isinstance(kind, Vector)
                size = kind.size
                return lambda f, m: (value(f, m),) * size
            return value
        if isinstance(kind, Structure):
            pairs = zip(kinds, kind.fields, strict=True)
            assert all(a == x.type for a, x in pairs) or self.numbers.wide
        bare = [isinstance(x, Scalar) for x in kinds]
        if all(bare):
            return _tupled(arguments)
        both = tuple(zip(arguments, bare, strict=True))

        def construct(f: Frame, m: Mask) -> tuple:
            parts: list[Any] = []
            for value, single in both:
                if single:
                    parts.append(value(f, m))
                else:
                    parts.extend(value(f, m))
            return tuple(parts)

        return construct

    # Builtins

    def _call_builtin(self, node: s.Call) -> Eval:
        name = node.callee.name
        match = self.typed.match_of(node)
        assert match is not None
        arguments = [self.compile(x) for x in node.arguments]
        if name == "transpose":
            (kind,) = match.parameters
            (value,) = arguments
            assert isinstance(kind, Matrix)
            return lambda f, m: transposed(value(f, m), kind)
        if name == "bitcast":
            return self._bitcast(arguments[0], match)
        if name in EACH:
            return _each(name, arguments, match)
        if name in WHOLE:
            return self._whole(name, arguments, match)
        return self.together(node, arguments)

    def _whole(self, name: str, arguments: list[Eval], match: Match) -> Eval:
        fn = WHOLE[name]
        if len(arguments) == 1:
            (value,) = arguments
            apply: Eval = lambda f, m: fn(value(f, m))  # noqa: E731
        else:
            apply = lambda f, m: fn(*[x(f, m) for x in arguments])  # noqa: E731
        result = match.result
        if name.startswith("unpack") and result is not None:  # which come as float64
            return lambda f, m: self.numbers.fitted(apply(f, m), result)
        return apply

    def _bitcast(self, value: Eval, match: Match) -> Eval:
        assert match.result is not None
        source, target = scalar_of(match.parameters[0]), scalar_of(match.result)
        assert source is not None and target is not None
        fn = bitcast(source, target, self.numbers)
        if isinstance(match.result, Scalar):
            return lambda f, m: fn(*as_tuple(value(f, m)))[0]
        return lambda f, m: tuple(fn(*as_tuple(value(f, m))))

    # Functions

    def _call_function(self, node: s.Call, symbol: Symbol) -> Eval:
        code = self.function(symbol.name)
        arguments = tuple(self.compile(x) for x in node.arguments)
        return lambda f, m: code.run([x(f, m) for x in arguments], m, f.n, f.shared)


def _tupled(arguments: list[Eval]) -> Eval:
    if len(arguments) == 2:
        a, b = arguments
        return lambda f, m: (a(f, m), b(f, m))
    if len(arguments) == 3:
        a, b, c = arguments
        return lambda f, m: (a(f, m), b(f, m), c(f, m))
    return lambda f, m: tuple([x(f, m) for x in arguments])


def _array(arguments: list[Eval], kind: Array) -> Eval:
    def stack(f: Frame, m: Mask) -> tuple:
        parts = [as_tuple(x(f, m)) for x in arguments]
        return tuple([joined(x) for x in zip(*parts, strict=True)])

    return stack


def _each(name: str, arguments: list[Eval], match: Match) -> Eval:
    """A builtin that works component by component; a scalar among vectors counts for each."""
    fn = EACH[name]
    if isinstance(match.result, Scalar):
        if len(arguments) == 1:
            (x,) = arguments
            return lambda f, m: fn(x(f, m))
        if len(arguments) == 2:
            x, y = arguments
            return lambda f, m: fn(x(f, m), y(f, m))
        return lambda f, m: fn(*[x(f, m) for x in arguments])
    if len(arguments) == 1:
        (x,) = arguments
        return lambda f, m: tuple([fn(part) for part in x(f, m)])
    assert isinstance(match.result, Vector)
    size = match.result.size

    def apply(f: Frame, m: Mask) -> tuple:
        values = [x(f, m) for x in arguments]
        rows = [x if type(x) is tuple else (x,) * size for x in values]
        return tuple(map(fn, *rows))

    return apply
