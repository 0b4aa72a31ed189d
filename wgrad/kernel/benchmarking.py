"""wg.kernel.bench: how long an op takes, beside others that do the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from statistics import median, quantiles
from typing import Any

import numpy as np

from .. import tape
from ..backends.base import Device
from ..backends.timing import now_ns
from ..core import Value
from ..creation import ones_like, tensor
from ..creation.host import host_array
from ..devices import device as device_of
from ..errors import ArgumentError, WgradError, shown
from ..layout import Shape, normalize_shape
from ..profile import profile
from ..profile.table import duration
from ..program.compile import compile as compiled_function
from ..transforms import vjp
from .compute import ComputeKernel
from .elementwise import op_of
from .entry import Checked
from .fronts import newest
from .reports import Report, laid_out
from .shaderop import ShaderOp

NEAR = 1e-3  # how far results of variants may be apart, relative to the largest


@dataclass(frozen=True)
class Timed(Report):
    """How long one variant took at one shape.

    `median_ns` is the time of one run, `low_ns` and `high_ns` hold the middle half of all. `bytes`
    are those of all inputs and results, `points` the elements of the shape, `flops` what was
    counted by the caller. `ratio` is the first variant's time through this one's: above 1 it is
    faster. `kernels` ran on the device; `clock` is "gpu", or "wall" for the host's. `agrees` says
    whether results are those of the first variant. `note` is why it could not be run.
    """

    variant: str
    shape: Shape
    median_ns: int = 0
    low_ns: int = 0
    high_ns: int = 0
    ratio: float = 0.0
    bytes: int = 0
    points: int = 0
    flops: int | None = None
    kernels: int = 0
    clock: str = ""
    agrees: bool = True
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether it ran, and gave what the first variant did."""
        return self.agrees and not self.note

    @property
    def spread(self) -> float:
        """How wide the middle half of the times is, as a part of the median."""
        return (self.high_ns - self.low_ns) / self.median_ns if self.median_ns else 0.0

    def rate(self, amount: int | None) -> float:
        """Return an amount in units of 1e9 a second: of bytes, points or flops."""
        return amount / self.median_ns if amount and self.median_ns else 0.0

    def cells(self) -> tuple[str, ...]:
        """Return it as a row of a table."""
        name, shape = self.variant, " x ".join(map(str, self.shape)) or "1"
        if not self.median_ns:
            return (name, shape, *("-",) * 6, "-", self.note)
        return (
            *(name, shape, duration(self.median_ns), f"{self.spread:.0%}", f"{self.ratio:.2f}"),
            *(f"{self.rate(x):.3g}" if x else "-" for x in (self.bytes, self.points, self.flops)),
            *(f"{self.kernels or '-'}", "" if self.agrees else "DIFFERS from the first"),
        )


@dataclass(frozen=True)
class BenchReport(Report):
    """What `wg.kernel.bench` measured: `rows` with every variant at every shape."""

    device: str
    what: str
    rows: tuple[Timed, ...]

    @property
    def ok(self) -> bool:
        """Whether all variants ran, and gave the same."""
        return all(x.ok for x in self.rows)

    def __str__(self) -> str:
        head = ("variant", "shape", "median", "spread", "speed", "GB/s", "Gelement/s", "GFLOP/s")
        rows = [(*head, "kernels", ""), *(x.cells() for x in self.rows)]
        clocks = {"gpu": "by the GPU's own clock", "wall": "by the host's clock"}
        used = {clocks[x.clock]: 0 for x in self.rows if x.clock}
        tail = f"{self.what} on {self.device}, timed {' and '.join(used) or 'by nothing'}"
        return "\n".join([*laid_out(rows, range(2, 9)), tail])


