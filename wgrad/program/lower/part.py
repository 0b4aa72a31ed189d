"""How one graph is dealt out to threads: which axes a thread index counts, which a loop walks, and
where 4 neighbours are taken at once.

A part has kept axes, along which threads lie, and folded axes, which each thread (or workgroup)
walks. In an elementwise graph every axis is kept. Neighbouring axes that all memory walks as one
are merged first, so that there is little index arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal, NamedTuple

from ...backends.array import Number
from ...backends.functions import Function
from ...dtypes import DType
from ...layout import Layout, Shape, collapse
from ..ir import Graph, Inside, Lookup, Ref, Slot

LANES = 4  # elements of a vec4
LONGEST_STEP = 16  # between elements that are read by vec4s with what lies between them


@dataclass(frozen=True)
class Access:
    """Memory that a part reads or writes: an address is `offset` + coordinates times strides."""

    slot: int
    dtype: DType
    offset: int
    kept: Shape
    folded: Shape

    def stride(self, along: str) -> int:
        """Return the step of one coordinate of the innermost kept or folded axis."""
        steps = self.kept if along == "kept" else self.folded
        return steps[-1] if steps else 0

    def is_vector(self, along: str) -> bool:
        """Whether 4 neighbours along the innermost axis are one aligned vec4 everywhere."""
        return self.stride(along) == 1 and self.offset % LANES == 0 and self._aligned(along)

    def is_spread(self, along: str) -> bool:
        """Whether 4 neighbours lie a few elements apart, and alike in vec4s everywhere."""
        return 1 < self.stride(along) <= LONGEST_STEP and self._aligned(along)

    def _aligned(self, along: str) -> bool:
        others = self.kept[:-1] + self.folded if along == "kept" else self.kept + self.folded[:-1]
        return not any(s % LANES for s in others)


class Block(NamedTuple):
    """How memory that interleaves with others is read by vec4s, or written.

    `first` is the access with which its memory begins; `place` is where the element of the first
    lane lies, counted from the vec4 that holds `first`, and the next lanes' follow by the stride.
    """

    first: Access
    place: int


class Store(NamedTuple):
    """A value of a part and where it goes; `row` says that it is stored once per row."""

    value: int
    access: Access
    row: bool


class Part:
    """One graph over its inputs and outputs, with every address worked out."""

    def __init__(self, graph: Graph, inputs: Sequence[Ref | Number], outs: Sequence[Slot]):
        self.graph = graph
        self.inputs = tuple(inputs)
        self.outs = tuple(outs)
        kept_axes = [a for a in range(len(graph.shape)) if a not in graph.axes]
        layouts: list[tuple[int, DType, Layout]] = []
        for i, x in enumerate(inputs):
            if isinstance(x, Ref):
                layouts.append((x.slot, graph.dtypes[i], x.layout))
        for out, result in zip(outs, graph.results, strict=True):
            layouts += [(out.index, out.dtype, view) for view in graph.views(result)]
        for s in graph.statements:
            for axis in s.asks:  # along it, addresses are positions
                strides = tuple(int(a == axis) for a in range(len(graph.shape)))
                layouts.append((-1, s.out, Layout(graph.shape, strides)))

        def merged(axes: Sequence[int]) -> tuple[Shape, list[Shape]]:
            extents = tuple(graph.shape[a] for a in axes)
            return collapse(extents, [tuple(x.strides[a] for a in axes) for _, _, x in layouts])

        self.kept, kept = merged(kept_axes)
        self.folded, folded = merged(graph.axes)
        accesses = iter(
            [
                Access(slot, dtype, layout.offset, k, f)
                for (slot, dtype, layout), k, f in zip(layouts, kept, folded, strict=True)
            ]
        )
        self.operands = tuple(next(accesses) if isinstance(x, Ref) else None for x in inputs)
        self.stores = tuple(
            [
                Store(x.value, next(accesses), result.row or not graph.axes)
                for result in graph.results
                for x in result.stored
            ]
        )
        self.positions = [[next(accesses) for _ in s.asks] for s in graph.statements]
        if graph.axes:
            self.still, self.row = graph.rows(inputs)
        else:  # every element is a row of one
            self.still = (True,) * len(self.inputs)
            self.row = (True,) * len(graph.statements)
        self.along = self._vector_axis()
        self.blocks = self._blocks(self.along)
        self.scattered = self._scattered_tables()

    @property
    def rows(self) -> int:
        """The number of rows."""
        return prod(self.kept)

    @property
    def length(self) -> int:
        """The number of elements of a row."""
        return prod(self.folded)

    @property
    def threads(self) -> int:
        """The number of threads, when each has a row, or 4 rows."""
        return -(-self.rows // LANES) if self.along == "kept" else self.rows

    def _vector_axis(self) -> Literal["kept", "folded", ""]:
        """Return along which axis threads take 4 neighbours at once, "" for none."""
        graph = self.graph
        if any(isinstance(s.what, Function) and not s.what.is_small for s in graph.statements):
            return ""  # which is called for every lane
        tables, moving = graph.tables, self._moving()
        flat = not self.folded and len(self.kept) == 1 and not graph.asks and not tables
        # The last quad of flat memory may reach into the padding that every buffer has.
        # But a function of a user might not come to an end for what stands there.
        flat = flat and not graph.calls and all(r.is_plain for r in graph.results)
        padded = flat and all(a.is_vector("kept") or a.kept == (0,) for a in moving)
        # Memory that is read once per row does not count.
        score = {"kept": 0, "folded": 0}
        for along, extents in (("kept", self.kept), ("folded", self.folded)):
            if extents and (extents[-1] % LANES == 0 or (along == "kept" and padded)):
                blocks = self._blocks(along)
                walked = [a for a in moving if not self.folded or any(a.folded)]
                score[along] = sum(a.is_vector(along) or a in blocks for a in walked)
        best = "kept" if score["kept"] > score["folded"] else "folded"
        return best if score[best] else ""  # type: ignore[return-value]  # one of Along's words

    def _moving(self) -> list[Access]:
        """Return the memory of which a part reads or writes one element at every element."""
        tables = self.graph.tables
        moving = [a for i, a in enumerate(self.operands) if a is not None and i not in tables]
        return moving + [x.access for x in self.stores]

    def _blocks(self, along: str) -> dict[Access, Block]:
        """Return the memory that interleaves along an axis: with two or more of a slot that is
        read, or with all that is written to a slot.
        """
        rows: dict[tuple, list[Access]] = {}
        for access in dict.fromkeys(self._moving()) if along else ():
            if access.is_spread(along):
                rows.setdefault((access.slot, access.kept, access.folded), []).append(access)
        written = {x.access for x in self.stores}
        blocks: dict[Access, Block] = {}
        for row in rows.values():
            row.sort(key=lambda a: a.offset)
            while row:
                first, step = row[0], row[0].stride(along)
                run = [a for a in row if a.offset - first.offset < step]
                row = row[len(run) :]
                whole = len(run) == step and first.offset % LANES == 0
                if whole if first in written else len(run) > 1:
                    start = first.offset - first.offset % LANES
                    blocks |= {a: Block(first, a.offset - start) for a in run}
        return blocks

    def _scattered_tables(self) -> frozenset[int]:
        """Return the tables of which 4 neighbours are not read as one vec4, or not at all."""
        scattered: set[int] = set()
        for s, positions in zip(self.graph.statements, self.positions, strict=True):
            if isinstance(s.what, Lookup):
                scattered.add(s.args[0])
            elif isinstance(s.what, Inside):
                for access, window in zip(positions, s.what.windows, strict=True):
                    if access.stride(self.along) and (window.first % LANES or window.size % LANES):
                        scattered.add(s.args[0])
        return frozenset(scattered)
