"""Whole compute shaders in the twin: against plain Python, and some of them against the GPU."""

from __future__ import annotations

import numpy as np
import pytest
from twin_gpu import HEAD, dispatched

from wgrad.backends.webgpu import shaders
from wgrad.errors import ArgumentError, DTypeError, ShaderError
from wgrad.kernel.language.check import check
from wgrad.kernel.language.layouts import members, size_of
from wgrad.kernel.language.parser import parse
from wgrad.kernel.twin.kernels import run_kernel

IO = (
    "@group(0) @binding(0) var<storage, read> x: array<f32>;\n"
    "@group(0) @binding(1) var<storage, read_write> y: array<f32>;\n"
)
ID = "@builtin(global_invocation_id) id: vec3u"


def test_each_invocation_writes_its_element():
    text = (
        IO
        + f"""@compute @workgroup_size(8) fn main({ID}) {{
        if (id.x >= arrayLength(&y)) {{ return; }}
        y[id.x] = x[id.x] * 2.0 + f32(id.x);
    }}"""
    )
    x = np.arange(21, dtype=np.float32)
    y = np.full(21, -1, np.float32)
    found = run_kernel(check(text), "main", {"x": x, "y": y}, 3)
    np.testing.assert_array_equal(found["y"], 3 * x)
    assert (y == -1).all() and list(found) == ["y"]


def test_what_is_outside_of_a_buffer_reads_as_0_and_is_not_written():
    text = (
        IO
        + f"""@compute @workgroup_size(4) fn main({ID}) {{
        y[id.x + 1u] = x[id.x * 2u] + x[i32(id.x) - 1];
    }}"""
    )
    x = np.array([1, 2, 3], np.float32)
    found = run_kernel(check(text), "main", {"x": x, "y": np.zeros(3, np.float32)}, 1)
    np.testing.assert_array_equal(found["y"], [0, 1, 4])


REDUCE = f"""
var<workgroup> part: array<f32, 16>;
var<workgroup> count: atomic<u32>;
@compute @workgroup_size(16) fn total({ID}, @builtin(local_invocation_index) at: u32,
    @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {{
  part[at] = select(0.0, x[id.x], id.x < arrayLength(&x));
  if (part[at] > 0.0) {{ atomicAdd(&count, 1u); }}
  workgroupBarrier();
  for (var half = 8u; half > 0u; half /= 2u) {{
    if (at < half) {{ part[at] += part[at + half]; }}
    workgroupBarrier();
  }}
  if (at == 0u) {{
    y[group.x] = part[0];
    y[groups.x + group.x] = f32(atomicLoad(&count));
  }}
}}
"""


def test_workgroup_memory_is_each_groups_own():
    rng = np.random.default_rng(1)
    x = rng.standard_normal(70).astype(np.float32)
    found = run_kernel(check(IO + REDUCE), "total", {"x": x, "y": np.zeros(10, np.float32)}, 5)["y"]
    rows = np.pad(x, (0, 10)).reshape(5, 16)
    np.testing.assert_allclose(found[:5], rows.sum(1), 1e-5)
    np.testing.assert_array_equal(found[5:], (rows > 0).sum(1))


ATOMICS = f"""
struct Found {{ most: atomic<i32>, bits: atomic<u32>, bins: array<atomic<u32>, 4>, last: u32 }}
@group(0) @binding(0) var<storage, read> x: array<i32>;
@group(0) @binding(1) var<storage, read_write> out: Found;
@group(0) @binding(2) var<storage, read_write> old: array<u32>;
@compute @workgroup_size(8) fn main({ID}) {{
  let v = x[id.x];
  if (v < 0) {{ return; }}
  atomicMax(&out.most, v);
  atomicOr(&out.bits, 1u << u32(v));
  old[id.x] = atomicAdd(&out.bins[v & 3], u32(v));
  out.last = id.x;
}}
"""


