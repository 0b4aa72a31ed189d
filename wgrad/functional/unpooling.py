"""Unpooling: the values of max pooling back where they were found, and zeros elsewhere."""

from __future__ import annotations

from math import prod
from typing import Any

from .. import dtypes
from ..core import Tensor, apply, wrap
from ..creation import arange
from ..creation.inputs import as_tensor
from ..errors import ShapeError, shown
from ..layout import Shape, check_size
from ..ops import indexing as primitives
from ..ops.families import with_dtype
from ..shaping import reshape
from .convolution import Numbers, numbers, with_batch
from .dimensions import for_axes
from .windows import pool_frame


def _max_unpool(
    d: int,
    input: Any,
    indices: Any,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    output_size: Any = None,
) -> Tensor:
    """Return zeros with the values of `input` at the positions that max_pool{d}d returned.

    Shapes: (N, C, {windows}), twice -> (N, C, {image}), or without N. An axis of n becomes
    (n - 1) stride - 2 padding + kernel, unless `output_size` gives it: ({image}), or the whole
    shape, less than one stride away. Where a position comes twice the later value stays. Raises:
    ShapeError, ArgumentError, DTypeError; IndexRangeError for a position outside the image.
    """
    name = f"max_unpool{d}d"
    x = as_tensor(input, name)
    places = as_tensor(indices, name, x)
    if places.shape != x.shape:
        raise ShapeError(
            f"{name}: values {x.shape} and indices {places.shape} came; one shape is needed"
        )
    x, single = with_batch(name, x, d)
    kernel, steps, _, pads = pool_frame(name, d, kernel_size, stride, padding)
    image = _image(name, x.shape, kernel, steps, pads, output_size)
    shape = check_size((*x.shape[:2], *image), name)
    places = primitives.checked_indices(places, prod(image), name)
    planes = prod(shape[:2])
    rows = reshape(with_dtype(places, dtypes.int32), (planes, prod(x.shape[2:])))
    out = wrap(x.device.full((planes * prod(image),), 0, x.dtype))
    if x.size:
        starts = reshape(arange(planes, device=x.device) * prod(image), (planes, 1))
        flat = reshape(rows + starts, (-1,))
        out = apply(primitives.scatter, out, flat, reshape(x, (-1,)), axis=0)
    return reshape(out, shape[1:] if single else shape)


max_unpool1d, max_unpool2d, max_unpool3d = for_axes(_max_unpool)


def _image(name: str, shape: Shape, kernel: Shape, steps: Shape, pads: Shape, target: Any) -> Shape:
    """Return the size of the images, as asked for where it is one that pooling can come from."""
    ways = zip(shape[2:], kernel, steps, pads, strict=True)
    usual = tuple((n - 1) * s - 2 * p + k for n, k, s, p in ways)
    if target is None:
        if min(usual) < 1:
            raise ShapeError(f"{name}: values {shape} would lie in an empty image {usual}")
        return usual
    given = tuple(target) if isinstance(target, (tuple, list)) else target
    if isinstance(given, tuple) and len(given) > len(kernel):
        given = given[-len(kernel) :]
    image = numbers(given, len(kernel), name, "output_size", 1)
    if any(abs(n - u) >= s for n, u, s in zip(image, usual, steps, strict=True)):
        raise ShapeError(
            f"{name}: output_size={shown(target)} came; sizes less than a stride {steps} away from "
            f"{usual} are needed"
        )
    return image
