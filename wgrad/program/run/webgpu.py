"""The WebGPU executor: a program's launches made once, then run over the memory of each call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...backends.array import Storage
from ...backends.events import WATCHERS, Doing, during, launched
from ...backends.families import Draw
from ...backends.webgpu.eager import WebGpuDevice
from ...backends.webgpu.facts import Facts
from ...backends.webgpu.runner import Runner
from ..ir import Program
from ..lower.webgpu import live_numbers, lower, prepared
from ..plan import Plan, plan_memory


class WebGpuExecutor:
    """A program ready to run on a WebGPU device; `facts` other than its own are for tests."""

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

    def wgsl(self) -> str:
        """Return the texts of the kernels, each under lines with its step's number and its name."""
        return self.launches.wgsl()

    def run(
        self, inputs: Sequence[Storage], draw: Draw, spare: list[Any] | None = None
    ) -> list[Storage]:
        """Run once: update `inputs` in place, and return the outputs' storages, in order."""
        outputs = self._runner.run(inputs, [x.read() for x in self._live], draw, spare)
        if WATCHERS:
            self._tell()
        return outputs

    def _tell(self) -> None:
        """Tell the observers of launches that have been submitted."""
        for x in self.launches.launches:
            step = self.program.steps[x.step]
            what = Doing(step.name, self.program.line_of(step), replayed=True)
            nbytes = sum(map(self.launches.nbytes, x.bindings))
            label = self.launches.kernels[x.kernel].label
            during(launched, what, "webgpu", label, x.workgroups, nbytes)
