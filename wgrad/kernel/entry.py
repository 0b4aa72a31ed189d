"""One entry point of a text: its bindings, its uniforms, its constants, and its text for a device.

The device gets the same program with what other entry points use left out, its bindings numbered
anew in one group, and overrides as constants. `judge.py` has the user's own text judged first.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from ..backends.loops import LoopSite
from ..errors import ArgumentError, CallError, shown
from .forms import is_op
from .instruments import root_of
from .judge import Judge
from .language import syntax as s
from .language.check import check
from .language.nodes import Node, rewritten
from .language.parser import parse
from .language.places import Source
from .language.printer import printed
from .language.symbols import Binding, EntryPoint, Symbol, Typed
from .memory import Placement, placement_of
from .rounds import ROUNDS, Counters, library
from .texts import is_ours
from .uniforms import Uniforms, alignment


class Checked:
    """A text that has been parsed and checked.

    `constants` are values for what it declares with `override`: functions have them, and kernels
    where a call gives no others. `typed` is without them. `rounds` is how many rounds open loops
    may run (rounds.py). Raises: ShaderError.
    """

    def __init__(
        self,
        source: Source,
        constants: Mapping[str, Any] | None = None,
        rounds: int | None = ROUNDS,
    ):
        self.source = source
        self.rounds = rounds
        self.constants = dict(constants or {})
        self.module = parse(source)
        self.typed = check(self.module)
        self.entries = [x for x in self.typed.entry_points.values() if x.stage == "compute"]
        self.judge = Judge(source)

    @cached_property
    def fixed(self) -> Typed:
        """What the text means with the constants."""
        return check(self.module, overrides=self.constants)

    @property
    def functions(self) -> list[str]:
        """The functions that no pipeline begins with."""
        return [n for n in self.typed.functions if n not in self.typed.entry_points]

    @property
    def kernels(self) -> list[str]:
        """The compute shaders."""
        return [x.name for x in self.entries]

    @cached_property
    def ops(self) -> list[str]:
        """What can be called with tensors: functions of numbers, and compute shaders.

        Functions of wgrad's own that were included are not among them.
        """
        infos = [self.typed.functions[n] for n in self.functions]
        able = [x for x in infos if is_op(x) and not is_ours(x.node.span.file)]
        return [*(x.name for x in able), *self.kernels]

    @property
    def main(self) -> str | None:
        """The name of what is meant if nobody says it; None where there are several.

        It is the only compute shader, or without any the only op that no function calls.
        """
        called = {c for x in self.typed.functions.values() for c in x.callees}
        candidates = self.kernels or [n for n in self.ops if n not in called]
        return candidates[0] if len(candidates) == 1 else None

    def entry(self, name: str | None, where: str) -> str:
        """Return the name of an entry point; the only one for None. Raises: CallError."""
        names = self.kernels
        if name is None and len(names) == 1:
            return names[0]
        if name in names:
            assert name is not None
            return name
        there = f"there are {', '.join(names)}" if names else "it has none"
        if name is None:
            raise CallError(
                f"{where}: a text with one @compute function is needed, or entry=; {there}"
            )
        raise CallError(f"{where}: the text has no @compute function {shown(name)}; {there}")


class Entry:
    """An entry point, with values for the text's overrides.

    Without them (None) it says what does not depend on them: bindings, forms and uniforms.
    """

    def __init__(
        self, checked: Checked, name: str, constants: Mapping[str, Any] | None, where: str
    ):
        self.judge = checked.judge
        self.rounds = checked.rounds
        typed = checked.typed
        if constants is not None:
            values = _overrides(typed, constants, where)
            if typed.overrides:
                typed = check(checked.module, overrides=values)
        self.typed = typed
        self.point: EntryPoint = typed.entry_points[name]
        used = sorted(
            (x for x in typed.bindings if x.name in self.point.bindings),
            key=lambda x: (x.group, x.binding),
        )
        self.storage: list[Binding] = [x for x in used if x.space == "storage"]
        self.uniforms = Uniforms([x for x in used if x.space == "uniform"])
        self.placements: dict[str, Placement] = {x.name: placement_of(x) for x in self.storage}
        self.workgroup: tuple[int, int, int] = _three(self.point)
        self.access = "".join("r" if x.access == "read" else "w" for x in self.storage)
        self._read: frozenset[str] | None = None

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.point.name

    @property
    def constants(self) -> dict[str, bool | int | float]:
        """The values of the text's overrides."""
        return {name: self.typed.globals[name].constant for name in self.typed.overrides}

    @property
    def writes(self) -> list[str]:
        """The names of the bindings that may be written."""
        return [x.name for x in self.storage if x.access != "read"]

    def reads(self, name: str) -> bool:
        """Whether the text may read what a binding that it writes held before."""
        if self._read is None:
            self._read = frozenset(
                binding
                for function in self.point.functions
                for binding in _read_before(self.typed, self.typed.functions[function].node)
            )
        return name in self._read

    def code(self, odd: frozenset[str] = frozenset()) -> str:
        """Return WGSL with the entry "main", uniforms at binding 0 and storage from 1 on.

        `odd` are bindings whose last word has one float16 alone: arrayLength does not count it.
        """
        return _Lowered(self, odd).text()


