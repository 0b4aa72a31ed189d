"""wg.kernel.guard: a kernel run with checks of its indices, of its memory and of its loops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from ..creation import tensor
from ..errors import ArgumentError, DeviceError, ShaderError
from ..tensor import Tensor
from .guards import WORDS, Guards, is_watched
from .instruments import Site
from .refusals import subgroup_use
from .reports import Report, at
from .reruns import Rerun

FUEL = 60_000  # rounds of loops; some software adapters end loops by themselves after 65,535
EDGE = 256  # bytes on both sides of what is written: bindings have to begin at a multiple of it
EDGES = 0xA5A5A5A5
POISONS = (0xCDCDCDCD, 0x4B1D4B1D, 0xCDCDCDCD)  # of the runs; numbers, for NaN might be changed
NEAR = 1e-3  # how far floats may be from those of NumPy


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a kernel.

    `kind` is "index" (outside of its array), "loop" (it did not end), "race" (two invocations touch
    an element, at least one writes it, and no barrier is between them), "unwritten", "outside"
    (memory beside a binding was written), "barrier" (only some of a workgroup reach it), or
    "differs" (from the NumPy device). `subject` is the name of the binding or variable, `element`
    which one, and `count` how often it was seen. `line` is 0 where no line is known, and
    `invocation` is the first that it was seen in.
    """

    kind: str
    subject: str
    text: str
    count: int = 1
    element: tuple[int, ...] | None = None
    file: str = ""
    line: int = 0
    column: int = 0
    source_line: str = ""
    invocation: tuple[int, ...] | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: " if self.line else ""
        lines = [f"{place}{self.text}"]
        if self.line:
            lines += [f"    {self.source_line}", " " * (self.column + 3) + "^"]
        return "\n".join(lines)


@dataclass(frozen=True)
class GuardReport(Report):
    """What guard mode found; `notes` say what could not be looked at."""

    name: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def of(self, kind: str) -> tuple[Finding, ...]:
        """Return the findings of a kind."""
        return tuple(x for x in self.findings if x.kind == kind)

    def __str__(self) -> str:
        count = len(self.findings)
        lines = [f"{self.name}: {f'{count} FOUND' if count else 'nothing found'}"]
        lines += ["  " + str(x).replace("\n", "\n  ") for x in self.findings]
        lines += [f"  note: {x}" for x in self.notes]
        return "\n".join(lines)


def guard(kernel: Any, *inputs: Any, fuel: int = FUEL, **named: Any) -> GuardReport:
    """Run a compute kernel on a GPU under guard, and report what it does wrong.

    `kernel` is what `wg.kernel.compute` returned, or WGSL, or the path of a file; `inputs` and
    `named` are what it is called with. Tensors are copied, and stay as they are. What is found:

    - indices outside of their arrays, vectors and matrices, with the line, the value and the
      invocation. WebGPU keeps such accesses inside of buffers, so that results are merely wrong.
    - races: an element that one invocation writes and another writes or reads, with no barrier of
      their workgroup between. Of arrays of numbers, vectors and matrices, in workgroup memory and
      in buffers that are written; atomics have none. A write of one component is not looked at.
    - elements of fresh outputs that nobody writes.
    - writes beside a binding: what is written lies between marks that nobody may change.
    - loops that run for more than `fuel` rounds, all loops of an invocation together. They are
      left then, so that the device lives on.
    - barriers that only some invocations of a workgroup reach, and other differences from the NumPy
      device, which runs them side by side. A difference in rounding that an `if` looks at is one.

    The checks are written into the text; the kernel runs three times, with two kinds of rubbish in
    its outputs.

    Raises: as a call of the kernel; DeviceError without a GPU.

    Example:
        >>> report = wg.kernel.guard(
        ...     '''@group(0) @binding(0) var<storage, read_write> y: array<f32>;
        ... @compute @workgroup_size(4)
        ... fn shift(@builtin(global_invocation_id) id: vec3u) {
        ...     y[id.x + 1] = 1.0;
        ... }''',
        ...     np.zeros(4, np.float32),
        ... )
        >>> print(report.of("index")[0])
        <text>:4:7: index 4 of y, which has 4 elements, in invocation [3, 0, 0]
                y[id.x + 1] = 1.0;
                  ^
    """
    if fuel < 1 or fuel >= 1 << 32:
        raise ArgumentError(f"kernel.guard: fuel={fuel} came, and 1 to 2**32 - 1 are possible")
    return _Guarded(Rerun(kernel, inputs, named, "kernel.guard"), fuel).report()


