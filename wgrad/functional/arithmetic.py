"""pow and clip, which check their arguments before an elementwise op, and parts of real numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..backends.faults import Allowed
from ..core import Tensor, Value, apply, wrap
from ..creation.inputs import as_numeric
from ..errors import ArgumentError, shown
from ..ops import indexing, movement
from ..ops.elementwise import clamp, power, square
from ..ops.families import NUMBERS, coerce, with_dtype


def pow(x1: Any, x2: Any, /) -> Tensor:
    """Return x1 ** x2; integers stay integers, and then x2 is at least 0.

    Raises: ArgumentError for integers to a negative power, which have no integer result.

    >>> wg.pow(wg.tensor([2.0, 9.0]), wg.tensor([3.0, 0.5]))  # or x ** y
    tensor([8., 3.])
    """
    a, b = x1, x2
    if not all(isinstance(x, Value) or type(x) in NUMBERS for x in (a, b)):
        a, b = coerce("pow", (a, b))
    if type(b) in (int, float) and b == 2 and isinstance(a, Value) and a.dtype.rank > 0:
        return square(with_dtype(a, dtypes.promote_scalar(a.dtype, b)))
    if not isinstance(a, Value) and not isinstance(b, Value):
        a, b = coerce("pow", (a, b))
    integer = all(dtypes.scalar_rank(x) < 2 for x in (a, b) if not isinstance(x, Value)) and all(
        not x.dtype.is_floating for x in (a, b) if isinstance(x, Value)
    )
    if integer:
        b = _checked_exponent(b)
    return power(a, b)


def _checked_exponent(b: Any) -> Any:
    """Return an integer exponent. Raises: ArgumentError when it is negative somewhere."""
    if not isinstance(b, Value):
        if b < 0:
            raise _no_integer(b, "")
    elif b.dtype.rank and b.array.layout.size:
        b = indexing.checked(b, Allowed(0, 2**32, None, _no_integer))
    return b


def _no_integer(exponent: int, more: str) -> ArgumentError:
    return ArgumentError(
        f"pow: an integer to the power {shown(exponent)} is no integer: convert to float32 "
        f"first{more}"
    )


def clip(x: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Return `x` kept between `min` and `max`, bounds included (None: no bound).

    The slope is 1 at both bounds; NaN stays NaN. Where tensors of bounds cross it is `max`.
    Raises: ArgumentError when two numbers do, min > max; DTypeError for bools.

    >>> wg.clip(wg.tensor([-2.0, 0.5, 3.0]), -1, 1)
    tensor([-1. ,  0.5,  1. ])
    """
    x = as_numeric(x, "clip")
    if min is None and max is None:
        return apply(movement.alias, x)
    if isinstance(min, (int, float)) and isinstance(max, (int, float)) and min > max:
        raise ArgumentError(f"clip: min {shown(min)} is greater than max {shown(max)}")
    least, greatest = _extremes(x.dtype)
    if x.dtype.is_integer:  # a bound beyond all integers of the dtype is none
        min = None if type(min) is int and min < least else min
        max = None if type(max) is int and max > greatest else max
    return clamp(x, least if min is None else min, greatest if max is None else max)


def _extremes(dtype: dtypes.DType) -> tuple[Any, Any]:
    if dtype.is_integer:
        info = np.iinfo(dtype.numpy)
        return int(info.min), int(info.max)
    return -float("inf"), float("inf")


def conj(x: Tensor) -> Tensor:
    """Return `x`, for real numbers are their own conjugates. Raises: DTypeError for bools."""
    return as_numeric(x, "conj")


def real(x: Tensor) -> Tensor:
    """Return `x`, whose numbers are real. Raises: DTypeError for bools."""
    return as_numeric(x, "real")


def imag(x: Tensor) -> Tensor:
    """Return zeros, the imaginary parts of real numbers. Raises: DTypeError for bools."""
    x = as_numeric(x, "imag")
    return wrap(x.device.full(x.shape, 0, x.dtype))
