"""Whole compute shaders as operations: bindings, uniforms, sizes, gradients, programs, errors."""

from __future__ import annotations

import copy
import doctest
import traceback

import numpy as np
import pytest
from another_runner import AnotherRunner

import wgrad as wg
from wgrad.backends.webgpu.launches import Launches
from wgrad.errors import (
    ArgumentError,
    CallError,
    DTypeError,
    GradientError,
    ShaderError,
    ShapeError,
    UnknownNameError,
    VmapError,
    WgradError,
)

compute = wg.kernel.compute

SAXPY = """
struct Params { a: f32, n: u32 }
@group(1) @binding(2) var<uniform> p: Params;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(2) @binding(0) var<storage, read_write> y: array<f32>;
override scale = 1.0;
@compute @workgroup_size(64) fn saxpy(@builtin(global_invocation_id) id: vec3u) {
    if (id.x >= arrayLength(&y)) { return; }
    y[id.x] += scale * p.a * x[id.x] + f32(p.n) + f32(arrayLength(&x));
}
"""


def make_saxpy(**how):
    def host(x, y, a, n, scale):
        return y + scale * a * x + n + x.size

    return compute(SAXPY, numpy=host, **how)


SAXPY_KERNEL = make_saxpy()

SQUARE = """
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn square(@builtin(global_invocation_id) id: vec3u) {
    if (id.x < arrayLength(&y)) { y[id.x] = x[id.x] * x[id.x]; }
}
"""


def make_square():
    return compute(SQUARE, outputs={"y": "x"}, numpy=lambda x: x * x)


SOFTMAX = """
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> n: u32;
var<workgroup> part: array<f32, 64>;
@compute @workgroup_size(64) fn softmax(
    @builtin(workgroup_id) row: vec3u, @builtin(local_invocation_index) i: u32
) {
    let start = row.x * n;
    var most = -1e30;
    for (var k = i; k < n; k += 64u) { most = max(most, x[start + k]); }
    part[i] = most;
    workgroupBarrier();
    for (var s = 32u; s > 0u; s >>= 1u) {
        if (i < s) { part[i] = max(part[i], part[i + s]); }
        workgroupBarrier();
    }
    most = part[0];
    workgroupBarrier();
    var total = 0.0;
    for (var k = i; k < n; k += 64u) { total += exp(x[start + k] - most); }
    part[i] = total;
    workgroupBarrier();
    for (var s = 32u; s > 0u; s >>= 1u) {
        if (i < s) { part[i] += part[i + s]; }
        workgroupBarrier();
    }
    for (var k = i; k < n; k += 64u) { y[start + k] = exp(x[start + k] - most) / part[0]; }
}
"""
SOFTMAX_BACKWARD = """
@group(0) @binding(0) var<storage, read> y: array<f32>;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;
@group(0) @binding(2) var<storage, read_write> d_x: array<f32>;
@group(0) @binding(3) var<uniform> n: u32;
@compute @workgroup_size(1) fn back(@builtin(workgroup_id) row: vec3u) {
    let start = row.x * n;
    var dot = 0.0;
    for (var k = start; k < start + n; k++) { dot += y[k] * d_y[k]; }
    for (var k = start; k < start + n; k++) { d_x[k] = (d_y[k] - dot) * y[k]; }
}
"""

TWO = """
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> total: array<f32>;
@group(0) @binding(3) var<storage, read_write> product: array<f32>;
@group(0) @binding(4) var<storage, read_write> sign: array<i32>;
@compute @workgroup_size(64) fn two(@builtin(global_invocation_id) id: vec3u) {
    let i = id.x;
    if (i >= arrayLength(&a)) { return; }
    total[i] = a[i] + b[i];
    product[i] = a[i] * b[i];
    sign[i] = select(-1, 1, a[i] > b[i]);
}
"""


def make_two():
    return compute(
        TWO,
        outputs={"total": "a", "product": "a", "sign": lambda a: a},
        numpy=lambda a, b: (a + b, a * b, np.where(a > b, 1, -1)),
    )


def numbers(*shape, device, seed=0, **how):
    return wg.tensor(np.random.default_rng(seed).normal(size=shape), device=device, **how)


# Values.
def test_kernel_takes_tensors_by_place_or_name_and_numbers_by_name(device):
    x, y = wg.arange(100.0), wg.ones(100)
    wanted = 1 + 2 * np.arange(100) + 3 + 100
    for made in (
        SAXPY_KERNEL(x, y, a=2, n=3),
        SAXPY_KERNEL(y=y, x=x, a=2.0, n=np.uint32(3)),
        SAXPY_KERNEL(x, y=y, p={"a": 2, "n": 3}),
        SAXPY_KERNEL(x.tolist(), y, **{"p.a": 2, "p.n": 3}),
    ):
        assert made.dtype is wg.float32
        assert np.array_equal(made.numpy(), wanted)
    assert np.array_equal(y.numpy(), np.ones(100))  # it was copied
    assert SAXPY_KERNEL.inputs == ("x", "y")
    assert SAXPY_KERNEL.outputs == ("y",)


def test_views_are_bound_to_their_exact_size(device):
    x, y = wg.arange(400.0).reshape(4, 100), wg.ones(100)
    rows = [x[1], x[:, 7], wg.arange(250.0)[64:128]]  # aligned or not, strided
    for row in rows:
        made = SAXPY_KERNEL(row, wg.ones(row.shape), a=1, n=0)
        assert np.array_equal(made.numpy(), 1 + row.numpy() + row.size)
    assert np.array_equal(SAXPY_KERNEL(y, y, a=1, n=0).numpy(), np.full(100, 102))


@pytest.mark.parametrize("size", [1, 63, 64, 65, 300_001])
def test_sizes(size, device):
    x = numbers(size, device=device)
    assert np.array_equal(make_square()(x).numpy(), x.numpy() ** 2)


def test_nothing_runs_for_empty_tensors(device):
    made = make_square()(wg.zeros((3, 0)))
    assert made.shape == (3, 0)
    total, product, sign = make_two()(wg.zeros(0), wg.zeros(0))
    assert (total.shape, product.shape, sign.dtype) == ((0,), (0,), wg.int32)


def test_softmax_in_workgroup_memory_has_its_gradient_in_wgsl(device):
    softmax = compute(SOFTMAX, outputs={"y": "x"}, groups=lambda x: x[0])
    assert softmax.backward(SOFTMAX_BACKWARD, groups=lambda x: x[0]) is softmax
    x = numbers(5, 100, device=device, requires_grad=True)
    weight = numbers(5, 100, device=device, seed=1)

    def loss(x):
        return (softmax(x, n=100) * weight).sum()

    loss(x).backward()
    wanted = wg.grad(lambda x: (wg.softmax(x, -1) * weight).sum())(x.detach()).numpy()
    assert np.allclose(x.grad.numpy(), wanted, atol=1e-6)
    step = wg.compile(wg.grad(loss))
    for _ in range(3):
        assert np.allclose(step(x.detach()).numpy(), wanted, atol=1e-6)


