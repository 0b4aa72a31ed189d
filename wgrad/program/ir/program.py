"""Program: a flat list of device work over slots, with no control flow and no Python in it.

A slot is a contiguous piece of memory that exactly one step writes, or an input. A step reads
views of slots (`Ref`). Its work is a family of the device's (backends/families.py), or one of those
here, which several of them become. Passes are functions from program to program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any, ClassVar

from ...backends.array import Array, Number
from ...backends.base import Device
from ...backends.events import Doing
from ...backends.families import Draw, Family, Matmul, Operands, Random, number_key
from ...dtypes import DType
from ...layout import Layout, Shape
from .evaluate import run_graph
from .graph import Graph, graph_lines
from .slots import Inputs, Ref, Slot, shown_input


@dataclass(frozen=True, eq=False)
class Fused(Family):
    """A graph over the inputs: what several ops make as one kernel."""

    method = "fused"
    factors: ClassVar[int] = 0  # inputs before those of the graph
    graph: Graph

    @property
    def name(self) -> str:
        return self.graph.name

    def run(self, device: Device, operands: Operands) -> list[Array]:
        return run_graph(device, self.graph, operands)

    def operations(self, operands: Operands) -> int:
        return self.graph.operations(operands)


@dataclass(frozen=True, eq=False)
class Product(Matmul):
    """A matrix product of two inputs, and a graph over that and the other inputs."""

    factors: ClassVar[int] = 2
    graph: Graph

    @property
    def name(self) -> str:
        return f"matmul {self.graph.name}"

    def run(self, device: Device, operands: Operands) -> list[Array]:
        (product,) = super().run(device, operands)
        whole = product.view(Layout.dense(self.graph.shape))
        return run_graph(device, self.graph, [whole, *operands[2:]])

    def operations(self, operands: Operands) -> int:
        return super().operations(operands) + self.graph.operations((0, *operands[2:]))


@dataclass(frozen=True, eq=False)
class Batch(Family):
    """Several independent steps in one dispatch; their inputs, and outputs, one after the other."""

    method = "batch"
    parts: tuple[Step, ...]

    @property
    def name(self) -> str:
        return " | ".join(part.name for part in self.parts)

    def run(self, device: Device, operands: Operands) -> list[Array]:
        made: list[Array] = []
        rest = iter(operands)
        for part in self.parts:
            made += part.work.run(device, [next(rest) for _ in part.inputs])
        return made

    def operations(self, operands: Operands) -> int:
        return sum(part.operations for part in self.parts)


@dataclass(frozen=True, eq=False)
class Draws(Family):
    """Random numbers of a generator, by its place among the program's, that each run draws anew."""

    method = "random"
    kind: str
    generator: int
    offset: int
    shape: Shape

    @property
    def name(self) -> str:
        return self.kind

    def now(self, draw: Draw) -> Random:
        return Random(self.kind, *draw(self.generator, self.offset), self.shape)

    def result(self, operands: Operands) -> tuple[Shape, DType]:
        return Random(self.kind, (0, 0), 0, self.shape).result(operands)


@dataclass(frozen=True, eq=False)
class Later(Family):
    """A copy of its first operand, made when the second one is there: no pass reads through it.

    What is computed of it is not what was computed of the operand before.
    """

    method = "copy"
    takes = (0,)

    @property
    def name(self) -> str:
        return "later"


@dataclass(frozen=True)
class Step:
    """One piece of device work over views of slots, and numbers, into slots of its own.

    Of work that is done in place elsewhere the first input is a whole slot, and left as it is.
    """

    work: Family
    inputs: Inputs
    outs: tuple[Slot, ...]

    @property
    def out(self) -> Slot:
        """The only output."""
        (out,) = self.outs
        return out

    @property
    def is_fused(self) -> bool:
        """Whether it is a graph over its inputs."""
        return type(self.work) is Fused

    @property
    def graph(self) -> Graph:
        """The graph of a fused step; passes ask hundreds of thousands of times."""
        return self.work.graph  # type: ignore[attr-defined]  # others have none

    @property
    def operations(self) -> int:
        """How much arithmetic it is; see `Family.operations`."""
        return self.work.operations(self.inputs)

    def moved(self, device: Device, memory: Mapping[int, Slot]) -> tuple[int, int]:
        """Return the bytes that it reads and those that it writes, if nothing moves twice.

        Views of one slot count as if they were apart, as far as the slot (in `memory`) goes.
        """
        size = device.itemsize
        seen: dict[int, int] = {}
        for ref in dict.fromkeys(self.refs()):
            moving = prod(n for n, s in zip(ref.layout.shape, ref.layout.strides, strict=True) if s)
            most = memory[ref.slot].size * size(ref.dtype)
            seen[ref.slot] = min(seen.get(ref.slot, 0) + moving * size(ref.dtype), most)
        return sum(seen.values()), sum(out.size * size(out.dtype) for out in self.outs)

    def refs(self) -> Iterator[Ref]:
        """Iterate over the views that are read."""
        return (x for x in self.inputs if isinstance(x, Ref))

    # Found out once: kept by hand, for `cached_property` takes a lock before Python 3.12, and
    # the passes ask hundreds of thousands of times.
    def reads(self) -> frozenset[int]:
        """Return the slots that are read."""
        known = self.__dict__
        if "_reads" not in known:
            known["_reads"] = frozenset([x.slot for x in self.inputs if isinstance(x, Ref)])
        return known["_reads"]

    def writes(self) -> frozenset[int]:
        """Return the slots that are written."""
        known = self.__dict__
        if "_writes" not in known:
            known["_writes"] = frozenset([out.index for out in self.outs])
        return known["_writes"]

    @cached_property
    def operands(self) -> dict[Any, int]:
        """The place of each different input of a fused step, by its `operand_key`."""
        places: dict[Any, int] = {}
        for i, x in enumerate(self.inputs):
            places.setdefault(operand_key(x, self.graph, i), i)
        return places

    @property
    def name(self) -> str:
        """What it does, in the words of its ops."""
        return self.work.name

    @property
    def account(self) -> Any:
        """A key that steps share which do the same; 0.0, -0.0 and False differ in it."""
        inputs = tuple([x if isinstance(x, Ref) else number_key(x) for x in self.inputs])
        return self.work, inputs, self.outs

    def __str__(self) -> str:
        notes = (f"{k}={v}" for k, v in self.work.notes.items())
        words = [*map(shown_input, self.inputs), *notes]
        return f"{', '.join(map(str, self.outs))} = {self.name}({', '.join(words)})"


