"""The type pass: what it finds, what it refuses and where, and that naga judges likewise."""

from __future__ import annotations

import doctest
import importlib
import itertools
import pkgutil
import random

import pytest
from judge import has_half, refusal

from wgrad.backends.webgpu import shaders
from wgrad.errors import ShaderError
from wgrad.kernel import language
from wgrad.kernel.language import syntax as s
from wgrad.kernel.language.builtins import TABLE
from wgrad.kernel.language.builtins.base import Pattern
from wgrad.kernel.language.check import check
from wgrad.kernel.language.entries import workgroup_bytes
from wgrad.kernel.language.parser import parse
from wgrad.kernel.language.printer import printed
from wgrad.kernel.language.symbols import Typed
from wgrad.kernel.language.types import ABSTRACT, ABSTRACT_INT, F32, Vector

NAMES = sorted(
    path.relative_to(shaders.folder()).as_posix()[: -len(".wgsl")]
    for path in shaders.folder().rglob("*.wgsl")
)


def found(typed: Typed, kind: type, text: str = "") -> s.Expression:
    """Return the first node of a kind that prints as a text."""
    for node in typed.module.walk():
        if isinstance(node, kind) and isinstance(node, s.Expression):
            if not text or printed(node) == text:
                return node
    raise AssertionError(text)


# What is right, each feature once. naga takes it too.

