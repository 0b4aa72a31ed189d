"""How tensors lie in the memory of bindings: element types, trailing axes, and padding.

An element of `array<vec3f>` takes 16 bytes, so a tensor of shape (n, 3) is in memory as (n, 4).
Structures are words, as they lie in memory, with their padding.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from .. import dtypes
from ..backends.array import Array as Memory
from ..backends.base import Device
from ..dtypes import DType
from ..errors import DTypeError, ShapeError
from ..layout import Layout, Shape
from .forms import DTYPES
from .language.layouts import members, size_of, stride_of
from .language.symbols import Binding
from .language.types import (
    F16,
    Array,
    Atomic,
    Matrix,
    Scalar,
    Structure,
    Type,
    Vector,
    ends_open,
    scalar_of,
)


class Placement(NamedTuple):
    """How a tensor lies in a binding.

    The last axes of the tensor are `shape`, which are one element; in memory they are `held`. There
    are `elements` of them, or as many as the tensor has, at least `least`. Without `is_array` the
    tensor is one element.
    """

    kind: Type
    dtype: DType
    shape: Shape
    held: Shape
    elements: int | None
    least: int
    is_array: bool

    @property
    def needs(self) -> str:
        """What a tensor has to look like, in words."""
        axes = ", ".join(map(str, self.shape))
        if not self.is_array:
            return f"shape ({axes}{',' if len(self.shape) == 1 else ''})"
        if self.elements is not None:
            return f"{self.elements} elements" + (f" of shape ({axes})" if axes else "")
        return f"shape (..., {axes})" if axes else f"at least {self.least} elements"


def placement_of(binding: Binding) -> Placement:
    """Return how a tensor lies in a binding. Raises: ShaderError for a type that none can be."""
    kind = binding.type
    scalars = _scalars(kind)
    if len(scalars) == 1:
        (scalar,) = scalars
        dtype = DTYPES[scalar]
    elif F16 in scalars and _bytes(kind) % 4:
        raise binding.node.span.error(
            f"{binding.name}: elements of {kind} are no whole words of 4 bytes, and have numbers "
            "of several types: add a member that fills them up"
        )
    else:
        dtype = dtypes.uint32  # the bits of all members
    word = 2 if dtype is dtypes.float16 else 4
    if isinstance(kind, Structure) and ends_open(kind):
        last = members(kind)[-1]
        assert isinstance(last.type, Array)
        least = (last.offset + stride_of(last.type)) // word
        return Placement(kind, dtype, (), (), None, least, True)
    if isinstance(kind, Array):
        shape, held = _axes(kind.element, word, stride_of(kind))
        count = kind.count if isinstance(kind.count, int) else None
        return Placement(kind, dtype, shape, held, count, 1, True)
    shape, held = _axes(kind, word, size_of(kind))
    return Placement(kind, dtype, shape, held, 1, 1, False)


def _bytes(kind: Type) -> int:
    return stride_of(kind) if isinstance(kind, Array) else size_of(kind)


def _scalars(kind: Type) -> frozenset[Scalar]:
    """Return the types of all numbers in a type."""
    if isinstance(kind, Array):
        return _scalars(kind.element)
    if isinstance(kind, Structure):
        return frozenset().union(*(_scalars(x.type) for x in kind.fields))
    scalar = scalar_of(kind)
    assert scalar is not None
    return frozenset((scalar,))


def _axes(kind: Type, word: int, nbytes: int) -> tuple[Shape, Shape]:
    """Return the axes of one element, and those that its `nbytes` of memory have."""
    if isinstance(kind, (Scalar, Atomic)):
        return (), ()
    if isinstance(kind, Vector):
        return (kind.size,), (nbytes // word,)
    if isinstance(kind, Matrix):
        return (kind.columns, kind.rows), (kind.columns, nbytes // word // kind.columns)
    if isinstance(kind, Array):
        assert isinstance(kind.count, int)
        shape, held = _axes(kind.element, word, stride_of(kind))
        return (kind.count, *shape), (kind.count, *held)
    return (nbytes // word,), (nbytes // word,)


def lead_of(placement: Placement, shape: Shape, where: str, name: str) -> Shape:
    """Return the axes of a tensor that count elements. Raises: ShapeError where it does not fit."""
    axes = len(placement.shape)
    lead, last = shape[: len(shape) - axes], shape[len(shape) - axes :]
    if not placement.is_array:
        if shape == placement.shape or (not axes and prod(shape) == 1):
            return lead
    elif len(shape) >= axes and last == placement.shape:
        count = prod(lead)
        if placement.elements is None and (count >= placement.least or count == 0):
            return lead
        if placement.elements == count:
            return lead
    raise ShapeError(
        f"{where}: {name} is {placement.kind}, and shape {shape} came: what is needed is "
        f"{placement.needs}"
    )


def check_dtype(placement: Placement, dtype: DType, where: str, name: str, device: Device) -> None:
    """Raise DTypeError unless a tensor has the type that the text declares.

    On the NumPy device float64 may stand for f32.
    """
    if dtype is placement.dtype:
        return
    if dtype is dtypes.float64 and placement.dtype is dtypes.float32:
        return  # no GPU has such tensors
    raise DTypeError(
        f"{where}: {name} is {placement.kind}, and a {dtype.name} tensor came: use "
        f".astype(wg.{placement.dtype.name})"
    )


def held_shape(placement: Placement, lead: Shape) -> Shape:
    """Return the shape of the memory of a tensor."""
    return (*lead, *placement.held)


def seen(memory: Memory, placement: Placement, lead: Shape) -> Memory:
    """Return what of a binding's memory is the tensor: a view of it."""
    if placement.shape == placement.held:
        return memory
    return memory.view(_inside(placement, lead))


def held(device: Device, x: Memory, placement: Placement, lead: Shape) -> Memory:
    """Return the memory that a binding shows of a tensor: its own where it lies like that."""
    if placement.shape == placement.held:
        return x if x.layout.contiguous else device.copy(x)
    target = _inside(placement, lead)
    shape = held_shape(placement, lead)
    if x.layout == target and x.storage.size == prod(shape):
        return x.view(Layout.dense(shape))
    return device.place([x], [target], shape, 0)


def _inside(placement: Placement, lead: Shape) -> Layout:
    dense = Layout.dense(held_shape(placement, lead))
    return Layout((*lead, *placement.shape), dense.strides, 0)
