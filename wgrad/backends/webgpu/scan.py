"""Plans a scan: which variant of scan.wgsl goes along an axis, in which blocks.

Knows layouts and numbers, no device. Blocks need the totals of what comes before them: those of
their `parts`, reduced and scanned again.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import prod
from typing import Literal

from ...layout import Layout, Shape, collapse

# Elements of a block: running totals are as exact as chains of so many additions. Across the other
# axes blocks are shorter, so that the lines beside them are still in the cache.
RUN, FAR_RUN = 32, 16
MOST_AXES = 8  # that rows are counted by, in a Params

# What the four of a vec4 lie along, and in which direction; "" where there are none.
Along = Literal["rows", "rows back", "columns", ""]


@dataclass(frozen=True)
class Scan:
    """One launch. `parts` shows all blocks but the last, which lie along an axis of their own."""

    along: Along
    packed: bytes
    threads: int
    parts: Layout | None


def plan(
    layout: Layout, axis: int, back: bool, single: bool = False, begun: bool = False
) -> Scan | None:
    """Return how to scan a view that is not empty along `axis`; None for too many axes.

    `single` says that no four elements can be read at once, and `begun` that there is a total
    before the first block, too.
    """
    shape, extent = layout.shape, layout.shape[axis]
    run = RUN if prod(shape[axis + 1 :]) == 1 else FAR_RUN
    blocks = -(-extent // run)
    before = Layout.dense((*shape[:axis], max(blocks - 1 + begun, 1), *shape[axis + 1 :]))
    seen = [layout, Layout.dense(shape)]
    seen = [*([_turned(x, axis) for x in seen] if back else seen), before]
    steps = [x.strides[axis] for x in seen]
    offsets = [x.offset for x in seen]
    extents, strides = collapse(_without(shape, axis), [_without(x.strides, axis) for x in seen])
    if len(extents) > MOST_AXES:
        return None
    parts = None if blocks == 1 else _cut(seen[0], axis, blocks - 1, run)
    along = "" if single else _along(extent, steps, offsets, extents, strides)
    scaled = 3 if along == "columns" else 2  # totals of rows are no vec4s
    if along:
        offsets = [o // 4 for o in offsets]
        strides = [
            tuple(s if s == 1 else s // 4 for s in row) if i < scaled else row
            for i, row in enumerate(strides)
        ]
    if along == "columns":
        extents = (*extents[:-1], extents[-1] // 4)
        steps = [s // 4 for s in steps]
    elif along:
        extent, run = -(-extent // 4), run // 4
    rows = prod(extents)
    nearer = along == "columns" or (not along and abs(steps[1]) != 1)
    split = rows if nearer else blocks
    head = (rows * blocks, split, int(nearer), extent, run, len(extents), *steps, *offsets[:2], 0)
    dims = [0] * 40
    dims[: len(extents)] = extents
    for i, row in enumerate(zip(*strides, strict=True)):
        dims[8 + 4 * i : 11 + 4 * i] = row
    words = [w & 0xFFFFFFFF for w in (*head, *dims)]
    return Scan(along, struct.pack("<52I", *words), rows * blocks, parts)


def _along(
    extent: int, steps: list[int], offsets: list[int], extents: Shape, strides: list[Shape]
) -> Along:
    """Return where four elements are one aligned vec4, in what is read and in what is written."""
    if steps[0] == steps[1] and abs(steps[0]) == 1:
        back = steps[0] < 0
        whole = extent % 4 == 0 or not (back or extents)  # the last quad reaches into padding
        if whole and _fours(*(o + back for o in offsets[:2]), *strides[0], *strides[1]):
            return "rows back" if back else "rows"
    side_by_side = extents and extents[-1] % 4 == 0 and all(row[-1] == 1 for row in strides)
    if side_by_side and _fours(*steps, *offsets, *(s for row in strides for s in row[:-1])):
        return "columns"
    return ""


def _fours(*places: int) -> bool:
    return not any(place % 4 for place in places)


def _without(items: Shape, axis: int) -> Shape:
    return items[:axis] + items[axis + 1 :]


def _turned(x: Layout, axis: int) -> Layout:
    """Return a view that goes backwards along `axis`."""
    n, s = x.shape, x.strides
    strides = (*s[:axis], -s[axis], *s[axis + 1 :])
    return Layout(n, strides, x.offset + s[axis] * (n[axis] - 1))


def _cut(x: Layout, axis: int, count: int, run: int) -> Layout:
    """Return the first `count` blocks of `run` along `axis`, which becomes two."""
    n, s = x.shape, x.strides
    return Layout(
        (*n[:axis], count, run, *n[axis + 1 :]),
        (*s[:axis], run * s[axis], s[axis], *s[axis + 1 :]),
        x.offset,
    )
