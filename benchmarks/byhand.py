"""WebGPU work written by hand with wgpu alone: kernels, cached bind groups, one pass a submit.

Knows nothing of the library: what its dispatches cost is compared with this. A `Recording` is
work that somebody else planned (a compiled program), to be replayed the same way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import wgpu

_BINDING = re.compile(r"@binding\((\d+)\)\s*var<(uniform|storage)")


@dataclass(frozen=True)
class Dispatch:
    """One launch of the entry point `main` of a shader.

    `buffers` are what its storage bindings hold, in the order of their numbers: an index into the
    buffers of the recording, and "read" or "read_write". `uniforms` are the bytes of its uniform
    binding; a shader without one has none. `groups` are the workgroups in x and y, and z.
    """

    wgsl: str
    buffers: tuple[tuple[int, str], ...]
    groups: tuple[int, ...]
    uniforms: bytes = b""


@dataclass
class Recording:
    """Dispatches in order, what their buffers start with, and which of them hold the outputs.

    An output is (buffer, element offset, shape); its elements are float32.
    """

    dispatches: list[Dispatch]
    buffers: list[np.ndarray]
    outputs: list[tuple[int, int, tuple[int, ...]]] = field(default_factory=list)


class ByHand:
    """A device of its own: what it records is replayed with nothing in between."""

    def __init__(self, name: str):
        """Open the adapter called `name`, so that both sides run on the same one."""
        adapters = wgpu.gpu.enumerate_adapters_sync()
        adapter = next(a for a in adapters if a.info["device"] == name)
        limits = ("max-buffer-size", "max-storage-buffer-binding-size")
        self.device = adapter.request_device_sync(
            required_limits={k: adapter.limits[k] for k in limits},
            required_features=[f for f in ("subgroup",) if f in adapter.features],
        )
        self.queue = self.device.queue
        self._pipelines: dict[tuple[str, tuple[str, ...]], tuple] = {}
        self._fence = self._buffer(np.zeros(4, np.float32))

    def _buffer(self, data: np.ndarray) -> wgpu.GPUBuffer:
        usage = wgpu.BufferUsage.STORAGE | wgpu.BufferUsage.COPY_SRC | wgpu.BufferUsage.COPY_DST
        return self.device.create_buffer_with_data(data=data, usage=usage)

    def _pipeline(self, dispatch: Dispatch) -> tuple:
        """Return (pipeline, layout of its group, binding numbers, the uniform's first)."""
        kinds = tuple(kind for _, kind in dispatch.buffers)
        key = dispatch.wgsl, kinds
        if key not in self._pipelines:
            found = sorted((int(n), kind) for n, kind in _BINDING.findall(dispatch.wgsl))
            storages = [n for n, kind in found if kind == "storage"]
            uniforms = [n for n, kind in found if kind == "uniform"]
            types = ["uniform"] * len(uniforms)
            types += ["storage" if k == "read_write" else "read-only-storage" for k in kinds]
            numbers = [*uniforms, *storages]
            # Not an "auto" layout, which drops the bindings that a shader does not use.
            layout = self.device.create_bind_group_layout(
                entries=[
                    {"binding": n, "visibility": wgpu.ShaderStage.COMPUTE, "buffer": {"type": t}}
                    for n, t in zip(numbers, types, strict=True)
                ]
            )
            pipeline = self.device.create_compute_pipeline(
                layout=self.device.create_pipeline_layout(bind_group_layouts=[layout]),
                compute={
                    "module": self.device.create_shader_module(code=dispatch.wgsl),
                    "entry_point": "main",
                },
            )
            self._pipelines[key] = pipeline, layout, numbers
        return self._pipelines[key]

    def record(self, recording: Recording) -> Replay:
        """Return the recording with its buffers filled and its bind groups made."""
        buffers = [self._buffer(np.ascontiguousarray(x)) for x in recording.buffers]
        plan = []
        for dispatch in recording.dispatches:
            pipeline, layout, numbers = self._pipeline(dispatch)
            bound = [buffers[i] for i, _ in dispatch.buffers]
            if dispatch.uniforms:
                usage = wgpu.BufferUsage.UNIFORM
                data = dispatch.uniforms.ljust(-(-len(dispatch.uniforms) // 16) * 16, b"\0")
                bound.insert(0, self.device.create_buffer_with_data(data=data, usage=usage))
            entries = [
                {"binding": n, "resource": {"buffer": b, "offset": 0, "size": b.size}}
                for n, b in zip(numbers, bound, strict=True)
            ]
            group = self.device.create_bind_group(layout=layout, entries=entries)
            plan.append((pipeline, group, *dispatch.groups))
        return Replay(self, plan, buffers, recording.outputs)

    def wait(self) -> None:
        """Wait until submitted work has run, by reading 4 bytes."""
        self.queue.read_buffer(self._fence, 0, 4)


class Replay:
    """A recording that is ready: calling it submits all its dispatches in one pass."""

    def __init__(self, hand: ByHand, plan: list[tuple], buffers: list, outputs: list):
        self.hand, self.plan, self.buffers, self.outputs = hand, plan, buffers, outputs

    def __call__(self) -> None:
        encoder = self.hand.device.create_command_encoder()
        work = encoder.begin_compute_pass()
        for pipeline, group, *groups in self.plan:
            work.set_pipeline(pipeline)
            work.set_bind_group(0, group)
            work.dispatch_workgroups(*groups)
        work.end()
        self.hand.queue.submit([encoder.finish()])

    def read(self) -> list[np.ndarray]:
        """Return the outputs as they are now."""
        found = []
        for i, offset, shape in self.outputs:
            size = int(np.prod(shape, dtype=int))
            data = self.hand.queue.read_buffer(self.buffers[i], 4 * offset, 4 * size)
            found.append(np.frombuffer(data, np.float32).reshape(shape))
        return found
