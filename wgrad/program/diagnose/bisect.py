"""Where compiled results go wrong: the pass after which a program differs, or the kernel that does.

The traced program, run op by op, says what is right. A pass is at fault when its program, run the
same slow way, gives something else. When none does, the lowering is: each step is built by itself,
over the inputs that the slow way gives it; then, for what only shows among other steps, programs
that end at each step in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from ...backends.array import Array, Storage
from ...backends.base import Device
from ...backends.families import Draw
from ...layout import Layout
from ..ir import Program, Slot, Step, step_lines
from ..passes import PASSES
from ..run import executors
from ..run.build import Executor, History, build
from ..run.plain import PlainExecutor
from .differences import TOLERANCE, Difference, Results, differences, largest

RUNS = 3  # of each program that are compared: those that are traced, and a replay


@dataclass(frozen=True)
class Finding:
    """What is at fault: a pass by its name, a kernel by its step, or neither.

    `number` is that of the step in the program that the pass left, or that runs.
    """

    difference: Difference
    text: str  # the kernel's WGSL or Python source, or the program that the pass left
    pass_name: str | None = None
    number: int | None = None
    step: Step | None = None
    alone: bool = True  # whether the kernel is wrong by itself, too

    def __str__(self) -> str:
        if self.pass_name is not None:
            head = f"the pass {self.pass_name!r} changes what the program computes"
        elif self.step is None:
            head = "no kernel is wrong: the memory plan, or what a replay keeps, is at fault"
        elif self.alone:
            head = f"kernel {self.number} computes something else than its step: {self.step.name}"
        else:
            head = f"kernel {self.number} is wrong after the ones before it: {self.step.name}"
        lines = [head, f"largest difference: {self.difference}", ""]
        if self.step is not None:
            lines += [f"step {self.number}:", *step_lines(self.step), ""]
        return "\n".join([*lines, self.text])


def bisect(
    program: Program,
    device: Device,
    inputs: Sequence[Storage],
    draw: Draw,
    tolerance: float = TOLERANCE,
    fuse: bool = True,
) -> Finding | None:
    """Return what makes the compiled program differ from the traced one, or None.

    `inputs` are only read.
    """
    case = _Case(device, draw, tolerance)
    stages: list[tuple[str, Program]] = []

    class Noted(History):
        def note(self, name: str, program: Program) -> None:
            stages.append((name, program))

    executor = build(program, device, fuse, history=Noted(program))
    right = case.right(program, inputs)
    difference = largest(right, case.results(executor, inputs), tolerance)
    if difference is None:
        return None
    before = program
    for name, after in stages:
        wrong = largest(right, case.right(after, inputs), tolerance)
        if wrong is not None:
            number = case.first_wrong_step(before, after, inputs)
            step = None if number is None else after.steps[number]
            return Finding(wrong, str(after), name, number, step)
        before = after
    finding = case.first_wrong_kernel(executor.program, inputs)
    return finding or Finding(difference, str(executor.program))


@dataclass(frozen=True)
class _Case:
    """Where programs run, with which random numbers, and what is forgiven."""

    device: Device
    draw: Draw
    tolerance: float

    def results(self, executor: Executor, inputs: Sequence[Storage]) -> Results:
        """Return what a run over copies of the inputs leaves, on the host."""
        mine = _copies(executor.program, inputs)
        return _read(executor.program, mine, executor.run(mine, self.draw))

    def right(self, program: Program, inputs: Sequence[Storage]) -> Results:
        """Return what a program computes op by op."""
        return self.results(PlainExecutor(program, self.device), inputs)

    def first_wrong_step(
        self, before: Program, after: Program, inputs: Sequence[Storage]
    ) -> int | None:
        """Return the first step after a pass that differs in a slot that was there before it."""
        old = before.memory()
        made: dict[int, int] = {}
        for i, step in enumerate(after.steps):
            for out in step.outs:
                was = old.get(out.index)
                if was is not None and (was.size, was.dtype) == (out.size, out.dtype):
                    made[out.index] = i
        right, computed = (
            self.right(replace(program, outputs=tuple(made), updates={}), inputs)
            for program in (before, after)
        )
        wrong = differences(right, computed, self.tolerance)
        names = {f"output {n}": i for n, i in enumerate(made.values())}
        return names[wrong[0].name] if wrong else None

    def first_wrong_kernel(self, program: Program, inputs: Sequence[Storage]) -> Finding | None:
        """Return the first step that computes something else by itself, or after the others."""
        values = self._values(program, inputs)
        findings = (
            self._kernel(part, [values[slot.index] for slot in part.inputs], step, i, alone)
            for parts, alone in ((_each_alone(program), True), (_each_end(program), False))
            for i, (part, step) in enumerate(zip(parts, program.steps, strict=True))
        )
        return next((finding for finding in findings if finding is not None), None)

    def _values(self, program: Program, inputs: Sequence[Storage]) -> dict[int, Storage]:
        """Return what every slot holds, computed op by op."""
        made = [out.index for step in program.steps for out in step.outs]
        whole = replace(program, outputs=tuple(made), updates={})
        outs = PlainExecutor(whole, self.device).run(_copies(program, inputs), self.draw)
        slots = [slot.index for slot in program.inputs]
        return dict(zip([*slots, *made], [*inputs, *outs], strict=True))

    def _kernel(
        self, program: Program, inputs: Sequence[Storage], step: Step, number: int, alone: bool
    ) -> Finding | None:
        """Return the finding that the last step of a program is wrong, or None."""
        executor: Any = build(program, self.device, without=PASSES)
        computed = self.results(executor, inputs)
        wrong = largest(self.right(program, inputs), computed, self.tolerance)
        if wrong is None:
            return None
        last = len(program.steps) - 1
        launches = getattr(executor, "launches", None)
        codes = () if launches is None else launches.texts(last)
        text = "\n\n".join(codes) or getattr(executor, "source", "")
        return Finding(wrong, text, None, number, step, alone)


def _each_alone(program: Program) -> Iterator[Program]:
    """Yield each step as a program, which updates in place what the step updates."""
    memory = program.memory()
    for step in program.steps:
        updates = {old: new for old, new in program.updates.items() if new in step.writes()}
        inputs = [memory[slot] for slot in sorted(step.reads() | updates.keys())]
        outputs = tuple(sorted(step.writes() - set(updates.values())))
        yield Program([step], inputs, outputs, updates, program.slots)


def _each_end(program: Program) -> Iterator[Program]:
    """Yield the program up to each of its steps, whose results it hands out."""
    made: set[int] = set()
    for i, step in enumerate(program.steps):
        made |= step.writes()
        updates = {old: new for old, new in program.updates.items() if new in made}
        outputs = tuple(sorted(step.writes() - set(updates.values())))
        yield replace(program, steps=program.steps[: i + 1], outputs=outputs, updates=updates)


def _read(program: Program, inputs: Sequence[Storage], outs: Sequence[Storage]) -> Results:
    """Return outputs, and inputs after a run, on the host."""
    memory = program.memory()
    results = [
        (f"output {n}", _host(x, memory[slot]))
        for n, (x, slot) in enumerate(zip(outs, program.outputs, strict=True))
    ]
    pairs = enumerate(zip(inputs, program.inputs, strict=True))
    return results + [(f"input {n}, as the run left it", _host(x, slot)) for n, (x, slot) in pairs]


def _array(storage: Storage, slot: Slot) -> Array:
    return Array(storage, Layout.dense(slot.shape), slot.dtype)


def _host(storage: Storage, slot: Slot) -> Any:
    return storage.device.download(_array(storage, slot))


def _copies(program: Program, inputs: Sequence[Storage]) -> list[Storage]:
    pairs = zip(inputs, program.inputs, strict=True)
    return [x.device.copy(_array(x, slot)).storage for x, slot in pairs]


class Checked:
    """An executor whose first runs are compared with the program as it was traced."""

    def __init__(self, executor: Executor, is_wrong: Callable[..., bool]):
        self.program = executor.program
        self._executor, self._is_wrong = executor, is_wrong
        self._left = RUNS

    def __getattr__(self, name: str) -> Any:
        return getattr(self._executor, name)

    def run(
        self, inputs: Sequence[Storage], draw: Draw, spare: list[Any] | None = None
    ) -> list[Storage]:
        """Run once; after a finding no run is compared any more."""
        if not self._left:
            return self._executor.run(inputs, draw, spare)
        before = _copies(self.program, inputs)
        outs = self._executor.run(inputs, draw, spare)
        self._left = 0 if self._is_wrong(before, draw, inputs, outs) else self._left - 1
        return outs


@contextmanager
def watching(
    report: Callable[[Finding], None], tolerance: float = TOLERANCE
) -> Iterator[list[Program]]:
    """Compare the programs that compiled functions build inside, and report what is wrong at once.

    Gives the list of these programs, as they were traced.
    """
    programs: list[Program] = []

    def checked(
        program: Program, device: Device, fuse: bool = True, history: History | None = None
    ) -> Any:
        executor = build(program, device, fuse, history=history)
        programs.append(program)

        def is_wrong(
            before: Sequence[Storage], draw: Draw, after: Sequence[Storage], outs: Sequence[Storage]
        ) -> bool:
            right = _Case(device, draw, tolerance).right(program, before)
            wrong = largest(right, _read(program, after, outs), tolerance)
            if wrong is not None:
                finding = bisect(program, device, before, draw, tolerance, fuse)
                report(finding or Finding(wrong, str(executor.program)))
            return wrong is not None

        return Checked(executor, is_wrong)

    with mock.patch.object(executors, "build", checked):  # the one place that builds
        yield programs
