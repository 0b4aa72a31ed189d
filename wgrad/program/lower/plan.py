"""The memory plan: where every slot of a program lives, decided before it runs.

Results that are handed out get fresh memory in every run, everything in between shares blocks that
the program keeps: a block serves the next slot as soon as nothing reads the last one. A step
writes over what it reads, where each element is read by no one after it is written: so parameters
are updated in place.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ...backends.base import Device
from ...backends.families import Dispatch, InPlace
from ...backends.families import Place as Pieces
from ...layout import Layout
from ...ops.elementwise.arithmetic import weighted
from ..ir import Batch, Fused, Graph, Product, Program, Ref, Slot, Step, last_uses, readers

_FEW = 1 << 14  # elements that cost about as much to copy as the call does


@dataclass(frozen=True)
class Place:
    """Where a slot lives.

    "input": the memory of input `index`. "swap": memory that is fresh in every run and then
    becomes that of input `index`. "output": fresh memory, handed out. "block": a kept block.
    "part": a part of one. "constant": data that a device's kernels read.
    """

    kind: Literal["input", "swap", "output", "block", "part", "constant"]
    index: int


class Part(NamedTuple):
    """Where a part of a block lies, in bytes."""

    block: int
    start: int
    size: int


@dataclass(frozen=True)
class Plan:
    """The place of every slot, the size of every block in bytes, and the parts of blocks."""

    places: dict[int, Place]
    blocks: tuple[int, ...]
    parts: tuple[Part, ...] = ()

    @property
    def block_bytes(self) -> int:
        """The bytes of all blocks together."""
        return sum(self.blocks)


def plan_memory(program: Program, device: Device, settled: int = 0, mends: bool = False) -> Plan:
    """Return where every slot of a program lives on a device.

    What the first `settled` steps make lies in no input's memory: the run may still fail. A device
    that `mends` reads the weight of a product again when that is written.
    """
    memory = program.memory()
    position = {slot.index: i for i, slot in enumerate(program.inputs)}
    places = {slot: Place("input", i) for slot, i in position.items()}
    places |= {slot: Place("output", i) for i, slot in enumerate(program.outputs)}
    target = {new: old for old, new in program.updates.items()}
    last_read = {slot: i for i, step in enumerate(program.steps) for slot in step.reads()}
    blocks = Blocks()
    parts: list[Part] = []
    together = _together(program, places) if mends else {}
    for i, (step, dying) in enumerate(zip(program.steps, last_uses(program), strict=True)):
        taken: set[int] = set()
        for out in step.outs:
            if out.index in target:
                old = target[out.index]
                free = last_read.get(old, -1) <= i and may_overwrite(step, memory[old], out)
                in_place = free and i >= settled
                places[out.index] = Place("input" if in_place else "swap", position[old])
            elif out.index in places:
                continue
            elif out.index in together:
                pieces = together[out.index]
                size = nbytes(out, device)
                block = blocks.take(size * len(pieces))
                for n, slot in enumerate(pieces):
                    places[slot] = Place("part", len(parts))
                    parts.append(Part(block, n * size, size))
            else:
                overwritten = next(
                    (
                        old
                        for old in dying
                        if old in step.reads()  # not a result that nothing reads
                        and old not in taken
                        and old in places
                        and places[old].kind == "block"
                        and may_overwrite(step, memory[old], out)
                        and not (mends and _is_weight(step, old, out))
                    ),
                    None,
                )
                if overwritten is None:
                    places[out.index] = Place("block", blocks.take(nbytes(out, device)))
                else:
                    taken.add(overwritten)
                    places[out.index] = places[overwritten]
        for slot in dying:
            if places[slot].kind == "block" and slot not in taken:
                blocks.give(places[slot].index)
            elif slot in together and together[slot][0] == slot:  # the others die in the same step
                blocks.give(parts[places[slot].index].block)
    return Plan(places, tuple(blocks.sizes), tuple(parts))


def evenly(step: Step) -> Layout | None:
    """Return the places of all pieces that a step puts side by side, as a view of its result.

    The pieces are its first axis; None where they are not alike, or not all there is.
    """
    work = step.work
    if not isinstance(work, Pieces) or work.fill is not None or len(work.targets) < 2:
        return None
    first, second, *_ = work.targets
    each = second.offset - first.offset
    for n, (x, target) in enumerate(zip(step.refs(), work.targets, strict=True)):
        if not x.whole() or target != Layout(first.shape, first.strides, first.offset + n * each):
            return None
    return Layout((len(work.targets), *first.shape), (each, *first.strides), first.offset)


def _together(program: Program, given: Container[int]) -> dict[int, list[int]]:
    """Return for slots that are put side by side, and not read after that, all of their kind."""
    reading, memory = readers(program), program.memory()
    together: dict[int, list[int]] = {}
    for step in program.steps:
        view = evenly(step)
        if view is None or not 0 < view.size <= _FEW:
            continue
        slots = [x.slot for x in step.refs()]
        alone = all(
            x not in given and x not in program.kept and reading[x][-1] is step for x in slots
        )
        same = all(memory[x.slot].size == x.layout.size for x in step.refs())
        if alone and same and len(set(slots)) == len(slots) and together.keys().isdisjoint(slots):
            together |= dict.fromkeys(slots, slots)
    return together


class Blocks:
    """Blocks of memory, and which of them are free."""

    def __init__(self, taken: Sequence[int] = ()) -> None:
        self.sizes = list(taken)  # of which none is free yet
        self._free: list[tuple[int, int, int]] = []  # by size, then the one freed first
        self._count = 0

    def give(self, block: int) -> None:
        """Let the next slot have a block."""
        self._count += 1
        insort(self._free, (self.sizes[block], self._count, block))

    def take(self, size: int) -> int:
        """Return a block for `size` bytes: the smallest free one that fits, or the largest, grown.

        Nothing is allocated before the plan is made, so growing costs only the difference.
        """
        if not self._free:
            self.sizes.append(size)
            return len(self.sizes) - 1
        wanted = min(size, self._free[-1][0])
        _, _, block = self._free.pop(bisect_left(self._free, (wanted,)))
        self.sizes[block] = max(size, self.sizes[block])
        return block


def nbytes(slot: Slot, device: Device) -> int:
    """Return the bytes of a slot's elements; never 0, for no buffer is empty."""
    return max(1, slot.size) * device.itemsize(slot.dtype)


