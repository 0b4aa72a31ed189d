"""Whole compute shaders of users as data: what WGSL and NumPy run, and what becomes of memory."""

from __future__ import annotations

import struct
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..dtypes import DType
from ..layout import Shape

Groups = tuple[int, int, int]


class Make(NamedTuple):
    """Memory that a shader writes: a dense array.

    It begins with the values of operand `source`. Without one it is fresh: all 0 with `zeros`, and
    else of any content, for a shader that does not read it.
    """

    shape: Shape
    dtype: DType
    source: int | None = None
    zeros: bool = False


@dataclass(frozen=True, eq=False)
class Shader:
    """A compute shader, once per language.

    `code` is WGSL whose entry is "main", and all of whose bindings are in group 0: a uniform at 0,
    and storage from 1 on, where `access` has a letter for each: "r" for what is read, "w" for what
    is written (read_write).

    `numpy(memory, params, groups)` does the same: `memory` has an array for each storage binding,
    and those that are written are changed in place; `params` are the bytes of the uniform. Two
    shaders are equal if all but `numpy` is; `key` tells those apart whose `numpy` differs.
    """

    name: str
    code: str
    access: str
    numpy: Callable[[Sequence[np.ndarray], bytes, Groups], None] = field(repr=False)
    key: Hashable = None

    @cached_property
    def _identity(self) -> tuple:
        return self.code, self.access, self.key, self.name

    @cached_property
    def _hash(self) -> int:
        return hash(self._identity)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Shader) and self._identity == other._identity)

    def __hash__(self) -> int:
        return self._hash

    def bindings(self, makes: Sequence[Make]) -> list[tuple[bool, int]]:
        """Return for each storage binding whether it is written, and which make, or operand, it is.

        Operands come in the order of the bindings, those that a make begins with among them.
        """
        accesses: list[tuple[bool, int]] = []
        made = read = 0
        for letter in self.access:
            if letter == "w":
                accesses.append((True, made))
                read += makes[made].source is not None
                made += 1
            else:
                accesses.append((False, read))
                read += 1
        return accesses


def with_numbers(params: bytes, places: Sequence[int], numbers: Sequence[float]) -> bytes:
    """Return the bytes of a uniform with float32 numbers put at some of them."""
    if not places:
        return params
    words = bytearray(params)
    with np.errstate(over="ignore"):  # beyond float32 it is an infinity
        for at, x in zip(places, np.asarray(numbers, np.float32), strict=True):
            struct.pack_into("<f", words, at, x)
    return bytes(words)
