"""Integers, bits, conversions and packed words."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from twin_rows import bits, divided, f32, i32, rest, row, u32

# Integers and bits

row(
    "fn sums(a: i32, b: i32) -> vec4i { return vec4(a + b, a - b, a * b, -a); }",
    "ii",
    lambda a, b: [i32(a + b), i32(a - b), i32(a * b), i32(-a)],
)
row(
    "fn quotients(a: i32, b: i32) -> vec4i { return vec4(a / b, a % b, a / 7, a % -3); }",
    "ii",
    lambda a, b: [divided(a, b, i32), rest(a, b, i32), divided(a, 7, i32), rest(a, -3, i32)],
)
row(
    "fn unsigned(a: u32, b: u32) -> vec4u { return vec4(a + b, a - b, a * b, ~a); }",
    "uu",
    lambda a, b: [u32(a + b), u32(a - b), u32(a * b), u32(~a)],
)
row(
    "fn uquotients(a: u32, b: u32) -> vec3u { return vec3(a / b, a % b, a / 10); }",
    "uu",
    lambda a, b: [divided(a, b, u32), rest(a, b, u32), a // 10],
)
row(
    "fn shifts(a: i32, b: u32, n: u32) -> vec4u {\n"
    "  return vec4(u32(a << n), u32(a >> n), b << n, b >> n); }",
    "iuu",
    lambda a, b, n: [u32(a << n % 32), u32(a >> n % 32), u32(b << n % 32), b >> n % 32],
)
row(
    "fn bitwise(a: i32, b: i32) -> vec3i { return vec3(a & b, a | b, a ^ b); }",
    "ii",
    lambda a, b: [a & b, a | b, a ^ b],
)
row(
    "fn magnitudes(a: i32, b: i32) -> vec4i { return vec4(abs(a), sign(b), min(a, b),\n"
    "  clamp(a, -100, 100)); }",
    "ii",
    lambda a, b: [i32(abs(a)), (b > 0) - (b < 0), min(a, b), min(max(a, -100), 100)],
)
row(
    "fn counts(a: u32) -> vec4u { return vec4(countOneBits(a), countLeadingZeros(a),\n"
    "  countTrailingZeros(a), reverseBits(a)); }",
    "u",
    lambda a: [
        a.bit_count(),
        32 - a.bit_length(),
        (a & -a).bit_length() - 1 if a else 32,
        int(f"{a:032b}"[::-1], 2),
    ],
)
row(
    "fn firsts(a: i32, b: u32) -> vec4i { return vec4(firstLeadingBit(a), firstTrailingBit(a),\n"
    "  i32(firstLeadingBit(b)), countOneBits(a)); }",
    "iu",
    lambda a, b: [
        (~a if a < 0 else a).bit_length() - 1,
        (a & -a).bit_length() - 1,
        b.bit_length() - 1,
        u32(a).bit_count(),
    ],
)


def _extracted(x: int, at: int, count: int, signed: bool) -> int:
    at = min(at, 32)
    count = min(count, 32 - at)
    found = (u32(x) >> at) & ((1 << count) - 1)
    return found - (1 << count) if signed and count and found >> (count - 1) else found


def _inserted(x: int, new: int, at: int, count: int) -> int:
    at = min(at, 32)
    mask = ((1 << min(count, 32 - at)) - 1) << at
    return (x & ~mask) | (u32(new << at) & mask)


row(
    "fn taken(a: i32, b: u32, at: u32, n: u32) -> vec2i {\n"
    "  return vec2(extractBits(a, at, n), i32(extractBits(b, at, n))); }",
    "iunn",
    lambda a, b, at, n: [_extracted(a, at, n, True), i32(_extracted(b, at, n, False))],
)
row(
    "fn placed(a: u32, b: u32, at: u32, n: u32) -> u32 { return insertBits(a, b, at, n); }",
    "uunn",
    _inserted,
)
row(
    "fn whole_word(a: i32) -> i32 { return extractBits(a, 0u, 32u) + insertBits(0, a, 0, 32); }",
    "i",
    lambda a: i32(2 * a),
)
row(
    "fn converted(x: f32) -> vec2u { return vec2(u32(i32(x)), u32(x)); }",
    "x",
    lambda x: (
        [0, 0]
        if x != x
        else [u32(int(min(max(x, -(2.0**31)), 2147483520.0))), int(min(max(x, 0.0), 4294967040.0))]
    ),
)
row(
    "fn floats_of(a: i32, b: u32) -> vec3f { return vec3(f32(a), f32(b), f32(a > 0)); }",
    "iu",
    lambda a, b: [f32(a), f32(b), float(a > 0)],
    narrow=True,
)
row(
    "fn casts(a: i32, x: f32) -> vec4u {\n"
    "  return vec4(u32(a), bitcast<u32>(a), bitcast<u32>(x), u32(bool(a) && bool(x))); }",
    "if",
    lambda a, x: [u32(a), u32(a), bits(x), int(a != 0 and x != 0)],
)
row(
    "fn packs(v: vec4f) -> vec4u { let w = clamp(v, vec4f(-1.2), vec4f(1.2));\n"
    "  return vec4(pack4x8snorm(w), pack4x8unorm(w), pack2x16snorm(w.xy), pack2x16unorm(w.zw)); }",
    "ffff",
    lambda *v: _packs([max(-1.2, min(1.2, x)) for x in v]),
)


def _packs(v: list[float]) -> list[int]:
    def word(parts: list[float], width: int, scale: int, low: float) -> int:
        rounded = [math.floor(0.5 + scale * min(1.0, max(low, f32(x)))) for x in parts]
        return sum((x % 2**width) << (i * width) for i, x in enumerate(rounded))

    return [
        word(v, 8, 127, -1),
        word(v, 8, 255, 0),
        word(v[:2], 16, 32767, -1),
        word(v[2:], 16, 65535, 0),
    ]


def _unpacks(a: int) -> list[float]:
    raw = a.to_bytes(4, "little")
    halves = struct.unpack("<2h", raw)
    return [
        max(struct.unpack("<4b", raw)[1] / 127, -1),
        raw[2] / 255,
        max(halves[1] / 32767, -1),
        struct.unpack("<2H", raw)[0] / 65535,
    ]


row(
    "fn unpacks(a: u32) -> vec4f { return vec4(unpack4x8snorm(a).y, unpack4x8unorm(a).z,\n"
    "  unpack2x16snorm(a).y, unpack2x16unorm(a).x); }",
    "u",
    _unpacks,
)
row(
    "fn halves(v: vec2f) -> vec3f { let h = unpack2x16float(pack2x16float(v));\n"
    "  return vec3(h, quantizeToF16(v.x)); }",
    "ff",
    lambda a, b: [float(np.float16(a)), float(np.float16(b)), float(np.float16(a))],
    gpu=1e-3,
)


def _dotted(a: int, b: int, form: str) -> int:
    parts = (struct.unpack(form, x.to_bytes(4, "little")) for x in (a, b))
    return sum(x * y for x, y in zip(*parts, strict=True))


row(
    "fn dots(a: u32, b: u32) -> vec2i {\n"
    "  return vec2(dot4I8Packed(a, b), i32(dot4U8Packed(a, b))); }",
    "uu",
    lambda a, b: [_dotted(a, b, "<4b"), _dotted(a, b, "<4B")],
)
row(
    "fn bytes(v: vec4i, w: vec4u) -> vec4u {\n"
    "  let a = pack4xI8(v); return vec4(a, pack4xU8(w), pack4xI8Clamp(v), pack4xU8Clamp(w))\n"
    "    + vec4(u32(unpack4xI8(a).y), unpack4xU8(a).z, 0, 0); }",
    "iiiiuuuu",
    lambda *v: _bytes(v[:4], v[4:]),
)


def _bytes(v: Any, w: Any) -> list[int]:
    def word(parts: Any) -> int:
        return sum((x % 256) << (8 * i) for i, x in enumerate(parts))

    a = word(v)
    y = (v[1] + 128) % 256 - 128
    return [
        u32(a + y),
        u32(word(w) + v[2] % 256),
        word([max(-128, min(127, x)) for x in v]),
        word([min(x, 255) for x in w]),
    ]
