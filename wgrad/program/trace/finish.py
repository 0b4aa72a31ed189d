"""From a finished trace to a program: which inputs there are, what they are bound to at a run, and
where its results go.

An input is bound to a `Source`. An argument that is contiguous and only read is a "window": any
memory with its elements will do, wherever in its storage they begin. What is written to, or of
which a view is handed out, is the storage itself: an "argument"'s, a "grad"'s (of a node, at the
time of the run), the "state"'s at a place of what was declared (guard/state.py), or one fixed
"storage" that the function found. A "constant" is host data, and
"faults" are the records of the program's own range checks (bounded.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ...backends.array import Number, Storage
from ...backends.families import Copy
from ...core import Node, Value
from ...layout import Layout
from ...tensor import Tensor
from ..ir import Program, Ref, Slot, Step
from .tracer import Tracer

NodeKey = int | Node  # the node of an argument, by its position, or one that is the same always


class Source(NamedTuple):
    """What an input is bound to, by its kind; `of` is a position, a NodeKey or a storage."""

    kind: str
    of: Any


FIXED = frozenset({"storage", "constant"})  # kinds whose `of` is the memory of every run


def shifted(layout: Layout, by: int) -> Layout:
    """Return a layout that begins `by` elements later."""
    return layout if not by else Layout(layout.shape, layout.strides, layout.offset + by)


class Bindings:
    """The inputs of a trace: the source of each, and what of the arguments is fixed by it."""

    def __init__(
        self,
        tracer: Tracer,
        leaves: Sequence[Tensor],
        tensors: Collection[int],
        storages: Collection[Storage],
        places: Mapping[Storage, int],
        shown: Collection[Storage],
    ):
        self.tracer = tracer
        self._leaves = leaves
        self._storages, self._places = storages, places
        # Arguments that the function can reach by itself as well: no other can take their place.
        self.reached = [x if id(x) in tensors else None for x in leaves]
        self._positions = {
            x.node: i for i, x in enumerate(leaves) if x.node is not None and id(x) not in tensors
        }
        self._entry_grads = {
            t.before.array.storage: self.node_key(node)
            for node, t in tracer.grads.items()
            if isinstance(t.before, Value)
        }
        self.pins: dict[int, tuple[int, int, Storage | None]] = {}  # offset, size, storage
        self.fixed_grads: dict[NodeKey, Storage] = {}
        self.place: dict[int, tuple[int, int]] = {}  # slot: the slot instead, and a shift
        self.sources: dict[int, Source] = {}  # by slot
        self.first: dict[int, Storage] = {}  # what each of these is in the traced call
        self.sizes: dict[int, int] = {}  # how many elements each has
        self.whole: dict[Storage, tuple[Source, int | None]] = {}  # bound as they are, and the slot
        ways: dict[Storage, list[int | None]] = {}
        for storage, position in tracer.initial:
            ways.setdefault(storage, []).append(position)
        for storage in shown:
            ways.setdefault(storage, [])
        for storage, positions in ways.items():
            if storage in tracer.current or storage in shown:
                self._bind_whole(storage, positions)
            else:
                for position in positions:
                    self._bind_one(storage, position)
        for slot, (storage, _) in tracer.constants.items():
            self._bind(slot, Source("constant", storage), storage)

    def node_key(self, node: Node) -> NodeKey:
        """Return how a later run finds the node that plays the part of `node`."""
        return self._positions.get(node, node)

    def fixed(self, storage: Storage) -> Source:
        """Return the source of memory that the function finds by itself."""
        faults = self.tracer.faults
        if faults is not None and faults.records.storage is storage:
            return Source("faults", None)
        node = self._entry_grads.get(storage)
        if node is None:
            place = self._places.get(storage)
            return Source("storage", storage) if place is None else Source("state", place)
        if storage in self._storages:
            self.fixed_grads[node] = storage
            return Source("storage", storage)
        return Source("grad", node)

    def _bind(self, slot: int, source: Source, storage: Storage, size: int | None = None) -> None:
        self.sources[slot], self.first[slot] = source, storage
        self.sizes[slot] = storage.size if size is None else size

    def _pin(self, position: int, storage: Storage | None) -> None:
        array = self._leaves[position].array
        self.pins[position] = array.layout.offset, array.storage.size, storage

    def _bind_whole(self, storage: Storage, positions: list[int | None]) -> None:
        """Bind all ways to a storage to one input."""
        given = [i for i, x in enumerate(self._leaves) if x.array.storage is storage]
        fixed = not given or None in positions or any(self.reached[i] is not None for i in given)
        source = self.fixed(storage) if fixed else Source("argument", given[0])
        if given and source.kind == "grad":
            self.fixed_grads[source.of] = storage
            source = Source("storage", storage)
        for i in given:
            self._pin(i, storage if fixed else None)
        slots = [self.tracer.initial[storage, p] for p in positions]
        self.whole[storage] = source, slots[0] if slots else None
        for slot in slots:
            self.place[slot] = slots[0], 0
            self._bind(slots[0], source, storage)

    def _bind_one(self, storage: Storage, position: int | None) -> None:
        slot = self.tracer.initial[storage, position]
        self.place[slot] = slot, 0
        if position is None:
            self._bind(slot, self.fixed(storage), storage)
            for i, x in enumerate(self._leaves):  # an argument reached in a way that is not known
                if x.array.storage is storage and (storage, i) not in self.tracer.initial:
                    self._pin(i, storage)
        elif self.reached[position] is not None:
            self._pin(position, storage)
            self._bind(slot, Source("storage", storage), storage)
        elif (layout := self._leaves[position].array.layout).contiguous:
            self.place[slot] = slot, -layout.offset
            self._bind(slot, Source("window", position), storage, layout.size)
        else:
            self._pin(position, None)
            self._bind(slot, Source("argument", position), storage)

    def steps(self) -> list[Step]:
        """Return the steps over the inputs as bound."""

        def bound(x: Ref | Number) -> Ref | Number:
            if not isinstance(x, Ref) or x.slot not in self.place:
                return x
            slot, shift = self.place[x.slot]
            return Ref(slot, shifted(x.layout, shift), x.dtype)

        return [replace(s, inputs=tuple(map(bound, s.inputs))) for s in self.tracer.steps]


def make_program(
    tracer: Tracer,
    bindings: Bindings,
    steps: list[Step],
    outputs: Sequence[int],
    updates: dict[int, int],
) -> Program:
    """Return the program of a trace; `outputs` and `updates` name slots as the trace ends.

    Where one slot would serve two purposes, or an input be handed out, a copy is added.
    """
    shapes: dict[int, tuple[int, ...]] = {}
    sizes = bindings.sizes
    for step in steps:
        for ref in step.refs():
            if ref.slot in sizes and ref.whole() and ref.layout.size == sizes[ref.slot]:
                shapes.setdefault(ref.slot, ref.layout.shape)
    inputs = [
        Slot(slot, shapes.get(slot, (sizes[slot],)), tracer.dtypes[slot])
        for slot in sorted(bindings.sources)
    ]
    told = zip(steps, tracer.origins, strict=True)
    lines = {out.index: origin for step, origin in told for out in step.outs}
    program = Program(list(steps), inputs, slots=len(tracer.dtypes), lines=lines)
    memory = program.memory()
    taken = {slot.index for slot in inputs}

    def own(slot: int) -> int:
        slot = bindings.place.get(slot, (slot, 0))[0]
        if slot in taken:
            source = memory[slot]
            copied = program.new_slot(source.shape, source.dtype)
            program.steps.append(Step(Copy(), (source.whole(),), (copied,)))
            slot = copied.index
        taken.add(slot)
        return slot

    program.updates = {
        i: own(slot) for i, slot in updates.items() if bindings.place.get(slot, (slot, 0))[0] != i
    }
    program.outputs = tuple([own(slot) for slot in outputs])
    return program