def test_atomics_count_from_zero(device):
    histogram = compute(
        """
        @group(0) @binding(0) var<storage, read> x: array<u32>;
        @group(0) @binding(1) var<storage, read_write> counts: array<atomic<u32>, 16>;
        @compute @workgroup_size(64) fn histogram(@builtin(global_invocation_id) id: vec3u) {
            if (id.x < arrayLength(&x)) { atomicAdd(&counts[x[id.x] % 16u], 1u); }
        }
        """,
        outputs={"counts": None},
        threads="x",
    )
    x = np.random.default_rng(0).integers(0, 16, 5000)
    for _ in range(3):  # in reused memory too
        made = histogram(wg.tensor(x, "uint32"))
        assert made.dtype is wg.uint32
        assert np.array_equal(made.numpy(), np.bincount(x, minlength=16))


def test_results_come_in_the_order_of_the_bindings(device):
    a, b = numbers(70, device=device), numbers(70, device=device, seed=1)
    made = make_two()(a, b)
    assert type(made)._fields == ("total", "product", "sign")
    assert np.allclose(made.total.numpy(), a.numpy() + b.numpy())
    assert np.allclose(made.product.numpy(), a.numpy() * b.numpy())
    assert np.array_equal(made.sign.numpy(), np.where(a.numpy() > b.numpy(), 1, -1))


# Memory.
UNIFORMS = """
struct Inner { a: f32, b: vec3f, c: f32 }
struct Params {
    x: f32,
    v: vec3f,
    m: mat3x3f,
    w: vec2f,
    inner: Inner,
    list: array<vec4f, 2>,
    many: array<Inner, 2>,
    k: i32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<uniform> q: vec2f;
@group(3) @binding(0) var<uniform> count: u32;
@group(0) @binding(9) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1) fn spread() {
    let found = array<f32, 41>(
        p.x, p.v.x, p.v.y, p.v.z,
        p.m[0].x, p.m[0].y, p.m[0].z, p.m[1].x, p.m[1].y, p.m[1].z, p.m[2].x, p.m[2].y, p.m[2].z,
        p.w.x, p.w.y,
        p.inner.a, p.inner.b.x, p.inner.b.y, p.inner.b.z, p.inner.c,
        p.list[0].x, p.list[0].y, p.list[0].z, p.list[0].w,
        p.list[1].x, p.list[1].y, p.list[1].z, p.list[1].w,
        p.many[0].a, p.many[0].b.x, p.many[0].b.y, p.many[0].b.z, p.many[0].c,
        p.many[1].a, p.many[1].b.x, p.many[1].b.y, p.many[1].b.z, p.many[1].c,
        f32(p.k), q.y, f32(count),
    );
    for (var i = 0; i < 41; i++) { y[i] = found[i]; }
}
"""


def test_uniforms_lie_by_the_rules_of_wgsl(device):
    spread = compute(UNIFORMS, outputs={"y": (41,)}, groups=1)
    numbers = list(map(float, range(1, 39)))
    rest = iter(numbers)

    def take(n):
        return [next(rest) for _ in range(n)]

    x, v = take(1)[0], tuple(take(3))
    m, w = np.reshape(take(9), (3, 3)), wg.tensor(take(2))
    inner = {"a": take(1)[0], "b": take(3), "c": take(1)[0]}
    two = [take(4), take(4)]
    many = [{"a": take(1)[0], "b": take(3), "c": take(1)[0]} for _ in range(2)]
    wanted = [*numbers, -7.0, 5.0, 9.0]
    first = spread(x=x, v=v, m=m, w=w, inner=inner, list=two, many=many, k=-7, q=(4, 5), count=9)
    assert first.tolist() == wanted
    dotted = {"inner.a": inner["a"], "inner.b": inner["b"], "p.inner.c": inner["c"]}
    again = spread(x=x, v=v, m=m, w=w, list=two, many=many, k=-7, q=[4, 5], count=9, **dotted)
    assert again.tolist() == wanted


def test_numpy_functions_get_uniforms_by_name(numpy_device):
    asked = {}

    def host(inner, m, q, count, many):
        asked.update(inner=inner, m=m, q=q, count=count, many=many)
        return np.zeros(41)

    spread = compute(UNIFORMS, outputs={"y": (41,)}, groups=1, numpy=host)
    inner = {"a": 1.0, "b": [2.0, 3.0, 4.0], "c": 5.0}
    m = np.arange(9.0).reshape(3, 3)
    spread(
        x=1, v=(1, 2, 3), m=m, w=(1, 2), inner=inner, list=np.ones((2, 4)), many=[inner] * 2, k=1,
        q=(6, 7), count=9,
    )  # fmt: skip
    assert asked["inner"]["b"].tolist() == [2, 3, 4]
    assert asked["many"][1]["c"] == 5
    assert np.array_equal(asked["m"], m)
    assert (asked["q"].tolist(), asked["count"]) == ([6, 7], 9)


SHAPES = """
struct Ray { from_: vec3f, length: f32, to: vec3f, hits: u32 }
struct List { count: u32, items: array<f32> }
@group(0) @binding(0) var<storage, read> points: array<vec3f>;
@group(0) @binding(1) var<storage, read> turn: mat3x3f;
@group(0) @binding(2) var<storage, read> rays: array<Ray>;
@group(0) @binding(3) var<storage, read> pairs: array<array<vec2f, 2>>;
@group(0) @binding(4) var<storage, read> list: List;
@group(0) @binding(5) var<storage, read_write> turned: array<vec3f>;
@group(0) @binding(6) var<storage, read_write> last: f32;
@compute @workgroup_size(8) fn shapes(@builtin(global_invocation_id) id: vec3u) {
    let i = id.x;
    if (i >= arrayLength(&points)) { return; }
    turned[i] = turn * points[i] + rays[i].to * f32(rays[i].hits) + vec3f(pairs[i][1], 0.0);
    if (i == 0) { last = list.items[list.count - 1] + f32(arrayLength(&list.items)); }
}
"""


