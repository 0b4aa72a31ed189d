"""Derivatives of every op of the table: both modes, first and second order, both devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from differences import assert_close, derivative, jacobian
from table import DIFFERENTIABLE, ROWS, Row, leading

import wgrad as wg
from wgrad.backends.base import Device
from wgrad.ops import REGISTRY

each_row = pytest.mark.parametrize("row", DIFFERENTIABLE, ids=lambda row: row.id)
# Rounding to float32 has a derivative, and no differences that would show it.
SMOOTH = [row for row in DIFFERENTIABLE if row.id != "astype-float32"]
each_smooth_row = pytest.mark.parametrize("row", SMOOTH, ids=lambda row: row.id)
# Where what is judged is common to all rows; the rules of each are judged by other tests here.
some_smooth_rows = pytest.mark.parametrize("row", SMOOTH[::8], ids=lambda row: row.id)
INF = float("inf")


def by_argument(row: Row, arrays: list[np.ndarray], position: int) -> Callable[..., wg.Tensor]:
    """Return the row's call as a function of one input, with the others held constant."""
    fixed = [wg.tensor(x, dtype=x.dtype) for x in arrays]
    return lambda x: row.call(*fixed[:position], x, *fixed[position + 1 :])


def of_chosen(f: Callable, row: Row, values: list[wg.Tensor]) -> Callable[..., wg.Tensor]:
    """Return f as a function of the inputs by which the row is differentiated."""

    def chosen(*xs: wg.Tensor) -> wg.Tensor:
        full = list(values)
        for position, x in zip(row.grad, xs, strict=True):
            full[position] = x
        return f(*full)

    return chosen


