"""Functions that put several numbers into one word, and take them out again."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

from ..types import F16, Type
from ..values import each, round_to
from .base import builtin, by_component


def _word(values: list[int], bits: int) -> int:
    mask = (1 << bits) - 1
    return sum((x & mask) << (i * bits) for i, x in enumerate(values))


def _fields(word: int, bits: int, signed: bool) -> list[int]:
    fields = [(word >> at) & ((1 << bits) - 1) for at in range(0, 32, bits)]
    return [x - (1 << bits) if signed and x >> (bits - 1) else x for x in fields]


def _packed(one: Callable[[Any], int], bits: int) -> Any:
    return lambda values, kinds, result: _word([one(x) for x in values[0]], bits)


def _unpacked(one: Callable[[int], Any], bits: int, signed: bool) -> Any:
    def constant(values: tuple, kinds: tuple[Type, ...], result: Type) -> Any:
        return each(one, (tuple(_fields(values[0], bits, signed)),), result)

    return constant


def _normal(scale: int, low: float) -> Callable[[float], int]:
    return lambda x: math.floor(0.5 + scale * min(1.0, max(low, x)))


def _half_bits(x: float) -> int:
    return struct.unpack("<H", struct.pack("<e", round_to(x, F16)))[0]


def _half(bits: int) -> float:
    return struct.unpack("<e", struct.pack("<H", bits))[0]


for _name, _count, _bits in (("4x8", 4, 8), ("2x16", 2, 16)):
    _signed, _unsigned = 2 ** (_bits - 1) - 1, 2**_bits - 1
    _vector = f"vec{_count}<f32>"
    builtin(f"pack{_name}snorm", f"{_vector} -> u32", constant=_packed(_normal(_signed, -1), _bits))
    builtin(
        f"pack{_name}unorm", f"{_vector} -> u32", constant=_packed(_normal(_unsigned, 0), _bits)
    )
    builtin(
        f"unpack{_name}snorm",
        f"u32 -> {_vector}",
        constant=_unpacked(lambda x, most=_signed: max(x / most, -1.0), _bits, True),  # type: ignore[misc]
    )
    builtin(
        f"unpack{_name}unorm",
        f"u32 -> {_vector}",
        constant=_unpacked(lambda x, most=_unsigned: x / most, _bits, False),  # type: ignore[misc]
    )
builtin("pack2x16float", "vec2<f32> -> u32", constant=_packed(_half_bits, 16))
builtin("unpack2x16float", "u32 -> vec2<f32>", constant=_unpacked(_half, 16, False))
builtin("pack4xI8", "vec4<i32> -> u32", constant=_packed(lambda x: x, 8))
builtin("pack4xU8", "vec4<u32> -> u32", constant=_packed(lambda x: x, 8))
builtin("pack4xI8Clamp", "vec4<i32> -> u32", constant=_packed(lambda x: max(-128, min(x, 127)), 8))
builtin("pack4xU8Clamp", "vec4<u32> -> u32", constant=_packed(lambda x: min(x, 255), 8))
builtin("unpack4xI8", "u32 -> vec4<i32>", constant=_unpacked(lambda x: x, 8, True))
builtin("unpack4xU8", "u32 -> vec4<u32>", constant=_unpacked(lambda x: x, 8, False))


def _dot(signed: bool) -> Any:
    def constant(values: tuple, kinds: tuple[Type, ...], result: Type) -> Any:
        a, b = (_fields(x, 8, signed) for x in values)
        return each(lambda: sum(x * y for x, y in zip(a, b, strict=True)), (), result)

    return constant


builtin("dot4U8Packed", "u32, u32 -> u32", constant=_dot(False))
builtin("dot4I8Packed", "u32, u32 -> i32", constant=_dot(True))

T_F32 = ("f32 -> f32", "vec2<f32> -> vec2<f32>", "vec3<f32> -> vec3<f32>", "vec4<f32> -> vec4<f32>")
builtin("quantizeToF16", *T_F32, constant=by_component(lambda x: round_to(x, F16)))
