"""Tokens to expressions: recursive descent by the grammar of WGSL.

Operators bind as the grammar has it, and where it asks for parentheses an error says so: `a & b`
with any other operator, `<<` next to `+`, `&&` next to `||`, `a < b < c`.
"""

from __future__ import annotations

from typing import NoReturn

from . import limits
from .cursor import Cursor
from .literals import read_number
from .syntax import Binary, Call, Expression, Identifier, Index, Literal, Member, Unary

LOGIC, RELATION, SHIFT, SUM, PRODUCT = 1, 2, 3, 4, 5
PRECEDENCE = {
    **dict.fromkeys(("&&", "||"), LOGIC),
    **dict.fromkeys(("<", ">", "<=", ">=", "==", "!="), RELATION),
    **dict.fromkeys(("<<", ">>"), SHIFT),
    **dict.fromkeys(("+", "-"), SUM),
    **dict.fromkeys(("*", "/", "%"), PRODUCT),
}
BITWISE = frozenset("&|^")
UNARY = frozenset("-!~&*")


class ExpressionParser(Cursor):
    """Reads expressions, and types, which are written as expressions are."""

    def whole_expression(self) -> Expression:
        """Return the next expression, one that is no part of another, within the limits."""
        first = self.at
        expression = self.expression()
        if self.at - first > limits.HEIGHT:
            height, terms = limits.height_and_terms(expression)
            if height > limits.HEIGHT or terms > limits.TERMS:
                raise self.error(
                    f"this expression is too large: {terms} terms, {height} operators deep, where "
                    f"{limits.TERMS} and {limits.HEIGHT} are allowed; name parts of it with let",
                    self.starts[first],
                )
        return expression

    def expression(self) -> Expression:
        """Return the next expression."""
        left = self.unary()
        op = self.kind
        if op in BITWISE:
            start = left.span.start
            while self.kind == op:
                self.step()
                right = self.unary()
                left = Binary(op, left, right, span=self.span(start))
            if self.kind in BITWISE or self.kind in PRECEDENCE:
                self._mixed(op)
        elif op in PRECEDENCE:
            left = self._operators(left, LOGIC)
            if self.kind in BITWISE:
                self._mixed(op)
        return left

    def _operators(self, left: Expression, least: int) -> Expression:
        """Return `left` and what follows with operators that bind at least so strongly."""
        start = left.span.start
        last = ""
        while True:
            op = self.kind
            level = PRECEDENCE.get(op, 0)
            if level < least:
                return left
            if last and not _may_follow(op, last):
                self._mixed(last)
            self.step()
            right = self.unary()
            following = PRECEDENCE.get(self.kind, 0)
            if following > level:
                if level == SHIFT:
                    self._mixed(op)
                right = self._operators(right, level + 1)
            left = Binary(op, left, right, span=self.span(start))
            last = op

    def _mixed(self, op: str) -> NoReturn:
        if op == self.kind:
            what = f"{op!r} cannot stand twice"
        else:
            what = f"{op!r} and {self.kind!r} cannot stand next to each other"
        raise self.error(f"{what} without parentheses", self.start)

    def unary(self) -> Expression:
        """Return the next operand with the signs in front of it."""
        if self.kind not in UNARY:
            return self.operand()
        before = self.depth
        signs = []
        while self.kind in UNARY:
            self.deeper()
            signs.append((self.kind, self.start))
            self.step()
        expression = self.operand()
        for op, start in reversed(signs):
            expression = Unary(op, expression, span=self.span(start))
        self.depth = before
        return expression

    def operand(self) -> Expression:
        """Return a name, number, call or `(...)`, with the members and indices behind it."""
        start = self.starts[self.at]
        kind = self.kind
        operand: Expression
        if kind == "identifier":
            name = self.identifier()
            operand = name
            if self.kind == "(":
                operand = Call(name, self.arguments("(", ")"), span=self.span(start))
        elif kind == "number":
            operand = self._number()
        elif kind == "(":
            self.step()
            self.deeper()
            operand = self.expression()
            self.depth -= 1
            self.expect(")")
        elif kind in ("true", "false"):
            self.step()
            operand = Literal(kind == "true", written=kind, span=self.span(start))
        else:
            if kind in ("--", "&&"):
                raise self.error(f"{kind!r} is an operator of its own: write {kind[0]}(...)", start)
            self.wrong("expected an expression")
        while True:
            if self.kind == ".":
                self.step()
                operand = Member(operand, self.name("a member"), span=self.span(start))
            elif self.kind == "[":
                self.step()
                self.deeper()
                index = self.expression()
                self.depth -= 1
                self.expect("]")
                operand = Index(operand, index, span=self.span(start))
            else:
                return operand

    def identifier(self) -> Identifier:
        """Return the next name with its template arguments."""
        start = self.starts[self.at]
        name = self.step()
        arguments: tuple[Expression, ...] = ()
        if self.kind == "<:":
            arguments = self.arguments("<:", ":>")
        return Identifier(name, arguments, span=self.span(start))

    def type(self) -> Identifier:
        """Return the next type."""
        if self.kind != "identifier":
            self.wrong("expected a type")
        return self.identifier()

    def arguments(self, opening: str, closing: str) -> tuple[Expression, ...]:
        """Return expressions between brackets, with commas between them and maybe at the end."""
        self.expect(opening)
        self.deeper()
        arguments = []
        while self.kind != closing:
            arguments.append(self.expression())
            if not self.accept(","):
                break
        self.depth -= 1
        if self.kind != closing:
            self.wrong(f"expected ',' or {closing.strip(':')!r}")
        self.step()
        if not arguments and opening == "<:":
            raise self.error("an empty list: '<>' names no type", self.last_end - 1)
        return tuple(arguments)

    def _number(self) -> Literal:
        start = self.start
        text = self.step()
        try:
            value, suffix = read_number(text)
        except ValueError as error:
            raise self.error(str(error), start) from None
        return Literal(value, suffix, written=text, span=self.span(start))


def _may_follow(op: str, last: str) -> bool:
    """Return whether `a last b op c` needs no parentheses, where `last` binds no weaker than op."""
    level = PRECEDENCE[op]
    if level == SHIFT:
        return False
    if PRECEDENCE[last] != level:
        return True
    return level in (SUM, PRODUCT) or (level == LOGIC and last == op)