RIGHT = {
    "numbers": "fn f(x: f32) -> f32 { return x * 2 + 1 - 0x10 + 1e3; }",
    "abstract": "fn f(x: vec3f) -> vec3f { return vec3(1, 2, 3) * x + 1; }",
    "vectors": "fn f(a: vec2f, b: f32) -> vec4f { return vec4(a, b, 1) + vec4f(b).wzyx; }",
    "matrices": "fn f(m: mat2x3f, v: vec2f) -> vec3f { return m * v + transpose(m)[0].x * m[1]; }",
    "of columns": "fn f() -> mat2x2f { return mat2x2(vec2(1, 2), vec2f(3)) * 2; }",
    "conversions": "fn f(i: i32, b: bool) -> f32 { return f32(u32(i)) + f32(b) + f32(bool(i)); }",
    "of vectors": "fn f(i: vec2i) -> vec2f { return vec2f(i) + vec2f(vec2<bool>(i)); }",
    "arrays": "fn f(i: u32) -> i32 { var a = array(1, 2, 3); a[i] += 1; return a[2] + a[i]; }",
    "nested": "fn f() -> f32 { var a: array<array<f32, 2>, 3>; a[1][0] = 2; return a[1][0]; }",
    "const arrays": "const t = array(1.5, 2); fn f(i: u32) -> f32 { return t[i] * t[0]; }",
    "structs": "struct S { a: f32, b: vec2f } fn f(s: S) -> S { return S(s.b.x, vec2(s.a, 1)); }",
    "pointers": "fn g(p: ptr<function, f32>) { *p += 1; } fn f() { var x = 1.0; g(&x); }",
    "let pointers": "fn f() -> f32 { var v = vec2f(1); let p = &v; p.x = 2; return "
    "(*p).y + p[0]; }",
    "order": "fn f() -> f32 { return g() * a; } fn g() -> f32 { return b; } const a "
    "= b; const b = 2.0;",
    "shadowing": "fn f(x: f32) -> f32 { { let x = 1; _ = x; } if x > 0 { let x = 2u; "
    "_ = x; } return x; }",
    "own abs": "fn abs(x: f32) -> f32 { return x; } fn f() -> f32 { return abs(1); }",
    "own name": "fn f() -> u32 { let u32 = 1u; return u32; }",
    "alias": "alias T = vec2<f32>; alias U = array<T, 2>; fn f(x: U) -> T { return "
    "x[1] * T(1, 2)[0]; }",
    "override": "override n: u32 = 4; override s = 2.0; fn f() -> f32 { return f32(n) * s; }",
    "overridden": "@id(7) override n: u32; var<workgroup> w: array<f32, n>; @compute "
    "@workgroup_size(n, 2) fn f() { w[0] = 1; }",
    "compound": "fn f() { var x = 1u; x <<= 2; x |= 1; x %= 3u; x++; x--; var v = "
    "vec2f(); v *= 2; }",
    "switch": "const k = 3; fn f(x: u32) -> i32 { switch x { case 0, k: { return 1; } "
    "default { } } "
    "switch 2 { case default, 5: { return 1; } } }",
    "loops": "fn f() -> i32 { var n = 0; for (var i = 0; i < 4; i++) { if i == 2 { "
    "continue; } n += i; }"
    "while n > 9 { n /= 2; } loop { n++; if n > 40 { break; } continuing { n += 1; break "
    "if n > 20; } }"
    " return n; }",
    "early": "fn f(x: f32) -> f32 { if x > 0 { return 1; } else { return 2; } }",
    "unreached": "fn f() -> i32 { return 1; let x = 2; }",
    "phony": "fn f(x: f32) { _ = sin(x); _ = vec2(1, 2); }",
    "atomics": "var<workgroup> n: atomic<u32>; fn f() -> u32 { atomicStore(&n, 1); "
    "let r = atomicCompareExchangeWeak(&n, 1, 2); return atomicAdd(&n, 1) + r.old_value; }",
    "buffers": "@group(0) @binding(0) var<storage, read_write> x: array<f32>; @compute "
    "@workgroup_size(64) fn f(@builtin(global_invocation_id) i: vec3u) "
    "{ if i.x < arrayLength(&x) { x[i.x] *= 2; } }",
    "uniform": "struct P { a: vec3f, b: f32, c: mat3x3f, @align(16) d: f32 } @group(0) @binding(0) "
    "var<uniform> p: P; fn f() -> f32 { return p.a.x + p.b + p.c[1].z + p.d; }",
    "parts": "fn f(x: f32) -> f32 { let a = frexp(x); let b = modf(vec2(x)); return a.fract + "
    "f32(a.exp) + b.whole.x; }",
    "select": "fn f(x: vec2f, b: bool) -> vec2f { return select(x, vec2(1), x > "
    "vec2(0)) + select(x, x, b); }",
    "constant select": "fn f(b: bool) -> i32 { return select(1, 2, b); }",
    "bits": "fn f(x: u32) -> u32 { return (x << 3) | ((x >> 2u) & (7 ^ ~x)); }",
    "bitcast": "fn f(x: f32) -> vec2<u32> { return bitcast<vec2<u32>>(vec2f(x)); }",
    "packing": "fn f(x: vec4f) -> vec4f { return unpack4x8unorm(pack4x8unorm(x)); }",
    "halves": "enable f16; fn f(x: f16) -> vec2h { return vec2h(x * 2, 1.5h) + "
    "vec2<f16>(vec2f()); }",
    "assertions": "const a = 3; const_assert a * 2 == 6; fn f() { const_assert a < 4 && true; }",
    "private": "var<private> s = 3u; fn f() -> u32 { s += 1; return s; }",
    "must use": "@must_use fn g() -> f32 { return 1; } fn f() -> f32 { return g(); }",
    "unused result": "fn g() -> f32 { return 1; } fn f() { g(); }",
    "fragment": "@fragment fn f(@builtin(position) p: vec4f) -> @location(0) vec4f "
    "{ if p.x < 1 { discard; } return dpdx(p); }",
    "logic": "fn f(a: bool, b: vec2<bool>) -> bool { return (a && !a) || (all(b) | "
    "any(!b)) != true; }",
    "limits": "fn f() -> i32 { return -2147483647 - 1 + i32(-2147483648); }",
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_is_taken(name: str):
    text = RIGHT[name]
    if "f16" not in text or has_half():
        assert refusal(text) == ""
    typed = check(text)
    again = check(printed(typed.module))
    assert again.module == typed.module
    for one, two in zip(typed.module.walk(), again.module.walk(), strict=True):
        assert typed.types.get(id(one)) == again.types.get(id(two))


# (text, column of its first line, words). naga refuses all of these too.
WRONG = [
    ("fn f(x: f32) -> i32 { return x; }", 30, "f returns i32, not f32: write i32(...)"),
    ("fn f(x: i32) -> f32 { return f32(x) + x; }", 30, "f32 + i32 is not defined: WGSL does not"),
    ("fn f(x: f32) -> bool { return x && x; }", 31, "f32 && f32 is not defined: it takes two bool"),
    ("fn f(x: u32) -> u32 { return x << 1i; }", 30, "u32 << i32 is not defined"),
    ("fn f(x: u32) -> u32 { return -x; }", 30, "-x takes signed numbers, not u32"),
    ("fn f(x: f32) -> f32 { return !x; }", 30, "!x takes bool"),
    ("fn f(x: mat2x2f) { _ = -x; }", 24, "not mat2x2<f32>: write -1 * x"),
    ("fn f(x: vec2f, y: vec3f) { _ = x + y; }", 32, "vec2<f32> + vec3<f32> is not defined"),
    ("fn f(x: mat2x3f) { _ = x * x; }", 24, "mat2x3<f32> * mat2x3<f32> is not defined"),
    ("fn f() { _ = 1 + 2.5 * 2u; }", 18, "a number with a fraction is no u32"),
    ("fn f() { let x: u32 = -1; }", 23, "-1 does not fit into u32"),
    ("fn f() { let x = u32(-1); }", 18, "-1 does not fit into u32"),
    ("fn f() { let x: i32 = 3000000000; }", 23, "3000000000 does not fit into i32"),
    ("fn f() { let x = 1 / 0; }", 18, "division by 0"),
    ("fn f() { let x = 9223372036854775807 + 1; }", 18, "64 bits"),
    ("fn f() { let x = 1u << 32; }", 18, "a shift by 32 bits"),
    ("fn f(x: u32) { let y = x << 32; }", 29, "a shift by 32 bits"),
    ("fn f() { let x = 1e38f * 10; }", 18, "too large for f32"),
    ("fn f() { let x = sqrt(-1); }", 18, "not defined there"),
    ("fn f() { let x: f32 = true; }", 23, "expected f32, not bool"),
    ("fn f() { let x = y; }", 18, "unknown name 'y'"),
    ("fn f(amplitude: f32) { _ = amplitud; }", 28, "did you mean 'amplitude'?"),
    ("fn f() { let x = f32; }", 18, "'f32' is a type, and no value"),
    ("fn f() { let x = sin; }", 18, "'sin' is a function, and no value"),
    ("fn f() { _ = sine(1); }", 14, "unknown function 'sine': did you mean 'sin'?"),
    ("fn f(x: float) {}", 9, "unknown type 'float'"),
    ("fn f(x: vec3) {}", 9, "vec3 needs to know of what: vec3<f32>"),
    ("fn f(x: vec3<vec2f>) {}", 9, "a vector is of bool, i32, u32, f32, f16"),
    ("fn f(x: mat2x2<i32>) {}", 9, "a matrix is of f32 or f16"),
    ("fn f(x: f16) {}", 9, "f16 needs 'enable f16;'"),
    ("fn f() { let x = 1.0h; }", 18, "f16 needs 'enable f16;'"),
    ("enable f17;", 1, "unknown extension 'f17'"),
    ("fn f() { _ = textureLoad(1); }", 14, "textures are not supported"),
    ("fn f(x: f32) { x = 2; }", 16, "x is a parameter, and cannot be assigned to: copy it"),
    ("fn f() { let x = 1; x = 2; "
     "}", 21, "x is a let, and cannot be assigned to: declare it with var"),
    ("const x = 1; fn f() { x += 2; }", 23, "x is a const"),
    ("fn f() { var v = vec3f(); v.xy = vec2f(); }", 27, "assign .x, .y, ... one by one"),
    ("fn f() { 1 = 2; }", 10, ""),
    ("fn f() { var x = 1.0; let p = &x; p = 2.0; }", 35, "p is a pointer: assign to *p"),
    ("fn f() { var x = 1.0; x = 1u; }", 27, "expected f32, not u32: write f32(...)"),
    ("fn f() { var x = 1.0; x++; }", 23, "++ and -- are for i32 and u32, not f32"),
    ("fn f() { var x = 1; x += 1.5; }", 21, "a number with a fraction is no i32"),
    ("fn f() { var x = vec2f(); let p = &x.y; }", 35, "no pointer to one component"),
    ("fn f() { let x = 1; let p = &x; }", 29, "&x takes a variable"),
    ("fn f() { let x = 1; let y = *x; }", 29, "*x takes a pointer, not i32"),
    ("fn f() { let x = 1; let x = 2; }", 21, "'x' is declared here already, on line 1"),
    ("fn f(x: f32) { let x = 2; }", 16, "'x' is declared here already"),
    ("fn f() {} fn f() {}", 11, "'f' is declared already, on line 1"),
    ("fn f() { if 1 { } }", 13, "a condition is a bool, not abstract-int: write != 0"),
    ("fn f(x: f32) { while x { } }", 22, "a condition is a bool, not f32: write != 0.0"),
    ("fn f() -> f32 { }", 1, "f ends without a return, on line 1"),
    ("fn f(x: f32) -> f32 { if x > 0 { return 1; } }", 1, "f ends without a return"),
    ("fn f() -> f32 { while true { return 1; } }", 1, "f ends without a return"),
    ("fn f() -> f32 { return; }", 17, "f has to return f32"),
    ("fn f() { return 1; }", 17, "f returns nothing"),
    ("fn f() { break; }", 10, "break stands outside of a loop or switch"),
    ("fn f() { if true { continue; } }", 20, "continue stands outside of a loop"),
    ("fn f() { loop { break; continuing { continue; } } }", 37, "continue stands in continuing"),
    ("fn f() { loop { break; continuing { return; } } }", 37, "return stands in continuing"),
    ("fn f() { loop { break if true; } }", 17, "break if has to be the last statement"),
    ("fn f() { switch 1 { case 1: {} } }", 10, "a switch needs a default"),
    ("fn f() { switch 1 { case 1, 1: {} default: {} } }", 29, "there are two cases for 1"),
    ("fn f() { switch 1.5 { default: {} } }", 17, "a switch selects by i32 or u32"),
    ("fn f(x: i32) { switch 1 { case x: {} default: {} } }", 32, "has to be a constant"),
    ("fn f() { g(1); } fn g() {}", 10, "g takes 0 values, not 1"),
    ("fn f() { g(1); } fn g(x: u32, y: f32) {}", 10, "g takes 2 values, not 1"),
    ("fn f() { g(1.5); } fn g(x: u32) {}", 12, "g: x is u32, not abstract-float"),
    ("fn f(x: i32) { g(x); } fn g(y: f32) {}", 18, "g: y is f32, not i32: write f32(...)"),
    ("fn f() { var x = 1.0; g(x); } fn g(y: ptr<function, f32>) {}", 25, "write &x"),
    ("fn f() { let x = g(); } fn g() {}", 18, "g gives nothing that could be used here"),
    ("fn f(x: f32) { sin(x); }", 16, "the value of sin is not used: write _ = ..."),
    ("fn f(x: f32) { f32(x); }", 16, "the value that is made here is not used"),
    ("@must_use fn g() -> f32 { return 1; } fn f() { g(); }", 48, "has to be used"),
    ("fn f() { f(); }", 10, "WGSL has no recursion: f -> f"),
    ("fn f() { g(); } fn g() { h(); } fn h() { g(); }", 42, "WGSL has no recursion: g -> h -> g"),
    ("const a = b; const b = a;", 1, "a depends on itself: a -> b -> a"),
    ("struct S { a: array<S, 2> }", 1, "S depends on itself: S -> S"),
    ("alias T = vec2<T>;", 1, "T depends on itself"),
    ("struct S { }", 1, "has no members"),
    ("struct S { a: f32, a: f32 }", 20, "S has two members 'a'"),
    ("struct S { a: array<f32>, b: f32 }", 12, "it has to be the last member"),
    ("struct S { @align(3) a: f32 }", 12, "a power of 2 and a multiple of 4, not 3"),
    ("struct S { @size(2) a: f32 }", 12, "@size of f32 is at least 4, not 2"),
    ("struct S { a: f32 } fn f(s: S) { _ = s.b; }", 38, "S has no member 'b'; it has a"),
    ("struct S { a: f32 } fn f() { _ = S(1, 2); }", 34, "S is made of 1 values, not of 2"),
    ("struct S { a: f32 } fn f() { _ = S(1u); }", 36, "S.a is f32, not u32"),
    ("fn f(v: vec2f) { _ = v.z; }", 22, "vec2<f32> has no 'z': up to four of 'xy' or 'rg'"),
    ("fn f(v: vec2f) { _ = v.xg; }", 22, "vec2<f32> has no 'xg'"),
    ("fn f(v: f32) { _ = v.x; }", 20, "f32 has no member 'x'"),
    ("fn f(v: vec2f) { _ = v[2]; }", 24, "the index 2 is outside of vec2<f32>, which has 2"),
    ("fn f(v: array<f32, 3>) { _ = v[-1]; }", 32, "the index -1 is outside"),
    ("fn f(v: vec2f) { _ = v[1.5]; }", 24, "an index is i32 or u32, not abstract-float"),
    ("fn f(v: f32) { _ = v[0]; }", 20, "f32 has no elements"),
    ("fn f() { _ = vec3f(1, 2); }", 14, "vec3<f32> is made of 3 components, not of 2"),
    ("fn f(i: i32) { _ = vec2f(1, i); }", 29, "vec2<f32> cannot be made of i32: write f32(...)"),
    ("fn f() { _ = vec3(1, 2.0, 3u); }", 14, "all have to be of one type"),
    ("fn f() { _ = array<f32, 2>(1); }", 14, "array<f32, 2> is made of 2 values, not of 1"),
    ("fn f() { _ = mat2x2f(1, 2, 3); }", 14, "mat2x2<f32> is made of 2 columns or 4 numbers"),
    ("fn f(x: array<f32>) {}", 9, "a function cannot take array<f32>"),
    ("fn f(x: array<f32, 0>) {}", 20, "an array has at least one element, not 0"),
    ("fn f(n: i32) { var x: array<f32, n>; }", 34, "has to be an expression of overrides"),
    ("fn f(x: i32) { const y = x; }", 26, "the value of const y has to be a constant"),
    ("const_assert 1 > 2;", 1, "this does not hold"),
    ("fn f(x: f32) { _ = clamp(x, 1i, 2); }", 20, "clamp(f32, i32, abstract-int) is not defined"),
    ("fn f(x: f32) { _ = max(x); }", 20, "max(f32) is not defined; there is max(V, V); T is f16,"),
    ("fn f() { _ = bitcast(1); }", 14, "bitcast needs the type that it makes"),
    ("fn f() { workgroupBarrier(1); }", 10, "workgroupBarrier(abstract-int) is not defined"),
    ("var x: f32;", 1, "needs an address space: storage, uniform, workgroup or private"),
    ("var<storage> x: array<f32>; @compute @workgroup_size(1) fn f() { _ = x[0]; "
     "}", 1, "@group(0)"),
    ("@group(0) @binding(0) var<private> x: f32;", 1, "which has no bindings"),
    ("var<workgroup> x: f32 = 1;", 1, "cannot have a first value"),
    ("@group(0) @binding(0) var<storage> x: array<bool>;", 39, "it has a bool in it, use u32"),
    ("@group(0) @binding(0) var<uniform> x: array<f32, 4>;", 39, "a multiple of 16: use vec4"),
    ("@group(0) @binding(0) var<uniform> x: array<f32>;", 39, "only var<storage> can hold"),
    ("@group(0) @binding(0) var<storage> x: atomic<u32>; fn f() { atomicStore(&x, "
     "1); }", 39, "read_w"),
    ("var<private> x: atomic<u32>;", 17, "an atomic cannot lie in private memory"),
    ("var<workgroup> x: atomic<f32>;", 19, "an atomic is i32 or u32"),
    ("var<workgroup> x: atomic<u32>; fn f() { x = 1; }", 41, "atomicStore(&x, value)"),
    ("@group(0) @binding(0) var<storage> x: array<f32>; fn f() { x[0] = 1; }", 60, "only read"),
    ("@group(0) @binding(0) var<storage> x: array<f32>; fn f() { let y = x; }", 68, "as a whole"),
    ("@group(0) @binding(0) var<uniform> x: f32; fn f() { x = 1; }", 53, "belongs to a uniform"),
    ("@compute fn f() {}", 1, "f needs @workgroup_size(64) beside @compute"),
    ("@compute @workgroup_size(0) fn f() {}", 26, "a workgroup size is 1 at least, not 0"),
    ("@compute @workgroup_size(1) fn f(x: f32) {}", 34, "what an entry point takes is a builtin"),
    ("@compute @workgroup_size(1) fn f(@builtin(workgroup_id) x: u32) "
     "{}", 60, "vec3<u32>, not u32"),
    ("@compute @workgroup_size(1) fn f(@builtin(thread) x: u32) {}", 34, "@builtin takes one of"),
    ("@compute @workgroup_size(1) fn f() { g(); } fn g() { discard; "
     "}", 54, "fragment shaders alone"),
    ("@compute @workgroup_size(1) fn f() { _ = dpdx(1.0); }", 42, "fragment shaders alone"),
    ("@compute @workgroup_size(1) fn f() {} fn g() { f(); }", 48, "which cannot be called"),
    ("@group(0) @binding(0) var<uniform> a: f32; @group(0) @binding(0) var<uniform> b: f32; "
     "@compute @workgroup_size(1) fn f() { _ = a + b; }", 44, "b and a are both @group(0)"),
    ("@id(1) override a: f32; @id(1) override b: f32;", 25, "@id(1) belongs to a already"),
    ("override a: vec2f;", 1, "an override is a bool or a number, not vec2<f32>"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "column", "words"), WRONG)
def test_what_is_wrong_is_refused_with_its_place(text: str, column: int, words: str):
    with pytest.raises(ShaderError) as caught:
        check(parse(text, "mine.wgsl"))
    error = caught.value
    assert words in error.reason
    assert (error.file, error.line, error.column) == ("mine.wgsl", 1, column), str(error)
    assert refusal(text) != ""


POINTED = "fn g(p: ptr<function, i32>) {}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fn f() { loop { } }", "this loop never ends"),
        ("fn f() { for (;;) { continue; } }", "this loop never ends"),
        ("fn f() { loop { switch 1 { default: { break; } } } }", "this loop never ends"),
        ("fn f(x: i32) -> i32 { return x / 0; }", "division by the constant 0"),
        ("fn f() { var a: array<f32, 3000>; }", "12000 bytes, and WGSL promises 8192"),
        ("fn f() { var a: array<f32, 1500>; var b: array<f32, 1500>; }", "12000 bytes"),
        (f"{POINTED} fn f() {{ var v = array(1, 2); g(&v[1]); }}", "whole variable"),
        (f"{POINTED} fn f() {{ var v = array(1, 2); let q = &v[1]; g(&*q); }}", "whole variable"),
        ("fn f(x: texture_2d<f32>) {}", "textures and samplers are not supported"),
        ("fn f() { _ = array(1, 2u, 3.5); }", "all elements have to be of one type"),
        ("var<workgroup> x: atomic<u32>; fn f() -> u32 { return x; }", "atomicLoad(&x)"),
        ("fn f(x: vec4u) -> vec4u { return sign(x); }", "sign(vec4<u32>) is not defined"),
        # What follows would end the process once naga writes code for it.
        *(
            (
                "struct S { x: array<f32, 2> } fn g(p: ptr<function, f32>) {} "
                f"fn h(q: ptr<function, array<f32, 2>>) {{ {inner} }} "
                f"fn f() {{ var s: S; {outer} }}",
                "p has to point to a whole variable",
            )
            for inner, outer in [
                ("", "g(&s.x[1]);"),
                ("", "let p = &s.x; let q = &(*p)[0]; g(q);"),
                ("g(&(*q)[1]);", ""),
            ]
        ),
    ],
)
def test_what_naga_takes_and_the_specification_does_not_is_refused(text: str, words: str):
    with pytest.raises(ShaderError) as caught:
        check(text)
    assert words in caught.value.reason


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("lib/")])
def test_our_shaders_are_right(name: str):
    typed = check(parse(shaders.source(name), name))
    assert "main" in typed.entry_points and typed.bindings
    for function in typed.module.functions.values():
        for statement in function.body.statements:
            for node in statement.walk():
                if isinstance(node, s.Expression) and typed.has_value(node):
                    assert str(typed.type_of(node))


