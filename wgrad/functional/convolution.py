"""Convolutions of one to three axes and transposed ones, with PyTorch's names and arguments."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from .. import dtypes
from ..core import Tensor, Value, apply, check_devices
from ..creation.inputs import as_tensors
from ..errors import ArgumentError, DTypeError, ShapeError, shown
from ..layout import Shape, check_size
from ..ops.convolution import Geometry, convolution_, to_image_
from ..ops.elementwise import add
from ..ops.families import with_dtype
from ..shaping import reshape
from .dimensions import for_axes
from .precision import beside

Numbers = int | Sequence[int]


def _conv(
    d: int,
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Numbers = 1,
    padding: Numbers | str = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    """Return the windows of `input` times every filter of `weight`.

    Shapes: (N, C, {image}), (O, C / groups, {kernel}), (O,) -> (N, O, {windows}), or without N.
    Along an axis of n there are (n + 2 padding - dilation (kernel - 1) - 1) // stride + 1 windows;
    padding is zeros, "valid" none of them, and "same" as many as make that n. A number stands for
    every axis. Raises: ShapeError, ArgumentError, DTypeError.

    >>> x, weight = wg.ones((2, 3, {each[8]})), wg.ones((5, 3, {each[3]}))
    >>> wg.nn.functional.conv{d}d(x, weight, padding=1).shape
    (2, 5, {each[8]})
    """
    name = f"conv{d}d"
    x, weight, bias, single = _operands(name, d, input, weight, bias)
    steps, gaps = numbers(stride, d, name, "stride", 1), numbers(dilation, d, name, "dilation", 1)
    groups = _groups(groups, name)
    if isinstance(padding, str):
        before, after = _named_padding(padding, name, weight.shape[2:], steps, gaps)
    else:
        before = after = numbers(padding, d, name, "padding", 0)
    if x.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        raise ShapeError(
            f"{name}: {x.shape[1]} channels, a weight of shape {weight.shape} and groups={groups} "
            f"came; the channels must be groups * {weight.shape[1]}, and {weight.shape[0]} filters "
            "divide by groups"
        )
    _check_bias(name, bias, weight.shape[0])
    counts = window_counts(name, x.shape[2:], weight.shape[2:], steps, gaps, before, after)
    check_size((x.shape[0], weight.shape[0], *counts), name)
    geometry = Geometry(x.shape[2:], weight.shape[2:], counts, steps, before, gaps, groups)
    return _finished(apply(convolution_, x, weight, geometry=geometry), bias, single)


def _conv_transpose(
    d: int,
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    """Return filters placed `stride` apart, times `input`, added up: the transpose of conv{d}d.

    Shapes: (N, C, {image}), (C, O / groups, {kernel}), (O,) -> (N, O, {windows}), or without N. An
    axis of n becomes (n - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.
    Raises: ShapeError, ArgumentError, DTypeError.

    >>> x, weight = wg.ones((2, 3, {each[4]})), wg.ones((3, 5, {each[2]}))
    >>> wg.nn.functional.conv_transpose{d}d(x, weight, stride=2).shape
    (2, 5, {each[8]})
    """
    name = f"conv_transpose{d}d"
    x, weight, bias, single = _operands(name, d, input, weight, bias)
    steps, gaps = numbers(stride, d, name, "stride", 1), numbers(dilation, d, name, "dilation", 1)
    pads = numbers(padding, d, name, "padding", 0)
    more = numbers(output_padding, d, name, "output_padding", 0)
    groups = _groups(groups, name)
    if x.shape[1] != weight.shape[0] or x.shape[1] % groups:
        raise ShapeError(
            f"{name}: {x.shape[1]} channels, a weight of shape {weight.shape} and groups={groups} "
            f"came; {weight.shape[0]} channels that divide by groups are needed"
        )
    channels = weight.shape[1] * groups
    _check_bias(name, bias, channels)
    if any(m >= max(s, g) for m, s, g in zip(more, steps, gaps, strict=True)):
        raise ArgumentError(
            f"{name}: output_padding={shown(output_padding)} came, and it must be smaller than "
            f"stride {steps} or dilation {gaps}"
        )
    kernel = weight.shape[2:]
    image = tuple(
        (n - 1) * s - 2 * p + g * (k - 1) + m + 1
        for n, s, p, g, k, m in zip(x.shape[2:], steps, pads, gaps, kernel, more, strict=True)
    )
    if 0 in x.shape[1:] or any(n < 1 for n in image):
        raise ShapeError(
            f"{name}: an input of shape {x.shape} would give an output of {image}; at least 1 in "
            "every axis, and a channel, are needed"
        )
    check_size((x.shape[0], channels, *image), name)
    geometry = Geometry(image, kernel, x.shape[2:], steps, pads, gaps, groups)
    return _finished(apply(to_image_, x, weight, geometry=geometry), bias, single)


conv1d, conv2d, conv3d = for_axes(_conv)
conv_transpose1d, conv_transpose2d, conv_transpose3d = for_axes(_conv_transpose)


def _operands(name: str, d: int, input: Any, weight: Any, bias: Any) -> tuple[Any, Any, Any, bool]:
    """Return input with a batch axis, weight and bias of one dtype, and whether it had none."""
    given = (input, weight) if bias is None else (input, weight, bias)
    tensors = as_tensors(name, *given)
    kinds = {x.dtype.is_floating for x in tensors}
    common = tensors[0].dtype
    for x in tensors:
        common = dtypes.promote(common, x.dtype)
    if len(kinds) > 1 or any(x.dtype is dtypes.bool_ for x in tensors):
        names = ", ".join(x.dtype.name for x in tensors)
        raise DTypeError(
            f"{name}: tensors of {names} came, and all floats or all integers are needed: convert "
            "with .astype()"
        )
    x, weight = tensors[:2]
    x, single = with_batch(name, x, d)
    if len(weight.shape) != d + 2 or 0 in weight.shape:
        raise ShapeError(
            f"{name}: a weight of shape {weight.shape} came, and {d + 2} axes that are not empty "
            "are needed"
        )
    check_devices(name, tensors)
    x, weight, *rest = (with_dtype(v, common) for v in (x, weight, *tensors[2:]))
    return x, weight, rest[0] if rest else None, single


def with_batch(name: str, x: Any, d: int) -> tuple[Any, bool]:
    """Return (N, C, *image) of d axes, and whether N had to be added. Raises: ShapeError."""
    if len(x.shape) not in (d + 1, d + 2):
        raise ShapeError(
            f"{name}: an input of shape {x.shape} came, and {d + 2} axes (batch, channels and {d} "
            f"of the image), or {d + 1} without a batch, are needed"
        )
    single = len(x.shape) == d + 1
    return (reshape(x, (1, *x.shape)) if single else x), single


def _check_bias(name: str, bias: Any, channels: int) -> None:
    if bias is not None and bias.shape != (channels,):
        raise ShapeError(
            f"{name}: a bias of shape {bias.shape} came; shape {(channels,)} is needed"
        )


def _finished(out: Any, bias: Any, single: bool) -> Tensor:
    if bias is not None:
        bias = beside(out, bias)
        out = add(out, reshape(bias, (*bias.shape, *(1,) * (len(out.shape) - 2))))
    return reshape(out, out.shape[1:]) if single else out


def _groups(value: Any, name: str) -> int:
    (count,) = numbers(value, 1, name, "groups", 1)
    return count


def _named_padding(
    padding: str, name: str, kernel: Shape, steps: Shape, gaps: Shape
) -> tuple[Shape, Shape]:
    if padding == "valid":
        return (0,) * len(kernel), (0,) * len(kernel)
    if padding != "same":
        raise ArgumentError(
            f'{name}: padding={shown(padding)} came; numbers, "valid" or "same" are needed'
        )
    if any(s != 1 for s in steps):
        raise ArgumentError(f'{name}: padding="same" came with stride {steps}; it needs stride 1')
    total = [g * (k - 1) for g, k in zip(gaps, kernel, strict=True)]
    return tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)


def numbers(value: Any, d: int, name: str, what: str, least: int) -> Shape:
    """Return one integer for each of d axes, given one for all or a sequence of them.

    Raises: ArgumentError for what is no integer, or less than `least`.
    """
    items = value if isinstance(value, (tuple, list)) else (value,)
    try:
        integers = tuple(-1 if isinstance(n, (bool, Value)) else operator.index(n) for n in items)
    except TypeError:
        integers = ()
    if len(integers) == 1:
        integers *= d
    if len(integers) != d or any(not least <= n < 2**31 for n in integers):
        each = "an integer" if d == 1 else f"an integer, or {d} of them"
        raise ArgumentError(
            f"{name}: {what}={shown(value)} came; {each}, of at least {least}, is needed"
        )
    return integers


def window_counts(
    name: str,
    image: Shape,
    kernel: Shape,
    steps: Shape,
    gaps: Shape,
    before: Shape,
    after: Shape,
) -> Shape:
    """Return how many windows fit along every axis. Raises: ShapeError where none does."""
    counts = []
    for n, k, s, g, b, a in zip(image, kernel, steps, gaps, before, after, strict=True):
        room = n + b + a - g * (k - 1) - 1
        if room < 0 or n == 0:
            raise ShapeError(
                f"{name}: a kernel of {kernel} with dilation {gaps} is larger than an image of "
                f"{image} with padding {before}"
            )
        counts.append(room // s + 1)
    return tuple(counts)
