"""SIREN: an image as a network of sines; its first layer is of a frequency of its own."""

import math

import numpy as np

import wgrad as wg
from wgrad import nn, optim

from .common import seeded


class Sine(nn.Module):
    def __init__(self, inputs, outputs, omega=12.0):
        super().__init__()
        self.omega = omega
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x):
        return wg.sin(self.omega * self.linear(x))


def picture(side):
    """Return pixels (side * side, 2) from -1 to 1, and their gray (side * side, 1)."""
    line = np.linspace(-1, 1, side, dtype="float32")
    x, y = np.meshgrid(line, line)
    gray = np.where(np.hypot(x - 0.2, y) < 0.6, np.cos(9 * x) * np.sin(7 * y), -0.3)
    return np.stack([x, y], -1).reshape(-1, 2), gray.reshape(-1, 1).astype("float32")


def run(steps, wrap=lambda f: f):
    points, gray = (wg.tensor(a) for a in picture(24))
    net = seeded(nn.Sequential(Sine(2, 32), Sine(32, 32), nn.Linear(32, 1)))
    with wg.no_grad():  # so that what a layer is given varies as much as what it gives
        net[1].linear.weight.mul_(math.sqrt(2) / net[1].omega)
    optimizer = optim.Adam(net.parameters(), lr=2e-3)

    def step():
        loss = ((net(points) - gray) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    step = wrap(step)
    return [step().item() for _ in range(steps)]