def test_our_library_is_right():
    text = "".join(shaders.source(f"lib/{name}") for name in shaders.LIBRARY)
    assert len(check(text).functions) > 60


# What the result says.


def test_types_are_those_after_conversion():
    text = "let n = 1 / 2; return v * 2 + x * (1 / 3) + v[n];"
    typed = check(f"fn f(x: f32, v: vec3f) -> vec3f {{ {text} }}")
    two, third = found(typed, s.Literal, "2"), found(typed, s.Binary, "1 / 3")
    assert typed.type_of(two) == ABSTRACT_INT  # in n, whose value is 0
    body = typed.functions["f"].node.body.statements
    total = body[1]
    assert isinstance(total, s.Return) and isinstance(total.value, s.Binary)
    assert typed.type_of(total.value) == Vector(3, F32)
    (factor,) = [n for n in total.walk() if n == s.Literal(2)]
    assert typed.type_of(factor) == F32 and typed.constant(factor) == 2.0
    assert typed.type_of(third) == F32 and typed.constant(third) == 0.0
    assert not typed.is_constant(total.value) and typed.constant(total.value) is None


def test_names_are_resolved():
    text = "const k = 2; var<private> g: f32; fn h(a: f32) -> f32 { return a; } "
    text += "fn f(x: f32) -> f32 { var y = x; { let y = 1; _ = y; } g = h(y) * k; return abs(g); }"
    typed = check(text)
    f = typed.functions["f"]
    symbols = {}
    for node in f.node.body.walk():
        if isinstance(node, s.Identifier) and id(node) in typed.symbols:
            symbols.setdefault(node.name, []).append(typed.symbol_of(node))
    assert [x.kind for x in symbols["y"]] == ["let", "var"]
    assert symbols["y"][1].node is f.node.body.statements[0]
    assert [x.kind for x in symbols["x"] + symbols["g"] + symbols["k"]] == [
        *("parameter", "var", "var", "const"),
    ]
    assert symbols["k"][0].constant == 2 and symbols["g"][0].is_global
    assert symbols["abs"][0].builtin is TABLE["abs"] and symbols["h"][0].kind == "function"
    assert (list(f.callees), list(f.builtins), list(f.globals)) == (["h"], ["abs"], ["g", "k"])
    assert typed.order == ("h", "f") and f.parameters[0] is typed.symbol_of(f.node.parameters[0])


