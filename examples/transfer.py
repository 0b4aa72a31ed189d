"""Transfer: layers that know the digits 0 to 4 learn 5 to 9 from ten images of each.

    python examples/transfer.py [--device webgpu] [--steps 200] [--seed 0] [--output folder]

Each digit lies somewhere in a larger image with noise. A convolutional network is trained on many
of the digits 0 to 4. Its convolutions are then frozen, and a new last layer alone is trained on few
of 5 to 9; the same network is trained from scratch on the same few. Every fifth image of all is
held out, and the mean over three draws of the few is told. Exits with 1 when the frozen layers win
less than 3 points.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from common import Goal, main, panels

import wgrad as wg
from wgrad import nn, optim

BATCH, LOOKS = 64, 8
GOAL = Goal("points that the frozen layers win", least=3, form=".1f")


def convolutions() -> nn.Module:
    """Return layers for images: (n, 1, 12, 12) -> (n, 288)."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
    )


def train(model: nn.Module, x: wg.Tensor, y: wg.Tensor, steps: int, test: Any) -> list[float]:
    """Train what is not frozen; return the accuracy in % on held-out images, now and then."""
    optimizer = optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.005)

    @wg.compile
    def step() -> None:
        rows = wg.randint(0, len(x), (BATCH,))
        optimizer.zero_grad()
        nn.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()

    found = []
    for i in range(steps + 1):
        if i % max(1, steps // LOOKS) == 0:
            with wg.no_grad():
                found.append(100 * wg.train.accuracy(model(test[0]), test[1]).item())
        step()
    return found


def run(options: Any) -> tuple[float, Any]:
    """Train on 0 to 4, then on few of 5 to 9 in both ways; return the gain and the picture."""
    images, labels = wg.data.load("digits").tensors
    seen, digit = np.tile(np.arange(len(images)) % 5 > 0, 4), np.tile(labels.numpy(), 4)
    scattered = wg.data.transforms.RandomCrop(12, padding=4)(wg.concat([images] * 4))
    scattered = scattered + 0.3 * wg.rand(*scattered.shape)

    def part(where: Any) -> tuple[wg.Tensor, wg.Tensor]:
        """Return these images, and which of their five digits they are."""
        rows = np.flatnonzero(where) if where.dtype == bool else where
        return scattered[rows], wg.tensor(digit[rows] % 5)

    known, test = convolutions(), part((digit < 5) & ~seen)
    start = train(
        nn.Sequential(known, nn.Linear(288, 5)), *part((digit < 5) & seen), 2 * options.steps, test
    )
    print(f"digits 0 to 4: {start[0]:.1f} % at first, {start[-1]:.1f} % at last")
    known.requires_grad_(False)

    test = part((digit >= 5) & ~seen)
    rng = np.random.default_rng(options.seed)
    lines: dict[str, list[list[float]]] = {"frozen layers": [], "from scratch": []}
    for _ in range(options.draws):
        new = (np.flatnonzero((digit == d) & seen) for d in range(5, 10))
        few = part(np.concatenate([rng.choice(x, options.images) for x in new]))
        for name, layers in zip(lines, (known, convolutions()), strict=True):
            model = nn.Sequential(layers, nn.Linear(288, 5))
            lines[name].append(train(model, *few, options.steps, test))
    ends = {name: np.mean(x, axis=0)[-1] for name, x in lines.items()}
    print("digits 5 to 9:", ", ".join(f"{x:.1f} %, {name}" for name, x in ends.items()))

    figure, (ax,) = panels(1, 1, 6.5, 3.6)
    for color, (name, x) in zip(("C0", "C1"), lines.items(), strict=True):
        at = np.arange(len(x[0])) * max(1, options.steps // LOOKS)
        ax.plot(at, np.transpose(x), color=color, alpha=0.25)
        ax.plot(at, np.mean(x, axis=0), color=color, label=f"{name}: {ends[name]:.1f} %", lw=2)
    ax.set(title=f"digits 5 to 9 from {options.images} images of each", xlabel="step")
    ax.set(ylabel="held-out accuracy in %", ylim=(0, 100))
    ax.legend(frameon=False, loc="lower right")
    return ends["frozen layers"] - ends["from scratch"], figure


if __name__ == "__main__":
    sys.exit(main(run, GOAL, steps=200, images=10, draws=3))
