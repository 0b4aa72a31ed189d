"""An autoencoder of digits: 64 pixels become 8 numbers, and 64 pixels again.

    python examples/autoencoder.py [--device webgpu] [--epochs 100] [--seed 0] [--output folder]

The judge is linear: of all linear maps through 8 numbers, principal components lose least. Every
fifth image is held out. Exits with 1 when the squared error there is more than .6 of the judge's.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from common import Goal, main, panels, tiles

import wgrad as wg
from wgrad import nn, optim

CODE = 8  # numbers that an image has to pass through
GOAL = Goal("squared error, as a share of that of principal components", most=0.6, form=".3f")


class Autoencoder(nn.Module):
    """An encoder, images (n, 1, 8, 8) -> codes (n, 8), and a decoder back."""

    def __init__(self) -> None:
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 128), nn.GELU(), nn.Linear(128, CODE)
        )
        self.decoder = nn.Sequential(
            *(nn.Linear(CODE, 128), nn.GELU(), nn.Linear(128, 64), nn.Sigmoid()),
            nn.Unflatten(1, (1, 8, 8)),
        )

    def forward(self, x: wg.Tensor) -> wg.Tensor:
        return self.decoder(self.encoder(x))


def components(seen: wg.Tensor, x: wg.Tensor) -> wg.Tensor:
    """Return what is left of images x when they pass through the principal components of others."""
    seen, flat = seen.reshape(-1, 64), x.reshape(-1, 64)
    mean = seen.mean(axis=0)
    basis = wg.linalg.svd(seen - mean, full_matrices=False)[2][:CODE]
    return ((flat - mean) @ basis.T @ basis + mean).reshape(x.shape)


def run(options: Any) -> tuple[float, Any]:
    """Train, and return the share of the error that is left, and the picture."""
    images, _ = wg.data.load("digits").tensors
    places = np.arange(len(images))
    train, test = images[places[places % 5 > 0]], images[::5]
    model = Autoencoder()
    optimizer = optim.AdamW(model.parameters(), lr=0.003)
    loader = wg.data.DataLoader(train, batch_size=96, shuffle=True, drop_last=True)
    history = wg.fit(
        model,
        loader,
        nn.MSELoss(),
        optimizer,
        epochs=options.epochs,
        validation=wg.data.DataLoader(test, batch_size=len(test)),
        scheduler=optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=0.003, total_steps=options.epochs * len(loader)
        ),
        scheduler_every="step",
    )
    print(history)
    with wg.no_grad():
        decoded, judge = model(test), components(train, test)
        error, linear = (wg.mse_loss(x, test).item() for x in (decoded, judge))
    print(f"mean squared error: {error:.5f}, of principal components {linear:.5f}")

    figure, (above, below) = panels(2, 1, 7.0, 4.0)
    wg.viz.history(history, ax=above)
    above.set(title="squared error", yscale="log")
    rows = np.concatenate([x[:18, 0].numpy() for x in (test, decoded, judge)])
    below.imshow(tiles(rows, 18), cmap="gray_r", vmin=0, vmax=1)
    below.set_yticks([4.5, 14.5, 24.5], ["held-out image", "decoded", "components"])
    below.set(title=f"64 pixels through {CODE} numbers", xticks=[])
    return error / linear, figure


if __name__ == "__main__":
    sys.exit(main(run, GOAL, epochs=100))
