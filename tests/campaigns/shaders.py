"""Mutated WGSL, and WGSL made to break compilers, through the public API.

Each program is a text that was right, with some changes: words left out, doubled, swapped, replaced
or taken from another text, odd numbers and characters; or a text that is too deep, too long or too
large on purpose. Whatever comes, the answer is a result, or an exception of ours, with the line
where the text is at fault. Nothing hangs, and tensors that were given are unchanged.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import wgrad as wg
from campaigns.base import HangError, limited
from wgrad.backends.base import Device
from wgrad.errors import ShaderError, WgradError

sys.path.append(str(Path(__file__).parents[1] / "kernel" / "judge"))

from judge_table import TABLE

SHARE = 60
WORDS = re.compile(r"[A-Za-z_]\w*|\d[\w.]*|&&|\|\||[-+*/%&|^<>=!]=|->|<<|>>|\+\+|--|\s+|.", re.S)

HEAD = """@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
"""
ID = "@builtin(global_invocation_id) id: vec3u"
KERNELS = [
    HEAD
    + f"""struct Params {{ factor: f32, shift: vec2f, n: u32 }}
@group(0) @binding(2) var<uniform> params: Params;
override width: u32 = 64u;
@compute @workgroup_size(width) fn main({ID}) {{
    if (id.x >= arrayLength(&y)) {{ return; }}
    y[id.x] = params.factor * x[id.x] + params.shift.y * f32(params.n);
}}""",
    HEAD
    + """var<workgroup> part: array<f32, 64>;
@compute @workgroup_size(64) fn main(
    @builtin(local_invocation_index) i: u32, @builtin(workgroup_id) g: vec3u
) {
    part[i] = select(0.0, x[g.x * 64u + i], g.x * 64u + i < arrayLength(&x));
    workgroupBarrier();
    for (var s = 32u; s > 0u; s >>= 1u) {
        if i < s { part[i] += part[i + s]; }
        workgroupBarrier();
    }
    if i == 0u { y[g.x] = part[0]; }
}""",
    f"""@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<atomic<u32>, 16>;
const bins = 16u;
@compute @workgroup_size(32) fn main({ID}) {{
    if (id.x < arrayLength(&x)) {{
        let old = atomicAdd(&y[x[id.x] % bins], 1u);
        if old > 3u {{ atomicMax(&y[0], old); }}
    }}
}}""",
    f"""struct Body {{ at: vec3f, mass: f32 }}
