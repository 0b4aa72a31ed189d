"""A diffusion model of points on a spiral: a network learns the noise that was added."""

import numpy as np

import wgrad as wg
from wgrad import nn, optim
from wgrad.nn import functional as F

from .common import noise, seeded

TIMES = 50


class Denoiser(nn.Module):
    def __init__(self, width=48):
        super().__init__()
        self.time = nn.Embedding(TIMES, width)
        self.enter = nn.Linear(2, width)
        self.blocks = nn.ModuleList([nn.Linear(width, width) for _ in range(3)])
        self.leave = nn.Linear(width, 2)

    def forward(self, x, t):
        hidden = self.enter(x) + self.time(t)
        for block in self.blocks:
            hidden = hidden + F.gelu(block(hidden))
        return self.leave(hidden)


def run(steps, wrap=lambda f: f):
    rng = np.random.default_rng(0)
    beta = wg.linspace(1e-4, 0.04, TIMES)
    kept = wg.cumprod(1.0 - beta, dim=0)
    net = seeded(Denoiser())
    optimizer = optim.AdamW(net.parameters(), lr=2e-3)

    def step(x, t, eps):
        share = kept[t].unsqueeze(-1)
        noisy = share.sqrt() * x + (1 - share).sqrt() * eps
        loss = F.mse_loss(net(noisy, t), eps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    step = wrap(step)
    losses = []
    for _ in range(steps):
        angle = rng.uniform(1, 9, 128)
        spiral = np.stack([angle * np.cos(angle), angle * np.sin(angle)], -1) / 6
        t = wg.tensor(rng.integers(0, TIMES, 128))
        losses.append(step(wg.tensor(spiral.astype("float32")), t, noise(rng, 128, 2)).item())
    return losses
