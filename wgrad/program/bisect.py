"""Where compiled results go wrong: the pass after which a program differs, or the kernel that does.

The traced program, run op by op, says what is right. A pass is at fault when its program, run the
same slow way, gives something else; when none does, the lowering is: each step is then built by
itself and fed what the slow way computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

import numpy as np

from ..backends.base import Array, Device, Storage
from ..layout import Layout
from . import compile as compiling
from .build import Executor, History, build
from .interpret import Draw, Interpreter, run_step
from .ir import Program, Slot, Step
from .listing import listing, step_lines
from .passes import PASSES

TOLERANCE = 1e-4  # of the largest magnitude, for float32; float64 is held to its square


@dataclass(frozen=True)
class Difference:
    """The largest difference between two results, and where it is."""

    size: float
    place: tuple[int, ...]
    right: float
    found: float

    def __str__(self) -> str:
        return f"{self.found!r} at {list(self.place)}, where {self.right!r} is right"


@dataclass(frozen=True)
class Finding:
    """What is at fault: a pass by its name, a kernel by its step, or the memory plan (neither)."""

    pass_name: str | None
    step: Step | None
    difference: Difference
    text: str  # the kernel's WGSL or Python source, or the program that the pass left

    def __str__(self) -> str:
        if self.pass_name is not None:
            head = f"the pass {self.pass_name!r} changes what the program computes"
        elif self.step is not None:
            head = f"a kernel computes something else than its step: {self.step.name}"
        else:
            head = "every kernel is right by itself: the memory plan, or the order, is at fault"
        lines = [head, f"largest difference: {self.difference}"]
        if self.step is not None:
            lines += ["", *step_lines(self.step)]
        return "\n".join([*lines, "", self.text])


def bisect(
    program: Program,
    device: Device,
    inputs: Sequence[Storage],
    draw: Draw,
    tolerance: float = TOLERANCE,
) -> Finding | None:
    """Return what makes the compiled program differ from the traced one, or None.

    `inputs` are only read.
    """
    right = _results(Interpreter(program, device), program, device, inputs, draw)
    executor = build(program, device)
    found = _results(executor, program, device, inputs, draw)
    difference = _largest(right, found, tolerance)
    if difference is None:
        return None
    for name, changed in _stages(program, device):
        wrong = _results(Interpreter(changed, device), program, device, inputs, draw)
        after = _largest(right, wrong, tolerance)
        if after is not None:
            return Finding(name, None, after, listing(changed))
    kernel = _first_wrong_kernel(executor, device, inputs, draw, tolerance)
    return kernel or Finding(None, None, difference, listing(executor.program))


def _stages(program: Program, device: Device) -> Iterator[tuple[str, Program]]:
    """Yield the name of each pass that `build` runs, and the program that it leaves."""
    stages: list[tuple[str, Program]] = []

    class Noted(History):
        def note(self, name: str, program: Program) -> None:
            stages.append((name, program))

    build(program, device, history=Noted(program))
    yield from stages


def _first_wrong_kernel(
    executor: Executor, device: Device, inputs: Sequence[Storage], draw: Draw, tolerance: float
) -> Finding | None:
    program = executor.program
    storages = dict(zip([s.index for s in program.inputs], inputs, strict=True))
    memory = program.memory()
    for step in program.steps:
        right = run_step(device, step, storages, draw)
        reads = sorted(step.reads())
        given = [Slot(i, (memory[i].size,), memory[i].dtype) for i in reads]
        alone = Program([step], given, tuple(out.index for out in step.outs), {}, program.slots)
        made = build(alone, device, without=PASSES)
        outs = made.run([_copy(device, storages[s.index], s) for s in given], draw)
        found = [_host(device, x, out) for x, out in zip(outs, step.outs, strict=True)]
        exact = [device.download(x) for x in right]
        difference = _largest(exact, found, tolerance)
        if difference is not None:
            text = getattr(made, "wgsl", None)
            shown = text() if callable(text) else getattr(made, "source", "")
            return Finding(None, step, difference, shown)
        for out, array in zip(step.outs, right, strict=True):
            storages[out.index] = array.storage
    return None


def _results(
    executor: Executor,
    program: Program,
    device: Device,
    inputs: Sequence[Storage],
    draw: Draw,
) -> list[np.ndarray]:
    """Return outputs and updated inputs of a run over copies, on the host."""
    memory = program.memory()
    mine = [_copy(device, x, slot) for x, slot in zip(inputs, program.inputs, strict=True)]
    outs = executor.run(mine, draw)
    found = [_host(device, x, memory[i]) for x, i in zip(outs, program.outputs, strict=True)]
    return found + [_host(device, x, s) for x, s in zip(mine, program.inputs, strict=True)]


def _host(device: Device, storage: Storage, slot: Slot) -> np.ndarray:
    return device.download(Array(storage, Layout.dense(slot.shape), slot.dtype))


def _copy(device: Device, storage: Storage, slot: Slot) -> Storage:
    return device.copy(Array(storage, Layout.dense(slot.shape), slot.dtype)).storage


def _largest(
    right: Sequence[np.ndarray], found: Sequence[np.ndarray], tolerance: float
) -> Difference | None:
    """Return the largest difference that is beyond the tolerance, or None."""
    worst: Difference | None = None
    for a, b in zip(right, found, strict=True):
        if not a.size:
            continue
        x, y = a.astype(np.float64).reshape(-1), b.astype(np.float64).reshape(-1)
        with np.errstate(invalid="ignore"):
            off = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, np.abs(x - y))
        off = np.where(np.isnan(off), np.inf, off)
        finite = np.abs(x[np.isfinite(x)])
        allowed = 0.0
        if a.dtype.kind == "f":
            scale = max(1.0, float(finite.max(initial=0.0)))
            allowed = scale * (tolerance if a.dtype.itemsize == 4 else tolerance**2)
        at = int(off.argmax())
        if off[at] > allowed and (worst is None or off[at] > worst.size):
            place = tuple(int(i) for i in np.unravel_index(at, a.shape))
            worst = Difference(float(off[at]), place, float(x[at]), float(y[at]))
    return worst


@contextmanager
def watching(report: Callable[[Finding | None], None], tolerance: float) -> Iterator[None]:
    """Bisect every program that compiled functions build inside, at its first run."""

    class Checked:
        """An executor that is compared with the traced program when it first runs."""

        def __init__(self, program: Program, device: Device, executor: Executor):
            self._traced = program
            self._executor = executor
            self._checked = False
            self.program = executor.program
            self.device = device

        def __getattr__(self, name: str) -> object:
            return getattr(self._executor, name)

        def run(self, inputs: Sequence[Storage], draw: Draw) -> list[Storage]:
            if not self._checked:
                self._checked = True
                report(bisect(self._traced, self.device, inputs, draw, tolerance))
            return self._executor.run(inputs, draw)

    def checked(
        program: Program, device: Device, fuse: bool = True, history: History | None = None
    ) -> Executor:
        return Checked(program, device, build(program, device, fuse, history=history))

    with mock.patch.object(compiling, "build", checked):  # the one place that builds
        yield
