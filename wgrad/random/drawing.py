"""Functions that draw: a tensor of so many numbers of a stream, distributed as asked for.

Uniforms are multiples of 2^-24; normals invert the distribution by a table in integers.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..backends.array import Array, Body
from ..backends.base import Device
from ..backends.threefry import bits as host_bits
from ..checks.arguments import count as checked_count
from ..core import Tensor, wrap
from ..core.batched import levels, raised
from ..creation import DeviceLike, tensor
from ..creation.inputs import as_number
from ..devices import device as find_device
from ..dtypes import as_dtype
from ..errors import ArgumentError, DTypeError, OutOfMemoryError, VmapError, shown
from ..layout import Layout, Shape, normalize_shape
from ..ops.elementwise import clamp
from ..ops.families import with_dtype
from .generator import Generator, refuse_in_trace, stream


def _examples(where: str) -> list[Any]:
    """Return the levels of vmap at which every example gets numbers of its own.

    Raises: VmapError where it is not said whether they do.
    """
    inside = levels()
    if any(level.randomness == "error" for level in inside):
        raise VmapError(
            f'{where}: random numbers came inside vmap, which needs to be told randomness="same" '
            'or "different" (for all examples, or for each its own)'
        )
    return [level for level in inside if level.randomness == "different"]


def _of_examples(drawn: Array, apart: Sequence[Any]) -> Array:
    """Return numbers with an axis in front for each level as those of one example."""
    x = wrap(drawn)
    for level in apart:
        x = raised(x, level)
    return x.array


def _draw(
    kind: str,
    shape: Any,
    device: DeviceLike,
    generator: Generator | None,
    where: str,
    then: Callable[[Array], Array] | None = None,
) -> Array:
    extents = normalize_shape(shape, where)
    target = find_device(device)
    apart = _examples(where)
    extents = (*(level.size for level in apart), *extents)
    key, counter = stream(generator, where).take(Layout.dense(extents).size)
    try:
        drawn = target.random(kind, key, counter, extents)
        if then is not None:
            drawn = then(drawn)
        return _of_examples(drawn, apart)
    except MemoryError as error:  # NumPy's own; a GPU's comes in our words
        if isinstance(error, OutOfMemoryError):
            raise
        raise OutOfMemoryError(f"{where}: device {target.name} has no room: {error}") from error


def _shape_of(shape: tuple[Any, ...]) -> Any:
    return shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape


# The first 11 of 24 bits: rounded to float16, numbers just below 1 would be 1.
_CUT = Body(
    "random_half",
    "floor(a * 2048.0) * 0x1p-11f",
    lambda a: np.floor(a * 2048) * 2.0**-11,
)


def _floats(
    kind: str,
    shape: Any,
    dtype: Any,
    device: DeviceLike,
    generator: Generator | None,
    where: str,
    wide: bool = False,
) -> Tensor:
    """Draw float32 numbers and return them as `dtype`; all is checked before any is drawn.

    `wide` leaves them float32 where that is float16.
    """
    chosen = as_dtype(float if dtype is None else dtype)
    if not chosen.is_floating:
        raise DTypeError(f"{where}: {chosen.name} came and a floating dtype is needed; see randint")
    target = find_device(device)
    target.check_dtype(chosen, where)
    if wide and chosen is dtypes.float16:
        return wrap(_draw(kind, shape, target, generator, where))

    def cut(x: Array) -> Array:
        return target.map(_CUT, (x,), (x.dtype,), x.shape, chosen)

    half = kind == "uniform" and chosen is dtypes.float16
    drawn = _draw(kind, shape, target, generator, where, cut if half else None)
    out = wrap(drawn)
    return out if drawn.dtype is chosen else out.astype(chosen)


def _finite(where: str, **values: Any) -> tuple[float, ...]:
    """Return numbers as floats. Raises: ArgumentError for other things, infinity and NaN."""
    finite = []
    for name, value in values.items():
        number = as_number(value, where, name)
        finite.append(float(dtypes.cast_scalar(number, dtypes.float64, where)))
        if not math.isfinite(finite[-1]):
            raise ArgumentError(f"{where}: {name} is {number}, and a finite number is needed")
    return tuple(finite)


def rand(
    *shape: Any,
    dtype: Any = float,
    device: DeviceLike = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Return uniform numbers in [0, 1): rand(2, 3) or rand((2, 3)).

    >>> x = wg.rand(1000)
    >>> x.shape, bool((0 <= x).all()), bool((x < 1).all())
    ((1000,), True, True)
    """
    out = _floats("uniform", _shape_of(shape), dtype, device, generator, "rand")
    return out.requires_grad_() if requires_grad else out


