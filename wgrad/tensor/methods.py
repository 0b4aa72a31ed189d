"""The common functions as methods of a tensor.

`self` is Any: a tensor it is, but the class of tensors is made of this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import functional, indexing, shaping
from ..core import Value
from ..ops import elementwise as ew
from ..ops import reduction

if TYPE_CHECKING:
    from . import Tensor


class Methods(Value):
    """What NumPy's and PyTorch's users look for on an array itself."""

    __slots__ = ()

    def exp(self: Any) -> Tensor:
        return ew.exp(self)

    def log(self: Any) -> Tensor:
        return ew.log(self)

    def sqrt(self: Any) -> Tensor:
        return ew.sqrt(self)

    def square(self: Any) -> Tensor:
        return ew.square(self)

    def sin(self: Any) -> Tensor:
        return ew.sin(self)

    def cos(self: Any) -> Tensor:
        return ew.cos(self)

    def tanh(self: Any) -> Tensor:
        return ew.tanh(self)

    def sigmoid(self: Any) -> Tensor:
        return ew.sigmoid(self)

    def relu(self: Any) -> Tensor:
        return ew.relu(self)

    def abs(self: Any) -> Tensor:
        return ew.abs_(self)

    def sign(self: Any) -> Tensor:
        return ew.sign(self)

    def acos(self: Any) -> Tensor:
        return ew.acos(self)

    def acosh(self: Any) -> Tensor:
        return ew.acosh(self)

    def asin(self: Any) -> Tensor:
        return ew.asin(self)

    def asinh(self: Any) -> Tensor:
        return ew.asinh(self)

    def atan(self: Any) -> Tensor:
        return ew.atan(self)

    def atanh(self: Any) -> Tensor:
        return ew.atanh(self)

    def ceil(self: Any) -> Tensor:
        return ew.ceil(self)

    def cosh(self: Any) -> Tensor:
        return ew.cosh(self)

    def erf(self: Any) -> Tensor:
        return ew.erf(self)

    def exp2(self) -> Tensor:
        return ew.exp2(self)

    def expm1(self) -> Tensor:
        return ew.expm1(self)

    def floor(self: Any) -> Tensor:
        return ew.floor(self)

    def log1p(self) -> Tensor:
        return ew.log1p(self)

    def log2(self) -> Tensor:
        return ew.log2(self)

    def log10(self) -> Tensor:
        return ew.log10(self)

    def round(self: Any) -> Tensor:
        return ew.round_(self)

    def sinh(self: Any) -> Tensor:
        return ew.sinh(self)

    def tan(self: Any) -> Tensor:
        return ew.tan(self)

    def trunc(self: Any) -> Tensor:
        return ew.trunc(self)

    def pow(self: Any, exponent: Any) -> Tensor:
        return functional.pow(self, exponent)

    def clip(self: Any, min: Any = None, max: Any = None) -> Tensor:
        return functional.clip(self, min, max)

    def sum(self: Any, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> Tensor:
        return functional.sum(self, axis, keepdims, dtype=dtype)

    def prod(self: Any, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> Tensor:
        return functional.prod(self, axis, keepdims, dtype=dtype)

    def cumulative_sum(
        self: Any, axis: int | None = None, *, dtype: Any = None, include_initial: bool = False
    ) -> Tensor:
        return functional.cumulative_sum(self, axis, dtype=dtype, include_initial=include_initial)

    def cumulative_prod(
        self: Any, axis: int | None = None, *, dtype: Any = None, include_initial: bool = False
    ) -> Tensor:
        return functional.cumulative_prod(self, axis, dtype=dtype, include_initial=include_initial)

    def mean(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        return functional.mean(self, axis, keepdims)

    def var(
        self: Any, axis: Any = None, keepdims: bool = False, *, correction: float = 0.0
    ) -> Tensor:
        return functional.var(self, axis, keepdims, correction=correction)

    def std(
        self: Any, axis: Any = None, keepdims: bool = False, *, correction: float = 0.0
    ) -> Tensor:
        return functional.std(self, axis, keepdims, correction=correction)

    def norm(self: Any, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Tensor:
        return functional.norm(self, axis, keepdims, ord)

    def max(self: Any, axis: Any = None, keepdims: bool = False, ties: str = "all") -> Tensor:
        return functional.max(self, axis, keepdims, ties)

    def min(self: Any, axis: Any = None, keepdims: bool = False, ties: str = "all") -> Tensor:
        return functional.min(self, axis, keepdims, ties)

    def any(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        return reduction.any_(self, axis, keepdims)

    def all(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        return reduction.all_(self, axis, keepdims)

    def argmax(self: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
        return functional.argmax(self, axis, keepdims)

    def argmin(self: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
        return functional.argmin(self, axis, keepdims)

    def softmax(self: Any, axis: int = -1) -> Tensor:
        return functional.softmax(self, axis)

    def log_softmax(self: Any, axis: int = -1) -> Tensor:
        return functional.log_softmax(self, axis)

    def logsumexp(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        return functional.logsumexp(self, axis, keepdims)

    def matmul(self: Any, other: Any) -> Tensor:
        return functional.matmul(self, other)

    def reshape(self: Any, *shape: Any, copy: bool | None = None) -> Tensor:
        return shaping.reshape(self, _one_or_many(shape), copy=copy)

    def view(self: Any, *shape: Any) -> Tensor:
        return shaping.view(self, _one_or_many(shape))

    def flatten(self: Any, start_axis: int = 0, end_axis: int = -1) -> Tensor:
        return shaping.flatten(self, start_axis, end_axis)

    def transpose(self: Any, axis0: int, axis1: int) -> Tensor:
        return shaping.transpose(self, axis0, axis1)

    def moveaxis(self: Any, source: Any, destination: Any) -> Tensor:
        return shaping.moveaxis(self, source, destination)

    def permute_dims(self: Any, *axes: Any) -> Tensor:
        return shaping.permute_dims(self, _one_or_many(axes))

    def broadcast_to(self: Any, *shape: Any) -> Tensor:
        return shaping.broadcast_to(self, _one_or_many(shape))

    def expand_dims(self: Any, axis: Any) -> Tensor:
        return shaping.expand_dims(self, axis)

    def squeeze(self: Any, axis: Any = None) -> Tensor:
        return shaping.squeeze(self, axis)

    def flip(self: Any, axis: Any = None) -> Tensor:
        return shaping.flip(self, axis)

    def roll(self: Any, shift: Any, axis: Any = None) -> Tensor:
        return shaping.roll(self, shift, axis)

    def tile(self: Any, repetitions: Any) -> Tensor:
        return shaping.tile(self, repetitions)

    def repeat(self: Any, repeats: Any, axis: int | None = None) -> Tensor:
        return shaping.repeat(self, repeats, axis)

    def diagonal(self: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        return shaping.diagonal(self, offset, axis1, axis2)

    def trace(
        self: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, *, dtype: Any = None
    ) -> Tensor:
        return functional.trace(self, offset, axis1, axis2, dtype=dtype)

    def argsort(self: Any, axis: int = -1, descending: bool = False) -> Tensor:
        return indexing.argsort(self, axis, descending)

    def sort(self: Any, axis: int = -1, descending: bool = False) -> Tensor:
        return indexing.sort(self, axis, descending)

    def topk(self: Any, k: int, axis: int = -1, largest: bool = True) -> Any:
        return indexing.topk(self, k, axis, largest)

    def nonzero(self: Any) -> Any:
        return indexing.nonzero(self)

    def take(self: Any, indices: Any, axis: int | None = None) -> Tensor:
        return indexing.take(self, indices, axis)

    def masked_scatter(self: Any, mask: Any, source: Tensor) -> Tensor:
        return indexing.masked_scatter(self, mask, source)

    def unfold(self: Any, axis: int, size: int, step: int) -> Tensor:
        return functional.sliding_windows(self, axis, size, step)


Methods.unfold.__doc__ = functional.sliding_windows.__doc__


def _one_or_many(items: tuple[Any, ...]) -> Any:
    """Return the arguments of x.reshape(2, 3) and of x.reshape((2, 3)) alike."""
    return items[0] if len(items) == 1 and isinstance(items[0], (tuple, list)) else items


# A method says what the function of its name says.
for _name in [n for n in vars(Methods) if not n.startswith("_")]:
    _method = vars(Methods)[_name]
    if callable(_method) and not _method.__doc__:
        for _home in (functional, shaping, indexing, ew, reduction):
            _function = getattr(_home, _name, None) or getattr(_home, _name + "_", None)
            if _function is not None and _function.__doc__:
                _method.__doc__ = _function.__doc__
                break
