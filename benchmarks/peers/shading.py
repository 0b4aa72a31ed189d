"""Functions of shaders, twice each: in WGSL, and in wgrad's operations on whole tensors."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import wgrad as wg


class Written(NamedTuple):
    """A function: its text in WGSL (the last one in it), and the same by operations."""

    text: str
    ops: Callable[..., Any]


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + wg.exp(-x))


def _swish(x: Any, beta: Any) -> Any:
    return x / (1 + wg.exp(-beta * x))


def _smith(nv: Any, nl: Any, rough: Any) -> Any:
    a = wg.square(wg.square(rough))
    shadowed = nl * wg.sqrt(nv * nv * (1 - a) + a)
    masked = nv * wg.sqrt(nl * nl * (1 - a) + a)
    return 0.5 / (shadowed + masked + 1e-5)


def _hsv(c: Any) -> Any:
    h, s, v = c[..., 0:1], c[..., 1:2], c[..., 2:3]
    k = wg.tensor([1.0, 2 / 3, 1 / 3])
    turned = h + k
    p = wg.abs((turned - wg.floor(turned)) * 6 - 3)
    return v * (1 - s + wg.clip(p - 1, 0, 1) * s)


def _cross(a: Any, b: Any) -> Any:
    ax, ay, az = (a[..., i] for i in range(3))
    bx, by, bz = (b[..., i] for i in range(3))
    return wg.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], -1)


def _rotate(q: Any, v: Any) -> Any:
    u, w = q[..., :3], q[..., 3:]
    return v + 2 * _cross(u, _cross(u, v) + w * v)


def _slerp(a: Any, b: Any, t: Any) -> Any:
    along = (a * b).sum(-1)
    towards = wg.where((along < 0)[..., None], -b, b)
    angle = wg.acos(wg.minimum(wg.abs(along), 0.9995))
    below = 1 / wg.sin(angle)
    one, two = wg.sin((1 - t) * angle) * below, wg.sin(t * angle) * below
    return a * one[..., None] + towards * two[..., None]


def _length(v: Any) -> Any:
    return wg.sqrt((v * v).sum(-1) + 1e-12)  # without it the slope at 0 is not a number


def _union(p: Any, r: Any, k: Any) -> Any:
    ball = _length(p) - r
    q = wg.abs(p - wg.tensor([0.7, 0.0, 0.1])) - wg.tensor([0.4, 0.5, 0.3])
    box = _length(wg.maximum(q, 0)) + wg.minimum(q.max(-1), 0)
    h = wg.maximum(k - wg.abs(ball - box), 0) / k
    return wg.minimum(ball, box) - h * h * k * 0.25


def _pull(a: Any, b: Any, mass: Any) -> Any:
    d = b - a
    return d * (mass / ((d * d).sum(-1) + 0.01) ** 1.5)[..., None]


SHADING = {
    "sigmoid": Written("fn f(x: f32) -> f32 { return 1.0 / (1.0 + exp(-x)); }", _sigmoid),
    "swish": Written(
        "fn f(x: f32, beta: f32) -> f32 { return x / (1.0 + exp(-beta * x)); }", _swish
    ),
    "smith": Written(
        """
        fn f(nv: f32, nl: f32, rough: f32) -> f32 {
            let squared = rough * rough;
            let a = squared * squared;
            let shadowed = nl * sqrt(nv * nv * (1.0 - a) + a);
            let masked = nv * sqrt(nl * nl * (1.0 - a) + a);
            return 0.5 / (shadowed + masked + 1e-5);
        }
        """,
        _smith,
    ),
    "hsv": Written(
        """
        fn f(c: vec3f) -> vec3f {
            let p = abs(fract(c.xxx + vec3f(1.0, 2.0 / 3.0, 1.0 / 3.0)) * 6.0 - 3.0);
            return c.z * mix(vec3f(1.0), saturate(p - 1.0), c.y);
        }
        """,
        _hsv,
    ),
    "rotate": Written(
        """
        fn f(q: vec4f, v: vec3f) -> vec3f {
            return v + 2.0 * cross(q.xyz, cross(q.xyz, v) + q.w * v);
        }
        """,
        _rotate,
    ),
    "slerp": Written(
        """
        fn f(a: vec4f, b: vec4f, t: f32) -> vec4f {
            let along = dot(a, b);
            let towards = select(b, -b, along < 0.0);
            let angle = acos(min(abs(along), 0.9995));
            return (sin((1.0 - t) * angle) * a + sin(t * angle) * towards) / sin(angle);
        }
        """,
        _slerp,
    ),
    "union": Written(
        """
        fn box(p: vec3f, size: vec3f) -> f32 {
            let q = abs(p) - size;
            return length(max(q, vec3f())) + min(max(q.x, max(q.y, q.z)), 0.0);
        }
        fn f(p: vec3f, r: f32, k: f32) -> f32 {
            let a = length(p) - r;
            let b = box(p - vec3f(0.7, 0.0, 0.1), vec3f(0.4, 0.5, 0.3));
            let h = max(k - abs(a - b), 0.0) / k;
            return min(a, b) - h * h * k * 0.25;
        }
        """,
        _union,
    ),
    "pull": Written(
        """
        fn f(a: vec3f, b: vec3f, mass: f32) -> vec3f {
            let d = b - a;
            return d * (mass / pow(dot(d, d) + 0.01, 1.5));
        }
        """,
        _pull,
    ),
}


_REST = """
fn fbm(p: vec3f) -> f32 {
    var sum = 0.0;
    var scale = 0.5;
    var q = p;
    for (var i = 0; i < 5; i++) {
        sum += scale * sin(q.x) * cos(q.y + q.z);
        q = q * 2.02 + vec3f(1.7, 9.2, 3.1);
        scale *= 0.5;
    }
    return sum;
}
fn march(origin: vec3f, way: vec3f, r: f32, k: f32) -> f32 {
    var t = 0.0;
    for (var i = 0; i < 64; i++) {
        let d = f_union(origin + t * way, r, k) + 0.1 * fbm(origin + t * way);
        if d < 0.001 {
            return t;
        }
        t += d;
        if t > 20.0 {
            break;
        }
    }
    return t;
}
fn lit(normal: vec3f, light: vec3f, eye: vec3f, rough: f32) -> f32 {
    let half_way = normalize(light + eye);
    let nh = max(dot(normal, half_way), 0.0);
    let a = rough * rough;
    let d = nh * nh * (a * a - 1.0) + 1.0;
    var sum = a * a / (3.14159 * d * d);
    switch i32(rough * 3.0) {
        case 0: {
            sum *= 1.5;
        }
        case 1, 2: {
            sum += 0.25 * nh;
        }
        default: {
            sum = min(sum, 4.0);
        }
    }
    return sum * max(dot(normal, light), 0.0);
}
fn all_of_them(c: vec3f, q: vec4f, p: vec4f, t: f32, rough: f32) -> vec3f {
    let turn = f_slerp(q, p, t);
    let colour = f_hsv(c);
    let light = f_rotate(turn, colour);
    let shade = f_smith(light.x, light.y, rough);
    let swish = f_swish(shade, t) + f_sigmoid(shade);
    let far = march(light, colour, t, rough);
    var sum = vec3f();
    for (var i = 0; i < 4; i++) {
        sum += f_pull(light, colour * f32(i), rough) * swish;
    }
    if far > 10.0 {
        sum *= 0.5;
    }
    return sum * shade + far + lit(normalize(c), light, colour, rough);
}
"""


def long_text() -> str:
    """Return a text of about 100 lines without empty ones; its last function calls all others."""
    named = [re.sub(r"\bfn f\(", f"fn f_{name}(", x.text) for name, x in SHADING.items()]
    lines = "\n".join([*named, _REST]).splitlines()
    return "\n".join(line for line in lines if line.strip())
