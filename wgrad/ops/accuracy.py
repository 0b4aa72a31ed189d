"""What an elementwise op promises of its errors, and where to look for the largest ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

Columns = tuple[np.ndarray, ...]  # one array for each argument


@dataclass(frozen=True)
class Accuracy:
    """What an op promises: errors of at most `ulp`, 0 for exact, for arguments `within` a range.

    An error is counted in ULP: steps from one float32 to the next.

    - `points`: arguments whose neighbours are tried, too;
    - `more(rng, count)`: further arguments that are hard;
    - `terms`: how many of the first arguments are terms that may cancel. The error is then counted
      in ULP of the largest of the result and these;
    - `zeros`: whether zeros keep their sign;
    - `calls`: how it is tried, where its last arguments are options: their values, by a name.
    """

    ulp: float
    points: tuple[float, ...] = ()
    within: tuple[float, float] = (-np.inf, np.inf)
    more: Callable[[np.random.Generator, int], Columns] | None = None
    terms: int = 0
    zeros: bool = True
    calls: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def turns(rng: np.random.Generator, count: int) -> Columns:
    """Return what lies next to multiples of pi/2, where sine and cosine are small."""
    near = rng.integers(-19000, 19000, count) * (np.pi / 2)
    return (np.concatenate([near, rng.uniform(-30000, 30000, 2 * count)]),)


def powers(rng: np.random.Generator, count: int) -> Columns:
    """Return bases near 1 with large exponents, ordinary ones, integers, and all finite results."""
    signs = rng.choice([-1, 1], count)
    a = [1 + rng.uniform(-0.01, 0.01, count), 2 ** rng.uniform(-5, 5, count)]
    b = [signs * 2 ** rng.uniform(0, 30, count), rng.uniform(-30, 30, count)]
    a.append(rng.integers(-20, 20, count).astype(float))
    b.append(rng.integers(-40, 40, count).astype(float))
    a.append(2 ** rng.uniform(-1, 1, count))
    b.append(rng.uniform(-149, 128, count) / np.log2(a[-1]))
    return np.concatenate(a), np.concatenate(b)


def tail(rng: np.random.Generator, count: int) -> Columns:
    """Return negative numbers whose result is small, but not 0."""
    return (-np.exp2(rng.uniform(-3, 4, 2 * count)),)


def erfc_tail(rng: np.random.Generator, count: int) -> Columns:
    """Return numbers whose complementary error function is small, but not 0."""
    return (rng.uniform(0, 10.1, 2 * count),)


def near_one(rng: np.random.Generator, count: int) -> Columns:
    """Return what is left of 1 or -1, down to the last float."""
    return (rng.choice([-1, 1], 2 * count) * (1 - np.exp2(rng.uniform(-24, 0, 2 * count))),)


def quotients(rng: np.random.Generator, count: int) -> Columns:
    """Return pairs with ordinary quotients, many of them whole."""
    b = rng.uniform(-9, 9, count)
    whole = rng.integers(-99, 99, count)
    return np.concatenate([rng.uniform(-99, 99, count), whole * b]), np.concatenate([b, b])


def weights(rng: np.random.Generator, count: int) -> Columns:
    """Return pairs of ordinary numbers, half of them close, with weights of which many are ends."""
    a = rng.uniform(-9, 9, count)
    b = np.where(rng.random(count) < 0.5, rng.uniform(-9, 9, count), a + rng.uniform(0, 0.1, count))
    return a, b, np.clip(rng.uniform(-0.5, 1.5, count), *rng.choice([[0, 1], [-1, 2]], count).T)


def shares(rng: np.random.Generator, count: int) -> Columns:
    """Return pairs between 0 and 1, many of them near the ends."""
    a = [np.exp2(rng.uniform(-40, 0, count)), 1 - np.exp2(rng.uniform(-24, 0, count))]
    return np.concatenate(a), rng.random(2 * count)
