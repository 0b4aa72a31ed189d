"""Sorting on a GPU: stable, and the same order in every run. Knows keys, not tensors' axes.

Rows of u32 keys are sorted, many at once. Long ones by a radix sort of 4 bits a pass; short ones by
letting every element count what comes before it.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from ... import dtypes
from ...dtypes import DType
from ..array import Array, Body
from . import shaders

if TYPE_CHECKING:
    from .launching import Launching

RANKED = 192  # keys of a row up to which counting costs less than passes over its digits
DIGIT = 4  # bits of a pass
DIGITS = 1 << DIGIT
LONGEST = 1 << 14  # keys that one thread walks at most: lavapipe stops loops after 65535 steps

_KEYS = {
    "bool": "u32(a)",
    "uint32": "a",
    "int32": "bitcast<u32>(a) ^ 0x80000000u",
    "float32": "sort_key(a)",
    "float16": "sort_key(f32(a))",
}


def _unused(a: object) -> object:
    raise NotImplementedError  # NumPy sorts by itself


# Numbers as u32 in the same order, and in the opposite one.
BODIES = {
    (name, descending): Body("sort_key", f"~({text})" if descending else text, _unused)
    for name, text in _KEYS.items()
    for descending in (False, True)
}


def search_source(dtype: DType) -> str:
    """Return the shader that finds places among sorted values of a dtype."""
    text = _KEYS[dtype.name]
    functions = shaders.library(text)
    block = f"alias T = {dtype.storage};\n{functions}\nfn key(a: T) -> u32 {{ return {text}; }}"
    return shaders.fill("searchsorted", {"type": block})


def key_bits(dtype: DType) -> int:
    """Return how many low bits of the keys of a dtype differ, in one direction or the other."""
    return 1 if dtype is dtypes.bool_ else 32


def sorted_positions(device: Launching, keys: Array, bits: int) -> Array:
    """Return the positions within each row of contiguous `keys` (rows, n) in the keys' order.

    Only the lowest `bits` are compared.
    """
    rows, n = keys.shape
    out = device._empty((rows, n), dtypes.int32)
    if n <= RANKED:
        rank = device._kernel(("sort_rank",), "rw", lambda: shaders.source("sort_rank"))
        params = struct.pack("<4I", rows * n, n, keys.layout.offset, 0)
        device._launch(rank, [keys], out, params, rows * n)
        return out
    count = device._kernel(("sort_count",), "rw", lambda: shaders.source("sort_count"))
    scan = device._kernel(("sort_scan",), "w", lambda: shaders.source("sort_scan"))
    place = device._kernel(("sort_place",), "rrrww", lambda: shaders.source("sort_place"))
    chunks = _chunks(rows, n, device._busy)
    chunk = -(-n // chunks)
    threads = rows * chunks
    counts = device._empty((rows, DIGITS, chunks), dtypes.uint32)
    passes = -(-bits // DIGIT)
    moved = [device._empty((rows, n), dtypes.uint32) for _ in range(min(passes, 2))]
    spare = device._empty((rows, n), dtypes.int32) if passes > 1 else out
    # The last pass writes `out`; those before it take turns.
    ends = [out if (passes - i) % 2 else spare for i in range(passes)]
    offset, positions = keys.layout.offset, counts
    for i in range(passes):
        params = struct.pack("<8I", threads, n, chunks, chunk, DIGIT * i, offset, int(i == 0), 0)
        device._launch(count, [keys], counts, params, threads)
        device._launch(scan, [], counts, struct.pack("<2I", rows, DIGITS * chunks), rows, 1)
        into = moved[i % 2]
        buffers = [x.storage.buffer for x in (keys, positions, counts, into, ends[i])]
        device.launch(place, tuple(buffers), params, -(-threads // 64))
        keys, positions, offset = into, ends[i], 0
    return out


def _chunks(rows: int, n: int, busy: int) -> int:
    """Return into how many chunks, each for one thread, a row is cut.

    So many that all rows together keep the adapter busy, but no more than balance the walk over a
    chunk with the sums over all chunks' counts.
    """
    balanced = math.isqrt(16 * n)
    return min(n, max(min(balanced, -(-busy // rows)), -(-n // LONGEST)))
