"""Sorting and searching: special values, ties, many rows, long rows, the same order every time."""

from __future__ import annotations

import numpy as np
import pytest

import wgrad as wg

NAN, INF = float("nan"), float("inf")
ODD = [1.0, NAN, -0.0, INF, 0.0, -INF, -1.5, 1e-40, -NAN, -1e-40, 3e38, 0.0, -0.0, NAN, 1.0]


def sample(dtype: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return values with many ties, and the ends of the dtype."""
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.startswith("float"):
        x = rng.integers(-50, 50, shape) * 0.25
        x.reshape(-1)[:: max(1, x.size // 40)] = np.resize(
            ODD, len(x.reshape(-1)[:: max(1, x.size // 40)])
        )
        return x.astype(dtype)
    info = np.iinfo(dtype)
    x = rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    x.reshape(-1)[::3] = np.resize([info.min, info.max, 0, 1], len(x.reshape(-1)[::3]))
    return x


def in_order(x: np.ndarray, axis: int, descending: bool) -> np.ndarray:
    """Return the stable order of the values, by Python's own sort."""

    def order(row: np.ndarray) -> list[int]:
        values = row.tolist()
        keys = [(v != v, 0.0 if v != v else v) for v in values]
        # `reverse` keeps equal ones in their order, as Python's documentation promises.
        return sorted(range(len(values)), key=keys.__getitem__, reverse=descending)

    return np.apply_along_axis(order, axis, x).astype(np.int32)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint32", "bool"])
def test_order_of_every_dtype_is_stable_and_puts_nan_last(dtype, device, rng):
    """Rows on both sides of where the way of sorting changes, along every axis."""
    if dtype == "float64" and device.name != "numpy":
        return
    for shape in ((1,), (15,), (192, 2), (193,), (3, 5, 4), (2, 2500)):
        data = sample(dtype, shape, rng)
        for axis in range(len(shape)):
            x = wg.tensor(data, dtype=dtype)
            for descending in (False, True):
                expected = in_order(data, axis, descending)
                found = wg.argsort(x, axis=axis, descending=descending)
                assert found.dtype is wg.int32
                np.testing.assert_array_equal(found.numpy(), expected)
                np.testing.assert_array_equal(
                    wg.sort(x, axis=axis, descending=descending).numpy(),
                    np.take_along_axis(data, expected, axis),
                )


def test_order_of_odd_layouts(device, rng):
    data = rng.standard_normal((400, 3)).astype(np.float32)
    x = wg.tensor(data)
    for view, array in (
        (x.T, data.T),
        (x[::-2, 1:], data[::-2, 1:]),
        (wg.broadcast_to(x[:, :1], (400, 3)), np.broadcast_to(data[:, :1], (400, 3))),
    ):
        for axis in (0, 1):
            expected = np.argsort(array, axis, kind="stable")
            np.testing.assert_array_equal(wg.argsort(view, axis).numpy(), expected)


def test_order_beyond_65535_iterations(device, rng):
    data = rng.standard_normal(300_001).astype(np.float32)
    np.testing.assert_array_equal(wg.sort(wg.tensor(data)).numpy(), np.sort(data))
    rows = rng.integers(0, 9, (40_000, 3)).astype(np.int32)
    expected = np.argsort(rows, -1, kind="stable")
    np.testing.assert_array_equal(wg.argsort(wg.tensor(rows)).numpy(), expected)


def test_sorting_nothing(device):
    for shape, axis in (((0,), 0), ((3, 0), 1), ((0, 3), 1), ((0, 3), 0)):
        assert wg.sort(wg.zeros(shape), axis=axis).shape == shape
        assert wg.argsort(wg.zeros(shape), axis=axis).numpy().shape == shape
    best = wg.topk(wg.ones((2, 3)), 0)
    assert best.values.shape == best.indices.shape == (2, 0)
    assert wg.searchsorted(wg.zeros(0), wg.ones((2, 2))).tolist() == [[0, 0], [0, 0]]
    assert wg.searchsorted(wg.ones(3), wg.zeros((0, 2))).shape == (0, 2)
    empty = wg.unique_all(wg.zeros((0, 2)))
    assert [x.shape for x in empty] == [(0,), (0,), (0, 2), (0,)]
    assert [x.shape for x in wg.nonzero(wg.zeros((2, 0)))] == [(0,), (0,)]
    assert wg.isin(wg.ones(2), wg.zeros(0)).tolist() == [False, False]
    assert wg.isin(wg.ones(2), wg.zeros(0), invert=True).tolist() == [True, True]


def test_greatest_values_agree_with_torch(device, rng):
    torch = pytest.importorskip("torch")
    data = rng.permutation(60).reshape(3, 20).astype(np.float32)
    data[1, 4] = NAN
    for axis in (0, 1):
        for largest in (True, False):
            x = wg.tensor(data, requires_grad=True)
            t = torch.tensor(data, requires_grad=True)
            found = wg.topk(x, 2, axis=axis, largest=largest)
            values, indices = torch.topk(t, 2, dim=axis, largest=largest)
            np.testing.assert_array_equal(found.values.numpy(), values.detach().numpy())
            np.testing.assert_array_equal(found.indices.numpy(), indices.numpy())
            (found.values[:1] * 3).sum().backward()
            (values[:1] * 3).sum().backward()
            np.testing.assert_array_equal(x.grad.numpy(), t.grad.numpy())


def test_places_among_sorted_values(device):
    x1 = np.sort(np.array(ODD, np.float32))
    x2 = np.array([*ODD, 0.5, -2.0], np.float32)
    for side in ("left", "right"):
        found = wg.searchsorted(wg.tensor(x1), wg.tensor(x2), side)
        np.testing.assert_array_equal(found.numpy(), np.searchsorted(x1, x2, side))
    for n in range(10):
        x1 = np.arange(n, dtype=np.int32) // 2
        x2 = np.arange(-1, 7, dtype=np.int32)
        for side in ("left", "right"):
            found = wg.searchsorted(wg.tensor(x1), wg.tensor(x2), side)
            np.testing.assert_array_equal(found.numpy(), np.searchsorted(x1, x2, side))


def test_unique_values_tell_every_nan_apart_and_zeros_not(device):
    x = np.array(ODD, np.float32).reshape(3, 5)
    x[np.abs(x) == np.float32(1e-40)] *= 1e10  # some adapters take subnormals for 0
    found = wg.unique_all(wg.tensor(x))
    values = found.values.numpy()
    assert np.isnan(values).sum() == 3 and (values == 0).sum() == 1
    assert sorted(found.inverse_indices.numpy()[np.isnan(x)]) == [8, 9, 10]
    np.testing.assert_array_equal(values[found.inverse_indices.numpy()], x)
    np.testing.assert_array_equal(x.reshape(-1)[found.indices.numpy()], values)
    assert found.counts.numpy().sum() == x.size
    np.testing.assert_array_equal(
        found.counts.numpy(), np.bincount(found.inverse_indices.numpy().reshape(-1))
    )


def test_equal_sorts_give_equal_bits(webgpu, rng):
    x = wg.tensor(rng.integers(0, 50, 20_000).astype(np.float32))
    first = wg.argsort(x).numpy()
    assert all(np.array_equal(first, wg.argsort(x).numpy()) for _ in range(5))