def weights_for(row: Row, arrays: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(0.5, 1.5, row.expected(arrays).shape)


def scalar(row: Row, weights: np.ndarray) -> Callable[..., wg.Tensor]:
    """Return the row's call folded to one number, so that every output counts differently."""

    def f(*xs: wg.Tensor) -> wg.Tensor:
        out = row.call(*xs)
        return wg.sum(out * wg.tensor(weights, out.dtype, out.device))

    return f


# The table itself.


def test_every_op_with_a_derivative_is_differentiated():
    """An op that has a rule has a row that is differentiated; none is forgotten."""
    differentiated = {name for row in DIFFERENTIABLE for name in row.covers}
    silent = {"any", "all"}  # they declare a rule slot, and their results are bools
    with_rules = {
        name for name, op in REGISTRY.items() if any(rule is not None for rule in op.rules)
    }
    assert with_rules - silent - differentiated == set()


def test_rows_without_a_gradient_are_not_floating():
    """The result of a row that is not differentiated is a bool, an integer, or made of integers."""
    for row in ROWS:
        if not row.grad and not row.id.startswith("astype"):
            assert "float32" not in row.dtypes or row.result("float32") in ("bool", "int32")


# Reverse mode, first order.


@each_row
def test_reverse_mode_agrees_with_differences(row: Row, numpy_device, rng):
    """By six entries of each input; forward mode, its transpose, is compared along all of them."""
    arrays = row.smooth_samples(rng)
    for position in row.grad:
        f = by_argument(row, arrays, position)
        found = wg.jacobian(f, mode="reverse")(wg.tensor(arrays[position], dtype="float64"))
        if row.id == "astype-float32":  # differences of what is rounded say nothing
            np.testing.assert_array_equal(found.numpy().reshape(6, 6), np.eye(6))
            continue
        shape = arrays[position].shape
        entries = rng.permutation(list(np.ndindex(*shape)))[:6]
        expected = jacobian(row.call, arrays, position, [tuple(x) for x in entries])
        assert found.shape == (*expected.shape[:-1], *shape)
        columns = found.numpy().reshape(*expected.shape[:-1], -1)
        chosen = [np.ravel_multi_index(x, shape) if shape else 0 for x in map(tuple, entries)]
        assert_close(columns[..., chosen], expected, f"input {position}")


def backward_agrees_with_vjp(row: Row, device: Device, rng: np.random.Generator) -> None:
    """`.backward()` on leaves and `wg.vjp` give one gradient, with the cotangent weighing."""
    dtype = "float64" if device.name == "numpy" else "float32"
    arrays = row.smooth_samples(rng, dtype)
    leaves = [wg.tensor(x, dtype=x.dtype) for x in arrays]
    for position in row.grad:
        leaves[position].requires_grad_()
    out = row.call(*leaves)
    ct = wg.tensor(weights_for(row, arrays, rng), out.dtype)
    out.backward(ct)
    values = [wg.tensor(x, dtype=x.dtype) for x in arrays]
    f = of_chosen(row.call, row, values)
    out, pull = wg.vjp(f, *(values[i] for i in row.grad))
    pulled = pull(ct)
    for position, g in zip(row.grad, pulled if len(row.grad) > 1 else (pulled,), strict=True):
        grad = leaves[position].grad
        assert grad is not None
        assert grad.shape == g.shape == arrays[position].shape
        assert grad.dtype is g.dtype is leaves[position].dtype
        np.testing.assert_array_equal(grad.numpy(), g.numpy())


@each_smooth_row
def test_backward_agrees_with_vjp(row: Row, numpy_device, rng):
    backward_agrees_with_vjp(row, numpy_device, rng)


@some_smooth_rows
def test_backward_agrees_with_vjp_on_the_gpu(row: Row, webgpu, rng):
    """Of some: the tape knows no device, and all rules are tried on it further down."""
    backward_agrees_with_vjp(row, webgpu, rng)


@some_smooth_rows
def test_gradcheck_passes(row: Row, numpy_device, rng):
    arrays = row.smooth_samples(rng)
    assert wg.gradcheck(row.call, [wg.tensor(x, dtype=x.dtype) for x in arrays])


# Forward mode.


@each_row
def test_forward_mode_agrees_with_differences(row: Row, numpy_device, rng):
    """The derivative in a random direction of all inputs at once."""
    arrays = row.smooth_samples(rng)
    directions = {i: rng.standard_normal(arrays[i].shape) for i in row.grad}
    values = [wg.tensor(x, dtype=x.dtype) for x in arrays]
    f = of_chosen(row.call, row, values)
    out, tangent = wg.jvp(
        f,
        tuple(values[i] for i in row.grad),
        tuple(wg.tensor(directions[i], "float64") for i in row.grad),
    )
    np.testing.assert_array_equal(out.numpy(), row.call(*values).numpy())
    assert tangent.shape == out.shape
    assert tangent.dtype is out.dtype
    if row.id == "astype-float32":
        np.testing.assert_allclose(tangent.numpy(), directions[0], rtol=1e-6)
        return

    def along(t: float) -> np.ndarray:
        moved = [x + t * directions[i] if i in directions else x for i, x in enumerate(arrays)]
        return row.call(*(wg.tensor(x, dtype=x.dtype) for x in moved)).numpy()

    assert_close(tangent.numpy(), derivative(along))


def transposes(row: Row, device: Device, rng: np.random.Generator, tolerance: float) -> None:
    """<ct, J v> = <J^T ct, v>, of all inputs at once."""
    dtype = "float64" if device.name == "numpy" else "float32"
    arrays = row.smooth_samples(rng, dtype)
    values = [wg.tensor(x, dtype=x.dtype) for x in arrays]
    f = of_chosen(row.call, row, values)
    xs = tuple(values[i] for i in row.grad)
    v = tuple(wg.tensor(rng.standard_normal(x.shape), dtype) for x in xs)
    out, pull = wg.vjp(f, *xs)
    ct = rng.uniform(0.5, 1.5, out.shape).astype(out.dtype.name)
    pulled = pull(wg.tensor(ct, out.dtype))
    pairs = zip(pulled if len(xs) > 1 else (pulled,), v, strict=True)
    reverse = sum(np.vdot(g.numpy(), x.numpy()) for g, x in pairs)
    forward = np.vdot(ct, wg.jvp(f, xs, v)[1].numpy())
    assert forward == pytest.approx(reverse, rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("row", leading(DIFFERENTIABLE), ids=lambda row: row.id)
def test_forward_mode_is_the_transpose_of_reverse_mode_on_the_gpu(row: Row, webgpu, rng):
    """Of each op: a tangent of a function is made of theirs. Gradients are tried of all rows."""
    transposes(row, webgpu, rng, 1e-4)


@some_smooth_rows
def test_jacobians_of_both_modes_agree(row: Row, numpy_device, rng):
    """Column by column. Of some: both modes of all rows are compared with differences above."""
    transposes(row, numpy_device, rng, 1e-10)
    arrays, position = row.smooth_samples(rng), row.grad[0]
    f = by_argument(row, arrays, position)
    x = wg.tensor(arrays[position], dtype="float64")
    columns = wg.jacobian(f, mode="forward")(x).numpy()
    rows = wg.jacobian(f, mode="reverse")(x).numpy()
    np.testing.assert_allclose(columns, rows, rtol=1e-12, atol=1e-12)


# Second order.


@each_smooth_row
def test_second_order_agrees_with_differences_in_every_mode(row: Row, numpy_device, rng):
    """The gradient of <v, gradient>, with respect to every input, over and under both modes."""
    arrays = row.smooth_samples(rng)
    f = scalar(row, weights_for(row, arrays, rng))
    directions = [wg.tensor(rng.standard_normal(arrays[i].shape), "float64") for i in row.grad]

    def slope(*xs: wg.Tensor) -> wg.Tensor:
        """The derivative of f in the fixed directions, computed in reverse mode."""
        parts = wg.grad(f, row.grad)(*xs)
        total = wg.sum(parts[0] * directions[0])
        for part, v in zip(parts[1:], directions[1:], strict=True):
            total = total + wg.sum(part * v)
        return total

    values = [wg.tensor(x, dtype=x.dtype) for x in arrays]
    second = [g.numpy() for g in wg.grad(slope, row.grad)(*values)]
    for g, i in zip(second, row.grad, strict=True):
        assert g.shape == arrays[i].shape
    moving = [(i, arrays[i]) for i in row.grad]
    # One random direction through all entries of all inputs: no entry has a weight near 0.
    steps = {i: rng.choice((-1, 1), x.shape) * rng.uniform(0.5, 1, x.shape) for i, x in moving}

    def along(t: float) -> np.ndarray:
        moved = [x + t * steps[i] if i in steps else x for i, x in enumerate(arrays)]
        return slope(*(wg.tensor(x, dtype=x.dtype) for x in moved)).numpy()

    found = sum((g * steps[i]).sum() for g, i in zip(second, row.grad, strict=True))
    size = max(1.0, *(np.abs(g).max(initial=0.0) for g in second))
    np.testing.assert_allclose(found, derivative(along), rtol=1e-8, atol=1e-8 * size)

    # The other mode in front, or behind: the same for the same directions, without a difference.
    every = tuple(range(len(row.grad)))
    xs, chosen = tuple(values[i] for i in row.grad), of_chosen(f, row, values)
    over_forward = wg.grad(lambda *xs: wg.jvp(chosen, xs, tuple(directions))[1], every)(*xs)
    over_reverse = wg.hvp(lambda xs: chosen(*xs), xs, tuple(directions))
    for parts in (over_forward, over_reverse):
        for part, g in zip(parts, second, strict=True):
            np.testing.assert_allclose(part.numpy(), g, rtol=1e-10, atol=1e-10 * size)


# The GPU.


@each_smooth_row
def test_webgpu_gradients_agree_with_numpys(row: Row, webgpu, rng):
    """First and second order in float32, against float64 on the NumPy device."""
    arrays = row.smooth_samples(rng, "float32")
    weights = weights_for(row, arrays, rng).astype(np.float32)
    directions = [rng.standard_normal(arrays[i].shape).astype(np.float32) for i in row.grad]
    f = scalar(row, weights)

    def slope(*xs: wg.Tensor) -> wg.Tensor:
        parts = wg.grad(f, row.grad)(*xs)
        total = 0.0
        for part, v in zip(parts, directions, strict=True):
            total = total + wg.sum(part * wg.tensor(v, part.dtype, part.device))
        return total

    def derivatives(widen: bool) -> list[np.ndarray]:
        values = [
            wg.tensor(x, "float64" if widen and x.dtype == np.float32 else x.dtype) for x in arrays
        ]
        first = wg.grad(f, row.grad)(*values)
        second = wg.grad(slope, row.grad)(*values)
        return [g.numpy() for g in (*first, *second)]

    found = derivatives(widen=False)
    with wg.device("numpy"):
        expected = derivatives(widen=True)
    for g, e in zip(found, expected, strict=True):
        size = max(1.0, np.abs(e).max(initial=0.0))
        np.testing.assert_allclose(g, e, rtol=2e-5, atol=2e-5 * size)


# Kinks and ties, by rule.

KINKS: tuple[tuple[str, Callable[[wg.Tensor], wg.Tensor], list, list], ...] = (
    ("relu", wg.relu, [-1.0, 0.0, -0.0, 2.0], [0, 0, 0, 1]),
    ("abs", wg.abs, [-1.0, 0.0, 2.0], [-1, 0, 1]),
    ("sign", wg.sign, [-1.0, 0.0, 2.0], [0, 0, 0]),
    ("clip", lambda x: wg.clip(x, -1, 1), [-2.0, -1.0, 0.0, 1.0, 2.0], [0, 1, 1, 1, 0]),
    ("clip_low", lambda x: wg.clip(x, min=0), [-1.0, 0.0, 1.0], [0, 1, 1]),
    ("clip_high", lambda x: wg.clip(x, max=0), [-1.0, 0.0, 1.0], [1, 1, 0]),
    ("sqrt", wg.sqrt, [0.0, 4.0], [INF, 0.25]),
    ("log", wg.log, [0.0, 2.0], [INF, 0.5]),
    ("1/x", lambda x: 1 / x, [0.0, 2.0], [-INF, -0.25]),
    ("reciprocal", wg.reciprocal, [0.0, 2.0], [-INF, -0.25]),
    ("x**0", lambda x: x**0, [0.0, 3.0, -2.0], [0, 0, 0]),
    ("x**0.0", lambda x: x**0.0, [0.0, 3.0], [0, 0]),
    ("x**zeros", lambda x: x ** wg.zeros_like(x), [0.0, 3.0, -2.0], [0, 0, 0]),
    ("x**1", lambda x: x**1, [0.0, 3.0, -2.0], [1, 1, 1]),
    ("x**ones", lambda x: x ** wg.ones_like(x), [0.0, 3.0, -2.0], [1, 1, 1]),
    ("x**2", lambda x: x**2, [0.0, -3.0], [0, -6]),
    ("x**2.0", lambda x: x**2.0, [0.0, -3.0], [0, -6]),
    ("x**3", lambda x: x**3, [0.0, -3.0], [0, 27]),
    ("0**x", lambda x: 0.0**x, [1.0, 2.0], [0, 0]),
    ("zeros**x", lambda x: wg.zeros_like(x) ** x, [0.0, 1.0, 2.0], [0, 0, 0]),
    ("max", wg.max, [1.0, 3.0, 3.0, 2.0], [0, 1, 1, 0]),
    ("max_split", lambda x: wg.max(x, ties="split"), [1.0, 3.0, 3.0, 2.0], [0, 0.5, 0.5, 0]),
    ("min", wg.min, [1.0, 3.0, 1.0], [1, 0, 1]),
    ("min_split", lambda x: wg.min(x, ties="split"), [1.0, 3.0, 1.0], [0.5, 0, 0.5]),
    ("maximum", lambda x: wg.maximum(x, 1.0), [0.0, 1.0, 2.0], [0, 0.5, 1]),
    ("minimum", lambda x: wg.minimum(x, 1.0), [0.0, 1.0, 2.0], [1, 0.5, 0]),
    ("where", lambda x: wg.where(x > 0, wg.log(x), 0.0), [2.0, 4.0], [0.5, 0.25]),
    ("prod", wg.prod, [2.0, 3.0, 4.0], [12, 8, 6]),
    ("prod_zero", wg.prod, [2.0, 0.0, 4.0], [0, 8, 0]),
    ("prod_zeros", wg.prod, [0.0, 3.0, 0.0], [0, 0, 0]),
    ("prod_one", wg.prod, [5.0], [1]),
    ("tanh", wg.tanh, [4000.0, -4000.0, 0.0], [0, 0, 1]),
    ("sigmoid", wg.sigmoid, [4000.0, -4000.0, 0.0], [0, 0, 0.25]),
    ("logsumexp", wg.logsumexp, [1000.0, 1000.0], [0.5, 0.5]),
    ("logsumexp_inf", wg.logsumexp, [-INF, 0.0], [0, 1]),
    ("int", lambda x: wg.sum(x) + wg.sum(x.astype("int32")), [1.5, 2.5], [1, 1]),
)


@pytest.mark.parametrize(
    ("call", "data", "expected"), [k[1:] for k in KINKS], ids=[k[0] for k in KINKS]
)
def test_derivatives_at_kinks(call: Callable, data: list, expected: list, device):
    """Reverse mode by backward() and by grad, and forward mode in every direction."""
    for dtype in ("float32", "float64") if device.name == "numpy" else ("float32",):
        x = wg.tensor(data, dtype, requires_grad=True)
        wg.sum(call(x)).backward()
        assert x.grad is not None
        np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-6)
        found = wg.grad(lambda x: wg.sum(call(x)))(x.detach())
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)
        for i, slope in enumerate(expected):
            if not np.isfinite(expected).all():
                continue  # 0 times an infinite slope is NaN in the other entries
            direction = np.zeros(len(data))
            direction[i] = 1.0
            _, tangent = wg.jvp(
                lambda x: wg.sum(call(x)), (x.detach(),), (wg.tensor(direction, dtype),)
            )
            assert tangent.item() == pytest.approx(slope, rel=1e-6)


