"""Checks of one argument that need no tensors: each returns the argument, or raises ArgumentError.

`where` is the function that was given it, `name` what that calls it.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, shown


def checked_flag(value: Any, where: str, name: str) -> bool:
    """Return True or False, of Python or NumPy."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise ArgumentError(f"{where}: {name}={shown(value)} came; True or False is needed")


def checked_choice(value: Any, options: Sequence[str], where: str, name: str) -> str:
    """Return one of several words."""
    if isinstance(value, str) and value in options:
        return value
    words = " or ".join(f'"{word}"' for word in options)
    raise ArgumentError(f"{where}: {name}={shown(value)} came; {words} is needed")


def number(value: Any, where: str, name: str) -> Any:
    """Return what may be a number: Python's, NumPy's, or a tensor or array of any size."""
    if isinstance(value, (int, float, np.number, np.bool_)):
        return value
    # Whether an array holds one number only, the function finds out.
    if hasattr(value, "dtype") and hasattr(value, "shape") and hasattr(value, "item"):
        return value
    raise ArgumentError(f"{where}: {name}={shown(value)} came, and a number is needed")


def function(value: Any, where: str, name: str) -> Any:
    """Return what can be called."""
    if callable(value):
        return value
    raise ArgumentError(f"{where}: {name}={shown(value)} came, and a function is needed")


def count(value: Any, where: str, name: str) -> int:
    """Return an integer of at least 0."""
    return _integer(value, 0, f"{where}: {name}={shown(value)} came")


def size(value: Any, where: str) -> int:
    """Return an integer of at least 1; `where` names the argument, too."""
    return _integer(value, 1, f"{where} is {shown(value)}")


def _integer(value: Any, least: int, came: str) -> int:
    try:
        found = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        found = -1
    if found < least:
        raise ArgumentError(f"{came}, and an integer of at least {least} is needed")
    return found
