"""Three spirals wound into each other, told apart by a small network: its regions are drawn.

    python examples/spirals.py [--device webgpu] [--steps 1000] [--seed 0] [--output folder]

A training step is compiled once and replayed. The picture shows which class the network chooses
at every point of the plane. Exits with 1 when fewer than 97 % of new points are in their region.
"""

from __future__ import annotations

import math
import sys
from typing import Any

from common import Goal, main, panels

import wgrad as wg
from wgrad import nn, optim

ARMS = 3
GOAL = Goal("accuracy on new points", least=0.97)


def spirals(n: int) -> tuple[wg.Tensor, wg.Tensor]:
    """Return n points of each arm, (3n, 2), and which arm they are of, (3n,)."""
    labels = wg.arange(ARMS).repeat_interleave(n)
    radius = wg.rand(ARMS * n).sqrt()
    angle = 7 * radius + labels * (2 * math.pi / ARMS) + 0.12 * wg.randn(ARMS * n)
    return wg.stack([radius * angle.cos(), radius * angle.sin()], axis=1), labels


def run(options: Any) -> tuple[float, Any]:
    """Train, and return the accuracy on new points and the picture."""
    x, y = spirals(120)
    model = nn.Sequential(
        *(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, ARMS))
    )
    optimizer = optim.AdamW(model.parameters(), lr=0.02)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=options.steps)

    @wg.compile
    def step() -> wg.Tensor:
        optimizer.zero_grad()
        loss = nn.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    losses = []
    for i in range(options.steps):
        loss = step()
        schedule.step()
        if i % 20 == 0:  # reading a number waits for the device
            losses.append(loss.item())
    print(f"loss: {losses[0]:.3f} at first, {loss.item():.3f} at last")

    with wg.no_grad():
        new, labels = spirals(1000)
        found = wg.train.accuracy(model(new), labels).item()
    figure, (left, right) = panels(1, 2, 9.0, 4.2)
    wg.viz.landscape(model, x, y, ax=left)
    left.set(title=f"{found:.1%} of new points are in their region", aspect="equal")
    right.plot(range(0, options.steps, 20), losses)
    right.set(title="cross entropy", xlabel="step", yscale="log")
    return found, figure


if __name__ == "__main__":
    sys.exit(main(run, GOAL, steps=1000))
