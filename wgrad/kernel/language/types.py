"""The types of WGSL, how they convert into each other, and what may be done with them.

Types are records that compare by content, and print as WGSL writes them. The abstract ones are
those of numbers without a suffix: they become what their surroundings need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeAlias, TypeVar

from .nodes import Node


class Type:
    """What all types have."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Scalar(Type):
    """One number or truth value."""

    name: str

    def __str__(self) -> str:
        return self.name


ABSTRACT_INT = Scalar("abstract-int")
ABSTRACT_FLOAT = Scalar("abstract-float")
BOOL, I32, U32, F32, F16 = map(Scalar, ("bool", "i32", "u32", "f32", "f16"))

FLOATS = frozenset((ABSTRACT_FLOAT, F32, F16))
INTEGERS = frozenset((ABSTRACT_INT, I32, U32))
NUMBERS = FLOATS | INTEGERS
ABSTRACT = frozenset((ABSTRACT_INT, ABSTRACT_FLOAT))
SCALARS = {x.name: x for x in (BOOL, I32, U32, F32, F16)}


@dataclass(frozen=True, slots=True)
class Vector(Type):
    """2 to 4 numbers or truth values."""

    size: int
    element: Scalar

    def __str__(self) -> str:
        return f"vec{self.size}<{self.element}>"


@dataclass(frozen=True, slots=True)
class Matrix(Type):
    """So many columns, each a vector of so many rows."""

    columns: int
    rows: int
    element: Scalar

    @property
    def column(self) -> Vector:
        """The type of a column."""
        return Vector(self.rows, self.element)

    def __str__(self) -> str:
        return f"mat{self.columns}x{self.rows}<{self.element}>"


@dataclass(frozen=True, slots=True)
class Array(Type):
    """Elements of one type.

    `count` is None where the buffer says how many, and an expression where an override does.
    """

    element: Type
    count: int | Node | None

    def __str__(self) -> str:
        if self.count is None:
            return f"array<{self.element}>"
        if isinstance(self.count, Node):
            return f"array<{self.element}, (of an override)>"
        return f"array<{self.element}, {self.count}>"


@dataclass(frozen=True, slots=True)
class Atomic(Type):
    """A number that several invocations may change."""

    element: Scalar

    def __str__(self) -> str:
        return f"atomic<{self.element}>"


@dataclass(frozen=True, slots=True)
class Field:
    """A member of a structure. `align` and `size` are those of its attributes, or 0."""

    name: str
    type: Type
    align: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True, unsafe_hash=False)
class Structure(Type):
    """Members by name."""

    name: str
    fields: tuple[Field, ...]
    known: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __hash__(self) -> int:
        return hash(self.name)

    def field(self, name: str) -> Field | None:
        """Return the member of a name, or None."""
        return next((x for x in self.fields if x.name == name), None)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Pointer(Type):
    """Where a value lies: in which address space, and whether it may be written."""

    space: str
    store: Type
    access: str

    def __str__(self) -> str:
        access = f", {self.access}" if self.space == "storage" else ""
        return f"ptr<{self.space}, {self.store}{access}>"


@dataclass(frozen=True, slots=True)
class Reference(Type):
    """What a variable, or a part of one, is: it can be read, written and pointed to."""

    space: str
    store: Type
    access: str

    def __str__(self) -> str:
        return f"a reference to {self.store}"


T = TypeVar("T")


def remembered(fn: Callable[[Any], T]) -> Callable[[Any], T]:
    """Make a function of types remember what it said about a structure.

    Structures of structures would take it exponential time otherwise.
    """

    @wraps(fn)
    def asked(kind: Any) -> T:
        if not isinstance(kind, Structure):
            return fn(kind)
        if fn.__name__ not in kind.known:
            kind.known[fn.__name__] = fn(kind)
        return kind.known[fn.__name__]

    return asked


Composite: TypeAlias = Vector | Matrix | Array | Structure

# How automatic conversions of scalars rank: the lowest is taken. Source: the WGSL specification,
# "Conversion Rank".
_RANKS = {
    (ABSTRACT_FLOAT, F32): 1,
    (ABSTRACT_FLOAT, F16): 2,
    (ABSTRACT_INT, I32): 3,
    (ABSTRACT_INT, U32): 4,
    (ABSTRACT_INT, ABSTRACT_FLOAT): 5,
    (ABSTRACT_INT, F32): 6,
    (ABSTRACT_INT, F16): 7,
}
# What a scalar converts to by itself, the best first.
WAYS: dict[Scalar, tuple[Scalar, ...]] = {
    ABSTRACT_INT: (ABSTRACT_INT, I32, U32, ABSTRACT_FLOAT, F32, F16),
    ABSTRACT_FLOAT: (ABSTRACT_FLOAT, F32, F16),
    **{x: (x,) for x in SCALARS.values()},
}


def rank(source: Type, target: Type) -> int | None:
    """Return how well a type converts to another by itself, 0 the best; None where it does not."""
    if source == target:
        return 0
    if isinstance(source, Scalar) and isinstance(target, Scalar):
        return _RANKS.get((source, target))
    if isinstance(source, Vector) and isinstance(target, Vector) and source.size == target.size:
        return rank(source.element, target.element)
    if isinstance(source, Matrix) and isinstance(target, Matrix):
        if (source.columns, source.rows) == (target.columns, target.rows):
            return rank(source.element, target.element)
    if isinstance(source, Array) and isinstance(target, Array) and source.count == target.count:
        return rank(source.element, target.element)
    if isinstance(source, Structure) and isinstance(target, Structure):
        if is_abstract(source) and source.name.rpartition("_")[0] == target.name.rpartition("_")[0]:
            both = zip(source.fields, target.fields, strict=True)
            ranks = [rank(a.type, b.type) for a, b in both]
            return None if None in ranks else max(x or 0 for x in ranks)
    return None


