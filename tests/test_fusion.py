"""Functions that fuse in many ways: compiled on each device, they do what NumPy does eagerly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from programs import Traced, traced

import wgrad as wg
from wgrad import nn, optim
from wgrad.backends.array import Array
from wgrad.backends.base import Device
from wgrad.backends.families import Matmul
from wgrad.backends.webgpu.problem import Config
from wgrad.layout import Layout
from wgrad.program.lower.fused import LONG_ROW
from wgrad.program.lower.webgpu import limits_for
from wgrad.program.passes import simplify
from wgrad.program.passes.limits import Limits
from wgrad.program.run.plain import PlainExecutor
from wgrad.program.run.webgpu import WebGpuExecutor

Case = tuple[Callable, ...]  # a function, and what makes each of its arguments


def normal(*shape: int, dtype: str = "float32") -> Callable:
    """Return what makes a tensor of normal numbers."""
    return lambda rng: wg.tensor(rng.standard_normal(shape).astype(dtype))


def whole(n: int, *shape: int, dtype: str = "int32") -> Callable:
    """Return what makes a tensor of whole numbers below n."""
    return lambda rng: wg.tensor(rng.integers(0, n, shape).astype(dtype))


def slopes(f: Callable, count: int) -> Callable:
    """Return f with its gradient with respect to the first `count` arguments."""
    return wg.value_and_grad(f, tuple(range(count)))


def norm(x: wg.Tensor) -> wg.Tensor:
    """Return a layer norm."""
    x = x - x.mean(-1, keepdims=True)
    return x / ((x * x).mean(-1, keepdims=True) + 1e-5).sqrt()


def gelu(x: wg.Tensor) -> wg.Tensor:
    """Return a smooth relu, of many small ops."""
    return 0.5 * x * (1 + (0.7978845608 * (x + 0.044715 * x * x * x)).tanh())


def attention(q: wg.Tensor, k: wg.Tensor, v: wg.Tensor) -> wg.Tensor:
    """Return a number that attention gives."""
    return ((q @ k.mT * 0.125).softmax(-1) @ v).square().sum()


def logic(i: wg.Tensor) -> tuple:
    """Return results of many types."""
    odd = (i > 2) & (i < 5)
    return i * 3 + 1, i.astype(float) / 2, odd, ~odd, odd.any(0), i.sum(), -i, wg.abs(i - 3)


def extremes(x: wg.Tensor) -> tuple:
    """Return reductions of every kind."""
    least = (x.max(0), x.min(1), x.max(), x.prod(1), x.argmax(1), x.argmin(0))
    return (*least, (x > 0).any(1), (x > -9).all(0))


CASES: dict[str, Case] = {
    "chain": (lambda x: (x * 1.01 + 0.5).tanh().sin(), normal(37, 5)),
    "broadcast a row": (lambda x, y: x * y + y.exp(), normal(6, 8), normal(8)),
    "broadcast a column": (lambda x, y: x * y + y.exp(), normal(6, 5), normal(6, 1)),
    "broadcast both": (lambda x, y: (x[:, None] * y[None, :]).sum(1), normal(300), normal(2000)),
    "transposed": (lambda x: x.exp().T * 2 + 1, normal(8, 12)),
    "flipped": (lambda x: wg.flip(x, 1)[:, ::2] * 2 + x[:, ::-2], normal(8, 12)),
    "softmax": (lambda x: x.softmax(-1), normal(70, 33)),
    "softmax by quads": (lambda x: x.softmax(-1), normal(70, 256)),
    "softmax of columns": (lambda x: x.softmax(0), normal(33, 72)),
    "logsumexp": (lambda x: (x.logsumexp(1), x.logsumexp((0, 2))), normal(5, 6, 8)),
    "sum of all": (lambda x: (x * x).sum(), normal(513, 257)),
    "sum of columns": (lambda x: (x * x).sum(0), normal(5000, 12)),
    "sum of a prime number": (lambda x: (x * x).sum(), normal(10007)),
    "reductions": (extremes, normal(9, 13)),
    "layer norm": (slopes(lambda x, w: (norm(x) * w).tanh().sum(), 2), normal(70, 64), normal(64)),
    "gelu of a product": (
        slopes(lambda x, w: gelu(norm(x) @ w).mean(), 2),
        normal(70, 64),
        normal(64, 48),
    ),
    "cross-entropy": (slopes(nn.cross_entropy, 1), normal(64, 10), whole(10, 64)),
    "take": (
        slopes(lambda x, i: (wg.take(x, i, 0) * 2).square().sum(), 1),
        normal(20, 6),
        whole(20, 70),
    ),
    "take of quads": (lambda x, i: wg.take(x, i, 0) * 2, normal(9, 8), whole(9, 16)),
    "take at quads of indices": (
        lambda x, i: wg.take(x, i, 1).exp() + i,
        normal(4, 9),
        whole(9, 16),
    ),
    "take along an axis": (
        slopes(lambda x, i: wg.take_along_axis(x, i, 1).square().sum(), 1),
        normal(5, 7),
        whole(7, 5, 3),
    ),
    "take beside its table": (  # along an axis of 1 the table looks like any operand
        lambda x, i: wg.take_along_axis(x, i, 1) * 2 + x,
        normal(8, 1),
        whole(1, 8, 1),
    ),
    "one-hot": (lambda i: wg.one_hot(i, 7) * 3, whole(7, 5)),
    "whole numbers": (logic, whole(7, 5, 4)),
    "unsigned numbers": (lambda i: (i * 3 - 5, i.max(), i > 2), whole(7, 5, 4, dtype="uint32")),
    "truth values": (
        lambda x, y: wg.where(x & ~y, 1, 2) + (x | y).astype(int),
        whole(2, 6, 8, dtype="bool"),
        whole(2, 8, dtype="bool"),
    ),
    "concat": (
        slopes(lambda x, y: (wg.concat([x, y], 1) * wg.concat([y, x], 1)).sum(), 2),
        normal(4, 3),
        normal(4, 3),
    ),
    "pad": (
        slopes(lambda x: (wg.pad(x, ((1, 1), (2, 0)))[1:, 1:] * 2).exp().sum(), 1),
        normal(4, 3),
    ),
    "batched product": (
        slopes(lambda x, y: ((x @ y).relu() + 1).sum(), 2),
        normal(3, 5, 7),
        normal(3, 7, 8),
    ),
    "product of a batch": (
        slopes(lambda x, y: ((x @ y).relu() + 1).sum(), 2),
        normal(2, 3, 5, 7),
        normal(7, 8),
    ),
    "product with a vector": (
        slopes(lambda x, y: ((x @ y).relu() + 1).sum(), 2),
        normal(5, 7),
        normal(7),
    ),
    "product of many batch axes": (
        lambda x, y: (x @ y) * 2 + 1,
        lambda rng: normal(2, 2, 2, 2, 3, 4)(rng)[:, ::-1],
        lambda rng: normal(2, 2, 2, 2, 4, 5)(rng).permute_dims((2, 1, 3, 0, 4, 5)),
    ),
    "product with itself": (slopes(lambda x: (x.T @ x).tanh().sum(), 1), normal(9, 12)),
    "views of a product": (
        lambda x, y: ((x @ y)[::2] * 2, (x @ y)[:1] + 1, (x @ y).T.exp()),
        normal(4, 6),
        normal(6, 4),
    ),
    "variance": (lambda x: ((x - x.mean(0, True)) ** 2).mean(0), normal(64, 40)),
    "attention": (slopes(attention, 3), *[normal(2, 3, 16, 8)] * 3),
    "reshaped": (slopes(lambda x: (x.T.reshape(6, 2) * 2).tanh().sum(), 1), normal(4, 3)),
    "permuted": (lambda x: (x.permute_dims((2, 0, 1)) * 2).sum(1), normal(4, 3, 8)),
    "where": (lambda x: wg.where(x > 0, x.log(), x * 2), normal(5, 4)),
    "hessian": (wg.hessian(lambda x: (x**3).sum() + x.prod()), normal(5)),
    "number": (lambda x: x * x + 3, normal()),
    "constants": (lambda x: (wg.ones(3) * 2, x * 0 + wg.zeros(3), wg.arange(3) * 2), normal(3)),
    "random": (lambda x: x + wg.rand(3) + wg.randn(3), normal(3)),
    "nothing": (lambda x: (x * 2, x.sum(0), x.sum(1)), normal(0, 4)),
    "one value twice": (lambda x: (lambda y: (y, y, y.sum(), y.sum()))(x.exp()), normal(5, 4)),
    "parts": (
        lambda x, y, z: (x.tanh() * 2, y.sum(0), z.max(1) + 1),
        normal(3, 4),
        normal(5, 8),
        normal(2, 7),
    ),
}


def flat(result: Any) -> list[wg.Tensor]:
    """Return the tensors of nested tuples and lists."""
    if isinstance(result, wg.Tensor):
        return [result]
    return [x for part in result for x in flat(part)]


def arguments(case: Case) -> list[wg.Tensor]:
    """Return the arguments of a case, on the default device: the same values in every call."""
    _, *makers = case
    rng = np.random.default_rng(1)
    return [make(rng) for make in makers]


def agree(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.dtype == expected.dtype and found.shape == expected.shape
    if found.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)
    else:
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("name", CASES)
def test_fusion_compiled_equals_eager(device, name):
    case = CASES[name]
    f = case[0]
    state = wg.get_rng_state()
    with wg.device("numpy"):
        plain = [[x.numpy() for x in flat(f(*arguments(case)))] for _ in range(3)]
    wg.set_rng_state(state)
    compiled = wg.compile(f)
    args = arguments(case)
    for expected in plain:
        for x, y in zip(flat(compiled(*args)), expected, strict=True):
            agree(x.numpy(), y)
    assert len(compiled.programs) == 1


# Kernels that only some adapters get.
def replays(
    case: Case,
    device: Device,
    limits: Limits | None = None,
    hardware: bool = False,
) -> WebGpuExecutor:
    """Run a case under other limits, twice, and check the values against the plain executor's."""
    found = traced(case[0], *arguments(case))
    facts = replace(device.facts, is_software=device.facts.is_software and not hardware)
    program = simplify(found.program, limits or limits_for(facts))
    executor = WebGpuExecutor(program, device, facts)
    inputs = found.copies()
    for _ in range(2):
        outputs = executor.run(inputs, found.draw)
    memory = program.memory()
    for slot, x, expected in zip(program.outputs, outputs, interpreted(found), strict=True):
        made = Array(x, Layout.dense(memory[slot].shape), memory[slot].dtype)
        agree(device.download(made), expected)
    return executor


