"""Statements, compiled to functions of a frame and a mask, which return who goes on behind them.

Where a condition is the same for all lanes, only what it selects is run, and without a mask.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..language import syntax as s
from ..language.symbols import FunctionInfo
from ..language.types import Pointer
from .assignments import Assignments, Code
from .frames import Eval, Frame, Run
from .gathering import gathered, is_worth_it, scattered
from .masks import DEAD, Mask, join, left_of, merged, narrow, without

Exits = frozenset[str]  # how a statement may be left: "break", "continue", "return"
_NONE: Exits = frozenset()


class Statements(Assignments):
    """Compiles the bodies of functions."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[tuple[str, int]] = []  # what break and continue belong to
        self.jumps = 0
        self.gathers = False
        self.code = Code("")

    def compiled(self, info: FunctionInfo) -> Code:
        """Return a function compiled, whose callees are compiled before."""
        kept = self.slots, self.targets, self.jumps
        self.slots, self.targets, self.jumps = {}, [], 0
        self.gathers = self._keeps_to_itself(info)
        code = Code(info.name)
        code.parameters = tuple(self.slot(x) for x in info.parameters)
        code.body = self.block(info.node.body)
        code.slots, code.jumps = len(self.slots), self.jumps
        self.slots, self.targets, self.jumps = kept
        return code

    def _keeps_to_itself(self, info: FunctionInfo) -> bool:
        """Return whether all that a function reads and writes is in its own frame, so that its
        lanes may be put together anew: it has no pointers, and no variables of the module."""
        held = [x.type for x in info.parameters]
        held += [self.typed.symbol_of(x).type for x in info.node.walk() if isinstance(x, s.Let)]
        if any(isinstance(x, Pointer) for x in held):
            return False
        pending, seen = [info.name], {info.name}
        while pending:
            callee = self.typed.functions[pending.pop()]
            if any(self.typed.globals[x].kind == "var" for x in callee.globals):
                return False
            pending += [x for x in callee.callees if x not in seen]
            seen.update(callee.callees)
        return True

    def statement(self, node: s.Statement) -> Run:
        """Return what runs a statement."""
        return _KINDS[type(node)](self, node)

    def block(self, node: s.Block) -> Run:
        """Compile statements that stand in a row."""
        nodes = [x for x in node.statements if not isinstance(x, (s.Const, s.ConstAssert))]
        parts = tuple((self.statement(x), not exits_of(x)) for x in nodes)
        if all(simple for _, simple in parts):
            runs = tuple(run for run, _ in parts)

            def straight(f: Frame, m: Mask) -> Mask:
                for run in runs:
                    run(f, m)
                return m

            return straight

        def guarded(f: Frame, m: Mask) -> Mask:
            for run, simple in parts:
                if simple:
                    run(f, m)
                else:
                    m = run(f, m)
                    if m is DEAD:
                        return DEAD
            return m

        return guarded

    # Control

    def if_statement(self, node: s.If) -> Run:
        """Compile an if, with all that is else to it."""
        condition = self.compile(node.condition)
        then = self.block(node.then)
        other = node.otherwise
        otherwise = None if other is None else self.statement(other)
        simple = not exits_of(node)

        def branch(f: Frame, m: Mask) -> Mask:
            c = condition(f, m)
            if c.ndim == 0:
                if c:
                    return then(f, m)
                return m if otherwise is None else otherwise(f, m)
            here = narrow(m, c)
            if here is m:
                return then(f, m)
            there = without(m, c)
            if there is DEAD:
                here = then(f, here)
                return m if simple else here
            if here is not DEAD:
                here = then(f, here)
            if otherwise is not None:
                there = otherwise(f, there)
            return m if simple else join(here, there)

        return branch

    def switch(self, node: s.Switch) -> Run:
        """Compile a switch."""
        selector = self.compile(node.selector)
        self.jumps += 1
        at = self.jumps - 1
        self.targets.append(("switch", at))
        cases: list[tuple[list[Any], Run]] = []
        default: Run = lambda f, m: m  # noqa: E731
        table: dict[int, Run] = {}
        for case in node.cases:
            body = self.block(case.body)
            expressions = [x for x in case.selectors if isinstance(x, s.Expression)]
            values = [self.constant(x) for x in expressions]
            table.update({int(x): body for x in values})
            if len(expressions) < len(case.selectors):
                default = body  # whose own selectors need no comparison
            else:
                cases.append((values, body))
        self.targets.pop()
        simple = not exits_of(node)

        def run(f: Frame, m: Mask) -> Mask:
            x = selector(f, m)
            f.jumps[at] = DEAD
            if x.ndim == 0:
                left = table.get(int(x), default)(f, m)
            else:
                left, rest = DEAD, m
                for values, body in cases:
                    hit = x == values[0]
                    for value in values[1:]:
                        hit = hit | (x == value)
                    here = narrow(rest, hit)
                    if here is not DEAD:
                        rest = without(rest, hit)
                        left = join(left, body(f, here))
                        if rest is DEAD:
                            break
                if rest is not DEAD:
                    left = join(left, default(f, rest))
            return m if simple else join(left, f.jumps[at])

        return run

    def for_statement(self, node: s.For) -> Run:
        """Compile a for loop."""
        initial = None if node.initial is None else self.statement(node.initial)
        condition = None if node.condition is None else self.compile(node.condition)
        loop = self._loop(node, node.body, condition, node.update, None)
        if initial is None:
            return loop

        def start_and_loop(f: Frame, m: Mask) -> Mask:
            initial(f, m)
            return loop(f, m)

        return start_and_loop

    def while_statement(self, node: s.While) -> Run:
        """Compile a while loop."""
        return self._loop(node, node.body, self.compile(node.condition), None, None)

    def loop(self, node: s.Loop) -> Run:
        """Compile a loop."""
        update, until = node.continuing, None
        if update is not None and update.statements:
            last = update.statements[-1]
            if isinstance(last, s.BreakIf):
                until = last.condition
                update = update.but(statements=update.statements[:-1])
        return self._loop(node, node.body, None, update, until)

    def _loop(
        self,
        node: s.Statement,
        body: s.Block,
        condition: Eval | None,
        update: s.Statement | None,
        until: s.Expression | None,
    ) -> Run:
        self.jumps += 1
        at = self.jumps - 1
        self.targets.append(("loop", at))
        run = self.block(body)
        self.targets.pop()
        following = None if update is None else self.statement(update)
        ends = None if until is None else self.compile(until)
        returns = "return" in exits_of(body)
        simple = not exits_of(body)

        gathers = self.gathers

        def spin(f: Frame, live: Mask, rounds: int) -> None:
            limit = f.shared.limit
            while True:
                if gathers and is_worth_it(live, rounds, f):
                    few, lanes = gathered(f, live)
                    before = list(few.cells)
                    spin(few, None, rounds)
                    scattered(f, few, before, lanes)
                    return
                if condition is not None:
                    live = narrow(live, condition(f, live))
                    if live is DEAD:
                        return
                if simple:
                    run(f, live)
                else:
                    f.jumps[at] = DEAD
                    live = join(run(f, live), f.jumps[at])
                    if live is DEAD:
                        return
                if following is not None:
                    following(f, live)
                if ends is not None:
                    live = without(live, ends(f, live))
                    if live is DEAD:
                        return
                rounds += 1
                if rounds > limit:
                    raise node.span.error(
                        f"this loop ran {limit} times and did not end: it needs a condition that "
                        "becomes false"
                    )

        def loop(f: Frame, m: Mask) -> Mask:
            spin(f, m, 0)
            return left_of(m, f.done) if returns else m

        return loop

    def jump(self, node: s.Break | s.Continue) -> Run:
        """Compile break and continue."""
        if isinstance(node, s.Break):
            kind, at = self.targets[-1]
            if kind == "loop":
                return lambda f, m: DEAD
        else:
            at = next(at for kind, at in reversed(self.targets) if kind == "loop")

        def leave(f: Frame, m: Mask) -> Mask:
            f.jumps[at] = join(f.jumps[at], m)
            return DEAD

        return leave

    def return_statement(self, node: s.Return) -> Run:
        """Compile return."""
        value = None if node.value is None else self.compile(node.value)

        def leave(f: Frame, m: Mask) -> Mask:
            if value is not None:
                new = value(f, m)
                f.result = new if f.result is None else merged(m, new, f.result)
            f.done = join(f.done, m)
            return DEAD

        return leave

    def discard(self, node: s.Discard) -> Run:
        """Refuse discard, which belongs to fragment shaders."""
        raise node.span.error("discard works in fragment shaders alone, and this is none")


