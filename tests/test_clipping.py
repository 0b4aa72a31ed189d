"""Gradients clipped, accumulated and removed: eager, inside compiled steps, on each device."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn, optim
from wgrad.errors import ArgumentError, DTypeError, GradientError, TraceError, WgradError

GRADS = [np.array([[3.0, -4.0], [0.5, 0.0]]), np.array([12.0, -1.0, 2.0])]


def parameters(dtype="float32", scale=1.0):
    params = [wg.parameter(np.zeros_like(g), dtype=dtype) for g in GRADS]
    for p, g in zip(params, GRADS, strict=True):
        p.set_grad(wg.tensor(scale * g, dtype=dtype))
    return [*params, wg.parameter([1.0])]  # one without a gradient


def norm(order: float) -> float:
    return float(np.linalg.norm(np.concatenate([g.ravel() for g in GRADS]), order))


@pytest.mark.parametrize("order", [2.0, 1.0, 3.0, math.inf])
@pytest.mark.parametrize("limit", [0.5, 100.0])
def test_clipping_by_norm_shrinks_all_by_one_factor(device, order, limit):
    params = parameters()
    kept = params[0].grad
    total = nn.utils.clip_grad_norm_(params, limit, norm_type=order)
    assert total.shape == () and total.item() == pytest.approx(norm(order), rel=1e-6)
    factor = min(1.0, limit / (norm(order) + 1e-6))
    for p, g in zip(params, GRADS, strict=False):
        np.testing.assert_allclose(p.grad.numpy(), g * factor, rtol=2e-6)
    assert params[0].grad is kept and params[2].grad is None


def test_clipping_is_pytorchs(numpy_device):
    torch = pytest.importorskip("torch")
    for order in (2.0, 1.0, 0.5, math.inf):
        theirs = [torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for g in GRADS]
        for p, g in zip(theirs, GRADS, strict=True):
            p.grad = torch.tensor(g)
        ours = parameters("float64")
        total = torch.nn.utils.get_total_norm([p.grad for p in theirs], order)
        found = nn.utils.get_total_norm([p.grad for p in ours[:2]], order)
        np.testing.assert_allclose(found.item(), total.item(), rtol=1e-12)
        torch.nn.utils.clip_grad_norm_(theirs, 1.5, order)
        nn.utils.clip_grad_norm_(ours, 1.5, order)
        torch.nn.utils.clip_grad_value_(theirs, 0.2)
        nn.utils.clip_grad_value_(ours, 0.2)
        for p, q in zip(ours, theirs, strict=False):
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-12)


def test_clipping_by_value_and_by_a_known_norm(device):
    params = parameters()
    nn.utils.clip_grad_value_(params, 2.5)
    assert params[0].grad.tolist() == [[2.5, -2.5], [0.5, 0.0]]
    assert params[1].grad.tolist() == [2.5, -1.0, 2.0]
    total = nn.utils.get_total_norm([p.grad for p in params[:2]])
    nn.utils.clip_grads_with_norm_(params, 1.0, total)
    assert nn.utils.get_total_norm([p.grad for p in params[:2]]).item() == pytest.approx(1.0)
    assert nn.utils.get_total_norm([]).item() == nn.utils.clip_grad_norm_([], 1.0).item() == 0.0


def test_clipping_takes_what_is_large_small_shared_or_half(numpy_device):
    params = parameters(scale=1e25)  # whose squares float32 does not hold
    nn.utils.clip_grad_norm_(params, 1.0)
    np.testing.assert_allclose(params[1].grad.numpy(), GRADS[1] / norm(2), rtol=1e-5)
    w = wg.parameter(np.ones((2, 3)))
    w.sum().backward()  # whose gradient is one number, seen six times
    nn.utils.clip_grad_value_(w, 0.25)
    assert w.grad.tolist() == [[0.25] * 3] * 2
    half = parameters("float16")
    nn.utils.clip_grad_norm_(half[:2], 1.0)
    np.testing.assert_allclose(half[1].grad.numpy(), GRADS[1] / norm(2), rtol=1e-3)


@pytest.mark.parametrize("by", ["norm", "value"])
def test_clipping_inside_a_compiled_step_reads_nothing_back(device, by):
    def train(compiled):
        w = wg.parameter(np.linspace(-1, 1, 6).reshape(2, 3))
        optimizer = optim.SGD([w], lr=0.1, momentum=0.9)

        def step(x, limit):
            optimizer.zero_grad()
            (w @ x).square().sum().backward()
            if by == "norm":
                total = nn.utils.clip_grad_norm_([w], limit)
            else:
                total = nn.utils.clip_grad_value_([w], limit)
            optimizer.step()
            return total

        run = wg.compile(step) if compiled else step
        rng = np.random.default_rng(3)
        for i in range(6):
            before = wg.stats()["readbacks"]
            total = run(wg.tensor(rng.standard_normal((3, 2))), 0.5 + 0.1 * i)
            assert i < 2 or wg.stats()["readbacks"] == before
        return w.numpy(), total, run

    (found, total, run), (plain, other, _) = train(True), train(False)
    np.testing.assert_allclose(found, plain, rtol=2e-5, atol=1e-6)
    assert len(run.programs) <= 3  # as with every number that an argument is
    assert total is None if by == "value" else total.item() == pytest.approx(other.item(), 1e-4)


def test_a_norm_that_is_not_finite_is_an_error_where_asked(numpy_device):
    params = parameters()
    params[1].set_grad([1.0, float("nan"), 0.0])
    with pytest.raises(GradientError, match="clip_grad_norm_: the norm is nan, and a finite one"):
        nn.utils.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    assert params[0].grad.tolist() == GRADS[0].tolist()
    assert math.isnan(nn.utils.clip_grad_norm_(params, 1.0).item())

    @wg.compile
    def step():
        return nn.utils.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)

    with pytest.raises(TraceError, match="error_if_nonfinite=True reads the norm on the host"):
        step()


BAD: list[Any] = [
    (lambda p: nn.utils.clip_grad_norm_(p, -1.0), "max_norm=-1.0 came"),
    (lambda p: nn.utils.clip_grad_norm_(p, float("nan")), "max_norm=nan came"),
    (lambda p: nn.utils.clip_grad_norm_(p, True), "max_norm=True came"),
    (lambda p: nn.utils.clip_grad_norm_(p, 1.0, "x"), "norm_type='x'"),
    (lambda p: nn.utils.clip_grad_norm_(p, 1.0, float("nan")), "norm_type=nan came"),
    (lambda p: nn.utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=2), "error_if_nonfinite=2"),
    (lambda p: nn.utils.clip_grad_norm_(3, 1.0), "3 came"),
    (lambda p: nn.utils.clip_grad_norm_([3], 1.0), "3 came"),
    (lambda p: nn.utils.clip_grad_value_(p, -0.1), "clip_value=-0.1 came"),
    (lambda p: nn.utils.clip_grads_with_norm_(p, 1.0, 3.0), "total_norm=3.0 came"),
    (lambda p: nn.utils.get_total_norm([wg.tensor([1])]), "int32 tensor came"),
]


@pytest.mark.parametrize(("call", "words"), BAD)
def test_clipping_refuses_what_does_not_fit(numpy_device, call, words):
    params = parameters()
    with pytest.raises(WgradError, match=words) as caught:
        call(params)
    assert isinstance(caught.value, (ArgumentError, DTypeError))
    assert params[0].grad.tolist() == GRADS[0].tolist()


# Gradients of several batches.


def accumulating(compiled, several_calls, set_to_none=False):
    """Return weights after steps by the gradients of three batches each."""
    w = wg.parameter([1.0, -2.0])
    optimizer = optim.Adam([w], lr=0.1)
    batches = [wg.tensor([0.1 * i, 1.0 - 0.2 * i]) for i in range(12)]

    def add(x):
        loss = (w * x - 1).square().sum() / 3
        loss.backward()
        return loss.detach()

    def finish():
        nn.utils.clip_grad_norm_([w], 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=set_to_none)

    def whole(x, y, z):
        optimizer.zero_grad(set_to_none=set_to_none)
        for batch in (x, y, z):
            add(batch)
        nn.utils.clip_grad_norm_([w], 1.0)
        optimizer.step()

    wrap = wg.compile if compiled else (lambda f: f)
    one, two, all_ = wrap(add), wrap(finish), wrap(whole)
    for i in range(0, 12, 3):
        if several_calls:
            for x in batches[i : i + 3]:
                one(x)
            two()
        else:
            all_(*batches[i : i + 3])
    return w.numpy()


@pytest.mark.parametrize("several_calls", [False, True])
@pytest.mark.parametrize("set_to_none", [False, True])
def test_gradients_of_several_batches_add_up(device, several_calls, set_to_none):
    plain = accumulating(False, False)
    found = accumulating(True, several_calls, set_to_none)
    np.testing.assert_allclose(found, plain, rtol=2e-5)


def test_zero_grad_removes_gradients_where_asked(device):
    w = wg.parameter([1.0])
    w.set_grad([2.0])
    optimizer = optim.SGD([w], lr=0.5, momentum=0.5)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    assert w.grad is None
    optimizer.step()  # passes over it
    assert w.item() == 0.0
