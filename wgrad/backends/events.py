"""What observers are told: calls of operations, and the kernels that they launch.

Devices tell of their own work here, and `core/observe.py` of calls. Without an observer it costs
one look at `WATCHERS`. Events hold words and numbers, never tensors: nothing that hears of the work
can change it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from ..layout import Shape
from ..origin import caller, place
from .array import Array, Number
from .timing import Source, Timing, account, begun, now_ns, timers, touched


@dataclass(frozen=True)
class Seen:
    """What an event says of a tensor: its shape, its dtype's name and its device's."""

    shape: Shape
    dtype: str
    device: str

    def __str__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"


@dataclass(frozen=True)
class CallEvent:
    """One operation has run: `op` with `inputs`, at the user's `line`, and gave `out`.

    `depth` is 0 for what the user called, and 1 more inside each custom op. What is no operation of
    the tape (random numbers, new tensors, assignments, the steps of optimizers) is told under the
    name of the device's work. In a function that is traced, calls are told when the trace is over.
    """

    op: str
    inputs: tuple[Seen | Number, ...]
    out: Seen | None
    line: str
    depth: int = 0
    kind: str = field(default="call", init=False)

    def __str__(self) -> str:
        inputs = ", ".join(map(str, self.inputs))
        return f"{'  ' * self.depth}{self.op}({inputs}) -> {self.out} at {self.line}"


@dataclass(frozen=True)
class KernelEvent:
    """A device has been given one kernel: for the operations `op` that were called at `line`.

    `kernel` is its name, `groups` counts its workgroups (0 on NumPy, which has none), and `nbytes`
    are those of all memory that it is given, read and written: for a view, an eager kernel of a GPU
    is given all of the tensor that it is a view of. A run of a compiled function tells of its
    kernels as well, with the line of the last of the operations in each.
    """

    op: str
    line: str
    device: str
    kernel: str
    groups: int
    nbytes: int
    replayed: bool = False
    kind: str = field(default="kernel", init=False)

    def __str__(self) -> str:
        return f"{self.device} {self.kernel} for {self.op}, {self.nbytes} bytes, at {self.line}"


Event = CallEvent | KernelEvent
ASSIGNS = ("write", "replace", "scatter")  # a device's methods that change what a tensor holds
Observer = Callable[[Event], Any]
WATCHERS: list[Any] = []  # those of all contexts: where it is empty nobody observes
observers: ContextVar[tuple[Observer, ...]] = ContextVar("wgrad_observers", default=())


@dataclass(frozen=True)
class Doing:
    """What runs now: an operation's name, the user's place in the program, how deep it is nested.

    `family` says that it is one of the device's methods already, which may use others.
    """

    op: str
    origin: Any
    depth: int = 0
    family: bool = False
    replayed: bool = False  # in a compiled program
    timings: list[Timing] | None = None  # where it is measured: takes those of its kernels


doing: ContextVar[Doing | None] = ContextVar("wgrad_doing", default=None)


def tell(event: Event) -> None:
    """Tell the observers of this context; what they do is not observed itself."""
    told = observers.get()
    token = observers.set(())
    try:
        for observer in told:
            observer(event)
    finally:
        observers.reset(token)


@contextmanager
def held() -> Iterator[Callable[[], None]]:
    """Keep what happens in the block from the observers; what it yields tells them afterwards."""
    told = observers.get()
    events: list[Event] = []

    def release() -> None:
        while events:
            tell(events.pop(0))

    if not told:
        yield release
        return
    token = observers.set((events.append,))
    try:
        yield release
    finally:
        observers.reset(token)


def seen(x: Any) -> Seen | Number:
    """Return what an event says of an operand."""
    array = getattr(x, "array", x)
    if isinstance(array, Array):
        return Seen(array.layout.shape, array.dtype.name, array.storage.device.name)
    return array


def described(values: Sequence[Any]) -> tuple[Seen | Number, ...]:
    """Return what an event says of operands; what is neither tensor nor number is left out."""
    given = [getattr(x, "array", x) for x in values]
    return tuple([seen(x) for x in given if isinstance(x, (Array, bool, int, float))])


def called(op: str, inputs: Sequence[Any], out: Any, origin: Any, depth: int) -> None:
    """Tell of a call."""
    if not observers.get():
        return
    result: Any = seen(out) if isinstance(getattr(out, "array", out), Array) else None
    tell(CallEvent(op, described(inputs), result, place(origin), depth))


def launched(device: str, kernel: str, groups: int, nbytes: int) -> None:
    """Tell of a kernel of what runs now."""
    if observers.get():
        now = doing.get() or Doing(kernel, caller())
        tell(KernelEvent(now.op, place(now.origin), device, kernel, groups, nbytes, now.replayed))


def timed(
    device: str, kernel: str, groups: int, nbytes: int, wgsl: str, source: Source | None
) -> Timing | None:
    """Return the timing of a kernel that runs next, for what runs now; None where none measures."""
    if not timers.get():
        return None
    return begun(
        doing.get() or Doing(kernel, caller()), device, kernel, groups, nbytes, wgsl, source
    )


def _arrays(args: Sequence[Any]) -> list[Any]:
    """Return the operands of a device's method: those that come in a sequence, too."""
    parts: list[Any] = []
    for x in args:
        parts += x if isinstance(x, (tuple, list)) and any(isinstance(a, Array) for a in x) else [x]
    return parts


