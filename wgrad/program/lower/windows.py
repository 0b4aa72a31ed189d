"""Fused steps over memory that one binding does not hold: a kernel for each piece of their domain.

A piece is a fused step too, whose slots stand for windows of memory. Pieces of one shape have one
text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ...backends.base import Device
from ...backends.webgpu.windows.cuts import Bounds, Operand, pieces
from ...layout import Layout
from ..ir import Ref, Result, Slot, Step, fused

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
            views += [Ref(out.index, view, out.dtype) for view in graph.views(result)]
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
        whole = replace(step.graph, shape=views[0].layout.shape)
        numbers: dict[Stretch, int] = {}

        def seen(*views: Ref) -> list[Ref]:
            if views[0].slot not in self.large:
                return list(views)
            place, layouts = self._window(views)
            number = numbers.setdefault(place, STANDING_IN + len(numbers))
            return [Ref(number, layout, views[0].dtype) for layout in layouts]

        rest = iter(views)
        inputs = tuple([seen(next(rest))[0] if isinstance(x, Ref) else x for x in step.inputs])
        results: list[Result] = []
        outs: list[Slot] = []
        for out, result in zip(step.outs, whole.results, strict=True):
            targets = [next(rest) for _ in result.stored]
            made = seen(*targets)
            if result.is_plain:
                end = self._operand(targets[0]).touched()[1]
                # Kernels write from the beginning of a binding on, and whole vec4s.
                is_last = end == out.size * self.device.itemsize(out.dtype)
                (dense,) = whole.views(result)
                if not _alike(made[0].layout, dense) or (end % 16 and not is_last):
                    return None
            places = iter(made)
            results.append(result.relaid(lambda _: next(places).layout))  # noqa: B023  # at once
            outs.append(Slot(made[0].slot, out.shape, out.dtype))
        written = {self.memory_of(out.index) for out in step.outs}
        if any(place.nbytes > self.bounds.binding for place in numbers):
            return None  # what several values share
        if any(sum(p.memory == memory for p in numbers) > 1 for memory in written):
            return None
        piece = fused(replace(whole, results=tuple(results)), inputs, tuple(outs))
        return piece, {number: place for place, number in numbers.items()}

    def _window(self, views: Sequence[Ref]) -> tuple[Stretch, list[Layout]]:
        """Return the window that views of a slot lie in, and these as the window sees them."""
        itemsize = self.device.itemsize(views[0].dtype)
        touched = [self._operand(x).touched() for x in views]
        start, end = min(low for low, _ in touched), max(end for _, end in touched)
        start -= start % self.bounds.align
        nbytes = end + -end % 16 - start
        layouts = [
            Layout(x.layout.shape, x.layout.strides, x.layout.offset - start // itemsize)
            for x in views
        ]
        return Stretch(self.memory_of(views[0].slot), start, nbytes), layouts


def _alike(a: Layout, b: Layout) -> bool:
    """Whether two layouts of one shape have every element at the same place."""
    steps = zip(a.shape, a.strides, b.strides, strict=True)
    return a.offset == b.offset and all(s == t for n, s, t in steps if n > 1)
