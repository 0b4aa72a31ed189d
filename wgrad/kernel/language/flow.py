"""Where control goes: whether a function returns on every path, and every loop may end.

Source: the WGSL specification, "Behavior Analysis". A behaviour is a set of these: "next", the
statement behind is reached; "break", "continue" and "return".
"""

from __future__ import annotations

from . import syntax as s
from .places import Span

_NEXT = frozenset(("next",))


def check_flow(function: s.Function) -> None:
    """Raise where a function ends without its result, or has a loop that never ends."""
    behaviour = _of(function.body)
    if function.result is not None and "next" in behaviour:
        end = function.body.span
        raise function.span.error(f"{function.name} ends without a return, on line {_last(end)}")


def _last(span: Span) -> int:
    """Return the line of the bracket that ends a block."""
    return span.line if span.source is None else span.source.place(span.end - 1).line


def _sequence(statements: tuple[s.Statement, ...]) -> frozenset[str]:
    behaviour: frozenset[str] = _NEXT
    for statement in statements:
        following = _of(statement)
        if "next" in behaviour:
            behaviour = (behaviour - _NEXT) | following
    return behaviour


def _of(node: s.Statement | None) -> frozenset[str]:
    """Return the behaviour of a statement."""
    if isinstance(node, s.Block):
        return _sequence(node.statements)
    if isinstance(node, s.If):
        behaviour: frozenset[str] = frozenset()
        part: s.Statement | None = node
        while isinstance(part, s.If):
            behaviour |= _of(part.then)
            part = part.otherwise
        return behaviour | (_NEXT if part is None else _of(part))
    if isinstance(node, s.Switch):
        behaviour = frozenset().union(*(_of(case.body) for case in node.cases))
        return behaviour - {"break"} | _NEXT if "break" in behaviour else behaviour
    if isinstance(node, (s.For, s.While)):
        behaviour = _of(node.body) | (frozenset() if node.condition is None else {"next", "break"})
        return _loop(node, behaviour)
    if isinstance(node, s.Loop):
        behaviour = _of(node.body)
        if node.continuing is not None:
            last = node.continuing.statements[-1:]
            if last and isinstance(last[0], s.BreakIf):
                behaviour |= {"break"}
            _of(node.continuing)
        return _loop(node, behaviour)
    if isinstance(node, s.Return):
        return frozenset(("return",))
    if isinstance(node, s.Break):
        return frozenset(("break",))
    if isinstance(node, s.Continue):
        return frozenset(("continue",))
    return _NEXT


def _loop(node: s.Statement, body: frozenset[str]) -> frozenset[str]:
    """Return the behaviour of a loop from what its body may do."""
    if not body & {"break", "return"}:
        raise node.span.error("this loop never ends: it has no break, no return and no condition")
    behaviour = body & {"return"}
    return behaviour | _NEXT if "break" in body else behaviour
