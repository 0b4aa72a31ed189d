"""Functions of users at every point of a shape: which kernel, its parameters, and its launch.

One kernel serves every shape. What it is made for is which operands share memory and which of them
are walked alike; or, where every operand is one line with small steps, how four points of it lie
in vec4s.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from ...layout import Shape, collapse
from ..array import Array, Number
from ..families import call_places
from ..functions import Function
from . import windows
from .buffers import Buffer
from .indexing import Indexing
from .launching import MAX_RANK, scalar_bits
from .variants import call_by_fours_source, call_source

SCALARS = 16  # where numbers begin in the Params of call.wgsl
Pair = tuple[int, int]
Bound = tuple[Buffer, int, int]
LONGEST_STEP = 16  # elements between neighbouring points that are read by vec4s


class Line(NamedTuple):
    """Operands that interleave: in one buffer, and with the same step from point to point."""

    binding: int
    step: int
    start: int  # in vec4s


class Calls(Indexing):
    """The family of calls."""

    def call(
        self,
        function: Function,
        operands: Sequence[Array | Number],
        shape: Shape,
        inner: Shape,
        planes: bool,
    ) -> Array:
        count = len(function.parts)
        out = self._empty((count, *shape) if planes else (*shape, *inner), function.out)
        if not out.layout.size:
            return out
        arrays = [x for x in operands if isinstance(x, Array)]
        if self._may_not_fit(out, *arrays) and windows.call_into(
            self, out, function, operands, shape, planes
        ):
            return out
        self._call_into(out, function, self._packed(operands, shape), shape, planes)
        return out

    def _call_into(
        self,
        out: Array,
        function: Function,
        operands: Sequence[Array | Number],
        shape: Shape,
        planes: bool,
    ) -> None:
        """Compute into a dense array that begins where its buffer does."""
        arrays = [x for x in operands if isinstance(x, Array)]
        extents, strides = collapse(shape, [x.layout.strides for x in arrays])
        if len(extents) > MAX_RANK:
            ready = [self.copy(x) if isinstance(x, Array) else x for x in operands]
            self._call_into(out, function, ready, shape, planes)
            return
        buffers: dict[Bound, int] = {}
        bindings = [buffers.setdefault(_bound(x), len(buffers)) for x in arrays]
        held = [arrays[bindings.index(i)] for i in range(len(buffers))]
        size, count = prod(shape), len(function.parts)
        fours, rest = divmod(size, 4)
        by_fours = _by_fours(function, strides) and not (planes and rest)
        lines = _lines(arrays, bindings, strides) if by_fours else None
        rows: dict[Shape, int] = {}
        if lines is not None:
            lines_of_four, pattern = lines
            shown = tuple([(line.binding, line.step) for line in lines_of_four])
            kernel = self._kernel(
                (function, "fours", shown, *_by_operand(operands, pattern), planes, bool(rest)),
                len(held),
                lambda: call_by_fours_source(
                    function, shown, _by_operand(operands, pattern), planes, bool(rest)
                ),
            )
            head = [fours + rest, fours, 1, fours]
            offsets = [line.start for line in lines_of_four]
        else:
            rows |= {row: i for i, row in enumerate(dict.fromkeys(strides))}
            pattern = list(zip(bindings, [rows[row] for row in strides], strict=True))
            kernel = self._kernel(
                (function, *_by_operand(operands, pattern)),
                len(held),
                lambda: call_source(function, _by_operand(operands, pattern)),
            )
            head = [size, len(extents), *((1, size) if planes else (count, 1))]
            offsets = [x.layout.offset for x in arrays]
        numbers = [
            scalar_bits(x, dtype)
            for x, dtype in zip(operands, function.ins, strict=True)
            if not isinstance(x, Array)
        ]
        words = head + in_fours(numbers) + in_fours(offsets)
        words += [*extents, *(0,) * (MAX_RANK - len(extents))]
        for axis in range(MAX_RANK):
            used = axis < len(extents)
            words += in_fours([row[axis] & 0xFFFFFFFF if used else 0 for row in rows])
        self._launch(kernel, held, out, struct.pack(f"<{len(words)}I", *words), head[0])

    def _packed(self, operands: Sequence[Array | Number], shape: Shape) -> list[Array | Number]:
        """Return operands in so few buffers that a kernel binds all of them, and its result."""
        ready = list(operands)
        while True:
            memory = {_bound(x): x.dtype for x in ready if isinstance(x, Array)}
            if len(memory) < self.facts.buffers:
                return ready
            ((most, _),) = Counter(memory.values()).most_common(1)
            alike = [
                (i, x) for i, x in enumerate(ready) if isinstance(x, Array) and x.dtype is most
            ]
            whole = self._empty((len(alike), *shape), most)
            targets = call_places(shape, len(alike), planes=True)
            for target, (i, x) in zip(targets, alike, strict=True):
                ready[i] = part = whole.view(target)
                self.write(part, x)


def _by_operand(operands: Sequence[Array | Number], pattern: Sequence[Pair]) -> list[Pair | None]:
    """Return the pattern with None where an operand is a number."""
    rest = iter(pattern)
    return [next(rest) if isinstance(x, Array) else None for x in operands]


def _by_fours(function: Function, strides: Sequence[Shape]) -> bool:
    """Whether a thread may take four points."""
    steps = [s for row in strides for s in row]
    return (
        function.is_small
        and all(len(row) == 1 for row in strides)
        and all(0 <= s <= LONGEST_STEP for s in steps)
    )


def _lines(
    arrays: Sequence[Array], bindings: Sequence[int], strides: Sequence[Shape]
) -> tuple[list[Line], list[Pair]]:
    """Return the lines that operands are in, and for each which, and where it begins there."""
    lines: list[Line] = []
    places: list[Pair] = [(-1, 0)] * len(arrays)
    order = sorted(range(len(arrays)), key=lambda i: arrays[i].layout.offset)
    for i in order:
        offset, (step,) = arrays[i].layout.offset, strides[i]
        at = next(
            (
                j
                for j, line in enumerate(lines)
                if line[:2] == (bindings[i], step)
                and offset < 4 * line.start + max(step, 4)
                # Else compilers would know that two operands are equal, and take x - x for 0.
                and (j, offset - 4 * line.start) not in places
            ),
            len(lines),
        )
        if at == len(lines):
            lines.append(Line(bindings[i], step, offset // 4))
        places[i] = at, offset - 4 * lines[at].start
    return lines, places


def _bound(x: Array) -> Bound:
    """Return what two operands have in common that one binding serves: windows may be equal."""
    buffer = x.storage.buffer
    return buffer.whole, buffer.start, buffer.nbytes


def in_fours(words: Sequence[int]) -> list[int]:
    """Return words and zeros as so many vec4s as hold them, one at the least."""
    return [*words, *(0,) * (max(4, -(-len(words) // 4) * 4) - len(words))]
