"""Derivatives by differences, for the tests alone: `wg.gradcheck` is not its own judge.

Central differences over five points in float64: with h = 1e-3 the error is about 1e-12 of the
fifth derivative, and the rounding about 1e-13 of the value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

import wgrad as wg

STEP = 1e-3


def derivative(f: Callable[[float], np.ndarray]) -> np.ndarray:
    """Return f'(0)."""
    near = f(STEP) - f(-STEP)
    far = f(2 * STEP) - f(-2 * STEP)
    return (8 * near - far) / (12 * STEP)


def jacobian(
    f: Callable[..., wg.Tensor],
    arrays: Sequence[np.ndarray],
    position: int,
    entries: Sequence[tuple[int, ...]] | None = None,
) -> np.ndarray:
    """Return d f / d arrays[position] at float64 arrays. Shape: (*output, *input).

    By some entries alone its shape is (*output, number of entries).
    """
    point = arrays[position]
    columns = []
    for entry in np.ndindex(*point.shape) if entries is None else entries:

        def along(t: float, entry: tuple[int, ...] = entry) -> np.ndarray:
            moved = point.copy()
            moved[entry] += t
            full = [*arrays[:position], moved, *arrays[position + 1 :]]
            with wg.no_grad():
                return f(*(wg.tensor(x, dtype=x.dtype) for x in full)).numpy()

        columns.append(derivative(along))
    stacked = np.stack(columns, axis=-1) if columns else np.zeros(0)
    return stacked.reshape(*stacked.shape[:-1], *point.shape) if entries is None else stacked


def assert_close(found: np.ndarray, expected: np.ndarray, message: str = "") -> None:
    """Check a float64 derivative against differences, relative to the largest entry."""
    size = max(1.0, np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8 * size, err_msg=message)