def test_elements_of_vectors_matrices_and_structures(device):
    shapes = compute(SHAPES, outputs={"turned": "points", "last": None}, threads="points")
    rng = np.random.default_rng(0)
    points, turn = rng.normal(size=(2, 5, 3)), rng.normal(size=(3, 3))
    rays = np.zeros((10, 8), np.float32)
    rays[:, 4:7] = to = rng.normal(size=(10, 3))
    words = rays.view(np.uint32)
    words[:, 7] = hits = np.arange(10)
    pairs = rng.normal(size=(10, 2, 2))
    items = np.array([1.5, 2.5, 3.5], np.float32)
    held = np.concatenate([np.array([3], np.uint32), items.view(np.uint32)])
    made = shapes(points, turn, wg.tensor(words, "uint32"), pairs, wg.tensor(held, "uint32"))
    wanted = points.reshape(10, 3) @ turn + to * hits[:, None]
    wanted[:, :2] += pairs[:, 1]
    assert made.turned.shape == (2, 5, 3)
    assert np.allclose(made.turned.numpy().reshape(10, 3), wanted, atol=1e-5)
    assert made.last.shape == ()
    assert made.last.item() == 6.5
    # What came out lies as it goes in.
    again = shapes(made.turned, turn, wg.tensor(words, "uint32"), pairs, wg.tensor(held, "uint32"))
    wanted = made.turned.numpy().reshape(10, 3) @ turn + to * hits[:, None]
    wanted[:, :2] += pairs[:, 1]
    assert np.allclose(again.turned.numpy().reshape(10, 3), wanted, atol=1e-5)


def test_overrides_are_constants_of_a_call_or_a_kernel(device):
    x, y = wg.ones(10), wg.zeros(10)
    assert SAXPY_KERNEL(x, y, a=1, n=0, scale=5)[0].item() == 15
    fixed = make_saxpy(constants={"scale": 2.0})
    assert fixed(x, y, a=1, n=0)[0].item() == 12
    assert fixed(x, y, a=1, n=0, scale=3)[0].item() == 13


def test_overrides_say_workgroup_sizes_and_the_length_of_memory(webgpu):
    kernel = compute(
        """
        override size: u32;
        override twice = size * 2;
        var<workgroup> part: array<u32, twice>;
        @group(0) @binding(0) var<storage, read_write> y: array<u32>;
        @compute @workgroup_size(size) fn main(@builtin(local_invocation_index) i: u32) {
            part[i] = i;
            workgroupBarrier();
            if (i == 0) { y[0] = part[size - 1] + twice; }
        }
        """,
        outputs={"y": (1,)},
        groups=1,
    )
    assert kernel(size=8).item() == 7 + 16
    assert kernel(size=32).item() == 31 + 64
    with pytest.raises(ShaderError, match="override size has no value"):
        kernel()
    with pytest.raises(ShaderError, match=r"a workgroup of 4096 x 1 x 1 came"):
        kernel(size=4096)


def test_threads_of_several_axes_and_groups(device):
    transpose = compute(
        """
        @group(0) @binding(0) var<storage, read> x: array<f32>;
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;
        @group(0) @binding(2) var<uniform> size: vec2u;
        @compute @workgroup_size(8, 4) fn transpose(@builtin(global_invocation_id) id: vec3u) {
            if (all(id.xy < size)) { y[id.x * size.y + id.y] = x[id.y * size.x + id.x]; }
        }
        """,
        outputs={"y": lambda x: x[::-1]},
        threads="x",
    )
    x = numbers(13, 21, device=device)
    assert np.array_equal(transpose(x, size=(21, 13)).numpy(), x.numpy().T)
    where = compute(
        """
        @group(0) @binding(0) var<storage, read_write> y: array<u32>;
        @compute @workgroup_size(1) fn place(
            @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) n: vec3u
        ) { y[(id.z * n.y + id.y) * n.x + id.x] = id.x + 10u * id.y + 100u * id.z; }
        """,
        outputs={"y": (4, 3, 2)},
        groups=(2, 3, 4),
    )
    wanted = [[[x + 10 * y + 100 * z for x in range(2)] for y in range(3)] for z in range(4)]
    assert where().tolist() == wanted
    assert wg.compile(lambda x: where() * x)(wg.ones(2).astype("uint32")).tolist() == wanted


LIBRARY = """
#include "shift.wgsl"
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(1) @binding(0) var<uniform> a: f32;
@group(1) @binding(1) var<uniform> b: f32;
fn main(x: f32) -> f32 { return shifted(x, b); }
@compute @workgroup_size(64) fn add(@builtin(global_invocation_id) id: vec3u) {
    if (id.x < arrayLength(&y)) { y[id.x] = main(y[id.x]) + a; }
}
@compute @workgroup_size(64) fn clear(@builtin(global_invocation_id) id: vec3u) {
    if (id.x < arrayLength(&y)) { y[id.x] = 0.0; }
}
"""


def test_files_include_others_and_have_several_entry_points(tmp_path, device):
    (tmp_path / "shift.wgsl").write_text("fn shifted(x: f32, b: f32) -> f32 { return x + b; }\n")
    path = tmp_path / "library.wgsl"
    path.write_text(LIBRARY)
    for given in (path, str(path)):
        library = wg.kernel.load(given)
        assert dir(library) == ["add", "clear", "main", "shifted"]
        assert library.add is library.add
        assert library.add(wg.ones(3), a=10.0, b=2.0).tolist() == [13.0] * 3
        assert library.clear(wg.ones(3)).tolist() == [0.0] * 3
    assert library.main is not library.shifted
    assert library.shifted(wg.ones(2), wg.arange(2.0)).tolist() == [1, 2]
    made = library.kernel("clear", outputs={"y": (2, 2)})
    assert made().tolist() == [[0.0] * 2] * 2
    with pytest.raises(
        UnknownNameError, match="no 'go' that can be called; there are: shifted, main, add, clear"
    ):
        library.go
    (tmp_path / "shift.wgsl").write_text("fn shifted(x: f32, b: f32) -> f32 {\n  return x + c;\n}")
    with pytest.raises(ShaderError, match="unknown name 'c'") as caught:
        wg.kernel.load(path)
    assert caught.value.file.endswith("shift.wgsl")
    assert (caught.value.line, caught.value.column) == (2, 14)


# In place.
def test_kernel_writes_in_place_where_it_is_told(device):
    kernel = make_saxpy(inplace="y")
    x, y = wg.arange(70.0), wg.ones(70)
    before = y.array.storage.version
    made = kernel(x, y, a=2, n=0)
    assert made is y
    assert y.array.storage.version > before
    wanted = 71 + 2 * np.arange(70)
    assert np.array_equal(y.numpy(), wanted)
    kernel(x, wg.ones((70, 2))[:, 0], a=2, n=0)
    both = wg.ones((2, 70))
    kernel(both[0], both[1], a=2, n=0)  # one buffer, read and written
    assert both.numpy()[:, 3].tolist() == [1, 73]
    strided = wg.ones((70, 2))
    kernel(x, strided[:, 0], a=2, n=0)
    assert np.array_equal(strided.numpy(), np.stack([wanted, np.ones(70)], 1))


