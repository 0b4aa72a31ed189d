"""Launches: all that a compiled program does on a GPU, as plain data that anyone can run.

It is made without an adapter (program/lower/webgpu.py), and run by `runner.py`, or by whoever reads
its JSON. To run it, give every input memory, take new memory for outputs, swaps and blocks, upload
the constants, and dispatch the launches in order: each sees what those before it have written. New
memory may hold anything. All memory is flat, of 4 bytes an element (2 for float16), a bool is a u32
of 0 or 1, and a buffer is of whole 16 bytes: kernels read it by fours. What is bound to be written
is changed in place, inputs as well. The JSON is one object:

    format      "wgrad launches"
    version     VERSION: what is read is of just this one
    facts       the adapter that it was made for: the fields of `Facts`
    kernels     a list of {label, text, access, uniform}. `text` is WGSL whose entry is "main",
                `access` has a letter for each storage buffer from @binding(1) on, "r" (read) or "w"
                (read_write), all in @group(0). `uniform` is {bytes, fields}: the size of the struct
                at @binding(0), and [name, type, byte offset] of each of its members (of all the
                numbers in it, for a shader of a user's)
    launches    a list of {kernel, bindings, params, groups, step, numbers, draw, hot}, in order.
                `kernel` is a place in `kernels`, `groups` are [x, y] or [x, y, z] workgroups.
                `params` are the u32 words that the uniform begins with; no kernel reads further.
                `step` numbers the step of the program.
                A binding is [kind, index, start, bytes], for each storage buffer: `bytes` of memory
                from byte `start` on, or all of it where `bytes` is null. `numbers` are
                [byte, number, dtype]: before each run the bits of a number that the program reads
                anew (an optimizer's rate, for one) are put at this byte of the params, which have
                those that it was lowered with: a float32's bits for floats, an integer's else.
                `draw` is null or [generator, offset]: see `drawn`. The sixth word of such params
                counts the numbers that it draws: the next run begins after all of them.
                `hot` is null or [kernel, groups, after]: what may be dispatched instead, and pays
                once the launch has run `after` times. It writes the same bits, and takes longer
                to compile
    inputs, outputs
                lists of {dtype, shape, bytes}: contiguous arrays
    swaps       the inputs that get new memory in each run, which is then theirs
    blocks      the bytes of each piece of memory that a run needs for itself
    constants   the bytes of data that kernels read, each in base64
    numbers     how many numbers are read for every run
    generators  how many random generators the program draws from
    chosen      how matrix products are computed, by the kind of problem
    shuffles    whether kernels exchange values between neighbouring threads

The kinds of memory are "input", "output", "block" and "constant", with a place in the list of that
name, and "swap": the new memory of the input with this index.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from math import prod
from typing import Any, NamedTuple

from ...errors import ArgumentError, shown
from ...layout import Shape
from ..shader import Groups
from .facts import Facts
from .form import COUNT, ByLength, Maybe, fit
from .problem import Config, Hot, Kernel

FORMAT, VERSION = "wgrad launches", 2
GROUPS_PER_DIMENSION = 65535
PARAMS_BYTES = 4096  # the largest Params of any shader of ours; bound at a dynamic offset
MOST_PARAMS = 65536  # of a user's: as much as every adapter binds
DRAWN_BYTES = 20  # of `drawn`
NOTES_BINDING = 100  # of lib/rounds.wgsl, which devices bind to memory of their own
_ACCESS = {"r": "read", "w": "read_write"}
_STORAGE = re.compile(r"@binding\((\d+)\) var<storage, (\w+)>")
_STRUCT = re.compile(r"^struct (\w+) \{(.*?)^\}", re.MULTILINE | re.DOTALL)
_MEMBER = re.compile(r"(\w+): ((?:\w|<|>|, (?=\d))+),")
_DESCRIBED = re.compile(r"^// uniform: (\d+) bytes: (.*)$", re.MULTILINE)
_VECTORS = {"": (4, 4), "vec2": (8, 8), "vec4": (16, 16)}


class Binding(NamedTuple):
    """Memory that a kernel binds: `nbytes` from `start` on, or None for all, from the beginning."""

    kind: str
    nth: int
    start: int = 0
    nbytes: int | None = None


class Launch(NamedTuple):
    """One dispatch; the fields are those of the JSON."""

    kernel: int
    bindings: tuple[Binding, ...]
    params: bytes
    groups: int | Groups
    step: int
    numbers: tuple[tuple[int, int, str], ...] = ()
    draw: tuple[int, int] | None = None
    hot: Hot[int] | None = None

    @property
    def workgroups(self) -> int:
        """How many workgroups it is."""
        return prod(folded(self.groups))

    @property
    def kernels(self) -> tuple[int, ...]:
        """The kernel, and the one that is hot, if there is."""
        return (self.kernel,) if self.hot is None else (self.kernel, self.hot.kernel)


class Held(NamedTuple):
    """Memory that is given, or handed out: a contiguous array."""

    dtype: str
    shape: Shape
    nbytes: int


@dataclass(frozen=True)
class Launches:
    """What a program does on a GPU; the fields are those of the JSON."""

    facts: Facts
    kernels: tuple[Kernel, ...]
    launches: tuple[Launch, ...]
    inputs: tuple[Held, ...]
    outputs: tuple[Held, ...]
    swaps: tuple[int, ...]
    blocks: tuple[int, ...]
    constants: tuple[bytes, ...]
    numbers: int
    generators: int
    chosen: dict[str, Config]
    shuffles: bool

    def nbytes(self, x: Binding) -> int:
        """Return how many bytes a kernel is given by a binding."""
        if x.nbytes is not None:
            return x.nbytes
        if x.kind == "block":
            return self.blocks[x.nth]
        if x.kind == "constant":
            return len(self.constants[x.nth])
        return (self.outputs if x.kind == "output" else self.inputs)[x.nth].nbytes

    def texts(self, step: int) -> list[str]:
        """Return the texts of a step's kernels, each once."""
        used = dict.fromkeys(i for x in self.launches if x.step == step for i in x.kernels)
        return [self.kernels[i].code for i in used]

    def wgsl(self) -> str:
        """Return the texts of the kernels, each under lines with its step's number and its name."""
        names: list[list[str]] = [[] for _ in self.kernels]
        for x in self.launches:
            names[x.kernel].append(f"// kernel {x.step}: {self.kernels[x.kernel].label}")
            if x.hot is not None:
                label, after = self.kernels[x.hot.kernel].label, x.hot.after
                names[x.hot.kernel].append(f"// kernel {x.step} after {after} runs: {label}")
        return "\n\n".join(
            "\n".join([*above, kernel.code.rstrip()])
            for above, kernel in zip(names, self.kernels, strict=True)
        )

    def to_json(self) -> str:
        """Return all of it as text, which `from_json` reads."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "facts": asdict(self.facts),
            "kernels": [
                {
                    "label": k.label,
                    "text": k.code,
                    "access": k.access,
                    "uniform": dict(zip(("bytes", "fields"), uniform(k.code), strict=True)),
                }
                for k in self.kernels
            ],
            "launches": [
                {
                    **x._asdict(),
                    "params": struct.unpack(f"<{len(x.params) // 4}I", x.params),
                    "groups": folded(x.groups),
                    "hot": x.hot and (x.hot.kernel, folded(x.hot.groups), x.hot.after),
                }
                for x in self.launches
            ],
            "inputs": [_held(x) for x in self.inputs],
            "outputs": [_held(x) for x in self.outputs],
            "swaps": self.swaps,
            "blocks": self.blocks,
            "constants": [base64.b64encode(x).decode("ascii") for x in self.constants],
            "numbers": self.numbers,
            "generators": self.generators,
            "chosen": self.chosen,
            "shuffles": self.shuffles,
        }
        return json.dumps(content)

    @classmethod
    def from_json(cls, text: str) -> Launches:
        """Return what `to_json` wrote. Raises: ArgumentError for any other text."""
        try:
            content = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise ArgumentError(f"Launches: the text is no JSON: {error}") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ArgumentError(f"Launches: the JSON says no format {FORMAT!r}, as launches do")
        version = content.get("version")
        if type(version) is not int or version != VERSION:
            raise ArgumentError(
                f"Launches: version {shown(version)} came, and this wgrad reads version {VERSION}"
            )
        fit(content, _FORM, "Launches:")
        facts = Facts(**content["facts"])
        facts.check()
        try:
            made = cls._read(content, facts)
        except ValueError as error:
            raise ArgumentError(f"Launches: a constant is not in base64: {error}") from error
        for wrong in made._contradictions([k["uniform"] for k in content["kernels"]]):
            raise ArgumentError(f"Launches: {wrong}")
        return made

    @classmethod
    def _read(cls, content: dict[str, Any], facts: Facts) -> Launches:
        return cls(
            facts=facts,
            kernels=tuple(Kernel(k["label"], k["text"], k["access"]) for k in content["kernels"]),
            launches=tuple(
                Launch(
                    kernel=x["kernel"],
                    bindings=tuple(Binding(*b) for b in x["bindings"]),
                    params=struct.pack(f"<{len(x['params'])}I", *x["params"]),
                    groups=_read_groups(*x["groups"]),
                    step=x["step"],
                    numbers=tuple((at, i, dtype) for at, i, dtype in x["numbers"]),
                    draw=x["draw"] and (x["draw"][0], x["draw"][1]),
                    hot=x["hot"] and Hot(x["hot"][0], _read_groups(*x["hot"][1]), x["hot"][2]),
                )
                for x in content["launches"]
            ),
            inputs=_all_held(content["inputs"]),
            outputs=_all_held(content["outputs"]),
            swaps=tuple(content["swaps"]),
            blocks=tuple(content["blocks"]),
            constants=tuple(base64.b64decode(x, validate=True) for x in content["constants"]),
            numbers=content["numbers"],
            generators=content["generators"],
            chosen={kind: Config(*x) for kind, x in content["chosen"].items()},
            shuffles=content["shuffles"],
        )

    def _contradictions(self, uniforms: Sequence[dict[str, Any]]) -> Iterator[str]:
        """Say what in launches that were read does not go together: nothing, where all is right."""
        for i, (kernel, said) in enumerate(zip(self.kernels, uniforms, strict=True)):
            where = f"kernels[{i}]"
            try:
                nbytes, fields = uniform(kernel.code)
            except (KeyError, ValueError, RecursionError):
                yield f"{where}.text has no struct Params whose layout can be told"
                return
            if said != {"bytes": nbytes, "fields": [list(x) for x in fields]}:
                yield f"{where}.uniform is not that of its text"
            if nbytes > MOST_PARAMS:
                yield f"{where}.uniform has {nbytes} bytes, and {MOST_PARAMS} are the most"
            for at, mode in re.findall(_STORAGE, kernel.code):  # a few leave bindings out
                if int(at) == NOTES_BINDING:
                    continue
                if _ACCESS.get(kernel.access[int(at) - 1 : int(at)]) != mode:
                    yield f"{where}.access is {kernel.access!r}, and binding {at} is {mode}"
            if not set(kernel.access) <= _ACCESS.keys():
                yield f"{where}.access is {kernel.access!r}, and letters r and w are needed"
        for name in ("inputs", "outputs"):
            for i, x in enumerate(getattr(self, name)):
                if x.nbytes < prod(x.shape) * (2 if x.dtype == "float16" else 4):
                    yield f"{name}[{i}] has {x.nbytes} bytes, too few for its shape {list(x.shape)}"
        if len({*self.swaps}) < len(self.swaps) or max(self.swaps, default=-1) >= len(self.inputs):
            yield f"swaps are {list(self.swaps)}, and different inputs are needed"
        for i, launch in enumerate(self.launches):
            for wrong in self._wrong(launch, [x["bytes"] for x in uniforms]):
                yield f"launches[{i}] {wrong}"

    def _wrong(self, x: Launch, params: Sequence[int]) -> Iterator[str]:
        if max(x.kernels) >= len(self.kernels):
            yield f"is of kernel {max(x.kernels)}, and there are {len(self.kernels)}"
            return
        access = self.kernels[x.kernel].access
        if x.hot is not None and self.kernels[x.hot.kernel].access != access:
            yield f"binds {access!r}, and its hot kernel {self.kernels[x.hot.kernel].access!r}"
        if len(x.bindings) != len(access):
            yield f"has {len(x.bindings)} bindings, and its kernel {len(access)}"
        counts = {name: len(getattr(self, f"{name}s")) for name in ("input", "output", "block")}
        counts["constant"] = len(self.constants)
        for b in x.bindings:
            there = b.nth in self.swaps if b.kind == "swap" else b.nth < counts[b.kind]
            if not there:
                yield f"binds {b.kind} {b.nth}, which there is not"
                return
            whole = self.nbytes(b._replace(nbytes=None))
            if b.start % self.facts.align or b.start + (b.nbytes or 0) > whole + -whole % 16:
                yield f"binds {b.nbytes} bytes from {b.start} on of {whole}"
        written = [b[:2] for b, how in zip(x.bindings, access, strict=False) if how == "w"]
        if sum(b[:2] in written for b in x.bindings) > len(written):
            yield "binds memory that it writes twice"
        if len(x.params) > params[x.kernel] + -params[x.kernel] % 16:
            yield f"has {len(x.params)} bytes of params, and its kernel's are {params[x.kernel]}"
        ends = [at + 4 for at, *_ in x.numbers] + [DRAWN_BYTES for _ in x.draw or ()]
        if max(ends, default=0) > len(x.params):
            yield "has numbers beyond its params"
        if max((i for _, i, _ in x.numbers), default=-1) >= self.numbers:
            yield f"reads a number of {self.numbers} that there is not"
        if x.draw is not None and x.draw[0] >= self.generators:
            yield f"draws from generator {x.draw[0]}, and there are {self.generators}"


_DTYPES = {"bool", "float16", "float32", "int32", "uint32"}
_HELD = {"dtype": _DTYPES, "shape": [COUNT], "bytes": COUNT}
_GROUPS = range(1, GROUPS_PER_DIMENSION + 1)
_IN_DIMENSIONS = ByLength(((_GROUPS, _GROUPS), (_GROUPS, _GROUPS, _GROUPS)))
_FORM = {
    "format": str,
    "version": COUNT,
    "facts": {x.name: bool if x.type == "bool" else range(1, 1 << 53) for x in fields(Facts)},
    "kernels": [
        {
            "label": str,
            "text": str,
            "access": str,
            "uniform": {"bytes": COUNT, "fields": [(str, str, COUNT)]},
        }
    ],
    "launches": [
        {
            "kernel": COUNT,
            "bindings": [
                ({"input", "output", "block", "constant", "swap"}, COUNT, COUNT, Maybe(COUNT))
            ],
            "params": [range(1 << 32)],
            "groups": _IN_DIMENSIONS,
            "step": COUNT,
            "numbers": [(range(0, 1 << 32, 4), COUNT, _DTYPES)],
            "draw": Maybe((COUNT, COUNT)),
            "hot": Maybe((COUNT, _IN_DIMENSIONS, range(1, 1 << 53))),
        }
    ],
    "inputs": [_HELD],
    "outputs": [_HELD],
    "swaps": [COUNT],
    "blocks": [COUNT],
    "constants": [str],
    "numbers": COUNT,
    "generators": COUNT,
    "chosen": {str: (str, COUNT, COUNT, COUNT, bool)},
    "shuffles": bool,
}


def _held(x: Held) -> dict[str, Any]:
    return {"dtype": x.dtype, "shape": x.shape, "bytes": x.nbytes}


def _all_held(rows: Sequence[dict[str, Any]]) -> tuple[Held, ...]:
    return tuple(Held(x["dtype"], tuple(x["shape"]), x["bytes"]) for x in rows)


def _read_groups(x: int, y: int, z: int | None = None) -> int | Groups:
    return x * y if z is None else (x, y, z)


def folded(groups: int | Groups) -> tuple[int, ...]:
    """Return a count of workgroups in two dimensions, whose product may be a little more.

    What is in three dimensions stays so: the shader of a user counts on them.
    """
    if isinstance(groups, tuple):
        return groups
    rows = -(-groups // GROUPS_PER_DIMENSION)
    return -(-groups // rows), rows


def drawn(key: tuple[int, int], counter: int) -> bytes:
    """Return the bytes that the params of random.wgsl begin with, for numbers from a place on.

    They are five u32: the two words of the generator's key, the low and the high word of
    `counter` // 2, and `counter` % 2. In each run `counter` is the place that the generator is at,
    plus the launch's offset.
    """
    block, skip = divmod(counter, 2)
    return struct.pack("<5I", *key, block & 0xFFFFFFFF, block >> 32, skip)


def described(nbytes: int, fields: Sequence[tuple[str, str, int]]) -> str:
    """Return the line that tells `uniform` what lies in the uniform of a shader."""
    return f"// uniform: {nbytes} bytes: {', '.join(f'{n} {kind} {at}' for n, kind, at in fields)}"


def room_for_params(text: str) -> int:
    """Return how many bytes are bound for the uniform of a shader."""
    said = re.search(_DESCRIBED, text)
    return PARAMS_BYTES if said is None or int(said[1]) <= PARAMS_BYTES else MOST_PARAMS


def uniform(text: str) -> tuple[int, list[tuple[str, str, int]]]:
    """Return the size of a shader's `Params`, and (name, type, offset) of its members, in bytes.

    A shader of a user's says so itself, in the line that `described` makes.
    """
    said = re.search(_DESCRIBED, text)
    if said is not None:
        rows = [x.split(" ") for x in said[2].split(", ") if x]
        return int(said[1]), [(name, kind, int(at)) for name, kind, at in rows]
    structs = dict(re.findall(_STRUCT, text))

    def size(kind: str) -> tuple[int, int]:  # and alignment
        if kind in structs:
            return members(kind)[0], 16  # all that are nested here begin with vec4s
        if kind.startswith("array<"):
            element, count = kind[6:-1].split(", ")
            return size(element)[0] * int(count), 16
        return _VECTORS[kind.partition("<")[0] if "<" in kind else ""]

    def members(name: str) -> tuple[int, list[tuple[str, str, int]]]:
        end, largest, rows = 0, 4, []
        body = re.sub(r"//[^\n]*", "", structs[name])
        for member, kind in re.findall(_MEMBER, body):
            nbytes, align = size(kind)
            start = end + -end % align
            rows.append((member, kind, start))
            end, largest = start + nbytes, max(largest, align)
        return end + -end % largest, rows

    return members("Params")
