"""Entry points: what each uses through all that it calls, and whether it may."""

from __future__ import annotations

from collections.abc import Callable

from . import syntax as s
from .layouts import rounded_up, size_of
from .symbols import EntryPoint, Typed
from .types import BOOL, F32, U32, Pointer, Structure, Type, Vector

_TRIPLE = Vector(3, U32)
# What the builtin values of a compute shader are.
COMPUTE_INPUTS: dict[str, Type] = {
    "local_invocation_id": _TRIPLE,
    "local_invocation_index": U32,
    "global_invocation_id": _TRIPLE,
    "global_invocation_index": U32,
    "workgroup_id": _TRIPLE,
    "workgroup_index": U32,
    "num_workgroups": _TRIPLE,
    "subgroup_invocation_id": U32,
    "subgroup_size": U32,
    "subgroup_id": U32,
    "num_subgroups": U32,
}
_OTHER_INPUTS: dict[str, Type] = {
    "vertex_index": U32,
    "instance_index": U32,
    "position": Vector(4, F32),
    "front_facing": BOOL,
    "sample_index": U32,
    "sample_mask": U32,
    "primitive_index": U32,
    "view_index": U32,
}
_STAGES = ("compute", "vertex", "fragment")


def entry_points(
    typed: Typed, size_of: Callable[[s.Function], tuple[int | None, ...]]
) -> dict[str, EntryPoint]:
    """Return the entry points by name. `size_of` gives the workgroup size of a compute shader."""
    entries = {}
    for name, info in typed.functions.items():
        stages = [x.name for x in info.node.attributes if x.name in _STAGES]
        if not stages:
            continue
        if len(stages) > 1:
            raise info.node.span.error(f"{name} has two stages: {' and '.join(stages)}")
        (stage,) = stages
        sizes: tuple[int | None, ...] = ()
        written: tuple[s.Expression, ...] = ()
        if stage == "compute":
            sizes = size_of(info.node)
            written = next(x.arguments for x in info.node.attributes if x.name == "workgroup_size")
        entry = EntryPoint(name, stage, sizes, written)
        _check_inputs(typed, entry)
        _reach(typed, entry)
        entries[name] = entry
    return entries


def workgroup_bytes(typed: Typed, entry: EntryPoint) -> int:
    """Return how much workgroup memory an entry point takes.

    Raises: TypeError where an override decides it: `check` the text with its overrides.
    """
    symbols = (typed.globals[name] for name in entry.globals)
    kinds = [x.type for x in symbols if x.kind == "var" and x.space == "workgroup"]
    return sum(rounded_up(size_of(kind), 16) for kind in kinds if kind is not None)


def _reach(typed: Typed, entry: EntryPoint) -> None:
    """Note what an entry point uses. Raises: ShaderError for what its stage does not have."""
    functions: dict[str, None] = {entry.name: None}
    names: dict[str, None] = {}
    needs = set(typed.extensions)
    pending = [entry.name]
    while pending:
        info = typed.functions[pending.pop()]
        names |= dict.fromkeys(info.globals)
        for name, call in info.builtins.items():
            row = typed.symbols[id(call.callee)].builtin
            if row is not None and row.needs:
                needs.add(row.needs)
            if row is not None and row.stage not in ("", entry.stage):
                what = f"{name} works in {row.stage} shaders alone"
                raise call.span.error(f"{what}, and {entry.name} is a {entry.stage} shader")
        if info.discards is not None and entry.stage != "fragment":
            what = f"discard works in fragment shaders alone, and {entry.name} is none"
            raise info.discards.span.error(what)
        for name in info.callees:
            if name not in functions:
                functions[name] = None
                pending.append(name)
    entry.functions = tuple(x for x in typed.order if x in functions)
    entry.globals = tuple(names)
    entry.needs = frozenset(needs)
    used = [x for x in typed.bindings if x.name in names]
    entry.bindings = tuple(x.name for x in used)
    places: dict[tuple[int, int], str] = {}
    for x in used:
        other = places.setdefault((x.group, x.binding), x.name)
        if other != x.name:
            where = f"@group({x.group}) @binding({x.binding})"
            raise x.node.span.error(f"{x.name} and {other} are both {where} in {entry.name}")
    for name in names:
        symbol = typed.globals[name]
        if symbol.kind == "var" and symbol.space == "workgroup" and entry.stage != "compute":
            what = f"{name} is workgroup memory, which compute shaders alone have"
            assert symbol.node is not None
            raise symbol.node.span.error(what)


def _check_inputs(typed: Typed, entry: EntryPoint) -> None:
    """Raise where a parameter of an entry point gets no value, or one of another type."""
    info = typed.functions[entry.name]
    for symbol in info.parameters:
        node = symbol.node
        assert isinstance(node, s.Parameter) and symbol.type is not None
        if isinstance(symbol.type, Structure):
            struct = typed.globals[symbol.type.name].node
            assert isinstance(struct, s.Struct)
            for member, field in zip(struct.members, symbol.type.fields, strict=True):
                _check_input(entry, member, field.type)
        else:
            _check_input(entry, node, symbol.type)
    if entry.stage == "compute" and info.result is not None:
        raise info.node.span.error(f"{entry.name}: a compute shader returns nothing")


def _check_input(entry: EntryPoint, node: s.Parameter | s.StructMember, kind: Type) -> None:
    names = [x for x in node.attributes if x.name in ("builtin", "location")]
    if isinstance(kind, Pointer) or len(names) != 1:
        example = "@builtin(global_invocation_id) id: vec3u"
        what = f"{node.name}: what an entry point takes is a builtin value: {example}"
        raise node.span.error(what)
    (attribute,) = names
    if attribute.name == "location":
        if entry.stage == "compute":
            raise attribute.span.error("a compute shader has no @location")
        return
    known = COMPUTE_INPUTS if entry.stage == "compute" else _OTHER_INPUTS | COMPUTE_INPUTS
    word = attribute.arguments[0] if len(attribute.arguments) == 1 else None
    if not isinstance(word, s.Identifier) or word.name not in known:
        raise attribute.span.error(f"@builtin takes one of {', '.join(known)}")
    if kind != known[word.name]:
        raise node.type.span.error(f"@builtin({word.name}) is {known[word.name]}, not {kind}")
