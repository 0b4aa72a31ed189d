"""Tokens to statements, by the grammar of WGSL."""

from __future__ import annotations

from collections.abc import Callable

from . import limits
from . import syntax as s
from .expressions import ExpressionParser
from .nodes import node
from .places import Source

ASSIGNMENTS = frozenset(("=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="))
_MARKED = ("{", "if", "switch", "for", "while", "loop")  # what may have attributes


class StatementParser(ExpressionParser):
    """Reads what stands in the bodies of functions."""

    def __init__(self, source: Source):
        super().__init__(source)
        self.loops = 0  # that are open
        self.inside_loop = -1  # the depth at which `continuing` may stand
        self.count = 0  # of statements

    def attributes(self) -> tuple[s.Attribute, ...]:
        """Return the attributes that stand here."""
        attributes: list[s.Attribute] = []
        while self.kind == "@":
            start = self.start
            self.step()
            if not self.text.isidentifier():
                self.wrong("expected the name of an attribute")
            name = self.step()
            arguments = self.arguments("(", ")") if self.kind == "(" else ()
            attributes.append(s.Attribute(name, arguments, span=self.span(start)))
        return tuple(attributes)

    def marks(self) -> tuple[s.Attribute, ...]:
        """Return the attributes of a statement."""
        attributes = self.attributes()
        for attribute in attributes:
            if attribute.name != "diagnostic":
                raise attribute.span.error("a statement takes no attribute but @diagnostic")
        return attributes

    def typed_name(self, of: str) -> tuple[str, s.Expression | None]:
        """Return a name, and the type behind it where there is one."""
        name = self.name(of)
        return name, self.type() if self.accept(":") else None

    def qualifiers(self) -> tuple[str, str]:
        """Return what stands between the brackets of `var<space, access>`."""
        if not self.accept("<:"):
            return "", ""
        space, access = self.name("an address space"), ""
        if self.accept(",") and self.kind != ":>":
            access = self.name("an access mode")
            self.accept(",")
        self.expect(":>", "the address space")
        return space, access

    def block(self, attributes: tuple[s.Attribute, ...] = ()) -> s.Block:
        """Return a block, with its brackets."""
        start = self.start
        if self.kind != "{":
            attributes = attributes or self.marks()
        if self.kind != "{":
            self.wrong("expected '{'")
        self.step()
        self.deeper()
        statements = self.statements()
        self.depth -= 1
        if self.kind != "}":
            raise self.error("this '{' is not closed: '}' is missing", start)
        self.step()
        return s.Block(statements, attributes, span=self.span(start))

    def statements(self) -> tuple[s.Statement, ...]:
        """Return the statements up to the end of a block."""
        statements = []
        while self.kind not in ("}", "end"):
            if not self.accept(";"):
                statements.append(self.statement())
        return tuple(statements)

    def statement(self) -> s.Statement:
        """Return the next statement."""
        self.one_more()
        attributes = self.marks() if self.kind == "@" else ()
        read = _STATEMENTS.get(self.kind)
        if attributes and self.kind not in _MARKED:
            raise attributes[0].span.error("this statement takes no attributes")
        if read is not None:
            return read(self, attributes)
        statement = self.simple_statement()
        if statement is None:
            self.wrong("expected a statement")
        self.expect(";", "this statement")
        return statement

    def one_more(self) -> None:
        """Count a statement. Raises: ShaderError for too many."""
        self.count += 1
        if self.count > limits.STATEMENTS:
            what = f"more than {limits.STATEMENTS} statements: compilers take minutes for these"
            raise self.error(what, self.start)

    def simple_statement(self) -> s.Statement | None:
        """Return a declaration, an assignment or a call, without its semicolon; or None."""
        start = self.start
        if self.kind in ("let", "const"):
            return self._constant()
        if self.kind == "var":
            self.step()
            space, access = self.qualifiers()
            if space not in ("", "function") or access:
                what = f"a variable of a function cannot be <{space}{', ' * bool(access)}{access}>"
                raise self.error(what, start)
            name, kind = self.typed_name("a variable")
            value = self.whole_expression() if self.accept("=") else None
            if kind is None and value is None:
                self.wrong(f"expected ':' and a type, or '=' and a value, after var {name}")
            return s.Var(name, kind, value, space, span=self.span(start))
        if self.kind == "_":
            self.step()
            self.expect("=", "_")
            value = self.whole_expression()
            return s.Assign(None, "=", value, span=self.span(start))
        if self.kind not in ("identifier", "(", "*", "&"):
            return None
        plain = self.kind == "identifier"
        target = self._target()
        if self.kind in ASSIGNMENTS:
            op = self.step()
            value = self.whole_expression()
            return s.Assign(target, op, value, span=self.span(start))
        if self.accept("++"):
            return s.Increment(target, span=self.span(start))
        if self.accept("--"):
            return s.Decrement(target, span=self.span(start))
        if isinstance(target, s.Call) and plain:
            return s.CallStatement(target, span=self.span(start))
        if self.kind == "identifier" and isinstance(target, s.Identifier):
            ways = f"let {self.text} = ...; or var {self.text}: {target.name};"
            raise self.error(f"a declaration is written {ways}", start)
        if self.kind == ":" and isinstance(target, s.Identifier):
            raise self.error(f"a declaration begins with let or var: let {target.name}: ...", start)
        self.wrong("expected '=', another assignment, '++' or '--', or a call")

    def _target(self) -> s.Expression:
        """Return what is assigned to, or a call, within the limits."""
        first = self.at
        target = self.unary()
        if self.at - first > limits.HEIGHT:
            self.at, self.kind = first, self.kinds[first]
            target = self.whole_expression()
        return target

    def _constant(self) -> s.Let | s.Const:
        start = self.start
        word = self.step()
        name, kind = self.typed_name("a constant" if word == "const" else "a value")
        if self.kind != "=":
            self.wrong(f"expected '=' and a value after {word} {name}")
        self.step()
        value = self.whole_expression()
        made = s.Let if word == "let" else s.Const
        return made(name, kind, value, span=self.span(start))

    def if_statement(self, attributes: tuple[s.Attribute, ...]) -> s.If:
        """Return an if with all that is else to it."""
        first = self.start
        parts = []
        otherwise: s.Block | s.If | None = None
        while True:
            start = self.start
            self.step()
            condition = self.whole_expression()
            parts.append((start, condition, self.block()))
            if len(parts) > limits.ELSE_IFS:
                raise self.error(
                    f"more than {limits.ELSE_IFS} 'else if' one after the other", first
                )
            if not self.accept("else"):
                break
            if self.kind != "if":
                otherwise = self.block()
                break
        for i, (start, condition, then) in reversed(list(enumerate(parts))):
            marks = attributes if i == 0 else ()
            otherwise = s.If(condition, then, otherwise, marks, span=self.span(start))
        assert isinstance(otherwise, s.If)
        return otherwise

    def switch(self, attributes: tuple[s.Attribute, ...]) -> s.Switch:
        """Return a switch with its cases."""
        start = self.start
        self.step()
        selector = self.whole_expression()
        attributes += self.marks()
        self.expect("{", "the selector of a switch")
        self.deeper()
        cases = []
        while self.kind != "}":
            cases.append(self._case())
        self.depth -= 1
        self.step()
        return s.Switch(selector, tuple(cases), attributes, span=self.span(start))

    def _case(self) -> s.Case:
        start = self.start
        self.one_more()
        selectors: list[s.Selector] = []
        if self.accept("default"):
            selectors.append(s.DefaultSelector(span=self.span(start)))
        elif self.accept("case"):
            while self.kind not in (":", "{", "@"):
                at = self.start
                if self.accept("default"):
                    selectors.append(s.DefaultSelector(span=self.span(at)))
                else:
                    selectors.append(self.whole_expression())
                if not self.accept(","):
                    break
            if not selectors:
                self.wrong("expected the value of a case")
        else:
            self.wrong("expected 'case', 'default' or '}'")
        self.accept(":")
        body = self.block()
        return s.Case(tuple(selectors), body, span=self.span(start))

    def _body(self) -> s.Block:
        """Return the block of a loop."""
        self.loops += 1
        if self.loops > limits.LOOPS:
            raise self.error(f"more than {limits.LOOPS} loops inside each other", self.start)
        body = self.block()
        self.loops -= 1
        return body

    def for_statement(self, attributes: tuple[s.Attribute, ...]) -> s.For:
        """Return a for loop."""
        start = self.start
        self.step()
        self.expect("(", "for")
        initial = None if self.kind == ";" else self._part("the start")
        self.expect(";", "the start of a for loop")
        condition = None if self.kind == ";" else self.whole_expression()
        self.expect(";", "the condition of a for loop")
        update = None if self.kind == ")" else self._part("the update")
        self.expect(")", "the update of a for loop")
        if isinstance(update, (s.Let, s.Const, s.Var)):
            raise update.span.error("the update of a for loop cannot declare anything")
        body = self._body()
        return s.For(initial, condition, update, body, attributes, span=self.span(start))

    def _part(self, name: str) -> s.Statement:
        statement = self.simple_statement()
        if statement is None:
            self.wrong(f"expected {name} of a for loop")
        return statement

    def while_statement(self, attributes: tuple[s.Attribute, ...]) -> s.While:
        """Return a while loop."""
        start = self.start
        self.step()
        condition = self.whole_expression()
        return s.While(condition, self._body(), attributes, span=self.span(start))

    def loop(self, attributes: tuple[s.Attribute, ...]) -> s.Loop:
        """Return a loop; `continuing` is the last statement of its text, and a part of its own."""
        start = self.start
        self.step()
        outside, self.inside_loop = self.inside_loop, self.depth + 1
        body = self._body()
        self.inside_loop = outside
        continuing = None
        if body.statements and isinstance(body.statements[-1], _Continuing):
            continuing = body.statements[-1].block
            body = body.but(statements=body.statements[:-1])
        return s.Loop(body, continuing, attributes, span=self.span(start))

    def continuing(self, attributes: tuple[s.Attribute, ...]) -> _Continuing:
        """Return the part of a loop that runs at the end of each turn."""
        start = self.start
        if self.depth != self.inside_loop:
            raise self.error("continuing stands outside of a loop", start)
        self.step()
        block = self.block()
        if self.kind != "}":
            raise self.error("continuing has to be the last part of a loop", start)
        return _Continuing(block, span=self.span(start))

    def break_statement(self, attributes: tuple[s.Attribute, ...]) -> s.Statement:
        """Return `break;` or `break if ...;`."""
        start = self.start
        self.step()
        if self.accept("if"):
            condition = self.whole_expression()
            self.expect(";", "break if")
            return s.BreakIf(condition, span=self.span(start))
        self.expect(";", "break")
        return s.Break(span=self.span(start))

    def continue_statement(self, attributes: tuple[s.Attribute, ...]) -> s.Continue:
        """Return `continue;`."""
        start = self.start
        self.step()
        self.expect(";", "continue")
        return s.Continue(span=self.span(start))

    def discard(self, attributes: tuple[s.Attribute, ...]) -> s.Discard:
        """Return `discard;`."""
        start = self.start
        self.step()
        self.expect(";", "discard")
        return s.Discard(span=self.span(start))

    def return_statement(self, attributes: tuple[s.Attribute, ...]) -> s.Return:
        """Return `return;` or `return value;`."""
        start = self.start
        self.step()
        value = None if self.kind == ";" else self.whole_expression()
        self.expect(";", "return")
        return s.Return(value, span=self.span(start))

    def assertion(self, attributes: tuple[s.Attribute, ...] = ()) -> s.ConstAssert:
        """Return a condition that has to hold when the text is compiled."""
        start = self.start
        self.step()
        condition = self.whole_expression()
        self.expect(";", "const_assert")
        return s.ConstAssert(condition, span=self.span(start))


@node
class _Continuing(s.Statement):
    """What `continuing` is until its loop has been read."""

    block: s.Block


_STATEMENTS: dict[str, Callable[[StatementParser, tuple[s.Attribute, ...]], s.Statement]] = {
    "{": StatementParser.block,
    "if": StatementParser.if_statement,
    "switch": StatementParser.switch,
    "for": StatementParser.for_statement,
    "while": StatementParser.while_statement,
    "loop": StatementParser.loop,
    "continuing": StatementParser.continuing,
    "break": StatementParser.break_statement,
    "continue": StatementParser.continue_statement,
    "discard": StatementParser.discard,
    "return": StatementParser.return_statement,
    "const_assert": StatementParser.assertion,
}
