"""Timings: when each kernel of a block ran, for whoever measures it.

Devices make a `Timing` for a kernel before it runs, and say later when it did: a GPU when its clock
is read, NumPy at once. Nothing here runs where nobody measures: `events.WATCHERS` is empty then.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

from .array import Array


class Source(Protocol):
    """What knows when kernels ran."""

    def settle(self) -> None:
        """Wait for all kernels that are timed, and say when they ran."""


@dataclass(slots=True)
class Timing:
    """One kernel: what it was for, and when it ran.

    `op` is the operation that it was for (those of a compiled step, in their order), called at
    `line` of the user's program; `kernel` is the kernel's name and `wgsl` its text ("" for NumPy).
    `start_ns` is on the clock of `time.perf_counter_ns`. `groups` counts its workgroups, `bytes`
    what it reads and writes (where an operation takes several kernels: the buffers that each is
    given), and `flops` its arithmetic, None where that is not known. `clock` says who measured:
    "gpu", or "wall" for the time that the host waited for it.
    """

    op: str
    line: str
    kernel: str
    device: str
    start_ns: int
    duration_ns: int
    groups: int
    bytes: int
    flops: int | None
    wgsl: str
    replayed: bool
    clock: str

    @property
    def name(self) -> str:
        """What it is called in a trace: its operation."""
        return self.op

    def ran(self, start: float, end: float) -> None:
        """Note when it began and ended."""
        self.start_ns, self.duration_ns = round(start), max(0, round(end - start))


class Timer(Protocol):
    """Who measures: is given each kernel before it runs."""

    wall: bool  # whether the host's clock is wanted even where the device has one

    def line(self, origin: Any) -> str:
        """Return the user's place in the program as text."""

    def add(self, timing: Timing, source: Source | None) -> None:
        """Take a timing; `source` knows later when it ran, None: it will be noted at once."""


timers: ContextVar[tuple[Timer, ...]] = ContextVar("wgrad_timers", default=())
UNKNOWN = -1  # a duration before it is known


def begun(
    now: Any,
    device: str,
    kernel: str,
    groups: int,
    nbytes: int,
    wgsl: str = "",
    source: Source | None = None,
    flops: int | None = None,
) -> Timing | None:
    """Return the timing of a kernel that runs next for `now`, a `Doing` of events.py.

    None where nobody in this context measures.
    """
    told = timers.get()
    if not told:
        return None
    clock = "wall" if source is None or any(t.wall for t in told) else "gpu"
    line = told[0].line(now.origin)
    made = Timing(
        now.op, line, kernel, device, 0, UNKNOWN, groups, nbytes, flops, wgsl, now.replayed, clock
    )
    for timer in told:
        timer.add(made, source)
    if now.timings is not None:
        now.timings.append(made)
    return made


@contextmanager
def untimed() -> Iterator[None]:
    """Let nobody measure what runs in the block."""
    token = timers.set(())
    try:
        yield
    finally:
        timers.reset(token)


def touched(*arrays: Any) -> int:
    """Return the bytes that arrays hold: those of one storage once, repeated elements once."""
    sizes: dict[int, int] = {}
    for x in arrays:
        if isinstance(x, Array):
            layout = x.layout
            moving = prod(n for n, step in zip(layout.shape, layout.strides, strict=True) if step)
            nbytes = x.storage.device.itemsize(x.dtype) * (moving if layout.size else 0)
            sizes[id(x.storage)] = max(sizes.get(id(x.storage), 0), nbytes)
    return sum(sizes.values())


def account(made: Sequence[Timing], nbytes: int, flops: int | None) -> None:
    """Note what the kernels of one piece of work moved and computed.

    The first of several does the arithmetic, and the others put its results together.
    """
    if len(made) == 1:
        made[0].bytes = nbytes
    for one in made[:1]:
        one.flops = flops


now_ns = time.perf_counter_ns
