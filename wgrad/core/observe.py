"""observe: who is told of calls and kernels after they have run, and only reads."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ..backends import events
from ..backends.events import Doing, Event
from ..backends.timing import Source, Timing, timers
from ..checks.arguments import function as check_function
from ..errors import ObserverError, shown
from ..origin import caller, place
from .interpret import Context, current, within
from .op import Op, Tensor

_call: Any = operator.call  # written in C, as no handler of a signal interrupts it


class observe:
    """Tell a function of every call and every kernel, while the block lasts and in its context.

    An event is a `CallEvent` (kind "call": an operation, its inputs and its result, the line it was
    called at, and how deep inside custom ops it ran) or a `KernelEvent` (kind "kernel": what a
    device was given to do for it, in runs of compiled functions as well). It comes when the work
    has been done, and holds shapes and names, no tensors: observing changes no result, and a
    compiled function runs compiled. Where `vmap` is at work, calls are those on the whole batch.

    A function that raises is told no more, and what it was told of goes on undisturbed. Raises:
    ObserverError for it, at the end of the block; ArgumentError for what is no function.

    >>> with wg.device("numpy"), wg.observe() as events:
    ...     y = wg.exp(wg.zeros(3)).sum()
    >>> [e.op for e in events if e.kind == "call"]
    ['full', 'exp', 'sum']
    """

    def __init__(self, function: Callable[[Event], Any] | None = None):
        self._events: list[Event] = []
        self._function = function
        self._failure: tuple[Event, Exception] | None = None
        if function is not None:
            check_function(function, "observe", "function")

    def __enter__(self) -> list[Event]:
        heard = (*events.observers.get(), self._hear)
        self._failure = None
        ways = current.set, events.observers.set, events.WATCHERS.append
        # Unpacked, not called: no handler of a signal runs before `with` has the block.
        _, _, _ = map(_call, ways, (current.get().told(True), heard, self))
        return self._events

    def __exit__(self, *exc: object) -> None:
        heard = [*events.observers.get()]
        if self._hear in heard:  # a generator may leave its block in another context
            heard.remove(self._hear)  # once: blocks of one observer may nest
        now = current.get().told(bool(heard or timers.get()))
        ways = current.set, events.observers.set, events.WATCHERS.remove
        _, _, _ = map(_call, ways, (now, tuple(heard), self))
        if self._failure is not None and exc[0] is None:
            event, error = self._failure
            name = getattr(self._function, "__name__", shown(self._function))
            raise ObserverError(
                f"observe: {name} raised {shown(error)} when it was told of "
                f"{event.op}, and was told no more: all calls have run"
            ) from error

    def _hear(self, event: Event) -> None:
        if self not in events.WATCHERS:  # a task or a thread with this context outlives the block
            return
        if self._function is None:
            self._events.append(event)
        elif self._failure is None:
            try:
                self._function(event)
            except Exception as error:
                self._failure = event, error


class Timed:
    """A block that measures every kernel, while it lasts and in its context: it is a `Timer`."""

    wall = False

    def line(self, origin: Any) -> str:
        """Return the user's place in the program as text."""
        return place(origin)

    def add(self, timing: Timing, source: Source | None) -> None:
        """Take a timing; `source` knows later when it ran."""
        raise NotImplementedError

    @property
    def is_open(self) -> bool:
        """Whether the block is entered now."""
        return self in events.WATCHERS

    def _enter(self) -> None:
        told = (*timers.get(), self)
        ways = current.set, timers.set, events.WATCHERS.append
        # Unpacked, not called: no handler of a signal runs before `with` has the block.
        _, _, _ = map(_call, ways, (current.get().told(True), told, self))

    def _leave(self) -> None:
        left = [*timers.get()]
        if self in left:  # a generator may leave its block in another context
            left.remove(self)
        now = current.get().told(bool(left or events.observers.get()))
        ways = current.set, timers.set, events.WATCHERS.remove
        _, _, _ = map(_call, ways, (now, tuple(left), self))


def watched(
    now: Context, run: Callable[..., Tensor], op: Op, inputs: tuple, params: dict
) -> Tensor:
    """Run an operation below all interpreters, and tell the observers of it."""
    outer = events.doing.get()
    depth = 0 if outer is None else outer.depth + 1
    mine = Doing(op.name, caller(), depth)
    plain = now.told(False)
    out: Any = within(plain, events.during, run, mine, op, *inputs, **params)
    events.called(op.name, inputs, out, mine.origin, depth)
    return out
