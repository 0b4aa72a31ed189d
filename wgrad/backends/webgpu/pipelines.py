"""Shaders compiled on an open adapter, and what binds memory to them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

from ...errors import DeviceError, OutOfMemoryError, ShaderError
from ...origin import caller, place
from ...recent import Recent, Shared
from ...statistics import COUNTERS
from ..loops import NOTES_NAME
from . import headroom, shaders
from .buffers import Buffer
from .device import Opened, is_short
from .launches import MOST_PARAMS, NOTES_BINDING, PARAMS_BYTES, room_for_params
from .notes import NOTES_BYTES, Notes
from .origins import explained
from .problem import Kernel

RING_BYTES = 1 << 18  # parameters of the dispatches of one submit
LAYOUTS_KEPT = 256  # of bind groups, by what becomes of each buffer
PIPELINES_KEPT = 128  # besides those that who runs them holds: up to a megabyte each


LARGE = "u"  # the letter of more parameters than shaders of ours have
NOTES = "n"  # the letter of the memory that kernels note loops in which did not end


class Pipeline:
    """A compiled shader; `access` says of each storage buffer whether it is read or written."""

    __slots__ = ("__weakref__", "access", "code", "label", "notes", "raw", "room", "seconds")

    def __init__(self, raw: Any, access: str, label: str, code: str, seconds: float = 0.0):
        self.raw = raw
        self.code = code
        self.room = MOST_PARAMS if LARGE in access else PARAMS_BYTES  # for its parameters
        self.notes = access.endswith(NOTES)  # is there something that it may note?
        self.access = access
        self.label = label
        self.seconds = seconds  # that it took to compile, as far as that was noticed


class Compiler(Opened):
    """An open adapter that compiles shaders."""

    def __init__(self, adapter: Any, most_bound: int | None = None, most_bytes: int | None = None):
        super().__init__(adapter, most_bound, most_bytes)
        self._layouts: Recent[str] = Recent(LAYOUTS_KEPT)
        self.notes = Notes(self)
        self._texts: Shared[tuple[str, str], Pipeline] = Shared(PIPELINES_KEPT)
        usage = self.wgpu.BufferUsage
        self._uniforms = self.raw.create_buffer(
            size=RING_BYTES, usage=usage.UNIFORM | usage.COPY_DST | usage.COPY_SRC
        )
        # What software adapters have still to compile, which they do when it first runs.
        self._pending: WeakSet[Pipeline] = WeakSet()

    def _layout(self, access: str) -> tuple[Any, Any]:
        """Return the explicit layouts of a shader whose buffers are used as `access` says."""
        layouts = self._layouts[access]
        if layouts is None:
            stage = self.wgpu.ShaderStage.COMPUTE
            entries: list[dict] = [
                {
                    "binding": 0,
                    "visibility": stage,
                    "buffer": {
                        "type": "uniform",
                        "has_dynamic_offset": True,
                        "min_binding_size": 0,
                    },
                }
            ]
            for i, use in enumerate(access.replace(LARGE, ""), 1):
                kind = "read-only-storage" if use == "r" else "storage"
                i = NOTES_BINDING if use == NOTES else i
                entries.append({"binding": i, "visibility": stage, "buffer": {"type": kind}})
            group = self.raw.create_bind_group_layout(entries=entries)
            whole = self.raw.create_pipeline_layout(bind_group_layouts=[group])
            layouts = group, whole
            self._layouts.keep(access, layouts)
        return layouts

    def compile(self, code: str, access: str | int, label: str) -> Pipeline:
        """Return the pipeline of a shader text.

        Raises: ShaderError with the compiler's words, at the line of the file that they are about.

        `access` has a letter for each storage buffer from binding 1 on, "r" where it is read and
        "w" where it is written; a number of them are read, and one more is written.
        """
        self.check()
        if isinstance(access, int):
            access = "r" * access + "w"
        if room_for_params(code) > PARAMS_BYTES:
            access += LARGE
        if NOTES_NAME in code:
            access += NOTES
            self._check_room_for_notes(access, label)
        headroom.require(0, f"compiling shader {label}")
        start = time.process_time()
        with self.driving:
            try:
                text = self.implementation.text(code)
                module = self.raw.create_shader_module(label=label, code=text)
                raw = self.raw.create_compute_pipeline(
                    label=label,
                    layout=self._layout(access)[1],
                    compute={"module": module, "entry_point": "main"},
                )
            except Exception as error:
                if is_short(error) or not str(error).strip():
                    what = f"shader {label} was not compiled"
                    raise self.failure(ShaderError, what, error) from error
                at = place(caller())
                raise explained(label, code, str(error), shaders.files(), at) from None
            COUNTERS.pipelines_compiled += 1
            made = Pipeline(raw, access, label, code)
            self._took(made, time.process_time() - start)
            if self.facts.is_software:
                self._pending.add(made)
            return made

    def _took(self, pipeline: Pipeline, seconds: float) -> None:
        pipeline.seconds += seconds
        COUNTERS.compile_seconds += seconds

    def stretches(self, pipelines: Sequence[Pipeline]) -> list[tuple[slice, Pipeline | None]]:
        """Return what is to be submitted together of some dispatches: all of them, as a rule.

        What runs a pipeline for the first time is alone, and comes with that: see `submit`.
        """
        found: list[tuple[slice, Pipeline | None]] = []
        start = 0
        if self._pending:
            for i, pipeline in enumerate(pipelines):
                if pipeline in self._pending:
                    self._pending.discard(pipeline)
                    found += [(slice(start, i), None)] * (start < i)
                    found.append((slice(i, i + 1), pipeline))
                    start = i + 1
        return found + [(slice(start, len(pipelines)), None)] * (start < len(pipelines))

    def submit(self, commands: Any, first: Pipeline | None) -> None:
        """Submit commands; those of a pipeline's first run are waited for, to know what it took."""
        if first is None:
            self.raw.queue.submit([commands])
            return
        self._wait_for_all()
        start = time.process_time()
        self.raw.queue.submit([commands])
        self._wait_for_all()
        self._took(first, time.process_time() - start)

    def _wait_for_all(self) -> None:
        try:
            self.raw.queue.read_buffer(self._uniforms, 0, 4)
        except Exception as error:
            raise self.failure(DeviceError, "a shader was not compiled", error) from error

    def _check_room_for_notes(self, access: str, label: str) -> None:
        most = self.limits["max-storage-buffers-per-shader-stage"]
        if len(access.replace(LARGE, "")) > most:
            raise ShaderError(
                f"{label}: its loops may never end, and to tell of that a kernel needs one more "
                f"buffer than the {most} that {self.info['device']} binds: take rounds=None"
            )

    def refusal(self, code: str, label: str) -> str | None:
        """Return what the compiler says against a text; None where it takes it. Nothing is made.

        Raises: DeviceError, OutOfMemoryError where the device does not answer.
        """
        self.check()
        headroom.require(0, f"reading shader {label}")
        with self.driving:
            try:
                self.raw.create_shader_module(label=label, code=self.implementation.text(code))
            except Exception as error:
                if is_short(error) or not str(error).strip():
                    what = f"shader {label} was not read"
                    raise self.failure(ShaderError, what, error) from error
                return str(error)
        return None

    def pipeline(self, kernel: Kernel) -> Pipeline:
        """Return the pipeline of a kernel; one that is in use is not compiled again."""
        label, code, access = kernel
        return self._texts.find((code, access), lambda: self.compile(code, access, label))

    def bind_group(self, access: str, buffers: Sequence[Buffer], uniforms: Any) -> Any:
        """Return a new bind group: Params at a dynamic offset of `uniforms`, then the buffers."""
        room = MOST_PARAMS if LARGE in access else PARAMS_BYTES
        entries: list[dict] = [
            {"binding": 0, "resource": {"buffer": uniforms, "offset": 0, "size": room}}
        ]
        for i, buffer in enumerate(buffers, 1):
            if buffer.nbytes > self.facts.largest_binding:
                raise OutOfMemoryError(
                    f"webgpu: a kernel came for a tensor of {buffer.nbytes} bytes, and "
                    f"{self.info['device']} binds at most {self.facts.largest_binding} at once"
                )
            resource = {"buffer": buffer.raw, "offset": buffer.start, "size": buffer.nbytes}
            entries.append({"binding": i, "resource": resource})
        if access.endswith(NOTES):
            notes = {"buffer": self.notes.memory, "offset": 0, "size": NOTES_BYTES}
            entries.append({"binding": NOTES_BINDING, "resource": notes})
        COUNTERS.bind_groups_created += 1
        with self.driving:
            try:
                return self.raw.create_bind_group(layout=self._layout(access)[0], entries=entries)
            except Exception as error:
                raise self.failure(DeviceError, "buffers were not bound", error) from error
