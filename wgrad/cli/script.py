"""Scripts that commands run as if Python ran them, and which of the words are theirs."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Mapping, Sequence


def split(
    arguments: Sequence[str], options: Mapping[str, Mapping[str, bool]]
) -> tuple[list[str], list[str]]:
    """Return the arguments before "--" and those after it.

    `options` has for each command that runs a script the options of its own, and whether a value
    follows: those behind the script, whose arguments begin there, are put in front of it.
    """
    left = list(arguments)
    end = left.index("--") if "--" in left else len(left)
    left, after = left[:end], left[end + 1 :]
    known = options.get(left[0]) if left else None
    if known is None:
        return left, after
    rest = left[1:]
    if known.get(rest[-1] if rest else "", False):  # without its value: the parser says so
        return [left[0], rest[-1]], after
    front: list[str] = []
    for i in reversed(range(len(rest))):
        name, equals, _ = rest[i].partition("=")
        if name in known:
            count = 2 if known[name] and not equals else 1
            front = rest[i : i + count] + front
            del rest[i : i + count]
    return [left[0], *front, *rest], after


def run_script(script: str, rest: Sequence[str]) -> None:
    """Run a script as Python would, with its arguments. Raises: whatever it raises."""
    argv, path = sys.argv, sys.path[:]
    sys.argv = [script, *rest]
    sys.path[0] = os.path.dirname(os.path.abspath(script))  # where it finds its own modules
    try:
        runpy.run_path(script, run_name="__main__")
    finally:
        sys.argv, sys.path[:] = argv, path
