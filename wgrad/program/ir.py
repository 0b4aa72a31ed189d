"""Program: a flat list of device work over slots, with no control flow and no Python in it.

A slot is a contiguous piece of memory that exactly one step writes, or an input. A step reads
views of slots (`Ref`). It is named after the device method that does its work, or it is "fused":
several of them as one `Graph` (graph.py). Passes are functions from program to program.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ..backends.array import Number
from ..backends.tracing import Live
from ..dtypes import DType
from ..layout import Layout, Shape


@dataclass(frozen=True)
class Slot:
    """Memory for the elements of a dense `shape`."""

    index: int
    shape: Shape
    dtype: DType

    @property
    def size(self) -> int:
        """The number of elements."""
        return Layout.dense(self.shape).size

    def whole(self) -> Ref:
        """Return the view that shows all of it."""
        return Ref(self.index, Layout.dense(self.shape), self.dtype)

    def __str__(self) -> str:
        return f"%{self.index}:{self.dtype.name}{list(self.shape)}"


@dataclass(frozen=True)
class Ref:
    """A typed view of a slot."""

    slot: int
    layout: Layout
    dtype: DType

    def whole(self) -> bool:
        """Whether the view is contiguous from the slot's first element."""
        return self.layout.contiguous and self.layout.offset == 0

    def __str__(self) -> str:
        view = "" if self.whole() else f" strides {self.layout.strides} from {self.layout.offset}"
        return f"%{self.slot}:{self.dtype.name}{list(self.layout.shape)}{view}"


@dataclass(frozen=True)
class Step:
    """One piece of device work: `kind` says which, `params` are its other arguments.

    "map", "reduce", "scan", "matmul", "place", "gather", "scatter_add", "argsort", "searchsorted",
    "copy", "full" and "random" are the device methods. "write" and "scatter" are functional here:
    their first input is a whole slot, and the others are placed into the view `params["target"]` of
    a copy of it. "fused" computes `params["graph"]`, and "matmul" may have a graph over its product
    too, under "epilogue". "batch" is several independent steps, `params["parts"]`, in one dispatch.
    """

    kind: str
    inputs: tuple[Ref | Number, ...]
    outs: tuple[Slot, ...]
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def out(self) -> Slot:
        """The only output."""
        (out,) = self.outs
        return out

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
        found: dict[Any, int] = {}
        for i, x in enumerate(self.inputs):
            found.setdefault(operand_key(x, self.params["graph"], i), i)
        return found

    @property
    def name(self) -> str:
        """What it does, in the words of its ops."""
        if self.kind == "map":
            return self.params["body"].name
        if self.kind in ("reduce", "random"):
            return self.params["kind"]
        if self.kind == "scan":
            return f"cumulative {self.params['kind']}"
        if self.kind == "fused":
            return str(self.params["graph"].name)
        if self.kind == "matmul" and self.params.get("epilogue") is not None:
            return f"matmul {self.params['epilogue'].name}"
        if self.kind == "batch":
            return " | ".join(part.name for part in self.params["parts"])
        return self.kind

    def __str__(self) -> str:
        extra = {k: v for k, v in self.params.items() if k in ("axes", "axis", "value", "target")}
        notes = "".join(f", {k}={v!r}" for k, v in extra.items())
        outs = ", ".join(map(str, self.outs))
        name = self.name if self.name.startswith(self.kind) else f"{self.kind} {self.name}"
        return f"{outs} = {name}({', '.join(map(str, self.inputs))}{notes})"


@dataclass
class Program:
    """What one run of a function did to a device: `steps` in order, over `inputs`.

    `outputs` are slots whose values are handed out, each in fresh memory. `updates` says for an
    input which slot's values it holds at the end of a run. Outputs and updates are all different
    slots, and none of them is an input: `finished` sees to that.
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

    def line_of(self, step: Step) -> Any:
        """Return the user's place in the program for the last of a step's ops; None unknown."""
        found = [self.lines[out.index] for out in step.outs if out.index in self.lines]
        return found[-1] if found else None

    def with_steps(self, steps: list[Step]) -> Program:
        """Return the same program with other steps."""
        return replace(self, steps=steps)

    def memory(self) -> dict[int, Slot]:
        """Return every slot by its index."""
        made = [out for step in self.steps for out in step.outs]
        return {slot.index: slot for slot in (*self.inputs, *made)}

    def __str__(self) -> str:
        from .listing import listing  # which knows graphs too

        return listing(self)


def number_key(x: Any) -> Any:
    """Return what equal numbers have in common: type and digits, for 0.0 == -0.0 == 0."""
    return type(x), id(x) if isinstance(x, Live) else repr(x)


def operand_key(x: Ref | Number, graph: Any, i: int) -> Any:
    """Return what operand `i` of a graph has in common with others that can take its place."""
    if not isinstance(x, Ref):
        return number_key(x), graph.dtypes[i]
    # A table of lookups is no element of anyone's, even where it has the layout of one.
    return x.slot, i in graph.tables, x.layout


def readers(program: Program) -> dict[int, list[Step]]:
    """Return for each slot the steps that read it, in order."""
    found: dict[int, list[Step]] = {}
    for step in program.steps:
        for slot in step.reads():
            found.setdefault(slot, []).append(step)
    return found


def makers(program: Program) -> dict[int, Step]:
    """Return for each slot that is no input the step that writes it."""
    return {out.index: step for step in program.steps for out in step.outs}
