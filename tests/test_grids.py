"""grid_sample and affine_grid against PyTorch, on both devices, with gradients."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad.errors import ArgumentError, DTypeError, ShapeError
from wgrad.nn import functional as F

RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 3, 4, 5))
GRID = RNG.uniform(-1.7, 1.7, (2, 3, 2, 2))
WAYS = list(
    itertools.product(["bilinear", "nearest"], ["zeros", "border", "reflection"], [True, False])
)


def agree(x: np.ndarray, grid: np.ndarray, ways: tuple, dtype: str, tolerance: float) -> None:
    """Compare values and both gradients."""
    torch = pytest.importorskip("torch")
    ours = [wg.tensor(a, dtype, requires_grad=True) for a in (x, grid)]
    theirs = [torch.tensor(a, dtype=getattr(torch, dtype), requires_grad=True) for a in (x, grid)]
    found, wanted = F.grid_sample(*ours, *ways), torch.nn.functional.grid_sample(*theirs, *ways)
    np.testing.assert_allclose(found.numpy(), wanted.detach().numpy(), tolerance, tolerance)
    found.square().sum().backward()
    wanted.square().sum().backward()
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), 10 * tolerance, 10 * tolerance)


@pytest.mark.parametrize("ways", WAYS, ids=["-".join(map(str, w)) for w in WAYS])
def test_images_are_sampled_as_pytorchs(ways, numpy_device):
    agree(X, GRID, ways, "float64", 1e-9)
    volume, places = X[..., None] * [1.0, -2.0], RNG.uniform(-1.3, 1.3, (2, 2, 1, 3, 3))
    if not ways[2]:
        agree(volume, places, ways, "float64", 1e-9)


@pytest.mark.parametrize("padding", ["zeros", "reflection"])
def test_images_are_sampled_on_a_gpu(padding, webgpu):
    agree(X, GRID, ("bilinear", padding, False), "float32", 2e-5)


def test_a_compiled_sampling_is_what_it_is_plain(device):
    def step(x: Any, theta: Any) -> Any:
        seen = F.grid_sample(
            x, F.affine_grid(theta, (2, 3, 3, 3), True), "bilinear", "border", True
        )
        return wg.grad(lambda t: F.grid_sample(x, F.affine_grid(t, (2, 3, 3, 3))).sum())(
            theta
        ), seen

    theta = wg.tensor([[[0.9, 0.1, 0.2], [-0.2, 1.1, 0.0]]] * 2)
    x = wg.tensor(X, "float32")
    for a, b in zip(wg.compile(step)(x, theta), step(x, theta), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), 1e-5, 1e-5)


@pytest.mark.parametrize("corners", [True, False])
def test_affine_grids_are_pytorchs(corners, numpy_device):
    torch = pytest.importorskip("torch")
    for shape, size in (((2, 2, 3), (2, 1, 3, 4)), ((1, 3, 4), (1, 2, 2, 4, 3))):
        theta = RNG.standard_normal(shape)
        found = F.affine_grid(wg.tensor(theta, "float64"), size, corners)
        wanted = torch.nn.functional.affine_grid(torch.tensor(theta), size, corners)
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-12, atol=1e-12)


def test_positions_that_are_no_numbers_index_nothing_outside(device):
    strange = [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e10]
    grid = wg.tensor(np.array(strange, "f4").reshape(1, 1, 3, 2))
    x = wg.ones((1, 1, 3, 3))
    assert not F.grid_sample(x, grid).numpy().any()
    for padding in ("border", "reflection"):
        assert F.grid_sample(x, grid, "nearest", padding).shape == (1, 1, 1, 3)
    assert F.grid_sample(x[:0], grid[:0]).shape == (0, 1, 1, 3)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: F.grid_sample(wg.ones((1, 1, 2)), wg.ones((1, 2, 1))), ShapeError, "n, i, j, 2"),
        (lambda: F.grid_sample(wg.ones((1, 1, 2, 2)), wg.ones((2, 1, 1, 2))), ShapeError, "came"),
        (lambda: F.grid_sample(X, GRID, "bicubic"), ArgumentError, "nearest"),
        (lambda: F.grid_sample(X, GRID, padding_mode="wrap"), ArgumentError, "reflection"),
        (lambda: F.grid_sample(wg.ones((1, 1, 2, 2), "int32"), [[[[0, 0]]]]), DTypeError, "float"),
        (lambda: F.affine_grid(wg.ones((1, 2, 3)), (1, 1, 0, 2)), ArgumentError, "at least 1"),
        (lambda: F.affine_grid(wg.ones((1, 2, 2)), (1, 1, 2, 2)), ShapeError, "(1, 2, 3)"),
        (lambda: F.affine_grid(wg.ones((1, 2, 3)), 4), ArgumentError, "size=4"),
    ],
)
def test_what_cannot_be_sampled_is_told(call, error, said, numpy_device):
    with pytest.raises(error) as caught:
        call()
    assert said in str(caught.value)