def may_overwrite(step: Step, old: Slot, out: Slot) -> bool:
    """Whether `step` may write `out` into the memory of `old`, which it may be reading."""
    if (old.size, old.dtype) != (out.size, out.dtype):
        return False
    work = step.work
    if isinstance(work, Batch):
        return all(
            may_overwrite(part, old, out)
            if out.index in part.writes()
            else old.index not in part.reads()
            for part in work.parts
        )
    if old.index not in step.reads():
        return True
    if isinstance(work, InPlace):
        base, *placed = step.refs()
        return base.slot == old.index and all(x.slot != old.index for x in placed)
    if isinstance(work, Dispatch):
        source = work.makes[[o.index for o in step.outs].index(out.index)].source
        begun = None if source is None else step.inputs[source]
        once = sum(x.slot == old.index for x in step.refs()) == 1
        return isinstance(begun, Ref) and begun.slot == old.index and begun.whole() and once
    if isinstance(work, (Fused, Product)):
        factors, inputs = step.inputs[: work.factors], step.inputs[work.factors :]
        if any(isinstance(x, Ref) and x.slot == old.index for x in factors):
            return False
        operands = (0, *inputs) if factors else inputs  # the product is no memory
        return _aligned(work.graph, operands, step, old, out)
    return False


def _is_weight(step: Step, old: int, out: Slot) -> bool:
    """Whether `out` holds products whose weight `old` is."""
    if not isinstance(step.work, Fused):
        return False
    graph, position = step.graph, [o.index for o in step.outs].index(out.index)
    for value in graph.results[position].values:
        if value < 0 and graph.statements[~value].what is weighted.body:
            weight = graph.statements[~value].args[0]
            x = step.inputs[weight] if weight >= 0 else None
            if isinstance(x, Ref) and x.slot == old:
                return True
    return False


def _aligned(graph: Graph, inputs: tuple, step: Step, old: Slot, out: Slot) -> bool:
    """Whether `old` is read only where, and by whom, the same element of `out` is written."""
    position = [o.index for o in step.outs].index(out.index)
    views = graph.views(graph.results[position])
    return all(
        x.layout in views and i not in graph.tables
        for i, x in enumerate(inputs)
        if isinstance(x, Ref) and x.slot == old.index
    )
