"""Keys drawn at random: reading, assigning and their gradients, with NumPy as the judge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad.errors import DeviceError, IndexRangeError, ShapeError, TraceError


def random_key(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple:
    """Return a key for a shape: all kinds of parts, in any order."""
    spread = [(), (1,), (2,), (3,), (4,), (2, 1), (2, 3), (0,)][rng.integers(8)]
    parts: list[Any] = []
    axis, masked = 0, False
    last = len(shape) if rng.integers(3) else int(rng.integers(len(shape) + 1))
    while axis < last:
        n = shape[axis]
        kind = rng.choice(["slice", "all", "integer", "array", "array", "mask"])
        if kind == "mask" and not masked:
            rank = int(rng.integers(1, last - axis + 1))
            extents = shape[axis : axis + rank]
            mask = rng.integers(0, 2, extents).astype(bool)
            if spread or parts:  # it has to broadcast with other arrays: often one true element
                mask[:] = False
                mask.reshape(-1)[:1] = True
            parts.append(mask)
            axis, masked = axis + rank, True
            continue
        if kind == "array" and n:
            parts.append(rng.integers(-n, n, spread))
        elif kind == "integer" and n:
            parts.append(int(rng.integers(-n, n)))
        elif kind == "slice":
            ends = [
                None if rng.integers(3) == 0 else int(rng.integers(-n - 1, n + 2)) for _ in "ab"
            ]
            parts.append(slice(*ends, [None, 1, 2, -1, -2][rng.integers(5)]))
        else:
            parts.append(slice(None))
        axis += 1
    for extra in (None, None, True, False):
        if rng.integers(8 if extra is None else 20) == 0:
            parts.insert(int(rng.integers(len(parts) + 1)), extra)
    if rng.integers(3) == 0:
        anywhere = axis == len(shape)
        parts.insert(int(rng.integers(len(parts) + 1)) if anywhere else len(parts), ...)
    return tuple(parts)


def random_cases(count: int) -> Iterator[tuple[np.random.Generator, tuple, tuple, tuple, Any]]:
    """Yield shapes, keys for them, as NumPy and as we are to read them, and what NumPy finds."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        low = 0 if seed % 10 == 0 else 1
        shape = tuple(int(n) for n in rng.integers(low, 5, rng.integers(1, 5)))
        if seed % 25 == 0:
            shape = ()
        key = random_key(rng, shape)
        places = np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)
        try:
            found = places[key]
        except IndexError:  # arrays that do not broadcast
            found = None
        yield rng, shape, key, tuple(ours(k, rng.integers(3)) for k in key), found


def ours(k: Any, way: int) -> Any:
    """Return an array of a key as it is, as a tensor or as lists."""
    if not isinstance(k, np.ndarray) or not k.size:
        return k
    return (k, wg.tensor(k), k.tolist() if k.shape else k)[way]


def test_random_keys_are_of_all_kinds():
    found = [(key, places) for _, _, key, _, places in random_cases(300)]
    full = [(key, p) for key, p in found if p is not None and p.size]
    arrays = [[k for k in key if isinstance(k, np.ndarray)] for key, _ in full]
    assert len(full) > 200
    assert sum(p is None for _, p in found) > 3
    assert sum(len(a) > 1 for a in arrays) > 40
    assert sum(any(k.dtype == bool for k in a) for a in arrays) > 30
    assert sum(len(np.unique(p)) < p.size for _, p in full) > 40


def test_random_keys_read_as_numpy_does(device):
    for _, shape, key, mine, places in random_cases(300):
        x = wg.arange(int(np.prod(shape))).reshape(shape)
        if places is None:
            with pytest.raises((IndexRangeError, ShapeError)):
                x[mine]
            continue
        found = x[mine]
        assert found.shape == places.shape, key
        np.testing.assert_array_equal(found.numpy(), places, str(key))


