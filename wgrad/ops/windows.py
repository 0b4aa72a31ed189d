"""Sliding windows: a view that shows neighbourhoods side by side, and its transpose.

Pooling and unfolding are made of them. The view copies nothing; windows that overlap show the
same memory, so it is read and never written to.
"""

from __future__ import annotations

from typing import Any

from ..backends.base import Array, Device
from ..core import apply
from ..layout import Layout, Shape
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
    out = device.full(shape, 0, x.dtype)
    if inside.layout.size:
        device.write(out.view(out.layout.slice(tuple(places), inside.shape, steps)), inside)
    return out


def _overlap_add(
    device: Device, x: Array, sizes: Shape, steps: Shape, dilations: Shape, extents: Shape
) -> Array:
    """Add windows up where they lie.

    Where none overlaps they are written there. Else every place gathers what covers it: the
    windows are put `steps` apart among zeros, and place q finds its share by element k of a window
    at q - k * dilation, which is a view too.
    """
    d = len(sizes)
    lead, counts = x.shape[: -2 * d], x.shape[-2 * d : -d]
    apart = zip(steps, sizes, dilations, counts, strict=True)
    if all(n == 1 or step > (size - 1) * gap for step, size, gap, n in apart):
        out = device.full((*lead, *extents), 0, x.dtype)
        if x.layout.size:
            device.write(out.view(out.layout.windows(counts, sizes, steps, dilations)), x)
        return out
    reach = tuple((size - 1) * gap for size, gap in zip(sizes, dilations, strict=True))
    wide = tuple(n + r for n, r in zip(extents, reach, strict=True))
    still, ones = (0,) * len(lead), (1,) * len(lead)
    x = placed(
        device,
        x,
        (*lead, *wide, *sizes),
        (*still, *reach, *(0,) * d),
        (*ones, *steps, *(1,) * d),
    )
    layout = x.layout
    first = len(lead)
    along = layout.strides[first : first + d]
    within = tuple(
        s - gap * step for s, gap, step in zip(layout.strides[first + d :], dilations, along, strict=True)
    )
    start = layout.offset + sum(r * step for r, step in zip(reach, along, strict=True))
    shape = (*lead, *extents, *sizes)
    shares = x.view(Layout(shape, (*layout.strides[:first], *along, *within), start))
    return device.reduce("sum", shares, tuple(range(len(shape) - d, len(shape))), x.dtype)


windows_ = view(
    "windows",
    layout=lambda layout, counts, sizes, steps, dilations: layout.windows(
        counts, sizes, steps, dilations
    ),
    transpose=lambda ct, shapes, sizes, steps, dilations: overlap_add(
        ct, sizes, steps, dilations, shapes[0][len(shapes[0]) - len(sizes) :]
    ),
    doc="The last axes as windows, which may overlap, without a copy.",
)
overlap_add_ = linear(
    "overlap_add",
    compute=_overlap_add,
    transpose=lambda ct, shapes, sizes, steps, dilations: windows(
        ct, shapes[0][-2 * len(sizes) : -len(sizes)], sizes, steps, dilations
    ),
    doc="Windows added up where they lie: the transpose of windows.",
)


def windows(x: Any, counts: Shape, sizes: Shape, steps: Shape, dilations: Shape) -> Any:
    """Return the last axes of `x` as windows: (..., *counts, *sizes)."""
    return apply(windows_, x, counts=counts, sizes=sizes, steps=steps, dilations=dilations)


def overlap_add(x: Any, sizes: Shape, steps: Shape, dilations: Shape, extents: Shape) -> Any:
    """Return windows (..., *counts, *sizes) added up over axes of `extents`."""
    return apply(
        overlap_add_, x, sizes=sizes, steps=steps, dilations=dilations, extents=extents
    )
