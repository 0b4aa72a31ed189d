"""The tracer: takes the devices' place while a function runs once, and writes down the work.

Tensors inside have shapes and no values. Real storages that the function touches become inputs;
what it writes to them is written down, not done, so that a failed trace leaves them as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ..backends.base import (
    Array,
    Body,
    Device,
    Number,
    Storage,
    batch_gather_shape,
    reduced_shape,
    traced_by,
)
from ..core import Node, Value, caller, place
from ..dtypes import DType, float32, uint32
from ..errors import TraceError
from ..layout import Layout, Shape
from .ir import Program, Ref, Slot, Step


class Tracer:
    """One capture: the program so far, and which slot each storage's values are in now."""

    def __init__(self) -> None:
        self.program = Program()
        self.device: Device | None = None
        # Storages that exist only in the trace; those alive at its end hold results.
        self.made: WeakKeyDictionary[Storage, int] = WeakKeyDictionary()
        self.arguments: list[Storage] = []  # stand-ins of the arguments, in order
        self.captured: dict[Storage, int] = {}  # real storages: the slot of their values at first
        self.current: dict[Storage, int] = {}  # ... and now
        self.writes: dict[Storage, int] = {}  # how often each captured storage was written to
        self.grads_before: dict[Node, Any] = {}
        self.grads_cleared: set[Node] = set()
        self.guards: list[Callable[[], bool]] = []
        self.generators: dict[Any, tuple[int, int]] = {}  # first counter, numbers taken
        self.checks: list[tuple[Storage, DType, int, str, str]] = []
        self._roots: WeakKeyDictionary[Storage, Storage] = WeakKeyDictionary()
        self._drawing: tuple[Any, int] | None = None

    # Slots.
    def argument(self, x: Array) -> Array:
        """Return the stand-in of an argument: the same view of a slot of its own."""
        storage = self._new_storage(x.storage.device, (x.storage.size,), x.dtype)
        storage.bounds = x.storage.bounds
        self.program.inputs.append(Slot(self.made[storage], (x.storage.size,), x.dtype))
        self.arguments.append(storage)
        return Array(storage, x.layout, x.dtype)

    def _new_storage(self, device: Device, shape: Shape, dtype: DType) -> Storage:
        storage = device.unbacked(Layout.dense(shape).size)
        self.made[storage] = self.program.new_slot(shape, dtype).index
        return storage

    def _one_device(self, device: Device) -> None:
        if self.device is None:
            self.device = device
        elif device is not self.device:
            raise TraceError(
                f"compile: the function at {place(caller())} works on {self.device.name} and on "
                f"{device.name}; one device is needed"
            )

    def slot_of(self, storage: Storage, dtype: DType) -> int:
        """Return where the values of a storage are now; a real one becomes an input."""
        if storage in self.made:
            return self.made[storage]
        if storage not in self.captured:
            slot = self.program.new_slot((storage.size,), dtype)
            self.program.inputs.append(slot)
            self.captured[storage] = self.current[storage] = slot.index
        return self.current[storage]

    def _set_slot(self, storage: Storage, slot: int, dtype: DType) -> None:
        if storage in self.made:
            self.made[storage] = slot
        else:
            self.slot_of(storage, dtype)
            self.current[storage] = slot
            self.writes[storage] = self.writes.get(storage, 0) + 1

    def ref(self, x: Array) -> Ref:
        """Return a view as the program sees it."""
        return Ref(self.slot_of(x.storage, x.dtype), x.layout, x.dtype)

    def _add(
        self,
        device: Device,
        kind: str,
        inputs: Sequence[Array | Number],
        shape: Shape,
        dtype: DType,
        /,
        **params: Any,
    ) -> Array:
        self._one_device(device)
        refs = tuple(self.ref(x) if isinstance(x, Array) else x for x in inputs)
        layout = Layout.dense(shape)
        storage = self._new_storage(device, shape, dtype)
        step = Step(kind, refs, (Slot(self.made[storage], shape, dtype),), params)
        self.program.steps.append(step)
        return Array(storage, layout, dtype)

    # The device protocol.
    def upload(self, device: Device, data: np.ndarray, dtype: DType) -> Array:
        with traced_by(None):  # host data is a constant of the program
            return device.upload(data, dtype)

    def download(self, device: Device, x: Array) -> np.ndarray:
        raise TraceError(
            f"compile: the function reads a value at {place(caller())}; inside a compiled function "
            "tensors have no values: return the tensor and read it outside"
        )

    def synchronize(self, device: Device) -> None:
        raise TraceError(f"compile: the function waits for the device at {place(caller())}")

    def full(self, device: Device, shape: Shape, value: Number, dtype: DType) -> Array:
        return self._add(device, "full", (), shape, dtype, value=value)

    def map(
        self,
        device: Device,
        body: Body,
        operands: Sequence[Array | Number],
        dtypes: Sequence[DType],
        shape: Shape,
        dtype: DType,
    ) -> Array:
        return self._add(device, "map", operands, shape, dtype, body=body, dtypes=tuple(dtypes))

    def reduce(self, device: Device, kind: str, x: Array, axes: Shape, dtype: DType) -> Array:
        shape = reduced_shape(x.shape, axes)
        return self._add(device, "reduce", (x,), shape, dtype, kind=kind, axes=axes)

    def matmul(self, device: Device, a: Array, b: Array) -> Array:
        return self._add(device, "matmul", (a, b), (*a.shape[:-1], b.shape[-1]), a.dtype)

    def copy(self, device: Device, x: Array) -> Array:
        out = self._add(device, "copy", (x,), x.shape, x.dtype)
        self._follow(out, x)
        return out

    def gather(self, device: Device, x: Array, index: Array, axis: int) -> Array:
        out = self._add(device, "gather", (x, index), index.shape, x.dtype, axis=axis)
        self._follow(out, x)
        return out

    def scatter_add(
        self, device: Device, index: Array, values: Array, axis: int, size: int
    ) -> Array:
        shape = batch_gather_shape(index, axis, size)
        return self._add(
            device, "scatter_add", (index, values), shape, values.dtype, axis=axis, size=size
        )

    def random(
        self, device: Device, kind: str, key: tuple[int, int], counter: int, shape: Shape
    ) -> Array:
        assert self._drawing is not None
        generator, first = self._drawing
        offset = first - self.generators[generator][0]
        dtype = uint32 if kind == "bits" else float32
        return self._add(
            device, "random", (), shape, dtype, kind=kind, generator=generator, offset=offset
        )

    def write(self, device: Device, target: Array, x: Array) -> None:
        base = Array(target.storage, Layout.dense((target.storage.size,)), target.dtype)
        out = self._add(device, "write", (base, x), base.shape, target.dtype, target=target.layout)
        self._set_slot(target.storage, self.made[out.storage], target.dtype)

    def replace(self, device: Device, target: Array, fresh: Array) -> None:
        whole = target.layout.contiguous and target.layout.size == target.storage.size
        if whole and fresh.layout.contiguous and fresh.storage.size == fresh.layout.size:
            self._set_slot(target.storage, self.slot_of(fresh.storage, fresh.dtype), target.dtype)
        else:
            self.write(device, target, fresh)

    # What other modules tell.
    def _follow(self, out: Array, x: Array) -> None:
        """Remember that `out` holds values of `x` alone, whose indices are checked there."""
        self._roots[out.storage] = self._roots.get(x.storage, x.storage)

    def indices_checked(self, index: Value, size: int, op: str, what: str) -> None:
        """Check these indices again before every later run, where they come from outside."""
        storage = self._roots.get(index.array.storage, index.array.storage)
        if storage in self.captured or storage in self.arguments:
            self.checks.append((storage, index.dtype, size, op, what))

    def grad_touched(self, node: Node, cleared: bool) -> None:
        """Remember a gradient as it was before the function first changed it."""
        if node not in self.grads_before:
            self.grads_before[node] = node.grad
            if cleared:
                self.grads_cleared.add(node)

    def require(self, holds: Callable[[], bool]) -> None:
        """Trace anew once `holds()` is no longer true: the path taken rests on it."""
        self.guards.append(holds)

    def numbers_taken(self, generator: Any, first: int, count: int) -> None:
        """Remember that the function drew from a generator."""
        start, taken = self.generators.get(generator, (first, 0))
        self.generators[generator] = (start, taken + count)
        self._drawing = generator, first
