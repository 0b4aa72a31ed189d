"""How functions of the twin are called, what float64 and f16 mean, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from wgrad.errors import ArgumentError, CallError, DTypeError, ShaderError, ShapeError
from wgrad.kernel.language.check import check
from wgrad.kernel.twin.functions import Twin
from wgrad.kernel.twin.modules import CHUNK


def twin(text: str, name: str = "f", **options: Any) -> Twin:
    return Twin(check(text), name, **options)


def test_arguments_broadcast_and_vectors_have_a_trailing_axis():
    f = twin("fn f(v: vec3f, m: mat3x2f, k: i32) -> vec2f { return (m * v) * f32(k); }")
    v = np.arange(12.0).reshape(4, 1, 3)
    m = np.arange(30.0).reshape(5, 3, 2)
    k = np.array(2)
    found = f(v, m, k)
    assert found.shape == (4, 5, 2) and found.dtype == np.float32
    np.testing.assert_allclose(found, np.einsum("acr,bc->bar", m, v[:, 0]) * 2)
    assert f(v[0, 0], m[0], k).shape == (2,)
    assert f(v[:0], m, k).shape == (0, 5, 2)


def test_arrays_and_structures_are_given_and_returned():
    text = """
    struct P { at: vec2f, w: array<f32, 2> }
    fn f(p: P, t: array<vec2f, 2>) -> P { var q = p; q.w[1] = t[0].y; q.at += t[1]; return q; }
    fn g(a: i32) -> array<array<i32, 2>, 3> { var r: array<array<i32, 2>, 3>; r[a][1] = a;
      r[2][a & 1] += 5; return r; }
    """
    found = twin(text)(np.arange(8.0).reshape(2, 4), np.array([[10.0, 20], [30, 40]]))
    assert found.tolist() == [[30, 41, 2, 20], [34, 45, 6, 20]]
    found = twin(text, "g")(np.arange(3))
    assert found.shape == (3, 3, 2)
    assert found.reshape(3, 6).tolist() == [
        [0, 0, 0, 0, 5, 0],
        [0, 0, 0, 1, 0, 5],
        [0, 0, 0, 0, 5, 2],
    ]


def test_components_are_given_one_by_one():
    f = twin("fn f(v: vec2f, b: bool) -> vec2<bool> { return vec2(v.x > v.y, !b); }")
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = f.numpy(x.T, np.float32(2.5), np.array([True, False]))
    assert [y.shape for y in found] == [(3, 2)] * 2 and found[0].dtype == np.bool_
    np.testing.assert_array_equal(found[0], x.T > 2.5)
    assert [y.tolist() for y in f.numpy(np.float32(1), np.float32(2), np.bool_(False))] == [
        False,
        True,
    ]
    assert twin("fn f() -> f32 { return 3; }").numpy()[0].tolist() == 3


def test_all_chunks_are_computed():
    """The last one has one lane alone; views with steps are read where they are."""
    text = """
    var<private> calls = 0;
    fn f(x: f32, n: i32) -> f32 { calls++;
      var a: array<f32, 40>; a[n] = x; if (x < 0.0) { return x; }
      for (var i = 0; i < n; i++) { a[n] += 1.0; } return a[n] + f32(calls); }
    """
    n = CHUNK + 1
    x = np.arange(2 * n, dtype=np.float32)[::2] - n
    k = np.arange(n, dtype=np.int32) % 5
    found = twin(text).numpy(x, k)[0]
    np.testing.assert_array_equal(found, np.where(x < 0, x, x + k + 1))


@pytest.mark.parametrize(
    ("body", "wide"),
    [
        ("x * 0.1", 0.1),
        ("x * 0.1f", float(np.float32(0.1))),
        ("x * third", 1 / 3),
        ("x * typed", 1 / 3),
        ("x * f32(1.0 / 3)", 1 / 3),
        ("x * (1 / 3 + 0.1)", 0.1),
        ("x * vec2(0.1, 1).x", 0.1),
        ("x * dot(vec2(0.1, 0.2), vec2f(1, 2))", 0.5),
        ("x * array(0.1, 0.2)[1]", 0.2),
        ("x * sqrt(2.0)", math.sqrt(2)),
        ("x * select(0.1, 0.2, 1 < 2)", 0.2),
        ("x * mat2x2f(0.1, 0.2, 0.3, 0.4)[1].y", 0.4),
        ("x * table[1]", 0.7),
        ("x * knob", 0.3),
        ("x * derived", 0.6),
        ("x * f32(f16(0.1))", 0.1),
        ("x * quantizeToF16(0.1)", float(np.float16(0.1))),
    ],
)
def test_float64_keeps_the_digits_of_numbers_without_a_suffix(body: str, wide: float):
    text = f"""enable f16;
    const third = 1.0 / 3; const typed: f32 = 1.0 / 3; const table = array<f32, 2>(0.3, 0.7);
    override knob = 0.3; override derived = knob * 2;
    fn f(x: f32) -> f32 {{ return {body}; }}"""
    found = twin(text, float64=True)(np.array([1.0, 3.0]))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [wide, 3 * wide], 1e-15)
    np.testing.assert_allclose(twin(text)(np.array([1.0, 3.0])), [wide, 3 * wide], 1e-3)


def test_overrides_are_given_by_name_or_number():
    text = "@id(7) override n: i32; override on = true; fn f() -> i32 { return select(0, n, on); }"
    assert twin(text, overrides={"n": 3}).numpy()[0] == 3
    assert twin(text, overrides={"7": 4, "on": False}).numpy()[0] == 0
    typed = check(text, overrides={"n": 5})
    assert Twin(typed, "f").numpy()[0] == 5
    for given, what in (
        ({}, "override n has no value"),
        ({"n": 1.5}, "n is i32, and was given 1.5"),
        ({"n": 2**40}, "n is i32, and cannot be 1099511627776"),
    ):
        with pytest.raises(ShaderError, match=what):
            twin(text, overrides=given)


def test_f16_is_rounded_after_each_operation():
    text = """enable f16;
    fn f(a: f16, b: f16) -> f16 { return a * b + a; }
    fn g(v: vec2<f16>) -> u32 { return bitcast<u32>(v); }
    fn h(x: u32) -> vec2<f16> { return bitcast<vec2<f16>>(x) * 2; }"""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 100)).astype(np.float16)
    found = twin(text)(a, b)
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, (a * b).astype(np.float16) + a)
    pairs = np.stack([a, b], -1)
    words = twin(text, "g")(pairs)
    np.testing.assert_array_equal(words, pairs.view(np.uint32)[:, 0])
    np.testing.assert_array_equal(twin(text, "h")(words), pairs * 2)
    wide = twin(text, float64=True)(a, b)
    np.testing.assert_allclose(wide, a.astype(float) * b + a, 1e-15)


def test_bits_of_floats_are_those_of_f32_in_float64_too():
    text = """fn f(x: f32) -> u32 { return bitcast<u32>(x); }
    fn g(x: u32) -> f32 { return bitcast<f32>(x); }
    fn h(x: f32) -> f32 { return unpack2x16float(pack2x16float(vec2(x, 0))).x; }"""
    x = np.array([0.1, -3.0, np.inf, 1e-40])
    with np.errstate(under="ignore"):
        bits = x.astype(np.float32).view(np.uint32)
    for wide in (False, True):
        np.testing.assert_array_equal(twin(text, float64=wide)(x), bits)
        np.testing.assert_array_equal(twin(text, "g", float64=wide)(bits), x.astype(np.float32))
        np.testing.assert_array_equal(
            twin(text, "h", float64=wide)(x[:3]), x[:3].astype(np.float16)
        )


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("fn f(x: f32) -> f32 {\n  loop { if (x > 9.0) { break; } }\n  return x; }", 2, "ran 40"),
        ("fn g(x: f32) {\n while x < 1 {} }\nfn f(x: f32) -> f32 { g(x); return x; }", 2, "ran 40"),
        ("@group(0) @binding(0) var<storage> b: array<f32>;\nfn f(x: f32) -> f32 {\n"
         "  return b[0]; }", 3, "b lies in storage memory, which only a whole compute shader has"),
        ("fn f(x: f32) -> f32 {\n  storageBarrier(); return x; }", 2, "only a whole compute"),
        ("fn f(x: f32) -> f32 {\n  discard; return x; }", 2, "discard works in fragment shaders"),
        ("fn f(x: f32) -> f32 {\n  return dpdx(x); }", 2, "dpdx runs on GPUs alone"),
        ("fn f(x: f32) { }", 1, "f returns nothing"),
        ("fn f(x: ptr<function, f32>) -> f32 { return *x; }", 1, "x is a pointer, which no array"),
        ("@compute @workgroup_size(1)\nfn f() { }", 2, "f is an entry point"),
    ],
)  # fmt: skip
def test_what_no_function_of_numbers_does_is_an_error(text: str, line: int, what: str):
    with pytest.raises(ShaderError, match=what) as caught:
        twin(text, limit=40)(np.array([1.0, 2.0, 0.0]))
    assert caught.value.line in (line, line - 1) and caught.value.source_line


def test_loops_may_run_as_often_as_the_limit():
    text = "fn f(n: i32) -> i32 { var k = 0; while k < n { k++; } return k; }"
    assert twin(text, limit=40)(np.array([1, 40])).tolist() == [1, 40]
    with pytest.raises(ShaderError, match="ran 40 times"):
        twin(text, limit=40)(np.array([1, 41]))


def test_wrong_arguments_are_refused():
    f = twin("fn f(v: vec3f, k: i32) -> f32 { return v.x * f32(k); }")
    v, k = np.ones((4, 3)), np.arange(4)
    with pytest.raises(ArgumentError, match="no function 'g'; it has f"):
        twin("fn f() -> f32 { return 1; }", "g")
    with pytest.raises(CallError, match="f takes 2 arguments, not 1"):
        f(v)
    with pytest.raises(CallError, match="f takes 4 components, not 2"):
        f.numpy(k, k)
    with pytest.raises(ShapeError, match=r"v is vec3<f32> and came with shape \(4, 2\)"):
        f(v[:, :2], k)
    with pytest.raises(DTypeError, match="k is i32, and came as float64"):
        f(v, k / 2)
    with pytest.raises(DTypeError, match="v is vec3<f32>, and came as complex128"):
        f(v * 1j, k)
    with pytest.raises(CallError, match="f returns S, which no one array can hold"):
        twin("struct S { a: f32, b: i32 }\nfn f() -> S { return S(1, 2); }")()
