"""What has to be refused before a driver sees it, for it would end the process or run wrong.

The text itself is looked at by the type pass; here is what an adapter's limits and features say.
"""

from __future__ import annotations

from typing import Any

from ..backends.shader import Shader
from ..errors import DeviceError, ShaderError
from .entry import Entry
from .language.layouts import rounded_up, size_of
from .language.types import Type

SUBGROUP_INPUTS = ("subgroup_invocation_id", "subgroup_size", "subgroup_id", "num_subgroups")


def check_entry(entry: Entry) -> None:
    """Raise ShaderError for what no adapter runs."""
    if not entry.writes:
        what = f"{entry.name} writes to no buffer: it needs a var<storage, read_write>"
        raise _at(entry).error(what)


def check_adapter(entry: Entry, device: Any) -> None:
    """Raise ShaderError or DeviceError for what an open adapter does not run."""
    gpu = device.gpu
    limits, name = gpu.limits, gpu.info["device"]
    if "f16" in entry.typed.extensions and not device.facts.has_half:
        raise DeviceError(f"{entry.name}: f16 needs the feature shader-f16, which {name} lacks")
    needs = subgroup_use(entry)
    if needs and "subgroup" not in gpu.features:
        raise DeviceError(f"{entry.name}: {needs} needs the feature subgroup, which {name} lacks")
    groups = max((x.group for x in entry.typed.bindings), default=0)
    if groups >= limits["max-bind-groups"]:
        most = limits["max-bind-groups"] - 1
        raise _at(entry).error(f"@group({groups}) came, and {name} has groups 0 to {most}")
    if len(entry.storage) > device.facts.buffers:
        raise entry.storage[device.facts.buffers].node.span.error(
            f"{entry.name} uses {len(entry.storage)} storage buffers, and {name} binds at most "
            f"{device.facts.buffers}"
        )
    x, y, z = entry.workgroup
    most = limits["max-compute-invocations-per-workgroup"]
    if x * y * z > most:
        what = f"a workgroup of {x} x {y} x {z} came, and {name} runs at most {most} invocations"
        raise _at(entry).error(what)
    for axis, size in zip("xyz", entry.workgroup, strict=True):
        most = limits[f"max-compute-workgroup-size-{axis}"]
        if size > most:
            raise _at(entry).error(
                f"a workgroup of {size} along {axis} came, and {most} is the most"
            )
    most = limits["max-compute-workgroup-storage-size"]
    total = 0
    for variable in entry.point.globals:
        symbol = entry.typed.globals[variable]
        if symbol.kind != "var" or symbol.space != "workgroup":
            continue
        assert isinstance(symbol.type, Type) and symbol.node is not None
        total += rounded_up(size_of(symbol.type), 16)
        if total > most:
            raise symbol.node.span.error(
                f"{variable} makes it {total} bytes of workgroup memory, and {most} are the most "
                f"of {name}"
            )


def subgroup_use(entry: Entry) -> str:
    """Return what of subgroups an entry point uses, or ""."""
    for function in entry.point.functions:
        info = entry.typed.functions[function]
        for builtin in info.builtins:
            if builtin.startswith(("subgroup", "quad")):
                return builtin
        for node in info.node.walk():
            name = getattr(node, "name", "")
            if name in SUBGROUP_INPUTS:
                return str(name)
    return ""


def _at(entry: Entry) -> Any:
    return entry.typed.functions[entry.name].node.span


def compiled(device: Any, entry: Entry, shader: Shader) -> None:
    """Have a driver compile a shader. Raises: ShaderError, at the entry point."""
    try:
        device._kernel((shader,), shader.access, lambda: shader.code)
    except ShaderError as error:
        if error.file is not None:
            raise
        raise _at(entry).error(" ".join(str(error).split())) from None
