"""What a run watches: which epoch is the best, when to stop, and whether Ctrl-C came."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from ..checks.arguments import size as checked_size
from ..errors import ArgumentError, shown
from .history import Best


class Watched:
    """Which epoch is the best, and whether it is time to stop."""

    def __init__(
        self,
        name: str | None,
        mode: str | None,
        patience: int | None,
        delta: float,
        validated: bool,
    ):
        self.name = name or ("val_loss" if validated else "loss")
        if mode not in (None, "min", "max"):
            raise ArgumentError(f'fit: mode={shown(mode)} came; "min" or "max" is needed')
        high = mode == "max" or (mode is None and self.name.endswith("accuracy"))
        self._sign = -1.0 if high else 1.0
        self.patience = None if patience is None else checked_size(patience, "fit: patience")
        if not 0 <= delta < math.inf:
            raise ArgumentError(f"fit: min_delta={delta} came, and at least 0 is needed")
        self._delta, self.waited = delta, 0

    def value(self, row: Mapping[str, Any]) -> float:
        """Return what is watched. Raises: ArgumentError where nothing has its name."""
        if self.name not in row:
            raise ArgumentError(
                f"fit: monitor={self.name!r} came, and {', '.join(row)} are measured"
            )
        return float(row[self.name])

    def is_better(self, value: float, best: Best | None) -> bool:
        """Whether a value is the best so far; counts the epochs since."""
        better = not math.isnan(value) and (
            best is None or self._sign * value < self._sign * best.value - self._delta
        )
        self.waited = 0 if better else self.waited + 1
        return better

    @property
    def is_over(self) -> bool:
        """Whether patience has come to its end."""
        return self.patience is not None and self.waited >= self.patience


class Interrupts:
    """Ctrl-C sets a mark, and a run ends after its step; a second one interrupts as ever.

    Only where Python's own handler is in place: another one is its owner's business.
    """

    def __init__(self, note: Callable[[], None]):
        self._told, self._owns = note, False

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                signal.signal(signal.SIGINT, self._note)
                self._owns = True

    def _note(self, number: int, frame: Any) -> None:
        self._restore()
        self._told()

    def _restore(self) -> None:
        if self._owns:
            self._owns = False
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def __exit__(self, kind: Any, value: Any, trace: TracebackType | None) -> None:
        self._restore()
