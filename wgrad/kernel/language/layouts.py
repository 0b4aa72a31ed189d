"""How values lie in memory: alignments, sizes, strides and offsets, in bytes.

Source: the WGSL specification, "Memory Layout". A uniform asks for more (`uniform_fault`).
"""

from __future__ import annotations

from typing import NamedTuple

from .types import F16, Array, Atomic, Matrix, Scalar, Structure, Type, Vector, remembered


class MemberLayout(NamedTuple):
    """Where a member of a structure lies."""

    name: str
    type: Type
    offset: int
    size: int
    align: int


def rounded_up(value: int, step: int) -> int:
    """Return the first multiple of `step` that is not below `value`."""
    return -(-value // step) * step


@remembered
def align_of(kind: Type) -> int:
    """Return what an address of a type has to be a multiple of."""
    if isinstance(kind, (Scalar, Atomic)):
        return 2 if kind == F16 else 4
    if isinstance(kind, Vector):
        return (2 if kind.size == 2 else 4) * align_of(kind.element)
    if isinstance(kind, Matrix):
        return align_of(kind.column)
    if isinstance(kind, Array):
        return align_of(kind.element)
    if isinstance(kind, Structure):
        return max((x.align or align_of(x.type) for x in kind.fields), default=1)
    raise TypeError(f"{kind} has no place in memory")


@remembered
def size_of(kind: Type) -> int:
    """Return how many bytes a type takes; one element of an array whose length a buffer says.

    Raises: TypeError for one whose size an override says.
    """
    if isinstance(kind, (Scalar, Atomic)):
        return 2 if kind == F16 else 4
    if isinstance(kind, Vector):
        return kind.size * size_of(kind.element)
    if isinstance(kind, Matrix):
        return kind.columns * rounded_up(size_of(kind.column), align_of(kind.column))
    if isinstance(kind, Array):
        if kind.count is not None and not isinstance(kind.count, int):
            raise TypeError(f"the size of {kind} is not known before the override is")
        return (1 if kind.count is None else kind.count) * stride_of(kind)
    if isinstance(kind, Structure):
        last = members(kind)[-1]
        return rounded_up(last.offset + last.size, align_of(kind))
    raise TypeError(f"{kind} has no place in memory")


def stride_of(kind: Array) -> int:
    """Return how many bytes lie between the elements of an array."""
    return rounded_up(size_of(kind.element), align_of(kind.element))


def members(kind: Structure) -> tuple[MemberLayout, ...]:
    """Return where the members of a structure lie."""
    layouts = []
    offset = 0
    for field in kind.fields:
        align = field.align or align_of(field.type)
        size = field.size or size_of(field.type)
        offset = rounded_up(offset, align)
        layouts.append(MemberLayout(field.name, field.type, offset, size, align))
        offset += size
    return tuple(layouts)


@remembered
def uniform_fault(kind: Type) -> str:
    """Return what keeps a type from lying in a uniform, or ""."""
    if isinstance(kind, Array):
        if stride_of(kind) % 16:
            return (
                f"the elements of {kind} lie {stride_of(kind)} bytes apart, and in a uniform it "
                "has to be a multiple of 16: use vec4, or a storage buffer"
            )
        return uniform_fault(kind.element)
    if isinstance(kind, Structure):
        last: MemberLayout | None = None
        for member in members(kind):
            inner = isinstance(member.type, (Array, Structure))
            if inner and member.offset % 16:
                return (
                    f"{kind}.{member.name} lies at byte {member.offset}, and in a uniform it has "
                    "to be a multiple of 16: give it @align(16)"
                )
            if last is not None and isinstance(last.type, Structure):
                if member.offset - last.offset < rounded_up(last.size, 16):
                    return (
                        f"{kind}.{member.name} lies in the last 16 bytes of {kind}.{last.name}, "
                        "which a uniform does not allow: give it @align(16)"
                    )
            fault = uniform_fault(member.type)
            if fault:
                return fault
            last = member
    return ""