def exits_of(node: Any) -> Exits:
    """Return how a statement may be left but at its end."""
    if isinstance(node, s.Return):
        return frozenset(("return",))
    if isinstance(node, s.Break):
        return frozenset(("break",))
    if isinstance(node, s.Continue):
        return frozenset(("continue",))
    if isinstance(node, s.Block):
        return frozenset().union(*map(exits_of, node.statements))
    if isinstance(node, s.If):
        exits: Exits = _NONE
        part: Any = node
        while isinstance(part, s.If):
            exits |= exits_of(part.then)
            part = part.otherwise
        return exits | exits_of(part)
    if isinstance(node, s.Switch):
        return frozenset().union(*(exits_of(x.body) for x in node.cases)) - {"break"}
    if isinstance(node, (s.For, s.While, s.Loop)):
        return exits_of(node.body) & {"return"}
    return _NONE


_KINDS: dict[type, Callable[[Statements, Any], Run]] = {
    s.Block: Statements.block,
    s.Let: Statements.let,
    s.Var: Statements.var,
    s.Assign: Statements.assign,
    s.Increment: Statements.increment,
    s.Decrement: Statements.increment,
    s.If: Statements.if_statement,
    s.Switch: Statements.switch,
    s.For: Statements.for_statement,
    s.While: Statements.while_statement,
    s.Loop: Statements.loop,
    s.Break: Statements.jump,
    s.Continue: Statements.jump,
    s.Return: Statements.return_statement,
    s.CallStatement: Statements.call_statement,
    s.Discard: Statements.discard,
}
