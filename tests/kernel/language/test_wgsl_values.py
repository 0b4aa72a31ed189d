"""Constants as WGSL computes them, and where values lie in memory."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from judge import refusal

from wgrad.errors import ShaderError
from wgrad.kernel.language import layouts
from wgrad.kernel.language.check import check
from wgrad.kernel.language.literals import read_number
from wgrad.kernel.language.symbols import Typed
from wgrad.kernel.language.types import Array, Structure, Type


def constant(text: str) -> tuple[str, object]:
    """Return the type and the value of a constant expression."""
    symbol = check(f"enable f16; const x = {text};").globals["x"]
    return str(symbol.type), symbol.constant


TENTH = float(np.float32(0.1))


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("1 + 2 * 3", "abstract-int", 7),
        ("7 / 2 + -7 / 2", "abstract-int", 0),
        ("-7 % 3", "abstract-int", -1),
        ("7.0 % -2", "abstract-float", 1.0),
        ("-7.5 % 2", "abstract-float", -1.5),
        ("1 / 2.0", "abstract-float", 0.5),
        ("7e10f % 3", "f32", 0.0),  # x - y trunc(x / y), each step rounded
        ("0.1f", "f32", TENTH),
        ("0.1f + 0.2f", "f32", float(np.float32(0.1) + np.float32(0.2))),
        ("0.1h * 3", "f16", float(np.float16(np.float16(0.1) * np.float16(3)))),
        ("2147483647i + 1i", "i32", -2147483648),
        ("0u - 1u", "u32", 4294967295),
        ("4000000000u * 2u", "u32", 8000000000 - 2**32),
        ("-2147483648", "abstract-int", -2147483648),
        ("~0u", "u32", 4294967295),
        ("~5i", "i32", -6),
        ("1 << 40", "abstract-int", 2**40),
        ("1u << 31", "u32", 2**31),
        ("-8i >> 1", "i32", -4),
        ("5u & 3u | 8u".replace(" & 3u | 8u", " & 3u"), "u32", 1),
        ("5 ^ 1", "abstract-int", 4),
        ("true & false", "bool", False),
        ("true || false", "bool", True),
        ("1 < 2.5", "bool", True),
        ("vec2(1, 2) < vec2(2)", "vec2<bool>", (True, False)),
        ("vec2(1, 2) + 0.5", "vec2<abstract-float>", (1.5, 2.5)),
        ("2 * vec3i(1, 2, 3).zx", "vec2<i32>", (6, 2)),
        ("vec4(vec2(1, 2), 3, 4)[2]", "abstract-int", 3),
        ("mat2x2(1, 2, 3, 4) * vec2(1, 10)", "vec2<abstract-float>", (31.0, 42.0)),
        ("vec2(1, 10) * mat2x2(1, 2, 3, 4)", "vec2<abstract-float>", (21.0, 43.0)),
        ("mat2x2f(1, 2, 3, 4) * mat2x2f(0, 1, 1, 0)", "mat2x2<f32>", ((3.0, 4.0), (1.0, 2.0))),
        ("mat2x3f()[1]", "vec3<f32>", (0.0, 0.0, 0.0)),
        ("transpose(mat2x3f(1, 2, 3, 4, 5, 6))[0]", "vec2<f32>", (1.0, 4.0)),
        ("determinant(mat3x3f(2, 0, 0, 0, 3, 0, 1, 0, 4))", "f32", 24.0),
        ("array(1, 2.5)[0]", "abstract-float", 1.0),
        ("array<u32, 2>(1, 2)", "array<u32, 2>", (1, 2)),
        ("i32(2.9) + i32(-2.9)", "i32", 0),
        ("u32(-1i)", "u32", 4294967295),
        ("i32(4294967295u)", "i32", -1),
        ("u32(1e20)", "u32", 4294967295),
        ("i32(-1e20f)", "i32", -2147483648),
        ("f32(true) + f32(16777217)", "f32", 16777216.0 + 1.0 - 1.0),
        ("bool(0.0) || bool(-0)", "bool", False),
        ("vec2f(vec2i(3))", "vec2<f32>", (3.0, 3.0)),
        ("max(1, 2.5) + min(1u, 2)".replace(" + min(1u, 2)", ""), "abstract-float", 2.5),
        ("clamp(5u, 1, 3)", "u32", 3),
        ("abs(-3)", "abstract-int", 3),
        ("sign(vec2(-2.5, 0))", "vec2<abstract-float>", (-1.0, 0.0)),
        ("sqrt(2f)", "f32", float(np.float32(math.sqrt(2)))),
        ("pow(2, 10)", "abstract-float", 1024.0),
        ("round(vec3(0.5, 1.5, -2.5))", "vec3<abstract-float>", (0.0, 2.0, -2.0)),
        ("fract(-0.25)", "abstract-float", 0.75),
        ("mix(vec2(0, 2), vec2(4), 0.5)", "vec2<abstract-float>", (2.0, 3.0)),
        ("select(1, 2.5, true)", "abstract-float", 2.5),
        ("select(vec2(1), vec2(2), vec2(true, false))", "vec2<abstract-int>", (2, 1)),
        ("smoothstep(0, 2, 1)", "abstract-float", 0.5),
        ("step(2, 2)", "abstract-float", 1.0),
        ("dot(vec3(1, 2, 3), vec3(4, 5, 6))", "abstract-int", 32),
        ("cross(vec3(1, 0, 0), vec3(0, 1, 0))", "vec3<abstract-float>", (0.0, 0.0, 1.0)),
        ("length(vec2(3, 4)) + length(-2)", "abstract-float", 7.0),
        ("distance(vec2(1, 1), vec2(4, 5))", "abstract-float", 5.0),
        ("normalize(vec2(0, 5f))", "vec2<f32>", (0.0, 1.0)),
        ("reflect(vec2(1, -1), vec2(0, 1))", "vec2<abstract-float>", (1.0, 1.0)),
        ("refract(vec2(0, -1), vec2(0, 1), 0.5)", "vec2<abstract-float>", (0.0, -1.0)),
        ("faceForward(vec2(1, 0), vec2(1, 0), vec2(1, 0))", "vec2<abstract-float>", (-1.0, 0.0)),
        ("ldexp(1.5, 3)", "abstract-float", 12.0),
        ("frexp(10.0f).fract", "f32", 0.625),
        ("frexp(10.0f).exp", "i32", 4),
        ("modf(vec2(-1.5, 2)).whole", "vec2<abstract-float>", (-1.0, 2.0)),
        ("countOneBits(-1i)", "i32", 32),
        ("countLeadingZeros(1u)", "u32", 31),
        ("countTrailingZeros(vec2u(8, 0))", "vec2<u32>", (3, 32)),
        ("firstLeadingBit(-2i)", "i32", 0),
        ("firstLeadingBit(0u)", "u32", 4294967295),
        ("firstTrailingBit(12i)", "i32", 2),
        ("reverseBits(1u)", "u32", 2147483648),
        ("extractBits(-1i, 4, 3)", "i32", -1),
        ("extractBits(0xabcdu, 4, 8)", "u32", 0xBC),
        ("insertBits(0u, 0xfu, 4, 2)", "u32", 48),
        ("bitcast<u32>(1f)", "u32", 0x3F800000),
        ("bitcast<vec2<f16>>(0x3c00c000u)", "vec2<f16>", (-2.0, 1.0)),
        ("pack4x8unorm(vec4(0, 1, 0.5, 2))", "u32", 0xFF80FF00),
        ("unpack4x8snorm(0x817f0000u)", "vec4<f32>", (0.0, 0.0, 1.0, -1.0)),
        ("pack2x16float(vec2(1, -2))", "u32", 0xC0003C00),
        ("unpack2x16unorm(0xffff0000u)", "vec2<f32>", (0.0, 1.0)),
        ("pack4xI8(vec4i(-1, 2, 3, 4))", "u32", 0x040302FF),
        ("pack4xU8Clamp(vec4u(300, 2, 3, 4))", "u32", 0x040302FF),
        ("unpack4xI8(0x000000ffu)", "vec4<i32>", (-1, 0, 0, 0)),
        ("dot4I8Packed(0x000002ffu, 0x00000303u)", "i32", 3),
        ("quantizeToF16(0.1)", "f32", float(np.float16(0.1))),
        ("all(vec2(true, false)) || any(true)", "bool", True),
    ],
)
def test_constants_are_computed(text: str, kind: str, value: object):
    assert constant(text) == (kind, value)


def test_components_of_constants_are_checked_for_their_kind():
    kind, value = constant("vec2(1, 2) * 1.0")
    assert kind == "vec2<abstract-float>" and [type(x) for x in value] == [float, float]  # type: ignore[attr-defined]
    assert type(constant("round(2.0)")[1]) is float and type(constant("1 == 1")[1]) is bool


@pytest.mark.parametrize(
    "text",
    [
        *("1 / 0", "1 % 0", "1.0 / 0", "1u / 0u", "-2147483648 / -1i", "1 << 64", "1i << 31"),
        *("9223372036854775807 * 2", "1e308 * 10", "3e38f + 3e38f", "60000h + 60000h"),
        *(
            "log(0)",
            "sqrt(-1.0)",
            "acos(2)",
            "exp(1000)",
            "pow(-1, 0.5)",
            "pow(0, 0)",
            "smoothstep(1, 1, 2)",
            "inverseSqrt(0)",
        ),
        *(
            "normalize(vec2(0, 0))",
            "clamp(1, 3, 2)",
            "ldexp(1.0f, 200)",
            "bitcast<f32>(0x7fc00000u)",
        ),
        *("extractBits(1u, 30, 5)", "vec2<u32>(-1, 0)", "array<i32, 2>(1, 2)[2]", "f16(70000)"),
    ],
)
def test_constants_that_have_no_value_are_refused(text: str):
    with pytest.raises(ShaderError):
        constant(text)


def test_naga_computes_integers_as_we_do():
    """But for those that wrap around, which it refuses."""
    rng = random.Random(4)

    def drawn(depth: int) -> str:
        if not depth:
            return str(rng.randrange(1, 60))
        op = rng.choice(["+", "-", "*", "/", "%", "&", "|", "^", "max", "min", "-x", "abs"])
        a, b = drawn(depth - 1), drawn(depth - 1)
        if op in ("max", "min"):
            return f"{op}({a}, {b})"
        return f"-({a})" if op == "-x" else f"abs({a})" if op == "abs" else f"(({a}) {op} ({b}))"

    texts = []
    for _ in range(200):
        text = drawn(3)
        try:
            kind, value = constant(text)
        except ShaderError:
            continue
        assert kind == "abstract-int"
        texts.append(
            f"const x{len(texts)} = {text} - ({value}); const_assert x{len(texts)} == 0;\n"
        )
    assert len(texts) > 100 and refusal("".join(texts)) == ""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", (0, "")),
        ("17u", (17, "u")),
        ("0xfF", (255, "")),
        ("0x1F", (31, "")),
        ("1f", (1.0, "f")),
        (".5", (0.5, "")),
        ("1.", (1.0, "")),
        ("1e3h", (1000.0, "h")),
        ("0x1p4", (16.0, "")),
        ("0x1.8p1f", (3.0, "f")),
        ("0x.8", (0.5, "")),
        ("0x1.f", (1.9375, "")),
    ],
)
def test_numbers_are_read(text: str, value: tuple):
    found = read_number(text)
    assert found == value and type(found[0]) is type(value[0])


@pytest.mark.parametrize(
    "text", ["00", "01u", "1.5u", "0x", "0x.p1", "0x1.8h", "1e", "1e400", "1_0"]
)
def test_numbers_that_are_none_are_refused(text: str):
    with pytest.raises(ValueError, match=text[:3].replace(".", r"\.")):
        read_number(text)


# Layouts: the table of the specification, and structures.


def typed(text: str) -> Typed:
    return check(f"enable f16; {text}")


@pytest.mark.parametrize(
    ("name", "align", "size"),
    [
        *(("i32", 4, 4), ("u32", 4, 4), ("f32", 4, 4), ("f16", 2, 2), ("atomic<u32>", 4, 4)),
        *(("vec2<i32>", 8, 8), ("vec2<f16>", 4, 4), ("vec3<f32>", 16, 12), ("vec3<f16>", 8, 6)),
        *(("vec4<u32>", 16, 16), ("vec4<f16>", 8, 8)),
        *(("mat2x2<f32>", 8, 16), ("mat2x2<f16>", 4, 8), ("mat3x2<f32>", 8, 24)),
        *(("mat4x2<f32>", 8, 32), ("mat2x3<f32>", 16, 32), ("mat2x3<f16>", 8, 16)),
        *(("mat3x3<f32>", 16, 48), ("mat3x3<f16>", 8, 24), ("mat4x3<f32>", 16, 64)),
        *(("mat2x4<f32>", 16, 32), ("mat3x4<f16>", 8, 24), ("mat4x4<f32>", 16, 64)),
        *(("array<f32, 4>", 4, 16), ("array<vec3<f32>, 2>", 16, 32), ("array<vec2f, 3>", 8, 24)),
    ],
)
def test_types_take_what_the_specification_says(name: str, align: int, size: int):
    found = typed(f"struct S {{ x: {name} }}").structs["S"].fields[0].type
    assert (layouts.align_of(found), layouts.size_of(found)) == (align, size)


@pytest.mark.parametrize(
    ("members", "offsets", "align", "size"),
    [
        ("a: vec3f, b: f32", [0, 12], 16, 16),
        ("a: f32, b: vec3f, c: f32", [0, 16, 28], 16, 32),
        ("a: f32, b: vec2f, c: u32", [0, 8, 16], 8, 24),
        ("a: f16, b: f32, c: vec3<f16>, d: f16", [0, 4, 8, 14], 8, 16),
        ("a: f32, b: mat3x3f, c: f32", [0, 16, 64], 16, 80),
        ("a: array<vec3f, 2>, b: f32", [0, 32], 16, 48),
        ("a: f32, @align(16) b: f32, @size(20) c: f32, d: f32", [0, 16, 20, 40], 16, 48),
        ("a: f32, b: T, c: f32", [0, 16, 48], 16, 64),
        ("a: atomic<u32>, b: array<atomic<i32>, 3>", [0, 4], 4, 16),
        ("n: u32, x: array<vec3f>", [0, 16], 16, 32),
    ],
)
def test_members_lie_where_the_specification_says(
    members: str, offsets: list[int], align: int, size: int
):
    found = typed(f"struct T {{ v: vec3f, w: f32, x: f32 }} struct S {{ {members} }}").structs["S"]
    assert [x.offset for x in layouts.members(found)] == offsets
    assert (layouts.align_of(found), layouts.size_of(found)) == (align, size)
    assert layouts.stride_of(Array(found, 2)) == size


def test_a_buffer_of_vectors_of_three_has_a_stride_of_four():
    kind = typed("@group(0) @binding(0) var<storage> x: array<vec3f>;").bindings[0].type
    assert isinstance(kind, Array) and layouts.stride_of(kind) == 16


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("struct S { a: array<vec2f, 4> }", "a multiple of 16: use vec4"),
        ("struct T { x: f32 } struct S { a: f32, b: T }", r"S\.b lies at byte 4"),
        (
            "struct T { x: f32 } struct S { b: T, c: f32 }",
            r"S\.c lies in the last 16 bytes of S\.b",
        ),
    ],
)
def test_what_a_uniform_does_not_allow_is_said(text: str, words: str):
    text += " @group(0) @binding(0) var<uniform> x: S;"
    with pytest.raises(ShaderError, match=words):
        check(text)
    assert refusal(text) != ""
    check(text.replace("uniform", "storage"))


def test_naga_lays_structures_out_as_we_do():
    """It refuses an @size or @align that does not fit, so sizes are compared by those that do."""
    rng = random.Random(6)
    kinds = ["f32", "u32", "vec2f", "vec3f", "vec4i", "mat3x3f", "mat2x2f", "array<vec3f, 2>"]
    text = ""
    for i in range(30):
        names = [rng.choice(kinds) for _ in range(rng.randrange(1, 6))]
        inner = ", ".join(f"m{j}: {name}" for j, name in enumerate(names))
        found: Type = check(f"struct S{i} {{ {inner} }}").structs[f"S{i}"]
        assert isinstance(found, Structure)
        size = layouts.size_of(found)
        text += f"struct S{i} {{ {inner} }}\nstruct T{i} {{ @size({size}) a: S{i} }}\n"
        short = f"struct S {{ {inner} }}\nstruct T {{ @size({size - 1}) a: S }}\n"
        use = "@group(0) @binding(0) var<storage> x: T;"
        assert i % 6 or refusal(short + use) != ""
    uses = (f"@group(0) @binding({i}) var<storage> x{i}: T{i};\n" for i in range(30))
    assert refusal(text + "".join(uses)) == ""
