"""Tensors that are the same all over become numbers in compiled programs, in any operand of any op.

A body has to give for numbers what it gives for arrays full of them, op by op and as source.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import optim
from wgrad.backends.array import Array, Body, Number
from wgrad.backends.base import Device
from wgrad.backends.families import Map
from wgrad.backends.tracing import Live
from wgrad.dtypes import DType, float32
from wgrad.layout import Layout
from wgrad.ops import REGISTRY
from wgrad.ops.families import Elementwise
from wgrad.optim import adam, sgd
from wgrad.program.ir import Program, Slot, Step
from wgrad.program.lower.numpy import NumpyExecutor
from wgrad.program.run.plain import PlainExecutor

VALUES = {
    "f": (0.5, 0.0, -0.0, -2.5, np.inf, -np.inf, np.nan, 1.0),
    "i": (3, 0, 1, 2),
    "u": (3, 0, 1, 2),
    "b": (True, False),
}
ORDERS = {"polygamma", "sinc_ratio", "i0_ratio"}  # of which an operand is never a tensor
Case = tuple[Body, tuple[DType, ...], DType]


def bodies() -> Iterator[Case]:
    """Yield every elementwise body with dtypes that it takes, and what it gives."""
    for op in REGISTRY.values():
        if isinstance(op, Elementwise):
            for dtype in (wg.float32, wg.int32, wg.uint32, wg.bool):
                example = wg.ones(1, dtype, device="numpy")
                first = example > 0 if op.kind == "select" else example
                try:
                    kinds, out = op.resolve([first, *[example] * (op.arity - 1)])
                except wg.errors.DTypeError:
                    continue
                yield op.body, kinds, out
    for body in (*vars(sgd).values(), *vars(adam).values()):
        if isinstance(body, Body):
            arity = body.numpy.__code__.co_argcount
            yield body, (float32,) * arity, float32


def results(
    device: Device, body: Body, kinds: tuple[DType, ...], out: DType, operands: list[Any]
) -> list[np.ndarray]:
    """Return what a program of one step gives, op by op and as source."""
    slots = [Slot(i, (3,), kind) for i, kind in enumerate(kinds)]
    arrays = {i: x for i, x in enumerate(operands) if isinstance(x, np.ndarray)}
    inputs = tuple(slots[i].whole() if i in arrays else x for i, x in enumerate(operands))
    made = Slot(len(slots), (3,), out)
    step = Step(Map(body, kinds, made.shape, made.dtype), inputs, (made,))
    program = Program([step], [slots[i] for i in arrays], (made.index,), {}, len(slots) + 1)
    found = []
    for executor in (PlainExecutor(program, device), NumpyExecutor(program, device)):
        given = [device.upload(x, kinds[i]).storage for i, x in arrays.items()]
        (storage,) = executor.run(given, lambda g, offset: ((0, 0), 0))
        found.append(device.download(Array(storage, Layout.dense((3,)), out)))
    return found


def each(kinds: tuple[DType, ...]) -> Iterator[tuple[Number, ...]]:
    """Yield values for several operands: the first ones of each in turn, then mixtures."""
    choices = [VALUES[kind.numpy.kind] for kind in kinds]
    if len(kinds) > 1:
        yield from itertools.islice(zip(*choices, strict=False), 4)
        yield from itertools.islice(itertools.product(*[c[:2] for c in choices]), 1, 3)


def test_bodies_take_numbers_for_any_operand(numpy_device):
    for body, kinds, out in bodies():
        if body.name in ORDERS:
            continue
        for values in each(kinds):
            whole = [np.full(3, x, k.numpy) for x, k in zip(values, kinds, strict=True)]
            right, source = results(numpy_device, body, kinds, out, whole)
            np.testing.assert_array_equal(source, right)
            for chosen in itertools.product((False, True), repeat=len(kinds)):
                if any(chosen) and not all(chosen):
                    mixed = [
                        x if is_number else w
                        for x, w, is_number in zip(values, whole, chosen, strict=True)
                    ]
                    for found in results(numpy_device, body, kinds, out, mixed):
                        where = f"{body.name}{values} of {kinds}, numbers {chosen}"
                        np.testing.assert_array_equal(found, right, err_msg=where)


def test_numbers_are_combined_in_their_own_precision(numpy_device):
    """b * b of 1e25 is infinite in float32, whether b is an array or a number read at each run."""
    body = Body("scaled_square", "c * a + d * (b * b)", lambda a, b, c, d: c * a + d * (b * b))
    live = Live(lambda: 1e-30)
    given = [np.ones(3, np.float32), 1e25, 1.0, live]
    for found in results(numpy_device, body, (float32,) * 4, float32, given):
        assert found.tolist() == [math.inf] * 3


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.1),
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
        lambda p: optim.Adam(p, lr=0.1, weight_decay=0.1),
        lambda p: optim.AdamW(p, lr=0.1),
    ],
    ids=["sgd", "momentum", "adam", "adamw"],
)
@pytest.mark.parametrize("fuse", [True, False])
def test_steps_without_a_backward_pass_take_cleared_gradients(make, fuse, device):
    def run(change: Any) -> np.ndarray:
        b = wg.parameter(wg.tensor([1.0, -2.0, 3.0]))
        b.grad = wg.ones(3)
        opt = make([b])

        def step() -> None:
            opt.zero_grad()
            opt.step()

        stepped = change(step)
        for _ in range(4):
            stepped()
        return b.numpy()

    found = run(lambda f: wg.compile(f, fuse=fuse))
    np.testing.assert_allclose(found, run(lambda f: f), rtol=1e-6)


def test_roots_as_powers_are_powers_of_infinity_too(device):
    """As the Array API says: (-inf) ** 0.5 is inf, and (-0.0) ** 0.5 is 0.0."""
    x = wg.tensor([-np.inf, -0.0, 4.0, np.inf])
    half = wg.tensor(0.5)
    for f in (lambda x: x**0.5, lambda x: x**half, lambda x: x ** wg.full((4,), 0.5)):
        for run in (f, wg.compile(f)):
            found = run(x).numpy()
            assert found.tolist() == [np.inf, 0.0, 2.0, np.inf] and not np.signbit(found[1])
