"""Counters in loops whose end depends on data, so that one which never ends is told of.

A loop is left once all those of a call, or of an invocation of a kernel, have run so many rounds
together; the device notes where, and raises that at its next wait (backends/webgpu/notes.py).
`for` loops from one constant to another have no counter, for they end. A loop with a barrier has
one of its own, in a variable of the function: all invocations of a workgroup have to leave it
together, and browsers refuse a barrier where a variable that outlives the call decides about it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..backends.loops import LoopSite
from ..errors import ArgumentError, shown
from .instruments import ending, names_of
from .language import Span, Typed
from .language import syntax as s
from .language.types import I32, U32

ROUNDS = 1_000_000
MANY = 1 << 14  # rounds of loops with constant ends that some software adapters might cut
LOOPS = (s.For, s.While, s.Loop)
LOCKSTEP = ("workgroupBarrier", "storageBarrier", "textureBarrier", "workgroupUniformLoad")
_LEAST = {I32: -(1 << 31), U32: 0}
_GREATEST = {I32: (1 << 31) - 1, U32: (1 << 32) - 1}
_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "!=": "!="}


def checked_rounds(rounds: Any, where: str) -> int | None:
    """Return the rounds that loops may run, None for any. Raises: ArgumentError."""
    if rounds is not None and (type(rounds) is not int or not 0 < rounds < 1 << 32):
        raise ArgumentError(
            f"{where}: rounds={shown(rounds)} came, and 1 to 2**32 - 1 are possible, or None for "
            "no limit"
        )
    return rounds


@lru_cache(maxsize=1)
def library() -> str:
    """Return what texts with counters call: shaders/lib/rounds.wgsl, without its comments."""
    from ..backends.webgpu import shaders  # which needs wgpu for all but its texts

    lines = [x.partition("//")[0].rstrip() for x in shaders.source("lib/rounds").splitlines()]
    return "\n".join(x for x in lines if x)


class Counters:
    """What a checked text gets put in: counters in its loops, and a look at what became of them.

    `rounds` is the limit, None for no counters. `origin` is where the text is that a person wrote,
    for functions that were made of it.
    """

    def __init__(self, typed: Typed, rounds: int | None, origin: Span):
        self.typed = typed
        self.rounds = rounds
        self.origin = origin
        self._weights: dict[str, int] = {}
        self._waiting: dict[str, bool] = {}

    def counted(self, node: s.Function) -> tuple[s.Function, tuple[LoopSite, ...]]:
        """Return a function with counters in its open loops, and the sites of these."""
        if self.rounds is None or not any(map(self._is_open, node.walk())):
            return node, ()
        sites: list[LoopSite] = []
        names = names_of(node)
        taken = {"wgrad_rounds", "wgrad_notes", "wgrad_note", "wgrad_look"} & names
        taken |= {x for x in names if x.startswith("wgrad_together")}
        if taken:
            raise node.span.error(f"the name {min(taken)} belongs to what is put into loops")

        def put(x: Any) -> Any:
            if not isinstance(x, (s.Statement, s.Case)) or isinstance(x, s.ConstAssert):
                return x
            made: Any = x.mapped(put)
            if not self._is_open(x):
                return made
            sites.append(self._site(node, x, self.rounds))
            waits = self._waits(x)
            rounds = s.Identifier(f"wgrad_together{len(sites)}" if waits else "wgrad_rounds")
            own = (s.Var(rounds.name, None, s.number(0, "u")),) if waits else ()
            limit = s.number(self.rounds or 0, "u")
            over = s.Binary(">", rounds, limit)
            first: list[s.Statement] = [s.Assign(rounds, "+=", s.number(1, "u"))]
            if getattr(made, "condition", None) is None:
                first.append(s.If(over, s.Block((s.Break(),))))
            else:  # much cheaper than a way out of its own
                within = s.Binary("<=", rounds, limit)
                made = made.but(condition=s.Binary("&", made.condition, within))
            note = s.CallStatement(s.call("wgrad_note", s.number(sites[-1].key, "u")))
            body = made.body.but(statements=(*first, *made.body.statements))
            return *own, made.but(body=body), s.If(over, s.Block((note,)))

        return ending(node, node.but(body=put(node.body))), tuple(sites)

    def look(self, name: str) -> LoopSite | None:
        """Return the site of the look at the end of a function, where one is needed."""
        if self.rounds is None:
            return None
        functions = [self.typed.functions[x].node for x in self._reached(name)]
        opened = [(f, x) for f in functions for x in f.walk() if self._is_open(x)]
        if not opened and self._weight(name) < MANY:
            return None
        node, at = opened[0] if opened else (self.typed.functions[name].node,) * 2
        return self._site(node, at, None)

    def _site(self, function: s.Function, node: Any, rounds: int | None) -> LoopSite:
        span = node.span if node.span.source is not None else self.origin
        place = span.place
        return LoopSite(function.name, rounds, place.file, place.line, place.column, place.text)

    def _reached(self, name: str) -> list[str]:
        """Return a function and all that it calls."""
        reached = [name]
        for x in reached:
            reached += [c for c in self.typed.functions[x].callees if c not in reached]
        return reached

    def _weight(self, name: str) -> int:
        """Return how many rounds loops with constant ends run in a call at the most."""
        if name not in self._weights:
            self._weights[name] = self._below(self.typed.functions[name].node)
        return self._weights[name]

    def _below(self, node: Any) -> int:
        total = sum(map(self._below, node.children()))
        if isinstance(node, s.Call) and node.callee.name in self.typed.functions:
            symbol = self.typed.symbols.get(id(node.callee))
            if symbol is not None and symbol.kind == "function":
                total += self._weight(symbol.name)
        if isinstance(node, LOOPS):
            total = (self._rounds_of(node) or 1) * (1 + total)
        return total

    def _waits(self, node: Any) -> bool:
        """Whether a node has a barrier in it, or calls a function that has."""
        for x in node.walk():
            if not isinstance(x, s.Call):
                continue
            name = x.callee.name
            if name in self.typed.functions:
                if name not in self._waiting:
                    self._waiting[name] = self._waits(self.typed.functions[name].node)
                if self._waiting[name]:
                    return True
            elif name in LOCKSTEP:
                return True
        return False

    # How often loops run.
    def _is_open(self, node: Any) -> bool:
        """Whether a node is a loop whose end is not known from the text."""
        return isinstance(node, LOOPS) and self._rounds_of(node) is None

    def _rounds_of(self, node: Any) -> int | None:
        """Return how often a loop runs at the most, None where the text does not say."""
        if not isinstance(node, s.For) or not isinstance(node.initial, s.Var):
            return None
        variable = self.typed.symbol_of(node.initial)
        kind, first = variable.type, self._constant(node.initial.value)
        step = self._step(node.update, variable)
        condition = node.condition
        if kind not in (I32, U32) or first is None:
            return None
        if not isinstance(condition, s.Binary) or self._changes(node.body, variable):
            return None
        if not step:
            return self._halvings(node, variable, first)
        op, end = condition.op, self._constant(condition.right)
        if not self._is(condition.left, variable):
            op, end = _TURNED.get(op, ""), self._constant(condition.left)
            if not self._is(condition.right, variable):
                return None
        if end is None or op not in _TURNED:
            return None
        if op == "!=":
            count, rest = divmod(end - first, step)
            return count if not rest and count >= 0 else None
        if (step > 0) is not (op in "<="):
            return None  # it runs the other way, or not at all
        last = end + (step > 0) - (step < 0) if len(op) == 2 else end  # the first that is left out
        count = max(0, -((first - last) // step))
        stop = first + count * step
        return count if _LEAST[kind] <= stop <= _GREATEST[kind] else None

    def _halvings(self, node: Any, variable: Any, first: int) -> int | None:
        """Return how often a loop runs at the most whose number is halved down to 0, or to 1."""
        op, value = getattr(node.update, "op", ""), getattr(node.update, "value", None)
        if op == "=" and isinstance(value, s.Binary) and self._is(value.left, variable):
            op, value = f"{value.op}=", value.right
        by = self._constant(value)
        if not self._is(getattr(node.update, "target", None), variable) or not by or first < 0:
            return None
        factor = {">>=": 1 << min(max(by, 0), 32), "/=": by}.get(op, 0)
        condition = node.condition
        end = self._constant(condition.right)
        if factor < 2 or end is None or not self._is(condition.left, variable):
            return None
        least = {">": end + 1, ">=": end, "!=": 1 if end == 0 else 0}.get(condition.op, 0)
        return first.bit_length() if least > 0 else None

    def _constant(self, node: Any) -> int | None:
        """Return the value of an expression that is known from the text, or of a constant."""
        if node is None:
            return None
        value = self.typed.constant(node)
        symbol = self.typed.symbols.get(id(node))
        if value is None and symbol is not None:
            value = symbol.constant
            if isinstance(symbol.node, s.Let):
                value = self.typed.constant(symbol.node.value)
        return value if type(value) is int else None

    def _is(self, node: Any, variable: Any) -> bool:
        return self.typed.symbols.get(id(node)) is variable

    def _step(self, node: Any, variable: Any) -> int | None:
        """Return what the variable of a loop grows by in each round, None where it is not known."""
        if not self._is(getattr(node, "target", None), variable):
            return None
        if isinstance(node, (s.Increment, s.Decrement)):
            return 1 if isinstance(node, s.Increment) else -1
        by = self._constant(node.value)
        if node.op in ("+=", "-=") and by is not None:
            return by if node.op == "+=" else -by
        value = node.value
        if node.op == "=" and isinstance(value, s.Binary) and self._is(value.left, variable):
            by = self._constant(value.right)
            if value.op in ("+", "-") and by is not None:
                return by if value.op == "+" else -by
        return None

    def _changes(self, body: s.Block, variable: Any) -> bool:
        """Whether a loop's body assigns to its variable, or hands out a pointer to it."""
        for x in body.walk():
            target = getattr(x, "target", None)
            if target is None and isinstance(x, s.Unary) and x.op == "&":
                target = x.operand
            if target is not None and self._is(target, variable):
                return True
        return False
