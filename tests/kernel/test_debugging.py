"""dbg(x) gives x; wg.kernel.debug shows what such calls see in one invocation."""

from __future__ import annotations

import json

import numpy as np
import pytest

import wgrad as wg

ELEMENTS = """
fn weighted(v: vec2f) -> f32 { dbg(v.yx); return dbg(v.x) + v.y; }
fn f(x: f32, v: vec2f, k: i32, b: bool) -> f32 {
    var t = dbg(x * x);
    for (var i = 0; i < k; i++) { t += dbg(weighted(v) * f32(dbg(i))); }
    if (dbg(t > 2.0 && b)) { return dbg(mat2x2f(v, v.yx))[0].x; }
    return t;
}
"""
KERNEL = """
override scale = 2u;
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<uniform> s: f32;
@compute @workgroup_size(2, 2)
fn main(@builtin(global_invocation_id) id: vec3u) {
    dbg(id);
    let at = dbg(id.x * scale) + id.y;
    y[at] = dbg(dbg(s) * 2.0);
}
"""


def seen(report) -> list[tuple]:
    return [(x.line, x.text, x.value) for x in report.values]


def inputs():
    return [2.0, 3.0], np.array([[1.0, 2.0], [1.0, 2.0]]), [1, 2], True


def test_calls_give_their_argument(device):
    plain = ELEMENTS.replace("dbg(v.yx);", "")
    while "dbg(" in plain:
        plain = plain.replace("dbg(", "(", 1)
    expected = wg.kernel.elementwise(plain, name="f")(*inputs())
    op = wg.kernel.elementwise(ELEMENTS, name="f")
    assert op(*inputs()).tolist() == expected.tolist() == [1.0, 1.0]
    x = wg.tensor([0.5, 1.0], requires_grad=True)
    op(x, wg.ones(2), 0, False).sum().backward()
    assert x.grad.tolist() == [1.0, 2.0]
    assert "dbg" not in op.wgsl()


def test_values_of_an_element(webgpu):
    op = wg.kernel.elementwise(ELEMENTS, name="f")
    report = wg.kernel.debug(op, *inputs(), at=1)
    assert seen(report) == [
        (4, "x * x", 9.0),
        (2, "v.yx", [2.0, 1.0]),
        (2, "v.x", 1.0),
        (5, "i", 0),
        (5, "weighted(v) * f32(dbg(i))", 0.0),
        (2, "v.yx", [2.0, 1.0]),
        (2, "v.x", 1.0),
        (5, "i", 1),
        (5, "weighted(v) * f32(dbg(i))", 3.0),
        (6, "t > 2.0 && b", True),
        (6, "mat2x2f(v, v.yx)", [[1.0, 2.0], [2.0, 1.0]]),
    ]
    assert report.ok and report.name == "f" and report.at == (1,)
    assert "<text>:4  x * x" in str(report)
    assert json.loads(report.to_json())["values"][1]["value"] == [2.0, 1.0]
    assert report.values[0].column == 13


def test_elements_of_several_axes_and_constants(webgpu):
    text = "override k = 3.0; fn g(a: f32, b: f32) -> f32 { return dbg(a * k) - b; }"
    op = wg.kernel.elementwise(text, constants={"k": 5.0})
    a, b = np.array([[1.0], [2.0]]), np.array([1.0, 2.0, 3.0])
    for at in (4, (1, 1)):
        report = wg.kernel.debug(op, a, b, at=at)
        assert report.at == (1, 1) and seen(report) == [(1, "a * k", 10.0)]


def test_values_of_an_invocation(webgpu):
    kernel = wg.kernel.compute(KERNEL, outputs={"y": (8,)}, threads=(4, 2))
    for at, first in (((3, 1), [3, 1, 0]), (1, [1, 0, 0])):
        report = wg.kernel.debug(kernel, s=3.0, at=at)
        assert seen(report) == [
            (7, "id", first),
            (8, "id.x * scale", 2 * first[0]),
            (9, "s", 3.0),
            (9, "dbg(s) * 2.0", 6.0),
        ]
    report = wg.kernel.debug(kernel, s=3.0, scale=1, at=1)
    assert report.values[1].value == 1
    assert kernel(s=1.0, scale=1).tolist()[:2] == [2.0, 2.0]


def test_what_is_written_stays_as_it_is(webgpu):
    y = wg.zeros(8)
    wg.kernel.debug(KERNEL, y, s=3.0)
    assert y.tolist() == [0.0] * 8
    wg.kernel.run(KERNEL, y, s=3.0)
    assert y.tolist()[:2] == [6.0, 6.0]


