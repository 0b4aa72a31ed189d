"""A program as Python source that calls NumPy: straight-line code over memory planned beforehand.

Source and memory are made once. A run goes through no list of steps and allocates nothing but what
it hands out; parameters are updated in place. The results are those of `PlainExecutor`, to the bit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ...backends import threefry
from ...backends.array import Storage
from ...backends.base import Device
from ...backends.events import WATCHERS, during, launched
from ...backends.families import Argsort, Dispatch, Draw, Scan, ScatterAdd, Searchsorted
from ...backends.timing import begun, now_ns, timers
from ...errors import OutOfMemoryError
from ..ir import Batch, Draws, Program, Step
from ..passes.limits import Limits
from . import repeated  # noqa: F401  # it lowers loops
from .names import Memory, Moving
from .plan import Place, Plan, nbytes, plan_memory
from .source import Lines, indented

# Nothing is compiled for these graphs, so nothing bounds them. Steps that the passes would lay
# into one dispatch cost the same apart.
LIMITS = Limits(
    folds_wide=True,
    buffers=1 << 30,
    numbers=1 << 30,
    statements=256,  # joining costs the square of them
    passes=1 << 30,
    scatters_compare=False,
    pieces=0,
    small_row=1 << 62,  # NumPy's own sums are exact enough, and have the order of the eager ones
    small_turn=1 << 14,
    ties=True,
    large_factor=1 << 14,
)
WITHOUT = ("batches",)


# Steps for which NumPy takes memory as it goes, and the bytes from which it may not get them. One
# that writes into a view takes memory only before it writes.
_TAKES = Scan, ScatterAdd, Argsort, Searchsorted, Draws
_MUCH = 1 << 22


def _is_risky(step: Step, device: Device) -> bool:
    """Whether a step may fail for want of memory in the midst of a run."""
    if isinstance(step.work, Batch):
        return any(_is_risky(part, device) for part in step.work.parts)
    if isinstance(step.work, Dispatch):  # a function of the user's
        return True
    sizes = [x.layout.size * device.itemsize(x.dtype) for x in step.refs()]
    sizes += [nbytes(out, device) for out in step.outs]
    return isinstance(step.work, _TAKES) and max(sizes) >= _MUCH


def _risks_first(program: Program, device: Device) -> tuple[Program, int]:
    """Return the program with its risky steps, and what they follow from, before all others.

    The number is how many steps that are. While they run, nothing outside may change.
    """
    needed: set[int] = set()
    early: set[int] = set()
    for step in reversed(program.steps):
        if _is_risky(step, device) or not needed.isdisjoint(step.writes()):
            early.add(id(step))
            needed |= step.reads()
    if not early:
        return program, 0
    steps = sorted(program.steps, key=lambda step: id(step) not in early)
    return program.with_steps(steps), len(early)


class NumpyExecutor:
    """A program ready to run on the NumPy device; `source` is what runs."""

    def __init__(self, program: Program, device: Device):
        program, settled = _risks_first(program, device)
        self.program = program
        self.device = device
        self.plan: Plan = plan_memory(program, device, settled, mends=True)
        source = _Source(program, device, self.plan)
        self.source = source.text + source.loops
        self._text = source.text
        self.block_bytes = source.block_bytes
        space = {**source.names.space, "Storage": Storage, "device": device}
        exec(compile(self._text, "<program>", "exec"), space)  # our own text, from our own names
        self._space = space
        self._run = space["run"]

    def __del__(self) -> None:
        # A function and its globals refer to each other: the planned memory in there would stay
        # until the collector comes by.
        getattr(self, "_space", {}).clear()

    def run(
        self, inputs: Sequence[Storage], draw: Draw, spare: list[Any] | None = None
    ) -> list[Storage]:
        """Run once: update `inputs` in place, and return the outputs' storages, in order."""
        try:
            if WATCHERS and timers.get():
                made = self._timed(inputs, draw)
            else:
                made = self._run(inputs, draw)
        except MemoryError as error:
            raise OutOfMemoryError(f"numpy: {error or 'no memory is left'}") from error
        if WATCHERS:
            self._tell()
        return made

    def _tell(self) -> None:
        """Tell the observers of the steps of a run, one event each."""
        for step in self.program.steps:
            views = [*step.refs(), *(out.whole() for out in step.outs)]
            nbytes = sum(x.layout.size * self.device.itemsize(x.dtype) for x in views)
            during(launched, self.program.doing(step), "numpy", step.name, 0, nbytes)

    def _timed(self, inputs: Sequence[Storage], draw: Draw) -> list[Storage]:
        """Run once with the time taken before each step, and after the last."""
        if "timed" not in self._space:
            # The line of each step is a comment; what runs is the same.
            text = re.sub(r"^        # .*$", "        tick()", self._text, flags=re.MULTILINE)
            text = text.replace("def run(inputs, draw)", "def timed(inputs, draw, tick)")
            text = re.sub(r"^(    return )", r"    tick()\n\1", text, flags=re.MULTILINE)
            exec(compile(text, "<program, timed>", "exec"), self._space)
        ticks: list[int] = []
        memory = self.program.memory()
        made = self._space["timed"](inputs, draw, lambda: ticks.append(now_ns()))
        for step, (start, end) in zip(self.program.steps, pairwise(ticks), strict=True):
            nbytes = sum(step.moved(self.device, memory))
            flops = step.operations
            one = begun(self.program.doing(step), "numpy", step.name, 0, nbytes, flops=flops)
            if one is not None:
                one.ran(start, end)
        return made


