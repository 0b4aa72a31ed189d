"""Running extremes and running logarithms of sums: long lines, ties, NaN, infinities, gradients."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

import wgrad as wg

SHAPES = ((1,), (31,), (33,), (70_001,), (3, 1000), (1000, 3), (40, 8), (2, 65, 3), (4, 0))


def last_extreme(x: np.ndarray, axis: int, least: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return running extremes and their positions, one element after the other."""
    lines = np.moveaxis(x, axis, -1)
    values, places = np.empty_like(lines), np.zeros(lines.shape, np.int32)
    for at in np.ndindex(lines.shape[:-1]):
        for i, new in enumerate(lines[at]):
            before = lines[at][places[at][i - 1]] if i else new
            better = new <= before if least else new >= before
            taken = i == 0 or new != new or (before == before and better)
            places[at][i] = i if taken else places[at][i - 1]
            values[at][i] = lines[at][places[at][i]]
    return np.moveaxis(values, -1, axis), np.moveaxis(places, -1, axis)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_running_extremes_of_any_length(shape, device, rng):
    x = rng.integers(-50, 50, shape)
    drift = x + np.arange(x.size).reshape(shape) // 7  # new extremes all along
    for axis in range(len(shape)):
        for host in (drift, -drift):
            for least, function in ((False, wg.cummax), (True, wg.cummin)):
                values, places = last_extreme(host, axis, least)
                for dtype in ("int32", "float32"):
                    found = function(wg.tensor(host, dtype), axis)
                    np.testing.assert_array_equal(found.values.numpy(), values)
                    np.testing.assert_array_equal(found.indices.numpy(), places)
                    assert found.values.dtype.name == dtype and found.indices.dtype is wg.int32


def test_running_extremes_of_nan_infinities_and_bounds(device):
    for data in (
        [1.0, nan, 3.0, nan, inf],
        [-inf, -inf, 2.0, inf, inf],
        [inf, inf, -inf, nan, 0.0],
        [0.0, -0.0, 0.0],
    ):
        for least, function in ((False, wg.cummax), (True, wg.cummin)):
            values, places = last_extreme(np.array(data), 0, least)
            found = function(wg.tensor(data))
            np.testing.assert_array_equal(found.values.numpy(), values)
            np.testing.assert_array_equal(found.indices.numpy(), places)
    low, high = -(2**31), 2**31 - 1
    assert wg.cummax(wg.tensor([low, low, high])).values.tolist() == [low, low, high]
    assert wg.cummin(wg.tensor([high, high, low])).values.tolist() == [high, high, low]
    top = wg.tensor([2**32 - 1, 3], dtype="uint32")
    assert wg.cummin(top).values.tolist() == [2**32 - 1, 3]
    flags = wg.cummax(wg.tensor([False, True, False]))
    assert flags.values.tolist() == [False, True, True] and flags.values.dtype is wg.bool
    assert flags.indices.tolist() == [0, 1, 1]


def test_running_extremes_agree_with_torchs(device, rng):
    torch = pytest.importorskip("torch")
    host = rng.integers(-3, 3, (4, 60)).astype(np.float32)
    host[1, 30] = nan
    weights = rng.standard_normal((4, 60)).astype(np.float32)
    for name in ("cummax", "cummin"):
        theirs = torch.tensor(host, requires_grad=True)
        right = getattr(torch, name)(theirs, 1)
        (right.values * torch.tensor(weights)).nansum().backward()
        mine = wg.tensor(host, requires_grad=True)
        found = getattr(wg, name)(mine, 1)
        np.testing.assert_array_equal(found.values.numpy(), right.values.detach())
        np.testing.assert_array_equal(found.indices.numpy(), right.indices)
        kept = wg.where(wg.isnan(found.values), 0.0, found.values * wg.tensor(weights))
        kept.sum().backward()
        np.testing.assert_allclose(mine.grad.numpy(), theirs.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_logarithms_of_running_sums_of_any_length(shape, device, rng):
    x = rng.uniform(-30, 30, shape).astype(np.float32)
    for axis in range(len(shape)):
        exact = np.logaddexp.accumulate(x.astype(np.float64), axis)
        found = wg.logcumsumexp(wg.tensor(x), axis).numpy()
        np.testing.assert_allclose(found, exact, rtol=2e-6, atol=2e-6)


def test_logarithms_of_running_sums_do_not_overflow(device):
    cases = (
        ([1e4, 1e4, -1e4], [1e4, 1e4 + np.log(2), 1e4 + np.log(2)], [1.5 + 0.5, 1, 0]),
        ([-inf, -inf, 0.0], [-inf, -inf, 0], [0, 0, 1]),
        ([0.0, inf, 1.0], [0, inf, inf], [1, 2, 0]),
        ([3.0, -inf], [3, 3], [2, 0]),
        ([-1e4, 1e4], [-1e4, 1e4], [1, 1]),
    )
    for data, values, slopes in cases:
        x = wg.tensor(data, requires_grad=True)
        found = wg.logcumsumexp(x)
        np.testing.assert_allclose(found.numpy(), values, rtol=1e-6)
        found.sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), slopes, rtol=1e-6, err_msg=str(data))
        for i, slope in enumerate(slopes):
            unit = wg.tensor([float(i == j) for j in range(len(data))])
            tangent = wg.jvp(lambda x: wg.logcumsumexp(x).sum(), (x.detach(),), (unit,))[1]
            assert tangent.item() == pytest.approx(slope, abs=1e-6)
    assert np.isnan(wg.logcumsumexp(wg.tensor([0.0, nan, 1.0])).numpy()[1:]).all()