def common(types: Iterable[Scalar], allowed: Iterable[Scalar]) -> Scalar | None:
    """Return the best of the allowed scalars that all of these convert to, or None."""
    ways: tuple[Scalar, ...] | None = None
    for scalar in types:
        mine = WAYS[scalar]
        ways = mine if ways is None else tuple(x for x in ways if x in mine)
    return next((x for x in ways or () if x in allowed), None)


def scalar_of(kind: Type) -> Scalar | None:
    """Return what a scalar, vector, matrix or atomic is made of; None for other types."""
    if isinstance(kind, Scalar):
        return kind
    if isinstance(kind, (Vector, Matrix, Atomic)):
        return kind.element
    return None


def with_scalar(kind: Type, scalar: Scalar) -> Type:
    """Return a scalar, vector or matrix type made of another scalar."""
    if isinstance(kind, Vector):
        return Vector(kind.size, scalar)
    if isinstance(kind, Matrix):
        return Matrix(kind.columns, kind.rows, scalar)
    return scalar


def is_abstract(kind: Type) -> bool:
    """Return whether a type is one of numbers without a suffix, or made of such."""
    if isinstance(kind, Array):
        return is_abstract(kind.element)
    if isinstance(kind, Structure):
        return kind.name.startswith("__") and any(is_abstract(x.type) for x in kind.fields)
    return scalar_of(kind) in ABSTRACT


def concrete(kind: Type) -> Type:
    """Return what a type becomes where nothing else asks for more: i32 or f32 for abstract ones."""
    if not is_abstract(kind):
        return kind
    if isinstance(kind, Array):
        return Array(concrete(kind.element), kind.count)
    if isinstance(kind, Structure):
        fields = tuple(Field(x.name, concrete(x.type)) for x in kind.fields)
        return Structure(kind.name.replace("abstract", "f32"), fields)
    return with_scalar(kind, I32 if scalar_of(kind) == ABSTRACT_INT else F32)


def is_float(kind: Type) -> bool:
    """Return whether a type is a float, or a vector or matrix of floats."""
    return scalar_of(kind) in FLOATS


def is_integer(kind: Type) -> bool:
    """Return whether a type is an integer, or a vector of integers."""
    return not isinstance(kind, Atomic) and scalar_of(kind) in INTEGERS


@remembered
def is_constructible(kind: Type) -> bool:
    """Return whether a value of a type can be made, passed and returned."""
    if isinstance(kind, Array):
        return isinstance(kind.count, int) and is_constructible(kind.element)
    if isinstance(kind, Structure):
        return all(is_constructible(x.type) for x in kind.fields)
    return isinstance(kind, (Scalar, Vector, Matrix))


@remembered
def is_shareable(kind: Type) -> bool:
    """Return whether a buffer can hold a type: it has no bool in it."""
    if isinstance(kind, Array):
        return is_shareable(kind.element)
    if isinstance(kind, Structure):
        return all(is_shareable(x.type) for x in kind.fields)
    return scalar_of(kind) not in (None, BOOL)


@remembered
def is_sized(kind: Type) -> bool:
    """Return whether the text alone says how large a type is: no buffer and no override does."""
    if isinstance(kind, Array):
        return isinstance(kind.count, int) and is_sized(kind.element)
    if isinstance(kind, Structure):
        return all(is_sized(x.type) for x in kind.fields)
    return not isinstance(kind, (Pointer, Reference))


def is_plain(kind: Type) -> bool:
    """Return whether a variable can hold a type."""
    if isinstance(kind, Array):
        return is_plain(kind.element)
    return isinstance(kind, (Scalar, Vector, Matrix, Atomic, Structure))


@remembered
def has_atomics(kind: Type) -> bool:
    """Return whether there is an atomic in a type."""
    if isinstance(kind, Array):
        return has_atomics(kind.element)
    if isinstance(kind, Structure):
        return any(has_atomics(x.type) for x in kind.fields)
    return isinstance(kind, Atomic)


@remembered
def ends_open(kind: Type) -> bool:
    """Return whether a buffer says how large a type is: it is, or ends with, an open array."""
    if isinstance(kind, Structure):
        return bool(kind.fields) and ends_open(kind.fields[-1].type)
    return isinstance(kind, Array) and kind.count is None


@remembered
def depth(kind: Type) -> int:
    """Return how many types are inside each other."""
    if isinstance(kind, Array):
        return 1 + depth(kind.element)
    if isinstance(kind, Structure):
        return 1 + max((depth(x.type) for x in kind.fields), default=0)
    return 1


SWIZZLES = ("xyzw", "rgba")


def swizzle(name: str, size: int) -> tuple[int, ...] | None:
    """Return which components a swizzle takes, None where it is none of a vector of that size.

    Example:
        >>> swizzle("xzz", 3)
        (0, 2, 2)
    """
    for letters in SWIZZLES:
        if 1 <= len(name) <= 4 and all(x in letters[:size] for x in name):
            return tuple(letters.index(x) for x in name)
    return None
