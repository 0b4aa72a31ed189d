"""wg.kernel.check finds what is wrong with an op: values, NaN, gradients in both modes."""

from __future__ import annotations

import json

import numpy as np
import pytest

import wgrad as wg

SCALED = """
override wide = 64u;
@group(0) @binding(0) var<uniform> factor: f32;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(wide) fn scaled(@builtin(global_invocation_id) id: vec3u) {
    if (id.x < arrayLength(&y)) { y[id.x] = factor * x[id.x] * x[id.x]; }
}
"""
SWISH = "fn swish(x: f32, beta: f32) -> f32 { return x / (1.0 + exp(-beta * x)); }"


def parts(report, name: str) -> list:
    return [x for x in report.parts if x.name == name]


def test_right_op_passes_on_all_devices(webgpu):
    op = wg.kernel.elementwise(SWISH)
    report = wg.kernel.check(op, np.linspace(-3, 3, 7), 1.5)
    assert report.ok, str(report)
    assert [x.device for x in parts(report, "values")] == [
        *("numpy float32", "numpy float32 compiled", "webgpu", "webgpu compiled")
    ]
    assert all(x.ulp < 4 and x.error < 1e-6 for x in parts(report, "values"))
    for name in ("x", "beta"):
        assert len(parts(report, f"gradient by {name}")) == 4
        assert parts(report, f"gradient by {name}: differences")
        assert parts(report, f"gradient by {name}: forward mode against reverse")
    assert "swish: all is well" in str(report)
    data = json.loads(report.to_json())
    assert data["ok"] is True and data["parts"][1]["name"] == "values"


def test_vectors_matrices_integers_and_broadcasting(webgpu):
    text = """
    fn turned(m: mat2x3f, v: vec2f, k: i32) -> vec3f {
        if (k > 1) { return m * v; }
        return m[0] * v.y + f32(k);
    }
    """
    rng = np.random.default_rng(1)
    m, v = rng.standard_normal((4, 1, 2, 3)), rng.standard_normal((3, 2))
    report = wg.kernel.check(wg.kernel.elementwise(text), m, v, k=np.array([1, 2, 3]))
    assert report.ok, str(report)
    (part,) = parts(report, "gradient by m: differences")
    assert len(part.where) == 4  # of the point, the result's component and the input's


def test_wrong_rule_is_found_where_it_is_wrong(webgpu):
    def backward(ct, out, x):
        return ct * wg.where(x > 1, 2 * x, 3 * x * x)

    text = "fn cube(x: f32) -> f32 { return x * x * x; }"
    op = wg.kernel.elementwise(text, backward=backward)
    report = wg.kernel.check(op, np.array([0.5, -1.0, 2.0]))
    (part,) = [x for x in report.parts if not x.ok]
    assert part.name == "gradient by x: differences"
    assert part.where == (2, 0, 0)
    assert "4.0 came, and 12.0" in part.note and "1 of 3" in part.note
    (forward,) = parts(report, "forward mode")
    assert forward.skipped and "backward" in forward.note


def test_values_that_differ_are_found(webgpu):
    text = "fn twice(x: f32) -> f32 { return 2.0 * x; }"
    op = wg.kernel.elementwise(text, numpy=lambda x: np.where(x == 3, 7, 2 * x).astype(x.dtype))
    report = wg.kernel.check(op, np.array([1.0, 3.0]), gradients=False)
    failed = {x.device for x in report.parts if not x.ok}
    assert failed == {"webgpu", "webgpu compiled"}
    (part,) = [x for x in parts(report, "values") if x.device == "webgpu"]
    assert part.where == (1,) and part.error == pytest.approx(1 / 7)


def test_nan_of_finite_inputs_is_shown_with_them(webgpu):
    op = wg.kernel.elementwise("fn root(a: vec2f, s: f32) -> vec2f { return sqrt(a.yx) * s; }")
    a = np.array([[1, 2], [np.nan, 1], [-1, 2]])
    report = wg.kernel.check(op, a, np.array([1.0, 2.0, 3.0]), gradients=False)
    assert not report.ok
    assert [x.where for x in report.nans] == [(2, 1)]
    assert report.nans[0].inputs == {"a": [-1.0, 2.0], "s": 3.0}
    assert "a=[-1.0, 2.0], s=3.0" in str(report)


def test_nan_of_float32_alone_is_shown_too(webgpu):
    op = wg.kernel.elementwise("fn share(x: f32) -> f32 { return exp(x) / (exp(x) + 1.0); }")
    report = wg.kernel.check(op, np.array([1.0, 100.0]), gradients=False)
    (made,) = report.nans
    assert (made.where, made.inputs, made.device) == ((1,), {"x": 100.0}, "numpy float32")
    failed = {(x.name, x.device) for x in report.parts if not x.ok}
    assert ("no NaN", "webgpu") in failed and ("no NaN", "numpy float64") not in failed


def test_kinks_take_a_slope_between_their_sides(webgpu):
    op = wg.kernel.elementwise("fn bent(x: f32) -> f32 { return abs(x) + max(x, 0.0); }")
    report = wg.kernel.check(op, np.array([-1.0, 0.0, 2.0]))
    assert report.ok, str(report)


