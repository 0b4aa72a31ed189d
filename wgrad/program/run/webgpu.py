"""The WebGPU executor: a program's launches made once, then run over the memory of each call."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from ...backends.array import Storage
from ...backends.events import WATCHERS, during, launched
from ...backends.families import Draw
from ...backends.timing import Timing, account, begun, timers
from ...backends.webgpu.eager import WebGpuDevice
from ...backends.webgpu.facts import Facts
from ...backends.webgpu.launches import Launch
from ...backends.webgpu.runner import Runner
from ..ir import Program, Step
from ..lower.plan import Plan, plan_memory
from ..lower.webgpu import live_numbers, lower, prepared


class WebGpuExecutor:
    """A program ready to run on a WebGPU device; `facts` other than its own are for tests."""

    takes_spare = True  # with other memory for its outputs each time, it would bind all anew

    def __init__(self, program: Program, device: WebGpuDevice, facts: Facts | None = None):
        facts = facts or device.facts
        self.program = prepared(program, facts)
        self.device = device
        self.launches = lower(self.program, facts, device.products)
        self._live = live_numbers(self.program)
        self._runner = Runner(self.launches, device)

    @property
    def plan(self) -> Plan:
        """Where every slot of the program lives."""
        return plan_memory(self.program, self.device)

    @property
    def block_bytes(self) -> int:
        """The bytes of planned blocks, scratch memory of kernels included."""
        return sum(self.launches.blocks)

    @property
    def current(self) -> Sequence[Launch]:
        """The launches as they run now: what runs often is given faster kernels."""
        return self._runner.current

    def compile_seconds(self, step: int) -> float:
        """Return the CPU seconds that a step's kernels took to compile, as far as that is known."""
        return self._runner.compile_seconds(step)

    def wgsl(self) -> str:
        """Return the texts of the kernels, each under lines with its step's number and its name."""
        return self.launches.wgsl()

    def run(
        self, inputs: Sequence[Storage], draw: Draw, spare: list[Any] | None = None
    ) -> list[Storage]:
        """Run once: update `inputs` in place, and return the outputs' storages, in order."""
        timings = self._timings() if WATCHERS and timers.get() else ()
        outputs = self._runner.run(inputs, [x.read() for x in self._live], draw, spare, timings)
        if WATCHERS:
            self._tell()
        return outputs

    def _tell(self) -> None:
        """Tell the observers of launches that have been submitted."""
        for x in self._runner.current:
            what = self.program.doing(self.program.steps[x.step])
            nbytes = sum(map(self.launches.nbytes, x.bindings))
            label = self.launches.kernels[x.kernel].label
            during(launched, what, "webgpu", label, x.workgroups, nbytes)

    def _timings(self) -> list[Timing]:
        """Return a timing for each launch, where somebody measures."""
        made: list[Timing] = []
        memory = self.program.memory()
        for index, launches in groupby(self._runner.current, lambda x: x.step):
            step = self.program.steps[index]
            moved = sum(step.moved(self.device, memory))
            made += self._step_timings(step, list(launches), moved)
        return made

    def _step_timings(self, step: Step, launches: list[Launch], moved: int) -> list[Timing]:
        own: list[Timing] = []
        what = self.program.doing(step)
        for x in launches:
            kernel = self.launches.kernels[x.kernel]
            nbytes = sum(map(self.launches.nbytes, x.bindings))
            groups = x.workgroups
            made = begun(
                what,
                self.device.name,
                kernel.label,
                groups,
                nbytes,
                kernel.code,
                self.device.gpu.clock,
            )
            if made is None:
                return []
            own.append(made)
        account(own, moved, step.operations)
        return own
