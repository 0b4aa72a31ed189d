"""Floats, vectors and matrices, in straight lines."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from twin_rows import last, row

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
row(
    "fn tenths(n: i32) -> f32 { return f32(n) % 0.1; }",
    "s",
    lambda n: float(np.float32(n) - np.float32(0.1) * np.trunc(np.float32(n) / np.float32(0.1))),
    gpu=1e-7,
    narrow=True,
)
row(
    "fn endless(x: f32) -> vec2f { let m = modf(x); return vec2f(m.fract, m.whole); }",
    "x",
    lambda x: list(math.modf(x)),
)
