"""WGSL's operators and conversions on NumPy arrays of one component.

Nothing here warns: what calls it runs under `np.errstate(all="ignore")`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..language.types import BOOL, F16, FLOATS, I32, U32, Scalar
from .leaves import Numbers

Fn = Callable[..., Any]


def _quotient(a: Any, b: Any) -> Any:
    """Return a / b of integers, rounded towards 0; a where b is 0. float64 holds it exactly."""
    return np.trunc(np.true_divide(a, _not_zero(b))).astype(np.int64).astype(a.dtype)


def _not_zero(b: Any) -> Any:
    if b.ndim == 0:
        return b if b else b.dtype.type(1)
    return np.where(b == 0, b.dtype.type(1), b)


def _remainder(a: Any, b: Any) -> Any:
    """Return what is left of a after that division: 0 where b is 0."""
    return a - _quotient(a, b) * _not_zero(b)


def _shift(ufunc: Fn) -> Fn:
    """Of the number of bits to shift by, the lowest five count."""
    return lambda a, b: ufunc(a, (b & b.dtype.type(31)).astype(a.dtype))


_SAME: dict[str, Fn] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "&": np.bitwise_and,
    "|": np.bitwise_or,
    "^": np.bitwise_xor,
    "<": np.less,
    ">": np.greater,
    "<=": np.less_equal,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
_INTEGER: dict[str, Fn] = {
    "/": _quotient,
    "%": _remainder,
    "<<": _shift(np.left_shift),
    ">>": _shift(np.right_shift),
}


def _float_remainder(a: Any, b: Any) -> Any:
    """As WGSL says it: fmod has no error, and is a whole `b` away where a / b is rounded up."""
    return a - b * np.trunc(a / b)


_FLOAT: dict[str, Fn] = {"/": np.true_divide, "%": _float_remainder}
UNARY: dict[str, Fn] = {"-": np.negative, "!": np.logical_not, "~": np.invert}


def operator(op: str, scalar: Scalar) -> Fn:
    """Return what `a op b` does to components of a scalar type."""
    return _SAME.get(op) or (_FLOAT if scalar in FLOATS else _INTEGER)[op]


# The least and greatest float of a kind that the integer type holds.
_BOUNDS = {
    I32: (-2147483648.0, 2147483520.0),
    U32: (0.0, 4294967040.0),
}


def conversion(source: Scalar, target: Scalar, numbers: Numbers) -> Fn:
    """Return what `target(x)` does to components. A float that is too large for an integer type
    becomes the nearest float which it holds, 2147483520 for i32; NaN becomes 0."""
    dtype = numbers.dtype(target)
    if source == target:
        return lambda x: x
    if target == BOOL:
        return lambda x: x != 0
    if source not in FLOATS or target not in _BOUNDS:
        return lambda x: x.astype(dtype)
    low, high = _BOUNDS[target]

    def saturated(x: Any) -> Any:
        wide = x.astype(np.float64)
        inside = np.fmin(np.fmax(wide, low), high)
        return np.where(wide == wide, inside, 0.0).astype(np.int64).astype(dtype)

    def whole(x: Any) -> Any:
        clipped = saturated(x)
        return clipped[()] if x.ndim == 0 else clipped

    return whole


def bits_of(x: Any, scalar: Scalar) -> Any:
    """Return the bits of a component: uint32, or uint16 of an f16."""
    if scalar == F16:
        return x.astype(np.float16).view(np.uint16)
    if scalar in FLOATS:
        return x.astype(np.float32).view(np.uint32)
    return x.view(np.uint32)


def from_bits(x: Any, scalar: Scalar, numbers: Numbers) -> Any:
    """Return the component that has these bits."""
    if scalar == F16:
        return x.astype(np.uint16).view(np.float16).astype(numbers.dtype(scalar))
    if scalar in FLOATS:
        return x.view(np.float32).astype(numbers.dtype(scalar))
    return x.view(numbers.dtype(scalar))


def bitcast(source: Scalar, target: Scalar, numbers: Numbers) -> Fn:
    """Return the function from the components of one type to those of another with equal bits."""

    def recast(*given: Any) -> list[Any]:
        bits = [bits_of(x, source) for x in given]
        if source == F16 and target != F16:
            pairs = zip(bits[::2], bits[1::2], strict=True)
            bits = [a.astype(np.uint32) | (b.astype(np.uint32) << np.uint32(16)) for a, b in pairs]
        elif target == F16 and source != F16:
            bits = [x for b in bits for x in (b & np.uint32(0xFFFF), b >> np.uint32(16))]
        return [from_bits(x, target, numbers) for x in bits]

    return recast
