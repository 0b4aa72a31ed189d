"""Functions of users as data: what WGSL and NumPy compute for one point, with several results."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..dtypes import DType
from .loops import NOTES_NAME

SMALL = 2000  # characters of a small function


@dataclass(frozen=True, eq=False)
class Function:
    """A function of numbers that gives one or several, once per language.

    `code` holds WGSL declarations, which may call each other and the functions of shaders/lib. Each
    name that they declare stands for one text, in all functions: what these share is equal. `entry`
    is the function that is called. It takes the operands in order, in the WGSL types of `ins`, and
    `parts` say how each result is taken from what it returns: `""`, `".x"`, `"[1][2]"`. Results
    have the WGSL type of `out`; a float16 comes and goes as f32, and is rounded after that.

    `numpy` takes the same operands as arrays that broadcast (float16 as float32) and returns a
    sequence with an array for each result. Two functions are equal if all but `numpy` is; `key`
    tells those apart whose `numpy` differs.
    """

    name: str
    entry: str
    code: tuple[str, ...]
    parts: tuple[str, ...]
    ins: tuple[DType, ...]
    out: DType
    numpy: Callable[..., Sequence[Any]] = field(repr=False)
    key: Hashable = None

    @cached_property
    def is_small(self) -> bool:
        """Whether kernels may hold it several times, for neighbouring points: drivers inline it.

        Loops that may run for long do not profit, and share what some adapters let loops run.
        """
        if any(NOTES_NAME in x for x in self.code):
            return False
        return sum(map(len, self.code)) <= SMALL

    @cached_property
    def _identity(self) -> tuple:
        return self.entry, self.code, self.parts, self.ins, self.out, self.key, self.name

    @cached_property
    def _hash(self) -> int:
        return hash(self._identity)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Function) and self._identity == other._identity)

    def __hash__(self) -> int:
        return self._hash

    def into(self, results: np.ndarray, *operands: Any) -> None:
        """Put every result into its part of an array, whose first axis counts them."""
        for k, x in zip(range(len(self.parts)), self.numpy(*operands), strict=True):
            np.copyto(results[k, ...], x, "unsafe")
