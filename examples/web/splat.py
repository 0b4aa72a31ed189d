"""A page that fits Gaussians to a picture that is dropped on it, live.

    python examples/web/splat.py --serve

Each Gaussian has a place, two widths, an angle, a colour and a weight, and a pixel is the sum of
all of them there: sums need no order, unlike layers that hide each other (Zhang et al. 2024,
GaussianImage). Adam moves all of them at once, by gradients that were derived in Python.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from demo import main

import wgrad as wg
from wgrad import nn, optim


class Splats(nn.Module):
    """Gaussians in a square from -1 to 1."""

    def __init__(self, count: int, rng: np.random.Generator):
        self.place = wg.parameter(rng.uniform(-1, 1, (count, 2)))
        self.narrow = wg.parameter(np.log(rng.uniform(0.7, 1.4, (count, 2)) * count**0.5))
        self.angle = wg.parameter(rng.uniform(-np.pi, np.pi, count))
        self.colour = wg.parameter(rng.uniform(0, 0.3, (count, 3)))
        self.weight = wg.parameter(np.zeros(count))

    def forward(self, pixels: wg.Tensor) -> wg.Tensor:
        """Return the colours (n, 3) of pixels at (n, 2)."""
        right = pixels[:, 0, None] - self.place[:, 0]  # (n, count)
        down = pixels[:, 1, None] - self.place[:, 1]
        cos, sin = wg.cos(self.angle), wg.sin(self.angle)
        along = (right * cos + down * sin) * wg.exp(self.narrow[:, 0])
        across = (down * cos - right * sin) * wg.exp(self.narrow[:, 1])
        shares = wg.exp(-0.5 * (along * along + across * across)) * wg.sigmoid(self.weight)
        return shares @ self.colour


def build(folder: Path, options: Any) -> None:
    """Export a step, and the picture that the Gaussians make."""
    line = (np.arange(options.side) + 0.5) / options.side * 2 - 1
    down, right = np.meshgrid(line, line, indexing="ij")
    pixels = wg.tensor(np.stack([right, down], -1).reshape(-1, 2), dtype="float32")
    model = Splats(options.splats, np.random.default_rng(options.seed))
    optimizer = optim.Adam(model.parameters(), lr=0.02)

    def train(target: wg.Tensor) -> dict[str, wg.Tensor]:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(pixels), target)
        loss.backward()
        optimizer.step()
        return {"loss": loss}

    @wg.no_grad()
    def draw() -> dict[str, wg.Tensor]:
        return {"picture": wg.clip(model(pixels), 0, 1)}

    wg.export.web(
        {"train": train, "draw": draw},
        {"train": (wg.zeros((len(pixels), 3)),), "draw": ()},
        folder / "model",
        state={"model": model, "optimizer": optimizer, "pixels": pixels},
        title="Gaussians become a picture",
    )
    print(f"{options.splats} Gaussians, {options.side} x {options.side} pixels")


if __name__ == "__main__":
    sys.exit(main(build, splats=128, side=48))
