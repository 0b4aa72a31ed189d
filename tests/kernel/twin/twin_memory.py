"""Helpers, structures, arrays and pointers."""

from __future__ import annotations

from twin_rows import last, row

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
