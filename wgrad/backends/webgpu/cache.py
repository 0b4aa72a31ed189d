"""Measured choices on disk, one JSON file per adapter, driver and version.

A cache may be lost, broken, read-only or written by several processes at once, and none of it
matters: what cannot be read is measured again or left to rules.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from ...environment import CACHE_DIR

FORMAT = 1
KEPT = 4096  # choices, in memory and on disk
_log = logging.getLogger("wgrad")


def folder() -> Path:
    """Return where the user's caches are; WGRAD_CACHE_DIR overrides it."""
    if chosen := CACHE_DIR.read():
        return chosen
    if sys.platform == "darwin":
        return Path("~/Library/Caches/wgrad").expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local").expanduser() / "wgrad"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "wgrad"


class Results:
    """What was measured on one adapter: a choice, which is plain JSON, per kind of problem.

    `about` says on what, and everything in it has to be the same for a result to be used. `what`
    begins the name of the file.
    """

    def __init__(self, about: dict[str, Any], what: str = "matmul"):
        self.about = about
        text = json.dumps(about, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        self._name = f"{what}-{digest}.json"
        self._rows: dict[str, Any] | None = None
        self._warned = False

    @property
    def path(self) -> Path | None:
        """The file, or None where the user has no home."""
        try:
            return folder() / self._name
        except RuntimeError:
            return None

    def get(self, kind: str) -> Any:
        """Return the choice for a kind of problem, or None. The file is read once."""
        if self._rows is None:
            self._rows = self._read()
        return self._rows.get(kind)

    def put(self, kind: str, choice: Any) -> None:
        """Keep a choice, in the file too if that can be; what others wrote meanwhile stays."""
        self._rows = {**(self._rows or {}), **self._read(), kind: choice}
        for oldest in list(self._rows)[:-KEPT]:
            del self._rows[oldest]
        content = {"format": FORMAT, "about": self.about, "choices": self._rows}
        try:
            path = self.path
            if path is None:
                raise OSError("there is no home directory")
            if str(path.parent) == os.devnull:  # as somebody wants it
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, json.dumps(content, indent=1))
        except OSError as error:
            if not self._warned:
                self._warned = True
                _log.warning("wgrad: what was measured is not kept on disk: %s", error)

    def _read(self) -> dict[str, Any]:
        path = self.path
        try:
            content = json.loads(path.read_text(encoding="utf-8")) if path else {}
        except (OSError, ValueError, RecursionError):  # none yet, unreadable, or not JSON
            return {}
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            return {}
        rows = content.get("choices")
        return rows if content.get("about") == self.about and isinstance(rows, dict) else {}


def _replace(path: Path, text: str) -> None:
    """Write a file in one step: whoever reads sees the old text or the new one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
