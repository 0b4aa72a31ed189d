"""Runs a program: a step is one call of the device, and slots die after their last use.

The same code runs a program on every device; memory that dies goes back to the device's pool and
serves the next step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from ..backends.base import Array, Device, Live, Number, Storage
from ..layout import Layout
from .ir import Program, Ref, Step

Draw = Callable[[Any, int], tuple[tuple[int, int], int]]


def last_uses(program: Program) -> list[tuple[int, ...]]:
    """Return for each step the slots that nothing reads after it, kept ones left out."""
    seen = set(program.kept)
    rows: list[tuple[int, ...]] = []
    for step in reversed(program.steps):
        dying = tuple({r.slot for r in step.refs()} - seen)
        seen.update(dying)
        seen.add(step.out)
        rows.append(dying)
    return rows[::-1]


class Executor:
    """A program ready to run on a device."""

    def __init__(self, program: Program, device: Device):
        self.program = program
        self.device = device
        self._plan = list(zip(program.steps, last_uses(program), strict=True))
        self._inputs = frozenset(program.inputs)
        # For each step what it launches, [] where it cannot be repeated, None before its first run.
        self._launches: list[list[Any] | None] = [None] * len(program.steps)

    def run(self, inputs: Sequence[Storage], shifts: dict[int, int], draw: Draw) -> dict:
        """Run once and return the storages of the kept slots.

        `inputs` are in the program's order; `shifts` says by how much the views of an input begin
        later than they did in the trace; `draw` turns (generator, offset) into a key and counter.
        """
        storages: dict[int, Storage] = dict(zip(self.program.inputs, inputs, strict=True))

        def array(ref: Ref) -> Array:
            layout = ref.layout
            shift = shifts.get(ref.slot, 0)
            if shift:
                layout = Layout(layout.shape, layout.strides, layout.offset + shift)
            return Array(storages[ref.slot], layout, ref.dtype)

        for k, (step, dying) in enumerate(self._plan):
            launches = self._launches[k]
            if launches and not (shifts and any(r.slot in shifts for r in step.refs())):
                read = [storages[r.slot] for r in step.refs()]
                size = prod(step.shape)
                storages[step.out] = self.device.relaunch(launches, read, size)
                del read
            else:
                args = [array(x) if isinstance(x, Ref) else _number(x) for x in step.inputs]
                if step.kind == "write":
                    out = self._write(step, args, step.inputs[0], dying)
                elif launches is None and not shifts:
                    out = self._first(k, step, args, draw)
                else:
                    out = _RUN[step.kind](self.device, step, args, draw)
                storages[step.out] = out.storage
                del args, out
            for slot in dying:
                del storages[slot]
        return {slot: storages[slot] for slot in self.program.kept}

    def _first(self, k: int, step: Step, args: list, draw: Draw) -> Array:
        """Run a step and remember its launches, if they depend on nothing but storages.

        A step that draws numbers, reads one anew, or keeps memory of its own in between is run by
        the device's method every time.
        """
        with self.device.recorded() as launches:
            out = _RUN[step.kind](self.device, step, args, draw)
        changes = step.kind == "random" or any(isinstance(x, Live) for x in step.inputs)
        read = [x.storage.buffer for x in args if isinstance(x, Array)]
        shared = len(set(map(id, read))) < len(read)  # which of them a launch read is not told
        if launches is None or changes or shared:
            self._launches[k] = []
            return out
        found: list[Any] = []
        for pipeline, buffers, params, groups in launches:
            places = [
                -1 if b is out.storage.buffer else read.index(b) if b in read else None
                for b in buffers
            ]
            found.append((pipeline, places, params, groups))
        known = all(None not in places for _, places, _, _ in found)
        self._launches[k] = found if known else []
        return out

    def _write(self, step: Step, args: list, base: Any, dying: tuple[int, ...]) -> Array:
        """Place a value into a copy of the base, or into the base itself where it dies here."""
        whole, value = args
        if base.slot not in dying or base.slot in self._inputs:
            whole = self.device.copy(whole)
        self.device.write(whole.view(step.params["target"]), value)
        return whole


def _number(x: Number) -> Number:
    return x.read() if isinstance(x, Live) else x


# How each kind of step becomes a call of the device.
_RUN: dict[str, Callable[[Device, Step, list, Draw], Array]] = {
    "full": lambda d, s, a, draw: d.full(s.shape, s.params["value"], s.dtype),
    "map": lambda d, s, a, draw: d.map(s.params["body"], a, s.params["dtypes"], s.shape, s.dtype),
    "reduce": lambda d, s, a, draw: d.reduce(s.params["kind"], a[0], s.params["axes"], s.dtype),
    "matmul": lambda d, s, a, draw: d.matmul(*a),
    "copy": lambda d, s, a, draw: d.copy(a[0]),
    "gather": lambda d, s, a, draw: d.gather(a[0], a[1], s.params["axis"]),
    "scatter_add": lambda d, s, a, draw: d.scatter_add(
        a[0], a[1], s.params["axis"], s.params["size"]
    ),
    "random": lambda d, s, a, draw: d.random(
        s.params["kind"], *draw(s.params["generator"], s.params["offset"]), s.shape
    ),
}