def bench(
    op: Callable,
    shapes: Any,
    variants: Mapping[str, Any] | None = None,
    *,
    inputs: Callable | None = None,
    gradient: bool = False,
    compiled: bool = True,
    flops: int | None = None,
    rounds: int = 11,
    device: str | Device | None = None,
    **named: Any,
) -> BenchReport:
    """Measure how long an op takes, side by side with variants.

    Each is run twice to warm up, then all take turns for `rounds` rounds, so that what else the
    machine does meets them alike. The time is that of the kernels on the device, by its own clock
    where it has one, else by the host's.

    - `shapes`: a shape, or a list of them. The op's inputs get it in front of their own axes.
    - `variants`: more to be measured, by name: other ops, functions of tensors, or a dict with
      values for the `override` constants of `op` itself.
    - `inputs`: a function that returns the inputs for a shape. Without it they are random numbers
      between 0.25 and 1 (of integers: from 0 to 7), by the op's own parameters.
    - `gradient`: measure the backward pass with the forward pass.
    - `compiled`: whether functions are compiled by `wg.compile` first, which fuses their kernels.
    - `flops`: how many operations one element takes, by your own count, for GFLOP/s.
    - `device`: where; the default device, if it is left out.
    - `named`: what calls get by name, such as members of uniforms.

    GB/s are those of the inputs and results alone, read and written once. `speed` is relative to
    `op`. The report is `ok` if all variants ran and gave the same.

    Raises: ArgumentError for a shape that is none, and no inputs where the op does not say them.

    Example:
        >>> fast = wg.kernel.elementwise("fn twice(x: f32) -> f32 { return x + x; }")
        >>> report = wg.kernel.bench(fast, (64, 64), {"ops": lambda x: x + x}, rounds=3)
        >>> report.ok, [(row.variant, row.points) for row in report.rows]
        (True, [('twice', 4096), ('ops', 4096)])
    """
    if rounds < 1:
        raise ArgumentError(f"kernel.bench: rounds={rounds} came, and at least 1 is needed")
    where, op = device_of(device), newest(op)
    name = str(getattr(op, "name", getattr(op, "__name__", "op")))
    several: dict[str, Callable] = {name: op}
    for key, x in (variants or {}).items():
        several[str(key) if str(key) != name else f"{key} (variant)"] = _variant(op, x)
    rows: list[Timed] = []
    for shape in _shapes(shapes):
        with where:
            given = _inputs(op, shape, inputs, where)
            runs = [
                _Run(key, x, shape, given, named, gradient, compiled) for key, x in several.items()
            ]
            rows += _measured(runs, rounds, where, flops)
    what = ("forward and backward" if gradient else "forward") + (", compiled" * compiled)
    return BenchReport(where.description, what, tuple(rows))


def _shapes(shapes: Any) -> list[Shape]:
    many = isinstance(shapes, (list, tuple)) and any(isinstance(x, (list, tuple)) for x in shapes)
    listed = shapes if many or isinstance(shapes, list) else [shapes]
    if not listed:
        raise ArgumentError("kernel.bench: no shape came, and at least one is needed")
    return [normalize_shape(x, "kernel.bench") for x in listed]


def _variant(op: Any, x: Any) -> Callable:
    """Return a variant as a function: another op, or the same with other constants."""
    if callable(x):
        return x
    if not isinstance(x, Mapping):
        raise ArgumentError(
            f"kernel.bench: {shown(x)} came for a variant, and an op, a function or a dict of "
            "constants is needed"
        )
    if not isinstance(op, ShaderOp):
        return lambda *inputs, **named: op(*inputs, **named, **x)
    assert op.text is not None
    again = Checked(op.text.source, {**op.text.constants, **x}, op.text.rounds)
    return op_of(op.name, op.numpy, op.function.precise, again)


def _inputs(op: Any, shape: Shape, inputs: Callable | None, device: Device) -> list[Any]:
    if inputs is not None:
        made = inputs(shape)
        many = made if isinstance(made, (tuple, list)) else (made,)
        return [_placed(x, device) for x in many]
    wanted: list[tuple[Shape, Any]] = []
    if isinstance(op, ShaderOp):
        wanted = [((*shape, *x.inner), x.dtype) for x in op.function.inputs]
    elif isinstance(op, ComputeKernel):
        placements = [op.entry.placements[name] for name in op.inputs]
        wanted = [((*shape, *x.shape) if x.is_array else x.shape, x.dtype) for x in placements]
    else:
        raise ArgumentError(
            "kernel.bench: the inputs of a function are not known: give inputs=, a function that "
            "returns them for a shape"
        )
    random = np.random.default_rng(0)
    made = []
    for full, dtype in wanted:
        if dtype.is_floating:
            made.append(tensor(random.uniform(0.25, 1, full), dtype, device))
        else:
            most = 2 if dtype.name == "bool" else 8
            made.append(tensor(random.integers(0, most, full), dtype, device))
    return made


