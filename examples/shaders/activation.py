"""Train a small net whose units learn their activation too, and time it against the same in ops.

    python examples/shaders/activation.py [--device webgpu] [--steps 250] [--out pictures]

The picture is what the net makes of the plane, from two spirals of points.
"""

from collections.abc import Callable
from pathlib import Path

import gallery
import numpy as np

import wgrad as wg
from wgrad import nn

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


def train(activation: Callable, steps: int, seed: int = 0) -> tuple[Net, float, float]:
    """Return a trained net, its last loss, and the milliseconds of a step."""
    wg.manual_seed(seed)
    net, (x, side) = Net(activation), map(wg.tensor, gallery.spirals(200))
    step = gallery.descent(
        lambda: nn.functional.softplus(-side * net(x)).mean(), net.parameters(), lr=0.01
    )
    return net, *gallery.timed(step, steps)


def run(steps: int, out: Path, size: int = 200) -> float:
    """Train, draw and time; return the loss."""
    net, loss, ours = train(bend, steps)
    ops = train(bend_of_ops, min(steps, 100))[2]
    print(f"loss {loss:.4f}; a step takes {ours:.2f} ms, and {ops:.2f} ms of operations")
    with wg.no_grad():
        side = wg.tanh(net(wg.tensor(gallery.plane(size, size).reshape(-1, 2))))
    pixels = gallery.signed(side.reshape(size, size).numpy())
    points, sides = gallery.spirals(60)
    gallery.save(out / "activation.png", gallery.dotted(pixels, points, sides < 0))
    return loss


if __name__ == "__main__":
    raise SystemExit(gallery.start(run, __doc__, steps=250))
