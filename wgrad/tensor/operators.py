"""The operators of a tensor, each one function with a tensor on either side."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import core, functional
from ..core import Value
from ..ops import elementwise as ew
from ..ops import movement
from .updates import updated

if TYPE_CHECKING:
    from . import Tensor


def _augmented(sign: str, function: Callable[[Any, Any], Tensor]) -> Callable[[Any, Any], Any]:
    """Return the method of an operator that assigns, such as `+=`."""

    def update(self: Any, other: Any) -> Any:
        return updated(self, sign, function, other)

    return update


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

    __iadd__ = _augmented("+=", ew.add)
    __isub__ = _augmented("-=", ew.subtract)
    __imul__ = _augmented("*=", ew.multiply)
    __itruediv__ = _augmented("/=", ew.divide)
    __ifloordiv__ = _augmented("//=", ew.floor_divide)
    __imod__ = _augmented("%=", ew.remainder)
    __ipow__ = _augmented("**=", functional.pow)
    __imatmul__ = _augmented("@=", functional.matmul)
    __iand__ = _augmented("&=", ew.bitwise_and)
    __ior__ = _augmented("|=", ew.bitwise_or)
    __ixor__ = _augmented("^=", ew.bitwise_xor)
    __ilshift__ = _augmented("<<=", ew.bitwise_left_shift)
    __irshift__ = _augmented(">>=", ew.bitwise_right_shift)
