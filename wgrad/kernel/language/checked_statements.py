"""Statements: names, types, and what may stand where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import limits, operators
from . import syntax as s
from .checked_expressions import Expressions
from .layouts import size_of
from .scopes import ExpressionInfo
from .symbols import Symbol
from .types import (
    BOOL,
    I32,
    INTEGERS,
    SWIZZLES,
    U32,
    Atomic,
    Pointer,
    Reference,
    Scalar,
    Type,
    Vector,
    common,
    concrete,
    is_constructible,
    is_sized,
    rank,
    swizzle,
)

# What a statement stands in, from the function inwards: "loop", "switch", "continuing".
_ADVICE = {
    "let": "declare it with var to assign to it",
    "const": "it is a constant",
    "parameter": "copy it into a var: var y = x;",
    "override": "it is a constant of the pipeline",
}


class Statements(Expressions):
    """Checks the bodies of functions."""

    def __init__(self, module: s.Module):
        super().__init__(module)
        self.inside: list[str] = []
        self.local_bytes = 0

    def block(self, node: s.Block) -> None:
        """Check a block, whose names end with it."""
        self.scopes.append({})
        self.statements(node.statements)
        self.scopes.pop()

    def statements(self, nodes: tuple[s.Statement, ...]) -> None:
        """Check statements in the scope that is there."""
        for node in nodes:
            _KINDS[type(node)](self, node)

    def let(self, node: s.Let) -> None:
        """Check `let`."""
        initial = self._initial(node.value, node.type)
        if not isinstance(initial.type, Pointer) and not is_constructible(initial.type):
            raise node.span.error(f"{node.name}: a let cannot hold {initial.type}")
        self.declare(Symbol("let", node.name, initial.type, node))

    def _initial(self, value: s.Expression, wanted: s.Expression | None) -> ExpressionInfo:
        """Return what a declaration begins with, as the type that it names."""
        kind = None if wanted is None else self.type(wanted)
        initial = self.value(value)
        if kind is not None and rank(initial.type, kind) is None:
            raise value.span.error(
                f"expected {kind}, not {initial.type}{_cast(initial.type, kind)}"
            )
        return self.convert(value, initial, concrete(initial.type) if kind is None else kind)

    def const(self, node: s.Const) -> None:
        """Check `const`, which keeps a type that is abstract."""
        self.declare(self.constant_symbol(node))

    def constant_symbol(self, node: s.Const | s.GlobalConst) -> Symbol:
        """Return the symbol of a constant."""
        kind = None if node.type is None else self.type(node.type)
        value = self.constant(node.value, f"the value of const {node.name}")
        if kind is not None:
            value = self.convert(node.value, value, kind)
        if not is_constructible(value.type):
            raise node.span.error(f"{node.name}: a const cannot hold {value.type}")
        is_global = isinstance(node, s.GlobalConst)
        return Symbol("const", node.name, value.type, node, is_global, value.constant)

    def var(self, node: s.Var) -> None:
        """Check `var` of a function."""
        if node.value is not None:
            kind = self._initial(node.value, node.type).type
        else:
            assert node.type is not None
            kind = self.type(node.type)
        if not is_constructible(kind):
            what = "its size is not known" if not is_sized(kind) else "it is no value"
            raise node.span.error(f"{node.name}: a var of a function cannot hold {kind}: {what}")
        self.local_bytes += size_of(kind)
        if self.local_bytes > limits.FUNCTION_BYTES:
            raise node.span.error(
                f"the variables of this function take {self.local_bytes} bytes, and WGSL promises "
                f"{limits.FUNCTION_BYTES}: use workgroup memory or a buffer"
            )
        self.declare(Symbol("var", node.name, kind, node, space="function", access="read_write"))

    def target(self, node: s.Expression) -> Reference:
        """Return what is assigned to. Raises: ShaderError where it cannot be."""
        kind = self.expression(node).type
        if isinstance(kind, Reference):
            if kind.access == "read":
                what = "a uniform" if kind.space == "uniform" else "a buffer that is only read"
                raise node.span.error(f"this belongs to {what}, and cannot be assigned to")
            return kind
        base = node
        while isinstance(base, (s.Member, s.Index)):
            if isinstance(base, s.Member) and isinstance(kind, Vector) and base is node:
                inner = self.typed.references.get(id(base.base))
                if inner is not None and swizzle(base.name, 4) and len(base.name) > 1:
                    letters = next(x for x in SWIZZLES if base.name[0] in x)
                    raise node.span.error(
                        f"several components cannot be assigned at once: assign .{letters[0]}, "
                        f".{letters[1]}, ... one by one"
                    )
            base = base.base
        if isinstance(base, s.Identifier):
            symbol = self.typed.symbols.get(id(base))
            if symbol is not None and isinstance(symbol.type, Pointer):
                raise node.span.error(f"{base.name} is a pointer: assign to *{base.name}")
            if symbol is not None and symbol.kind in _ADVICE:
                what = f"{base.name} is a {symbol.kind}, and cannot be assigned to"
                raise node.span.error(f"{what}: {_ADVICE[symbol.kind]}")
        raise node.span.error("this is a value, and cannot be assigned to")

    def assign(self, node: s.Assign) -> None:
        """Check an assignment."""
        if node.target is None:
            self.concrete_value(node.value)
            return
        target = self.target(node.target)
        store = target.store
        if isinstance(store, Atomic):
            raise node.target.span.error("an atomic is written by atomicStore(&x, value)")
        if not is_constructible(store):
            raise node.target.span.error(f"{store} cannot be assigned as a whole")
        value = self.value(node.value)
        if node.op == "=":
            if rank(value.type, store) is None:
                what = f"expected {store}, not {value.type}{_cast(value.type, store)}"
                raise node.value.span.error(what)
            self.convert(node.value, value, store)
            return
        if target.access == "write":
            raise node.target.span.error("this can be written, and not read")
        op = node.op[:-1]
        done = operators.binary(op, store, value.type)
        if isinstance(done, str):
            raise node.span.error(done)
        if done.left != store or done.result != store:
            raise node.span.error(f"{store} {op} {value.type} gives {done.result}, not {store}")
        right = self.convert(node.value, value, done.right)
        if right.stage == 0:
            made = s.Binary(op, node.target, node.value)
            self._refuse_constant_operand(made, store, right)

    def step(self, node: s.Increment | s.Decrement) -> None:
        """Check `x++` and `x--`."""
        target = self.target(node.target)
        if target.store not in (I32, U32):
            what = f"++ and -- are for i32 and u32, not {target.store}: write += 1"
            raise node.target.span.error(what)

    def condition(self, node: s.Expression) -> None:
        """Check a condition."""
        value = self.value(node)
        if value.type != BOOL:
            advice = f": write != {'0' if value.type in INTEGERS else '0.0'}"
            plain = isinstance(value.type, Scalar)
            what = f"a condition is a bool, not {value.type}{advice if plain else ''}"
            raise node.span.error(what)

    def if_statement(self, node: s.If) -> None:
        """Check an if, and all that is else to it."""
        part: s.Statement | None = node
        while isinstance(part, s.If):
            self.condition(part.condition)
            self.block(part.then)
            part = part.otherwise
        if isinstance(part, s.Block):
            self.block(part)

    def switch(self, node: s.Switch) -> None:
        """Check a switch: its selectors are constants, each once, and there is one default."""
        selector = self.value(node.selector)
        selectors = [x for case in node.cases for x in case.selectors]
        if len(selectors) > limits.CASES:
            raise node.span.error(f"a switch has {limits.CASES} selectors at most")
        made = [
            (x, self.constant(x, "the selector of a case"))
            for x in selectors
            if isinstance(x, s.Expression)
        ]
        kinds = [selector.type, *(x.type for _, x in made)]
        scalars = [x for x in kinds if isinstance(x, Scalar)]
        kind = common(scalars, (I32, U32)) if len(scalars) == len(kinds) else None
        if kind is None:
            names = ", ".join(dict.fromkeys(map(str, kinds)))
            what = f"a switch selects by i32 or u32, the same for all its cases, not by {names}"
            raise node.selector.span.error(what)
        self.convert(node.selector, selector, kind)
        seen: dict[Any, s.Expression] = {}
        for x, value in made:
            constant = self.convert(x, value, kind).constant
            if constant in seen:
                raise x.span.error(f"there are two cases for {constant}")
            seen[constant] = x
        defaults = [x for x in selectors if isinstance(x, s.DefaultSelector)]
        if not defaults:
            raise node.span.error("a switch needs a default: add default: {}")
        if len(defaults) > 1:
            raise defaults[1].span.error("a switch has one default")
        self.inside.append("switch")
        for case in node.cases:
            self.block(case.body)
        self.inside.pop()

    def for_statement(self, node: s.For) -> None:
        """Check a for loop, whose names end with it."""
        self.scopes.append({})
        if node.initial is not None:
            self.statements((node.initial,))
        if node.condition is not None:
            self.condition(node.condition)
        if node.update is not None:
            self.statements((node.update,))
        self._body(node.body)
        self.scopes.pop()

    def _body(self, node: s.Block) -> None:
        self.inside.append("loop")
        self.block(node)
        self.inside.pop()

    def while_statement(self, node: s.While) -> None:
        """Check a while loop."""
        self.condition(node.condition)
        self._body(node.body)

    def loop(self, node: s.Loop) -> None:
        """Check a loop, whose continuing part knows the names of its body."""
        self.inside.append("loop")
        self.scopes.append({})
        self.statements(node.body.statements)
        if node.continuing is not None:
            self.inside.append("continuing")
            self.scopes.append({})
            *most, last = node.continuing.statements or (s.Block(),)
            self.statements(tuple(most))
            if isinstance(last, s.BreakIf):
                self.condition(last.condition)
            else:
                self.statements((last,))
            self.scopes.pop()
            self.inside.pop()
        self.scopes.pop()
        self.inside.pop()

    def break_if(self, node: s.BreakIf) -> None:
        """Refuse `break if` where it does not end a continuing part."""
        raise node.span.error("break if has to be the last statement of continuing")

    def break_statement(self, node: s.Break) -> None:
        """Check break."""
        if not self.inside or self.inside[-1] == "continuing":
            where = "in continuing: use break if" if self.inside else "outside of a loop or switch"
            raise node.span.error(f"break stands {where}")

    def continue_statement(self, node: s.Continue) -> None:
        """Check continue."""
        around = [x for x in self.inside if x != "switch"]
        if not around:
            raise node.span.error("continue stands outside of a loop")
        if around[-1] == "continuing":
            raise node.span.error("continue stands in continuing")

    def return_statement(self, node: s.Return) -> None:
        """Check return against the function's result."""
        assert self.function is not None
        result, name = self.function.result, self.function.name
        if "continuing" in self.inside:
            raise node.span.error("return stands in continuing")
        if node.value is None:
            if result is not None:
                raise node.span.error(f"{name} has to return {result}")
            return
        if result is None:
            raise node.value.span.error(
                f"{name} returns nothing: write -> and a type behind its parameters"
            )
        value = self.value(node.value)
        if rank(value.type, result) is None:
            what = f"{name} returns {result}, not {value.type}{_cast(value.type, result)}"
            raise node.value.span.error(what)
        self.convert(node.value, value, result)

    def discard(self, node: s.Discard) -> None:
        """Note a discard; `check.py` looks at who calls it."""
        assert self.function is not None
        self.function.discards = self.function.discards or node

    def call_statement(self, node: s.CallStatement) -> None:
        """Check a call whose value is not used."""
        call = node.call
        result = self.call(call)
        if result is not None:
            self.note(call, result)
        symbol = self.typed.symbols.get(id(call.callee))
        if symbol is not None and symbol.kind == "builtin":
            assert symbol.builtin is not None
            if not symbol.builtin.effect:
                raise node.span.error(f"the value of {symbol.name} is not used: write _ = ...")
        elif symbol is None or symbol.kind != "function":
            raise node.span.error("the value that is made here is not used: write _ = ...")
        else:
            assert isinstance(symbol.node, s.Function)
            if any(x.name == "must_use" for x in symbol.node.attributes):
                raise node.span.error(f"the value of {symbol.name} has to be used")

    def assertion(self, node: s.ConstAssert) -> None:
        """Check const_assert."""
        condition = self.constant(node.condition, "what const_assert asks for")
        if condition.type != BOOL:
            raise node.condition.span.error(f"const_assert asks for a bool, not {condition.type}")
        if not condition.constant:
            raise node.span.error("this does not hold")


def _cast(source: Type, target: Type) -> str:
    """Say how a value could be converted."""
    if isinstance(source, Scalar) and isinstance(target, Scalar):
        return f": write {target}(...)"
    return ""


_KINDS: dict[type, Callable[[Statements, Any], None]] = {
    s.Block: Statements.block,
    s.Let: Statements.let,
    s.Const: Statements.const,
    s.Var: Statements.var,
    s.Assign: Statements.assign,
    s.Increment: Statements.step,
    s.Decrement: Statements.step,
    s.If: Statements.if_statement,
    s.Switch: Statements.switch,
    s.For: Statements.for_statement,
    s.While: Statements.while_statement,
    s.Loop: Statements.loop,
    s.BreakIf: Statements.break_if,
    s.Break: Statements.break_statement,
    s.Continue: Statements.continue_statement,
    s.Return: Statements.return_statement,
    s.Discard: Statements.discard,
    s.CallStatement: Statements.call_statement,
    s.ConstAssert: Statements.assertion,
}