class _Source:
    """The text of one program, and the names in it."""

    def __init__(self, program: Program, device: Device, plan: Plan):
        self.program = program
        self.slots = program.memory()
        self.places = plan.places
        self.memory: dict[Place, Memory] = {}
        for i, slot in enumerate(program.inputs):
            self.memory[Place("input", i)] = Moving(f"x{i}", slot.size)
            self.memory[Place("swap", i)] = Moving(f"w{i}", slot.size)
        for i, index in enumerate(program.outputs):
            self.memory[Place("output", i)] = Moving(f"y{i}", self.slots[index].size)
        made = Lines(program, device, plan, self.memory)
        self.names, self.block_bytes = made.names, made.block_bytes
        self.text = "\n".join(self._whole(made.lines)) + "\n"
        self.loops = "".join(f"\n# {x.name}\n{x.source}" for x in made.loops)

    def _whole(self, body: list[str]) -> Iterator[str]:
        space = self.names.space
        space |= {"empty": np.empty, "copyto": np.copyto, "ndarray": np.ndarray}
        space |= {"errstate": np.errstate, "bits": threefry.bits}
        for note in self.names.notes:
            yield f"# {note}"
        yield "def run(inputs, draw):"
        yield from indented([*self._inputs(), *self._fresh()])
        yield "    with errstate(all='ignore'):"
        yield from indented([*self.names.start, *body], 2)  # numbers may be too large for a dtype
        if all(line.startswith("#") for line in body):
            yield "        pass"
        swaps = [p for p in self._used() if p.kind == "swap"]
        yield from indented([f"inputs[{p.index}].adopt(w{p.index})" for p in swaps])
        outs = ", ".join(
            f"Storage(device, y{i}, {self.slots[slot].size})"
            for i, slot in enumerate(self.program.outputs)
        )
        yield f"    return [{outs}]"

    def _used(self) -> list[Place]:
        """Return the places of all slots but inputs that nothing touches, each once."""
        touched = {s for step in self.program.steps for s in step.reads() | step.writes()}
        return list(dict.fromkeys(self.places[slot] for slot in self.slots if slot in touched))

    def _inputs(self) -> Iterator[str]:
        used = self._used()
        steady = {
            self.places[new] for new in self.program.updates.values()
        }  # these keep their buffers from run to run
        kept: list[str] = []
        lines: list[str] = []
        for place in used:
            if place.kind != "input":
                continue
            memory = self.memory[place]
            assert isinstance(memory, Moving)
            name = memory.name
            if place in steady:
                views = [line.partition(" = ")[0] for line in memory.views]
                kept += [name, *views]
                lines.append(f"if inputs[{place.index}].buffer is not {name}:")
                lines.append(f"    {name} = inputs[{place.index}].buffer")
                lines += [f"    {line}" for line in memory.views]
            else:
                lines.append(f"{name} = inputs[{place.index}].buffer")
                lines += memory.views
        if kept:
            self.names.space |= dict.fromkeys(kept)
            yield f"global {', '.join(kept)}"
        yield from lines

    def _fresh(self) -> Iterator[str]:
        outputs = [(Place("output", i), s) for i, s in enumerate(self.program.outputs)]
        swaps = [(self.places[s], s) for s in self.program.updates.values()]
        for place, slot in [*outputs, *swaps]:
            if place.kind in ("output", "swap"):
                memory = self.memory[place]
                assert isinstance(memory, Moving)
                dtype = self.names.dtype(self.slots[slot].dtype.numpy)
                yield f"{memory.name} = empty({memory.size}, {dtype})"
                yield from memory.views
