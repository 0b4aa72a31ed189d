"""Functions of the bits of integers."""

from __future__ import annotations

from typing import Any

from ..types import I32, Type, scalar_of
from ..values import each
from .base import WORD, builtin, by_component

_ALL = 0xFFFFFFFF


def _leading_zeros(x: int) -> int:
    return 32 - (x & _ALL).bit_length()


def _trailing_zeros(x: int) -> int:
    x &= _ALL
    return (x & -x).bit_length() - 1 if x else 32


def _first_trailing(x: int) -> int:
    return _trailing_zeros(x) if x & _ALL else -1


def _first_leading(values: tuple, kinds: tuple[Type, ...], result: Type) -> Any:
    """For a negative number, the highest bit that is not its sign."""

    def leading_bit(x: int) -> int:
        if scalar_of(result) == I32 and x < 0:
            x = ~x
        return (x & _ALL).bit_length() - 1

    return each(leading_bit, values, result)


def _reversed(x: int) -> int:
    return int(f"{x & _ALL:032b}"[::-1], 2)


def _part(offset: int, count: int) -> tuple[int, int]:
    if offset + count > 32:
        raise ValueError(f"{count} bits from bit {offset} on are more than there are")
    return min(offset, 32), count


def _extract(values: tuple, kinds: tuple[Type, ...], result: Type) -> Any:
    offset, count = _part(values[1], values[2])
    signed = scalar_of(result) == I32

    def field(x: int) -> int:
        bits = ((x & _ALL) >> offset) & ((1 << count) - 1)
        return bits - (1 << count) if signed and count and bits >> (count - 1) else bits

    return each(field, values[:1], result)


def _insert(values: tuple, kinds: tuple[Type, ...], result: Type) -> Any:
    offset, count = _part(values[2], values[3])
    mask = ((1 << count) - 1) << offset
    return each(lambda x, new: (x & ~mask) | ((new << offset) & mask), values[:2], result)


builtin("countLeadingZeros", "V -> V", T=WORD, constant=by_component(_leading_zeros))
builtin("countTrailingZeros", "V -> V", T=WORD, constant=by_component(_trailing_zeros))
builtin("countOneBits", "V -> V", T=WORD, constant=by_component(lambda x: (x & _ALL).bit_count()))
builtin("firstLeadingBit", "V -> V", T=WORD, constant=_first_leading)
builtin("firstTrailingBit", "V -> V", T=WORD, constant=by_component(_first_trailing))
builtin("reverseBits", "V -> V", T=WORD, constant=by_component(_reversed))
builtin("extractBits", "V, u32, u32 -> V", T=WORD, constant=_extract)
builtin("insertBits", "V, V, u32, u32 -> V", T=WORD, constant=_insert)
