"""The texts of shader variants: what a kernel family puts into its file's marked blocks."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from ...dtypes import DType, float16
from ..array import OPERANDS, Body, Number
from ..fold import Fold, Wide
from ..functions import Function
from . import shaders

_LANE = ("x", "y", "z", "w")


def _loaded(dtype: DType, text: str) -> str:
    """Return the WGSL that turns a stored element into one that code computes with."""
    if dtype.wgsl == "bool":
        return f"({text} != 0u)"
    return text if dtype.storage == dtype.wgsl else f"{dtype.wgsl}({text})"


def _number(place: int, dtype: DType) -> str:
    """Return the WGSL of a number that travels in the scalars of Params."""
    bits = f"params.scalars[{place // 4}].{_LANE[place % 4]}"
    return _loaded(dtype, bits) if dtype.wgsl == "bool" else f"bitcast<{dtype.wgsl}>({bits})"


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
            value = _number(i, ins[i])
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


def call_source(function: Function, pattern: Sequence[tuple[int, int] | None]) -> str:
    """Return the kernel of a function; `pattern` has None per number, and (binding, row) else.

    A row is one of strides: operands with the same are walked alike.
    """
    rows = 1 + max((p[1] for p in pattern if p is not None), default=0)
    wide = -(-rows // 4)
    operands = [(p, x) for p, x in zip(pattern, function.ins, strict=True) if p is not None]
    kinds = {p[0]: str(x.storage) for p, x in operands}
    lines = ["    var rest = index;", *[f"    var at{v} = vec4<u32>();" for v in range(wide)]]
    lines.append("    for (var axis = params.rank; axis > 1u; axis--) {")
    lines.append("        let n = extent(axis - 1u);")
    lines.append("        let quotient = rest / n;")
    step = f"(rest - quotient * n) * params.strides[(axis - 1u) * {wide}u + "
    lines += [f"        at{v} += {step}{v}u];" for v in range(wide)]
    lines += ["        rest = quotient;", "    }"]
    lines += [f"    at{v} += rest * params.strides[{v}u];" for v in range(wide)]
    operand = 0
    arguments: list[str] = []
    for i, (p, dtype) in enumerate(zip(pattern, function.ins, strict=True)):
        if p is None:
            arguments.append(_number(sum(q is None for q in pattern[:i]), dtype))
        else:
            at = f"at{p[1] // 4}.{_LANE[p[1] % 4]}"
            start = f"params.offsets[{operand // 4}].{_LANE[operand % 4]}"
            arguments.append(_loaded(dtype, f"m{p[0]}[{at} + {start}]"))
            operand += 1
    lines.append(f"    let made = {function.entry}({', '.join(arguments)});")
    for k in range(len(function.parts)):
        at = f"index * params.point + {k}u * params.result"
        lines.append(f"    out[{at}] = {_part('made', function, k)};")
    counts = {"scalars": len(pattern) - operand, "offsets": operand, "strides": 32 * wide}
    return _filled_call(function, kinds, str(function.out.storage), lines, counts)


def call_by_fours_source(
    function: Function,
    along: Sequence[tuple[int, int]],
    pattern: Sequence[tuple[int, int] | None],
    planes: bool,
    rest: bool,
) -> str:
    """Return the kernel of a function where a thread takes four points; with `rest` some take one.

    `along` has (binding, step from point to point) for each line that operands are in; `pattern`
    has None per number, and (line, place of the first point in it) else.
    """
    kinds: dict[int, str] = {}
    lines: list[str] = []
    known: set[tuple[int, int]] = set()
    numbers = 0
    arguments: list[list[str]] = [[] for _ in _LANE]
    single: list[str] = []
    for p, dtype in zip(pattern, function.ins, strict=True):
        if p is None:
            for one in (*arguments, single):
                one.append(_number(numbers, dtype))
            numbers += 1
            continue
        at, first = p
        binding, step = along[at]
        kinds[binding] = f"vec4<{dtype.storage}>"
        start = f"params.offsets[{at // 4}].{_LANE[at % 4]}"
        element = f"{start} * 4u + {first}u + point * {step}u"
        single.append(_loaded(dtype, f"m{binding}[({element}) / 4u][({element}) % 4u]"))
        for n, one in enumerate(arguments):
            quad, lane = divmod(first + n * step, 4)
            if (at, quad) not in known:
                known.add((at, quad))
                place = f"{start} + index * {step}u + {quad}u"
                lines.append(f"    let line{at}_{quad} = m{binding}[{place}];")
            one.append(_loaded(dtype, f"line{at}_{quad}.{_LANE[lane]}"))
    for n, one in enumerate(arguments):
        lines.append(f"    let made{n} = {function.entry}({', '.join(one)});")
    count = len(function.parts)
    order = [(n, k) for n in range(4) for k in range(count)]  # side by side
    if planes:
        order = [(n, k) for k in range(count) for n in range(4)]
    results = [_part(f"made{n}", function, k) for n, k in order]
    kind = f"vec4<{function.out.storage}>"
    for j in range(count):
        place = f"{j}u * params.result + index" if planes else f"index * {count}u + {j}u"
        lines.append(f"    out[{place}] = {kind}({', '.join(results[4 * j : 4 * j + 4])});")
    if rest:
        one = ["    if index >= params.rank {", "        let point = index + params.rank * 3u;"]
        one.append(f"        let made = {function.entry}({', '.join(single)});")
        for k in range(count):
            element = f"point * {count}u + {k}u"
            target = f"out[({element}) / 4u][({element}) % 4u]"
            one.append(f"        {target} = {_part('made', function, k)};")
        lines = [*one, "        return;", "    }", *lines]
    counts = {"scalars": numbers, "offsets": len(along), "strides": 32}
    return _filled_call(function, kinds, kind, lines, counts)


def _part(made: str, function: Function, k: int) -> str:
    """Return one of the results of a function as memory holds it."""
    text = f"{made}{function.parts[k]}"
    return _stored(function.out, f"to_half({text})" if function.out is float16 else text)


def _filled_call(
    function: Function, kinds: dict[int, str], out: str, lines: list[str], counts: dict[str, int]
) -> str:
    """Return call.wgsl with bindings, a body of `compute`, and room for so many words in Params."""
    bound = [("read", f"m{at}", kind) for at, kind in sorted(kinds.items())]
    block = [
        f"@group(0) @binding({i}) var<storage, {mode}> {name}: array<{kind}>;"
        for i, (mode, name, kind) in enumerate([*bound, ("read_write", "out", out)], 1)
    ]
    block += [*function.code, "fn compute(index: u32) {", *lines, "}"]
    block.append(shaders.library("\n".join(block)))
    sizes = {}
    for line in shaders.source("call").splitlines():
        name = line.strip().partition(":")[0]
        if name in counts and "array<" in line:
            vectors = max(1, -(-counts[name] // 4))
            sizes[line] = re.sub(r", \d+>,", f", {vectors}>,", line)
    return shaders.fill("call", {"call": "\n".join(block)}, sizes)


def literal(value: Number, kind: str) -> str:
    """Return a number as WGSL of a type; infinities are no constants there, but calls."""
    if kind == "bool":
        return str(bool(value)).lower()
    if math.isinf(value):
        return f"make_inf({'1.0' if value > 0 else '-1.0'})"
    if kind == "i32" and value == -(2**31):  # the negative of what is no i32
        return "(-2147483647i - 1i)"
    return f"{kind}({value if kind == 'f32' else int(value)})"


def _wide_lines(wide: Wide) -> list[str]:
    """Return the type that floats are folded in, and its functions with all that they call."""
    text = shaders.source(wide.library)
    combine = f"fn combine(a: T, b: T) -> T {{ return {wide.wgsl}; }}"
    return [shaders.library(text), text, f"alias T = {wide.dtype.wgsl};", combine]


_ONE_BY_ONE = """\
alias V = T;
alias Held = Source;
fn both(x: V, y: V) -> V { return combine(x, y); }
fn loaded(x: Held) -> V { return LOADED; }"""
_AS_IT_IS = "alias R = V;\nfn finish(x: V, lane: u32) -> R { return x; }"
_NARROWED = "alias R = f32;\nfn finish(x: V, lane: u32) -> R { return narrowed(x); }"


def reduce_source(
    fold: Fold, dtype: DType, result: DType, along: str, grid: bool, short: bool = False
) -> str:
    """Return a reduction kernel for one of reduce.py's plans; `short` is for few elements.

    Where a fold is of something wide, there are kernels from floats to that, and back, too.
    """
    grids = {
        "const GRID = true;": f"const GRID = {str(grid).lower()};",
        "const SHORT = false;": f"const SHORT = {str(short).lower()};",
    }
    wide = fold.wide_for(dtype)
    if wide is not None:
        assert not along
        read = "x" if dtype is wide.dtype else "widened(f32(x))"
        blocks = {
            "kind": "\n".join([*_wide_lines(wide), f"alias Source = {dtype.storage};"]),
            "loads": _ONE_BY_ONE.replace("LOADED", read),
            "stores": _AS_IT_IS if result is wide.dtype else _NARROWED,
        }
        return shaders.fill("reduce", blocks, grids)
    expression = fold.expression(dtype)
    lines = [
        shaders.library(expression),
        f"alias T = {dtype.wgsl if dtype.is_floating else dtype.storage};",
        f"alias Source = {dtype.storage};",
        f"fn combine(a: T, b: T) -> T {{ return {expression}; }}",
    ]
    blocks = {"kind": "\n".join(lines)}
    if along != "rows":
        blocks["stores"] = _AS_IT_IS
    text = "V(x)"
    if fold.of is not None:  # hidden from compilers, which make (x + y) / 64 of x / 64 + y / 64
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


def scan_source(fold: Fold, dtype: DType, along: str, quarters: bool, begun: bool = False) -> str:
    """Return a scan kernel for one of scan.py's plans; totals of floats may be something wide.

    With `quarters` the totals before are those of 1/64 of all, and nothing overflows in a block.
    With `begun` there is a total before the first block, too.
    """
    loads = _SCAN_LOADS.get(along, "")
    read, combined = "x", "combine(total, x)"
    wide = fold.wide_for(dtype)
    if wide is not None:
        assert not along
        lines, nothing = _wide_lines(wide), wide.nothing
        if dtype is not wide.dtype:
            read, combined = "widened(x)", "narrowed(combine(total, x))"
    else:
        expression = fold.expression(dtype)
        nothing = literal(fold.identity(dtype), str(dtype.storage))
        lines = [
            shaders.library(f"{expression} {nothing}"),
            f"alias T = {dtype.storage};",
            f"fn combine(a: T, b: T) -> T {{ return {expression}; }}",
        ]
    lines.append(f"fn nothing() -> T {{ return {nothing}; }}")
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
    begins = {"const BEGUN = false;": f"const BEGUN = {str(begun).lower()};"}
    return shaders.fill("scan", blocks, begins)


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
