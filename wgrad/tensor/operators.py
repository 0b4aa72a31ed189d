"""The operators of a tensor, each one function with a tensor on either side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import core, functional
from ..core import Value
from ..ops import elementwise as ew
from ..ops import movement

if TYPE_CHECKING:
    from . import Tensor


class Operators(Value):
    """Arithmetic, comparison, bits and logic."""

    __slots__ = ()

    def __add__(self, other: Any) -> Tensor:
        return ew.add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return ew.add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return ew.subtract(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return ew.subtract(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return ew.multiply(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return ew.multiply(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return ew.divide(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return ew.divide(other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return ew.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return ew.floor_divide(other, self)

    def __mod__(self, other: Any) -> Tensor:
        return ew.remainder(self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return ew.remainder(other, self)

    def __divmod__(self, other: Any) -> tuple[Tensor, Tensor]:
        return ew.floor_divide(self, other), ew.remainder(self, other)

    def __rdivmod__(self, other: Any) -> tuple[Tensor, Tensor]:
        return ew.floor_divide(other, self), ew.remainder(other, self)

    def __lshift__(self, other: Any) -> Tensor:
        return ew.bitwise_left_shift(self, other)

    def __rlshift__(self, other: Any) -> Tensor:
        return ew.bitwise_left_shift(other, self)

    def __rshift__(self, other: Any) -> Tensor:
        return ew.bitwise_right_shift(self, other)

    def __rrshift__(self, other: Any) -> Tensor:
        return ew.bitwise_right_shift(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return functional.pow(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return functional.pow(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return functional.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return functional.matmul(other, self)

    def __neg__(self) -> Tensor:
        return ew.negative(self)

    def __pos__(self) -> Tensor:
        return core.apply(movement.alias, self)

    def __abs__(self) -> Tensor:
        return ew.abs_(self)

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]  # elementwise, as in NumPy
        return ew.equal(self, other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]  # likewise
        return ew.not_equal(self, other)

    def __lt__(self, other: Any) -> Tensor:
        return ew.less(self, other)

    def __le__(self, other: Any) -> Tensor:
        return ew.less_equal(self, other)

    def __gt__(self, other: Any) -> Tensor:
        return ew.greater(self, other)

    def __ge__(self, other: Any) -> Tensor:
        return ew.greater_equal(self, other)

    def __and__(self, other: Any) -> Tensor:
        return ew.bitwise_and(self, other)

    def __rand__(self, other: Any) -> Tensor:
        return ew.bitwise_and(other, self)

    def __or__(self, other: Any) -> Tensor:
        return ew.bitwise_or(self, other)

    def __ror__(self, other: Any) -> Tensor:
        return ew.bitwise_or(other, self)

    def __xor__(self, other: Any) -> Tensor:
        return ew.bitwise_xor(self, other)

    def __rxor__(self, other: Any) -> Tensor:
        return ew.bitwise_xor(other, self)

    def __invert__(self) -> Tensor:
        return ew.bitwise_invert(self)
