"""The steps that all contenders of the page compute: numbers, and ours as it is exported.

Knows no browser. A step is SGD on one batch; weights are written as each library takes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import wgrad as wg
from wgrad import nn, optim

STEPS = 5  # whose losses are compared


@dataclass(frozen=True)
class Step:
    """One of them: `loss` takes the weights by their names and a batch."""

    name: str
    work: str
    weights: dict[str, np.ndarray]
    x: np.ndarray
    y: np.ndarray
    lr: float
    loss: Callable[[dict[str, wg.Tensor], wg.Tensor, wg.Tensor], wg.Tensor] = field(repr=False)

    def built(self) -> tuple[Callable[[wg.Tensor, wg.Tensor], wg.Tensor], Any]:
        """Return the step as a function of a batch, and its state, on the default device."""
        weights = {name: wg.parameter(x) for name, x in self.weights.items()}
        optimizer = optim.SGD(weights.values(), lr=self.lr)

        def step(x: wg.Tensor, y: wg.Tensor) -> wg.Tensor:
            optimizer.zero_grad()
            loss = self.loss(weights, x, y)
            loss.backward()
            optimizer.step()
            return loss

        return step, {"weights": weights, "optimizer": optimizer}

    def losses(self) -> list[float]:
        """Return the first losses, by NumPy."""
        with wg.device("numpy"):
            step, _ = self.built()
            x, y = wg.tensor(self.x), wg.tensor(self.y)
            return [step(x, y).item() for _ in range(STEPS)]

    def export(self, folder: Path) -> None:
        """Write the step for a browser."""
        with wg.device("numpy"):
            step, state = self.built()
            given = {"x": wg.tensor(self.x), "y": wg.tensor(self.y)}
            wg.export.web(step, given, folder, state=state, outputs="loss")


def _network(weights: dict, x: wg.Tensor) -> wg.Tensor:
    return nn.functional.relu(x @ weights["w1"] + weights["b1"]) @ weights["w2"] + weights["b2"]


def mlp(sizes: tuple[int, int, int] = (784, 128, 10), batch: int = 64) -> Step:
    """A network with one hidden layer: (batch, 784) and labels."""
    rng = np.random.default_rng(0)
    n, hidden, classes = sizes
    weights = {
        "w1": _normal(rng, n**-0.5, n, hidden),
        "b1": np.zeros(hidden, np.float32),
        "w2": _normal(rng, hidden**-0.5, hidden, classes),
        "b2": np.zeros(classes, np.float32),
    }
    x, y = _normal(rng, 1, batch, n), rng.integers(0, classes, batch).astype(np.int32)
    work = f"MLP {n}-{hidden}-{classes}, batch {batch}, SGD"
    return Step("mlp", work, weights, x, y, 0.1, lambda w, x, y: _cross(_network(w, x), y))


def _cross(logits: wg.Tensor, y: wg.Tensor) -> wg.Tensor:
    return nn.functional.cross_entropy(logits, y)


def _residual(weights: dict, x: wg.Tensor, y: wg.Tensor) -> wg.Tensor:
    functional = nn.functional

    def convolved(x: wg.Tensor, name: str) -> wg.Tensor:
        return functional.conv2d(x, weights[name], padding=1)

    x = functional.relu(convolved(x, "stem"))
    for i in range(2):
        inner = convolved(functional.relu(convolved(x, f"in{i}")), f"out{i}")
        x = functional.relu(x + inner)
    return _cross(wg.mean(x, axis=(2, 3)) @ weights["head"] + weights["bias"], y)


def cnn(batch: int = 16, size: int = 16, channels: int = 16) -> Step:
    """Two residual blocks of 3 by 3 convolutions: (batch, 3, size, size) and labels."""
    rng = np.random.default_rng(1)
    deep = (9 * channels) ** -0.5
    weights = {"stem": _normal(rng, 27**-0.5, channels, 3, 3, 3)}
    for name in ("in0", "out0", "in1", "out1"):
        weights[name] = _normal(rng, deep, channels, channels, 3, 3)
    weights |= {"head": _normal(rng, 0.25, channels, 10), "bias": np.zeros(10, np.float32)}
    x = _normal(rng, 1, batch, 3, size, size)
    y = rng.integers(0, 10, batch).astype(np.int32)
    work = f"2 residual blocks, {channels} channels, {size}^2, batch {batch}, SGD"
    return Step("cnn", work, weights, x, y, 0.05, _residual)


HEADS = 4


def _attending(weights: dict, x: wg.Tensor, y: wg.Tensor) -> wg.Tensor:
    batch, length, width = x.shape
    parts = (x @ weights["qkv"]).reshape((batch, length, 3, HEADS, width // HEADS))
    q, k, v = (parts[:, :, i].permute_dims((0, 2, 1, 3)) for i in range(3))
    found = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    out = found.permute_dims((0, 2, 1, 3)).reshape((batch, length, width)) @ weights["out"]
    return wg.mean((x + out - y) ** 2)


def attention(batch: int = 8, length: int = 64, width: int = 64, lr: float = 10.0) -> Step:
    """A block of causal attention with four heads: (batch, length, width), and as much wanted."""
    rng = np.random.default_rng(2)
    weights = {
        "qkv": _normal(rng, width**-0.5, width, 3 * width),
        "out": _normal(rng, width**-0.5, width, width),
    }
    x, y = _normal(rng, 1, batch, length, width), _normal(rng, 1, batch, length, width)
    work = f"causal attention, {length} x {width}, {HEADS} heads, batch {batch}, SGD"
    return Step("attention", work, weights, x, y, lr, _attending)


def _normal(rng: np.random.Generator, scale: float, *shape: int) -> np.ndarray:
    return (scale * rng.standard_normal(shape)).astype(np.float32)


ALL = (mlp, cnn, attention)
