"""Programs as NumPy source: the same bits as the plain executor's, in memory that is used again."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import traced
from randomized import OPS, SHAPES, random_case

import wgrad as wg
from wgrad import dtypes, nn, optim
from wgrad.backends.array import Body, Storage
from wgrad.backends.base import Device
from wgrad.backends.families import Draw
from wgrad.backends.tracing import Live
from wgrad.core import REGISTRY
from wgrad.ops.families import Elementwise
from wgrad.program.ir import Graph, Program, Slot, fused, plain, single
from wgrad.program.lower import numpy as numpy_source
from wgrad.program.lower.bodies import Scalar, parts
from wgrad.program.lower.numpy import LIMITS, WITHOUT, NumpyExecutor
from wgrad.program.passes import simplify
from wgrad.program.passes.limits import Limits
from wgrad.program.run.build import build
from wgrad.program.run.plain import PlainExecutor


def captured(f: Callable, *args: wg.Tensor) -> tuple[Program, list[Storage], Draw]:
    """Return what f(*args) does as a program, its inputs, and its random numbers."""
    found = traced(f, *args)
    return found.program, found.inputs, found.draw


def copies(program: Program, inputs: list[Storage]) -> list[Storage]:
    return [Storage(s.device, s.buffer.copy(), s.size) for s in inputs]


def bits(x: np.ndarray) -> np.ndarray:
    """Return the bits of an array, NaNs made one: 0.0 and -0.0 differ."""
    if x.dtype.kind == "f":
        x = np.where(np.isnan(x), np.array(np.nan, x.dtype), x)
    return np.frombuffer(x.tobytes(), np.uint8)


WAYS: dict[str, Callable[[Program], Program]] = {
    "as traced": lambda p: p,
    "as built": lambda p: simplify(p, LIMITS, WITHOUT),
    "no rows": lambda p: simplify(p, LIMITS, ("rows", "siblings", "products")),
    "for a GPU": lambda p: simplify(p, Limits()),
}


def agree(device: Device, program: Program, inputs: list[Storage], draw: Draw) -> None:
    """Check outputs and inputs after two runs against the plain executor's: to the bit.

    Passes may change the sign of a zero (a sum over an axis of extent 1 becomes a copy) and the
    last digits of sums and products (that read a view instead of its copy, or come in parts): so
    what they made is compared to the bit with itself, and nearly with the program as it was traced.
    """
    traced = _two_runs(PlainExecutor(program, device), program, inputs, draw)
    for way, change in WAYS.items():
        changed = change(program)
        executor = NumpyExecutor(changed, device)
        found = _two_runs(executor, program, inputs, draw)
        same = _two_runs(PlainExecutor(changed, device), program, inputs, draw)
        for a, b, c in zip(found, same, traced, strict=True):
            assert a.dtype == b.dtype == c.dtype, (way, executor.source)
            assert np.array_equal(bits(a), bits(b)), (way, a, b, executor.source)
            if a.dtype.kind == "f":
                np.testing.assert_allclose(a, c, rtol=1e-6, err_msg=executor.source)
            else:
                assert np.array_equal(a, c), (way, executor.source)


def _two_runs(
    executor: Any, program: Program, inputs: list[Storage], draw: Draw
) -> list[np.ndarray]:
    mine = copies(program, inputs)
    return [x.buffer.copy() for _ in range(2) for x in (*executor.run(mine, draw), *mine)]


def check(device: Device, f: Callable, *args: Any) -> None:
    tensors = [x if isinstance(x, wg.Tensor) else wg.tensor(x) for x in args]
    agree(device, *captured(f, *tensors))


def backward(f: Callable) -> Callable:
    """Return f followed by a backward pass from the sum of its result."""

    def run(*args: wg.Tensor) -> list[wg.Tensor]:
        leaves = [x for x in args if x.dtype.is_floating]
        out, pull = wg.vjp(lambda *xs: f(*_placed(args, leaves, xs)), *leaves)
        found = pull(wg.ones_like(out))
        return [out, *(found if isinstance(found, tuple) else [found])]

    return run


def _placed(args: Any, leaves: list, values: Any) -> list:
    by_id = {id(x): v for x, v in zip(leaves, values, strict=True)}
    return [by_id.get(id(x), x) for x in args]


# Functions.
RNG = np.random.default_rng(7)
X = RNG.standard_normal((5, 7)).astype(np.float32)
W = RNG.standard_normal((4, 7)).astype(np.float32)
PICKS = RNG.integers(0, 7, 5).astype(np.int32)
J = RNG.integers(0, 7, (5, 7)).astype(np.int32)
ODD = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, 3e38, -2.5], np.float32)

IMAGES = RNG.integers(-3, 4, (8, 4, 12, 12)).astype(np.float32)  # whole numbers: sums are exact
FILTERS = RNG.integers(-2, 3, (6, 4, 3, 3)).astype(np.float32)
MANY = np.where(RNG.random((90, 70)) < 0.1, RNG.choice(ODD, (90, 70)), RNG.random((90, 70)))
MANY = MANY.astype(np.float32)


def _convolved(x: wg.Tensor, w: wg.Tensor) -> wg.Tensor:
    h = nn.functional.max_pool2d(wg.relu(nn.functional.conv2d(x, w, w[:, 0, 0, 0], padding=1)), 2)
    return nn.functional.conv2d(h, w[:4, :3], stride=2, padding=1, groups=2)


FUNCTIONS: dict[str, tuple[Callable, tuple]] = {
    "linear": (backward(lambda x, w: wg.tanh(wg.linear(x, w))), (X, W)),
    "softmax": (backward(lambda x: wg.softmax(x, axis=-1) * x), (X,)),
    "softmax of columns": (backward(lambda x: wg.softmax(x, axis=0)), (X,)),
    "cross entropy": (backward(lambda x, i: wg.cross_entropy(x, i)), (X, PICKS)),
    "layer norm": (
        backward(lambda x: (x - x.mean(axis=1, keepdims=True)) / wg.sqrt((x * x).mean() + 1e-5)),
        (X,),
    ),
    "sigmoid and kinks": (
        backward(lambda x: wg.sigmoid(x) * wg.relu(x) + wg.clip(x, -0.5, 0.5) + wg.abs(x)),
        (X,),
    ),
    "strange numbers": (
        backward(lambda x: wg.exp(x) + wg.log(x) * wg.sqrt(x) + wg.maximum(x, 0.0) / x + x**2),
        (ODD,),
    ),
    "tests of strange numbers": (
        lambda x: [wg.isnan(x), wg.isinf(x), x == x, wg.where(x > 0, x, -x), wg.sign(x)],
        (ODD,),
    ),
    "integers": (
        lambda i: [i * 3 - 2, i / 2, i.sum(), (i > 3).sum(), i.astype(wg.float32)],
        (PICKS,),
    ),
    "bools": (lambda i: [wg.logical_not(i > 2), (i > 2) + (i < 1), wg.any(i > 9)], (PICKS,)),
    "casts": (lambda x: [x.astype(int), x.astype(wg.bool), x.astype(wg.uint32)], (ODD,)),
    "take": (backward(lambda x, i: wg.take(x * 2, i, axis=1)), (X, PICKS)),
    "take along": (
        backward(lambda x, i: wg.take_along_axis(x + 1, i[:, None], axis=1)),
        (X, PICKS),
    ),
    "take of a view": (backward(lambda x, i: wg.take(wg.flip(x.T, axis=0), i, axis=0)), (X, PICKS)),
    "scatter": (backward(lambda x, i: wg.scatter_add(x, J, x * 2, axis=1)), (X, PICKS)),
    "views": (backward(lambda x: (x.T * 2)[1:5:2, ::-1] + x[:2, :5].sum()), (X,)),
    "pieces": (backward(lambda x: wg.concat([x, wg.flip(x, axis=1), x * x], axis=0)), (X,)),
    "reductions": (
        backward(lambda x: wg.max(x, axis=0) * x.sum(axis=1).sum() + wg.prod(x, axis=0)),
        (X,),
    ),
    "no axes": (backward(lambda x: wg.exp(x) * 2 + x), (np.float32(0.5),)),
    "nothing": (
        backward(lambda x: wg.exp(x).sum(axis=0) + x.sum()),
        (np.zeros((0, 3), np.float32),),
    ),
    "a product over nothing": (
        lambda x: [x.T @ x, (x.T @ x) + 1.0],
        (np.zeros((0, 3), np.float32),),
    ),
    "doubles": (
        backward(lambda x: wg.softmax(wg.sin(x) @ x.T)),
        (wg.tensor(X, dtype=wg.float64, device="numpy"),),
    ),
    "long sums": (
        backward(lambda x: (x * x).sum() + x.mean(axis=0) + x.T[:, ::2].sum(axis=1)),
        (RNG.standard_normal((9000, 3)).astype(np.float32),),
    ),
    "batched products": (
        backward(lambda x: wg.tanh(x @ wg.matrix_transpose(x)) * 0.5),
        (RNG.standard_normal((3, 4, 5)).astype(np.float32),),
    ),
    "reductions of three axes": (
        lambda x: [
            wg.sum(wg.permute_dims(x, axes), axis=a)
            for axes in ((2, 0, 1), (1, 2, 0))
            for a in range(3)
        ],
        (RNG.standard_normal((19, 14, 15)).astype(np.float32),),
    ),
    "random numbers": (
        lambda x: [x + wg.rand(5, 7), wg.randn(3), wg.randint(0, 9, (4,)), wg.rand(2) * 2],
        (X,),
    ),
    "choice in place": (
        lambda w: [w._write(wg.where(w > 0, w, 0.5).array, True), w.sum()][1],
        (W,),
    ),
    "convolutions and pools": (backward(_convolved), (IMAGES, FILTERS)),
    "convolutions of another stride, in groups": (
        backward(lambda x, w: nn.functional.conv2d(x, w[:, :2], stride=2, padding=2, groups=2)),
        (IMAGES, FILTERS),
    ),
    "a convolution, as it is": (
        lambda x, w: [nn.functional.conv2d(x, w), x + 1],
        (IMAGES, FILTERS),
    ),
    "choices of many": (
        lambda x: [
            wg.where(x > 0.5, x, -x),
            wg.where(x > 0.5, x, 0.0),
            wg.where(x > 0.5, x[:1], 2.0),
            wg.where(x > 0.5, 3, 4),
            wg.where(x > 0.5, x < 0.7, x > 0.3),
            wg.where(x > 0.5, x, x.astype(wg.float64)),
        ],
        (MANY,),
    ),
    "folds of few of many": (
        backward(
            lambda x: wg.reshape(x, (-1, 2, 35)).max(axis=1) + wg.reshape(x, (-1, 35, 2)).sum(2)
        ),
        (MANY,),
    ),
    "assignment": (lambda x, w: [_assigned(x), w.assign(w * 2 + 1).sum()], (X, W)),
}


def _assigned(x: wg.Tensor) -> wg.Tensor:
    x[1:3] = x[3:5] * 2
    x[:, 0] = 7.0
    return x.sum(axis=0)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_source_computes_the_same_bits(numpy_device, name):
    f, args = FUNCTIONS[name]
    check(numpy_device, f, *args)


# Random functions.
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(OPS, min_size=1, max_size=10),
    st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
)
def test_source_of_random_functions_computes_the_same_bits(
    numpy_device, ops, shapes, strange, slope
):
    f, tensors = random_case(ops, shapes, strange, slope)
    try:
        found = captured(f, *tensors)
    except LookupError:
        return  # a function that runs nothing
    agree(numpy_device, *found)


# Single calls.
def test_parts_are_the_ufuncs_of_a_body_in_their_own_precision():
    f32 = np.dtype(np.float32)
    step = Body("step", "", lambda a, b, c: np.where(a > 0, a - c * b, 2))
    found = parts(step, (f32, f32, 0.1))
    assert found is not None
    assert [p.function for p in found] == [np.greater, np.multiply, np.subtract, np.where]
    assert [p.dtype.name for p in found] == ["bool", "float32", "float32", "float32"]
    assert found[1].args == (Scalar(0.1, f32), 1) and found[3].args == (~0, ~2, Scalar(2, f32))


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: a if a > 0 else -a,  # asks for a value
        lambda a, b: a * (b + 1),  # Python's own precision
        lambda a, b: np.cumsum(a),
        lambda a, b: np.add.reduce(a),
        lambda a, b: np.asarray(a) + b,
        lambda a, b: a,
        lambda a, b: 1.0,
    ],
)
def test_parts_of_what_is_more_than_ufuncs_are_unknown(function):
    assert parts(Body("body", "", function), (np.dtype(np.float32), 0.1)) is None


# Computed by one formula, and where that does not hold by another, of those elements alone.
PARTLY = {"erf", "erfc", "erfinv", "gated", "gelu", "gelu_slope", "lerp"}
PARTLY |= {"digamma", "lgamma", "polygamma", "i0", "i0_ratio", "sinc_ratio"}


def test_parts_of_every_elementwise_op_are_known():
    kinds = {"logical": "b", "select": "bff", "bits": "ii", "integer": "ii"}
    for op in REGISTRY.values():
        if isinstance(op, Elementwise):
            letters = (kinds.get(op.kind, "f") * op.arity)[: op.arity]
            types = {"b": np.bool_, "f": np.float32, "i": np.int32}
            found = parts(op.body, [np.dtype(types[x]) for x in letters])
            assert bool(found) == (op.name not in PARTLY), op.name


# Memory.
def _training(numpy_device: Device) -> tuple[NumpyExecutor, list[Storage], Draw]:
    model = nn.MLP(30, [20, 5], hidden="tanh", seed=1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x: wg.Tensor, y: wg.Tensor) -> wg.Tensor:
        loss = nn.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    program, inputs, draw = captured(step, wg.rand(40, 30), wg.randint(0, 5, (40,)))
    executor = build(program, numpy_device)
    assert isinstance(executor, NumpyExecutor)
    return executor, inputs, draw


def test_updates_are_in_place_and_outputs_are_fresh(numpy_device):
    executor, inputs, draw = _training(numpy_device)
    before = [(x.buffer, x.buffer.copy()) for x in inputs]
    first = executor.run(inputs, draw)
    values = [x.buffer.copy() for x in first]
    second = executor.run(inputs, draw)
    changed = 0
    for x, (buffer, old) in zip(inputs, before, strict=True):
        assert x.buffer is buffer
        changed += not np.array_equal(buffer, old)
    assert changed == 4
    for a, b, value in zip(first, second, values, strict=True):
        assert not np.shares_memory(a.buffer, b.buffer)
        assert np.array_equal(a.buffer, value)


def test_runs_allocate_nothing_but_their_outputs(numpy_device):
    executor, inputs, draw = _training(numpy_device)
    executor.run(inputs, draw)
    tracemalloc.start()
    try:
        outs = executor.run(inputs, draw)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    handed_out = sum(x.buffer.nbytes for x in outs)
    assert handed_out > 2000 and executor.block_bytes > 2 * handed_out
    assert held < handed_out + 4000 and peak < handed_out + 8000  # arrays' own headers, and views


def test_inputs_with_other_buffers_are_read_anew(numpy_device):
    executor, inputs, draw = _training(numpy_device)
    moved = copies(executor.program, inputs)
    expected = [x.buffer.copy() for x in executor.run(moved, draw)]
    executor.run(inputs, draw)
    again = copies(executor.program, inputs)
    for x in again:
        x.buffer = x.buffer.copy()
    plain = PlainExecutor(executor.program, numpy_device).run(copies(executor.program, again), draw)
    found = executor.run(again, draw)
    for a, b, first in zip(found, plain, expected, strict=True):
        assert np.array_equal(a.buffer, b.buffer) and not np.array_equal(a.buffer, first)


def test_updates_that_read_one_another_and_themselves(numpy_device):
    a, b = wg.tensor(X), wg.tensor(-2 * X)
    square = wg.tensor(X[:5, :5])

    def f() -> wg.Tensor:
        old = a * 1.0
        a.assign(b * 1.0)
        b.assign(old)
        square.assign(square.T * 2)
        return (a + b).sum()

    agree(numpy_device, *captured(f))


def test_inputs_that_one_step_exchanges_are_copied_first(numpy_device):
    shape, kinds = (3,), (dtypes.float32, dtypes.float32)
    a, b, new_a, new_b = (Slot(i, shape, dtypes.float32) for i in range(4))
    graph = Graph(shape, (), kinds, (), (plain(1), plain(0)))
    step = fused(graph, (a.whole(), b.whole()), (new_a, new_b))
    program = Program([step], [a, b], updates={0: 2, 1: 3}, slots=4)
    inputs = [wg.tensor(x).array.storage for x in ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])]
    buffers = [x.buffer for x in inputs]
    NumpyExecutor(program, numpy_device).run(inputs, lambda *_: ((0, 0), 0))
    assert [x.buffer.tolist() for x in inputs] == [[4.0, 5.0, 6.0], [1.0, 2.0, 3.0]]
    assert all(x.buffer is buffer for x, buffer in zip(inputs, buffers, strict=True))


def test_numbers_alone_are_an_array_to_a_body(numpy_device):
    cast = Body("to_int32", "", lambda a: a.astype(np.int32))
    out = Slot(0, (2,), dtypes.int32)
    graph = single(cast, (dtypes.float32,), dtypes.int32, (2,), ())
    program = Program([fused(graph, (2.5,), (out,))], outputs=(0,), slots=1)
    (made,) = NumpyExecutor(program, numpy_device).run([], lambda *_: ((0, 0), 0))
    assert made.buffer.tolist() == [2, 2] and made.buffer.dtype == np.int32


def test_the_same_of_neighbouring_parts_of_rows_is_one_call(numpy_device):
    def calls(*firsts: int) -> int:
        program, _, _ = captured(lambda x: [wg.exp(x[:, i : i + 2]) for i in firsts], wg.tensor(X))
        return len(re.findall(r"^ *exp\(", build(program, numpy_device).source, re.M))

    assert calls(2, 0, 4) == 1
    assert calls(0, 5) == 2  # between them lies too much


def test_settings_are_read_anew_in_every_run(numpy_device):
    class Settings:
        rate = 0.5

    body = Body("scaled", "a * b", lambda a, b: a * b)
    odd = Body("shifted", "a + b + 1.0", lambda a, b: a + (b + 1.0))  # one call, of a Python number

    def f(x: wg.Tensor) -> list[wg.Tensor]:
        kinds, rate = (x.dtype, x.dtype), Live(getattr, Settings, "rate")
        arrays = (x.array, rate)
        made = [x.device.map(b, arrays, kinds, x.shape, x.dtype) for b in (body, odd)]
        return [wg.Tensor(array) for array in made]

    program, inputs, draw = captured(f, wg.tensor(X))
    executor = build(program, numpy_device)
    for rate in (0.5, 3.0):
        Settings.rate = rate
        scaled, shifted = (x.buffer.reshape(X.shape) for x in executor.run(inputs, draw))
        assert np.array_equal(scaled, X * np.float32(rate))
        assert np.array_equal(shifted, X + np.float32(rate + 1))


# Errors.
def test_errors_before_the_first_call_leave_everything_as_it_was(numpy_device):
    state = wg.tensor(X)
    program, inputs, _ = captured(lambda: state.assign(state + wg.rand(*X.shape)).sum())
    executor = build(program, numpy_device)
    before = [(x.buffer, x.buffer.copy()) for x in inputs]

    def failing(generator: Any, offset: int) -> Any:
        raise RuntimeError("no numbers")

    with pytest.raises(RuntimeError, match="no numbers"):
        executor.run(inputs, failing)
    for x, (buffer, old) in zip(inputs, before, strict=True):
        assert x.buffer is buffer and np.array_equal(buffer, old)


def test_memory_that_is_not_there_is_an_error_of_ours(numpy_device, monkeypatch):
    program, inputs, draw = captured(lambda x: x + 1.0, wg.tensor(X))
    executor = build(program, numpy_device)

    def full(*args: Any) -> Any:
        raise MemoryError("too much")

    monkeypatch.setattr(executor, "_run", full)
    with pytest.raises(wg.errors.OutOfMemoryError, match="numpy: too much"):
        executor.run(inputs, draw)


def test_memory_that_gives_out_midway_leaves_everything_as_it_was(numpy_device, monkeypatch):
    state, other = wg.tensor(X), wg.tensor(X)

    def work(x):
        state.assign(state * 2.0)
        other.assign(other + x)
        return wg.argsort(other * 3.0, axis=0)

    monkeypatch.setattr(numpy_source, "_MUCH", 1)
    program, inputs, draw = captured(work, wg.tensor(X))
    executor = build(program, numpy_device)
    before = [(x.buffer, x.buffer.copy()) for x in inputs]

    def full(*args: Any, **how: Any) -> Any:
        raise MemoryError("too much")

    with monkeypatch.context() as context:
        context.setattr(np, "argsort", full)
        with pytest.raises(wg.errors.OutOfMemoryError, match="numpy: too much"):
            executor.run(inputs, draw)
    for x, (buffer, old) in zip(inputs, before, strict=True):
        assert x.buffer is buffer and np.array_equal(buffer, old)
    executor.run(inputs, draw)
    doubled = [x for x, (_, old) in zip(inputs, before, strict=True) if np.any(x.buffer != old)]
    assert len(doubled) == 2


# For readers.
def test_source_says_which_step_its_lines_are(numpy_device):
    program, _, _ = captured(lambda x: wg.tanh(x @ x.T) * 2.0, wg.tensor(X))
    executor = build(program, numpy_device)
    lines = [line.strip() for line in executor.source.split("\n")]
    for step in executor.program.steps:
        assert f"# {step}" in lines
    assert "# c0 = 2.0 as float32" in lines
    assert any(line.startswith("dot(x0_0, x0_1, out=") for line in lines)
