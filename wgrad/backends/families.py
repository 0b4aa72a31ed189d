"""The kernel families: what a device can be asked to do, each as one type.

A family holds the parameters of one piece of work; the operands are apart. It is named after the
device method that does it. `FAMILIES` is the one list of them: devices let the tracer have the work
of these methods, and whatever reads a program goes by these types.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from types import EllipsisType
from typing import TYPE_CHECKING, Any, ClassVar

from ..dtypes import DType, float32, int32, rounded, uint32
from ..layout import Layout, Shape
from .array import Array, Body, Number, batch_gather_shape, product_shape, reduced_shape
from .fold import Fold
from .functions import Function
from .shader import Groups, Make, Shader
from .tracing import Live

if TYPE_CHECKING:
    from .base import Device

# Turns a generator and an offset into its stream into a key and a counter.
Draw = Callable[[Any, int], tuple[tuple[int, int], int]]
Operands = Sequence[Any]  # arrays, and numbers where a family takes some

_NOTED = ("axes", "axis", "value", "target")  # parameters that people want to see


def number_key(x: Any) -> Hashable:
    """Return a key that tells 0.0, -0.0 and 0 apart, which are equal in Python."""
    return ("live", x.call) if isinstance(x, Live) else (type(x), repr(x))


@dataclass(frozen=True, eq=False)
class Family:
    """One piece of work for a device. Two are equal if they do the same, to the bit.

    `takes` are the arguments of the device method: a parameter by its name, an operand by its
    place, and "..." for all operands as a sequence.
    """

    method: ClassVar[str]
    __match_args__: ClassVar[tuple[str, ...]]  # the names of the parameters
    takes: ClassVar[tuple[str | int | EllipsisType, ...]]

    @classmethod
    def of(cls, *args: Any) -> tuple[Family, Operands]:
        """Return the work that a call of the device method asks for, and its operands."""
        parameters, operands = cls.apart(args)
        return cls(**parameters), operands

    @classmethod
    def apart(cls, args: Sequence[Any]) -> tuple[dict[str, Any], Operands]:
        """Return the parameters among the arguments of the device method, and the operands."""
        given = dict(zip(cls.takes, args, strict=True))
        named = {k: given.pop(k) for k in cls.takes if isinstance(k, str)}
        parameters = {k: tuple(x) if isinstance(x, list) else x for k, x in named.items()}
        return parameters, given[...] if ... in given else list(given.values())

    def run(self, device: Device, operands: Operands) -> list[Array]:
        """Do the work and return the results, which are fresh and dense; most make one."""
        args = [
            operands if x is ... else getattr(self, x) if isinstance(x, str) else operands[x]
            for x in self.takes
        ]
        return [getattr(device, self.method)(*args)]

    def now(self, draw: Draw) -> Family:
        """Return the work of one run, where some of the numbers differ from run to run."""
        return self

    def result(self, operands: Operands) -> tuple[Shape, DType]:
        """Return the shape and the dtype of the result."""
        return operands[0].shape, operands[0].dtype

    def results(self, operands: Operands) -> list[tuple[Shape, DType]]:
        """Return the shape and the dtype of each result."""
        return [self.result(operands)]

    def operations(self, operands: Operands) -> int:
        """Return how much arithmetic it is: what only moves elements has none.

        An elementwise op counts as one for each element, a transcendental function too, and so does
        every element that a fold takes.
        """
        return 0

    @property
    def name(self) -> str:
        """What it does, in the words of its op."""
        return self.method

    @property
    def notes(self) -> dict[str, Any]:
        """The parameters that a listing shows."""
        return {name: getattr(self, name) for name in self.__match_args__ if name in _NOTED}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @cached_property
    def _key(self) -> tuple:
        values = [getattr(self, name) for name in self.__match_args__]
        return tuple([number_key(x) if isinstance(x, (int, float)) else x for x in values])


@dataclass(frozen=True, eq=False)
class Full(Family):
    """An array of one value."""

    method = "full"
    takes = ("shape", "value", "dtype")
    shape: Shape
    value: Number
    dtype: DType

    @classmethod
    def of(cls, shape: Shape, value: Number, dtype: DType) -> tuple[Family, Operands]:
        return cls(shape, rounded(value, dtype), dtype), ()

    def now(self, draw: Draw) -> Full:
        return replace(self, value=self.value.read()) if isinstance(self.value, Live) else self

    def result(self, operands: Operands) -> tuple[Shape, DType]:
        return self.shape, self.dtype


@dataclass(frozen=True, eq=False)
class Map(Family):
    """A body at every element; the operands have `shape`, or are numbers of `dtypes`."""

    method = "map"
    takes = ("body", ..., "dtypes", "shape", "dtype")
    body: Body
    dtypes: tuple[DType, ...]
    shape: Shape
    dtype: DType

    def result(self, operands: Operands) -> tuple[Shape, DType]:
        return self.shape, self.dtype

    def operations(self, operands: Operands) -> int:
        return prod(self.shape)

    @property
    def name(self) -> str:
        return self.body.name


@dataclass(frozen=True, eq=False)
class Call(Family):
    """A function of several results at every point of `shape`; operands have that, or are numbers.

    All results lie in one array. With `planes` its shape is (results, *shape); without, it is
    (*shape, *inner), where `inner` holds as many elements as there are results.
    """

    method = "call"
    takes = ("function", ..., "shape", "inner", "planes")
    function: Function
    shape: Shape
    inner: Shape
    planes: bool

    def result(self, operands: Operands) -> tuple[Shape, DType]:
        first = (len(self.function.parts),) if self.planes else ()
        return (*first, *self.shape, *(() if self.planes else self.inner)), self.function.out

    def operations(self, operands: Operands) -> int:
        return prod(self.shape)

    def places(self) -> tuple[Layout, ...]:
        """Return where in the dense result each of the function's results lies, over `shape`."""
        return call_places(self.shape, len(self.function.parts), self.planes)

    @property
    def name(self) -> str:
        return self.function.name