@pytest.mark.parametrize("float64", [False, True])
def test_atomics_give_what_was_there_before(float64: bool):
    x = np.array([5, 1, -2, 9, 4, 5, 0, 7, 2, 2, -1, 3, 3, 3, 30, 1], np.int32)
    out = np.array([-(2**31), 0, 0, 0, 0, 0, 0], np.int64).astype(np.int32).view(np.uint32)
    given = {"x": x, "out": out, "old": np.full(16, 99, np.uint32)}
    found = run_kernel(check(ATOMICS), "main", given, 2, float64=float64)
    bins, old, bits = [0] * 4, [99] * 16, 0
    for i, v in enumerate(x.tolist()):
        if v >= 0:
            old[i] = bins[v % 4]
            bins[v % 4] += v
            bits |= 1 << v
    assert found["old"].tolist() == old
    assert found["out"].tolist() == [30, bits, *bins, 15]


def test_exchanges_follow_each_other():
    text = f"""
    @group(0) @binding(0) var<storage, read_write> cell: atomic<u32>;
    @group(0) @binding(1) var<storage, read_write> old: array<u32>;
    @compute @workgroup_size(4) fn main({ID}) {{
      old[id.x] = atomicExchange(&cell, id.x + 10u);
      let r = atomicCompareExchangeWeak(&cell, 13u + id.x, 14u + id.x);
      old[4u + id.x] = r.old_value * 2u + u32(r.exchanged);
      _ = atomicSub(&cell, 1u);
    }}"""
    found = run_kernel(
        check(text), "main", {"cell": np.array([7], np.uint32), "old": np.zeros(8, np.uint32)}, 1
    )
    assert found["old"].tolist() == [7, 10, 11, 12, 27, 29, 31, 33]
    assert found["cell"].tolist() == [13]


def test_structures_lie_as_wgsl_says():
    text = f"""
    struct Body {{ at: vec3f, mass: f32, speed: vec3f }}
    struct Settings {{ dt: f32, pull: vec3f, turn: mat3x3f }}
    @group(0) @binding(0) var<uniform> s: Settings;
    @group(0) @binding(1) var<storage, read_write> bodies: array<Body>;
    @compute @workgroup_size(4) fn main({ID}) {{
      let b = bodies[id.x];
      let p = &bodies[id.x];
      p.speed = s.turn * b.speed + s.dt * s.pull;
      (*p).at += s.dt * (*p).speed;
      bodies[id.x].at.z += b.mass;
      if (id.x == 1u) {{ bodies[id.x].speed[id.x] = 100.0; }}
    }}"""
    rng = np.random.default_rng(0)
    settings = rng.standard_normal(20).astype(np.float32)
    bodies = rng.standard_normal((4, 8)).astype(np.float32)
    given = {"s": settings, "bodies": bodies}
    found = run_kernel(check(text), "main", given, 1)["bodies"]
    wide = run_kernel(check(text), "main", given, 1, float64=True)["bodies"]
    assert wide.dtype == np.float64
    np.testing.assert_allclose(wide, found, 1e-5)
    turn = settings[8:].reshape(3, 4)[:, :3].T
    speed = bodies[:, 4:7] @ turn.T + settings[0] * settings[4:7]
    at = bodies[:, :3] + settings[0] * speed
    at[:, 2] += bodies[:, 3]
    speed[1, 1] = 100
    np.testing.assert_allclose(found[:, :3], at, 1e-5)
    np.testing.assert_allclose(found[:, 4:7], speed, 1e-5)
    np.testing.assert_array_equal(found[:, [3, 7]], bodies[:, [3, 7]])


def test_overrides_say_sizes():
    text = f"""
    override wide = 2u;
    override scale: f32;
    var<workgroup> kept: array<vec2f, wide * 2>;
    @group(0) @binding(0) var<storage, read_write> y: array<vec2f>;
    @compute @workgroup_size(wide, 2) fn main({ID}, @builtin(local_invocation_index) at: u32) {{
      kept[at] = scale * vec2f(id.xy);
      workgroupBarrier();
      y[id.y * wide + id.x] = kept[wide * 2 - 1 - at];
    }}"""
    typed = check(text)
    y = np.zeros((6, 2), np.float32)
    found = run_kernel(typed, "main", {"y": y}, 1, overrides={"scale": 0.5, "wide": 3})["y"]
    points = np.array([[i, j] for j in range(2) for i in range(3)])
    np.testing.assert_array_equal(found, points[::-1] * 0.5)
    with pytest.raises(ShaderError, match="override scale has no value"):
        run_kernel(typed, "main", {"y": y}, 1)


