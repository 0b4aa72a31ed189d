"""Charts by matplotlib: training as it went, gradients and activations, regions, filters.

Each draws into the axes that it is given, or into a figure of its own, and returns the figure.
Nothing of matplotlib's is set for others: no style, no current figure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core import Value
from ..creation import tensor
from ..errors import ArgumentError, DTypeError, GradientError, ShapeError, shown
from ..extras import needed
from ..nn import Module
from ..tape import recording
from ..tensor import Tensor
from .recorder import record

PANELS = 30  # histograms in a figure, at most
TILES = 16  # filters, and channels of each, in a picture, at most
COLORS = ("#3b76c4", "#d9822b", "#3f9b5b", "#b3409a", "#c23b33", "#6b7385", "#8c6d31", "#17a2b8")


def _figure(ax: Any, where: str, width: float, height: float) -> tuple[Any, Any]:
    """Return a figure and its axes: those that were given, or new ones."""
    figures = needed("matplotlib.figure", "viz", where)
    if ax is not None:
        if not hasattr(ax, "plot") or not hasattr(ax, "figure"):
            raise DTypeError(f"{where}: ax={shown(ax)} came, and matplotlib's axes are needed")
        return ax.figure, ax
    figure = figures.Figure(figsize=(width, height), layout="constrained")
    return figure, None


def history(h: Mapping[str, Sequence[float]], *, ax: Any = None) -> Any:
    """Draw how training went: losses, and whatever else was measured, by epoch.

    ```python
    wg.viz.history({"loss": [1.0, 0.5, 0.3], "val_loss": [1.1, 0.7, 0.6]}).savefig("loss.png")
    ```

    `h` is a dict of lists, as what `fit` returns: names with "loss" share one axis, others (such as
    "accuracy") another one. "epoch", "lr" and what has no numbers are left out. Returns the figure.
    Raises: DTypeError, ArgumentError where nothing is left.
    """
    if not isinstance(h, Mapping):
        raise DTypeError(f"history: {shown(h)} came, and a dict of lists by name is needed")
    lines = {str(k): y for k, x in h.items() if (y := _line(x)) is not None and k not in _ASIDE}
    if not lines:
        raise ArgumentError(f"history: {shown(list(h))} has no list of numbers by epoch to draw")
    losses = {k: y for k, y in lines.items() if "loss" in k}
    rest = {k: y for k, y in lines.items() if "loss" not in k}
    figure, given = _figure(ax, "history", 9.0 if losses and rest else 5.0, 3.4)
    parts = [part for part in (losses, rest) if part]
    if given is None:
        axes = list(figure.subplots(1, len(parts), squeeze=False)[0])
    else:
        axes = [given, *(given.twinx() for _ in parts[1:])]
    for at, part in zip(axes, parts, strict=True):
        for i, (name, y) in enumerate(part.items()):
            shift = len(losses) if part is rest and given is not None else 0
            color = COLORS[(i + shift) % len(COLORS)]
            there = ~np.isnan(y)  # what is measured now and then is one line all the same
            at.plot(np.arange(1, len(y) + 1)[there], y[there], label=name, color=color, marker=".")
        at.set_xlabel("epoch")
        at.xaxis.get_major_locator().set_params(integer=True)
        at.grid(alpha=0.25)
    if given is None or len(axes) == 1:
        for at in axes:
            at.legend(frameon=False)
    else:  # one legend of both axes, for two would lie over each other's lines
        lines_drawn = [line for at in axes for line in at.get_lines()]
        axes[-1].legend(handles=lines_drawn, loc="center right", framealpha=0.8)
    return figure


_ASIDE = ("epoch", "epochs", "step", "lr", "seconds", "time")


def _line(x: Any) -> np.ndarray | None:
    """Return a list of numbers as an array, None in it as NaN; None for anything else."""
    try:
        y = np.array([math.nan if v is None else float(v) for v in x])
    except (TypeError, ValueError):
        return None
    return y if y.size and not np.isnan(y).all() else None


def gradients(model: Module, *, ax: Any = None) -> Any:
    """Draw a histogram of the gradient of every parameter: too small, too large, or all zero?

    ```python
    net = wg.nn.Linear(3, 2)
    net(wg.ones((4, 3))).sum().backward()
    wg.viz.gradients(net).savefig("gradients.png")
    ```

    Titles have the root mean square. Into `ax` all are drawn as lines. Returns the figure.
    Raises: DTypeError for what is no module, GradientError where no parameter has a gradient.
    """
    _check_module(model, "gradients")
    named = [(name, x.grad) for name, x in model.named_parameters() if x.grad is not None]
    if not named:
        raise GradientError(
            f"gradients: no parameter of the {type(model).__name__} has a gradient: call "
            "backward() first"
        )
    return _histograms([(name, g.numpy()) for name, g in named], ax, "gradients")


def activations(model: Module, x: Any, *, ax: Any = None) -> Any:
    """Draw a histogram of what every layer gives for an input: dead, saturated, or fine?

    ```python
    net = wg.nn.Sequential(wg.nn.Linear(3, 8), wg.nn.ReLU(), wg.nn.Linear(8, 2))
    wg.viz.activations(net, wg.ones((4, 3))).savefig("activations.png")
    ```

    The model is called once, as it is (in training mode too), and nothing is recorded for
    gradients. Layers are the modules without modules inside. Into `ax` all are drawn as lines.
    Returns the figure. Raises: DTypeError for what is no module.
    """
    _check_module(model, "activations")
    recorder, _ = recording(False, record, model, (x,), {}, "activations")
    last: dict[Any, Tensor] = {}
    for call in recorder.calls:
        if call.scopes:
            last[call.scopes[-1]] = call.out
    outer = {scope for call in recorder.calls for scope in call.scopes[:-1]}
    named = [(s.name, out.numpy()) for s, out in last.items() if s not in outer]
    if not named:
        raise ArgumentError(
            f"activations: the {type(model).__name__} computes nothing in a module of its own"
        )
    return _histograms(named, ax, "activations")


def _histograms(named: list[tuple[str, np.ndarray]], ax: Any, where: str) -> Any:
    left_out = len(named) - PANELS
    named = named[:PANELS]
    across = min(4, len(named))
    down = -(-len(named) // across)
    figure, given = _figure(ax, where, 3.0 * across, 2.1 * down)
    panels = [given] * len(named)
    if given is None:
        panels = list(figure.subplots(down, across, squeeze=False).flat)
        for spare in panels[len(named) :]:
            spare.set_axis_off()
    for i, ((name, values), panel) in enumerate(zip(named, panels, strict=False)):
        flat = values.astype(np.float64).reshape(-1)
        finite = flat[np.isfinite(flat)]
        size = math.sqrt(float(np.mean(finite**2))) if finite.size else math.nan
        wrong = flat.size - finite.size
        title = f"{name}\nrms {size:.2e}" + (f", {wrong} not finite" if wrong else "")
        if given is None:
            panel.hist(finite, bins=40, color=COLORS[0])
            panel.set_title(title, fontsize=8)
            panel.tick_params(labelsize=7)
            panel.set_yticks([])
        else:
            counts, edges = np.histogram(finite, bins=40)
            color = COLORS[i % len(COLORS)]
            panel.stairs(counts, edges, label=title.replace("\n", ", "), color=color)
    if given is not None:
        given.legend(frameon=False, fontsize=7)
    elif left_out > 0:
        figure.suptitle(f"the first {PANELS} of {PANELS + left_out}", fontsize=8)
    return figure


def landscape(model: Any, data: Any, labels: Any, *, resolution: int = 120, ax: Any = None) -> Any:
    """Draw the decision regions of a model of points in the plane, and the points.

    ```python
    net = wg.nn.Linear(2, 3)
    points = wg.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    wg.viz.landscape(net, points, [0, 1, 2]).savefig("regions.png")
    ```

    `data` is (n, 2) and `labels` (n,). `model` is a module, in evaluation mode while it is called,
    or a function: (m, 2) -> (m, k) scores, of which the largest is chosen, or (m, 1) and (m,), of
    which the sign is. Returns the figure. Raises: ShapeError, ArgumentError.
    """
    points, classes = _host(data, "data"), _host(labels, "labels").reshape(-1)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) != len(classes) or not len(points):
        raise ShapeError(
            f"landscape: data {points.shape} and labels {classes.shape} came, and (n, 2) and (n,) "
            "are needed"
        )
    if type(resolution) is not int or resolution < 2:
        raise ArgumentError(
            f"landscape: resolution={shown(resolution)} came, and an integer from 2 is needed"
        )
    if not callable(model):
        raise DTypeError(f"landscape: {shown(model)} came, and a module or a function is needed")
    low, high = points.min(0), points.max(0)
    margin = np.maximum((high - low) * 0.1, 1e-3)
    low, high = low - margin, high + margin
    xs, ys = (np.linspace(low[i], high[i], resolution) for i in (0, 1))
    grid = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)
    like = data if isinstance(data, Value) else None
    where: dict[str, Any] = {} if like is None else {"dtype": like.dtype, "device": like.device}
    inputs = tensor(grid.astype(np.float32), **where)
    scores = _host(_evaluated(model, inputs), "the model's result")
    if len(scores) != len(grid):
        raise ShapeError(
            f"landscape: the model gave shape {scores.shape} for {len(grid)} points, and one row "
            "for each is needed"
        )
    flat = scores.reshape(len(grid), -1)
    chosen = flat.argmax(1) if flat.shape[1] > 1 else (flat[:, 0] > 0).astype(int)
    colors = needed("matplotlib.colors", "viz", "landscape")
    figure, given = _figure(ax, "landscape", 5.0, 4.4)
    panel = figure.subplots() if given is None else given
    kinds = np.unique(classes)
    most = max(int(chosen.max()) + 1, len(kinds), 2)
    palette = colors.ListedColormap([COLORS[i % len(COLORS)] for i in range(most)])
    panel.imshow(
        chosen.reshape(resolution, resolution), origin="lower", cmap=palette, vmin=-0.5,
        vmax=most - 0.5, extent=(low[0], high[0], low[1], high[1]), alpha=0.3, aspect="auto",
    )  # fmt: skip
    for i, kind in enumerate(kinds):
        mine = points[classes == kind]
        whole = float(kind).is_integer() and 0 <= kind < most
        color = COLORS[(int(kind) if whole else i) % len(COLORS)]
        panel.scatter(
            mine[:, 0], mine[:, 1], s=18, color=color, edgecolors="white", linewidths=0.6,
            label=f"{kind:g}",
        )  # fmt: skip
    panel.legend(frameon=False, fontsize=8)
    return figure


def _evaluated(model: Any, inputs: Tensor) -> Any:
    """Return what a model gives in evaluation mode, and leave it in the mode that it was in."""
    modes = [(m, m.training) for m in model.modules()] if isinstance(model, Module) else []
    try:
        for module, _ in modes:
            module.training = False
        return recording(False, model, inputs)
    finally:
        for module, mode in modes:
            module.training = mode


def filters(conv: Any, *, ax: Any = None) -> Any:
    """Draw the filters of a convolution as small pictures: one row for each, its channels beside.

    ```python
    wg.viz.filters(wg.nn.Conv2d(1, 8, 5)).savefig("filters.png")
    ```

    `conv` is a module with a weight, or a tensor: (filters, channels, height, width), or without
    the channels. Filters of 3 channels are shown in colour. Returns the figure.
    Raises: DTypeError, ShapeError.
    """
    weight = getattr(conv, "weight", conv) if isinstance(conv, Module) else conv
    x = _host(weight, "filters").astype(np.float64)
    x = x[:, None] if x.ndim == 3 else x
    if x.ndim != 4 or not x.size:
        raise ShapeError(
            f"filters: shape {_host(weight, 'filters').shape} came, and (filters, channels, "
            "height, width) is needed"
        )
    colored = x.shape[1] == 3
    n, c = min(len(x), TILES * (TILES if colored or x.shape[1] == 1 else 1)), min(x.shape[1], TILES)
    x = x[:n, :c]
    high, wide = x.shape[2:]
    if colored:
        least, most = x.min(), x.max()
        tiles = np.moveaxis((x - least) / ((most - least) or 1.0), 1, -1)
    else:
        tiles = x.reshape(n * c, high, wide)
    across = c if c > 1 and not colored else math.ceil(math.sqrt(len(tiles)))
    down = -(-len(tiles) // across)
    shape = (down * (high + 1) - 1, across * (wide + 1) - 1, *tiles.shape[3:])
    board = np.full(shape, 1.0 if colored else np.nan)
    for i, tile in enumerate(tiles):
        top, left = (i // across) * (high + 1), (i % across) * (wide + 1)
        board[top : top + high, left : left + wide] = tile
    figure, given = _figure(ax, "filters", 0.35 * across + 2, 0.35 * down + 1.2)
    panel = figure.subplots() if given is None else given
    if colored:
        panel.imshow(board)
    else:
        reach = float(np.abs(x).max()) or 1.0
        image = panel.imshow(board, cmap="RdBu_r", vmin=-reach, vmax=reach)
        figure.colorbar(image, ax=panel, shrink=0.8)
    panel.set_axis_off()
    return figure


def _check_module(model: Any, where: str) -> None:
    if not isinstance(model, Module):
        raise DTypeError(f"{where}: {shown(model)} came, and a module is needed")


def _host(x: Any, what: str) -> np.ndarray:
    array = x.numpy() if isinstance(x, Tensor) else np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise DTypeError(f"{what}: {shown(x)} came, and a tensor or an array of numbers is needed")
    return array
