"""Builtin functions that work component by component, on NumPy arrays of one component.

`EACH` has them by name. They take arrays and NumPy scalars, and keep their dtype: numbers of Python
do not widen it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Fn = Callable[..., Any]
EACH: dict[str, Fn] = {}


def _each(fn: Fn) -> Fn:
    EACH[fn.__name__.rstrip("_")] = fn
    return fn


for _name, _ufunc in {
    **{x: getattr(np, x) for x in ("cos", "cosh", "exp", "exp2", "floor", "ceil", "log", "log2")},
    **{x: getattr(np, x) for x in ("sin", "sinh", "sqrt", "tan", "tanh", "trunc", "sign")},
    **{f"a{x}": getattr(np, f"arc{x}") for x in ("cos", "cosh", "sin", "sinh", "tan", "tanh")},
    "abs": np.abs,
    "atan2": np.arctan2,
    "round": np.rint,
    "ldexp": np.ldexp,
}.items():
    EACH[_name] = _ufunc


def _smaller(a: Any, b: Any) -> Any:
    """Of a number and NaN, take the number, as GPUs do."""
    return np.fmin(a, b) if a.dtype.kind == "f" else np.minimum(a, b)


def _larger(a: Any, b: Any) -> Any:
    return np.fmax(a, b) if a.dtype.kind == "f" else np.maximum(a, b)


EACH["min"] = _smaller
EACH["max"] = _larger


@_each
def clamp(x: Any, low: Any, high: Any) -> Any:
    return _smaller(_larger(x, low), high)


@_each
def saturate(x: Any) -> Any:
    return np.fmin(np.fmax(x, 0.0), 1.0)


@_each
def fract(x: Any) -> Any:
    return x - np.floor(x)


@_each
def degrees(x: Any) -> Any:
    return x * (180.0 / np.pi)


@_each
def radians(x: Any) -> Any:
    return x * (np.pi / 180.0)


@_each
def inverseSqrt(x: Any) -> Any:
    return 1.0 / np.sqrt(x)


@_each
def pow_(a: Any, b: Any) -> Any:
    """NaN for a negative base, also where the exponent is a whole number: it is exp2(b log2(a))."""
    power = np.power(a, b)
    negative = a < 0
    if not negative.any():
        return power
    nan = power.dtype.type(np.nan)
    return nan if power.ndim == 0 else np.where(negative, nan, power)


@_each
def step(edge: Any, x: Any) -> Any:
    return (edge <= x).astype(x.dtype)


@_each
def smoothstep(low: Any, high: Any, x: Any) -> Any:
    t = saturate((x - low) / (high - low))
    return t * t * (3.0 - 2.0 * t)


@_each
def mix(a: Any, b: Any, t: Any) -> Any:
    return a * (1.0 - t) + b * t


@_each
def fma(a: Any, b: Any, c: Any) -> Any:
    return a * b + c


@_each
def select(no: Any, yes: Any, condition: Any) -> Any:
    if condition.ndim == 0:
        return yes if condition else no
    return np.where(condition, yes, no)


@_each
def quantizeToF16(x: Any) -> Any:
    return x.astype(np.float16).astype(x.dtype)


# Bits. What these compute is found for uint32, and given back as the type that came.


def _bits(fn: Fn) -> Fn:
    def on_bits(x: Any, *others: Any) -> Any:
        return fn(x.view(np.uint32), *others).astype(np.uint32).view(x.dtype)

    return on_bits


def _number(x: Any) -> Any:
    return x.dtype.type


def _bit_length(x: Any) -> Any:
    """How many bits a number has; float64 holds 32 bits, and its exponent counts them."""
    return np.frexp(x.astype(np.float64))[1].astype(np.uint32)


def _reversed(x: Any) -> Any:
    for shift, mask in ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF)):
        by, bits = np.uint32(shift), np.uint32(mask)
        x = ((x >> by) & bits) | ((x & bits) << by)
    return (x >> np.uint32(16)) | (x << np.uint32(16))


def _lowest(x: Any) -> Any:
    """The number of the lowest bit that is set, -1 as a uint32 where there is none."""
    return _bit_length(x & (~x + np.uint32(1))) - np.uint32(1)


EACH["countOneBits"] = _bits(np.bitwise_count)
EACH["countLeadingZeros"] = _bits(lambda x: np.uint32(32) - _bit_length(x))
EACH["countTrailingZeros"] = _bits(lambda x: np.minimum(_lowest(x), np.uint32(32)))
EACH["firstTrailingBit"] = _bits(_lowest)
EACH["reverseBits"] = _bits(_reversed)


@_each
def firstLeadingBit(x: Any) -> Any:
    """For a negative number, the highest bit that is not its sign."""
    plain = np.where(x < 0, ~x, x) if x.dtype == np.int32 else x
    position = _bit_length(plain.astype(np.uint32)) - np.uint32(1)
    return position.view(x.dtype)


def _masked(offset: Any, size: Any) -> tuple[Any, Any]:
    """Return where a run of bits begins, and as many ones as it is long; both fit into 32 bits."""
    first = np.minimum(offset, np.uint32(32)).astype(np.uint64)
    long = np.minimum(size, np.uint64(32) - first)
    return first, (np.uint64(1) << long) - np.uint64(1)


@_each
def extractBits(x: Any, offset: Any, size: Any) -> Any:
    first, ones = _masked(offset, size)
    bits = (x.view(np.uint32).astype(np.uint64) >> first) & ones
    if x.dtype == np.int32:
        sign = (ones + np.uint64(1)) >> np.uint64(1)
        bits = (bits ^ sign) - sign
    return bits.astype(np.uint32).view(x.dtype)


@_each
def insertBits(x: Any, new: Any, offset: Any, size: Any) -> Any:
    first, ones = _masked(offset, size)
    mask = ones << first
    added = (new.view(np.uint32).astype(np.uint64) << first) & mask
    kept = x.view(np.uint32).astype(np.uint64) & ~mask
    return (kept | added).astype(np.uint32).view(x.dtype)
