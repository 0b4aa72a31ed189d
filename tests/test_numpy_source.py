"""Programs as NumPy source: the same bits as the interpreter's, in memory that is used again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wgrad as wg
from wgrad import nn, optim
from wgrad.backends.base import Array, Body, Device, Live, Storage, traced_by
from wgrad.backends.threefry import split_seed
from wgrad.dtypes import bool_, float32, float64, int32
from wgrad.layout import Layout
from wgrad.program.build import build
from wgrad.program.interpret import Interpreter
from wgrad.program.ir import Program, Ref, Step
from wgrad.program.limits import Limits
from wgrad.program.lower.bodies import parts
from wgrad.program.lower.numpy import LIMITS, NumpyExecutor
from wgrad.program.passes import simplify
from wgrad.program.trace import Tracer


def captured(f: Callable, *args: wg.Tensor) -> tuple[Program, list[Storage]]:
    """Return what f(*args) does as a program, gradients among its outputs, and its inputs."""
    tracer = Tracer()
    standins = [wg.Tensor(tracer.argument(x.array), x.node) for x in args]
    for standin, x in zip(standins, args, strict=True):
        standin.array.storage.bounds = x.array.storage.bounds
    program, first = tracer.program, [slot.index for slot in tracer.program.inputs]
    with traced_by(tracer):
        out = f(*standins)
    refs = [tracer.ref(x.array) for x in (out if isinstance(out, (tuple, list)) else [out])]
    for node, before in tracer.grads_before.items():
        if isinstance(node.grad, wg.Tensor) and node.grad.array.storage in tracer.made:
            refs.append(tracer.ref(node.grad.array))
        node.grad = before
    ends = {tracer.captured[s]: tracer.current[s] for s in tracer.writes}
    ends |= {
        i: tracer.made[s] for i, s in zip(first, tracer.arguments, strict=True) if tracer.made[s] != i
    }
    for storage, count in tracer.writes.items():
        storage.version -= count
    for generator, (counter, _) in tracer.generators.items():
        generator.counter = counter
    memory, taken = program.memory(), {slot.index for slot in program.inputs}

    def own(ref: Ref) -> int:
        """Return a slot of the result's own that holds it."""
        if ref.slot in taken or not (ref.whole() and ref.layout.size == memory[ref.slot].size):
            made = program.new_slot(ref.layout.shape, ref.dtype)
            program.steps.append(Step("copy", (ref,), (made,)))
            return made.index
        taken.add(ref.slot)
        return ref.slot

    program.outputs = tuple(own(ref) for ref in refs)
    program.updates = {i: own(memory[s].whole()) for i, s in ends.items() if s != i}
    return program, [x.array.storage for x in args] + list(tracer.captured)


def draw(generator: Any, offset: int) -> tuple[tuple[int, int], int]:
    return split_seed(generator.seed), generator.counter + offset


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


def agree(device: Device, program: Program, inputs: list[Storage]) -> None:
    """Check outputs and inputs after two runs against the interpreter's, to the bit."""
    expected = copies(program, inputs)
    plain = Interpreter(program, device)
    wanted = [[x.buffer.copy() for x in (*plain.run(expected, draw), *expected)] for _ in range(2)]
    for way, change in WAYS.items():
        mine = copies(program, inputs)
        executor = NumpyExecutor(change(program), device)
        for values in wanted:
            found = [x.buffer for x in (*executor.run(mine, draw), *mine)]
            for a, b in zip(found, values, strict=True):
                assert a.dtype == b.dtype, (way, executor.source)
                assert np.array_equal(bits(a), bits(b)), (way, a, b, executor.source)


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
I = RNG.integers(0, 7, 5).astype(np.int32)
J = RNG.integers(0, 7, (5, 7)).astype(np.int32)
ODD = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, 3e38, -2.5], np.float32)

FUNCTIONS: dict[str, tuple[Callable, tuple]] = {
    "linear": (backward(lambda x, w: wg.tanh(wg.linear(x, w))), (X, W)),
    "softmax": (backward(lambda x: wg.softmax(x, axis=-1) * x), (X,)),
    "softmax of columns": (backward(lambda x: wg.softmax(x, axis=0)), (X,)),
    "cross entropy": (backward(lambda x, i: wg.cross_entropy(x, i)), (X, I)),
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
    "integers": (lambda i: [i * 3 - 2, i / 2, i.sum(), (i > 3).sum(), i.astype(wg.float32)], (I,)),
    "bools": (lambda i: [wg.logical_not(i > 2), (i > 2) + (i < 1), wg.any(i > 9)], (I,)),
    "casts": (lambda x: [x.astype(int), x.astype(wg.bool), x.astype(wg.uint32)], (ODD,)),
    "take": (backward(lambda x, i: wg.take(x * 2, i, axis=1)), (X, I)),
    "take along": (backward(lambda x, i: wg.take_along_axis(x + 1, i[:, None], axis=1)), (X, I)),
    "take of a view": (backward(lambda x, i: wg.take(wg.flip(x.T, axis=0), i, axis=0)), (X, I)),
    "scatter": (backward(lambda x, i: wg.scatter_add(x, J, x * 2, axis=1)), (X, I)),
    "views": (backward(lambda x: (x.T * 2)[1:5:2, ::-1] + x[:2, :5].sum()), (X,)),
    "pieces": (backward(lambda x: wg.concat([x, wg.flip(x, axis=1), x * x], axis=0)), (X,)),
    "reductions": (
        backward(lambda x: wg.max(x, axis=0) * x.sum(axis=1).sum() + wg.prod(x, axis=0)),
        (X,),
    ),
    "no axes": (backward(lambda x: wg.exp(x) * 2 + x), (np.float32(0.5),)),
    "nothing": (backward(lambda x: wg.exp(x).sum(axis=0) + x.sum()), (np.zeros((0, 3), np.float32),)),
    "a product over nothing": (lambda x: [x.T @ x, (x.T @ x) + 1.0], (np.zeros((0, 3), np.float32),)),
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
        lambda x: [wg.sum(wg.permute_dims(x, axes), axis=a) for axes in ((2, 0, 1), (1, 2, 0)) for a in range(3)],
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