def call_places(shape: Shape, count: int, planes: bool) -> tuple[Layout, ...]:
    """Return where each of `count` results lies in a dense array: side by side, or in planes."""
    dense = Layout.dense(shape)
    if planes:
        return tuple([Layout(shape, dense.strides, k * dense.size) for k in range(count)])
    strides = tuple([s * count for s in dense.strides])
    return tuple([Layout(shape, strides, k) for k in range(count)])


@dataclass(frozen=True, eq=False)
class Reduce(Family):
    """A fold over sorted axes, which leave the shape."""

    method = "reduce"
    takes = ("fold", 0, "axes", "dtype")
    fold: Fold
    axes: Shape
    dtype: DType

    def result(self, operands: Operands) -> tuple[Shape, DType]:
        return reduced_shape(operands[0].shape, self.axes), self.dtype

    def operations(self, operands: Operands) -> int:
        return operands[0].layout.size

    @property
    def name(self) -> str:
        return self.fold.name


@dataclass(frozen=True, eq=False)
class Scan(Family):
    """Running totals along an axis, from its end if `back`."""

    method = "scan"
    takes = ("fold", 0, "axis", "back")
    fold: Fold
    axis: int
    back: bool

    def operations(self, operands: Operands) -> int:
        return operands[0].layout.size

    @property
    def name(self) -> str:
        return f"cumulative {self.fold.name}"


@dataclass(frozen=True, eq=False)
class Matmul(Family):
    """A matrix product of two operands with `lead` batch axes and `inner` ones to sum over."""

    method = "matmul"
    takes = (0, 1, "lead", "inner")
    lead: int
    inner: int

    @classmethod
    def of(
        cls, a: Array, b: Array, lead: int | None = None, inner: int = 1
    ) -> tuple[Family, Operands]:
        return cls(len(a.shape) - 2 if lead is None else lead, inner), (a, b)

    def result(self, operands: Operands) -> tuple[Shape, DType]:
        a, b = operands
        return product_shape(a.shape, b.shape, self.lead, self.inner), a.dtype

    def operations(self, operands: Operands) -> int:
        a, b = operands[:2]
        return 2 * a.layout.size * prod(b.layout.shape[self.lead + self.inner :])


@dataclass(frozen=True, eq=False)
class Copy(Family):
    """A fresh contiguous copy of a view."""

    method = "copy"
    takes = (0,)


