"""Keys drawn at random: reading, assigning and their gradients, with NumPy as the judge."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wgrad as wg
from wgrad.errors import DeviceError, IndexRangeError, ShapeError, TraceError

DEVICES = pytest.mark.parametrize("name", ["numpy", "webgpu"])
SHAPES = st.lists(st.integers(0, 4), min_size=0, max_size=4).map(tuple)


@st.composite
def keys(draw: Any, shape: tuple[int, ...]) -> tuple:
    """Return a key for a shape: all kinds of parts, in any order."""
    spread = draw(st.sampled_from([(), (1,), (2,), (3,), (2, 1), (0,)]))
    parts: list[Any] = []
    axis = 0
    last = draw(st.integers(0, len(shape)))
    while axis < last:
        n = shape[axis]
        kind = draw(st.sampled_from(["slice", "integer", "array", "mask", "range"]))
        if kind == "mask":
            rank = draw(st.integers(1, last - axis))
            extents = shape[axis : axis + rank]
            bits = draw(st.lists(st.booleans(), min_size=0, max_size=int(np.prod(extents))))
            mask = np.zeros(int(np.prod(extents)), bool)
            mask[: len(bits)] = bits
            if spread and any(isinstance(p, np.ndarray) for p in parts):
                mask[:] = False  # a mask has to broadcast with the arrays: of one true element
                mask[:1] = True
            if not any(isinstance(p, np.ndarray) and p.dtype == bool for p in parts):
                parts.append(mask.reshape(extents))
                axis += rank
                continue
            kind = "slice"
        if kind == "slice" or n == 0:
            ends = st.one_of(st.none(), st.integers(-n - 2, n + 2))
            parts.append(slice(draw(ends), draw(ends), draw(st.sampled_from([-2, -1, 1, 2]))))
        elif kind == "integer":
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind == "range":
            parts.append(slice(None))
        else:
            some = draw(st.lists(st.integers(-n, n - 1), min_size=1, max_size=3))
            parts.append(np.resize(np.array(some), spread))
        axis += 1
    for extra in draw(st.lists(st.sampled_from([None, True, False]), max_size=2)):
        parts.insert(draw(st.integers(0, len(parts))), extra)
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))) if axis == len(shape) else len(parts), ...)
    return tuple(parts)


def ours(key: tuple, pick: int) -> tuple:
    """Return the key with its arrays as lists, as tensors or as they are."""

    def changed(k: Any) -> Any:
        if not isinstance(k, np.ndarray) or not k.shape:
            return k
        ways = (lambda: k, lambda: wg.tensor(k), lambda: k.tolist() if k.size else k)
        return ways[pick % 3]()

    return tuple(map(changed, key))


def readable(array: np.ndarray, key: tuple) -> np.ndarray | None:
    """Return array[key], or None where NumPy refuses the key."""
    try:
        return array[key]
    except IndexError:
        return None


CASES = SHAPES.flatmap(lambda shape: st.tuples(st.just(shape), keys(shape), st.integers(0, 2)))


@DEVICES
@settings(max_examples=150, deadline=None, derandomize=True)
@given(case=CASES)
def test_random_keys_read_as_numpy_does(name, case):
    shape, key, pick = case
    array = np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)
    expected = readable(array, key)
    with wg.device(name):
        x = wg.tensor(array)
        if expected is None:
            with pytest.raises((IndexRangeError, ShapeError)):
                x[ours(key, pick)]
            return
        found = x[ours(key, pick)]
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found.numpy(), expected)


@DEVICES
@settings(max_examples=120, deadline=None, derandomize=True)
@given(case=CASES, narrow=st.booleans(), way=st.integers(0, 2))
def test_random_keys_assign_as_numpy_does(name, case, narrow, way):
    """Values that repeat along the last axis too; into views; repeated indices: the last one."""
    shape, key, pick = case
    array = np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)
    target = readable(array, key)
    if target is None:
        return
    value = -1.0 - np.arange(target.size, dtype=np.float32).reshape(target.shape)
    if narrow and value.size and value.ndim:
        value = value[..., :1]
    expected = array.copy()
    expected[key] = value
    with wg.device(name):
        if way == 0:
            x = wg.tensor(array)
        elif way == 1:
            x = wg.tensor(array.T.copy())
            x = wg.permute_dims(x, tuple(range(x.ndim))[::-1])
        else:
            x = wg.flip(wg.tensor(np.flip(array).copy()))
        x[ours(key, pick)] = wg.tensor(value)
        np.testing.assert_array_equal(x.numpy(), expected)


@DEVICES
@settings(max_examples=100, deadline=None, derandomize=True)
@given(case=CASES)
def test_gradients_of_random_keys(name, case):
    """What is read adds up where it came from; what is assigned has the gradient, and not the
    places that it took, nor a value that a later one replaced."""
    shape, key, pick = case
    rng = np.random.default_rng(len(shape))
    array = np.array(rng.standard_normal(shape), np.float32)
    target = readable(array, key)
    if target is None:
        return
    with wg.device(name):
        x = wg.parameter(array)
        weights = rng.standard_normal(target.shape).astype(np.float32)
        expected = np.zeros(shape)
        np.add.at(expected, key, weights)
        (x[ours(key, pick)] * wg.tensor(weights)).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), expected, atol=1e-5)

        x.grad = None
        value = wg.parameter(rng.standard_normal(target.shape).astype(np.float32))
        weights = rng.standard_normal(shape).astype(np.float32)
        y = x * 2
        y[ours(key, pick)] = value * 3
        after = np.array(array * 2)  # of no axes too
        after[key] = value.numpy() * 3
        np.testing.assert_array_equal(y.numpy(), after)
        (y * wg.tensor(weights)).sum().backward()
        writer = np.full(shape, -1)
        writer[key] = np.arange(target.size).reshape(target.shape)
        to_value = np.zeros(target.size)
        to_value[writer[writer >= 0]] = 3 * weights[writer >= 0]
        np.testing.assert_allclose(x.grad.numpy(), np.where(writer < 0, 2 * weights, 0), rtol=1e-6)
        np.testing.assert_allclose(
            value.grad.numpy(), to_value.reshape(target.shape), rtol=1e-6, atol=1e-7
        )


# What no random key says.


def test_indices_of_a_tensor_count_from_the_end_and_are_checked(device):
    x = wg.arange(5)
    computed = wg.tensor([1, -1]) * 2
    assert x[computed].tolist() == [2, 3]
    with pytest.raises(IndexRangeError, match="-6"):
        x[computed * 3]
    with pytest.raises(IndexRangeError, match="index 5"):
        x[wg.tensor([5], dtype="uint32")]
    x[computed] = wg.tensor([7, 8])
    assert x.tolist() == [0, 1, 7, 8, 4]


def test_masks_ask_the_device_for_one_number(webgpu):
    x = wg.arange(1000).astype(float)
    mask = x > 499.5
    before = wg.stats()
    found = x[mask]
    after = wg.stats()
    assert after["readbacks"] - before["readbacks"] == 1
    assert after["bytes_read"] - before["bytes_read"] == 4
    np.testing.assert_array_equal(found.numpy(), np.arange(500, 1000))
    before = wg.stats()
    x[mask] = 0.0
    x[x < 10] = wg.tensor(-1.0)
    x[np.arange(1000) == 20] = 5.0
    assert wg.stats()["readbacks"] == before["readbacks"]
    expected = np.arange(1000.0)
    expected[500:], expected[expected < 10], expected[20] = 0, -1, 5
    expected[500:] = -1  # which were 0
    np.testing.assert_array_equal(x.numpy(), expected)


def test_indices_of_another_device_are_refused(webgpu):
    with pytest.raises(DeviceError, match="indices"):
        wg.ones(3)[wg.tensor([0], device="numpy")]


def test_an_index_may_be_the_tensor_itself(device):
    x = wg.tensor([2, 0, 1, 2])
    x[x] = x
    expected = np.array([2, 0, 1, 2])
    expected[expected.copy()] = expected.copy()
    assert x.tolist() == expected.tolist()


def test_the_last_of_many_repeated_indices_stays(device, rng):
    places = rng.integers(0, 500, 20_000)
    values = rng.standard_normal((20_000, 3)).astype(np.float32)
    expected = np.zeros((3, 500), np.float32)
    last = {place: i for i, place in enumerate(places)}
    for place, i in last.items():
        expected[:, place] = values[i]
    x = wg.zeros((3, 500))
    x[:, places] = wg.tensor(values).T
    np.testing.assert_array_equal(x.numpy(), expected)


# In compiled programs.


def compiled(f: Any, *args: wg.Tensor, calls: int = 4) -> list:
    """Return what a compiled function returns at last, having compared every call with eager."""
    g = wg.compile(f)
    for _ in range(calls):
        expected = f(*(x.copy() for x in args))
        found = g(*(x.copy() for x in args))
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)
    assert g.program.steps
    return [step.kind for step in g.program.steps]


def test_sorting_and_searching_compile(device, rng):
    def f(x, v):
        best = wg.topk(x, 3, axis=0)
        return (
            wg.sort(x, axis=0, descending=True),
            best.values,
            best.indices,
            wg.searchsorted(wg.sort(x[:, 0]), v),
            x[wg.argsort(v)[:2], [1, 0]],
            x.reshape(-1)[wg.argsort(x.reshape(-1))],
        )

    x = wg.tensor(rng.standard_normal((300, 4)).astype(np.float32))
    kinds = compiled(f, x, wg.tensor([0.5, -0.5, 2.0]))
    assert "argsort" in kinds


def test_assignment_compiles(device, rng):
    mask = np.array([True, False, True, True])

    def f(x, i):
        y = wg.zeros((4, 3)) + x
        y[i, 1] = wg.tensor([5.0, 6.0, 7.0])
        y[:, [2, 0]] = x[:, :2] * 2
        y[x > 1] = -1.0
        y[mask] = x[1:] + 1
        return (y * 1, y.sum(axis=0))

    x = wg.tensor(rng.standard_normal((4, 3)).astype(np.float32))
    kinds = compiled(f, x, wg.tensor([0, -1, 0]))
    assert "scatter" in kinds


def test_assignment_to_a_tensor_from_outside_compiles(device):
    state = wg.zeros((3, 4))

    def f(x, i):
        state[i, 1:3] = x
        return state.sum()

    g = wg.compile(f)
    for k in range(4):
        assert g(wg.full(2, float(k)), wg.tensor([0, -1])).item() == 4 * k
        assert state.tolist() == [[0, k, k, 0], [0] * 4, [0, k, k, 0]]


def test_gradients_through_assignment_compile(device, rng):
    def f(w, i):
        def loss(w):
            h = wg.zeros((3, 4))
            h[0] = w
            h[i, 2] = w[:2].square()
            h[h > 0.5] = 0.0
            return (h * h).sum()

        return wg.value_and_grad(loss)(w)

    w = wg.tensor(rng.standard_normal(4).astype(np.float32))
    compiled(f, w, wg.tensor([2, 1]))


def test_assigning_tracked_values_to_a_tensor_from_outside_is_refused_by_compile(device):
    state, w = wg.zeros(3), wg.parameter([1.0, 2.0])

    def f(x):
        state[:2] = w * x
        return state.sum()

    with pytest.raises(TraceError, match="from outside"):
        wg.compile(f)(wg.tensor(2.0))
    assert state.tolist() == [0, 0, 0] and not state.requires_grad
