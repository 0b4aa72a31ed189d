"""A function run once, and what it did: operations, and the larger functions that they belong to.

Knows no ONNX.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from ...core import Op, Tensor, Value, apply, caller
from ...core.interpret import Interpreter, interpreted
from ...errors import TraceError
from ...origin import place
from ...random.generator import global_generator


@dataclass(eq=False)
class Part:
    """One call of a function that operations belong to: its name, and what it was called with."""

    name: str
    arguments: dict[str, Any]
    frame: FrameType = field(repr=False)  # kept, so that no other call gets its identity

    def results(self, names: tuple[str, ...]) -> list[Tensor]:
        """Return what variables of the function held at its end, tuples one by one."""
        left = [self.frame.f_locals[n] for n in names]
        return [x for y in left for x in (y if isinstance(y, tuple) else (y,))]


@dataclass(eq=False)
class Called:
    """One operation that ran: on which values (their numbers) or Python numbers."""

    op: Op
    inputs: tuple[Any, ...]  # Ref or a number
    params: Mapping[str, Any]
    out: Ref
    origin: Any
    part: Part | None


@dataclass(frozen=True)
class Ref:
    """The number of a value of a recording."""

    number: int


class Recording(Interpreter):
    """What a function did: `calls` in their order, and all values by their numbers."""

    def __init__(self, functions: Mapping[Callable[..., Any], tuple[str, ...]], where: str):
        codes = {inspect.unwrap(f).__code__: (f, names) for f, names in functions.items()}
        self.functions = {
            id(code): (inspect.unwrap(f).__name__, x) for code, (f, x) in codes.items()
        }
        self.where = where
        self.calls: list[Called] = []
        self.values: list[Tensor] = []
        self.numbers: dict[int, Ref] = {}
        self.parts: dict[FrameType, Part] = {}
        self.top: FrameType | None = None
        self.inside: set[Ref] = set()  # what a function with results made on the way to them

    def number(self, x: Any) -> Ref:
        """Return the number of a tensor's value; one with the same memory and layout has it too."""
        known = self.numbers.get(id(x.array))
        if known is None:
            known = self.numbers[id(x.array)] = Ref(len(self.values))
            self.values.append(x)
        return known

    def call(self, op: Op, inputs: tuple[Any, ...], params: dict[str, Any]) -> Tensor:
        out = apply(op, *inputs, **params)
        numbered = tuple(self.number(x) if isinstance(x, Value) else x for x in inputs)
        known = id(out.array) in self.numbers  # an op that gives its input back
        if not known:
            called = Called(op, numbered, params, self.number(out), caller(), self._part())
            self.calls.append(called)
        return out

    def _part(self) -> Part | None:
        """Return the outermost call of one of the functions that is running now."""
        frame: FrameType | None = sys._getframe(2)
        found: FrameType | None = None
        while frame is not None and frame is not self.top:
            if id(frame.f_code) in self.functions:
                found = frame
            frame = frame.f_back
        if found is None:
            return None
        if found not in self.parts:
            name, arguments = self.functions[id(found.f_code)]
            given = {x: found.f_locals.get(x) for x in arguments}
            self.parts[found] = Part(name, given, found)
        return self.parts[found]

    def settle(self, results: Mapping[str, tuple[str, ...]]) -> None:
        """Number what is inside functions with results last, for its count may depend on sizes."""
        left = {
            self.number(x)
            for part in self.parts.values()
            if part.name in results
            for x in part.results(results[part.name])
        }
        made = [c.out for c in self.calls if c.part is not None and c.part.name in results]
        inside = dict.fromkeys(out for out in made if out not in left)
        every = [Ref(i) for i in range(len(self.values))]
        order = [ref for ref in every if ref not in inside] + list(inside)
        new = dict(zip(order, every, strict=True))
        self.values = [self.values[ref.number] for ref in order]
        self.numbers = {key: new[ref] for key, ref in self.numbers.items()}
        self.inside = {new[ref] for ref in inside}
        for c in self.calls:
            c.inputs = tuple(new[x] if isinstance(x, Ref) else x for x in c.inputs)
            c.out = new[c.out]

    def refuse_assignment(self, value: Any) -> None:
        raise TraceError(
            f"{self.where}: a tensor is assigned to at {place(caller())}, and values of a graph "
            "never change: write x = x + y for x += y"
        )


def recorded(
    function: Callable[..., Any],
    inputs: list[Tensor],
    functions: Mapping[Callable[..., Any], tuple[str, ...]],
    results: Mapping[str, tuple[str, ...]],
    where: str,
) -> tuple[Recording, Any]:
    """Run a function on tensors; return what it did, and its result.

    Operations belong to the outermost call of one of `functions`, of which the arguments named
    there are kept; `results` names the variables that hold what some of them return.
    Raises: TraceError for assignments and random numbers.
    """
    recording = Recording(functions, where)
    for x in inputs:
        recording.number(x)
    recording.top = sys._getframe()
    stream = global_generator()
    before = stream.seed, stream.counter
    out = interpreted(recording, function, *inputs)
    now = global_generator()
    if (now.seed, now.counter) != before:
        raise TraceError(
            f"{where}: the function draws random numbers, which would be the same in every run of "
            "the graph: call .eval() on the model, or pass the numbers as an input"
        )
    recording.settle(results)
    return recording, out