def _overrides(typed: Typed, constants: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the values of overrides. Raises: CallError, ArgumentError."""
    values = {}
    for name, value in constants.items():
        if name not in typed.overrides:
            known = ", ".join(typed.overrides) or "none"
            raise CallError(f"{where}: the text has no override {name!r}; there are: {known}")
        if not isinstance(value, (bool, int, float)):
            raise ArgumentError(f"{where}: {name}={shown(value)} came, and a number is needed")
        values[name] = float(value) if isinstance(value, float) else value
    return values


def _three(point: EntryPoint) -> tuple[int, int, int]:
    """Return the workgroup size; 0 stands for what an override says."""
    x, y, z = (*point.workgroup_size, 1, 1)[:3]
    return x or 0, y or 0, z or 0


def _read_before(typed: Typed, function: s.Function) -> set[str]:
    """Return the storage variables of which a function does more than assign to elements."""
    written: set[int] = set()  # names that stand where no value is read
    for node in function.walk():
        if isinstance(node, s.Assign) and node.op == "=":
            target: Node | None = node.target
            while isinstance(target, (s.Index, s.Member)):
                target = target.base
            if isinstance(target, s.Identifier):
                written.add(id(target))
        elif isinstance(node, s.Call) and node.callee.name in ("arrayLength", "atomicStore"):
            if node.callee.name == "arrayLength":
                written |= {id(x) for x in node.arguments[0].walk()}
    read = set()
    for node in function.walk():
        if isinstance(node, s.Identifier) and id(node) not in written:
            symbol = typed.symbols.get(id(node))
            if symbol is not None and symbol.is_global and symbol.space == "storage":
                read.add(symbol.name)
    return read


class _Lowered:
    """The rewriting of one entry point."""

    def __init__(self, entry: Entry, odd: frozenset[str] = frozenset()):
        self.entry = entry
        self.odd = odd
        self.typed = entry.typed
        names = {x.name for x in self.typed.module.walk() if isinstance(x, s.Identifier)}
        names |= set(self.typed.globals)
        self.taken = names | {
            x.name
            for x in self.typed.module.walk()
            if hasattr(x, "name") and isinstance(x.name, str)
        }
        self.several = len(entry.uniforms.kinds) > 1
        self.variable = self.new("uniforms")
        self.renamed: dict[int, str] = {}  # by the node that declares a name
        point = self.typed.functions[entry.name].node
        other = self.typed.globals.get("main")
        if other is not None and other.node is not point:
            self.renamed[id(other.node)] = self.new("main")
        self.point = point
        self.counters = Counters(self.typed, entry.rounds, point.span)
        self.look = self.counters.look(entry.name)
        self.sites: list[LoopSite] = [] if self.look is None else [self.look]
        self.places = {x.name: (0, i) for i, x in enumerate(entry.storage, 1)} | dict.fromkeys(
            entry.uniforms.kinds, (0, 0)
        )

    def new(self, name: str) -> str:
        """Return a name that the text does not have."""
        unused = name
        while unused in self.taken:
            unused += "_"
        self.taken.add(unused)
        return unused

    def text(self) -> str:
        from ..backends.webgpu.launches import described

        made: list[s.Declaration] = []
        for node in self.typed.module.declarations:
            made += self.declaration(node)
        if self.several:
            made += self.together()
        half = "f16" in self.typed.extensions
        module = s.Module((s.Enable(("f16",)),) if half else (), tuple(made))
        text = printed(module)
        if self.look is not None:
            text = "\n".join([*(x.comment for x in self.sites), library(), text])
        leaves = [(x.name, str(x.kind), x.offset) for x in self.entry.uniforms.leaves()]
        return f"{described(self.entry.uniforms.size, leaves)}\n{text}"

    def declaration(self, node: s.Declaration) -> list[s.Declaration]:
        """Return what stands for a declaration: nothing, where the entry point does not use it."""
        point = self.entry.point
        if isinstance(node, s.Function):
            if node.name not in point.functions:
                return []
            counted, sites = self.counters.counted(node)
            self.sites += sites
            changed = self.inside(counted)
            if node is self.point:
                size = tuple(s.number(x) for x in self.entry.workgroup)
                kept = tuple(x for x in node.attributes if x.name != "workgroup_size")
                attributes = (*kept, s.Attribute("workgroup_size", size))
                if self.look is None:
                    return [changed.but(name="main", attributes=attributes)]
                return self.looking(changed, attributes, self.look)
            return [changed.but(name=self.renamed.get(id(node), node.name))]
        if isinstance(node, s.GlobalVar):
            if node.space in ("storage", "uniform"):
                return self.binding(node)
            return [self.inside(node)] if node.name in point.globals else []
        if isinstance(node, s.Override):
            symbol = self.typed.globals[node.name]
            kind = s.Identifier(str(symbol.type))
            value = s.number(symbol.constant)
            return [s.GlobalConst(self.renamed.get(id(node), node.name), kind, value)]
        changed = self.inside(node)
        if id(node) in self.renamed:
            changed = changed.but(name=self.renamed[id(node)])
        return [changed]

    def looking(
        self, node: s.Function, attributes: tuple[s.Attribute, ...], look: LoopSite
    ) -> list[s.Declaration]:
        """Return an entry point as a function, and one that looks how it went after calling it."""
        inner = node.but(
            name=self.new(node.name),
            parameters=tuple(x.but(attributes=()) for x in node.parameters),
            attributes=(),
        )
        given = [s.Identifier(x.name) for x in node.parameters]
        calls = s.call(inner.name, *given), s.call("wgrad_look", s.number(look.key, "u"))
        body = s.Block(tuple(map(s.CallStatement, calls)))
        return [inner, node.but(name="main", attributes=attributes, body=body)]

    def binding(self, node: s.GlobalVar) -> list[s.Declaration]:
        """Return a binding with its new place."""
        if node.name not in self.places or (self.several and node.space == "uniform"):
            return []
        group, number = self.places[node.name]
        others = tuple(x for x in node.attributes if x.name not in ("group", "binding"))
        place = (
            s.Attribute("group", (s.number(group),)),
            s.Attribute("binding", (s.number(number),)),
        )
        name = self.renamed.get(id(node), node.name)
        return [self.inside(node).but(name=name, attributes=(*place, *others))]

    def together(self) -> list[s.Declaration]:
        """Return the one uniform that several became, with its type."""
        kinds = self.entry.uniforms.kinds
        nodes = {x.name: x for x in self.typed.module.declarations if isinstance(x, s.GlobalVar)}
        rows = []
        for name, kind in kinds.items():
            written = nodes[name].type
            assert written is not None
            align = s.Attribute("align", (s.number(alignment(kind)),))
            rows.append(s.StructMember(name, self.inside(written), (align,)))
        struct = s.Struct(self.new("Uniforms"), tuple(rows))
        place = s.Attribute("group", (s.number(0),)), s.Attribute("binding", (s.number(0),))
        kind_name = s.Identifier(struct.name)
        return [struct, s.GlobalVar(self.variable, kind_name, None, "uniform", "", place)]

    def inside(self, node: Any) -> Any:
        """Return a tree with names of the module as the device's text has them."""
        if not self.renamed and not self.several and not self.odd:
            return node

        def changed(x: Node) -> Node:
            if isinstance(x, s.Call) and x.callee.name == "arrayLength":
                array = self.typed.symbols.get(id(root_of(x.arguments[0])))
                if array is not None and array.is_global and array.name in self.odd:
                    return s.Binary("-", x, s.number(1, "u"))
            if not isinstance(x, s.Identifier):
                return x
            symbol: Symbol | None = self.typed.symbols.get(id(x))
            if symbol is None or symbol.node is None or not symbol.is_global:
                return x
            if self.several and symbol.kind == "var" and symbol.space == "uniform":
                return s.Member(s.Identifier(self.variable), symbol.name)
            if id(symbol.node) in self.renamed:
                return x.but(name=self.renamed[id(symbol.node)])
            return x

        return rewritten(node, changed)
