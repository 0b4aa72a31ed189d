"""Small functions over all of WGSL, each with the same in plain Python, for one point at a time."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

NAN, INF = math.nan, math.inf


def i32(x: int) -> int:
    """Return an integer as 32 bits with a sign hold it."""
    return (x + 2**31) % 2**32 - 2**31


def u32(x: int) -> int:
    """Return an integer as 32 bits hold it."""
    return x % 2**32


def divided(a: int, b: int, hold: Callable[[int], int]) -> int:
    """Return a / b as WGSL says it."""
    if b == 0:
        return a
    found = abs(a) // abs(b)
    return hold(found if (a < 0) == (b < 0) else -found)


def rest(a: int, b: int, hold: Callable[[int], int]) -> int:
    """Return a % b as WGSL says it."""
    return 0 if b == 0 else hold(a - divided(a, b, hold) * b)


def f32(x: float) -> float:
    return float(np.float32(x))


def bits(x: float) -> int:
    return struct.unpack("<I", struct.pack("<f", x))[0]


def last(i: int, count: int) -> int:
    """Return an index that is inside."""
    return i if 0 <= i < count else count - 1


@dataclass(frozen=True)
class Row:
    """A function: its text, what its numbers are, the same in Python, and how near it has to be.

    `takes` has a letter for each number: "f" a float, "p" one above 0, "i" and "u" integers of any
    size, "s" a small integer, "n" a small one above 0, "b" a bool, "x" a float of any kind: large,
    infinite, NaN. `gpu` is the tolerance there; None where a GPU may do what it wants.
    """

    name: str
    text: str
    takes: str
    python: Callable[..., Any]
    rtol: float = 2e-6
    atol: float = 1e-6
    gpu: float | None = 2e-4


ROWS: list[Row] = []


def row(text: str, takes: str, python: Callable[..., Any], **options: Any) -> None:
    name = text.rpartition("fn ")[2].partition("(")[0]
    ROWS.append(Row(name, text, takes, python, **options))


# Straight lines

row(
    "fn swish(x: f32, beta: f32) -> f32 { return x / (1.0 + exp(-beta * x)); }",
    "ff",
    lambda x, b: x / (1 + math.exp(-b * x)),
)
row(
    "const half = 0.5; const quarter = half * half;\n"
    "fn consts(x: f32) -> f32 { const k = 3; let y = x * quarter; return y * k + half; }",
    "f",
    lambda x: x * 0.25 * 3 + 0.5,
)
row("fn hsv(c: vec3f) -> vec3f { let k = vec4f(1.0, 2.0 / 3.0, 1.0 / 3.0, 3.0);\n"
    "  let p = abs(fract(c.xxx + k.xyz) * 6.0 - k.www);\n"
    "  return c.z * mix(k.xxx, clamp(p - k.xxx, vec3f(0.0), vec3f(1.0)), c.y); }", "fff",
    lambda h, s, v: [
        v * (1 - s + s * min(max(abs((h + k - math.floor(h + k)) * 6 - 3) - 1, 0), 1))
        for k in (1, 2 / 3, 1 / 3)], atol=1e-4)  # fmt: skip
row(
    "fn swizzles(v: vec4f) -> vec4f { var w = v.wzyx; w.y = v.x; w.a += 1.0; w[0] *= 2.0;\n"
    "  return vec4(w.xy, w.bb) - v.rrrr; }",
    "ffff",
    lambda x, y, z, w: [w * 2 - x, 0, y - x, y - x],
)
row(
    "fn made(a: f32, i: i32) -> vec4f { let v = vec2(a, 1); return vec4f(v, vec2f(vec2(i, 2))); }",
    "fs",
    lambda a, i: [a, 1, i, 2],
)
row(
    "fn bools(a: f32, b: f32) -> vec3<bool> { let v = vec3(a, b, 0) < vec3(b, a, 1.0);\n"
    "  return (v & vec3(a > 0.0, true, true)) | vec3(a == b); }",
    "ff",
    lambda a, b: [(a < b and a > 0) or a == b, b < a or a == b, True],
)
row(
    "fn allany(a: vec3f) -> u32 { return u32(all(a > vec3f())) + 2 * u32(any(a < vec3f(-1))); }",
    "fff",
    lambda a, b, c: (a > 0 and b > 0 and c > 0) + 2 * (min(a, b, c) < -1),
)
row(
    "fn chosen(a: vec2f, b: vec2f, c: bool) -> vec2f {\n"
    "  return select(a, b, c) + select(b, a, a > b); }",
    "ffffb",
    lambda a0, a1, b0, b1, c: [(b0 if c else a0) + max(a0, b0), (b1 if c else a1) + max(a1, b1)],
)
row(
    "fn geometry(a: vec3f, b: vec3f) -> vec4f { return vec4(cross(a, b), dot(a, b)); }",
    "ffffff",
    lambda a, b, c, d, e, f: [b * f - c * e, c * d - a * f, a * e - b * d, a * d + b * e + c * f],
    atol=1e-5,
)
row(
    "fn lengths(a: vec2f, b: vec2f) -> vec3f {\n"
    "  return vec3(length(a), distance(a, b), length(a.x)); }",
    "ffff",
    lambda a, b, c, d: [math.hypot(a, b), math.hypot(a - c, b - d), abs(a)],
)
row(
    "fn unit(v: vec4f) -> vec4f { return normalize(v + vec4f(10)); }",
    "ffff",
    lambda *v: [(x + 10) / math.hypot(*(y + 10 for y in v)) for x in v],
)
row(
    "fn mirrored(e: vec2f, n: vec2f) -> vec4f {\n"
    "  return vec4(reflect(e, n), faceForward(e, n, vec2f(1, 0))); }",
    "ffff",
    lambda a, b, c, d: [
        a - 2 * (a * c + b * d) * c,
        b - 2 * (a * c + b * d) * d,
        a if c < 0 else -a,
        b if c < 0 else -b,
    ],
    atol=1e-4,
)


def _refracted(a: float, r: float) -> list[float]:
    e, n = (math.cos(a), math.sin(a)), (0.0, 1.0)
    d = e[1]
    k = 1 - r * r * (1 - d * d)
    return [0, 0] if k < 0 else [r * e[0], r * e[1] - (r * d + math.sqrt(k)) * n[1]]


row(
    "fn bent(a: f32, r: f32) -> vec2f { return refract(vec2(cos(a), sin(a)), vec2f(0, 1), r); }",
    "fp",
    _refracted,
    rtol=1e-4,
    atol=1e-4,
    gpu=1e-3,
)
row(
    "fn rounds(x: f32) -> vec4f { return vec4(round(x), floor(x), ceil(x), trunc(x)); }",
    "x",
    lambda x: (
        [x, x, x, x]
        if not math.isfinite(x)
        else [float(round(x)), math.floor(x), math.ceil(x), math.trunc(x)]
    ),
)
row(
    "fn parts(x: f32) -> vec3f { let m = modf(x); return vec3(m.fract, m.whole, fract(x)); }",
    "f",
    lambda x: [*math.modf(x), x - math.floor(x)],
)
row(
    "fn scaled(x: f32) -> vec2f { let m = frexp(x); return vec2(m.fract, ldexp(m.fract, m.exp)); }",
    "f",
    lambda x: [math.frexp(x)[0], x],
)
row(
    "fn smooth_(x: f32) -> vec4f {\n"
    "  return vec4(smoothstep(-1.0, 2.0, x), step(0.5, x), saturate(x), sign(x)); }",
    "f",
    lambda x: [
        (t := min(max((x + 1) / 3, 0), 1)) * t * (3 - 2 * t),
        float(x >= 0.5),
        min(max(x, 0), 1),
        (x > 0) - (x < 0),
    ],
)
row(
    "fn roots(x: f32) -> vec3f { return vec3(sqrt(x), inverseSqrt(x), log2(x)); }",
    "p",
    lambda x: [math.sqrt(x), 1 / math.sqrt(x), math.log2(x)],
    gpu=1e-3,
)
row(
    "fn waves(x: f32, y: f32) -> vec4f { return vec4(sin(x), cos(x), atan2(y, x), tanh(x)); }",
    "pf",
    lambda x, y: [math.sin(x), math.cos(x), math.atan2(y, x), math.tanh(x)],
    gpu=1e-3,
)
row(
    "fn angles(x: f32) -> vec4f {\n"
    "  return vec4(radians(x), degrees(x), asin(sin(x) * 0.9), fma(x, x, 1.0)); }",
    "f",
    lambda x: [math.radians(x), math.degrees(x), math.asin(math.sin(x) * 0.9), x * x + 1],
    atol=1e-5,
    gpu=2e-3,
)
row(
    "fn powers(a: f32, b: f32) -> f32 { return pow(a, b); }",
    "pf",
    lambda a, b: a**b,
    rtol=1e-5,
    gpu=2e-3,
)
row(
    "fn below(a: f32) -> f32 { let b = pow(-a - 0.1, 3.0); return select(0.0, 1.0, b == b); }",
    "p",
    lambda a: 0.0,
    gpu=None,
)
row("fn mods(a: f32, b: f32) -> f32 { return a % b; }", "fp", math.fmod, atol=1e-5)

# Matrices


def _matrix(columns: int, rows: int, m: Any) -> np.ndarray:
    return np.array(m, np.float64).reshape(columns, rows).T


row(
    "fn by_vector(m: mat2x3f, v: vec2f) -> vec3f { return m * v; }",
    "f" * 8,
    lambda *m: list(_matrix(2, 3, m[:6]) @ m[6:]),
    atol=1e-5,
)
row(
    "fn by_row(v: vec3f, m: mat2x3f) -> vec2f { return v * m; }",
    "f" * 9,
    lambda *m: list(np.array(m[:3]) @ _matrix(2, 3, m[3:])),
    atol=1e-5,
)
row(
    "fn by_matrix(a: mat2x3f, b: mat3x2f) -> mat3x3f { return a * b; }",
    "f" * 12,
    lambda *m: list((_matrix(2, 3, m[:6]) @ _matrix(3, 2, m[6:])).T.ravel()),
    atol=1e-5,
)
row(
    "fn turned(m: mat3x2f) -> mat2x3f { var t = transpose(m); t[1].x += 1.0; t[0] = t[0] * 2.0;\n"
    "  return 2.0 * t + t; }",
    "f" * 6,
    lambda a, b, c, d, e, f: [6 * a, 6 * c, 6 * e, 3 * (b + 1), 3 * d, 3 * f],
)
row(
    "fn volumes(m: mat3x3f, n: mat4x4f) -> vec2f { return vec2(determinant(m), determinant(n)); }",
    "f" * 25,
    lambda *m: [np.linalg.det(_matrix(3, 3, m[:9])), np.linalg.det(_matrix(4, 4, m[9:]))],
    rtol=1e-4,
    atol=1e-2,
    gpu=1e-3,
)
row(
    "fn cell(m: mat3x2f, i: i32, j: u32) -> f32 { var t = m; t[i][j] += 1.0; let v = t[i];\n"
    "  return v[j] * 2.0 + m[i][1]; }",
    "ffffffsn",
    lambda a, b, c, d, e, f, i, j: (
        2 * ([a, b, c, d, e, f][2 * last(i, 3) + last(j, 2)] + 1) + [b, d, f][last(i, 3)]
    ),
)

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


# Control

row(
    "fn leaky(x: f32) -> f32 { if (x < 0.0) { return 0.1 * x; } return x; }",
    "f",
    lambda x: 0.1 * x if x < 0 else x,
)
row(
    "fn ladder(x: f32) -> f32 { var y = 1.0; if x < -1.0 { y = x; } else if x < 0.0 { y += x; }\n"
    "  else if x < 1.0 { let k = y * 3.0; y = k; } else { return 7.0; } return y * 2.0; }",
    "f",
    lambda x: 2 * x if x < -1 else 2 * (1 + x) if x < 0 else 6 if x < 1 else 7,
)
row(
    "fn short(x: f32) -> u32 { if (x > 0.0 && sqrt(x) < 1.0) || x < -2.0 { return 1u; }\n"
    "  return u32(!(x > 1.0)) * 2u; }",
    "f",
    lambda x: 1 if (x > 0 and math.sqrt(x) < 1) or x < -2 else 2 * (not x > 1),
)
row(
    "fn steps(x: f32, n: i32) -> f32 { var y = x;\n"
    "  for (var i = 0; i < n; i++) { y = y * 0.5 + f32(i); } return y; }",
    "fs",
    lambda x, n: _steps(x, n),
)


def _steps(x: float, n: int) -> float:
    for i in range(n):
        x = x * 0.5 + i
    return x


row(
    "fn collatz(n: u32) -> u32 { var x = n; var k = 0u;\n"
    "  while (x > 1u) { if (x % 2u == 0u) { x /= 2u; } else { x = 3u * x + 1u; } k++; }\n"
    "  return k; }",
    "n",
    lambda n: _collatz(n),
)


def _collatz(n: int) -> int:
    k = 0
    while n > 1:
        n, k = (n // 2 if n % 2 == 0 else 3 * n + 1), k + 1
    return k


row(
    "fn mandelbrot(c: vec2f) -> i32 { var z = vec2f(); var i = 0;\n"
    "  loop { if (i >= 20 || dot(z, z) > 4.0) { break; }\n"
    "    z = vec2(z.x * z.x - z.y * z.y, 2.0 * z.x * z.y) + c;\n"
    "    continuing { i++; } }\n  return i; }",
    "ff",
    lambda x, y: _mandelbrot(x, y),
)


def _mandelbrot(a: float, b: float) -> int:
    x = y = np.float32(0)
    a, b = np.float32(a), np.float32(b)
    i = 0
    while i < 20 and x * x + y * y <= 4:
        x, y = x * x - y * y + a, np.float32(2) * x * y + b
        i += 1
    return i


row(
    "fn inner_return(n: i32, x: f32) -> f32 { var y = x;\n"
    "  for (var i = 0; i < n; i++) { for (var j = 0; j < 4; j++) {\n"
    "    if (i * j > 6) { return y + 100.0; } if (j == i) { continue; } y += 1.0; }\n"
    "    if (y > 12.0) { break; } }\n  return -y; }",
    "sf",
    lambda n, x: _inner_return(n, x),
)


def _inner_return(n: int, x: float) -> float:
    y = x
    for i in range(n):
        for j in range(4):
            if i * j > 6:
                return y + 100
            if j == i:
                continue
            y += 1
        if y > 12:
            break
    return -y


row(
    "fn switched(n: i32) -> i32 { var r = 0;\n  for (var k = 0; k < 6; k++) {\n"
    "    switch (n + k) { case 1, 2: { r += 10; } case 3: { if (k > 1) { break; } r += 100;\n"
    "      continue; } case 9: { return r; } default: { r -= 1; if (k == 5) { break; }\n"
    "      r += 2; } }\n"
    "    r += 1000; }\n  return r; }",
    "s",
    lambda n: _switched(n),
)


def _switched(n: int) -> int:
    r = 0
    for k in range(6):
        x = n + k
        if x in (1, 2):
            r += 10
        elif x == 3:
            if k <= 1:
                r += 100
                continue
        elif x == 9:
            return r
        else:
            r += -1 if k == 5 else 1
        r += 1000
    return r


row(
    "fn uniform_switch(x: f32) -> f32 { const mode = 2u; var y = x;\n"
    "  for (var i = 0u; i < 4u; i++) { switch i { case mode, default: { y *= 2.0; }\n"
    "    case 0u: { y += 1.0; continue; } } y -= 0.5; } return y; }",
    "f",
    lambda x: (((x + 1) * 2 - 0.5) * 2 - 0.5) * 2 - 0.5,
)
row(
    "fn until(n: u32) -> u32 { var a = n; var k = 0u;\n"
    "  loop { if (a == 3u) { k += 50u; continue; } k += 1u;\n"
    "    continuing { a = a / 2u; break if a == 0u; } }\n  return k; }",
    "n",
    lambda n: _until(n),
)


def _until(a: int) -> int:
    k = 0
    while True:
        k += 50 if a == 3 else 1
        a //= 2
        if a == 0:
            return k


row(
    "fn newton(x: f32) -> f32 { var y = x;\n"
    "  for (var i = 0; ; i += 2) { let next = 0.5 * (y + x / y);\n"
    "    if (abs(next - y) < 1e-6 * y) { return next; } y = next; if i > 100 { break; } }\n"
    "  return y; }",
    "p",
    math.sqrt,
    rtol=3e-6,
    gpu=1e-4,
)
row(
    "fn scoped(x: f32) -> f32 { var y = x; { let x = y + 1.0; var z = x; z *= 2.0; y = z; }\n"
    "  for (var i = 0; i < 2; i++) { var t = f32(); t += y; y = t + x; } return y; }",
    "f",
    lambda x: 2 * (x + 1) + 2 * x,
)
# naga 29 zeroes a var without a value when the function begins, and not whenever it is reached.
for _name, _value, _gpu in (("fresh", "", None), ("fresh_zero", " = 0", 2e-4)):
    row(
        f"fn {_name}(n: i32) -> i32 {{ var sum = 0;\n  for (var i = 0; i < n; i++) {{\n"
        f"    var t: i32{_value}; if (i % 3 == 1) {{ t = 5; }} t += 1; sum += t; }}\n"
        "  return sum; }",
        "s",
        lambda n: sum(6 if i % 3 == 1 else 1 for i in range(n)),
        gpu=_gpu,
    )

# Functions, structures, arrays, pointers

row(
    "fn twice(x: f32) -> f32 { if (x > 1.0) { return x; } return x * 2.0; }\n"
    "fn helped(x: f32) -> f32 { if (x > 0.0) { return twice(x) + 1.0; } return twice(-x); }",
    "f",
    lambda x: (x if x > 1 else 2 * x) + 1 if x > 0 else (-x if -x > 1 else -2 * x),
)
row(
    "struct Ray { from_: vec3f, to: vec3f, t: f32 }\n"
    "fn at(r: Ray) -> vec3f { return r.from_ + r.t * r.to; }\n"
    "fn rays(a: vec3f, t: f32) -> vec3f { var r = Ray(a, a.zyx, 1.0); r.t = t; r.from_.y += 2.0;\n"
    "  if (t > 0.0) { r.to = vec3f(1); } return at(r); }",
    "ffff",
    lambda x, y, z, t: [
        p + t * (1 if t > 0 else q) for p, q in zip((x, y + 2, z), (z, y, x), strict=True)
    ],
)
row(
    "const weights = array(0.1, 0.2, 0.3, 0.4);\n"
    "fn looked_up(i: i32, x: f32) -> f32 { return weights[i] * x + weights[2]; }",
    "sf",
    lambda i, x: (0.1, 0.2, 0.3, 0.4)[last(i, 4)] * x + 0.3,
)
row(
    "fn sorted(a: vec4f) -> vec4f { var v = array<f32, 4>(a.x, a.y, a.z, a.w);\n"
    "  for (var i = 1; i < 4; i++) { var j = i;\n"
    "    while (j > 0 && v[j - 1] > v[j]) { let t = v[j]; v[j] = v[j - 1]; v[j - 1] = t; j--; } }\n"
    "  return vec4(v[0], v[1], v[2], v[3]); }",
    "ffff",
    lambda *v: sorted(v),
)
row(
    "fn histogram(a: u32, b: u32) -> vec4u { var h: array<u32, 4>; h[a]++; h[b] += 2u; let g = h;\n"
    "  h[0] = 100u; return vec4(g[0], g[1], h[2], h[3]); }",
    "nn",
    lambda a, b: _histogram(a, b),
)


def _histogram(a: int, b: int) -> list[int]:
    h = [0] * 4
    h[last(a, 4)] += 1
    h[last(b, 4)] += 2
    return h


row(
    "struct Leaf { w: array<vec2f, 3>, k: i32 }\nstruct Tree { l: array<Leaf, 2>, s: f32 }\n"
    "fn nested(i: i32, j: i32, x: f32) -> f32 { var t: Tree; t.l[i].w[j] = vec2(x, 1.0);\n"
    "  t.l[1].w[j].y += 2.0; t.l[i].k = 3; let c = t.l[i]; t.l[i].w[j].x = 99.0; let u = t;\n"
    "  return c.w[j].x + c.w[j].y * 10.0 + f32(u.l[0].k + c.k) + u.l[1].w[2].y; }",
    "ssf",
    lambda i, j, x: _nested(i, j, x),
)


def _nested(i: int, j: int, x: float) -> float:
    i, j = last(i, 2), last(j, 3)
    y = [[0.0] * 3, [0.0] * 3]
    y[i][j] = 1.0
    y[1][j] += 2
    return x + y[i][j] * 10 + (3 if i == 0 else 0) + 3 + y[1][2]


row(
    "fn bump(p: ptr<function, f32>, by: f32) { if (by > 0.0) { *p += by; return; } *p = -1.0; }\n"
    "fn swap_(p: ptr<function, array<vec2f, 2>>) { let t = (*p)[0]; (*p)[0] = (*p)[1];\n"
    "  p[1] = t; }\n"
    "fn pointed(x: f32, n: i32) -> vec4f { var y = x; bump(&y, x); let q = &y; *q *= 2.0;\n"
    "  var a = array(vec2(x, 1.0), vec2(2.0, y)); if (x < 1.0) { swap_(&a); }\n"
    "  var v = array(1.0, 2.0, 3.0); let e = &v[n]; *e = y; *e += 0.5; return vec4(a[0], y,\n"
    "  v[0] + v[1] * 10.0 + v[2] * 100.0); }",
    "fs",
    lambda x, n: _pointed(x, n),
)


def _pointed(x: float, n: int) -> list[float]:
    y = 2 * (x + x if x > 0 else -1.0)
    v = [1.0, 2.0, 3.0]
    v[last(n, 3)] = y + 0.5
    return [*((2, y) if x < 1 else (x, 1)), y, v[0] + v[1] * 10 + v[2] * 100]


row(
    "var<private> seen: array<i32, 2>;\nvar<private> total = 5;\n"
    "fn note(i: i32) -> bool { seen[i & 1] += i; total += 1; return i > 0; }\n"
    "fn private_(n: i32) -> i32 { for (var i = 0; i < n; i++) { _ = note(i); }\n"
    "  if (n > 2 && note(10)) { total *= 2; }\n"
    "  let found = seen[0] * 100 + seen[1] + total * 10000; return found; }",
    "s",
    lambda n: _private(n),
    gpu=None,
)


def _private(n: int) -> int:
    seen, total = [0, 0], 5

    def note(i: int) -> bool:
        nonlocal total
        seen[i & 1] += i
        total += 1
        return i > 0

    for i in range(n):
        note(i)
    if n > 2 and note(10):
        total *= 2
    return seen[0] * 100 + seen[1] + total * 10000


row(
    "fn component(v: vec4f, i: i32) -> vec4f { var w = v; w[i] += v[i];\n"
    "  w[i & 1] *= 2.0; return w; }",
    "ffffs",
    lambda a, b, c, d, i: _component([a, b, c, d], i),
)


def _component(v: list[float], i: int) -> list[float]:
    v[last(i, 4)] *= 2
    v[i & 1] *= 2
    return v


row(
    "fn many(x: f32) -> array<f32, 3> { var a: array<f32, 3>;\n"
    "  for (var i = 0; i < 3; i++) { a[i] = x * f32(i); } if (x > 0.0) { a[1] = 7.0; } return a; }",
    "f",
    lambda x: [0, 7 if x > 0 else x, 2 * x],
)
row(
    "fn least(x: f32, y: f32) -> vec2f { return vec2(min(x, y), max(x, y)); }",
    "ff",
    lambda x, y: [min(x, y), max(x, y)],
)
