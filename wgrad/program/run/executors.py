"""The executors of a compiled function: one for all programs that do the same."""

from __future__ import annotations

import weakref
from contextvars import copy_context

from ...backends.events import held
from ...interrupts import interruptible
from ...recent import Recent
from ..trace.recording import Recording
from .build import Executor, History, build


class Executors:
    """What runs programs, the `limit` that were used last."""

    def __init__(self, fuse: bool, limit: int):
        self._fuse = fuse
        self._found: Recent = Recent(limit)
        self._histories: weakref.WeakKeyDictionary[Executor, History] = weakref.WeakKeyDictionary()

    def of(self, recording: Recording) -> Executor | None:
        """Return what runs the program of a recording, which another like it may have."""
        program, device = recording.prepare(), recording.tracer.device
        if device is None or not (program.outputs or program.updates):
            return None
        key = program.account, device
        executor = self._found[key]
        if executor is None:
            history = History(program)
            with held():  # nothing runs yet
                executor = interruptible(
                    copy_context(), build, program, device, self._fuse, history=history
                )
            self._histories[executor] = history
            self._found.keep(key, executor)
        return executor

    def history(self, executor: Executor) -> History:
        """Return how the program of an executor came about."""
        return self._histories[executor]
