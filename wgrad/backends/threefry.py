"""The counter-based generator in NumPy, and the table that turns its bits into normals.

Threefry-2x32 with 20 rounds uses additions, xors and rotations of 32-bit words alone, so every
device computes the same bits. Normals follow by inverting the distribution with a table in
fixed-point integers, not by logarithms and cosines, whose last digits differ between devices.

Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC11);
the segmentation by leading zeros: Lee, Luk, Villasenor and Cheung, "Hierarchical segmentation
for hardware function evaluation" (IEEE TVLSI 2009).
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA  # the key schedule's constant, from the Skein hash
OCTAVES = 31  # the tail probability halves from one octave to the next
STEPS = 256  # pieces of an octave, each one line
FRACTION_BITS = 21  # |normal| < 6.4, so that value * 2^21 is an integer below 2^24: exact in f32


def threefry(key: tuple[int, int], low: np.ndarray, high: np.ndarray) -> tuple:
    """Return the two words of each block whose counter is (low, high)."""
    ks = [np.uint32(key[0]), np.uint32(key[1]), np.uint32(key[0] ^ key[1] ^ PARITY)]
    with np.errstate(over="ignore"):
        x0, x1 = low + ks[0], high + ks[1]
        spare = np.empty_like(x1)
        for group in range(5):  # in place: most of the time would go to memory for results
            for turn in ROTATIONS[group % 2]:
                x0 += x1
                np.right_shift(x1, np.uint32(32 - turn), out=spare)
                x1 <<= np.uint32(turn)
                x1 |= spare
                x1 ^= x0
            x0 += ks[(group + 1) % 3]
            x1 += ks[(group + 2) % 3] + np.uint32(group + 1)
    return x0, x1


def bits(key: tuple[int, int], counter: int, size: int) -> np.ndarray:
    """Return words `counter` to `counter + size` of the stream of `key`; two words a block."""
    first, last = counter // 2, (counter + size + 1) // 2
    block = np.arange(first, max(last, first), dtype=np.uint64)
    low = (block & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    high = (block >> np.uint64(32)).astype(np.uint32)
    words = np.stack(threefry(key, low, high), axis=-1).reshape(-1)
    return words[counter % 2 :][:size]


@lru_cache(maxsize=1)
def normal_table() -> np.ndarray:
    """Return |z| * 2^21 as int32 at the ends of every piece: OCTAVES * (STEPS + 1) entries.

    Entry (e, s) is the normal quantile of the upper tail probability (1 + s / STEPS) * 2^-(e+2).
    The last octave has no lower neighbour, so it ends there: |z| is at most about 6.3.
    """
    quantile = NormalDist().inv_cdf
    rows = [
        [-quantile((1 + s / STEPS) * 2.0 ** -(e + 2)) for s in range(STEPS + 1)]
        for e in range(OCTAVES)
    ]
    table = np.round(np.array(rows) * (1 << FRACTION_BITS)).astype(np.int32)
    return np.maximum(table, 0).reshape(-1)


def uniform(words: np.ndarray) -> np.ndarray:
    """Return float32 in [0, 1): multiples of 2^-24, exact in every arithmetic."""
    return (words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def normal(words: np.ndarray) -> np.ndarray:
    """Return standard normals: one bit of sign, 31 bits of tail probability."""
    tail = words >> np.uint32(1) | np.uint32(1)  # 31 bits, never 0
    # frexp is exact for integers below 2^53: the exponent counts the bits.
    length = np.frexp(tail.astype(np.float64))[1].astype(np.uint32)
    octave = np.uint32(31) - length
    mantissa = tail << octave  # 31 bits, the top one set
    step = (mantissa >> np.uint32(22)) & np.uint32(STEPS - 1)
    rest = (mantissa >> np.uint32(7)) & np.uint32(0x7FFF)
    at = (octave * np.uint32(STEPS + 1) + step).astype(np.int64)
    table = normal_table()
    y0, y1 = table[at], table[at + 1]
    fixed = y0 + (((y1 - y0) * rest.astype(np.int32)) >> np.int32(15))
    value = fixed.astype(np.float32) * np.float32(2.0**-FRACTION_BITS)
    return np.where(words & np.uint32(1), -value, value)


def split_seed(seed: int) -> tuple[int, int]:
    """Return the two key words of a seed of up to 64 bits."""
    return seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF


assert math.log2(STEPS) == 8  # `normal` shifts by this
