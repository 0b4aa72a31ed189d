"""wg.kernel.guard finds indices, races, unwritten elements and loops, with their places."""

from __future__ import annotations

import json

import numpy as np
import pytest

import wgrad as wg

Y = "@group(0) @binding(0) var<storage, read_write> y: array<f32>;\n"
X = "@group(0) @binding(1) var<storage, read> x: array<f32>;\n"
HEAD = "@compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3u"


def kernel(body: str, more: str = "", arguments: str = "", **settings):
    text = f"{Y}{X}{more}\n{HEAD}{arguments}) {{\n{body}\n_ = x[0];\n}}"  # x is always an input
    return wg.kernel.compute(text, **{"outputs": {"y": "x"}, **settings})


def kinds(report) -> list[str]:
    return [x.kind for x in report.findings]


def test_right_kernel_has_nothing_to_be_found(webgpu):
    body = """
    s[l] = x[id.x];
    workgroupBarrier();
    var total = 0.0;
    for (var i = 0u; i < 4u; i++) { total += s[i]; }
    y[id.x] = total * k;
    """
    more = "var<workgroup> s: array<f32, 4>; override k = 2.0;"
    more += "@group(1) @binding(0) var<uniform> p: f32;"
    op = kernel(body.replace("* k", "* k + p"), more, ", @builtin(local_invocation_index) l: u32")
    x = wg.tensor(np.arange(8, dtype=np.float32))
    report = wg.kernel.guard(op, x, p=1.0, k=3.0)
    assert report.ok and not report.notes, str(report)
    assert str(report) == "main: nothing found"
    assert json.loads(report.to_json()) == {"ok": True, "name": "main", "findings": [], "notes": []}


@pytest.mark.parametrize(
    ("body", "subject", "element", "invocation", "column"),
    [
        ("y[id.x + 1] = 1.0;", "y", 8, (7, 0, 0), 3),
        ("y[id.x] = x[i32(id.x) - 1];", "x", -1, (0, 0, 0), 13),
        ("let p = &y; (*p)[id.x * 2u] = 1.0; y[id.x] = 0.0;", "p", 8, (4, 0, 0), 18),
        ("var a = array<f32, 4>(1, 2, 3, 4); y[id.x] = a[id.x];", "a", 4, (4, 0, 0), 48),
        ("let v = vec3f(1.0); y[id.x] = v[id.x];", "v", 3, (3, 0, 0), 33),
        ("var m = mat2x2f(); m[id.x % 3][0] = 1.0; y[id.x] = m[0][0];", "m", 2, (2, 0, 0), 22),
    ],
)
def test_indices_outside_are_found_with_their_place(
    body, subject, element, invocation, column, webgpu
):
    report = wg.kernel.guard(kernel(body), np.ones(8, np.float32))
    (found,) = report.of("index")
    assert (found.subject, found.element) == (subject, (element,))
    assert (found.line, found.column) == (5, column)
    assert found.source_line == body
    assert f"index {element} of {subject}" in found.text and "invocation" in found.text
    if len(invocation) and found.count == 1:
        assert found.invocation == invocation


def test_elements_that_nobody_writes_are_found(webgpu):
    report = wg.kernel.guard(kernel("if (id.x != 2) { y[id.x] = 3.0; }"), np.ones(8))
    (found,) = report.findings
    assert (found.kind, found.subject, found.element, found.count) == ("unwritten", "y", (2,), 1)
    # What comes in with a value is not fresh, and what is read first begins as 0.
    given = f"{Y}{HEAD}) {{ if (id.x != 2) {{ y[id.x] = 3.0; }} }}"
    assert wg.kernel.guard(given, np.ones(8, np.float32)).ok
    assert wg.kernel.guard(kernel("if (id.x != 2) { y[id.x] += 3.0; }"), np.ones(8)).ok


@pytest.mark.parametrize(
    ("body", "element"),
    [
        ("y[id.x] = 0.0; y[0] = f32(id.x);", (0,)),
        ("y[id.x] = 1.0; y[id.x] += y[(id.x + 4u) % 8u];", None),
        ("y[id.x] = 1.0; workgroupBarrier(); y[id.x ^ 4u] = 2.0;", None),
    ],
)
def test_races_are_found(body, element, webgpu):
    report = wg.kernel.guard(kernel(body), np.ones(8))
    found = report.of("race")[0]
    assert found.subject == "y" and found.line == 5 and "no barrier between" in found.text
    assert element is None or found.element == element


def test_what_a_barrier_orders_is_no_race(webgpu):
    body = (
        "y[id.x] = x[id.x]; storageBarrier(); let v = y[id.x ^ 1u]; storageBarrier(); y[id.x] = v;"
    )
    assert wg.kernel.guard(kernel(body), np.arange(8.0)).ok


def test_races_in_workgroup_memory_are_found(webgpu):
    body = """
    s[l] = x[id.x];
    workgroupBarrier();
    let other = s[l ^ 1u];
    workgroupBarrier();
    s[l] = other;
    y[id.x] = s[l];
    """
    more = "var<workgroup> s: array<f32, 4>;"
    arguments = ", @builtin(local_invocation_index) l: u32"
    assert wg.kernel.guard(kernel(body, more, arguments), np.arange(16.0)).ok
    for at, line in ((1, 10), (0, 8)):  # without the barrier that stands there
        halves = body.split("workgroupBarrier();")
        halves[at : at + 2] = [halves[at] + halves[at + 1]]
        wrong = kernel("workgroupBarrier();".join(halves), more, arguments)
        found = wg.kernel.guard(wrong, np.arange(16.0)).of("race")
        assert found and {x.subject for x in found} == {"s"}
        assert {x.line for x in found} == {line}


