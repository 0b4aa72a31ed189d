"""One table of WGSL functions over all of the language, for whatever is to hold for each of them.

A row is a text with the name of its function, and where its inputs are drawn from. Most rows stand
beside what they compute in Python in the tables of the derivatives and of the twin; those here are
about what these have not: halves, bools and integers of every type as parameters and results,
matrices of every size, overrides, swizzles on both sides, overloads.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

_HERE = Path(__file__).parent
for _folder in ("derive", "twin"):
    sys.path.append(str(_HERE.parent / _folder))

from derive_cases import CASES  # noqa: E402
from twin_table import ROWS  # noqa: E402

import wgrad as wg  # noqa: E402

POINTS = 8


@dataclass(frozen=True)
class Row:
    """A function of WGSL and its inputs.

    Floats are drawn from `low` to `high`, or by the letters of `takes`, one for each component, as
    in the twin's table. `smooth` is whether differences of it in float64 say anything: not where it
    rounds to fewer bits. `tolerance` is that of float32 on a GPU, of its largest component.
    """

    name: str
    text: str
    function: str = "f"
    low: float = -2.0
    high: float = 2.0
    takes: str = ""
    constants: Mapping[str, Any] = field(default_factory=dict)
    smooth: bool = True
    tolerance: float = 3e-4

    def op(self) -> Any:
        """Return the function as an op."""
        return wg.kernel.elementwise(self.text, self.function, constants=self.constants)

    def inputs(self, op: Any) -> list[np.ndarray]:
        """Return an array for each parameter: (POINTS, *type), as float32 holds them."""
        rng = np.random.default_rng(len(self.text))
        letters = iter(self.takes)
        found = []
        for form in op.function.inputs:
            columns = [
                self._column(rng, next(letters, ""), form.dtype.name) for _ in range(form.size)
            ]
            found.append(np.stack(columns, -1).reshape(POINTS, *form.inner))
        return found

    def _column(self, rng: np.random.Generator, letter: str, dtype: str) -> np.ndarray:
        if dtype.startswith("float"):
            low, high = {"f": (-3.0, 3.0), "x": (-3.0, 3.0), "p": (0.2, 4.0)}.get(
                letter, (self.low, self.high)
            )
            return rng.uniform(low, high, POINTS).astype(dtype)
        if dtype == "bool":
            return rng.integers(0, 2, POINTS).astype(bool)
        low, high = {
            "i": (-(2**31), 2**31),
            "u": (0, 2**32),
            "s": (-4, 12),
            "n": (0, 40),
        }.get(letter, (0, 6))
        return rng.integers(low, high, POINTS).astype(dtype)


def _of_derivatives() -> list[Row]:
    return [Row(c.name, c.text, low=c.low, high=c.high) for c in CASES]


# These give arrays, or keep memory between calls, which ops do not.
_NO_OPS = {"many", "private_"}
# These work in fewer bits than differences need, or give integers and bools alone.
_ROUGH = {"halves", "packs", "casts", "newton", "mandelbrot", "floats_of"}
# A GPU may do what it wants.
_FREE = {"below", "fresh"}


def _of_twin() -> list[Row]:
    return [
        Row(
            f"{r.name} of the twin",
            r.text,
            r.name,
            takes=r.takes,
            smooth=r.name not in _ROUGH,
            tolerance=max(r.gpu or 0, 3e-4),
        )
        for r in ROWS
        if r.name not in _NO_OPS | _FREE
    ]


def _sized() -> list[Row]:
    """Return functions of matrices of every size, and of vectors of every size and type."""
    rows = []
    for columns in (2, 3, 4):
        for rows_ in (2, 3, 4):
            rows.append(
                Row(
                    f"a mat{columns}x{rows_}",
                    f"fn f(m: mat{columns}x{rows_}f, v: vec{columns}f, w: vec{rows_}f)"
                    f" -> mat{columns}x{rows_}f {{ var out = m * (w * m).x; out[1] += m * v;"
                    f" out[{columns - 1}].y *= w.x; return out - m * 0.5; }}",
                    low=-1.0,
                    high=1.0,
                )
            )
    return rows


OWN = [
    *_sized(),
    Row(
        "a half",
        "enable f16; fn f(x: f16, y: f32) -> f32 { return f32(x) * y + f32(x * x); }",
        smooth=False,
        tolerance=3e-3,
    ),
    Row(
        "halves as results",
        "enable f16; fn f(v: vec3<f16>, k: f16) -> vec3<f16> { return v * k + sin(v.zyx) * 2.0h; }",
        smooth=False,
        tolerance=1e-2,
    ),
    Row(
        "bools as parameters",
        "fn f(on: vec3<bool>, x: vec3f, no: bool) -> vec3f {"
        " if no { return -x * x; } return select(x, sin(x) * x.zxy, on); }",
    ),
    Row(
        "a bool as the result",
        "fn f(x: f32, y: f32) -> bool { return (x > y && !(x * y < 0.0)) || x < -1.0; }",
    ),
    Row(
        "bools as results",
        "fn f(x: vec4f, n: vec4i) -> vec4<bool> { return (x > vec4f(n) - 2.0) != (n > vec4i(3)); }",
    ),
    Row(
        "integers of both kinds",
        "fn f(x: f32, n: i32, k: u32) -> f32 { return x * f32(n) + x * x * f32(k >> 1u); }",
    ),
    Row(
        "vectors of integers",
        "fn f(n: vec3i, k: vec3u, x: vec3f) -> vec3f {"
        " return x * x * vec3f(n ^ vec3i(k)) + vec3f(k % 3u) * x; }",
    ),
    Row(
        "unsigned results",
        "fn f(k: vec2u, n: vec2i) -> vec2u { return (k << vec2u(3u, 1u)) ^ (vec2u(n) * 7u); }",
        takes="uuii",
    ),
    Row(
        "signed results",
        "fn f(n: vec4i) -> vec4i { return (n.wzyx << vec4u(1u)) / max(abs(n), vec4i(1)) - n; }",
        takes="iiii",
    ),
    Row(
        "overrides",
        "override gain: f32 = 2.0; override steps: i32; override twice = gain * 2.0;\n"
        "@id(7) override odd: bool = true; fn f(x: f32) -> f32 { var y = x;"
        " for (var i = 0; i < steps; i++) { y = y * x * gain * 0.25; }"
        " if odd { y += twice * x; } return y; }",
        constants={"steps": 3, "gain": 1.5},
    ),
    Row(
        "swizzles of colours",
        "fn f(c: vec4f) -> vec4f { var o = c.bgra; o.r = c.a * c.g; o.a *= o.r;"
        " return o.grba * c.rrgg + vec4f(c.rg * c.ba, c.bb); }",
    ),
    Row(
        "swizzles of two",
        "fn f(v: vec2f) -> vec4f { return v.xyxy * v.yyxx + v.gggg * vec4f(v, v * v); }",
    ),
    Row(
        "constructors of everything",
        "fn f(x: f32, v: vec2f) -> vec4f { let m = mat2x2f(v, v.yx * x); let n = mat3x3f("
        "vec3f(x), vec3f(v, 1), vec3f(1, v)); let k = mat2x2(x, 1.0, v.x, v.y);"
        " return vec4f(m * v, (n * vec3(v, x)).yz) + vec4(k[0], k[1]) + vec4f(vec3f(x, v), 1); }",
    ),
    Row(
        "overloads",
        "fn f(x: f32, v: vec3f, n: i32, k: vec3i) -> vec3f { return abs(v) * f32(abs(n)) +"
        " min(v, vec3f(x)) * vec3f(max(k, vec3i(n))) + clamp(v, vec3f(-1), vec3f(1)) * sign(x)"
        " + vec3f(clamp(k, vec3i(1), vec3i(3))) * mix(v, v.yzx, x) + pow(abs(v) +"
        " 0.1, vec3f(x)); }",
        tolerance=1e-3,
    ),
    Row(
        "smoothstep, step and saturate of vectors",
        "fn f(a: vec2f, x: f32) -> vec2f { return smoothstep(vec2f(-3), vec2f(3), a) * x +"
        " step(vec2f(x), a) * a + saturate(a * 0.5) * a; }",
    ),
    Row(
        "modf and frexp of vectors",
        "fn f(v: vec3f) -> vec3f { let m = modf(v * 1.5); let e = frexp(v);"
        " return m.fract * m.whole + ldexp(e.fract, e.exp + 1) * e.fract; }",
    ),
    Row(
        "trigonometry of vectors",
        "fn f(v: vec3f) -> vec3f { return sin(v) * cosh(v * 0.5) + atan2(v, v.yzx + 3.0) +"
        " tanh(v.zzx) * exp2(-v) + asin(v * 0.4) - acos(v * 0.4) + inverseSqrt(v * v + 1.0); }",
        tolerance=1e-3,
    ),
    Row(
        "module constants, arrays of vectors",
        "const corners = array(vec2f(0, 1), vec2f(1, -1), vec2f(-1, -1)); const scale = 0.5 * 3;\n"
        "fn f(p: vec2f, n: i32) -> f32 { var d = 9.0; for (var i = 0; i < 3; i++) {"
        " d = min(d, distance(p, corners[(i + n) % 3] * scale)); } return d * d; }",
    ),
    Row(
        "structs of structs of arrays",
        "struct Light { at: vec3f, power: f32 } struct Scene { lights: array<Light, 3>, n: i32 }\n"
        "fn scene(x: f32) -> Scene { var s: Scene; for (var i = 0; i < 3; i++) {"
        " s.lights[i] = Light(vec3f(f32(i), x, 1.0), x * f32(i)); } s.n = 2; return s; }\n"
        "fn lit(s: Scene, p: vec3f) -> f32 { var sum = 0.0; for (var i = 0; i <= s.n; i++) {"
        " let l = s.lights[i]; let d = l.at - p; sum += l.power / (1.0 + dot(d, d));"
        " } return sum; }\n"
        "fn f(p: vec3f, x: f32) -> f32 { return lit(scene(x), p) * x; }",
    ),
    Row(
        "pointers to everything",
        "struct S { v: vec3f, m: mat2x2f } fn grow(p: ptr<function, S>, by: f32) {"
        " (*p).v *= by; p.m[1] += vec2f(by, (*p).v.x); }\n"
        "fn swap_(a: ptr<function, vec2f>, b: ptr<function, vec2f>) { let t = *a; *a"
        " = *b; *b = t; }\n"
        "fn f(v: vec3f, x: f32) -> vec2f { var s = S(v, mat2x2f(1, x, x, 2)); grow(&s, x);"
        " var a = s.m[0]; var b = s.m[1]; swap_(&a, &b); let pa = &a; (*pa).x += s.v.z;"
        " return s.m * a + b * s.v.xy; }",
    ),
    Row(
        "loops in loops, left early",
        "fn f(x: f32, n: i32) -> f32 { var sum = 0.0; for (var i = 1; i < 6; i++) { var j = 0;"
        " loop { j++; if j > i { break; } if (i + j) % 3 == n % 3 { continue; }"
        " sum += sin(x * f32(j)) / f32(i); if sum > 1.5 { return sum * x; } }"
        " if i == n { break; } } return sum * x * x; }",
    ),
    Row(
        "a while that the data ends",
        "fn f(x: f32, y: f32) -> f32 { var a = abs(x) + 1.0; var k = 0; while a < 20.0 && k < 40 {"
        " a = a * (1.2 + 0.1 * y * y); k += 1; } return a; }",
        low=-1.0,
        high=1.0,
    ),
    Row(
        "switches in switches",
        "fn f(x: f32, n: i32, k: u32) -> f32 { var y = x; switch n { case 0, 3: { switch k {"
        " case 0u: { return x * x * x; } default: { y *= x; } } y += 1.0; } case 1: { y = sin(y); }"
        " case 2, default: { if k > 2u { break; } y = y * y; } } return y * 2.0; }",
    ),
    Row(
        "noise",
        "fn hash(p: vec2i) -> f32 { var h = u32(p.x) * 374761393u + u32(p.y) * 668265263u;"
        " h = (h ^ (h >> 13u)) * 1274126177u; return f32((h ^ (h >> 16u)) & 0xffffu) / 65535.0; }\n"
        "fn f(p: vec2f) -> f32 { let i = vec2i(floor(p)); let t = fract(p);"
        " let u = t * t * (3.0 - 2.0 * t);"
        " return mix(mix(hash(i), hash(i + vec2i(1, 0)), u.x),"
        " mix(hash(i + vec2i(0, 1)), hash(i + vec2i(1, 1)), u.x), u.y); }",
    ),
    Row(
        "a distance field",
        "fn box(p: vec3f, b: vec3f) -> f32 { let q = abs(p) - b;"
        " return length(max(q, vec3f(0))) + min(max(q.x, max(q.y, q.z)), 0.0); }\n"
        "fn smin(a: f32, b: f32, k: f32) -> f32 { let h = max(k - abs(a - b), 0.0) / k;"
        " return min(a, b) - h * h * k * 0.25; }\n"
        "fn f(p: vec3f, r: f32) -> f32 {"
        " return smin(length(p) - r, box(p - vec3f(0.7, 0, 0), vec3f(0.4, 0.5, 0.6)), 0.6); }",
    ),
    Row(
        "a reflectance",
        "fn smith(n: f32, a2: f32) -> f32 { return 2.0 * n / (n + sqrt(a2 + (1.0 -"
        " a2) * n * n)); }\n"
        "fn f(nv: f32, nl: f32, rough: f32, f0: vec3f) -> vec3f { let a2 = pow(rough, 4.0);"
        " let fresnel = f0 + (1.0 - f0) * pow(1.0 - nl, 5.0);"
        " return fresnel * smith(nv, a2) * smith(nl, a2) / (4.0 * nv * nl); }",
        low=0.2,
        high=0.9,
    ),
    Row(
        "quaternions",
        "fn times(a: vec4f, b: vec4f) -> vec4f { return vec4f(a.w * b.xyz + b.w * a.xyz +"
        " cross(a.xyz, b.xyz), a.w * b.w - dot(a.xyz, b.xyz)); }\n"
        "fn f(a: vec4f, b: vec4f, t: f32) -> vec4f { var c = dot(normalize(a), normalize(b));"
        " var q = b; if c < 0.0 { q = -b; c = -c; } if c > 0.9995 { return"
        " normalize(mix(a, q, t)); }"
        " let w = acos(c); return times((sin((1.0 - t) * w) * a + sin(t * w) * q) / sin(w), a); }",
        low=0.1,
        high=0.9,
        tolerance=2e-3,
    ),
    Row(
        "bits",
        "fn f(k: u32, n: i32, x: f32) -> f32 { let b = (k & 0xffu) | (~k << 24u);"
        " return f32(countOneBits(b)) * x + f32(reverseBits(k) >> 28u) * x * x"
        " + f32(extractBits(n, 3u, 5u)) * x + f32(firstLeadingBit(k | 1u)); }",
        takes="uif",
    ),
    Row(
        "aliases and shadows",
        "alias V = vec2<f32>; alias Pair = array<V, 2>; fn g(x: V) -> V { let V_ = x * x;"
        " { let x = V_.yx; return x * 0.5; } }\n"
        "fn f(a: V, b: V) -> V { let p = Pair(a, b); var s = V(); for (var i = 0u; i < 2u; i++) {"
        " s += g(p[i]) * p[1u - i]; } return s; }",
    ),
    Row(
        "phony, const_assert, compound",
        "const n = 3; const_assert n > 2; fn g(p: ptr<function, f32>) -> f32 { *p -="
        " 1.0; return *p; }\n"
        "fn f(x: f32) -> f32 { var a = x; _ = g(&a); var k = n; k <<= 1u; k %= 4; k |= 8; a /= 2.0;"
        " a *= f32(k); return a * a; }",
    ),
]

TABLE = _of_derivatives() + _of_twin() + OWN
assert len({r.name for r in TABLE}) == len(TABLE) > 200