def test_references_are_what_can_be_assigned_to():
    typed = check("fn f(v: vec2f) -> f32 { var a = array(v, v); a[1].x = 2; return a[0].y + v.x; }")
    target, read = found(typed, s.Member, "a[1].x"), found(typed, s.Member, "a[0].y")
    assert typed.reference_of(target) is not None and typed.type_of(target) == F32
    reference = typed.reference_of(read)
    assert reference is not None and reference.space == "function"
    assert typed.reference_of(found(typed, s.Member, "v.x")) is None


def test_entry_points_say_what_they_use():
    text = """
    @group(0) @binding(0) var<uniform> n: u32;
    @group(1) @binding(3) var<storage, read_write> y: array<vec3f>;
    @group(0) @binding(9) var<storage> unused: array<f32>;
    override wide: u32 = 32;
    var<workgroup> tile: array<f32, wide * 2>;
    fn last() -> u32 { return n - 1; }
    @compute @workgroup_size(wide, 2) fn one() { y[last()].x = tile[0]; }
    @compute @workgroup_size(8) fn two() { }
    """
    typed = check(text)
    one, two = typed.entry_points.values()
    assert (one.name, one.stage, one.workgroup_size) == ("one", "compute", (None, 2, 1))
    assert printed(one.workgroup_expressions[0]) == "wide" and two.workgroup_size == (8, 1, 1)
    assert one.functions == ("last", "one") and one.bindings == ("n", "y") and two.bindings == ()
    shown = [(b.group, b.binding, b.name, b.space, b.access, str(b.type)) for b in typed.bindings]
    assert shown[:2] == [
        (0, 0, "n", "uniform", "read", "u32"),
        (1, 3, "y", "storage", "read_write", "array<vec3<f32>>"),
    ]
    assert typed.overrides["wide"].default == 32 and typed.overrides["wide"].key == "wide"
    known = check(text, overrides={"wide": 16})
    assert known.entry_points["one"].workgroup_size == (16, 2, 1)
    assert str(known.globals["tile"].type) == "array<f32, 32>"
    assert check(text, overrides={}).entry_points["one"].workgroup_size == (32, 2, 1)
    assert workgroup_bytes(known, known.entry_points["one"]) == 128
    assert workgroup_bytes(known, known.entry_points["two"]) == 0
    with pytest.raises(TypeError, match="override"):
        workgroup_bytes(typed, one)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1.5, "cannot be 1.5"),
        ("x", "cannot be 'x'"),
        (-1, "cannot be -1"),
        (2**40, "cannot be"),
        (0, "1 at least, not 0"),
    ],
)
def test_overrides_that_do_not_fit_are_refused(value: float, words: str):
    text = "@id(3) override n: u32; @compute @workgroup_size(n) fn f() {}"
    with pytest.raises(ShaderError, match=words):
        check(text, overrides={"n": value})
    with pytest.raises(ShaderError, match="override n has no value"):
        check(text, overrides={})
    assert check(text, overrides={"3": 5}).entry_points["f"].workgroup_size == (5, 1, 1)


