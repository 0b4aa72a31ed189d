"""A bundle: programs over one state as plain data, which a loader runs as it stands.

`program.json` is {"sha256": of the text of "content", "content": {...}}, whose content has

    format, version
    title       what the page is called
    files       {name: {bytes, sha256}} of all others
    limits      what a device has to offer beyond WebGPU's defaults, by WebGPU's names
    buffers     [[bytes, name]]: all memory, and the constant that it begins with, or null
    state       {pieces, marks, tensors}: the header of a file of safetensors, as `wg.save` writes
                it, cut where the page's numbers go, and last its streams; what these numbers are
                (state.py); [{name, dtype, size, buffer, start, told}], of which `start` says where
                in the file the data is, and `told` what it has to be
    runs        how often each program runs in the self-test
    now         {counters, settings, streams}: what each counter begins with; numbers of optimizers;
                [seed's low word, its high word, how many were taken] of streams of random numbers
    settings    [{name, fixed}]: what these numbers of optimizers are called
    tables      lists of numbers, for what only Python computes
    global      [stream]: which of them `manual_seed` starts again
    kernels     [{file, label, bindings: [[binding, type]]}]
    kinds       {"gpu": {programs, needs}, "software": {...}}: for adapters that are chips, and for
                those that are programs: a list of programs (programs.py), and the files they need
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backends.array import Array, Storage
from ..backends.loops import NOTES_NAME
from ..dtypes import bool_, float32
from ..errors import ArgumentError, DTypeError
from ..io.safetensors import metadata_of
from ..layout import Layout
from ..random import Generator
from ..random.generator import global_generator
from .entries import Entry
from .expected import RUNS
from .numbers import Counters
from .programs import Lowered, lowered
from .state import GAP, Walk

if TYPE_CHECKING:
    from ..backends.webgpu.facts import Facts
    from ..backends.webgpu.problem import Kernel

FORMAT, VERSION = "wgrad page", 1
CODES = {"float32": "F32", "int32": "I32", "uint32": "U32", "bool": "BOOL"}  # of safetensors
NEEDED = ("state.safetensors", "constants.safetensors", "expected.safetensors")
DEFAULTS = {
    "maxStorageBuffersPerShaderStage": 8,
    "maxStorageBufferBindingSize": 1 << 27,
    "maxBufferSize": 1 << 28,
}


class Memory:
    """All buffers of an export, by their places in one list."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []
        self.constants: dict[str, np.ndarray] = {}  # by their hashes
        self._of: dict[Any, int] = {}

    def new(self, nbytes: int, words: np.ndarray | None = None) -> int:
        """Return a new buffer, of whole 16 bytes, as all memory is."""
        name = None if words is None else self._constant(words)
        self.rows.append([max(16, nbytes + -nbytes % 16), name])
        return len(self.rows) - 1

    def shared(self, key: Any, nbytes: int, words: np.ndarray | None = None) -> int:
        """Return the buffer of a key, at least of a size."""
        if key not in self._of:
            self._of[key] = self.new(nbytes, words)
        row = self.rows[self._of[key]]
        row[0] = max(row[0], nbytes + -nbytes % 16)
        return self._of[key]

    def constant(self, words: np.ndarray) -> int:
        """Return the buffer of data that nobody writes to."""
        return self.shared(("constant", self._constant(words)), words.nbytes, words)

    def _constant(self, words: np.ndarray) -> str:
        name = hashlib.sha256(words.tobytes()).hexdigest()[:16]
        self.constants.setdefault(name, words)
        return name