def fused(graph: Graph, inputs: Sequence[Ref | Number], outs: tuple[Slot, ...]) -> Step:
    """Return the step that computes a graph."""
    return Step(Fused(graph), tuple(inputs), outs)


@dataclass
class Program:
    """What one run of a function did to a device: `steps` in order, over `inputs`.

    `outputs` are slots whose values are handed out, each in fresh memory. `updates` says for an
    input which slot's values it holds at the end of a run. Outputs and updates are all different
    slots, and none of them is an input: `make_program` sees to that.
    """

    steps: list[Step] = field(default_factory=list)
    inputs: list[Slot] = field(default_factory=list)
    outputs: tuple[int, ...] = ()
    updates: dict[int, int] = field(default_factory=dict)
    slots: int = 0
    lines: dict[int, Any] = field(default_factory=dict)  # the user's line of each slot as traced

    def new_slot(self, shape: Shape, dtype: DType) -> Slot:
        """Return a slot that no step writes yet."""
        self.slots += 1
        return Slot(self.slots - 1, shape, dtype)

    @property
    def kept(self) -> frozenset[int]:
        """The slots that are read after a run: outputs and updates."""
        return frozenset((*self.outputs, *self.updates.values()))

    @property
    def account(self) -> Any:
        """A key that programs share which do the same."""
        steps, updates = [step.account for step in self.steps], self.updates.items()
        return tuple(steps), tuple(self.inputs), self.outputs, tuple(updates)

    def doing(self, step: Step) -> Doing:
        """Return what observers are told of a step: its ops, and the user's line of the last."""
        lines = [self.lines[out.index] for out in step.outs if out.index in self.lines]
        return Doing(step.name, lines[-1] if lines else None, replayed=True)

    def with_steps(self, steps: list[Step]) -> Program:
        """Return the same program with other steps."""
        return replace(self, steps=steps)

    def memory(self) -> dict[int, Slot]:
        """Return every slot by its index."""
        made = [out for step in self.steps for out in step.outs]
        return {slot.index: slot for slot in (*self.inputs, *made)}

    def __str__(self) -> str:
        lines = ["inputs " + ", ".join(map(str, self.inputs))]
        for step in self.steps:
            lines += step_lines(step)
        if self.updates:
            pairs = (f"%{new} -> %{old}" for old, new in self.updates.items())
            lines.append("update " + ", ".join(pairs))
        if self.outputs:
            lines.append("return " + ", ".join(f"%{i}" for i in self.outputs))
        return "\n".join(lines)


def step_lines(step: Step) -> list[str]:
    """Return the lines of one step: its outputs, its inputs by letter, its statements."""
    outs = ", ".join(map(str, step.outs))
    match step.work:
        case Fused(graph):
            return [f"{outs} = fused", *graph_lines(graph, step.inputs, step.outs)]
        case Batch(parts):
            lines = [line for part in parts for line in step_lines(part)]
            return [f"batch of {len(parts)}", *("    " + line for line in lines)]
        case Product(graph=graph):
            a, b = step.inputs[:2]
            head = f"{outs} = matmul({shown_input(a)}, {shown_input(b)})"
            return [head, *graph_lines(graph, ["the product", *step.inputs[2:]], step.outs)]
    body = getattr(step.work, "body", None)
    if isinstance(body, Program):  # of a loop
        return [str(step), *("    " + line for line in str(body).split("\n"))]
    return [str(step)]


def operand_key(x: Ref | Number, graph: Graph, i: int) -> Any:
    """Return a key that operand `i` of a graph shares with those that can take its place."""
    if not isinstance(x, Ref):
        return number_key(x), graph.dtypes[i]
    # A table of lookups is no element of anyone's, even where it has the layout of one.
    return x.slot, i in graph.tables, x.layout


def readers(program: Program) -> dict[int, list[Step]]:
    """Return for each slot the steps that read it, in order."""
    steps: dict[int, list[Step]] = {}
    for step in program.steps:
        for slot in step.reads():
            steps.setdefault(slot, []).append(step)
    return steps


def last_uses(program: Program) -> list[tuple[int, ...]]:
    """Return for each step the slots that nothing reads after it, kept ones left out."""
    seen = set(program.kept)
    rows: list[tuple[int, ...]] = []
    for step in reversed(program.steps):
        dying = (step.reads() | step.writes()) - seen
        seen |= dying
        rows.append(tuple(sorted(dying)))
    return rows[::-1]