def test_overrides_that_are_not_there_are_refused():
    with pytest.raises(ShaderError, match="no override 'm' to set; there is n"):
        check("override n = 1;", overrides={"m": 1})


def test_entry_points_say_which_extensions_they_need():
    text = "fn g() -> f32 { return subgroupAdd(1.0); } @compute @workgroup_size(1) fn f() { g(); }"
    assert check(text).entry_points["f"].needs == {"subgroups"}
    text = "enable f16; @compute @workgroup_size(1) fn f() { }"
    assert check(text).entry_points["f"].needs == {"f16"}
    with pytest.raises(ShaderError, match="argument 2 of subgroupBroadcast has to be a constant"):
        check("fn f(x: f32, i: u32) { _ = subgroupBroadcast(x, i); }")


def test_the_examples_of_the_documentation_run():
    flags = doctest.NORMALIZE_WHITESPACE
    names = {name: getattr(language, name) for name in dir(language)}
    count = 0
    for info in pkgutil.walk_packages(language.__path__, f"{language.__name__}."):
        module = importlib.import_module(info.name)
        for test in doctest.DocTestFinder().find(module, extraglobs=names | vars(module)):
            result = doctest.DocTestRunner(optionflags=flags).run(test)
            assert result.failed == 0, test.name
            count += result.attempted
    assert count > 6