def test_in_place_keeps_the_promises_of_the_tape(device):
    kernel = make_saxpy(inplace=("y",))
    x, y = wg.ones(5), wg.ones(5)
    leaf = wg.ones(5, requires_grad=True)
    for given in ((x, leaf), (x, leaf * 2)):
        with pytest.raises(GradientError, match="y is written in place, and the tape follows it"):
            kernel(*given, a=1, n=0)
    with pytest.raises(GradientError, match="x requires grad, and y written in place would lose"):
        kernel(leaf, y, a=1, n=0)
    loss = (leaf * y).sum()
    kernel(x, y, a=1, n=0)
    with pytest.raises(GradientError, match="assigned to after the tape saved it"):
        loss.backward()
    with wg.no_grad():
        kernel(x, leaf, a=1, n=0)
    assert leaf.tolist() == [7] * 5
    assert leaf.requires_grad


def test_run_changes_tensors_in_place(device):
    x, y = wg.ones(10), wg.ones(10, requires_grad=True)
    with pytest.raises(GradientError, match="y requires grad, and the shader would change it"):
        wg.kernel.run(SAXPY, x, y, a=3, n=0, scale=2)
    with wg.no_grad():
        assert wg.kernel.run(SAXPY, x, y, a=3, n=0, scale=2) is None
    assert y.tolist() == [17.0] * 10
    y = y.detach()
    assert y.tolist() == [17.0] * 10
    wg.kernel.run(SAXPY, x, y=y, a=0, n=0, threads=0)
    wg.kernel.run(SAXPY, x, y, a=0, n=1, groups=1, constants={"scale": 1})
    assert y.tolist() == [28.0] * 10
    with pytest.raises(CallError, match="came for y, which the shader writes: a tensor is needed"):
        wg.kernel.run(SAXPY, x, [1.0], a=1, n=0)


def test_run_sees_a_file_that_has_changed(tmp_path, device):
    path = tmp_path / "fill.wgsl"
    text = """
    @group(0) @binding(0) var<storage, read_write> y: array<f32>;
    @compute @workgroup_size(1) fn fill() { y[0] = VALUE; }
    """
    y = wg.zeros(1)
    for value in ("1.0", "23.0"):
        path.write_text(text.replace("VALUE", value))
        wg.kernel.run(path, y, groups=1)
        assert y.item() == float(value)


# Gradients.
def test_python_rules_get_what_they_name(device):
    square = make_square()

    @square.backward
    def rule(x, d_y):
        return 2 * x * d_y

    x = numbers(30, device=device, requires_grad=True)
    (square(x) * 3).sum().backward()
    assert np.allclose(x.grad.numpy(), 6 * x.numpy())
    second = wg.grad(lambda x: wg.grad(lambda x: square(x).sum())(x).sum())(x.detach())
    assert np.allclose(second.numpy(), 2)
    step = wg.compile(lambda x: wg.grad(lambda x: square(x).sum())(x))
    for _ in range(3):
        assert np.allclose(step(x.detach()).numpy(), 2 * x.numpy())


def test_one_rule_serves_several_outputs_at_once(device):
    two, calls = make_two(), []

    @two.backward
    def rule(a, b, d_total, d_product):
        calls.append(1)
        return {"a": d_total + d_product * b, "d_b": d_total + d_product * a}

    a = numbers(20, device=device, requires_grad=True)
    b = numbers(20, device=device, seed=1, requires_grad=True)
    made = two(a, b)
    assert made.total.requires_grad and not made.sign.requires_grad
    (made.total.sum() + (made.product * 3).sum()).backward()
    assert np.allclose(a.grad.numpy(), 1 + 3 * b.numpy())
    assert np.allclose(b.grad.numpy(), 1 + 3 * a.numpy())
    assert len(calls) == 1
    two(a, b).product.sum().backward()  # the other has no gradient
    assert np.allclose(a.grad.numpy(), 1 + 4 * b.numpy())


def test_rules_of_several_outputs_in_wgsl(device):
    two = make_two()
    two.backward(
        """
        @group(0) @binding(0) var<storage, read> product: array<f32>;
        @group(0) @binding(1) var<storage, read> b: array<f32>;
        @group(0) @binding(2) var<storage, read> d_product: array<f32>;
        @group(0) @binding(3) var<storage, read> d_total: array<f32>;
        @group(0) @binding(4) var<storage, read_write> d_a: array<f32>;
        @group(0) @binding(5) var<storage, read_write> d_b: array<f32>;
        @compute @workgroup_size(64) fn back(@builtin(global_invocation_id) id: vec3u) {
            let i = id.x;
            if (i >= arrayLength(&d_a)) { return; }
            d_a[i] = d_total[i] + d_product[i] * b[i];
            d_b[i] = d_total[i] + d_product[i] * product[i] / b[i];
        }
        """
    )
    a = numbers(9, device=device, requires_grad=True)
    b = numbers(9, device=device, seed=1, requires_grad=True)

    def loss(a, b):
        made = two(a, b)
        return (made.product**2).sum() + (made.total * made.product).sum()

    def plain(a, b):
        return ((a * b) ** 2).sum() + ((a + b) * (a * b)).sum()

    loss(a, b).backward()
    wanted = [x.numpy() for x in wg.grad(plain, (0, 1))(a.detach(), b.detach())]
    assert np.allclose(a.grad.numpy(), wanted[0], rtol=1e-5, atol=1e-5)
    assert np.allclose(b.grad.numpy(), wanted[1], rtol=1e-5, atol=1e-5)
    step = wg.compile(wg.grad(loss, (0, 1)))
    for _ in range(3):
        made = step(a.detach(), b.detach())
        assert all(np.allclose(x.numpy(), w, 1e-5, 1e-5) for x, w in zip(made, wanted, strict=True))


def test_what_a_rule_needs_must_not_be_written_to(device):
    square, two = make_square(), make_two()
    square.backward(lambda x, d_y: 2 * x * d_y)
    two.backward(lambda b, product, d_product: (d_product * b, d_product * product))
    x = numbers(5, device=device)
    leaf = numbers(5, device=device, requires_grad=True)
    loss = square(leaf * 1).sum()
    y = leaf * 1
    loss = square(y).sum()
    with wg.no_grad():
        y += 1
    with pytest.raises(GradientError, match=r"input 0 of square .* was assigned to"):
        loss.backward()
    made = two(leaf, x)
    loss = (made.product * 2).sum()
    with wg.no_grad():
        made.product.assign(x)
    with pytest.raises(GradientError, match=r"output product of two .* was assigned to"):
        loss.backward()


