"""Convolutions: the three derivatives of one trilinear form.

T(x, w, y) = sum of y[n, o, p] w[o, c, k] x[n, c, p * stride + k * dilation - padding]. Its
derivative by y is a convolution, by x a transposed convolution, by w what trains the weights. Each
is linear in the other two, and its transposes are the other two ops: so derivatives of every order
are convolutions again. Each is one matrix product over windows of an image, which are a view.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..backends.base import Array, Device
from ..core import apply
from ..layout import Layout, Shape
from .families import Bilinear
from .linalg import bilinear, contract
from .windows import placed


class Geometry(NamedTuple):
    """Where windows lie, one number per axis of the image: `image` elements, `count` windows.

    A window has `kernel` elements, `dilation` apart; windows begin `stride` apart, the first one
    `padding` before the image.
    """

    image: Shape
    kernel: Shape
    count: Shape
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
        steps = zip(self.count, self.stride, self.reach, strict=True)
        return tuple(max(n - 1, 0) * s + r + 1 for n, s, r in steps)


def _windows(device: Device, x: Array, g: Geometry) -> Array:
    """Return (N, G, C / G, *count, *kernel): every window of the padded images."""
    n, channels = x.shape[:2]
    ones = (1,) * len(x.shape)
    padded = placed(device, x, (n, channels, *g.span), (0, 0, *g.padding), ones)
    layout = padded.layout.windows(g.count, g.kernel, g.stride, g.dilation)
    return _grouped(padded.view(layout), 1, g.groups)


def _grouped(x: Array, axis: int, groups: int) -> Array:
    """Return a view with an axis as (groups, its extent / groups)."""
    n, s = x.layout.shape, x.layout.strides
    each = n[axis] // groups
    shape = (*n[:axis], groups, each, *n[axis + 1 :])
    strides = (*s[:axis], s[axis] * each, s[axis], *s[axis + 1 :])
    return x.view(Layout(shape, strides, x.layout.offset))


def _permuted(x: Array, *axes: Any) -> Array:
    """Return a view with its axes in another order; a range stands for the axes that it counts."""
    order = [i for a in axes for i in (a if isinstance(a, range) else (a,))]
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
    return _merged(contract(device, filters, images, batch=2, inner=1 + d), 1)


def _to_image(device: Device, y: Array, w: Array, geometry: Geometry) -> Array:
    """Convolve y, its elements `stride` apart among zeros, with the filters turned around."""
    g = geometry
    d = len(g.kernel)
    turned = Geometry(
        tuple(n + r for n, r in zip(g.image, g.reach, strict=True)),
        g.kernel,
        g.image,
        (1,) * d,
        (0,) * d,
        g.dilation,
        g.groups,
    )
    starts = tuple(r - p for r, p in zip(g.reach, g.padding, strict=True))
    spread = placed(
        device, y, (*y.shape[:2], *turned.image), (0, 0, *starts), (1, 1, *g.stride)
    )
    ends = tuple(k - 1 for k in g.kernel)
    flipped = w.view(w.layout.slice((0, 0, *ends), w.shape, (1, 1, *(-1,) * d)))
    filters = _grouped(flipped, 0, g.groups)  # (G, O / G, C / G, *kernel)
    filters = _permuted(filters, 0, 2, 1, range(3, 3 + d))
    filters = filters.view(filters.layout.expand((y.shape[0], *filters.shape)))
    seen = _windows(device, spread, turned)
    images = _permuted(seen, 0, 1, 2, range(3 + d, 3 + 2 * d), range(3, 3 + d))
    return _merged(contract(device, filters, images, batch=2, inner=1 + d), 1)


def _to_filters(device: Device, x: Array, y: Array, geometry: Geometry) -> Array:
    d = len(geometry.kernel)
    seen = _windows(device, x, geometry)
    counts, kernel = range(3, 3 + d), range(3 + d, 3 + 2 * d)
    images = _permuted(seen, 1, 0, counts, 2, kernel)
    found = _permuted(_grouped(y, 1, geometry.groups), 1, 2, 0, counts)
    return _merged(contract(device, found, images, batch=1, inner=1 + d), 0)


convolution_: Bilinear = bilinear(
    "convolution",
    compute=_convolution,
    transposes=(
        lambda ct, b, geometry: apply(to_image_, ct, b, geometry=geometry),
        lambda ct, a, geometry: apply(to_filters_, a, ct, geometry=geometry),
    ),
    doc="(N, C, *image), (O, C / groups, *kernel) -> (N, O, *count): windows times filters.",
)
to_image_: Bilinear = bilinear(
    "convolution_to_image",
    compute=_to_image,
    transposes=(
        lambda ct, b, geometry: apply(convolution_, ct, b, geometry=geometry),
        lambda ct, a, geometry: apply(to_filters_, ct, a, geometry=geometry),
    ),
    doc="(N, O, *count), (O, C / groups, *kernel) -> (N, C, *image): the transpose of convolution "
    "towards its image.",
)
to_filters_: Bilinear = bilinear(
    "convolution_to_filters",
    compute=_to_filters,
    transposes=(
        lambda ct, b, geometry: apply(to_image_, b, ct, geometry=geometry),
        lambda ct, a, geometry: apply(convolution_, a, ct, geometry=geometry),
    ),
    doc="(N, C, *image), (N, O, *count) -> (O, C / groups, *kernel): the transpose of convolution "
    "towards its filters.",
)
