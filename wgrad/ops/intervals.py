"""Interval arithmetic: what the values of integer results lie between, when those of inputs do.

So indices that a program computes are known to be in range without asking the device. A rule takes
the least and the greatest value of every input and returns a pair that holds every result; where
the dtype cannot hold that pair, a result may have wrapped around and nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..backends.array import Array, Number
from ..backends.fold import Fold, Interval
from ..backends.tracing import Live
from ..core.tracing import tracing
from ..dtypes import DType, bool_, int32, uint32

Rule = Callable[..., Interval]
EVERYTHING = -(2**32), 2**32  # more than a dtype holds


# What integers, and bools, of a dtype lie between.
HELD: dict[DType, Interval] = {bool_: (0, 1), int32: (-(2**31), 2**31 - 1), uint32: (0, 2**32 - 1)}


def known(x: Array) -> Interval | None:
    """Return what the host knows about the values of an array, in a trace about every run's."""
    tracer = tracing()
    return x.storage.bounds if tracer is None else tracer.own_bounds(x)


def interval(x: Array | Number, dtype: DType) -> Interval:
    """Return what an operand lies between, which is used as an integer `dtype`, or as a bool."""
    if isinstance(x, Array):
        return known(x) or HELD[x.dtype]
    return HELD[dtype] if isinstance(x, Live) else (int(x), int(x))


def fitting(wanted: Interval, dtype: DType) -> Interval | None:
    """Return an interval, or None where it says nothing about values of `dtype`."""
    low, high = HELD[dtype]
    return wanted if low <= wanted[0] and wanted[1] <= high and wanted != (low, high) else None


def derived(
    rule: Rule, inputs: Sequence[Array | Number], dtypes: Sequence[DType], out: DType
) -> Interval | None:
    """Return what a rule says about results of dtype `out`."""
    tracer = tracing()
    ends = []
    for x, dtype in zip(inputs, dtypes, strict=True):  # every call of an integer op comes here
        if isinstance(x, Array):
            known = x.storage.bounds if tracer is None else tracer.own_bounds(x)
            ends.append(known or HELD[x.dtype])
        else:
            ends.append(interval(x, dtype))
    return fitting(rule(*ends), out)


def union(*parts: Interval | None) -> Interval | None:
    """Return what holds all of several intervals, None where one is not known."""
    if not parts or None in parts:
        return None
    known = [part for part in parts if part is not None]
    return min(low for low, _ in known), max(high for _, high in known)


# Rules, by what they are for.
def add(a: Interval, b: Interval) -> Interval:
    return a[0] + b[0], a[1] + b[1]


def subtract(a: Interval, b: Interval) -> Interval:
    return a[0] - b[1], a[1] - b[0]


def multiply(a: Interval, b: Interval) -> Interval:
    corners = [x * y for x in a for y in b]
    return min(corners), max(corners)


def same(a: Interval) -> Interval:
    return a


def negative(a: Interval) -> Interval:
    return -a[1], -a[0]


def absolute(a: Interval) -> Interval:
    return max(a[0], -a[1], 0), max(-a[0], a[1])


def square(a: Interval) -> Interval:
    low, high = absolute(a)
    return low * low, high * high


def sign(a: Interval) -> Interval:
    return (a[0] > 0) - (a[0] < 0), (a[1] > 0) - (a[1] < 0)


def maximum(a: Interval, b: Interval) -> Interval:
    return max(a[0], b[0]), max(a[1], b[1])


def minimum(a: Interval, b: Interval) -> Interval:
    return min(a[0], b[0]), min(a[1], b[1])


def clamp(a: Interval, b: Interval, c: Interval) -> Interval:
    return minimum(maximum(a, b), c)


def where(condition: Interval, a: Interval, b: Interval) -> Interval:
    return min(a[0], b[0]), max(a[1], b[1])


def floor_divide(a: Interval, b: Interval) -> Interval:
    """a // 0 is 0, and the divisors nearest to 0 and furthest from it give the extremes."""
    divisors = {d for d in (*b, -1, 1) if d and b[0] <= d <= b[1]}
    corners = [x // d for x in a for d in divisors]
    if b[0] <= 0 <= b[1]:
        corners.append(0)
    return min(corners), max(corners)


def remainder(a: Interval, b: Interval) -> Interval:
    """a % b has the sign of b and is nearer to 0; a % 0 is 0."""
    if a[0] >= 0 and a[1] < b[0]:
        return a
    low, high = min(b[0] + 1, 0), max(b[1] - 1, 0)
    if low == 0 and a[0] >= 0:
        high = min(high, a[1])
    return low, high


def bitwise_and(a: Interval, b: Interval) -> Interval:
    """A number that is not negative has no bit that the result could have besides."""
    positive = [x[1] for x in (a, b) if x[0] >= 0]
    if positive:
        return 0, min(positive)
    return _signed(a, b)


def bitwise_or(a: Interval, b: Interval) -> Interval:
    """Of the bits that some number in the intervals has."""
    if a[0] < 0 or b[0] < 0:
        return _signed(a, b)
    return 0, (1 << max(a[1], b[1]).bit_length()) - 1


def bitwise_invert(a: Interval) -> Interval:
    return ~a[1], ~a[0]


def shift_left(a: Interval, b: Interval) -> Interval:
    if b[0] < 0 or b[1] > 31:
        return EVERYTHING
    return multiply(a, (1 << b[0], 1 << b[1]))


def shift_right(a: Interval, b: Interval) -> Interval:
    if b[0] < 0 or b[1] > 31:
        return min(a[0], 0), max(a[1], -1)
    corners = [x >> n for x in a for n in b]
    return min(corners), max(corners)


def _signed(a: Interval, b: Interval) -> Interval:
    """Return what has no more bits than the longest number in two intervals."""
    bits = max(abs(x).bit_length() for x in (*a, *b))
    return -(1 << bits), (1 << bits) - 1


# Reductions and scans of `count` values.
def running_sum(a: Interval, count: int) -> Interval:
    return min(a[0], a[0] * count), max(a[1], a[1] * count)


def folded(fold: Fold, x: Array, count: int, out: DType) -> Any:
    """Return what a reduction of `count` values each lies between; None where that is not known."""
    rule = fold.interval
    if rule is None or not out.is_integer:
        return None
    return fitting(rule(interval(x, x.dtype), count), out)
