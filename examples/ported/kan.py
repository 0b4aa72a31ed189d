"""A Kolmogorov-Arnold network: each edge has a function of its own, made of B-splines."""

import numpy as np

import wgrad as wg
from wgrad import nn, optim
from wgrad.nn import functional as F

from .common import seeded


class KANLayer(nn.Module):
    def __init__(self, inputs, outputs, grid=5, order=3):
        super().__init__()
        step = 2.0 / grid
        knots = wg.arange(-order, grid + order + 1).float() * step - 1.0
        self.register_buffer("grid", knots.expand(inputs, -1).contiguous())
        self.order = order
        self.base_weight = nn.Parameter(wg.zeros(outputs, inputs))
        self.spline_weight = nn.Parameter(wg.zeros(outputs, inputs, grid + order))

    def splines(self, x):
        """Return the basis functions at x (n, inputs): (n, inputs, grid + order)."""
        x, g = x.unsqueeze(-1), self.grid
        bases = ((x >= g[:, :-1]) & (x < g[:, 1:])).float()
        for k in range(1, self.order + 1):
            left = (x - g[:, : -(k + 1)]) / (g[:, k:-1] - g[:, : -(k + 1)])
            right = (g[:, k + 1 :] - x) / (g[:, k + 1 :] - g[:, 1:-k])
            bases = left * bases[:, :, :-1] + right * bases[:, :, 1:]
        return bases

    def forward(self, x):
        base = F.linear(F.silu(x), self.base_weight)
        splines = self.splines(x).reshape(x.shape[0], -1)
        return base + F.linear(splines, self.spline_weight.reshape(self.base_weight.shape[0], -1))


def run(steps, wrap=lambda f: f):
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (256, 2)).astype("float32")
    values = np.exp(np.sin(np.pi * points[:, :1]) + points[:, 1:] ** 2)
    x, y = wg.tensor(points), wg.tensor(values)
    net = seeded(nn.Sequential(KANLayer(2, 5), KANLayer(5, 1)))
    optimizer = optim.AdamW(net.parameters(), lr=2e-2, weight_decay=1e-4)
    scheduler = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.99)

    def step():
        loss = F.mse_loss(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    step = wrap(step)
    losses = []
    for _ in range(steps):
        losses.append(step().item())
        scheduler.step()
    return losses