def test_groups_have_three_directions_and_many_chunks():
    text = f"""
    struct Ids {{ @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u }}
    @group(0) @binding(0) var<storage, read_write> y: array<u32>;
    @compute @workgroup_size(16, 2, 4) fn main({ID}, ids: Ids,
        @builtin(num_workgroups) groups: vec3u) {{
      let size = groups * vec3u(16, 2, 4);
      let local = (ids.local.z * 2 + ids.local.y) * 16 + ids.local.x;
      y[(id.z * size.y + id.y) * size.x + id.x] = (ids.group.z * 100 + ids.group.y) * 1000 + local;
    }}"""
    found = run_kernel(check(text), "main", {"y": np.zeros(128 * 300, np.uint32)}, (10, 5, 6))["y"]
    z, y, x = np.indices((24, 10, 160))
    local = (z % 4 * 2 + y % 2) * 16 + x % 16
    np.testing.assert_array_equal(
        found.reshape(24, 10, 160), (z // 4 * 100 + y // 2) * 1000 + local
    )


def test_f16_and_float64():
    text = """enable f16;
    struct S { a: f32, h: vec2<f16>, i: i32, t: array<f32> }
    @group(0) @binding(0) var<storage, read_write> s: S;
    @compute @workgroup_size(1) fn main() {
      s.a = s.a / 3.0; s.h.y += 0.1h; s.i += 1 << 30; s.t[1] = s.t[0] * 0.1; _ = arrayLength(&s.t);
    }"""
    raw = np.zeros(5, np.uint32)
    raw.view(np.float32)[[0, 3]] = 1, 3
    raw.view(np.float16)[2:4] = 1, 2
    raw[2] = 2**30
    found = run_kernel(check(text), "main", {"s": raw}, 1)["s"]
    assert found.view(np.float32)[[0, 3, 4]].tolist() == [
        np.float32(1) / np.float32(3), 3, np.float32(3) * np.float32(0.1)
    ]  # fmt: skip
    assert found.view(np.float16)[3] == np.float16(2) + np.float16(0.1)
    assert found.view(np.int32)[2] == -(2**31)

    text = IO + f"@compute @workgroup_size(4) fn main({ID}) {{ y[id.x] = x[id.x] / 3; }}"
    given = {"x": np.array([1.0, 2, 3, 4]), "y": np.zeros(4, np.float32)}
    wide = run_kernel(check(text), "main", given, 1, float64=True)["y"]
    np.testing.assert_array_equal(wide, np.arange(1, 5) / 3)
    with pytest.raises(DTypeError, match="x: a buffer is float32"):
        run_kernel(check(text), "main", given, 1)


@pytest.mark.parametrize("name", ["matmul", "matmul_tiled"])
def test_our_matrix_products_run(name: str):
    """They have tiles in workgroup memory, barriers in loops, and helpers that all share."""
    typed = check(parse(shaders.source(name), name))
    m, k, n = 37, 29, 70
    a, b = (np.random.default_rng(0).standard_normal(x).astype(np.float32) for x in (m * k, k * n))
    given: dict[str, object] = {"m": m, "n": n, "k": k, "part": 32, "batch": 1, "parts": 1}
    given |= {"a_row": k, "a_col": 1, "b_row": n, "b_col": 1, "out_row": n, "out_col": 1}
    given |= {"extents": (1, 1)}
    fields = {x.name: x for x in members(typed.structs["Params"])}
    assert set(given) <= set(fields)
    params = np.zeros(size_of(typed.structs["Params"]) // 4, np.uint32)
    for key, value in given.items():
        words = np.atleast_1d(np.asarray(value, np.uint32))
        params[fields[key].offset // 4 :][: len(words)] = words
    bindings = {"params": params, "a": a, "b": b, "out": np.zeros(m * n, np.float32)}
    found = run_kernel(typed, "main", bindings, 64)["out"].reshape(m, n)
    np.testing.assert_allclose(found, a.reshape(m, k) @ b.reshape(k, n), 1e-4, 1e-5)


BUFFERS = {"x": np.ones(8, np.float32), "y": np.zeros(8, np.float32)}


@pytest.mark.parametrize(
    ("body", "line", "what"),
    [
        ("if (x[id.x] > f32(id.x)) {\n workgroupBarrier(); }", 4, "reached by some invocations"),
        ("loop { if (x[id.x] > 2.0) { break; } }", 3, "this loop ran 50 times and did not end"),
        ("_ = subgroupAdd(x[id.x]);", 3, "subgroupAdd runs on GPUs alone"),
    ],
)
def test_faults_are_shown_in_their_line(body: str, line: int, what: str):
    head = "enable subgroups;" if "subgroup" in body else ""
    text = head + IO + f"@compute @workgroup_size(4) fn main({ID}) {{ {body} }}"
    with pytest.raises(ShaderError, match=what) as caught:
        run_kernel(check(text), "main", BUFFERS, 2, limit=50)
    assert caught.value.line == line


def test_bindings_are_checked():
    text = IO + f"@compute @workgroup_size(4) fn main({ID}) {{ y[id.x] = x[id.x]; }} fn g() {{}}"
    typed = check(text)
    x = BUFFERS["x"]
    with pytest.raises(ArgumentError, match="main needs an array for its binding 'y'"):
        run_kernel(typed, "main", {"x": x}, 1)
    with pytest.raises(ArgumentError, match="main has no binding 'z'; the text has x, y"):
        run_kernel(typed, "main", {**BUFFERS, "z": x}, 1)
    with pytest.raises(ArgumentError, match="takes 4 bytes at least, and 0 came"):
        run_kernel(typed, "main", {"x": x[:0], "y": x}, 1)
    with pytest.raises(ArgumentError, match="no @compute fn 'g'; it has main"):
        run_kernel(typed, "g", BUFFERS, 1)
    with pytest.raises(ArgumentError, match="groups are one to three integers"):
        run_kernel(typed, "main", BUFFERS, -1)
    assert run_kernel(typed, "main", BUFFERS, 0)["y"].tolist() == [0] * 8


def test_the_gpu_leaves_the_same():
    text = (
        HEAD
        + f"""
    var<workgroup> bins: array<atomic<u32>, 32>;
    var<workgroup> rows: array<vec2f, 64>;
    fn mixed(i: u32) -> f32 {{ return bitcast<f32>(given_words[i] & 0x3fffffffu); }}
    @compute @workgroup_size(64) fn main({ID}, @builtin(local_invocation_index) at: u32,
        @builtin(workgroup_id) group: vec3u) {{
      let i = id.x;
      rows[at] = vec2(mixed(i), f32(at));
      if (at < 32u) {{ atomicStore(&bins[at], 0u); }}  // lavapipe leaves what was there
      workgroupBarrier();
      for (var step = 32u; step > 0u; step >>= 1u) {{
        if (at < step && rows[at].x < rows[at + step].x) {{ rows[at] = rows[at + step]; }}
        workgroupBarrier();
      }}
      atomicAdd(&bins[given_words[i] & 31u], 1u);
      workgroupBarrier();
      if (at < 32u) {{ found_words[group.x * 40u + at] = atomicLoad(&bins[at]); }}
      if (at == 40u) {{ found_words[group.x * 40u + 33u] = u32(rows[0].y); }}
    }}"""
    )
    given = np.random.default_rng(3).integers(0, 2**32, 128, np.uint32)
    theirs = dispatched(text, ["main"], given, 120)
    mine = run_kernel(
        check(text), "main", {"given_words": given, "found_words": np.zeros(120, np.uint32)}, 2
    )
    np.testing.assert_array_equal(mine["found_words"][:80], theirs[:80])
    assert len(set(theirs[:80].tolist())) > 5
