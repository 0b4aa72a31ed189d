"""wg.kernel.bench measures variants side by side, and compares what they give."""

from __future__ import annotations

import json

import numpy as np
import pytest

import wgrad as wg

TEXT = "override K = 1.0; fn scaled(x: f32, v: vec2f) -> vec2f { return K * x * v; }"


def ops(x, v):
    return x.reshape((*x.shape, 1)) * v


def test_variants_stand_side_by_side(device):
    op = wg.kernel.elementwise(TEXT)
    variants = {"ops": ops, "K=2": {"K": 2.0}, "same": {"K": 1.0}}
    report = wg.kernel.bench(op, [(3,), (4, 5)], variants, rounds=4, flops=3)
    names = ["scaled", "ops", "K=2", "same"]
    assert [(x.variant, x.shape) for x in report.rows] == [
        *((n, (3,)) for n in names),
        *((n, (4, 5)) for n in names),
    ]
    assert [x.agrees for x in report.rows[:4]] == [True, True, False, True]
    assert not report.ok and "DIFFERS" in str(report)
    row = report.rows[4]
    assert row.points == 20 and row.flops == 60 and row.bytes == 4 * 20 * 5
    assert 0 < row.low_ns <= row.median_ns <= row.high_ns and row.ratio == 1
    if device.name == "webgpu":
        assert row.kernels >= 1 and row.clock in ("gpu", "wall")
    assert json.loads(report.to_json())["rows"][0]["variant"] == "scaled"


def test_gradients_are_measured_too(device):
    op = wg.kernel.elementwise(TEXT)
    report = wg.kernel.bench(op, 8, {"ops": ops}, gradient=True, compiled=False, rounds=1)
    assert report.ok, str(report)
    assert report.what == "forward and backward"
    assert report.rows[0].bytes == 4 * 8 * (1 + 2 + 2 + 1 + 2)


def test_inputs_may_be_given(device):
    report = wg.kernel.bench(
        lambda a, b: a @ b, (4, 4), inputs=lambda s: [np.ones(s)] * 2, rounds=1
    )
    assert report.ok and report.rows[0].variant == "<lambda>"


def test_compute_kernels_take_constants_by_variant(webgpu):
    text = """
    override wide = 64u;
    @group(0) @binding(0) var<uniform> factor: f32;
    @group(0) @binding(1) var<storage, read> x: array<vec2f>;
    @group(0) @binding(2) var<storage, read_write> y: array<vec2f>;
    @compute @workgroup_size(wide) fn scaled(@builtin(global_invocation_id) id: vec3u) {
        if (id.x < arrayLength(&y)) { y[id.x] = factor * x[id.x]; }
    }
    """
    kernel = wg.kernel.compute(text, outputs={"y": "x"})
    variants = {"wide": {"wide": 32}, "ops": lambda x, factor: x * factor}
    report = wg.kernel.bench(kernel, 100, variants, rounds=1, factor=2.0)
    assert report.ok, str(report)
    assert [x.bytes for x in report.rows] == [2 * 4 * 200] * 3


def test_variant_that_raises_is_a_row(device):
    op = wg.kernel.elementwise(TEXT)
    report = wg.kernel.bench(op, 3, {"wrong": lambda x, v: v.reshape(7)}, rounds=1)
    assert not report.ok and not report.rows[1].ok and "reshape" in report.rows[1].note
    assert "reshape" in str(report)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"shapes": []}, "no shape"),
        ({"shapes": -1}, "-1"),
        ({"rounds": 0}, "at least 1"),
        ({"variants": {"x": 3}}, "dict of constants"),
        ({"variants": {"x": {"N": 3}}}, "no override 'N'"),
        ({"op": ops}, "give inputs="),
    ],
)
def test_bad_arguments_are_errors_of_ours(more, says):
    given = {"op": wg.kernel.elementwise(TEXT), "shapes": 3, **more}
    with pytest.raises(wg.errors.WgradError, match=says):
        wg.kernel.bench(**given)
