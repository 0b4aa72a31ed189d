"""The texts of shader variants: what a kernel family puts into its file's marked blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...dtypes import DType
from ..array import OPERANDS, Body
from . import shaders

_LANE = ("x", "y", "z", "w")


def _loaded(dtype: DType, text: str) -> str:
    """Return the WGSL that turns a stored element into one that code computes with."""
    if dtype.wgsl == "bool":
        return f"({text} != 0u)"
    return text if dtype.storage == dtype.wgsl else f"{dtype.wgsl}({text})"


def _stored(dtype: DType, text: str) -> str:
    return text if dtype.storage == dtype.wgsl else f"{dtype.storage}({text})"


def map_source(
    body: Body, pattern: str, ins: Sequence[DType], out: DType, flat: bool, wide: bool
) -> str:
    """Return an elementwise kernel, `flat` or strided; `wide` takes four elements at a time.

    `pattern` has s per number, t per tensor, and r per tensor that repeats one element by fours.
    """
    names = OPERANDS[: len(ins)]
    code = body.functions(ins, out)
    lines: list[str] = []
    tensors = [i for i, p in enumerate(pattern) if p != "s"]
    element = "vec4<{}>" if wide else "{}"
    for binding, i in enumerate(tensors, 1):
        kind = element.format(ins[i].storage) if pattern[i] == "t" else ins[i].storage
        lines.append(
            f"@group(0) @binding({binding}) var<storage, read> {names[i]}_data: array<{kind}>;"
        )
    result = element.format(out.storage)
    lines.append(
        f"@group(0) @binding({len(tensors) + 1}) var<storage, read_write> out: array<{result}>;"
    )
    lines.append(code)
    lines.append(f"fn compute({'quad: u32' if flat else 'at: vec4<u32>'}) -> {result} {{")
    for i, name in enumerate(names):
        if i not in tensors:
            bits = f"params.scalars[{i // 4}].{_LANE[i % 4]}"
            value = (
                _loaded(ins[i], bits)
                if ins[i].wgsl == "bool"
                else f"bitcast<{ins[i].wgsl}>({bits})"
            )
        else:
            lane = _LANE[tensors.index(i)]
            value = f"{name}_data[quad]" if flat else f"{name}_data[at.{lane}]"
        lines.append(f"    let {name} = {value};")

    def call(component: str) -> str:
        arguments = [
            name if p == "s" else _loaded(ins[i], name + component if p == "t" else name)
            for i, (name, p) in enumerate(zip(names, pattern, strict=True))
        ]
        return _stored(out, f"body({', '.join(arguments)})")

    parts = ", ".join(call(f".{c}") for c in _LANE)
    lines.append(f"    return {f'{result}({parts})' if wide else call('')};")
    lines.append("}")
    lines.append(shaders.library(code))
    return shaders.fill("map_flat" if flat else "map_strided", {"operands": "\n".join(lines)})


_COMBINE = {
    "sum": "x + y",
    "small sum": "x + y",  # of 1/64 of the elements
    "prod": "x * y",
    "max": "max(x, y)",
    "min": "min(x, y)",
    "any": "max(x, y)",  # bools are stored as 0 and 1
    "all": "min(x, y)",
    "logsumexp": "real_logaddexp(x, y)",  # of scans alone
}
# The total of nothing; infinities are no constants in WGSL.
_NOTHING = {
    "sum": lambda dtype: "T(0)",
    "prod": lambda dtype: "T(1)",
    "max": lambda dtype: _least(dtype) if dtype.is_integer else "make_inf(-1.0)",
    "min": lambda dtype: _greatest(dtype) if dtype.is_integer else "make_inf(1.0)",
    "logsumexp": lambda dtype: "make_inf(-1.0)",
}


def _least(dtype: DType) -> str:
    return "0u" if dtype.storage == "u32" else "bitcast<i32>(0x80000000u)"


def _greatest(dtype: DType) -> str:
    return "0xffffffffu" if dtype.storage == "u32" else "0x7fffffff"


def _combined(kind: str, dtype: DType) -> str:
    """Return the WGSL that makes one of two; max and min of floats pass NaN on."""
    extreme = dtype.is_floating and kind in ("max", "min")
    return f"nan_{_COMBINE[kind]}" if extreme else _COMBINE[kind]


# What kernels pass on of a product of floats: see lib/wide_product.wgsl.
WIDE = DType("wide", np.dtype("V12"), 2, "Wide", "Wide")


def _wide_lines() -> list[str]:
    """Return the type of wide products, and the functions of it with all that they call."""
    text = shaders.source("lib/wide_product")
    return [shaders.library(text), text, "alias T = Wide;"]


_ONE_BY_ONE = """\
alias V = T;
alias Held = Source;
fn both(x: V, y: V) -> V { return combine(x, y); }
fn loaded(x: Held) -> V { return LOADED; }"""
_AS_IT_IS = "alias R = V;\nfn finish(x: V, lane: u32) -> R { return x; }"
_NARROWED = "alias R = f32;\nfn finish(x: V, lane: u32) -> R { return narrowed(x); }"


def reduce_source(kind: str, dtype: DType, result: DType, along: str, grid: bool) -> str:
    """Return a reduction kernel for one of reduce.py's plans; max and min of floats pass NaN on.

    A product of floats is a wide one, from which and to which there are kernels too.
    """
    grids = {"const GRID = true;": f"const GRID = {str(grid).lower()};"}
    if kind == "prod" and dtype.is_floating:
        assert not along
        lines = [
            *_wide_lines(),
            f"alias Source = {dtype.storage};",
            "fn combine(x: T, y: T) -> T { return wide_product(x, y); }",
        ]
        blocks = {
            "kind": "\n".join(lines),
            "loads": _ONE_BY_ONE.replace("LOADED", "x" if dtype is WIDE else "widened(f32(x))"),
            "stores": _AS_IT_IS if result is WIDE else _NARROWED,
        }
        return shaders.fill("reduce", blocks, grids)
    expression = _combined(kind, dtype)
    lines = [
        shaders.library(expression),
        f"alias T = {dtype.wgsl if dtype.is_floating else dtype.storage};",
        f"alias Source = {dtype.storage};",
        f"fn combine(x: T, y: T) -> T {{ return {expression}; }}",
    ]
    blocks = {"kind": "\n".join(lines)}
    if along != "rows":
        blocks["stores"] = _AS_IT_IS
    text = "V(x)"
    if kind == "small sum":  # hidden from compilers, which make (x + y) / 64 of x / 64 + y / 64
        words = "vec4<u32>" if along else "u32"
        text = f"bitcast<V>(bitcast<{words}>(V(x) * 0x1p-6f) ^ {words}(params.zero))"
    if not along:
        blocks["loads"] = _ONE_BY_ONE.replace("LOADED", text)
    else:
        grids["fn loaded(x: Held) -> V { return V(x); }"] = (
            f"fn loaded(x: Held) -> V {{ return {text}; }}"
        )
    return shaders.fill("reduce", blocks, grids)


_NO_QUARTERS = """\
const QUARTERS = false;
fn quarter_of(x: V) -> V { return x; }
fn times_16(x: Total) -> Total { return x; }
fn raised(x: Total) -> Total { return x; }
fn times_4(x: Written) -> Written { return x; }
fn finite_or(x: Written, y: Written) -> Written { return x; }"""
_QUARTERS = """\
const QUARTERS = true;
fn quarter_of(x: V) -> V { return bitcast<f32>(bitcast<u32>(x * 0.25) ^ params.zero); }
fn times_16(x: Total) -> Total { return x * 16.0; }
fn raised(x: Total) -> Total { return x * 4.0; }
fn times_4(x: Written) -> Written { return x * 4.0; }
fn finite_or(x: Written, y: Written) -> Written {
    return select(x, y, (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u);
}"""
_SCAN_LOADS = {
    "rows back": """\
alias V = vec4<T>;
alias Made = V;
alias Written = V;
alias Total = T;
fn start() -> Total { return nothing(); }
fn advance(total: Total, x: V) -> Made {
    let c = combine(total, x.w);
    let b = combine(c, x.z);
    let a = combine(b, x.y);
    return V(combine(a, x.x), a, b, c);
}
fn last(x: Made) -> Total { return x.x; }
fn after(total: Total, x: Made) -> Written {
    return V(combine(total, x.x), combine(total, x.y), combine(total, x.z), combine(total, x.w));
}""",
    "columns": """\
alias V = vec4<T>;
alias Made = V;
alias Written = V;
alias Total = V;
fn start() -> Total { return V(nothing()); }
fn advance(total: Total, x: V) -> Made {
    return V(
        combine(total.x, x.x), combine(total.y, x.y), combine(total.z, x.z), combine(total.w, x.w)
    );
}
fn last(x: Made) -> Total { return x; }
fn after(total: Total, x: Made) -> Written { return advance(total, x); }""",
    "": """\
alias V = SOURCE;
alias Made = T;
alias Written = SOURCE;
alias Total = T;
fn start() -> Total { return nothing(); }
fn advance(total: Total, x: V) -> Made { return combine(total, LOADED); }
fn last(x: Made) -> Total { return x; }
fn after(total: Total, x: Made) -> Written { return WRITTEN; }""",
}


def scan_source(kind: str, dtype: DType, along: str, quarters: bool) -> str:
    """Return a scan kernel for one of scan.py's plans; the totals of float products are wide.

    With `quarters` the totals before are those of 1/64 of all, and nothing overflows in a block.
    """
    loads = _SCAN_LOADS.get(along, "")
    read, combined = "x", "combine(total, x)"
    if kind == "prod" and dtype.is_floating:
        assert not along
        lines = [*_wide_lines(), "fn nothing() -> T { return Wide(1.0, 0.0, 0); }"]
        expression = "wide_product(x, y)"
        if dtype is not WIDE:
            read, combined = "widened(x)", "narrowed(combine(total, x))"
    else:
        expression, nothing = _combined(kind, dtype), _NOTHING[kind](dtype)
        lines = [
            shaders.library(f"{expression} {nothing}"),
            f"alias T = {dtype.storage};",
            f"fn nothing() -> T {{ return {nothing}; }}",
        ]
    lines.append(f"fn combine(x: T, y: T) -> T {{ return {expression}; }}")
    blocks = {"kind": "\n".join(lines)}
    if along != "rows":
        names = {"SOURCE": str(dtype.storage), "LOADED": read, "WRITTEN": combined}
        for name, text in names.items():
            loads = loads.replace(name, text)
        blocks["loads"] = loads
    if not quarters:
        blocks["range"] = _NO_QUARTERS
    elif not along:
        blocks["range"] = _QUARTERS
    return shaders.fill("scan", blocks)


_CONVERT = {
    "bits": "return word;",
    # 24 bits: exact in a float, and so is the power of two.
    "uniform": "return bitcast<u32>(f32(word >> 8u) * 0x1p-24f);",
    # One bit of sign; the other 31 choose a piece of the quantile function by their leading zeros
    # and the bits after the first, and the rest interpolates in fixed point.
    "normal": """\
    let tail = (word >> 1u) | 1u;
    let octave = countLeadingZeros(tail) - 1u;
    let mantissa = tail << octave;
    let at = octave * 257u + ((mantissa >> 22u) & 255u);
    let rest = i32((mantissa >> 7u) & 0x7fffu);
    let fixed = table[at] + (((table[at + 1u] - table[at]) * rest) >> 15u);
    let value = f32(fixed) * 0x1p-21f;
    return bitcast<u32>(select(value, -value, (word & 1u) == 1u));""",
}


def random_source(kind: str) -> str:
    """Return the generator kernel for "bits", "uniform" or "normal"."""
    lines = []
    if kind == "normal":
        lines.append("@group(0) @binding(1) var<storage, read> table: array<i32>;")
    lines.append(f"@group(0) @binding({len(lines) + 1}) var<storage, read_write> out: array<u32>;")
    lines.append(f"fn convert(word: u32) -> u32 {{\n{_CONVERT[kind]}\n}}")
    return shaders.fill("random", {"kind": "\n".join(lines)})
