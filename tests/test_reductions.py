"""Reductions and running totals: exactness over millions of elements, layouts, and edge values."""

from __future__ import annotations

import numpy as np
import pytest

import wgrad as wg
from wgrad.backends.webgpu import reduce, scan
from wgrad.layout import Layout

inf, nan = np.inf, np.nan
MANY = 10_000_000


def relative(found: wg.Tensor, exact: np.ndarray) -> float:
    return float(np.max(np.abs(found.numpy() - exact) / np.abs(exact)))


# Exactness. Equal numbers are the worst, every rounding goes the same way: NumPy takes them alone.
given = pytest.mark.parametrize(
    ("wgrad_device", "data"),
    [("numpy", "equal"), ("webgpu", "equal"), ("webgpu", "random")],
    indirect=["wgrad_device"],
)


@given
def test_sum_of_ten_million_is_exact_to_a_millionth(device, rng, data):
    host = rng.random(MANY, np.float32) if data == "random" else np.full(MANY, 0.1, np.float32)
    exact = host.astype(np.float64)
    views = (
        lambda x: x,
        lambda x: x[1:],
        lambda x: x[::2],
        lambda x: x.reshape(8, -1),
        lambda x: x.reshape(-1, 8).T,
        lambda x: x.reshape(-1, 5).T,
    )
    x = wg.tensor(host)

    def totals(x):
        return tuple(view(x).sum(-1) for view in views) + (x.mean(),)

    wanted = [view(exact).sum(-1) for view in views] + [exact.mean()]
    for function in (totals, wg.compile(totals)):
        for found, sums in zip(function(x), wanted, strict=True):
            assert relative(found, sums) < 1e-6


@given
def test_cumulative_sum_of_ten_million_is_exact_to_a_millionth(device, rng, data):
    host = rng.random(MANY, np.float32) if data == "random" else np.full(MANY, 0.1, np.float32)
    exact = np.cumsum(host, dtype=np.float64)
    x = wg.tensor(host)
    assert relative(x.cumulative_sum(), exact) < 1e-6
    columns = wg.compile(lambda x: x.reshape(-1, 8).cumulative_sum(0))
    assert relative(columns(x), np.cumsum(host.reshape(-1, 8), 0, dtype=np.float64)) < 1e-6


def test_matmul_over_a_million_is_exact_to_a_millionth(webgpu, rng):
    a, b = rng.random((4, 1_000_000), np.float32), rng.random((1_000_000, 4), np.float32)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    product = wg.compile(wg.matmul)
    for function in (wg.matmul, product):
        assert relative(function(wg.tensor(a), wg.tensor(b)), exact) < 1e-6


def test_var_of_numbers_far_from_zero_keeps_its_digits(device, rng):
    host = (10_000 + rng.standard_normal((3, 5000))).astype(np.float32)
    exact = host.astype(np.float64).var(axis=1, ddof=1)
    np.testing.assert_allclose(wg.var(wg.tensor(host), 1, correction=1).numpy(), exact, rtol=1e-4)


# Layouts: every variant of the kernels, against NumPy on whole numbers, whose sums are exact.
SHAPES = [(7,), (1001,), (70_003,), (4, 5), (64, 1000), (1000, 64), (3000, 3), (5, 4, 6, 8)]
SHAPES += [(33, 1, 65), (30, 40, 20), (20_000, 4), (2,) * 10, (1,), (1, 1), (3, 300, 8)]
VIEWS = {
    "plain": lambda x: x,
    "transposed": lambda x: x.T,
    "backwards": lambda x: x[::-1],
    "without the first": lambda x: x[1:],
    "every second": lambda x: x[..., ::2],
    "from the fourth": lambda x: x[..., 4:],
}