def test_numbers_keep_their_bits(webgpu):
    text = """
    fn h(a: i32, b: u32, c: vec3<bool>, d: f32) -> f32 {
        dbg(a); dbg(b); dbg(c); dbg(1); dbg(-d / 0.0);
        return d;
    }
    """
    op = wg.kernel.elementwise(text)
    given = -7, np.array([4_000_000_000], np.uint32), [[True, False, True]], [2.0]
    values = [x.value for x in wg.kernel.debug(op, *given).values]
    assert values[:4] == [-7, 4_000_000_000, [True, False, True], 1]


def test_values_beyond_the_room_are_counted(webgpu):
    text = "fn many(x: f32) -> f32 { for (var i = 0; i < 1100; i++) { dbg(i); } return x; }"
    report = wg.kernel.debug(wg.kernel.elementwise(text), [1.0])
    assert (len(report.values), report.lost, report.ok) == (1024, 76, False)
    assert "and 76 more" in str(report)


def test_places_and_errors_are_those_of_the_text(webgpu):
    wrong = "fn f(x: f32) -> f32 {\n    return dbg(x) + dbg(y);\n}"
    with pytest.raises(wg.errors.ShaderError) as caught:
        wg.kernel.elementwise(wrong)
    assert (caught.value.line, caught.value.column) == (2, 25)
    assert caught.value.source_line == "    return dbg(x) + dbg(y);"
    assert wg.kernel.validate("fn f(x: f32) -> f32 { dbg(x); return dbg(x); }", ["naga"]).ok


def test_function_of_ones_own_of_that_name_is_left_alone(webgpu):
    text = "fn dbg(x: f32) -> f32 { return x + 1.0; } fn f(x: f32) -> f32 { return dbg(x); }"
    assert wg.kernel.elementwise(text)(wg.ones(1)).tolist() == [2.0]


def test_bad_arguments_are_errors_of_ours(webgpu):
    op = wg.kernel.elementwise("fn f(x: f32) -> f32 { return dbg(x); }")
    with pytest.raises(wg.errors.ArgumentError, match="f has no element 3: there are 3"):
        wg.kernel.debug(op, [1.0, 2.0, 3.0], at=3)
    with pytest.raises(wg.errors.ArgumentError, match="integers are needed"):
        wg.kernel.debug(op, [1.0], at=0.5)
    with pytest.raises(wg.errors.ArgumentError, match="no invocation"):
        wg.kernel.debug(KERNEL, wg.zeros(8), s=1.0, at=(0, 0, 1))
    text = "struct S { a: f32 } fn f(x: f32) -> f32 { return dbg(S(x)).a; }"
    with pytest.raises(wg.errors.ShaderError, match="dbg takes numbers") as caught:
        wg.kernel.debug(wg.kernel.elementwise(text), [1.0])
    assert caught.value.column == 50


@pytest.mark.parametrize(
    ("text", "column", "value"),
    [
        ("fn f(x: f32) -> f32 { const a = dbg(2.0) * 2; return a * x; }", 33, 2),
        ("fn f(x: f32) -> f32 { return (dbg(3) + 1) * x; }", 31, 3),
        ("const n = dbg(4); fn f(x: f32) -> f32 { return f32(n) * x; }", 11, 4),
        ("fn f(x: f32) -> f32 { var a = array<f32, dbg(2)>(); return a[0] * x; }", 42, 2),
    ],
)
def test_constants_are_not_run_and_their_value_is_said(text, column, value, webgpu):
    op = wg.kernel.elementwise(text)
    assert op(wg.ones(1)).shape == (1,)
    with pytest.raises(wg.errors.ShaderError, match=f"a constant.* value is {value}") as caught:
        wg.kernel.debug(op, [1.0])
    assert caught.value.column == column


def test_functions_that_are_not_called_may_have_any_dbg(webgpu):
    text = "fn f(x: f32) -> f32 { return dbg(x); } fn g() -> i32 { const a = dbg(1); return a; }"
    report = wg.kernel.debug(wg.kernel.elementwise(text, name="f"), [1.0])
    assert [x.value for x in report.values] == [1.0]


def test_texts_without_dbg_have_nothing_to_show(webgpu):
    op = wg.kernel.elementwise("fn f(x: f32) -> f32 { return x; }")
    assert str(wg.kernel.debug(op, [1.0])).splitlines()[1].strip() == "no dbg call ran"
    text = KERNEL
    while "dbg(" in text:
        text = text.replace("dbg(id);", "").replace("dbg(", "(", 1)
    assert wg.kernel.debug(text, wg.zeros(8), s=1.0).values == ()


def test_half_precision(webgpu):
    text = """
    enable f16;
    fn f(x: f16) -> f16 { _ = dbg(vec2h(x, 1)); return dbg(x * 2h); }
    """
    report = wg.kernel.debug(wg.kernel.elementwise(text), np.array([1.5], np.float16))
    assert [x.value for x in report.values] == [[1.5, 1.0], 3.0]
