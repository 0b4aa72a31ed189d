"""Buffers: NumPy arrays as the memory of a compute shader, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...errors import ArgumentError, DTypeError
from ..language.layouts import members, size_of, stride_of
from ..language.types import F16, FLOATS, Array, Field, Structure, Type
from .memory import Cell, Memory, cells_of

_WORDS = ("float32", "int32", "uint32", "float16", "uint8", "float64")


def memory_of(name: str, kind: Type, given: np.ndarray, wide: bool) -> Memory:
    """Return memory that holds what came for a buffer."""
    if given.dtype.name not in _WORDS or (given.dtype == np.float64 and not wide):
        raise DTypeError(
            f"{name}: a buffer is float32, int32, uint32 or float16, not {given.dtype}"
        )
    flat = np.ascontiguousarray(given).reshape(-1)
    nbytes = flat.nbytes // 2 if flat.dtype == np.float64 else flat.nbytes
    least = size_of(kind)
    if nbytes < least:
        raise ArgumentError(f"{name}: {kind} takes {least} bytes at least, and {nbytes} came")
    memory = Memory(_whole_words(nbytes), wide)
    memory.nbytes = nbytes
    if not wide:
        memory.values.view(np.uint8)[:nbytes] = flat.view(np.uint8)
    elif flat.dtype == np.float64:
        memory.values[::2] = flat
    else:
        raw = np.zeros(_whole_words(nbytes), np.uint8)
        raw[:nbytes] = flat.view(np.uint8)
        memory.values[::2] = raw.view(np.float32)  # what lies between the members stays as well
        for at, values in _numbers(kind, nbytes, raw):
            memory.values[at >> 1] = values
    return memory


def _whole_words(nbytes: int) -> int:
    """Return a number of bytes that is a whole number of words."""
    return -(-nbytes // 4) * 4


def _sized(kind: Type, nbytes: int) -> Type:
    """Return a type whose open array has as many elements as bytes have room for, one at least."""
    if isinstance(kind, Array) and kind.count is None:
        return Array(kind.element, max(1, nbytes // stride_of(kind)))
    if isinstance(kind, Structure):
        *most, last = kind.fields
        if isinstance(last.type, Array) and last.type.count is None:
            start = members(kind)[-1].offset
            count = max(1, (nbytes - start) // stride_of(last.type))
            long = Field(last.name, Array(last.type.element, count), last.align, last.size)
            return Structure(kind.name, (*most, long))
    return kind


def _numbers(kind: Type, nbytes: int, raw: np.ndarray) -> Iterator[Any]:
    """Yield where the numbers of a buffer lie, and their values."""
    for cell in cells_of(_sized(kind, nbytes)):
        at = _places(cell)
        at = at[at < nbytes]
        view = raw.view(_DTYPES.get(cell.scalar.name, np.uint32))
        yield at, view[at // view.itemsize]


_DTYPES = {"f32": np.float32, "f16": np.float16, "i32": np.int32}


def _places(cell: Cell) -> np.ndarray:
    offsets = np.array([cell.offset])
    for extent, stride in zip(cell.extents, cell.strides, strict=True):
        offsets = (offsets[:, None] + np.arange(extent) * stride).reshape(-1)
    return offsets


def given_back(memory: Memory, given: Any, kind: Type) -> np.ndarray:
    """Return a buffer as it came: in the same dtype and shape, or in float64."""
    given = np.asarray(given)
    if not memory.wide:
        raw = memory.values.view(np.uint8)[: memory.nbytes]
        return raw.view(given.dtype).reshape(given.shape).copy()
    scalars = {x.scalar for x in cells_of(_sized(kind, memory.nbytes))}
    values = memory.values[: memory.nbytes // 2][:: 1 if F16 in scalars else 2]
    if not scalars & FLOATS:
        dtype = given.dtype if given.dtype.name in ("int32", "uint32") else np.dtype(np.uint32)
        values = values.astype(np.int64).astype(dtype)
    return values.reshape(given.shape) if values.size == given.size else values
