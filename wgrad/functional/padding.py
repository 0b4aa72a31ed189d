"""Padding with PyTorch's order of axes and names of modes; negative widths cut off."""

from __future__ import annotations

import operator
from typing import Any

from .. import shaping
from ..checks.arguments import checked_choice
from ..core import Tensor
from ..creation.inputs import as_tensor
from ..errors import ArgumentError, ShapeError, shown
from ..layout import Shape
from ..ops import movement

MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """Return `input` with something around its last axes, or without their ends.

    `pad` is (before, after) for the last axis, then for the one before it, and so on; a negative
    number cuts off so many elements. Modes: "constant" (`value`, 0 unless given); "reflect" mirrors
    at the edge; "replicate" repeats it; "circular" goes on at the other end of what is left. wg.pad
    takes the axes in their order, and NumPy's modes. Raises: ShapeError; ArgumentError.
    """
    x = as_tensor(input, "pad")
    checked_choice(mode, MODES, "pad", "mode")
    if value is not None and mode != "constant":
        raise ArgumentError(f'pad: value={shown(value)} came, and mode="{mode}" has no use for one')
    pairs = _pairs(pad, x.shape)
    if mode == "circular":  # what is left goes round, not what is cut off
        for n, (before, after) in zip(x.shape, pairs, strict=True):
            if n + min(before, 0) + min(after, 0) <= 0 < max(before, after):
                raise ShapeError(
                    f'pad: pad={shown(pad)} leaves {x.shape} nothing for mode="circular"'
                )
        return _padded(_cut(x, pairs), pairs, mode, value)
    return _cut(_padded(x, pairs, mode, value), pairs)


def _padded(x: Tensor, pairs: list[tuple[int, int]], mode: str, value: float | None) -> Tensor:
    """Return `x` with what its positive widths ask for."""
    more = [(max(before, 0), max(after, 0)) for before, after in pairs]
    if not any(map(any, more)):
        return x
    return shaping.pad(x, more, MODES[mode], 0 if value is None else value)


def _cut(x: Tensor, pairs: list[tuple[int, int]]) -> Tensor:
    """Return `x` without what its negative widths cut off."""
    starts = tuple(max(-before, 0) for before, _ in pairs)
    sizes = tuple(
        n - start - max(-after, 0)
        for n, start, (_, after) in zip(x.shape, starts, pairs, strict=True)
    )
    return x if sizes == x.shape else movement.slice_view(x, starts, sizes, (1,) * len(sizes))


def checked_pads(padding: Any, d: int, name: str) -> Shape:
    """Return (before, after) of the last d axes, the last first, given one number or all of them.

    Raises: ArgumentError.
    """
    pads = _integers(padding if isinstance(padding, (tuple, list)) else (padding,))
    if pads is not None and len(pads) == 1:
        pads *= 2 * d
    if pads is None or len(pads) != 2 * d:
        raise ArgumentError(
            f"{name}: padding={shown(padding)} came; an integer, or {2 * d} of them, is needed"
        )
    return pads


def _integers(items: Any) -> Shape | None:
    """Return integers of either sign as a tuple, None where something else is among them."""
    try:
        return tuple(map(operator.index, items))
    except TypeError:
        return None


def _pairs(widths: Any, shape: Shape) -> list[tuple[int, int]]:
    """Return (before, after) for every axis of `shape`. Raises: ShapeError, ArgumentError."""
    flat = _integers(widths) if isinstance(widths, (tuple, list)) else None
    if flat is None:
        raise ArgumentError(f"pad: pad={shown(widths)} came; a sequence of integers is needed")
    if len(flat) % 2 or len(flat) > 2 * len(shape):
        raise ShapeError(
            f"pad: pad={shown(widths)} came for shape {shape}; (before, after) pairs for at most "
            f"{len(shape)} axes are needed"
        )
    last = list(zip(flat[::2], flat[1::2], strict=True))
    pairs = [(0, 0)] * (len(shape) - len(last)) + last[::-1]
    for n, (before, after) in zip(shape, pairs, strict=True):
        if n + before + after < 0 or -before > n + max(after, 0) or -after > n + max(before, 0):
            raise ShapeError(f"pad: pad={shown(widths)} cuts off more than shape {shape} has")
    return pairs