def _placed(x: Any, device: Device) -> Any:
    if isinstance(x, (Value, bool, int, float)):
        return x
    data = host_array(x, "kernel.bench: inputs")
    return tensor(data, "float32" if data.dtype == np.float64 else None, device)


class _Run:
    """A variant at a shape, ready to be run again and again."""

    def __init__(
        self,
        name: str,
        op: Callable,
        shape: Shape,
        inputs: Sequence[Any],
        named: Mapping[str, Any],
        gradient: bool,
        compiled: bool,
    ):
        self.name, self.shape, self.note = name, shape, ""
        self.times: list[int] = []
        self.kernels, self.clock = 0, ""
        keys = [k for k, x in named.items() if isinstance(x, Value)]
        fixed = {k: x for k, x in named.items() if k not in keys}
        self.given = (*inputs, *(named[k] for k in keys))

        def forward(*xs: Any) -> Any:
            more = dict(zip(keys, xs[len(inputs) :], strict=True))
            return op(*xs[: len(inputs)], **more, **fixed)

        floats = [i for i, x in enumerate(inputs) if isinstance(x, Value) and x.dtype.is_floating]

        def both(*xs: Any) -> Any:
            def partly(*some: Any) -> Any:
                full = list(xs)
                for i, x in zip(floats, some, strict=True):
                    full[i] = x
                return forward(*full)

            out, pull = vjp(partly, *[xs[i] for i in floats])
            made = pull(ones_like(out))
            return (out, *(made if isinstance(made, tuple) else (made,)))

        step: Any = both if gradient else forward
        self.step = compiled_function(step, state=[]) if compiled else step
        self.results: list[Any] = []

    def warm(self) -> None:
        """Run twice, and keep the results; what goes wrong becomes the note."""
        try:
            for _ in range(2):
                made = tape.recording(False, self.step, *self.given)
            self.results = list(made) if isinstance(made, (tuple, list)) else [made]
            self.values = [np.asarray(x.numpy()) for x in self.results]
        except WgradError as error:
            self.note = str(error).splitlines()[0]

    def run(self, device: Device) -> None:
        """Run once, and note the time."""
        start = now_ns()
        if not device.launches:
            tape.recording(False, self.step, *self.given)
            self.times.append(now_ns() - start)
            self.clock = "wall"
            return
        with profile() as p:
            tape.recording(False, self.step, *self.given)
        events = [e for e in p.events if e.device != "host"]
        self.times.append(sum(e.duration_ns for e in events))
        self.kernels, self.clock = len(events), events[0].clock if events else "wall"

    def timed(self, flops: int | None) -> Timed:
        """Return the figures."""
        points = prod(self.shape)
        if self.note:
            return Timed(self.name, self.shape, points=points, agrees=False, note=self.note)
        low, high = min(self.times), max(self.times)
        if len(self.times) > 3:
            low, _, high = map(round, quantiles(self.times, n=4))
        held = {id(x): x for x in (*self.given, *self.results) if isinstance(x, Value)}
        nbytes = sum(prod(x.shape) * x.device.itemsize(x.dtype) for x in held.values())
        return Timed(
            *(self.name, self.shape, max(1, round(median(self.times))), low, high),
            *(0.0, nbytes, points, None if flops is None else flops * points),
            *(self.kernels, self.clock),
        )


def _measured(runs: Sequence[_Run], rounds: int, device: Device, flops: int | None) -> list[Timed]:
    """Return the figures of all variants at a shape, which take turns."""
    for run in runs:
        run.warm()
    able = [x for x in runs if not x.note]
    for i in range(rounds):
        for run in able if i % 2 == 0 else able[::-1]:
            run.run(device)
    rows = [x.timed(flops) for x in runs]
    first = runs[0]
    if first.note:
        return rows
    base = rows[0].median_ns
    return [
        replace(row, ratio=base / row.median_ns if row.median_ns else 0.0, agrees=_same(run, first))
        for row, run in zip(rows, runs, strict=True)
    ]


def _same(run: _Run, first: _Run) -> bool:
    if run.note or len(run.values) != len(first.values):
        return False
    for x, y in zip(run.values, first.values, strict=True):
        if x.shape != y.shape:
            return False
        size = float(np.abs(np.where(np.isfinite(y), y, 0)).max(initial=0))
        if not np.allclose(x, y, rtol=NEAR, atol=NEAR * size, equal_nan=True):
            return False
    return True
