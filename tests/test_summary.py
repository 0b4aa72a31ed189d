"""nn.summary: what a model's modules give and hold, with the model left as it was."""

from __future__ import annotations

import copy

import pytest

import wgrad as wg
from wgrad import nn
from wgrad.errors import ArgumentError, ShapeError


def test_summary_has_a_row_for_each_module(device):
    shared = nn.Linear(4, 4)
    net = nn.Sequential(shared, nn.BatchNorm1d(4), shared, nn.Sequential(nn.Dropout(0.5)))
    shared.bias.requires_grad_(False)
    table = nn.summary(net, wg.ones((3, 4)))
    assert [(r.name, r.kind, r.output_shape, r.parameters, r.calls) for r in table.rows] == [
        ("", "Sequential", (3, 4), 0, 1),
        ("0", "Linear", (3, 4), 20, 2),
        ("1", "BatchNorm1d", (3, 4), 8, 1),
        ("3", "Sequential", (3, 4), 0, 1),
        ("3.0", "Dropout", (3, 4), 0, 1),
    ]
    assert (table.parameters, table.trainable, table.bytes) == (28, 24, 4 * 28 + 4 * 9)
    assert table.rows[1].trainable == 16 and table.rows[2].bytes == 4 * (8 + 9)
    text = str(table)
    assert text.splitlines()[0].split() == ["name", "module", "output", "parameters", "bytes"]
    assert text.endswith("28 parameters, 24 trained and 4 frozen; 148 bytes with buffers")
    assert repr(table) == text
    assert "<td>Linear</td><td>(3, 4)</td><td>20</td>" in table._repr_html_()


def test_summary_leaves_the_model_as_it_was(numpy_device):
    class Noisy(nn.Module):
        def __init__(self):
            self.lstm = nn.LSTM(4, 2)
            self.norm = nn.BatchNorm1d(4)
            self.drop = nn.Dropout(0.5).eval()

        def forward(self, x):
            self.seen = self.training
            return self.lstm(self.norm(self.drop(x)) + wg.rand(4))

    net = Noisy()
    before = copy.deepcopy(net.state_dict())
    wg.manual_seed(3)
    state = wg.get_rng_state()
    table = nn.summary(net, wg.ones((3, 4), requires_grad=True))
    assert wg.get_rng_state() == state and net.seen is False
    assert net.training and net.lstm.training and not net.drop.training
    assert not {"training", "_hooks"} & set(vars(net.lstm))
    assert all((before[name] == x).all() for name, x in net.state_dict().items())
    assert table.rows[1].output_shape == ((3, 2), ((1, 2), (1, 2)))
    with pytest.raises(ShapeError):
        nn.summary(net, wg.ones((3, 5)))
    assert net.training and "_hooks" not in vars(net)
    assert nn.summary(net).rows[1].output_shape is None and "None" not in str(nn.summary(net))
    with pytest.raises(ArgumentError, match="a module is needed"):
        nn.summary(wg.ones(3))
