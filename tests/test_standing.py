"""Compositions that run as one op where nobody follows them: they do what the composition does."""

import threading
import warnings

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn

LOSSES = [
    ((4, 6), {}),
    ((4, 6), {"reduction": "sum"}),
    ((2, 6, 3), {"reduction": "none"}),
    ((2, 3, 6), {"axis": -1}),
    ((6,), {}),
]


def stepped(step, *data):
    """Return what a step gives and the gradients by what it was given."""
    leaves = [wg.tensor(x, requires_grad=x.dtype.kind == "f") for x in data]
    out = step(*leaves)
    out.backward(wg.full(out.shape, 0.7))
    return [out.numpy(), *(x.grad.numpy() for x in leaves if x.requires_grad)]


def alike(step, *data):
    """Compare a step with itself under an observer, which sees the composition."""
    alone = stepped(step, *data)
    with wg.observe() as events:
        followed = stepped(step, *data)
    for x, y in zip(alone, followed, strict=True):
        np.testing.assert_array_equal(x, y)
    return {e.op for e in events}


@pytest.mark.parametrize(("shape", "options"), LOSSES)
def test_standing_cross_entropy_is_that_of_its_operations(device, shape, options):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype("f")
    at = options.get("axis", min(1, len(shape) - 1))
    labels = rng.integers(0, 6, np.delete(shape, at)).astype("i")
    assert "exp" in alike(lambda x, y: wg.cross_entropy(x, y, **options), x, labels)


def test_standing_cross_entropy_of_infinities_is_that_of_its_operations():
    x = np.array([[np.inf, 0, 1], [-np.inf, -np.inf, 2], [1e38, -1e38, np.nan]], "f")
    with wg.device("cpu"):
        alike(wg.cross_entropy, x, np.array([0, 2, 1], "i"))


@pytest.mark.parametrize("shape", [(5, 3), (2, 2, 3), (3,), (0, 3)])
def test_standing_linear_is_that_of_its_operations(device, shape):
    rng = np.random.default_rng(0)
    data = [rng.standard_normal(s).astype("f") for s in (shape, (4, 3), (4,))]
    assert "matmul_transposed" in alike(nn.functional.linear, *data)


def test_standing_ops_have_gradients_of_second_order():
    rng = np.random.default_rng(0)
    x, w, b = (
        wg.tensor(rng.standard_normal(s), dtype="float64", device="cpu", requires_grad=True)
        for s in ((2, 3), (4, 3), (4,))
    )
    labels = wg.tensor([1, 3], device="cpu")

    def second():
        loss = wg.cross_entropy(nn.functional.linear(x, w, b), labels)
        (gx, gw) = wg.autograd.grad(loss, [x, w], create_graph=True)
        slope = (gx**2).sum() + (gw**3).sum()
        return [g.numpy() for g in wg.autograd.grad(slope, [x, w, b])]

    alone = second()
    with wg.observe():
        followed = second()
    for g, expected in zip(alone, followed, strict=True):
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(g, expected, rtol=1e-12, atol=1e-15)


def test_standing_cross_entropy_lets_logits_be_assigned_to_but_not_its_labels(device):
    x, labels = wg.ones((2, 3), requires_grad=True), wg.tensor([0, 2])
    logits = x * 2
    loss = wg.cross_entropy(logits, labels)
    with wg.no_grad():
        logits.detach().assign(0.0)
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy()[0], [-2 / 3, 1 / 3, 1 / 3], rtol=1e-5)
    loss = wg.cross_entropy(x * 2, labels)
    labels.assign([1, 1])
    with pytest.raises(wg.errors.GradientError, match="input b of cross_entropy"):
        loss.backward()


def test_standing_ops_from_outside_of_a_compiled_function():
    with wg.device("cpu"):
        check_from_outside()


def check_from_outside():
    x, labels = wg.tensor([[1.0, 2.0, 4.0]], requires_grad=True), wg.tensor([1])
    loss = wg.cross_entropy(nn.functional.linear(x, wg.ones((3, 3)), wg.arange(3.0)), labels)
    loss.backward()
    once = x.grad.numpy()
    step = wg.compile(lambda: loss.backward())
    for k in range(2, 6):
        step()
        np.testing.assert_allclose(x.grad.numpy(), k * once, rtol=1e-6)


def test_numpy_says_nothing_of_infinities_whatever_is_asked_of_it():
    x = wg.tensor([0.0, 1.0, np.inf], device="cpu")
    found = []

    def compute():
        with np.errstate(all="raise"), warnings.catch_warnings():
            warnings.simplefilter("error")
            found.append((x / 0 - x).numpy())
            assert np.geterr()["over"] == "raise"

    threads = [threading.Thread(target=compute) for _ in range(3)]
    for t in (*threads, threading.current_thread()):
        t.start() if t is not threading.current_thread() else compute()
    for t in threads:
        t.join()
    assert len(found) == 4
    for values in found:
        np.testing.assert_array_equal(values, [np.nan, np.inf, np.nan])
