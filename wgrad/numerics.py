"""The numerics contract, measured: how far elementwise functions are from float64, on one device.

Every function is asked for floats of all exponents, for the neighbours of its edges and kinks, and
for NaN, infinities and zeros. An error is counted in ULP: steps from one float32 to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .backends.base import Device
from .contracts import CONTRACTS, Contract, inputs
from .creation import tensor

LEAST = float(np.finfo(np.float32).tiny)  # normal floats begin here
SPECIAL = (
    *(np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0),
    *(1.5, -2.5, 1e-30, -1e-30, 7e29, -7e29, float(np.finfo(np.float32).max)),
)

PREAMBLE = """# Numerics

What `python -m wgrad numerics --device DEVICE --write NUMERICS.md` measured, a section for each
device. An error is counted in ULP, steps from one float32 to the next, against NumPy in float64,
over floats of every exponent, the neighbours of every edge and, more densely, ordinary numbers,
some 4 million in all; "at" is where the largest was found. Sine, cosine and tangent are measured up
to 30,000, there in 3 million more points. In `logaddexp` and `lerp` terms may cancel: their ULP are
of the largest of the result and the first two arguments. Those of `lgamma`, `digamma` and
`polygamma`, which have zeros between their poles, are of the larger of result and argument.
Activation functions with options are given PyTorch's defaults. Where a device takes subnormal
floats for 0, that counts as right.
"""


@dataclass(frozen=True)
class Measured:
    """The largest error of an op, the arguments that it came with, and special values got wrong."""

    contract: Contract
    ulp: float
    worst: tuple[float, ...]
    wrong: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return self.ulp <= self.contract.accuracy.ulp and not self.wrong


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
    given = inputs(contract, fine)
    values = _found(contract, given, device)
    wanted = _wanted(contract, given)
    errors = _errors(values, wanted, given[: contract.accuracy.terms])
    if flushed:  # 0 is right for what counts as 0 there, as an argument or as a result
        zeros = [_flush(x) for x in given]
        others = _wanted(contract, zeros)
        errors = np.minimum(errors, _errors(values, others, zeros[: contract.accuracy.terms]))
        for exact in (wanted, others):
            errors[(values == 0) & (np.abs(exact) <= LEAST)] = 0
    errors[_outside(contract, given)] = 0
    at = int(np.argmax(errors))
    worst = tuple(float(x[at]) for x in given)
    return Measured(contract, float(errors[at]), worst, _special(contract, device))


def _outside(contract: Contract, given: Sequence[np.ndarray]) -> Any:
    """Return where an argument is beyond what is promised for."""
    least, most = contract.accuracy.within
    return np.any([np.isfinite(x) & ((x < least) | (x > most)) for x in given], axis=0)


def _found(contract: Contract, given: Sequence[np.ndarray], device: Device) -> np.ndarray:
    with device:
        return contract.function(*(tensor(x) for x in given), *contract.options).numpy()


def _wanted(contract: Contract, given: Sequence[np.ndarray]) -> np.ndarray:
    """Return what NumPy computes in float64, or in float32 where all results are exact."""
    with np.errstate(all="ignore"):
        taken = given if contract.accuracy.ulp == 0 else [x.astype(np.float64) for x in given]
        return np.asarray(contract.function.body.numpy(*taken, *contract.options), np.float64)


def _flush(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < LEAST, np.copysign(np.float32(0), x), x)


def _errors(values: np.ndarray, wanted: np.ndarray, terms: Sequence[np.ndarray]) -> np.ndarray:
    """Return errors in ULP; infinity where one of both is NaN, or only one is infinite."""
    with np.errstate(all="ignore"):
        rounded = wanted.astype(np.float32)
        scale = np.abs(wanted)
        for x in terms:
            scale = np.maximum(scale, np.abs(x))
        scale = np.clip(scale, LEAST, float(np.finfo(np.float32).max))
        errors = np.ldexp(np.abs(values.astype(np.float64) - wanted), 24 - np.frexp(scale)[1])
    same = (values == rounded) & ~(np.isfinite(wanted) & np.isfinite(values))
    errors[same | (np.isnan(values) & np.isnan(wanted))] = 0
    errors[np.isnan(values) != np.isnan(wanted)] = np.inf
    return np.where(np.isnan(errors), np.inf, errors)


def _special(contract: Contract, device: Device) -> tuple[str, ...]:
    """Return the calls with special values whose result is none that NumPy's is, or its sign."""
    values = np.array(SPECIAL if contract.arity < 3 else SPECIAL[:8], np.float32)
    given = [x.ravel() for x in np.meshgrid(*[values] * contract.arity, indexing="ij")]
    came = _found(contract, given, device)
    wanted = _wanted(contract, given)
    bad = _errors(came, wanted, given[: contract.accuracy.terms]) > max(contract.accuracy.ulp, 0.5)
    bad &= ~((came == 0) & (np.abs(wanted) <= LEAST))
    bad[_outside(contract, given)] = False
    if contract.accuracy.zeros:
        bad |= (came == 0) & (wanted == 0) & (np.signbit(came) != np.signbit(wanted))
    return tuple(
        f"{contract.name}({', '.join(_text(x[i]) for x in given)}) = {_text(came[i])}"
        for i in np.flatnonzero(bad)
    )


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
        allowed = f"{r.contract.accuracy.ulp:g}" if r.contract.accuracy.ulp else "exact"
        at = ", ".join(_text(x) for x in r.worst) if r.ulp else ""
        special = "; ".join(r.wrong[:3]) or "right"
        verdict = "ok" if r.ok else "**broken**"
        lines.append(
            f"| {r.contract.name} | {allowed} | {r.ulp:.2f} | {at} | {special} | {verdict} |"
        )
    return "\n".join(lines) + "\n"


def written(old: str, section: str) -> str:
    """Return the text of a file of tables, in which a section takes the place of its device's."""
    heading = section.partition("\n")[0].removeprefix("## ")
    kept = [p.rstrip() for p in old.split("\n## ")[1:] if p.partition("\n")[0] != heading]
    sections = sorted([*kept, section.removeprefix("## ").rstrip()])
    return "\n\n## ".join([PREAMBLE.rstrip(), *sections]) + "\n"