def test_infinite_slopes_in_forward_mode(device):
    one = wg.ones(())
    for f, slope in ((wg.sqrt, INF), (wg.log, INF), (wg.reciprocal, -INF)):
        assert wg.jvp(f, (wg.zeros(()),), (one,))[1].item() == slope


def test_where_gives_the_other_branch_no_gradient(device):
    """The branch not taken may have an infinite slope: selected away, not multiplied by 0."""
    x = wg.tensor([0.0, 4.0], requires_grad=True)
    wg.sum(wg.where(x > 0, x, wg.sqrt(x) * 0.0 + 1.0)).backward(None)
    y = wg.tensor([1.0, -2.0], requires_grad=True)
    wg.sum(wg.where(y > 0, y * 3, y * 5)).backward()
    assert y.grad.tolist() == [3, 5]


def test_max_with_an_infinite_cotangent_leaves_the_losers_at_zero(device):
    x = wg.tensor([1.0, 3.0], requires_grad=True)
    wg.max(x).backward(wg.tensor(INF))
    assert x.grad.tolist() == [0, INF]


def test_power_of_two_tensors_at_zero(device):
    """0 ** 0: no slope by the base (x**0 is constant), and none by the exponent."""
    a = wg.tensor([0.0, 0.0, 2.0, 0.0], requires_grad=True)
    b = wg.tensor([0.0, 2.0, 0.0, 1.0], requires_grad=True)
    wg.sum(a**b).backward()
    np.testing.assert_allclose(a.grad.numpy(), [0, 0, 0, 1])
    np.testing.assert_allclose(b.grad.numpy(), [0, 0, np.log(2), 0], rtol=1e-6)


