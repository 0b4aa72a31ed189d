"""A program as Python source that calls NumPy: straight-line code over memory planned beforehand.

Source and memory are made once. A run goes through no list of steps and allocates nothing but what
it hands out; parameters are updated in place. The results are those of `PlainExecutor`, to the bit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
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
from ...layout import Layout
from ..ir import Batch, Draws, Loop, Program, Ref, Step
from ..passes.limits import Limits
from .calls import Argument, Call, Calls, Temp
from .names import Moving, Names, Static
from .plan import Place, Plan, nbytes, plan_memory
from .steps import add_calls, calls_of
from .targets import Registers, with_targets

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
        self.plan: Plan = plan_memory(program, device, settled)
        source = _Source(program, device, self.plan)
        self.source = source.text
        self.block_bytes = source.block_bytes
        space = {**source.names.space, "Storage": Storage, "device": device}
        exec(compile(self.source, "<program>", "exec"), space)  # our own text, from our own names
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
            text = re.sub(r"^        # .*$", "        tick()", self.source, flags=re.MULTILINE)
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


class Turns:
    """The turns of a loop, over memory of the program around it."""

    def __init__(self, work: Loop, device: Device):
        self._work = work
        self._body = NumpyExecutor(work.body, device)
        self._run = self._body._run  # whose time is that of the loop
        self._device = device
        self.block_bytes: int = self._body.block_bytes

    __name__ = "turns"

    def __call__(self, draw: Draw, *memory: np.ndarray) -> None:
        """Run all turns. Memory is what is the same, carries with first values, slices, results."""
        work = self._work
        first, last = work.fixed + work.carries, len(work.body.inputs)
        given, results = memory[:last], memory[last:]
        held = [self._storage(x) for x in given[: work.fixed]]
        held += [self._storage(x.copy()) for x in given[work.fixed : first]]
        sliced = given[first:]
        for turn, at in enumerate(work.turns()):
            now = work.drawing(draw, turn)
            slices = [self._storage(x[at]) for x in sliced]
            for out, made in zip(results, self._run([*held, *slices], now), strict=True):
                out[at] = made.buffer[: out[at].size].reshape(out.shape[1:])
        for x, end in zip(given[work.fixed : first], held[work.fixed :], strict=True):
            np.copyto(x, end.buffer.reshape(x.shape))

    def _storage(self, x: np.ndarray) -> Storage:
        return Storage(self._device, np.ascontiguousarray(x).reshape(-1), x.size)


@add_calls.register
def _loop(work: Loop, made: Calls, step: Step) -> Temp | None:
    """Carries get their first values; then the turns run with the memory of all."""
    refs = [x for x in step.inputs if isinstance(x, Ref)]
    starts = refs[work.fixed : work.fixed + work.carries]
    filled = [i for i, out in enumerate(step.outs) if out.size]
    run = Turns(work, made.device)
    for i in filled:
        out = step.outs[i]
        args: list[Argument] = [starts[i]] if i < work.carries else []
        lines = ["copyto({out}, {0})"] if args else ["pass"]
        if i == filled[-1]:
            memory = [
                *refs[: work.fixed],
                *(x.whole() for x in step.outs[: work.carries]),
                *refs[work.fixed + work.carries :],
                *(x.whole() for x in step.outs[work.carries :]),
            ]
            names = [f"{{{len(args) + j}}}" for j in range(len(memory))]
            lines.append(f"{{f}}(draw, {', '.join(names)})")
            args += memory
        text = "\n".join(lines)
        how = {"safe": False, "target": out.index}
        made.add(text, run, args, out.shape, out.dtype.numpy, **how)
    return None


class _Source:
    """The text of one program, and the names in it."""

    def __init__(self, program: Program, device: Device, plan: Plan):
        self.program = program
        self.slots = program.memory()
        self.places = plan.places
        self.names = Names()
        self.registers = Registers()
        self.memory: dict[Place, Static | Moving] = {
            Place("block", i): Static(f"b{i}", size) for i, size in enumerate(plan.blocks)
        }
        for i, slot in enumerate(program.inputs):
            self.memory[Place("input", i)] = Moving(f"x{i}", slot.size)
            self.memory[Place("swap", i)] = Moving(f"w{i}", slot.size)
        for i, index in enumerate(program.outputs):
            self.memory[Place("output", i)] = Moving(f"y{i}", self.slots[index].size)
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
        body = [
            line
            for (step, parts), registers in zip(lowered, assigned, strict=True)
            for line in self._step(step, parts, registers)
        ]
        self.text = "\n".join(self._whole(body)) + "\n"
        loops = [x for x in self.names.space.values() if isinstance(x, Turns)]
        inside = sum(x.block_bytes for x in loops)
        self.block_bytes = plan.block_bytes + sum(self.registers.sizes) + inside

    # The lines of steps.
    def _step(
        self, step: Step, parts: list[list[Call]], registers: list[dict[int, int]]
    ) -> Iterator[str]:
        yield f"# {step}"
        for calls, given in zip(parts, registers, strict=True):
            where = [
                self.scratch[given[i]] if x.target is None else self.memory[self.places[x.target]]
                for i, x in enumerate(calls)
            ]
            for call, memory in zip(calls, where, strict=True):
                if call.size:
                    yield from self._call(call, memory, where)

    def _call(
        self, call: Call, memory: Static | Moving, where: list[Static | Moving]
    ) -> Iterator[str]:
        args = [self._argument(x, where) for x in call.args]
        out = self.names.view(memory, Layout.dense(call.shape), call.dtype)
        f = "" if call.function is None else self.names.function(call.function)
        for line in call.text.format(*args, f=f, out=out).split("\n"):
            if not line.startswith(f"copyto({out}, {out}"):
                yield line

    def _argument(self, x: Argument, where: list[Static | Moving]) -> str:
        if isinstance(x, Ref):
            return self.names.view(self.memory[self.places[x.slot]], x.layout, x.dtype.numpy)
        if isinstance(x, Temp):
            return self.names.view(where[x.index], x.layout, x.dtype)
        return self.names.argument(x)

    # The lines around them.
    def _whole(self, body: list[str]) -> Iterator[str]:
        space = self.names.space
        space |= {"empty": np.empty, "copyto": np.copyto, "ndarray": np.ndarray}
        space |= {"errstate": np.errstate, "bits": threefry.bits}
        for note in self.names.notes:
            yield f"# {note}"
        yield "def run(inputs, draw):"
        yield from _indented([*self._inputs(), *self._fresh()])
        yield "    with errstate(all='ignore'):"
        yield from _indented([*self.names.start, *body], 2)  # numbers may be too large for a dtype
        if all(line.startswith("#") for line in body):
            yield "        pass"
        swaps = [p for p in self._used() if p.kind == "swap"]
        yield from _indented([f"inputs[{p.index}].adopt(w{p.index})" for p in swaps])
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


def _indented(lines: Iterable[str], levels: int = 1) -> Iterator[str]:
    return (f"{'    ' * levels}{line}" for line in lines)