def interpreted(found: Traced) -> list[np.ndarray]:
    """Return what a program gives on NumPy, step by step."""
    reference = wg.device("numpy")
    inputs = []
    for slot, x in zip(found.program.inputs, found.copies(), strict=True):
        data = found.device.download(Array(x, Layout.dense((x.size,)), slot.dtype))
        inputs.append(reference.upload(data, slot.dtype).storage)
    outputs = PlainExecutor(found.program, reference).run(inputs, found.draw)
    memory = found.program.memory()
    slots = [memory[s] for s in found.program.outputs]
    return [
        reference.download(Array(x, Layout.dense(slot.shape), slot.dtype))
        for slot, x in zip(slots, outputs, strict=True)
    ]


LONG: dict[str, Case] = {
    "long softmax": (lambda x: x.softmax(-1), normal(6, 2 * LONG_ROW)),
    "long row and a rest": (lambda x: x.softmax(-1) + x.max(-1, True), normal(6, LONG_ROW + 3)),
    "long norm": (slopes(lambda x: norm(x).tanh().sum(), 1), normal(6, 2 * LONG_ROW)),
    "long truth": (lambda x: ((x > 3).any(1), (x < 5).all(1), x.argmax(1)), normal(6, LONG_ROW)),
}


@pytest.mark.parametrize("name", LONG)
def test_fusion_a_workgroup_shares_a_long_row(webgpu, name):
    limits = replace(limits_for(webgpu.facts), fewest_rows=1)
    executor = replays(LONG[name], webgpu, limits, hardware=True)
    assert any("var<workgroup>" in kernel.code for kernel in executor.launches.kernels)


