"""Expressions to types and constants, by the rules of WGSL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import operators, values
from . import syntax as s
from .builtins import TABLE, TEXTURES, Match
from .constructors import Constructors
from .scopes import CONST, OVERRIDE, RUNTIME, ExpressionInfo, SharedNodeError
from .symbols import Symbol
from .typenames import is_type_name
from .types import (
    ABSTRACT,
    F16,
    INTEGERS,
    SWIZZLES,
    Array,
    Atomic,
    Matrix,
    Pointer,
    Reference,
    Scalar,
    Structure,
    Type,
    Vector,
    concrete,
    is_constructible,
    rank,
    scalar_of,
    swizzle,
)


class Expressions(Constructors):
    """Checks expressions, and notes the type of each."""

    def note(self, node: s.Expression, info: ExpressionInfo) -> ExpressionInfo:
        """Keep the type of an expression, and the value of a constant."""
        kind = info.type
        if isinstance(kind, Reference):
            self.typed.references[id(node)] = kind
            kind = kind.store
        self.typed.types[id(node)] = kind
        if info.stage == CONST:
            self.typed.constants[id(node)] = info.constant
        return info

    def expression(self, node: s.Expression) -> ExpressionInfo:
        """Return what an expression gives; a reference where it is a variable or a part of one."""
        if id(node) in self.typed.types:
            raise SharedNodeError
        info = _KINDS[type(node)](self, node)
        if info is None:
            assert isinstance(node, s.Call)
            raise node.span.error(f"{node.callee.name} gives nothing that could be used here")
        return self.note(node, info)

    def value(self, node: s.Expression) -> ExpressionInfo:
        """Return what an expression gives, read where it refers to memory."""
        info = self.expression(node)
        kind = info.type
        if not isinstance(kind, Reference):
            return info
        if kind.access == "write":
            raise node.span.error("this can be written, and not read")
        if isinstance(kind.store, Atomic):
            raise node.span.error("an atomic is read by atomicLoad(&x)")
        if not is_constructible(kind.store):
            raise node.span.error(f"{kind.store} cannot be read as a whole: use its elements")
        return ExpressionInfo(kind.store)

    def concrete_value(self, node: s.Expression) -> ExpressionInfo:
        """Return what an expression gives, as a type that is not abstract."""
        value = self.value(node)
        return self.convert(node, value, concrete(value.type))

    def convert(self, node: s.Expression, value: ExpressionInfo, target: Type) -> ExpressionInfo:
        """Return what an expression gives after an automatic conversion, which is noted."""
        if value.type == target:
            return value
        if rank(value.type, target) is None:
            raise node.span.error(f"expected {target}, not {value.type}")
        constant = None
        if value.stage == CONST:
            with self.at(node):
                constant = values.converted(value.constant, value.type, target)
        return self.note(node, ExpressionInfo(target, value.stage, constant))

    def constant(self, node: s.Expression, what: str) -> ExpressionInfo:
        """Return the value of an expression that has to be known when the text is compiled."""
        value = self.value(node)
        self.need_stage(value, CONST, node, what)
        return value

    def integer(self, node: s.Expression, what: str) -> int:
        """Return the value of a constant that has to be an integer."""
        value = self.constant(node, what)
        if value.type not in INTEGERS:
            raise node.span.error(f"{what} is an integer, not {value.type}")
        return self.convert(node, value, concrete(value.type)).constant

    # One method for each kind of expression.

    def literal(self, node: s.Literal) -> ExpressionInfo:
        """Check a number or a truth value."""
        with self.at(node):
            kind, value = values.literal(node.value, node.suffix)
        if kind == F16:
            self.need_f16(kind, node)
        return ExpressionInfo(kind, CONST, value)

    def identifier(self, node: s.Identifier) -> ExpressionInfo:
        """Check a name."""
        symbol = self.find(node.name)
        if symbol is None:
            if is_type_name(node.name) or node.name in TABLE:
                what = "type" if is_type_name(node.name) else "function"
                raise node.span.error(f"{node.name!r} is a {what}, and no value")
            raise self.unknown(node, "name")
        self.typed.symbols[id(node)] = symbol
        if node.arguments:
            raise node.span.error(f"{node.name!r} takes no template arguments")
        if symbol.kind in ("function", "struct", "alias"):
            raise node.span.error(f"{node.name!r} is a {symbol.kind}, and no value")
        if symbol.is_global and self.function is not None:
            self.function.globals.setdefault(node.name, node)
        kind = symbol.type
        assert kind is not None
        if symbol.kind == "var":
            return ExpressionInfo(Reference(symbol.space, kind, symbol.access))
        if symbol.kind == "const":
            return ExpressionInfo(kind, CONST, symbol.constant)
        if symbol.kind == "override":
            return ExpressionInfo(kind, CONST if self.values_given else OVERRIDE, symbol.constant)
        return ExpressionInfo(kind)

    def unary(self, node: s.Unary) -> ExpressionInfo:
        """Check a sign, `&x` or `*p`."""
        if node.op == "&":
            return self._address(node)
        if node.op == "*":
            operand = self.value(node.operand)
            if not isinstance(operand.type, Pointer):
                raise node.span.error(f"*x takes a pointer, not {operand.type}")
            return ExpressionInfo(
                Reference(operand.type.space, operand.type.store, operand.type.access)
            )
        operand = self.value(node.operand)
        kind = operators.unary(node.op, operand.type)
        if isinstance(kind, str):
            raise node.span.error(kind)
        if operand.stage > CONST:
            return ExpressionInfo(kind, operand.stage)
        with self.at(node):
            return ExpressionInfo(kind, CONST, values.unary(node.op, operand.constant, kind))

    def _address(self, node: s.Unary) -> ExpressionInfo:
        operand = node.operand
        kind = self.expression(operand).type
        if not isinstance(kind, Reference):
            raise node.span.error("&x takes a variable, or a part of one")
        if isinstance(operand, (s.Member, s.Index)):
            base = self.typed.types[id(operand.base)]
            if isinstance(base, Pointer):
                base = base.store
            if isinstance(base, Vector):
                raise node.span.error("there is no pointer to one component of a vector")
        return ExpressionInfo(Pointer(kind.space, kind.store, kind.access))

    def binary(self, node: s.Binary) -> ExpressionInfo:
        """Check an operator of two operands, and the long sums that lie to its left."""
        chain = [node]
        while isinstance(chain[-1].left, s.Binary):
            chain.append(chain[-1].left)
        left = self.value(chain[-1].left)
        for inner in reversed(chain):
            if id(inner) in self.typed.types:
                raise SharedNodeError
            left = self._operation(inner, left)
            if inner is not node:
                self.note(inner, left)
        return left

    def _operation(self, node: s.Binary, left: ExpressionInfo) -> ExpressionInfo:
        op = node.op
        right = self.value(node.right)
        if (left.stage > CONST or right.stage > CONST) and op in operators.SHIFTS:
            left = self.convert(node.left, left, concrete(left.type))
        operation = operators.binary(op, left.type, right.type)
        if isinstance(operation, str):
            raise node.span.error(operation)
        left = self.convert(node.left, left, operation.left)
        right = self.convert(node.right, right, operation.right)
        stage = max(left.stage, right.stage)
        if stage == CONST:
            with self.at(node):
                constant = values.binary(
                    op,
                    left.constant,
                    operation.left,
                    right.constant,
                    operation.right,
                    operation.result,
                )
            return ExpressionInfo(operation.result, CONST, constant)
        if right.stage == CONST:
            self._refuse_constant_operand(node, left.type, right)
        return ExpressionInfo(operation.result, stage)

    def _refuse_constant_operand(self, node: s.Binary, left: Type, right: ExpressionInfo) -> None:
        """Raise for a division by the constant 0, and a shift by more bits than there are."""
        parts = right.constant if isinstance(right.constant, tuple) else (right.constant,)
        if node.op in ("/", "%") and scalar_of(right.type) in INTEGERS and 0 in parts:
            raise node.right.span.error("division by the constant 0")
        if node.op in operators.SHIFTS and any(x >= 32 for x in parts):
            raise node.right.span.error(f"a shift by {max(parts)} bits, of {left}, which has 32")

    def index(self, node: s.Index) -> ExpressionInfo:
        """Check `base[index]`."""
        base = self._base(node.base)
        at = self.value(node.index)
        kind = base.type.store if isinstance(base.type, Reference) else base.type
        if not isinstance(kind, (Vector, Matrix, Array)):
            raise node.span.error(f"{kind} has no elements")
        if at.type not in INTEGERS:
            raise node.index.span.error(f"an index is i32 or u32, not {at.type}")
        at = self.convert(node.index, at, concrete(at.type))
        count = _count(kind)
        if at.stage == CONST:
            if at.constant < 0 or (isinstance(count, int) and at.constant >= count):
                has = f", which has {count} elements" if isinstance(count, int) else ""
                raise node.index.span.error(f"the index {at.constant} is outside of {kind}{has}")
        elif not isinstance(base.type, Reference):
            base = self.convert(node.base, base, concrete(kind))
            kind = base.type
        element = _element(kind)
        if isinstance(base.type, Reference):
            return ExpressionInfo(Reference(base.type.space, element, base.type.access))
        stage = max(base.stage, at.stage)
        return ExpressionInfo(
            element, stage, base.constant[at.constant] if stage == CONST else None
        )

    def _base(self, node: s.Expression) -> ExpressionInfo:
        """Return what is indexed, or has the member: a pointer stands for what it points to."""
        base = self.expression(node)
        kind = base.type
        if isinstance(kind, Reference) and isinstance(kind.store, Pointer):
            kind = kind.store
        if isinstance(kind, Pointer):
            return ExpressionInfo(Reference(kind.space, kind.store, kind.access))
        return base

    def member(self, node: s.Member) -> ExpressionInfo:
        """Check `base.name`."""
        base = self._base(node.base)
        reference = base.type if isinstance(base.type, Reference) else None
        kind = reference.store if reference else base.type
        if isinstance(kind, Structure):
            for i, field in enumerate(kind.fields):
                if field.name == node.name:
                    if reference:
                        return ExpressionInfo(
                            Reference(reference.space, field.type, reference.access)
                        )
                    part = base.constant[i] if base.stage == CONST else None
                    return ExpressionInfo(field.type, base.stage, part)
            names = ", ".join(x.name for x in kind.fields if not kind.name.startswith("__"))
            has = f"; it has {names}" if names else ""
            raise node.span.error(f"{kind} has no member {node.name!r}{has}")
        if not isinstance(kind, Vector):
            raise node.span.error(f"{kind} has no member {node.name!r}")
        places = swizzle(node.name, kind.size)
        if places is None:
            letters = " or ".join(repr(x[: kind.size]) for x in SWIZZLES)
            raise node.span.error(f"{kind} has no {node.name!r}: up to four of {letters}")
        if len(places) == 1:
            if reference:
                return ExpressionInfo(Reference(reference.space, kind.element, reference.access))
            part = base.constant[places[0]] if base.stage == CONST else None
            return ExpressionInfo(kind.element, base.stage, part)
        if reference and reference.access == "write":
            raise node.span.error("this can be written, and not read")
        parts = tuple(base.constant[i] for i in places) if base.stage == CONST else None
        return ExpressionInfo(Vector(len(places), kind.element), base.stage, parts)

    def call(self, node: s.Call) -> ExpressionInfo | None:
        """Check a call; None is what a function gives that returns nothing."""
        callee = node.callee
        name = callee.name
        symbol = self.find(name)
        if symbol is not None:
            if symbol.kind == "function":
                self.typed.symbols[id(callee)] = symbol
                return self._call_function(node, symbol)
            if symbol.kind not in ("struct", "alias"):
                raise callee.span.error(f"{name!r} is a {symbol.kind}, and no function")
            return self.construct(node)
        row = TABLE.get(name)
        if row is not None:
            self.typed.symbols[id(callee)] = Symbol("builtin", name, builtin=row)
            return self._call_builtin(node)
        if is_type_name(name):
            self.typed.symbols[id(callee)] = symbol = Symbol("type", name)
            made = self.construct(node)
            symbol.type = made.type
            return made
        if name in TEXTURES:
            raise callee.span.error(
                f"{name}: textures are not supported; read from a var<storage, read> instead"
            )
        raise self.unknown(callee, "function")

    def _call_builtin(self, node: s.Call) -> ExpressionInfo | None:
        callee = node.callee
        row = TABLE[callee.name]
        templates = tuple(self.type(x) for x in callee.arguments)
        arguments = [self.value(x) for x in node.arguments]
        kinds = tuple(x.type for x in arguments)
        stage = max((x.stage for x in arguments), default=CONST)
        if row.constant is None:
            stage = RUNTIME
        for place in row.fixed:
            if place < len(arguments):
                what = f"argument {place + 1} of {row.name}"
                self.need_stage(arguments[place], CONST, node.arguments[place], what)
        match = row.match(templates, kinds, stage > CONST)
        if isinstance(match, str):
            raise node.span.error(match)
        both = zip(node.arguments, arguments, match.parameters, strict=True)
        made = [self.convert(x, y, kind) for x, y, kind in both]
        self.typed.matches[id(node)] = match
        if self.function is not None:
            self.function.builtins.setdefault(row.name, node)
        elif stage == RUNTIME:
            raise node.span.error(f"{row.name} can only be called inside of a function")
        if match.result is None or stage > CONST:
            return None if match.result is None else ExpressionInfo(match.result, stage)
        assert row.constant is not None
        with self.at(node):
            given = tuple(x.constant for x in made)
            return ExpressionInfo(
                match.result, CONST, row.constant(given, match.parameters, match.result)
            )

    def _call_function(self, node: s.Call, symbol: Symbol) -> ExpressionInfo | None:
        name = symbol.name
        declared = symbol.node
        assert isinstance(declared, s.Function)
        if self.function is None:
            raise node.span.error(f"{name} can only be called inside of a function")
        if node.callee.arguments:
            raise node.span.error(f"{name!r} takes no template arguments")
        if any(x.name in ("compute", "vertex", "fragment") for x in declared.attributes):
            raise node.span.error(f"{name} is an entry point, which cannot be called")
        info = self.typed.functions[name]
        self.function.callees.setdefault(name, node)
        if len(info.parameters) != len(node.arguments):
            count = len(info.parameters)
            values_ = f"{count} value{'s' * (count != 1)}"
            raise node.span.error(f"{name} takes {values_}, not {len(node.arguments)}")
        kinds = []
        for x, parameter in zip(node.arguments, info.parameters, strict=True):
            argument = self.value(x)
            assert parameter.type is not None
            if rank(argument.type, parameter.type) is None:
                what = f"{name}: {parameter.name} is {parameter.type}, not {argument.type}"
                raise x.span.error(what + _how(argument.type, parameter.type))
            if isinstance(argument.type, Pointer) and self._leads_to_part(x):
                raise x.span.error(
                    f"{name}: {parameter.name} has to point to a whole variable, not to a part of "
                    "one: copy the part into a variable, and back after the call"
                )
            self.convert(x, argument, parameter.type)
            kinds.append(parameter.type)
        self.typed.matches[id(node)] = Match(tuple(kinds), info.result)
        return None if info.result is None else ExpressionInfo(info.result)

    def _leads_to_part(self, node: s.Expression) -> bool:
        """Whether a pointer is one to an element or a member of something.

        A function may not be given such a one without an extension of the language. naga lets it
        pass, and then ends the process ("Expression is not cached").
        """
        while True:
            if isinstance(node, s.Identifier):
                let = self.typed.symbols[id(node)].node
                if not isinstance(let, s.Let):
                    return False
                node = let.value
            elif isinstance(node, s.Unary) and node.op == "&":
                node = node.operand
                if isinstance(node, (s.Member, s.Index)):
                    return True
                if not isinstance(node, s.Unary):
                    return False
            elif isinstance(node, s.Unary):  # *p
                node = node.operand
            else:
                return False


def _count(kind: Type) -> Any:
    if isinstance(kind, Vector):
        return kind.size
    return kind.columns if isinstance(kind, Matrix) else getattr(kind, "count", None)


def _element(kind: Type) -> Type:
    if isinstance(kind, Matrix):
        return kind.column
    assert isinstance(kind, (Vector, Array))
    return kind.element


def _how(source: Type, target: Type) -> str:
    """Say how a value could be converted."""
    if isinstance(source, Scalar) and isinstance(target, Scalar) and source not in ABSTRACT:
        return f": write {target}(...)"
    if isinstance(target, Pointer) and not isinstance(source, Pointer) and target.store == source:
        return ": write &x"
    return ""


_KINDS: dict[type, Callable[[Expressions, Any], ExpressionInfo | None]] = {
    s.Literal: Expressions.literal,
    s.Identifier: Expressions.identifier,
    s.Unary: Expressions.unary,
    s.Binary: Expressions.binary,
    s.Index: Expressions.index,
    s.Member: Expressions.member,
    s.Call: Expressions.call,
}