def test_a_tree_whose_nodes_stand_in_two_places_is_checked():
    tree = parse("fn f(x: f32) -> f32 { let y = x; return y; }")
    (name,) = {n for n in tree.walk() if n == s.Identifier("x")}
    square = s.Binary("*", name, name)
    body = s.Block((s.Return(s.Binary("+", square, square)),))
    made = tree.but(declarations=(tree.functions["f"].but(body=body),))
    typed = check(made)
    assert typed.module == made and typed.module is not made
    for node in typed.module.walk():
        if isinstance(node, s.Binary):
            assert typed.type_of(node) == F32


def test_long_expressions_are_checked():
    typed = check(f"fn f(x: f32) -> f32 {{ return {' + '.join(['x'] * 200)}; }}")
    assert typed.functions["f"].result == F32


def test_texts_that_would_take_all_time_or_memory_are_refused():
    grown = "struct S0 { a: f32 }\n"
    for i in range(1, 14):
        grown += f"struct S{i} {{ {', '.join(f'm{j}: S{i - 1}' for j in range(20))} }}\n"
    assert len(check(grown).structs) == 14
    chain = "".join(f"const a{i} = a{i + 1};\n" for i in range(5000)) + "const a5000 = 1;"
    members = ", ".join(f"a{i}: f32" for i in range(1100))
    cases = ", ".join(map(str, range(1100)))
    for text, words in [
        (grown + "fn f() { _ = S13(); }", "bytes is too large"),
        (grown + "fn f() { var x: S13; }", "bytes, and WGSL promises 8192"),
        ("fn f() { _ = array<u32, 2147483647>(); }", "bytes is too large"),
        ("var<private> x: array<u32, 2147483647>;", "bytes, and WGSL promises 8192"),
        (chain, "Python's stack"),
        (f"struct S {{ {members} }}", "1023 members at most"),
        (f"fn f({members}) {{}}", "255 values at most"),
        (f"fn f() {{ switch 1 {{ case {cases}: {{}} default: {{}} }} }}", "1023 selectors"),
        ("const a = 1;\n" * 10001, "more than 10000 statements"),
    ]:
        with pytest.raises(ShaderError, match=words):
            check(text)


