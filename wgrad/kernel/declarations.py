"""What a function of a text needs of it, as declarations that may stand beside those of any other.

One kernel may hold functions of several texts. So each declaration gets a name that belongs to what
it says: equal helpers are one, and different ones never meet.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from ..backends.loops import LoopSite
from .derive import Function
from .language import Node, Typed, check, printed
from .language import syntax as s
from .language.symbols import ALL_GLOBALS
from .language.types import F32, Scalar, Type, Vector, scalar_of
from .rounds import Counters

# Builtins that shaders/lib has as functions of f32 of a promised accuracy: real_exp, real_sin, ...
PRECISE = {
    *("exp", "exp2", "log", "log2", "pow", "sin", "cos", "tan", "asin", "acos", "atan", "atan2"),
    *("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
}


def declarations(
    function: Function, precise: bool, counters: Counters | None = None
) -> tuple[tuple[str, ...], str]:
    """Return the WGSL of all that a function uses, each text after what it uses, and its name.

    If `precise`, shaders/lib stands for builtins of f32. `counters` are put into open loops;
    without them all is called as in its text, to be read.
    Raises: ShaderError for memory that points would share, and for an override without a value.
    """
    made = _Declarations(function.typed, precise, counters)
    name = made.named(function.name)
    return tuple(made.texts), name


def valued(function: Function) -> Function:
    """Return a function of a text whose overrides are constants, where their values are known.

    What is made of the text, such as derivatives, has the same values then.
    """
    typed = function.typed
    known = {n: x for n in typed.overrides if (x := typed.globals[n].constant) is not None}
    if not known:
        return function

    def fixed(node: Node) -> Node:
        if not isinstance(node, s.Override) or node.name not in known:
            return node
        kind = s.Identifier(str(typed.globals[node.name].type))
        return s.GlobalConst(node.name, kind, s.number(known[node.name]), span=node.span)

    return Function(check(typed.module.mapped(fixed)), function.name)


class _Declarations:
    def __init__(self, typed: Typed, precise: bool, counters: Counters | None):
        self.typed = typed
        self.precise = precise
        self.counters = counters
        self.names: dict[str, str] = {}
        self.texts: list[str] = []
        self.nodes = {getattr(x, "name", ""): x for x in typed.module.declarations}

    def named(self, name: str) -> str:
        """Return the new name of a declaration, after its text is among the others."""
        if name not in self.names:
            node = self.nodes[name]
            if isinstance(node, s.GlobalVar):
                raise node.span.error(
                    f"{name} is memory that all elements would share: a function of elements has "
                    "its parameters, constants, and variables of its own; wg.kernel.compute runs "
                    "whole kernels"
                )
            if isinstance(node, s.Override):
                raise node.span.error(f"override {name} has no value: constants={{...}} gives it")
            sites: tuple[LoopSite, ...] = ()
            if self.counters is not None and isinstance(node, s.Function):
                node, sites = self.counters.counted(node)
            below = self._renamed(node)
            self.names[name] = name
            if self.counters is not None:
                self.names[name] += (
                    "_" + blake2b(printed(below).encode(), digest_size=4).hexdigest()
                )
            text = printed(below.but(name=self.names[name]))
            self.texts.append("\n".join([*(x.comment for x in sites), text]))
        return self.names[name]

    def _renamed(self, node: Node) -> Any:
        """Return a tree in which what it uses goes by its new name."""
        if isinstance(node, s.Identifier):
            symbol = self.typed.symbols.get(id(node))
            if symbol is not None and symbol.is_global and symbol.kind in ALL_GLOBALS:
                node = node.mapped(self._renamed)
                return node.but(name=self.named(symbol.name))
        if isinstance(node, s.Call) and self.precise and self._may_be_precise(node):
            kind = self.typed.type_of(node)
            name = self._precise(node.callee.name, len(node.arguments), kind)
            return s.call(name, *map(self._renamed, node.arguments))
        if isinstance(node, s.Var) and node.value is None:
            # Written down, for naga makes a variable of a loop zero only the first time.
            assert isinstance(node.type, s.Identifier)
            node = node.but(value=s.Call(node.type))
        return node.mapped(self._renamed)

    def _may_be_precise(self, node: s.Call) -> bool:
        """Whether a call is of a builtin that the library has, and no constant."""
        symbol = self.typed.symbols.get(id(node.callee))
        return (
            symbol is not None
            and symbol.kind == "builtin"
            and symbol.name in PRECISE
            and not self.typed.is_constant(node)
            and scalar_of(self.typed.type_of(node)) == F32
        )

    def _precise(self, name: str, count: int, kind: Type) -> str:
        """Return the library's function in the place of a builtin, for vectors by components."""
        if isinstance(kind, Scalar):
            return f"real_{name}"
        assert isinstance(kind, Vector)
        whole, letters = f"real_{name}_{kind.size}", "ab"[:count]
        each = [
            f"real_{name}({', '.join(f'{x}.{c}' for x in letters)})" for c in "xyzw"[: kind.size]
        ]
        takes = ", ".join(f"{x}: {kind}" for x in letters)
        text = f"fn {whole}({takes}) -> {kind} {{\n    return {kind}({', '.join(each)});\n}}"
        if text not in self.texts:
            self.texts.append(text)
        return whole
