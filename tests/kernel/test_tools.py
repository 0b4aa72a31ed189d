"""The examples in the documentation of the tools for shaders run."""

from __future__ import annotations

import doctest
from types import SimpleNamespace

import numpy as np
import pytest

import wgrad as wg

TOOLS = ("bench", "check", "debug", "guard", "validate")


@pytest.mark.parametrize("name", TOOLS)
def test_examples_run(name, webgpu):
    tool = getattr(wg.kernel, name)
    finder = doctest.DocTestFinder(recurse=False)
    (found,) = finder.find(tool, name, globs={"wg": wg, "np": np})
    assert found.examples and doctest.DocTestRunner().run(found).failed == 0


def test_reports_are_data(webgpu):
    op = wg.kernel.elementwise("fn f(x: f32) -> f32 { return sqrt(x); }")
    report = wg.kernel.check(op, [-1.0], gradients=False)
    data = report.to_dict()
    assert data["ok"] is False and data["nans"] == [
        {"where": [0], "inputs": {"x": -1.0}, "device": "numpy float64"}
    ]
    assert '"inputs": {"x": -1.0}' in report.to_json()
    shown: list[str] = []
    report._repr_pretty_(SimpleNamespace(text=shown.append), False)  # as in a notebook
    assert shown == [str(report)]


def test_tools_take_what_is_watched(webgpu, tmp_path):
    path = tmp_path / "both.wgsl"
    path.write_text("""
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(2) fn fill(@builtin(global_invocation_id) id: vec3u) {
    y[id.x] = dbg(twice(f32(id.x)));
}
fn twice(x: f32) -> f32 { return dbg(x) * 2.0; }
""")
    lib = wg.kernel.load(path, watch=True)
    y = wg.zeros(4)
    assert wg.kernel.guard(lib.fill, y).ok
    assert [x.value for x in wg.kernel.debug(lib.fill, y, at=1).values] == [1.0, 2.0]
    assert [x.value for x in wg.kernel.debug(lib.twice, [3.0]).values] == [3.0]
    assert wg.kernel.check(lib.fill, y).ok and wg.kernel.check(lib.twice, [1.0]).ok
    assert wg.kernel.bench(lib.fill, 4, {"again": lib.fill}, rounds=1).ok
    path.write_text(path.read_text().replace("* 2.0", "* 3.0"))
    assert [x.value for x in wg.kernel.debug(lib.fill, y, at=1).values] == [1.0, 3.0]
