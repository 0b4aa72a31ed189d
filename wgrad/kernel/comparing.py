"""Arrays against exact ones: the worst error, relative and in steps of the type, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .reports import at

_FINEST = {"float16": np.float16, "float32": np.float32, "float64": np.float64}


@dataclass(frozen=True)
class Part:
    """One thing that was compared.

    `error` is the largest error relative to the value that was wanted (of integers and bools: the
    difference), `ulp` the same in steps between neighbouring numbers of the result's type, `where`
    the element that is worst. A part that could not be run is `skipped`, and `note` says why.
    """

    name: str
    device: str
    ok: bool
    error: float | None = None
    ulp: float | None = None
    where: tuple[int, ...] | None = None
    note: str = ""
    skipped: bool = False

    def cells(self) -> tuple[str, str, str, str]:
        """Return it as a row of a table."""
        state = "-" if self.skipped else "ok" if self.ok else "FAILED"
        said = []
        if self.error is not None:
            said.append(f"{self.error:.2g}")
            if self.ulp is not None:
                said.append(f"{self.ulp:.3g} ULP")
            if self.where:
                said.append(f"at {at(self.where)}")
        worst = " ".join(said)
        return state, self.name, self.device, "; ".join(x for x in (worst, self.note) if x)


def compared(
    name: str,
    device: str,
    actual: np.ndarray,
    wanted: np.ndarray,
    rtol: float,
    atol: float,
    scale: Any = 0.0,
    ulps: bool = True,
) -> Part:
    """Return how far `actual` is from `wanted`, which was computed in float64.

    Each element may be off by atol + rtol * its size, or `scale` where that is more; integers and
    bools have to be equal. A NaN is right where one is wanted.
    """
    if actual.shape != wanted.shape:
        return Part(name, device, False, note=f"shape {actual.shape}, and {wanted.shape} is wanted")
    if actual.size == 0:
        return Part(name, device, True, note="no elements")
    if actual.dtype.kind != "f":
        off = np.abs(actual.astype(np.float64) - wanted.astype(np.float64))
        return _worst(name, device, off, off == 0, off, None, actual, wanted)
    kind: Any = _FINEST[actual.dtype.name]
    with np.errstate(all="ignore"):
        nearest = wanted.astype(kind).astype(np.float64)  # an infinity, where it is beyond the type
        x = actual.astype(np.float64)
        y = np.where(np.isfinite(nearest), wanted.astype(np.float64), nearest)
        off = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, np.abs(x - y))
        off = np.where(np.isnan(off), np.inf, off)
        sizes = np.abs(np.where(np.isfinite(y), y, 0.0))
        allowed = atol + rtol * np.fmax(sizes, scale)
        step = np.abs(np.spacing(sizes.astype(kind))).astype(np.float64)
        tiny = np.finfo(kind).tiny
        relative = np.where(off == 0, 0.0, off / np.maximum(sizes, tiny))
        fits, rank = (off == 0) | (off <= allowed), off / allowed
        steps = off / step if ulps else None
    return _worst(name, device, relative, fits, rank, steps, actual, wanted)


def _worst(
    name: str, device: str, error: Any, fits: Any, rank: Any, ulp: Any, actual: Any, wanted: Any
) -> Part:
    """Return the part of the element that ranks worst."""
    order = np.where(np.isnan(rank), 0.0, rank)
    flat = int(np.argmax(np.where(fits, np.minimum(order, 1), np.maximum(order, 1) + 1)))
    where = tuple(int(i) for i in np.unravel_index(flat, actual.shape))
    note = ""
    if not fits.all():
        count = int(fits.size - np.count_nonzero(fits))
        note = f"{actual[where]!s} came, and {wanted[where]!s} is wanted"
        note += f"; {count} of {fits.size} elements are off" if fits.size > 1 else ""
    steps = None if ulp is None else float(np.asarray(ulp)[where])
    return Part(name, device, bool(fits.all()), float(error[where]), steps, where, note)
