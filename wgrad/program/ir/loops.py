"""Loops: a program that runs turn by turn, and hands values from each turn to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ...backends.array import Array
from ...backends.base import Device
from ...backends.families import Draw, Family, Operands
from ...backends.tracing import Live
from ...layout import Layout
from .program import Program, Step
from .slots import Ref


@dataclass(frozen=True, eq=False)
class Loop(Family):
    """A program `body`, run `length` times; several results.

    Its inputs are, in this order, memory that is the same in every turn, `carries` that each turn
    updates, and slices; its outputs are one slice each. The operands of the loop are that memory,
    the first values of the carries, and what the slices are of, along a first axis; so are the
    results: the last values of the carries, and all slices that the turns have given. With
    `is_reverse` the first turn takes and gives the last slices.
    """

    method = "loop"
    body: Program
    length: int
    is_reverse: bool
    carries: int
    slices: int
    draw: Draw | None = None  # of one run

    @property
    def name(self) -> str:
        return f"{self.length} turns of {len(self.body.steps)} steps"

    @cached_property
    def _key(self) -> tuple:
        return self.body.account, self.length, self.is_reverse, self.carries, self.slices

    @property
    def fixed(self) -> int:
        """How many inputs are the same in every turn."""
        return len(self.body.inputs) - self.carries - self.slices

    def turns(self) -> Sequence[int]:
        """Return the slices of the turns, in order."""
        turns = range(self.length)
        return turns[::-1] if self.is_reverse else turns

    def now(self, draw: Draw) -> Loop:
        return replace(self, draw=draw)

    def operations(self, operands: Operands) -> int:
        return self.length * sum(step.operations for step in self.body.steps)

    def run(self, device: Device, operands: Operands) -> list[Array]:
        """Run the steps of the body one by one."""
        body, first = self.body, self.fixed + self.carries
        carries = [device.copy(x) for x in operands[self.fixed : first]]
        memory = body.memory()
        stacked = [
            device.full((self.length, *memory[i].shape), 0, memory[i].dtype) for i in body.outputs
        ]
        for at in self.turns():
            slices = [device.copy(x.view(slice_of(x.layout, at))) for x in operands[first:]]
            given = [*operands[: self.fixed], *carries, *slices]
            values = {slot.index: x for slot, x in zip(body.inputs, given, strict=True)}
            for step in body.steps:
                for out, made in zip(step.outs, self._made(device, step, values), strict=True):
                    values[out.index] = made
            for x, i in zip(stacked, body.outputs, strict=True):
                device.write(x.view(slice_of(x.layout, at)), values[i])
            ends = [body.updates.get(slot.index) for slot in body.inputs[self.fixed : first]]
            carries = [
                x if new is None else values[new] for x, new in zip(carries, ends, strict=True)
            ]
        return [*carries, *stacked]

    def _made(self, device: Device, step: Step, values: dict[int, Array]) -> list[Array]:
        operands: list[Any] = []
        for x in step.inputs:
            if isinstance(x, Ref):
                whole = values[x.slot]
                start = whole.layout.offset
                seen = Layout(x.layout.shape, x.layout.strides, x.layout.offset + start)
                operands.append(Array(whole.storage, seen, x.dtype))
            else:
                operands.append(x.read() if isinstance(x, Live) else x)
        work = step.work if self.draw is None else step.work.now(self.draw)
        return work.run(device, operands)


def slice_of(layout: Layout, at: int) -> Layout:
    """Return a layout at one place of its first axis."""
    return Layout(layout.shape[1:], layout.strides[1:], layout.offset + at * layout.strides[0])
