"""Fused steps over memory that one binding does not hold: a kernel for each piece of their domain.

A piece is a fused step too, whose slots stand for windows of memory. Pieces of one shape have one
text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ...backends.base import Device
from ...backends.webgpu.windows.cuts import Bounds, Operand, cut, part, parts
from ...layout import Layout
from ..ir import Ref, Result, Slot, Step, fused

STANDING_IN = 1 << 40  # the first number of the slots that stand for windows


class Part(NamedTuple):
    """Where a slot that stands for a window lives: `nbytes` of `memory` from `start`."""

    memory: object
    start: int
    nbytes: int


class _UncutError(Exception):
    """A step that cannot be cut into pieces."""


@dataclass(frozen=True)
class Cutter:
    """Cuts fused steps; `large` are the slots that one binding does not hold."""

    device: Device
    bounds: Bounds
    large: Collection[int]
    memory_of: Callable[[int], object]

    def pieces(self, step: Step) -> list[tuple[Step, dict[int, Part]]] | None:
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
        try:
            pieces = self._cut(views, {*graph.axes, *graph.asks})
            return [self._piece(step, smaller) for smaller in pieces]
        except _UncutError:
            return None

    def _operand(self, x: Ref) -> Operand:
        return Operand(x.layout, self.device.itemsize(x.dtype))

    def _cut(self, views: list[Ref], fixed: Collection[int]) -> Iterator[list[Ref]]:
        """Iterate over all views, piece by piece. Raises: _UncutError for a cut along `fixed`."""
        along = cut([self._operand(x) for x in views], self.bounds)
        if along is None:
            yield views
            return
        axis, step = along
        if axis in fixed:
            raise _UncutError
        for start, size in parts(views[0].layout.shape[axis], step):
            smaller = [replace(x, layout=part(x.layout, axis, start, size)) for x in views]
            yield from self._cut(smaller, fixed)

    def _piece(self, step: Step, views: list[Ref]) -> tuple[Step, dict[int, Part]]:
        whole = replace(step.graph, shape=views[0].layout.shape)
        numbers: dict[Part, int] = {}

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
                    raise _UncutError
            places = iter(made)
            results.append(result.relaid(lambda _: next(places).layout))  # noqa: B023  # at once
            outs.append(Slot(made[0].slot, out.shape, out.dtype))
        written = {self.memory_of(out.index) for out in step.outs}
        if any(sum(p.memory == memory for p in numbers) > 1 for memory in written):
            raise _UncutError
        piece = fused(replace(whole, results=tuple(results)), inputs, tuple(outs))
        return piece, {number: place for place, number in numbers.items()}

    def _window(self, views: Sequence[Ref]) -> tuple[Part, list[Layout]]:
        """Return the window that views of a slot lie in, and these as the window sees them."""
        itemsize = self.device.itemsize(views[0].dtype)
        touched = [self._operand(x).touched() for x in views]
        start, end = min(low for low, _ in touched), max(end for _, end in touched)
        start -= start % self.bounds.align
        nbytes = end + -end % 16 - start
        if nbytes > self.bounds.binding:
            raise _UncutError
        layouts = [
            Layout(x.layout.shape, x.layout.strides, x.layout.offset - start // itemsize)
            for x in views
        ]
        return Part(self.memory_of(views[0].slot), start, nbytes), layouts


def _alike(a: Layout, b: Layout) -> bool:
    """Whether two layouts of one shape have every element at the same place."""
    steps = zip(a.shape, a.strides, b.strides, strict=True)
    return a.offset == b.offset and all(s == t for n, s, t in steps if n > 1)
