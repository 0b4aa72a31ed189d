"""The charts: what they draw is in the figure, into axes of others too, and nothing changes."""

from __future__ import annotations

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn
from wgrad.errors import ArgumentError, DTypeError, GradientError, ShapeError

matplotlib = pytest.importorskip("matplotlib")
figures = pytest.importorskip("matplotlib.figure")


def axes():
    return figures.Figure().subplots()


def drawn(figure) -> bytes:
    """Return the figure as pixels, which fails for whatever cannot be drawn."""
    agg = pytest.importorskip("matplotlib.backends.backend_agg")
    canvas = agg.FigureCanvasAgg(figure)
    canvas.draw()
    return bytes(canvas.buffer_rgba())


def trained() -> nn.Sequential:
    net = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 3))
    net(wg.ones((4, 2))).sum().backward()
    return net


def test_history_has_losses_and_the_rest_apart():
    h = {"epoch": [1, 2, 3], "lr": [0.1] * 3, "loss": [1.0, 0.5, 0.25], "note": ["a", "b", "c"],
         "val_loss": [1.5, None, 0.5], "accuracy": [0.1, 0.5, 0.9]}  # fmt: skip
    figure = wg.viz.history(h)
    left, right = figure.axes
    assert [x.get_label() for x in left.lines] == ["loss", "val_loss"]
    assert left.lines[1].get_xydata().tolist() == [[1, 1.5], [3, 0.5]]
    assert right.lines[0].get_ydata().tolist() == h["accuracy"]
    assert drawn(figure)
    mine = axes()
    assert wg.viz.history(h, ax=mine) is mine.figure and len(mine.lines) == 2
    legends = [x.get_legend() for x in mine.figure.axes if x.get_legend()]
    (names,) = [[text.get_text() for text in x.get_texts()] for x in legends]
    assert names == ["loss", "val_loss", "accuracy"]  # one legend, where two would overlap
    mine = axes()
    assert wg.viz.history({"loss": [1.0, 0.5]}, ax=mine).axes == [mine]  # and no empty second axis


def test_gradients_and_activations_are_a_histogram_of_each(numpy_device):
    net = trained()
    figure = wg.viz.gradients(net)
    titles = [ax.get_title().split("\n")[0] for ax in figure.axes if ax.get_title()]
    assert titles == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert "rms 4.00e+00" in figure.axes[3].get_title() and drawn(figure)
    figure = wg.viz.activations(net, wg.ones((4, 2)))
    titles = [ax.get_title().split("\n")[0] for ax in figure.axes if ax.get_title()]
    assert titles == ["0 (Linear)", "1 (ReLU)", "2 (Linear)"]
    for call in (lambda ax: wg.viz.gradients(net, ax=ax),
                 lambda ax: wg.viz.activations(net, wg.ones((4, 2)), ax=ax)):  # fmt: skip
        mine = axes()
        assert call(mine) is mine.figure and len(mine.patches) >= 3
    net[0].weight.grad.assign(float("nan"))
    assert "10 not finite" in wg.viz.gradients(net).axes[0].get_title()


def test_regions_are_those_that_the_model_chooses(numpy_device):
    points = np.array([[-1.0, 0.0], [1.0, 0.0], [0.5, 2.0]])
    net = nn.Sequential(nn.Linear(2, 1), nn.Dropout(0.5))
    net[0].weight.assign([[1.0, 0.0]])
    net[0].bias.assign([0.0])
    figure = wg.viz.landscape(net, points, [0, 1, 1], resolution=4)
    assert net.training and net[1].training
    board = figure.axes[0].images[0].get_array()
    assert board.tolist() == [[0, 0, 1, 1]] * 4 and drawn(figure)
    mine = axes()
    scores = wg.viz.landscape(lambda x: wg.stack([x[:, 1] * 0, x[:, 1] - 1], 1), points, [0, 0, 1],
                              resolution=4, ax=mine)  # fmt: skip
    assert scores is mine.figure
    assert mine.images[0].get_array()[:, 0].tolist() == [0, 0, 1, 1]


def test_filters_are_tiles(numpy_device):
    x = np.arange(2 * 4 * 3 * 3, dtype=np.float64).reshape(2, 4, 3, 3)
    figure = wg.viz.filters(wg.tensor(x))
    board = figure.axes[0].images[0].get_array()
    assert board.shape == (7, 15)
    assert board[4:7, 4:7].tolist() == x[1, 1].tolist() and drawn(figure)
    colored = wg.viz.filters(nn.Conv2d(3, 4, 5)).axes[0].images[0].get_array()
    assert colored.shape == (11, 11, 3) and colored.min() >= 0 and colored.max() <= 1
    mine = axes()
    assert wg.viz.filters(np.ones((9, 3, 3)), ax=mine) is mine.figure


def test_matplotlib_is_left_as_it_was():
    before = dict(matplotlib.rcParams), matplotlib.get_backend(auto_select=False)
    wg.viz.history({"loss": [1.0]})
    wg.viz.filters(np.ones((2, 3, 3)))
    assert before == (dict(matplotlib.rcParams), matplotlib.get_backend(auto_select=False))
    pyplot = __import__("sys").modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


def test_bad_input_is_told_in_one_sentence(numpy_device):
    net = nn.Linear(2, 3)
    for kind, call in (
        (DTypeError, lambda: wg.viz.history([1.0])),
        (ArgumentError, lambda: wg.viz.history({"epoch": [1, 2]})),
        (ArgumentError, lambda: wg.viz.history({"loss": []})),
        (GradientError, lambda: wg.viz.gradients(net)),
        (DTypeError, lambda: wg.viz.gradients([1])),
        (DTypeError, lambda: wg.viz.activations(3, wg.ones(2))),
        (ShapeError, lambda: wg.viz.landscape(net, np.ones((3, 4)), [0, 1, 2])),
        (ShapeError, lambda: wg.viz.landscape(net, np.ones((3, 2)), [0, 1])),
        (ShapeError, lambda: wg.viz.landscape(lambda x: x[0], np.ones((3, 2)), [0, 1, 2])),
        (ArgumentError, lambda: wg.viz.landscape(net, np.ones((1, 2)), [0], resolution=1)),
        (DTypeError, lambda: wg.viz.landscape(3, np.ones((1, 2)), [0])),
        (ShapeError, lambda: wg.viz.filters(wg.ones(3))),
        (DTypeError, lambda: wg.viz.filters("a")),
        (DTypeError, lambda: wg.viz.history({"loss": [1.0]}, ax=3)),
    ):
        with pytest.raises(kind) as caught:
            call()
        assert "\n" not in str(caught.value)
