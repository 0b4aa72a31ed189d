"""Averages of weights, their rates and running statistics: on the device, in compiled steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn, optim
from wgrad.errors import ArgumentError, ShapeError, WgradError
from wgrad.optim import swa_utils as swa

KINDS: list[Any] = [
    ({}, lambda a, x, n: a + (x - a) / (n + 1)),
    ({"avg_fn": swa.get_ema_avg_fn(0.8)}, lambda a, x, n: 0.8 * a + 0.2 * x),
    ({"multi_avg_fn": swa.get_ema_multi_avg_fn(0.8)}, lambda a, x, n: 0.8 * a + 0.2 * x),
    ({"avg_fn": swa.get_swa_avg_fn()}, lambda a, x, n: a + (x - a) / (n + 1)),
    ({"multi_avg_fn": swa.get_swa_multi_avg_fn()}, lambda a, x, n: a + (x - a) / (n + 1)),
]
each_kind = pytest.mark.parametrize(("kind", "formula"), KINDS)


@each_kind
@pytest.mark.parametrize("compiled", [False, True])
def test_averages_follow_their_formulas_in_one_program(device, kind, formula, compiled):
    model = nn.Linear(2, 1)
    average = swa.AveragedModel(model, **kind)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.5)

    def step(x):
        optimizer.zero_grad()
        (model(x) - 1).square().mean().backward()
        optimizer.step()
        average.update_parameters(model)

    run = wg.compile(step) if compiled else step
    expected: Any = None
    for n in range(6):
        run(wg.tensor([[0.5 * n, 1.0], [1.0, -1.0]]))
        now = [p.numpy() for p in model.parameters()]
        pairs = zip(expected or now, now, strict=True)
        expected = [formula(a, x, n) if n else x for a, x in pairs]
    for p, a in zip(average.module.parameters(), expected, strict=True):
        np.testing.assert_allclose(p.numpy(), a, rtol=1e-5)
    assert average.n_averaged.item() == 6
    assert not compiled or len(run.programs) == 1
    x = wg.ones(3, 2)
    np.testing.assert_allclose(average(x).numpy(), average.module(x).numpy())


def test_averages_are_pytorchs(numpy_device):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    theirs = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).double()
    ours = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).astype("float64")
    for use_buffers in (False, True):
        its = torch.optim.swa_utils.AveragedModel(theirs, use_buffers=use_buffers)
        mine = swa.AveragedModel(ours, use_buffers=use_buffers)
        for _ in range(4):
            values = {
                k: rng.standard_normal(x.shape) if x.dtype.is_floating else np.array(3)
                for k, x in ours.state_dict().items()
            }
            ours.load_state_dict(values)
            theirs.load_state_dict({k: torch.tensor(x) for k, x in values.items()})
            mine.update_parameters(ours)
            its.update_parameters(theirs)
        state = its.state_dict()
        assert set(mine.state_dict()) == set(state)
        for k, x in mine.state_dict().items():
            np.testing.assert_allclose(x.numpy(), state[k].numpy(), rtol=1e-12, err_msg=k)
        data = [rng.standard_normal((5, 2)) for _ in range(3)]
        torch.optim.swa_utils.update_bn([torch.tensor(x) for x in data], its)
        swa.update_bn([(wg.tensor(x, dtype="float64"), 0) for x in data], mine)
        for k, x in mine.state_dict().items():
            np.testing.assert_allclose(x.numpy(), its.state_dict()[k].numpy(), rtol=1e-6, err_msg=k)
        assert mine.module[1].momentum == 0.1 and mine.module[1].training


def swa_rates(library, p, epochs, strategy):
    optimizer = library.SGD([{"params": [x]} for x in p], lr=0.8)
    scheduler = library.swa_utils.SWALR(optimizer, [0.1, 0.2], epochs, strategy)
    found = []
    for _ in range(7):
        optimizer.step()
        scheduler.step()
        found.append(scheduler.get_last_lr())
    return found


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 4])
def test_swalr_goes_to_its_rate(numpy_device, strategy, epochs):
    found = swa_rates(optim, [wg.parameter(1.0), wg.parameter(1.0)], epochs, strategy)
    assert found[-1] == [0.1, 0.2] and (epochs == 0 or found[1] == pytest.approx([0.45, 0.5]))


def test_swalr_is_pytorchs(numpy_device):
    torch = pytest.importorskip("torch")
    for settings in ((0, "cos"), (4, "cos"), (4, "linear")):
        found = swa_rates(optim, [wg.parameter(1.0), wg.parameter(1.0)], *settings)
        p = [torch.tensor(1.0, requires_grad=True) for _ in range(2)]
        np.testing.assert_allclose(found, swa_rates(torch.optim, p, *settings), rtol=1e-12)


def test_an_average_goes_on_where_it_was_saved(numpy_device):
    model = nn.Linear(2, 1)
    one, two = swa.AveragedModel(model), swa.AveragedModel(nn.Linear(2, 1))
    one.update_parameters(model)
    two.load_state_dict(one.state_dict())
    model.weight.assign(model.weight.detach() + 1)
    one.update_parameters(model)
    two.update_parameters(model)
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert a.tolist() == b.tolist()


BAD: list[Any] = [
    (lambda m: swa.AveragedModel(3), "3 came, and a module"),
    (lambda m: swa.AveragedModel(m, avg_fn=3), "3 came, and a function"),
    (lambda m: swa.AveragedModel(m, avg_fn=abs, multi_avg_fn=abs), "one is possible"),
    (lambda m: swa.AveragedModel(m).update_parameters(3), "3 came, and a module"),
    (lambda m: swa.AveragedModel(m).update_parameters(nn.Linear(2, 1, bias=False)), "are needed"),
    (lambda m: swa.AveragedModel(m).update_parameters(nn.Linear(3, 1)), "weight has shape"),
    (lambda m: swa.AveragedModel(m, avg_fn=lambda a, x, n: 3).update_parameters(m), "returned 3"),
    (lambda m: swa.get_ema_avg_fn(1.5), "get_ema_avg_fn: decay=1.5"),
    (lambda m: swa.get_ema_multi_avg_fn(-1), "get_ema_multi_avg_fn: decay=-1"),
    (lambda m: swa.update_bn(3, m), "3 came, and a loader"),
    (lambda m: swa.update_bn([], 3), "3 came, and a module"),
    (lambda m: swa.SWALR(optim.SGD(m.parameters()), [0.1, 0.2]), "swa_lr has 2 entries"),
    (lambda m: swa.SWALR(optim.SGD(m.parameters()), 0.1, -1), "anneal_epochs=-1"),
]


@pytest.mark.parametrize(("call", "words"), BAD)
def test_averages_refuse_what_does_not_fit(numpy_device, call, words):
    with pytest.raises(WgradError, match=words) as caught:
        call(nn.Linear(2, 1))
    assert isinstance(caught.value, (ArgumentError, ShapeError))
