"""What names mean, and what is known of a checked text. `check.py` finds it out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from . import syntax as s
from .builtins import Builtin, Match
from .nodes import Node
from .types import Reference, Structure, Type

Kind: TypeAlias = Literal[
    "let", "const", "var", "parameter", "override", "function", "struct", "alias", "type", "builtin"
]
ALL_GLOBALS = frozenset(("const", "var", "override", "function", "struct", "alias"))


@dataclass(slots=True, eq=False)
class Symbol:
    """What a name means where it is used.

    `node` is what declares it; None for what WGSL has itself. `type` is the type of its value, of
    what a var holds, or the one that a type's name stands for. `is_global` says whether it was
    declared outside of functions. `constant` is the value of a const.
    """

    kind: Kind
    name: str
    type: Type | None = None
    node: Node | None = None
    is_global: bool = False
    constant: Any = None
    space: str = ""
    access: str = ""
    builtin: Builtin | None = None


@dataclass(slots=True, eq=False)
class FunctionInfo:
    """A function: what it takes and gives, and what it uses.

    `callees`, `builtins` and `globals` are names in the order of their first use, of this function
    alone. `discards` says whether it has a discard.
    """

    name: str
    node: s.Function
    parameters: tuple[Symbol, ...]
    result: Type | None
    callees: dict[str, s.Call] = field(default_factory=dict)
    builtins: dict[str, s.Call] = field(default_factory=dict)
    globals: dict[str, s.Identifier] = field(default_factory=dict)
    discards: s.Discard | None = None


@dataclass(slots=True, eq=False)
class EntryPoint:
    """A function that a pipeline starts with.

    `workgroup_size` has three numbers; None stands for one that an override decides, whose
    expression is in `workgroup_expressions`. It is empty for other stages than "compute".
    `bindings`, `globals` and `functions` are the names of all that it uses, through others too;
    `needs` are the extensions, such as "f16" and "subgroups", that it does not work without.
    """

    name: str
    stage: str
    workgroup_size: tuple[int | None, ...]
    workgroup_expressions: tuple[s.Expression, ...]
    functions: tuple[str, ...] = ()
    globals: tuple[str, ...] = ()
    bindings: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()


@dataclass(slots=True, eq=False)
class Binding:
    """A buffer: `space` is "storage" or "uniform", `access` "read" or "read_write"."""

    group: int
    binding: int
    name: str
    space: str
    access: str
    type: Type
    node: s.GlobalVar


@dataclass(slots=True, eq=False)
class OverrideInfo:
    """A constant of a pipeline. `default` is None where it has none, or one of other overrides."""

    name: str
    id: int | None
    type: Type
    default: Any
    node: s.Override

    @property
    def key(self) -> str:
        """What a pipeline calls it: its number where it has one, else its name."""
        return self.name if self.id is None else str(self.id)


class Typed:
    """A checked text. What is asked about is a node of `module`.

    Example:
        >>> typed = check(parse("fn f(x: f32) -> f32 { return x * 2; }"))
        >>> product = typed.functions["f"].node.body.statements[0].value
        >>> print(typed.type_of(product), typed.constant(product.right))
        f32 2.0
    """

    def __init__(self, module: s.Module):
        self.module = module
        self.types: dict[int, Type] = {}
        self.constants: dict[int, Any] = {}
        self.references: dict[int, Reference] = {}
        self.symbols: dict[int, Symbol] = {}
        self.matches: dict[int, Match] = {}
        self.globals: dict[str, Symbol] = {}
        self.functions: dict[str, FunctionInfo] = {}
        self.order: tuple[str, ...] = ()  # of functions, callees first
        self.entry_points: dict[str, EntryPoint] = {}
        self.bindings: list[Binding] = []
        self.overrides: dict[str, OverrideInfo] = {}
        self.structs: dict[str, Structure] = {}
        self.extensions: frozenset[str] = frozenset()

    def type_of(self, node: s.Expression) -> Type:
        """Return the type of an expression's value, or the type that it names.

        It is the type after the conversion that its surroundings ask for: in `x * 2` with a float
        x, 2 is an f32. Of the parts of a constant only the whole is converted: `1 / 3` there is 0,
        its type is f32, and 1 and 3 stay integers. Ask `constant` first.

        Raises: KeyError for a call that gives nothing, and for a node of another tree.
        """
        return self.types[id(node)]

    def has_value(self, node: s.Expression) -> bool:
        """Return whether an expression has a type: a call may give nothing."""
        return id(node) in self.types

    def is_constant(self, node: s.Expression) -> bool:
        """Return whether an expression's value is known from the text alone."""
        return id(node) in self.constants

    def constant(self, node: s.Expression) -> Any:
        """Return the value of a constant expression, None for any other.

        Scalars are Python's bool, int and float; vectors, matrices (by columns), arrays and
        structures are tuples.
        """
        return self.constants.get(id(node))

    def reference_of(self, node: s.Expression) -> Reference | None:
        """Return what an expression refers to, where it may be assigned to; None for values."""
        return self.references.get(id(node))

    def symbol_of(self, node: s.Expression | s.Statement | s.Parameter) -> Symbol:
        """Return what a name means, or what a declaration declares.

        The callee of a call is a name too: a function, a builtin, or a type (kinds "struct",
        "alias" and "type") whose `type` is what the call makes.
        """
        return self.symbols[id(node)]

    def match_of(self, call: s.Call) -> Match | None:
        """Return what a call of a builtin or a function takes and gives; None for types."""
        return self.matches.get(id(call))
