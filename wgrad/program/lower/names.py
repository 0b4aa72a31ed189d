"""The names in generated source, and what they stand for: memory, views of it, functions, numbers.

Memory that stays where it is has its views made once. Views of inputs and outputs are made in
every run, by lines of the source; those of inputs that are updated in place only when the input
has got another buffer.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np

from ...backends.tracing import Live
from ...layout import Layout
from .calls import Drawn, Fixed, Plain

_ALIGNED = 64  # bytes: a cache line, and the widest vector register


class Static:
    """Memory that the executor keeps."""

    def __init__(self, name: str, size: int):
        self.name = name
        whole = np.empty(size + _ALIGNED, np.uint8)
        start = -whole.ctypes.data % _ALIGNED
        self.bytes = whole[start : start + size]

    def part(self, name: str, start: int, size: int) -> Static:
        """Return a part of the memory, under a name of its own."""
        made = copy(self)
        made.name, made.bytes = name, self.bytes[start : start + size]
        return made

    def view(self, layout: Layout, dtype: np.dtype) -> np.ndarray:
        """Return a view of the memory."""
        return np.ndarray(layout.shape, dtype, self.bytes, *_where(layout, dtype))


class Moving:
    """Memory that is another one in every run: flat, of `size` elements, called `name`."""

    def __init__(self, name: str, size: int):
        self.name = name
        self.size = size
        self.views: list[str] = []  # lines that make its views

    def view(self, layout: Layout, dtype: np.dtype) -> str:
        """Return the expression of a view."""
        if layout.contiguous and layout.size == self.size:
            return f"{self.name}.reshape({layout.shape})"
        offset, strides = _where(layout, dtype)
        return f"ndarray({layout.shape}, {dtype.name}, {self.name}, {offset}, {strides})"


class Turning:
    """Memory of a turn of a loop: every view of it, by its name, comes from outside.

    If it `is_steady` the turns do not write to it.
    """

    def __init__(self, name: str, is_steady: bool = False):
        self.name = name
        self.is_steady = is_steady
        self.views: dict[str, tuple[Layout, np.dtype]] = {}


Memory = Static | Moving | Turning


def _where(layout: Layout, dtype: np.dtype) -> tuple[int, tuple[int, ...]]:
    offset = layout.offset * dtype.itemsize if layout.size else 0
    return offset, tuple(s * dtype.itemsize for s in layout.strides)


class Names:
    """Every name of a source, by what it stands for."""

    def __init__(self) -> None:
        self.space: dict[str, Any] = {}  # what the source finds under its names
        self.notes: list[str] = []  # what constants are, for readers
        self.start: list[str] = []  # lines that read what is new in every run
        self._names: dict[Any, str] = {}
        self._count: dict[str, int] = {}

    def _new(self, prefix: str) -> str:
        self._count[prefix] = count = self._count.get(prefix, -1) + 1
        return f"{prefix}{count}"

    def view(self, memory: Memory, layout: Layout, dtype: np.dtype) -> str:
        """Return the name of a view of memory."""
        if layout.contiguous:  # strides of single elements say nothing
            dense = Layout.dense(layout.shape)
            layout = Layout(dense.shape, dense.strides, layout.offset) if layout.offset else dense
        key = memory, layout, dtype
        if isinstance(memory, Moving) and layout == Layout.dense((memory.size,)):
            return memory.name
        if key not in self._names:
            name = self._names[key] = self._new(f"{memory.name}_")
            if isinstance(memory, Turning):
                memory.views[name] = layout, dtype
            elif isinstance(memory, Static):
                self.space[name] = memory.view(layout, dtype)
            else:
                memory.views.append(f"{name} = {memory.view(layout, dtype)}")
                self.dtype(dtype)
        return self._names[key]

    def function(self, function: Any) -> str:
        """Return the name of a function."""
        if function not in self._names:
            name = getattr(function, "__name__", "")
            owner = getattr(function, "__self__", None)
            name = f"{owner.__name__}_{name}" if isinstance(owner, np.ufunc) else name.strip("_")
            taken = not name.isidentifier() or name in self.space
            self._names[function] = name = self._new("f") if taken else name
            self.space[name] = function
        return self._names[function]

    def dtype(self, dtype: np.dtype) -> str:
        """Return the name of a dtype."""
        self.space[dtype.name] = dtype
        return dtype.name

    def argument(self, x: Fixed | Plain | Drawn) -> str:
        """Return the name of an argument that is no memory of the program."""
        if isinstance(x, Drawn):
            generator = self._constant(("generator", id(x.generator)), "g", x.generator)
            return self._read(("draw", id(x.generator), x.offset), f"draw({generator}, {x.offset})")
        if isinstance(x, Fixed):
            return self._array(x)
        if isinstance(x.value, np.dtype):
            return self.dtype(x.value)
        if isinstance(x.value, Live):
            return self._read(("live", id(x.value)), f"{self._reader(x.value)}()")
        return self._constant((type(x.value), repr(x.value)), "c", x.value)

    def _array(self, x: Fixed) -> str:
        shape, dtype = x.array.shape, x.array.dtype
        if x.live is None:
            key = x.array.tobytes(), shape, x.array.strides, dtype
            return self._constant(key, "c", x.array)
        cell = self._names.get((id(x.live), dtype))
        if cell is None:
            cell = self._constant((id(x.live), dtype), "n", np.zeros((), dtype))
            self.start.append(f"{cell}[()] = {self._reader(x.live)}()")
        shown = np.broadcast_to(self.space[cell], shape)
        return self._constant((id(x.live), dtype, shape), "n", shown) if shape else cell

    def _reader(self, number: Live) -> str:
        return self._constant(("read", id(number)), "read", number.read)

    def _read(self, key: Any, expression: str) -> str:
        """Return the name of a value that is read at the start of every run."""
        if key not in self._names:
            self._names[key] = self._new("r")
            self.start.append(f"{self._names[key]} = {expression}")
        return self._names[key]

    def _constant(self, key: Any, prefix: str, value: Any) -> str:
        if key not in self._names:
            name = self._names[key] = self._new(prefix)
            self.space[name] = value
            if prefix == "c":
                self.notes.append(f"{name} = {_shown(value)}")
        return self._names[key]


def _shown(value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return repr(value)
    kind = f"{value.dtype.name}{list(value.shape)}"
    return f"{value.item()} as {value.dtype.name}" if value.ndim == 0 else f"positions, {kind}"
