"""WGSL functions as ops: calls, derivatives, compiled steps, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

import wgrad as wg
from wgrad.errors import (
    ArgumentError,
    CallError,
    DTypeError,
    GradientError,
    ShaderError,
    ShapeError,
)

SWISH = "fn swish(x: f32, beta: f32) -> f32 { return x / (1.0 + exp(-beta * x)); }"
TURN = """
const shift = 0.5;
fn sized(v: vec3f) -> f32 { return dot(v, v) + shift; }
fn turn(v: vec3f, m: mat3x3f, k: f32, n: i32) -> vec3f {
    var out = m * v * k;
    for (var i = 0; i < n; i++) { out += v * sized(v); }
    return out;
}
"""


def swish_and_slopes(x, beta):
    s = 1 / (1 + np.exp(-beta * x))
    return x * s, s + x * beta * s * (1 - s), x * x * s * (1 - s)


def turned(v, m, k, n):
    """With m by columns, as a tensor has it."""
    return np.einsum("...cr,...c->...r", m, v) * k + n * v * (np.sum(v * v, -1)[..., None] + 0.5)


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_a_function_is_an_op_with_gradients(device):
    swish = wg.kernel.elementwise(SWISH)
    x, beta = data(4, 5), data(5, seed=1)
    tx = wg.tensor(x, requires_grad=True)
    tb = wg.tensor(beta, requires_grad=True)
    y = swish(tx, tb)
    value, by_x, by_beta = swish_and_slopes(x, beta)
    np.testing.assert_allclose(y.numpy(), value, rtol=2e-6, atol=1e-6)
    y.sum().backward()
    np.testing.assert_allclose(tx.grad.numpy(), by_x, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(tb.grad.numpy(), by_beta.sum(0), rtol=1e-5, atol=1e-6)


def test_vectors_and_matrices_are_trailing_axes(device):
    turn = wg.kernel.elementwise(TURN, "turn")
    v, m = data(6, 3), data(2, 1, 3, 3, seed=1)
    out = turn(wg.tensor(v), wg.tensor(m), 1.5, 2)
    assert out.shape == (2, 6, 3)
    np.testing.assert_allclose(out.numpy(), turned(v, m, 1.5, 2), rtol=1e-5, atol=1e-5)


def test_only_inputs_that_need_gradients_are_differentiated(device):
    turn = wg.kernel.elementwise(TURN, "turn")
    v = wg.tensor(data(6, 3), requires_grad=True)
    m = wg.tensor(data(3, 3, seed=1))
    ct = data(6, 3, seed=2)
    turn(v, m, 1.5, 2).backward(wg.tensor(ct))
    [made] = turn._derived.values()
    assert made.function.result.size == 3
    step = 1e-6
    for i in range(3):
        e = np.zeros(3)
        e[i] = step
        up, down = (turned(v.numpy() + s * e, m.numpy(), 1.5, 2) for s in (1, -1))
        want = ((up - down) / (2 * step) * ct).sum(-1)
        np.testing.assert_allclose(v.grad.numpy()[:, i], want, rtol=1e-3, atol=1e-3)


def test_the_gradient_of_a_vector_is_made_where_it_stays(device):
    text = "fn f(a: vec3f, b: vec4f, k: f32) -> vec3f { return a * b.w * k + b.xyz; }"
    f = wg.kernel.elementwise(text)
    step = wg.compile(wg.grad(lambda a, b: f(a, b, 2.0).sum(), (0, 1)))
    a, b = wg.tensor(data(5, 3)), wg.tensor(data(5, 4, seed=1))
    step(a, b)
    by_a, by_b = step(a, b)
    np.testing.assert_allclose(by_a.numpy(), 2 * b.numpy()[:, 3:] * np.ones(3), rtol=1e-6)
    by_w = 2 * a.numpy().sum(1, keepdims=True)
    np.testing.assert_allclose(by_b.numpy(), np.hstack([np.ones((5, 3)), by_w]), rtol=1e-5)
    traced = str(step.explain()).partition("passes")[0]
    assert "2 f_pull" in traced and "copy" not in traced


def test_derivatives_of_a_function_pass_gradcheck(numpy_device):
    turn = wg.kernel.elementwise(TURN, "turn")
    v = wg.tensor(data(2, 3), dtype="float64", requires_grad=True)
    m = wg.tensor(data(3, 3, seed=1), dtype="float64", requires_grad=True)
    assert wg.gradcheck(lambda v, m: turn(v, m, 0.5, 2), (v, m))
    assert wg.gradcheck(lambda v: wg.grad(lambda v: turn(v, m, 0.5, 2).sum())(v), (v,))


def test_forward_mode_and_second_derivatives_agree_with_reverse_mode(device):
    swish = wg.kernel.elementwise(SWISH)
    x = wg.tensor(data(7))

    def f(x):
        return swish(x, 1.5).sum()

    slope = wg.grad(f)(x)
    _, tangent = wg.jvp(lambda x: swish(x, 1.5), (x,), (wg.ones(7),))
    np.testing.assert_allclose(tangent.numpy(), slope.numpy(), rtol=1e-5, atol=1e-6)
    bend = wg.hvp(f, x, wg.ones(7)).numpy()
    wide, step = x.numpy().astype(np.float64), 1e-5
    up, down = (swish_and_slopes(wide + d, 1.5)[1] for d in (step, -step))
    np.testing.assert_allclose(bend, (up - down) / (2 * step), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(np.diag(wg.hessian(f)(x).numpy()), bend, rtol=1e-5, atol=1e-6)


def test_vmap_maps_a_function(device):
    turn = wg.kernel.elementwise(TURN, "turn")
    v, m = wg.tensor(data(4, 3)), wg.tensor(data(3, 3, seed=1))

    def slope(v):
        return wg.grad(lambda v: turn(v, m, 1.5, 1).sum())(v)

    np.testing.assert_allclose(wg.vmap(slope)(v).numpy(), slope(v).numpy(), rtol=1e-5, atol=1e-5)


def test_compiled_a_function_is_one_kernel_with_its_neighbours(device):
    swish = wg.kernel.elementwise(SWISH)
    f = wg.compile(lambda x: (swish(x * 2, 1.5) + 1).square())
    x = wg.tensor(data(64))
    for _ in range(3):
        got = f(x)
    want = (swish_and_slopes(2 * x.numpy(), 1.5)[0] + 1) ** 2
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-5, atol=1e-5)
    assert len(f.explain().kernels) == 1


APART = "fn apart(a: vec3f, b: vec3f, k: f32) -> vec3f { return (b - a) * (k + dot(a, b)); }"


def apart(a, b, k):
    return (b - a) * (k + (a * b).sum(-1, keepdims=True))


@pytest.mark.parametrize("axis", [0, 1, (0, 1), (1, 2), 2])
@pytest.mark.parametrize("fold", ["sum", "amax"])
def test_compiled_folds_of_vectors_are_made_as_they_are_computed(fold, axis, device):
    """No memory of all pairs, whichever axes are folded; what follows is in the same kernel."""
    op = wg.kernel.elementwise(APART)
    a, b = data(40, 3), data(24, 3, seed=1)
    f = wg.compile(lambda a, b: getattr(wg, fold)(op(a[:, None], b, 0.5), axis=axis) * 2 + 1)
    ta, tb = wg.tensor(a), wg.tensor(b)
    for _ in range(3):
        got = f(ta, tb)
    want = getattr(np, fold)(apart(a[:, None], b, 0.5), axis=axis) * 2 + 1
    np.testing.assert_allclose(got.numpy(), want, rtol=2e-5, atol=2e-5)
    kernels = f.explain().kernels
    assert all(k.bytes_written < 40 * 24 * 3 * 4 for k in kernels)
    assert len(kernels) == 1 or axis == (0, 1)  # a long fold is one of runs, and one of those


def test_compiled_gradients_by_both_of_a_pair_keep_nothing_of_all_pairs(device):
    """Folds over different axes are of one result, so each calls the derivative for itself."""
    op = wg.kernel.elementwise(APART)
    a, b = wg.tensor(data(40, 3)), wg.tensor(data(24, 3, seed=1))

    def slopes(a, b):
        return wg.grad(lambda a, b: op(a[:, None], b, 0.5).square().sum(), argnums=(0, 1))(a, b)

    f = wg.compile(slopes)
    for _ in range(3):
        got = f(a, b)
    for x, y in zip(got, slopes(a, b), strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-5, atol=1e-5)
    assert all(k.bytes_written < 40 * 24 * 4 for k in f.explain().kernels)


def test_a_compiled_step_trains_through_a_function(device):
    swish = wg.kernel.elementwise(SWISH)
    beta = wg.parameter(np.float32(0.2))
    optimizer = wg.optim.SGD([beta], lr=0.5)
    x = wg.tensor(np.linspace(-3, 3, 31))
    target = swish(x, 1.5).detach()

    @wg.compile
    def step():
        loss = (swish(x, beta) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(120):
        step()
    assert abs(beta.item() - 1.5) < 0.05


def test_a_number_that_changes_is_an_input_of_a_compiled_function(device):
    swish = wg.kernel.elementwise(SWISH)
    f = wg.compile(lambda x, beta: swish(x, beta))
    x = wg.tensor([0.5, -1.0])
    for beta in (0.5, 1.0, 1.5, 2.0, 2.5):
        want = swish_and_slopes(x.numpy(), beta)[0]
        np.testing.assert_allclose(f(x, beta).numpy(), want, rtol=1e-5)


CALLS = "fn f(x: f32) -> f32 { return g(x); }"


def test_equal_names_in_two_texts_do_not_meet(device):
    one, two = (
        wg.kernel.elementwise(f"fn g(x: f32) -> f32 {{ return x {op}; }} {CALLS}")
        for op in ("+ 1.0", "* 3.0")
    )
    both = wg.compile(lambda x: one(x) + two(x))
    for _ in range(3):
        got = both(wg.tensor([1.0, 2.0]))
    assert got.tolist() == [5.0, 9.0]


def test_overrides_are_constants_of_the_op(device):
    text = "override n: i32 = 2; override k: f32; fn f(x: f32) -> f32 { return x * k + f32(n); }"
    assert wg.kernel.elementwise(text, constants={"k": 3.0})(wg.tensor([1.0])).tolist() == [5.0]
    assert wg.kernel.elementwise(text, constants={"k": 3.0, "n": 4})(wg.tensor([1.0])).item() == 7
    with pytest.raises(ShaderError, match="override k has no value"):
        wg.kernel.elementwise(text)(wg.tensor([1.0]))


def test_derivatives_have_the_values_of_overrides(device):
    text = "override k: f32 = 2.0; override n = -2; override least: i32 = -2147483648;\n"
    text += "fn f(x: f32) -> f32 { if n < least { return 0.0; } return k * x * x * x; }"
    f = wg.kernel.elementwise(text, constants={"k": 3.0})
    x = wg.tensor([1.0, 2.0])
    assert wg.grad(lambda x: f(x).sum())(x).tolist() == [9.0, 36.0]
    assert wg.hvp(lambda x: f(x).sum(), x, wg.ones(2)).tolist() == [18.0, 36.0]


def test_a_rule_of_the_users_own_stands_for_the_generated_one(device):
    text = "fn f(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) & 0xFFFF0000u); }"
    cut = wg.kernel.elementwise(text)
    x = wg.tensor([1.1, 2.2], requires_grad=True)
    with pytest.raises(ShaderError, match="backward="):
        cut(x).sum().backward()
    straight = wg.kernel.elementwise(text, backward=lambda ct, out, x: ct)
    straight(x).sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_precise_functions_are_those_of_the_library(webgpu):
    text = "fn f(x: vec2f, k: f32) -> vec2f { return sin(x) * pow(k, 2.0) + tanh(k) * exp(1.0); }"
    f = wg.kernel.elementwise(text, precise=True)
    x = data(500, 2) * 1000
    made = f(wg.tensor(x, device="webgpu"), 0.5).numpy()
    x = x.astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(made, np.sin(x) * 0.25 + np.tanh(0.5) * np.e, rtol=1e-6, atol=1e-6)
    assert "real_sin(a.x)" in f.wgsl() and "real_tanh(k)" in f.wgsl() and "exp(1.0)" in f.wgsl()
    assert "real_sin" not in wg.kernel.elementwise(text).wgsl()
    assert "real_cos" in f.derivative_wgsl("x")


def test_a_variable_of_a_loop_is_zero_each_time(device):
    body = "var r = 0; for (var i = 0; i < n; i++) { var t: i32; t += i; r += t; } return r;"
    f = wg.kernel.elementwise(f"fn f(n: i32) -> i32 {{ {body} }}")
    assert f(wg.tensor([0, 1, 4, 5])).tolist() == [0, 0, 6, 10]


def test_a_derivative_that_is_too_large_is_refused_at_the_function_of_the_text(numpy_device):
    many = ", ".join(f"x{k}: f32" for k in range(200))
    text = f"fn g({many}) -> f32 {{ return x0 * x199; }}\nfn f(x: f32) -> f32 {{ return g("
    f = wg.kernel.elementwise(text + ", ".join(["x"] * 200) + "); }", "f")
    x = wg.tensor([1.0], requires_grad=True)
    with pytest.raises(ShaderError, match=r"(?s)<text>:2:.*255 values at most.*backward="):
        f(x).sum().backward()


def test_half_and_integer_parameters(device):
    body = "if up { return x * f16(n); } return -x;"
    text = f"enable f16; fn f(x: f16, n: u32, up: bool) -> f16 {{ {body} }}"
    f = wg.kernel.elementwise(text)
    x = wg.tensor(np.array([0.5, 1.5], np.float16))
    n, up = wg.tensor(np.array([2, 3], np.uint32)), wg.tensor([True, False])
    if wg.float16 not in x.device.dtypes:
        pytest.skip("no float16 here")
    made = f(x, n, up)
    assert made.dtype is wg.float16 and made.tolist() == [1.0, -1.5]


TWO = "fn a(x: f32) -> f32 {return x;} fn b(x: f32) -> f32 {return x;}"
POINTER = "fn f(p: ptr<function, f32>) -> f32 { return *p; }"
REFUSED = {
    "no function": ("const a = 1;", {}, ArgumentError, "several functions"),
    "two functions": (
        TWO,
        {},
        ArgumentError,
        "a, b",
    ),
    "an unknown name": (SWISH, {"name": "f"}, ArgumentError, "no function 'f'; it has swish"),
    "a pointer": (
        POINTER,
        {},
        ShaderError,
        "parameter p",
    ),
    "nothing returned": ("fn f(x: f32) { }", {}, ShaderError, "nothing"),
    "no parameters": ("fn f() -> f32 { return 1.0; }", {}, ShaderError, "no parameters"),
    "an unknown word": ("fn f(x: f32) -> f32 {\n  return y;\n}", {}, ShaderError, ":2:10"),
    "no WGSL": (3, {}, ArgumentError, "WGSL or the path"),
    "a folder": ("docs", {}, CallError, "'docs' is a folder"),
    "a file without its ending": ("README.md", {}, CallError, r"Path\('README.md'\)"),
    "a rule of other arguments": (
        SWISH,
        {"backward": lambda ct, out, x: ct},
        CallError,
        r"backward\(ct, out, x, beta\) is how it is called: too many",
    ),
    "a rule that is none": (SWISH, {"backward": 3}, ArgumentError, "a function is needed"),
    "no file": ("nothing.wgsl", {}, ShaderError, "nothing.wgsl cannot be read"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_op_is_refused(case, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    text, named, error, words = REFUSED[case]
    with pytest.raises(error, match=words):
        wg.kernel.elementwise(text, **named)


def test_memory_that_elements_would_share_is_refused(device):
    text = "var<private> seed: f32; fn f(x: f32) -> f32 { seed += x; return seed; }"
    with pytest.raises(ShaderError, match="share"):
        wg.kernel.elementwise(text)(wg.tensor([1.0]))


def test_inputs_that_do_not_fit_are_refused(device):
    swish, turn = wg.kernel.elementwise(SWISH), wg.kernel.elementwise(TURN, "turn")
    x = wg.tensor(data(4, 3))
    with pytest.raises(CallError, match="missing a required argument: 'beta'"):
        swish(x)
    with pytest.raises(ShapeError, match=r"m is mat3x3<f32>.*\(4, 3\)"):
        turn(x, x, 1.0, 1)
    double = wg.kernel.elementwise("fn f(x: i32) -> i32 { return x * 2; }")
    for wrong in (2.5, [2.5], np.float32(2.5), True, [True], wg.tensor([1], dtype="uint32")):
        with pytest.raises((ArgumentError, DTypeError), match=r"f: x"):
            double(wrong)
    assert double(np.array([1, 2], np.uint32)).tolist() == [2, 4]
    with pytest.raises(DTypeError, match="n is i32, and float32 came"):
        turn(x, wg.ones(3, 3), 1.0, wg.ones(4))
    with pytest.raises(ArgumentError, match="is not an integer"):
        turn(x, wg.ones(3, 3), 1.0, 1.5)
    with pytest.raises(ShapeError, match="broadcast"):
        swish(x, wg.ones(5))
    with pytest.raises(DTypeError, match="bool came"):
        swish(x > 0, 1.0)


def test_the_texts_of_an_op_can_be_read():
    swish = wg.kernel.elementwise(SWISH)
    assert swish.wgsl().startswith("fn swish(x: f32, beta: f32) -> f32 {\n    return x / ")
    assert "fn swish_push(x: f32, beta: f32, x_d: f32)" in swish.derivative_wgsl("x")
    assert wg.kernel.elementwise(swish.wgsl())(1.0, 2.0).item() == swish(1.0, 2.0).item()
    assert "ct" in swish.derivative_wgsl("beta") and "x_d" in swish.derivative_wgsl(forward=True)
    with pytest.raises(GradientError, match="no derivative by 'y'; there is by x, beta"):
        swish.derivative_wgsl("y")


def test_names_that_begin_like_types_are_names(numpy_device):
    text = (
        "fn f(ray: f32, texture_size: f32) -> f32 { let ray_d = ray; return ray_d * texture_size; }"
    )
    f = wg.kernel.elementwise(f"fn g(ray: f32) -> f32 {{ return f(ray, ray); }} {text}", "g")
    x = wg.tensor([3.0], requires_grad=True)
    f(x).sum().backward()
    assert x.grad.tolist() == [6.0]


def test_what_a_function_decides_by_bits_has_a_gradient_beside_it(numpy_device):
    f = wg.kernel.elementwise(
        '#include "math.wgsl"\nfn f(x: f32) -> f32 { return select(x * x, 0.0, is_nan(x)); }', "f"
    )
    x = wg.tensor([3.0], requires_grad=True)
    f(x).sum().backward()
    assert x.grad.tolist() == [6.0]