def viewed(x, view):
    if view == "transposed" and isinstance(x, wg.Tensor):
        return wg.permute_dims(x, tuple(range(len(x.shape)))[::-1])
    return VIEWS[view](x)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sum_of_a_view_matches_numpy(webgpu, rng, shape, view):
    host = rng.integers(-4, 5, shape).astype(np.float32)
    x, expected = viewed(wg.tensor(host), view), viewed(host, view)
    for axes in (None, 0, -1, tuple(range(0, len(shape), 2)), tuple(range(1, len(shape), 2))):
        np.testing.assert_array_equal(wg.sum(x, axes).numpy(), expected.sum(axes))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cumulative_sum_of_a_view_matches_numpy(webgpu, rng, shape, view):
    host = rng.integers(-4, 5, shape).astype(np.float32)
    x, expected = viewed(wg.tensor(host), view), viewed(host, view)
    back = wg.grad(lambda x, axis: (x.cumulative_sum(axis) * x.detach()).sum())
    for axis in {0, len(shape) - 1, len(shape) // 2}:
        np.testing.assert_array_equal(x.cumulative_sum(axis).numpy(), expected.cumsum(axis))
        turned = np.flip(np.flip(expected, axis).cumsum(axis), axis)
        np.testing.assert_array_equal(back(x, axis).numpy(), turned)


@pytest.mark.parametrize("apart", [False, True])
def test_reduction_plans_visit_every_element_once(apart):
    """As the kernel walks them, without one: also as a GPU would."""
    for shape in ((70_003,), (300, 1000), (1000, 300), (40, 30, 20)):
        layout = Layout.dense(shape)
        for axes in ((0,), (len(shape) - 1,), tuple(range(len(shape)))):
            fold = reduce.plan(layout, axes, 1 << 12, apart)
            threads, split, columns, extent, run, lane_step, step, tail = fold.params[:8]
            outputs = split if columns else threads // split
            lanes = threads // outputs
            seen = np.zeros(extent, int)
            for lane in range(lanes):
                first = lane * lane_step
                assert first < extent
                seen[first : min(extent, first + run) : step] += 1
            assert (seen == 1).all()
            width = 4 if fold.along else 1
            assert width * extent * outputs + tail == layout.size


@pytest.mark.parametrize("shape", [(70_003,), (300, 1000), (1000, 300), (30, 40, 20)], ids=str)
def test_sum_as_a_gpu_takes_it_matches_numpy(webgpu, rng, monkeypatch, shape):
    """Neighbouring lanes read neighbouring elements, and more of them share a row."""
    plan = reduce.plan
    monkeypatch.setattr(reduce, "plan", lambda x, axes, *_, **__: plan(x, axes, 1 << 14, True))
    host = rng.integers(-4, 5, shape).astype(np.float32)
    x = wg.tensor(host)
    for axes in (None, 0, -1):
        np.testing.assert_array_equal(x.sum(axes).numpy(), host.sum(axes))
    np.testing.assert_array_equal(x[..., 1:].sum(-1).numpy(), host[..., 1:].sum(-1))


@pytest.mark.parametrize("shape", [(128, 256), (64, 5, 64), (16_385, 1)], ids=str)
def test_broadcast_operands_by_fours_match_numpy(webgpu, rng, shape):
    whole = rng.standard_normal(shape).astype(np.float32)
    x = wg.tensor(whole)
    pairs = [(x[:, :1], whole[:, :1]), (x[:1], whole[:1]), (x[..., :1], whole[..., :1])]
    pairs += [(x[0, 0], whole[0, 0]), (x[::-1], whole[::-1])]
    for part, host in pairs:
        np.testing.assert_array_equal((x - part).numpy(), whole - host)
        np.testing.assert_array_equal((part < x).numpy(), host < whole)


# Edge values.
EMPTY = {"sum": 0, "prod": 1, "any": False, "all": True, "count_nonzero": 0, "mean": nan}
EMPTY |= {"var": nan, "std": nan, "norm": 0, "logsumexp": -inf}


@pytest.mark.parametrize("name", EMPTY)
def test_reduction_of_nothing(device, name):
    found = getattr(wg, name)(wg.zeros((2, 0, 3)), axis=1)
    assert found.shape == (2, 3)
    np.testing.assert_array_equal(found.numpy(), EMPTY[name])
    assert getattr(wg, name)(wg.zeros((0, 3)), axis=1).shape == (0,)
    with pytest.raises(wg.errors.ShapeError, match="max"):
        wg.max(wg.zeros((2, 0)), axis=1)
    with pytest.raises(wg.errors.ShapeError, match="norm"):
        wg.norm(wg.zeros((2, 0)), axis=1, ord=-inf)


@pytest.mark.parametrize("name", [*EMPTY, "max", "min", "argmax", "argmin"])
def test_reduction_of_a_0d_tensor(device, name):
    expected = {"any": True, "all": True, "count_nonzero": 1, "var": 0, "std": 0}
    expected |= {"argmax": 0, "argmin": 0}
    found = getattr(wg, name)(wg.tensor(2.5))
    assert found.shape == () and found.item() == expected.get(name, 2.5)
    with pytest.raises(wg.errors.AxisError):
        getattr(wg, name)(wg.tensor(2.5), axis=0)


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "mean", "var", "std", "norm"])
def test_reduction_of_nan_and_infinity_matches_numpy(device, name):
    host = np.array([[1, 2, nan], [inf, 1, 2], [inf, -inf, 1], [0, inf, 1]], np.float32)
    reference = {"norm": np.linalg.vector_norm}.get(name, getattr(np, name, None))
    with np.errstate(all="ignore"):
        expected = reference(host, axis=1)
    found = getattr(wg, name)(wg.tensor(host), axis=1)
    np.testing.assert_array_equal(found.numpy(), expected)


