"""wg.kernel.load: the ops of a file by their names, what includes give, and watched kernels."""

import os

import numpy as np
import pages
import pytest

import wgrad as wg
from wgrad.errors import CallError, ShaderError, UnknownNameError

WAVES = """
#include "shared/rings.wgsl"
override steps: i32 = 3;
struct Ray { at: vec2f, far: f32 }
fn length_of(ray: Ray) -> f32 { return length(ray.at) + ray.far; }
fn wave(at: vec2f, far: f32) -> f32 {
    var sum = 0.0;
    for (var i = 0; i < steps; i++) { sum += rings(length_of(Ray(at, far))); }
    return sum;
}
fn kernel(x: f32) -> f32 { return -x; }
struct Params { factor: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn scale(@builtin(global_invocation_id) id: vec3u) {
    if (id.x < arrayLength(&y)) { y[id.x] = params.factor * x[id.x]; }
}
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "rings.wgsl").write_text(
        '#include "math.wgsl"\nfn rings(r: f32) -> f32 { return select(r * r, 0.0, is_nan(r)); }\n'
    )
    path = tmp_path / "waves.wgsl"
    path.write_text(WAVES)
    return path


def test_a_file_has_its_functions_and_kernels_by_name(device, file):
    lib = wg.kernel.load(file)
    at = wg.tensor([[3.0, 4.0], [0.0, 1.0]], requires_grad=True)
    y = lib.wave(at, 0.0)
    np.testing.assert_allclose(y.numpy(), [75.0, 3.0], rtol=1e-6)
    y.sum().backward()
    np.testing.assert_allclose(at.grad.numpy(), 6 * at.numpy(), rtol=1e-5)
    assert lib.wave is lib.wave and lib["wave"] is lib.wave
    assert lib.rings(2.0).item() == 4.0
    assert lib.scale(wg.ones(3), wg.zeros(3), factor=2.0).tolist() == [2.0] * 3
    assert lib.is_nan(1.0).item() is False  # of wgrad's own, which are not listed
    assert list(lib) == ["rings", "wave", "kernel", "scale"] and dir(lib) == sorted(lib)
    assert repr(lib) == f"<library {file}: rings, wave, kernel, scale>"


def test_constants_are_those_of_all_functions(numpy_device, file):
    lib = wg.kernel.load(file, constants={"steps": 1})
    assert lib.wave(wg.tensor([3.0, 4.0]), 1.0).item() == 36.0
    with pytest.raises(ShaderError, match="no override 'stops'"):
        wg.kernel.load(file, constants={"stops": 1}).wave


def test_what_a_file_does_not_have_is_told_with_near_names(numpy_device, file):
    lib = wg.kernel.load(file)
    with pytest.raises(
        UnknownNameError, match="has no 'wav' that can be called: did you mean wave"
    ):
        lib.wav
    with pytest.raises(UnknownNameError, match="there are: rings, wave, kernel, scale"):
        lib.Ray
    assert not hasattr(lib, "__array__")
    with pytest.raises(ShaderError, match="parameter ray of length_of is Ray") as caught:
        lib.length_of
    assert (caught.value.line, caught.value.column) == (5, 14)
    assert lib["kernel"](2.0).item() == -2.0  # which is also a method's name
    with pytest.raises(CallError, match="WGSL or the path of a file is needed"):
        wg.kernel.load(3)
    with pytest.raises(ShaderError, match=r"gone.wgsl cannot be read"):
        wg.kernel.load("gone.wgsl")


def test_a_name_that_is_loaded_again_is_the_new_one(device, file):
    first = wg.kernel.load("fn f(x: f32) -> f32 { return helper(x); }" + HELPER % "+ 1.0")
    again = wg.kernel.load("fn f(x: f32) -> f32 { return helper(x); }" + HELPER % "* 3.0")
    both = wg.compile(lambda x: first.f(x) + again.f(x))
    for _ in range(3):
        assert both(wg.tensor([2.0])).tolist() == [9.0]


HELPER = "fn helper(x: f32) -> f32 { return x %s; }"


# Watched.


def test_an_edit_reaches_all_that_a_watched_file_has(device, file):
    lib = wg.kernel.load(file, watch=True)
    at, x = wg.tensor([3.0, 4.0]), wg.ones(2)
    scale = lib.kernel("scale", outputs={"y": "x"})
    compiled = wg.compile(lambda at, x: (lib.wave(at, 0.0), scale(x, factor=2.0) + 1))
    for _ in range(3):
        wave, scaled = compiled(at, x)
        assert (wave.item(), scaled.tolist()) == (75.0, [3.0, 3.0])
    file.write_text(WAVES.replace("= 3", "= 2").replace("params.factor *", "params.factor +"))
    for _ in range(3):
        wave, scaled = compiled(at, x)
        assert (wave.item(), scaled.tolist()) == (50.0, [4.0, 4.0])
    assert lib.wave(at, 0.0).item() == 50.0
    assert lib.scale is scale and scale(x, factor=2.0).tolist() == [3.0, 3.0]
    assert "+ x[id.x]" in scale.wgsl() and scale.inputs == ("x",)
    file.write_text(WAVES.replace("fn wave", "fn waves"))
    with pytest.warns(UserWarning, match="wave: an edit is not used"):
        assert lib.wave(at, 0.0).item() == 50.0
    assert lib.waves(at, 0.0).item() == 75.0
    file.write_text("fn")
    with pytest.warns(UserWarning, match=r"kernel.load: .*waves.wgsl:1:3") as caught:
        assert scale(x, factor=2.0).tolist() == [2.0, 2.0]
        assert lib.waves(at, 0.0).item() == 75.0
    assert len(caught) == 1


def test_files_that_are_touched_leave_compiled_functions_compiled(device, file):
    lib = wg.kernel.load(file, watch=True)
    at = wg.tensor([3.0, 4.0])
    compiled = wg.compile(lambda at: lib.wave(at, 0.0))
    for second in range(6):  # a function that runs uncompiled would warn, which is an error here
        os.utime(file, (second, second))
        assert compiled(at).item() == 75.0


SQUARE = """
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn power(@builtin(global_invocation_id) id: vec3u) {
    if (id.x < arrayLength(&y)) { y[id.x] = x[id.x] * x[id.x]; }
}
"""
SLOPE = """
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;
@group(0) @binding(2) var<storage, read_write> d_x: array<f32>;
@compute @workgroup_size(64) fn slope(@builtin(global_invocation_id) id: vec3u) {
    if (id.x < arrayLength(&d_x)) { d_x[id.x] = 2.0 * x[id.x] * d_y[id.x]; }
}
"""


def test_a_watched_kernel_keeps_its_rule_and_watches_the_rules_file(device, tmp_path):
    path, rule = tmp_path / "power.wgsl", tmp_path / "slope.wgsl"
    path.write_text(SQUARE)
    rule.write_text(SLOPE)
    power = wg.kernel.compute(path, outputs={"y": "x"}, watch=True)
    assert power.backward(rule) is power
    x = wg.tensor([2.0, 3.0], requires_grad=True)
    y = power(x)
    path.write_text(SQUARE.replace("x[id.x] * x", "x[id.x] * x[id.x] * x"))
    rule.write_text(SLOPE.replace("2.0 *", "3.0 * x[id.x] *"))
    z = power(x)
    assert (y.tolist(), z.tolist()) == ([4.0, 9.0], [8.0, 27.0])
    (y + z).sum().backward()
    assert x.grad.tolist() == [2 * 2 + 3 * 4, 2 * 3 + 3 * 9]
    rule.write_text(SLOPE.replace("d_y", "d_z"))
    with pytest.warns(UserWarning, match="there is no d_z: a rule reads x, y, d_y"):
        assert power(x).tolist() == [8.0, 27.0]
    power.backward(lambda x, d_y: d_y)
    power(x.detach().requires_grad_()).sum().backward()
    path.write_text(SQUARE)
    w = wg.tensor([2.0], requires_grad=True)
    power(w).sum().backward()
    assert w.grad.tolist() == [1.0]


def test_a_watched_kernel_that_a_gpu_refuses_is_not_used(webgpu, tmp_path):
    path = tmp_path / "power.wgsl"
    path.write_text(SQUARE)
    power = wg.kernel.compute(path, outputs={"y": "x"}, watch=True)
    x = wg.tensor([3.0], device="webgpu")
    assert power(x).tolist() == [9.0]
    path.write_text(SQUARE.replace("64", "100, 100"))
    with pytest.warns(UserWarning, match="a workgroup of 100 x 100 x 1 came"):
        assert power(x).tolist() == [9.0]
    with pytest.raises(CallError, match=r"kernel.compute: watch=True came"):
        wg.kernel.compute(SQUARE, watch=True)
    with pytest.raises(CallError, match=r"kernel.load: watch=True came"):
        wg.kernel.load(SQUARE, watch=True)


def test_run_uses_an_edited_file(device, tmp_path):
    path = tmp_path / "power.wgsl"
    path.write_text(SQUARE)
    x, y = wg.tensor([3.0]), wg.zeros(1)
    wg.kernel.run(path, x, y)
    assert y.tolist() == [9.0]
    path.write_text(SQUARE.replace("] * x", "] + x"))
    wg.kernel.run(path, x, y)
    assert y.tolist() == [6.0]


def test_what_is_watched_is_checked_and_measured_as_it_is_now(numpy_device, file):
    lib = wg.kernel.load(file, watch=True)
    assert wg.kernel.check(lib["kernel"], np.ones(3), gradients=False).ok
    report = wg.kernel.bench(lib["kernel"], (4,), rounds=1)
    assert report.ok and report.rows[0].variant == "kernel"
    assert lib.scale.inputs == ("x", "y")


def test_the_page_about_shaders_runs_as_it_stands(device):
    out = pages.run("docs/your-own-shader.md")
    assert "fn swish_pull" in out and "swish: all is well" in out and "_back" not in out


def test_a_compiled_function_looks_at_a_kernel_as_one_thing(device):
    power = wg.kernel.compute(SQUARE, outputs={"y": "x"})
    factor = [1.0]
    power.backward(lambda x, d_y: factor[0] * d_y)
    w = wg.tensor([2.0, 3.0], requires_grad=True)

    @wg.compile
    def step():
        return wg.grad(lambda w: power(w).sum())(w)

    def settled(value):
        for _ in range(4):
            assert step().tolist() == [value] * 2

    settled(1.0)
    (replay,) = [r for x in step._signatures.values() for r in x.captures]
    assert len(replay.outside.tokens) < 150
    factor[0] = 5.0
    settled(5.0)
    power.backward(lambda x, d_y: 7 * d_y)
    settled(7.0)
