"""What compiled functions say of themselves: counts that can be checked by hand."""

import pytest

import wgrad as wg
from wgrad import nn, optim
from wgrad.backends.webgpu.launches import Launches
from wgrad.errors import ArgumentError


def training(device):
    model = nn.MLP(12, [8, 4], seed=0)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @wg.compile
    def step(x, y):
        loss = nn.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step(wg.rand(16, 12), wg.randint(0, 4, (16,)))
    return step


def test_explain_counts_bytes_and_operations(device):
    f = wg.compile(lambda a, b: (a @ b + 1.0).relu())
    f(wg.ones((4, 8)), wg.ones((8, 16)))
    found = f.explain()
    assert found.traced == {"matmul": 1, "add": 1, "relu": 1}
    (kernel,) = found.kernels
    assert kernel.bytes_read == 4 * (4 * 8 + 8 * 16) and kernel.bytes_written == 4 * 4 * 16
    assert kernel.operations == found.operations == 2 * 4 * 8 * 16 + 2 * 4 * 16
    assert found.bytes == kernel.bytes_read + kernel.bytes_written
    assert kernel.dispatches == (device.name == "webgpu")
    assert found.block_bytes == 0 and found.output_bytes == found.peak_bytes == 4 * 64
    assert found.eager_bytes == 2 * 4 * 64  # the product, and what follows from it


def test_explain_of_a_step_is_readable_and_complete(device):
    step = training(device)
    found = step.explain()
    text = str(found)
    assert device.description in text
    assert f"traced {sum(found.traced.values())} ops" in text and "sgd_step" in text
    for name, steps in found.passes:
        assert f"{name} {steps}" in text
    assert "in place" in text and "times as much" in text
    assert len(found.kernels) == len(step.program.steps) < sum(found.traced.values()) / 3
    if device.name == "webgpu":
        before = wg.stats()["dispatches"]
        step(wg.rand(16, 12), wg.randint(0, 4, (16,))).item()
        step(wg.rand(16, 12), wg.randint(0, 4, (16,))).item()
        assert sum(k.dispatches for k in found.kernels) < wg.stats()["dispatches"] - before


def test_explain_counts_memory(device):
    f = wg.compile(lambda x: ((x * 2).tanh() @ x).softmax(-1) @ x)
    f(wg.ones((32, 32)))
    found = f.explain()
    matrix = 4 * 32 * 32  # softmax writes over what the first product is stored in
    registers = 4 * 32 * (device.name == "numpy")  # which NumPy computes the rows' sums in
    assert (found.block_bytes, found.output_bytes) == (2 * matrix + registers, matrix)
    assert found.peak_bytes == 3 * matrix + registers
    assert found.eager_bytes == 2 * matrix + 4 * 32  # two results and the sums of rows


def test_explain_frees_what_updates_replace(device):
    a, b = wg.zeros(100), wg.zeros(100)

    @wg.compile
    def step():
        a.assign(a * 2)
        b.assign(b * 2)

    step()
    found = step.explain()
    assert found.eager_bytes == 4 * 100  # the old values of a are gone before b has new ones
    assert found.peak_bytes == 0 and all(k.in_place for k in found.kernels)
    assert str(found).endswith("handed out); op by op 400 B")


def test_explain_frees_parameters_that_an_optimizer_replaces(device):
    parameters = [wg.parameter([1.0] * 100) for _ in range(3)]
    optimizer = optim.SGD(parameters, lr=0.1)
    for w in parameters:
        w.grad = wg.ones(100)
    step = wg.compile(optimizer.step)
    step()
    assert step.explain().eager_bytes == 4 * 100


def test_explain_counts_no_memory_for_what_is_written_into(device):
    a = wg.zeros(100)

    @wg.compile
    def step(x):
        a[:50] = x * 2
        return a.sum() + (x * 3).exp().sum()

    step(wg.ones(50))
    # The product, written into a, is gone when 50 more numbers and their exponentials are there.
    assert step.explain().eager_bytes == 4 * (1 + 50 + 50)


def test_explain_counts_the_scratch_memory_of_kernels(webgpu):
    f = wg.compile(lambda a, b: a @ b)
    f(wg.ones((8, 4096)), wg.ones((4096, 8)))  # a long inner axis, which is cut into parts
    (kernel,) = f.explain().kernels
    assert kernel.dispatches == 2 and f.explain().block_bytes >= 2 * 4 * 8 * 8
    assert f.wgsl().count("// kernel 0: ") == 2


def test_explain_without_fusion_counts_ops(device):
    f = wg.compile(lambda x: (x * 2).sum() + 1, fuse=False)
    f(wg.ones(10))
    found = f.explain()
    assert [k.name for k in found.kernels] == ["multiply", "sum", "add"]
    assert found.block_bytes == 0 and found.peak_bytes == found.eager_bytes == 4 * 11


def test_wgsl_is_the_text_of_every_kernel_once(webgpu):
    step = training(webgpu)
    text = step.wgsl()
    assert text.count("// kernel ") == sum(k.dispatches for k in step.explain().kernels)
    assert "@compute" in text and text.startswith("// kernel 0: ")
    with pytest.raises(ArgumentError, match=r"source of .* runs on NumPy"):
        step.source()


def test_launches_are_what_runs_and_can_be_written_down(webgpu):
    step = training(webgpu)
    launches = step.launches()
    assert len(launches.launches) == sum(k.dispatches for k in step.explain().kernels)
    assert Launches.from_json(launches.to_json()) == launches


def test_source_is_the_python_of_numpy(numpy_device):
    step = training(numpy_device)
    assert "def run(inputs, draw):" in step.source()
    with pytest.raises(ArgumentError, match=r"wgsl of .* runs on WebGPU"):
        step.wgsl()
    with pytest.raises(ArgumentError, match=r"launches of .* runs on WebGPU"):
        step.launches()


def test_listing_has_a_line_for_each_statement(device):
    f = wg.compile(lambda x: (x * 2.5).softmax(-1))
    f(wg.ones((3, 4)))
    text = str(f.program)
    assert text.startswith("inputs %0 float32[3, 4]")
    assert "over [3, 4], folded over axes [1]" in text
    assert "b = 2.5" in text or "= 2.5" in text
    assert "(once per row)" in text and "return %" in text
    assert max(map(len, text.splitlines())) < 120


def test_listing_says_what_is_read_at_every_run(device):
    w = wg.parameter([1.0, 2.0])
    optimizer = optim.SGD([w], lr=0.125)

    @wg.compile
    def step():
        optimizer.step()

    w.grad = wg.ones(2)
    step()
    text = str(step.program)
    assert "0.125 (read at every run)" in text and "update %" in text
