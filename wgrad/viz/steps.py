"""program: a compiled step as a picture, kernel by kernel, and the bytes that pass."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import Any

from ..backends.base import Device
from ..errors import ArgumentError, DTypeError, shown
from ..program.compiled import Compiled
from ..program.diagnose.explain import Explanation, KernelReport
from ..program.diagnose.explain import _amount as amount
from ..program.ir import Program, Slot
from ..program.lower.plan import Plan, nbytes
from .drawing import Arrow, Box, Cell, Drawing
from .graph import shape_text
from .picture import Picture
from .svg import number

WIDE = 38  # letters in a line of a kernel's operations
LINES = 5  # of them, at most
CHART = 460.0, 120.0  # width and height of the memory chart, in points


def program(step: Compiled, *, limit: int = 60, engine: str = "auto") -> Picture:
    """Draw what a compiled function does at a run: its kernels, and what passes between them.

    ```python
    step = wg.compile(lambda x: (x * 2).tanh().sum())
    step(wg.ones((8, 4)))
    wg.viz.program(step).save("step.svg")
    ```

    It is the program traced last. A kernel is a box with the operations that were fused into it,
    its arithmetic and how it is launched; arrows say how many bytes pass; below is the memory that
    is in use beside the inputs while each kernel runs. Of more than `limit` kernels, neighbours are
    drawn as one box. `engine` is as in `graph`.

    Raises: DTypeError for what is not compiled, ArgumentError before the first call.
    """
    if not isinstance(step, Compiled):
        raise DTypeError(
            f"program: {shown(step)} came, and what wg.compile returned is needed: "
            "program(wg.compile(f)), called once"
        )
    if type(limit) is not int or limit < 1:
        raise ArgumentError(f"program: limit={shown(limit)} came, and an integer from 1 is needed")
    executor: Any = step._executor("a picture")
    told = step.explain()
    source: Program = executor.program
    plan: Plan = getattr(executor, "plan", Plan({}, ()))
    title = str(getattr(step, "__name__", "step"))
    size = -(-len(source.steps) // limit)
    drawing = _drawing(source, told, executor.device, title, size)
    note = f"boxes of {size} kernels each, for there are {len(source.steps)}" if size > 1 else ""
    used = in_use(source, plan, executor.device)
    return Picture(drawing, "program", engine, note, _chart(used, told.peak_bytes), CHART)


def _drawing(source: Program, told: Explanation, device: Device, title: str, size: int) -> Drawing:
    drawing = Drawing(title, down=True)
    memory = source.memory()
    home: dict[int, str] = {}  # the box that made a slot
    reads = {slot for step in source.steps for slot in step.reads()}
    for i, given in enumerate(source.inputs):
        home[given.index] = f"i{i}"
        if given.index in reads:
            cells = (Cell(f"input {i}", "label"), *_kind(given))
            drawing.boxes.append(Box(f"i{i}", "leaf", (cells,)))
    passing: dict[tuple[str, str], dict[int, None]] = {}
    for first in range(0, len(source.steps), size):
        key = f"k{first}"
        group = source.steps[first : first + size]
        for step in group:
            home |= dict.fromkeys(sorted(step.writes()), key)
        for step in group:
            for slot in sorted(step.reads()):
                if home[slot] != key:
                    passing.setdefault((home[slot], key), {})[slot] = None
        drawing.boxes.append(_kernel(key, first, told.kernels[first : first + size]))
    for i, index in enumerate(source.outputs):
        drawing.boxes.append(
            Box(f"r{i}", "value", ((Cell(f"output {i}", "label"), *_kind(memory[index])),))
        )
        passing[home[index], f"r{i}"] = {index: None}
    position = {slot.index: i for i, slot in enumerate(source.inputs)}
    for old, new in source.updates.items():
        i = position[old]
        cells = (Cell(f"input {i}, updated", "label"), *_kind(memory[new]))
        drawing.boxes.append(Box(f"u{i}", "value", (cells,)))
        passing[home[new], f"u{i}"] = {new: None}
    drawing.arrows = [
        Arrow(tail, head, amount(sum(nbytes(memory[s], device) for s in slots), "B"))
        for (tail, head), slots in passing.items()
    ]
    return drawing


def _kind(slot: Slot) -> tuple[Cell, ...]:
    shape = (Cell(shape_text(slot.shape), "shape"),) if slot.shape else ()
    return (*shape, Cell(slot.dtype.name, "text"))


def _kernel(key: str, first: int, reports: list[KernelReport]) -> Box:
    rows: list[tuple[Cell, ...]]
    if len(reports) > 1:
        rows = [(Cell(f"kernels {first} to {first + len(reports) - 1}", "name"),)]
        names = Counter(word for k in reports for word in k.name.replace("|", " ").split())
        words = ", ".join(f"{n} {x}" if n > 1 else x for x, n in names.items())
    else:
        rows = [(Cell(f"kernel {first}", "name"),)]
        words = reports[0].name.replace(" | ", "\n")
    lines = [part for line in words.split("\n") for part in textwrap.wrap(line, WIDE)]
    shortened = [*lines[: LINES - 1], "…"] if len(lines) > LINES else lines
    rows += [(Cell(line, "data"),) for line in shortened]
    more = [f"{amount(sum(k.operations for k in reports), '')} operations"]
    groups = sum(k.workgroups for k in reports)
    if groups:
        more.append(f"{groups:,} workgroup{'s' if groups > 1 else ''}")
    if any(k.in_place for k in reports):
        more.append("in place")
    rows.append((Cell(", ".join(more), "text"),))
    return Box(key, "kernel", tuple(rows), words)


def in_use(source: Program, plan: Plan, device: Device) -> list[int]:
    """Return the bytes that hold something while each kernel runs, beside the inputs."""
    memory = source.memory()
    ends = {slot: i for i, step in enumerate(source.steps) for slot in step.reads()}
    ends |= dict.fromkeys(source.kept, len(source.steps))
    used = [0] * len(source.steps)
    places: list[dict[Any, int]] = [{} for _ in used]
    for i, step in enumerate(source.steps):
        for out in step.outs:
            place = plan.places.get(out.index, out.index)
            if getattr(place, "kind", "") == "input":
                continue  # it lies in memory of an input
            size = nbytes(memory[out.index], device)
            for at in range(i, min(ends.get(out.index, i), len(used) - 1) + 1):
                before = places[at].get(place, 0)
                places[at][place] = max(before, size)
    return [sum(at.values()) for at in places]


def _chart(used: list[int], peak: int) -> str:
    """Return the memory in use as an area, one stair for each kernel."""
    wide, high = CHART
    top, left, bottom = 24.0, 64.0, high - 20.0
    most = max([peak, *used, 1])
    step = (wide - left) / len(used)
    line = f"M{number(left)} {number(bottom)}"
    for i, n in enumerate(used):
        y = bottom - (bottom - top) * n / most
        line += f" L{number(left + step * i)} {number(y)} h{number(step)}"
    line += f" L{number(wide)} {number(bottom)} Z"
    y = bottom - (bottom - top) * peak / most
    return (
        f'<text class="name" x="0" y="12">memory beside the inputs, while each kernel runs</text>'
        f'<path class="area" d="{line}"/>'
        f'<path class="limit" d="M{number(left)} {number(y)} H{number(wide)}"/>'
        f'<text class="shape" x="{number(left - 6)}" y="{number(y + 4)}" text-anchor="end">'
        f"{amount(peak, 'B')}</text>"
        f'<text class="shape" x="{number(left - 6)}" y="{number(bottom)}" text-anchor="end">'
        "0 B</text>"
        f'<text class="shape" x="{number(left)}" y="{number(high - 4)}">kernel 0</text>'
        f'<text class="shape" x="{number(wide)}" y="{number(high - 4)}" text-anchor="end">'
        f"kernel {len(used) - 1}</text>"
    )
