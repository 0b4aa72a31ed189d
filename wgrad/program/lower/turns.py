"""The turns of a loop on a GPU: the launches of its body, again and again over other memory.

Kernels are those of one turn. A slice that lies at a place which a kernel can bind is bound there;
others are copied to memory of their own, by kernels whose uniforms say where they lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from ...backends.array import Array, Storage
from ...backends.tracing import Live
from ...backends.webgpu.buffers import Buffer, Window
from ...backends.webgpu.launches import Binding, Held, Launches
from ...backends.webgpu.planner import Planner
from ...dtypes import as_dtype
from ...layout import Layout
from ..ir import Loop, slice_of


class Turns:
    """One loop on its way to launches."""

    def __init__(self, planner: Planner, work: Loop, body: Launches, numbers: Sequence[Live]):
        self._planner, self._work, self._body, self._numbers = planner, work, body, numbers

    def note(self, given: Sequence[Array], outs: Sequence[Array]) -> None:
        """Note all launches; `given` are the operands, and `outs` where the results go."""
        planner, work, body = self._planner, self._work, self._body
        first = work.fixed + work.carries
        fixed = [self._same(x) for x in given[: work.fixed]]
        last, stacked = outs[: work.carries], outs[work.carries :]
        # Carries that a turn does not write in place go to and fro between two pieces of memory.
        swaps = {i - work.fixed for i in body.swaps}
        others = {i: self._fresh(body.inputs[work.fixed + i]) for i in swaps}
        now = list(last)
        if work.length % 2:
            now = [others.get(i, x) for i, x in enumerate(now)]
        for x, start in zip(now, given[work.fixed : first], strict=True):
            planner.write(x, start)
        slices = [self._fresh(held) for held in body.inputs[first:]]
        parts = [self._fresh(held) for held in body.outputs]
        blocks = [planner.memory(0, n).buffer for n in body.blocks]
        constants = [planner.constant(data).buffer for data in body.constants]
        for at in work.turns():
            inputs = [*fixed, *(self._buffer(x) for x in now)]
            for x, own in zip(given[first:], slices, strict=True):
                inputs.append(self._slice(x, at, own))
            places: dict[str, Any] = {"input": inputs, "block": blocks, "constant": constants}
            places["swap"] = {
                work.fixed + i: self._buffer(self._other(i, now, last, others)) for i in swaps
            }
            written = [self._at(x, at) for x in stacked]
            places["output"] = [
                bound or self._buffer(own) for bound, own in zip(written, parts, strict=True)
            ]
            self._launch(places)
            for x, own, bound in zip(stacked, parts, written, strict=True):
                if bound is None:
                    target = x.view(slice_of(x.layout, at))
                    planner.write(target, own.view(Layout.dense(target.shape)))
            now = [
                self._other(i, now, last, others) if i in swaps else x for i, x in enumerate(now)
            ]

    @staticmethod
    def _other(i: int, now: Sequence[Array], last: Sequence[Array], others: dict) -> Array:
        return others[i] if now[i] is last[i] else last[i]

    def _launch(self, places: dict[str, Any]) -> None:
        """Note the launches of one turn."""
        for x in self._body.launches:
            kernel = self._body.kernels[x.kernel]
            numbers = tuple([(at, self._numbers[i], as_dtype(dtype)) for at, i, dtype in x.numbers])
            buffers = tuple([self._binding(b, places) for b in x.bindings])
            self._planner.launch(kernel, buffers, x.params, x.groups, numbers)

    @staticmethod
    def _binding(x: Binding, places: dict[str, Any]) -> Buffer:
        buffer: Buffer = places[x.kind][x.nth]
        if x.nbytes is None:
            return buffer
        return Window(buffer.whole, buffer.start + x.start, x.nbytes)

    # Memory.
    def _same(self, x: Array) -> Buffer:
        bound = self._bound(x, x.layout.offset, x.layout.size) if x.layout.contiguous else None
        return bound or self._buffer(self._planner.copy(x))

    def _fresh(self, held: Held) -> Array:
        size = prod(held.shape)
        storage: Storage = self._planner.memory(size, held.nbytes)
        return Array(storage, Layout.dense(held.shape), as_dtype(held.dtype))

    @staticmethod
    def _buffer(x: Array) -> Buffer:
        buffer: Buffer = x.storage.buffer
        return buffer

    def _slice(self, x: Array, at: int, own: Array) -> Buffer:
        """Return where a slice is to be read: where it lies, or in memory of its own."""
        bound = self._at(x, at)
        if bound is None:
            self._planner.write(own, x.view(slice_of(x.layout, at)))
        return bound or self._buffer(own)

    def _at(self, x: Array, at: int) -> Buffer | None:
        part = slice_of(x.layout, at)
        dense = part.contiguous and part.size
        return self._bound(x, part.offset, part.size) if dense else None

    def _bound(self, x: Array, first: int, size: int) -> Buffer | None:
        """Return what a kernel binds for elements of an array's memory; None where it cannot.

        Kernels go by 16 bytes, and may write what follows in the last of them.
        """
        whole = self._buffer(x)
        if first == 0 and size == x.storage.size:
            return whole
        itemsize = self._planner.itemsize(x.dtype)
        start, nbytes = first * itemsize, size * itemsize
        fits = start % self._planner.facts.align == 0 and nbytes % 16 == 0
        return Window(whole, start, nbytes) if fits else None