def test_many_barriers_are_told_apart(webgpu):
    body = "y[id.x] = x[id.x]; for (var i = 0; i < 300; i++) { storageBarrier(); }"
    for count, right in ((256, True), (0, False)):
        text = f"{body.replace('300', str(count))} let v = y[id.x ^ 1u];"
        report = wg.kernel.guard(kernel(f"{text} storageBarrier(); y[id.x] = v;"), np.arange(8.0))
        assert report.ok is right


def test_atomics_are_no_race(webgpu):
    text = f"""
    @group(0) @binding(0) var<storage, read_write> n: array<atomic<u32>>;
    {HEAD}) {{ atomicAdd(&n[id.x % 2], id.x); }}
    """
    count = wg.zeros(2, dtype="uint32")
    report = wg.kernel.guard(wg.kernel.compute(text, threads=8), count)
    assert report.ok, str(report)
    assert count.tolist() == [0, 0]  # what is given stays as it is


@pytest.mark.parametrize(
    "body",
    [
        "var i = 0u; while (x[0] > 0.0) { i++; } y[id.x] = f32(i);",
        "y[id.x] = forever(x[0]);",
    ],
)
def test_loops_that_do_not_end_are_left(body, webgpu):
    more = "fn forever(a: f32) -> f32 { loop { if (a < 0.0) { return a; } } }"
    report = wg.kernel.guard(kernel(body, more), np.ones(4), fuel=500)
    found = report.of("loop")[0]
    assert "fuel" in found.text and found.line in (3, 5)
    y = wg.kernel.compute(f"{Y}{HEAD}) {{ y[id.x] = 1.0; }}", outputs={"y": (4,)})
    with webgpu:
        assert y().tolist() == [1.0] * 4  # the device lives on


def test_barriers_that_only_some_reach_are_found(webgpu):
    body = "y[id.x] = 1.0; if (id.x % 4u < 2u) { workgroupBarrier(); }"
    report = wg.kernel.guard(kernel(body), np.ones(4))
    (found,) = report.findings
    assert found.kind == "barrier" and found.line == 5 and "workgroupBarrier" in found.text


def test_differences_from_numpy_are_found(webgpu):
    op = kernel("y[id.x] = x[id.x];", numpy=lambda x: x + (np.arange(8) == 5))
    (found,) = wg.kernel.guard(op, np.ones(8)).findings
    assert (found.kind, found.element, found.count) == ("differs", (5,), 1)


def test_vectors_and_several_axes(webgpu):
    text = """
    @group(0) @binding(0) var<storage, read> x: array<vec3f>;
    @group(0) @binding(1) var<storage, read_write> y: array<vec3f>;
    @group(0) @binding(2) var<storage, read_write> z: array<vec2<f32>>;
    @compute @workgroup_size(2, 2) fn main(@builtin(workgroup_id) g: vec3u,
        @builtin(local_invocation_id) l: vec3u) {
        let i = 2 * g.xy + l.xy;
        let at = i.x + 4 * i.y;
        y[at] = 2 * x[at];
        z[at] = x[at].xy;
        if (at == 7) { z[3] = vec2f(); }
    }
    """
    op = wg.kernel.compute(text, outputs={"y": "x", "z": (4, 4, 2)}, threads=(4, 4))
    report = wg.kernel.guard(op, np.ones((4, 4, 3)))
    (found,) = report.findings
    assert (found.kind, found.subject, found.element) == ("race", "z", (0, 3))
    assert "invocation [3, 1, 0]" in found.text


def test_subgroups_are_not_compared_with_numpy(webgpu):
    if "subgroup" not in webgpu.gpu.features:
        pytest.skip("no subgroups")
    report = wg.kernel.guard(kernel("y[id.x] = subgroupAdd(x[id.x]);"), np.ones(4))
    assert report.ok and "no subgroups: subgroupAdd" in report.notes[0]


def test_report_needs_a_buffer_of_its_own(webgpu):
    most = webgpu.facts.buffers
    reads = "".join(
        f"@group(0) @binding({i}) var<storage, read> x{i}: array<f32>;\n" for i in range(1, most)
    )
    total = " + ".join(f"x{i}[0]" for i in range(1, most))
    text = f"{Y}{reads}@compute @workgroup_size(1) fn main() {{ y[0] = {total}; }}"
    op = wg.kernel.compute(text, outputs={"y": (1,)})
    with pytest.raises(wg.errors.DeviceError, match=f"uses {most} storage buffers and needs one"):
        wg.kernel.guard(op, *[np.ones(1, np.float32)] * (most - 1))


def test_bad_arguments_are_errors_of_ours(webgpu):
    with pytest.raises(wg.errors.CallError, match="the input x is missing"):
        wg.kernel.guard(kernel("y[id.x] = x[id.x];"))
    with pytest.raises(wg.errors.WgradError, match="WGSL"):
        wg.kernel.guard(lambda x: x, np.ones(3))
    with pytest.raises(wg.errors.ArgumentError, match="fuel=0"):
        wg.kernel.guard(kernel("y[id.x] = x[id.x];"), np.ones(4), fuel=0)
