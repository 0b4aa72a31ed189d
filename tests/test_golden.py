"""Numbers that are known beforehand, from five systems that wgrad must match, on both devices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import wgrad as wg


def leaf(data: Any) -> wg.Tensor:
    return wg.tensor(data, dtype="float32", requires_grad=True)


def close(x: wg.Tensor | None, expected: Any, tolerance: float = 1e-6) -> None:
    assert x is not None
    expected = np.asarray(expected, np.float64)
    assert x.shape == expected.shape
    np.testing.assert_allclose(x.numpy(), expected, rtol=tolerance, atol=tolerance)


def test_golden_01_product_and_sum(device):
    x, y = leaf(2), leaf(3)
    z = x * y + x
    z.backward()
    close(z, 8)
    close(x.grad, 4)
    close(y.grad, 2)
    # Towards a target of 10, z must grow: both gradients say "up", x by twice as much.
    assert z.item() < 10 and x.grad.item() == 2 * y.grad.item() > 0


def test_golden_02_sum_of_squares(device):
    p = leaf([2, 3, 4])
    wg.sum(p * p).backward()
    close(p.grad, [4, 6, 8])


def test_golden_03_matrix_product(device):
    a, w = leaf([[1, 2], [3, 4]]), leaf([[0.5], [0.5]])
    out = wg.sum(a @ w)
    out.backward()
    close(out, 5)
    close(a.grad, np.full((2, 2), 0.5))
    close(w.grad, [[4], [6]])


def test_golden_04_relu(device):
    p = leaf([1, 2, 3, 4])
    out = wg.relu(p * 2 - 3)
    wg.sum(out).backward()
    close(out, [0, 1, 3, 5])
    close(p.grad, [0, 2, 2, 2])


def test_golden_05_zero_grad_between_passes(device):
    v = leaf([1, 2, 3])
    wg.sum(v * v).backward()
    close(v.grad, [2, 4, 6])
    v.zero_grad()
    close(v.grad, [0, 0, 0])
    wg.sum(v).backward()
    close(v.grad, [1, 1, 1])


def test_golden_06_gradient_set_by_hand(device):
    v = leaf([1, 2, 3])
    v.set_grad([0.1, 0.2, 0.3])
    close(v.grad, [0.1, 0.2, 0.3])


def test_golden_07_ties_of_max(device):
    x = leaf([1, 3, 3, 2])
    x.max().backward()
    close(x.grad, [0, 1, 1, 0])
    y = leaf([1, 3, 3, 2])
    y.max(ties="split").backward()
    close(y.grad, [0, 0.5, 0.5, 0])


def test_golden_08_broadcast_sum(device):
    a, b = leaf([[1], [2]]), leaf([[1, 2, 3]])
    wg.sum(a + b).backward()
    close(a.grad, [[3], [3]])
    close(b.grad, [[2, 2, 2]])


def test_golden_09_slice_and_gather(device):
    x = leaf([1, 2, 3, 4, 5])
    wg.sum(x[1:4]).backward()
    close(x.grad, [0, 1, 1, 1, 0])
    y = leaf([1, 2, 3, 4, 5])
    taken = wg.take(y, [0, 2, 4])
    close(taken, [1, 3, 5])
    wg.sum(taken).backward()
    close(y.grad, [1, 0, 1, 0, 1])


def test_golden_10_linear_regression(device):
    w, b = leaf([[0.1, 0.2], [0.3, 0.4]]), leaf([0, 0])
    x = wg.tensor([[1.0, 2], [3, 4], [5, 6]])
    y = wg.tensor([[1.0], [2], [3]])
    losses = []
    for epoch in range(10):
        loss = wg.mean((x @ w + b - y) ** 2)
        losses.append(loss.item())
        loss.backward()
        if epoch == 0:
            close(w.grad, [[-1.7666667, 0.8666667], [-2.2666667, 1.0666667]])
            close(b.grad, [-0.5, 0.2])
        with wg.no_grad():
            for p in (w, b):
                p.assign(p - 0.01 * p.grad)
                p.zero_grad()
    assert losses[0] == pytest.approx(0.17166667, rel=1e-6)
    assert losses[1] == pytest.approx(0.08350407, rel=1e-5)
    assert losses[9] == pytest.approx(0.00379425, rel=1e-4)


def test_golden_11_expression_of_six_values(device):
    a, b, c, f = leaf(2), leaf(-3), leaf(10), leaf(-2)
    e = a * b
    d = e + c
    for x in (e, d):
        x.retain_grad()
    out = d * f
    out.backward()
    close(out, -8)
    for x, expected in ((e, -2), (f, 4), (c, -2), (d, -2), (a, 6), (b, -4)):
        close(x.grad, expected)

    def at(a: float) -> float:
        return ((a * b.detach() + c.detach()) * f.detach()).item()

    assert (at(2 + 0.001) - at(2)) / 0.001 == pytest.approx(6, rel=1e-2)


def test_golden_12_neuron(device):
    x1, x2, w1, w2 = leaf(2), leaf(0), leaf(-3), leaf(1)
    n = x1 * w1 + x2 * w2 + leaf(6.8813735870195432)
    n.retain_grad()
    out = n.tanh()
    out.backward()
    close(out, 0.70710678)
    for x, expected in ((n, 0.5), (x1, -1.5), (w1, 1), (x2, 0.5), (w2, 0)):
        close(x.grad, expected, 5e-6)


def test_golden_13_value_used_twice(device):
    a = leaf(3)
    b = a + a
    b.backward()
    close(b, 6)
    close(a.grad, 2)


def test_golden_14_sum_times_part(device):
    a, b = leaf(2), leaf(3)
    f = (a + b) * a
    f.backward()
    close(f, 10)
    close(a.grad, 7)
    close(b.grad, 2)


def test_golden_16_line(device):
    x, w, b = leaf(2), leaf(3), leaf(1)
    y = w * x + b
    y.backward()
    close(y, 7)
    for v, expected in ((x, 3), (w, 2), (b, 1)):
        close(v.grad, expected)


# Where those systems fail.


def test_second_backward_gives_exactly_twice(device):
    a, b = leaf(2), leaf(1)
    f = a * b + a * a - a  # df/da = 4, df/db = 2
    f.backward()
    close(a.grad, 4)
    close(b.grad, 2)
    f.backward()
    close(a.grad, 8)
    close(b.grad, 4)


def test_deep_graph_does_not_overflow_the_stack(device):
    x = leaf(1)
    y = x
    for _ in range(5000):
        y = y + 1
    y.backward()
    close(x.grad, 1)


def test_graph_built_again_starts_from_its_own_gradients(device):
    """At (5, 7), (a + b) a has the gradients 17 and 5, whatever ran before at other values."""

    def gradients(a: float, b: float) -> list[float]:
        found = wg.grad(lambda a, b: (a + b) * a, (0, 1))(wg.tensor(a), wg.tensor(b))
        return [g.item() for g in found]

    assert gradients(2.0, 3.0) == [7, 2]
    assert gradients(5.0, 7.0) == [17, 5]


def test_powers_of_zero_and_of_negative_numbers(device):
    x = leaf([0, 3])
    out = x**0
    wg.sum(out).backward()
    close(out, [1, 1])
    close(x.grad, [0, 0])
    close(leaf(-3) ** 2, 9)
    close(leaf(-3) ** 2.0, 9)
    close(leaf(-3) ** wg.tensor(2.0), 9)
    close(leaf(0) ** 0, 1)
    close(leaf(0) ** wg.tensor(0.0), 1)


@pytest.mark.parametrize("x", [44.0, 45.0, 89.0, 355.0, 1e4, 3e38])
def test_tanh_does_not_overflow(x: float, device):
    values = leaf([x, -x])
    out = values.tanh()
    wg.sum(out).backward()
    close(out, [1, -1])
    close(values.grad, [0, 0])


def test_log_softmax_of_far_apart_numbers(device):
    x = leaf([1000, 0, -1000])
    out = wg.log_softmax(x)
    wg.sum(out).backward()
    close(out, [0, -1000, -2000])
    close(x.grad, [-2, 1, 1])


def test_softmax_of_rows_of_256_does_not_race(device, rng):
    x = rng.standard_normal((64, 256)).astype(np.float32)
    first = wg.softmax(wg.tensor(x)).numpy()
    for _ in range(5):
        np.testing.assert_array_equal(wg.softmax(wg.tensor(x)).numpy(), first)
    wide = np.exp(x.astype(np.float64))
    np.testing.assert_allclose(first, wide / wide.sum(1, keepdims=True), rtol=1e-5)


def test_addition_of_16776961_elements(device):
    """One more than 65,535 groups of 256 threads can add, one element each."""
    n = 16_776_961
    out = wg.full(n, 3, dtype="int32") + wg.full(n, 4, dtype="int32")
    assert wg.min(out).item() == wg.max(out).item() == 7


def test_factor_of_a_loss_reaches_its_gradient(device):
    data = [[1.0, 2.0, 0.5], [0.1, -0.4, 2.0]]
    once, twice = leaf(data), leaf(data)
    wg.cross_entropy(once, [1, 0]).backward()
    (2 * wg.cross_entropy(twice, [1, 0])).backward()
    close(twice.grad, 2 * once.grad.numpy())
    e = np.exp(np.array(data))
    expected = (e / e.sum(1, keepdims=True) - [[0, 1, 0], [1, 0, 0]]) / 2
    close(once.grad, expected)


def test_dropout_passes_its_scale_to_the_gradient(device):
    """What is kept is scaled by 1 / (1 - p), and so is its gradient."""
    p = 0.25
    x = leaf(np.arange(1, 9))
    keep = wg.rand(8) >= p
    out = wg.where(keep, x / (1 - p), 0.0)
    wg.sum(out).backward()
    close(x.grad, np.where(keep.numpy(), 1 / (1 - p), 0))


def test_permute_of_three_axes_has_the_inverse_gradient(device, rng):
    """(1, 2, 0) is not its own inverse: the gradient takes (2, 0, 1)."""
    x = leaf(rng.standard_normal((2, 3, 4)))
    weights = rng.standard_normal((3, 4, 2)).astype(np.float32)
    wg.sum(wg.permute_dims(x, (1, 2, 0)) * wg.tensor(weights)).backward()
    close(x.grad, weights.transpose(2, 0, 1))


# Rules of leaves and modes.


def test_grad_is_none_before_the_first_backward(device):
    assert leaf(1).grad is None


def test_set_grad_on_an_untracked_tensor_is_an_error(device):
    with pytest.raises(wg.errors.GradientError, match="does not require grad"):
        wg.tensor(1.0).set_grad(1.0)


def test_parameter_made_inside_no_grad_is_trained_later(device):
    with wg.no_grad():
        w = wg.parameter([1.0, 2.0])
    assert w.requires_grad and w.is_leaf
    wg.sum(w * w).backward()
    close(w.grad, [2, 4])


def test_custom_operation_with_its_own_backward(device):
    cube = wg.custom_op(
        lambda x: x * x * x, backward=lambda ct, out, x: ct * 3 * x * x, name="cube"
    )
    x = leaf([2, -1])
    wg.sum(cube(x)).backward()
    close(x.grad, [12, 3])


def test_neuron_activations(device):
    n = 0.3
    for f, expected in (
        (wg.tanh, math.tanh(n)),
        (wg.relu, n),
        (wg.sigmoid, 1 / (1 + math.exp(-n))),
    ):
        close(f(leaf(n)), expected)


def test_dividing_by_the_number_zero_has_gradients(device):
    x = wg.tensor([1.0, 2.0], requires_grad=True)
    (x / 0).sum().backward()
    assert (x.grad.numpy() == np.inf).all()
    nothing = wg.zeros((0, 3), requires_grad=True)
    wg.mse_loss(nothing, nothing).backward()  # the mean of nothing
    assert nothing.grad.shape == (0, 3)
