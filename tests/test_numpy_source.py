"""Programs as NumPy source: the same bits as the interpreter's, in memory that is used again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import traced
from randomized import OPS, SHAPES, random_case

import wgrad as wg
from wgrad.backends.base import Device, Storage
from wgrad.program.interpret import Draw, Interpreter
from wgrad.program.ir import Program
from wgrad.program.limits import Limits
from wgrad.program.lower.numpy import LIMITS, NumpyExecutor
from wgrad.program.passes import simplify


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
    "simplified": lambda p: simplify(p, LIMITS),
    "for a GPU": lambda p: simplify(p, Limits()),
    "no rows": lambda p: simplify(p, LIMITS, without=("rows", "siblings", "products")),
}


def agree(device: Device, program: Program, inputs: list[Storage], draw: Draw) -> None:
    """Check outputs and inputs after two runs: against the interpreter's to the bit.

    The interpreter runs the same program, and the program as it was traced. From the latter the
    sign of a zero may differ: a sum over an axis of extent 1 adds to 0, and passes make it a copy.
    """
    traced = _two_runs(Interpreter(program, device), program, inputs, draw)
    for way, change in WAYS.items():
        changed = change(program)
        executor = NumpyExecutor(changed, device)
        found = _two_runs(executor, program, inputs, draw)
        same = _two_runs(Interpreter(changed, device), program, inputs, draw)
        for a, b, c in zip(found, same, traced, strict=True):
            assert a.dtype == b.dtype == c.dtype, (way, executor.source)
            assert np.array_equal(bits(a), bits(b)), (way, a, b, executor.source)
            if way == "for a GPU" and a.dtype.kind == "f":  # long sums are made of shorter ones
                np.testing.assert_allclose(a, c, rtol=1e-6)
            else:
                assert np.array_equal(a, c, equal_nan=a.dtype.kind == "f"), (way, executor.source)


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
    "long sums": (backward(lambda x: (x * x).sum() + x.mean(axis=0)), (np.tile(X, (900, 1)),)),
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
        (RNG.standard_normal((9, 4, 5)).astype(np.float32),),
    ),
    "random numbers": (
        lambda x: [x + wg.rand(5, 7), wg.randn(3), wg.randint(0, 9, (4,)), wg.rand(2) * 2],
        (X,),
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
    max_examples=100,
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
    agree(numpy_device, *captured(f, *tensors))
