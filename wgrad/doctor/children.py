"""Children: work in a Python process of its own, which says line by line how far it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

SECONDS = 120.0  # a child that takes longer is ended; software adapters compile for seconds


class DiedError(Exception):
    """A child that came to no end of its own: `rows` is what it said before, `words` its stderr."""

    def __init__(self, how: str, rows: list[dict[str, Any]], words: str):
        self.how, self.rows, self.words = how, rows, words
        super().__init__(how)


def asked(*command: str, **variables: str) -> list[dict[str, Any]]:
    """Run Python with these words after it, and return the rows of JSON that it printed.

    `variables` are put into its environment.

    Raises: DiedError where it was ended by a signal, by the clock, or by anything but its own end.
    """
    child = subprocess.Popen(
        [sys.executable, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, **variables},
    )
    try:
        out, words = child.communicate(timeout=SECONDS)
        how = _how(child.returncode)
    except subprocess.TimeoutExpired:
        child.kill()
        out, words = child.communicate()
        how = f"it did not come to an end in {SECONDS:g} seconds"
    rows = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    if child.returncode:
        raise DiedError(how, rows, words.strip())
    return rows


def told(**row: Any) -> None:
    """Print a row for the process that asked, at once: what comes next may end this one."""
    print(json.dumps(row), flush=True)


def _how(status: int) -> str:
    if status >= 0:
        return f"it ended with status {status}"
    try:
        return f"it was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"it was ended by signal {-status}"
