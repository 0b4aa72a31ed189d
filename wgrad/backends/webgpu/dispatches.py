"""A list of dispatches that runs again and again: one encoder, one pass, one submit each time.

Parameters lie in a uniform buffer of the replay's own, and are written again only where a number
changed. Bind groups are kept for every combination of buffers that came.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from ...errors import DeviceError
from ...interrupts import interrupts_wait
from ...recent import Recent
from ..shader import Groups
from ..timing import Timing
from . import headroom
from .buffers import Buffer
from .gpu import Gpu, Move
from .launches import folded
from .pipelines import Pipeline
from .stamps import PAIRS

COMBINATIONS = 64  # of buffers, whose bind groups are kept


class Dispatches:
    """Dispatches of fixed kernels, sizes and parameters over buffers that may change."""

    def __init__(self, gpu: Gpu, work: Sequence[tuple[Pipeline, bytes, int | Groups]]):
        """Take (pipeline, parameters, workgroups) of each dispatch, in order."""
        self.gpu = gpu
        self._pipelines = [pipeline for pipeline, _, _ in work]
        self._noting = {pipeline.code for pipeline in self._pipelines if pipeline.notes}
        self._groups = [folded(groups) for _, _, groups in work]
        self.starts: list[int] = []  # where each dispatch's parameters begin
        end = 0
        for _, params, _ in work:
            self.starts.append(end)
            end += -(-max(len(params), 1) // gpu.slot) * gpu.slot
        # The last binding reaches past its parameters.
        self._host = bytearray(end + max((x.room for x in self._pipelines), default=0))
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
        self._stale = size > 0  # the uniform buffer lacks what the host has, if that has any
        self._bound: Recent[Hashable] = Recent(COMBINATIONS)
        # Each by itself: most are those of another combination, or of another turn of a loop.
        self._each: Recent[Hashable] = Recent(len(work) + COMBINATIONS)
        self._dropped = gpu.dropped

    def replace(self, i: int, pipeline: Pipeline, groups: int | Groups) -> None:
        """Have another kernel of the same bindings and parameters run as dispatch `i`."""
        self._pipelines[i] = pipeline
        self._groups[i] = folded(groups)

    def set_params(self, start: int, data: bytes) -> None:
        """Change parameters from the next run on."""
        if self._host[start : start + len(data)] != data:
            self._host[start : start + len(data)] = data
            self._stale = True

    def run(
        self,
        key: Hashable,
        buffers: Callable[[], Sequence[Sequence[Buffer]]],
        timings: Sequence[Timing] = (),
    ) -> None:
        """Submit all dispatches; `key` names the buffers, which are asked for when it is new.

        Where they are measured, `timings` has one for each. Raises: DeviceError when the driver
        refuses them.
        """
        gpu = self.gpu
        gpu.check()
        for code in self._noting:
            gpu.notes.expect(code)
        with gpu.lock:
            groups = self._bind_groups(key, buffers)
            if timings:
                gpu.flush()
                self._run_timed(groups, timings)
                return
            headroom.require(0, f"running {len(groups)} kernels")
            moves: Sequence[Move] = gpu.taken_moves()
            with gpu.driving:
                rows = list(self._rows(groups))
                commands = []
                parts = gpu.stretches(self._pipelines) or [(slice(None), None)]
                for part, _ in parts:
                    commands.append(self._encoded(rows[part], moves=moves))
                    moves = ()
                if self._stale:
                    gpu.raw.queue.write_buffer(self._uniforms, 0, self._host)
                    self._stale = False
                for one, (_, first) in zip(commands, parts, strict=True):
                    gpu.submit(one, first)
                gpu.count(len(groups))

    def _bind_groups(
        self, key: Hashable, buffers: Callable[[], Sequence[Sequence[Buffer]]]
    ) -> list:
        if self._dropped != self.gpu.dropped:  # a bind group keeps its buffers' memory alive
            self._bound.clear()
            self._each.clear()
            self._dropped = self.gpu.dropped
        groups = self._bound[key]
        if groups is None:
            groups = []
            for pipeline, bound in zip(self._pipelines, buffers(), strict=True):
                which = pipeline.access, tuple([buffer.uid for buffer in bound])
                group = self._each[which]
                if group is None:
                    group = self.gpu.bind_group(pipeline.access, bound, self._uniforms)
                    self._each.keep(which, group)
                groups.append(group)
            self._bound.keep(key, groups)
        return groups

    def _rows(self, groups: list) -> Iterable[tuple]:
        return zip(self._pipelines, groups, self.starts, self._groups, strict=True)

    def _encoded(
        self,
        rows: Iterable[tuple],
        timings: Sequence[Timing] = (),
        first: int | None = None,
        moves: Iterable[Move] = (),
    ) -> Any:
        try:
            return self.gpu.commands(rows, timings, first, moves)
        except Exception as error:  # mistakes inside a pass surface only here
            names = ", ".join(sorted({p.label for p in self._pipelines}))
            what = f"the driver refused a replay of {names}"
            raise self.gpu.failure(DeviceError, what, error) from error

    def _run_timed(self, groups: list, timings: Sequence[Timing]) -> None:
        """Run as many dispatches to a submit as can be timed; all are encoded before the first."""
        gpu = self.gpu
        headroom.require(0, f"running {len(groups)} kernels")
        gpu.ready(timings[0])
        stamps = gpu.stamps() if timings[0].clock == "gpu" else None
        size = 1 if stamps is None else PAIRS
        if stamps is not None:
            stamps.make_room(min(len(groups), PAIRS))
        rows = list(self._rows(groups))
        with interrupts_wait():
            first = 0 if stamps is None else stamps.next
            pieces = []
            for start in range(0, len(rows), size):
                some = timings[start : start + size]
                with gpu.driving:
                    made = self._encoded(
                        rows[start : start + size], () if stamps is None else some, first
                    )
                pieces.append((made, some))
            for commands, some in pieces:
                if stamps is not None:
                    stamps.make_room(len(some))
                with gpu.driving:
                    if self._stale:
                        gpu.raw.queue.write_buffer(self._uniforms, 0, self._host)
                        self._stale = False
                    gpu.raw.queue.submit([commands])
                    gpu.count(len(some))
                    if stamps is not None:
                        stamps.submitted(some)
                if stamps is None:
                    gpu.wait_for(some[0])
