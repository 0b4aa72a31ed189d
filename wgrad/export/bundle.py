"""A bundle: programs over one state as files, all plain data; `FORMAT` is what a loader reads.

`program.json` is {"sha256": of the text of "content", "content": {...}}, whose content has

    format, version
    title       what the page is called
    files       {name: {bytes, sha256}} of all others
    limits      what a device has to offer beyond WebGPU's defaults, by WebGPU's names
    buffers     [{bytes, from}] that stay: `from` is ["state", name], ["constant", name], or null
    state       {json, tensors}: the description that `wg.save` writes, with marks, and the tensors
    counters    what each counter begins with
    settings    [{name, value}], numbers of optimizers
    schedules   {counter: {setting: [values by turns]}}
    streams     [{seed: [low, high], counter, global}] of random numbers
    kernels     [{file, label, access, bytes, notes}]
    programs    {name: program}; see `_program`
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backends.array import Storage
from ..backends.loops import NOTES_NAME
from ..layout import Layout
from ..program.passes import simplify
from ..random import Generator
from ..random.generator import global_generator
from .expected import run
from .numbers import Counters
from .programs import Entry
from .state import Walk

if TYPE_CHECKING:
    from ..backends.webgpu.facts import Facts
    from ..backends.webgpu.launches import Launches

FORMAT, VERSION = "wgrad page", 1
RUNS = 3  # of each program in the self-test
_DEFAULTS = {
    "maxStorageBuffersPerShaderStage": 8,
    "maxStorageBufferBindingSize": 1 << 27,
    "maxBufferSize": 1 << 28,
}


class Bundle:
    """The files of an export; made while the functions' traces are not undone yet."""

    def __init__(
        self, entries: Sequence[Entry], state: Any, counters: Counters, facts: Facts, title: str
    ):
        self.entries, self.facts, self.title = entries, facts, title
        self.counters = counters
        self._streams: dict[Generator, int] = {}
        self._starts: list[int] = []
        for entry in entries:
            for generator, (first, _) in entry.told.recording.tracer.generators.items():
                if generator not in self._streams:
                    self._streams[generator] = len(self._streams)
                    self._starts.append(first)
        self._buffers: dict[Storage, int] = {}
        self._held: list[dict[str, Any]] = []
        self.constants: dict[str, np.ndarray] = {}
        self.kernels: dict[Any, int] = {}
        self.texts: dict[str, str] = {}
        self._tables: list[dict[str, Any]] = []
        streams: dict[Any, int] = {**self._streams}
        if global_generator() in streams:
            streams[None] = streams[global_generator()]
        numbers = [self._numbers(entry) for entry in entries]
        self.walk = Walk(state, counters, streams)
        self.description, self._tensors = self.walk.told()
        self._named: dict[Storage, str] = {}
        for name, x in self._tensors.items():
            self._named.setdefault(x.array.storage, name)
            self._buffer(x.array.storage, x.array.dtype.name)
        self.programs = {
            entry.name: self._program(entry, row)
            for entry, row in zip(entries, numbers, strict=True)
        }

    # What stays.
    def _buffer(self, storage: Storage, dtype: str) -> int:
        if storage not in self._buffers:
            self._buffers[storage] = len(self._held)
            source: list[str] | None = None
            if storage not in self._named or not self._fills(storage):
                source = ["constant", self._constant(_words(storage))]
            size = max(storage.size * 4, 4)
            self._held.append({"bytes": size, "from": source})
        return self._buffers[storage]

    def _fills(self, storage: Storage) -> bool:
        """Whether a tensor of the state is all of its memory."""
        return self._tensors[self._named[storage]].array.layout.size == storage.size

    def _constant(self, words: np.ndarray) -> str:
        digest = hashlib.sha256(words.tobytes()).hexdigest()[:16]
        self.constants.setdefault(digest, words)
        return digest

    # Programs.
    def _numbers(self, entry: Entry) -> list[Any]:
        from ..program.lower.webgpu import limits_for, live_numbers, lower, prepared

        program = simplify(entry.told.program, limits_for(self.facts))
        entry.lowered = lower(program, self.facts)
        return [self.counters.told(x) for x in live_numbers(prepared(program, self.facts))]

    def _program(self, entry: Entry, numbers: list[Any]) -> dict[str, Any]:
        """Return a program as data.

        inputs      [{name, dtype, shape, ranges}]: what `run` takes
        binds       what each input of the launches is: ["input", i], ["buffer", k] or ["faults"]
        outputs     [{name, dtype, shape, output}]: `output` is that of the launches
        made        the bytes of each output
        blocks, swaps, constants, launches
                    as in `Launches`; constants are names
        numbers     one expression (numbers.py) for each
        counts      [[counter, by]]: what a run counts before it reads numbers
        draws       [[stream, count]]: what a run takes of each generator that launches name
        faults      [[message, count, others]]: what the records say
        """
        launches: Launches = entry.lowered
        outline = entry.told.outline
        told = entry.told
        binds: list[Any] = []
        for source, held in zip(outline.sources, launches.inputs, strict=True):
            if source.kind in ("window", "argument"):
                binds.append(["input", source.of])
            elif source.kind == "faults":
                binds.append(["faults"])
            else:
                storage = outline.storage(source, entry.leaves, told.recording.outside)
                binds.append(["buffer", self._buffer(storage, held.dtype)])
        generators = [self._streams[g] for g, _, _ in outline.generators]
        return {
            "inputs": [
                {
                    "name": name,
                    "dtype": x.dtype.name,
                    "shape": list(x.shape),
                    "ranges": _ranges(entry, i),
                }
                for i, (name, x) in enumerate(zip(entry.names, entry.leaves, strict=True))
            ],
            "binds": binds,
            "outputs": [
                {
                    "name": name,
                    "dtype": launches.outputs[i].dtype,
                    "shape": list(x.layout.shape),
                    "output": i,
                }
                for name, i, x in zip(entry.results, told.outputs, told.results, strict=True)
            ],
            "made": [x.nbytes for x in launches.outputs],
            "blocks": list(launches.blocks),
            "swaps": list(launches.swaps),
            "constants": [
                self._constant(np.frombuffer(x + bytes(-len(x) % 4), np.uint32))
                for x in launches.constants
            ],
            "launches": [self._launch(x, launches) for x in launches.launches],
            "numbers": numbers,
            "counts": self.counters.runs[self.entries.index(entry)],
            "draws": [
                [g, n] for g, (_, _, n) in zip(generators, outline.generators, strict=True)
            ],
            "faults": _faults(outline.faults),
        }

    def _launch(self, x: Any, launches: Launches) -> list[Any]:
        """Return [kernel, bindings, params, groups, numbers, draw, hot] of a launch."""
        from ..backends.webgpu.launches import folded

        hot = None
        if x.hot is not None:
            hot = [
                self._kernel(launches.kernels[x.hot.kernel]),
                list(folded(x.hot.groups)),
                x.hot.after,
            ]
        return [
            self._kernel(launches.kernels[x.kernel]),
            [list(b) for b in x.bindings],
            np.frombuffer(x.params, np.uint32).tolist(),
            list(folded(x.groups)),
            [list(n) for n in x.numbers],
            x.draw and list(x.draw),
            hot,
        ]

    def _kernel(self, kernel: Any) -> int:
        from ..backends.webgpu.launches import uniform

        if kernel not in self.kernels:
            at = self.kernels[kernel] = len(self.kernels)
            word = re.sub(r"[^a-z0-9]+", "_", kernel.label.lower()).strip("_")[:40]
            name = f"{at:03}_{word}.wgsl"
            self.texts[name] = kernel.code
            self._tables.append(
                {
                    "file": name,
                    "label": kernel.label,
                    "access": kernel.access,
                    "bytes": uniform(kernel.code)[0],
                    "notes": NOTES_NAME in kernel.code,
                }
            )
        return self.kernels[kernel]

    # Files.
    def content(self) -> dict[str, Any]:
        """Return what `program.json` says, but for the files."""
        k = len(self.counters.settings)
        schedules = self.walk.schedules
        return {
            "format": FORMAT,
            "version": VERSION,
            "title": self.title,
            "limits": self._limits(),
            "buffers": self._held,
            "state": {"json": self.description, "tensors": self._told_tensors()},
            "counters": self.counters.starts,
            "settings": self.counters.settings[:k],
            "schedules": {str(c): x["settings"] for c, x in schedules.items()},
            "streams": [
                {
                    "seed": [g.seed & 0xFFFFFFFF, g.seed >> 32],
                    "counter": start,
                    "global": g is global_generator(),
                }
                for g, start in zip(self._streams, self._starts, strict=True)
            ],
            "kernels": self._tables,
            "programs": self.programs,
        }

    def _told_tensors(self) -> list[dict[str, Any]]:
        rows = []
        for name, x in self._tensors.items():
            layout: Layout = x.array.layout
            row = {
                "name": name,
                "dtype": x.array.dtype.name,
                "shape": list(layout.shape),
                "buffer": self._buffers[x.array.storage],
            }
            if not (layout.contiguous and layout.offset == 0):
                row |= {"strides": list(layout.strides), "offset": layout.offset}
            rows.append(row)
        return rows

    def _limits(self) -> dict[str, int]:
        most = {
            "maxStorageBuffersPerShaderStage": max(
                (len(x["access"]) + x["notes"] for x in self._tables), default=0
            ),
            "maxStorageBufferBindingSize": 0,
            "maxBufferSize": max((x["bytes"] for x in self._held), default=0),
        }
        for program in self.programs.values():
            sizes = [*program["made"], *program["blocks"]]
            most["maxBufferSize"] = max(most["maxBufferSize"], *sizes, 0)
        most["maxStorageBufferBindingSize"] = min(
            most["maxBufferSize"], self.facts.largest_binding
        )
        return {k: n for k, n in most.items() if n > _DEFAULTS[k]}

    def expected(self) -> dict[str, np.ndarray]:
        """Return the example inputs, and what NumPy computes of them, by names of the self-test."""
        return run(self.entries, RUNS)


