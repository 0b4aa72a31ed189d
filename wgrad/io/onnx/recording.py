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

    def refuse_assignment(self, value: Any) -> None:
        raise TraceError(
            f"{self.where}: a tensor is assigned to at {place(caller())}, and values of a graph "
            "never change: write x = x + y for x += y"
        )


def recorded(
    function: Callable[..., Any],
    inputs: list[Tensor],
    functions: Mapping[Callable[..., Any], tuple[str, ...]],
    where: str,
) -> tuple[Recording, Any]:
    """Run a function on tensors; return what it did, and its result.

    Operations belong to the outermost call of one of `functions`, of which the arguments named
    there are kept. Raises: TraceError for assignments and random numbers.
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
    return recording, out
