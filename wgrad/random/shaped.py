"""Functions that draw from other distributions, made of uniform numbers and operations.

An exponential number is made of 32 bits, where `rand` has 24: so are those that categories are
chosen by (`wg.categorical`), and improbable ones keep their share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..backends.array import Array, Body
from ..core import Tensor, wrap
from ..creation import DeviceLike
from ..creation.inputs import as_float, as_tensor
from ..devices import device as find_device
from ..dtypes import as_dtype
from ..errors import ArgumentError, DTypeError, ShapeError
from ..layout import broadcast_shapes, normalize_shape
from ..ops.elementwise import clamp, erfinv, isnan, less, log1p, negative, where
from ..ops.families import with_dtype
from .drawing import _draw, _finite, rand
from .generator import Generator

# (word + 1/2) / 2^32, rounded once, and below 1: small ones are exact to 24 bits.
_OPEN = Body(
    "random_open",
    "min(f32(a >> 16u) * 0x1p-16f + (f32(a & 0xffffu) + 0.5) * 0x1p-32f, 0x1.fffffep-1f)",
    lambda a: np.minimum(
        (a >> np.uint32(16)).astype(np.float32) * np.float32(2.0**-16)
        + ((a & np.uint32(0xFFFF)).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-32),
        np.float32(1 - 2.0**-24),
    ),
)


def _opened(bits: Array) -> Array:
    device = bits.storage.device
    return device.map(_OPEN, (bits,), (bits.dtype,), bits.shape, dtypes.float32)


def waits(
    shape: Any, device: DeviceLike, generator: Generator | None, name: str, double: bool = False
) -> Tensor:
    """Return exponential numbers of rate 1, float32, or float64 of as many bits: -log(1 - u)."""
    u = wrap(_draw("bits", shape, device, generator, name, _opened))
    return negative(log1p(negative(u.astype(dtypes.float64) if double else u)))


def exponential(
    rate: float = 1.0,
    shape: int | Sequence[int] = (),
    dtype: Any = float,
    device: DeviceLike = None,
    generator: Generator | None = None,
) -> Tensor:
    """Return exponential numbers, of density rate * exp(-rate * x) for x > 0 and mean 1 / rate.

    They lie between 1.2e-10 / rate and 16.7 / rate.

        wg.exponential(2.0, (1000,)).mean()  # about 0.5

    Raises: ArgumentError for a rate that is not above 0; DTypeError; ShapeError.

    >>> bool((wg.exponential(2.0, (1000,)) > 0).all())
    True
    """
    (rate,) = _finite("exponential", rate=as_float(rate, "exponential", "rate", above=0))
    chosen = as_dtype(float if dtype is None else dtype)
    if not chosen.is_floating:
        raise DTypeError(f"exponential: {chosen.name} came and a floating dtype is needed")
    target = find_device(device)
    target.check_dtype(chosen, "exponential")
    x = waits(shape, target, generator, "exponential", double=chosen is dtypes.float64)
    return with_dtype(x / rate, chosen)


def bernoulli(
    p: Any,
    shape: int | Sequence[int] | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
    generator: Generator | None = None,
) -> Tensor:
    """Return ones with probability `p`, else zeros: a draw for each element of `p`.

    `p` is a number or a tensor, and is broadcast to `shape` where that is given. The result has
    the floating dtype of `p` unless `dtype` says otherwise, and no gradient. A tensor's values are
    not looked at: what is below 0 acts as 0, above 1 as 1, and NaN stays NaN.

    Raises: ArgumentError for a number outside 0 to 1; DTypeError; ShapeError.

    >>> wg.bernoulli(wg.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    if (
        not isinstance(p, (Tensor, np.ndarray, list, tuple))
        and as_float(p, "bernoulli", "p", least=0) > 1
    ):
        raise ArgumentError(f"bernoulli: p={p} came, and a number from 0 to 1 is needed")
    chance = as_tensor(p, "bernoulli").detach()
    chance = chance if device is None else chance.to(device)
    if not chance.dtype.is_floating:
        chance = with_dtype(chance, dtypes.float32)
    extents = normalize_shape(chance.shape if shape is None else shape, "bernoulli")
    if broadcast_shapes("bernoulli", chance.shape, extents) != extents:
        raise ShapeError(
            f"bernoulli: p of shape {chance.shape} came, and does not broadcast to {extents}"
        )
    u = rand(extents, device=chance.device, generator=generator)
    drawn = where(isnan(chance), chance, with_dtype(less(u, chance), chance.dtype))
    return drawn if dtype is None else drawn.astype(dtype)


def trunc_normal(
    mean: float = 0.0,
    std: float = 1.0,
    low: float = -2.0,
    high: float = 2.0,
    shape: int | Sequence[int] = (),
    dtype: Any = float,
    device: DeviceLike = None,
    generator: Generator | None = None,
) -> Tensor:
    """Return normal numbers of the given mean and standard deviation that lie in [low, high].

    What falls outside is not moved to a bound: the shape inside is the normal one. `low` and
    `high` are values, not multiples of `std`, as in `nn.init.trunc_normal_`.

        wg.trunc_normal(std=0.02, low=-0.04, high=0.04, shape=(64, 64))

    Raises: ArgumentError for a std that is not above 0, for low >= high, and for bounds so far out
    that less than 1e-5 of the normal distribution lies between them; DTypeError; ShapeError.

    >>> x = wg.trunc_normal(0.0, 1.0, -2.0, 2.0, (1000,))
    >>> bool((wg.abs(x) <= 2).all())
    True
    """
    mean, std, low, high = _finite("trunc_normal", mean=mean, std=std, low=low, high=high)
    if not std > 0 or not low < high:
        raise ArgumentError(
            f"trunc_normal: std={std}, low={low} and high={high} came; std above 0 and "
            "low < high are needed"
        )
    chosen = as_dtype(float if dtype is None else dtype)
    if not chosen.is_floating:
        raise DTypeError(f"trunc_normal: {chosen.name} came and a floating dtype is needed")
    target = find_device(device)
    target.check_dtype(chosen, "trunc_normal")
    # erf of the bounds; a uniform number between them is the erf of the result.
    first, last = (math.erf((x - mean) / std / math.sqrt(2)) for x in (low, high))
    if last - first < 2e-5:
        raise ArgumentError(
            f"trunc_normal: {(last - first) / 2:.1e} of the normal distribution lies between "
            f"low={low} and high={high}, and at least 1e-5 is needed"
        )
    u = rand(shape, device=target, generator=generator, dtype=_wide(chosen))
    x = erfinv(clamp(u * (last - first) + first, -1 + 2.0**-24, 1 - 2.0**-24))
    return with_dtype(clamp(x * (std * math.sqrt(2)) + mean, low, high), chosen)


def _wide(dtype: dtypes.DType) -> dtypes.DType:
    """Return the dtype to compute in: halves are made of float32."""
    return dtypes.float32 if dtype is dtypes.float16 else dtype
