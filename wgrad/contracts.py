"""The numerics contract: what each elementwise op promises, and what it is tried on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .core import REGISTRY
from .ops.accuracy import Accuracy
from .ops.families import Elementwise


@dataclass(frozen=True)
class Contract:
    """An op's promise for one way to call it: with `options` as its last arguments."""

    name: str
    function: Elementwise
    accuracy: Accuracy
    options: tuple[float, ...] = ()

    @property
    def arity(self) -> int:
        """The number of arguments that vary."""
        return self.function.arity - len(self.options)


def contracts(op: Elementwise) -> Iterator[Contract]:
    """Yield what an op promises, for each way in which it is to be tried; none where it is exact.

    An op is exact by its kind, such as a comparison, where its entry states no `ulp`.
    """
    if op.accuracy is not None:
        for name, options in (op.accuracy.calls or {op.name: ()}).items():
            yield Contract(name, op, op.accuracy, options)


CONTRACTS = tuple(
    contract
    for op in REGISTRY.values()
    if isinstance(op, Elementwise)
    for contract in contracts(op)
)


def inputs(contract: Contract, fine: int) -> list[np.ndarray]:
    """Return the arguments that an op is tried on, as many in each position."""
    rng = np.random.default_rng(0)
    arity = contract.arity
    pool = _pool(contract.accuracy.points, fine, rng)
    columns = [[pool]] + [[rng.permutation(pool)] for _ in range(arity - 1)]
    if arity > 1:  # pairs of like size, too
        with np.errstate(over="ignore"):
            near = (pool * rng.uniform(-2, 2, pool.size)).astype(np.float32)
        for i, column in enumerate(columns):
            column.append(near if i == 1 else pool)
    more = contract.accuracy.more
    if more is not None:
        for column, extra in zip(columns, more(rng, 1500 * fine), strict=True):
            column.append(extra.astype(np.float32))
    return [np.concatenate(column) for column in columns]


def _pool(points: tuple[float, ...], fine: int, rng: np.random.Generator) -> np.ndarray:
    """Return floats of every exponent and sign, neighbours of the points, and ordinary numbers."""
    exponents = np.repeat(np.arange(255, dtype=np.uint32), fine)
    significands = rng.integers(0, 1 << 23, exponents.size, dtype=np.uint32)
    significands[::fine], significands[1::fine] = 0, (1 << 23) - 1
    signs = rng.integers(0, 2, exponents.size, dtype=np.uint32)
    signs[: 2 * fine] = np.arange(2 * fine) % 2
    spread = (signs << np.uint32(31) | exponents << np.uint32(23) | significands).view(np.float32)
    around = [
        (np.float32(sign * p).view(np.int32) + np.arange(-fine, fine, dtype=np.int32))
        for p, sign in itertools.product(points, (1, -1))
    ]
    with np.errstate(invalid="ignore"):
        near = [x.view(np.float32) for x in around]
    # Most of ordinary size, evenly and by size, for the largest errors are few.
    wide = [rng.uniform(-w, w, 700 * fine) for w in (1, 4, 20, 100)]
    sizes = [s * np.exp2(rng.uniform(-7, 7, 1500 * fine)) for s in (1, -1)]
    toward = [
        p * (1 + s * np.exp2(rng.uniform(-16, -1, 200 * fine))) for p in points for s in (1, -1)
    ]
    ordinary = [x.astype(np.float32) for x in (*wide, *sizes, *toward)]
    return np.concatenate([spread, *near, *ordinary])
