"""What a row of the table of functions is, and integers as WGSL has them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


def i32(x: int) -> int:
    """Return an integer as 32 bits with a sign hold it."""
    return (x + 2**31) % 2**32 - 2**31


def u32(x: int) -> int:
    """Return an integer as 32 bits hold it."""
    return x % 2**32


def divided(a: int, b: int, hold: Callable[[int], int]) -> int:
    """Return a / b as WGSL says it."""
    if b == 0:
        return a
    found = abs(a) // abs(b)
    return hold(found if (a < 0) == (b < 0) else -found)


def rest(a: int, b: int, hold: Callable[[int], int]) -> int:
    """Return a % b as WGSL says it."""
    return 0 if b == 0 else hold(a - divided(a, b, hold) * b)


def f32(x: float) -> float:
    return float(np.float32(x))


def bits(x: float) -> int:
    return struct.unpack("<I", struct.pack("<f", x))[0]


def last(i: int, count: int) -> int:
    """Return an index that is inside."""
    return i if 0 <= i < count else count - 1


@dataclass(frozen=True)
class Row:
    """A function: its text, what its numbers are, the same in Python, and how near it has to be.

    `takes` has a letter for each number: "f" a float, "p" one above 0, "i" and "u" integers of any
    size, "s" a small integer, "n" a small one above 0, "b" a bool, "x" a float of any kind: large,
    infinite, NaN. `gpu` is the tolerance there; None where a GPU may do what it wants. `narrow`
    says that the result follows from how f32 rounds.
    """

    name: str
    text: str
    takes: str
    python: Callable[..., Any]
    rtol: float = 2e-6
    atol: float = 1e-6
    gpu: float | None = 2e-4
    narrow: bool = False


ROWS: list[Row] = []


def row(text: str, takes: str, python: Callable[..., Any], **options: Any) -> None:
    name = text.rpartition("fn ")[2].partition("(")[0]
    ROWS.append(Row(name, text, takes, python, **options))
