"""What has no derivative is refused with its place; what looks like it, and has one, is not."""

from __future__ import annotations

import pytest
from derive_harness import function_of

import wgrad as wg
from wgrad.kernel.derive import pull, push
from wgrad.kernel.language.parser import parse
from wgrad.kernel.language.printer import printed

REFUSED = [
    ("fn f(x: f32) -> f32 {\n  return f32(bitcast<u32>(x * x));\n}", 2, 14, "bitcast"),
    ("fn f(x: f32) -> f32 {\n  if (bitcast<i32>(x) < 0) { return 1.0; }\n  return x;\n}",
     2, 7, "bitcast"),
    ("fn f(x: f32) -> f32 {\n  let y = 2.0 * x;\n  return bitcast<f32>(y) + x;\n}",
     3, 10, "bitcast"),
    ("fn f(x: f32) -> f32 {\n  return x + dpdx(x);\n}", 2, 14, "dpdx"),
    ("fn f(x: f32) -> f32 {\n  return sin(fwidth(x * x));\n}", 2, 14, "fwidth"),
    ("var<private> seed: u32;\nfn f(x: f32) -> f32 {\n  seed += 1u;\n  return x;\n}",
     3, 3, "'seed'"),
    ("var<private> last: f32;\nfn f(x: f32) -> f32 {\n  last = x;\n  return last;\n}",
     3, 3, "'last'"),
    ("var<private> last: f32;\nfn g(p: ptr<private, f32>) -> f32 { return *p; }\n"
     "fn f(x: f32) -> f32 {\n  return x * g(&last);\n}", 4, 14, "'last'"),
    ("@group(0) @binding(0) var<storage, read_write> out: array<f32>;\n"
     "fn g(y: f32) { out[1] = y; }\nfn f(x: f32) -> f32 {\n  g(x);\n  return x;\n}",
     2, 16, "'out'"),
    ("@group(0) @binding(0) var<storage, read_write> n: atomic<u32>;\n"
     "fn f(x: f32) -> f32 {\n  return x * f32(atomicAdd(&n, 1u));\n}", 3, 18, "'n'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "column", "word"), REFUSED)
def test_what_has_no_derivative_is_refused_with_its_place(
    text: str, line: int, column: int, word: str
) -> None:
    function = function_of(text)
    for make in (push, pull):
        with pytest.raises(wg.errors.ShaderError, match=word) as error:
            make(function, ["x"])
        assert (error.value.line, error.value.column) == (line, column), str(error.value)
        assert "backward=" in str(error.value)


def test_a_second_derivative_names_the_place_in_the_text_of_the_first() -> None:
    text = "fn f(x: f32, k: f32) -> f32 {\n  return x * f32(bitcast<u32>(k));\n}"
    once = pull(function_of(text), ["x"])
    with pytest.raises(wg.errors.ShaderError) as error:
        pull(once, ["x", "k"])
    assert (error.value.line, error.value.column) == (2, 18)


@pytest.mark.parametrize(
    ("text", "active", "word"),
    [
        ("fn f(x: f32, n: i32) -> f32 { return x; }", ["n"], "n, which is i32"),
        ("fn f(x: f32, n: i32) -> f32 { return x; }", ["y"], "'y' is none of"),
        ("fn f(x: f32, n: i32) -> f32 { return x; }", [2], "2 is none of"),
        ("fn f(x: f32) -> f32 { return x; }", [], "one parameter at least"),
        ("fn f(x: f32) -> i32 { return i32(x); }", ["x"], "of i32"),
        ("fn f(x: f32) { _ = x; }", ["x"], "of no result"),
    ],
)
def test_what_is_not_of_floats_is_refused(text: str, active: list, word: str) -> None:
    for make in (push, pull):
        with pytest.raises(wg.errors.ArgumentError, match=word):
            make(function_of(text), active)


@pytest.mark.parametrize(
    "text",
    [
        "fn f(x: f32, k: f32) -> f32 { return x * f32(bitcast<u32>(k)); }",
        "fn f(x: f32, n: u32) -> f32 { return x * bitcast<f32>(n); }",
        "fn f(x: f32, k: f32) -> f32 { return x * f32(pack2x16float(vec2f(x, k))); }",
        "@group(0) @binding(0) var<storage, read> a: array<f32>;"
        "fn f(x: f32) -> f32 { return x * a[0] + f32(arrayLength(&a)); }",
        "@group(0) @binding(0) var<uniform> a: vec4f; fn f(x: f32) -> f32 { return x * a.y; }",
        "var<private> a = 3.0; fn f(x: f32) -> f32 { return x * a; }",
        "override a = 3.0; fn f(x: f32) -> f32 { return x * a; }",
    ],
)
def test_what_does_not_depend_on_an_input_may_be_anything(text: str) -> None:
    made = pull(function_of(text), ["x"])
    assert made.parameters[-1] == made.typed.functions["f_pull"].parameters[-1].type


def test_what_does_not_depend_on_an_input_leaves_no_text() -> None:
    text = """
        fn noise(n: u32) -> f32 { return f32(n * 747796405u) * 2.3e-10; }
        fn f(x: f32, n: u32) -> f32 {
            var weight = noise(n);
            for (var i = 0u; i < n; i++) { weight = weight * 0.5 + noise(i); }
            let unused = sin(x) * weight;
            return weight * 2.0 + x;
        }
    """
    made = push(function_of(text), ["x"])
    assert printed(made.node) == "fn f_push(x: f32, n: u32, x_d: f32) -> f32 {\n    return x_d;\n}"


def test_a_function_that_does_not_depend_on_its_input_has_a_derivative_of_zero() -> None:
    made = push(function_of("fn f(x: f32) -> vec2f { return vec2f(floor(x), 1.0); }"), ["x"])
    assert "return vec2f();" in printed(made.node)


def test_a_helper_is_derived_once_for_each_set_of_inputs() -> None:
    text = """
        fn g(a: f32, b: f32) -> f32 { return a * b; }
        fn f(x: f32) -> f32 { return g(x, 2.0) + g(3.0, x) + g(x, x) + g(x, 4.0) + g(1.0, 2.0); }
    """
    made = push(function_of(text), ["x"])
    assert [x for x in made.typed.functions if x.startswith("g")] == ["g_d", "g_d_1", "g_d_2"]


def test_names_of_the_text_are_kept_apart_from_new_ones() -> None:
    text = """
        struct product_f32 { x_d: f32 }
        fn f_d(t: f32) -> f32 { return t * t; }
        fn f(x: f32, x_d: f32) -> f32 {
            let ct = f_d(x) * x_d; let f_push = product_f32(ct); let t_1 = f_push.x_d * ct;
            return t_1 * ct;
        }
    """
    twice = pull(pull(function_of(text), ["x", "x_d"]), ["x", "x_d", "ct"])
    assert len(twice.parameters) == 4


def test_a_function_with_the_name_of_a_builtin_is_derived() -> None:
    made = pull(function_of("fn sign(x: f32) -> f32 { return x * x; }", "sign"), ["x"])
    assert made.name == "sign_pull"


def test_calls_that_are_nested_too_deep_are_refused() -> None:
    functions = [f"fn g{i}(x: f32) -> f32 {{ return x * g{i - 1}(x); }}" for i in range(1, 300)]
    text = "\n".join(["fn g0(x: f32) -> f32 { return x; }", *functions])
    for make in (push, pull):
        with pytest.raises(wg.errors.ShaderError, match="nested too deep") as error:
            make(function_of(text, "g299"), ["x"])
        assert error.value.line == 300


@pytest.mark.parametrize(
    "value",
    [
        " * ".join(["x"] * 180),
        " + ".join(f"x * {i}.0 * x" for i in range(60)),
        "sin(" * 90 + "x" + ")" * 90,
        "(x / " * 90 + "(x + 2.0)" + ")" * 90,
    ],
)
def test_long_and_deep_expressions_stay_within_what_the_parser_takes(value: str) -> None:
    once = pull(function_of(f"fn f(x: f32) -> f32 {{ return {value}; }}"), ["x"])
    twice = pull(once, ["x"])
    for made in (once, twice):
        assert parse(printed(made.typed.module)) == made.typed.module
