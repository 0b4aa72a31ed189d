"""Handlers of signals (Ctrl-C, a timeout), held back where work must be done whole or not at all.

Python runs them in the main thread, after a call, at a jump back, and as a function begins. What
must not be parted waits for them here; single stores are written where none of those comes between.
"""

from __future__ import annotations

# The functions below `signal`'s own, which spend 8 microseconds on the names of signals: too much
# for what is done at every step.
import _signal  # type: ignore[import-not-found]  # CPython's own, which no stub describes
import functools
import os
import sys
import threading
from _thread import get_ident
from collections.abc import Callable
from contextvars import Context, copy_context
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_SIGNALS = tuple(sorted(int(n) for n in _signal.valid_signals()))


class _Thread:
    """What is held back in one thread: in all but the main one nothing has to be."""

    def __init__(self) -> None:
        self.held = False  # do handlers wait now?
        self.installed = False  # does `_note` stand in the handlers' place?
        self.removals = 0  # how often it has left it
        self.context: Context | None = None  # what handlers run in meanwhile; None: as they come
        self.traces = False  # is a function traced now, or the program of a trace built?
        self.noted: dict[int, tuple] = {}  # the signals that came, and what their handlers get


_main = _Thread()
_main_ident = threading.main_thread().ident
_handlers: dict[int, Any] = {}  # by signal: the handler whose place `_note` has, or had last
_found: list[Any] = []  # the handlers of _SIGNALS at the last look
_callable: list[int] = []  # which of these are Python's


def _after_fork() -> None:
    global _main, _main_ident
    _main, _main_ident = _Thread(), get_ident()


os.register_at_fork(after_in_child=_after_fork)


def _note(number: int, frame: Any) -> None:
    """Stand in for a handler: remember a signal that has to wait, and hand on any other."""
    if _main.held:
        _main.noted.setdefault(number, (number, frame))
    else:
        _handle(number, frame)


def _handle(number: int, frame: Any) -> None:
    handler = _signal.getsignal(number)
    if handler is _note:
        handler = _handlers[number]
    if not callable(handler):  # given back to the system since
        if handler is not None:
            _signal.signal(number, handler)
        _signal.raise_signal(number)
    elif _main.context is None:
        handler(number, frame)
    else:
        _apart(_main.context.copy(), handler, number, frame)


def _apart(context: Context, function: Callable, *args: Any) -> None:
    """Call a function in a context of its own, unseen by a profiler in Python."""
    profiler = sys.getprofile()
    if not isinstance(profiler, FunctionType):
        context.run(function, *args)
        return
    sys.setprofile(None)
    try:
        context.run(function, *args)
    finally:
        sys.setprofile(profiler)


def _deliver() -> None:
    """Run the handlers of the signals that came; one that raises keeps no other from running."""
    noted = _main.noted
    try:
        for number in tuple(noted):
            if number in noted:  # else a handler's own work has delivered it
                args = noted[number]
                del noted[number]
                _handle(*args)
    finally:
        if noted:
            _deliver()


def _install() -> None:
    """Let `_note` stand in for every handler that is Python's.

    Should a handler raise meanwhile, those replaced so far are only handed their signals.
    """
    global _found, _callable
    handlers = list(map(_signal.getsignal, _SIGNALS))
    if handlers != _found:
        numbers = [
            n for n, x in zip(_SIGNALS, handlers, strict=True) if callable(x) and x is not _note
        ]
        _found, _callable = handlers, numbers
    for number in _callable:
        # Unpacked, not called: no handler runs before what was there is kept.
        (_handlers[number],) = map(_signal.signal, (number,), (_note,))


def _remove() -> None:
    _main.removals += 1
    for number, handler in tuple(_handlers.items()):
        if _signal.getsignal(number) is _note:
            _signal.signal(number, handler)


class interrupts_wait:
    """Let the handlers of signals wait until the block is done, and run them then.

    A block that holds nothing up begins by a single store, and ends by one: it cannot be left
    half entered.
    """

    __slots__ = ("_owns", "_was")

    def __enter__(self) -> None:
        self._was: bool | None = None
        if get_ident() != _main_ident:  # Python runs handlers in the main thread alone
            return
        self._owns = not _main.installed
        while True:
            before = _main.removals
            if self._owns:
                _install()
                _main.installed = True
            self._was, _main.held = False if self._owns else _main.held, True
            if _main.removals == before:  # else a handler that came so far has put all back
                break

    def __exit__(self, *exc: object) -> None:
        if self._was is None:
            return
        if self._owns:
            _main.installed = _main.held = False
            try:
                _remove()
            finally:
                if _main.noted:  # what comes from here on is handled as it comes
                    _deliver()
        elif not self._was:
            _main.held = False
            _deliver()


def interruptible(
    context: Context, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Call what traces within `interrupts_wait`; handlers run meanwhile, in `context`."""
    if get_ident() != _main_ident:
        return function(*args, **kwargs)
    return _open(_main.context or context, True, function, *args, **kwargs)


def handled_outside(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function; handlers run meanwhile, but in the context in which it was called.

    What the function switches for itself (recording, for instance) is not switched for them.
    """
    if get_ident() != _main_ident or _main.held or _main.context is not None:
        return function(*args, **kwargs)
    with interrupts_wait():
        return _open(copy_context(), False, function, *args, **kwargs)


def _open(
    context: Context, traces: bool, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    was = _main.held, _main.context, _main.traces
    try:
        _main.held, _main.context, _main.traces = False, context, traces
        _deliver()
        return function(*args, **kwargs)
    finally:
        _main.held, _main.context, _main.traces = was


def is_between() -> bool:
    """Whether this runs in a handler, in the midst of what is `interruptible`."""
    return _main.traces and get_ident() == _main_ident


def whole(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that no handler of a signal interrupts: they wait until it is done."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with interrupts_wait():
            return function(*args, **kwargs)

    return run
