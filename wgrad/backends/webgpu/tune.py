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
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

from ...dtypes import float16
from ...environment import AUTOTUNE
from ...errors import WgradError
from ...layout import Shape
from ...recent import Recent
from ...version import __version__
from ..shader import Groups
from . import shaders
from .buffers import Buffer
from .cache import Results
from .configs import candidates, default
from .gpu import BATCH, Gpu
from .matmul import Products
from .pipelines import Pipeline
from .problem import Config, Operand, Problem, Scratch

ROUNDS = 7
TRIALS = 2  # rounds that every candidate takes part in: one may be disturbed
LARGEST = 1 << 26  # elements of an operand or a result that are worth measuring
WORTH = 0.95  # of the default's time: nothing slower takes its place
LONG_ENOUGH = 1e6  # nanoseconds of a timed submit: short work is repeated
CHOICES_KEPT = 1024  # of kernels, by problem
HOPELESS = 1.5  # times slower than the best at its best: not timed again
_SHADERS = ("matmul", "lib/shuffle", "lib/walk", "matmul_tiled", "matvec", "matmul_sum")
_log = logging.getLogger("wgrad")


class Timing(NamedTuple):
    """A candidate that gave the right product, and the median of its times."""

    config: Config
    ticks: float


class Measured(Products):
    """The products of an open adapter: planned by what was measured on it, else by rules."""

    def __init__(self, gpu: Gpu):
        super().__init__(gpu.facts)
        self.gpu = gpu
        self.measuring = AUTOTUNE.read()
        self.results = Results(about(gpu))
        self._chosen: Recent[str] = Recent(CHOICES_KEPT)
        self._shuffles = None

    def choose(self, problem: Problem) -> Config:
        """Return how a problem is computed: as was measured once, else by rule."""
        config = self._chosen[problem.kind]
        if config is None:
            config = self._measured(problem) or default(problem, self.facts.is_software)
            self._chosen.keep(problem.kind, config)
        return config

    @property
    def shuffles(self) -> bool:
        """Whether 8 neighbouring threads exchange values: the adapter itself is asked.

        The sizes that adapters report do not tell: a subgroup may be as small as 4.
        """
        if self._shuffles is None:
            self._shuffles = "subgroup" in self.gpu.features and self._exchanges()
        return self._shuffles

    def _exchanges(self) -> bool:
        try:
            probe = self.gpu.compile(shaders.source("subgroup_probe"), 0, "subgroup probe")
            buffer = self.gpu.create_buffer(256)
            self.gpu.timed([(probe, (buffer,), b"", 1)])
            seen = np.frombuffer(self.gpu.read(buffer, 0, 32), np.uint32)
            self.gpu.drop_buffer(buffer)
        except WgradError:  # the feature is there by name alone
            return False
        return bool((seen == 107).all())

    def _measured(self, problem: Problem) -> Config | None:
        """Return what was measured to be best, now or earlier; None where nothing is known."""
        possible = candidates(problem, self.facts.is_software)
        known = self.results.get(problem.kind)
        for config in possible:
            if known == list(config):
                return config
        if not self.measuring or problem.walk is not None:
            return None
        if _elements(problem) > LARGEST:
            return None
        try:
            best = fastest(measure(self, problem, possible))
        except WgradError as error:  # no memory for another copy of the problem, for one
            _log.warning("wgrad: %s was not measured: %s", problem.kind, error)
            return None
        if best is not None:
            self.results.put(problem.kind, list(best))
        return best


def about(gpu: Gpu, names: Sequence[str] = _SHADERS) -> dict[str, str]:
    """Return what measurements hold for: the adapter, its driver, and these very kernels."""
    keys = ("device", "vendor_id", "device_id", "description", "backend_type")
    text = "".join(shaders.source(name) for name in names)
    return {
        **{key: str(gpu.info.get(key, "")) for key in keys},
        "wgrad": __version__,
        "shaders": hashlib.sha256(text.encode()).hexdigest()[:16],
    }


def fastest(timings: Sequence[Timing]) -> Config | None:
    """Return the best of some timings: the first one, unless another is clearly faster."""
    if not timings:
        return None
    best = min(timings, key=lambda t: t.ticks)
    return best.config if best.ticks < WORTH * timings[0].ticks else timings[0].config


def _elements(problem: Problem) -> int:
    m, n, k = problem.m, problem.n, problem.k
    return problem.matrices * max(m * k, k * n, m * n)