def test_second_derivative_of_powers_at_zero(device):
    def twice(n: Any) -> float:
        f = wg.grad(wg.grad(lambda x: x**n))
        return f(wg.tensor(0.0)).item()

    assert [twice(n) for n in (0, 1, 2, 3)] == [0, 0, 2, 0]
    assert [twice(wg.tensor(float(n))) for n in (0, 1, 2, 3)] == [0, 0, 2, 0]


@pytest.mark.parametrize(
    "data",
    [[2.0, 3.0, 4.0], [2.0, 0.0, 4.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.0], [1.0, 2.0, 0.0, 4.0, 5.0]],
    ids=str,
)
def test_second_derivative_of_prod_with_zeros(data: list, device):
    """The Hessian of a product: the product of all but two, wherever the zeros are."""
    n = len(data)
    expected = [
        [0 if i == j else np.prod([data[k] for k in range(n) if k not in (i, j)]) for j in range(n)]
        for i in range(n)
    ]
    found = wg.hessian(wg.prod)(wg.tensor(data))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_prod_over_no_axes_is_the_identity(device):
    x = wg.tensor([[2.0, 3.0], [0.0, 5.0]], requires_grad=True)
    for axis in ((), None):
        x.set_grad(None)
        out = wg.prod(x, axis=axis)
        wg.sum(out).backward()
        expected = np.ones((2, 2)) if axis == () else [[0, 0], [30, 0]]
        np.testing.assert_array_equal(x.grad.numpy(), expected)
    s = wg.tensor(3.0, requires_grad=True)
    wg.prod(s).backward()
    assert s.grad.item() == 1


