"""The numerics contract, measured: how far elementwise functions are from float64, on one device.

Every function is asked for floats of all exponents, for the neighbours of its edges and kinks, and
for NaN, infinities and zeros. An error is counted in ULP: steps from one float32 to the next.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .backends.base import Device
from .creation import tensor
from .ops.families import REGISTRY, Elementwise

LEAST = float(np.finfo(np.float32).tiny)  # normal floats begin here
SPECIAL = (
    *(np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0),
    *(1.5, -2.5, 1e-30, -1e-30, 7e29, -7e29, float(np.finfo(np.float32).max)),
)

PREAMBLE = """# Numerics

What `python -m wgrad numerics --device DEVICE --write NUMERICS.md` measured, a section for each
device. An error is counted in ULP, steps from one float32 to the next, against NumPy in float64,
over floats of every exponent and the neighbours of every edge; "at" is where the largest was found.
Sine, cosine and tangent are measured up to 30,000. In `logaddexp` terms may cancel: its ULP are of
the largest of result and arguments. Where a device takes subnormal floats for 0, that counts as
right.
"""


@dataclass(frozen=True)
class Contract:
    """What an op promises: `ulp`, 0 for exact results, for arguments of at most `limit`.

    `points` are arguments whose neighbours matter. Where terms cancel, an error is counted in ULP
    of the largest of result and arguments (`cancels`); `zeros` says whether those keep their sign.
    """

    name: str
    ulp: float = 4
    points: tuple[float, ...] = ()
    limit: float = np.inf
    more: Callable[[np.random.Generator, int], tuple[np.ndarray, ...]] | None = None
    cancels: bool = False
    zeros: bool = True


@dataclass(frozen=True)
class Measured:
    """The largest error of an op, the arguments that it came with, and special values got wrong."""

    contract: Contract
    ulp: float
    worst: tuple[float, ...]
    wrong: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return self.ulp <= self.contract.ulp and not self.wrong


def _turns(rng: np.random.Generator, count: int) -> tuple[np.ndarray, ...]:
    """Return what lies next to multiples of pi/2, where sine and cosine are small."""
    near = rng.integers(-19000, 19000, count) * (np.pi / 2)
    return (np.concatenate([near, rng.uniform(-30000, 30000, count)]),)


def _powers(rng: np.random.Generator, count: int) -> tuple[np.ndarray, ...]:
    """Return bases near 1 with large exponents, ordinary ones, and integers with integers."""
    signs = rng.choice([-1, 1], count)
    a = [1 + rng.uniform(-0.01, 0.01, count), 2 ** rng.uniform(-5, 5, count)]
    b = [signs * 2 ** rng.uniform(0, 30, count), rng.uniform(-30, 30, count)]
    a.append(rng.integers(-20, 20, count).astype(float))
    b.append(rng.integers(-40, 40, count).astype(float))
    return np.concatenate(a), np.concatenate(b)


def _quotients(rng: np.random.Generator, count: int) -> tuple[np.ndarray, ...]:
    """Return pairs with ordinary quotients, many of them whole."""
    b = rng.uniform(-9, 9, count)
    whole = rng.integers(-99, 99, count)
    return np.concatenate([rng.uniform(-99, 99, count), whole * b]), np.concatenate([b, b])


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
    Contract("sigmoid", points=(_HUGE, -_HUGE)),
    Contract("logaddexp", points=(_LOG2, 1), cancels=True),
    *(Contract(name, more=_quotients) for name in ("floor_divide", "remainder")),
    *(Contract(name, 8) for name in ("gelu", "gelu_tanh", "silu", "mish", "logsigmoid")),
    *(Contract(n, 0, points=(0.5, 1, 2.0**23)) for n in ("ceil", "floor", "round", "trunc")),
    *(Contract(n, 0) for n in ("abs", "negative", "positive", "sign", "copysign", "nextafter")),
    *(Contract(n, 0, zeros=False) for n in ("maximum", "minimum", "clamp", "relu")),
)


def flushes(device: Device) -> bool:
    """Return whether the device takes subnormal floats for 0."""
    with device:
        return float(tensor([LEAST / 4]) * 2.0) == 0


def measure(
    device: Device, contracts: Sequence[Contract] = CONTRACTS, fine: int = 600
) -> list[Measured]:
    """Return what each op is found to do on a device, from `fine` floats of every exponent on."""
    flushed = flushes(device)
    return [_measure(c, device, fine, flushed) for c in contracts]


def _measure(contract: Contract, device: Device, fine: int, flushed: bool) -> Measured:
    op = REGISTRY[contract.name]
    assert isinstance(op, Elementwise)
    inputs = _inputs(contract, op.arity, fine)
    found = _found(op, inputs, device)
    wanted = _wanted(op, inputs, exact=contract.ulp == 0)
    errors = _errors(found, wanted, inputs, contract.cancels)
    if flushed:  # 0 is right for what counts as 0 there, as an argument or as a result
        zeros = [_flush(x) for x in inputs]
        others = _wanted(op, zeros, exact=contract.ulp == 0)
        errors = np.minimum(errors, _errors(found, others, zeros, contract.cancels))
        for exact in (wanted, others):
            errors[(found == 0) & (np.abs(exact) <= LEAST)] = 0
    outside = np.any([np.isfinite(x) & (np.abs(x) > contract.limit) for x in inputs], axis=0)
    errors[outside] = 0
    at = int(np.argmax(errors))
    worst = tuple(float(x[at]) for x in inputs)
    return Measured(contract, float(errors[at]), worst, _special(contract, op, device))


def _found(op: Elementwise, inputs: Sequence[np.ndarray], device: Device) -> np.ndarray:
    with device:
        return op(*(tensor(x) for x in inputs)).numpy()


def _wanted(op: Elementwise, inputs: Sequence[np.ndarray], exact: bool) -> np.ndarray:
    """Return what NumPy computes in float64, or in float32 where all results are exact."""
    with np.errstate(all="ignore"):
        given = inputs if exact else [x.astype(np.float64) for x in inputs]
        return np.asarray(op.body.numpy(*given), np.float64)


def _flush(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < LEAST, np.copysign(np.float32(0), x), x)


def _errors(
    found: np.ndarray, wanted: np.ndarray, inputs: Sequence[np.ndarray], cancels: bool
) -> np.ndarray:
    """Return errors in ULP; infinity where one of both is NaN, or only one is infinite."""
    with np.errstate(all="ignore"):
        rounded = wanted.astype(np.float32)
        scale = np.abs(wanted)
        if cancels:
            scale = np.max([scale, *(np.abs(x.astype(np.float64)) for x in inputs)], axis=0)
        scale = np.clip(scale, LEAST, float(np.finfo(np.float32).max))
        step = np.exp2(np.floor(np.log2(scale)) - 23)
        errors = np.abs(found.astype(np.float64) - wanted) / step
    same = (found == rounded) & ~(np.isfinite(wanted) & np.isfinite(found))
    errors[same | (np.isnan(found) & np.isnan(wanted))] = 0
    errors[np.isnan(found) != np.isnan(wanted)] = np.inf
    return np.where(np.isnan(errors), np.inf, errors)


def _special(contract: Contract, op: Elementwise, device: Device) -> tuple[str, ...]:
    """Return the calls with special values whose result is none that NumPy's is, or its sign."""
    values = np.array(SPECIAL if op.arity < 3 else SPECIAL[:8], np.float32)
    inputs = [x.ravel() for x in np.meshgrid(*[values] * op.arity, indexing="ij")]
    found = _found(op, inputs, device)
    wanted = _wanted(op, inputs, exact=contract.ulp == 0)
    bad = _errors(found, wanted, inputs, contract.cancels) > max(contract.ulp, 0.5)
    bad &= ~((found == 0) & (np.abs(wanted) <= LEAST))
    bad[np.any([np.isfinite(x) & (np.abs(x) > contract.limit) for x in inputs], axis=0)] = False
    if contract.zeros:
        bad |= (found == 0) & (wanted == 0) & (np.signbit(found) != np.signbit(wanted))
    return tuple(
        f"{contract.name}({', '.join(_text(x[i]) for x in inputs)}) = {_text(found[i])}"
        for i in np.flatnonzero(bad)
    )