def _words(storage: Storage) -> np.ndarray:
    """Return memory as a page's buffers have it."""
    from ..backends.array import Array
    from ..dtypes import float32

    device = storage.device
    kind = getattr(storage.buffer, "dtype", None)
    if kind is not None:  # of the NumPy device
        data = np.asarray(storage.buffer)
        return data.astype(np.uint32) if data.dtype == np.bool_ else data.view(np.uint32).copy()
    array = Array(storage, Layout.dense((storage.size,)), float32)
    return device.download(array).view(np.uint32)


def _ranges(entry: Entry, i: int) -> list[Any]:
    """Return [shape, strides, offset, least, greatest, besides] that integers of an input lie in."""
    outline = entry.told.outline
    return [
        [list(x.layout.shape), list(x.layout.strides), x.layout.offset, *limits]
        for source, x, limits in (*outline.checks, *outline.choices)
        if source.kind in ("argument", "window") and source.of == i
    ]


_COUNT, _WORST = 7, 1234567890123


def _faults(faults: Any) -> list[Any]:
    """Return what is said of each range check, with marks for the integer."""
    if faults is None:
        return []
    rows = []
    for check in faults._checks:
        text = str(check.error(_WORST, f"; a program computed it at {check.place}"))
        rows.append({"text": text.replace(str(_WORST), "{}"), "unsigned": check.unsigned})
    return rows


def packed(content: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """Return `program.json`: the content, what it says of the other files, and its own hash."""
    told = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in files.items()
    }
    text = json.dumps({**content, "files": told}, separators=(",", ":"), allow_nan=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f'{{"sha256":"{digest}","content":{text}}}'.encode()