def hears() -> bool:
    """Return whether somebody is to be told of a device's method that is called now."""
    now = doing.get()
    return bool(observers.get() or timers.get()) and (now is None or not now.family)


def observed(
    run: Callable,
    name: str,
    device: Any,
    args: tuple,
    kwargs: dict,
    where: str | None,
    operations: Callable[..., int | None],
) -> Any:
    """Do a device's work, and tell of it: as a call where no operation asked for it.

    `where` says whose time it takes if it is one kernel, of a device that launches none, or of the
    host. `operations` counts the arithmetic of these arguments.
    """
    now = doing.get()
    name = getattr(args[0], "name", "map") if name == "map" else name
    mine = Doing(name, caller()) if now is None else now
    timings: list[Timing] | None = [] if timers.get() else None
    token = doing.set(replace(mine, family=True, timings=timings))
    try:
        out = _run(run, name, device, args, kwargs, mine, where, timings)
        given = [x for x in _arrays(args) if isinstance(x, Array)]
        if timings:
            account(timings, touched(*given, out), operations(*args, **kwargs))
        if where is not None and name != "host":
            held = [x.layout.size * x.dtype.itemsize for x in (*given, out) if isinstance(x, Array)]
            launched(device.name, name, 0, sum(held))
    finally:
        doing.reset(token)
    if now is None:
        name = "assign" if name in ASSIGNS else name
        called(name, given, out, mine.origin, mine.depth)
    return out


def _run(
    run: Callable,
    name: str,
    device: Any,
    args: tuple,
    kwargs: dict,
    mine: Doing,
    where: str | None,
    timings: list[Timing] | None,
) -> Any:
    """Do a device's work; what the host does itself is timed by its own clock."""
    if timings is None or where is None:
        return run(device, *args, **kwargs)
    if name == "host":
        device.synchronize()  # what came before is not its work
    kernel = str(args[0]) if name == "host" else name
    made = begun(replace(mine, timings=timings), where, kernel, 0, 0)
    start = now_ns()
    out = run(device, *args, **kwargs)
    if made is not None:
        made.ran(start, now_ns())
    return out


def during(function: Callable, what: Doing, /, *args: Any, **kwargs: Any) -> Any:
    """Call a function whose kernels belong to `what`, and return its result."""
    token = doing.set(what)
    try:
        return function(*args, **kwargs)
    finally:
        doing.reset(token)