def test_logarithms_of_running_sums_agree_with_torchs_gradient(device, rng):
    torch = pytest.importorskip("torch")
    host = rng.uniform(-40, 40, (3, 70)).astype(np.float32)
    weights = rng.standard_normal((3, 70)).astype(np.float32)
    theirs = torch.tensor(host.astype(np.float64), requires_grad=True)
    (torch.logcumsumexp(theirs, 1) * torch.tensor(weights)).sum().backward()
    mine = wg.tensor(host, requires_grad=True)
    (wg.logcumsumexp(mine, 1) * wg.tensor(weights)).sum().backward()
    np.testing.assert_allclose(mine.grad.numpy(), theirs.grad, rtol=1e-5, atol=1e-5)


def test_curvature_where_the_gradient_of_a_sum_is_zero(numpy_device, rng):
    """The Hessian of squares at their least: a formula with logarithms of cotangents has none."""
    x = wg.tensor(rng.uniform(-2, 2, 5), "float64")
    goal = wg.logcumsumexp(x)
    slopes = wg.jacobian(wg.logcumsumexp)(x).numpy()
    found = wg.hessian(lambda x: (wg.logcumsumexp(x) - goal).square().sum())(x)
    np.testing.assert_allclose(found.numpy(), 2 * slopes.T @ slopes, rtol=1e-12, atol=1e-12)


def test_scans_compile(device, rng):
    x = wg.tensor(rng.standard_normal((5, 100)).astype(np.float32))

    def f(x: wg.Tensor) -> tuple:
        values, places = wg.cummax(x, 1)
        slope = wg.grad(lambda x: (wg.logcumsumexp(x, 1) * values.detach()).sum())(x)
        return values, places, slope, wg.take_along_axis(x * 2, places, 1)

    compiled = wg.compile(f)
    for _ in range(3):
        for found, right in zip(compiled(x), f(x), strict=True):
            np.testing.assert_allclose(found.numpy(), right.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["cummax", "cummin", "logcumsumexp"])
def test_scans_want_an_axis(device, name):
    function = getattr(wg, name)
    with pytest.raises(wg.errors.AxisError, match=f"{name}: axis="):
        function(wg.ones((2, 3)))
    with pytest.raises(wg.errors.ShapeError, match=f"{name}: a 0-d"):
        function(wg.ones(()))


def test_gradients_of_logcumsumexp_in_float16(device):
    x = np.random.default_rng(0).normal(0, 3, (3, 9)).astype(np.float16)
    exact = wg.tensor(x.astype(np.float32))
    if wg.float16 not in device.dtypes:
        pytest.skip("float16 is missing here")
    half = wg.tensor(x, dtype=wg.float16)
    weight = wg.tensor(np.linspace(0.5, 1.5, 27).reshape(3, 9).astype("f"))

    def f(x):
        return (wg.logcumsumexp(x, 1) * weight).sum()

    found = wg.grad(f)(half)
    assert found.dtype is wg.float16
    np.testing.assert_allclose(found.numpy(), wg.grad(f)(exact).numpy(), rtol=2e-3, atol=1e-5)
    tangent = wg.jvp(lambda x: wg.logcumsumexp(x, 1), (half,), (wg.ones_like(half),))[1]
    assert tangent.dtype is wg.float16
    np.testing.assert_allclose(tangent.numpy(), np.ones((3, 9)), rtol=2e-3)
    second = wg.grad(lambda x: wg.grad(f)(x).astype(wg.float32).square().sum())
    np.testing.assert_allclose(second(half).numpy(), second(exact).numpy(), rtol=2e-2, atol=1e-3)
