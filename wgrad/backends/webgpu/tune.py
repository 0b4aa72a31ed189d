"""Measures which way a matrix product is computed fastest, and remembers it.

WGRAD_AUTOTUNE=1 measures every new kind of problem when it is first planned: each candidate has
to give the right product, then all are timed in turn, several rounds, by the GPU's clock. With 0,
the default, nothing is ever measured, but what was measured before is used.

Compiled pipelines are not kept on disk: wgpu-native 29 names a feature "pipeline-cache", but its C
interface has no function that makes, reads or passes on such a cache, and so wgpu 0.32 has none.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...errors import ArgumentError, WgradError, shown
from ...version import __version__
from . import shaders
from .cache import Results
from .configs import candidates
from .device import BATCH, Buffer, Gpu, Pipeline
from .problem import Config, Operand, Problem, Scratch

if TYPE_CHECKING:
    from .matmul import Matmul

ROUNDS = 5
LONG_ENOUGH = 1e6  # ticks of a timed submit: short work is repeated
HOPELESS = 2.0  # times slower than the best in the first round: not timed again
_SHADERS = ("matmul", "matmul_tiled", "matvec", "matmul_sum")
_log = logging.getLogger("wgrad")


def measuring() -> bool:
    """Return whether WGRAD_AUTOTUNE asks for measurements. Raises: ArgumentError."""
    value = os.environ.get("WGRAD_AUTOTUNE", "") or "0"
    if value not in ("0", "1"):
        raise ArgumentError(
            f"WGRAD_AUTOTUNE={shown(value)} came, and it must be 0 (use what was measured before) "
            "or 1 (measure each new kind of matrix product)"
        )
    return value == "1"


class Timing(NamedTuple):
    """A candidate that gave the right product, and the median of its times."""

    config: Config
    ticks: float


class Tuner:
    """The measured choices of one adapter."""

    def __init__(self, products: Matmul):
        self.products = products
        self.measuring = measuring()
        self.results = Results(about(products.gpu))

    def choose(self, problem: Problem) -> Config | None:
        """Return what was measured to be best, now or earlier; None where nothing is known."""
        possible = candidates(problem, self.products.gpu.is_software)
        known = self.results.get(problem.kind)
        for config in possible:
            if known == list(config):
                return config
        if not self.measuring:
            return None
        timings = measure(self.products, problem, possible)
        if not timings:
            return None
        best = min(timings, key=lambda t: t.ticks).config
        self.results.put(problem.kind, list(best))
        return best


def about(gpu: Gpu) -> dict[str, str]:
    """Return what measurements hold for: the adapter, its driver, and these very kernels."""
    keys = ("device", "vendor_id", "device_id", "description", "backend_type")
    text = "".join(shaders.source(name) for name in _SHADERS)
    return {
        **{key: str(gpu.info.get(key, "")) for key in keys},
        "wgrad": __version__,
        "shaders": hashlib.sha256(text.encode()).hexdigest()[:16],
    }


def measure(products: Matmul, problem: Problem, configs: Sequence[Config]) -> list[Timing]:
    """Return the median times of the configs that give the right product, in alternating rounds."""
    gpu = products.gpu
    runs: dict[Config, _Run] = {}
    with gpu.lock:
        bench = _Bench(products, problem)
        try:
            for config in configs:
                try:
                    run = bench.prepare(config)
                    right = bench.is_right(run)
                except WgradError as error:
                    _log.warning("wgrad: %s of %s failed: %s", config, problem.kind, error)
                    continue
                if right:
                    runs[config] = run
                else:
                    _log.warning("wgrad: %s of %s is wrong here", config, problem.kind)
            times: dict[Config, list[float]] = {config: [] for config in runs}
            for _ in range(ROUNDS):
                best = min((median(t) for t in times.values() if t), default=float("inf"))
                for config, run in runs.items():
                    if not times[config] or median(times[config]) <= HOPELESS * best:
                        times[config].append(run.time(gpu))
        finally:
            bench.close()
    return [Timing(config, median(t)) for config, t in times.items()]


class _Run:
    """The launches of a candidate, repeated so often that their time can be told."""

    def __init__(self, launches: list[tuple[Pipeline, tuple[Buffer, ...], bytes, int]]):
        self.launches = launches
        self.repeats = 1

    def once(self, gpu: Gpu) -> float:
        return gpu.timed(self.launches)

    def time(self, gpu: Gpu) -> float:
        ticks = gpu.timed(self.launches * self.repeats)
        most = BATCH // len(self.launches)
        if self.repeats == 1 and ticks < LONG_ENOUGH and most > 1:
            self.repeats = min(most, int(LONG_ENOUGH / max(ticks, 1.0)) + 1)
            ticks = gpu.timed(self.launches * self.repeats)
        return ticks / self.repeats


class _Bench:
    """Random operands as a problem wants them, their product, and memory for results."""

    def __init__(self, products: Matmul, problem: Problem):
        self.products, self.problem = products, problem
        gpu = products.gpu
        rng = np.random.default_rng(0)
        self._made: list[Buffer] = []
        # Whatever the strides are, the operands lie in memory that begins at 0.
        sides = [(problem.a, problem.m, problem.k), (problem.b, problem.k, problem.n)]
        views = []
        for which, (operand, rows, columns) in zip("ab", sides, strict=True):
            shape = (*problem.batch, rows, columns)
            data, view = _random(rng, operand, shape, problem.dtype.numpy)
            buffer = self._buffer(data.nbytes)
            gpu.write(buffer, data, data.nbytes)
            views.append(view.astype(np.float64))
            setattr(self, which, buffer)
        self.exact = (views[0] @ views[1]).reshape(-1)
        # Sums of k products of numbers around 1, each step off by half a unit in the last place.
        self.tolerance = 2.0**-20 * (problem.k + 16) if problem.dtype.is_floating else 0.0
        self.out = self._buffer(4 * problem.size)
        self.poison = np.full(problem.size, 99, problem.dtype.numpy)
        self.scratch: Buffer | None = None

    a: Buffer
    b: Buffer

    def _buffer(self, nbytes: int) -> Buffer:
        made = self.products.gpu.create_buffer(max(256, nbytes + -nbytes % 16))
        self._made.append(made)
        return made

    def prepare(self, config: Config) -> _Run:
        """Return a candidate ready to run."""
        launches = []
        for kernel, params, groups, buffers in self.products.plan(self.problem, config=config):
            bound = tuple([self._role(which) for which in buffers])
            launches.append((self.products.pipeline(kernel), bound, params, groups))
        return _Run(launches)

    def _role(self, which: str | int | Scratch) -> Buffer:
        if isinstance(which, Scratch):
            if self.scratch is None or self.scratch.nbytes < which.nbytes:
                self.scratch = self._buffer(which.nbytes)
            return self.scratch
        return {"a": self.a, "b": self.b, 0: self.out}[which]

    def is_right(self, run: _Run) -> bool:
        """Run a candidate over a poisoned result and compare it with NumPy's product."""
        gpu, problem = self.products.gpu, self.problem
        gpu.write(self.out, self.poison, self.poison.nbytes)
        run.once(gpu)
        seen = np.frombuffer(gpu.read(self.out, 0, 4 * problem.size), problem.dtype.numpy)
        return bool((np.abs(seen - self.exact) <= self.tolerance).all())

    def close(self) -> None:
        for buffer in self._made:
            self.products.gpu.drop_buffer(buffer)


def _random(
    rng: np.random.Generator, operand: Operand, shape: tuple[int, ...], dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """Return random memory for an operand, and the operand in it."""
    steps = (*operand.batch, operand.row, operand.column)
    spans = [(n - 1) * s for n, s in zip(shape, steps, strict=True)]
    size = operand.offset + sum(s for s in spans if s > 0) + 1
    if dtype == np.float32:
        data = rng.standard_normal(size, dtype=np.float32)
    else:
        data = rng.integers(0 if dtype == np.uint32 else -9, 10, size).astype(dtype)
    view = np.lib.stride_tricks.as_strided(
        data[operand.offset :], shape, [s * data.itemsize for s in steps], writeable=False
    )
    return data, view
