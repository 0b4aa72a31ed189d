"""detect_anomaly: the first NaN or inf, with its operation, line and inputs."""

import inspect

import numpy as np
import pytest

import wgrad as wg
from wgrad.errors import AnomalyError, TraceError


def found(call, *args):
    with pytest.raises(AnomalyError) as caught, wg.detect_anomaly():
        call(*args)
    assert isinstance(caught.value, FloatingPointError)
    return str(caught.value)


def lines_of(function, text):
    source, first = inspect.getsourcelines(function)
    return [first + i for i, line in enumerate(source) if text in line]


def forward(x):
    y = x * 2 - 2
    return wg.log(y).sum()


def test_forward_names_the_operation_its_line_and_its_inputs(device):
    x = wg.tensor([[3.0, 2.0], [1.0, 4.0]])
    (line,) = lines_of(forward, "wg.log")
    for f in (forward, wg.compile(forward)):
        for _ in range(3):
            assert f(wg.ones((2, 2)) * 3).item() > 0  # compiled by then
        text = found(f, x)
        assert f"log at {__file__}, line {line} gave -inf in 1 of 4 elements" in text
        assert "of shape (2, 2), the first at [1, 0], from a of shape (2, 2) from 0 to 6" in text


def backward(x):
    y = wg.sqrt(x)
    loss = wg.sum(y * 3)
    loss.backward()
    return loss


def test_backward_names_the_forward_operation(device):
    (line,) = lines_of(backward, "wg.sqrt")
    for f in (backward, wg.compile(backward)):
        x = wg.tensor([4.0, 0.0], requires_grad=True)
        for _ in range(3):
            x.grad = None
            f(wg.tensor([1.0, 4.0], requires_grad=True))
        text = found(f, x)
        assert f"the gradient of sqrt at {__file__}, line {line}, computed by" in text
        assert "gave inf in 1 of 2 elements" in text and "from 0 to 2" in text
        assert x.grad is None


def test_what_an_input_held_already_is_said(numpy_device):
    x, y = wg.tensor([1.0, np.nan]), wg.tensor([1.0, 2.0])
    assert "a of shape (2,) that already held NaN, b of shape (2,) from 1 to 2" in found(
        wg.add, x, y
    )
    assert "b = 0" in found(wg.divide, y, 0.0)
    assert "already held -inf" in found(lambda x: x * 0, wg.tensor([-np.inf]))


def test_masks_of_inf_are_none(device):
    scores = wg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    with wg.detect_anomaly():
        masked = wg.where(wg.tensor([[True, False], [True, True]]), scores, -wg.inf)
        wg.sum(wg.softmax(masked) ** 2).backward()
        wg.nn.functional.scaled_dot_product_attention(scores, scores, scores, is_causal=True)
    assert np.isfinite(scores.grad.numpy()).all()


def test_it_ends_with_its_block_and_decorates(numpy_device):
    zero = wg.zeros(2)
    with pytest.raises(AnomalyError), wg.detect_anomaly():
        wg.log(zero)
    assert wg.log(zero).tolist() == [-np.inf, -np.inf]

    @wg.detect_anomaly()
    def f(x):
        return 1 / x

    with pytest.raises(AnomalyError, match="gave inf in 2 of 2"):
        f(zero)
    assert f(zero + 1).tolist() == [1, 1]


def test_it_works_beneath_transforms(numpy_device):
    x = wg.tensor([1.0, 0.0])
    assert "log at" in found(wg.vmap(wg.log), x)
    assert "log at" in found(wg.grad(lambda x: wg.sum(wg.log(x))), x)
    assert "divide at" in found(lambda x: wg.jvp(wg.sqrt, (x,), (x + 1,)), x)


def test_it_is_entered_around_compiled_functions(numpy_device):
    @wg.compile
    def f(x):
        with wg.detect_anomaly():
            return wg.log(x)

    with pytest.raises(TraceError, match="enter it around the call"):
        f(wg.ones(2))
