"""The operators of a tensor, each one function with a tensor on either side.

They are functions of Python, not the ops themselves, for these Python finds and binds fastest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from .. import core, functional
from ..core import Tensor, Value
from ..ops import elementwise as ew
from ..ops import movement
from .updates import Spelling, updated

Unary = Callable[[Any], Tensor]
Binary = Callable[[Any, Any], Tensor]


def _one(function: Unary) -> Unary:
    """Return the method of an operator with one side."""

    def method(self: Any) -> Tensor:
        return function(self)

    return method


def _left(function: Binary) -> Binary:
    """Return the method of an operator whose left side the tensor is."""

    def method(self: Any, other: Any) -> Tensor:
        return function(self, other)

    return method


def _compared(function: Binary) -> Binary:
    """Return the method of == or !=, which leaves None to Python: no tensor is None."""

    def method(self: Any, other: Any) -> Tensor:
        return NotImplemented if other is None else function(self, other)

    return method


def _right(function: Binary) -> Binary:
    """Return the method of an operator whose right side alone is a tensor."""

    def method(self: Any, other: Any) -> Tensor:
        return function(other, self)

    return method


def _augmented(sign: str, function: Binary) -> Binary:
    """Return the method of an operator that assigns, such as `+=`."""

    spelling = Spelling(sign, f"x {sign} y", f"x = x {sign[:-1]} y")

    def update(self: Any, other: Any) -> Tensor:
        return updated(self, spelling, function, other)

    return update


class Operators(Value):
    """Arithmetic, comparison, bits and logic."""

    __slots__ = ()

    # Written out: pyright takes no ClassVar for a method of the protocols of sum() and abs().
    def __add__(self, other: Any) -> Tensor:
        return ew.add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return ew.add(other, self)

    __sub__: ClassVar[Binary] = _left(ew.subtract)
    __rsub__: ClassVar[Binary] = _right(ew.subtract)
    __mul__: ClassVar[Binary] = _left(ew.multiply)
    __rmul__: ClassVar[Binary] = _right(ew.multiply)
    __truediv__: ClassVar[Binary] = _left(ew.divide)
    __rtruediv__: ClassVar[Binary] = _right(ew.divide)
    __floordiv__: ClassVar[Binary] = _left(ew.floor_divide)
    __rfloordiv__: ClassVar[Binary] = _right(ew.floor_divide)
    __mod__: ClassVar[Binary] = _left(ew.remainder)
    __rmod__: ClassVar[Binary] = _right(ew.remainder)

    def __divmod__(self, other: Any) -> tuple[Tensor, Tensor]:
        return ew.floor_divide(self, other), ew.remainder(self, other)

    def __rdivmod__(self, other: Any) -> tuple[Tensor, Tensor]:
        return ew.floor_divide(other, self), ew.remainder(other, self)

    __lshift__: ClassVar[Binary] = _left(ew.bitwise_left_shift)
    __rlshift__: ClassVar[Binary] = _right(ew.bitwise_left_shift)
    __rshift__: ClassVar[Binary] = _left(ew.bitwise_right_shift)
    __rrshift__: ClassVar[Binary] = _right(ew.bitwise_right_shift)
    __pow__: ClassVar[Binary] = _left(functional.pow)
    __rpow__: ClassVar[Binary] = _right(functional.pow)
    __matmul__: ClassVar[Binary] = _left(functional.matmul)
    __rmatmul__: ClassVar[Binary] = _right(functional.matmul)
    __neg__: ClassVar[Unary] = _one(ew.negative)

    def __pos__(self) -> Tensor:
        return core.apply(movement.alias, self)

    def __abs__(self) -> Tensor:
        return ew.abs_(self)

    __eq__: ClassVar[Binary] = _compared(ew.equal)  # type: ignore[assignment]  # elementwise, as in NumPy
    __ne__: ClassVar[Binary] = _compared(ew.not_equal)  # type: ignore[assignment]  # elementwise, as in NumPy
    __lt__: ClassVar[Binary] = _left(ew.less)
    __le__: ClassVar[Binary] = _left(ew.less_equal)
    __gt__: ClassVar[Binary] = _left(ew.greater)
    __ge__: ClassVar[Binary] = _left(ew.greater_equal)
    __and__: ClassVar[Binary] = _left(ew.bitwise_and)
    __rand__: ClassVar[Binary] = _right(ew.bitwise_and)
    __or__: ClassVar[Binary] = _left(ew.bitwise_or)
    __ror__: ClassVar[Binary] = _right(ew.bitwise_or)
    __xor__: ClassVar[Binary] = _left(ew.bitwise_xor)
    __rxor__: ClassVar[Binary] = _right(ew.bitwise_xor)
    __invert__: ClassVar[Unary] = _one(ew.bitwise_invert)

    __iadd__: ClassVar[Binary] = _augmented("+=", ew.add)
    __isub__: ClassVar[Binary] = _augmented("-=", ew.subtract)
    __imul__: ClassVar[Binary] = _augmented("*=", ew.multiply)
    __itruediv__: ClassVar[Binary] = _augmented("/=", ew.divide)
    __ifloordiv__: ClassVar[Binary] = _augmented("//=", ew.floor_divide)
    __imod__: ClassVar[Binary] = _augmented("%=", ew.remainder)
    __ipow__: ClassVar[Binary] = _augmented("**=", functional.pow)
    __imatmul__: ClassVar[Binary] = _augmented("@=", functional.matmul)
    __iand__: ClassVar[Binary] = _augmented("&=", ew.bitwise_and)
    __ior__: ClassVar[Binary] = _augmented("|=", ew.bitwise_or)
    __ixor__: ClassVar[Binary] = _augmented("^=", ew.bitwise_xor)
    __ilshift__: ClassVar[Binary] = _augmented("<<=", ew.bitwise_left_shift)
    __irshift__: ClassVar[Binary] = _augmented(">>=", ew.bitwise_right_shift)
