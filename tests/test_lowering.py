"""Lowering without an adapter: for machines that are not here, as plain data, and run from JSON."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from another_runner import AnotherRunner
from campaigns.windows import BOUND
from programs import Traced, traced
from wgsl_functions import call, line, rgb, total

import wgrad as wg
from wgrad import nn, optim
from wgrad.backends import tracing
from wgrad.backends.array import Array, Storage
from wgrad.backends.webgpu.eager import WebGpuDevice
from wgrad.backends.webgpu.facts import Facts
from wgrad.backends.webgpu.launches import VERSION, Launches, uniform
from wgrad.backends.webgpu.matmul import Products
from wgrad.backends.webgpu.runner import Runner
from wgrad.errors import ArgumentError, DeviceError, DTypeError, OutOfMemoryError
from wgrad.layout import Layout
from wgrad.nn import functional as F
from wgrad.program.lower.webgpu import limits_for, live_numbers, lower, prepared
from wgrad.program.passes import simplify
from wgrad.program.run.plain import PlainExecutor

Case = Callable[[], Traced]
GPU = Facts(buffers=16, largest_binding=1 << 31, largest_buffer=1 << 38, has_half=True)
MACHINES = {
    "portable": Facts(),
    "software": Facts(is_software=True, has_half=True, align=16),
    "big": GPU,
    "small bindings": Facts(largest_binding=BOUND, is_software=True),
}
RNG = np.random.default_rng(0)


def values(*shape: int) -> wg.Tensor:
    return wg.tensor(RNG.standard_normal(shape).astype(np.float32))


def training() -> Traced:
    """A step with dropout, products in parts, state that is updated, and a rate that may change."""
    model = nn.Sequential(nn.Linear(3000, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 4))
    optimizer = optim.Adam(model.parameters(), lr=0.01)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    found = traced(step, values(6, 3000), wg.tensor([0, 1, 2, 3, 1, 0]))
    found.optimizer = optimizer  # type: ignore[attr-defined]  # kept for tests
    return found


def images() -> Traced:
    conv = nn.Conv2d(3, 8, 3, padding=1)

    def step(x: Any) -> Any:
        y = F.max_pool2d(F.layer_norm(conv(x).relu(), (12, 12)), 2)
        return wg.grad(lambda w: (y * w).sum() + conv.weight.sum())(y), y.softmax(1)

    return traced(step, values(2, 3, 12, 12))


def orders() -> Traced:
    """The families that have kernels of their own, in pieces where bindings are small."""

    def step(x: Any, i: Any) -> Any:
        rows = x.reshape((10, -1))
        ordered = wg.sort(rows, axis=1)
        return (
            (ordered, wg.cumulative_sum(rows, axis=1), wg.logcumsumexp(rows, axis=1)),
            (wg.searchsorted(ordered[0], x), wg.prod(x * 0.001 + 1), rows.max(1)),
            (wg.take(x, i), wg.scatter_add(wg.zeros(x.size), i, x), wg.scatter(x, i, x * 2)),
            (wg.randn(9001), wg.rand(13), wg.concat([x, x * 2] * 7)),
            (wg.einsum("ab,cb->ac", rows, rows), (x > 0).any(), x.astype("int32").sum()),
        )

    return traced(step, values(10_010), wg.tensor(RNG.integers(0, 10_010, 10_010)))


def halves() -> Traced:
    def step(x: Any, y: Any) -> Any:
        return x @ y, wg.sum(x, axis=0), x[:, 1:4] * 2, wg.sort(x, axis=0), wg.concat([x, y] * 7)

    return traced(step, *(values(7, 7).astype("float16") for _ in range(2)))


def calls() -> Traced:
    """Functions of users, one of which takes more operands than a kernel binds."""
    many = [values(2000) for _ in range(20)]

    def step(x: Any, *many: Any) -> Any:
        y = rgb(x * 0.5)
        colours = y * 2, rgb(x, planes=True).sum(0), (rgb(x) + y).sum()
        return (*colours, call(total(20), many) * 2, line(x[..., 1], many[0]))

    return traced(step, values(2000, 3), *many)


CASES: dict[str, Case] = {f.__name__: f for f in (training, images, orders, halves, calls)}


def lowered(found: Traced, facts: Facts, products: Products | None = None) -> Launches:
    """Return the launches of a program after the passes."""
    return lower(simplify(found.program, limits_for(facts)), facts, products)


@pytest.fixture(scope="module")
def portable(request: pytest.FixtureRequest) -> Any:
    """A device of wgpu with the least limits that WebGPU promises, or None."""
    ours = wg.device("webgpu")
    assert isinstance(ours, WebGpuDevice)
    limits = {
        "max-storage-buffers-per-shader-stage": 8,
        "max-compute-workgroup-storage-size": 16384,
        "max-compute-invocations-per-workgroup": 256,
    }
    wished = ("shader-f16", "subgroup")
    features = [f for f in wished if f in ours.gpu.features]
    return ours.gpu.adapter.request_device_sync(required_features=features, required_limits=limits)


# Lowered where no adapter is.
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", CASES)
def test_lowering_is_pure_and_its_json_complete(numpy_device, name, machine):
    facts = replace(MACHINES[machine], has_half=True)
    found = CASES[name]()
    launches = lowered(found, facts)
    assert lowered(found, facts) == launches
    assert Launches.from_json(launches.to_json()) == launches
    assert launches.launches and all(len(k.access) <= facts.buffers for k in launches.kernels)
    for x in launches.launches:
        kernel = launches.kernels[x.kernel]
        size, fields = uniform(kernel.code)
        starts = [at for *_, at in fields]
        assert len(x.params) <= size + -size % 16 and starts == sorted(starts)
        written = [b[:2] for b, how in zip(x.bindings, kernel.access, strict=True) if how == "w"]
        read = [b[:2] for b, how in zip(x.bindings, kernel.access, strict=True) if how == "r"]
        assert not set(written) & set(read) and len(set(written)) == len(written)
        for b in x.bindings:
            assert b.start % facts.align == 0 and (b.nbytes or 0) <= facts.largest_binding


def test_nobody_hears_of_what_is_only_planned(numpy_device):
    found = orders()
    expected = lowered(found, Facts())
    heard: list[Any] = []
    token = tracing.current_tracer.set(mock.Mock(side_effect=AssertionError))
    try:
        with wg.observe(heard.append):
            assert lowered(found, Facts()) == expected
        assert heard == tracing.current_tracer.get().mock_calls == []
    finally:
        tracing.current_tracer.reset(token)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_text_is_valid_for_its_machine(webgpu, portable, machine):
    facts = replace(MACHINES[machine], has_half=webgpu.facts.has_half)
    texts: dict[str, str] = {}
    for name, case in CASES.items():
        if name != "halves" or facts.has_half:
            products = Products(facts, shuffles="subgroup" in webgpu.gpu.features)
            texts |= {k.code: k.access for k in lowered(case(), facts, products).kernels}
    assert len(texts) > 20
    for text, access in texts.items():
        portable.create_shader_module(code=text)  # by naga, which raises
        invocations, nbytes = workgroup(text)
        assert len(access) <= facts.buffers and invocations <= 256 and nbytes <= 16384


def workgroup(text: str) -> tuple[int, int]:
    """Return the invocations of a workgroup, and its memory, which no driver checks."""
    names: dict[str, Any] = {}
    for name, value in re.findall(r"^const (\w+) = ([^;]+);", text, re.MULTILINE):
        with contextlib.suppress(SyntaxError, NameError):  # not a number
            names[name] = eval(re.sub(r"\b(\d+)u\b", r"\1", value).replace("/", "//"), {}, names)
    found = 0
    for kind in re.findall(r"^var<workgroup> \w+: (.*);", text, re.MULTILINE):
        size = 4
        while match := re.fullmatch(r"array<(.*), ([^,]*)>", kind):
            kind, size = match[1], size * eval(match[2], {}, names)
        found += 4 * size if kind.startswith("vec4") else size
    (extents,) = re.findall(r"@workgroup_size\(([^)]*)\)", text)
    return int(np.prod([eval(x, {}, names) for x in extents.split(",") if x.strip()])), found


def test_kernels_keep_to_the_portable_limits(webgpu, portable):
    """The driver compiles them for 8 buffers and 256 invocations a workgroup."""
    for facts in (Facts(), replace(GPU, buffers=8, has_half=False)):
        for kernel in lowered(training(), facts).kernels:
            stage, kinds = 4, {"r": "read-only-storage", "w": "storage"}
            entries = [{"binding": 0, "visibility": stage, "buffer": {"type": "uniform"}}]
            for i, how in enumerate(kernel.access, 1):
                buffer = {"type": kinds[how]}
                entries.append({"binding": i, "visibility": stage, "buffer": buffer})
            group = portable.create_bind_group_layout(entries=entries)
            portable.create_compute_pipeline(
                layout=portable.create_pipeline_layout(bind_group_layouts=[group]),
                compute={
                    "module": portable.create_shader_module(code=kernel.code),
                    "entry_point": "main",
                },
            )


# Run from what was read.
def run(found: Traced, runner: Runner, numbers: list[list[float]]) -> list[np.ndarray]:
    """Return outputs and inputs after each of some runs."""
    inputs, made = found.copies(), []
    for now in numbers:
        outs = runner.run(inputs, now, found.draw)
        made += [downloaded(x) for x in (*outs, *inputs)]
    return made


def downloaded(x: Storage) -> np.ndarray:
    """Return the words of memory."""
    shown = Array(x, Layout.dense((x.size,)), wg.uint32)
    if x.buffer.nbytes < 4 * x.size:  # of float16
        shown = Array(x, Layout.dense((x.size,)), wg.float16)
    return x.device.download(shown)


@pytest.mark.parametrize("small", [False, True], ids=["whole", "windows"])
@pytest.mark.parametrize("name", ["training", "orders"])
def test_json_runs_as_the_program_does(webgpu, name, small):
    facts = replace(webgpu.facts, largest_binding=BOUND) if small else webgpu.facts
    found = CASES[name]()
    program = prepared(simplify(found.program, limits_for(facts)), facts)
    launches = lower(program, facts, webgpu.products)
    assert any(x.draw is not None for x in launches.launches)
    assert any(b.nbytes is not None for x in launches.launches for b in x.bindings) == small
    rates = [[x.read() for x in live_numbers(program)]] * 2
    if name == "training":
        assert launches.chosen and any(x.numbers for x in launches.launches)
        found.optimizer.lr = 0.2
        rates.append([x.read() for x in live_numbers(program)])
        assert rates[2] != rates[1]
    text = launches.to_json()
    seen = run(found, Runner(Launches.from_json(text), webgpu), rates)
    for a, b in zip(seen, run(found, Runner(launches, webgpu), rates), strict=True):
        np.testing.assert_array_equal(a, b)
    # The reference, for the numbers as they are now.
    inputs, expected = found.copies(), found.copies()
    outs = Runner(Launches.from_json(text), webgpu).run(inputs, rates[-1], found.draw)
    outs += inputs
    right = PlainExecutor(found.program, webgpu).run(expected, found.draw)
    slots = [found.program.memory()[i] for i in found.program.outputs] + found.program.inputs
    for slot, x, y in zip(slots, outs, [*right, *expected], strict=True):
        a, b = (webgpu.download(Array(z, Layout.dense(slot.shape), slot.dtype)) for z in (x, y))
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["training", "orders"])
def test_json_is_all_that_another_runner_needs(webgpu, portable, name):
    found = CASES[name]()
    program = prepared(simplify(found.program, limits_for(Facts())), Facts())
    text = lower(program, Facts()).to_json()
    said = json.loads(text)
    inputs = found.copies()
    before = [
        downloaded(x).tobytes()[: h["bytes"]] for x, h in zip(inputs, said["inputs"], strict=True)
    ]
    other, ours = AnotherRunner(portable, text, before), Runner(Launches.from_json(text), webgpu)
    numbers = [x.read() for x in live_numbers(program)]
    for _ in range(2):
        outs = ours.run(inputs, numbers, found.draw)
        seen = other.run(numbers, found.draw)
        for a, b in zip(seen, (*outs, *inputs), strict=True):
            expected = downloaded(b).tobytes()
            assert a[: len(expected)] == expected
    drawn = [x["params"][5] for x in said["launches"] if x["draw"]]
    assert drawn == {"training": [48], "orders": [9001, 13]}[name]


@pytest.mark.parametrize(
    "given", [{"buffers": 7}, {"largest_binding": 0}, {"align": 4}, {"largest_buffer": 1000}]
)
def test_facts_of_no_adapter_are_refused(numpy_device, given):
    ((name, x),) = given.items()
    found = traced(lambda x: x + 1, wg.ones(3))
    with pytest.raises(ArgumentError, match=f"Facts: {name}={x} came, and"):
        lowered(found, Facts(**given))


def test_programs_for_more_than_an_adapter_has_are_refused(numpy_device):
    with pytest.raises(DTypeError, match=r"lower: .* has no float16; .* has_half=False"):
        lowered(halves(), Facts())
    small = Facts(largest_binding=4096, largest_buffer=16384)
    in_between = traced(lambda x: wg.sort(wg.tile(x, (50, 1)))[:1], wg.ones((1, 100)))
    for found in (traced(lambda x: x + 1, wg.ones(5000)), in_between):
        with pytest.raises(OutOfMemoryError, match=r"a buffer of .* is needed, and .* 16384"):
            lowered(found, small)
    fits = traced(lambda x: (x + 1)[:10], wg.ones(4000))
    assert max(x.nbytes for x in lowered(fits, small).inputs) == 16000


def test_runs_of_launches_that_lack_something_are_refused(webgpu):
    found = traced(lambda x: x + wg.rand(3), wg.ones(3))
    runner = Runner(lowered(found, webgpu.facts), webgpu)
    with pytest.raises(ArgumentError, match="1 inputs came, and 1 inputs and draw= are needed"):
        runner.run(found.copies())
    with pytest.raises(ArgumentError, match="0 inputs came, and 1 inputs"):
        runner.run([], draw=found.draw)
    with pytest.raises(ArgumentError, match="1 numbers came, and 0 are needed"):
        runner.run(found.copies(), [1.0], draw=found.draw)
    large = Runner(lowered(traced(lambda x: x + 1, wg.ones(3000)), webgpu.facts), webgpu)
    with pytest.raises(ArgumentError, match="input 0 of 256 bytes came, and 12000 are needed"):
        large.run(found.copies())
    elsewhere = wg.ones(3, device="numpy").array.storage
    with pytest.raises(ArgumentError, match="input 0 of numpy came, and webgpu is needed"):
        runner.run([elsewhere], draw=found.draw)


def test_launches_for_more_than_a_device_has_are_refused(webgpu):
    launches = lowered(orders(), replace(webgpu.facts, largest_binding=1 << 40))
    with pytest.raises(DeviceError, match=f"need bindings of {1 << 40} bytes, which"):
        Runner(launches, webgpu)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[1]", "no format 'wgrad launches'"),
        (
            json.dumps({"format": "wgrad launches", "version": VERSION}),
            "an object of just .* needed",
        ),
        (json.dumps({"format": "wgrad launches", "version": 99}), "version 99 came"),
        (json.dumps({"format": "wgrad launches", "version": True}), "version True came"),
        (json.dumps({"format": "x", "version": VERSION}), "no format"),
    ],
)
def test_json_of_something_else_is_refused(text, words):
    with pytest.raises(ArgumentError, match=words):
        Launches.from_json(text)


CHANGES: list[tuple[tuple[Any, ...], Any, str]] = [
    (("facts", "align"), 0, r"facts.align: 0 came, and an integer from 1"),
    (("facts", "has_half"), 1, "facts.has_half: 1 came, and true or false"),
    (("kernels", 0, "access"), "rx", "access is 'rx'"),
    (("kernels", 0, "access"), "r", r"kernels\[0\].access is 'r'"),
    (("kernels", 0, "text"), "fn main() {}", r"kernels\[0\].text has no struct Params"),
    (("kernels", 0, "uniform", "bytes"), 4, r"kernels\[0\].uniform is not that of its text"),
    (("launches", 0, "kernel"), -1, r"launches\[0\].kernel: -1 came"),
    (("launches", 0, "kernel"), 999, r"launches\[0\] is of kernel 999, and there are"),
    (("launches", 0, "bindings"), [], r"launches\[0\] has 0 bindings, and its kernel"),
    (("launches", 0, "bindings", 0), ["input", 99, 0, None], "binds input 99, which there is not"),
    (("launches", 0, "bindings", 0), ["swap", 0, 0, None], "binds swap 0, which there is not"),
    (("launches", 0, "bindings", 0), ["input", 0, 0, 10**9], "binds 1000000000 bytes from 0 on"),
    (("launches", 0, "bindings", 0), ["input", 0, 1, None], "bytes from 1 on"),
    (("launches", 0, "bindings", 0, 0), "heap", "'heap' came, and one of block, constant, input"),
    (("launches", 0, "params"), [0] * 999, "has 3996 bytes of params"),
    (("launches", 0, "params"), [1 << 32], "an integer of 33 bits|4294967296 came"),
    (("launches", 0, "groups"), [1], r"groups: \[1\] came, and a list of 2"),
    (("launches", 0, "groups"), [0, 1], r"groups\[0\]: 0 came"),
    (("launches", 0, "numbers"), [[1 << 20, 0, "float32"]], "has numbers beyond its params"),
    (("launches", 0, "numbers"), [[0, 7, "float32"]], "reads a number of 0 that there is not"),
    (("launches", 0, "draw"), "x", "draw: 'x' came, and a list of 2"),
    (("launches", 0, "draw"), [1, 0], "draws from generator 1, and there are 1"),
    (("inputs", 0, "bytes"), 4, r"inputs\[0\] has 4 bytes, too few for its shape \[3\]"),
    (("inputs", 0, "dtype"), "float64", "one of bool, float16"),
    (("inputs", 0, "shape"), [None], r"inputs\[0\].shape\[0\]: None came"),
    (("swaps",), [0, 0], r"swaps are \[0, 0\]"),
    (("constants",), ["?"], "not in base64"),
    (("chosen",), None, "chosen: None came, and an object"),
    (("numbers",), 10**30, "numbers: an integer of 100 bits|numbers: 1000"),
]


@pytest.mark.parametrize(("path", "value", "words"), CHANGES, ids=[repr(x[:2]) for x in CHANGES])
def test_json_that_does_not_fit_together_is_refused(numpy_device, path, value, words):
    """A driver that is given it may end the process."""
    found = json.loads(lowered(traced(lambda x: x + wg.rand(3), wg.ones(3)), Facts()).to_json())
    at = found
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with pytest.raises(ArgumentError, match=words):
        Launches.from_json(json.dumps(found))


def test_json_that_writes_memory_twice_is_refused(numpy_device):
    found = json.loads(lowered(traced(lambda x: wg.sort(x), values(3000)), Facts()).to_json())
    (launch,) = [x for x in found["launches"] if len(x["bindings"]) == 5][:1]
    launch["bindings"][0] = launch["bindings"][-1]
    with pytest.raises(ArgumentError, match="binds memory that it writes twice"):
        Launches.from_json(json.dumps(found))


def test_uniform_lies_where_wgsl_says():
    text = """
struct Dims { // nested
    extents: array<vec4<u32>, 2>,
}
struct Params {
    size: u32,  // elements, of all
    pair: vec2<u32>, more: i32,
    dims: Dims,
}
"""
    size, fields = uniform(text.replace("{ // nested", "{"))
    assert size == 64
    assert [(name, at) for name, _, at in fields] == [
        ("size", 0),
        ("pair", 8),
        ("more", 16),
        ("dims", 32),
    ]