def test_reductions_over_no_axes_pass_gradients(device):
    for f in (wg.sum, wg.mean, wg.max, wg.min, wg.prod):
        x = wg.tensor([[2.0, 3.0], [0.0, 5.0]], requires_grad=True)
        wg.sum(f(x, axis=())).backward()
        np.testing.assert_array_equal(x.grad.numpy(), np.ones((2, 2)))


def test_gradients_of_broadcast_inputs_have_their_shapes(device, rng):
    for first, second in (((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 3)), ((4, 1, 3), (2, 1))):
        a = wg.tensor(rng.uniform(1, 2, first).astype(np.float32), requires_grad=True)
        b = wg.tensor(rng.uniform(1, 2, second).astype(np.float32), requires_grad=True)
        wg.sum(a * b).backward()
        shape = np.broadcast_shapes(first, second)
        for x, y in ((a, b), (b, a)):
            whole = np.broadcast_to(y.numpy(), shape)
            lead = len(shape) - x.ndim
            axes = tuple(range(lead)) + tuple(
                lead + i for i, n in enumerate(x.shape) if n != shape[lead + i]
            )
            expected = whole.sum(axis=axes).reshape(x.shape)
            assert x.grad.shape == x.shape
            np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-5)


def test_gradients_of_empty_tensors_are_empty(device):
    x = wg.zeros((0, 3), requires_grad=True)
    wg.sum(wg.exp(x) * 2).backward()
    assert x.grad.shape == (0, 3)
    w = wg.ones((3, 2), requires_grad=True)
    wg.sum(x @ w).backward()
    np.testing.assert_array_equal(w.grad.numpy(), np.zeros((3, 2)))


def test_gradients_beyond_65535_iterations(device, rng):
    n = 140_001
    x = wg.tensor(rng.integers(-3, 4, n).astype(np.float32), requires_grad=True)
    s = wg.tensor(2.0, requires_grad=True)
    wg.sum(x * s).backward()
    assert s.grad.item() == x.numpy().sum()
    np.testing.assert_array_equal(x.grad.numpy(), np.full(n, 2))
    table = wg.ones((3, 2), requires_grad=True)
    index = rng.integers(0, 3, n)
    wg.sum(wg.take(table, index, axis=0)).backward()
    np.testing.assert_array_equal(
        table.grad.numpy(), np.repeat(np.bincount(index, minlength=3), 2).reshape(3, 2)
    )
