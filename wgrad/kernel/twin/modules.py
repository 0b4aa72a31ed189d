"""A text as the twin knows it: its functions compiled, its private variables, its overrides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np

from ..language import syntax as s
from ..language.symbols import Symbol, Typed
from ..language.types import FLOATS, INTEGERS, Array, Scalar, Type
from .assignments import Code
from .frames import Eval, Frame, Shared
from .leaves import Numbers, leaves_of, owned
from .paths import Path
from .places import Local
from .statements import Statements

CHUNK = 16384  # lanes that are computed at once: what they need lies in a processor's cache
LIMIT = 1_000_000  # rounds of a loop
_WORDS = 32  # of fixed arrays that a lane may have before fewer lanes are computed at once


class Module(Statements):
    """Compiles the functions of a checked text, each when it is first asked for."""

    def __init__(
        self, typed: Typed, overrides: Mapping[str, Any] | None = None, float64: bool = False
    ):
        super().__init__()
        self.typed = typed
        self.numbers = Numbers(float64)
        self.given = dict(overrides or {})
        self.codes: dict[str, Code] = {}
        self.private: dict[str, int] = {}
        self.starts: list[Eval] = []
        self.nowhere = Frame(0, 0, 1, Shared([], LIMIT))

    def function(self, name: str) -> Code:
        """Return a function of the text, compiled."""
        code = self.codes.get(name)
        if code is None:
            for callee in self._below(name):  # so that a long chain is not deep here
                self.codes[callee] = self.compiled(self.typed.functions[callee])
            code = self.codes[name]
        return code

    def _below(self, name: str) -> list[str]:
        """Return the functions that one needs, callees first, itself last; without those known."""
        needed, pending = {name}, [name]
        while pending:
            for callee in self.typed.functions[pending.pop()].callees:
                if callee not in needed:
                    needed.add(callee)
                    pending.append(callee)
        return [x for x in self.typed.order if x in needed and x not in self.codes]

    def shared(self, limit: int) -> Shared:
        """Return what a run begins with."""
        shared = Shared([], limit)
        shared.cells.extend(owned(start(self.nowhere, None)) for start in self.starts)
        return shared

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Inside, NumPy does not warn, and calls that are too deep for Python are an error."""
        try:
            with np.errstate(all="ignore"):
                yield
        except RecursionError:
            what = f"{name} calls and nests more than Python's stack has room for"
            raise self.typed.functions[name].node.span.error(what) from None

    def chunk(self) -> int:
        """Return how many lanes to compute at once."""
        words = 0
        for symbol in self.typed.symbols.values():
            if symbol.kind == "var" and symbol.space in ("function", "private"):
                assert symbol.type is not None
                sizes = (prod(leaf.extents) for leaf in leaves_of(symbol.type) if leaf.extents)
                words = max(words, sum(sizes))
        return max(256, CHUNK * _WORDS // max(words, _WORDS))

    def outer(self, symbol: Symbol, node: s.Identifier) -> Path:
        """Return the path of a variable of the module."""
        if symbol.space != "private":
            return self.memory(symbol, node)
        assert symbol.type is not None
        at = self.private.get(symbol.name)
        if at is None:
            at = self.private[symbol.name] = len(self.starts)
            declared = symbol.node
            assert isinstance(declared, s.GlobalVar)
            if declared.value is not None:
                self.starts.append(self.compile(declared.value))
            else:
                zero = self.numbers.zero(symbol.type)
                self.starts.append(lambda f, m: zero)
        slot = at
        return Path(lambda f, m: Local(f.shared.cells, slot), symbol.type)

    def memory(self, symbol: Symbol, node: s.Identifier) -> Path:
        """Return the path of a buffer or of workgroup memory."""
        raise node.span.error(
            f"{symbol.name} lies in {symbol.space} memory, which only a whole compute shader has: "
            "give the function a parameter for it"
        )

    def extent(self, kind: Array) -> int | None:
        """Return how many elements an array has, None where its buffer says it."""
        if isinstance(kind.count, s.Expression):
            return int(self.compile(kind.count)(self.nowhere, None))
        assert kind.count is None or isinstance(kind.count, int)
        return kind.count

    def fixed(self, kind: Type | None) -> Type:
        """Return a type whose size is known, now that overrides are."""
        assert kind is not None
        if isinstance(kind, Array) and isinstance(kind.count, s.Expression):
            return Array(kind.element, self.extent(kind))
        return kind

    def override(self, symbol: Symbol) -> Any:
        """Return the value of an override: the one that is given, or its own."""
        info = self.typed.overrides[symbol.name]
        assert isinstance(info.type, Scalar)
        dtype = self.numbers.dtype(info.type)
        value = self.given.get(info.name, self.given.get(info.key))
        if value is None and symbol.constant != info.default:  # the type pass was given one
            value = symbol.constant
        if value is not None:
            whole = isinstance(value, (bool, int, np.integer)) or float(value).is_integer()
            if info.type in INTEGERS and not whole:
                what = f"override {info.name} is {info.type}, and was given {value!r}"
                raise info.node.span.error(what)
            try:
                return dtype.type(value if info.type in FLOATS else int(value))
            except OverflowError:
                what = f"override {info.name} is {info.type}, and cannot be {value!r}"
                raise info.node.span.error(what) from None
        if info.node.value is None:
            raise info.node.span.error(f"override {info.name} has no value: give it one")
        return self.numbers.fitted(self.compile(info.node.value)(self.nowhere, None), info.type)

    def together(self, node: s.Call, arguments: list[Eval]) -> Eval:
        """Refuse a builtin in which invocations take part together."""
        name = node.callee.name
        raise node.span.error(
            f"{name} is no function of numbers alone: only a whole compute shader may call it"
            if not name.startswith(("subgroup", "quad", "dpd", "fwidth"))
            else f"{name} runs on GPUs alone: NumPy has no neighbours to ask"
        )


def same_scalar(kind: Type) -> Scalar | None:
    """Return the scalar that all of a type is made of; None where there are several."""
    scalars = {leaf.scalar for leaf in leaves_of(kind)}
    return scalars.pop() if len(scalars) == 1 else None