# Against naga.


def written(pattern: Pattern, sizes: dict[str, int], scalars: dict[str, str]) -> str:
    """Return a type of a signature as text."""
    scalar = scalars.get(str(pattern.scalar), str(pattern.scalar))
    counts = [str(sizes.get(str(x), x)) for x in pattern.sizes]
    if pattern.form == "vector":
        return f"vec{counts[0]}<{scalar}>"
    return f"mat{counts[0]}x{counts[1]}<{scalar}>" if pattern.form == "matrix" else scalar


def test_naga_knows_all_our_builtins():
    """Each with every scalar, in one text; but for what it has not, or takes in part."""
    other = ("subgroup", "quad", "atomic", "dpd", "fwidth")
    functions = []
    for name, row in TABLE.items():
        if name.startswith(other):
            continue
        for signature in row.signatures:
            options = [
                sorted(x.name for x in allowed - ABSTRACT) for allowed in signature.open.values()
            ]
            for chosen in itertools.product(*options):
                scalars = dict(zip(signature.open, chosen, strict=True))
                for n in (2, 4):
                    sizes = {"N": n, "C": n, "R": 3}
                    kinds = [written(p, sizes, scalars) for p in signature.parameters]
                    if "f16" in kinds and not has_half():
                        continue
                    call = f"{name}({', '.join('abcd'[: len(kinds)])})"
                    if signature.result is not None:
                        call = f"let x: {written(signature.result, sizes, scalars)} = {call}"
                    taken = ", ".join(f"{a}: {k}" for a, k in zip("abcd", kinds, strict=False))
                    functions.append(f"fn t{len(functions)}({taken}) {{ {call}; }}\n")
    functions = list(dict.fromkeys(functions))
    text = ("enable f16;\n" if has_half() else "") + "".join(functions)
    assert len(functions) > 400
    check(text)
    assert refusal(text) == ""


