"""The syntax tree of WGSL: small records that never change. Knows neither types nor devices.

`nodes.py` says what all of them can do. Parentheses, comments and the way that numbers are written
are not part of a tree; `printed` puts parentheses where they are needed.

Types are written as expressions are: `array<vec3f, 4>` is an `Identifier` with two arguments.
"""

from __future__ import annotations

import math
from dataclasses import field, replace
from typing import Any, TypeAlias

from .nodes import Node, node


@node
class Expression(Node):
    """What has a value, or names a type."""


@node
class Statement(Node):
    """What stands in the body of a function."""


@node
class Declaration(Node):
    """What stands outside of functions and has a name, and const_assert."""


@node
class Attribute(Node):
    """`@group(0)`, `@compute`; `arguments` are expressions."""

    name: str
    arguments: tuple[Expression, ...] = ()


# Expressions


@node
class Literal(Expression):
    """`1`, `2u`, `1.5f`, `true`: a Python value of the literal's kind, and its suffix.

    The suffix is one of "", "i", "u", "f", "h". Values are not negative: see `number`. `written`
    is how a person wrote it, and does not count.
    """

    value: bool | int | float
    suffix: str = ""
    written: str = field(default="", repr=False, kw_only=True)

    def but(self, **changes: Any) -> Literal:
        """Return the literal with other values for some of its fields."""
        return replace(self, **{"written": "", **changes})


@node
class Identifier(Expression):
    """A name, with template arguments where it has some: `x`, `vec3<f32>`."""

    name: str
    arguments: tuple[Expression, ...] = ()


@node
class Unary(Expression):
    """`-x`, `!x`, `~x`, `&x`, `*x`."""

    op: str
    operand: Expression


@node
class Binary(Expression):
    """`left op right`, with any operator of two operands."""

    op: str
    left: Expression
    right: Expression


@node
class Call(Expression):
    """`callee(arguments)`: a function, a builtin, or a type."""

    callee: Identifier
    arguments: tuple[Expression, ...] = ()


@node
class Index(Expression):
    """`base[index]`."""

    base: Expression
    index: Expression


@node
class Member(Expression):
    """`base.name`: a member of a structure, or a swizzle."""

    base: Expression
    name: str


# Statements


@node
class Block(Statement):
    """`{ ... }`."""

    statements: tuple[Statement, ...] = ()
    attributes: tuple[Attribute, ...] = ()


@node
class Let(Statement):
    """`let name: type = value;`."""

    name: str
    type: Expression | None
    value: Expression


@node
class Const(Statement):
    """`const name: type = value;` in a function."""

    name: str
    type: Expression | None
    value: Expression


@node
class Var(Statement):
    """`var name: type = value;` in a function. `space` is "" or "function"."""

    name: str
    type: Expression | None = None
    value: Expression | None = None
    space: str = ""


@node
class Assign(Statement):
    """`target op value;`: op is "=", "+=", ... The target is None for `_ = value;`."""

    target: Expression | None
    op: str
    value: Expression


@node
class Increment(Statement):
    """`target++;`."""

    target: Expression


@node
class Decrement(Statement):
    """`target--;`."""

    target: Expression


@node
class If(Statement):
    """`if condition { ... } else ...`: `otherwise` is None, a block, or the next `if`."""

    condition: Expression
    then: Block
    otherwise: Block | If | None = None
    attributes: tuple[Attribute, ...] = ()


@node
class DefaultSelector(Node):
    """`default` among the selectors of a case."""


Selector: TypeAlias = "Expression | DefaultSelector"


@node
class Case(Node):
    """`case 1, 2: { ... }`, or `default: { ... }`, whose one selector is a DefaultSelector."""

    selectors: tuple[Selector, ...]
    body: Block


@node
class Switch(Statement):
    """`switch selector { cases }`."""

    selector: Expression
    cases: tuple[Case, ...]
    attributes: tuple[Attribute, ...] = ()


