"""Programs as a loader runs them: everything in its place, and nothing left to be worked out.

A program in `program.json` has

    name, about what it is called, and {inputs, outputs}, each [{name, dtype, shape}]
    inputs      [{name, dtype, shape, size, buffer, ranges}]: `ranges` are [places, least, greatest,
                besides]: what the integers in some places, or all, may be
    outputs     [{name, path, dtype, size, buffer}]: `path` has the program's name, too
    params      the u32 words of all uniforms; the first `live` of them change from run to run
    numbers     what each run computes anew (numbers.py)
    places      [[word, number, whether it is a float]]: where these numbers go
    draws       [[word, stream, offset]]: where five words go that say where a stream is, further by
                `offset`: those of `drawn` in backends/webgpu/launches.py
    takes       [[stream, count]]: how many numbers each run takes
    counts      [[counter, by]]: what each run counts, before its numbers are computed
    launches    [{kernel, groups, bindings: [[binding, buffer, start, bytes]]}]: binding 0 is in
                the params; none is hot, for lanes exchange no values in what is portable
    copies      [[from, to, bytes]]: buffers that are copied at the end of a run
    faults      null, or {buffer, dtype, size, checks: [{text, unsigned}]}: a record of two i32 for
                each check, how many integers were out of range, and one of them, which goes in the
                place of {} in `text`
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from ..program.passes import simplify
from .entries import Entry

if TYPE_CHECKING:
    from ..backends.tracing import Live
    from ..backends.webgpu.facts import Facts
    from ..backends.webgpu.launches import Launch, Launches
    from .bundle import Bundle

SLOT = 256  # where uniforms begin: at multiples of so many bytes
NOTES_BYTES = 16
_WORST = 1234567890123  # stands for an integer in a message


class Lowered:
    """A program as launches for some limits."""

    numbers: list[Any]

    def __init__(self, entry: Entry, launches: Launches, lives: list[Live], largest: int):
        self.entry, self.launches, self.lives = entry, launches, lives
        self._largest = largest

    def told(self, bundle: Bundle, counts: list[list[int]]) -> dict[str, Any]:
        """Return the program as data."""
        entry, launches, memory = self.entry, self.launches, bundle.memory
        outline = entry.told.outline
        inputs = [
            memory.shared((entry.name, "input", i), 4 * x.array.layout.size)
            for i, x in enumerate(entry.leaves)
        ]
        faults = None
        if outline.faults is not None:
            faults = memory.shared((entry.name, "faults"), 8 * len(outline.faults.checks))
        bound: list[int] = []
        for source, held in zip(outline.sources, launches.inputs, strict=True):
            if source.kind in ("window", "argument"):
                bound.append(inputs[source.of])
            elif source.kind == "faults":
                assert faults is not None
                bound.append(faults)
            else:
                storage = outline.storage(source, entry.leaves, entry.told.recording.outside)
                bound.append(bundle.buffer(storage, entry.dtype(held.dtype)))
        outputs = [
            memory.shared((entry.name, "output", i), x.nbytes)
            for i, x in enumerate(launches.outputs)
        ]
        self._bundle = bundle
        self._places: dict[str, Any] = {
            "input": bound,
            "output": outputs,
            "block": [memory.shared(("block", i), x) for i, x in enumerate(launches.blocks)],
            "constant": [
                memory.constant(np.frombuffer(x + bytes(-len(x) % 4), np.uint32))
                for x in launches.constants
            ],
            "swap": {
                i: memory.shared(("swap", i), launches.inputs[i].nbytes) for i in launches.swaps
            },
        }
        starts, params, live = self._params()
        where = list(zip(starts, launches.launches, strict=True))
        streams = [bundle.stream(g) for g, _, _ in outline.generators]
        return {
            "name": entry.name,
            "about": {
                "inputs": [
                    {"name": name, "dtype": x.dtype.name, "shape": x.shape}
                    for name, x in zip(entry.names, entry.leaves, strict=True)
                ],
                "outputs": [
                    {"name": name, "dtype": x.dtype.name, "shape": x.layout.shape}
                    for name, x in zip(entry.results, entry.told.results, strict=True)
                ],
            },
            "inputs": [
                {
                    "name": name,
                    "dtype": x.dtype.name,
                    "shape": x.shape,
                    "size": x.array.layout.size,
                    "buffer": inputs[i],
                    "ranges": self._ranges(i),
                }
                for i, (name, x) in enumerate(zip(entry.names, entry.leaves, strict=True))
            ],
            "outputs": [
                {
                    "name": name,
                    "path": f"{entry.name}.{name}",
                    "dtype": launches.outputs[i].dtype,
                    "size": x.layout.size,
                    "buffer": outputs[i],
                }
                for name, i, x in zip(
                    entry.results, entry.told.outputs, entry.told.results, strict=True
                )
            ],
            "params": params,
            "live": live,
            "numbers": self.numbers,
            "places": [
                [(start + at) // 4, n, dtype == "float32"]
                for start, x in where
                for at, n, dtype in x.numbers
            ],
            "draws": [[start // 4, streams[x.draw[0]], x.draw[1]] for start, x in where if x.draw],
            "takes": [[g, n] for g, (_, _, n) in zip(streams, outline.generators, strict=True)],
            "counts": counts,
            "launches": [self._launch(start, x) for start, x in where],
            "copies": [
                [place, bound[i], launches.inputs[i].nbytes + -launches.inputs[i].nbytes % 4]
                for i, place in self._places["swap"].items()
            ],
            "faults": None if faults is None else _faults(outline.faults, faults),
        }

    def _room(self, x: Launch) -> int:
        from ..backends.webgpu.launches import uniform

        size = max(uniform(self.launches.kernels[k].code)[0] for k in x.kernels)
        return max(16, size + -size % 16)

    def _params(self) -> tuple[list[int], list[int], int]:
        """Return where the params of launches begin, in bytes; all of them; how many change."""
        rows = self.launches.launches
        changing = [bool(x.numbers or x.draw) for x in rows]
        starts = [0] * len(rows)
        end = live = 0
        for i in sorted(range(len(rows)), key=lambda i: not changing[i]):
            starts[i] = end
            end += -(-self._room(rows[i]) // SLOT) * SLOT
            live = end // 4 if changing[i] else live
        words = bytearray(end)
        for start, x in zip(starts, rows, strict=True):
            words[start : start + len(x.params)] = x.params
        return starts, list(struct.unpack(f"<{end // 4}I", words)), live

    def _launch(self, start: int, x: Launch) -> dict[str, Any]:
        from ..backends.webgpu.launches import NOTES_BINDING, folded

        kernels = self.launches.kernels
        bindings = [[0, None, start, self._room(x)]]
        for i, b in enumerate(x.bindings, 1):
            place = self._places[b.kind][b.nth]
            nbytes = b.nbytes
            if nbytes is None:
                nbytes = self.launches.nbytes(b)
                nbytes = min(nbytes + -nbytes % 16, self._largest)
            bindings.append([i, place, b.start, nbytes])
        kernel = self._bundle.kernel(kernels[x.kernel])
        if len(self._bundle.bindings(kernel)) > len(bindings):
            notes = self._bundle.memory.shared("notes", NOTES_BYTES)
            bindings.append([NOTES_BINDING, notes, 0, NOTES_BYTES])
        return {"kernel": kernel, "groups": folded(x.groups), "bindings": bindings}

    def _ranges(self, i: int) -> list[Any]:
        """Return which places of an input hold integers that lie in a range, and in which."""
        outline, rows = self.entry.told.outline, []
        size = self.entry.leaves[i].array.layout.size
        for source, x, limits in (*outline.checks, *outline.choices):
            if source.kind in ("argument", "window") and source.of == i:
                layout = x.layout
                places = None
                if not (layout.contiguous and layout.offset == 0 and layout.size == size):
                    seen = np.lib.stride_tricks.as_strided(
                        np.arange(size)[layout.offset :],
                        layout.shape,
                        [8 * s for s in layout.strides],
                    )
                    places = np.unique(seen).tolist()
                rows.append([places, *limits])
        return rows


def lowered(entry: Entry, facts: Facts) -> Lowered:
    """Return the program of an entry as launches."""
    from ..program.lower.webgpu import limits_for, live_numbers, lower, prepared

    program = simplify(entry.told.program, limits_for(facts))
    lives = live_numbers(prepared(program, facts))
    return Lowered(entry, lower(program, facts), lives, facts.largest_binding)


def _faults(faults: Any, buffer: int) -> dict[str, Any]:
    """Return what is said of each range check, with {} for the integer."""
    rows = []
    for check in faults.checks:
        text = str(check.error(_WORST, f"; a program computed it at {check.place}"))
        rows.append({"text": text.replace(str(_WORST), "{}"), "unsigned": check.unsigned})
    return {"buffer": buffer, "dtype": "int32", "size": 2 * len(rows), "checks": rows}
