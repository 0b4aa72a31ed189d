"""wg.scan: a loop over time, its results and gradients, eager and compiled."""

import numpy as np
import pytest

import wgrad as wg
from wgrad.errors import ArgumentError, ShapeError

N, B, D, H = 5, 3, 4, 4


def numbers(rng, *shape, dtype=np.float32):
    return (0.5 * rng.standard_normal(shape)).astype(dtype)


def problem(rng, dtype=np.float32):
    shapes = ((N, B, D), (B, H), (D, H), (H, H), (H,))
    return [numbers(rng, *shape, dtype=dtype) for shape in shapes]


def by_hand(xs, h, w, u, b, reverse=False):
    """Return the last state, all states, and the gradients of their sums of squares."""
    n = len(xs)
    order = list(range(n))[:: -1 if reverse else 1]
    before, hs = {}, np.zeros((n, *h.shape))
    for i in order:
        before[i] = h
        h = hs[i] = np.tanh(xs[i] @ w + h @ u + b)
    grads = [np.zeros(np.shape(x)) for x in (xs, h, w, u, b)]
    ct = 2 * h
    for i in reversed(order):
        ct = (ct + 2 * hs[i]) * (1 - hs[i] ** 2)
        grads[0][i] = ct @ w.T
        grads[2] += xs[i].T @ ct
        grads[3] += before[i].T @ ct
        grads[4] += ct.sum(0)
        ct = ct @ u.T
    grads[1] = ct
    return h, hs, grads


def loss_of(xs, h, w, u, b, reverse=False):
    def step(h, x):
        h = wg.tanh(x @ w + h @ u + b)
        return h, h

    last, hs = wg.scan(step, h, xs, reverse=reverse)
    return wg.sum(last * last) + wg.sum(hs * hs)


@pytest.mark.parametrize(
    ("where", "compiled", "reverse"),
    [
        *[("numpy_device", c, r) for c in (False, True) for r in (False, True)],
        *(("webgpu", False, False), ("webgpu", True, True)),
    ],
)
def test_scan_of_a_recurrent_cell_is_the_loop_by_hand(where, request, rng, compiled, reverse):
    request.getfixturevalue(where)
    given = problem(rng)
    *_, right = by_hand(*(x.astype(np.float64) for x in given), reverse)

    def step(*tensors):
        for x in tensors:
            x.grad = None
        loss = loss_of(*tensors, reverse)
        loss.backward()
        return loss

    run = wg.compile(step) if compiled else step
    tensors = [wg.tensor(x, requires_grad=True) for x in given]
    for _ in range(3):
        run(*tensors)
        for x, grad in zip(tensors, right, strict=True):
            np.testing.assert_allclose(x.grad.numpy(), grad, rtol=2e-4, atol=2e-5)


def test_scan_carries_and_stacks_trees(device):
    def step(carry, x):
        total, (count, _) = carry["total"], carry["more"]
        new = {"total": total + x["a"], "more": (count + 1, x["b"])}
        return new, [total, {"twice": 2 * x["b"]}]

    xs = {"a": wg.arange(4.0), "b": wg.arange(12).reshape(4, 3)}
    init = {"total": wg.tensor(1.0), "more": (wg.tensor(0), wg.zeros(3, dtype="int32"))}

    def run(xs, init):
        return wg.scan(step, init, xs)

    for f in (run, wg.compile(run)):
        for _ in range(3):
            last, (totals, more) = f(xs, init)
            assert float(last["total"]) == 7 and int(last["more"][0]) == 4
            assert last["more"][1].tolist() == [9, 10, 11]
            assert totals.tolist() == [1, 1, 2, 4] and more["twice"].shape == (4, 3)
            assert more["twice"].tolist()[3] == [18, 20, 22]


def test_scan_without_xs_goes_by_its_length(device):
    last, ys = wg.scan(lambda c, x: (c * 2, None), wg.tensor(1.0), None, 5)
    assert float(last) == 32 and ys is None
    last, ys = wg.scan(lambda c, x: (c * 2, c), 1.0, length=3, reverse=True)
    assert ys.tolist() == [4, 2, 1] and float(last) == 8


def test_scan_has_gradients_of_every_order_and_both_modes(numpy_device, rng):
    given = [wg.tensor(x, dtype="float64") for x in problem(rng, np.float64)]
    assert wg.gradcheck(loss_of, given)
    scalar = lambda w: loss_of(given[0], given[1], w, given[3], given[4])  # noqa: E731
    assert wg.gradcheck(lambda w: wg.sum(wg.grad(scalar)(w) ** 2), [given[2]], atol=1e-4)
    direction = wg.tensor(numbers(rng, D, H), dtype="float64")
    _, slope = wg.jvp(scalar, (given[2],), (direction,))
    there = wg.sum(wg.grad(scalar)(given[2]) * direction)
    np.testing.assert_allclose(float(slope), float(there), rtol=1e-9)


def test_scan_notices_that_what_it_was_given_was_assigned_to(numpy_device):
    x = wg.ones((3, 2), dtype="float32").requires_grad_()
    xs = x * 2
    with wg.no_grad():
        xs[:1].assign(5.0)

    def f():
        return wg.scan(lambda c, x: (c + x, c), wg.zeros(2), xs)

    for call in (f, wg.compile(f)):
        with pytest.raises(wg.errors.GradientError, match="assigned to through a view"):
            call()


def test_scan_is_mapped_over_a_batch(device, rng):
    xs = wg.tensor(numbers(rng, 3, N, D))

    def total(xs):
        return wg.scan(lambda c, x: (c + x, c * x), wg.zeros(D), xs)

    last, ys = wg.vmap(total)(xs)
    for i in range(3):
        alone, all_of_it = total(xs[i])
        np.testing.assert_allclose(last[i].numpy(), alone.numpy(), rtol=1e-6)
        np.testing.assert_allclose(ys[i].numpy(), all_of_it.numpy(), rtol=1e-6)


def test_scan_says_what_is_wrong(numpy_device):
    xs, init = wg.ones((3, 2)), wg.zeros(2)
    keep = lambda c, x: (c, x)  # noqa: E731
    for call, error, text in (
        (lambda: wg.scan(keep, init), ArgumentError, "neither xs nor length"),
        (lambda: wg.scan(keep, init, xs, 4), ArgumentError, r"lengths \[3, 4\]"),
        (lambda: wg.scan(keep, init, (xs, wg.ones(2))), ArgumentError, r"lengths \[2, 3\]"),
        (lambda: wg.scan(keep, init, wg.ones((0, 2))), ArgumentError, "length 0"),
        (lambda: wg.scan(keep, init, wg.ones(())), ArgumentError, "0-d"),
        (lambda: wg.scan(keep, init, xs, reverse=1), ArgumentError, "reverse=1"),
        (lambda: wg.scan(lambda c, x: c, init, xs), ArgumentError, "a pair"),
        (lambda: wg.scan(lambda c, x: ((c, c), x), init, xs), ArgumentError, "structure"),
        (lambda: wg.scan(lambda c, x: (c[:1], x), init, xs), ShapeError, "part 0 of the carry"),
        (lambda: wg.scan(lambda c, x: (c > 0, x), init, xs), ShapeError, "bool of shape"),
    ):
        with pytest.raises(error, match=text):
            call()
