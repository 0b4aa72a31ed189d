"""Joining, padding and their kin beyond the table: edges, and how programs do them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from programs import traced

import wgrad as wg
from wgrad.backends.array import Array
from wgrad.errors import IndexRangeError
from wgrad.layout import Layout
from wgrad.program.ir import Inside, Window
from wgrad.program.lower.numpy import NumpyExecutor
from wgrad.program.lower.webgpu import limits_for
from wgrad.program.passes import simplify
from wgrad.program.passes.limits import Limits
from wgrad.program.run.plain import PlainExecutor
from wgrad.program.run.webgpu import WebGpuExecutor

# What each computes of x (6, 8) and y (6, 8), as WGSL or NumPy: with quads, without, reversed.
CASES: dict[str, Callable] = {
    "concat by quads": lambda x, y: wg.concat([x, y], 1) * 2,
    "concat of quads in odd places": lambda x, y: wg.concat([y[:, :2], x[:, 2:6], y[:, :2]], 1) + 1,
    "concat of odd parts": lambda x, y: wg.concat([x[:, 1:4], y[:, ::-1], x[:, 5:]], 1) + 1,
    "concat along rows": lambda x, y: wg.concat([x[4:], y, x[:1].exp()], 0),
    "concat of transposes": lambda x, y: wg.concat([x.T, y.T], 1).tanh(),
    "concat with nothing": lambda x, y: wg.concat([x[:0], y, x[:0]], 0) * 1.5,
    "stack": lambda x, y: wg.stack([x, y, x - y], 1) * 2,
    "pad": lambda x, y: wg.pad(x, ((1, 2), (4, 4)), value=-1.5) * 2,
    "pad of nothing": lambda x, y: wg.pad(x, 0) + y,
    "pad then sum": lambda x, y: wg.pad(x, 3, value=1).sum(1) + wg.pad(y, 3).sum(),
    "pad of a row": lambda x, y: wg.pad(x.sum(1, keepdims=True), ((0, 0), (0, 7))) * y,
    "pad of a product": lambda x, y: wg.pad(x @ y.T, 1).exp(),
    "roll": lambda x, y: wg.roll(x, (1, -3), (0, 1)) * y,
    "reflected": lambda x, y: wg.pad(x, 2, "reflect") * 2,
    "edge": lambda x, y: wg.pad(x, 2, "edge") * 2,
    "tile": lambda x, y: wg.tile(x, 2) * 2,
    "repeat": lambda x, y: wg.repeat(x, [1, 0, 2, 0, 3, 1], 0) + 1,
    "triangles": lambda x, y: wg.tril(x, 1) @ wg.triu(y, -1).T,
    "diagonals": lambda x, y: wg.diag(wg.diagonal(x, 1), -1) * 2 + wg.diag(y[0, :5], 1).sum(),
    "steps": lambda x, y: (x[::2] * 2).sum() + x[1::2, 1::3].square().sum(),
    "integers": lambda x, y: wg.concat([(x > 0), (y > 1)], 1).astype(int),
    "truth": lambda x, y: wg.pad(x > 0, 1, value=True) & wg.pad(y > 0, 1),
}


def results(f: Callable) -> tuple[Any, tuple[wg.Tensor, wg.Tensor]]:
    """Return a function with its gradients, where it has floats, and its arguments."""
    rng = np.random.default_rng(2)
    args = tuple(wg.tensor(rng.standard_normal((6, 8)).astype(np.float32)) for _ in range(2))

    def both(x: wg.Tensor, y: wg.Tensor) -> tuple:
        out = f(x, y)
        if not out.dtype.is_floating:
            return (out,)
        weighed = lambda x, y: (f(x, y) * wg.arange(out.size).reshape(out.shape)).square().sum()  # noqa: E731
        return (out, *wg.grad(weighed, (0, 1))(x, y))

    return both, args


@pytest.mark.parametrize("name", CASES)
def test_placing_compiled_equals_eager(name, device):
    f, args = results(CASES[name])
    compiled = wg.compile(f)
    for _ in range(2):
        for a, b in zip(f(*args), compiled(*args), strict=True):
            assert a.dtype is b.dtype and a.shape == b.shape
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", CASES)
def test_placing_as_graphs_is_what_the_device_does(name, numpy_device):
    """Lifted to choices at every element, interpreted and as NumPy source: the same bits."""
    f, args = results(CASES[name])
    found = traced(f, *args)
    lifted = simplify(found.program, Limits(), without=("rows", "folds"))
    memory = found.program.memory()
    runs = []
    for executor in (
        PlainExecutor(found.program, found.device),
        PlainExecutor(lifted, found.device),
        NumpyExecutor(lifted, found.device),
    ):
        outputs = executor.run(found.copies(), found.draw)
        shapes = [memory[s] for s in found.program.outputs]
        runs.append(
            [
                found.device.download(Array(x, Layout.dense(s.shape), s.dtype))
                for x, s in zip(outputs, shapes, strict=True)
            ]
        )
    for other in runs[1:]:
        for a, b in zip(runs[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def windows(f: Callable, *args: wg.Tensor) -> list[tuple[Window, ...]]:
    """Return where the pieces that a program places lie, once it is lifted to graphs."""
    program = simplify(traced(f, *args).program, Limits())
    graphs = [s.graph for s in program.steps if s.is_fused]
    return [s.what.windows for g in graphs for s in g.statements if isinstance(s.what, Inside)]


def test_place_becomes_windows_of_one_kernel(numpy_device):
    x = wg.randn(4, 6)
    found = windows(lambda x: wg.concat([x, x[::-1, :2]], 1) * 2, x)
    assert found == [((1, 0, 6),), ((1, 6, 2),)]
    assert windows(lambda x: wg.pad(x, ((1, 2), (0, 3))), x) == [((0, 1, 4), (1, 0, 6))]
    assert windows(lambda x: wg.pad(x, 0) * 2, x) == []  # a plain copy
    # A column alone in its axis, and an axis of extent 1 beside.
    assert windows(lambda x: wg.stack([x[:, :1], x[:, 1:2]], 1), x) == [((1, 0, 1),), ((1, 1, 1),)]


def test_place_of_steps_and_of_much_in_many_pieces_stays_the_devices(numpy_device):
    x = wg.randn(4, 6)
    slope = wg.grad(lambda x: x[::2].square().sum())
    many = lambda x: wg.stack([x * i for i in range(13)])  # noqa: E731
    for f, arg in ((slope, x), (lambda x: wg.diag(x[0]), x), (many, wg.randn(64, 128))):
        assert windows(f, arg) == []
        program = simplify(traced(f, arg).program, Limits())
        assert [s.work.method for s in program.steps].count("place") == 1


@pytest.mark.parametrize("buffers", [3, 8, 10, 16])
def test_place_takes_no_more_buffers_than_there_are(buffers, webgpu):
    """One is the result; each kernel but the first reads what the one before has made."""
    limits = Limits(buffers=buffers)
    some = min(buffers - 1, limits.pieces)
    for count in (some, some + 1, 2 * some - 1, 2 * some, 31):
        xs = [wg.full((2, 3), float(i)) for i in range(count)]
        for f in (lambda *xs: wg.concat(xs), lambda *xs: wg.concat(xs) * 2):
            steps = simplify(traced(f, *xs).program, limits).steps
            kernels = 1 + max(0, -(-(count - some) // (some - 1)))
            assert all(s.is_fused for s in steps) and len(steps) <= kernels
            assert max(len(s.reads() | s.writes()) for s in steps) <= buffers


@pytest.mark.parametrize("portable", [True, False])
def test_kernels_of_many_pieces_bind_no_more_buffers_than_there_are(portable, webgpu):
    xs = [wg.full((2, 3), float(i)) for i in range(31)]
    facts = replace(webgpu.facts, buffers=8) if portable else webgpu.facts
    found = traced(lambda *xs: wg.concat(xs) * 2, *xs)
    executor = WebGpuExecutor(simplify(found.program, limits_for(facts)), webgpu, facts)
    for _ in range(2):
        (out,) = executor.run(found.copies(), found.draw)
    made = webgpu.download(Array(out, Layout.dense((62, 3)), wg.float32))
    assert made[::2, 0].tolist() == [2 * i for i in range(31)]
    assert max(len(kernel.access) for kernel in executor.launches.kernels) <= facts.buffers


def test_gradients_of_parts_are_one_kernel(webgpu):
    """What split gives back is joined where it is added up: no zeros are written for each part."""

    def loss(x: wg.Tensor) -> wg.Tensor:
        q, k, v = wg.split(x, 3, 1)
        return (q * k * v).sum()

    compiled = wg.compile(wg.grad(loss))
    x = wg.randn(64, 48)
    out = compiled(x)
    np.testing.assert_allclose(out.numpy(), wg.grad(loss)(x).numpy(), rtol=1e-6)
    *_, last = compiled.explain().kernels
    assert last.name == "place place place" and last.dispatches == 1


def test_concat_writes_no_zeros_first(webgpu):
    x = wg.randn(8, 8)
    wg.concat([x, x]).numpy()
    before = wg.stats()["dispatches"]
    wg.concat([x, x]).numpy()
    assert wg.stats()["dispatches"] - before == 2


def test_bounds_of_joined_indices_are_known(device):
    """Without a readback: also in programs, which cannot read values."""
    first, second = wg.tensor([0, 2]), wg.tensor([1, 1])
    joined = wg.concat([first, second])
    assert joined.array.storage.bounds == (0, 2)
    assert wg.pad(first, 1, value=7).array.storage.bounds == (0, 7)
    assert wg.repeat(first, 2).array.storage.bounds == (0, 2)
    table = wg.randn(3, 2)
    inside = wg.compile(lambda t: wg.take(t, wg.concat([wg.arange(2), wg.arange(3)]), 0))
    assert inside(table).tolist() == table.numpy()[[0, 1, 0, 1, 2]].tolist()
    twice = wg.compile(lambda t, i: wg.take(t, wg.concat([i, i]), 0))
    assert twice(table, first).tolist() == table.numpy()[[0, 2, 0, 2]].tolist()
    with pytest.raises(IndexRangeError, match="take: index 3"):
        twice(table, wg.tensor([0, 3]))


def test_views_of_parts_share_memory(device):
    x = wg.zeros((2, 3))
    wg.unstack(x, 1)[1].assign(1.0)
    wg.split(x, [2], 1)[1].assign(2.0)
    wg.diagonal(x, 0).assign(5.0)
    assert x.tolist() == [[5, 1, 2], [0, 5, 2]]
    y = wg.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert wg.diag(y).array.storage is y.array.storage
    assert wg.moveaxis(y, 0, 1).array.storage is y.array.storage


def test_movement_of_nothing_follows_numpy(device):
    x = wg.zeros((0, 3))
    assert wg.roll(x, 2, 0).shape == wg.roll(x, 2).shape == (0, 3)
    assert wg.tile(x, (2, 2)).shape == (0, 6)
    assert wg.repeat(x, 2, 0).shape == (0, 3) and wg.repeat(x, [], 0).shape == (0, 3)
    assert wg.unstack(x) == () and wg.meshgrid() == [] and wg.broadcast_arrays() == []
    assert [part.shape for part in wg.split(x, 2)] == [(0, 3)] * 2
    assert wg.diagonal(x).shape == (0,) and wg.diag(wg.zeros(0), 2).shape == (2, 2)
    assert wg.tril(x).shape == (0, 3) and wg.pad(x, 1, value=2).tolist() == [[2] * 5] * 2
    assert wg.pad(x, ((0, 0), (1, 1)), "edge").shape == (0, 5)


@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric", "wrap"])
def test_pad_modes_agree_with_numpy(mode, device):
    x = np.arange(24, dtype=np.int32).reshape(4, 3, 2)
    for widths in (1, ((0, 1), (2, 3), (7, 9)), ((3, 0), (0, 0), (20, 31))):
        expected = np.pad(x, widths, mode)
        assert np.array_equal(wg.pad(wg.tensor(x), widths, mode).numpy(), expected)
    assert wg.pad([5], 2, mode).tolist() == np.pad([5], 2, mode).tolist()


def test_roll_tile_repeat_and_split_read_arguments_as_numpy_does(device):
    x = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    t = wg.tensor(x)
    for shift, axis in ((1, None), ((1, -2), (0, 2)), (5, 1), ((1, 2), 1), (2, (0, 1, 0))):
        assert np.array_equal(wg.roll(t, shift, axis).numpy(), np.roll(x, shift, axis))
    for count in (2, (2,), (1, 2), (2, 1, 3), (2, 1, 1, 2), (0, 1), ()):
        assert np.array_equal(wg.tile(t, count).numpy(), np.tile(x, count))
    for repeats, axis in ((2, None), ([1, 0, 2], 1), (np.array([2]), 0), (0, 2), ([3, 1, 0, 2], 2)):
        assert np.array_equal(wg.repeat(t, repeats, axis).numpy(), np.repeat(x, repeats, axis))
    assert np.array_equal(wg.repeat(t, wg.tensor([2, 1]), 0).numpy(), np.repeat(x, [2, 1], 0))
    for parts, axis in ((2, 0), ([1, 3], 2), ([1, -1], 2), ([5, 1], 1), (np.array([1]), 1)):
        expected = np.split(x, parts, axis)
        for a, b in zip(wg.split(t, parts, axis), expected, strict=True):
            assert np.array_equal(a.numpy(), b)


def test_diagonals_and_triangles_agree_with_numpy(device):
    x = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    t = wg.tensor(x)
    for k in (-9, -1, 0, 2, 9):
        for name in ("tril", "triu"):
            assert np.array_equal(getattr(wg, name)(t, k).numpy(), getattr(np, name)(x, k))
        assert np.array_equal(wg.diagonal(t, k, 2, 0).numpy(), np.diagonal(x, k, 2, 0))
        assert np.array_equal(wg.diag(t[0], k).numpy(), np.diag(x[0], k))
        assert np.array_equal(wg.diag(t[0, 0], k).numpy(), np.diag(x[0, 0], k))


def test_triangles_select_so_that_infinities_stay_out(device):
    x = wg.full((2, 2), float("inf"), requires_grad=True)
    assert wg.tril(x).tolist() == [[np.inf, 0], [np.inf, np.inf]]
    wg.tril(x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[1, 0], [1, 1]]