@group(0) @binding(0) var<storage, read> x: array<Body>;
@group(0) @binding(1) var<storage, read_write> y: array<vec3f>;
fn pull(a: Body, b: Body) -> vec3f {{
    let d = b.at - a.at;
    return d * (b.mass / pow(dot(d, d) + 0.01, 1.5));
}}
@compute @workgroup_size(16, 2) fn main({ID}, @builtin(num_workgroups) groups: vec3u) {{
    let i = id.x + id.y;
    if i >= arrayLength(&x) {{ return; }}
    var sum = vec3f();
    for (var k = 0u; k < arrayLength(&x); k++) {{ sum += pull(x[i], x[k]); }}
    y[i] = sum * f32(groups.x);
}}""",
]
NUMBERS = (
    *("0", "1", "-1", "2u", "3i", "0u", "31u", "33u", "64", "255", "1024", "65536", "16777217"),
    *("2147483647", "2147483648", "4294967295u", "4294967296", "-2147483648", "0x7fffffff"),
    *("0.0", "-0.0", "1e38", "1e39", "1e-45", "1e999", "0x1p-149", "1.5h", "65520h", "3f", ".5"),
    *("100000000000000000000", "0xffffffffffffffff", "1e", "0x", "1u2", "08"),
)
ODD = (
    *(
        "@",
        "#",
        "$",
        "`",
        '"',
        "\\",
        "\0",
        "\u202e",
        "é",
        "𝛼",
        "�",
        "//",
        "/*",
        "*/",
        "{",
        "}",
        "(",
    ),
    *(")", "<", ">", ";", ",", "\r", "\u2028", "_", "__", "&", "*", "->", "::", "#include", "#if"),
)


def attempt(rng: np.random.Generator, device: Device) -> str | None:
    kind = rng.random()
    if kind < 0.12:
        name, text = _aimed(rng)
        compute = name.startswith("kernel")
    elif kind < 0.3:
        compute, text = True, _mutated(rng, KERNELS[rng.integers(len(KERNELS))])
    else:
        compute, text = False, _mutated(rng, TABLE[rng.integers(len(TABLE))].text)
    try:
        with limited():
            return (_compute if compute else _elementwise)(rng, text)
    except HangError:
        return f"hangs: {_shown(text)}"
    except ShaderError as error:
        # A fault of the text has a place in it; what the driver says of ours is not one.
        if error.line is None or error.file is None or not error.file.startswith("<text>"):
            return f"no line of the text: {error}\n{_shown(text)}"
        return None
    except WgradError as error:
        return None if str(error) else f"says nothing: {_shown(text)}"
    except Exception as error:
        raise AssertionError(f"escapes from {_shown(text)}") from error


def _elementwise(rng: np.random.Generator, text: str) -> str | None:
    names = re.findall(r"\bfn\s+(\w+)", text)
    name = names[-1] if names and rng.random() < 0.8 else None
    op = wg.kernel.elementwise(
        text, name, constants={"steps": 3} if "override steps" in text else None
    )
    given, arrays = [], []
    for form in op.function.inputs:
        if form.dtype is wg.float16 and wg.float16 not in wg.device().dtypes:
            return None
        shape = (3, *form.inner) if rng.random() < 0.9 else (*form.inner, 2)
        x = rng.integers(-2, 6, shape).astype(form.dtype.name)
        if form.dtype.is_floating:
            x = rng.normal(size=shape).astype(form.dtype.name)
        arrays.append(x)
        given.append(wg.tensor(x, dtype=x.dtype.name, requires_grad=form.dtype.is_floating))
    try:
        y = op(*given)
        y.numpy()
        if y.dtype.is_floating and rng.random() < 0.4:
            y.sum().backward()
            for x in given:
                if x.grad is not None:
                    x.grad.numpy()
    finally:
        changed = [not np.array_equal(t.numpy(), x) for t, x in zip(given, arrays, strict=True)]
    return f"changed what was given: {_shown(text)}" if any(changed) else None


def _compute(rng: np.random.Generator, text: str) -> str | None:
    outputs: Any = {"y": [(16,), (4, 3), None, "x", (0,), lambda x: x][rng.integers(6)]}
    kernel = wg.kernel.compute(
        text,
        outputs=outputs if rng.random() < 0.8 else None,
        threads=[None, "x", 5, (3, 2), 0][rng.integers(5)] if rng.random() < 0.6 else None,
    )
    numbers = rng.normal(size=[(16,), (4, 4), (3,), (0,)][rng.integers(4)]).astype(np.float32)
    given = []
    for name in kernel.inputs:
        wanted = kernel.entry.placements.get(name)
        kind = "float32" if rng.random() < 0.1 or wanted is None else wanted.dtype.name
        given.append(wg.tensor(numbers.astype(kind), dtype=kind))
    before = [x.numpy() for x in given]
    uniforms: dict[str, Any] = {"factor": 2.0, "shift": (1.0, 2.0), "n": 3}
    found = kernel(*given, **{k: v for k, v in uniforms.items() if k in text})
    for y in found if isinstance(found, tuple) else (found,):
        y.numpy()
    same = all(np.array_equal(a, x.numpy()) for a, x in zip(before, given, strict=True))
    return None if same else f"changed what was given: {_shown(text)}"


def _shown(text: str) -> str:
    return repr(text if len(text) < 3000 else f"{text[:1500]} ... {text[-500:]}")


# Mutations


def _mutated(rng: np.random.Generator, text: str) -> str:
    words = WORDS.findall(text)
    for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
        words = _CHANGES[rng.integers(len(_CHANGES))](rng, words) or ["fn"]
    return "".join(words)


def _left_out(rng: np.random.Generator, words: list[str]) -> list[str]:
    i = int(rng.integers(len(words)))
    return words[:i] + words[i + int(rng.integers(1, 4)) :]


def _doubled(rng: np.random.Generator, words: list[str]) -> list[str]:
    i, n = int(rng.integers(len(words))), int(rng.integers(1, 12))
    return words[: i + n] + words[i:]


def _swapped(rng: np.random.Generator, words: list[str]) -> list[str]:
    i, j = rng.integers(len(words), size=2)
    found = list(words)
    found[i], found[j] = found[j], found[i]
    return found


def _replaced(rng: np.random.Generator, words: list[str]) -> list[str]:
    """Put a word of the text, or of another one, in the place of a word of its kind."""
    i = _some(rng, words, lambda w: not w.isspace())
    others = words
    if rng.random() < 0.5:
        others = WORDS.findall(TABLE[rng.integers(len(TABLE))].text)
    is_name = words[i][0].isalpha()
    j = _some(rng, others, lambda w: not w.isspace() and w[0].isalpha() == is_name)
    return [*words[:i], others[j], *words[i + 1 :]]


def _renumbered(rng: np.random.Generator, words: list[str]) -> list[str]:
    i = _some(rng, words, lambda w: w[0].isdigit())
    return [*words[:i], str(rng.choice(NUMBERS)), *words[i + 1 :]]


def _odd(rng: np.random.Generator, words: list[str]) -> list[str]:
    i = int(rng.integers(len(words)))
    return [*words[:i], str(ODD[rng.integers(len(ODD))]), *words[i:]]


def _grafted(rng: np.random.Generator, words: list[str]) -> list[str]:
    """Put a piece of another text into this one."""
    other = WORDS.findall(TABLE[rng.integers(len(TABLE))].text)
    i, j = int(rng.integers(len(words))), int(rng.integers(len(other)))
    return words[:i] + other[j : j + int(rng.integers(1, 20))] + words[i:]


def _cut(rng: np.random.Generator, words: list[str]) -> list[str]:
    return words[: int(rng.integers(1, len(words) + 1))]


def _some(rng: np.random.Generator, words: list[str], wanted: Callable[[str], bool]) -> int:
    places = [i for i, w in enumerate(words) if wanted(w)] or [0]
    return int(rng.choice(places))


_CHANGES = (
    *(_left_out, _doubled, _swapped, _odd, _grafted, _cut),
    *(_replaced, _replaced, _replaced, _replaced, _renumbered, _renumbered, _renumbered),
)

# Too much on purpose


def _function(body: str, head: str = "") -> str:
    return f"{head}\nfn f(x: f32) -> f32 {{ {body} }}"


def _kernel(body: str, head: str = "", size: str = "64") -> str:
    return f"{HEAD}{head}\n@compute @workgroup_size({size}) fn main({ID}) {{ {body} }}"


# By name, what n of something are. Those whose names begin with "kernel" are compute shaders.
AIMED: dict[str, Callable[[int], str]] = {
    "parentheses": lambda n: _function(f"return {'(' * n}x{')' * n};"),
    "minuses": lambda n: _function(f"return {'- ' * n}x;"),
    "nots": lambda n: _function(f"if {'!' * n}(x > 0.0) {{ return 1.0; }} return x;"),
    "terms": lambda n: _function(f"return x{' + x' * n};"),
    "terms to the right": lambda n: _function(f"return {'x + (' * n}x{')' * n};"),
    "ors": lambda n: _function(f"if x > 0.0{' || x > 1.0' * n} {{ return 1.0; }} return x;"),
    "calls": lambda n: _function(f"return {'abs(' * n}x{')' * n};"),
    "indices": lambda n: _function(f"return vec2f(x){'.xy' * n}.x;"),
    "brackets": lambda n: _function(f"var a = array(x); return a{'[0]' * n};"),
    "types": lambda n: _function("return x;", f"alias T = {'array<' * n}f32{', 1>' * n};"),
    "pointers": lambda n: _function(f"var a = x; return {'*&' * n}a;"),
    "blocks": lambda n: _function(f"{'{' * n} {'}' * n} return x;"),
    "loops": lambda n: _function(
        "var s = x; "
        + "".join(f"for (var i{k} = 0; i{k} < 1; i{k}++) {{ " for k in range(n))
        + f"s += 1.0; {'}' * n} return s;"
    ),
    "ifs": lambda n: _function(f"var s = x; {'if s > 0.0 { ' * n} s = 1.0; {'}' * n} return s;"),
    "else ifs": lambda n: _function(
        "var s = x; if s > 0.0 { s = 1.0; }"
        + "".join(f" else if s > -{k}.0 {{ s = {k}.0; }}" for k in range(1, n))
        + " return s;"
    ),
    "cases": lambda n: _function(
        f"switch i32(x) {{ {' '.join(f'case {k}: {{ return {k}.0; }}' for k in range(1, n))}"
        " default: { return x; } }"
    ),
    "statements": lambda n: _function(f"var s = x; {'s += 1.0; ' * n} return s;"),
    "lets": lambda n: _function(
        f"{' '.join(f'let v{k} = x * {k}.0;' for k in range(n))} return v{n - 1};"
    ),
    "functions": lambda n: "\n".join(
        ["fn f0(x: f32) -> f32 { return x; }"]
        + [f"fn f{k}(x: f32) -> f32 {{ return f{k - 1}(x); }}" for k in range(1, n + 1)]
        + [f"fn f(x: f32) -> f32 {{ return f{n}(x); }}"]
    ),
    "functions that double": lambda n: (
        "\n".join(
            ["fn f0(x: f32) -> f32 { return x; }"]
            + [
                f"fn f{k}(x: f32) -> f32 {{ return f{k - 1}(f{k - 1}(x)); }}"
                for k in range(1, n + 1)
            ]
            + [f"fn f(x: f32) -> f32 {{ return f{n}(x); }}"]
        )
        if n > 100
        else _function("return x;")
    ),
    "parameters": lambda n: (
        f"fn g({', '.join(f'x{k}: f32' for k in range(n))}) -> f32 {{ return x0; }}"
        f"fn f(x: f32) -> f32 {{ return g({', '.join(['x'] * n)}); }}"
    ),
    "members": lambda n: _function(
        "var s: S; s.m0 = x; return s.m0;",
        f"struct S {{ {', '.join(f'm{k}: f32' for k in range(n))} }}",
    ),
    "elements": lambda n: (
        _function(f"var a: array<f32, {n * n}>; a[0] = x; return a[0];")
        if n > 50
        else _function("return x;")
    ),
    "a constant of elements": lambda n: _function(
        "return a[0] * x;", f"const a = array<f32, {n}>({', '.join(['1.0'] * n)});"
    ),
    "overrides": lambda n: _function(
        "return x;", "".join(f"@id({k}) override o{k}: f32 = 1.0;\n" for k in range(n))
    ),
    "a long name": lambda n: _function(f"let {'a' * n} = x; return {'a' * n};"),
    "a long number": lambda n: _function(f"return x * {'1' * n}.0;"),
    "comments": lambda n: _function(f"return {'/*' * n} {'*/' * n} x;"),
    "a long comment": lambda n: _function(f"return x; // {'x' * n * 1000}"),
    "a long text": lambda n: (
        _function(f"var s = x; {'s *= 1.01; ' * n * 60} return s;")
        if n > 500
        else _function("return x;")
    ),
    "lines": lambda n: "\n" * n * 100 + _function("return y;"),
    "conditions of lines": lambda n: "#ifdef A\n" * n + _function("return x;") + "\n#endif" * n,
    "an endless loop": lambda n: _function(f"loop {{ let y = x * {n}.0; }} return x;"),
    "a loop to no end": lambda n: _function(
        f"var s = x; var i = {n}; while i > 0 {{ s += 1.0; }} return s;"
    ),
    "recursion": lambda n: (
        "".join(f"fn f{k}(x: f32) -> f32 {{ return f{(k + 1) % n}(x); }}" for k in range(n))
        + "fn f(x: f32) -> f32 { return f0(x); }"
    ),
    "kernel workgroup memory": lambda n: _kernel(
        "w[id.x % 4u] = 1.0; y[id.x] = w[0];", f"var<workgroup> w: array<f32, {n * 20}>;"
    ),
    "kernel workgroup memory by an override": lambda n: _kernel(
        "w[0] = 1.0; y[id.x] = w[0];",
        f"override n = {n * n * 8}; var<workgroup> w: array<f32, n>;",
    ),
    "kernel invocations": lambda n: _kernel("y[id.x] = 1.0;", size=f"{n}"),
    "kernel invocations of axes": lambda n: _kernel("y[id.x] = 1.0;", size=f"{n}, {n}, {n}"),
    "kernel private memory": lambda n: (
        _kernel("p[0] = 1.0; y[id.x] = p[0];", f"var<private> p: array<f32, {n * 30}>;")
        if n > 60
        else _kernel("y[id.x] = 1.0;")
    ),
    "kernel bindings": lambda n: _kernel(
        "y[id.x] = 1.0" + "".join(f" + b{k}[0]" for k in range(n)) + ";",
        "".join(
            f"@group(1) @binding({k}) var<storage, read> b{k}: array<f32>;\n" for k in range(n)
        ),
    ),
    "kernel groups": lambda n: _kernel(
        "y[id.x] = u;", f"@group({n}) @binding({n * 7}) var<uniform> u: f32;"
    ),
    "kernel endless": lambda n: _kernel(f"loop {{ y[id.x] += {n}.0; }}"),
    "kernel barriers apart": lambda n: _kernel(
        f"if id.x > {n}u {{ workgroupBarrier(); }} y[id.x] = 1.0;"
    ),
    "kernel outside": lambda n: _kernel(f"y[id.x * {n}u + 4000000000u] = x[{n * n}] + 1.0;"),
    "kernel a fixed array": lambda n: _kernel(
        "y[id.x] = z[0];", f"@group(0) @binding(5) var<storage, read> z: array<f32, {n}>;"
    ),
    "kernel nesting": lambda n: _kernel(f"y[id.x] = {'(' * n}1.0{')' * n};"),
}
SIZES = 1, 2, 7, 15, 17, 40, 99, 101, 120, 201, 256, 510, 1024, 2100, 5001, 20001


def _aimed(rng: np.random.Generator) -> tuple[str, str]:
    names = list(AIMED)
    name = names[rng.integers(len(names))]
    return name, AIMED[name](int(rng.choice(SIZES)))