def test_without_a_rule_backward_says_what_to_give(device):
    x = wg.ones(3, requires_grad=True)
    made = make_square()(x)
    assert made.requires_grad
    with pytest.raises(GradientError, match=r"give one with square\.backward\(\.\.\.\)"):
        made.sum().backward()
    with pytest.raises(GradientError, match="square: forward mode needs a rule"):
        wg.jvp(make_square(), (x.detach(),), (wg.ones(3),))
    partial = make_two()
    partial.backward(lambda d_total: {"a": d_total})
    with pytest.raises(GradientError, match="the rule gives no d_b, and the input b requires grad"):
        partial(x, x).total.sum().backward()
    wrong = make_square()
    wrong.backward(lambda d_y: d_y.sum())
    with pytest.raises(GradientError, match=r"came for d_x, and a tensor of shape \(3,\)"):
        wrong(x).sum().backward()


def test_a_batch_runs_one_by_one_and_says_so(device):
    square, two = make_square(), make_two()
    square.backward(lambda x, d_y: 2 * x * d_y)
    two.backward(lambda a, product, d_product, b: (d_product * b, d_product * product / b))
    x, b = numbers(4, 6, device=device), numbers(6, device=device, seed=1)
    with pytest.warns(UserWarning, match="square has no batching rule"):
        assert np.allclose(wg.vmap(square)(x).numpy(), x.numpy() ** 2)
        found = wg.vmap(wg.grad(lambda x: square(x).sum()))(x)
        assert np.allclose(found.numpy(), 2 * x.numpy())
    with pytest.warns(UserWarning, match="two has no batching rule"):
        found = wg.vmap(lambda a: two(a, b).product)(x)
        assert np.allclose(found.numpy(), x.numpy() * b.numpy())
        found = wg.vmap(wg.grad(lambda a: two(a, b).product.sum()))(x)
        assert np.allclose(found.numpy(), np.broadcast_to(b.numpy(), (4, 6)))


# Programs.
def test_a_kernel_is_one_step_among_others(device):
    def step(x, y, rate):
        made = SAXPY_KERNEL(x * 1, y * 3, a=rate, n=1)
        return made * 2

    compiled = wg.compile(step)
    x, y = wg.arange(100.0), wg.ones(100)
    for rate in (2.0, 2.0, 3.0, 3.5, 4.5, 3.5):
        assert np.array_equal(compiled(x, y, rate).numpy(), step(x, y, rate).numpy())
    # What it writes over takes the memory of what it copies: nothing is copied.
    assert "in place" in str(compiled.explain())
    assert str(compiled.explain()).count("saxpy") == 2
    slow = wg.compile(step, fuse=False)
    for rate in (2.0, 3.0, 3.5):
        assert np.array_equal(slow(x, y, rate).numpy(), step(x, y, rate).numpy())


def test_programs_write_tensors_in_place(device):
    kernel = make_saxpy(inplace="y")

    @wg.compile
    def step(x, y):
        kernel(x, y, a=1, n=0)
        return y * 2

    x, y = wg.ones(10), wg.ones(10)
    found = [step(x, y)[0].item() for _ in range(4)]
    assert found == [24, 46, 68, 90]
    assert y.tolist() == [45] * 10


def test_constants_and_views_reach_a_kernel_in_a_program(device):
    square = make_square()

    def step(x):
        return square(wg.ones(6) * 3) + square(x.T.reshape(6)) + square(x[1:].reshape(3))[0]

    compiled = wg.compile(step)
    x = wg.arange(6.0).reshape(2, 3)
    for _ in range(3):
        assert np.array_equal(compiled(x).numpy(), step(x).numpy())


def test_launches_of_a_kernel_are_written_to_json(webgpu):
    compiled = wg.compile(lambda x, y, rate: SAXPY_KERNEL(x, y, a=rate, n=1) * 2)
    for rate in (2.0, 3.0, 3.5):
        compiled(wg.ones(100), wg.ones(100), rate)
    launches = Launches.from_json(compiled.launches().to_json())
    assert launches == compiled.launches()
    (kernel,) = [k for k in launches.kernels if k.label == "saxpy"]
    (launch,) = [x for x in launches.launches if launches.kernels[x.kernel] is kernel]
    assert launch.groups == (2, 1, 1)
    assert [b.nbytes for b in launch.bindings] == [400, 400]
    assert [x[0] for x in launch.numbers] == [0]
    data = [np.full(100, v, np.float32).tobytes() for v in (2, 3)]
    other = AnotherRunner(webgpu.gpu.raw, compiled.launches().to_json(), data)
    made = other.run([1.5], None)[0]
    assert np.frombuffer(made, np.float32)[:100].tolist() == [2 * (3 + 1.5 * 2 + 1 + 100)] * 100


def test_vectors_of_three_are_written_in_place_as_well(device):
    text = """
    @group(0) @binding(0) var<storage, read> unused: array<f32>;
    @group(0) @binding(1) var<storage, read_write> p: array<vec3f>;
    @group(0) @binding(2) var<storage, read_write> m: array<mat3x3f>;
    @compute @workgroup_size(64) fn go(@builtin(global_invocation_id) id: vec3u) {
        if (id.x < arrayLength(&p)) { p[id.x] = p[id.x] * 2.0 + f32(arrayLength(&p)); }
        if (id.x < arrayLength(&m)) { m[id.x][1].y = 7.0; }
    }
    """
    p, m = wg.arange(12.0).reshape(4, 3), wg.zeros((2, 3, 3))
    wg.kernel.run(text, p, m)
    assert np.array_equal(p.numpy(), 2 * np.arange(12).reshape(4, 3) + 4)
    wanted = np.zeros((2, 3, 3))
    wanted[:, 1, 1] = 7
    assert np.array_equal(m.numpy(), wanted)
    kernel = compute(text, inplace="m")
    step = wg.compile(lambda p, m: kernel(p * 1, m).p + 1)
    for _ in range(3):
        m = wg.zeros((2, 3, 3))
        assert np.array_equal(step(p, m).numpy(), 2 * p.numpy() + 5)
        assert np.array_equal(m.numpy(), wanted)
    with pytest.raises(CallError, match="unused came, a binding that go does not use"):
        kernel(p, m, unused=p)
    with pytest.raises(VmapError, match="m is written in place, and vmap came"):
        wg.vmap(lambda m: kernel(p, m).p)(wg.zeros((2, 1, 3, 3)))


