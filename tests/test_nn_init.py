"""nn.init: distributions by PyTorch's names, in place, the same on every device."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn
from wgrad.errors import ArgumentError, DTypeError, GradientError, ShapeError
from wgrad.nn import init

SHAPE = (60, 40)
# (name, what fills, the least and greatest value (None for no bound), the standard deviation)
UNIFORM = 1 / math.sqrt(3)
DRAWS: list[tuple[str, Callable, float | None, float | None, float]] = [
    ("uniform_", lambda x, **k: init.uniform_(x, -1, 3, **k), -1, 3, 2 * UNIFORM),
    ("normal_", lambda x, **k: init.normal_(x, 0.5, 2.0, **k), None, None, 2.0),
    ("trunc_normal_", lambda x, **k: init.trunc_normal_(x, **k), -2, 2, 0.8796),
    ("trunc-far", lambda x, **k: init.trunc_normal_(x, 0, 1, 1, 1.5, **k), 1, 1.5, 0.1428),
    ("xavier_uniform_", init.xavier_uniform_, -math.sqrt(0.06), math.sqrt(0.06), math.sqrt(0.02)),
    ("xavier_normal_", lambda x, **k: init.xavier_normal_(x, 2.0, **k), None, None, 0.2 * 2**0.5),
    ("kaiming_uniform_", init.kaiming_uniform_, -math.sqrt(0.15), math.sqrt(0.15), math.sqrt(0.05)),
    (
        "kaiming_normal_",
        lambda x, **k: init.kaiming_normal_(x, mode="fan_out", nonlinearity="tanh", **k),
        *(None, None, 5 / 3 / math.sqrt(60)),
    ),
]


@pytest.mark.parametrize("case", DRAWS, ids=[c[0] for c in DRAWS])
def test_values_have_the_spread_that_is_asked_for(case, numpy_device):
    _, fill, least, most, std = case
    x = wg.parameter(np.zeros(SHAPE, "f"))
    assert fill(x, generator=wg.Generator(3)) is x and x.requires_grad
    values = x.numpy().copy()
    assert abs(values.std() / std - 1) < 0.06
    if least is not None:
        width = most - least
        assert least <= values.min() < least + 0.02 * width
        assert most - 0.02 * width < values.max() <= most
    assert (fill(x, generator=wg.Generator(3)).numpy() == values).all()
    wg.manual_seed(3)
    assert (fill(x).numpy() == values).all() and not (fill(x).numpy() == values).all()


def test_values_are_the_same_on_every_device(device):
    expected = []
    for where in (wg.device("numpy"), device):
        x = wg.zeros((8, 6), device=where)
        generator = wg.Generator(1)
        expected.append(
            [
                fill(x, generator=generator).numpy().copy()
                for fill in (init.trunc_normal_, init.orthogonal_, init.kaiming_normal_)
            ]
        )
    for a, b in zip(*expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_matrices_of_a_form(numpy_device):
    for shape in ((4, 7), (7, 4), (3, 2, 3)):
        x = init.orthogonal_(wg.parameter(np.zeros(shape)), 2.0).numpy().reshape(shape[0], -1)
        small = x @ x.T if x.shape[0] <= x.shape[1] else x.T @ x
        np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-5)
    np.testing.assert_array_equal(init.eye_(wg.ones((2, 3))).numpy(), np.eye(2, 3))
    x = init.sparse_(wg.zeros((10, 6)), 0.25, 2.0).numpy()
    assert ((x == 0).sum(0) == 3).all() and x.std() > 1
    conv = nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False)
    init.dirac_(conv.weight, 2)
    image = wg.rand(1, 4, 5, 5)
    np.testing.assert_array_equal(conv(image).numpy(), image.numpy())
    assert init.constant_(wg.zeros(2), 3.5).tolist() == [3.5, 3.5]
    assert init.ones_(wg.zeros(1)).tolist() == [1] and init.zeros_(wg.ones(1)).tolist() == [0]


def test_gains_and_forms_are_pytorchs(numpy_device):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.init
    for name in ("linear", "conv3d", "sigmoid", "tanh", "relu", "selu", "leaky_relu"):
        assert init.calculate_gain(name) == pytest.approx(theirs.calculate_gain(name))
    assert init.calculate_gain("leaky_relu", 0.3) == theirs.calculate_gain("leaky_relu", 0.3)
    for shape in ((5, 3, 3), (4, 6, 2, 3)):
        ours, other = init.dirac_(wg.zeros(shape)), theirs.dirac_(torch.zeros(shape))
        np.testing.assert_array_equal(ours.numpy(), other.numpy())
    torch.manual_seed(0)
    for name in ("xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_"):
        ours = getattr(init, name)(wg.zeros((30, 8, 3, 3)), generator=wg.Generator(1))
        other = getattr(theirs, name)(torch.zeros(30, 8, 3, 3))
        assert abs(ours.numpy().std() / other.numpy().std() - 1) < 0.06


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: init.zeros_([1.0]), DTypeError, "a tensor is needed"),
        (lambda: init.ones_(wg.zeros(2, dtype=int)), DTypeError, "a floating one is needed"),
        (lambda: init.ones_(wg.parameter([1.0]) * 2), GradientError, "a leaf is needed"),
        (lambda: init.xavier_normal_(wg.zeros(3)), ShapeError, "at least 2 axes"),
        (lambda: init.orthogonal_(wg.zeros(3)), ShapeError, "at least 2 axes"),
        (lambda: init.eye_(wg.zeros(3)), ShapeError, "a matrix"),
        (lambda: init.dirac_(wg.zeros((3, 3))), ShapeError, "3, 4 or 5 axes"),
        (lambda: init.dirac_(wg.zeros((3, 3, 3)), 2), ArgumentError, "divide 3"),
        (lambda: init.kaiming_normal_(wg.zeros((2, 2)), mode="in"), ArgumentError, '"fan_in"'),
        (lambda: init.calculate_gain("elu"), ArgumentError, '"leaky_relu"'),
        (lambda: init.trunc_normal_(wg.zeros(2), a=3, b=1), ArgumentError, "a < b"),
        (lambda: init.trunc_normal_(wg.zeros(2), a=90, b=91), ArgumentError, "no normal number"),
        (lambda: init.sparse_(wg.zeros((2, 2)), 1.5), ArgumentError, "from 0 to 1"),
    ],
)
def test_bad_calls_say_what_is_needed(call, error, words, numpy_device):
    with pytest.raises(error, match=words):
        call()