@dataclass(frozen=True, eq=False)
class InPlace(Family):
    """Values put into the view `target` of operand 0, which is all of a storage.

    `run` changes a copy of that, and `into` itself.
    """

    target: Layout

    @classmethod
    def of(cls, *args: Any) -> tuple[Family, Operands]:
        parameters, (view, *others) = cls.apart(args)
        whole = view.view(Layout.dense((view.storage.size,)))
        return cls(view.layout, **parameters), (whole, *others)

    def run(self, device: Device, operands: Operands) -> list[Array]:
        whole = device.copy(operands[0])
        self.into(device, whole, operands[1:])
        return [whole]

    def into(self, device: Device, whole: Array, operands: Operands) -> None:
        """Put the values of the other operands into `whole`."""
        super().run(device, (whole.view(self.target), *operands))


@dataclass(frozen=True, eq=False)
class Write(InPlace):
    """A copy into a view."""

    method = "write"
    takes = (0, 1)


@dataclass(frozen=True, eq=False)
class Scatter(InPlace):
    """Slices put where an index says, along an axis of a view."""

    method = "scatter"
    takes = (0, 1, 2, "axis")
    axis: int


@dataclass(frozen=True, eq=False)
class Place(Family):
    """`fill` in `shape`, with each operand where its target says; None: nothing is left open."""

    method = "place"
    takes = (..., "targets", "shape", "fill")
    targets: tuple[Layout, ...]
    shape: Shape
    fill: Number | None

    def result(self, operands: Operands) -> tuple[Shape, DType]:
        return self.shape, operands[0].dtype


@dataclass(frozen=True, eq=False)
class Gather(Family):
    """out[.., j, ..] = x[.., index[.., j, ..], ..] along an axis."""

    method = "gather"
    takes = (0, 1, "axis")
    axis: int

    def result(self, operands: Operands) -> tuple[Shape, DType]:
        return operands[1].shape, operands[0].dtype


@dataclass(frozen=True, eq=False)
class ScatterAdd(Family):
    """The transpose of Gather: values added up in zeros whose `axis` has `size`."""

    method = "scatter_add"
    takes = (0, 1, "axis", "size")
    axis: int
    size: int

    def result(self, operands: Operands) -> tuple[Shape, DType]:
        index, values = operands
        return batch_gather_shape(index, self.axis, self.size), values.dtype

    def operations(self, operands: Operands) -> int:
        return operands[1].layout.size


@dataclass(frozen=True, eq=False)
class Argsort(Family):
    """The positions along an axis in the order of the values."""

    method = "argsort"
    takes = (0, "axis", "descending")
    axis: int
    descending: bool

    def result(self, operands: Operands) -> tuple[Shape, DType]:
        return operands[0].shape, int32


@dataclass(frozen=True, eq=False)
class Searchsorted(Family):
    """How many of sorted values come before each of others; equal ones too if `right`."""

    method = "searchsorted"
    takes = (0, 1, "right")
    right: bool

    def result(self, operands: Operands) -> tuple[Shape, DType]:
        return operands[1].shape, int32


@dataclass(frozen=True, eq=False)
class Random(Family):
    """Numbers of a stream, from a counter on: "bits", "uniform" or "normal"."""

    method = "random"
    takes = ("kind", "key", "counter", "shape")
    kind: str
    key: tuple[int, int]
    counter: int
    shape: Shape

    def result(self, operands: Operands) -> tuple[Shape, DType]:
        return self.shape, uint32 if self.kind == "bits" else float32

    @property
    def name(self) -> str:
        return self.kind


@dataclass(frozen=True, eq=False)
class Dispatch(Family):
    """A whole shader of a user's, with several results; none of its operands changes.

    Operands are arrays, and behind them the numbers that stand at bytes `numbers` of `params`.
    """

    method = "dispatch"
    takes = ("shader", ..., "params", "numbers", "groups", "makes")
    shader: Shader
    params: bytes
    numbers: tuple[int, ...]
    groups: Groups
    makes: tuple[Make, ...]

    def run(self, device: Device, operands: Operands) -> list[Array]:
        return device.dispatch(
            self.shader, operands, self.params, self.numbers, self.groups, self.makes
        )

    def results(self, operands: Operands) -> list[tuple[Shape, DType]]:
        return [(x.shape, x.dtype) for x in self.makes]

    @property
    def name(self) -> str:
        return self.shader.name


FAMILIES: tuple[type[Family], ...] = (
    Full, Map, Call, Reduce, Scan, Matmul, Copy, Write, Place, Gather, ScatterAdd, Scatter, Argsort,
    Searchsorted, Random, Dispatch,
)  # fmt: skip
