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
_WORKGROUP_BYTES = 2**26  # of workgroup memory that is held at once


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
        def wait(f: Frame, m: Mask) -> None:
            if m is not None:
                rows = m.reshape(-1, f.shared.groups)
                if (rows.any(axis=1) != rows.all(axis=1)).any():
                    raise node.span.error(
                        f"{node.callee.name} is reached by some invocations of a workgroup and "
                        "not by others, so that a GPU would wait for ever"
                    )

        return wait

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


class KernelTwin:
    """A compute shader of a checked text, computed with NumPy. `run_kernel` makes one and calls it.

    Example:
        >>> from wgrad.kernel.language.check import check
        >>> text = '''@group(0) @binding(0) var<storage, read_write> y: array<f32>;
        ... @compute @workgroup_size(2) fn double(@builtin(global_invocation_id) id: vec3u) {
        ...   y[id.x] *= 2.0;
        ... }'''
        >>> double = KernelTwin(check(text), "double")
        >>> double({"y": np.array([1, 2, 3], np.float32)}, groups=2)["y"].tolist()
        [2.0, 4.0, 6.0]

    Raises: ArgumentError for a name that is no compute shader; ShaderError, with the place, for an
    override without a value, and for what runs on GPUs alone.
    """

    def __init__(
        self,
        typed: Typed,
        entry: str,
        *,
        overrides: Mapping[str, Any] | None = None,
        float64: bool = False,
        limit: int = LIMIT,
    ):
        point = typed.entry_points.get(entry)
        if point is None or point.stage != "compute":
            known = ", ".join(x for x, y in typed.entry_points.items() if y.stage == "compute")
            raise ArgumentError(f"the text has no @compute fn {entry!r}; it has {known or 'none'}")
        self.typed = typed
        self.name = entry
        self.limit = limit
        self._point = point
        self._kernel = Kernel(typed, overrides, float64)
        with self._kernel.running(entry):
            self._code = self._kernel.function(entry)
            self.workgroup = _workgroup(self._kernel, point)
        self._workgroup_bytes = {
            name: -(-size_of(self._kernel.fixed(typed.globals[name].type)) // 16) * 16
            for name in point.globals
            if typed.globals[name].space == "workgroup"
        }
        lanes = self._kernel.chunk() // prod(self.workgroup)
        room = _WORKGROUP_BYTES // max(1, sum(self._workgroup_bytes.values()))
        self._step = max(1, min(lanes, room))

    def __call__(
        self, bindings: Mapping[str, np.ndarray], groups: int | Sequence[int]
    ) -> dict[str, np.ndarray]:
        """Return what the shader leaves in the buffers that it may write to; see `run_kernel`."""
        counts = _counts(groups)
        kernel = self._kernel
        with kernel.running(self.name):
            buffers = _buffers(kernel, self._point, bindings)
            for first in range(0, prod(counts), self._step):
                several = min(self._step, prod(counts) - first)
                self._run(first, several, counts, buffers)
            return {
                x.name: given_back(buffers[x.name], bindings[x.name], x.type)
                for x in self.typed.bindings
                if x.name in buffers and x.access == "read_write"
            }

    def _run(self, first: int, several: int, counts: tuple, buffers: dict[str, Memory]) -> None:
        """Run some workgroups, which follow each other."""
        size = prod(self.workgroup)
        state = self._kernel.shared(self.limit)
        state.groups = size
        state.spots.update({name: Spot(x) for name, x in buffers.items()})
        for name, nbytes in self._workgroup_bytes.items():
            starts = np.repeat(np.arange(several) * nbytes, size)
            memory = Memory(nbytes * several, self._kernel.numbers.wide, clamps=True)
            state.spots[name] = Spot(memory, starts if len(starts) > 1 else 0)
        ids = _Ids(first, several, counts, self.workgroup)
        parameters = self.typed.functions[self.name].parameters
        arguments = [_argument(self.typed, x, ids) for x in parameters]
        self._code.run(arguments, None, several * size, state)


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
    each of its words, and is given back so if there are floats in its type; a number for every 2
    bytes where there is f16.

    Shapes: any -> the same

    Raises: ArgumentError for bindings that are missing, unknown or too small; ShaderError, with the
    place, for a loop that does not end and a barrier that only some invocations reach.
    """
    twin = KernelTwin(typed, entry, overrides=overrides, float64=float64, limit=limit)
    return twin(bindings, groups)


def _counts(groups: int | Sequence[int]) -> tuple[int, int, int]:
    counts = (groups,) if isinstance(groups, (int, np.integer)) else tuple(groups)
    whole = all(isinstance(x, (int, np.integer)) and x >= 0 for x in counts)
    if not whole or not 1 <= len(counts) <= 3:
        raise ArgumentError(f"groups are one to three integers from 0 on, not {groups!r}")
    x, y, z = (*map(int, counts), 1, 1)[:3]
    return x, y, z


def _workgroup(kernel: Kernel, point: EntryPoint) -> tuple[int, int, int]:
    """Return the size of a workgroup, whose overrides are known now."""
    sizes = []
    for i, size in enumerate(point.workgroup_size):
        if size is None:
            node = point.workgroup_expressions[i]
            size = int(kernel.compile(node)(kernel.nowhere, None))
            if size < 1:
                raise node.span.error(f"a workgroup size is 1 at least, not {size}")
        sizes.append(size)
    x, y, z = sizes
    return x, y, z


class _Ids:
    """The builtin values of the invocations of some workgroups, each made when it is asked for."""

    def __init__(self, first: int, several: int, counts: tuple, shape: tuple):
        self._first, self._several = first, several
        self._counts, self._shape = counts, shape

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)()

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and not name.startswith("_") and hasattr(self, name)

    def local_invocation_index(self) -> Any:
        one = np.arange(prod(self._shape), dtype=np.uint32)
        return _held(np.tile(one, self._several))

    def workgroup_index(self) -> Any:
        groups = np.arange(self._first, self._first + self._several, dtype=np.uint32)
        return _held(np.repeat(groups, prod(self._shape)))

    def global_invocation_index(self) -> Any:
        size = prod(self._shape)
        start = self._first * size
        return _held(np.arange(start, start + self._several * size, dtype=np.uint32))

    def local_invocation_id(self) -> tuple:
        return _triple(self.local_invocation_index(), self._shape)

    def workgroup_id(self) -> tuple:
        return _triple(self.workgroup_index(), self._counts)

    def global_invocation_id(self) -> tuple:
        if prod(self._shape) == self._shape[0] and prod(self._counts) == self._counts[0]:
            return self.global_invocation_index(), np.uint32(0), np.uint32(0)
        groups, locals_ = self.workgroup_id(), self.local_invocation_id()
        both = zip(groups, self._shape, locals_, strict=True)
        return tuple(group * np.uint32(size) + local for group, size, local in both)

    def num_workgroups(self) -> tuple:
        return tuple(np.uint32(x) for x in self._counts)


def _held(x: np.ndarray) -> Any:
    """Return a value of each lane; a scalar where there is one lane."""
    return x[0] if x.shape == (1,) else x


def _triple(index: Any, by: tuple[int, int, int]) -> tuple:
    """Return the three coordinates of an index; one in a direction of extent 1 is 0 everywhere."""
    coordinates = []
    for i, size in enumerate(by):
        far = prod(by[i + 1 :]) > 1
        part = index if not far else index % np.uint32(size)
        coordinates.append(part if size > 1 else np.uint32(0))
        if far and size > 1:
            index = index // np.uint32(size)
    return tuple(coordinates)


def _argument(typed: Typed, parameter: Symbol, ids: _Ids) -> Any:
    """Return what an entry point gets for a parameter."""
    node = parameter.node
    assert isinstance(node, s.Parameter)
    if isinstance(parameter.type, Structure):
        struct = typed.globals[parameter.type.name].node
        assert isinstance(struct, s.Struct)
        values: list[Any] = []
        for member in struct.members:
            value = _builtin(member, ids)
            values += value if type(value) is tuple else (value,)
        return tuple(values)
    return _builtin(node, ids)


def _builtin(node: s.Parameter | s.StructMember, ids: _Ids) -> Any:
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
    memories = {}
    for name in point.bindings:
        if name not in bindings:
            raise ArgumentError(f"{point.name} needs an array for its binding {name!r}")
        memories[name] = memory_of(
            name, known[name].type, np.asarray(bindings[name]), kernel.numbers.wide
        )
    return memories
