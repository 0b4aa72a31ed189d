"""The garbage collector, at rest while a function is traced and its program is built.

Tracing makes hundreds of thousands of small things that all stay, and the collector would walk
through them again and again for nothing. And what it calls (callbacks, `__del__`) is no doing of
the function that is traced.
"""

from __future__ import annotations

import functools
import gc
import os
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class _Rest:
    """How many want the collector to rest, in all threads; the last one ends its rest."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        self.collects = False  # whether it was at work before the first of them


_rest = _Rest()


def _after_fork() -> None:
    """Let the collector of a child work, in which the threads that wanted it to rest are not."""
    global _rest
    rests, _rest = _rest, _Rest()
    if rests.count and rests.collects:
        gc.enable()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)


def rest() -> None:
    """Let the collector rest until `work` is called as often as this."""
    with _rest.lock:
        if not _rest.count:
            _rest.collects = gc.isenabled()
            gc.disable()
        _rest.count += 1


def work() -> None:
    """End a rest: the collector is as it was before the first of them when all have ended."""
    with _rest.lock:
        if _rest.count:  # else it began in another process
            _rest.count -= 1
            if not _rest.count and _rest.collects:
                gc.enable()


def uncollected(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function during which the collector rests; handlers of signals must wait."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        rest()
        try:
            return function(*args, **kwargs)
        finally:
            work()

    return run
