"""Loops that never end are left, and told of with their line; those that surely end are free."""

from __future__ import annotations

import re

import numpy as np
import pytest

import wgrad as wg
from wgrad.kernel.entry import Checked
from wgrad.kernel.instruments import names_of
from wgrad.kernel.language import NOWHERE, read
from wgrad.kernel.language import syntax as s
from wgrad.kernel.rounds import LOOPS, Counters

COUNT = """fn rounds(n: u32) -> u32 {
    var k = 0u;
    while (k < n) { k++; }
    return k;
}"""
SPIN = """@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(64)
fn spin(@builtin(global_invocation_id) id: vec3u) {
    if (id.x >= arrayLength(&y)) { return; }
    var k = 0u;
    loop {
        k++;
        if (k == y[id.x]) { break; }
    }
    y[id.x] = k;
}"""


def words(*numbers: int) -> wg.Tensor:
    return wg.tensor(np.array(numbers, np.uint32))


@pytest.fixture(scope="module")
def count():
    return wg.kernel.elementwise(COUNT, rounds=1000)


def test_loop_that_runs_too_long_is_told_at_the_next_wait(count, device):
    assert count(words(3, 1000)).tolist() == [3, 1000]
    with pytest.raises(wg.errors.ShaderError, match="this loop") as caught:
        count(words(3, 1002)).numpy()
    error = caught.value
    assert (error.line, error.column) == (3, 5)
    assert "while (k < n)" in str(error)
    assert count(words(7)).tolist() == [7]  # and it is told once


def test_function_and_limit_are_named(count, webgpu):
    count(words(2000))
    with pytest.raises(wg.errors.ShaderError, match=r"loop of rounds .* after 1000 rounds"):
        webgpu.synchronize()


def test_compiled_functions_tell(count, webgpu):
    compiled = wg.compile(lambda n: count(n) + words(1))
    assert compiled(words(4)).tolist() == [5]
    compiled(words(5000))
    with pytest.raises(wg.errors.ShaderError, match="loop of rounds"):
        compiled(words(4)).numpy()
    assert compiled(words(4)).tolist() == [5]


def test_kernels_tell(webgpu):
    spin = wg.kernel.compute(SPIN, rounds=1000)
    assert spin(words(1, 2, 1000)).tolist() == [1, 2, 1000]
    with pytest.raises(wg.errors.ShaderError, match="loop of spin") as caught:
        spin(words(1, 0, 3)).numpy()
    assert caught.value.line == 6


TOGETHER = """@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@group(0) @binding(1) var<uniform> n: u32;
var<workgroup> part: array<u32, 8>;
fn swap(i: u32) { workgroupBarrier(); let x = part[7u - i]; workgroupBarrier(); part[i] = x; }
@compute @workgroup_size(8)
fn turn(@builtin(local_invocation_index) i: u32) {
    part[i] = i;
    for (var s = 0u; s != n; s += 2u) {
        swap(i);
        for (var k = 0u; k < part[i]; k++) { y[i] += 1u; }
    }
    y[i] = part[i];
}"""


def test_loops_with_barriers_are_left_by_a_whole_workgroup(webgpu):
    turn = wg.kernel.compute(TOGETHER, rounds=1000)
    assert turn(wg.zeros(8, dtype="uint32"), n=4).tolist() == list(range(8))
    with pytest.raises(wg.errors.ShaderError, match="loop of turn") as caught:
        turn(wg.zeros(8, dtype="uint32"), n=3).numpy()
    assert caught.value.line in (8, 10)
    typed = Checked(read(TOGETHER)).typed
    node = typed.functions["turn"].node
    (outer,) = [
        x
        for x in Counters(typed, 9, NOWHERE).counted(node)[0].body.statements
        if isinstance(x, s.For)
    ]
    counted = names_of(outer.condition)
    assert "wgrad_together2" in counted and "wgrad_rounds" not in counted
    assert "wgrad_rounds" in names_of(outer.body)


def test_adapter_that_ends_loops_itself_is_told_of(webgpu):
    """Lavapipe lets loops of 8 points together run 65,535 rounds, also where they take turns."""
    if "llvmpipe" not in webgpu.description:
        pytest.skip("another adapter")
    two = wg.kernel.elementwise(
        "fn two(n: u32, m: u32) -> u32 { var k = 0u; while (k < n) { k++; }"
        " while (k < n + m) { k++; } return k; }"
    )
    here, there = words(*[40_000, 0] * 8), words(*[0, 40_000] * 8)
    assert two(here, words(*[3] * 16)).tolist() == [40_003, 3] * 8
    with pytest.raises(wg.errors.ShaderError, match="two ran more rounds of loops than llvmpipe"):
        two(here, there).numpy()


