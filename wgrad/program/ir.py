"""Program: a flat list of device work over slots, with no control flow and no Python in it.

A slot is a contiguous piece of memory that exactly one step writes, or an input. A step reads
views of slots (`Ref`) and is named after the device method that does its work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..backends.base import Body, Number
from ..dtypes import DType
from ..layout import Layout, Shape


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
    """One call of a device method: `kind` says which, `params` are its other arguments.

    "write" is functional here: its inputs are a whole slot and what is placed into the view
    `params["target"]` of a copy of it.
    """

    kind: str
    inputs: tuple[Ref | Number, ...]
    out: int
    shape: Shape
    dtype: DType
    params: dict[str, Any] = field(default_factory=dict)

    def refs(self) -> Iterator[Ref]:
        """Iterate over the views that are read."""
        return (x for x in self.inputs if isinstance(x, Ref))

    def __str__(self) -> str:
        name = self.kind
        extra = {k: v for k, v in self.params.items() if k in ("axes", "kind", "axis", "value")}
        if self.kind == "map":
            body: Body = self.params["body"]
            name = f"map {body.name}"
        notes = "".join(f", {k}={v!r}" for k, v in extra.items())
        values = ", ".join(str(x) for x in self.inputs)
        return f"%{self.out}:{self.dtype.name}{list(self.shape)} = {name}({values}{notes})"


@dataclass
class Program:
    """What one run of a function did to devices: `steps` in order, `inputs` and what must last.

    `kept` are the slots whose values outlive the run: results, updates and gradients.
    """

    steps: list[Step] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    kept: set[int] = field(default_factory=set)
    slots: int = 0

    def new_slot(self) -> int:
        self.slots += 1
        return self.slots - 1

    def uses(self) -> Counter[int]:
        """Return how often each slot is read, once more if it is kept."""
        counts: Counter[int] = Counter(ref.slot for step in self.steps for ref in step.refs())
        counts.update(self.kept)
        return counts

    def with_steps(self, steps: list[Step]) -> Program:
        """Return the same program with other steps."""
        return Program(steps, self.inputs, self.kept, self.slots)

    def __str__(self) -> str:
        lines = [f"inputs {' '.join(f'%{i}' for i in self.inputs)}"]
        lines += [str(step) for step in self.steps]
        lines.append(f"keep {' '.join(f'%{i}' for i in sorted(self.kept))}")
        return "\n".join(lines)
