"""What a function may not do if it is to have a derivative: write to variables of the module."""

from __future__ import annotations

from ..language import syntax as s
from ..language.nodes import Node
from ..language.symbols import Symbol, Typed
from .reading import ADVICE


def refuse_writes(typed: Typed, name: str) -> None:
    """Raise where a function, or one that it calls, writes to a variable of the module.

    A derivative runs the function several times, and each run would go on from the last one's.
    """
    for each in reached(typed, name):
        for node in typed.functions[each].node.body.walk():
            symbol = _written(typed, node)
            if symbol is not None:
                raise node.span.error(
                    f"{each} may write to {symbol.name!r}, a variable of the module, so it has no "
                    f"derivative: {ADVICE}"
                )


def reached(typed: Typed, name: str) -> list[str]:
    """Return a function and all that it calls."""
    names = [name]
    for each in names:
        names += [x for x in typed.functions[each].callees if x not in names]
    return names


def _written(typed: Typed, node: Node) -> Symbol | None:
    """Return the variable of the module that a statement writes, or that is pointed to."""
    if isinstance(node, (s.Assign, s.Increment, s.Decrement)):
        place: s.Expression | None = node.target
    elif isinstance(node, s.Call) and node.callee.name != "arrayLength":
        pointed = (x for x in node.arguments if isinstance(x, s.Unary) and x.op == "&")
        return next((x for x in (_root(typed, y.operand) for y in pointed) if x), None)
    elif isinstance(node, s.Let) and isinstance(node.value, s.Unary) and node.value.op == "&":
        place = node.value.operand
    else:
        return None
    return None if place is None else _root(typed, place)


def _root(typed: Typed, place: s.Expression) -> Symbol | None:
    while isinstance(place, (s.Index, s.Member)):
        place = place.base
    if not isinstance(place, s.Identifier):
        return None
    symbol = typed.symbol_of(place)
    return symbol if symbol.is_global and symbol.kind == "var" else None
