"""Which types an operator takes, and what it gives.

Source: the WGSL specification, "Expressions".
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from .types import (
    ABSTRACT_INT,
    BOOL,
    FLOATS,
    I32,
    INTEGERS,
    NUMBERS,
    U32,
    Atomic,
    Matrix,
    Pointer,
    Scalar,
    Type,
    Vector,
    common,
    is_abstract,
    scalar_of,
    with_scalar,
)

ARITHMETIC = frozenset("+-*/%")
EQUALITY = frozenset(("==", "!="))
ORDER = frozenset(("<", ">", "<=", ">="))
SHIFTS = frozenset(("<<", ">>"))
LOGIC = frozenset(("&&", "||"))


class Operation(NamedTuple):
    """What the operands become, and what the result is."""

    left: Type
    right: Type
    result: Type


@lru_cache(maxsize=4096)
def binary(op: str, left: Type, right: Type) -> Operation | str:
    """Return what `left op right` does, or a sentence that says why there is no such operator."""
    a, b = scalar_of(left), scalar_of(right)
    if a is None or b is None or isinstance(left, Atomic) or isinstance(right, Atomic):
        return _refused(op, left, right)
    if op in SHIFTS:
        return _shift(op, left, right)
    if op in LOGIC:
        if left == right == BOOL:
            return Operation(BOOL, BOOL, BOOL)
        return _refused(op, left, right, "it takes two bool; for vectors there are & and |")
    allowed = _ALLOWED[op]
    scalar = common((a, b), allowed)
    if scalar is None:
        return _refused(op, left, right, _advice(a, b, allowed))
    left, right = with_scalar(left, scalar), with_scalar(right, scalar)
    if op in ARITHMETIC:
        result = _arithmetic(op, left, right)
        return _refused(op, left, right) if result is None else Operation(left, right, result)
    if left != right or isinstance(left, Matrix):
        return _refused(op, left, right, "both have to be of one type")
    if op in EQUALITY or op in ORDER:
        return Operation(left, right, with_scalar(left, BOOL))
    return Operation(left, right, left)


def _arithmetic(op: str, left: Type, right: Type) -> Type | None:
    """Return the result for operands that are made of the same scalar; None where there is none."""
    if isinstance(left, Matrix) or isinstance(right, Matrix):
        if scalar_of(left) not in FLOATS or op in "/%":
            return None
        if op in "+-":
            return left if left == right else None
        if isinstance(left, Scalar):
            return right
        if isinstance(right, Scalar):
            return left
        if isinstance(left, Vector) and isinstance(right, Matrix):
            return Vector(right.columns, left.element) if left.size == right.rows else None
        assert isinstance(left, Matrix)
        if isinstance(right, Vector):
            return Vector(left.rows, left.element) if left.columns == right.size else None
        assert isinstance(right, Matrix)
        if left.columns != right.rows:
            return None
        return Matrix(right.columns, left.rows, left.element)
    if isinstance(left, Scalar):
        return right
    return left if isinstance(right, Scalar) or left == right else None


_BITS = INTEGERS | {BOOL}
_ALLOWED = {
    **dict.fromkeys(ARITHMETIC, NUMBERS),
    **dict.fromkeys(EQUALITY, NUMBERS | {BOOL}),
    **dict.fromkeys(ORDER, NUMBERS),
    **dict.fromkeys("&|", _BITS),
    "^": INTEGERS,
}


def _shift(op: str, left: Type, right: Type) -> Operation | str:
    a, b = scalar_of(left), scalar_of(right)
    if a not in INTEGERS or b not in (U32, ABSTRACT_INT):
        what = "the left has to be an integer and the right u32"
        if b == I32:
            what += ": write u32(...)"
        return _refused(op, left, right, what)
    if isinstance(left, Vector) != isinstance(right, Vector) or isinstance(left, Matrix):
        return _refused(op, left, right, "both have to be scalars or vectors of one size")
    if isinstance(left, Vector) and isinstance(right, Vector) and left.size != right.size:
        return _refused(op, left, right, "both have to be of one size")
    return Operation(left, with_scalar(right, U32), left)


@lru_cache(maxsize=256)
def unary(op: str, kind: Type) -> Type | str:
    """Return what `op x` gives, or a sentence that says why there is no such operator."""
    scalar = scalar_of(kind)
    if isinstance(kind, (Atomic, Pointer)) or scalar is None:
        return f"{op}x takes no {kind}"
    if op == "!":
        if scalar == BOOL and not isinstance(kind, Matrix):
            return kind
        return f"!x takes bool or a vector of bool, not {kind}"
    if op == "~":
        if scalar in INTEGERS and not isinstance(kind, Matrix):
            return kind
        return f"~x takes integers, not {kind}"
    if scalar in (BOOL, U32):
        advice = "; -i32(x) does, and 0u - x wraps around" if scalar == U32 else ""
        return f"-x takes signed numbers, not {kind}{advice}"
    if isinstance(kind, Matrix):
        return f"-x takes numbers and vectors, not {kind}: write -1 * x"
    return kind


def _refused(op: str, left: Type, right: Type, advice: str = "") -> str:
    return f"{left} {op} {right} is not defined{': ' + advice if advice else ''}"


def _advice(a: Scalar, b: Scalar, allowed: frozenset[Scalar]) -> str:
    """Say what to do about two scalars that have nothing in common."""
    if a in allowed and b in allowed and a != b:
        if is_abstract(a) or is_abstract(b):
            return f"a number with a fraction is no {b if is_abstract(a) else a}"
        return f"WGSL does not convert {a} to {b} by itself: write {a}(...) or {b}(...)"
    names = [x.name for x in (BOOL, I32, U32) if x in allowed]
    names += ["f32", "f16"] if allowed & FLOATS else []
    return f"it takes {', '.join(names)}"
