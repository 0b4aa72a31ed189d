"""Tensors of one value: full, zeros, ones and empty, and those of another tensor's shape."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

from .. import dtypes
from ..checks.arguments import checked_flag
from ..core import Node, Tensor, wrap
from ..creation.inputs import as_number, as_tensor
from ..devices import device as find_device
from ..dtypes import as_dtype
from ..errors import CallError, shown
from ..layout import normalize_shape
from .host import DeviceLike, check_requires_grad

P = ParamSpec("P")


def full(
    shape: int | Sequence[int],
    fill_value: bool | int | float,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of `shape` whose every element is `fill_value`, whose kind is the dtype's.

    A bool makes bool, an int int32 and a float float32, unless `dtype` is given.

    >>> wg.full((2, 2), 7)
    tensor([[7, 7],
            [7, 7]])
    """
    if isinstance(dtype, (int, float)):
        raise CallError(
            f"full: {shown(shape)}, {shown(fill_value)} and {shown(dtype)} came; the shape is one "
            "argument, full((2, 3), 1.0)"
        )
    target = find_device(device)
    value = as_number(fill_value, "full")
    if dtype is None:
        chosen = (dtypes.bool_, dtypes.int32, dtypes.float32)[dtypes.scalar_rank(value)]
    else:
        chosen = as_dtype(dtype)
    target.check_dtype(chosen, "full")
    check_requires_grad(chosen, requires_grad)
    extents = normalize_shape(shape, "full")
    number = dtypes.cast_scalar(value, chosen, "full")
    made = target.full(extents, number, chosen)
    if chosen.is_integer:
        made.storage.bounds = int(number), int(number)
    return wrap(made, Node(requires_grad=True) if requires_grad else None)


def _by_extents(make: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Let a shape also come as its extents, one by one, as PyTorch's users write it."""

    @functools.wraps(make)
    def run(*args: Any, **kwargs: Any) -> Tensor:
        if len(args) > 1 and all(isinstance(n, int) and type(n) is not bool for n in args):
            args = (args,)
        for flag in (*args[3:4], *(kwargs[n] for n in kwargs if n == "requires_grad")):
            checked_flag(flag, make.__name__, "requires_grad")
        return make(*args, **kwargs)

    # Looked at above: what comes fourth may be an extent, and so no door may take it for a flag.
    notes = {name: note for name, note in make.__annotations__.items() if name != "requires_grad"}
    run.__annotations__ = notes
    return run


@_by_extents
def zeros(
    shape: int | Sequence[int],
    dtype: Any = float,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of zeros (float32 unless asked otherwise): zeros((2, 3)) or zeros(2, 3).

    >>> wg.zeros(3, dtype=wg.int32)
    tensor([0, 0, 0])
    """
    return full(shape, 0, float if dtype is None else dtype, device, requires_grad)


@_by_extents
def ones(
    shape: int | Sequence[int],
    dtype: Any = float,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of ones (float32 unless asked otherwise): ones((2, 3)) or ones(2, 3).

    >>> wg.ones((2, 3))
    tensor([[1., 1., 1.],
            [1., 1., 1.]])
    """
    return full(shape, 1, float if dtype is None else dtype, device, requires_grad)


@_by_extents
def empty(
    shape: int | Sequence[int],
    dtype: Any = float,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor whose values do not matter; they are zeros, for no memory is left unset.

    >>> wg.empty((2, 3)).shape
    (2, 3)
    """
    return zeros(shape, dtype, device, requires_grad)


def full_like(
    x: Tensor, fill_value: bool | int | float, dtype: Any = None, device: DeviceLike = None
) -> Tensor:
    """Return `fill_value` in the shape of `x`, with its dtype and device unless given.

    >>> wg.full_like(wg.tensor([[0.5, 2.0]]), 3)
    tensor([[3., 3.]])
    """
    x = as_tensor(x, "full_like")
    kept = x.dtype if dtype is None else dtype
    return full(x.shape, fill_value, kept, x.device if device is None else device)


def zeros_like(x: Tensor, dtype: Any = None, device: DeviceLike = None) -> Tensor:
    """Return zeros with the shape of `x`, and its dtype and device unless given.

    >>> wg.zeros_like(wg.tensor([1, 2]))
    tensor([0, 0])
    """
    return full_like(x, 0, dtype, device)


def ones_like(x: Tensor, dtype: Any = None, device: DeviceLike = None) -> Tensor:
    """Return ones with the shape of `x`, and its dtype and device unless given.

    >>> wg.ones_like(wg.tensor([0.5, 2.0]))
    tensor([1., 1.])
    """
    return full_like(x, 1, dtype, device)


def empty_like(x: Tensor, dtype: Any = None, device: DeviceLike = None) -> Tensor:
    """Return a tensor like `x` whose values do not matter; they are zeros."""
    return full_like(x, 0, dtype, device)
