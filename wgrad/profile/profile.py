"""profile: measures every kernel of a block, on each device by the best clock that it has."""

from __future__ import annotations

import os
from typing import Any

from ..backends.base import Device
from ..backends.timing import Source, Timing, now_ns
from ..backends.tracing import tracing
from ..core.observe import Timed
from ..devices import device as device_of
from ..errors import ArgumentError, CallError, DeviceError, FileError, WgradError, shown
from ..origin import place
from .report import Report, as_json, as_trace
from .roof import Roof, roof_of
from .table import BY, table_of

CLOCKS = ("auto", "wall")
OTHERS = {"host": "NumPy, for a GPU"}  # what is no device, but took time


class profile(Timed):
    """Measure every kernel that devices run in the block: print it, or look at `events`.

    ```python
    x = wg.randn(256, 256)
    with wg.profile() as p:
        (x @ x).tanh().sum()
    print(p)  # a table by kernels, and how near each came to what the device can do
    print(p.table(by="line"))
    slowest = max(p.events, key=lambda e: e.duration_ns)
    ```

    A GPU that has timestamps (most have) measures itself: each dispatch runs in a pass of its own
    and is timed there, and nothing waits. A GPU that has none, and any with `clock="wall"`, is
    waited for before and after each dispatch, which costs far more than a small kernel takes;
    tables say so. NumPy is timed call by call. Runs of compiled functions are measured too, kernel
    by kernel. A kernel that runs for the first time may be compiled by the driver in that time: run
    the work once before the block.

    Of `events` each has `op`, `line`, `kernel`, `device`, `start_ns` (on the clock of
    `time.perf_counter_ns`), `duration_ns`, `groups`, `bytes`, `flops` and `wgsl`, in the order of
    their starts. Reading them waits for the GPU.

    What other threads do is not measured, unless they run in a copy of this context. Blocks nest:
    each has all that ran in it. What ran until an exception came is there. In a function that is
    traced by `wg.compile` a block would measure one run alone, so such a function is left
    uncompiled, with a warning: put the block around the call. Raises: ArgumentError for another
    clock, and for a block that is entered while it is open.

    >>> with wg.device("numpy"), wg.profile() as p:
    ...     y = wg.ones((4, 4)) @ wg.ones((4, 4))
    >>> [e.op for e in p.events if e.flops]
    ['matmul']
    """

    def __init__(self, clock: str = "auto"):
        if not isinstance(clock, str) or clock not in CLOCKS:
            raise ArgumentError(f"profile: clock={shown(clock)} came, and {CLOCKS} are possible")
        self.wall = clock == "wall"
        self._timings: list[Timing] = []
        self._sources: dict[int, Source] = {}
        self._lines: dict[tuple[int, int], tuple[Any, str]] = {}
        self._start = self._end = 0

    # The block.
    def __enter__(self) -> profile:
        tracer = tracing()
        if tracer is not None:
            tracer.cannot_repeat("starts a profile", ": put the block around the call")
        if self.is_open:
            raise ArgumentError("profile: this block is open already: make another profile")
        self._start = self._start or now_ns()
        self._enter()
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        try:
            self._settle()
        except WgradError:
            if kind is None:  # else what came first is what there is to say
                raise
        finally:
            self._end = now_ns()
            self._leave()

    def _settle(self) -> None:
        for source in list(self._sources.values()):
            source.settle()

    # What devices call.
    def line(self, origin: Any) -> str:
        """Return a place in the program as text; each is worked out once."""
        if origin is None:
            return place(None)
        code, last = origin
        cached = self._lines.get((id(code), last))
        if cached is None:  # it keeps the code, so that no other has its id
            cached = self._lines[id(code), last] = code, place(origin)
        return cached[1]

    def add(self, timing: Timing, source: Source | None) -> None:
        """Take the timing of a kernel that is about to run."""
        if not self.is_open:  # a task or a thread with this context outlives the block
            return
        self._timings.append(timing)
        if source is not None:
            self._sources[id(source)] = source

    # What was measured.
    @property
    def events(self) -> list[Timing]:
        """The kernels that ran, in the order of their starts."""
        if self.is_open:
            self._settle()
        known = [t for t in self._timings if t.duration_ns >= 0]  # others never ran
        return sorted(known, key=lambda t: t.start_ns)

    def _report(self, roofs: bool) -> Report:
        events = self.events
        devices = {name: _device(name) for name in dict.fromkeys(e.device for e in events)}
        measured: dict[str, Roof] = {}
        for name, device in devices.items():
            if roofs and device is not None:
                try:
                    measured[name] = roof_of(device)
                except WgradError:  # no room for it: the table does without
                    continue
        end = now_ns() if self.is_open else self._end
        texts = {
            n: ("NumPy, for a GPU" if n == "host" else n) if x is None else x.description
            for n, x in devices.items()
        }
        return Report(events, self._start, max(end - self._start, 0), texts, measured)

    def table(self, by: str = "kernel", limit: int | None = 20, roof: bool = True) -> str:
        """Return a table of where the time went, the most first: by "kernel", "op" or "line".

        Its columns: the time of all calls, its share of all kernels' time, how many calls, bytes
        and operations a second, and how near that is to the device's `roof`, whichever of the two
        is nearer: more than 100 % means that the data came from a cache. An elementwise function is
        one operation for each element, as in `explain`, and "-" is what is not known. `limit` is
        how many rows are shown, None for all. With `roof=False` no roof is measured.
        Raises: ArgumentError for another `by` or `limit`.
        """
        if not isinstance(by, str) or by not in BY:
            raise ArgumentError(f"profile: by={shown(by)} came, and {tuple(BY)} are possible")
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
            raise ArgumentError(
                f"profile: limit={shown(limit)} came, and a number or None is needed"
            )
        if limit is not None and limit < 1:
            raise ArgumentError(f"profile: limit={limit} came, and at least 1 is needed")
        return table_of(self._report(roof), by, limit)

    def __str__(self) -> str:
        return self.table()

    def chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write a trace that https://ui.perfetto.dev and chrome://tracing open.

        Every device is a process, and its kernels lie on a line of time, each with its line of the
        program, its kernel, bytes and operations. Raises: FileError where it cannot be written.
        """
        if not isinstance(path, (str, os.PathLike)):  # a number would be a file that is open
            raise CallError(f"profile: {shown(path)} came, and the path of a file is needed")
        text = as_trace(self._report(roofs=False))
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        except (OSError, ValueError) as error:
            raise FileError(f"profile: {shown(path)} cannot be written ({error})") from error

    def to_json(self) -> str:
        """Return all that was measured as JSON.

        `events` are as those of the profile, but `wgsl` is an index into `shaders`, the texts of
        the kernels (null for NumPy).
        """
        return as_json(self._report(roofs=False))

    @staticmethod
    def roof(device: str | Device | None = None, again: bool = False) -> Roof:
        """Return what a device does at best: `bandwidth` in bytes a second, and `flops`.

        A small kernel that copies and one that multiplies and adds measure a GPU; it is done once,
        and kept in the user's cache folder until the driver changes, or until `again`. NumPy copies
        an array and multiplies two matrices. Raises: DeviceError as `wg.device`.
        """
        return roof_of(device_of(device), again)


def _device(name: str) -> Device | None:
    """Return the device of a name that an event has; None for what the host did for a GPU."""
    try:
        return device_of(name)
    except DeviceError:  # what the host did for a GPU, and adapters that were opened by hand
        return None
