"""What a function of a text needs of it, as declarations that may stand beside those of any other.

One kernel may hold functions of several texts. So each declaration gets a name that belongs to what
it says: equal helpers are one, and different ones never meet.
"""

from __future__ import annotations

from hashlib import blake2b

from .derive import Function
from .language import Node, Typed, check, printed
from .language import syntax as s
from .language.symbols import ALL_GLOBALS


def declarations(function: Function) -> tuple[tuple[str, ...], str]:
    """Return the WGSL of all that a function uses, each text after what it uses, and its name.

    Raises: ShaderError for memory that points would share, and for an override without a value.
    """
    made = _Declarations(function.typed)
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
    def __init__(self, typed: Typed):
        self.typed = typed
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
            below = self._renamed(node)
            text = printed(below)
            mark = blake2b(text.encode(), digest_size=4).hexdigest()
            self.names[name] = f"{name}_{mark}"
            self.texts.append(printed(below.but(name=self.names[name])))
        return self.names[name]

    def _renamed(self, node: Node) -> Node:
        """Return a tree in which what it uses goes by its new name."""
        if isinstance(node, s.Identifier):
            symbol = self.typed.symbols.get(id(node))
            if symbol is not None and symbol.is_global and symbol.kind in ALL_GLOBALS:
                node = node.mapped(self._renamed)
                return node.but(name=self.named(symbol.name))
        return node.mapped(self._renamed)
