"""When results count as different: by how much, where, and what rounding is forgiven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TOLERANCE = 1e-4  # of a result's largest magnitude, for float32; float64 is held to its square,
# and float16 to its root
SMALL = 0.01  # what a smaller magnitude counts as: where terms cancel, rounding errors are left

Results = Sequence[tuple[str, np.ndarray]]  # by name, in an order that both sides have


@dataclass(frozen=True)
class Difference:
    """Where a result is furthest from what is right."""

    name: str
    size: float
    place: tuple[int, ...]
    right: float
    computed: float

    def __str__(self) -> str:
        where = f"{self.name}, at {list(self.place)}"
        return f"{self.size:.3g} in {where}: {self.computed!r}, where {self.right!r} is right"


def differences(right: Results, computed: Results, tolerance: float) -> list[Difference]:
    """Return the results that differ by more than the tolerance, in order."""
    made = [
        _difference(name, x, y, tolerance)
        for (name, x), (_, y) in zip(right, computed, strict=True)
    ]
    return [difference for difference in made if difference is not None]


def largest(right: Results, computed: Results, tolerance: float) -> Difference | None:
    """Return the largest difference that is beyond the tolerance, or None."""
    return max(differences(right, computed, tolerance), key=lambda d: d.size, default=None)


def _difference(
    name: str, right: np.ndarray, computed: np.ndarray, tolerance: float
) -> Difference | None:
    if not right.size:
        return None
    x, y = (a.astype(np.float64).reshape(-1) for a in (right, computed))
    with np.errstate(invalid="ignore"):
        off = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, np.abs(x - y))
    off = np.where(np.isnan(off), np.inf, off)
    allowed = 0.0
    if right.dtype.kind == "f":
        scale = np.abs(x[np.isfinite(x)]).max(initial=SMALL)
        allowed = scale * tolerance ** {2: 0.5, 4: 1.0, 8: 2.0}[right.dtype.itemsize]
    at = int(off.argmax())
    if off[at] <= allowed:
        return None
    place = tuple(int(i) for i in np.unravel_index(at, right.shape))
    return Difference(name, float(off[at]), place, float(x[at]), float(y[at]))
