"""Integer programs that compute indices: compiled and uncompiled on a device, and NumPy.

A program is a chain of integer operations over arguments and constants, whose end is the index of
one of the operations that take some; it runs uncompiled, and compiled several times with new
values. Whatever the host thinks that values lie between has to hold. Where an index is out of
range, the compiled call has to raise: on NumPy at once, on a GPU by the next wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import wgrad as wg
from wgrad.backends.base import Device

RUNS = 4
SHARE = 6
Pair = tuple[Any, Any]  # the same integers as a tensor and in NumPy
Operation = Callable[[np.random.Generator], Callable[..., Pair]]


def _unary(ours: Callable, numpy: Callable | None = None) -> Callable[[Pair], Pair]:
    return lambda p: (ours(p[0]), (numpy or ours)(p[1]))


def _arithmetic(rng: np.random.Generator) -> Callable[[Pair], Pair]:
    k, small = int(rng.integers(-4, 9)), int(rng.integers(1, 9))
    return [
        _unary(lambda x: x + k),
        _unary(lambda x: k - x),
        _unary(lambda x: x * k),
        _unary(lambda x: -x),
        _unary(lambda x: x % small),
        _unary(lambda x: x % -small),
        _unary(lambda x: x // small),
        _unary(lambda x: x & small),
        _unary(lambda x: x | small),
        _unary(lambda x: x ^ small),
        _unary(lambda x: x >> (small % 4)),
        _unary(lambda x: x << (small % 3)),
        _unary(lambda x: ~x),
        _unary(abs),
        _unary(wg.sign, np.sign),
        _unary(wg.square, np.square),
        _unary(lambda x: wg.clip(x, -small, k + 4), lambda x: np.clip(x, -small, k + 4)),
        _unary(lambda x: wg.minimum(x, small), lambda x: np.minimum(x, small)),
        _unary(lambda x: wg.maximum(x, 0), lambda x: np.maximum(x, 0)),
        _unary(lambda x: wg.where(x < k, small, x), lambda x: np.where(x < k, small, x)),
        _unary(
            lambda x: (x > k).astype(wg.int32) * small, lambda x: (x > k).astype(np.int32) * small
        ),
    ][int(rng.integers(21))]


def _movement(rng: np.random.Generator) -> Callable[[Pair], Pair]:
    n = int(rng.integers(1, 4))
    return [
        _unary(lambda x: wg.roll(x, n), lambda x: np.roll(x, n)),
        _unary(lambda x: x[::-1]),
        _unary(lambda x: x[n % x.shape[0] :]),
        _unary(lambda x: wg.concat([x, x[:1]]), lambda x: np.concatenate([x, x[:1]])),
        _unary(lambda x: wg.pad(x, 1, value=n), lambda x: np.pad(x, 1, constant_values=n)),
        _unary(lambda x: wg.repeat(x, 2), lambda x: np.repeat(x, 2)),
        _unary(lambda x: x.copy()),
        _unary(wg.argsort, lambda x: np.argsort(x, kind="stable")),
        _unary(wg.sort, np.sort),
        _unary(wg.cumulative_sum, np.cumsum),
        _unary(lambda x: wg.max(x) + x * 0, lambda x: np.max(x) + x * 0),
        _unary(lambda x: wg.sum(x) - x, lambda x: np.sum(x) - x),
        _unary(lambda x: wg.argmax(x) + x % 2, lambda x: np.argmax(x) + x % 2),
        _unary(lambda x: wg.take(x, x % x.shape[0]), lambda x: x[x % x.shape[0]]),
    ][int(rng.integers(14))]


def _binary(rng: np.random.Generator) -> Callable[[Pair, Pair], Pair]:
    def both(ours: Callable, numpy: Callable | None = None) -> Callable[[Pair, Pair], Pair]:
        def run(a: Pair, b: Pair) -> Pair:
            n = min(a[1].shape[0], b[1].shape[0])
            return ours(a[0][:n], b[0][:n]), (numpy or ours)(a[1][:n], b[1][:n])

        return run

    return [
        both(lambda a, b: a + b),
        both(lambda a, b: a - b),
        both(lambda a, b: a * b),
        both(lambda a, b: a % (b * b + 1)),
        both(lambda a, b: a // (b * b + 1)),
        both(wg.maximum, np.maximum),
        both(wg.minimum, np.minimum),
        both(lambda a, b: wg.where(a < b, a, b), lambda a, b: np.where(a < b, a, b)),
        both(lambda a, b: wg.concat([a, b]), lambda a, b: np.concatenate([a, b])),
        both(lambda a, b: a & b),
        both(lambda a, b: a ^ b),
    ][int(rng.integers(11))]


class _Program:
    """A chain of steps over two arguments and a constant, and what its end is the index of."""

    def __init__(self, rng: np.random.Generator):
        self.size = int(rng.integers(1, 13))
        self.steps: list[tuple[Callable, tuple[int, ...]]] = []
        for count in range(3, 3 + int(rng.integers(1, 7))):
            kind = rng.random()
            made = _arithmetic if kind < 0.5 else _movement if kind < 0.8 else _binary
            some = tuple(int(i) for i in rng.integers(0, count, 2 if made is _binary else 1))
            if rng.random() < 0.6:
                some = (count - 1, *some[1:])
            self.steps.append((made(rng), some))
        self.family = int(rng.integers(8))
        self.constant = rng.integers(0, self.size, 5).astype(np.int32)
        self.moved = bool(rng.random() < 0.4)  # whether the end is moved into range

    def index(self, *arguments: Pair) -> list[Pair]:
        """Return all values, the index last."""
        found = list(arguments)
        for step, some in self.steps:
            found.append(step(*[found[i] for i in some]))
        ours, theirs = found[-1]
        if self.moved:
            found.append((ours % self.size, theirs % self.size))
        return found

    def ours(self, x: Any, i: Any) -> Any:
        n = i.shape[0]
        match self.family:
            case 0:
                return wg.take(x, i, 0)
            case 1:
                return wg.nn.functional.embedding(i, x)
            case 2:
                return x[i]
            case 3:
                return wg.take_along_axis(x, wg.reshape(i, (n, 1)), 0)
            case 4:
                return wg.scatter_add(x, wg.broadcast_to(i[:, None], (n, 2)), wg.ones((n, 2)), 0)
            case 5:
                y = x.copy()
                y[i] = wg.reshape(wg.arange(2 * n, dtype=float), (n, 2))
                return y
            case 6:
                return wg.one_hot(i, x.shape[0])
        scores = wg.broadcast_to(x[:, 0], (n, x.shape[0]))
        return wg.nn.functional.nll_loss(scores, i, "sum")

    def numpy(self, x: np.ndarray, i: np.ndarray) -> Any:
        n = i.shape[0]
        match self.family:
            case 3:
                return np.take_along_axis(x, i.reshape(n, 1), 0)
            case 4:
                y = x.copy()
                np.add.at(y, i, np.ones((n, 2)))
                return y
            case 5:
                y = x.copy()
                y[i] = np.arange(2 * n).reshape(n, 2)
                return y
            case 6:
                return np.eye(x.shape[0])[i]
            case 7:
                return -x[i, 0].sum()
        return x[i]

    @property
    def least(self) -> int:
        """The least index in range."""
        return -self.size if self.family in (0, 2, 3, 5) else 0


def attempt(rng: np.random.Generator, device: Device) -> str | None:
    program = _Program(rng)
    table = rng.integers(-50, 50, (program.size, 2)).astype(np.float32)
    x, constant = wg.tensor(table), wg.tensor(program.constant)
    state = wg.zeros(program.size)

    def function(a: Any, b: Any) -> Any:
        pairs = [(t, np.zeros(t.shape, np.int32)) for t in (a, b, constant)]
        with np.errstate(all="ignore"):
            out = program.ours(x, program.index(*pairs)[-1][0])
        state.assign(state + 1.0)
        return out

    compiled = wg.compile(function)
    counted, on_host = 0, device.name == "numpy"
    for run in range(RUNS):
        wide = 3 * program.size if rng.random() < 0.3 else program.size
        host = [rng.integers(-1 if wide > program.size else 0, wide, 5) for _ in range(2)]
        arguments = [wg.tensor(h.astype(np.int32)) for h in host]
        if rng.random() < 0.3:  # computed, so that the host knows nothing of it
            shifted = arguments[0].astype(wg.float32) + 0.25
            arguments[0] = wg.floor(shifted).astype(wg.int32)
        theirs = [*(h.astype(np.int32) for h in host), program.constant]
        with np.errstate(all="ignore"):
            values = program.index(*zip([*arguments, constant], theirs, strict=True))
        for number, (mine, right) in enumerate(values):
            found = mine.numpy()
            if (found != right).any():
                return f"value {number} is {found.tolist()}, NumPy has {right.tolist()}"
            known = mine.array.storage.bounds
            if known is not None and not known[0] <= found.min() <= found.max() <= known[1]:
                return f"value {number}, {found.tolist()}, is not within {known}"
        at = values[-1][1]
        fits = program.least <= at.min() and at.max() < program.size
        for how in ("uncompiled", "compiled"):
            try:
                if how == "compiled":
                    found = compiled(*arguments)
                else:
                    found = program.ours(x, values[-1][0])
                if not on_host and how == "compiled" and not fits:
                    device.synchronize()
            except wg.errors.IndexRangeError as error:
                if fits:
                    return f"run {run}, {how}: {error}; the index is {at.tolist()}"
                if "out of range" not in str(error):
                    return f"run {run}, {how}: {error}"
                if "compiled function" in str(error) and "indices.py, line" not in str(error):
                    return f"run {run}: no line in {error}"
                continue
            if not fits:
                return f"run {run}, {how}: no error for {at.tolist()} of {program.size}"
            counted += how == "compiled"
            right = program.numpy(table.astype(np.float64), at)
            if not np.allclose(found.numpy(), right):
                return f"run {run}, {how}: {found.tolist()}, and NumPy has {right.tolist()}"
        if not (state.numpy() == counted).all():
            return f"run {run}: {counted} runs were right, and the state is {state.tolist()}"
    return None