# Errors.
PLAIN = """
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
    y[id.x] = x[id.x]BODY;
}
"""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PLAIN.replace("BODY", " + z"), r"<text>:5:25: unknown name 'z'[^\n]*\n.*\n +\^"),
        (PLAIN.replace("BODY", " +"), r"<text>:5:24: "),
        (PLAIN.replace("BODY", " + 1u"), r"<text>:5:\d+: "),
        (PLAIN.replace("BODY", "").replace("read_write", "read"), "<text>:5:"),
        (PLAIN.replace("BODY", "; loop { }"), "<text>:5:"),
        ("fn main() {}", "a text with one @compute function is needed, or entry=; it has none"),
        ("#include \"none.wgsl\"\n" + PLAIN, "<text>:1:1: there is no 'none.wgsl'"),
        (PLAIN.replace("BODY", "").replace("y[id.x] =", "_ ="), "main writes to no buffer"),
        (
            "var<private> big: array<f32, 3000>;" + PLAIN.replace("BODY", " + big[0]"),
            "<text>:1:19: the private variables take 12000 bytes",
        ),
        (
            "@group(0) @binding(3) var<uniform> u: array<f32, 4>;" + PLAIN.replace("BODY", ""),
            "<text>:1:39: the elements of .* lie 4 bytes apart",
        ),
        ("@group(0) @binding(5) var t: texture_2d<f32>;" + PLAIN.replace("BODY", ""), "<text>:1:"),
        ("no\nsuch.wgsl", "<text>:1:1: "),
        ("nosuch.wgsl", "nosuch.wgsl cannot be read: No such file"),
    ],
)  # fmt: skip
def test_wrong_texts_are_refused_with_their_place(text, says):
    with pytest.raises((ShaderError, CallError), match=says):
        compute(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "var<workgroup> a: array<vec4f, 100000>;\n" + PLAIN.replace("BODY", " + a[0].x"),
            r"<text>:1:1: .*1600000 bytes of workgroup memory, and \d+ are the most",
        ),
        (PLAIN.replace("(64)", "(64, 64)").replace("BODY", ""), "a workgroup of 64 x 64 x 1 came"),
        (PLAIN.replace("(64)", "(1, 1, 1025)").replace("BODY", ""), r"1025 came|1025 along z"),
        (PLAIN.replace("group(0)", "group(99)", 1).replace("BODY", ""), "99"),
        (
            "fn f(p: ptr<storage, array<f32>, read_write>) { (*p)[0] = 1.0; }\n"
            + PLAIN.replace("BODY", "; f(&y)"),
            "<text>:1:1: the GPU's compiler refuses this: .*pointer of space Storage",
        ),
    ],
)  # fmt: skip
def test_what_an_adapter_does_not_run_is_refused_with_its_place(text, says, webgpu):
    with pytest.raises(ShaderError, match=says):
        compute(text, outputs={"y": "x"})(wg.ones(4))


def many_buffers(count):
    lines = [f"@group(0) @binding({i}) var<storage, read> x{i}: array<f32>;" for i in range(count)]
    lines.append(f"@group(0) @binding({count}) var<storage, read_write> y: array<f32>;")
    total = " + ".join(f"x{i}[0]" for i in range(count))
    return "\n".join([*lines, f"@compute @workgroup_size(1) fn main() {{ y[0] = {total}; }}"])


def test_more_buffers_than_an_adapter_binds_are_refused(webgpu):
    count = webgpu.facts.buffers
    kernel = compute(many_buffers(count), outputs={"y": (1,)})
    with pytest.raises(ShaderError, match=f"main uses {count + 1} storage buffers"):
        kernel(*[wg.ones(1)] * count)
    fits = compute(many_buffers(count - 1), outputs={"y": (1,)})
    assert fits(*[wg.ones(1)] * (count - 1)).item() == count - 1


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda k, x: k(x, a=1, n=0), CallError, "the input y is missing; it takes x, y; outputs="),
        (lambda k, x: k(x, x, x, a=1, n=0), CallError, "3 tensors came, and it takes x, y"),
        (lambda k, x: k(x, x, x=x, a=1, n=0), CallError, "x is given twice"),
        (lambda k, x: k(x, x, a=1), CallError, "the uniform p.n is missing: it is u32"),
        (lambda k, x: k(x, x, a=1, n=0, z=1), CallError, "'z' is no uniform; there are: a, n"),
        (lambda k, x: k(x, x, a=1, n=0, **{"p.z": 1}), CallError, "p has no 'z'; it has a, n"),
        (lambda k, x: k(x, x, p=3), ArgumentError, "p is Params, and 3 came: a dict of a, n"),
        (lambda k, x: k(x, x, a=(1, 2), n=0), ArgumentError, r"p.a=\(1, 2\) came, and a number"),
        (lambda k, x: k(x, x, a=1, n=0.5), ArgumentError, "p.n is u32, and 0.5 came: an integer"),
        (lambda k, x: k(x, x, a=1, n=-1), ArgumentError, "p.n is u32, and -1 came"),
        (lambda k, x: k(x, x, a=1, n=0, scale="s"), ArgumentError, "scale='s' came, and a number"),
        (lambda k, x: k(x, x, p={"a": 1}, a=1, n=0), CallError, "'a' is given twice"),
        (lambda k, x: k(x.astype("int32"), x, a=1, n=0), DTypeError, r"use \.astype\(wg.float32\)"),
        (lambda k, x: k(x[:0], x, a=1, n=0), ShapeError, "x is empty, and WebGPU binds no memory"),
        (lambda k, x: k("text", x, a=1, n=0), DTypeError, "x: 'text' of NumPy"),
    ],
)  # fmt: skip
def test_wrong_calls_say_what_is_needed(call, error, says, device):
    x = wg.ones(8)
    with pytest.raises(error, match=f"saxpy: .*{says}|saxpy: {says}"):
        call(SAXPY_KERNEL, x)
    assert SAXPY_KERNEL(x, x, a=1, n=0).tolist() == [10] * 8


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"outputs": {"x": "y"}}, "'x' is no binding that is written"),
        ({"outputs": 3}, 'outputs=3 came, and a dict is needed: {"y": "x"}'),
        ({"inplace": "z"}, "'z' is no binding that is written"),
        ({"inplace": "y", "outputs": {"y": "x"}}, "'y' is no binding that is written"),
        ({"entry": "other"}, "the text has no @compute function 'other'; there are square"),
        ({"outputs": {"y": "z"}}, "y is like 'z'; there are inputs: x"),
        ({"outputs": {"y": None}}, "y is array<f32>, whose length is open: say its shape"),
        ({"outputs": {"y": lambda a, b: a}}, "a function of a, b came"),
        ({"outputs": {"y": 2.5}}, "y=2.5 came, and the name of an input"),
        ({"threads": "z"}, "threads='z' came; there are x, y"),
        ({"threads": (1, 2, 3, 4)}, "one to three counts are needed"),
        ({"groups": -1}, "groups=-1 came"),
        ({"groups": 70_000}, "70000 workgroups along x are needed, and 65535 are the most"),
        ({"constants": {"z": 1}}, "the text has no override 'z'"),
    ],
)
def test_wrong_descriptions_say_what_is_needed(how, says, webgpu):
    with pytest.raises(WgradError, match=says):
        compute(SQUARE, **how)(*[wg.ones(4)] * (1 if "outputs" in how else 2))


