"""`dbg(x)` in WGSL: it gives x. `wg.kernel.debug` shows the values, all else sees no calls.

In the text that is run, the name is replaced by as many characters, so that places stay what they
are: `y = dbg(x) + 1.0;` is `y =    (x) + 1.0;`, and the statement `dbg(x);` is `_ =(x);`.
"""

from __future__ import annotations

from typing import Any

from ..errors import ShaderError
from .language import Node, Source, parse, rewritten
from .language import syntax as s

NAME = "dbg"


def without_dbg(source: Source) -> Source:
    """Return a text whose calls of dbg are hidden; `written` is the one that has them."""
    if NAME not in source.text:
        return source
    try:
        module = parse(source)
    except ShaderError:  # whoever reads it next will say so
        return source
    if any(getattr(x, "name", "") == NAME for x in module.declarations):
        return source  # a function of the person's own
    text = list(source.text)
    statements = {id(x.call) for x in module.walk() if isinstance(x, s.CallStatement)}
    for node in module.walk():
        if is_dbg(node):
            start = node.callee.span.start  # type: ignore[attr-defined]
            text[start : start + len(NAME)] = "_ =" if id(node) in statements else "   "
    return Source("".join(text), source.name, source.pieces, source)


def is_dbg(node: Node) -> bool:
    """Return whether a node is a call of dbg."""
    return isinstance(node, s.Call) and node.callee.name == NAME and len(node.arguments) == 1


def taken_out(module: s.Module) -> tuple[s.Module, list[tuple[Any, s.Call]]]:
    """Return a tree whose calls of dbg are their arguments, and each argument with its call."""
    calls: list[tuple[Any, s.Call]] = []

    def changed(node: Any) -> Any:
        if is_dbg(node):
            calls.append((node.arguments[0], node))
            return node.arguments[0]
        if isinstance(node, s.CallStatement) and any(node.call is x for x, _ in calls):
            return s.Assign(None, "=", node.call, span=node.span)
        return node

    return rewritten(module, changed), calls
