"""The user's place in the program: which line outside wgrad a call came from."""

from __future__ import annotations

import itertools
import sys
from types import CodeType

_our_globals: set[int] = set()  # ids of the namespaces of wgrad's modules


def caller() -> tuple[CodeType, int] | None:
    """Return the user's place in the program: the innermost frame outside wgrad."""
    frame = sys._getframe(1)
    while frame is not None:
        names = frame.f_globals
        if id(names) not in _our_globals:
            name = names.get("__name__", "")
            if name != "wgrad" and not name.startswith("wgrad."):
                return frame.f_code, frame.f_lasti
            _our_globals.add(id(names))  # of a module, which lives as long as the process
        frame = frame.f_back  # type: ignore[assignment]  # None ends the loop
    return None


def place(origin: tuple[CodeType, int] | None) -> str:
    """Return "file.py, line 12" for what `caller` returned."""
    if origin is None:
        return "an unknown line"
    code, last = origin
    lines = next(itertools.islice(code.co_positions(), last // 2, None), (None,))
    return f"{code.co_filename}, line {lines[0]}"
