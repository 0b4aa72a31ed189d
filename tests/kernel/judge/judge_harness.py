"""A row's op with its derivatives of both orders and modes, and what they are to be.

In float64 on the NumPy device they are compared with differences; then both devices, eager and
compiled, in float32, with what NumPy gave in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from judge_table import POINTS, TABLE, Row

import wgrad as wg

STEP = 1e-3
NAMES = "value", "reverse", "forward", "reverse of reverse", "forward of forward"
LOOSER = 1, 4, 4, 20, 20  # than the value's tolerance


class Trial:
    """A row's op, its inputs, and the weights and tangents of its derivatives, all in float64."""

    def __init__(self, row: Row):
        self.row = row
        self.op = op = row.op()
        self.inputs = row.inputs(op)
        rng = np.random.default_rng(3)
        floats = op.function.result.dtype.is_floating
        forms = op.function.inputs
        self.active = [i for i, x in enumerate(forms) if floats and x.dtype.is_floating]

        def drawn(form: Any) -> np.ndarray:
            numbers = rng.uniform(-1, 1, (POINTS, *form.inner)).astype(np.float32)
            return numbers.astype("float16" if form.dtype is wg.float16 else "float64")

        self.w = drawn(op.function.result)
        self.v = [drawn(forms[i]) for i in self.active]
        self.u = [drawn(forms[i]) for i in self.active]
        self.units = self._units()
        self._moved: dict[int, np.ndarray] = {}  # by a change that the trial itself holds

    def arrays(self) -> tuple[list, ...]:
        """Return all numbers that the derivatives are of: what `derived` takes."""
        return self.inputs, [self.w] if self.active else [], self.v, self.u

    def derived(
        self, ways: Sequence[int], inputs: Sequence, w: Sequence, v: Sequence, u: Sequence
    ) -> list[wg.Tensor]:
        """Return the value and the derivatives of some ways: their places in NAMES."""
        if not self.active:
            return [self.op(*inputs)]

        def f(*active: wg.Tensor) -> wg.Tensor:
            full = list(inputs)
            for i, x in zip(self.active, active, strict=True):
                full[i] = x
            return self.op(*full)

        def pulled(*active: wg.Tensor) -> Any:
            return as_tuple(wg.vjp(f, *active)[1](w[0]))

        def along(*active: wg.Tensor) -> wg.Tensor:
            terms = [(g * x).sum() for g, x in zip(pulled(*active), v, strict=True)]
            return sum(terms[1:], terms[0])

        def pushed(*active: wg.Tensor) -> wg.Tensor:
            return wg.jvp(f, active, tuple(v))[1]

        x = tuple(inputs[i] for i in self.active)
        every = tuple(range(len(x)))
        made = (
            lambda: f(*x),
            lambda: self._flat(pulled(*x)),
            lambda: pushed(*x),
            lambda: self._flat(wg.grad(along, every)(*x)),
            lambda: wg.jvp(pushed, x, tuple(u))[1],
        )
        return [made[way]() for way in ways]

    def _flat(self, parts: Any) -> wg.Tensor:
        """Return gradients as one tensor: (points, components)."""
        return wg.concat([x.reshape(POINTS, -1) for x in as_tuple(parts)], -1)

    # Differences, in float64 on NumPy.

    def moved(self, change: Sequence[np.ndarray], scale: float = 1.0) -> np.ndarray:
        """Return the derivative along v, u or a unit: (points, components)."""
        if scale == 1 and id(change) in self._moved:
            return self._moved[id(change)]
        steps = np.array([1, -1, 2, -2]) * STEP * scale
        values = self._near(steps, change, lambda *x: self.op(*x))
        found = (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * STEP * scale)
        if scale == 1:
            self._moved[id(change)] = found
        return found

    def moved_slope(self, change: Sequence[np.ndarray]) -> np.ndarray:
        """Return the derivative along a change of the gradient, and then of the tangent by v."""
        steps = np.array([1, -1, 2, -2]) * STEP

        def slopes(*full: wg.Tensor) -> wg.Tensor:
            x = tuple(full[i] for i in self.active)

            def f(*active: wg.Tensor) -> wg.Tensor:
                given = list(full)
                for i, y in zip(self.active, active, strict=True):
                    given[i] = y
                return self.op(*given)

            def wide(y: np.ndarray) -> wg.Tensor:
                return wg.tensor(np.broadcast_to(y, (4, *y.shape)), dtype="float64")

            found = as_tuple(wg.vjp(f, *x)[1](wide(self.w)))
            tangent = wg.jvp(f, x, tuple(map(wide, self.v)))[1]
            parts = [y.reshape(4, POINTS, -1) for y in (*found, tangent)]
            return wg.concat(parts, -1)

        values = self._near(steps, change, slopes)
        return (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * STEP)

    def _near(self, steps: np.ndarray, change: Sequence[np.ndarray], f: Callable) -> np.ndarray:
        full: list[Any] = [wg.tensor(np.broadcast_to(x, (4, *x.shape))) for x in self.inputs]
        for i, d in zip(self.active, change, strict=True):
            x = self.inputs[i].astype(np.float64)
            by = steps.reshape(4, *[1] * x.ndim)
            full[i] = wg.tensor(x + by * d, dtype="float64")
        with wg.no_grad():
            return f(*full).numpy().reshape(4, POINTS, -1)

    def _units(self) -> list[list[np.ndarray]]:
        """Return a change for each component of the active inputs."""
        found = []
        for k, i in enumerate(self.active):
            for place in np.ndindex(self.op.function.inputs[i].inner):
                change = [np.zeros_like(x) for x in self.v]
                change[k][(slice(None), *place)] = 1.0
                found.append(change)
        return found


