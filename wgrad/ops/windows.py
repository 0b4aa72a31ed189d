"""Sliding windows: a view that shows neighbourhoods side by side, and its transpose.

Pooling and unfolding are made of them. The view copies nothing; windows that overlap show the
same memory, so it is read and never written to.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..backends.array import Array
from ..backends.base import Device
from ..backends.fold import SUM
from ..core import apply
from ..layout import Layout, Shape
from .families import as_they_are
from .movement import linear, view


def placed(device: Device, x: Array, shape: Shape, starts: Shape, steps: Shape) -> Array:
    """Return zeros of `shape` with `x` at starts[i], starts[i] + steps[i], ... along axis i.

    Elements that fall outside are left out; `x` itself comes back where nothing is added.
    """
    firsts, counts, places = [], [], []
    for n, size, start, step in zip(x.shape, shape, starts, steps, strict=True):
        first = max(0, -(start // step))
        last = min(n, -((start - size) // step))
        firsts.append(first)
        counts.append(max(0, last - first))
        places.append(start + first * step)
    ones = (1,) * len(shape)
    inside = x.view(x.layout.slice(tuple(firsts), tuple(counts), ones))
    if inside.shape == shape and not any(places):
        return inside
    if inside.layout.size == 0:
        return device.full(shape, 0, x.dtype)
    target = Layout.dense(shape).slice(tuple(places), inside.shape, steps)
    return device.place([inside], [target], shape, 0)


class Phases(NamedTuple):
    """How places find what windows put there, along one axis, by the phase of a place.

    With windows `step` apart, place step * u + phase is reached by element step * m + phase of
    window u - m alone, for every m < `taps`. So all phases read the same windows, each with its
    own elements: no place looks at windows that cannot reach it. Where elements lie `dilation`
    apart too, windows are put `apart` places from one another among zeros, and there is one phase.
    """

    step: int
    taps: int
    dilation: int
    apart: int

    @classmethod
    def of(cls, size: int, step: int, dilation: int) -> Phases:
        """Return those of windows of `size` elements."""
        if step == 1 or size == 1 or dilation == 1:
            return cls(step, -(-size // step), 1 if size == 1 or step > 1 else dilation, 1)
        return cls(1, size, dilation, step)

    @property
    def padded(self) -> int:
        """The size of a window made a multiple of the step."""
        return self.step * self.taps

    @property
    def reach(self) -> int:
        """How many windows before its own a place looks at."""
        return (self.taps - 1) * self.dilation


def _overlap_add(
    device: Device, x: Array, sizes: Shape, steps: Shape, dilations: Shape, extents: Shape
) -> Array:
    """Add windows up where they lie.

    Where none overlaps they are written there; else every place gathers what reaches it.
    """
    d = len(sizes)
    lead, counts = x.shape[: -2 * d], x.shape[-2 * d : -d]
    ways = list(zip(steps, sizes, dilations, counts, strict=True))
    if all(n == 1 or step > (size - 1) * gap for step, size, gap, n in ways):
        whole = Layout.dense((*lead, *extents))
        if x.layout.size == 0:
            return device.full(whole.shape, 0, x.dtype)
        return device.place([x], [whole.windows(counts, sizes, steps, dilations)], whole.shape, 0)
    phases = [Phases.of(size, step, gap) for step, size, gap, _ in ways]
    still, ones = (0,) * len(lead), (1,) * len(lead)
    units = tuple(-(-n // p.step) for n, p in zip(extents, phases, strict=True))
    wide = tuple(u + p.reach for u, p in zip(units, phases, strict=True))
    x = placed(
        device,
        x,
        (*lead, *wide, *(p.padded for p in phases)),
        (*still, *(p.reach for p in phases), *(0,) * d),
        (*ones, *(p.apart for p in phases), *(1,) * d),
    )
    # (..., units, phase, ..., taps, ...): unit u, phase r and tap m see element step * m + r of
    # window u - m * dilation.
    first = len(lead)
    along, within = x.layout.strides[first : first + d], x.layout.strides[first + d :]
    start = x.layout.offset + sum(p.reach * s for p, s in zip(phases, along, strict=True))
    shape, strides = list(lead), list(x.layout.strides[:first])
    for unit, p, a, w in zip(units, phases, along, within, strict=True):
        shape += [unit, p.step]
        strides += [a, w]
    for p, a, w in zip(phases, along, within, strict=True):
        shape.append(p.taps)
        strides.append(p.step * w - p.dilation * a)
    shares = x.view(Layout(tuple(shape), tuple(strides), start))
    axes = tuple(range(first + 2 * d, first + 3 * d))
    out = device.reduce(SUM, shares, axes, x.dtype)
    out = out.view(Layout.dense((*lead, *(u * p.step for u, p in zip(units, phases, strict=True)))))
    return out.view(
        out.layout.slice((0,) * len(out.shape), (*lead, *extents), (1,) * len(out.shape))
    )


windows_ = view(
    "windows",
    layout=lambda layout, counts, sizes, steps, dilations: layout.windows(
        counts, sizes, steps, dilations
    ),
    transpose=lambda ct, shapes, sizes, steps, dilations: overlap_add(
        ct, sizes, steps, dilations, shapes[0][len(shapes[0]) - len(sizes) :]
    ),
    doc="The last axes as windows, which may overlap, without a copy.",
    batch=as_they_are,
)
overlap_add_ = linear(
    "overlap_add",
    compute=_overlap_add,
    transpose=lambda ct, shapes, sizes, steps, dilations: windows(
        ct, shapes[0][-2 * len(sizes) : -len(sizes)], sizes, steps, dilations
    ),
    doc="Windows added up where they lie: the transpose of windows.",
    batch=as_they_are,
)


def windows(x: Any, counts: Shape, sizes: Shape, steps: Shape, dilations: Shape) -> Any:
    """Return the last axes of `x` as windows: (..., *counts, *sizes)."""
    return apply(windows_, x, counts=counts, sizes=sizes, steps=steps, dilations=dilations)


def overlap_add(x: Any, sizes: Shape, steps: Shape, dilations: Shape, extents: Shape) -> Any:
    """Return windows (..., *counts, *sizes) added up over axes of `extents`."""
    return apply(overlap_add_, x, sizes=sizes, steps=steps, dilations=dilations, extents=extents)