def randn(
    *shape: Any,
    dtype: Any = float,
    device: DeviceLike = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Return standard normal numbers (at most about 6.3 from 0): randn(2, 3) or randn((2, 3)).

    >>> wg.randn(2, 3).shape
    (2, 3)
    >>> round(wg.randn(10000, generator=wg.Generator(0)).std().item(), 1)
    1.0
    """
    out = _floats("normal", _shape_of(shape), dtype, device, generator, "randn")
    return out.requires_grad_() if requires_grad else out


def uniform(
    low: float = 0.0,
    high: float = 1.0,
    shape: int | Sequence[int] = (),
    dtype: Any = float,
    device: DeviceLike = None,
    generator: Generator | None = None,
) -> Tensor:
    """Return uniform numbers from `low` up to but without `high`.

    What rounding would take to `high`, or beyond `low`, is the next number of the dtype inside.
    Where the dtype has none between the two (float32 has only steps of 8 near 1e8) all are the one
    nearest to `low`.

    >>> x = wg.uniform(-1, 1, (2, 1000))
    >>> bool((wg.abs(x) <= 1).all())
    True
    """
    low, high = _finite("uniform", low=low, high=high)
    chosen = as_dtype(float if dtype is None else dtype)
    x = _floats("uniform", shape, chosen, device, generator, "uniform", wide=True)
    least, greatest = _ends(low, high, chosen)
    # In halves where the whole range is no number of the dtype.
    part = 0.5 if high - low > float(np.finfo(chosen.computes).max) else 1.0
    x = x * (high * part - low * part) + low * part
    return with_dtype(clamp(x if part == 1 else x / part, least, greatest), chosen)


def _ends(low: float, high: float, dtype: dtypes.DType) -> tuple[float, float]:
    """Return the least and the greatest number of a dtype in [low, high), or in (high, low]."""
    kind = dtype.numpy.type
    with np.errstate(over="ignore"):
        nearest, last = kind(low), kind(high)
    first = nearest
    up = kind(np.inf if high >= low else -np.inf)
    if (float(first) < low) if high >= low else (float(first) > low):
        first = np.nextafter(first, up)
    if (float(last) >= high) if high >= low else (float(last) <= high):
        last = np.nextafter(last, -up)
    if (first > last) if high >= low else (first < last):
        first = last = nearest
    least, greatest = sorted((float(first), float(last)))
    return least, greatest


def normal(
    mean: float = 0.0,
    std: float = 1.0,
    shape: int | Sequence[int] = (),
    dtype: Any = float,
    device: DeviceLike = None,
    generator: Generator | None = None,
) -> Tensor:
    """Return normal numbers of the given mean and standard deviation (at least 0).

    >>> wg.normal(10.0, 0.0, (3,))
    tensor([10., 10., 10.])
    """
    mean, std = _finite("normal", mean=mean, std=std)
    if std < 0:
        raise ArgumentError(f"normal: std {std} came, and at least 0 is needed")
    x = _floats("normal", shape, dtype, device, generator, "normal")
    return x * std + mean


def _scale_bits(bits: np.ndarray, span: int, low: int) -> np.ndarray:
    high = (bits.astype(np.uint64) * np.uint64(span)) >> np.uint64(32)
    return (high.astype(np.int64) + low).astype(np.int32)


# span 2**32 would not fit a u32, so the greatest offset is passed: floor(bits * (last + 1) / 2^32).
_INTEGERS = Body(
    "random_integer",
    "bitcast<i32>(scale_bits(a, b) + bitcast<u32>(c))",
    lambda bits, last, low: _scale_bits(bits, int(last) + 1, low),
)


def randint(
    low: int,
    high: int | None = None,
    shape: int | Sequence[int] = (),
    dtype: Any = int,
    device: DeviceLike = None,
    generator: Generator | None = None,
) -> Tensor:
    """Return integers from `low` up to but without `high`; one number is the high, from 0.

    An integer's probability is off by at most (high - low) / 2**32 of itself.

    >>> dice = wg.randint(1, 7, (1000,))
    >>> dice.min(), dice.max()
    (tensor(1), tensor(6))
    """
    if high is None:
        low, high = 0, low
    try:
        low, high = operator.index(low), operator.index(high)
    except TypeError:
        raise ArgumentError(
            f"randint: {shown(low)} to {shown(high)} came; integers are needed"
        ) from None
    span = 2**31
    if not (-span <= low < high <= span):
        raise ArgumentError(
            f"randint: {shown(low)} to {shown(high)} came; low < high, both within int32, is needed"
        )
    chosen = as_dtype(int if dtype is None else dtype)
    if not chosen.is_integer:
        raise DTypeError(f"randint: {chosen.name} came and an integer dtype is needed")
    if chosen is dtypes.uint32 and low < 0:
        raise ArgumentError(f"randint: low is {low}, and uint32 needs at least 0")
    scaled = functools.partial(_integers, low=low, high=high)
    out = wrap(_draw("bits", shape, device, generator, "randint", scaled))
    return with_dtype(out, chosen)


def _integers(bits: Array, low: int, high: int) -> Array:
    device: Device = bits.storage.device
    extents: Shape = bits.shape
    ins = (dtypes.uint32, dtypes.uint32, dtypes.int32)
    made = device.map(_INTEGERS, (bits, high - low - 1, low), ins, extents, dtypes.int32)
    made.storage.bounds = low, high - 1
    return made


def _ordered(keys: np.ndarray) -> np.ndarray:
    """Return the order of keys along the last axis; equal ones keep theirs, as on every machine.

    Hardly any are equal, and NumPy sorts several times as fast where it need not care.
    """
    order = np.argsort(keys, axis=-1)
    found = np.take_along_axis(keys, order, -1)
    if (found[..., 1:] == found[..., :-1]).any():
        return np.argsort(keys, axis=-1, kind="stable")
    return order


def randperm(n: int, device: DeviceLike = None, generator: Generator | None = None) -> Tensor:
    """Return the int32 numbers 0 to n - 1 in random order.

    They are ordered on the host by n 64-bit keys, and so are the same on every device.

    >>> order = wg.randperm(5)  # to shuffle rows: x[order]
    >>> wg.sort(order)
    tensor([0, 1, 2, 3, 4])
    """
    count = checked_count(n, "randperm", "n", 2**31 - 1)
    find_device(device)  # which may not exist, and then nothing is drawn
    refuse_in_trace("randperm")
    apart = _examples("randperm")
    shape = (*(level.size for level in apart), count)
    total = 2 * math.prod(shape)
    key, first = stream(generator, "randperm").take(total)
    try:
        words = host_bits(key, first, total).astype(np.uint64)
        keys = (words[0::2] << np.uint64(32) | words[1::2]).reshape(shape)
        order = _ordered(keys)
    except MemoryError as error:
        raise OutOfMemoryError(f"randperm: the host has no room: {error}") from error
    return wrap(_of_examples(tensor(order, dtypes.int32, device).array, apart))
