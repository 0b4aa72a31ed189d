"""What a compiled program does, counted: ops in, kernels out, bytes, operations and memory.

Counts are of the program, not measurements. Every elementwise op of an element counts as one
operation, a transcendental function too, and so does every element that a reduction folds; a
matmul counts 2 m n k.
"""

from __future__ import annotations

import html
import textwrap
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import accumulate

from ...backends.base import Device
from ...backends.families import InPlace
from ..ir import Program, Slot, Step
from ..lower.plan import Plan
from ..lower.plan import nbytes as slot_bytes
from ..run.build import Executor, History


@dataclass(frozen=True)
class KernelReport:
    """One step of the program, which a GPU runs as one dispatch (or `dispatches` of them)."""

    name: str
    outputs: tuple[str, ...]
    bytes_read: int
    bytes_written: int
    operations: int
    in_place: bool  # it writes over memory of an input, or of what it reads
    dispatches: int
    workgroups: int
    compile_seconds: float = 0.0  # of CPU time, as far as that is known: after its first run


@dataclass(frozen=True)
class Explanation:
    """What `explain()` returns: print it, or let a notebook show it."""

    device: str
    traced: dict[str, int]  # ops before the passes, by name
    passes: list[tuple[str, int]]  # and the steps that each left
    kernels: list[KernelReport]
    block_bytes: int  # kept by the program between runs, scratch memory included
    output_bytes: int  # handed out at every run, swapped memory included
    peak_bytes: int  # what a run needs at its peak, beside the inputs
    eager_bytes: int  # what the traced ops would need at theirs, one after the other

    @property
    def bytes(self) -> int:
        """The bytes that all kernels read and write."""
        return sum(k.bytes_read + k.bytes_written for k in self.kernels)

    @property
    def compile_seconds(self) -> float:
        """The CPU seconds that all kernels took to compile, as far as that is known."""
        return sum(k.compile_seconds for k in self.kernels)

    @property
    def operations(self) -> int:
        """The operations of all kernels."""
        return sum(k.operations for k in self.kernels)

    def __str__(self) -> str:
        before, after = self._around()
        return "\n".join([*before, *_table(self._rows()), *after])

    def _repr_html_(self) -> str:
        """Return the same for a notebook, with the kernels as a table."""
        before, after = ("<br>".join(map(html.escape, lines)) for lines in self._around())
        head, *rows = [[html.escape(cell) for cell in row] for row in self._rows()]
        lines = [f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in rows]
        top = f"<tr><th>{'</th><th>'.join(head)}</th></tr>"
        table = f"<table><thead>{top}</thead><tbody>{''.join(lines)}</tbody></table>"
        return f"<div><p>{before}</p>{table}<p>{after}</p></div>"

    def _around(self) -> tuple[list[str], list[str]]:
        """Return the lines before and after the table of kernels."""
        ops = [f"{n} {name}" for name, n in self.traced.items()]
        steps = [f"{name} {n}" for name, n in self.passes]
        op_by_op = f"op by op {_amount(self.eager_bytes, 'B')}"
        if self.peak_bytes:
            op_by_op += f", {self.eager_bytes / self.peak_bytes:.2f} times as much"
        before = [
            f"{self.device}",
            _wrapped(f"traced {sum(self.traced.values())} ops: ", ops, ", "),
            _wrapped("passes (steps left): ", steps, " > "),
        ]
        after = [
            f"in all {_amount(self.bytes, 'B')} moved, {_amount(self.operations, '')} "
            f"operations; {self.compile_seconds:.2f} CPU seconds of compiling",
            f"memory beside the inputs: {_amount(self.peak_bytes, 'B')} "
            f"({_amount(self.block_bytes, 'B')} kept, {_amount(self.output_bytes, 'B')} "
            f"handed out); {op_by_op}",
        ]
        return before, after

    def _rows(self) -> list[tuple[str, ...]]:
        """Return the table of kernels, its head first."""
        rows: list[tuple[str, ...]] = [
            ("#", "kernel", "outputs", "groups", "read", "written", "operations", "compiled", "")
        ]
        for i, k in enumerate(self.kernels):
            groups = str(k.workgroups) if k.dispatches else "-"
            notes = "in place" if k.in_place else ""
            more = f"{k.dispatches} dispatches" if k.dispatches > 1 else ""
            rows.append(
                (
                    str(i),
                    k.name if len(k.name) <= 44 else k.name[:41] + "...",
                    ", ".join(f"{n} {x}" if n > 1 else x for x, n in Counter(k.outputs).items()),
                    groups,
                    _amount(k.bytes_read, "B"),
                    _amount(k.bytes_written, "B"),
                    _amount(k.operations, ""),
                    f"{1e3 * k.compile_seconds:.0f} ms" if k.compile_seconds else "-",
                    ", ".join(filter(None, (notes, more))),
                )
            )
        return rows


