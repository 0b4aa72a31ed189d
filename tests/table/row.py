"""What a row of the table says, and where differences of it can be taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import wgrad as wg

FLOATS = ("float32", "float64")
HALF = "float16"  # a dtype of storage alone, which tests of its own take rows through
INTS = ("int32", "uint32")
NUMBERS = FLOATS + INTS
ALL = (*NUMBERS, "bool")


@dataclass(frozen=True)
class Arg:
    """One input. A kind of "value" takes the dtype under test, "bool" and "index" their own."""

    shape: tuple[int, ...] = (2, 3)
    low: float = -2.0
    high: float = 2.0
    integers: tuple[int, int] = (-9, 9)  # both included; unsigned ones start at 0 at the least
    kind: str = "value"

    def dtype(self, asked: str) -> str:
        return {"value": asked, "bool": "bool", "index": "int32"}[self.kind]

    def sample(self, rng: np.random.Generator, asked: str, shape: Any = None) -> np.ndarray:
        shape = self.shape if shape is None else shape
        dtype = self.dtype(asked)
        if dtype == "bool":
            return rng.integers(0, 2, shape).astype(bool)
        if dtype in (HALF, *FLOATS):
            return rng.uniform(self.low, self.high, shape).astype(dtype)
        low, high = self.integers
        if dtype == "uint32":
            low, high = max(low, 0), max(high, 0)
        return rng.integers(low, high + 1, shape).astype(dtype)


@dataclass(frozen=True)
class Row:
    """One way to use an operation."""

    id: str
    covers: tuple[str, ...]  # ops of the registry that the call applies
    call: Callable[..., wg.Tensor]
    reference: Callable[..., Any]  # gets float64, int64 and bool arrays
    args: tuple[Arg, ...]
    dtypes: tuple[str, ...] = NUMBERS
    result: Callable[[str], str] = lambda dtype: dtype
    rtol: float = 1e-6  # of float32 against the reference
    atol: float = 1e-6
    grad: tuple[int, ...] = (0,)  # the inputs by which it is differentiated; () for none
    smooth: Callable[..., bool] = lambda *arrays: True  # whether differences can be taken here
    elementwise: bool = False  # inputs broadcast, and any shape will do
    public: tuple[str, ...] = field(default=())  # public functions that it covers

    def samples(self, rng: np.random.Generator, dtype: str) -> list[np.ndarray]:
        return [arg.sample(rng, dtype) for arg in self.args]

    def smooth_samples(self, rng: np.random.Generator, dtype: str = "float64") -> list[np.ndarray]:
        """Return inputs away from every kink."""
        for _ in range(1000):
            found = self.samples(rng, dtype)
            if self.smooth(*found):
                return found
        raise AssertionError(f"{self.id}: no smooth inputs in 1000 samples")

    def expected(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """Return what NumPy computes, in float64 or int64, from the very same inputs."""
        wide = [widened(x) for x in arrays]
        if self.result is to_float:  # of bools NumPy would compute in float16
            wide = [x.astype(np.float64) if x.dtype == bool else x for x in wide]
        with np.errstate(all="ignore"):
            return np.asarray(self.reference(*wide))


def leading(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that apply an op which none before them does: together they apply all ops.

    For what holds of functions made of ops, of any size, when it holds of each op.
    """
    found, seen = [], set[str]()
    for row in rows:
        if not seen.issuperset(row.covers):
            found.append(row)
            seen.update(row.covers)
    return found


def widened(array: np.ndarray) -> np.ndarray:
    """Return an array in the type that references compute in."""
    wide = {"f": np.float64, "i": np.int64, "u": np.int64}.get(array.dtype.kind)
    return array if wide is None else array.astype(wide)


def to_float(dtype: str) -> str:
    return dtype if dtype in (HALF, *FLOATS) else "float32"


def to_bool(dtype: str) -> str:
    return "bool"


def to_int(dtype: str) -> str:
    return "int32"


def counted(dtype: str) -> str:
    return "int32" if dtype == "bool" else dtype


# Where differences can be taken.
def away(*points: float) -> Callable[..., bool]:
    """Every input keeps its distance from these points."""
    return lambda *xs: all(np.abs(x - p).min() > 0.05 for x in xs for p in points)


def between(fraction: float) -> Callable[..., bool]:
    """Every input keeps its distance from all integers plus this fraction."""
    return lambda *xs: all(np.abs(x - np.rint(x - fraction) - fraction).min() > 0.05 for x in xs)


def apart(*xs: np.ndarray) -> bool:
    """No two inputs are nearly equal at any place."""
    return all(np.abs(x - y).min() > 0.05 for i, x in enumerate(xs) for y in xs[:i])


def distinct(x: np.ndarray) -> bool:
    """No two elements are nearly equal."""
    return np.diff(np.sort(x, axis=None)).min() > 0.01


def spaced(x: np.ndarray) -> bool:
    """No two elements are of nearly equal size, and none is nearly 0."""
    return distinct(np.abs(x)) and away(0)(x)
