"""A line search: how far to go along a direction, so that the strong Wolfe conditions hold.

They are that the loss falls by a share of what the slope promises, and that the slope gets flat.
Knows numbers, and nothing of optimizers. Source: Nocedal and Wright, "Numerical Optimization"
(2006), algorithms 3.5 and 3.6, with cubic interpolation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple


class Point(NamedTuple):
    """A place along the direction: how far it is, the loss there, its gradient and slope."""

    length: float
    loss: float
    gradient: Any
    slope: float


def strong_wolfe(
    there: Callable[[float], Point],
    start: Point,
    length: float,
    size: float,
    most: int,
    tolerance: float,
    fall: float = 1e-4,
    flat: float = 0.9,
) -> tuple[Point, int]:
    """Return a good place, and how often `there` was called, which computes one.

    `length` is tried first; `size` is the largest element of the direction. It ends after `most`
    tries more, or where places get closer than `tolerance`.
    """

    def too_high(point: Point) -> bool:
        return point.loss > start.loss + fall * point.length * start.slope

    def is_flat(point: Point) -> bool:
        return abs(point.slope) <= -flat * start.slope

    last, new = start, there(length)
    tries = 0
    done = False
    while tries < most:  # until there is a good place, or one lies between two
        if too_high(new) or (tries > 1 and new.loss >= last.loss):
            ends = [last, new]
            break
        if is_flat(new):
            return new, tries + 1
        if new.slope >= 0:
            ends = [last, new]
            break
        nearest = new.length + 0.01 * (new.length - last.length)
        length = _lowest(last, new, nearest, new.length * 10)
        last, new = new, there(length)
        tries += 1
    else:
        ends = [start, new]
    low, high = _ordered(ends)
    stalled = False
    while not done and tries < most:
        left, right = sorted(x.length for x in ends)
        if (right - left) * size < tolerance:
            break
        length = _lowest(ends[0], ends[1], left, right)
        margin = 0.1 * (right - left)
        close = min(right - length, length - left) < margin
        if close and (stalled or length >= right or length <= left):
            nearer = abs(length - right) < abs(length - left)
            length = right - margin if nearer else left + margin
            close = False
        stalled = close
        new = there(length)
        tries += 1
        if too_high(new) or new.loss >= ends[low].loss:
            ends[high] = new
            low, high = _ordered(ends)
            continue
        done = is_flat(new)
        if not done and new.slope * (ends[high].length - ends[low].length) >= 0:
            ends[high] = ends[low]
        ends[low] = new
    return ends[low], tries + 1


def _ordered(ends: list[Point]) -> tuple[int, int]:
    return (0, 1) if ends[0].loss <= ends[1].loss else (1, 0)


def _lowest(a: Point, b: Point, least: float, greatest: float) -> float:
    """Return where the cubic through two places is lowest, within bounds."""
    if a.length > b.length:
        a, b = b, a
    try:
        d = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.length - b.length)
        square = d * d - a.slope * b.slope
        if square >= 0:
            root = math.sqrt(square)
            part = (b.slope + root - d) / (b.slope - a.slope + 2 * root)
            return min(max(b.length - (b.length - a.length) * part, least), greatest)
    except ArithmeticError:
        pass
    return (least + greatest) / 2
