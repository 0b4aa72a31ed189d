"""PyTorch's methods that are no function of ours under another name: each is a line or two."""

from __future__ import annotations

from typing import Any

from .. import dtypes, functional, shaping
from ..core import Tensor
from ..creation import full, tensor, zeros
from ..creation.inputs import as_number
from ..errors import GradientError, ShapeError
from ..functional import portable
from ..layout import normalize_axis
from ..ops import elementwise as ew
from .updates import Spelling, updated


def one_or_many(items: tuple[Any, ...]) -> Any:
    """Return the arguments of x.reshape(2, 3) and of x.reshape((2, 3)) alike."""
    return items[0] if len(items) == 1 and isinstance(items[0], (tuple, list)) else items


class Size(int):
    """The number of elements: `x.size`; called, as in PyTorch, the shape or an extent of it."""

    shape: tuple[int, ...]

    def __new__(cls, size: int, shape: tuple[int, ...]) -> Size:
        made = super().__new__(cls, size)
        made.shape = shape
        return made

    def __call__(self, dim: int | None = None) -> Any:
        return (
            self.shape if dim is None else self.shape[normalize_axis(dim, len(self.shape), "size")]
        )

    def __reduce__(self) -> Any:
        return int, (int(self),)


def clone(x: Tensor) -> Tensor:
    """Return `x.copy()`."""
    return x.copy()


def contiguous(x: Tensor) -> Tensor:
    """Return the tensor, or of a view whose elements do not lie in order a copy."""
    return x if x.array.layout.contiguous else x.copy()


def is_contiguous(x: Tensor) -> bool:
    """Return whether the elements lie in memory in their order."""
    return x.array.layout.contiguous


def cpu(x: Tensor) -> Tensor:
    """Return the tensor on the NumPy device."""
    return x.to("numpy")


def dim(x: Tensor) -> int:
    """Return the number of axes, `x.ndim`."""
    return x.ndim


def numel(x: Tensor) -> int:
    """Return the number of elements, `x.size`."""
    return x.array.layout.size


def float_(x: Tensor) -> Tensor:
    """Return the tensor as float32; itself if it is."""
    return x.astype(dtypes.float32, copy=False)


def half(x: Tensor) -> Tensor:
    """Return the tensor as float16; itself if it is."""
    return x.astype(dtypes.float16, copy=False)


def double(x: Tensor) -> Tensor:
    """Return the tensor as float64, which the NumPy device has; itself if it is."""
    return x.astype(dtypes.float64, copy=False)


def int_(x: Tensor) -> Tensor:
    """Return the tensor as int32; itself if it is."""
    return x.astype(dtypes.int32, copy=False)


def bool_(x: Tensor) -> Tensor:
    """Return whether elements are not 0; the tensor itself if they are bools."""
    return x.astype(dtypes.bool_, copy=False)


def type_as(x: Tensor, other: Tensor) -> Tensor:
    """Return the tensor in the dtype of another."""
    return x.astype(other.dtype, copy=False)


def is_floating_point(x: Tensor) -> bool:
    """Return whether the dtype is a floating one."""
    return x.dtype.is_floating


def expand(x: Tensor, *sizes: Any) -> Tensor:
    """Return a view broadcast to `sizes`, in which -1 keeps an extent. Raises: ShapeError."""
    shape = list(one_or_many(sizes))
    lead = len(shape) - len(x.shape)
    for i, n in enumerate(shape):
        if n == -1:
            if i < lead or lead < 0:
                raise ShapeError(f"expand: -1 came for an axis that shape {x.shape} does not have")
            shape[i] = x.shape[i - lead]
    return shaping.broadcast_to(x, shape)


def expand_as(x: Tensor, other: Tensor) -> Tensor:
    """Return a view broadcast to the shape of another."""
    return shaping.broadcast_to(x, other.shape)


def permute(x: Tensor, *dims: Any) -> Tensor:
    """Return a view with the axes in another order: `x.permute_dims`."""
    return shaping.permute_dims(x, one_or_many(dims))


def ravel(x: Tensor) -> Tensor:
    """Return all elements in one line, `x.flatten()`."""
    return shaping.flatten(x)


