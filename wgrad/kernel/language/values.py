"""Values that are known when a text is compiled, and WGSL's arithmetic on them.

A scalar is a Python bool, int or float; a vector is a tuple of these, a matrix a tuple of columns,
an array or a structure a tuple of its elements. What WGSL calls an error in a constant, such as a
number that is too large or a division by 0, is a ValueError, whose words say what is wrong.
"""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Callable
from typing import Any

from .types import (
    ABSTRACT_FLOAT,
    ABSTRACT_INT,
    BOOL,
    F16,
    F32,
    FLOATS,
    I32,
    U32,
    Array,
    Matrix,
    Scalar,
    Structure,
    Type,
    Vector,
    scalar_of,
    with_scalar,
)

_RANGES = {
    I32: (-(2**31), 2**31 - 1),
    U32: (0, 2**32 - 1),
    ABSTRACT_INT: (-(2**63), 2**63 - 1),
}
_FORMS = {F32: "<f", F16: "<e"}


def round_to(value: float, kind: Scalar) -> float:
    """Return a float as its type holds it. Raises: ValueError where that is not finite."""
    form = _FORMS.get(kind)
    value = float(value)
    try:
        rounded = value if form is None else struct.unpack(form, struct.pack(form, value))[0]
    except OverflowError:
        rounded = math.inf
    if not math.isfinite(rounded):
        raise ValueError(f"{value!r} is too large for {kind}" if value == value else "it is NaN")
    return rounded


def wrapped(value: int, kind: Scalar) -> int:
    """Return an integer as its type holds it; only abstract ones may not overflow."""
    if kind == ABSTRACT_INT:
        if not -(2**63) <= value < 2**63:
            raise ValueError(f"{value} is too large: an integer without a type has 64 bits")
        return value
    value &= 0xFFFFFFFF
    return value - 2**32 if kind == I32 and value >= 2**31 else value


def held(value: Any, kind: Scalar) -> Any:
    """Return the result of arithmetic as its type holds it."""
    if kind in FLOATS:
        return round_to(value, kind)
    return bool(value) if kind == BOOL else wrapped(value, kind)


def converted(value: Any, source: Type, target: Type) -> Any:
    """Return a value after an automatic conversion. Raises: ValueError where it does not fit."""
    if source == target:
        return value
    if isinstance(target, Scalar):
        if target in FLOATS:
            return round_to(float(value), target)
        low, high = _RANGES[target]
        if not low <= value <= high:
            raise ValueError(f"{value} does not fit into {target}")
        return value
    return tuple(
        converted(x, a, b)
        for x, a, b in zip(value, element_types(source), element_types(target), strict=True)
    )


def cast(value: Any, source: Scalar, target: Scalar) -> Any:
    """Return a scalar after the conversion that a type's name asks for: `u32(x)`."""
    if target == BOOL:
        return bool(value)
    if source == BOOL:
        return float(value) if target in FLOATS else int(value)
    if target in FLOATS:
        return round_to(float(value), target)
    if source in FLOATS:
        low, high = _RANGES[target]
        return max(low, min(high, math.trunc(value)))
    if source == ABSTRACT_INT:
        return converted(value, source, target)
    return wrapped(value, target)


def element_types(kind: Type) -> tuple[Type, ...]:
    """Return the types of what a vector, matrix, array or structure is made of."""
    if isinstance(kind, Vector):
        return (kind.element,) * kind.size
    if isinstance(kind, Matrix):
        return (kind.column,) * kind.columns
    if isinstance(kind, Array):
        assert isinstance(kind.count, int)
        return (kind.element,) * kind.count
    assert isinstance(kind, Structure)
    return tuple(x.type for x in kind.fields)


def zero(kind: Type) -> Any:
    """Return the value of `T()`."""
    if isinstance(kind, Scalar):
        return 0.0 if kind in FLOATS else False if kind == BOOL else 0
    kinds = element_types(kind)
    return (
        (zero(kinds[0]),) * len(kinds)
        if kinds and not isinstance(kind, Structure)
        else tuple(zero(x) for x in kinds)
    )


def spread(value: Any, kind: Type) -> tuple:
    """Return a scalar as the components of a vector; a vector as it is."""
    if isinstance(value, tuple):
        return value
    assert isinstance(kind, Vector)
    return (value,) * kind.size


def each(fn: Callable[..., Any], values: tuple, kind: Type) -> Any:
    """Return `fn` of the components of some values, as the type of the result holds them.

    A scalar among vectors counts for every component.
    """
    scalar = scalar_of(kind)
    assert scalar is not None
    if isinstance(kind, Matrix):
        columns = [spread_matrix(x, kind) for x in values]
        return tuple(each(fn, parts, kind.column) for parts in zip(*columns, strict=True))
    if isinstance(kind, Vector):
        rows = zip(*(spread(x, kind) for x in values), strict=True)
        return tuple(held(fn(*row), scalar) for row in rows)
    return held(fn(*values), scalar)


