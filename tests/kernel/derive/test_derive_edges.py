"""Derivatives where slopes are infinite, undefined, or count nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from derive_harness import Batch, function_of, size

from wgrad.kernel.derive import Function, pull, push
from wgrad.kernel.derive.terms import has_float

INF = math.inf


def floats(function: Function) -> list[int]:
    return [i for i, kind in enumerate(function.parameters) if has_float(kind)]


def reverse(text: str, order: int) -> Function:
    """The function that has so many gradients taken, each of the sum of the one before."""
    function = function_of(text)
    active = floats(function)
    for _ in range(order):
        function = pull(function, active)
    return function


def forward(text: str, order: int) -> Function:
    """The function of the derivative of an order along one direction."""
    function = function_of(text)
    active = floats(function)
    for _ in range(order):
        function = push(function, active)
    return function


def scalar(value: str) -> str:
    used = [c for c in "xyz" if any(p.strip("()") == c for p in _words(value))]
    return f"fn f({', '.join(f'{c}: f32' for c in used)}) -> f32 {{ return {value}; }}"


def _words(value: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in value).split()


NEWEST = "fn f(x: f32) -> f32 { if x <= 0.0 { return 0.0; } return sqrt(x) + log(x); }"
TO_VECTOR = "fn f(v: vec3f) -> vec3f { return normalize(v); }"
LENGTH = "fn f(v: vec3f) -> f32 { return length(v); }"
APART = "fn f(a: vec2f, b: vec2f) -> f32 { return distance(a, b); }"
BENT = "fn f(a: vec2f, k: f32) -> vec2f { return refract(a, vec2f(0.0, 1.0), k); }"  # none passes

GRADIENTS: list[tuple[str, list[float], list[float]]] = [
    (scalar("sqrt(x) * y"), [0, 3], [INF, 0]),
    (scalar("sqrt(x) * y"), [0, 0], [0, 0]),
    (scalar("sqrt(x) * x"), [0], [0]),
    (scalar("sqrt(x * x)"), [0], [0]),
    (scalar("inverseSqrt(x) + y"), [4, 1], [-0.0625, 1]),
    (scalar("pow(x, y)"), [0, 2], [0, 0]),
    (scalar("pow(x, y)"), [0, 1], [1, 0]),
    (scalar("pow(x, y)"), [0, 0], [0, 0]),
    (scalar("pow(x, y)"), [2, 0], [0, math.log(2)]),
    (scalar("pow(x, 2.0)"), [0], [0]),
    (scalar("pow(x, 1.0)"), [0], [1]),
    (scalar("pow(x, 0.0)"), [0], [0]),
    (scalar("pow(x, 0.5) * y"), [0, 0], [0, 0]),
    (scalar("pow(x, 4.0) + pow(y, 6.0)"), [-2, -1], [-32, -6]),
    (scalar("select(y / x, 0.0, x == 0.0)"), [0, 1], [0, 0]),
    (scalar("select(log(x), 0.0, x <= 0.0)"), [0], [0]),
    (scalar("select(log(x), 0.0, x <= 0.0)"), [-1], [0]),
    (scalar("log(x) + y"), [0.5, 0], [2, 1]),
    (scalar("1.0 / (1.0 + exp(-x))"), [-100], [0]),
    (scalar("1.0 / (1.0 + exp(-x))"), [100], [0]),
    (scalar("x / (1.0 + exp(-y * x))"), [-100, 1], [0, 0]),
    (scalar("x / (1.0 + exp(-y * x))"), [100, 1], [1, 0]),
    (scalar("tanh(exp(x))"), [100], [0]),
    (scalar("atan(exp(x))"), [100], [0]),
    (scalar("mix(exp(x), y, 1.0)"), [100, 2], [0, 1]),
    (scalar("asin(x) * y"), [1, 0], [0, math.pi / 2]),
    (scalar("asin(x) * y"), [1, 1], [INF, math.pi / 2]),
    (scalar("acos(clamp(x, -1.0, 1.0))"), [2], [0]),
    (scalar("acos(clamp(x, -1.0, 1.0))"), [0], [-1]),
    (scalar("atan2(y, x)"), [0, 0], [0, 0]),
    (scalar("abs(x)"), [0], [0]),
    (scalar("sign(x) + floor(x)"), [0], [0]),
    (scalar("max(x, y)"), [1, 1], [1, 0]),
    (scalar("min(x, y)"), [1, 1], [1, 0]),
    (scalar("max(x, y)"), [1, 2], [0, 1]),
    (scalar("clamp(x, 0.0, 1.0)"), [0], [1]),
    (scalar("clamp(x, 0.0, 1.0)"), [1], [1]),
    (scalar("clamp(x, 0.0, 1.0)"), [1.5], [0]),
    (scalar("saturate(x)"), [-0.5], [0]),
    (scalar("smoothstep(0.0, 1.0, x)"), [0], [0]),
    (scalar("smoothstep(0.0, 1.0, x)"), [2], [0]),
    (scalar("step(x, y)"), [1, 1], [0, 0]),
    (scalar("quantizeToF16(x)"), [0.3], [1]),
    (scalar("x % y"), [7.5, 2], [1, -3]),
    (NEWEST, [0], [0]),
    (NEWEST, [1], [1.5]),
    (LENGTH, [0, 0, 0], [0, 0, 0]),
    (LENGTH, [3, 0, 4], [0.6, 0, 0.8]),
    (TO_VECTOR, [0, 0, 0], [0, 0, 0]),
    (TO_VECTOR, [2, 0, 0], [0, 0.5, 0.5]),
    (APART, [1, 2, 1, 2], [0, 0, 0, 0]),
    (BENT, [0.9, -0.4, 2], [0, 0, 0]),
]

# The gradient of the sum of the gradient.
SECOND: list[tuple[str, list[float], list[float]]] = [
    (scalar("x * y"), [0, 0], [1, 1]),
    (scalar("x * x"), [0], [2]),
    (scalar("x * x * x"), [0], [0]),
    (scalar("pow(x, 2.0)"), [0], [2]),
    (scalar("pow(x, 3.0)"), [0], [0]),
    (scalar("pow(x, y)"), [0, 3], [0, 0]),
    (scalar("sqrt(x) * y"), [4, 0], [0.25, 0.25]),
    (scalar("sqrt(x) * y"), [0, 0], [INF, INF]),
    (scalar("select(sqrt(x), x, x < 1.0)"), [0], [0]),
    (scalar("1.0 / (1.0 + exp(-x))"), [-100], [0]),
    (scalar("x / (1.0 + exp(-x))"), [-100], [0]),
    (scalar("x / (1.0 + exp(-x))"), [100], [0]),
    (scalar("x / (1.0 + exp(-x))"), [0], [0.5]),
    (scalar("abs(x) * x"), [0], [0]),
    (scalar("atan2(y, x)"), [0, 0], [0, 0]),
    (scalar("smoothstep(0.0, 1.0, x)"), [0.5], [0]),
    (scalar("smoothstep(0.0, 1.0, x)"), [2], [0]),
    (scalar("tanh(exp(x))"), [100], [0]),
    (NEWEST, [0], [0]),
    (LENGTH, [0, 0, 0], [0, 0, 0]),
    (TO_VECTOR, [0, 0, 0], [0, 0, 0]),
    (APART, [1, 2, 1, 2], [0, 0, 0, 0]),
]

# The third derivative along the direction of all ones.
THIRD: list[tuple[str, list[float], list[float]]] = [
    (scalar("x * x * x"), [0], [6]),
    (scalar("x * y * y"), [0, 0], [6]),
    (scalar("pow(x, 3.0)"), [0], [6]),
    (scalar("exp(2.0 * x)"), [0], [8]),
    (scalar("1.0 / x"), [1], [-6]),
    (scalar("sin(x)"), [0], [-1]),
    (scalar("x / (1.0 + exp(-x))"), [-100], [0]),
    (scalar("x / (1.0 + exp(-x))"), [100], [0]),
    (scalar("sqrt(x)"), [1], [0.375]),
    (LENGTH, [0, 0, 0], [0]),
    (LENGTH, [1, 0, 0], [-6]),
    ("fn f(x: f32) -> f32 { var p = 1.0; for (var i = 0; i < 4; i++) { p *= x; } return p; }",
     [1], [24]),
]  # fmt: skip


def _check(rows: list[Any], made: Any, extra: Any, webgpu: Any) -> None:
    batch = Batch()
    for text, at, _ in rows:
        function = made(text)
        batch.add(function, np.array([[*at, *extra(function_of(text), len(at))]]))
    wrong = [
        f"{text} at {at}: {got[0]}, not {expected}"
        for (text, at, expected), got in zip(rows, batch.run(webgpu), strict=True)
        if not np.allclose(got[0][: len(expected)], expected, rtol=2e-4, atol=2e-5)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("part", range(4))
def test_gradients_at_the_edges(part: int, webgpu: Any) -> None:
    _check(
        GRADIENTS[part::4], lambda t: reverse(t, 1), lambda f, n: np.ones(size(f.result)), webgpu
    )


@pytest.mark.parametrize("part", range(4))
def test_second_derivatives_at_the_edges(part: int, webgpu: Any) -> None:
    _check(
        SECOND[part::4], lambda t: reverse(t, 2), lambda f, n: np.ones(size(f.result) + n), webgpu
    )


@pytest.mark.parametrize("part", range(2))
def test_third_derivatives_at_the_edges(part: int, webgpu: Any) -> None:
    """A tangent of the third derivative: inputs, then directions; those of directions are 0."""
    _check(THIRD[part::2], lambda t: forward(t, 3), lambda f, n: np.ones(3 * n), webgpu)


def test_what_is_linear_in_a_tangent_has_a_slope_where_that_is_zero(webgpu: Any) -> None:
    batch = Batch()
    made = push(function_of(scalar("exp(x) * y")), ["x", "y"])
    batch.add(pull(made, ["x", "y", "x_d", "y_d"]), np.array([[0.0, 3.0, 0.0, 0.0, 1.0]]))
    (got,) = batch.run(webgpu)
    np.testing.assert_allclose(got[0], [0, 0, 3, 1], rtol=1e-5)