def t(x: Tensor) -> Tensor:
    """Return the transpose of a matrix; what has fewer axes is returned itself."""
    return x if x.ndim < 2 else x.T


def view_as(x: Tensor, other: Tensor) -> Tensor:
    """Return the elements in the shape of another."""
    return shaping.reshape(x, other.shape)


def where(x: Tensor, condition: Any, other: Any) -> Tensor:
    """Return `wg.where(condition, x, other)`."""
    return ew.where(condition, x, other)


def new_zeros(x: Tensor, *shape: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Return zeros of a shape, in the tensor's dtype and on its device unless others are given."""
    return zeros(one_or_many(shape), dtype=dtype or x.dtype, device=device or x.device)


def new_ones(x: Tensor, *shape: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Return ones of a shape, in the tensor's dtype and on its device unless others are given."""
    return new_full(x, one_or_many(shape), 1, dtype=dtype, device=device)


def new_empty(x: Tensor, *shape: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Return `x.new_zeros(...)`: all memory here begins as zeros."""
    return new_zeros(x, *shape, dtype=dtype, device=device)


def new_full(x: Tensor, shape: Any, value: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Return a tensor full of a number, in the tensor's dtype and on its device."""
    return full(shape, value, dtype=dtype or x.dtype, device=device or x.device)


def new_tensor(x: Tensor, data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Return data as a tensor, in the tensor's dtype and on its device."""
    return tensor(data, dtype=dtype or x.dtype, device=device or x.device)


# In place. What the tape follows cannot take another value under its old name.
def _changed(x: Tensor, name: str, function: Any, *others: Any) -> Tensor:
    spelling = Spelling(name, f"x.{name}(...)", f"x = x.{name.rstrip('_')}(...)")
    if updated(x, spelling, function, *others) is not x:
        raise GradientError(
            f"{name}: the tape follows the tensor or what comes in, which cannot change in place: "
            f"write {spelling.anew}, or change it inside no_grad()"
        )
    return x


def _times(other: Any, alpha: Any, where: str) -> Any:
    alpha = as_number(alpha, where, "alpha")
    return other if alpha == 1 else ew.multiply(other, alpha)


def add_(x: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """Add `alpha * other` in place, and return the tensor. Raises: GradientError; ShapeError."""
    return _changed(x, "add_", ew.add, _times(other, alpha, "add_"))


def sub_(x: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """Subtract `alpha * other` in place, and return the tensor. Raises: as add_."""
    return _changed(x, "sub_", ew.subtract, _times(other, alpha, "sub_"))


def mul_(x: Tensor, other: Any) -> Tensor:
    """Multiply in place, and return the tensor. Raises: as add_."""
    return _changed(x, "mul_", ew.multiply, other)


def div_(x: Tensor, other: Any) -> Tensor:
    """Divide in place, and return the tensor. Raises: as add_; DTypeError for integers."""
    return _changed(x, "div_", ew.divide, other)


def neg_(x: Tensor) -> Tensor:
    """Change all signs in place, and return the tensor. Raises: GradientError."""
    return _changed(x, "neg_", lambda y, _: ew.negative(y), None)


def clamp_(x: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Keep the values between bounds, in place, and return the tensor. Raises: GradientError."""
    return _changed(x, "clamp_", lambda y, _: functional.clip(y, min, max), None)


def masked_fill_(x: Tensor, mask: Any, value: Any) -> Tensor:
    """Put `value` where `mask` is true, in place, and return the tensor. Raises: GradientError."""
    return _changed(x, "masked_fill_", lambda y, v: portable.masked_fill(y, mask, v), value)


def copy_(x: Tensor, other: Any) -> Tensor:
    """Take over the values of another, which broadcasts: `x.assign(other)`."""
    return x.assign(other)


def fill_(x: Tensor, value: Any) -> Tensor:
    """Put a number everywhere, in place, and return the tensor: `x.assign(value)`."""
    return x.assign(value)


def zero_(x: Tensor) -> Tensor:
    """Put 0 everywhere, in place, and return the tensor: `x.assign(0)`."""
    return x.assign(0)
