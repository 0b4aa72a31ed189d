"""Train a small net whose units learn their activation too, and time it against the same in ops.

    python examples/shaders/activation.py [--device webgpu] [--steps 250] [--out pictures]

The picture is what the net makes of the plane, from two spirals of points.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import gallery
import numpy as np

import wgrad as wg
from wgrad import nn, optim

bend = wg.kernel.elementwise(gallery.HERE / "activation.wgsl")
START = {"low": 0.1, "sharp": 2.0, "shift": 0.0, "wave": 0.1}


def bend_of_ops(x, low, sharp, shift, wave):
    """Return what `bend` does, of operations."""
    u = x + shift
    return u * wg.lerp(low, 1.0, wg.sigmoid(sharp * u)) + wave * wg.sin(2 * u)


class Net(nn.Module):
    """Two hidden layers of bent units: (n, 2) -> (n, 1)."""

    def __init__(self, activation: Callable, units: int = 24):
        self.layers = [nn.Linear(a, b) for a, b in ((2, units), (units, units), (units, 1))]
        self.bends = [[wg.parameter(np.full(units, x)) for x in START.values()] for _ in range(2)]
        self.activation = activation

    def forward(self, x: wg.Tensor) -> wg.Tensor:
        for layer, four in zip(self.layers, self.bends, strict=False):
            x = self.activation(layer(x), *four)
        return self.layers[-1](x)


def spirals(points: int) -> tuple[wg.Tensor, wg.Tensor]:
    """Return points (2 * points, 2) of two spirals, and -1 or 1 for each."""
    t = np.linspace(0.06, 1, points)
    arm = 0.95 * np.stack([t * np.cos(9 * t), t * np.sin(9 * t)], -1)
    sides = np.repeat([-1.0, 1.0], points)
    return wg.tensor(np.concatenate([arm, -arm])), wg.tensor(sides[:, None])


def train(activation: Callable, steps: int, seed: int = 0) -> tuple[Net, float, float]:
    """Return a trained net, its last loss, and the milliseconds of a step."""
    wg.manual_seed(seed)
    net = Net(activation)
    optimizer = optim.Adam(net.parameters(), lr=0.01)
    x, side = spirals(200)

    @wg.compile
    def step() -> wg.Tensor:
        loss = nn.functional.softplus(-side * net(x)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step()
    step().item()
    began = time.perf_counter()
    for _ in range(steps):
        loss = step()
    return net, loss.item(), (time.perf_counter() - began) / steps * 1e3


def run(steps: int, out: Path) -> float:
    """Train, draw and time; return the loss."""
    net, loss, ours = train(bend, steps)
    _, _, ops = train(bend_of_ops, min(steps, 100))
    print(f"loss {loss:.4f}; a step takes {ours:.2f} ms, and {ops:.2f} ms of operations")
    height = 200
    with wg.no_grad():
        side = wg.tanh(net(wg.tensor(gallery.plane(height, height).reshape(-1, 2)))).numpy()
    share = side.reshape(height, height, 1) / 2 + 0.5
    pixels = share * [0.98, 0.72, 0.3] + (1 - share) * [0.12, 0.25, 0.5]
    x, sides = spirals(60)
    for at, colour in zip(x.numpy(), np.where(sides.numpy() > 0, 0.0, 1.0), strict=True):
        column, row = ((at + 1) / 2 * height).astype(int)
        pixels[row - 1 : row + 2, column - 1 : column + 2] = colour
    gallery.save(out / "activation.png", pixels)
    return loss


if __name__ == "__main__":
    sys.exit(gallery.start(run, __doc__, steps=250))
