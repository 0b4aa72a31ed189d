"""Generated derivatives against differences of the same function in Python, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from derive_cases import CASES, Case
from derive_harness import Batch, arguments_of, function_of, size
from differences import derivative

from wgrad.kernel.derive import pull, push
from wgrad.kernel.derive.terms import has_float

POINTS = 6
PER_SHADER = 5  # a shader twice as long takes more than twice the time to compile
GROUPS = [CASES[i : i + PER_SHADER] for i in range(0, len(CASES), PER_SHADER)]


class Trial:
    """A case: its derivatives of both orders, where they are taken, and what they should be."""

    def __init__(self, case: Case, batch: Batch, rng: np.random.Generator):
        self.case = case
        self.function = f = function_of(case.text)
        self.active = active = [i for i, kind in enumerate(f.parameters) if has_float(kind)]
        self.moves = np.concatenate([np.full(size(k), has_float(k)) for k in f.parameters])
        shape = (POINTS, len(self.moves))
        floats = rng.uniform(case.low, case.high, shape).astype(np.float32)
        self.points = np.where(self.moves, floats, rng.integers(0, 6, shape)).astype(np.float64)
        n, m = int(self.moves.sum()), size(f.result)
        self.v = rng.uniform(-1, 1, (POINTS, n)).astype(np.float32).astype(np.float64)
        self.u = rng.uniform(-1, 1, (POINTS, n)).astype(np.float32).astype(np.float64)
        self.w = rng.uniform(-1, 1, (POINTS, m)).astype(np.float32).astype(np.float64)
        pulled, pushed = pull(f, active), push(f, active)
        both = [*active, len(f.parameters)]
        twice = pull(pulled, both)
        again = push(pushed, active)
        x, w, v, u = self.points, self.w, self.v, self.u
        self.jobs = {
            "reverse": batch.add(pulled, np.hstack([x, w])),
            "forward": batch.add(pushed, np.hstack([x, v])),
            "reverse of reverse": batch.add(twice, np.hstack([x, w, v])),
            "forward of forward": batch.add(again, np.hstack([x, v, u])),
        }

    def at(self, k: int, moved: np.ndarray) -> np.ndarray:
        """Return what the reference gives near a point."""
        numbers = self.points[k].copy()
        numbers[self.moves] += moved
        found: Any = self.case.reference(*arguments_of(self.function.parameters, numbers))
        return np.asarray(found, np.float64).reshape(-1)

    def expected(self, k: int) -> dict[str, np.ndarray]:
        """Return the derivatives at a point."""
        n = int(self.moves.sum())
        basis = np.eye(n)
        along = derivative(lambda t: self.at(k, t * self.v[k]))
        jacobian = np.stack([derivative(lambda t, e=e: self.at(k, t * e)) for e in basis])

        def second(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            return derivative(lambda r: derivative(lambda t: self.at(k, r * a + t * b)))

        # Differences across a jump or a kink say nothing: they change with their step.
        for a in (self.u[k], self.v[k], *basis):
            twice, half = second(a, a), 4 * second(a / 2, a / 2)
            if not np.allclose(twice, half, rtol=1e-4, atol=1e-4):
                return {}

        curved = np.stack([second(e, self.v[k]) for e in basis])
        return {
            "reverse": jacobian @ self.w[k],
            "forward": along,
            "reverse of reverse": np.concatenate([curved @ self.w[k], along]),
            "forward of forward": second(self.u[k], self.v[k]),
        }


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group[0].name)
def test_derivatives_of_both_orders_are_those_of_differences(
    group: list[Case], webgpu: Any
) -> None:
    batch = Batch()
    rng = np.random.default_rng(7)
    trials = [Trial(case, batch, rng) for case in group]
    results = batch.run(webgpu)
    wrong = []
    for trial in trials:
        smooth = 0
        for k in range(POINTS):
            found = trial.expected(k)
            smooth += bool(found)
            for way, expected in found.items():
                got = results[trial.jobs[way]][k]
                rtol, atol = (1e-3, 2e-4) if " of " not in way else (5e-3, 2e-3)
                scale = max(1.0, float(np.abs(expected).max()))
                if not np.allclose(got, expected, rtol=rtol, atol=atol * scale):
                    wrong.append(
                        f"{trial.case.name}, {way}: {got} instead of {expected}"
                        f" at {trial.points[k]}"
                    )
        assert smooth >= POINTS - 3, trial.case.name
    assert not wrong, f"{len(wrong)} wrong:\n" + "\n".join(wrong[:20])
