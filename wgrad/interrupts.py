"""Ctrl-C, held back where work that is half done could not be taken up again."""

from __future__ import annotations

# The functions below `signal`'s own, which spend 8 microseconds on the names of signals: too much
# for what is done at every step.
import _signal  # type: ignore[import-not-found]  # CPython's own, which no stub describes
import threading
from typing import Any

_INTERRUPT = int(_signal.SIGINT)


class interrupts_wait:
    """Hold Ctrl-C back until the block is done: half of it could not be taken up again."""

    __slots__ = ("_caught", "_handler")

    def __enter__(self) -> None:
        self._handler: Any = None
        # Python delivers signals to the main thread alone.
        if threading.current_thread() is threading.main_thread():
            handler = _signal.getsignal(_INTERRUPT)
            if callable(handler):
                self._caught: list[tuple] = []
                self._handler = handler
                _signal.signal(_INTERRUPT, self._catch)

    def _catch(self, *args: Any) -> None:
        self._caught.append(args)

    def __exit__(self, *exc: object) -> None:
        if self._handler is not None:
            _signal.signal(_INTERRUPT, self._handler)
            if self._caught:
                self._handler(*self._caught[0])
