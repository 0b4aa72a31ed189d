"""Files that are watched: what was made of them is made anew once one of them has changed.

Nothing runs beside the program. Whoever uses what was made of files has them looked at first, which
costs a `stat` for each. An edit that is wrong changes nothing: the last good version stays, and a
warning says what is wrong.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from ..core import Sealed
from ..errors import WgradError
from ..origin import warn

V = TypeVar("V")
_SETTLED = 2_000_000_000  # nanoseconds after which every file system tells a write from the last
Stamp = tuple[int, int, int, int] | None  # None for a file that is not there


class _Seen(NamedTuple):
    """A file as it was read; its stamp tells of later writes only if it is `settled`."""

    stamp: Stamp
    data: bytes | None
    settled: bool


class Files(Sealed):
    """Files that were read, and those that were looked for: whether all are still as they were."""

    def __init__(self) -> None:
        self._seen: dict[Path, _Seen] = {}

    def read(self, path: Path) -> bytes:
        """Return the content of a file, and remember it. Raises: OSError."""
        seen = self._seen[path] = _look(path)
        # What cannot be read says why.
        return path.read_bytes() if seen.data is None else seen.data

    def have_changed(self) -> bool:
        """Whether a file has another content by now, has come or has gone."""
        for path, seen in self._seen.items():
            if seen.settled and _stamp(path) == seen.stamp:
                continue
            now = _look(path)
            if now.data != seen.data:
                return True
            self._seen[path] = now
        return False


def _look(path: Path) -> _Seen:
    now, stamp = time.time_ns(), _stamp(path)  # before it is read: what is written later is news
    try:
        data = None if stamp is None else path.read_bytes()
    except OSError:
        data = None
    # Two writes may get one time, where they come in one tick of the file system's clock.
    settled = stamp is None or stamp[0] < now - _SETTLED
    return _Seen(stamp, data, settled)


def _stamp(path: Path) -> Stamp:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


class _State(NamedTuple, Generic[V]):
    value: V
    files: Files
    edition: int


class Watched(Sealed, Generic[V]):
    """What `make(read)` returns, made anew when a file has changed that it has read.

    `make` reads files by the function that it gets, and raises errors of wgrad for what is wrong.
    `judge(new, old)` may refuse a new value, too. `edition` counts the values.
    """

    def __init__(
        self,
        make: Callable[[Callable[[Path], bytes]], V],
        where: str,
        judge: Callable[[V, V], None] = lambda new, old: None,
    ):
        self._make, self._judge, self.where = make, judge, where
        files = Files()
        self._state = _State(make(files.read), files, 0)  # exchanged as a whole: there are threads

    @property
    def value(self) -> V:
        """The last good version."""
        return self._state.value

    @property
    def edition(self) -> int:  # type: ignore[override]  # one that is counted
        """How many versions there were before it."""
        return self._state.edition

    def look(self) -> V:
        """Look at the files, and return what they say now, or said when they last were right."""
        state = self._state
        if not state.files.have_changed():
            return state.value
        files = Files()
        try:
            value = self._make(files.read)
            self._judge(value, state.value)
        except WgradError as error:
            self._state = _State(state.value, files, state.edition)
            tell(self.where, error)
            return state.value
        self._state = _State(value, files, state.edition + 1)
        return value


def tell(where: str, error: WgradError) -> None:
    """Warn that an edit is wrong, and that what was there before it runs on."""
    warn(f"{where}: an edit is not used, and the version before it runs on: {error}")
