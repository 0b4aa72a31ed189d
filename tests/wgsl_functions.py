"""Functions in WGSL as devices are given them, each with the same in NumPy: what tests call."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import wgrad as wg
from wgrad.backends.array import Array
from wgrad.backends.functions import Function
from wgrad.core import wrap
from wgrad.dtypes import as_dtype
from wgrad.layout import Layout


def made(
    name: str,
    code: str,
    numpy: Callable[..., Any],
    ins: str,
    parts: Sequence[str] = ("",),
    out: str = "float32",
    helper: str = "",
) -> Function:
    """Return a function; HELPER and NAME in the texts become names that follow from these."""
    texts = []
    digest = ""
    for text in (helper, code):
        if text:
            before = digest
            digest = hashlib.blake2b((text + before).encode(), digest_size=8).hexdigest()
            texts.append(text.replace("HELPER", f"h_{before or digest}"))
    entry = f"{name}_{digest}"
    texts[-1] = texts[-1].replace("NAME", entry)
    kinds = tuple(as_dtype(x) for x in ins.split())
    return Function(name, entry, tuple(texts), tuple(parts), kinds, as_dtype(out), numpy)


def _rgb(h: Any, s: Any, v: Any) -> list[Any]:
    rows = []
    for k in (1, 2 / 3, 1 / 3):
        turned = h + np.float32(k)
        p = np.abs((turned - np.floor(turned)) * 6 - 3)
        rows.append(v * (1 + (np.clip(p - 1, 0, 1) - 1) * s))
    return rows


XYZ = (".x", ".y", ".z")
RGB = made(
    "rgb",
    "fn NAME(h: f32, s: f32, v: f32) -> vec3<f32> { return HELPER(vec3<f32>(h, s, v)); }\n",
    _rgb,
    "float32 float32 float32",
    XYZ,
    helper="""fn HELPER(c: vec3<f32>) -> vec3<f32> {
    let p = abs(fract(c.xxx + vec3<f32>(1.0, 2.0 / 3.0, 1.0 / 3.0)) * 6.0 - 3.0);
    return c.z * mix(vec3<f32>(1.0), clamp(p - 1.0, vec3<f32>(), vec3<f32>(1.0)), c.y);
}
""",
)
LINE = made(
    "line",
    "fn NAME(a: f32, b: f32) -> f32 { return a * 0.5 + b * 0.25 + 1.0; }\n",
    lambda a, b: [a * np.float32(0.5) + b * np.float32(0.25) + 1],
    "float32 float32",
)
COUNT = made(
    "count",
    """fn NAME(i: i32, m: bool, u: u32) -> vec2<i32> {
    return vec2<i32>(select(i, -i, m), i * 3 + i32(u));
}
""",
    lambda i, m, u: [np.where(m, -i, i), i * 3 + np.asarray(u).astype(np.int32)],
    "int32 bool uint32",
    (".x", ".y"),
    "int32",
)
SIGNS = made(
    "signs",
    "fn NAME(a: f32, m: bool) -> vec2<bool> { return vec2<bool>(a > 0.0, m || a < -1.0); }\n",
    lambda a, m: [a > 0, m | (a < -1)],
    "float32 bool",
    (".x", ".y"),
    "bool",
)
HALF = made(
    "half",
    """fn NAME(a: f32, b: f32) -> mat2x2<f32> {
    return mat2x2<f32>(a * 3.0, b / 3.0, a + b, 7e4 * a);
}
""",
    lambda a, b: [a * 3, b / np.float32(3), a + b, np.float32(7e4) * a],
    "float16 float32",
    ("[0][0]", "[0][1]", "[1][0]", "[1][1]"),
    "float16",
)
POWERS = made(
    "powers",
    """fn NAME(a: f32) -> array<f32, 6> {
    var p = array<f32, 6>();
    p[0] = 1.0;
    for (var i = 1; i < 6; i++) { p[i] = p[i - 1] * a; }
    return p;
}
""",
    lambda a: [np.ones_like(a), *(np.cumprod([a] * 5, axis=0))],
    "float32",
    [f"[{i}]" for i in range(6)],
)


def total(count: int, kind: str = "f32") -> Function:
    """Return a function of many operands: their sum, each taken its place times."""
    names = [f"a{i}" for i in range(count)]
    terms = " + ".join(f"{i + 1}.0 * {name}" for i, name in enumerate(names))
    return made(
        "total",
        f"fn NAME({', '.join(f'{x}: {kind}' for x in names)}) -> f32 {{ return {terms}; }}\n",
        lambda *xs: [sum(np.float32(i + 1) * x for i, x in enumerate(xs))],
        " ".join(["float32"] * count),
    )


def components(x: Any, axis: int = -1) -> list[Array]:
    """Return the views of a tensor along an axis."""
    array = x.array
    n, s = list(array.layout.shape), list(array.layout.strides)
    axis %= len(n)
    step = s.pop(axis)
    count = n.pop(axis)
    offset = array.layout.offset
    return [array.view(Layout(tuple(n), tuple(s), offset + k * step)) for k in range(count)]


def call(
    f: Function, operands: Sequence[Any], inner: Sequence[int] = (), planes: bool = False
) -> wg.Tensor:
    """Return what a function gives: operands are tensors of one shape, arrays or numbers."""
    ready = [getattr(x, "array", x) for x in operands]
    first = next(x for x in ready if isinstance(x, Array))
    device = first.storage.device
    return wrap(device.call(f, ready, first.shape, tuple(inner), planes))


def rgb(x: Any, planes: bool = False) -> wg.Tensor:
    """Return colours of a tensor whose last axis has hue, saturation and value."""
    return call(RGB, components(x), (3,), planes)


def line(a: Any, b: Any) -> wg.Tensor:
    """Return LINE of two tensors of one shape, or numbers."""
    return call(LINE, (a, b))


def expected(f: Function, operands: Sequence[Any], inner: Sequence[int] = ()) -> np.ndarray:
    """Return what NumPy gives, with the results side by side."""
    with np.errstate(all="ignore"):
        wide = [np.asarray(x, d.computes) for x, d in zip(operands, f.ins, strict=True)]
        rows = np.broadcast_arrays(*f.numpy(*wide), *wide)[: len(f.parts)]
        stacked = np.stack(rows, -1).astype(f.out.numpy)
    return stacked.reshape((*stacked.shape[:-1], *inner))
