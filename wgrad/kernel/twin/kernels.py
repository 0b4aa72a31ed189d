"""A whole compute shader on NumPy arrays: all invocations take each statement together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from ...errors import ArgumentError
from ..language import syntax as s
from ..language.layouts import size_of, stride_of
from ..language.symbols import EntryPoint, Symbol, Typed
from ..language.types import (
    Array,
    Atomic,
    Pointer,
    Structure,
    Type,
)
from . import atomics
from .buffers import given_back, memory_of
from .frames import Eval, Frame
from .masks import Mask
from .memory import Memory, Spot
from .modules import LIMIT, Module
from .paths import Path
from .places import Stored

BARRIERS = ("workgroupBarrier", "storageBarrier", "textureBarrier")


class Kernel(Module):
    """Compiles functions that see buffers, workgroup memory and each other."""

    def memory(self, symbol: Symbol, node: s.Identifier) -> Path:
        name = symbol.name
        assert symbol.type is not None
        return Path(lambda f, m: f.shared.spots[name], symbol.type)

    def together(self, node: s.Call, arguments: list[Eval]) -> Eval:
        name = node.callee.name
        if name in BARRIERS:
            return self._barrier(node)
        if name == "arrayLength":
            kind = self._target(node)
            assert isinstance(kind, Array)
            stride = stride_of(kind)
            return lambda f, m: np.uint32(arguments[0](f, m).length(stride))
        if name == "workgroupUniformLoad":
            barrier, stored = self._barrier(node), Stored.of(self._target(node), self.numbers)

            def loaded(f: Frame, m: Mask) -> Any:
                barrier(f, m)
                return arguments[0](f, m).load(stored, f.n)

            return loaded
        if name.startswith("atomic"):
            return self._atomic(node, name.removeprefix("atomic"), arguments)
        return super().together(node, arguments)

    def _target(self, node: s.Call) -> Type:
        """Return what the pointer points to that a builtin gets."""
        kind = self.typed.type_of(node.arguments[0])
        assert isinstance(kind, Pointer)
        return kind.store

    def _barrier(self, node: s.Call) -> Eval:
        def found(f: Frame, m: Mask) -> None:
            if m is not None:
                rows = m.reshape(-1, f.shared.groups)
                if (rows.any(axis=1) != rows.all(axis=1)).any():
                    raise node.span.error(
                        f"{node.callee.name} is reached by some invocations of a workgroup and "
                        "not by others, so that a GPU would wait for ever"
                    )

        return found

    def _atomic(self, node: s.Call, name: str, arguments: list[Eval]) -> Eval:
        kind = self._target(node)
        assert isinstance(kind, Atomic)
        scalar = kind.element
        stored = Stored.of(scalar, self.numbers)
        spot = arguments[0]
        if name == "Load":
            return lambda f, m: spot(f, m).load(stored, f.n)
        value = arguments[1]
        if name == "Store":
            return lambda f, m: spot(f, m).store(stored, value(f, m), m, f.n)
        if name in atomics.NAMES:
            return lambda f, m: atomics.changed(name, spot(f, m), value(f, m), scalar, f, m)
        new = arguments[2]
        return lambda f, m: atomics.exchanged(spot(f, m), value(f, m), new(f, m), scalar, f, m)


def run_kernel(
    typed: Typed,
    entry: str,
    bindings: Mapping[str, np.ndarray],
    groups: int | Sequence[int],
    *,
    overrides: Mapping[str, Any] | None = None,
    float64: bool = False,
    limit: int = LIMIT,
) -> dict[str, np.ndarray]:
    """Return what a compute shader leaves in the buffers that it may write to.

    `bindings` has an array for each buffer by its variable's name, of float32, int32, uint32 or
    float16 numbers, one after the other as WGSL lays them out; bytes may come as uint8. What they
    hold stays as it is. `groups` says how many workgroups there are, in up to three directions.
    Invocations run in their order: where several write to one place, the last one's value stays.

    With `float64`, floats are computed in float64. A buffer then may come as float64, a number for
    each of its words, and is given back so if there are floats in its type.

    Shapes: any -> the same

    Raises: ArgumentError for bindings that are missing, unknown or too small; ShaderError, with the
    place, for a loop that does not end and a barrier that only some invocations reach.
    """
    point = typed.entry_points.get(entry)
    if point is None or point.stage != "compute":
        known = ", ".join(x for x, y in typed.entry_points.items() if y.stage == "compute")
        raise ArgumentError(f"the text has no @compute fn {entry!r}; it has {known or 'none'}")
    kernel = Kernel(typed, overrides, float64)
    code = kernel.function(entry)
    counts = _counts(groups)
    shape = _workgroup(kernel, point)
    buffers = _buffers(kernel, point, bindings)
    shared = {
        name: kernel.fixed(typed.globals[name].type)
        for name in point.globals
        if typed.globals[name].space == "workgroup"
    }
    step = max(1, kernel.chunk() // prod(shape))
    with np.errstate(all="ignore"):
        for first in range(0, prod(counts), step):
            several = min(step, prod(counts) - first)
            state = kernel.shared(limit)
            state.groups = prod(shape)
            state.spots.update({name: Spot(x) for name, x in buffers.items()})
            for name, kind in shared.items():
                size = -(-size_of(kind) // 16) * 16
                lanes = np.repeat(np.arange(several) * size, prod(shape))
                memory = Memory(size * several, float64, clamps=True)
                state.spots[name] = Spot(memory, lanes if len(lanes) > 1 else 0)
            ids = _ids(first, several, counts, shape)
            arguments = [_argument(typed, x, ids) for x in typed.functions[entry].parameters]
            code.run(arguments, None, several * prod(shape), state)
    return {
        x.name: given_back(buffers[x.name], bindings[x.name], x.type)
        for x in typed.bindings
        if x.name in buffers and x.access == "read_write"
    }


def _counts(groups: int | Sequence[int]) -> tuple[int, int, int]:
    found = (groups,) if isinstance(groups, (int, np.integer)) else tuple(groups)
    whole = all(isinstance(x, (int, np.integer)) and x >= 0 for x in found)
    if not whole or not 1 <= len(found) <= 3:
        raise ArgumentError(f"groups are one to three integers from 0 on, not {groups!r}")
    x, y, z = (*map(int, found), 1, 1)[:3]
    return x, y, z


def _workgroup(kernel: Kernel, point: EntryPoint) -> tuple[int, int, int]:
    """Return the size of a workgroup, whose overrides are known now."""
    found = []
    for i, size in enumerate(point.workgroup_size):
        if size is None:
            node = point.workgroup_expressions[i]
            size = int(kernel.compile(node)(kernel.nowhere, None))
            if size < 1:
                raise node.span.error(f"a workgroup size is 1 at least, not {size}")
        found.append(size)
    x, y, z = found
    return x, y, z


def _ids(first: int, several: int, counts: tuple, shape: tuple) -> dict[str, Any]:
    """Return the builtin values of the invocations of some workgroups."""
    size = prod(shape)
    local = np.tile(np.arange(size), several)
    group = np.repeat(np.arange(first, first + several), size)

    def triple(x: np.ndarray, by: tuple) -> tuple:
        return x % by[0], x // by[0] % by[1], x // (by[0] * by[1])

    lid, wid = triple(local, shape), triple(group, counts)
    gid = tuple(w * n + i for w, n, i in zip(wid, shape, lid, strict=True))
    found: dict[str, Any] = {
        "local_invocation_id": lid,
        "local_invocation_index": local,
        "global_invocation_id": gid,
        "workgroup_id": wid,
        "workgroup_index": group,
        "global_invocation_index": group * size + local,
        "num_workgroups": tuple(np.uint32(x) for x in counts),
    }

    def held(x: Any) -> Any:
        if type(x) is tuple:
            return tuple(map(held, x))
        x = x.astype(np.uint32)
        return x[0] if x.shape == (1,) else x

    return {name: held(x) for name, x in found.items()}


def _argument(typed: Typed, parameter: Symbol, ids: dict[str, Any]) -> Any:
    """Return what an entry point gets for a parameter."""
    node = parameter.node
    assert isinstance(node, s.Parameter)
    if isinstance(parameter.type, Structure):
        struct = typed.globals[parameter.type.name].node
        assert isinstance(struct, s.Struct)
        found: list[Any] = []
        for member in struct.members:
            value = _builtin(member, ids)
            found += value if type(value) is tuple else (value,)
        return tuple(found)
    return _builtin(node, ids)


def _builtin(node: s.Parameter | s.StructMember, ids: dict[str, Any]) -> Any:
    attribute = next(x for x in node.attributes if x.name == "builtin")
    word = attribute.arguments[0]
    assert isinstance(word, s.Identifier)
    if word.name not in ids:
        raise attribute.span.error(f"{word.name} is known on GPUs alone: NumPy has no subgroups")
    return ids[word.name]


def _buffers(
    kernel: Kernel, point: EntryPoint, bindings: Mapping[str, np.ndarray]
) -> dict[str, Memory]:
    known = {x.name: x for x in kernel.typed.bindings}
    unknown = [name for name in bindings if name not in known]
    if unknown:
        has = ", ".join(known) or "none"
        raise ArgumentError(f"{point.name} has no binding {unknown[0]!r}; the text has {has}")
    found = {}
    for name in point.bindings:
        if name not in bindings:
            raise ArgumentError(f"{point.name} needs an array for its binding {name!r}")
        found[name] = memory_of(
            name, known[name].type, np.asarray(bindings[name]), kernel.numbers.wide
        )
    return found
