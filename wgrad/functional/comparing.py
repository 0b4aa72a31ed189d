"""Comparisons up to a tolerance, and numbers in the place of NaN and infinities."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import Tensor, apply
from ..creation.inputs import as_number, as_tensor, as_tensors
from ..ops import movement
from ..ops.elementwise import (
    abs_,
    equal,
    isfinite,
    isnan,
    less_equal,
    logical_and,
    logical_or,
    maximum,
    subtract,
    where,
)
from ..ops.reduction import all_
from .precision import floating


def isclose(
    x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Return where abs(x1 - x2) <= atol + rtol * abs(x2), as bools; equal infinities are close.

    NaN is close to nothing, or with `equal_nan` to NaN; nothing else is close to an infinite x2.
    Shapes broadcast. Raises: ShapeError.

    >>> wg.isclose(wg.tensor([1.0, 2.0]), wg.tensor([1.000001, 2.1]))
    tensor([ True, False])
    """
    x1, x2 = as_tensors("isclose", x1, x2)
    same = equal(x1, x2)
    a, b = map(floating, (x1, x2))
    apart = abs_(subtract(a, b))
    if not x1.dtype.is_floating and not x2.dtype.is_floating:  # whose last digits floats may lose
        apart = where(same, 0.0, maximum(apart, 1.0))
    near = less_equal(apart, abs_(b) * rtol + atol)
    out = logical_or(same, logical_and(near, isfinite(b)))
    return logical_or(out, logical_and(isnan(a), isnan(b))) if equal_nan else out


def allclose(
    x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Return whether all of `isclose` is true, as a Python bool: it waits for the device.

    >>> wg.allclose(wg.tensor([1.0, 2.0]), wg.tensor([1.000001, 2.0]))
    True
    """
    return bool(all_(isclose(x1, x2, rtol, atol, equal_nan)).item())


def nan_to_num(
    x: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """Return `x` with `nan` for NaN, and for infinities `posinf` and `neginf`.

    None stands for the greatest number of the dtype, and the least. No gradient passes where
    something was replaced. Integers stay as they are.

    >>> wg.nan_to_num(wg.tensor([1.0, wg.nan]), nan=-1.0)
    tensor([ 1., -1.])
    """
    x = as_tensor(x, "nan_to_num")
    if not x.dtype.is_floating:
        return apply(movement.alias, x)
    most = float(np.finfo(x.dtype.numpy).max)
    high = most if posinf is None else as_number(posinf, "nan_to_num", "posinf")
    low = -most if neginf is None else as_number(neginf, "nan_to_num", "neginf")
    x = where(isnan(x), as_number(nan, "nan_to_num", "nan"), x)
    return where(equal(x, math.inf), high, where(equal(x, -math.inf), low, x))
