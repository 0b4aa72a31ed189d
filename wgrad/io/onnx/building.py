"""A graph under construction: values by name, operators, and sizes that the graph computes.

Knows how a recording's values become names, and nothing of single operations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ... import dtypes
from ...core import Tensor
from ...dtypes import DType
from ...errors import TraceError
from ...layout import Shape
from ...origin import place
from .recording import Called, Part, Recording, Ref
from .sizes import Axis, Size, explained

ONNX_TYPES = {  # by wgrad's dtype: the number of TensorProto.DataType
    "float32": 1,
    "int32": 6,
    "bool": 9,
    "float16": 10,
    "float64": 11,
    "uint32": 12,
}


@dataclass(eq=False)
class Step:
    """An operation of the first run, with what it was in each run."""

    called: Called
    every: tuple[Called, ...]

    @property
    def name(self) -> str:
        return self.called.op.name

    @property
    def inputs(self) -> tuple[Any, ...]:
        return self.called.inputs

    @property
    def params(self) -> Mapping[str, Any]:
        return self.called.params

    @property
    def out(self) -> Ref:
        return self.called.out

    @property
    def part(self) -> Part | None:
        return self.called.part

    def across(self, param: str) -> list[Any]:
        """Return a parameter in each run."""
        return [c.params[param] for c in self.every]


@dataclass
class Node:
    """An operator: its type, the names that it reads and writes, its attributes."""

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)


class Graph:
    """Nodes, and the names of values. The first run's values have the numbers of `runs[0]`."""

    def __init__(self, runs: Sequence[Recording], axes: Sequence[Axis], opset: int, where: str):
        self.runs, self.axes, self.opset, self.where = runs, axes, opset, where
        self.nodes: list[Node] = []
        self.names: dict[Ref, str] = {}
        self.initializers: dict[str, np.ndarray] = {}
        self.constants: dict[tuple, str] = {}
        self.results: set[Ref] = set()  # what the function returned
        self.later: dict[Ref, Callable[[], str]] = {}  # values that are made where they are used
        self.sources: dict[Ref, Ref] = {}  # of a value that is another, broadcast
        self.taken: set[str] = set()
        self.lengths: dict[Axis, str] = {}
        self.here: Step | None = None  # what is written now, for messages

    # Values.
    def value(self, ref: Ref) -> Tensor:
        """Return a value of the first run."""
        return self.runs[0].values[ref.number]

    def shapes(self, ref: Ref) -> list[Shape]:
        """Return the shape of a value in each run."""
        return [run.values[ref.number].shape for run in self.runs]

    def of(self, x: Any) -> str:
        """Return the name of a value: a Ref, or a tensor of the first run."""
        ref = x if isinstance(x, Ref) else self.runs[0].number(x)
        if ref not in self.names:
            make = self.later.pop(ref, None)
            self.names[ref] = self._constant_of(ref) if make is None else make()
        return self.names[ref]

    def _constant_of(self, ref: Ref) -> str:
        """Return the name of what no operation computed: memory that the function found."""
        datas = [run.values[ref.number].numpy() for run in self.runs]
        first = datas[0]
        if self.is_constant(ref):
            if self.value(ref).is_parameter:
                return self.initializer(f"parameter_{ref.number}", first)
            return self.constant(first)
        flat = first.reshape(-1)[:1]
        if all(x.size and (x == flat).all() for x in datas):
            return self.node(
                "Expand", self.constant(flat.reshape(())), self.shape(self.shapes(ref))
            )
        if all(x.ndim == 1 and (x == np.arange(len(x))).all() for x in datas):
            zero, one = self.constant(np.int64(0)), self.constant(np.int64(1))
            count = self.node("Squeeze", self.shape(self.shapes(ref)))
            return self.cast(self.node("Range", zero, count, one), self.value(ref).dtype)
        return self.refuse("a tensor made on the way, of another value for each size, is used")

    def is_constant(self, ref: Ref) -> bool:
        """Whether a value is the same in all runs."""
        values = [run.values[ref.number] for run in self.runs]
        if any(v.shape != values[0].shape for v in values):
            return False
        if len(values) == 1:
            return True
        first, *rest = [v.numpy() for v in values]
        return all(np.array_equal(x, first, first.dtype.kind == "f") for x in rest)

    def refuse(self, what: str) -> Any:
        """Raise TraceError about the operation at hand."""
        about = self.here.called if self.here else None
        at = f"{about.op.name} at {place(about.origin)}: " if about else ""
        raise TraceError(f"{self.where}: {at}{what}, which no graph of varying sizes can have")

    def initializer(self, name: str, data: np.ndarray) -> str:
        """Add a tensor that the file keeps under a name."""
        name = self.fresh(name)
        self.initializers[name] = data
        return name

    def constant(self, data: Any, dtype: Any = None) -> str:
        """Return the name of a constant, one for all of the same value."""
        array = np.asarray(data, dtype)
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self.constants:
            name = self.fresh("constant")
            self.nodes.append(Node("Constant", [], [name], {"value": array}))
            self.constants[key] = name
        return self.constants[key]

    def integers(self, *values: int) -> str:
        """Return the name of a constant of int64, as axes and shapes are."""
        return self.constant(np.array(values, np.int64))

    def number(self, value: Any, dtype: DType) -> str:
        """Return the name of a number as a constant without axes."""
        return self.constant(dtypes.held(value, dtype.numpy))

    # Operators.
    def fresh(self, name: str) -> str:
        """Return a name that is not taken, and take it."""
        made, count = name, 1
        while made in self.taken:
            count += 1
            made = f"{name}_{count}"
        self.taken.add(made)
        return made

    def node(self, op: str, *inputs: str | None, **attributes: Any) -> str:
        """Add an operator with one output, and return the name of that."""
        return self.several(op, 1, *inputs, **attributes)[0]

    def several(self, op: str, count: int, *inputs: str | None, **attributes: Any) -> list[str]:
        """Add an operator with so many outputs, and return their names."""
        outs = [self.fresh(op.lower()) for _ in range(count)]
        names = ["" if x is None else x for x in inputs]
        while names and not names[-1]:
            names.pop()
        self.nodes.append(Node(op, names, outs, attributes))
        return outs

    def cast(self, name: str, dtype: DType) -> str:
        """Convert to a dtype."""
        return self.node("Cast", name, to=ONNX_TYPES[dtype.name])

    # Sizes.
    def length(self, axis: Axis) -> str:
        """Return the name of the extent of an input's axis, int64 of shape (1,)."""
        if axis not in self.lengths:
            name, at = axis.places[0]
            self.lengths[axis] = self.node(
                "Gather", self.node("Shape", name), self.integers(at), axis=0
            )
        return self.lengths[axis]

    def size(self, seen: Sequence[int]) -> int | Size | None:
        """Return what a size is, given its value in each run."""
        return explained(seen, self.axes)

    def computed(self, size: Size) -> str:
        """Return the name of a size that the graph computes, int64 of shape (1,)."""
        name = self.length(size.axis)
        if size.other is not None:
            name = self.node("Mul", name, self.length(size.other))
        if size.times != 1:
            name = self.node("Mul", name, self.integers(size.times))
        return name if not size.more else self.node("Add", name, self.integers(size.more))

    def shape(self, shapes: Sequence[Sequence[int]], free: bool = False) -> str:
        """Return the name of a shape, given what it was in each run: a constant, or computed.

        With `free`, one size may be -1: the operator finds it.
        """
        sizes = [self.size(seen) for seen in zip(*shapes, strict=True)]
        unknown = [i for i, n in enumerate(sizes) if not isinstance(n, int)]
        if free and len(unknown) == 1 and 0 not in sizes:
            sizes[unknown[0]] = -1
            unknown = []
        if not unknown:
            return self.integers(*sizes)  # type: ignore[arg-type]
        pieces = []
        for size in sizes:
            if size is None:
                self.refuse("a size follows from those of the inputs in no simple way")
            fixed = not isinstance(size, Size)
            pieces.append(self.integers(size) if fixed else self.computed(size))  # type: ignore[arg-type]
        return pieces[0] if len(pieces) == 1 else self.node("Concat", *pieces, axis=0)

    # Broadcasting.
    def broadcast(self, refs: Sequence[Any], out: Sequence[Shape], kept: int = 0) -> list[Any]:
        """Return operands as they were before they were broadcast, where operators do that.

        `out` is the result's shape in each run; the last `kept` axes are no matter of broadcasting.
        """
        chosen = list(refs)
        for i in range(len(chosen)):
            while isinstance(chosen[i], Ref) and chosen[i] in self.sources:
                wider = [*chosen[:i], self.sources[chosen[i]], *chosen[i + 1 :]]
                if not self._gives(wider, out, kept):
                    break
                chosen = wider
        return chosen

    def _gives(self, refs: Sequence[Any], out: Sequence[Shape], kept: int) -> bool:
        for run, wanted in enumerate(out):
            shapes = [self.shapes(x)[run] for x in refs if isinstance(x, Ref)]
            if any(len(s) < kept for s in shapes):
                return False
            cut = [s[: len(s) - kept] for s in shapes]
            try:
                if np.broadcast_shapes(*cut) != wanted[: len(wanted) - kept]:
                    return False
            except ValueError:
                return False
        return True
