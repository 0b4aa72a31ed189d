"""Weight norm, spectral norm and other parametrizations; parameters as a vector."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from torch_modules import agree

import wgrad as wg
from wgrad import nn
from wgrad.errors import ArgumentError, DTypeError, ShapeError
from wgrad.nn import utils
from wgrad.nn.utils import parametrizations, parametrize

RNG = np.random.default_rng(0)
X, IMAGE = RNG.standard_normal((4, 5)), RNG.standard_normal((2, 2, 3, 3))
NORMS = {
    "weight": parametrizations.weight_norm,
    "spectral": parametrizations.spectral_norm,
    "old-weight": utils.weight_norm,
    "old-spectral": utils.spectral_norm,
}


@pytest.mark.filterwarnings("ignore")  # PyTorch's words about the older functions
@pytest.mark.parametrize("name", ["weight_norm", "spectral_norm"])
@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
def test_norms_are_pytorchs(name: str, old: bool, numpy_device):
    torch = pytest.importorskip("torch")

    def norm(nn: Any) -> Any:
        return getattr(nn.utils if old else nn.utils.parametrizations, name)

    agree(torch, lambda nn: nn.Sequential(norm(nn)(nn.Linear(5, 4)), nn.Tanh()), [X])
    agree(torch, lambda nn: norm(nn)(nn.ConvTranspose2d(2, 3, 2)), [IMAGE])
    agree(torch, lambda nn: norm(nn)(nn.Linear(5, 4, bias=False), dim=1), [X])


def test_weights_are_what_the_formulas_say(numpy_device):
    layer = nn.Linear(5, 4, seed=1)
    weight = layer.weight.numpy().copy()
    for norm in (parametrizations.weight_norm, utils.weight_norm):
        made = norm(copy.deepcopy(layer))
        np.testing.assert_allclose(made.weight.numpy(), weight, rtol=1e-6)
        params = dict(made.named_parameters())
        g, v = (x for name, x in params.items() if name != "bias")
        with wg.no_grad():
            v *= 3.0
            g *= 2.0
        np.testing.assert_allclose(made.weight.numpy(), 2 * weight, rtol=1e-6)
        np.testing.assert_allclose(g.numpy()[:, 0], 2 * np.linalg.norm(weight, axis=1), rtol=1e-6)
    for norm in (parametrizations.spectral_norm, utils.spectral_norm):
        made = norm(copy.deepcopy(layer))
        for _ in range(40):
            made(X)
        np.testing.assert_allclose(
            np.linalg.norm(made.eval().weight.numpy(), 2), 1, rtol=1e-3, err_msg=norm.__module__
        )
        assert (made.weight == made.weight).all()  # nothing moves in evaluation


@pytest.mark.parametrize("name", [name for name in NORMS if name != "old-weight"])
def test_reweighted_modules_train_pickle_and_copy(name: str, device):
    plain = NORMS[name](nn.Linear(5, 4, seed=1))
    traced = copy.deepcopy(plain)
    x = wg.tensor(X.astype("f"))

    def step_of(model: nn.Module) -> Any:
        optimizer = wg.optim.SGD(model.parameters(), lr=0.1)

        def step(x: wg.Tensor) -> wg.Tensor:
            optimizer.zero_grad()
            loss = ((model(x) - 1.0) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        return step

    eager, compiled = step_of(plain), wg.compile(step_of(traced))
    losses = [(eager(x).item(), compiled(x).item()) for _ in range(4)]
    np.testing.assert_allclose(*zip(*losses, strict=True), rtol=1e-4)
    assert losses[-1][0] < losses[0][0]
    plain.eval()
    for again in (pickle.loads(pickle.dumps(plain)), copy.deepcopy(plain)):
        assert (again(x) == plain(x)).all() and len(again.parameters()) == len(plain.parameters())
        again.load_state_dict(plain.state_dict())
    assert isinstance(plain, nn.Linear)


def test_norms_can_be_removed(numpy_device):
    x = wg.tensor(X.astype("f"))
    for name, norm in NORMS.items():
        model = norm(nn.Linear(5, 4, seed=1)).eval()
        expected = model(x).numpy()
        if name.startswith("old"):
            remove = utils.remove_weight_norm if "weight" in name else utils.remove_spectral_norm
            assert remove(model) is model
        else:
            assert parametrize.is_parametrized(model, "weight")
            parametrize.remove_parametrizations(model, "weight")
        assert type(model) is nn.Linear and not parametrize.is_parametrized(model)
        assert sorted(model.state_dict()) == ["bias", "weight"] and model.weight.is_parameter
        np.testing.assert_allclose(model(x).numpy(), expected, rtol=1e-6)
        for remove in (utils.remove_weight_norm, utils.remove_spectral_norm):
            with pytest.raises(ArgumentError, match="has no such 'weight'"):
                remove(model)
        with pytest.raises(ArgumentError, match="has no parametrized"):
            parametrize.remove_parametrizations(model, "weight")


class Symmetric(nn.Module):
    def forward(self, x: Any) -> Any:
        return wg.triu(x) + wg.triu(x, 1).T

    def right_inverse(self, x: Any) -> Any:
        return wg.triu(x)


class Twice(nn.Module):
    def forward(self, x: Any) -> Any:
        return 2 * x


def test_parametrizations_of_ones_own_follow_one_another(numpy_device):
    layer = nn.Linear(3, 3, seed=1)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert (layer.weight == layer.weight.T).all()
    layer.weight = wg.tensor(np.arange(9.0).reshape(3, 3))
    assert layer.parametrizations.weight.original.tolist() == [[0, 1, 2], [0, 4, 5], [0, 0, 8]]
    parametrize.register_parametrization(layer, "weight", Twice())
    assert layer.weight.tolist() == [[0, 2, 4], [2, 8, 10], [4, 10, 16]]
    parametrize.register_parametrization(layer, "bias", Twice())
    layer(wg.ones((2, 3))).sum().backward()
    assert layer.parametrizations.bias.original.grad.tolist() == [4, 4, 4]
    with pytest.raises(ArgumentError, match="right_inverse"):
        layer.bias = wg.ones(3)
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert layer.weight.tolist() == [[0, 1, 2], [0, 4, 5], [0, 0, 8]]
    assert parametrize.is_parametrized(layer, "bias") and "weight" in layer.state_dict()
    for call, error, words in (
        (lambda: parametrizations.weight_norm(layer, "none"), ArgumentError, "no tensor 'none'"),
        (lambda: utils.weight_norm(wg.ones(3)), ArgumentError, "a module is needed"),
        (
            lambda: parametrize.register_parametrization(layer, "weight", wg.tanh),
            DTypeError,
            "a module is needed",
        ),
        (
            lambda: parametrize.register_parametrization(layer, "weight", nn.Flatten(0)),
            ShapeError,
            "came out",
        ),
    ):
        with pytest.raises(error, match=words):
            call()


def test_parameters_as_a_vector(device):
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    vector = utils.parameters_to_vector(net.parameters())
    parts = [x.numpy().ravel() for x in net.parameters()]
    np.testing.assert_array_equal(vector.numpy(), np.concatenate(parts))
    vector.sum().backward()
    assert net[1].bias.grad.tolist() == [1]
    utils.vector_to_parameters(wg.arange(13, dtype=float), net.parameters())
    assert net[1].bias.tolist() == [12] and net[0].weight.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert net[0].weight.is_parameter
    with pytest.raises(ShapeError, match=r"\(13,\) is needed"):
        utils.vector_to_parameters(wg.zeros(12), net.parameters())
    with pytest.raises(ArgumentError, match="no parameters"):
        utils.parameters_to_vector([])
    assert net[1].bias.tolist() == [12]