def test_integer_totals_wrap_around_as_numpys_do(device):
    host = np.full(70, 2**30 + 3, np.int32)
    x = wg.tensor(host)
    with np.errstate(over="ignore"):
        assert x.sum().item() == host.sum(dtype=np.int32)
        assert x.prod().item() == host.prod(dtype=np.int32)
        np.testing.assert_array_equal(x.cumulative_sum().numpy(), host.cumsum(dtype=np.int32))
        np.testing.assert_array_equal(x.cumulative_prod().numpy(), host.cumprod(dtype=np.int32))


def test_totals_in_another_dtype(device):
    flags = wg.tensor([True, True, False, True])
    assert flags.sum().dtype is wg.int32 and flags.sum().item() == 3
    assert flags.cumulative_sum().tolist() == [1, 2, 2, 3]
    assert flags.sum(dtype=wg.float32).dtype is wg.float32
    assert flags.prod(dtype="uint32").dtype is wg.uint32
    assert wg.tensor([1.9, 1.9]).sum(dtype=int).item() == 2
    assert wg.tensor([2, 3]).cumulative_prod(dtype=float).dtype is wg.float32
    for function in (wg.sum, wg.prod, lambda x, dtype: wg.cumulative_sum(x, dtype=dtype)):
        with pytest.raises(wg.errors.DTypeError, match="bool"):
            function(flags, dtype=bool)
    if device.name == "webgpu":
        with pytest.raises(wg.errors.DTypeError, match="float64"):
            wg.sum(flags, dtype="float64")


