"""A variational autoencoder of digits, and digits that nobody has written.

    python examples/vae.py [--device webgpu] [--epochs 100] [--seed 0] [--output folder]

The encoder gives a normal distribution over a plane, the decoder the probability of ink at each
pixel. Their loss, the negative evidence lower bound in nats, is the cross entropy of the pixels
and the divergence of the plane's distribution from the standard one. Every fifth image is held out.
Exits with 1 when an image there takes more than 24.9 nats; by the means of pixels it takes 27.2.
Source: Kingma and Welling, "Auto-Encoding Variational Bayes" (2013).
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from common import Goal, main, panels, tiles

import wgrad as wg
from wgrad import nn, optim
from wgrad.distributions import Normal, kl_divergence

GOAL = Goal("nats for an image that was held out", most=24.9, form=".2f")


class VAE(nn.Module):
    """Images (n, 1, 8, 8) to normal distributions over the plane (n, 2), and back to logits."""

    def __init__(self) -> None:
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.GELU(), nn.Linear(128, 4))
        self.decoder = nn.Sequential(
            *(nn.Linear(2, 128), nn.GELU(), nn.Linear(128, 128), nn.GELU(), nn.Linear(128, 64)),
            nn.Unflatten(1, (1, 8, 8)),
        )

    def encode(self, x: wg.Tensor) -> Normal:
        mean, log_scale = wg.split(self.encoder(x), 2, axis=1)
        return Normal(mean, log_scale.exp())

    def forward(self, x: wg.Tensor) -> tuple[wg.Tensor, Normal]:
        found = self.encode(x)
        return self.decoder(found.rsample()), found


def bound(output: tuple[wg.Tensor, Normal], x: wg.Tensor) -> dict[str, wg.Tensor]:
    """Return the negative evidence lower bound of an image, in nats, and its two parts."""
    logits, found = output
    pixels = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
    plane = kl_divergence(found, Normal(0.0, 1.0)).sum() / len(x)
    return {"loss": pixels + plane, "pixels": pixels, "divergence": plane}


def run(options: Any) -> tuple[float, Any]:
    """Train, and return the bound for images that were held out, and the picture."""
    images, labels = wg.data.load("digits").tensors
    places = np.arange(len(images))
    train, test = images[places[places % 5 > 0]], images[::5]
    model = VAE()
    optimizer = optim.AdamW(model.parameters(), lr=0.005)
    loader = wg.data.DataLoader(train, batch_size=96, shuffle=True, drop_last=True)
    history = wg.fit(
        model,
        loader,
        bound,
        optimizer,
        epochs=options.epochs,
        validation=wg.data.DataLoader(test, batch_size=len(test)),
        scheduler=optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=0.005, total_steps=options.epochs * len(loader)
        ),
        scheduler_every="step",
    )
    print(history)
    with wg.no_grad():
        means = model.encode(test).mean.numpy()
        # The middles of 12 x 12 squares of equal probability, and what the decoder makes of them.
        at = Normal(0.0, 1.0).icdf((wg.arange(12) + 0.5) / 12)
        grid = wg.stack(wg.meshgrid(at, -at, indexing="xy"), axis=-1).reshape(-1, 2)
        made = model.decoder(grid).sigmoid()[:, 0]

    figure, (left, right) = panels(1, 2, 9.0, 4.4)
    points = left.scatter(*means.T, c=labels[::5].numpy(), s=8, cmap="tab10", vmin=-0.5, vmax=9.5)
    figure.colorbar(points, ax=left, ticks=range(10), shrink=0.8)
    left.set(title="where held-out digits lie in the plane", aspect="equal")
    right.imshow(tiles(made.numpy(), 12), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    right.set(title="what is decoded from there", xticks=[], yticks=[])
    return history["val_loss"][-1], figure


if __name__ == "__main__":
    sys.exit(main(run, GOAL, epochs=100))
