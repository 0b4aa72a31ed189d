"""The syntax tree to text: `printed(node)`. Parsing the text gives an equal tree again.

Parentheses are put where the grammar needs them, and nowhere else. Numbers are written as they were
where they come from a text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from . import syntax as s
from .expressions import BITWISE, LOGIC, PRECEDENCE, PRODUCT, RELATION, SHIFT, SUM
from .nodes import Node

SIGNED, WHOLE = 6, 7  # how strongly a sign binds, and what needs no parentheses anywhere
_STEP = "    "


def printed(node: Node, indent: int = 0) -> str:
    """Return a tree as text; `indent` counts steps of four spaces in front of statements.

    Example:
        >>> printed(parse_expression("(a + b) * (c)"))
        '(a + b) * c'
    """
    if isinstance(node, s.Expression):
        return expression(node)
    return "\n".join(_lines(node, _STEP * indent))


def expression(node: Node) -> str:
    """Return an expression as text."""
    return _expression(node)[0]


def _expression(node: Node) -> tuple[str, int]:
    """Return an expression as text, and how strongly its outermost operator binds."""
    return _EXPRESSIONS[type(node)](node)


def _at_least(node: Node, level: int) -> str:
    text, strength = _expression(node)
    return text if strength >= level else f"({text})"


def _literal(node: s.Literal) -> tuple[str, int]:
    if node.written:
        return node.written, WHOLE
    value = node.value
    if isinstance(value, bool):
        return ("true" if value else "false"), WHOLE
    if value < 0 or not math.isfinite(value):
        raise ValueError(f"the literal {value!r} has no text in WGSL; see syntax.number")
    return f"{value!r}{node.suffix}", WHOLE


def _identifier(node: s.Identifier) -> tuple[str, int]:
    if not node.arguments:
        return node.name, WHOLE
    return f"{node.name}<{_listed(node.arguments, template=True)}>", WHOLE


def _listed(arguments: Iterable[Node], template: bool = False) -> str:
    """Return expressions with commas, so that no `<` and `>` among them look like a template."""
    texts: list[str] = []
    closes = template
    for node in reversed(list(arguments)):
        text, level = _expression(node)
        if LOGIC <= level <= SHIFT and (template or ("<" in text and closes)):
            text = f"({text})"
        closes = closes or ">" in text
        texts.append(text)
    return ", ".join(reversed(texts))


def _unary(node: s.Unary) -> tuple[str, int]:
    text = _at_least(node.operand, SIGNED)
    if text[0] == node.op and node.op in "-&":
        text = f"({text})"  # -- and && are operators of their own
    return node.op + text, SIGNED


def _binary(node: s.Binary) -> tuple[str, int]:
    op = node.op
    if op in BITWISE:
        left, level = _expression(node.left)
        same = isinstance(node.left, s.Binary) and node.left.op == op
        left = left if same or level >= SIGNED else f"({left})"
        return f"{left} {op} {_at_least(node.right, SIGNED)}", 0
    level = PRECEDENCE[op]
    if level == LOGIC:
        same = isinstance(node.left, s.Binary) and node.left.op == op
        left = expression(node.left) if same else _at_least(node.left, RELATION)
        return f"{left} {op} {_at_least(node.right, RELATION)}", LOGIC
    least_left, least_right = _SIDES[level]
    return f"{_at_least(node.left, least_left)} {op} {_at_least(node.right, least_right)}", level


_SIDES = {
    RELATION: (SHIFT, SHIFT),
    SHIFT: (SIGNED, SIGNED),
    SUM: (SUM, PRODUCT),
    PRODUCT: (PRODUCT, SIGNED),
}


def _call(node: s.Call) -> tuple[str, int]:
    return f"{expression(node.callee)}({_listed(node.arguments)})", WHOLE


def _base(node: s.Expression) -> str:
    text = _at_least(node, WHOLE)
    return f"({text})" if isinstance(node, s.Literal) else text


def _index(node: s.Index) -> tuple[str, int]:
    return f"{_base(node.base)}[{expression(node.index)}]", WHOLE


def _member(node: s.Member) -> tuple[str, int]:
    return f"{_base(node.base)}.{node.name}", WHOLE


def _default(node: s.DefaultSelector) -> tuple[str, int]:
    return "default", WHOLE


_EXPRESSIONS: dict[type, Callable[[Any], tuple[str, int]]] = {
    s.Literal: _literal,
    s.Identifier: _identifier,
    s.Unary: _unary,
    s.Binary: _binary,
    s.Call: _call,
    s.Index: _index,
    s.Member: _member,
    s.DefaultSelector: _default,
}


# Statements and what stands outside of functions


def _attributes(node: Any, separator: str = " ") -> str:
    """Return the attributes in front of something."""
    return "".join(_attribute(x) + separator for x in node)


def _attribute(node: s.Attribute) -> str:
    return f"@{node.name}" + (f"({_listed(node.arguments)})" if node.arguments else "")


def _declared(node: Any, word: str) -> str:
    """Return `word name: type = value`, without what is not there."""
    text = f"{word} {node.name}"
    if node.type is not None:
        text += f": {expression(node.type)}"
    return text if node.value is None else f"{text} = {expression(node.value)}"


def simple(node: Node) -> str:
    """Return a statement that fits into the head of a for loop, without a semicolon."""
    if isinstance(node, s.Let):
        return _declared(node, "let")
    if isinstance(node, (s.Const, s.GlobalConst)):
        return _declared(node, "const")
    if isinstance(node, s.Var):
        return _declared(node, f"var<{node.space}>" if node.space else "var")
    if isinstance(node, s.Assign):
        target = "_" if node.target is None else _target(node.target)
        return f"{target} {node.op} {expression(node.value)}"
    if isinstance(node, s.Increment):
        return f"{_target(node.target)}++"
    if isinstance(node, s.Decrement):
        return f"{_target(node.target)}--"
    if isinstance(node, s.CallStatement):
        return expression(node.call)
    if isinstance(node, s.ConstAssert):
        return f"const_assert {expression(node.condition)}"
    if isinstance(node, s.Return):
        return "return" if node.value is None else f"return {expression(node.value)}"
    if isinstance(node, s.BreakIf):
        return f"break if {expression(node.condition)}"
    return _WORDS[type(node)]


_WORDS: dict[type, str] = {s.Break: "break", s.Continue: "continue", s.Discard: "discard"}


def _target(node: s.Expression) -> str:
    return _at_least(node, SIGNED)


def _block(node: s.Block, pad: str, head: str = "", last: list[str] | None = None) -> list[str]:
    """Return a block behind what stands in front of it on its first line."""
    lines = [f"{pad}{head}{_attributes(node.attributes)}{{"]
    for child in node.statements:
        lines += _lines(child, pad + _STEP)
    return [*lines, *(last or []), f"{pad}}}"]


def _if(node: s.If, pad: str) -> list[str]:
    lines = _block(
        node.then, pad, f"{_attributes(node.attributes)}if {expression(node.condition)} "
    )
    otherwise = node.otherwise
    while otherwise is not None:
        end = lines.pop()
        if isinstance(otherwise, s.If):
            more = _block(otherwise.then, pad, f"else if {expression(otherwise.condition)} ")
            otherwise = otherwise.otherwise
        else:
            more = _block(otherwise, pad, "else ")
            otherwise = None
        lines += [f"{end} {more[0].lstrip()}", *more[1:]]
    return lines


def _switch(node: s.Switch, pad: str) -> list[str]:
    head = f"{_attributes(node.attributes)}switch {expression(node.selector)} "
    lines = [f"{pad}{head}{{"]
    for case in node.cases:
        lone = len(case.selectors) == 1 and isinstance(case.selectors[0], s.DefaultSelector)
        label = "default: " if lone else f"case {_listed(case.selectors)}: "
        lines += _block(case.body, pad + _STEP, label)
    return [*lines, f"{pad}}}"]


def _for(node: s.For, pad: str) -> list[str]:
    initial = "" if node.initial is None else simple(node.initial)
    condition = "" if node.condition is None else f" {expression(node.condition)}"
    update = "" if node.update is None else f" {simple(node.update)}"
    head = f"{_attributes(node.attributes)}for ({initial};{condition};{update}) "
    return _block(node.body, pad, head)


def _while(node: s.While, pad: str) -> list[str]:
    head = f"{_attributes(node.attributes)}while {expression(node.condition)} "
    return _block(node.body, pad, head)


def _loop(node: s.Loop, pad: str) -> list[str]:
    last = [] if node.continuing is None else _block(node.continuing, pad + _STEP, "continuing ")
    return _block(node.body, pad, f"{_attributes(node.attributes)}loop ", last)


def _function(node: s.Function, pad: str) -> list[str]:
    parameters = ", ".join(_typed(x) for x in node.parameters)
    result = ""
    if node.result is not None:
        result = f"-> {_attributes(node.result_attributes)}{expression(node.result)} "
    lines = [f"{pad}{_attributes(node.attributes).rstrip()}"] if node.attributes else []
    return lines + _block(node.body, pad, f"fn {node.name}({parameters}) {result}")


def _typed(node: s.Parameter | s.StructMember) -> str:
    return f"{_attributes(node.attributes)}{node.name}: {expression(node.type)}"


def _struct(node: s.Struct, pad: str) -> list[str]:
    members = [f"{pad}{_STEP}{_typed(x)}," for x in node.members]
    return [f"{pad}struct {node.name} {{", *members, f"{pad}}}"]


def _alias(node: s.Alias, pad: str) -> list[str]:
    return [f"{pad}alias {node.name} = {expression(node.type)};"]


def _override(node: s.Override, pad: str) -> list[str]:
    return [f"{pad}{_attributes(node.attributes)}{_declared(node, 'override')};"]


def _variable(node: s.GlobalVar, pad: str) -> list[str]:
    brackets = ", ".join(x for x in (node.space, node.access) if x)
    word = f"var<{brackets}>" if brackets else "var"
    return [f"{pad}{_attributes(node.attributes)}{_declared(node, word)};"]


def _directive(node: Node, pad: str) -> list[str]:
    if isinstance(node, s.Diagnostic):
        return [f"{pad}diagnostic({node.severity}, {node.rule});"]
    assert isinstance(node, (s.Enable, s.Requires))
    return [f"{pad}{type(node).__name__.lower()} {', '.join(node.names)};"]


def _module(node: s.Module, pad: str) -> list[str]:
    lines: list[str] = []
    for directive in node.directives:
        lines += _lines(directive, pad)
    for declaration in node.declarations:
        if lines and isinstance(declaration, (s.Function, s.Struct)):
            lines.append("")
        lines += _lines(declaration, pad)
    return [*lines, ""] if lines else []


def _lines(node: Node, pad: str) -> list[str]:
    shape = _SHAPES.get(type(node))
    return shape(node, pad) if shape is not None else [f"{pad}{simple(node)};"]


_SHAPES: dict[type, Callable[[Any, str], list[str]]] = {
    s.Block: _block,
    s.If: _if,
    s.Switch: _switch,
    s.For: _for,
    s.While: _while,
    s.Loop: _loop,
    s.Function: _function,
    s.Struct: _struct,
    s.Alias: _alias,
    s.Override: _override,
    s.GlobalVar: _variable,
    s.Enable: _directive,
    s.Requires: _directive,
    s.Diagnostic: _directive,
    s.Module: _module,
}
