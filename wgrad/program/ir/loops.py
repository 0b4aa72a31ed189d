"""Loops: a program that runs turn by turn, and hands values from each turn to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from ...backends.array import Array
from ...backends.base import Device
from ...backends.families import Draw, Family, Operands
from ...backends.tracing import Live
from ...layout import Layout
from .program import Program, Step
from .slots import Ref


class Numbers(NamedTuple):
    """Random numbers that a turn draws, from `first` on: turn i draws those `step` * i later.

    Where the turns go the other way, as in the reverse of a loop, the last turn draws the first.
    """

    generator: int
    first: int
    step: int
    is_reverse: bool


@dataclass(frozen=True, eq=False)
class Loop(Family):
    """A program `body`, run `length` times; several results.

    Its inputs are, in this order, memory that is the same in every turn, `carries` that each turn
    updates, and slices; its outputs are one slice each. The operands of the loop are that memory,
    the first values of the carries, and what the slices are of, along a first axis; so are the
    results: the last values of the carries, and all slices that the turns have given. With
    `is_reverse` the first turn takes and gives the last slices. `tied` are carries and outputs, by
    their places, where the slice that a turn gives is what the next one gets.
    """

    method = "loop"
    body: Program
    length: int
    is_reverse: bool
    carries: int
    slices: int
    numbers: tuple[Numbers, ...] = ()
    tied: tuple[tuple[int, int], ...] = ()
    draw: Draw | None = None  # of one run

    @property
    def name(self) -> str:
        return f"{self.length} turns of {len(self.body.steps)} steps"

    @cached_property
    def _key(self) -> tuple:
        form = self.length, self.is_reverse, self.carries, self.slices, self.numbers, self.tied
        return self.body.account, *form

    @property
    def fixed(self) -> int:
        """How many inputs are the same in every turn."""
        return len(self.body.inputs) - self.carries - self.slices

    def turns(self) -> Sequence[int]:
        """Return the slices of the turns, in order."""
        turns = range(self.length)
        return turns[::-1] if self.is_reverse else turns

    def later(self, turn: int, generator: int, offset: int) -> int:
        """Return how much later in a stream a turn draws what the first one draws at an offset."""
        for x in self.numbers:
            if x.generator == generator and x.first <= offset < x.first + x.step:
                return x.step * (self.length - 1 - turn if x.is_reverse else turn)
        return 0

    def drawing(self, draw: Draw, turn: int) -> Draw:
        """Return what draws for a turn."""
        if not self.numbers:
            return draw
        return lambda g, offset: draw(g, offset + self.later(turn, g, offset))

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
        for turn, at in enumerate(self.turns()):
            draw = None if self.draw is None else self.drawing(self.draw, turn)
            slices = [device.copy(x.view(slice_of(x.layout, at))) for x in operands[first:]]
            given = [*operands[: self.fixed], *carries, *slices]
            values = {slot.index: x for slot, x in zip(body.inputs, given, strict=True)}
            for step in body.steps:
                for out, made in zip(
                    step.outs, self._made(device, step, values, draw), strict=True
                ):
                    values[out.index] = made
            for x, i in zip(stacked, body.outputs, strict=True):
                device.write(x.view(slice_of(x.layout, at)), values[i])
            updates = dict(body.updates)
            updates |= {body.inputs[self.fixed + i].index: body.outputs[j] for i, j in self.tied}
            ends = [updates.get(slot.index) for slot in body.inputs[self.fixed : first]]
            carries = [
                x if new is None else values[new] for x, new in zip(carries, ends, strict=True)
            ]
        return [*carries, *stacked]

    @staticmethod
    def _made(
        device: Device, step: Step, values: dict[int, Array], draw: Draw | None
    ) -> list[Array]:
        operands: list[Any] = []
        for x in step.inputs:
            if isinstance(x, Ref):
                whole = values[x.slot]
                start = whole.layout.offset
                seen = Layout(x.layout.shape, x.layout.strides, x.layout.offset + start)
                operands.append(Array(whole.storage, seen, x.dtype))
            else:
                operands.append(x.read() if isinstance(x, Live) else x)
        work = step.work if draw is None else step.work.now(draw)
        return work.run(device, operands)


def slice_of(layout: Layout, at: int) -> Layout:
    """Return a layout at one place of its first axis."""
    return Layout(layout.shape[1:], layout.strides[1:], layout.offset + at * layout.strides[0])