def measure(products: Measured, problem: Problem, configs: Sequence[Config]) -> list[Timing]:
    """Return the median times of the configs that give the right product, in alternating rounds."""
    gpu = products.gpu
    runs: dict[Config, _Run] = {}
    with gpu.lock:
        bench = _Bench(products, problem)
        try:
            bench.fill()
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
            for i in range(ROUNDS):
                best = min((min(t) for t in times.values() if t), default=0.0)
                for config, run in runs.items():
                    if i < TRIALS or min(times[config]) <= HOPELESS * best:
                        times[config].append(run.time(gpu))
        finally:
            bench.close()
    return [Timing(config, median(t)) for config, t in times.items()]


class _Run:
    """The launches of a candidate, repeated so often that their time can be told."""

    def __init__(self, launches: list[tuple[Pipeline, tuple[Buffer, ...], bytes, int | Groups]]):
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

    a: Buffer
    b: Buffer
    out: Buffer

    def __init__(self, products: Measured, problem: Problem):
        self.products = products
        self.shapes = (
            (*problem.batch, problem.m, problem.k),
            (*problem.batch, problem.k, problem.n),
        )
        a, b = map(_compact, (problem.a, problem.b), self.shapes)
        self.problem = problem._replace(a=a, b=b)
        # Sums of k products of numbers around 1, each step off by half a unit in the last place.
        self.tolerance = 2.0**-20 * (problem.k + 16) if problem.dtype.is_floating else 0.0
        # Half a unit in the last place of what a float16 is rounded to.
        self.relative = 2.0**-11 if problem.dtype is float16 else 0.0
        self.scratch: Buffer | None = None
        self._made: list[Buffer] = []

    def fill(self) -> None:
        """Make the operands and the right result. Raises: OutOfMemoryError."""
        problem = self.problem
        rng = np.random.default_rng(0)
        memory, views = [], []
        for operand, shape in zip((problem.a, problem.b), self.shapes, strict=True):
            data, view = _random(rng, operand, shape, problem.dtype.numpy)
            memory.append(self._buffer(data.nbytes))
            self._write(memory[-1], data)
            views.append(view.astype(np.float64))
        self.a, self.b = memory
        self.exact = (views[0] @ views[1]).reshape(-1)
        self.poison = np.full(problem.size, 99, problem.dtype.numpy)
        self.out = self._buffer(self.poison.nbytes)

    def _buffer(self, nbytes: int) -> Buffer:
        made = self.products.gpu.create_buffer(max(256, nbytes + -nbytes % 16))
        self._made.append(made)
        return made

    def prepare(self, config: Config) -> _Run:
        """Return a candidate ready to run."""
        launches = []
        for kernel, params, groups, buffers, _ in self.products.plan(self.problem, config=config):
            bound = tuple([self._role(which) for which in buffers])
            launches.append((self.products.gpu.pipeline(kernel), bound, params, groups))
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
        self._write(self.out, self.poison)
        run.once(gpu)
        nbytes = self.poison.nbytes
        raw = gpu.read(self.out, 0, nbytes + nbytes % 4)
        seen = np.frombuffer(raw, problem.dtype.numpy, problem.size)
        allowed = self.tolerance + self.relative * np.abs(self.exact)
        return bool((np.abs(seen - self.exact) <= allowed).all())

    def _write(self, buffer: Buffer, data: np.ndarray) -> None:
        if data.nbytes % 4:  # WebGPU writes whole words
            data = np.append(data, data[-1:])
        self.products.gpu.write(buffer, data, data.nbytes)

    def close(self) -> None:
        for buffer in self._made:
            self.products.gpu.drop_buffer(buffer)


def _steps(operand: Operand) -> tuple[int, ...]:
    return (*operand.batch, operand.row, operand.column)


def _spans(operand: Operand, shape: Shape) -> list[int]:
    """Return how far each axis reaches."""
    return [(n - 1) * s for n, s in zip(shape, _steps(operand), strict=True)]


def _compact(operand: Operand, shape: Shape) -> Operand:
    """Return an operand that begins early in its memory, as far from a multiple of 4 as it did."""
    lowest = operand.offset + sum(s for s in _spans(operand, shape) if s < 0)
    return operand._replace(offset=operand.offset - lowest // 4 * 4)


def _random(
    rng: np.random.Generator, operand: Operand, shape: Shape, dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """Return random memory for an operand, and the operand in it."""
    size = operand.offset + sum(s for s in _spans(operand, shape) if s > 0) + 1
    if dtype.kind == "f":
        data = rng.standard_normal(size, dtype=np.float32).astype(dtype)
    else:
        data = rng.integers(0 if dtype == np.uint32 else -9, 10, size).astype(dtype)
    view = np.lib.stride_tricks.as_strided(
        data[operand.offset :], shape, [s * data.itemsize for s in _steps(operand)], writeable=False
    )
    return data, view
