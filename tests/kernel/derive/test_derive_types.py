"""Derivatives through types that inputs and results may have: f16, structures, arrays, integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from derive_harness import Batch, function_of

from wgrad.kernel.derive import pull, push, tangent


def _run(function: Any, numbers: list[float], device: Any, enabled: str = "") -> list[float]:
    batch = Batch(enabled)
    batch.add(function, np.array([numbers], float))
    return batch.run(device)[0][0].tolist()


def _half(device: Any) -> None:
    if "shader-f16" not in device.gpu.raw.features:
        pytest.skip("the adapter has no f16")


def test_half_precision_carries_tangents_to_and_from_single(webgpu: Any) -> None:
    _half(webgpu)
    text = """enable f16;
        fn f(x: f16, y: vec2f, z: vec2h) -> f32 {
            const HALF = 0.5;
            let a = f32(x * x) * y.x + y.y * HALF;
            let b = dot(z, vec2h(y)) + x * HALF + sqrt(x) / (x + 1);
            return a + f32(b);
        }"""
    function = function_of(text)
    made = pull(function, [0, 1, 2])
    assert str(made.result) == "array<f32, 5>"
    got = _run(made, [4, 2, 3, 0.5, 0.25, 1], webgpu, "enable f16;")
    slope = 8 * 2 + 0.5 + 0.25 / 5 - 2 / 25
    np.testing.assert_allclose(got, [slope, 16.5, 0.75, 2, 3], rtol=2e-3)


def test_a_gradient_by_half_precision_alone_is_of_half_precision(webgpu: Any) -> None:
    _half(webgpu)
    text = "enable f16; fn f(x: vec3h, m: mat2x3h) -> vec2f { return vec2f(x * m); }"
    once = pull(function_of(text), ["x", "m"])
    assert str(once.result) == "array<f16, 9>"
    numbers = [1, 2, 3, 0, 1, 0, 2, 0, 1, 1, 10]
    got = _run(once, numbers, webgpu, "enable f16;")
    np.testing.assert_allclose(got, [20, 1, 10, 1, 2, 3, 10, 20, 30])
    twice = pull(once, ["x", "m", "ct"])
    got = _run(twice, [*numbers, *np.ones(9)], webgpu, "enable f16;")
    np.testing.assert_allclose(got, [11, 11, 11, 1, 1, 1, 10, 10, 10, 7, 9])


def test_inputs_and_results_may_be_structures_and_arrays(webgpu: Any) -> None:
    text = """
        struct Body { at: vec2f, count: i32, mass: array<f32, 3>, }
        struct Out { energy: f32, id: u32, push: array<vec2f, 2>, }
        fn f(body: Body, scale: f32) -> Out {
            var out: Out;
            for (var i = 0; i < body.count; i++) { out.energy += body.mass[i] * scale; }
            out.id = u32(body.count);
            out.push[1] = body.at * scale;
            return out;
        }"""
    made = pull(function_of(text), ["body", "scale"])
    got = _run(made, [1, 2, 2, 10, 20, 30, 3, 1, 0, 7, 7, 100, 200], webgpu)
    np.testing.assert_allclose(got, [300, 600, 3, 3, 0, 530])
    along = push(function_of(text), ["body", "scale"])
    got = _run(along, [1, 2, 2, 10, 20, 30, 3, 1, 0, 0, 1, 1, 1, 0.5], webgpu)
    np.testing.assert_allclose(got, [21, 0, 0, 0, 3.5, 1])


def test_a_value_comes_with_its_tangent(webgpu: Any) -> None:
    moving = function_of("fn f(x: vec2f, k: f32) -> f32 { return k * x.x * x.y; }")
    still = function_of("fn f(x: f32, k: f32) -> vec2f { return vec2f(floor(x), k); }")
    batch = Batch()
    batch.add(tangent(moving, ["x"]), np.array([[2.0, 3, 10, 1, 0]]))
    batch.add(tangent(still, ["x"]), np.array([[2.5, 7, 1]]))
    first, second = batch.run(webgpu)
    assert first[0].tolist() == [60, 30]
    assert second[0].tolist() == [2, 7, 0, 0]


def test_many_components_are_computed_in_a_loop(webgpu: Any) -> None:
    steps = " ".join("m = m * exp(-m[1][1]) + k * sin(m[2].x + k[1].y);" for _ in range(6))
    text = f"fn f(k: mat4x4f) -> f32 {{ var m = k; {steps} return m[2][3] + m[0].z; }}"
    function = function_of(text)
    gradient, along = pull(function, ["k"]), push(function, ["k"])
    assert "for (" in _printed(gradient)
    rng = np.random.default_rng(3)
    at, way = rng.uniform(-1, 1, 16), rng.uniform(-1, 1, 16)
    got = _run(gradient, [*at, 1.0], webgpu)
    (expected,) = _run(along, [*at, *way], webgpu)
    assert abs(expected) > 0.01
    np.testing.assert_allclose(np.dot(got, way), expected, rtol=1e-4)


def _printed(function: Any) -> str:
    from wgrad.kernel.language.printer import printed

    return printed(function.node)
