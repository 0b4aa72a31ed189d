"""Statements of a text with their tangents: the control flow stays as it is.

A function is read until no variable turns out late to have a tangent: mostly once or twice.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from ..language import syntax as s
from ..language.nodes import Node
from ..language.types import Pointer
from .expressions import Expressions
from .maker import Dual
from .reading import Binding, Source
from .terms import has_float, tangent_type, type_node, zero


class Body(Expressions):
    """Reads the body of one function, given which of its parameters have tangents.

    `whole` says that the function returns its value and the tangent; else only the tangent.
    """

    def __init__(self, source: Source, function: s.Function, pattern: Iterable[int], whole: bool):
        super().__init__(source)
        self.function = function
        self.active.update(pattern)
        self.whole = whole
        self.returns_tangent = False
        self.returned_plain = False
        self.variables: set[str] = set()  # names of tangents that change

    def read(self) -> tuple[s.Statement, ...]:
        """Return the statements of the derived function. `parameters` and the rest are set."""
        while True:
            self.missed = self.returned_plain = False
            self.names.restart()
            self.scopes = [{}]
            self.parameters, self.tangents = self._parameters()
            statements = self.block(self.function.body).statements
            if not self.missed and not (self.returns_tangent and self.returned_plain):
                return statements

    def _parameters(self) -> tuple[list[s.Parameter], list[s.Parameter]]:
        given = self.function.parameters
        values = [s.Parameter(self.names.fresh(x.name), x.type) for x in given]
        changes = []
        for i, (parameter, value) in enumerate(zip(given, values, strict=True)):
            kind = self.names.typed.symbol_of(parameter).type
            node = None
            if i in self.active:
                node = s.Identifier(self.names.fresh(f"{value.name}_d"))
                changes.append(s.Parameter(node.name, parameter.type))
            root = i if isinstance(kind, Pointer) else None
            self.scopes[-1][parameter.name] = Binding(value.name, node, root)
        return values, changes

    @property
    def pattern(self) -> frozenset[int]:
        """The parameters that have tangents."""
        return frozenset(x for x in self.active if isinstance(x, int))

    # Blocks

    def block(self, node: s.Block, first: Iterable[s.Statement] = ()) -> s.Block:
        """Return a block, with statements in front."""
        outer, self.out = self.out, list(first)
        self.scopes.append({})
        for statement in node.statements:
            self.statement(statement)
        self.scopes.pop()
        inner, self.out = self.out, outer
        return s.Block(tuple(inner), node.attributes)

    def statement(self, node: s.Statement) -> None:
        """Write a statement."""
        self.here = node
        self.careful = bool(self.names.impure) and self._calls_impure(node)
        _WRITERS[type(node)](self, node)

    def _calls_impure(self, node: s.Statement) -> bool:
        """Return whether the expressions of a statement call what may write."""
        return any(self._impure(x) for x in node.children() if not isinstance(x, s.Statement))

    def _impure(self, node: Node | None) -> bool:
        return node is not None and any(
            isinstance(x, s.Call) and x.callee.name in self.names.impure for x in node.walk()
        )

    def bind(
        self,
        name: str,
        tangent: s.Expression | None = None,
        root: Hashable = None,
    ) -> str:
        """Give a name of the text its name in the derived function."""
        derived_name = self.names.fresh(name)
        self.scopes[-1][name] = Binding(derived_name, tangent, root)
        return derived_name

    # Declarations

    def write_let(self, node: s.Let) -> None:
        """Write `let`, of a value or a pointer."""
        if self.points(node.value):
            value, change, root = self.pointer(node.value)
            tangent = None
            if change is not None:
                tangent = self.names.fresh(f"{node.name}_d")
            name = self.bind(
                node.name,
                None if tangent is None else s.Identifier(tangent),
                None if root is None else root.root,
            )
            self.out.append(s.Let(name, None, value))
            if tangent is not None and change is not None:
                self.out.append(s.Let(tangent, None, change))
            return
        x = self.dual(node.value)
        change = None
        if x.tangent is not None:
            change = x.tangent.node
            if not isinstance(change, s.Identifier) or self._is_variable(change):
                change_name = self.names.fresh(f"{node.name}_d")
                self.out.append(s.Let(change_name, None, change))
                change = s.Identifier(change_name)
        typed = None if node.type is None else self.plain(node.type)
        name = self.bind(node.name, change)
        self.out.append(s.Let(name, typed, x.value.node, span=node.span))

    def _is_variable(self, node: s.Identifier) -> bool:
        return node.name in self.variables

    def write_const(self, node: s.Const) -> None:
        """Write `const`, which has no tangent."""
        value = self.plain(node.value)
        typed = None if node.type is None else self.plain(node.type)
        name = self.bind(node.name)
        self.out.append(s.Const(name, typed, value, span=node.span))

    def write_var(self, node: s.Var) -> None:
        """Write `var`, and the variable of its tangent."""
        root = ("var", id(node))
        value = tangent = None
        if node.value is not None:
            x = self.dual(node.value)
            value, tangent = x.value.node, x.tangent
            if tangent is not None:
                self.active.add(root)
        typed = None if node.type is None else self.plain(node.type)
        kind = self.names.typed.symbol_of(node).type
        assert kind is not None
        variable = None
        if root in self.active and has_float(kind):
            name = self.names.fresh(f"{node.name}_d")
            change = tangent_type(kind)
            start = (tangent or zero(change)).node
            self.out.append(s.Var(name, type_node(change), start))
            self.variables.add(name)
            variable = s.Identifier(name)
        name = self.bind(node.name, variable, root)
        self.out.append(s.Var(name, typed, value, node.space, span=node.span))

    # What changes variables

    def write_assign(self, node: s.Assign) -> None:
        """Write an assignment: of the tangent first, which may need the old value."""
        if node.target is None:
            self.out.append(node.but(value=self.dual(node.value).value.node))
            return
        kind = self.type(node.target)
        target, change, root = self.place(node.target)
        there: Dual | None = None
        if node.op != "=" and (self.careful or has_float(kind)):
            there = self.load(node.target, target, change, kind)  # before the value is computed
        if not has_float(kind):
            value = self.plain(node.value)
            if there is not None:
                value = s.Binary(node.op[:-1], there.value.node, value)
            op = node.op if there is None else "="
            self.out.append(node.but(target=target, op=op, value=value))
            return
        x = self.dual(node.value)
        op = node.op
        if there is not None and (self.careful or (there.tangent or x.tangent) is not None):
            x, op = self.binary(op[:-1], there, x, kind), "="
        tangent = x.tangent
        if tangent is not None and change is None:
            self.written(node, root)
        if change is not None:
            start = (tangent or zero(tangent_type(kind))).node
            if start != change:
                self.out.append(s.Assign(change, "=", start))
        self.out.append(s.Assign(target, op, x.value.node, span=node.span))

    def write_step(self, node: Any) -> None:
        """Write `x++` or `x--`, of integers."""
        self.out.append(node.but(target=self.place(node.target)[0]))

    def write_call(self, node: s.CallStatement) -> None:
        """Write a call whose value is not used."""
        name = node.call.callee.name
        if name in self.names.functions:
            call = self.call_of(node.call).value.node
        else:
            call = self.plain(node.call)
        if isinstance(call, s.Call):
            self.out.append(s.CallStatement(call, span=node.span))

    def write_same(self, node: Any) -> None:
        """Write what has no values."""
        self.out.append(node)

    def write_assertion(self, node: s.ConstAssert) -> None:
        """Write `const_assert`."""
        self.out.append(node.but(condition=self.plain(node.condition)))

    def write_return(self, node: s.Return) -> None:
        """Write `return`, of the value with its tangent."""
        if node.value is None:
            self.out.append(node)
            return
        x = self.dual(node.value)
        kind = self.names.typed.functions[self.function.name].result
        assert kind is not None
        if x.tangent is not None:
            self.returns_tangent = True
        if not self.whole:
            self.out.append(s.Return((x.tangent or zero(kind)).node))
        elif self.returns_tangent:
            tangent = x.tangent or zero(kind)
            made = s.call(self.names.pair(kind), x.value.node, tangent.node)
            self.out.append(s.Return(made))
        else:
            self.returned_plain = True
            self.out.append(s.Return(x.value.node))

    # Control flow

    def write_block(self, node: s.Block) -> None:
        """Write a block."""
        self.out.append(self.block(node))

    def write_if(self, node: s.If) -> None:
        """Write `if`. What a later condition needs stands in the block of its else."""
        condition = self.plain(node.condition)
        then = self.block(node.then)
        otherwise: s.Block | s.If | None = None
        if isinstance(node.otherwise, s.Block):
            otherwise = self.block(node.otherwise)
        elif node.otherwise is not None:
            inner = self.block(s.Block((node.otherwise,)))
            only = inner.statements[0]
            single = len(inner.statements) == 1 and isinstance(only, s.If)
            otherwise = only if single else inner  # type: ignore[assignment]
        self.out.append(s.If(condition, then, otherwise, node.attributes, span=node.span))

    def write_switch(self, node: s.Switch) -> None:
        """Write `switch`."""
        selector = self.plain(node.selector)
        cases = []
        for case in node.cases:
            selectors = tuple(
                x if isinstance(x, s.DefaultSelector) else self.plain(x) for x in case.selectors
            )
            cases.append(s.Case(selectors, self.block(case.body)))
        self.out.append(s.Switch(selector, tuple(cases), node.attributes, span=node.span))

    def _apart(self, write: Any, node: Any) -> tuple[Any, list[s.Statement]]:
        """Return what `write(node)` returns, and the statements that it writes."""
        outer, self.out = self.out, []
        self.careful = bool(self.names.impure) and self._impure(node)
        written = write(node)
        inner, self.out = self.out, outer
        return written, inner

    def write_while(self, node: s.While) -> None:
        """Write `while`, as `loop` where its condition needs statements."""
        condition, first = self._apart(self.plain, node.condition)
        if first:
            self.out.append(self._loop(node, condition, first, None))
        else:
            self.out.append(
                s.While(condition, self.block(node.body), node.attributes, span=node.span)
            )

    def write_for(self, node: s.For) -> None:
        """Write `for`, as `loop` where its parts need several statements."""
        self.scopes.append({})
        start: list[s.Statement] = []
        if node.initial is not None:
            _, start = self._apart(self.statement, node.initial)
        condition, first = None, list[s.Statement]()
        if node.condition is not None:
            condition, first = self._apart(self.plain, node.condition)
        update: list[s.Statement] = []
        if node.update is not None:
            _, update = self._apart(self.statement, node.update)
        if first or len(update) > 1 or not all(isinstance(x, _STEPS) for x in update):
            loop: s.Statement = self._loop(node, condition, first, s.Block(tuple(update)))
            self.out.append(s.Block((*start, loop)))
        else:
            body = self.block(node.body)
            initial = start[0] if len(start) == 1 else None
            step = update[0] if update else None
            loop = s.For(initial, condition, step, body, node.attributes, span=node.span)
            self.out.append(s.Block((*start, loop)) if len(start) > 1 else loop)
        self.scopes.pop()

    def _loop(
        self, node: Any, condition: s.Expression | None, first: list, continuing: s.Block | None
    ) -> s.Loop:
        """Return a loop that runs `first` and asks the condition in front of each round."""
        if condition is not None:
            leave = s.If(_not(condition), s.Block((s.Break(),)))
            first = [*first, leave]
        return s.Loop(self.block(node.body, first), continuing, node.attributes, span=node.span)

    def write_loop(self, node: s.Loop) -> None:
        """Write `loop`; what its body declares is known in `continuing`."""
        outer, self.out = self.out, []
        self.scopes.append({})
        for statement in node.body.statements:
            self.statement(statement)
        continuing = None if node.continuing is None else self.block(node.continuing)
        self.scopes.pop()
        inner, self.out = self.out, outer
        body = s.Block(tuple(inner), node.body.attributes)
        self.out.append(s.Loop(body, continuing, node.attributes, span=node.span))

    def write_break_if(self, node: s.BreakIf) -> None:
        """Write `break if`."""
        self.out.append(s.BreakIf(self.plain(node.condition), span=node.span))


_STEPS = (s.Assign, s.Increment, s.Decrement, s.CallStatement)


def _not(condition: s.Expression) -> s.Expression:
    if isinstance(condition, s.Unary) and condition.op == "!":
        return condition.operand
    return s.Unary("!", condition)


_WRITERS: dict[type, Any] = {
    s.Let: Body.write_let,
    s.Const: Body.write_const,
    s.Var: Body.write_var,
    s.Assign: Body.write_assign,
    s.Increment: Body.write_step,
    s.Decrement: Body.write_step,
    s.CallStatement: Body.write_call,
    s.ConstAssert: Body.write_assertion,
    s.Return: Body.write_return,
    s.Break: Body.write_same,
    s.Continue: Body.write_same,
    s.Discard: Body.write_same,
    s.Block: Body.write_block,
    s.If: Body.write_if,
    s.Switch: Body.write_switch,
    s.For: Body.write_for,
    s.While: Body.write_while,
    s.Loop: Body.write_loop,
    s.BreakIf: Body.write_break_if,
}