def test_wrong_rules_say_what_is_needed():
    square = make_square()
    with pytest.raises(CallError, match="the function takes 'z', and there are x, y, d_y"):
        square.backward(lambda z: z)
    text = SQUARE.replace("y[id.x] =", "d_z[id.x] =").replace(" y:", " d_z:").replace("&y", "&d_z")
    with pytest.raises(ShaderError, match=r"<text>:3:1: .*d_z is none of the gradients d_x"):
        square.backward(text)
    text = (
        SQUARE.replace("y", "d_x")
        .replace("arrad_x", "array")
        .replace("arrad_xLength", "arrayLength")
    )
    with pytest.raises(ShaderError, match="there is no w: a rule reads x, y, d_y"):
        square.backward(
            text.replace(" x:", " w:").replace("x[id.x] *", "w[id.x] *").replace("* x[", "* w[")
        )


def test_errors_end_at_the_users_call(webgpu):
    with pytest.raises(ShaderError) as caught:
        compute(PLAIN.replace("BODY", " + z"))
    files = [f.filename for f in traceback.extract_tb(caught.value.__traceback__)]
    assert files[0] == __file__
    assert all(not f.endswith("check.py") for f in files)
    assert len(files) <= 3
    assert caught.value.__cause__ is None


def test_what_functions_for_numpy_return_is_checked(numpy_device):
    short = compute(SQUARE, outputs={"y": "x"}, numpy=lambda x: x[:1])
    with pytest.raises(ShapeError, match=r"numpy= returned shape \(1,\) for y, and \(3,\)"):
        short(wg.ones(3))
    several = compute(SQUARE, outputs={"y": "x"}, numpy=lambda x: (x, x))
    with pytest.raises(CallError, match="numpy= returned 2 arrays, and the outputs are y"):
        several(wg.ones(3))


def test_numpy_functions_are_called_by_names_or_in_order(numpy_device):
    x, y = wg.arange(3.0), wg.ones(3)
    for function in (np.square, lambda x, eps=0: x * x + eps, lambda v: v * v):
        kernel = compute(SQUARE, outputs={"y": "x"}, numpy=function)
        assert kernel(x).tolist() == [0, 1, 4]
    saxpy = compute(SAXPY, numpy=lambda n, a, y, x, eps=1: y + a * x + n + eps)
    assert saxpy(x, y, a=2, n=3).tolist() == [5, 7, 9]

    def fails(x):
        raise KeyError("the user's own")

    for again in (compute(SQUARE, outputs={"y": "x"}, numpy=fails),):
        with pytest.raises(KeyError, match="the user's own"):
            again(x)
        with pytest.raises(KeyError, match="the user's own"):
            wg.compile(again)(x)


def test_numpy_computes_in_float64_where_it_is_given(numpy_device):
    for square in (make_square(), compute(SQUARE, outputs={"y": "x"})):
        square.backward(lambda x, d_y: 2 * x * d_y)
        x = numbers(5, device=numpy_device, dtype="float64", requires_grad=True)
        assert square(x).dtype is wg.float64
        assert wg.gradcheck(square, (x,))
    softmax = compute(SOFTMAX, outputs={"y": "x"}, groups=lambda x: x[0])
    softmax.backward(SOFTMAX_BACKWARD, groups=lambda x: x[0])
    x = numbers(2, 6, device=numpy_device, dtype="float64", requires_grad=True)
    assert wg.gradcheck(lambda x: softmax(x, n=6), (x,))


def test_half_floats_where_the_adapter_has_them(webgpu):
    text = "enable f16;\n" + SQUARE.replace("f32", "f16")
    kernel = compute(text, outputs={"y": "x"})
    if wg.float16 not in webgpu.dtypes:
        with pytest.raises(WgradError, match="lacks"):
            kernel([1.0])
        return
    x = wg.tensor([[1.0, 2.0, 3.0]], "float16")
    assert kernel(x).tolist() == [[1.0, 4.0, 9.0]]
    assert kernel(x).dtype is wg.float16


# Names and documentation.
@pytest.mark.parametrize(
    "public",
    [
        wg.kernel.compute,
        wg.kernel.ComputeKernel.backward,
        wg.kernel.ComputeKernel.wgsl,
        wg.kernel.load,
        wg.kernel.run,
        wg.kernel.Library.kernel,
    ],
    ids=lambda f: f.__qualname__,
)
def test_examples_of_the_documentation_run(public, device):
    (found,) = doctest.DocTestFinder(recurse=False).find(public, "example", globs={"wg": wg})
    assert doctest.DocTestRunner().run(found).failed == 0


MERGED = """
struct Uniforms { s: f32 }
@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<uniform> v: vec2f;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
var<private> uniforms: f32 = 4.0;
const main = 1.5;
fn f(u: f32) -> f32 { let v = u + 1.0; return v; }
@compute @workgroup_size(1) fn go() {
    let q = &u;
    let r = &v;
    y[0] = (*q).s + (*r).y + uniforms + main + f(u.s);
    let main = 3;
    y[1] = f32(main);
}
"""


def test_names_that_the_device_text_needs_may_be_the_users(device):
    kernel = compute(MERGED, outputs={"y": (2,)})
    assert kernel(s=10, v=(1, 2)).tolist() == [28.5, 3]
    assert "main_" in kernel.wgsl() and "Uniforms_" in kernel.wgsl()


BOTH = """
struct P { a: f32, n: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn both(@builtin(global_invocation_id) id: vec3u) {
    if (id.x < arrayLength(&y)) { y[id.x] = y[id.x] * p.a * x[id.x]; }
}
"""
BOTH_BACKWARD = """
@group(0) @binding(0) var<uniform> a: f32;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read> d_out_y: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_x: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_y: array<f32>;
@compute @workgroup_size(64) fn back(@builtin(global_invocation_id) id: vec3u) {
    let i = id.x;
    if (i >= arrayLength(&d_x)) { return; }
    d_x[i] = d_out_y[i] * a * y[i];
    d_y[i] = d_out_y[i] * a * x[i];
}
"""


