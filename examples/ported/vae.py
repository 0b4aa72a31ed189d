"""A variational autoencoder, on small digits: reconstruction and the divergence from a normal."""

import numpy as np
from sklearn.datasets import load_digits

import wgrad as wg
from wgrad import nn, optim
from wgrad.nn import functional as F

from .common import noise, seeded


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 32)
        self.fc21, self.fc22 = nn.Linear(32, 4), nn.Linear(32, 4)
        self.fc3, self.fc4 = nn.Linear(4, 32), nn.Linear(32, 64)

    def forward(self, x, eps):
        hidden = F.relu(self.fc1(x))
        mu, logvar = self.fc21(hidden), self.fc22(hidden)
        z = mu + eps * wg.exp(0.5 * logvar)
        return wg.sigmoid(self.fc4(F.relu(self.fc3(z)))), mu, logvar


def run(steps, wrap=lambda f: f):
    images = (load_digits().data / 16).astype("float32")
    rng = np.random.default_rng(0)
    net = seeded(VAE())
    optimizer = optim.Adam(net.parameters(), lr=3e-3)

    def step(x, eps):
        recon, mu, logvar = net(x, eps)
        bce = F.binary_cross_entropy(recon, x, reduction="sum")
        kld = -0.5 * wg.sum(1 + logvar - mu.pow(2) - logvar.exp())
        loss = (bce + kld) / len(x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    step = wrap(step)
    losses = []
    for k in range(steps):
        x = wg.tensor(images[(100 * k) % 1700 :][:100])
        losses.append(step(x, noise(rng, 100, 4)).item())
    return losses
