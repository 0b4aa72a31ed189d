"""The numerics contract: what each elementwise op promises, and what it is tried on."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .core import REGISTRY
from .functional.activation import SELU
from .ops.families import Elementwise


@dataclass(frozen=True)
class Contract:
    """What an op promises: `ulp`, 0 for exact results, for arguments of at most `limit`.

    `points` are arguments whose neighbours matter. Where terms cancel, an error is counted in ULP
    of the largest of the result and the first `terms` arguments; `zeros` says whether zeros keep
    their sign. `options` are the last arguments, always the same; `op` is where the name is none.
    """

    name: str
    ulp: float = 4
    points: tuple[float, ...] = ()
    limit: float = np.inf
    more: Callable[[np.random.Generator, int], tuple[np.ndarray, ...]] | None = None
    terms: int = 0
    zeros: bool = True
    options: tuple[float, ...] = ()
    op: str = ""

    @property
    def function(self) -> Elementwise:
        """The op of the registry."""
        op = REGISTRY[self.op or self.name]
        assert isinstance(op, Elementwise)
        return op

    @property
    def arity(self) -> int:
        """The number of arguments that vary."""
        return self.function.arity - len(self.options)


def _turns(rng: np.random.Generator, count: int) -> tuple[np.ndarray, ...]:
    """Return what lies next to multiples of pi/2, where sine and cosine are small."""
    near = rng.integers(-19000, 19000, count) * (np.pi / 2)
    return (np.concatenate([near, rng.uniform(-30000, 30000, 2 * count)]),)


def _powers(rng: np.random.Generator, count: int) -> tuple[np.ndarray, ...]:
    """Return bases near 1 with large exponents, ordinary ones, integers, and all finite results."""
    signs = rng.choice([-1, 1], count)
    a = [1 + rng.uniform(-0.01, 0.01, count), 2 ** rng.uniform(-5, 5, count)]
    b = [signs * 2 ** rng.uniform(0, 30, count), rng.uniform(-30, 30, count)]
    a.append(rng.integers(-20, 20, count).astype(float))
    b.append(rng.integers(-40, 40, count).astype(float))
    a.append(2 ** rng.uniform(-1, 1, count))
    b.append(rng.uniform(-149, 128, count) / np.log2(a[-1]))
    return np.concatenate(a), np.concatenate(b)


def _tail(rng: np.random.Generator, count: int) -> tuple[np.ndarray, ...]:
    """Return negative numbers whose result is small, but not 0."""
    return (-np.exp2(rng.uniform(-3, 4, 2 * count)),)


def _erfc_tail(rng: np.random.Generator, count: int) -> tuple[np.ndarray, ...]:
    """Return numbers whose complementary error function is small, but not 0."""
    return (rng.uniform(0, 10.1, 2 * count),)


def _near_one(rng: np.random.Generator, count: int) -> tuple[np.ndarray, ...]:
    """Return what is left of 1 or -1, down to the last float."""
    return (rng.choice([-1, 1], 2 * count) * (1 - np.exp2(rng.uniform(-24, 0, 2 * count))),)


def _quotients(rng: np.random.Generator, count: int) -> tuple[np.ndarray, ...]:
    """Return pairs with ordinary quotients, many of them whole."""
    b = rng.uniform(-9, 9, count)
    whole = rng.integers(-99, 99, count)
    return np.concatenate([rng.uniform(-99, 99, count), whole * b]), np.concatenate([b, b])


def _weights(rng: np.random.Generator, count: int) -> tuple[np.ndarray, ...]:
    """Return pairs of ordinary numbers, half of them close, with weights of which many are ends."""
    a = rng.uniform(-9, 9, count)
    b = np.where(rng.random(count) < 0.5, rng.uniform(-9, 9, count), a + rng.uniform(0, 0.1, count))
    return a, b, np.clip(rng.uniform(-0.5, 1.5, count), *rng.choice([[0, 1], [-1, 2]], count).T)


def inputs(contract: Contract, fine: int) -> list[np.ndarray]:
    """Return the arguments that an op is tried on, as many in each position."""
    rng = np.random.default_rng(0)
    arity = contract.arity
    pool = _pool(contract.points, fine, rng)
    columns = [[pool]] + [[rng.permutation(pool)] for _ in range(arity - 1)]
    if arity > 1:  # pairs of like size, too
        with np.errstate(over="ignore"):
            near = (pool * rng.uniform(-2, 2, pool.size)).astype(np.float32)
        for i, column in enumerate(columns):
            column.append(near if i == 1 else pool)
    if contract.more is not None:
        for column, extra in zip(columns, contract.more(rng, 1500 * fine), strict=True):
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


_LOG2 = 0.6931472
_HUGE = 88.72284  # e to this power is no float32 any more
CONTRACTS = (
    *(Contract(name, 0.5) for name in ("add", "subtract", "multiply")),
    *(Contract(name) for name in ("divide", "reciprocal", "square", "sqrt")),
    Contract("exp", points=(_HUGE, -87.33655, -103.97, _LOG2 / 2)),
    Contract("exp2", points=(128, -126, -149, 0.5)),
    Contract("expm1", points=(_HUGE, -17, 1e-8, _LOG2 / 2)),
    Contract("log", points=(1, 2**-0.5, 2**0.5)),
    Contract("log2", points=(1, 2**-0.5, 2**0.5)),
    Contract("log10", points=(1, 2**-0.5, 10)),
    Contract("log1p", points=(-1, 0.25, -0.25, 2**0.5 - 1, 1e-8, 2.0**24)),
    Contract("sinh", points=(1, 89.415986)),
    Contract("cosh", points=(1, 89.415986)),
    Contract("tanh", points=(0.625, 9, 10)),
    Contract("asinh", points=(1e-4, 2.0**28, 1)),
    Contract("acosh", points=(1, 2.0**28)),
    Contract("atanh", points=(1, 1e-4, 0.2)),
    *(Contract(name, limit=30000, more=_turns) for name in ("sin", "cos", "tan")),
    *(Contract(name, points=(0.5, 1, 1e-4)) for name in ("asin", "acos", "atan")),
    Contract("atan2", points=(1,)),
    Contract("hypot", points=(1e18, 1e-18)),
    Contract("pow", 8, more=_powers),
    Contract("erf", 8, points=(1, 4)),
    Contract("erfc", 8, points=(0.5, 1, 10.05, -1), more=_erfc_tail),
    Contract("erfinv", 8, points=(1, 0.9965), more=_near_one),
    Contract("lgamma", 8, points=(0.75, 1, 1.5, 2, 3, 8), terms=1),
    Contract("digamma", 8, points=(1, 2, 6), terms=1),
    *(
        Contract(f"polygamma {n}", 8, points=(1, 10), terms=1, options=(n,), op="polygamma")
        for n in (1, 3)
    ),
    Contract("i0", 8, points=(7.75, 91.9)),
    Contract("sinc", 8, points=(0.5, 1, 2.5), terms=0),
    Contract("sigmoid", points=(_HUGE, -_HUGE)),
    Contract("logaddexp", points=(_LOG2, 1), terms=2),
    Contract("lerp", points=(0.5, 1), more=_weights, terms=2),
    *(Contract(name, more=_quotients) for name in ("floor_divide", "remainder")),
    *(Contract(name, 8, more=_tail) for name in ("gelu", "gelu_tanh", "silu", "mish")),
    Contract("logsigmoid", 8),
    *(Contract(name, 8, options=(1, 1, 1), op="elu") for name in ("elu", "celu")),
    Contract("selu", 8, options=(*SELU, 1), op="elu"),
    Contract("softplus", 8, points=(20,), options=(1, 20)),
    Contract("leaky_relu", options=(0.01,)),
    *(Contract(name, points=(3,)) for name in ("hardsigmoid", "hardswish")),
    *(Contract(n, 0, points=(0.5, 1, 2.0**23)) for n in ("ceil", "floor", "round", "trunc")),
    *(Contract(n, 0) for n in ("abs", "negative", "positive", "sign", "copysign", "nextafter")),
    *(Contract(n, 0, zeros=False) for n in ("maximum", "minimum", "clamp", "relu")),
    Contract("hardtanh", 0, points=(1,), zeros=False, options=(-1, 1)),
    Contract("relu6", 0, points=(6,), zeros=False, options=(0, 6), op="hardtanh"),
)