def spread_matrix(value: Any, kind: Matrix) -> tuple:
    """Return a scalar as the columns of a matrix; a matrix as it is."""
    return value if isinstance(value, tuple) else ((value,) * kind.rows,) * kind.columns


# Operators


def _divided(kind: Scalar) -> Callable[[Any, Any], Any]:
    def integers(a: int, b: int) -> int:
        if b == 0:
            raise ValueError("division by 0")
        if kind == I32 and a == -(2**31) and b == -1:
            raise ValueError(f"{a} / -1 does not fit into i32")
        quotient = abs(a) // abs(b)
        return quotient if (a < 0) == (b < 0) else -quotient

    def floats(a: float, b: float) -> float:
        if b == 0:
            raise ValueError("division by 0")
        return a / b

    return floats if kind in FLOATS else integers


def _remainder(kind: Scalar) -> Callable[[Any, Any], Any]:
    divided = _divided(kind)

    def remainder(a: Any, b: Any) -> Any:
        if kind in FLOATS:
            if b == 0:
                raise ValueError("division by 0")
            whole = math.trunc(round_to(a / b, kind))
            return a - round_to(b * whole, kind)
        return a - divided(a, b) * b

    return remainder


def _shifted(op: str, kind: Scalar) -> Callable[[int, int], int]:
    bits = 64 if kind == ABSTRACT_INT else 32

    def shifted(a: int, b: int) -> int:
        if b >= bits and not (kind == ABSTRACT_INT and a == 0):
            raise ValueError(f"a shift by {b} bits, of {kind}, which has {bits}")
        if op == ">>":
            return a >> b
        result = a << b
        if kind == ABSTRACT_INT:
            return result
        # No bit may be lost, and the sign may not change.
        if wrapped(result, kind) != result:
            raise ValueError(f"{a} << {b} does not fit into {kind}")
        return result

    return shifted


_SIMPLE: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "&&": lambda a, b: a and b,
    "||": lambda a, b: a or b,
}


def binary(op: str, a: Any, left: Type, b: Any, right: Type, kind: Type) -> Any:
    """Return `a op b`, of these types, as the type of the result holds it."""
    if op == "*" and (isinstance(left, Matrix) or isinstance(right, Matrix)):
        if isinstance(left, (Matrix, Vector)) and isinstance(right, (Matrix, Vector)):
            return _matrix_product(a, left, b, right, kind)
    scalar = scalar_of(left)
    assert scalar is not None
    if op == "/":
        fn = _divided(scalar)
    elif op == "%":
        fn = _remainder(scalar)
    elif op in ("<<", ">>"):
        fn = _shifted(op, scalar)
    else:
        fn = _SIMPLE[op]
    return each(fn, (a, b), kind)


def _matrix_product(a: Any, left: Type, b: Any, right: Type, kind: Type) -> Any:
    scalar = scalar_of(kind)
    assert scalar is not None

    def dot(x: Any, y: Any) -> float:
        total = 0.0
        for p, q in zip(x, y, strict=True):
            total = round_to(total + round_to(p * q, scalar), scalar)
        return total

    if isinstance(left, Vector):
        return tuple(dot(a, column) for column in b)
    rows = list(zip(*a, strict=True))
    if isinstance(right, Vector):
        return tuple(dot(row, b) for row in rows)
    return tuple(tuple(dot(row, column) for row in rows) for column in b)


def unary(op: str, a: Any, kind: Type) -> Any:
    """Return `op a`, of this type."""
    if op == "-":
        return each(operator.neg, (a,), kind)
    if op == "!":
        return each(operator.not_, (a,), kind)
    return each(operator.invert, (a,), kind)


def literal(value: bool | int | float, suffix: str) -> tuple[Scalar, Any]:
    """Return the type of a literal, and its value as that type holds it."""
    if isinstance(value, bool):
        return BOOL, value
    if isinstance(value, int):
        return {"i": I32, "u": U32}.get(suffix, ABSTRACT_INT), value
    kind = {"f": F32, "h": F16}.get(suffix, ABSTRACT_FLOAT)
    return kind, round_to(value, kind)


def shown(value: Any, kind: Type) -> str:
    """Return a value for a message."""
    if isinstance(value, tuple):
        parts = ", ".join(shown(x, k) for x, k in zip(value, element_types(kind), strict=True))
        return f"{with_scalar(kind, scalar_of(kind) or BOOL)}({parts})"
    return str(value).lower() if isinstance(value, bool) else repr(value)
