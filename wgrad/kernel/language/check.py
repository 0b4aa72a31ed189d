"""The type pass: `check(module)` says what every name and expression of a text means.

What WGSL does not allow is a ShaderError with the place and a sentence that says what is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ShaderError
from . import syntax as s
from .declarations import Declarations
from .entries import entry_points
from .flow import check_flow
from .nodes import unshared
from .parser import parse
from .places import Source
from .scopes import SharedNodeError
from .symbols import FunctionInfo, Symbol, Typed

EXTENSIONS = (
    *("f16", "subgroups", "clip_distances", "dual_source_blending", "primitive_index"),
    "subgroup_size_control",
)


def check(
    text: s.Module | Source | str, *, overrides: Mapping[str, bool | int | float] | None = None
) -> Typed:
    """Return what a text means. What is asked about later are the nodes of `result.module`.

    With `overrides`, values by name or number, those constants count as known, with their defaults
    where no value is given: array sizes and workgroup sizes are numbers then.

    Example:
        >>> typed = check("override n = 2; const a = 3; fn f(x: vec3f) -> f32 { return x.y * a; }")
        >>> print(typed.functions["f"].result, typed.overrides["n"].default)
        f32 2

    Raises: ShaderError for a text that WGSL does not allow, with the place.
    """
    module = text if isinstance(text, s.Module) else parse(text)
    try:
        return _Checker(module, overrides).run()
    except SharedNodeError:
        return _Checker(unshared(module), overrides).run()
    except RecursionError:
        what = "this is nested too deep for what Python's stack has left"
        raise module.span.error(what) from None


class _Checker(Declarations):
    """Looks at a whole text."""

    def run(self) -> Typed:
        self._directives()
        for node in self.typed.module.declarations:
            if not isinstance(node, s.ConstAssert):
                self._announce(node)
        for node in self.typed.module.declarations:
            if isinstance(node, s.ConstAssert):
                self.assertion(node)
            elif _name(node) in self.pending:
                self.look_at(node)
        self._refuse_unknown_overrides()
        for info in self.typed.functions.values():
            self._body_of(info)
        self._order()
        self.typed.entry_points = entry_points(self.typed, self.workgroup_size)
        return self.typed

    def _directives(self) -> None:
        extensions = set()
        for directive in self.typed.module.directives:
            if isinstance(directive, s.Enable):
                for name in directive.names:
                    if name not in EXTENSIONS:
                        known = ", ".join(EXTENSIONS)
                        raise directive.span.error(f"unknown extension {name!r}; there are {known}")
                    extensions.add(name)
        self.typed.extensions = frozenset(extensions)

    def _refuse_unknown_overrides(self) -> None:
        infos = self.typed.overrides.values()
        known = {info.name for info in infos} | {info.key for info in infos}
        for name in self.given:
            if name not in known:
                names = ", ".join(self.typed.overrides) or "none"
                raise ShaderError(f"there is no override {name!r} to set; there is {names}")

    def _announce(self, node: s.Declaration) -> None:
        name = _name(node)
        other = self.pending.get(name)
        if other is not None:
            line = other.span.line
            raise node.span.error(
                f"{name!r} is declared already, on line {line} of {other.span.file}"
            )
        self.pending[name] = node

    def look_at(self, node: s.Declaration) -> Symbol:
        """Return the symbol of a declaration, found now if it was not before."""
        name = _name(node)
        if name in self.opened:
            chain = " -> ".join([*self.opened[self.opened.index(name) :], name])
            raise node.span.error(f"{name} depends on itself: {chain}")
        self.opened.append(name)
        symbol = self.outside(lambda: self.declared(node))
        self.opened.pop()
        self.typed.globals[name] = symbol
        self.typed.symbols[id(node)] = symbol
        self.pending.pop(name, None)
        return symbol

    def _body_of(self, info: FunctionInfo) -> None:
        self.function = info
        self.local_bytes = 0
        self.scopes = [{}]
        for parameter in info.parameters:
            self.declare(parameter)
        self.statements(info.node.body.statements)
        self.scopes = []
        self.function = None
        check_flow(info.node)

    def _order(self) -> None:
        """Put functions behind those that they call. Raises: ShaderError for recursion."""
        functions = self.typed.functions
        done: dict[str, None] = {}
        for name in functions:
            if name in done:
                continue
            path = [(name, iter(functions[name].callees.items()))]
            open_ = [name]
            while path:
                here, rest = path[-1]
                step = next(rest, None)
                if step is None:
                    done[here] = None
                    path.pop()
                    open_.pop()
                    continue
                callee, call = step
                if callee in open_:
                    chain = " -> ".join([*open_[open_.index(callee) :], callee])
                    raise call.span.error(f"WGSL has no recursion: {chain}")
                if callee not in done:
                    path.append((callee, iter(functions[callee].callees.items())))
                    open_.append(callee)
        self.typed.order = tuple(done)


def _name(node: Any) -> str:
    return node.name
