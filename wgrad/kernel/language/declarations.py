"""What stands outside of functions: structures, constants, variables, and functions' signatures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import limits
from . import syntax as s
from .checked_statements import Statements
from .layouts import align_of, size_of, uniform_fault
from .scopes import CONST, OVERRIDE
from .symbols import Binding, FunctionInfo, OverrideInfo, Symbol
from .types import (
    BOOL,
    FLOATS,
    I32,
    INTEGERS,
    U32,
    Field,
    Pointer,
    Scalar,
    Structure,
    Type,
    concrete,
    ends_open,
    has_atomics,
    is_constructible,
    is_plain,
    is_shareable,
    is_sized,
)
from .values import cast, converted

STAGES = ("compute", "vertex", "fragment")
_KNOWN = {
    "fn": (*STAGES, "workgroup_size", "must_use", "diagnostic"),
    "var": ("group", "binding"),
    "override": ("id",),
    "member": (*("align", "size", "builtin", "location", "interpolate", "invariant", "blend_src"),),
}


class Declarations(Statements):
    """Checks declarations of the module."""

    def __init__(self, module: s.Module, overrides: Mapping[str, Any] | None = None):
        super().__init__(module)
        self.given = dict(overrides or {})
        self.private_bytes = 0
        self.numbered: dict[int, str] = {}  # overrides, by @id
        self.values_given = overrides is not None

    def declared(self, node: s.Declaration) -> Symbol:
        """Return the symbol of a declaration."""
        return _KINDS[type(node)](self, node)

    def attribute(self, node: Any, name: str) -> s.Attribute | None:
        """Return the attribute of a name, or None."""
        return next((x for x in node.attributes if x.name == name), None)

    def _known_attributes(self, nodes: tuple[s.Attribute, ...], of: str) -> None:
        seen = set()
        for attribute in nodes:
            if attribute.name not in _KNOWN[of]:
                known = ", ".join(f"@{x}" for x in _KNOWN[of])
                what = f"unknown attribute @{attribute.name} here; there are {known}"
                raise attribute.span.error(what)
            if attribute.name in seen and attribute.name != "diagnostic":
                raise attribute.span.error(f"@{attribute.name} stands here twice")
            seen.add(attribute.name)

    def _number(self, attribute: s.Attribute, least: int) -> int:
        """Return the one number of an attribute."""
        if len(attribute.arguments) != 1:
            raise attribute.span.error(f"@{attribute.name} takes one number")
        value = self.integer(attribute.arguments[0], f"the number of @{attribute.name}")
        if value < least:
            raise attribute.span.error(f"@{attribute.name} takes {least} or more, not {value}")
        return value

    def struct(self, node: s.Struct) -> Symbol:
        """Check a structure."""
        fields: dict[str, Field] = {}
        if not node.members:
            raise node.span.error(f"struct {node.name} has no members, and needs one at least")
        if len(node.members) > limits.MEMBERS:
            raise node.span.error(f"a structure has {limits.MEMBERS} members at most")
        for i, member in enumerate(node.members):
            self._known_attributes(member.attributes, "member")
            if member.name in fields:
                raise member.span.error(f"{node.name} has two members {member.name!r}")
            kind = self.type(member.type)
            if not is_plain(kind):
                raise member.type.span.error(f"{kind} cannot be the member of a structure")
            if ends_open(kind) and (i + 1 < len(node.members) or isinstance(kind, Structure)):
                raise member.span.error(f"{kind} has no size: it has to be the last member")
            if not is_sized(kind) and not ends_open(kind):
                raise member.span.error(f"{member.name}: only workgroup memory has such a size")
            align = self.attribute(member, "align")
            size = self.attribute(member, "size")
            wide = self._number(align, 1) if align else 0
            if align and (wide & (wide - 1) or wide % align_of(kind)):
                what = f"@align of {kind} is a power of 2 and a multiple of {align_of(kind)}"
                raise align.span.error(f"{what}, not {wide}")
            long = self._number(size, 1) if size else 0
            if size and (long < size_of(kind) or ends_open(kind)):
                raise size.span.error(f"@size of {kind} is at least {size_of(kind)}, not {long}")
            fields[member.name] = Field(member.name, kind, wide, long)
        structure = Structure(node.name, tuple(fields.values()))
        self.typed.structs[node.name] = structure
        return Symbol("struct", node.name, structure, node, True)

    def alias(self, node: s.Alias) -> Symbol:
        """Check an alias."""
        return Symbol("alias", node.name, self.type(node.type), node, True)

    def global_const(self, node: s.GlobalConst) -> Symbol:
        """Check a constant."""
        return self.constant_symbol(node)

    def override(self, node: s.Override) -> Symbol:
        """Check a constant of the pipeline, and take the value that is given for it."""
        self._known_attributes(node.attributes, "override")
        id_ = self.attribute(node, "id")
        number = self._number(id_, 0) if id_ else None
        if number is not None:
            other = self.numbered.setdefault(number, node.name)
            if other != node.name:
                raise node.span.error(f"@id({number}) belongs to {other} already")
        kind = None if node.type is None else self.type(node.type)
        default = None
        if node.value is not None:
            initial = self.value(node.value)
            self.need_stage(initial, OVERRIDE, node.value, f"the value of override {node.name}")
            kind = concrete(initial.type) if kind is None else kind
            initial = self.convert(node.value, initial, kind)
            default = initial.constant if initial.stage == CONST else None
        if not isinstance(kind, Scalar):
            raise node.span.error(f"an override is a bool or a number, not {kind}")
        info = OverrideInfo(node.name, number, kind, default, node)
        self.typed.overrides[node.name] = info
        value = default
        if self.values_given:
            value = self._given(info)
        return Symbol("override", node.name, kind, node, True, value)

    def _given(self, info: OverrideInfo) -> Any:
        """Return the value that an override has, which was given, or is its default."""
        value = self.given.get(info.name, self.given.get(info.key))
        if value is None:
            if info.default is None:
                raise info.node.span.error(f"override {info.name} has no value: give it one")
            return info.default
        kind = info.type
        assert isinstance(kind, Scalar)
        try:
            if kind in INTEGERS and not (isinstance(value, int) or float(value).is_integer()):
                raise ValueError(value)
            if kind == BOOL:
                return bool(value)
            if kind in FLOATS:
                return cast(float(value), kind, kind)
            return converted(int(value), I32 if kind == U32 else U32, kind)
        except (ValueError, OverflowError, TypeError):
            what = f"override {info.name} is {kind}, and cannot be {value!r}"
            raise info.node.span.error(what) from None

    def variable(self, node: s.GlobalVar) -> Symbol:
        """Check a variable of the module."""
        self._known_attributes(node.attributes, "var")
        initial = None
        kind = None if node.type is None else self.type(node.type)
        if node.value is not None:
            initial = self.value(node.value)
            self.need_stage(initial, OVERRIDE, node.value, f"the first value of {node.name}")
            kind = concrete(initial.type) if kind is None else kind
            self.convert(node.value, initial, kind)
        assert kind is not None
        space, access = self._space(node, kind)
        group, binding = self.attribute(node, "group"), self.attribute(node, "binding")
        if space in ("storage", "uniform"):
            if group is None or binding is None:
                what = f"var<{space}> {node.name} needs @group(0) @binding(n)"
                raise node.span.error(what)
            numbers = self._number(group, 0), self._number(binding, 0)
            self.typed.bindings.append(Binding(*numbers, node.name, space, access, kind, node))
        elif group is not None or binding is not None:
            raise node.span.error(f"{node.name} is in {space} memory, which has no bindings")
        if initial is not None and space != "private":
            raise node.span.error(
                f"{node.name} is in {space} memory, and cannot have a first value"
            )
        return Symbol("var", node.name, kind, node, True, space=space, access=access)

    def _space(self, node: s.GlobalVar, kind: Type) -> tuple[str, str]:
        """Return the address space and access of a variable, which its type has to fit."""
        space, access = node.space, node.access
        if not space:
            what = "storage, uniform, workgroup or private"
            raise node.span.error(f"var {node.name} needs an address space: {what}")
        if space not in ("storage", "uniform", "workgroup", "private"):
            what = f"var<{space}> cannot stand outside of functions"
            raise node.span.error(f"{what}: storage, uniform, workgroup or private can")
        if access and space != "storage":
            raise node.span.error(f"var<{space}> takes no access mode")
        if access not in ("", "read", "read_write"):
            raise node.span.error(f"var<storage, {access}>: the access is read or read_write")
        if space in ("storage", "uniform"):
            access = access or "read"
        else:
            access = "read_write"
        where = node.type.span if node.type is not None else node.span
        if not is_plain(kind):
            raise where.error(f"a var<{space}> cannot hold {kind}")
        if space in ("storage", "uniform") and not is_shareable(kind):
            raise where.error(f"a buffer cannot hold {kind}: it has a bool in it, use u32")
        if has_atomics(kind) and not (space == "workgroup" or access == "read_write" != space):
            raise where.error(f"an atomic needs var<storage, read_write> or workgroup: {kind}")
        if ends_open(kind) and space != "storage":
            raise where.error(f"only var<storage> can hold {kind}, which has no size")
        if not is_sized(kind) and not ends_open(kind) and space != "workgroup":
            raise where.error("only var<workgroup> can have a size that an override says")
        if has_atomics(kind) and space == "private":
            raise where.error("an atomic cannot lie in private memory")
        if space == "private":
            if not is_constructible(kind):
                raise where.error(f"a var<private> cannot hold {kind}")
            self.private_bytes += size_of(kind)
            if self.private_bytes > limits.PRIVATE_BYTES:
                what = f"the private variables take {self.private_bytes} bytes"
                raise where.error(f"{what}, and WGSL promises {limits.PRIVATE_BYTES}")
        fault = uniform_fault(kind) if space == "uniform" else ""
        if fault:
            raise where.error(fault)
        return space, access

    def function_head(self, node: s.Function) -> Symbol:
        """Check what a function takes and gives; its body comes later."""
        self._known_attributes(node.attributes, "fn")
        if len(node.parameters) > limits.PARAMETERS:
            raise node.span.error(f"a function takes {limits.PARAMETERS} values at most")
        parameters = []
        for parameter in node.parameters:
            kind = self.type(parameter.type)
            if not isinstance(kind, Pointer) and not is_constructible(kind):
                what = f"{parameter.name}: a function cannot take {kind}"
                raise parameter.type.span.error(f"{what}, but a pointer to it, or read it itself")
            parameters.append(Symbol("parameter", parameter.name, kind, parameter))
        result = None
        if node.result is not None:
            result = self.type(node.result)
            if not is_constructible(result):
                raise node.result.span.error(f"{node.name}: a function cannot return {result}")
        info = FunctionInfo(node.name, node, tuple(parameters), result)
        self.typed.functions[node.name] = info
        return Symbol("function", node.name, result, node, True)

    def workgroup_size(self, node: s.Function) -> tuple[int | None, ...]:
        """Return the workgroup size of a compute shader, None where an override says it."""
        attribute = self.attribute(node, "workgroup_size")
        if attribute is None:
            raise node.span.error(f"{node.name} needs @workgroup_size(64) beside @compute")
        if not 1 <= len(attribute.arguments) <= 3:
            raise attribute.span.error("@workgroup_size takes one to three numbers")
        sizes: list[int | None] = []
        for x in attribute.arguments:
            size = self.value(x)
            self.need_stage(size, OVERRIDE, x, "a workgroup size")
            if size.type not in INTEGERS:
                raise x.span.error(f"a workgroup size is i32 or u32, not {size.type}")
            size = self.convert(x, size, concrete(size.type))
            if size.stage == CONST and size.constant < 1:
                raise x.span.error(f"a workgroup size is 1 at least, not {size.constant}")
            sizes.append(size.constant if size.stage == CONST else None)
        return tuple(sizes + [1] * (3 - len(sizes)))


_KINDS: dict[type, Callable[[Declarations, Any], Symbol]] = {
    s.Struct: Declarations.struct,
    s.Alias: Declarations.alias,
    s.GlobalConst: Declarations.global_const,
    s.Override: Declarations.override,
    s.GlobalVar: Declarations.variable,
    s.Function: Declarations.function_head,
}
