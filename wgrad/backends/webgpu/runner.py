"""Runs launches on an open adapter: compiled once, and bound to the memory of each run."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import prod
from typing import Any

from ...dtypes import DType
from ...errors import ArgumentError, DeviceError
from ..array import Number, Storage
from ..families import Draw
from ..timing import Timing
from ..tracing import UNBACKED
from .buffers import Buffer, Window
from .dispatches import Dispatches
from .eager import WebGpuDevice
from .facts import HALF_FEATURE
from .launches import Binding, Held, Launches, drawn
from .launching import scalar_bits
from .memory import GpuStorage, size_class
from .problem import Hot


class Runner:
    """Launches ready to run on a device.

    Raises: DeviceError where they were made for an adapter that can do more.
    """

    def __init__(self, launches: Launches, device: WebGpuDevice):
        _check(launches, device)
        self.launches = launches
        self.current = list(launches.launches)  # with what is hot in its place, once it is
        self.device = device
        at_once = dict.fromkeys(x.kernel for x in launches.launches)
        self._pipelines = {i: device._made(launches.kernels[i]) for i in at_once}
        work = [(self._pipelines[x.kernel], x.params, x.groups) for x in launches.launches]
        self._runs = 0
        # What is hot, by the number of runs after which it takes over.
        self._hot: dict[int, list[tuple[int, Hot[int]]]] = {}
        for i, launch in enumerate(launches.launches):
            if launch.hot is not None:
                self._hot.setdefault(launch.hot.after, []).append((i, launch.hot))
        self._dispatches = Dispatches(device.gpu, work)
        self._kept: dict[str, Sequence[Storage]] = {
            "block": device.blocks(launches.blocks),
            "constant": [device.constant(data) for data in launches.constants],
        }
        starts = list(zip(self._dispatches.starts, launches.launches, strict=True))
        # Where the bits of each number that is read anew stand, and what it was last.
        self._places: list[list[tuple[int, DType]]] = [[] for _ in range(launches.numbers)]
        self._last: list[Number | None] = [None] * launches.numbers
        names = {dtype.name: dtype for dtype in device.dtypes}
        for start, x in starts:
            for at, number, dtype in x.numbers:
                self._places[number].append((start + at, names[dtype]))
        self._had: dict[int, Any] = {}  # the uid of the buffer of each output in the last run
        self._had_by: set[Any] = set()
        self._draws = [(start, *x.draw) for start, x in starts if x.draw is not None]

    def run(
        self,
        inputs: Sequence[Storage],
        numbers: Sequence[Number] = (),
        draw: Draw | None = None,
        spare: list[Any] | None = None,
        timings: Sequence[Timing] = (),
    ) -> list[Storage]:
        """Run once: update `inputs` in place, and return the outputs' storages, in order.

        `numbers` are what is read anew (none: those of the last run, at first of the lowering), and
        `draw` is needed where random numbers are drawn. Outputs may take the buffers in `spare`.
        Where launches are measured, `timings` has one for each. A
        run that raises has changed nothing outside. Raises: ArgumentError, OutOfMemoryError,
        DeviceError.
        """
        count = len(self.launches.inputs)
        if len(inputs) != count or (self._draws and draw is None):
            needed = f"{count} inputs{' and draw=' if self._draws else ''}"
            raise ArgumentError(f"launches: {len(inputs)} inputs came, and {needed} are needed")
        if len(numbers) not in (0, len(self._last)):
            raise ArgumentError(
                f"launches: {len(numbers)} numbers came, and {len(self._last)} are needed, or none"
            )
        for i, x in enumerate(inputs):
            if x.device is not self.device:
                here, there = self.device.name, x.device.name
                raise ArgumentError(f"launches: input {i} of {there} came, and {here} is needed")
        lent: list[Storage] = []
        try:
            outputs = self._outputs(spare or [], lent)
            self._run_into(outputs, inputs, numbers, draw, timings)
        except BaseException:
            for storage in lent:
                storage.buffer = UNBACKED  # whose memory is the lender's again
            raise
        return outputs

    def _outputs(self, spare: list[Any], lent: list[Storage]) -> list[Storage]:
        """Return memory for the outputs: spare buffers where they fit, or new.

        An output has the buffer again that it had last, if that is spare: then all is bound.
        """
        outputs: list[Storage] = []
        for i, held in enumerate(self.launches.outputs):
            size = size_class(held.nbytes, *self.device.pool.limits)
            fitting = [x for x in spare if x.nbytes == size]
            own = [x for x in fitting if x.uid == self._had.get(i)]
            chosen = next((x for x in own or fitting if own or x.uid not in self._had_by), None)
            if chosen is None:
                storage: Storage = self._fresh(held)
            else:
                storage = self.device.unbacked(prod(held.shape))
                lent.append(storage)
                spare.remove(chosen)
                storage.buffer = chosen
            outputs.append(storage)
        self._had = {i: x.buffer.uid for i, x in enumerate(outputs)}
        self._had_by = set(self._had.values())
        return outputs

    def _run_into(
        self,
        outputs: Sequence[Storage],
        inputs: Sequence[Storage],
        numbers: Sequence[Number],
        draw: Draw | None,
        timings: Sequence[Timing],
    ) -> None:
        swaps = {i: self._fresh(self.launches.inputs[i]) for i in self.launches.swaps}
        for i, now in enumerate(numbers):
            if now != self._last[i]:
                self._last[i] = now
                for at, dtype in self._places[i]:
                    self._dispatches.set_params(at, struct.pack("<I", scalar_bits(now, dtype)))
        for at, generator, offset in self._draws:
            assert draw is not None  # see run
            self._dispatches.set_params(at, drawn(*draw(generator, offset)))
        # What tells this run's buffers from those of others.
        key = tuple([x.buffer.uid for x in (*inputs, *outputs, *swaps.values())])
        given = {"input": inputs, "output": outputs, "swap": swaps, **self._kept}
        if self._hot and self._runs in self._hot:
            self._take_over(self._hot[self._runs])
        self._dispatches.run(key, lambda: self._bound(given), timings)
        self._runs += 1
        for i, fresh in swaps.items():
            inputs[i].buffer, fresh.buffer = fresh.buffer, inputs[i].buffer

    def compile_seconds(self, step: int) -> float:
        """Return the CPU seconds that a step's kernels took to compile, as far as that is known."""
        used = {i for x in self.launches.launches if x.step == step for i in x.kernels}
        return sum(self._pipelines[i].seconds for i in used if i in self._pipelines)

    def _take_over(self, hot: Sequence[tuple[int, Hot[int]]]) -> None:
        """Put faster kernels into the places of launches, all or none."""
        made = [self.device._made(self.launches.kernels[x.kernel]) for _, x in hot]
        for (i, x), pipeline in zip(hot, made, strict=True):
            self._dispatches.replace(i, pipeline, x.groups)
            self.current[i] = self.current[i]._replace(kernel=x.kernel, groups=x.groups, hot=None)
            self._pipelines[x.kernel] = pipeline

    def _fresh(self, held: Held) -> GpuStorage:
        return GpuStorage(self.device, self.device.pool, prod(held.shape), held.nbytes)

    def _bound(self, given: dict) -> list[list[Buffer]]:
        """Return the buffers of every launch."""
        for i, (x, held) in enumerate(zip(given["input"], self.launches.inputs, strict=True)):
            if x.buffer.nbytes < held.nbytes:  # a kernel would read what is not there, as 0
                raise ArgumentError(
                    f"launches: input {i} of {x.buffer.nbytes} bytes came, and {held.nbytes} are "
                    "needed"
                )
        most = self.device.facts.largest_binding

        def buffer(x: Binding) -> Buffer:
            whole: Buffer = given[x.kind][x.nth].buffer
            if x.nbytes is not None:
                return Window(whole, x.start, x.nbytes)
            # Something small in a large block: nothing else of it is touched.
            return Window(whole, 0, most) if whole.nbytes > most else whole

        return [[buffer(x) for x in launch.bindings] for launch in self.launches.launches]


def _check(launches: Launches, device: WebGpuDevice) -> None:
    """Raise DeviceError unless a device can do what launches were made for."""
    asked, here = launches.facts, device.facts
    most = max((len(kernel.access) for kernel in launches.kernels), default=0)
    texts = "".join(kernel.code for kernel in launches.kernels)
    lacking = {
        f"{most} storage buffers a kernel": most > here.buffers,
        f"bindings of {asked.largest_binding} bytes": asked.largest_binding > here.largest_binding,
        f"bindings that begin at multiples of {asked.align} bytes": asked.align % here.align != 0,
        HALF_FEATURE: "enable f16;" in texts and not here.has_half,
    }
    if needed := [what for what, is_lacking in lacking.items() if is_lacking]:
        raise DeviceError(
            f"webgpu: launches came that need {', '.join(needed)}, which "
            f"{device.gpu.info['device']} does not offer: lower the program for its facts"
        )