@pytest.mark.parametrize("name", ["softmax", "parts", "sum of all", "gelu of a product"])
def test_fusion_for_hardware_keeps_short_rows_a_threads(webgpu, name):
    hardware = Limits(fewest_columns=1 << 13, threads=1 << 14)
    replays(CASES[name], webgpu, hardware, hardware=True)


@pytest.mark.parametrize(
    "name", ["gelu of a product", "attention", "concat", "parts", "layer norm"]
)
def test_fusion_fits_the_portable_limits(webgpu, name):
    executor = replays(CASES[name], webgpu, Limits(buffers=8))
    for kernel in executor.launches.kernels:
        assert len(kernel.access) <= 8


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("turned", [False, True])
def test_fusion_products_of_every_kind_take_epilogues(webgpu, monkeypatch, parts, turned):
    config = Config("matmul", 8, 64, parts, turned)
    monkeypatch.setattr(webgpu.products, "choose", lambda problem: config)
    for columns in (8, 7):
        case = (
            lambda x, w, b, y: (lambda z: ((z * 2).tanh() + y, z.T * 1.5, z > 0))(x @ w + b),
            normal(5, 70),
            normal(70, columns),
            normal(columns),
            normal(5, columns),
        )
        executor = replays(case, webgpu)
        works = [step.work for step in executor.program.steps]
        products = [x for x in executor.launches.launches if isinstance(works[x.step], Matmul)]
        assert len(products) == (1 if parts == 1 else 2)


