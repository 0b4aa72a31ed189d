"""Small WGSL functions beside what they compute in Python: `f` of a text, and a function of floats.

`low` and `high` are where the inputs are drawn from; integers are drawn from 0 to 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Case(NamedTuple):
    name: str
    text: str
    reference: Callable[..., Any]
    low: float = -2.0
    high: float = 2.0


def unit(v: Any) -> Any:
    return v / np.sqrt(np.sum(v * v))


def clip(x: Any, low: float = 0.0, high: float = 1.0) -> Any:
    return np.minimum(np.maximum(x, low), high)


def _expression(name: str, parameters: str, value: str) -> str:
    return f"fn f({parameters}) -> {name} {{ return {value}; }}"


def builtin(
    value: str, reference: Callable[..., Any], low: float = -2.0, high: float = 2.0
) -> Case:
    """A function of some of the floats x, y, z, scalars and vectors alike."""
    used = [c for c in "xyz" if c in value.replace("exp", "").replace("max", "").replace("mix", "")]
    parameters = ", ".join(f"{c}: f32" for c in used)
    return Case(value, _expression("f32", parameters, value), reference, low, high)


BUILTINS = [
    builtin("sin(x)", np.sin),
    builtin("cos(x)", np.cos),
    builtin("tan(x)", np.tan, -1.0, 1.0),
    builtin("asin(x)", np.arcsin, -0.9, 0.9),
    builtin("acos(x)", np.arccos, -0.9, 0.9),
    builtin("atan(x)", np.arctan),
    builtin("sinh(x)", np.sinh),
    builtin("cosh(x)", np.cosh),
    builtin("tanh(x)", np.tanh),
    builtin("asinh(x)", np.arcsinh),
    builtin("acosh(x)", np.arccosh, 1.2, 3.0),
    builtin("atanh(x)", np.arctanh, -0.8, 0.8),
    builtin("exp(x)", np.exp),
    builtin("exp2(x)", np.exp2),
    builtin("log(x)", np.log, 0.3, 3.0),
    builtin("log2(x)", np.log2, 0.3, 3.0),
    builtin("sqrt(x)", np.sqrt, 0.3, 3.0),
    builtin("inverseSqrt(x)", lambda x: x**-0.5, 0.3, 3.0),
    builtin("abs(x) * x", lambda x: abs(x) * x),
    builtin("sign(x) * x * x", lambda x: np.sign(x) * x * x),
    builtin("floor(x) * x", lambda x: np.floor(x) * x),
    builtin("ceil(x) * x", lambda x: np.ceil(x) * x),
    builtin("round(x) * x", lambda x: np.round(x) * x),
    builtin("trunc(x) * x", lambda x: np.trunc(x) * x),
    builtin("fract(x) * fract(x)", lambda x: (x - np.floor(x)) ** 2),
    builtin("saturate(x) * x", lambda x: clip(x) * x),
    builtin("degrees(x) * radians(x)", lambda x: np.degrees(x) * np.radians(x)),
    builtin("atan2(y, x)", lambda x, y: np.arctan2(y, x)),
    builtin("pow(x, y)", lambda x, y: x**y, 0.3, 2.0),
    builtin("pow(x, 2.0) + pow(x, 3.0) + pow(x, 0.5)", lambda x: x**2 + x**3 + x**0.5, 0.3, 2.0),
    builtin("pow(2.5, x)", lambda x: 2.5**x),
    builtin("max(x * y, z)", lambda x, y, z: max(x * y, z)),
    builtin("min(x * y, z)", lambda x, y, z: min(x * y, z)),
    builtin("clamp(x * x, y, y + 1.0)", lambda x, y: min(max(x * x, y), y + 1.0)),
    builtin("mix(x, y * y, z)", lambda x, y, z: x * (1 - z) + y * y * z),
    builtin("step(x, y) * x", lambda x, y: (1.0 if x <= y else 0.0) * x),
    builtin("smoothstep(-1.0, 1.5, x)", lambda x: _smooth(-1.0, 1.5, x)),
    builtin("smoothstep(x, x + y, z)", lambda x, y, z: _smooth(x, x + y, z), 0.2, 1.5),
    builtin("select(x * x, sin(y), x > y)", lambda x, y: math.sin(y) if x > y else x * x),
    builtin("fma(x, y, z * z)", lambda x, y, z: x * y + z * z),
    builtin("x % (y * y + 0.3)", lambda x, y: math.fmod(x, y * y + 0.3)),
    builtin("x / (y * y + 1.0)", lambda x, y: x / (y * y + 1)),
    builtin("ldexp(x * x, 3)", lambda x: 8 * x * x),
    builtin("modf(x * x).fract * x", lambda x: math.modf(x * x)[0] * x, 1.05, 1.35),
    builtin("modf(x * 3.0).whole * x", lambda x: math.modf(x * 3)[1] * x),
    builtin("frexp(x * x + 0.1).fract * x", lambda x: math.frexp(x * x + 0.1)[0] * x),
    builtin("f32(frexp(x).exp) * x * x", lambda x: math.frexp(x)[1] * x * x),
    builtin("length(x) * x", lambda x: abs(x) * x),
    builtin("distance(x, y) * x", lambda x, y: abs(x - y) * x),
    builtin("f32(i32(x * 4.0)) * x", lambda x: int(x * 4) * x),
    builtin("unpack2x16float(pack2x16float(vec2f(1.5, x))).x * x", lambda x: 1.5 * x),
]


def _smooth(low: float, high: float, x: float) -> float:
    t = clip((x - low) / (high - low))
    return t * t * (3 - 2 * t)


def _refract(i: Any, n: Any, ratio: float) -> Any:
    n = unit(n)
    i = unit(i)
    along = np.dot(n, i)
    k = 1 - ratio**2 * (1 - along**2)
    return np.zeros(3) if k < 0 else ratio * i - (ratio * along + math.sqrt(k)) * n


VECTORS = [
    Case(
        "dot",
        "fn f(a: vec3f, b: vec3f) -> f32 { return dot(a, b) * dot(a, a); }",
        lambda a, b: np.dot(a, b) * np.dot(a, a),
    ),
    Case(
        "cross",
        "fn f(a: vec3f, b: vec3f) -> vec3f { return cross(a, b * b); }",
        lambda a, b: np.cross(a, b * b),
    ),
    Case("length", "fn f(a: vec4f) -> f32 { return length(a); }", lambda a: np.sqrt(np.sum(a * a))),
    Case(
        "distance",
        "fn f(a: vec2f, b: vec2f) -> f32 { return distance(a, b * b); }",
        lambda a, b: np.sqrt(np.sum((a - b * b) ** 2)),
    ),
    Case("normalize", "fn f(a: vec3f) -> vec3f { return normalize(a); }", unit, 0.3, 2.0),
    Case(
        "reflect",
        "fn f(a: vec3f, n: vec3f) -> vec3f { return reflect(a, n); }",
        lambda a, n: a - 2 * np.dot(n, a) * n,
    ),
    Case(
        "refract",
        "fn f(a: vec3f, n: vec3f, k: f32) -> vec3f"
        " { return refract(normalize(a), normalize(n), k); }",
        _refract,
        0.2,
        0.9,
    ),
    Case(
        "faceForward",
        "fn f(a: vec3f, b: vec3f, c: vec3f) -> vec3f { return faceForward(a * a, b, c); }",
        lambda a, b, c: a * a if np.dot(b, c) < 0 else -a * a,
    ),
    Case(
        "vectors by components",
        "fn f(a: vec3f, b: vec3f) -> vec3f"
        " { return max(a, b) * pow(abs(b) + 0.5, vec3f(2, 3, 1)) + sin(a) / (1.0 + b * b); }",
        lambda a, b: (
            np.maximum(a, b) * (abs(b) + 0.5) ** np.array([2, 3, 1.0]) + np.sin(a) / (1 + b * b)
        ),
    ),
    Case(
        "scalars with vectors",
        "fn f(a: vec2f, s: f32) -> vec2f { return s * a + a / (s + 3.0) - (2.0 - a) * s; }",
        lambda a, s: s * a + a / (s + 3) - (2 - a) * s,
    ),
    Case(
        "mix of vectors by a scalar",
        "fn f(a: vec3f, b: vec3f, t: f32) -> vec3f { return mix(a, b, t) * mix(a, b, a); }",
        lambda a, b, t: (a * (1 - t) + b * t) * (a * (1 - a) + b * a),
    ),
    Case(
        "select of vectors",
        "fn f(a: vec2f, b: vec2f) -> vec2f"
        " { return select(a * b, b * b, a > b) + select(a, b, a.x > 0.0); }",
        lambda a, b: np.where(a > b, b * b, a * b) + (b if a[0] > 0 else a),
    ),
    Case(
        "swizzles",
        "fn f(a: vec4f) -> vec3f { return a.zyx * a.www + vec3f(a.xy, a.x * a.y); }",
        lambda a: a[[2, 1, 0]] * a[3] + np.array([a[0], a[1], a[0] * a[1]]),
    ),
    Case(
        "written components",
        "fn f(a: vec3f, b: f32) -> vec3f"
        " { var v = a; v.x = b * a.y; v[1] *= v.x; v.z -= v.y * b; return v; }",
        lambda a, b: np.array([b * a[1], a[1] * b * a[1], a[2] - a[1] * b * a[1] * b]),
    ),
    Case(
        "a dynamic component",
        "fn f(a: vec4f, n: i32) -> f32 { var v = a * a; v[n & 3] += a[(n + 1) & 3] * 2.0;"
        " return v[n & 3] * v[(n + 2) & 3]; }",
        lambda a, n: (a[n & 3] ** 2 + 2 * a[(n + 1) & 3]) * a[(n + 2) & 3] ** 2,
    ),
    Case(
        "matrix times vector",
        "fn f(m: mat3x2f, v: vec3f, w: vec2f) -> vec2f { return m * v + w * (w * m).x; }",
        lambda m, v, w: m.T @ v + w * (m @ w)[0],
    ),
    Case(
        "matrix products",
        "fn f(a: mat2x3f, b: mat3x2f, s: f32) -> mat3x3f"
        " { return a * b * s + s * transpose(a * b) - (a * b); }",
        lambda a, b, s: (b @ a) * s + s * (b @ a).T - b @ a,
    ),
    Case(
        "determinant",
        "fn f(m: mat3x3f) -> f32 { return determinant(m) * determinant(m); }",
        lambda m: np.linalg.det(m) ** 2,
    ),
    Case(
        "determinants",
        "fn f(m: mat2x2f, n: mat4x4f) -> f32 { return determinant(m) * determinant(n); }",
        lambda m, n: np.linalg.det(m) * np.linalg.det(n),
    ),
    Case(
        "columns",
        "fn f(a: vec2f, t: f32) -> vec2f { var m = mat2x2f(cos(t), sin(t), -sin(t),"
        " cos(t)); m[1] *= t; m[0][1] += a.x; return m * a; }",
        lambda a, t: (
            np.array([math.cos(t), math.sin(t) + a[0]]) * a[0]
            + np.array([-math.sin(t), math.cos(t)]) * t * a[1]
        ),
    ),
]


def _newton(x: float) -> float:
    y = 1.0
    for _ in range(5):
        y = 0.5 * (y + x / y)
    return y


def _collatz(x: float, n: int) -> float:
    total, k = 0.0, n
    while k > 0:
        k -= 1
        if k == 3:
            continue
        if total > 40:
            break
        total = total * x + k * x
    return total


def _march(x: float, y: float) -> float:
    t = 0.0
    for _ in range(24):
        d = math.sqrt((t * x) ** 2 + (t * y - 2) ** 2) - 0.5
        if d < 0.001:
            return t
        t += d * 0.5
    return t


def _switch(x: float, n: int) -> float:
    return {0: x * x, 1: math.sin(x), 2: math.sin(x)}.get(n, x * n)


def _horner(x: float, y: float) -> float:
    total = 0.0
    for c in (1.0, -2.0, 0.5, y):
        total = total * x + c
    return total


def _loops(x: float, y: float) -> float:
    total = 0.0
    for i in range(4):
        for j in range(i, 3):
            total += math.sin(x * i) * y * j
    return total


FLOW = [
    Case(
        "early return",
        "fn f(x: f32, y: f32) -> f32"
        " { if x > y { return x * y; } if x < -1.0 { return 3.0; } return y * y * x; }",
        lambda x, y: x * y if x > y else 3.0 if x < -1 else y * y * x,
    ),
    Case(
        "else if",
        "fn f(x: f32) -> f32 { var r: f32; if x > 1.0 { r = x * x; } else if x > 0.0"
        " { r = sin(x); } else if x > -1.0 { r = exp(x); } else { r = 1.0; } return r * x; }",
        lambda x: x * (x * x if x > 1 else math.sin(x) if x > 0 else math.exp(x) if x > -1 else 1),
    ),
    Case(
        "for",
        "fn f(x: f32) -> f32"
        " { var y = 1.0; for (var i = 0; i < 5; i++) { y = 0.5 * (y + x / y); } return y; }",
        _newton,
        0.5,
        3.0,
    ),
    Case(
        "for over floats",
        "fn f(x: f32, y: f32) -> f32"
        " { var s = 0.0; for (var t = x; t < 3.0; t += y * 0.5 + 0.3) { s += t * t; } return s; }",
        lambda x, y: _floats(x, y),
        0.3,
        0.42,
    ),
    Case(
        "a bound from the data",
        "fn f(x: f32, n: i32) -> f32"
        " { var p = 1.0; for (var i = 0; i < n; i++) { p *= x; } return p; }",
        lambda x, n: x**n,
    ),
    Case(
        "while, continue, break",
        "fn f(x: f32, n: i32) -> f32 { var total = 0.0; var k = n;"
        " while k > 0 { k--; if k == 3 { continue; } if total > 40.0 { break; }"
        " total = total * x + f32(k) * x; } return total; }",
        _collatz,
    ),
    Case(
        "loop, continuing",
        "fn f(x: f32, y: f32) -> f32 { var s = x; var i = 0u; loop"
        " { if i == 2u { continue; } s = s * y + x; continuing { i++; s += y; break if i > 3u; } }"
        " return s; }",
        lambda x, y: _continuing(x, y),
    ),
    Case(
        "switch",
        "fn f(x: f32, n: i32) -> f32 { switch n { case 0: { return x * x; }"
        " case 1, 2: { return sin(x); } default: { return x * f32(n); } } }",
        _switch,
    ),
    Case(
        "switch inside a loop",
        "fn f(x: f32) -> f32 { var s = 0.0; for (var i = 0; i < 4; i++)"
        " { switch i { case 1: { continue; } case 2: { s *= x; } default: { s += x * f32(i + 1);"
        " break; } } } return s; }",
        lambda x: x * x + 4 * x,
    ),
    Case(
        "a march",
        "fn f(x: f32, y: f32) -> f32 { var t = 0.0; for (var i = 0; i < 24; i++) {"
        " let d = length(vec2f(t * x, t * y - 2.0)) - 0.5; if d < 0.001 { return t; }"
        " t += d * 0.5; } return t; }",
        _march,
        0.3,
        0.8,
    ),
    Case(
        "loops inside each other",
        "fn f(x: f32, y: f32) -> f32 { var total = 0.0;"
        " for (var i = 0; i < 4; i++) { for (var j = i; j < 3; j++)"
        " { total += sin(x * f32(i)) * y * f32(j); } } return total; }",
        _loops,
    ),
    Case(
        "a variable that starts constant",
        "fn f(x: f32) -> f32 { var a = 1.0; var b = 0.0;"
        " for (var i = 0; i < 3; i++) { b += a * x; a = b * 0.5; } return a + b; }",
        lambda x: _late(x),
    ),
    Case(
        "blocks that hide names",
        "fn f(x: f32) -> f32 { var y = x; { let y = x * x; let x = y * y;"
        " if x > 0.0 { let y = 3.0; } } y *= x; { var x = y; x += 1.0; y += x; } return y; }",
        lambda x: 2 * x * x + 1,
    ),
]


def _floats(x: float, y: float) -> float:
    total, t = 0.0, x
    while t < 3.0:
        total += t * t
        t += y * 0.5 + 0.3
    return total


def _continuing(x: float, y: float) -> float:
    total, i = x, 0
    while True:
        if i != 2:
            total = total * y + x
        i += 1
        total += y
        if i > 3:
            return total


def _late(x: float) -> float:
    a, b = 1.0, 0.0
    for _ in range(3):
        b += a * x
        a = b * 0.5
    return a + b


DATA = [
    Case(
        "helpers",
        "fn sq(x: f32) -> f32 { return x * x; } fn lerp(a: f32, b: f32, t: f32) -> f32"
        " { return a + (b - a) * sq(t); } fn f(x: f32, y: f32) -> f32"
        " { return lerp(x, 2.0, y) + lerp(0.5, sq(x), 0.25) + sq(3.0); }",
        lambda x, y: x + (2 - x) * y * y + 0.5 + (x * x - 0.5) / 16 + 9,
    ),
    Case(
        "structs",
        "struct Ray { origin: vec3f, hits: i32, dir: vec3f, } fn at(r: Ray, t: f32)"
        " -> vec3f { return r.origin + r.dir * t; } fn f(o: vec3f, d: vec3f, t: f32) -> vec3f"
        " { var r = Ray(o, 1, d * t); r.hits += 2; r.origin.y *= t; let q = r;"
        " return at(q, t) * f32(q.hits); }",
        lambda o, d, t: 3 * (o * np.array([1, t, 1]) + d * t * t),
    ),
    Case(
        "structs inside structs",
        "struct A { v: vec2f, n: u32, } struct B { a: A, w: array<A, 2>, }"
        " fn make(x: f32) -> B { var b: B; b.a.v = vec2f(x, x * x); b.a.n = 2u;"
        " b.w[1] = b.a; b.w[1].v.x *= 3.0; return b; } fn f(x: f32, y: f32) -> f32"
        " { let b = make(x * y); return dot(b.a.v, b.w[1].v) + b.w[0].v.x + f32(b.w[1].n) * x; }",
        lambda x, y: 3 * (x * y) ** 2 + (x * y) ** 4 + 2 * x,
    ),
    Case(
        "arrays",
        "fn f(x: f32, y: f32) -> f32 { var c = array<f32, 4>(1.0, -2.0, 0.5, y);"
        " var total = 0.0; for (var i = 0; i < 4; i++) { total = total * x + c[i]; }"
        " return total; }",
        _horner,
    ),
    Case(
        "arrays of arrays",
        "alias Row = array<f32, 2>; fn f(x: f32, y: f32, n: i32) -> f32"
        " { var m: array<Row, 2>; m[0] = Row(x, y); m[1][n & 1] = x * y; let k = m;"
        " return k[0][0] * k[0][1] + k[1][n & 1] * k[1][0]; }",
        lambda x, y, n: x * y + x * y * (x * y if n & 1 == 0 else 0),
    ),
    Case(
        "pointers",
        "fn bump(p: ptr<function, f32>, by: f32) { *p = *p * by + 1.0; }"
        " fn f(x: f32, y: f32) -> f32 { var a = x; bump(&a, y); var b = 2.0; bump(&b, x);"
        " let q = &b; *q *= a; bump(q, 2.0); return a + b; }",
        lambda x, y: x * y + 1 + ((2 * x + 1) * (x * y + 1) * 2 + 1),
    ),
    Case(
        "pointers that make a constant depend",
        "fn put(p: ptr<function, vec2f>, x: f32)"
        " { (*p).y = x * x; p.x += 1.0; } fn f(x: f32) -> f32 { var v = vec2f(1.0, 2.0);"
        " let before = v.y; put(&v, x); return v.x * v.y + before; }",
        lambda x: 2 * x * x + 2,
    ),
    Case(
        "pointers to structs and elements",
        "struct S { k: array<f32, 3>, n: i32, }"
        " fn add(s: ptr<function, S>, i: i32, x: f32) -> f32 { s.k[i] += x; s.n++;"
        " return s.k[i] * f32(s.n); } fn f(x: f32, n: i32) -> f32 { var s: S; let i = n % 3;"
        " let a = add(&s, i, x * x); let b = add(&s, i, a); return a * b + s.k[i]; }",
        lambda x, n: x**2 * (4 * x**2) + 2 * x**2,
    ),
    Case(
        "calls that write inside an expression",
        "fn next(p: ptr<function, f32>) -> f32"
        " { *p = *p * *p + 1.0; return *p; } fn f(x: f32) -> f32 { var a = x;"
        " let r = a + next(&a) * a; if next(&a) > 3.0 && next(&a) > 0.0 { a += x; }"
        " return r + a; }",
        lambda x: _inside(x),
        -0.5,
        0.5,
    ),
    Case(
        "compound assignments that read before they write",
        "fn next(p: ptr<function, f32>) -> f32 { *p *= 2.0; return *p; }"
        " fn count(p: ptr<function, i32>) -> i32 { *p += 10; return *p; }"
        " fn f(x: f32, y: f32) -> f32 { var a = x; a += next(&a); var n = 1; n += count(&n);"
        " var v = vec2f(x, y); v[0] *= next(&a) + f32(n); v.y -= next(&a);"
        " return v.x * v.y + f32(n); }",
        lambda x, y: x * (6 * x + 12) * (y - 12 * x) + 12,
    ),
    Case(
        "a condition that writes",
        "fn halve(p: ptr<function, f32>) -> f32 { *p *= 0.5;"
        " return *p; } fn f(x: f32) -> f32 { var a = x; var s = 0.0;"
        " while halve(&a) > 0.1 { s += a * a; } return s + a; }",
        lambda x: _halves(x),
        1.0,
        3.0,
    ),
    Case(
        "const and alias",
        "alias V = vec2f; const K = 2.0; const HALF = vec2(0.5, 1); "
        "fn f(v: V) -> V { const two = K * 1.0; let w: V = v * two; return w * HALF * v / K; }",
        lambda v: v * v * np.array([0.5, 1.0]),
    ),
    Case(
        "compound assignments",
        "fn f(x: f32, y: f32) -> f32 { var a = x; a += y; a *= x; a -= y * y;"
        " a /= y * y + 1.0; a %= 1.7; return a; }",
        lambda x, y: math.fmod(((x + y) * x - y * y) / (y * y + 1), 1.7),
    ),
    Case(
        "compound assignments of matrices",
        "fn f(m: mat2x2f, v: vec2f) -> vec2f { var a = m;"
        " a *= m; a += m; a *= 0.5; var w = v; w *= a; return w; }",
        lambda m, v: (0.5 * (m @ m + m)) @ v,
    ),
    Case(
        "names of builtins",
        "fn f(x: f32) -> f32 { let cos = x * x; let select = sin(cos);"
        " return select * sqrt(cos + 1.0); }",
        lambda x: math.sin(x * x) * math.sqrt(x * x + 1),
    ),
    Case(
        "functions with names of builtins",
        "fn saturate(x: f32) -> f32 { return 2.0 * x; }"
        " fn sign(x: f32) -> f32 { return x * x; } fn f(x: f32) -> f32 { let saturate = abs(x);"
        " return saturate + sign(x) + twice(x); } fn twice(x: f32) -> f32 { return saturate(x); }",
        lambda x: abs(x) + x * x + 2 * x,
    ),
    Case(
        "no names for structs",
        "fn f(x: f32) -> f32 { let m = modf(x * 2.0); var e = frexp(x);"
        " e.fract = e.fract * x; e = frexp(x * e.fract); return m.fract * m.whole + e.fract; }",
        lambda x: math.modf(2 * x)[0] * math.modf(2 * x)[1] + _fraction(x * _fraction(x) * x),
    ),
    Case(
        "integers",
        "fn hash(n: u32) -> f32 { return f32((n * 747796405u + 1u) >> 24u) / 255.0; }"
        " fn f(x: f32, n: i32) -> f32 { var k = u32(n); k ^= 5u; k <<= 2u;"
        " return hash(k) * x * x; }",
        lambda x, n: (((((n ^ 5) << 2) * 747796405 + 1) % 2**32) >> 24) / 255 * x * x,
    ),
    Case(
        "swish",
        "fn f(x: f32, beta: f32) -> f32 { return x / (1.0 + exp(-beta * x)); }",
        lambda x, b: x / (1 + math.exp(-b * x)),
    ),
    Case(
        "a rotation",
        "fn f(q: vec4f, v: vec3f) -> vec3f { let u = normalize(q);"
        " return v + 2.0 * cross(u.xyz, cross(u.xyz, v) + u.w * v); }",
        lambda q, v: _rotated(unit(q), v),
        0.3,
        1.0,
    ),
]


def _fraction(x: float) -> float:
    return math.frexp(x)[0]


def _rotated(u: Any, v: Any) -> Any:
    return v + 2 * np.cross(u[:3], np.cross(u[:3], v) + u[3] * v)


def _inside(x: float) -> float:
    a = x
    b = a * a + 1
    r = a + b * b
    a = b * b + 1
    if a > 3:
        a = a * a + 1
        if a > 0:
            a += x
    return r + a


def _halves(x: float) -> float:
    a, s = x, 0.0
    while True:
        a *= 0.5
        if a <= 0.1:
            return s + a
        s += a * a


CASES = BUILTINS + VECTORS + FLOW + DATA
