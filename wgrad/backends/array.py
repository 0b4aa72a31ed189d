"""What devices hold and compute: storages, arrays, bodies of kernels, and shapes of results."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..dtypes import DType, float16
from ..layout import Layout, Shape

if TYPE_CHECKING:
    from .base import Device

Number = bool | int | float


births = itertools.count()


class Storage:
    """Flat memory on one device, shared by every view of it.

    `version` counts the writes that replaced its values: the tape compares versions to find out
    that a value it saved is gone. `bounds` holds the least and greatest value of integer data
    where the host knows them, so that indices can be checked without a readback. `born` numbers
    storages in the order of their making. `history` is the version since which values here may
    follow from tracked ones that were assigned (indexing/assignment.py). `shared` says that another
    library holds the memory as well: it keeps its place, and nothing is known about its values.
    """

    __slots__ = (
        "__weakref__",
        "_bounds",
        "born",
        "buffer",
        "device",
        "history",
        "shared",
        "size",
        "version",
    )

    def __init__(self, device: Device, buffer: Any, size: int):
        self.device = device
        self.buffer = buffer
        self.size = size
        self.version = 0
        self.born = next(births)
        self.history: int | None = None
        self.shared = False
        self._bounds: tuple[int, int] | None = None

    @property
    def bounds(self) -> tuple[int, int] | None:
        return self._bounds

    @bounds.setter
    def bounds(self, known: tuple[int, int] | None) -> None:
        self._bounds = None if self.shared else known

    def share(self) -> None:
        """Remember that another library holds the memory as well, and may write to it."""
        self.shared = True
        self._bounds = None

    def adopt(self, fresh: Any) -> Any:
        """Take `fresh` for buffer, and return the one of the two that is not needed any more.

        Shared memory stays where it is, and takes the values.
        """
        if self.shared:
            self.buffer[:] = fresh
            return fresh
        left, self.buffer = self.buffer, fresh
        return left


class Array:
    """A typed view of a storage: what a kernel reads and writes."""

    __slots__ = ("dtype", "layout", "storage")

    def __init__(self, storage: Storage, layout: Layout, dtype: DType):
        self.storage = storage
        self.layout = layout
        self.dtype = dtype

    @property
    def shape(self) -> Shape:
        return self.layout.shape

    def view(self, layout: Layout) -> Array:
        """Return another view of the same storage."""
        return Array(self.storage, layout, self.dtype)


OPERANDS = "abcdefghijklmnop"  # names of an elementwise kernel's operands


Operands = Sequence[Array | Number]


@dataclass(frozen=True, eq=False)
class Body:
    """The code of an elementwise kernel, once per language.

    `wgsl` is an expression over `a`, `b`, `c`, `d` in the operands' WGSL types, or a function
    from the operands' dtypes to one; it may call the functions of shaders/lib. `numpy` takes
    the same in the same order, and returns a new array or scalar. Any operand may come as a number,
    in compiled programs where its tensor is the same all over: as a NumPy scalar, or an array
    without axes, of the type that it would have as an array. Neither sees float16: what is stored
    so comes as float32, and the result is rounded once.
    """

    name: str
    wgsl: str | Callable[..., str]
    numpy: Callable[..., Any]

    def expression(self, dtypes: Sequence[DType]) -> str:
        """Return the WGSL expression for operands of `dtypes`; T and A in it become types.

        T is the type of the last operand, A that of the first.
        """
        text = self.wgsl if isinstance(self.wgsl, str) else self.wgsl(*dtypes)
        text = re.sub(r"\bT\b", str(dtypes[-1].wgsl), text)
        return re.sub(r"\bA\b", str(dtypes[0].wgsl), text)

    def functions(self, dtypes: Sequence[DType], out: DType) -> str:
        """Return WGSL that declares `fn body` over the operands."""
        names = zip(OPERANDS, dtypes, strict=False)
        parameters = ", ".join(f"{name}: {dtype.wgsl}" for name, dtype in names)
        result = self.expression(dtypes)
        if out is float16:
            result = f"to_half({result})"
        return f"fn body({parameters}) -> {out.wgsl} {{ return {result}; }}"


def product_shape(a: Shape, b: Shape, lead: int | None = None, inner: int = 1) -> Shape:
    """Return the shape of a matrix product."""
    lead = len(a) - 2 if lead is None else lead
    return (*a[: len(a) - inner], *b[lead + inner :])


def reduced_shape(shape: Shape, axes: Shape) -> Shape:
    """Return `shape` without `axes`."""
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def kept_shape(shape: Shape, axes: Shape) -> Shape:
    """Return `shape` with extent 1 at `axes`."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def batch_gather_shape(index: Array, axis: int, size: int) -> Shape:
    """Return the shape of the array that `index` gathers from: its own, but `size` along `axis`."""
    shape = index.layout.shape
    return (*shape[:axis], size, *shape[axis + 1 :])
