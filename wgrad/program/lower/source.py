"""The lines of a program's steps, as calls of NumPy over named memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ...backends.base import Device
from ...layout import Layout
from ..ir import Program, Ref, Step
from .calls import Argument, Call, Temp
from .names import Memory, Names, Static, Turning
from .plan import Place, Plan, evenly
from .steps import calls_of
from .targets import Registers, with_targets


class Lines:
    """The lines of all steps, and the names in them.

    `memory` is where inputs, outputs and swaps are; blocks and scratch memory are made here.
    """

    def __init__(
        self, program: Program, device: Device, plan: Plan, memory: Mapping[Place, Memory]
    ):
        self.slots = program.memory()
        self.places = plan.places
        self.names = Names()
        self.names.function(np.multiply)  # so that it has its own name
        self.names.space["vdot"] = np.vdot
        self.registers = Registers()
        self.blocks = [Static(f"b{i}", size) for i, size in enumerate(plan.blocks)]
        self.parts = plan.parts
        self.memory: dict[Place, Memory] = {
            **memory,
            **{Place("block", i): block for i, block in enumerate(self.blocks)},
        }
        for i, (block, start, size) in enumerate(plan.parts):
            self.memory[Place("part", i)] = self.blocks[block].part(f"p{i}", start, size)
        self.doubts: dict[str, str] = {}  # by names of views: whether they are not all finite
        bodies: dict[Any, Any] = {}
        lowered = [
            (
                step,
                [
                    with_targets(part, self.places.__getitem__)
                    for part in calls_of(step, bodies, device)
                ],
            )
            for step in program.steps
        ]
        assigned = [[self.registers.assign(calls) for calls in parts] for _, parts in lowered]
        self.scratch = [Static(f"s{i}", size) for i, size in enumerate(self.registers.sizes)]
        self.lines = [
            line
            for (step, parts), registers in zip(lowered, assigned, strict=True)
            for line in self._step(step, parts, registers)
        ]
        self.loops = [x for x in self.names.space.values() if hasattr(x, "block_bytes")]
        inside = sum(x.block_bytes for x in self.loops)
        self.block_bytes = plan.block_bytes + sum(self.registers.sizes) + inside

    def _step(
        self, step: Step, parts: list[list[Call]], registers: list[dict[int, int]]
    ) -> Iterator[str]:
        yield f"# {step}"
        gathered = self._gathered(step)
        if gathered:
            yield gathered
            return
        for calls, given in zip(parts, registers, strict=True):
            where = [
                self.scratch[given[i]] if x.target is None else self.memory[self.places[x.target]]
                for i, x in enumerate(calls)
            ]
            for call, memory in zip(calls, where, strict=True):
                if call.size and call.text:
                    yield from self._call(call, memory, where)

    def _gathered(self, step: Step) -> str:
        """Return one copy for all pieces that a step puts side by side, if they lie so already."""
        places = [self.places[x.slot] for x in step.refs()]
        if not places or any(place.kind != "part" for place in places):
            return ""
        view = evenly(step)
        if view is None:
            return ""
        block, dtype = self.blocks[self.parts[places[0].index].block], step.out.dtype.numpy
        target = self.names.view(self.memory[self.places[step.out.index]], view, dtype)
        return f"copyto({target}, {self.names.view(block, Layout.dense(view.shape), dtype)})"

    def _call(self, call: Call, memory: Memory, where: list[Memory]) -> Iterator[str]:
        args = [self._argument(x, where) for x in call.args]
        out = self.names.view(memory, Layout.dense(call.shape), call.dtype)
        f = "" if call.function is None else self.names.function(call.function)
        doubt = "" if call.factor is None else self._doubt(call.args[call.factor], out)
        for line in call.text.format(*args, f=f, out=out, doubt=doubt).split("\n"):
            if not line.startswith(f"copyto({out}, {out}"):
                yield line

    def _doubt(self, x: Argument, out: str) -> str:
        """Return an expression for whether a product is in doubt: it may have a NaN in it.

        Squares do not cancel, so their sum tells. What turns of a loop are given is looked at once.
        """
        memory = self.memory[self.places[x.slot]] if isinstance(x, Ref) else None
        if not isinstance(memory, Turning) or not memory.is_steady:
            return f"not vdot({out}, {out}) >= 0"
        assert isinstance(x, Ref)
        name = self.names.view(memory, x.layout, x.dtype.numpy)
        return self.doubts.setdefault(name, f"k{len(self.doubts)}")

    def _argument(self, x: Argument, where: list[Memory]) -> str:
        if isinstance(x, Ref):
            return self.names.view(self.memory[self.places[x.slot]], x.layout, x.dtype.numpy)
        if isinstance(x, Temp):
            return self.names.view(where[x.index], x.layout, x.dtype)
        return self.names.argument(x)


def indented(lines: Iterable[str], levels: int = 1) -> Iterator[str]:
    return (f"{'    ' * levels}{line}" for line in lines)