def test_reduction_over_many_axes(device, rng):
    host = rng.standard_normal((2,) * 12).astype(np.float32)
    x = wg.permute_dims(wg.tensor(host), tuple(range(12))[::-1])
    axes = (0, 2, 4, 6, 8, 10)
    np.testing.assert_allclose(x.sum(axes).numpy(), host.T.sum(axes), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(x.var(axes).numpy(), host.T.var(axes), rtol=1e-5)
    np.testing.assert_allclose(x.cumulative_sum(5).numpy(), host.T.cumsum(5), rtol=1e-5, atol=1e-6)


def test_reduction_of_an_expanded_view(device):
    x = wg.broadcast_to(wg.tensor([[1.0], [2.0]]), (2, 100_000))
    assert x.sum(1).tolist() == [100_000, 200_000] and x.sum().item() == 300_000
    assert x.var(1).tolist() == [0, 0]
    assert x.cumulative_sum(1)[:, -1].tolist() == [100_000, 200_000]


# Variance.
@pytest.mark.parametrize("name", ["var", "std"])
def test_variance_needs_more_elements_than_the_correction(device, name):
    function, x = getattr(wg, name), wg.tensor([1.0, 3.0])
    assert function(x, correction=1).item() == pytest.approx({"var": 2, "std": 2**0.5}[name])
    assert function(x, correction=0.5).item() == pytest.approx(
        {"var": 2 / 1.5, "std": (2 / 1.5) ** 0.5}[name]
    )
    assert np.isnan(function(x, correction=2).item())
    assert np.isnan(function(x, correction=3).item())
    with pytest.raises(wg.errors.ArgumentError, match="correction"):
        function(x, correction="1")


def test_std_of_equal_numbers_has_gradient_0(device):
    x = wg.full((4,), 3.0)
    assert wg.grad(lambda x: x.std())(x).tolist() == [0] * 4
    assert wg.grad(lambda x: wg.grad(lambda y: y.std())(x).sum())(x).tolist() == [0] * 4


# Norms.
@pytest.mark.parametrize("order", [2, 3, 1.5, 0.5, -1, -2, inf, -inf])
@pytest.mark.parametrize("size", [1e30, 1.0, 1e-30])
def test_norm_neither_overflows_nor_underflows_inside(device, order, size):
    host = np.array([3.0, -4.0, 0.5], np.float32)
    exact = np.linalg.vector_norm(host.astype(np.float64), ord=order) * size
    x = wg.tensor(host * np.float32(size))
    assert wg.norm(x, ord=order).item() == pytest.approx(exact, rel=1e-5)
    small = wg.grad(lambda x: wg.norm(x, ord=order))(wg.tensor(host))
    found = wg.grad(lambda x: wg.norm(x, ord=order))(x)
    np.testing.assert_allclose(found.numpy(), small.numpy(), rtol=1e-5)


@pytest.mark.parametrize("order", [2, 1, 3, 0.5, inf, 0])
def test_norm_has_gradient_0_at_0(device, order):
    x = wg.zeros((2, 3))
    assert wg.norm(x, 1, ord=order).tolist() == [0, 0]
    assert wg.grad(lambda x: wg.norm(x, 1, ord=order).sum())(x).tolist() == [[0] * 3] * 2


def test_norm_of_order_0_counts(device):
    x = wg.tensor([[0.0, 2.0, nan], [0.0, 0.0, 1e-30]])
    assert wg.norm(x, 1, True, ord=0).tolist() == [[2], [1]]
    assert wg.norm(wg.tensor([3, 4])).item() == 5


@pytest.mark.parametrize("order", ["fro", None, nan, True])
def test_norm_refuses_an_order_that_is_no_number(order):
    with pytest.raises(wg.errors.ArgumentError, match="ord"):
        wg.norm(wg.ones(3), ord=order)


@pytest.mark.parametrize("order", [2, 1, 3, inf])
def test_norm_gradients_match_torch(device, rng, order):
    torch = pytest.importorskip("torch")
    host = rng.standard_normal((3, 5)).astype(np.float32)
    host[1] = [1, -2, 2, 0, 1]  # two are the largest, one is 0
    theirs = torch.tensor(host, requires_grad=True)
    torch.linalg.vector_norm(theirs, ord=order, dim=1).sum().backward()
    ours = wg.grad(lambda x: wg.norm(x, 1, ord=order).sum())(wg.tensor(host))
    np.testing.assert_allclose(ours.numpy(), theirs.grad.numpy(), rtol=1e-5, atol=1e-6)


# Running totals.
ZEROS = ([0.5, 0.0, 2.0, 3.0], [0.0, 0.0, 2.0, 3.0], [1.0, 2.0, 0.0, 0.0], [0.0, 2.0, 0.0, 1.5])


def test_cumulative_prod_derivatives_are_exact_at_zeros(numpy_device):
    x = wg.tensor(ZEROS, dtype="float64")
    weights = wg.tensor([1.0, -2.0, 3.0, 0.5], dtype="float64")

    def loss(x):
        return (x.cumulative_prod(1) * weights).sum()

    wg.gradcheck(loss, (x,))
    wg.gradcheck(lambda x: (wg.grad(loss)(x) * wg.flip(weights)).sum(), (x,))
    tangent = wg.flip(x) + 1
    _, pushed = wg.jvp(loss, (x,), (tangent,))
    assert pushed.item() == pytest.approx((wg.grad(loss)(x) * tangent).sum().item())


def test_cumulative_prod_gradient_matches_torch(device, rng):
    torch = pytest.importorskip("torch")
    host = rng.standard_normal((3, 70)).astype(np.float32)
    host[0, [3, 9]], host[1, 0], host[2, 69] = 0, 0, 0
    theirs = torch.tensor(host, requires_grad=True)
    torch.cumprod(theirs, 1).sum().backward()
    ours = wg.grad(lambda x: x.cumulative_prod(1).sum())(wg.tensor(host))
    np.testing.assert_allclose(ours.numpy(), theirs.grad.numpy(), rtol=1e-4, atol=1e-5)


def test_cumulative_totals_may_begin_with_that_of_nothing(device):
    x = wg.tensor([[1, 2, 3], [4, 5, 6]])
    assert x.cumulative_sum(1, include_initial=True).tolist() == [[0, 1, 3, 6], [0, 4, 9, 15]]
    assert x.cumulative_prod(0, include_initial=True).tolist() == [[1] * 3, [1, 2, 3], [4, 10, 18]]
    empty = wg.zeros((2, 0))
    assert empty.cumulative_sum(1).shape == (2, 0) and empty.cumulative_prod(0).shape == (2, 0)
    assert empty.cumulative_sum(1, include_initial=True).tolist() == [[0], [0]]


def test_cumulative_totals_of_nan_and_infinity(device):
    x = wg.tensor([1.0, inf, -inf, 1.0])
    np.testing.assert_array_equal(x.cumulative_sum().numpy(), [1, inf, nan, nan])
    np.testing.assert_array_equal(x.cumulative_prod().numpy(), [1, inf, -inf, -inf])
    late = wg.tensor([1.0] * 100 + [nan])
    assert late.cumulative_sum()[-2].item() == 100 and np.isnan(late.cumulative_sum()[-1].item())


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_cumulative_totals_want_an_axis(device, name):
    function = getattr(wg, name)
    with pytest.raises(wg.errors.AxisError, match="axis="):
        function(wg.ones((2, 3)))
    with pytest.raises(wg.errors.AxisError, match="axis 2"):
        function(wg.ones((2, 3)), axis=2)
    with pytest.raises(wg.errors.ShapeError, match="0-d"):
        function(wg.tensor(1.0))


def test_cumulative_totals_in_compiled_programs(device, rng):
    host = rng.standard_normal((40, 50)).astype(np.float32)

    def loss(x):
        return ((x * 2).cumulative_sum(1)[:, ::5] * x.cumulative_prod(0)[:, :10]).sum()

    step = wg.compile(wg.value_and_grad(loss))
    x = wg.tensor(host)
    step(x)
    for ours, eager in zip(step(x), wg.value_and_grad(loss)(x), strict=True):
        np.testing.assert_allclose(ours.numpy(), eager.numpy(), rtol=1e-4, atol=1e-4)


def test_scan_plans_by_fours_where_memory_allows():
    dense = Layout.dense((64, 128))
    assert scan.plan(dense, 1, False).along == "rows"
    assert scan.plan(dense, 1, True).along == "rows back"
    assert scan.plan(dense, 0, True).along == "columns"
    assert scan.plan(Layout.dense((64, 127)), 1, False).along == ""
    assert scan.plan(Layout.dense((127,)), 0, False).along == "rows"


@pytest.mark.parametrize("outputs", [2, 40_000])  # looked through, and sorted
@pytest.mark.parametrize("value", [1.0, 0.1])
def test_many_values_added_at_one_index_keep_their_digits(outputs, value, device):
    count = 300_000 if outputs > 2 else 70_000
    outputs = max(outputs, count) if outputs > 2 else outputs
    x, index = wg.zeros(outputs), wg.ones(count, dtype="int32")
    add = lambda x, values: wg.scatter_add(x, index, values, 0)  # noqa: E731
    values = wg.full((count,), value)
    exact = count * float(np.float32(value))
    for f in (add, wg.compile(add)):
        for _ in range(2):
            found = f(x, values).numpy()
        assert abs(found[1] - exact) < 1e-6 * exact
        assert found.sum() == found[1]