def test_borders_of_the_domain_are_left_out(webgpu):
    op = wg.kernel.elementwise("fn edge(x: f32) -> f32 { return x * sqrt(x); }")
    report = wg.kernel.check(op, np.array([0.0, 1.0]))
    (part,) = parts(report, "gradient by x: differences")
    assert part.ok and "1 are left out" in part.note


def test_functions_of_tensors_are_checked_by_sums(webgpu):
    report = wg.kernel.check(lambda x: (x @ x).tanh(), np.random.randn(4, 4) / 2)
    assert report.ok, str(report)
    (part,) = parts(report, "gradient by input 0: differences")
    assert len(part.where) == 2

    @wg.custom_op(backward=lambda ct, out, x: ct * x)
    def square(x):
        return x * x

    report = wg.kernel.check(square, np.array([1.0, 2.0]))
    assert [x.name for x in report.parts if not x.ok] == ["gradient by input 0: differences"]


def test_integers_have_to_be_equal(webgpu):
    op = wg.kernel.elementwise(
        "fn mix_bits(x: u32) -> u32 { return (x ^ (x >> 3u)) * 2654435761u; }"
    )
    report = wg.kernel.check(op, np.arange(5, dtype=np.uint32))
    assert report.ok, str(report)
    assert not [x for x in report.parts if "gradient" in x.name]


def test_errors_of_the_op_are_parts_and_those_of_the_call_are_raised(webgpu):
    op = wg.kernel.elementwise(SWISH)
    with pytest.raises(wg.errors.CallError):
        wg.kernel.check(op, np.ones(3))
    report = wg.kernel.check(op, np.ones(3), np.ones(4))
    assert not report.ok and "broadcast" in report.parts[0].note


def test_compute_kernels_are_checked(webgpu):
    kernel = wg.kernel.compute(SCALED, outputs={"y": "x"})
    x = np.linspace(-1, 1, 5)
    report = wg.kernel.check(kernel, x, factor=2.0)
    assert report.ok and len(parts(report, "values")) == 4
    assert parts(report, "gradients")[0].skipped
    kernel.backward(lambda x, d_y, factor: 2 * factor * x * d_y)
    report = wg.kernel.check(kernel, x, factor=2.0, wide=32)
    assert report.ok and len(parts(report, "gradient by x")) == 4, str(report)
    kernel.backward(lambda x, d_y, factor: 3 * factor * x * d_y)
    report = wg.kernel.check(kernel, x, factor=2.0)
    assert [x.name for x in report.parts if not x.ok] == ["gradient by x: differences"]
    with pytest.raises(wg.errors.CallError, match="factor is missing"):
        wg.kernel.check(kernel, x)


def test_kernels_that_write_in_place_start_from_the_same(webgpu):
    text = SCALED.replace("factor * x[id.x] * x[id.x]", "y[id.x] + factor * x[id.x]")
    kernel = wg.kernel.compute(text, inplace="y")
    y = wg.ones(3)
    report = wg.kernel.check(kernel, np.ones(3), y, factor=2.0)
    assert report.ok and y.tolist() == [1.0] * 3, str(report)


def test_uniforms_that_are_vectors_stay_what_they_are(webgpu):
    text = SCALED.replace("<uniform> factor: f32", "<uniform> factor: vec2u")
    text = text.replace("array<f32>", "array<u32>").replace("factor *", "factor.y *")
    kernel = wg.kernel.compute(text, outputs={"y": "x"})
    for factor in ((1, 3), np.array([1, 3])):
        report = wg.kernel.check(kernel, np.arange(4), factor=factor)
        assert report.ok and len(parts(report, "values")) == 4, str(report)
    variants = {"ops": lambda x, factor: x * x * int(factor[1])}
    report = wg.kernel.bench(kernel, 4, variants, rounds=1, factor=np.array([1, 3]))
    assert report.ok, str(report)


def test_devices_that_are_not_there_are_skipped(webgpu):
    op = wg.kernel.elementwise(SWISH)
    report = wg.kernel.check(op, [1.0], 1.5, devices=("webgpu", "webgpu:none such"))
    (absent,) = [x for x in parts(report, "values") if x.device == "webgpu:none such"]
    assert report.ok and absent.skipped and "none such" in absent.note


def test_no_elements_at_all(webgpu):
    op = wg.kernel.elementwise(SWISH)
    report = wg.kernel.check(op, np.zeros((0, 3)), 1.5)
    assert report.ok, str(report)


def test_half_precision_is_given_its_room(webgpu):
    op = wg.kernel.elementwise(
        "enable f16; fn f(x: f16, y: f32) -> f16 { return exp(x) * f16(y); }"
    )
    report = wg.kernel.check(op, np.linspace(-2, 2, 5).astype(np.float16), 1.5)
    assert report.ok, str(report)
    assert parts(report, "gradients by differences")[0].skipped
    text = SCALED.replace("array<f32>", "array<f16>").replace("factor *", "f16(factor) *")
    kernel = wg.kernel.compute("enable f16;" + text, outputs={"y": "x"})
    report = wg.kernel.check(kernel, np.arange(3, dtype=np.float16), factor=2.0)
    assert report.ok, str(report)