def _inputs(contract: Contract, arity: int, fine: int) -> list[np.ndarray]:
    """Return the arguments that an op is tried on, as many in each position."""
    rng = np.random.default_rng(0)
    pool = _pool(contract.points, fine, rng)
    columns = [[pool]] + [[rng.permutation(pool)] for _ in range(arity - 1)]
    if arity > 1:  # pairs of like size, too
        with np.errstate(over="ignore"):
            near = (pool * rng.uniform(-2, 2, pool.size)).astype(np.float32)
        for i, column in enumerate(columns):
            column.append(near if i == 1 else pool)
    if contract.more is not None:
        for column, extra in zip(columns, contract.more(rng, 64 * fine), strict=True):
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
    wide = [rng.uniform(-w, w, 32 * fine).astype(np.float32) for w in (1, 4, 20, 100)]
    return np.concatenate([spread, *near, *wide])


def _text(x: Any) -> str:
    return f"{float(x):.9g}"


def table(device: Device, results: Sequence[Measured]) -> str:
    """Return the results as markdown, under a heading with the device's description."""
    note = "takes subnormal floats for 0" if flushes(device) else "keeps subnormal floats"
    lines = [
        f"## {device.description}",
        "",
        f"The device {note}.",
        "",
        "| op | ULP allowed | ULP measured | at | NaN, infinities, zeros | |",
        "|---|---|---|---|---|---|",
    ]
    for r in results:
        allowed = f"{r.contract.ulp:g}" if r.contract.ulp else "exact"
        at = ", ".join(_text(x) for x in r.worst) if r.ulp else ""
        special = "; ".join(r.wrong[:3]) or "right"
        verdict = "ok" if r.ok else "**broken**"
        lines.append(
            f"| {r.contract.name} | {allowed} | {r.ulp:.2f} | {at} | {special} | {verdict} |"
        )
    return "\n".join(lines) + "\n"


def written(old: str, section: str) -> str:
    """Return the text of a file of tables, in which a section takes the place of its device's."""
    parts = old.split("\n## ") if old else [PREAMBLE]
    heading = section.partition("\n")[0].removeprefix("## ")
    kept = [p.rstrip() for p in parts[1:] if p.partition("\n")[0] != heading]
    sections = sorted([*kept, section.removeprefix("## ").rstrip()])
    return "\n\n## ".join([parts[0].rstrip(), *sections]) + "\n"
