"""Slots, which are the memory of a program, and views of them."""

from __future__ import annotations

from dataclasses import dataclass

from ...backends.array import Number
from ...backends.tracing import Live
from ...dtypes import DType
from ...layout import Layout, Shape


@dataclass(frozen=True)
class Slot:
    """Memory for the elements of a dense `shape`."""

    index: int
    shape: Shape
    dtype: DType

    @property
    def size(self) -> int:
        """The number of elements."""
        return Layout.dense(self.shape).size

    def whole(self) -> Ref:
        """Return the view that shows all of it."""
        return Ref(self.index, Layout.dense(self.shape), self.dtype)

    def __str__(self) -> str:
        return f"%{self.index} {self.dtype.name}{list(self.shape)}"


@dataclass(frozen=True)
class Ref:
    """A typed view of a slot."""

    slot: int
    layout: Layout
    dtype: DType

    def whole(self) -> bool:
        """Whether the view is contiguous from the slot's first element."""
        return self.layout.contiguous and self.layout.offset == 0

    def __str__(self) -> str:
        layout = self.layout
        view = "" if self.whole() else f" strides {list(layout.strides)}"
        start = f" from {layout.offset}" if layout.offset else ""
        return f"%{self.slot}{list(layout.shape)}{view}{start}"


def span(layout: Layout) -> tuple[int, int]:
    """Return the first element that a view shows, and the one behind its last."""
    if not layout.size:
        return layout.offset, layout.offset
    ends = [(n - 1) * s for n, s in zip(layout.shape, layout.strides, strict=True)]
    first = layout.offset + sum(min(x, 0) for x in ends)
    return first, layout.offset + sum(max(x, 0) for x in ends) + 1


Inputs = tuple[Ref | Number, ...]


def shown_input(x: Ref | Number | str) -> str:
    """Return a view, or a number, in a few words."""
    if isinstance(x, (Ref, str)):
        return str(x)
    return f"{float(x):.6g} (read at every run)" if isinstance(x, Live) else f"{x:.6g}"
