"""Checks of one argument that need no tensors: each returns the argument, or raises ArgumentError.

`where` is the function that was given it, `name` what that calls it.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from ..errors import ArgumentError, shown

# PyTorch's names of arguments beside ours: of a function that has the one, the other is accepted.
SPELLINGS = (
    *(("dim", "axis"), ("dims", "axis"), ("dims", "axes"), ("keepdim", "keepdims")),
    *(("dim0", "axis0"), ("dim1", "axis1"), ("dim2", "axis2")),
    *(("start_dim", "start_axis"), ("end_dim", "end_axis"), ("interpolation", "method")),
    *(("index", "indices"), ("in_dims", "in_axes"), ("out_dims", "out_axes")),
    ("ddof", "correction"),
)
# What np.sum(x), np.mean(x), np.std(x), ... hand to a method of x, as None where nobody gave it.
_LEFT_OUT = ("dtype", "out")


def spellings(known: Collection[str]) -> dict[str, str]:
    """Return other names for a function's arguments, each with ours, where they differ.

    Those are PyTorch's and NumPy's. Of a function along axes some may come as None and have no
    name here: NumPy says so that they were left out.
    """
    names = {t: ours for t, ours in SPELLINGS if ours in known and t not in known}
    return names | {t: "" for t in _LEFT_OUT if "axis" in known and t not in known}


def respelled(given: Mapping[str, Any], names: Mapping[str, str], where: str) -> dict[str, Any]:
    """Return arguments by our names. Raises: ArgumentError for one that comes by both."""
    out = dict(given)
    for theirs in [name for name in given if name in names]:
        ours = names[theirs]
        if not ours:
            if out[theirs] is None:
                del out[theirs]
            continue
        if ours in out:
            raise ArgumentError(
                f"{where}: {ours}={shown(out[ours])} and {theirs}={shown(given[theirs])} came, "
                "two names of one argument, and one is needed"
            )
        out[ours] = out.pop(theirs)
    return out


def checked_flag(value: Any, where: str, name: str) -> bool:
    """Return True or False, of Python or NumPy."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise ArgumentError(f"{where}: {name}={shown(value)} came; True or False is needed")


def checked_choice(value: Any, options: Collection[str], where: str, name: str) -> str:
    """Return one of several words."""
    if isinstance(value, str) and value in options:
        return value
    *others, last = [f'"{word}"' for word in options]
    words = f"{', '.join(others)} or {last}"
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


def integer(value: Any, where: str, name: str) -> int:
    """Return an integer of either sign."""
    try:
        return operator.index(value)
    except TypeError:
        raise ArgumentError(
            f"{where}: {name}={shown(value)} came, and an integer is needed"
        ) from None


def count(value: Any, where: str, name: str, most: int | None = None, least: int = 0) -> int:
    """Return an integer of at least 0, or `least`, and of at most `most`."""
    return _integer(value, least, f"{where}: {name}={shown(value)} came", most)


def size(value: Any, where: str) -> int:
    """Return an integer of at least 1; `where` names the argument, too."""
    return _integer(value, 1, f"{where} is {shown(value)}")


def _integer(value: Any, least: int, came: str, most: int | None = None) -> int:
    try:
        integer = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        integer = -1
    if integer < least or (most is not None and integer > most):
        limits = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ArgumentError(f"{came}, and an integer {limits} is needed")
    return integer