@cache
def trial(row_name: str) -> Trial:
    return Trial(next(r for r in TABLE if r.name == row_name))


@cache
def exact(row_name: str, way: int) -> np.ndarray:
    """Return the value or a derivative (its place in NAMES) of float64 on NumPy, eager."""
    t = trial(row_name)
    with wg.device("numpy"):
        return t.derived([way], *tensors(t, "float64"))[0].numpy()


def tensors(t: Trial, floats: str) -> list[list[wg.Tensor]]:
    def made(x: np.ndarray) -> wg.Tensor:
        wide = x.dtype.kind == "f" and x.dtype != np.float16
        return wg.tensor(x, dtype=floats if wide else x.dtype.name)

    return [[made(x) for x in part] for part in t.arrays()]


@cache
def smooth(row_name: str) -> np.ndarray:
    """Return at which points differences say something: they do not change with their step."""
    t = trial(row_name)
    good = np.ones(POINTS, bool)
    with wg.device("numpy"), np.errstate(all="ignore"):
        for change in (t.v, t.u, *t.units):
            one, half = t.moved(change), t.moved(change, 0.5)
            bound = 1e-6 * np.maximum(1, np.abs(one).max(-1))
            good &= np.abs(one - half).max(-1) < bound
    return good


def far(found: np.ndarray, right: np.ndarray, tolerance: float) -> np.ndarray:
    """Return at which points numbers are apart: of floats by more than a part of the largest."""
    found, right = (x.reshape(POINTS, -1) for x in (found, right))
    if right.dtype.kind != "f":
        return (found != right).any(-1)
    size = np.maximum(1.0, np.abs(right).max(-1, keepdims=True))
    return ~(np.abs(found - right) <= tolerance * size).all(-1)


def as_tuple(found: Any) -> tuple:
    """Return gradients as a tuple, where one alone comes by itself."""
    return found if isinstance(found, tuple) else (found,)


def faults_of_differences(row: Row, twice: bool = True) -> list[str]:
    """Return where derivatives in float64 are not those of differences, second ones if `twice`."""
    t = trial(row.name)
    if not t.active or not row.smooth:
        return [] if np.isfinite(exact(row.name, 0)).all() else ["not finite"]
    good = smooth(row.name)
    if good.sum() < POINTS - 3:
        return ["nearly all points are at kinks"]
    w, units = t.w.reshape(POINTS, -1), t.units
    right = [np.stack([(t.moved(e) * w).sum(-1) for e in units], -1), t.moved(t.v)]
    if twice:
        right += [t.moved_slope(t.v)[:, : len(units)], t.moved_slope(t.u)[:, len(units) :]]
    pairs = [(exact(row.name, way), x) for way, x in enumerate(right, 1)]
    return _faults(NAMES[1:], pairs, [1e-7] * 4, good)


def faults_of_devices(rows: Sequence[Row], ways: Sequence[Sequence[int]], compiled: bool) -> list:
    """Return where the default device does not give what float64 does."""
    trials = [trial(row.name) for row in rows]
    given = [tensors(t, "float32") for t in trials]

    def step(given: list) -> list:
        return [t.derived(k, *x) for t, k, x in zip(trials, ways, given, strict=True)]

    if compiled:
        step = wg.compile(step)
        step(given)
    faults = []
    for t, chosen, parts in zip(trials, ways, step(given), strict=True):
        row = t.row
        good = smooth(row.name) if t.active and row.smooth else np.ones(POINTS, bool)
        pairs = [(x.numpy(), exact(row.name, way)) for way, x in zip(chosen, parts, strict=False)]
        bounds = [row.tolerance * LOOSER[way] for way in chosen]
        names = [f"{row.name}, {NAMES[way]}" for way in chosen]
        faults += _faults(names, pairs, bounds, good)
    return faults


def _faults(names: Sequence[str], pairs: Any, bounds: Sequence[float], good: np.ndarray) -> list:
    faults = []
    for name, (found, right), bound in zip(names, pairs, bounds, strict=False):
        wrong = far(found, right, bound) & good
        if wrong.any():
            faults.append(f"{name}: {found[wrong]} instead of {right[wrong]}")
    return faults