def test_a_binding_that_is_input_and_output_has_two_names_in_a_rule(device):
    kernel = compute(BOTH)
    kernel.backward(BOTH_BACKWARD)
    x, y = wg.arange(5.0), wg.ones(5) * 2

    def loss(x, y, a):
        return (kernel(x, y, a=a, n=1) * x).sum()

    step = wg.compile(lambda x, y, a: wg.grad(loss, (0, 1))(x, y, a))
    for a in (2.0, 2.0, 3.0, 3.5, 4.5):  # a uniform that is read anew in every run
        by_x, by_y = step(x, y, a)
        assert by_x.tolist() == [4 * a * i for i in range(5)]
        assert by_y.tolist() == [a * i * i for i in range(5)]
    made = wg.grad(lambda x: kernel(x, y, p={"a": 2.0, "n": 1}).sum())(x)  # named otherwise there
    assert made.tolist() == [4] * 5
    kernel.backward(lambda x, y, d_out_y, a: (x * 0 + a, y * 0))  # another rule is seen
    assert step(x, y, 3.0)[0].tolist() == [2 * i * 3 + 3 for i in range(5)]


def test_overrides_reach_the_rule(device):
    text = """
    override size: u32;
    override factor = 1.0;
    @group(0) @binding(0) var<storage, read> %s: array<f32>;
    @group(0) @binding(1) var<storage, read_write> %s: array<f32>;
    @compute @workgroup_size(size) fn scaled(@builtin(global_invocation_id) id: vec3u) {
        if (id.x < arrayLength(&%s)) { %s[id.x] = factor * %s[id.x]; }
    }
    """
    kernel = compute(text % ("x", "y", "y", "y", "x"), outputs={"y": "x"})
    kernel.backward(text % ("d_y", "d_x", "d_x", "d_x", "d_y"))
    x = wg.ones(5, requires_grad=True)
    kernel(x, size=8, factor=3.0).sum().backward()
    assert x.grad.tolist() == [3] * 5
    kernel.backward(lambda d_y, factor: d_y * factor)
    assert wg.grad(lambda x: kernel(x, size=8).sum())(wg.ones(2)).tolist() == [1, 1]


def test_a_module_that_holds_a_kernel_is_copied(device):
    class Squares(wg.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = wg.parameter(wg.ones(3))
            self.square = make_square()

        def forward(self, x):
            return self.square(x * self.weight)

    again = copy.deepcopy(Squares())
    assert again(wg.ones(3)).tolist() == [1] * 3


def test_subgroups_where_the_adapter_has_them(webgpu):
    kernel = compute(
        """
        enable subgroups;
        @group(0) @binding(0) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(8) fn add(@builtin(global_invocation_id) id: vec3u) {
            y[id.x] = subgroupAdd(y[id.x]);
        }
        """
    )
    if "subgroup" not in webgpu.gpu.features:
        with pytest.raises(WgradError, match="subgroupAdd needs the feature subgroup"):
            kernel(wg.ones(8))
        return
    made = kernel(wg.ones(8)).numpy()
    assert set(made.tolist()) <= {4, 8}  # in one subgroup, or in several


def test_array_length_counts_halves(device):
    """What is bound are whole words, in which an odd count leaves room for one more."""
    if wg.float16 not in device.dtypes:
        pytest.skip("no float16")
    text = """
    enable f16;
    @group(0) @binding(0) var<storage, read> x: array<f16>;
    @group(0) @binding(1) var<storage, read_write> y: array<f16>;
    fn many() -> u32 { return arrayLength(&x) + 10u * arrayLength(&y); }
    @compute @workgroup_size(1) fn count() { y[0] = f16(many()); y[arrayLength(&y) - 1] = x[0]; }
    """
    count = compute(text, outputs={"y": lambda x: (2 * x[0] - 1,)}, groups=1)
    compiled = wg.compile(count)
    for n in (3, 4, 3):
        for run in (count, compiled):
            y = run(wg.full((n,), 7.0, dtype="float16")).tolist()
            assert (y[0], y[-1]) == (n + 10 * (2 * n - 1), 7)


def test_what_is_too_large_is_refused(webgpu):
    square = compute(SQUARE, outputs={"y": lambda x: 1 << 28}, groups=1)
    with pytest.raises(WgradError, match=r"a tensor of \d+ bytes came"):
        square(wg.ones(4))
    with pytest.raises(ArgumentError, match="65552 bytes came, and an adapter binds at most 65536"):
        compute(TABLE.replace("300", "4097"), outputs={"y": (1,)})(table=np.zeros((4097, 4)))


TABLE = """
@group(0) @binding(0) var<uniform> table: array<vec4f, 300>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1) fn main() { y[0] = table[1].x + table[299].w; }
"""


def test_uniforms_are_as_large_as_adapters_bind(device):
    op = compute(TABLE, outputs={"y": (1,)})
    table = np.arange(1200.0).reshape(300, 4)
    small = compute(SQUARE, outputs={"y": "x"})
    for k in range(6):  # with others between, more than their memory holds at once
        assert op(table=table + k).tolist() == [1203.0 + 2 * k]
        assert small(wg.full((2,), 3.0)).tolist() == [9.0, 9.0]
    kept = [op(table=table + k) for k in range(90)]
    assert [x.item() for x in kept] == [1203.0 + 2 * k for k in range(90)]
    compiled = wg.compile(lambda x: op(table=table) * x)
    assert [compiled(wg.full((1,), float(k))).item() for k in range(3)] == [0.0, 1203.0, 2406.0]


def test_the_names_of_observers_and_explain_are_the_kernels(device):
    told = []
    with wg.observe(told.append):
        SAXPY_KERNEL(wg.ones(4), wg.ones(4), a=1, n=0)
    assert any(getattr(x, "op", "") == "saxpy" for x in told)


def test_odd_views_of_halves_are_written_alone(device):
    text = """
    enable f16;
    @group(0) @binding(0) var<storage, read_write> y: array<f16>;
    @compute @workgroup_size(4) fn fill(@builtin(global_invocation_id) id: vec3u) {
        if (id.x < arrayLength(&y)) { y[id.x] = 7h; }
    }
    """
    if not any(x.name == "float16" for x in device.dtypes):
        pytest.skip("no float16")
    y = wg.zeros(200, dtype="float16")
    wg.kernel.run(text, y[128:131], threads=4)
    assert np.flatnonzero(y.numpy()).tolist() == [128, 129, 130]
