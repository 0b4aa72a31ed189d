"""A step as NumPy calls: what each calls, what it reads, and what its result looks like.

Values keep the rank of the step's domain, with extent 1 along the axes on which they do not vary:
NumPy broadcasts them, and nothing is computed twice. Where results live is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ...backends.array import Number
from ...backends.tracing import Live
from ...dtypes import held
from ...layout import Layout, Shape
from ..ir import Ref, Slot

NUMBERS = (bool, int, float)


@dataclass(frozen=True)
class Temp:
    """A view of the result of call `index` of the same step."""

    index: int
    layout: Layout
    dtype: np.dtype


@dataclass(frozen=True, eq=False)
class Fixed:
    """An array that no run changes, or one that shows a number which is read anew: `live`."""

    array: np.ndarray
    live: Live | None = None


@dataclass(frozen=True, eq=False)
class Plain:
    """A Python object as an argument; a Live is read anew in every run."""

    value: Any


@dataclass(frozen=True, eq=False)
class Drawn:
    """The key and the counter of random numbers at an offset of a generator's stream."""

    generator: Any
    offset: int


Argument = Ref | Temp | Fixed | Plain | Drawn
Arrayed = Ref | Temp | Fixed


@dataclass
class Call:
    """One NumPy call: its result is dense, of `shape`.

    `text` is its source, with {f} for the function, {0} for an argument and {out} for the result.
    `aligned` are the arguments that are read where the same element of the result is written: the
    result may take their memory. If not `safe` it may take that of no other either. `target` is the
    slot in whose memory the result is to be, where that is known. {doubt} in the text is whether
    the result may have a NaN in it, which it has not where argument `factor` is finite. Without
    text it is only memory.
    """

    text: str
    function: Any
    args: tuple[Argument, ...]
    shape: Shape
    dtype: np.dtype
    aligned: tuple[int, ...] = ()
    safe: bool = True
    target: int | None = None
    factor: int | None = None

    @property
    def size(self) -> int:
        """The number of elements of the result."""
        return prod(self.shape)

    def temps(self) -> set[int]:
        """Return the calls whose results are read."""
        return {x.index for x in self.args if isinstance(x, Temp)}


@dataclass
class Calls:
    """The calls of one step, and what each of its output slots is to hold in the end."""

    calls: list[Call] = field(default_factory=list)
    # The place of one of several values in a slot is a view of it; None is all of the slot.
    results: list[tuple[Slot, Arrayed, Layout | None]] = field(default_factory=list)
    # What bodies do, over operands of some dtypes: one dict serves all steps of a program.
    bodies: dict[Any, Any] = field(default_factory=dict)
    device: Any = None  # that the program runs on
    _wide: dict[Arrayed, Temp] = field(default_factory=dict)

    def add(
        self,
        text: str,
        function: Any,
        args: Sequence[Argument],
        shape: Shape,
        dtype: Any,
        **how: Any,
    ) -> Temp:
        """Add a call and return its result."""
        self.calls.append(Call(text, function, tuple(args), shape, dtype, **how))
        return Temp(len(self.calls) - 1, Layout.dense(shape), dtype)

    def widened(self, x: Arrayed) -> Arrayed:
        """Return an argument in the type that is computed in: float16 as float32, copied once."""
        if dtype_of(x) != np.float16:
            return x
        if x not in self._wide:
            self._wide[x] = self.copy(x, np.dtype(np.float32))
        return self._wide[x]

    def scratch(self, shape: Shape, dtype: np.dtype) -> Temp:
        """Return memory for a call to work with."""
        return self.add("", None, (), shape, dtype)

    def copy(self, x: Arrayed, dtype: np.dtype, **how: Any) -> Temp:
        """Add a copy, which converts as `astype` does."""
        text = "copyto({out}, {0}, 'unsafe')"
        return self.add(text, None, (x,), shape_of(x), dtype, aligned=(0,), **how)


# Arguments.
def arrayed(x: Arrayed | Number, dtype: np.dtype) -> Arrayed:
    """Return an argument as an array; a number as one without axes."""
    if not isinstance(x, NUMBERS):
        return x
    return Fixed(held(x, dtype), x if isinstance(x, Live) else None)


def compact(x: Ref | Temp | Number) -> Arrayed | Number:
    """Return a view with extent 1 along the axes on which it does not vary."""
    if isinstance(x, NUMBERS):
        return x
    layout = x.layout
    steps = zip(layout.shape, layout.strides, strict=True)
    shape = tuple(n if s else min(n, 1) for n, s in steps)
    return replace(x, layout=Layout(shape, layout.strides, layout.offset))


def expanded(x: Arrayed, shape: Shape) -> Arrayed:
    if isinstance(x, Fixed):
        return Fixed(np.broadcast_to(x.array, shape), x.live)
    return replace(x, layout=x.layout.expand(shape))


def shape_of(x: Arrayed) -> Shape:
    return x.array.shape if isinstance(x, Fixed) else x.layout.shape


def strides_of(x: Arrayed) -> Shape:
    return x.array.strides if isinstance(x, Fixed) else x.layout.strides


def dtype_of(x: Arrayed) -> np.dtype:
    if isinstance(x, Fixed):
        return x.array.dtype
    return x.dtype.numpy if isinstance(x, Ref) else x.dtype


def common_shape(args: Sequence[Argument], rank: int) -> Shape:
    """Return the shape that arguments of `rank` axes, and numbers, broadcast to."""
    return _broadcast(rank, *[shape_of(x) for x in args if isinstance(x, (Ref, Temp, Fixed))])


@lru_cache(maxsize=1024)
def _broadcast(rank: int, *shapes: Shape) -> Shape:
    return np.broadcast_shapes((1,) * rank, *shapes)


def listed(args: Sequence) -> str:
    return _LISTS[len(args)] if len(args) < len(_LISTS) else _list(len(args))


def _list(count: int) -> str:
    return ", ".join([f"{{{i}}}" for i in range(count)])


_LISTS = [_list(n) for n in range(8)]