def test_random_keys_assign_as_numpy_does(device):
    """Values that repeat along the last axis too; into views; repeated indices: the last one."""
    for i, (_, shape, key, mine, places) in enumerate(random_cases(200)):
        if places is None:
            continue
        array = np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)
        value = -1.0 - np.arange(places.size, dtype=np.float32).reshape(places.shape)
        if i % 2 and value.size and value.ndim:
            value = value[..., :1]
        expected = array.copy()
        expected[key] = value
        x = (
            lambda a: wg.tensor(a),
            lambda a: wg.permute_dims(wg.tensor(a.T.copy()), tuple(range(a.ndim))[::-1]),
            lambda a: wg.flip(wg.tensor(np.flip(a).copy())),
        )[i % 3](array)
        x[mine] = wg.tensor(value)
        np.testing.assert_array_equal(x.numpy(), expected, str(key))


def test_gradients_of_random_keys(device):
    """What is read adds up where it came from; what is assigned has the gradient, and not the
    places that it took, nor a value that a later one replaced."""
    for rng, shape, key, mine, places in random_cases(80):
        if places is None:
            continue
        array = np.array(rng.standard_normal(shape), np.float32)
        x = wg.parameter(array)
        weights = np.array(rng.standard_normal(places.shape), np.float32)
        expected = np.zeros(shape)
        np.add.at(expected, key, weights)
        (x[mine] * wg.tensor(weights)).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), expected, atol=1e-5, err_msg=str(key))

        x.grad = None
        value = wg.parameter(np.array(rng.standard_normal(places.shape), np.float32))
        weights = np.array(rng.standard_normal(shape), np.float32)
        y = x * 2
        y[mine] = value * 3
        after = np.array(array * 2)  # of no axes too
        after[key] = value.numpy() * 3
        np.testing.assert_array_equal(y.numpy(), after, str(key))
        (y * wg.tensor(weights)).sum().backward()
        writer = np.full(shape, -1)
        writer[key] = np.arange(places.size).reshape(places.shape)
        to_value = np.zeros(places.size)
        to_value[writer[writer >= 0]] = 3 * weights[writer >= 0]
        to_x = np.where(writer < 0, 2 * weights, 0)
        np.testing.assert_allclose(x.grad.numpy(), to_x, rtol=1e-6, err_msg=str(key))
        np.testing.assert_allclose(
            value.grad.numpy(), to_value.reshape(places.shape), rtol=1e-6, atol=1e-7
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
    return [step.work.method for step in g.program.steps]


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


def test_take_counts_negative_indices_from_the_end(device, rng):
    data = rng.normal(size=(3, 4, 5))
    x, i = wg.tensor(data), np.array([[-1, 0], [3, -4]])
    computed = wg.tensor(i + 9) - 9  # on the device: their signs are asked for
    for index in (i, i.tolist(), wg.tensor(i), computed):
        np.testing.assert_allclose(wg.take(x, index, axis=1).numpy(), np.take(data, i, 1), 1e-6)
    along = rng.integers(-4, 4, (3, 2, 5))
    expected = np.take_along_axis(data, along, 1)
    for index in (along, wg.tensor(along + 9) - 9):
        np.testing.assert_allclose(wg.take_along_axis(x, index, 1).numpy(), expected, 1e-6)
    w = wg.parameter([1.0, 2.0, 3.0])
    (wg.take(w, [-1, -1, 0]) * wg.tensor([1.0, 2.0, 5.0])).sum().backward()
    assert w.grad.tolist() == [5, 0, 3]


@pytest.mark.parametrize("start", [0, 4, 6])  # what no vec4 begins at has the other kernel
def test_long_rows_are_taken_by_fours(webgpu, rng, start):
    x = rng.standard_normal((9, 200)).astype(np.float32)
    at = rng.integers(0, 9, 100)
    found = wg.take(wg.tensor(x)[1:, start : start + 192], wg.tensor(at[at < 8]), 0)
    np.testing.assert_array_equal(found.numpy(), x[1:, start : start + 192][at[at < 8]])


def test_compiled_programs_take_whole_rows(numpy_device, rng):
    x = rng.standard_normal((9, 2, 5)).astype(np.float32)
    at = rng.integers(0, 8, (3, 4)).astype(np.int32)
    step = wg.compile(lambda x, at: wg.take(x, at, 0) * 2, state=[])
    for begin in (0, 1):
        found = step(wg.tensor(x)[begin:], wg.tensor(at))
        np.testing.assert_array_equal(found.numpy(), x[begin:][at] * 2)
    assert ", 0, " in step.source().partition(".take(")[2].partition("\n")[0]
    turned = wg.compile(lambda x, at: wg.take(x, at, 1) * 2, state=[])
    found = turned(wg.tensor(x), wg.tensor(at % 2))
    np.testing.assert_array_equal(found.numpy(), x[:, at % 2] * 2)


def test_ranges_that_follow_from_others_are_looked_at_once(numpy_device):
    x, y = wg.ones((9, 3)), wg.ones((7, 2))

    @wg.compile(state=[x, y])
    def both(at):
        return wg.take(x, at, 0).sum() + wg.take(y, at, 0).sum()

    at = wg.tensor([1, 2, 3])
    assert both(at).item() == 15 and both(at).item() == 15
    did = both._captured("a test")._did
    assert [limits for _, _, limits in (*did.checks, *did.choices)] == [(0, 6, None)]
    assert both(wg.tensor([6, -7, -1])).item() == 15
    with pytest.raises(IndexRangeError, match="8"):
        both(wg.tensor([1, 2, 8]))


def test_compiled_take_notices_when_indices_become_negative(device):
    taken = wg.compile(lambda x, i: wg.take(x, i) * 1)
    x = wg.tensor([1.0, 2.0, 3.0])
    for i in ([0, 2], [0, 1], [2, 2], [-1, 0], [-3, -2], [1, 1], [-1, -1]):
        assert taken(x, wg.tensor(i)).tolist() == [[1, 2, 3][k] for k in i]


def test_masks_without_elements(device):
    for shape in ((0,), (0, 3), (2, 0)):
        data = np.zeros(shape, np.float32)
        x, mask = wg.tensor(data), wg.zeros(shape, bool)
        assert x[mask].shape == data[data > 0].shape == (0,)
        assert x[x > 0].shape == (0,)
        x[mask] = 1.0
        x[mask] += 1.0
        assert wg.nonzero(mask)[0].shape == (0,)
    rows = wg.zeros((0, 3))
    assert rows[wg.zeros(0, bool)].shape == (0, 3)
    assert rows[np.zeros(0, bool)].shape == rows[wg.zeros(0, bool), 1:].shape[:1] + (3,)
    whole = wg.ones((2, 0, 3))
    assert whole[:, wg.zeros(0, bool)].shape == (2, 0, 3)
    x = wg.ones((2, 3))
    for shape in ((0,), (0, 3), (2, 0), (0, 0)):  # each extent is the axis's, or 0
        for mask in (np.zeros(shape, bool), wg.zeros(shape, bool)):
            assert x[mask].shape == np.ones((2, 3))[np.zeros(shape, bool)].shape
            x[mask] = 5.0
    assert x.sum().item() == 6
    for shape in ((0, 4), (1, 0)):
        with pytest.raises(IndexRangeError, match="mask of shape"):
            x[wg.zeros(shape, bool)]
    w = wg.parameter(np.zeros((0, 3)))
    w[wg.zeros((0, 3), bool)].sum().backward()
    assert w.grad.shape == (0, 3)
    assert wg.tensor(5.0)[wg.tensor(False)].shape == (0,)


def test_trace_adds_up_in_a_dtype(device):
    x = wg.tensor([[1, 2], [3, 4]])
    for trace in (wg.trace, wg.linalg.trace):
        found = trace(x, dtype="float32")
        assert found.dtype is wg.float32 and found.item() == 5
        assert trace(x).dtype is wg.int32
    half = wg.tensor(np.full((1, 1), 0.5))
    assert half.trace(dtype=wg.int32).item() == 0
