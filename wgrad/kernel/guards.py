"""The checks that guard mode puts into a kernel: of indices, of who touches what, of fuel.

The report has six words for each site: how often, and of the first time a value, a second one, and
the invocation. Behind them stand two words for each element of the buffers that are written: who
wrote it last, and who read it last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import Any

from .instruments import Instruments, root_of
from .language import Typed
from .language import syntax as s
from .language.types import U32, Array, Matrix, Pointer, Scalar, Type, Vector

WORDS = 6  # of a site
MOST_BITS = 24  # for the number of an invocation; those above say how many barriers it has passed
ROOM = 1 << 24  # words for who touched the elements of an array
BARRIERS = ("workgroupBarrier", "storageBarrier")

_HELPERS = """
fn {note}(at: u32, value: u32, other: u32) {{
    if (atomicAdd(&{report}[at * 6u], 1u) == 0u) {{
        atomicStore(&{report}[at * 6u + 1u], value);
        atomicStore(&{report}[at * 6u + 2u], other);
        atomicStore(&{report}[at * 6u + 3u], {invocation}.x);
        atomicStore(&{report}[at * 6u + 4u], {invocation}.y);
        atomicStore(&{report}[at * 6u + 5u], {invocation}.z);
    }}
}}
fn {burnt}(at: u32) -> bool {{
    if ({fuel} == 0u) {{ {note}(at, 0u, 0u); return true; }}
    {fuel} = {fuel} - 1u;
    return false;
}}
fn {clash}(other: u32) -> bool {{
    let mine = {me};
    let who = other & {mask}u;
    if (other == 0u || who == (mine & {mask}u)) {{ return false; }}
    let size = {size}u;
    let together = (who - 1u) / size == ((mine & {mask}u) - 1u) / size;
    return !together || (other >> {shift}u) == (mine >> {shift}u);
}}
fn {touch}(i: u32, n: u32, at: u32, first: u32, writes: bool) {{
    if (i >= n) {{ return; }}
    let place = first + 2u * i;
    let writer = atomicLoad(&{report}[place]);
    if ({clash}(writer)) {{ {note}(at, i, writer); }}
    if (writes) {{
        let before = atomicExchange(&{report}[place], {me});
        if (before != writer && {clash}(before)) {{ {note}(at, i, before); }}
        let reader = atomicLoad(&{report}[place + 1u]);
        if ({clash}(reader)) {{ {note}(at, i, reader); }}
    }} else {{
        atomicStore(&{report}[place + 1u], {me});
    }}
}}
"""
_BY_TYPE = """
fn {index}_{t}(i: {t}, n: u32, at: u32) -> {t} {{
    if ({low}u32(i) >= n) {{ {note}(at, bitcast<u32>(i), n); }}
    return i;
}}
fn {reads}_{t}(i: {t}, n: u32, at: u32, first: u32) -> {t} {{
    {touch}(u32(i), n, at, first, false);
    return i;
}}
fn {writes}_{t}(i: {t}, n: u32, at: u32, first: u32) -> {t} {{
    {touch}(u32(i), n, at, first, true);
    return i;
}}
"""
_NAMES = ("note", "burnt", "fuel", "clash", "touch", "index", "reads", "writes", "me", "group")


class Guards:
    """The text of a kernel with checks.

    `elements` says how many elements the arrays have that are written: whoever touches one of them
    is noted, and of arrays of a workgroup, in each of them. An invocation runs at most `fuel`
    rounds of loops. `unwatched` are arrays that there are too many
    invocations or elements for.
    """

    def __init__(
        self,
        typed: Typed,
        entry: str,
        workgroup: tuple[int, int, int],
        groups: tuple[int, int, int],
        elements: Mapping[str, int],
        fuel: int,
    ):
        self.typed = typed
        self.put = put = Instruments(typed, entry)
        total = prod(workgroup) * prod(groups)
        self.bits = min(total.bit_length(), MOST_BITS)
        self.mask = (1 << self.bits) - 1
        elements = {**elements, **_shared(typed, put.point.globals)}
        self.unwatched = sorted(elements) if total > self.mask else []
        elements = {k: n for k, n in elements.items() if k not in self.unwatched}
        bodies = [typed.functions[name].node for name in put.point.functions]
        self._touches = {k: x for f in bodies for k, x in _touches(typed, f, elements)}
        nodes = [x for f in bodies for x in f.walk()]
        self.words = WORDS * sum(2 * isinstance(x, s.Index) + isinstance(x, _LOOPS) for x in nodes)
        self._firsts: dict[str, int] = {}  # where the words of an array's elements begin
        for name in sorted({x for x, _ in self._touches.values()}):
            space = typed.globals[name].space
            words = 2 * elements[name] * (prod(groups) if space == "workgroup" else 1)
            if words > ROOM:
                self.unwatched.append(name)
                continue
            self._firsts[name] = self.words
            self.words += words
        names = {x: put.name(x) for x in _NAMES}
        names |= {"report": put.report, "invocation": put.invocation}
        fuel_and_me = "var<private> {fuel}: u32 = {n}u; var<private> {me}: u32;"
        fuel_and_me += "var<private> {group}: u32;"
        put.declare(fuel_and_me.format(**names, n=fuel))
        put.declare(_HELPERS.format(**names, size=prod(workgroup), mask=self.mask, shift=self.bits))
        for t, low in (("u32", ""), ("i32", "i < 0 || ")):
            put.declare(_BY_TYPE.format(**names, t=t, low=low))
        put.begin(f"{names['me']} = {_ordinal(put.invocation, workgroup, groups)} + 1u;")
        put.begin(f"{names['group']} = ({names['me']} - 1u) / {prod(workgroup)}u;")
        self.text = put.text(lambda node: node.but(body=self._block(node.body)))
        self.words = max(self.words, WORDS)

    # Statements.
    def _block(self, node: s.Block) -> s.Block:
        return node.but(statements=tuple(x for y in node.statements for x in self._statement(y)))

    def _statement(self, node: Any) -> tuple[Any, ...]:
        """Return what stands for a statement."""
        if isinstance(node, (s.Const, s.ConstAssert)):
            return (node,)
        made = node.mapped(self._part)
        if isinstance(node, _LOOPS):
            burnt = self.put.call("burnt", self.put.site("loop", node))
            out = s.If(burnt, s.Block((s.Break(),)))
            return (made.but(body=made.body.but(statements=(out, *made.body.statements))),)
        if isinstance(node, s.CallStatement) and node.call.callee.name in BARRIERS:
            me = s.Identifier(self.put.name("me"))
            return made, s.Assign(me, "+=", s.number(1 << self.bits, "u"))
        return (made,)

    def _part(self, node: Any) -> Any:
        if isinstance(node, s.Block):
            return self._block(node)
        if isinstance(node, s.Case):
            return node.but(body=self._block(node.body))
        if isinstance(node, s.Statement):  # of a for, or an else
            return self._statement(node)[0]
        return self._expression(node) if isinstance(node, s.Expression) else node

    # Expressions.
    def _expression(self, node: Any) -> Any:
        if id(node) in self.typed.constants:
            return node
        made = node.mapped(self._expression)
        return self._indexed(node, made) if isinstance(node, s.Index) else made

    def _indexed(self, node: s.Index, made: s.Index) -> s.Index:
        """Return an index with its checks."""
        kind = _held(self.typed, node.base)
        length = _length(kind, made.base)
        fixed = not isinstance(kind, Array) or kind.count is not None
        if length is None or (fixed and id(node.index) in self.typed.constants):
            return made  # which the type pass has looked at
        put = self.put
        t = "u32" if self.typed.type_of(node.index) == U32 else "i32"
        root = root_of(node.base)
        at = put.site("index", node, root.name if root is not None else node.base.span.text)
        index: s.Expression = s.call(
            f"{put.name('index')}_{t}", made.index, length, s.number(at, "u")
        )
        name, modes = self._touches.get(id(node), ("", ()))
        if name not in self._firsts:
            return made.but(index=index)
        at = put.site("race", node, name)
        first: s.Expression = s.number(self._firsts[name], "u")
        if self.typed.globals[name].space == "workgroup":
            step = s.Binary("*", s.number(2, "u"), length)
            before = s.Binary("*", s.Identifier(put.name("group")), step)
            first = s.Binary("+", first, before)
        for mode in modes:
            more = s.number(at, "u"), first
            index = s.call(f"{put.name(mode)}_{t}", index, length, *more)
        return made.but(index=index)


_LOOPS = (s.For, s.While, s.Loop)


def _held(typed: Typed, base: Any) -> Type:
    """Return the type of what is indexed: behind a reference, or a pointer."""
    reference = typed.reference_of(base)
    kind = typed.type_of(base) if reference is None else reference.store
    return kind.store if isinstance(kind, Pointer) else kind


def _length(kind: Type, base: Any) -> s.Expression | None:
    """Return how many there are of what an index picks."""
    if isinstance(kind, Vector):
        return s.number(kind.size, "u")
    if isinstance(kind, Matrix):
        return s.number(kind.columns, "u")
    if isinstance(kind, Array) and kind.count is None:
        pointer = base.operand if isinstance(base, s.Unary) else s.Unary("&", base)
        return s.call("arrayLength", pointer)
    if isinstance(kind, Array) and isinstance(kind.count, int):
        return s.number(kind.count, "u")
    return None


def _touches(
    typed: Typed, function: s.Function, elements: Mapping[str, int]
) -> Iterator[tuple[int, tuple[str, tuple[str, ...]]]]:
    """Yield the indices that pick whole elements of arrays, by id: of which, and what is done."""
    skipped: set[int] = set()  # what is written in part, or pointed to
    modes: dict[int, tuple[str, ...]] = {}
    for node in function.walk():
        target = getattr(node, "target", None)
        if isinstance(node, (s.Assign, s.Increment, s.Decrement)) and target is not None:
            plain = isinstance(node, s.Assign) and node.op == "="
            modes[id(target)] = ("writes",) if plain else ("reads", "writes")
            skipped |= _bases(target)
        elif isinstance(node, s.Unary) and node.op == "&":
            skipped |= {id(node.operand)} | _bases(node.operand)
    for node in function.walk():
        if not isinstance(node, s.Index) or not isinstance(node.base, s.Identifier):
            continue
        symbol = typed.symbols.get(id(node.base))
        if symbol is None or not symbol.is_global or symbol.name not in elements:
            continue
        if id(node) not in skipped:
            yield id(node), (symbol.name, modes.get(id(node), ("reads",)))


def _bases(node: Any) -> set[int]:
    """Return the places, by id, that a place is a part of."""
    bases = set()
    while isinstance(node, (s.Index, s.Member)):
        node = node.base
        bases.add(id(node))
    return bases


def is_watched(kind: Type) -> bool:
    """Return whether it is noted who touches the elements of a binding: of plain values alone."""
    return isinstance(kind, Array) and isinstance(kind.element, (Scalar, Vector, Matrix))


def _shared(typed: Typed, names: Iterable[str]) -> dict[str, int]:
    """Return the arrays of workgroup memory whose elements are watched, and how many they have."""
    counts = {}
    for name in names:
        symbol = typed.globals[name]
        if symbol.space == "workgroup" and symbol.type is not None and is_watched(symbol.type):
            count = symbol.type.count  # type: ignore[attr-defined]
            if isinstance(count, int):
                counts[name] = count
    return counts


def _ordinal(invocation: str, workgroup: tuple[int, int, int], groups: tuple[int, int, int]) -> str:
    """Return the number of an invocation, in WGSL: those of a workgroup follow each other."""
    size, count = f"vec3u({', '.join(map(str, workgroup))})", groups
    group, inside = f"({invocation} / {size})", f"({invocation} % {size})"
    of_group = f"({group}.x + {count[0]}u * ({group}.y + {count[1]}u * {group}.z))"
    x, y, _ = workgroup
    of_inside = f"({inside}.x + {x}u * ({inside}.y + {y}u * {inside}.z))"
    return f"{of_group} * {prod(workgroup)}u + {of_inside}"