def test_operators_are_judged_as_by_naga():
    rng = random.Random(2)
    kinds = ["f32", "i32", "u32", "bool", "vec2f", "vec3f", "vec2i", "vec2<u32>", "vec2<bool>"]
    kinds += ["mat2x2f", "mat2x3f", "mat3x2f"]
    numbers = ["1", "2.5", "vec2(1, 2)", "vec2(1.5, 2)", "2u", "true"]
    ops = ["+", "-", "*", "/", "%", "==", "<", ">=", "&&", "||", "&", "|", "^", "<<", ">>"]
    right = []
    refused = 0
    for i, (op, a, b) in enumerate(itertools.product(ops, kinds, kinds + numbers)):
        named = b in kinds
        taken = f"a: {a}, b: {b}" if named else f"a: {a}"
        text = f"fn t{i}({taken}) {{ let x = a {op} {'b' if named else b}; }}\n"
        try:
            check(text)
        except ShaderError:
            if rng.random() < 0.05:
                assert refusal(text), text
                refused += 1
        else:
            right.append(text)
    assert len(right) > 200 and refused > 50
    assert refusal("".join(right)) == ""


PROGRAM = """
struct Params { n: u32, dt: f32, at: vec3f, m: mat3x3f }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
var<workgroup> tile: array<vec4f, 64>;
const table = array<f32, 4>(1, 2.5, 3, 4);
override scale: f32 = 2.0;
fn swap(a: ptr<function, f32>, b: ptr<function, f32>) { let t = *a; *a = *b; *b = t; }
fn pick(kind: i32, p: vec2f) -> f32 {
    switch kind {
        case 0, 1: { return p.x; }
        default: { if p.y > 0.0 { break; } return -p.y; }
    }
    var total = 0.0;
    for (var i = 0; i < 4; i++) { if i == 2 { continue; } total += table[i] * p[i & 1]; }
    while total > 100.0 { total *= 0.5; }
    return select(total, clamp(total, -1.0, 1.0), any(p > vec2f(0, 1)));
}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
    var a = 1.0; var b = 2.0;
    swap(&a, &b);
    tile[lane] = vec4f(params.at, a);
    workgroupBarrier();
    let m = transpose(params.m) * tile[lane ^ 1u].xyz;
    if id.x >= params.n { return; }
    out[id.x].x = m.x + pick(i32(lane), m.xy) * scale;
}
"""
# Where the two judge differently, and we go by the specification or say it earlier.
OURS_ALONE = ("division by the constant 0", "never ends", "without parentheses", "sign(", "bitcast")


def mutants(seed: int, count: int) -> list[str]:
    """Return programs with one word changed, left out or doubled."""
    rng = random.Random(seed)
    words = [w for w in PROGRAM.replace("(", " ( ").replace(")", " ) ").split(" ") if w.strip()]
    made = []
    for _ in range(count):
        changed = list(words)
        at = rng.randrange(len(words))
        what = rng.randrange(3)
        if what == 0:
            changed[at] = rng.choice(words)
        elif what == 1:
            del changed[at]
        else:
            changed.insert(at, rng.choice(words))
        made.append(" ".join(changed))
    return made


def test_mutated_programs_are_judged_as_by_naga():
    taken = 0
    for text in mutants(7, 250):
        theirs = refusal(text)
        try:
            check(text)
        except ShaderError as error:
            assert theirs or any(x in error.reason for x in OURS_ALONE), (text, error)
        else:
            assert not theirs, text
            taken += 1
    assert 5 < taken < 200


def test_mutated_programs_are_checked_or_refused():
    for text in mutants(8, 1500):
        try:
            check(parse(text))
        except ShaderError as error:
            assert error.line and error.column
