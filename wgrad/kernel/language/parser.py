"""Text to the syntax tree: `parse(text)`. Knows the grammar of WGSL, and no types.

What the grammar does not allow is a ShaderError with its place, and so is what is too large or too
deep for compilers (`limits.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from . import syntax as s
from .places import Source, Span
from .statements import StatementParser

T = TypeVar("T")


def parse(text: str | Source, name: str = "<text>") -> s.Module:
    """Return the syntax tree of a text. `name` is what errors call it, usually a file's name.

    Example:
        >>> parse("fn twice(x: f32) -> f32 { return 2 * x; }").functions["twice"].parameters[0].name
        'x'

    Raises: ShaderError for text that is not WGSL, with the place.
    """
    source = text if isinstance(text, Source) else Source(text, name)
    return _guarded(source, lambda parser: parser.module())


def parse_expression(text: str | Source, name: str = "<expression>") -> s.Expression:
    """Return the tree of a text that is one expression, or one type. Raises: as `parse`."""
    source = text if isinstance(text, Source) else Source(text, name)
    return _guarded(source, lambda parser: parser.only(parser.whole_expression))


def parse_statements(text: str | Source, name: str = "<statements>") -> tuple[s.Statement, ...]:
    """Return the trees of a text that is statements, as in the body of a function.

    Raises: as `parse`.
    """
    source = text if isinstance(text, Source) else Source(text, name)
    return _guarded(source, lambda parser: parser.only(parser.statements))


def _guarded(source: Source, read: Callable[[ModuleParser], T]) -> T:
    parser = None
    try:
        parser = ModuleParser(source)
        return read(parser)
    except RecursionError:  # the caller is deep in Python's stack already
        at = parser.start if parser is not None else 0
        raise source.error("this is nested too deep for what Python's stack has left", at) from None


class ModuleParser(StatementParser):
    """Reads what stands outside of functions."""

    def only(self, read: Callable[[], T]) -> T:
        """Return what `read` finds, which has to be all that there is."""
        tree = read()
        if self.kind != "end":
            self.wrong("expected the end of the text")
        return tree

    def module(self) -> s.Module:
        """Return the whole text."""
        directives = []
        while self.kind in _DIRECTIVES:
            directives.append(_DIRECTIVES[self.kind](self))
        declarations: list[s.Declaration] = []
        while self.kind != "end":
            if not self.accept(";"):
                self.one_more()
                declarations.append(self.declaration())
        return s.Module(
            tuple(directives), tuple(declarations), span=Span(self.source, 0, self.start)
        )

    def declaration(self) -> s.Declaration:
        """Return the next declaration."""
        start = self.start
        attributes = self.attributes()
        read = _DECLARATIONS.get(self.kind)
        if read is None:
            if self.kind in _DIRECTIVES:
                raise self.error(f"'{self.text} ...' has to stand before all declarations", start)
            if self.kind == "let":
                raise self.error("let stands inside of functions; write const here", self.start)
            if self.kind == "identifier" and self.kinds[self.at + 1] == "identifier":
                what = "a function is written fn name(x: f32) -> f32 { ... }"
                raise self.error(f"this is no WGSL: {what}", start)
            self.wrong("expected a declaration (fn, struct, var, const, alias, override)")
        if attributes and self.kind not in ("fn", "var", "override"):
            raise self.error(f"{self.text} takes no attributes", start)
        return read(self, attributes, start)

    def function(self, attributes: tuple[s.Attribute, ...], start: int) -> s.Function:
        """Return a function, from the word fn on."""
        self.step()
        name = self.name("a function")
        self.expect("(", f"fn {name}")
        parameters = []
        while self.kind != ")":
            at = self.start
            marks = self.attributes()
            parameter = self.name("a parameter")
            self.expect(":", f"the parameter {parameter}")
            kind = self.type()
            parameters.append(s.Parameter(parameter, kind, marks, span=self.span(at)))
            if not self.accept(","):
                break
        self.expect(")", "the parameters")
        result, marks = None, ()
        if self.accept("->"):
            marks = self.attributes()
            result = self.type()
        body = self.block()
        return s.Function(
            name, tuple(parameters), result, body, attributes, marks, span=self.span(start)
        )

    def struct(self, attributes: tuple[s.Attribute, ...], start: int) -> s.Struct:
        """Return a structure."""
        self.step()
        name = self.name("a structure")
        self.expect("{", f"struct {name}")
        members = []
        while self.kind != "}":
            at = self.start
            marks = self.attributes()
            member = self.name("a member")
            self.expect(":", f"the member {member}")
            kind = self.type()
            members.append(s.StructMember(member, kind, marks, span=self.span(at)))
            if not self.accept(","):
                break
        if self.kind != "}":
            self.wrong("expected ',' or '}'")
        self.step()
        return s.Struct(name, tuple(members), span=self.span(start))

    def alias(self, attributes: tuple[s.Attribute, ...], start: int) -> s.Alias:
        """Return an alias."""
        self.step()
        name = self.name("an alias")
        self.expect("=", f"alias {name}")
        kind = self.type()
        self.expect(";", "the alias")
        return s.Alias(name, kind, span=self.span(start))

    def constant(self, attributes: tuple[s.Attribute, ...], start: int) -> s.GlobalConst:
        """Return a constant."""
        self.step()
        name, kind = self.typed_name("a constant")
        self.expect("=", f"const {name}")
        value = self.whole_expression()
        self.expect(";", "the constant")
        return s.GlobalConst(name, kind, value, span=self.span(start))

    def override(self, attributes: tuple[s.Attribute, ...], start: int) -> s.Override:
        """Return a constant that is set when a pipeline is made."""
        self.step()
        name, kind = self.typed_name("an override")
        value = self.whole_expression() if self.accept("=") else None
        if kind is None and value is None:
            self.wrong(f"expected ':' and a type, or '=' and a value, after override {name}")
        self.expect(";", "the override")
        return s.Override(name, kind, value, attributes, span=self.span(start))

    def variable(self, attributes: tuple[s.Attribute, ...], start: int) -> s.GlobalVar:
        """Return a variable of the module."""
        self.step()
        space, access = self.qualifiers()
        name, kind = self.typed_name("a variable")
        value = self.whole_expression() if self.accept("=") else None
        if kind is None and value is None:
            self.wrong(f"expected ':' and a type after var {name}")
        self.expect(";", "the variable")
        return s.GlobalVar(name, kind, value, space, access, attributes, span=self.span(start))

    def global_assertion(self, attributes: tuple[s.Attribute, ...], start: int) -> s.ConstAssert:
        """Return a condition that has to hold."""
        return self.assertion()

    # Directives

    def names(self, of: str) -> tuple[str, ...]:
        """Return names with commas between them, and pass the semicolon."""
        names = [self.name(of)]
        while self.accept(","):
            if self.kind == ";":
                break
            names.append(self.name(of))
        self.expect(";", "the directive")
        return tuple(names)

    def enable(self) -> s.Enable:
        """Return `enable ...;`."""
        start = self.start
        self.step()
        return s.Enable(self.names("an extension"), span=self.span(start))

    def requires(self) -> s.Requires:
        """Return `requires ...;`."""
        start = self.start
        self.step()
        return s.Requires(self.names("a feature"), span=self.span(start))

    def diagnostic(self) -> s.Diagnostic:
        """Return `diagnostic(severity, rule);`."""
        start = self.start
        self.step()
        self.expect("(", "diagnostic")
        severity = self.name("a severity")
        self.expect(",", "the severity")
        rule = self.name("a rule")
        if self.accept("."):
            rule += "." + self.name("a rule")
        self.accept(",")
        self.expect(")", "the rule")
        self.expect(";", "the directive")
        return s.Diagnostic(severity, rule, span=self.span(start))


_DIRECTIVES: dict[str, Callable[[ModuleParser], s.Directive]] = {
    "enable": ModuleParser.enable,
    "requires": ModuleParser.requires,
    "diagnostic": ModuleParser.diagnostic,
}
_DECLARATIONS: dict[str, Callable[[ModuleParser, tuple[s.Attribute, ...], int], s.Declaration]] = {
    "fn": ModuleParser.function,
    "struct": ModuleParser.struct,
    "alias": ModuleParser.alias,
    "const": ModuleParser.constant,
    "override": ModuleParser.override,
    "var": ModuleParser.variable,
    "const_assert": ModuleParser.global_assertion,
}