@node
class For(Statement):
    """`for (initial; condition; update) { ... }`; each of the three may be None."""

    initial: Statement | None
    condition: Expression | None
    update: Statement | None
    body: Block
    attributes: tuple[Attribute, ...] = ()


@node
class While(Statement):
    """`while condition { ... }`."""

    condition: Expression
    body: Block
    attributes: tuple[Attribute, ...] = ()


@node
class Loop(Statement):
    """`loop { ... continuing { ... } }`; `break if` is the last statement of `continuing`."""

    body: Block
    continuing: Block | None = None
    attributes: tuple[Attribute, ...] = ()


@node
class BreakIf(Statement):
    """`break if condition;`."""

    condition: Expression


@node
class Break(Statement):
    """`break;`."""


@node
class Continue(Statement):
    """`continue;`."""


@node
class Return(Statement):
    """`return value;`, or `return;` where the value is None."""

    value: Expression | None = None


@node
class Discard(Statement):
    """`discard;`."""


@node
class CallStatement(Statement):
    """A call whose value is not used."""

    call: Call


@node
class ConstAssert(Statement, Declaration):
    """`const_assert condition;`, in a function or outside."""

    condition: Expression


# What stands outside of functions


@node
class Parameter(Node):
    """A parameter of a function."""

    name: str
    type: Expression
    attributes: tuple[Attribute, ...] = ()


@node
class Function(Declaration):
    """`fn name(parameters) -> result { ... }`; `result` is None where it returns nothing."""

    name: str
    parameters: tuple[Parameter, ...]
    result: Expression | None
    body: Block
    attributes: tuple[Attribute, ...] = ()
    result_attributes: tuple[Attribute, ...] = ()


@node
class StructMember(Node):
    """A member of a structure."""

    name: str
    type: Expression
    attributes: tuple[Attribute, ...] = ()


@node
class Struct(Declaration):
    """`struct name { members }`."""

    name: str
    members: tuple[StructMember, ...]


@node
class Alias(Declaration):
    """`alias name = type;`."""

    name: str
    type: Expression


@node
class GlobalConst(Declaration):
    """`const name: type = value;` outside of functions."""

    name: str
    type: Expression | None
    value: Expression


@node
class Override(Declaration):
    """`override name: type = value;`."""

    name: str
    type: Expression | None = None
    value: Expression | None = None
    attributes: tuple[Attribute, ...] = ()


@node
class GlobalVar(Declaration):
    """`var<space, access> name: type = value;`; "" where space or access is not written."""

    name: str
    type: Expression | None = None
    value: Expression | None = None
    space: str = ""
    access: str = ""
    attributes: tuple[Attribute, ...] = ()


# Directives


@node
class Enable(Node):
    """`enable f16;`."""

    names: tuple[str, ...]


@node
class Requires(Node):
    """`requires readonly_and_readwrite_storage_textures;`."""

    names: tuple[str, ...]


@node
class Diagnostic(Node):
    """`diagnostic(off, derivative_uniformity);`."""

    severity: str
    rule: str


Directive: TypeAlias = "Enable | Requires | Diagnostic"


@node
class Module(Node):
    """A whole text."""

    directives: tuple[Directive, ...] = ()
    declarations: tuple[Declaration, ...] = ()

    @property
    def functions(self) -> dict[str, Function]:
        """The functions by name, in the order of the text."""
        return {x.name: x for x in self.declarations if isinstance(x, Function)}


def number(value: bool | int | float, suffix: str = "") -> Expression:
    """Return a number as an expression: one below 0 is the minus of a literal."""
    if isinstance(value, bool) or (value >= 0 and math.copysign(1.0, value) > 0):
        return Literal(value, suffix)
    return Unary("-", Literal(-value, suffix))


def call(name: str, *arguments: Expression) -> Call:
    """Return the call of a function by its name."""
    return Call(Identifier(name), arguments)
