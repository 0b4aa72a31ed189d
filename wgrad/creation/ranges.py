"""Tensors of numbers in a row, and the identity matrix: arange, linspace, eye."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..checks.arguments import count as checked_count
from ..checks.arguments import integer
from ..core import Tensor
from ..creation.inputs import as_number
from ..dtypes import as_dtype
from ..errors import ArgumentError, OutOfMemoryError, shown
from ..layout import normalize_shape
from .host import DeviceLike, from_host


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1,
    dtype: Any = None,
    device: DeviceLike = None,
) -> Tensor:
    """Return start, start + step, ... up to but without `stop`, as NumPy computes them.

    One argument is the stop. The dtype is int32 when all are integers, else float32.

    >>> wg.arange(4)
    tensor([0, 1, 2, 3])
    >>> wg.arange(0, 1, 0.25)
    tensor([0.  , 0.25, 0.5 , 0.75])
    """
    if stop is None:
        start, stop = 0, start
    first, last, step = (as_number(x, "arange") for x in (start, stop, step))
    if step == 0:
        raise ArgumentError("arange: step 0 never reaches the stop; a step other than 0 is needed")
    whole = all(isinstance(x, int) for x in (first, last, step))
    chosen = (
        dtypes.int32 if dtype is None and whole else as_dtype(float if dtype is None else dtype)
    )
    if whole:
        count = int(max(0, -((first - last) // step)))
        _check_count(count, "arange")
        if count == 0:
            last = first = 0
        for end in (first, first + step * (count - 1)) if count else ():
            dtypes.cast_scalar(end, chosen, "arange")
    if not whole or chosen.is_floating:
        first, last, step = (_finite(x, "arange") for x in (first, last, step))
        span = (last - first) / step
        _check_count(max(0, math.ceil(span)) if math.isfinite(span) else 2**63, "arange")
    return from_host(
        _host_numbers("arange", np.arange, first, last, step), "arange", chosen, device
    )


def _finite(value: Any, where: str) -> float:
    number = float(dtypes.cast_scalar(value, dtypes.float64, where))
    if not math.isfinite(number):
        raise ArgumentError(f"{where}: {value} came, and finite numbers are needed")
    return number


def _check_count(count: int, where: str) -> None:
    """Refuse what is made on the host and has more elements than an int32 can count."""
    if count >= 2**31:
        raise OutOfMemoryError(
            f"{where}: {shown(count)} elements are asked for; fewer than 2**31 are possible"
        )


def _host_numbers(where: str, make: Any, *args: Any) -> np.ndarray:
    try:
        with np.errstate(all="ignore"):
            return make(*args)
    except MemoryError as error:
        raise OutOfMemoryError(f"{where}: the host has no room ({error})") from None


def linspace(
    start: float,
    stop: float,
    num: int,
    dtype: Any = float,
    device: DeviceLike = None,
    *,
    endpoint: bool = True,
) -> Tensor:
    """Return `num` even steps from `start` to `stop`, which is left out unless `endpoint`.

    An integer dtype gets their whole parts.

    >>> wg.linspace(0, 1, 5)
    tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    first, last = (_finite(as_number(x, "linspace"), "linspace") for x in (start, stop))
    count = checked_count(num, "linspace", "num")
    _check_count(count, "linspace")
    data = _host_numbers("linspace", np.linspace, first, last, count, bool(endpoint))
    return from_host(data, "linspace", float if dtype is None else dtype, device)


def eye(
    n_rows: int,
    n_cols: int | None = None,
    dtype: Any = float,
    device: DeviceLike = None,
    *,
    k: int = 0,
) -> Tensor:
    """Return a matrix with ones on one diagonal and zeros elsewhere; n_cols=None is n_rows.

    Diagonal `k` lies k columns to the right of the main one, or to the left where k is negative.

    >>> wg.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    extents = normalize_shape((n_rows, n_rows if n_cols is None else n_cols), "eye")
    _check_count(math.prod(extents), "eye")
    chosen = as_dtype(float if dtype is None else dtype)
    diagonal = min(max(integer(k, "eye", "k"), -extents[0]), extents[1])  # all beyond are empty
    data = _host_numbers("eye", np.eye, *extents, diagonal, chosen.numpy)
    return from_host(data, "eye", chosen, device)
