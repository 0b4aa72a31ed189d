"""WebGPU work written by hand with wgpu alone: what the library's dispatches are compared with."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import wgpu

SHADERS = Path(__file__).parent / "shaders"


class ByHand:
    """A device, and kernels with cached pipelines and bind groups: no library in between."""

    def __init__(self, name: str) -> None:
        """Open the adapter called `name`, so that both sides run on the same one."""
        found = wgpu.gpu.enumerate_adapters_sync()
        adapter = next(a for a in found if a.info["device"] == name)
        self.device = adapter.request_device_sync()

    def buffer(self, data: np.ndarray) -> wgpu.GPUBuffer:
        usage = wgpu.BufferUsage.STORAGE | wgpu.BufferUsage.COPY_SRC | wgpu.BufferUsage.COPY_DST
        return self.device.create_buffer_with_data(data=data, usage=usage)

    def uniform(self, form: str, *values: float) -> wgpu.GPUBuffer:
        data = struct.pack(form, *values)
        return self.device.create_buffer_with_data(data=data, usage=wgpu.BufferUsage.UNIFORM)

    def pipeline(self, name: str) -> wgpu.GPUComputePipeline:
        module = self.device.create_shader_module(code=(SHADERS / f"{name}.wgsl").read_text())
        return self.device.create_compute_pipeline(
            layout="auto", compute={"module": module, "entry_point": "main"}
        )

    def bind(
        self, pipeline: wgpu.GPUComputePipeline, *buffers: wgpu.GPUBuffer
    ) -> wgpu.GPUBindGroup:
        entries = [
            {"binding": i, "resource": {"buffer": b, "offset": 0, "size": b.size}}
            for i, b in enumerate(buffers)
        ]
        return self.device.create_bind_group(
            layout=pipeline.get_bind_group_layout(0), entries=entries
        )

    def run(self, steps: list[tuple]) -> None:
        """Record (pipeline, bind group, x, y) dispatches into one pass and submit it."""
        encoder = self.device.create_command_encoder()
        work = encoder.begin_compute_pass()
        for pipeline, group, x, y in steps:
            work.set_pipeline(pipeline)
            work.set_bind_group(0, group)
            work.dispatch_workgroups(x, y)
        work.end()
        self.device.queue.submit([encoder.finish()])

    def wait(self, buffer: wgpu.GPUBuffer) -> None:
        """Wait until submitted work has run, by reading 4 bytes."""
        self.device.queue.read_buffer(buffer, 0, 4)
