"""Random programs of all families of ops: compiled they do what they do eagerly, call after call.

One kind has views, reductions, products, lookups, writes to state, gradients and steps of an
optimizer, over new values at every call. One is made of the ops of a few, over infinities, NaN and
subnormal numbers. One calls a row of the table of ops with operands that are the same all over,
which compiled programs fold into numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import test_fuzz_compile as fuzz
from randomized import KINDS, SHAPES, random_case
from table import ROWS

import wgrad as wg
from wgrad.backends.base import Device

SHARE = 3  # new kernels are slow to compile
CALLS = 4
LONGEST = 24  # ops
TOLERANCE = {"numpy": 1e-4, "webgpu": 1e-3}
SAME = {
    "f": (0.0, -0.0, 1.0, 2.0, 0.3, np.inf, -np.inf, np.nan),
    "i": (0, 1, 2),
    "u": (0, 1, 2),
    "b": (True, False),
}


def attempt(rng: np.random.Generator, device: Device) -> str | None:
    kind = (_state, _state, _edges, _folded)[int(rng.integers(4))]
    return kind(rng, device)


def _compiled(f: Callable, rng: np.random.Generator, device: Device) -> Callable:
    fuse = device.name != "numpy" or rng.random() < 0.7
    return wg.compile(lambda *args: f(*args), fuse=fuse)


def _unlike(
    found: Sequence[np.ndarray], right: Sequence[np.ndarray], tolerance: float
) -> str | None:
    """Return how results differ, or None."""
    if len(found) != len(right):
        return f"{len(found)} results, {len(right)} eagerly"
    for i, (a, b) in enumerate(zip(found, right, strict=True)):
        if (a.dtype, a.shape) != (b.dtype, b.shape):
            return f"result {i} is {a.dtype}{a.shape}, eagerly {b.dtype}{b.shape}"
        with np.errstate(all="ignore"):
            close = np.isclose(a, b, tolerance, tolerance, equal_nan=a.dtype.kind == "f")
        if not close.all():
            return f"result {i} differs, {a[~close][:3]}, eagerly {b[~close][:3]}"
    return None


def _state(rng: np.random.Generator, device: Device) -> str | None:
    plan = [
        (int(rng.integers(len(fuzz.OPS))), *(int(rng.integers(n)) for n in (6, 17, 17)))
        for _ in range(int(rng.integers(1, LONGEST)))
    ]
    shape = tuple(int(n) for n in rng.integers(1, 5, int(rng.integers(1, 4))))
    mode = ("values", "gradient", "step", "accumulate")[int(rng.integers(4))]
    double = device.name == "numpy" and rng.random() < 0.3
    world = (plan, shape, mode, "float64" if double else "float32")
    right = fuzz.history(fuzz.World(*world), lambda f: f, CALLS)
    found = fuzz.history(fuzz.World(*world), lambda f: _compiled(f, rng, device), CALLS)
    wrong = _unlike(found, right, TOLERANCE[device.name])
    return wrong and f"World{world}: {wrong}"


def _edges(rng: np.random.Generator, device: Device) -> str | None:
    ops = [
        (KINDS[int(rng.integers(len(KINDS)))], *(int(rng.integers(21)) for _ in range(3)))
        for _ in range(int(rng.integers(1, 9)))
    ]
    shapes = [SHAPES[int(rng.integers(len(SHAPES)))] for _ in range(int(rng.integers(1, 4)))]
    case = (ops, shapes, bool(rng.random() < 0.5), bool(rng.random() < 0.3))
    found = []
    for change in (lambda f: f, lambda f: _compiled(f, rng, device)):
        wg.manual_seed(0)
        f, args = random_case(*case)
        run = change(f)
        found.append([x.numpy() for _ in range(3) for x in run(*args)])
    wrong = _unlike(found[1], found[0], TOLERANCE[device.name])
    return wrong and f"random_case{case}: {wrong}"


def _folded(rng: np.random.Generator, device: Device) -> str | None:
    row = ROWS[int(rng.integers(len(ROWS)))]
    dtypes = [d for d in row.dtypes if device.name == "numpy" or d != "float64"]
    if not dtypes:
        return None
    arrays = row.samples(rng, dtypes[int(rng.integers(len(dtypes)))])
    same: dict[int, Any] = {}
    for i, x in enumerate(arrays):
        if x.size and rng.random() < 0.5:
            chosen = SAME[x.dtype.kind] if row.args[i].kind != "index" else (x.flat[0].item(),)
            same[i] = chosen[int(rng.integers(len(chosen)))]

    def call(*args: wg.Tensor) -> wg.Tensor:
        filled = [
            wg.full(x.shape, same[i], x.dtype) if i in same else x for i, x in enumerate(args)
        ]
        return row.call(*filled)

    inputs = [wg.tensor(x, x.dtype) for x in arrays]
    try:
        right = call(*inputs).numpy()
        found = _compiled(call, rng, device)(*inputs).numpy()
    except wg.errors.WgradError:
        return None  # values that the op does not take, or takes from outside alone
    wrong = _unlike([found], [right], max(4 * row.rtol, 1e-6))
    return wrong and f"{row.id} of {[str(x.dtype) for x in arrays]} with {same}: {wrong}"
