"""Fused steps over memory that one binding does not hold: a kernel for each piece of their domain.

A piece is a fused step too, whose slots stand for windows of memory. Pieces of one shape have one
text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import NamedTuple

from ...backends.base import Device
from ...backends.webgpu.windows.cuts import Bounds, Operand, pieces
from ...layout import Layout
from ..ir import Ref, Slot, Step, fused

STANDING_IN = 1 << 40  # the first number of the slots that stand for windows


class Stretch(NamedTuple):
    """Where a slot that stands for a window lives: `nbytes` of `memory` from `start`."""

    memory: object
    start: int
    nbytes: int


@dataclass(frozen=True)
class Cutter:
    """Cuts fused steps; `large` are the slots that one binding does not hold."""

    device: Device
    bounds: Bounds
    large: Collection[int]
    memory_of: Callable[[int], object]

    def pieces(self, step: Step) -> list[tuple[Step, dict[int, Stretch]]] | None:
        """Return a step for each piece, and where the slots that it has of its own live.

        None where the step cannot be cut: where a fold, or a statement that asks where an element
        lies, goes along the axis to be cut, where a large slot is looked up in, and where what is
        written is no window that is dense and apart from what is read.
        """
        graph = step.graph
        views = [x for x in step.inputs if isinstance(x, Ref)]
        for out, result in zip(step.outs, graph.results, strict=True):
            views.append(Ref(out.index, graph.view(result), out.dtype))
        looked_up = [step.inputs[i] for i in graph.tables]
        if any(isinstance(x, Ref) and x.slot in self.large for x in looked_up):
            return None
        made = []
        for layouts in pieces([self._operand(x) for x in views], self.bounds):
            if any(layouts[0].shape[a] != graph.shape[a] for a in (*graph.axes, *graph.asks)):
                return None
            seen = [replace(x, layout=layout) for x, layout in zip(views, layouts, strict=True)]
            piece = self._piece(step, seen)
            if piece is None:
                return None
            made.append(piece)
        return made

    def _operand(self, x: Ref) -> Operand:
        return Operand(x.layout, self.device.itemsize(x.dtype))

    def _piece(self, step: Step, views: list[Ref]) -> tuple[Step, dict[int, Stretch]] | None:
        """Return the step of a piece; None where what it writes is no window of its own."""
        graph = replace(step.graph, shape=views[0].layout.shape)
        numbers: dict[Stretch, int] = {}
        made: list[Ref] = []
        for x in views:
            if x.slot in self.large:
                place, layout = self._window(x)
                number = numbers.setdefault(place, STANDING_IN + len(numbers))
                x = Ref(number, layout, x.dtype)
            made.append(x)
        first = len(views) - len(step.outs)
        whole = {out.index: out.size * self.device.itemsize(out.dtype) for out in step.outs}
        for seen, x, result in zip(views[first:], made[first:], graph.results, strict=True):
            end = self._operand(seen).touched()[1]
            # Kernels write from the beginning of a binding on, and whole vec4s.
            if not _alike(x.layout, graph.view(result)) or (end % 16 and end != whole[seen.slot]):
                return None
        written = {self.memory_of(x.slot) for x in views[first:]}
        if any(sum(p.memory == memory for p in numbers) > 1 for memory in written):
            return None
        reads = iter(made)
        inputs = tuple([next(reads) if isinstance(x, Ref) else x for x in step.inputs])
        outs = tuple([Slot(x.slot, x.layout.shape, x.dtype) for x in made[first:]])
        piece = fused(graph, inputs, outs)
        return piece, {number: place for place, number in numbers.items()}

    def _window(self, x: Ref) -> tuple[Stretch, Layout]:
        """Return the window that a view lies in, and the view as the window sees it."""
        itemsize = self.device.itemsize(x.dtype)
        low, end = self._operand(x).touched()
        start = low - low % self.bounds.align
        n = x.layout
        layout = Layout(n.shape, n.strides, n.offset - start // itemsize)
        return Stretch(self.memory_of(x.slot), start, end + -end % 16 - start), layout


def _alike(a: Layout, b: Layout) -> bool:
    """Whether two layouts of one shape have every element at the same place."""
    steps = zip(a.shape, a.strides, b.strides, strict=True)
    return a.offset == b.offset and all(s == t for n, s, t in steps if n > 1)