def test_gradients_tell(webgpu):
    wave = wg.kernel.elementwise(
        "fn wave(x: f32, n: i32) -> f32 { var y = x;\n"
        " for (var i = 0; i < n; i++) { y = sin(y); } return y; }",
        rounds=100,
    )
    x = wg.tensor([0.5], requires_grad=True)
    wave(x, 100).sum().backward()
    assert 0 < x.grad.item() < 1
    slope = wg.grad(lambda x: wave(x, 102).sum())(wg.tensor([0.5]))
    with pytest.raises(wg.errors.ShaderError, match="did not end") as caught:
        slope.item()
    assert caught.value.line == 2


def test_limit_can_be_switched_off_and_is_checked():
    free = wg.kernel.elementwise(COUNT, rounds=None)
    assert "wgrad_rounds" not in "".join(free.function._device_code[1])
    assert free(wg.tensor(words(70_000), device="numpy")).tolist() == [70_000]
    for wrong in (0, 1.5, 1 << 32, True):
        for make in (wg.kernel.elementwise, wg.kernel.load):
            with pytest.raises(wg.errors.ArgumentError, match="rounds="):
                make(COUNT, rounds=wrong)
        with pytest.raises(wg.errors.ArgumentError, match="rounds="):
            wg.kernel.compute(SPIN, rounds=wrong)


@pytest.mark.parametrize(
    ("loop", "rounds"),
    [
        ("for (var i = 0; i < 8; i++) {}", 8),
        ("for (var i = 1u; i <= 9u; i += 2u) {}", 5),
        ("for (var i = 10; i > 0; i -= 3) {}", 4),
        ("for (var i = 10; 0 <= i; i = i - 3) {}", 4),
        ("for (var i = 2; i != 8; i += 3) {}", 2),
        ("for (var i = 8; i < 8; i++) {}", 0),
        ("let end = 4u; for (var i = 0u; i < end; i++) { if (n == 3u) { continue; } }", 4),
        ("for (var i = 0; i < SIZE * 2; i++) {}", 12),
        ("for (var s = 32u; s > 0u; s >>= 1u) {}", 6),
        ("for (var s = 64; s >= 1; s /= 4) {}", 7),
        ("for (var s = 5u; s != 0u; s = s / 2u) {}", 3),
        ("for (var s = 8; s > -1; s /= 2) { if (n == 1u) { break; } }", None),
        ("for (var s = 8u; s != 3u; s >>= 1u) { if (n == 1u) { break; } }", None),
        ("for (var s = 8u; s > 0u; s /= 1u) { if (n == 1u) { break; } }", None),
        ("for (var s = n; s > 0u; s >>= 1u) {}", None),
        ("for (var i = 0u; i < n; i++) {}", None),
        ("for (var i = 3u; i >= 0u; i--) { if (n == i) { break; } }", None),
        ("for (var i = 0u; i <= 4294967295u; i++) { if (n == i) { break; } }", None),
        ("for (var i = 0; i < 8; i--) { if (n == 1u) { break; } }", None),
        ("for (var i = 2; i != 8; i += 4) { if (n == 1u) { break; } }", None),
        ("for (var i = 0; i < 8; i++) { i = 0; }", None),
        ("for (var i = 0; i < 8; i++) { let p = &i; *p = 0; }", None),
        ("for (var i = 0.0; i < 8.0; i += 1.0) {}", None),
        ("var k = 0; for (var i = 0; k < 8; i++) { k++; }", None),
        ("var k = 0; while (k < 8) { k++; }", None),
        ("for (;;) { break; }", None),
    ],
)
def test_loops_with_constant_ends_are_not_counted(loop, rounds):
    text = f"const SIZE = 6; fn f(n: u32) -> u32 {{ {loop} return n; }}"
    typed = Checked(read(text)).typed
    (node,) = [x for x in typed.functions["f"].node.walk() if isinstance(x, LOOPS)]
    counters = Counters(typed, 100, NOWHERE)
    assert counters._rounds_of(node) == rounds
    assert bool(counters.counted(typed.functions["f"].node)[1]) is (rounds is None)


def test_only_open_loops_change_the_text():
    text = "fn f(x: f32) -> f32 { var y = x; for (var i = 0; i < 4; i++) { y *= x; } return y; }"
    closed = wg.kernel.elementwise(text)
    assert "wgrad" not in "".join(closed.function._device_code[1])
    both = wg.kernel.elementwise(
        f"fn g(x: f32, n: u32) -> f32 {{ {COUNT.splitlines()[1]}"
        f" while (k < n) {{ k++; }} return f(x); }} {text}",
        "g",
    )
    made = "\n".join(both.function._device_code[1])
    assert len(re.findall("wgrad_rounds \\+= ", made)) == 1
    assert "wgrad" not in both.wgsl()
