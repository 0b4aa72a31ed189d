"""How the twin holds WGSL's values: as flat tuples of NumPy arrays, one for each scalar component.

An array has an element for each lane, the point or invocation that is computed. What is the same
for all lanes is a NumPy scalar instead. A scalar's value is such an array itself; that of a vector,
a matrix (column after column) or a structure is the tuple of its components. Fixed arrays add their
extents in front of the lanes: `array<vec3f, 4>` is three arrays of shape (4, lanes), or (4, 1)
where all lanes have the same.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..language.types import (
    ABSTRACT_FLOAT,
    ABSTRACT_INT,
    BOOL,
    F16,
    F32,
    I32,
    U32,
    Array,
    Atomic,
    Matrix,
    Scalar,
    Structure,
    Type,
    Vector,
)
from ..language.values import element_types

_DTYPES = {
    BOOL: np.dtype(np.bool_),
    I32: np.dtype(np.int32),
    U32: np.dtype(np.uint32),
    F32: np.dtype(np.float32),
    F16: np.dtype(np.float16),
    ABSTRACT_INT: np.dtype(np.int64),
    ABSTRACT_FLOAT: np.dtype(np.float64),
}
_WIDE = {**_DTYPES, F32: np.dtype(np.float64), F16: np.dtype(np.float64)}


class Leaf(NamedTuple):
    """One scalar component: of what type, and the extents of the fixed arrays that it lies in."""

    scalar: Scalar
    extents: tuple[int, ...] = ()


@lru_cache(maxsize=1024)
def leaves_of(kind: Type) -> tuple[Leaf, ...]:
    """Return the components that a value of a type has, in order."""
    if isinstance(kind, Scalar):
        return (Leaf(kind),)
    if isinstance(kind, Atomic):
        return (Leaf(kind.element),)
    if isinstance(kind, Vector):
        return (Leaf(kind.element),) * kind.size
    if isinstance(kind, Matrix):
        return (Leaf(kind.element),) * (kind.columns * kind.rows)
    if isinstance(kind, Array):
        assert isinstance(kind.count, int)
        return tuple(Leaf(x.scalar, (kind.count, *x.extents)) for x in leaves_of(kind.element))
    assert isinstance(kind, Structure)
    return tuple(leaf for field in kind.fields for leaf in leaves_of(field.type))


def count(kind: Type) -> int:
    """Return how many arrays a value of a type is made of."""
    return len(leaves_of(kind))


def has_extents(kind: Type) -> bool:
    """Return whether there are fixed arrays in a type."""
    return any(leaf.extents for leaf in leaves_of(kind))


class Numbers:
    """Which NumPy dtypes stand for WGSL's scalars: float64 for all floats where `wide` says so."""

    def __init__(self, wide: bool):
        self.wide = wide
        self._dtypes = _WIDE if wide else _DTYPES

    def dtype(self, scalar: Scalar) -> np.dtype:
        """Return the dtype of a scalar."""
        return self._dtypes[scalar]

    def lift(self, value: Any, kind: Type) -> Any:
        """Return a constant, as `language/values.py` holds it, as the twin does."""
        if isinstance(kind, Scalar):
            return self.dtype(kind).type(value)
        if isinstance(kind, Array):
            parts = [as_tuple(self.lift(x, kind.element)) for x in value]
            return tuple(joined(x) for x in zip(*parts, strict=True))
        parts = [as_tuple(self.lift(x, k)) for x, k in zip(value, element_types(kind), strict=True)]
        return tuple(x for part in parts for x in part)

    def zero(self, kind: Type) -> Any:
        """Return what memory of a type begins with, in arrays of its own."""
        zeros = tuple(
            np.zeros((*leaf.extents, 1), self.dtype(leaf.scalar))
            if leaf.extents
            else self.dtype(leaf.scalar).type(0)
            for leaf in leaves_of(kind)
        )
        return zeros[0] if isinstance(kind, Scalar) else zeros

    def fitted(self, value: Any, kind: Type) -> Any:
        """Return a value whose components have the dtypes of a type."""
        if isinstance(kind, Scalar):
            return value.astype(self.dtype(kind))
        both = zip(value, leaves_of(kind), strict=True)
        return tuple(x.astype(self.dtype(leaf.scalar)) for x, leaf in both)


def as_tuple(value: Any) -> tuple:
    """Return the components of a value."""
    return value if type(value) is tuple else (value,)


def joined(parts: tuple) -> np.ndarray:
    """Return one component of a fixed array, from that of each of its elements."""
    lanes = max(x.shape[-1] if x.ndim else 1 for x in parts)
    inner = max((x.shape[:-1] for x in parts), key=len)
    out = np.empty((len(parts), *inner, lanes), parts[0].dtype)
    for i, x in enumerate(parts):
        out[i] = x
    return out


def owned(value: Any) -> Any:
    """Return a value whose arrays with extents are its own, so that elements can be written."""
    if type(value) is tuple:
        return tuple(x.copy() if x.ndim > 1 else x for x in value)
    return value