# State.
@pytest.mark.parametrize(
    "make",
    [
        lambda w: optim.SGD(w, lr=0.1, momentum=0.9, nesterov=True),
        lambda w: optim.Adam(w, lr=0.1),
    ],
    ids=["SGD", "Adam"],
)
def test_fusion_updates_in_place(device, make):
    def train(run: Callable) -> tuple[list[np.ndarray], Any]:
        rng = np.random.default_rng(0)
        weights = [
            wg.parameter(rng.standard_normal(s).astype("f4")) for s in ((6, 8), (8,), (8, 3))
        ]
        optimizer = make(weights)

        def step(x: wg.Tensor, y: wg.Tensor) -> wg.Tensor:
            w, b, v = weights
            loss = nn.cross_entropy((x @ w + b).tanh() @ v, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        step = run(step)
        for _ in range(4):
            x = wg.tensor(rng.standard_normal((16, 6)).astype("f4"))
            loss = step(x, wg.tensor(rng.integers(0, 3, 16)))
        return [w.numpy() for w in (*weights, loss)], step

    with wg.device("numpy"):
        plain, _ = train(lambda f: f)
    found, step = train(wg.compile)
    for a, b in zip(found, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert len(step.programs) == 1


def test_fusion_assigns_to_views_and_reads_them_again(device):
    def run(change: Callable) -> list[np.ndarray]:
        state, count = wg.ones((4, 6)), wg.tensor(0)

        def step(x: wg.Tensor) -> wg.Tensor:
            before = state.sum(0)
            state[1:3, ::2].assign(x * state[1:3, ::-2])
            state.T[0].assign(before[:4])
            count.assign(count + 1)
            return state * before + count

        step = change(step)
        for i in range(4):
            out = step(wg.tensor(np.arange(6, dtype="f4").reshape(2, 3) / 4 + i))
        return [out.numpy(), state.numpy(), count.numpy()]

    with wg.device("numpy"):
        plain = run(lambda f: f)
    for a, b in zip(run(wg.compile), plain, strict=True):
        agree(a, b)


def test_fusion_of_bools_has_room_for_them(device):
    f = wg.compile(lambda x: ((x > 0) & (x < 1), ((x > 0) | (x < -1)).all(0), (~(x > 0)).T.any(1)))
    x = np.random.default_rng(0).standard_normal((330, 180)).astype(np.float32)
    for _ in range(3):
        a, b, c = (y.numpy() for y in f(wg.tensor(x)))
    assert np.array_equal(a, (x > 0) & (x < 1))
    assert np.array_equal(b, ((x > 0) | (x < -1)).all(0))
    assert np.array_equal(c, (~(x > 0)).any(0))


def test_fusion_stores_nothing_before_all_is_read(webgpu):
    """A row kernel that writes over an element, and stores the old one somewhere else."""
    a = wg.tensor(np.random.default_rng(0).standard_normal((70, 8)).astype(np.float32))
    start = a.numpy()

    def f():
        old = a * 1.0
        a.assign(old / old.square().sum(1, keepdims=True))
        return old * 1.0

    g = wg.compile(f)
    for _ in range(3):
        before = a.numpy()
        np.testing.assert_array_equal(g().numpy(), before)
    assert np.isfinite(a.numpy()).all() and not np.array_equal(a.numpy(), start)


def test_fusion_of_a_value_with_itself_keeps_infinities_and_nan(device):
    """Compilers know that x - x is 0 and that x equals itself, which is not so here."""
    x = np.array([np.inf, np.nan, 1.0, -np.inf, 0.0], np.float32)

    def f(x):
        y = x * 1.0 + 0.0
        return -(y - y), y / y, y == y, y <= y, y != y

    g = wg.compile(f)
    for _ in range(3):
        found = [y.numpy() for y in g(wg.tensor(x))]
    with np.errstate(all="ignore"):
        for a, b in zip(found, (-(x - x), x / x, x == x, x <= x, x != x), strict=True):
            np.testing.assert_array_equal(a, b)


def test_fusion_of_a_value_with_a_choice_of_itself_keeps_infinities_and_nan(device):
    def f(x, y):
        p = y * y
        chosen, larger = wg.where(x > 0, p, p), wg.maximum(p, p)
        return chosen - p, wg.lerp(chosen, p, x), larger - p, wg.lerp(larger, p, p)

    x = wg.tensor(np.tile([1e20, 2.0, -1.0, 0.0], 16).astype("f"))
    y = wg.tensor(np.tile([3e38, 2.0, -3e38, np.nan], 16).astype("f"))
    g = wg.compile(f)
    with np.errstate(all="ignore"):
        for _ in range(3):
            for made, plain in zip(g(x, y), f(x, y), strict=True):
                np.testing.assert_array_equal(made.numpy(), plain.numpy())
                assert np.isnan(made.numpy()[0])


def test_many_small_pieces_are_placed_some_at_a_time(webgpu):
    parts = [wg.tensor(float(i), device=webgpu) for i in range(30)]
    step = wg.compile(lambda: wg.stack([x * 2 for x in parts]))
    for _ in range(3):
        found = step()
    assert found.tolist() == [2.0 * i for i in range(30)]
    # Each piece was a dispatch of its own.
    assert len(step.launches().launches) <= 8


def test_what_guards_new_state_is_one_kernel_with_what_makes_it(webgpu):
    table = wg.tensor([[1.0, 2.0], [3.0, 4.0]], device=webgpu)
    params = [wg.parameter(np.ones(n), device=webgpu) for n in (2, 3, 3)]
    rule = wg.optim.Adam(params, lr=0.1)

    @wg.compile(state=[rule, table])
    def step(at):  # it computes what it indexes with, so that its updates are guarded
        rule.zero_grad()
        loss = sum((p * p).sum() for p in params) + (table[at * at] * params[0]).sum()
        loss.backward()
        rule.step()
        return loss

    for _ in range(3):
        step(wg.tensor([1, 0], device=webgpu))
    names = [part for x in step._executor("").program.steps for part in x.name.split(" | ")]
    made = [name for name in names if "adam" in name]
    assert len(made) == 3 and all("adam_first" in x and "adam_step" in x for x in made), made
