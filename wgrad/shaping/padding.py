"""The public pad, whose widths and modes are those of numpy.pad."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..checks.arguments import checked_choice
from ..core import Tensor
from ..creation.inputs import as_number, as_tensor
from ..errors import ArgumentError, OutOfMemoryError, ShapeError, shown
from ..layout import Shape, check_size
from ..ops import placing
from .parts import picked

MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def pad(
    x: Tensor, widths: int | Sequence, mode: str = "constant", value: bool | int | float = 0
) -> Tensor:
    """Return `x` with something around it: `value`, or elements of its own as `mode` says.

    `widths` is one number for both ends of every axis, (before, after) for every axis, or one such
    pair per axis. Modes: "constant"; "edge" repeats the last element; "reflect" mirrors at it and
    "symmetric" beside it; "wrap" goes on at the other end. All as in numpy.pad.

    Raises: ShapeError; ArgumentError.

    >>> wg.pad(wg.tensor([1, 2, 3]), (1, 2))
    tensor([0, 1, 2, 3, 0, 0])
    >>> wg.pad(wg.tensor([1, 2, 3]), 2, mode="reflect")
    tensor([3, 2, 1, 2, 3, 2, 1])
    """
    x = as_tensor(x, "pad")
    pairs = _width_pairs(widths, x.shape)
    checked_choice(mode, MODES, "pad", "mode")
    shape = tuple(n + b + a for n, (b, a) in zip(x.shape, pairs, strict=True))
    check_size(shape, "pad")
    around = dtypes.cast_scalar(as_number(value, "pad", "value"), x.dtype, "pad")
    if mode == "constant":
        starts, steps = tuple(b for b, _ in pairs), (1,) * len(shape)
        return placing.embed(x, shape, starts, steps, around)
    if any(n >= 2**31 for n in shape):
        raise OutOfMemoryError(f"pad: shape {shown(shape)} is asked for; extents are below 2**31")
    for axis, widths_here in enumerate(pairs):
        if not any(widths_here):
            continue
        if x.shape[axis] == 0:
            raise ShapeError(f'pad: axis {axis} of shape {x.shape} has nothing for mode="{mode}"')
        places = np.pad(np.arange(x.shape[axis]), widths_here, mode)  # type: ignore[call-overload]  # a word
        x = picked(x, places, axis, "pad")
    return x


class _WidthError(ArgumentError, ShapeError):
    """A width that is no integer is an argument outside its domain, and makes no shape."""


def _width_pairs(widths: Any, shape: Shape) -> list[tuple[int, int]]:
    """Return what pad() was given as one (before, after) pair per axis of `shape`."""
    if isinstance(widths, np.ndarray):
        widths = widths.tolist()
    items = widths if isinstance(widths, (tuple, list)) else (widths,)
    nested = any(isinstance(w, (tuple, list)) for w in items)
    try:
        if nested:
            rows = [tuple(map(operator.index, w)) for w in items]
        else:
            row = tuple(map(operator.index, items))
            rows = [row * 2 if len(row) == 1 else row] * len(shape) if row else []
    except TypeError:
        raise _WidthError(
            f"pad: widths {shown(widths)} came, and integers are needed: one, (before, after), or "
            "one such pair per axis"
        ) from None
    if len(rows) != len(shape) or any(len(r) != 2 or min(r) < 0 for r in rows):
        raise ShapeError(
            f"pad: widths {shown(widths)} came for shape {shape}; one (before, after) pair of "
            "numbers of at least 0 per axis is needed"
        )
    return [(before, after) for before, after in rows]