class Bundle:
    """What an export is; made while the traces of its functions are not undone yet."""

    def __init__(
        self,
        entries: Sequence[Entry],
        state: Any,
        counters: Counters,
        facts: Mapping[str, Facts],
        title: str,
    ):
        self.memory = Memory()
        self.counters, self._title = counters, title
        self._streams: dict[Generator, int] = {}
        for entry in entries:
            for generator in entry.told.recording.tracer.generators:
                self._streams.setdefault(generator, len(self._streams))
        self._kernels: dict[Kernel, int] = {}
        self.texts: dict[str, bytes] = {}
        self._kernel_rows: list[dict[str, Any]] = []
        made = {
            kind: {entry: lowered(entry, one) for entry in entries} for kind, one in facts.items()
        }
        for one in made.values():
            for program in one.values():
                program.numbers = [counters.told(live) for live in program.lives]
        streams: dict[Any, int] = {**self._streams}
        if global_generator() in streams:
            streams[None] = streams[global_generator()]
        self.walk = Walk(state, counters, streams)
        self._description, self._marks, self._tensors = self.walk.told()
        self._held = {x.array.storage: x.array.layout.size for x in self._tensors.values()}
        for x in self._tensors.values():
            self.buffer(x.array.storage, x.array.dtype)
        self._programs = {
            kind: [x.told(self, self.counters.runs[i]) for i, x in enumerate(one.values())]
            for kind, one in made.items()
        }
        self._limits = self._needed(made, facts)

    # What programs ask for.
    def buffer(self, storage: Storage, dtype: Any) -> int:
        """Return the buffer of memory that stays."""
        if self._held.get(storage) == storage.size:  # the state fills it
            return self.memory.shared(storage, 4 * storage.size)
        return self.memory.shared(storage, 4 * storage.size, _words(storage, dtype))

    def stream(self, generator: Generator) -> int:
        """Return the number of a stream of random numbers."""
        return self._streams[generator]

    def kernel(self, kernel: Kernel) -> int:
        """Return the number of a kernel."""
        from ..backends.webgpu.launches import NOTES_BINDING

        if kernel not in self._kernels:
            at = self._kernels[kernel] = len(self._kernels)
            word = re.sub(r"[^a-z0-9]+", "_", kernel.label.lower()).strip("_")[:40]
            name = f"{at:03}_{word}.wgsl"
            self.texts[name] = kernel.code.encode()
            types = {"r": "read-only-storage", "w": "storage"}
            bindings: list[list[Any]] = [[0, "uniform"]]
            bindings += [[i, types[how]] for i, how in enumerate(kernel.access, 1)]
            if NOTES_NAME in kernel.code:
                bindings.append([NOTES_BINDING, "storage"])
            self._kernel_rows.append({"file": name, "label": kernel.label, "bindings": bindings})
        return self._kernels[kernel]

    def file(self, kernel: int) -> str:
        """Return the name of a kernel's file."""
        return self._kernel_rows[kernel]["file"]

    def bindings(self, kernel: int) -> list[Any]:
        """Return what a kernel binds."""
        return self._kernel_rows[kernel]["bindings"]

    # What it is.
    def content(self) -> dict[str, Any]:
        """Return what `program.json` says, but for the files."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "title": self._title,
            "limits": self._limits,
            "buffers": self.memory.rows,
            "runs": RUNS,
            "state": self._state(),
            "now": {
                "counters": self.counters.starts,
                "settings": [x["value"] for x in self.counters.settings],
                "streams": [[g.seed & 0xFFFFFFFF, g.seed >> 32, g.counter] for g in self._streams],
            },
            "settings": [{k: x[k] for k in ("name", "fixed")} for x in self.counters.settings],
            "tables": self.counters.tables,
            "global": [i for g, i in self._streams.items() if g is global_generator()],
            "kernels": self._kernel_rows,
            "kinds": {
                kind: {"programs": x, "needs": _needs(x, self)}
                for kind, x in self._programs.items()
            },
        }

    def _state(self) -> dict[str, Any]:
        rows = sorted(map(self._row, self._tensors), key=lambda x: x["dtype"] == "bool")
        metadata = {**metadata_of(self._description), "streams": GAP}
        header: dict[str, Any] = {"__metadata__": metadata}
        end = 0
        for x in rows:
            shape, code = self._tensors[x["name"]].shape, CODES[x["dtype"]]
            start, end = end, end + x["size"] * (1 if x["dtype"] == "bool" else 4)
            header[x["name"]] = {"dtype": code, "shape": shape, "data_offsets": [start, end]}
            told = f"{code} [{','.join(map(str, shape))}] of {end - start} bytes"
            x.update(start=start, told=told)
        text = json.dumps(header).replace(json.dumps(json.dumps(GAP))[1:-1], GAP)
        return {"pieces": text.split(GAP), "marks": self._marks, "tensors": rows}

    def _row(self, name: str) -> dict[str, Any]:
        array = self._tensors[name].array
        layout = array.layout
        if array.dtype.name not in CODES:
            raise DTypeError(
                f"export.web: {name} of the state is {array.dtype.name}, and a page holds "
                f"{', '.join(CODES)}"
            )
        if not layout.contiguous or layout.size != array.storage.size:
            raise ArgumentError(
                f"export.web: {name} of the state, of shape {layout.shape}, is a view of other "
                "memory, and a page saves whole tensors: let it be a copy()"
            )
        return {
            "name": name,
            "dtype": array.dtype.name,
            "size": layout.size,
            "buffer": self.buffer(array.storage, array.dtype),
        }

    def _needed(
        self, made: Mapping[str, Mapping[Entry, Lowered]], facts: Mapping[str, Facts]
    ) -> dict[str, int]:
        largest = max((nbytes for nbytes, _ in self.memory.rows), default=0)
        bound = [len(x["bindings"]) - 1 for x in self._kernel_rows]
        most = {
            "maxStorageBuffersPerShaderStage": max(bound, default=0),
            "maxStorageBufferBindingSize": min(
                largest, max(x.largest_binding for x in facts.values())
            ),
            "maxBufferSize": largest,
        }
        return {k: n for k, n in most.items() if n > DEFAULTS[k]}


def _needs(programs: Sequence[Any], bundle: Bundle) -> list[str]:
    """Return the files that a loader of some programs needs."""
    launches = [x for program in programs for x in program["launches"]]
    return [*NEEDED, *dict.fromkeys(bundle.file(x["kernel"]) for x in launches)]


def _words(storage: Storage, dtype: Any) -> np.ndarray:
    """Return memory as a page's buffers have it."""
    kind = dtype if dtype is bool_ else float32  # bits are bits
    if storage.device.name == "numpy":
        data = np.asarray(storage.buffer)
        return data.astype(np.uint32) if data.dtype == np.bool_ else data.view(np.uint32).copy()
    data = storage.device.download(Array(storage, Layout.dense((storage.size,)), kind))
    return data.astype(np.uint32) if kind is bool_ else data.view(np.uint32)


def packed(content: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """Return `program.json`: the content, what it says of the other files, and its own hash."""
    told = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in files.items()
    }
    text = json.dumps({**content, "files": told}, separators=(",", ":"), allow_nan=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f'{{"sha256":"{digest}","content":{text}}}'.encode()
