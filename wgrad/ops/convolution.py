"""Convolutions: the three derivatives of one trilinear form.

T(x, w, y) = sum of y[n, o, p] w[o, c, k] x[n, c, p * stride + k * dilation - padding]. Its
derivative by y is a convolution, by x a transposed convolution, by w what trains the weights. Each
is linear in the other two, and its transposes are the other two ops: so derivatives of every order
are convolutions again. Each is one matrix product over windows of an image, which are a view; of a
transposed convolution whose stride does not divide the kernel, up to two per axis.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

from ..backends.array import Array
from ..backends.base import Device
from ..core import apply
from ..layout import Layout, Shape
from .linalg import bilinear
from .linear import Bilinear
from .movement import permute, reshape
from .windows import Phases, placed


class Geometry(NamedTuple):
    """Where windows lie, one number per axis of the image: `image` elements, `counts` windows.

    A window has `kernel` elements, `dilation` apart; windows begin `stride` apart, the first one
    `padding` before the image.
    """

    image: Shape
    kernel: Shape
    counts: Shape
    stride: Shape
    padding: Shape
    dilation: Shape
    groups: int

    @property
    def reach(self) -> Shape:
        """How far the last element of a window lies from its first."""
        return tuple((k - 1) * d for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def span(self) -> Shape:
        """How many elements all windows cover, padding included."""
        steps = zip(self.counts, self.stride, self.reach, strict=True)
        return tuple(max(n - 1, 0) * s + r + 1 for n, s, r in steps)


def _windows(device: Device, x: Array, g: Geometry) -> Array:
    """Return (N, G, C / G, *counts, *kernel): every window of the padded images."""
    n, channels = x.shape[:2]
    ones = (1,) * len(x.shape)
    padded = placed(device, x, (n, channels, *g.span), (0, 0, *g.padding), ones)
    layout = padded.layout.windows(g.counts, g.kernel, g.stride, g.dilation)
    return _grouped(padded.view(layout), 1, g.groups)


def _grouped(x: Array, axis: int, groups: int) -> Array:
    """Return a view with an axis as (groups, its extent / groups)."""
    n, s = x.layout.shape, x.layout.strides
    each = n[axis] // groups
    shape = (*n[:axis], groups, each, *n[axis + 1 :])
    strides = (*s[:axis], s[axis] * each, s[axis], *s[axis + 1 :])
    return x.view(Layout(shape, strides, x.layout.offset))


def _permuted(x: Array, *axes: Any) -> Array:
    """Return a view with its axes in another order; several may come as one."""
    order = [i for a in axes for i in ((a,) if isinstance(a, int) else a)]
    return x.view(x.layout.permute(order))


def _merged(x: Array, axis: int) -> Array:
    """Return a dense result with two axes made one."""
    n = x.shape
    shape = (*n[:axis], n[axis] * n[axis + 1], *n[axis + 2 :])
    return x.view(Layout.dense(shape))


def _convolution(device: Device, x: Array, w: Array, geometry: Geometry) -> Array:
    d = len(geometry.kernel)
    seen = _windows(device, x, geometry)
    counts, kernel = range(3, 3 + d), range(3 + d, 3 + 2 * d)
    filters = _grouped(w, 0, geometry.groups)
    filters = filters.view(filters.layout.expand((x.shape[0], *filters.shape)))
    images = _permuted(seen, 0, 1, 2, kernel, counts)
    return _merged(device.matmul(filters, images, 2, 1 + d), 1)


class Taps(NamedTuple):
    """Neighbouring phases, along one axis, that as many taps reach (see `Phases`)."""

    first: int
    phases: int
    taps: int

    @classmethod
    def of(cls, size: int, step: int) -> list[Taps]:
        """Return all of windows of `size` elements; phases that nothing reaches are left out.

        Filters are not padded to a multiple of the step, for 0 times infinity would be NaN.
        """
        each, more = divmod(size, step)
        both = cls(0, more, each + 1), cls(more, step - more, each)
        return [t for t in both if t.phases and t.taps]


def _to_image(device: Device, y: Array, w: Array, geometry: Geometry) -> Array:
    """Convolve y with the filters turned around, a product for phases with equally many taps."""
    g = geometry
    d = len(g.kernel)
    lead = y.shape[0], w.shape[1] * g.groups
    phases = [Phases.of(*way) for way in zip(g.kernel, g.stride, g.dilation, strict=True)]
    steps = tuple(p.step for p in phases)
    first = tuple(p // s for p, s in zip(g.padding, steps, strict=True))
    ends = zip(g.padding, g.image, steps, first, strict=True)
    units = tuple((p + m - 1) // s - f + 1 for p, m, s, f in ends)
    parts = list(product(*map(Taps.of, g.kernel, steps)))
    made = [_to_phases(device, y, w, g, phases, taps, first, units) for taps in parts]
    shape = (*lead, *(u * s for u, s in zip(units, steps, strict=True)))
    whole = Layout.dense(shape)
    if len(made) == 1 and made[0].layout.size == whole.size:
        (out,) = made
        if any(s > 1 for s in steps):  # (N, C, *phase, *units) -> (N, C, *(units, phase))
            order = [2 + i + k for i in range(d) for k in (d, 0)]
            out = device.copy(_permuted(out, 0, 1, order))
    else:
        targets = [_places(whole, units, steps, taps) for taps in parts]
        full = sum(x.layout.size for x in made) == whole.size
        out = device.place(made, targets, shape, None if full else 0)
    begin = tuple(p - s * f for p, s, f in zip(g.padding, steps, first, strict=True))
    return out.view(whole.slice((0, 0, *begin), (*lead, *g.image), (1,) * (d + 2)))


def _to_phases(
    device: Device,
    y: Array,
    w: Array,
    g: Geometry,
    phases: list[Phases],
    parts: tuple[Taps, ...],
    first: Shape,
    units: Shape,
) -> Array:
    """Return (N, C, *phase, *units): what `units` from `first` on get at some of the phases."""
    d, n = len(g.kernel), y.shape[0]
    taps = tuple(t.taps for t in parts)
    reach = tuple((t - 1) * p.dilation for t, p in zip(taps, phases, strict=True))
    turned = Geometry(
        tuple(u + r for u, r in zip(units, reach, strict=True)),
        taps,
        units,
        (1,) * d,
        (0,) * d,
        tuple(p.dilation for p in phases),
        g.groups,
    )
    spread = placed(
        device,
        y,
        (*y.shape[:2], *turned.image),
        (0, 0, *(r - f for r, f in zip(reach, first, strict=True))),
        (1, 1, *(p.apart for p in phases)),
    )
    filters = _grouped(w, 0, g.groups)  # (G, O / G, C / G, *kernel)
    shape, strides = list(filters.shape[:3]), list(filters.layout.strides[:3])
    start = filters.layout.offset
    for part, p, s in zip(parts, phases, filters.layout.strides[3:], strict=True):
        shape += [part.taps, part.phases]  # from the last tap on
        strides += [-p.step * s, s]
        start += (p.step * (part.taps - 1) + part.first) * s
    filters = filters.view(Layout(tuple(shape), tuple(strides), start))
    tap, phase = range(3, 3 + 2 * d, 2), range(4, 4 + 2 * d, 2)
    filters = _permuted(filters, 0, 2, phase, 1, tap)  # (G, C / G, *phase, O / G, *taps)
    filters = filters.view(filters.layout.expand((n, *filters.shape)))
    seen = _windows(device, spread, turned)
    images = _permuted(seen, 0, 1, 2, range(3 + d, 3 + 2 * d), range(3, 3 + d))
    return _merged(device.matmul(filters, images, 2, 1 + d), 1)


def _places(whole: Layout, units: Shape, steps: Shape, parts: tuple[Taps, ...]) -> Layout:
    """Return where (N, C, *phase, *units) lie among all units and phases."""
    shape, strides = whole.shape[:2], whole.strides[:2]
    along = whole.strides[2:]
    offset = whole.offset + sum(t.first * s for t, s in zip(parts, along, strict=True))
    return Layout(
        (*shape, *(t.phases for t in parts), *units),
        (*strides, *along, *(k * s for k, s in zip(steps, along, strict=True))),
        offset,
    )


def _to_filters(device: Device, x: Array, y: Array, geometry: Geometry) -> Array:
    d = len(geometry.kernel)
    seen = _windows(device, x, geometry)
    counts, kernel = range(3, 3 + d), range(3 + d, 3 + 2 * d)
    images = _permuted(seen, 1, 0, counts, 2, kernel)
    cotangents = _permuted(_grouped(y, 1, geometry.groups), 1, 2, 0, counts)
    return _merged(device.matmul(cotangents, images, 1, 1 + d), 0)


# The batching rules. Images of a batch are more images where the filters are the same for all;
# else every example is a group of channels of its own.
def _more_images(op: Any, level: Any, inputs: list, batched: list, params: dict) -> Any:
    """The rule of what takes images and filters, and gives images."""
    x, w = inputs
    if not batched[1]:
        out = apply(op, _flat(x, 0), w, **params)
        return reshape(out, (level.size, x.shape[1], *out.shape[1:]))
    x, w = level.in_front(inputs, batched)
    out = apply(op, _flat(_channels(x), 1), _flat(w, 0), geometry=_times(params, level.size))
    out = reshape(out, (out.shape[0], level.size, out.shape[1] // level.size, *out.shape[2:]))
    return _channels(out)


def _more_filters(op: Any, level: Any, inputs: list, batched: list, params: dict) -> Any:
    """The rule of what takes two kinds of images, and gives filters."""
    x, y = (_flat(_channels(z), 1) for z in level.in_front(inputs, batched))
    out = apply(op, x, y, geometry=_times(params, level.size))
    return reshape(out, (level.size, out.shape[0] // level.size, *out.shape[1:]))


def _flat(x: Any, axis: int) -> Any:
    """Return `x` with an axis and the next made one."""
    n = x.shape
    return reshape(x, (*n[:axis], n[axis] * n[axis + 1], *n[axis + 2 :]))


def _channels(x: Any) -> Any:
    """Return `x` with its first two axes exchanged: the batch before the channels, or back."""
    return permute(x, (1, 0, *range(2, len(x.shape))))


def _times(params: dict, n: int) -> Geometry:
    geometry = params["geometry"]
    return geometry._replace(groups=geometry.groups * n)


convolution_: Bilinear = bilinear(
    "convolution",
    compute=_convolution,
    transposes=(
        lambda ct, b, geometry: apply(to_image_, ct, b, geometry=geometry),
        lambda ct, a, geometry: apply(to_filters_, a, ct, geometry=geometry),
    ),
    doc="(N, C, *image), (O, C / groups, *kernel) -> (N, O, *counts): windows times filters.",
    batch=_more_images,
)
to_image_: Bilinear = bilinear(
    "convolution_to_image",
    compute=_to_image,
    transposes=(
        lambda ct, b, geometry: apply(convolution_, ct, b, geometry=geometry),
        lambda ct, a, geometry: apply(to_filters_, ct, a, geometry=geometry),
    ),
    doc="(N, O, *counts), (O, C / groups, *kernel) -> (N, C, *image): the transpose of convolution "
    "towards its image.",
    batch=_more_images,
)
to_filters_: Bilinear = bilinear(
    "convolution_to_filters",
    compute=_to_filters,
    transposes=(
        lambda ct, b, geometry: apply(to_image_, b, ct, geometry=geometry),
        lambda ct, a, geometry: apply(convolution_, a, ct, geometry=geometry),
    ),
    doc="(N, C, *image), (N, O, *counts) -> (O, C / groups, *kernel): the transpose of convolution "
    "towards its filters.",
    batch=_more_filters,
)
