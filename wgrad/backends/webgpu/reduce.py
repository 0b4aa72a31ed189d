"""Plans a reduction: which variant of reduce.wgsl folds a view, by how many threads, and how.

Knows layouts and numbers, no device. What several lanes fold of one output is folded again.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import prod
from typing import Literal

from ...layout import Layout, Shape, collapse

MOST_AXES = 4  # kept ones, and folded ones, in a Params
RUN = 2048  # elements that one thread folds at most where they lie side by side,
FAR_RUN = 16
SHORT = 256  # elements that nobody shares

Lanes = Literal["rows", "columns", ""]  # what the four of a vec4 lie along


@dataclass(frozen=True)
class Plan:
    """One launch. `shape` is what it stores, and `again` the axis of the lanes in it, if any."""

    along: Lanes
    grid: bool  # whether there is more than one folded axis
    params: tuple[int, ...]  # the words of Params before `dims`
    extents: Shape
    strides: Shape
    threads: int
    shape: Shape
    again: Shape

    def packed(self) -> bytes:
        """Return the Params."""
        words = [0] * 40
        words[:8] = self.extents
        for axis, stride in enumerate(self.strides):
            words[8 + 4 * axis] = stride & 0xFFFFFFFF
        return struct.pack("<12I40I", *self.params, 0, *words)


def plan(layout: Layout, axes: Shape, busy: int, apart: bool, single: bool = False) -> Plan | None:
    """Return how to fold `axes` of a view that is not empty; None for too many axes.

    `busy` threads keep the adapter busy. `apart` says that neighbouring lanes are to read
    neighbouring elements, as GPUs like it; else each reads a run, as caches do. `single` says that
    no four elements can be read at once.
    """
    kept_axes = [a for a in range(len(layout.shape)) if a not in axes]
    # In which order elements are folded is free: that of memory, so that axes merge.
    walked = sorted(axes, key=lambda a: (layout.strides[a] != 0, -abs(layout.strides[a])))
    kept, kept_steps = _merged(layout, kept_axes)
    folded, folded_steps = _merged(layout, walked)
    if len(kept) > MOST_AXES or len(folded) > MOST_AXES:
        return None
    outputs, tail = prod(kept), 0
    along = "" if single else _along(layout.offset, kept, kept_steps, folded, folded_steps)
    offset = layout.offset
    if along:
        offset //= 4
        kept_steps = tuple(s // 4 for s in kept_steps)
        folded_steps = tuple(s // 4 for s in folded_steps)
    if along == "rows":
        tail = folded[-1] % 4
        folded, folded_steps = (*folded[:-1], folded[-1] // 4), (*folded_steps[:-1], 1)
    elif along == "columns":
        kept, kept_steps = (*kept[:-1], kept[-1] // 4), (*kept_steps[:-1], 1)
        outputs //= 4
    columns = along == "columns" or (not along and _nearer(kept_steps, folded_steps))
    extent = prod(folded)
    width = 4 if along == "rows" else 1
    most = FAR_RUN if columns else RUN // width
    few = min(SHORT // width, most)
    lanes = 1
    if extent > few:
        lanes = max(-(-extent // most), min(4 * extent // few, -(-busy // outputs)))
    if apart and not columns:
        run, lane_step, step = extent, 1, lanes
    else:
        run = lane_step = -(-extent // lanes)
        lanes, step = -(-extent // run), 1
    threads = outputs * lanes
    split = outputs if columns else lanes
    head = (threads, split, int(columns), extent, run, lane_step, step, tail)
    extents = (*kept, *(1,) * (4 - len(kept)), *folded, *(1,) * (4 - len(folded)))
    strides = (*kept_steps, *(0,) * (4 - len(kept)), *folded_steps)
    results = 4 * outputs if along == "columns" else outputs
    shape = (lanes, results) if columns else (results, lanes)
    again = (0 if columns else 1,) if lanes > 1 else ()
    params = (*head, len(kept), len(folded), offset)
    return Plan(along, len(folded) > 1, params, extents, strides, threads, shape, again)


def _merged(layout: Layout, axes: list[int]) -> tuple[Shape, Shape]:
    """Return the extents and strides of some axes of a view, merged where they can be."""
    extents = tuple(layout.shape[a] for a in axes)
    merged, (strides,) = collapse(extents, [tuple(layout.strides[a] for a in axes)])
    return merged, strides


def _along(offset: int, kept: Shape, kept_steps: Shape, folded: Shape, steps: Shape) -> Lanes:
    """Return along which of the innermost axes four elements are one aligned vec4 everywhere."""
    every = (offset, *kept_steps, *steps)
    if sum(s % 4 != 0 for s in every) > 1:
        return ""
    if steps and steps[-1] == 1 and folded[-1] >= 4:
        only_row = len(folded) == 1 and not kept
        return "rows" if only_row or folded[-1] % 4 == 0 else ""
    return "columns" if kept and kept_steps[-1] == 1 and kept[-1] % 4 == 0 else ""


def _nearer(kept_steps: Shape, folded_steps: Shape) -> bool:
    """Whether outputs lie closer together than the elements of one."""
    if not kept_steps or not folded_steps:
        return False
    return abs(kept_steps[-1]) < abs(folded_steps[-1])
