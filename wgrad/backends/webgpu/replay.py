"""A list of dispatches that runs again and again: one encoder, one pass, one submit each time.

Parameters lie in a uniform buffer of the replay's own, and are written again only where a number
changed. Bind groups are kept for every combination of buffers that came.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from ...errors import DeviceError
from ...recent import Recent
from ...statistics import COUNTERS
from ..shader import Groups
from . import headroom
from .buffers import Buffer
from .gpu import Gpu
from .launches import PARAMS_BYTES, folded
from .pipelines import Pipeline

COMBINATIONS = 64  # of buffers, whose bind groups are kept


class Replay:
    """Dispatches of fixed kernels, sizes and parameters over buffers that may change."""

    def __init__(self, gpu: Gpu, work: Sequence[tuple[Pipeline, bytes, int | Groups]]):
        """Take (pipeline, parameters, workgroups) of each dispatch, in order."""
        self.gpu = gpu
        self._pipelines = [pipeline for pipeline, _, _ in work]
        self._groups = [folded(groups) for _, _, groups in work]
        self.starts: list[int] = []  # where each dispatch's parameters begin
        end = 0
        for _, params, _ in work:
            self.starts.append(end)
            end += -(-max(len(params), 1) // gpu.slot) * gpu.slot
        self._host = bytearray(end + PARAMS_BYTES)  # the last binding reaches past its parameters
        for start, (_, params, _) in zip(self.starts, work, strict=True):
            self._host[start : start + len(params)] = params
        usage = gpu.wgpu.BufferUsage
        size = len(self._host)
        headroom.require(size, "the numbers of a compiled function")
        with gpu.driving:
            try:
                self._uniforms = gpu.raw.create_buffer(
                    size=size, usage=usage.UNIFORM | usage.COPY_DST
                )
            except Exception as error:
                raise gpu.failure(DeviceError, "a compiled function has no room", error) from error
        self._stale = True  # the uniform buffer lacks what the host has
        self._bound: Recent[Hashable] = Recent(COMBINATIONS)
        self._dropped = gpu.dropped

    def set_params(self, start: int, data: bytes) -> None:
        """Change parameters from the next run on."""
        if self._host[start : start + len(data)] != data:
            self._host[start : start + len(data)] = data
            self._stale = True

    def run(self, key: Hashable, buffers: Callable[[], Sequence[Sequence[Buffer]]]) -> None:
        """Submit all dispatches; `key` names the buffers, which are asked for when it is new.

        Raises: DeviceError when the driver refuses them.
        """
        gpu = self.gpu
        gpu.check()
        with gpu.lock:
            gpu.flush()
            groups = self._bind_groups(key, buffers)
            headroom.require(0, f"running {len(groups)} kernels")
            with gpu.driving:
                try:
                    commands = self._encoded(groups)
                except Exception as error:  # mistakes inside a pass surface only here
                    names = ", ".join(sorted({p.label for p in self._pipelines}))
                    what = f"the driver refused a replay of {names}"
                    raise gpu.failure(DeviceError, what, error) from error
                if self._stale:
                    gpu.raw.queue.write_buffer(self._uniforms, 0, self._host)
                    self._stale = False
                gpu.raw.queue.submit([commands])
                COUNTERS.submits += 1
                COUNTERS.dispatches += len(groups)

    def _bind_groups(
        self, key: Hashable, buffers: Callable[[], Sequence[Sequence[Buffer]]]
    ) -> list:
        if self._dropped != self.gpu.dropped:  # a bind group keeps its buffers' memory alive
            self._bound.clear()
            self._dropped = self.gpu.dropped
        found = self._bound[key]
        if found is None:
            found = [
                self.gpu.bind_group(pipeline.access, bound, self._uniforms)
                for pipeline, bound in zip(self._pipelines, buffers(), strict=True)
            ]
            self._bound.keep(key, found)
        return found

    def _encoded(self, groups: list) -> object:
        encoder = self.gpu.raw.create_command_encoder()
        compute = encoder.begin_compute_pass()
        bound = None
        for pipeline, group, start, size in zip(
            self._pipelines, groups, self.starts, self._groups, strict=True
        ):
            if pipeline is not bound:
                compute.set_pipeline(pipeline.raw)
                bound = pipeline
            compute.set_bind_group(0, group, (start,))
            compute.dispatch_workgroups(*size)
        compute.end()
        return encoder.finish()