def explain(executor: Executor, history: History, device: Device) -> Explanation:
    """Return what the program of an executor does."""
    program = executor.program
    plan: Plan = getattr(executor, "plan", Plan({}, ()))  # the plain executor has none
    launched: Counter[int] = Counter()
    groups: Counter[int] = Counter()
    for x in getattr(executor, "current", ()):
        launched[x.step] += 1
        groups[x.step] += x.workgroups
    memory = program.memory()
    compiled = getattr(executor, "compile_seconds", None)
    kernels = [
        replace(
            _kernel(step, memory, plan, device, launched[i], groups[i]),
            compile_seconds=compiled(i) if compiled is not None else 0.0,
        )
        for i, step in enumerate(program.steps)
    ]
    fresh = [*program.outputs, *(s for s, p in plan.places.items() if p.kind == "swap")]
    kept = getattr(executor, "block_bytes", 0)
    handed_out = sum(slot_bytes(memory[s], device) for s in fresh)
    return Explanation(
        device=f"device {device.name}: {device.description}",
        traced=dict(Counter(step.name for step in history.traced.steps).most_common()),
        passes=history.passes,
        kernels=kernels,
        block_bytes=kept,
        output_bytes=handed_out,
        peak_bytes=kept + handed_out if plan.places else peak_of(program, device, eager=False),
        eager_bytes=peak_of(history.traced, device),
    )


def peak_of(program: Program, device: Device, eager: bool = True) -> int:
    """Return the most bytes that are alive at once when steps run one after the other.

    Beside the inputs, and without what an op needs inside: a lower bound. Every result lives until
    it is read for the last time. Eager ops write into what is there, and let go of what an update
    replaces as soon as nothing reads it; the plain executor does neither.
    """
    memory = program.memory()
    place = {slot: slot for slot in memory}
    last: dict[int, int] = {}  # by place: the step that is the last to touch it
    change = [0] * (len(program.steps) + 1)
    fresh = set(memory) - {slot.index for slot in program.inputs}
    for i, step in enumerate(program.steps):
        last |= dict.fromkeys((place[slot] for slot in step.reads()), i)
        for out in step.outs:
            if eager and isinstance(step.work, InPlace):
                place[out.index] = place[next(step.refs()).slot]
                fresh.discard(out.index)
            else:
                change[i] += slot_bytes(out, device)
            last[place[out.index]] = i
    ends = {slot: last[slot] for slot in fresh - {place[slot] for slot in program.kept}}
    if eager:
        for old, new in program.updates.items():
            if place[new] != old:
                ends[old] = max(last.get(old, 0), last[place[new]])
    for slot, i in ends.items():
        change[i + 1] -= slot_bytes(memory[slot], device)
    return max(accumulate(change))


def _kernel(
    step: Step, memory: dict[int, Slot], plan: Plan, device: Device, launched: int, groups: int
) -> KernelReport:
    read = {plan.places[slot] for slot in step.reads() if slot in plan.places}
    written = [plan.places[out.index] for out in step.outs if out.index in plan.places]
    bytes_read, bytes_written = step.moved(device, memory)
    return KernelReport(
        name=step.name,
        outputs=tuple(f"{out.dtype.name}{list(out.shape)}" for out in step.outs),
        bytes_read=bytes_read,
        bytes_written=bytes_written,
        operations=step.operations,
        in_place=any(place.kind == "input" or place in read for place in written),
        dispatches=launched,
        workgroups=groups,
    )


def _amount(n: int, unit: str) -> str:
    """Return a count with three digits and a prefix."""
    value = float(n)
    for prefix in ("", "k", "M", "G"):
        if value < 1000 or prefix == "G":
            text = f"{value:.3g}" if prefix else f"{n}"
            return f"{text} {prefix}{unit}".strip()
        value /= 1000
    raise AssertionError


def _wrapped(head: str, items: Iterable[str], joint: str) -> str:
    """Return a list as lines that break between its items."""
    text = head + joint.join(item.replace(" ", "\0") for item in items)
    return textwrap.fill(text, 100, subsequent_indent="    ").replace("\0", " ")


def _table(rows: list[tuple[str, ...]]) -> Iterable[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [
            c.ljust(w) if i in (1, 2, 8) else c.rjust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
