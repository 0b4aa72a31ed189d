"""The WGSL of one part: what a thread computes that has one row, or 4 neighbouring ones.

One `let` per statement, never a nested expression: compilers recurse over nesting. A value is a
scalar or, where a thread takes 4 neighbours, a vec4; functions of scalars are called per component.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ...backends.array import Body
from ...backends.functions import Function
from ...dtypes import DType, bool_, float16
from ..ir import Component, Inside, Lookup, Position, Ref, Statement
from .module import COMPONENTS, Module
from .part import LANES, Access, Part

FOLDS_RIGHT = frozenset({"add", "multiply", "maximum", "minimum", "where"})  # of equal values


@dataclass(frozen=True)
class Value:
    """A name or a plain expression, and whether it is a vec4."""

    text: str
    vector: bool

    def lane(self, n: int) -> Value:
        """Return component `n`."""
        return Value(f"{self.text}.{COMPONENTS[n]}", False) if self.vector else self


@dataclass(frozen=True)
class Lanes(Value):
    """What a call of a function gives, by a name for each lane: only its parts are numbers."""

    names: tuple[str, ...]
    function: Function


class PartText:
    """The lines of one part, growing from top to bottom.

    `along` says which axis the 4 lanes of a vec4 lie along: "kept", "folded", or "" where there
    are none. `product` is operand 0 where that is a matmul's result and no memory.
    """

    def __init__(self, module: Module, part: Part, along: str, product: Value | None = None):
        self.module = module
        self.part = part
        self.along = along
        self.product = product
        self.lines: list[str] = []
        self.values: dict[int, Value] = {}  # by argument: operands that are loaded, statements
        ops = (s for s in part.graph.statements if isinstance(s.what, (Body, Function)))
        self._goes_on = {~a for s in ops for a in s.args if a < 0}  # statements that ops read
        self._base: dict[Access, str] = {}
        self._quads: dict[tuple[Access, int], str] = {}  # vec4s of blocks that are loaded
        self._depth = 1
        self._in_loop = False
        self._count = 0

    def note_accesses(self) -> None:
        """Tell the module how memory is accessed; all parts do before any text is made."""
        scattered = self.part.scattered
        for i, access in enumerate(self.part.operands):
            if access is not None and not (i == 0 and self.product is not None):
                wide = self._is_wide(access) and i not in scattered
                self.module.use(access, wide, write=False)
        for _, access, _ in self.part.stores:
            self.module.use(access, self._is_wide(access), write=True)

    def _is_wide(self, access: Access) -> bool:
        """Whether memory is read or written by vec4s."""
        return bool(self.along) and (access.is_vector(self.along) or access in self.part.blocks)

    # Lines.
    def add(self, line: str) -> None:
        self.lines.append("    " * self._depth + line)

    def let(self, text: str, vector: bool) -> Value:
        """Declare a value and return it."""
        name = f"v{self._count}"
        self._count += 1
        self.add(f"let {name} = {text};")
        return Value(name, vector)

    @contextmanager
    def block(self, opening: str) -> Iterator[None]:
        """Put the lines made inside into a block; what they declare is gone after it."""
        self.add(opening + " {")
        before, quads = dict(self.values), dict(self._quads)
        self._depth += 1
        yield
        self._depth -= 1
        self.values, self._quads = before, quads
        self.add("}")

    @contextmanager
    def elements(self, first: str, step: str, end: str) -> Iterator[None]:
        """Walk elements of the row, or 4 at a time, and know their coordinates."""
        quads = self.along == "folded"
        with self.block(f"for (var at = {first}; at < {end}; at += {step})"):
            self._coordinates("f", self.part.folded, "at * 4u" if quads else "at")
            self._in_loop = True
            yield
            self._in_loop = False

    # Coordinates and addresses.
    def begin_row(self, index: str) -> None:
        """Declare the kept coordinates of a row and where each access begins there."""
        self._coordinates("k", self.part.kept, index)
        first = 1 if self.product is not None else 0
        accesses = [a for a in self.part.operands[first:] if a is not None]
        accesses += [x.access for x in self.part.stores]
        accesses += [*(a for asked in self.part.positions for a in asked)]
        for access in dict.fromkeys(accesses):
            terms = [f"{access.offset & 0xFFFFFFFF}u"] if access.offset else []
            terms += [_times(f"k{a}", s) for a, s in enumerate(access.kept)]
            self._base[access] = f"b{len(self._base)}"
            self.add(f"let {self._base[access]} = {_plus(*terms)};")

    def _coordinates(self, letter: str, extents: Sequence[int], index: str) -> None:
        rest = index
        for axis in range(len(extents) - 1, 0, -1):
            self.add(f"let {letter}{axis} = ({rest}) % {extents[axis]}u;")
            rest = f"({rest}) / {extents[axis]}u"
        if extents:
            self.add(f"let {letter}0 = {rest};")

    def _address(self, access: Access) -> str:
        steps = access.folded if self._in_loop else ()
        return _plus(self._base[access], *(_times(f"f{a}", s) for a, s in enumerate(steps)))

    def _lanes(self, access: Access) -> int:
        """Return the step from lane to lane, 0 where all see one element."""
        if self.along == "kept" or (self.along == "folded" and self._in_loop):
            return access.stride(self.along)
        return 0

    # Loads and stores.
    def _load(self, access: Access, index: Value | None = None, stride: int = 0) -> Value:
        address, step = self._address(access), self._lanes(access)
        vector = bool(step) or (index is not None and index.vector)
        if vector and index is None and access.is_vector(self.along):
            text = self.module.quad(access, address)
        elif step and index is None and access in self.part.blocks:
            text = f"vec4<{access.dtype.storage}>({', '.join(self._spread(access))})"
        else:
            places = [
                self.module.element(access, _lane(address, step * n, n, index, stride))
                for n in range(LANES if vector else 1)
            ]
            text = f"vec4<{access.dtype.storage}>({', '.join(places)})" if vector else places[0]
        return self.let(_loaded(text, access.dtype, vector), vector)

    def _spread(self, access: Access) -> list[str]:
        """Return the elements of all lanes, in vec4s that are loaded once for all in a block."""
        first, place = self.part.blocks[access]
        elements: list[str] = []
        for n in range(LANES):
            quad, lane = divmod(place + n * access.stride(self.along), LANES)
            if (first, quad) not in self._quads:
                text = self.module.quad(first, self._address(first), quad)
                self._quads[first, quad] = self.let(text, True).text
            elements.append(f"{self._quads[first, quad]}.{COMPONENTS[lane]}")
        return elements

    def block_of(self, access: Access) -> Access | None:
        """Return what the block begins with that memory is written with; None: it is alone."""
        block = self.part.blocks.get(access) if self._lanes(access) else None
        return None if block is None else block.first

    def store_block(self, stores: Sequence[tuple[Access, Value]]) -> None:
        """Put values where outputs lie that interleave, and that have all of a block."""
        lanes: dict[int, str] = {}
        for access, value in stores:
            first, place = self.part.blocks[access]
            for n in range(LANES):
                text = _stored(value.lane(n).text, access.dtype, False)
                lanes[place + n * access.stride(self.along)] = text
        kind = f"vec4<{first.dtype.storage}>"
        for quad in range(len(lanes) // LANES):
            parts = ", ".join(lanes[quad * LANES + n] for n in range(LANES))
            self.add(f"{self.module.quad(first, self._address(first), quad)} = {kind}({parts});")

    def store(self, access: Access, value: Value) -> None:
        """Put a value where an output lies."""
        address, step = self._address(access), self._lanes(access)
        if step and access.is_vector(self.along):
            text = _stored(splat(value, access.dtype), access.dtype, True)
            self.add(f"{self.module.quad(access, address)} = {text};")
            return
        for n in range(LANES if step else 1):
            place = self.module.element(access, _lane(address, step * n, n, None, 0))
            self.add(f"{place} = {_stored(value.lane(n).text, access.dtype, False)};")

    # Values.
    def value(self, arg: int) -> Value:
        """Return an argument: a statement that was computed, or an operand, loaded if need be."""
        if arg == 0 and self.product is not None:
            return self.product
        if arg not in self.values:
            x = self.part.inputs[arg]
            if isinstance(x, Ref):
                access = self.part.operands[arg]
                assert access is not None
                self.values[arg] = self._load(access)
            else:
                text = self.module.number(x, self.part.graph.dtypes[arg])
                self.values[arg] = self.let(text, False)
        return self.values[arg]

    def compute(self, j: int) -> None:
        """Declare the result of statement `j`, which is no fold."""
        s = self.part.graph.statements[j]
        if isinstance(s.what, Position):
            made = self._position(self.part.positions[j][0], s)
        elif isinstance(s.what, Lookup):
            access = self.part.operands[s.args[0]]
            assert access is not None
            made = self._load(access, self.value(s.args[1]), s.what.stride)
        elif isinstance(s.what, Inside):
            made = self._inside(s.what, self.part.positions[j], s)
        elif isinstance(s.what, Function):
            self.values[~j] = self._called(s)  # of which each result is hidden by itself
            return
        elif isinstance(s.what, Component):
            made = self._component(self.value(s.args[0]), s)
        else:
            assert isinstance(s.what, Body)
            code = s.what.functions(s.dtypes, s.out).replace("fn body(", "fn NAME(", 1)
            function = self.module.function(s.what.name, code)
            args = [self.value(a) for a in s.args]
            if s.what.name not in FOLDS_RIGHT:
                args = [self._apart(s, i, x) for i, x in enumerate(args)]
            made = self.call(function, s.out, args)
        self.keep(j, made)

    def _called(self, s: Statement) -> Value:
        """Call a function of a user for every lane, and return the names of what it gives."""
        function = s.what
        assert isinstance(function, Function)
        self.module.declare(function.code)
        args = [self.value(a) for a in s.args]
        for i, a in enumerate(s.args):
            # What views of one tensor differ in, compilers do not find equal.
            alike = a in s.args[:i] or (a < 0 and any(b < 0 for b in s.args[:i]))
            if alike and s.dtypes[i].is_floating:
                args[i] = self._hidden(args[i], s.dtypes[i], i)
        count = LANES if any(x.vector for x in args) else 1
        names = [
            self.let(f"{function.entry}({', '.join(x.lane(n).text for x in args)})", False).text
            for n in range(count)
        ]
        return Lanes(names[0], count > 1, tuple(names), function)

    def _component(self, call: Value, s: Statement) -> Value:
        """Return one of the results of a call, as memory would hold it."""
        assert isinstance(call, Lanes) and isinstance(s.what, Component)
        part = call.function.parts[s.what.index]
        texts = [name + part for name in call.names]
        if s.out is float16:
            texts = [f"to_half({x})" for x in texts]
        return self.let(
            f"vec4<{s.out.wgsl}>({', '.join(texts)})" if call.vector else texts[0], call.vector
        )

    def keep(self, j: int, made: Value) -> None:
        """Let a value be the result of statement `j`; what goes on into ops is hidden first.

        An op is a kernel of its own elsewhere, and its result a number in memory. Within a kernel
        compilers take (x + y) - y for x, -(-x) - x for 0 and sqrt(x) * sqrt(x) for |x|, though y is
        large, or x infinite, NaN or negative (nir_opt_algebraic.py of Mesa, rules marked "~").
        """
        dtype = self.part.graph.statements[j].out
        is_exact = dtype.is_integer or j not in self._goes_on
        self.values[~j] = made if is_exact else self._hidden(made, dtype)

    def _apart(self, s: Statement, i: int, x: Value) -> Value:
        """Return argument `i`, hidden from compilers where they might find it equal to another.

        They take x - x for 0, and x == x for true, also where x is infinite or NaN. Each place has
        a 0 of its own: where(c, x, x), hidden as a result, would else be x, hidden as an argument.
        """
        alike = any(self._may_equal(s.args[i], other) for other in s.args[:i])
        return self._hidden(x, s.dtypes[i], i) if alike and s.dtypes[i].is_floating else x

    def _may_equal(self, a: int, b: int) -> bool:
        """Whether compilers may find out that two arguments are one value."""
        if a < 0 and b < 0:
            return True  # results of ops that differ in the order of their operands, say
        x, y = (self.part.inputs[v] if v >= 0 else None for v in (a, b))
        return a == b or (isinstance(x, Ref) and isinstance(y, Ref) and x.slot == y.slot)

    def _hidden(self, x: Value, dtype: DType, which: int = 0) -> Value:
        """Return a float or a bool as a value of which compilers do not know how it was made.

        A 0 that no compiler knows is added to its bits: to combine them by ^ twice would cancel.
        """
        zero = self.module.zero(which)
        zero = f"vec4<u32>({zero})" if x.vector else zero
        bits = _type("u32", x.vector)
        if dtype is bool_:
            return self.let(f"{bits}({x.text}) != {zero}", x.vector)
        kind = _type(dtype.wgsl, x.vector)
        return self.let(f"bitcast<{kind}>(bitcast<{bits}>({x.text}) + {zero})", x.vector)

    def call(self, function: str, out: DType, args: Sequence[Value]) -> Value:
        """Declare what a function of scalars gives, per component where an argument is a vec4."""
        vector = any(a.vector for a in args)
        calls = [
            f"{function}({', '.join(a.lane(n).text for a in args)})"
            for n in range(LANES if vector else 1)
        ]
        return self.let(f"vec4<{out.wgsl}>({', '.join(calls)})" if vector else calls[0], vector)

    def rounded(self, value: Value, dtype: DType) -> Value:
        """Return a sum or a product as its dtype holds it; bodies round their own results."""
        return self.call("to_half", dtype, [value]) if dtype is float16 else value

    def _position(self, access: Access, s: Statement) -> Value:
        address, step = self._address(access), self._lanes(access)
        if not step:
            return self.let(f"{s.out.wgsl}({address})", False)
        lanes = ", ".join(f"{n * step}u" for n in range(LANES))
        text = f"vec4<u32>({address}) + vec4<u32>({lanes})"
        return self.let(f"vec4<{s.out.wgsl}>({text})", True)

    def _inside(self, what: Inside, positions: Sequence[Access], s: Statement) -> Value:
        """Load an operand in its windows alone; the value under it is that of everywhere else."""
        access, under = self.part.operands[s.args[0]], self.value(s.args[1])
        assert access is not None
        address, step = self._address(access), self._lanes(access)
        steps = [self._lanes(a) for a in positions]
        vector = bool(step) or any(steps) or under.vector
        made = Value(f"v{self._count}", vector)
        self._count += 1
        self.add(f"var {made.text} = {splat(under, s.out) if vector else under.text};")
        quad = bool(step) and access.is_vector(self.along) and s.args[0] not in self.part.scattered
        for n in range(LANES if vector and not quad else 1):
            tests = [
                f"{_lane(self._address(a), k * n - w.first, n, None, 0)} < {w.size}u"
                for a, k, w in zip(positions, steps, what.windows, strict=True)
            ]
            if quad:
                target, loaded = made.text, self.module.quad(access, address)
            else:
                target = made.lane(n).text
                loaded = self.module.element(access, _lane(address, step * n, n, None, 0))
            loaded = _loaded(loaded, access.dtype, quad)
            self.add(f"if {' && '.join(tests)} {{ {target} = {loaded}; }}")
        return made


def splat(value: Value, dtype: DType) -> str:
    """Return a value as a vec4."""
    return value.text if value.vector else f"vec4<{dtype.wgsl}>({value.text})"


def _loaded(text: str, dtype: DType, vector: bool) -> str:
    """Return what memory holds as a value."""
    if dtype is bool_:
        return f"{text} != {'vec4<u32>(0u)' if vector else '0u'}"
    return text if dtype.storage == dtype.wgsl else f"{_type(dtype.wgsl, vector)}({text})"


def _stored(text: str, dtype: DType, vector: bool) -> str:
    """Return a value as memory holds it; a float16 was rounded by who computed it."""
    return text if dtype.storage == dtype.wgsl else f"{_type(dtype.storage, vector)}({text})"


def _type(name: str | None, vector: bool) -> str:
    return f"vec4<{name}>" if vector else str(name)


def _plus(*terms: str) -> str:
    return " + ".join(t for t in terms if t != "0u") or "0u"


def _times(coordinate: str, stride: int) -> str:
    """Return coordinate * stride; negative strides wrap around, as addresses do."""
    if stride == 0:
        return "0u"
    return coordinate if stride == 1 else f"({coordinate}) * {stride & 0xFFFFFFFF}u"


def _lane(address: str, shift: int, lane: int, index: Value | None, stride: int) -> str:
    """Return the address that one lane reads, `shift` further and at an index of its own."""
    terms = [address]
    if shift:
        terms.append(f"{shift & 0xFFFFFFFF}u")
    if index is not None:
        terms.append(_times(f"u32({index.lane(lane).text})", stride))
    return _plus(*terms)