class _Guarded:
    def __init__(self, call: Rerun, fuel: int):
        self.call = call
        self.notes: list[str] = []
        entry, groups = call.entry, call.plan.groups
        elements = {x.name: prod(x.lead) for x in call.plan.results if is_watched(x.placement.kind)}
        self.guards = Guards(entry.typed, entry.name, entry.workgroup, groups, elements, fuel)
        for name in self.guards.unwatched:
            self.notes.append(f"races of {name} were not looked for: there are too many of them")
        self.kernel = call.altered(self.guards.text, self.guards.put.report)
        # What is written and not read before may hold anything, so that it is poisoned.
        self.poisoned = {
            n for n in call.results if n in call.kernel.fresh and not call.entry.reads(n)
        }

    def report(self) -> GuardReport:
        runs = [self._run(poison) for poison in POISONS]
        findings = [*self._sites(runs[0][1]), *self._edges(runs[0][2])]
        first, other, again = (x[0] for x in runs)
        for name in self.call.results:
            findings += self._memory(name, first[name], other[name], again[name])
        if not any(x.kind == "loop" for x in findings):
            findings += self._against_numpy(first, {x.subject for x in findings if x.element})
        return GuardReport(self.call.kernel.name, tuple(findings), tuple(self.notes))

    # Runs.
    def _run(self, poison: int) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, np.ndarray]]:
        """Run once; return what was written, the report, and the memory around what was written."""
        device = self.call.device
        written: dict[str, Tensor] = {}
        whole: dict[str, Tensor] = {}
        for name, x in self.call.results.items():
            count, edge = prod(x.shape), EDGE // (2 if x.dtype.name == "float16" else 4)
            host = _filled(count + 2 * edge, EDGES, x.dtype)
            inside = host[edge : edge + count]
            if name in self.call.inputs:
                inside[:] = self.call.inputs[name].numpy().reshape(-1)
            else:
                inside[:] = _filled(count, poison if name in self.poisoned else 0, x.dtype)
            whole[name] = tensor(host, x.dtype, device)
            written[name] = whole[name][edge : edge + count].reshape(x.shape)
        report = tensor(np.zeros(self.guards.words, np.uint32), "uint32", device)
        self.call.run(self.kernel, {**written, self.guards.put.report: report})
        around = {n: x.numpy() for n, x in whole.items()}
        return {n: x.numpy() for n, x in written.items()}, report.numpy(), around

    # Findings.
    def _sites(self, words: np.ndarray) -> Iterator[Finding]:
        """Say what the checks inside noted."""
        seen: set[tuple] = set()
        for i, site in enumerate(self.guards.put.sites):
            count, value, other, *invocation = map(int, words[i * WORDS : (i + 1) * WORDS])
            if not count:
                continue
            finding = self._site(site, value, other)
            key = (finding.kind, finding.subject, finding.line, finding.column)
            if key not in seen:
                seen.add(key)
                where = f", in invocation {at(invocation)}"
                yield replace(
                    finding, count=count, text=finding.text + where, invocation=tuple(invocation)
                )

    def _site(self, site: Site, value: int, other: int) -> Finding:
        node = site.node.index if site.kind == "index" else site.node
        place = node.span.place
        placed = {"file": place.file, "line": place.line, "column": place.column}
        more: dict[str, Any] = {**placed, "source_line": place.text}
        if site.kind == "loop":
            text = "this loop had not ended when its invocation had run out of fuel"
            return Finding("loop", "", text, **more)
        if site.kind == "index":
            signed = value - (1 << 32) if value >= 1 << 31 else value
            text = f"index {signed} of {site.subject}, which has {other} elements"
            return Finding("index", site.subject, text, element=(signed,), **more)
        element: tuple[int, ...] = (value,)
        if site.subject in self.call.results:
            lead = self.call.results[site.subject].lead
            element = tuple(int(x) for x in np.unravel_index(value, lead))
        who = (other & self.guards.mask) - 1
        text = (
            f"race: {site.subject}{at(element)} is also touched by invocation "
            f"{at(self._invocation(who))}, with no barrier between"
        )
        return Finding("race", site.subject, text, element=element, **more)

    def _invocation(self, ordinal: int) -> tuple[int, ...]:
        """Return the global number of an invocation."""
        shape, groups = self.call.entry.workgroup, self.call.plan.groups
        group, inside = divmod(ordinal, prod(shape))
        position = []
        for n, count in zip(shape, groups, strict=True):
            position.append(group % count * n + inside % n)
            group, inside = group // count, inside // n
        return tuple(position)

    def _edges(self, around: dict[str, np.ndarray]) -> Iterator[Finding]:
        """Say which memory beside a binding was written."""
        for name, host in around.items():
            edge = EDGE // host.dtype.itemsize
            marks = _filled(host.size, EDGES, self.call.results[name].dtype)
            off = np.flatnonzero(_bits(host) != _bits(marks))
            off = off[(off < edge) | (off >= host.size - edge)]
            if off.size:
                element = int(off[0]) - edge
                text = f"{off.size} numbers beside {name} were written, the first at {element}"
                yield Finding("outside", name, text, int(off.size), (element,))

    def _memory(
        self, name: str, first: np.ndarray, other: np.ndarray, again: np.ndarray
    ) -> Iterator[Finding]:
        """Compare three runs, the second of which began with other rubbish."""
        a, b, c = map(_bits, (first, other, again))
        races = a != c
        if races.any():
            where, count = _first(races, first.shape)
            text = f"race: {name}{at(where)} is another in a second run, one of {count} numbers"
            yield Finding("race", name, text, count, where)
        if name not in self.poisoned:
            return
        result = self.call.results[name]
        rubbish = [_bits(_filled(first.size, p, result.dtype)) for p in POISONS[:2]]
        left = (a == rubbish[0].reshape(a.shape)) & (b == rubbish[1].reshape(b.shape))
        if left.any():
            where, count = _first(left, first.shape)
            text = (
                f"{count} of {left.size} numbers of {name} are not written, the first {at(where)}"
            )
            yield Finding("unwritten", name, text, count, where)

    def _against_numpy(self, outputs: dict[str, np.ndarray], known: set[str]) -> Iterator[Finding]:
        """Compare with the NumPy device, but for what is known to be wrong."""
        kernel = self.call.kernel
        use = subgroup_use(self.call.entry)
        if use and kernel.numpy is None:
            self.notes.append(f"not compared with NumPy, which has no subgroups: {use}")
            return
        try:
            inputs = {k: tensor(x.numpy(), x.dtype, "numpy") for k, x in self.call.inputs.items()}
            made = kernel(**inputs, **self.call.uniforms, **self.call.overrides)
        except ShaderError as error:  # which only shows when the text runs
            place = {"file": error.file or "", "line": error.line or 0, "column": error.column or 0}
            more: dict[str, Any] = {**place, "source_line": error.source_line or ""}
            yield Finding("barrier", "", error.reason, **more)
            return
        except DeviceError as error:
            self.notes.append(f"not compared with NumPy: {str(error).splitlines()[0]}")
            return
        several = made if isinstance(made, tuple) else (made,)
        for name, x in zip(kernel.outputs, several, strict=True):
            if name in known:
                continue
            here, there = outputs[name], x.numpy()
            if here.dtype.kind == "f":
                size = np.abs(there[np.isfinite(there)]).max(initial=0.0)
                off = ~np.isclose(here, there, rtol=NEAR, atol=NEAR * size, equal_nan=True)
            else:
                off = here != there
            if off.any():
                where, count = _first(off, here.shape)
                text = (
                    f"{name}{at(where)} is {here[where]!s}, and {there[where]!s} on NumPy, where "
                    f"invocations follow each other; {count} of {off.size} numbers differ"
                )
                yield Finding("differs", name, text, count, where)


def _filled(count: int, word: int, dtype: Any) -> np.ndarray:
    """Return numbers whose bits are those of a word."""
    kind = np.dtype(dtype.name)
    words = np.full(-(-count * kind.itemsize // 4), word, np.uint32)
    return words.view(kind)[:count]


def _bits(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x).view(np.uint16 if x.dtype.itemsize == 2 else np.uint32)


def _first(mask: np.ndarray, shape: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    where = np.unravel_index(int(np.argmax(mask)), shape)
    return tuple(int(i) for i in where), int(np.count_nonzero(mask))
