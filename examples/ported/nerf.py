"""A radiance field: a network of places and heights whose rays, added up, make an image."""

import numpy as np

import wgrad as wg
from wgrad import nn, optim
from wgrad.nn import functional as F

from .common import seeded


def encoded(x, octaves=4):
    """Return a place with the sines and cosines of its multiples."""
    parts = [x]
    for k in range(octaves):
        parts += [wg.sin(2.0**k * x), wg.cos(2.0**k * x)]
    return wg.cat(parts, dim=-1)


class Field(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Linear(27, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self.sigma, self.color = nn.Linear(width, 1), nn.Linear(width, 3)

    def forward(self, points):
        hidden = self.trunk(encoded(points))
        return F.softplus(self.sigma(hidden)).squeeze(-1), wg.sigmoid(self.color(hidden))


def render(field, origins, directions, depths):
    """Return the colors (rays, 3) of what lies along each ray."""
    points = origins.unsqueeze(1) + directions.unsqueeze(1) * depths.unsqueeze(-1)
    sigma, color = field(points)
    delta = depths[:, 1:] - depths[:, :-1]
    delta = wg.cat([delta, wg.full_like(delta[:, :1], 1e2)], dim=1)
    alpha = 1 - wg.exp(-sigma * delta)
    clear = wg.cumprod(1 - alpha + 1e-10, dim=1)
    clear = wg.cat([wg.ones_like(clear[:, :1]), clear[:, :-1]], dim=1)
    return ((alpha * clear).unsqueeze(-1) * color).sum(dim=1)


def scene(rng, rays):
    """Return origins, directions, and the colors of a ball of two colors that they meet."""
    angle = rng.uniform(0, 2 * np.pi, rays)
    origin = np.stack([2 * np.cos(angle), 2 * np.sin(angle), np.zeros(rays)], -1)
    goal = rng.uniform(-0.8, 0.8, (rays, 3))
    direction = (goal - origin) / np.linalg.norm(goal - origin, axis=-1, keepdims=True)
    along = -(origin * direction).sum(-1)
    nearest = origin + along[:, None] * direction
    hit = (nearest**2).sum(-1) < 0.36
    color = np.where(nearest[:, 2:] > 0, [[0.9, 0.2, 0.1]], [[0.1, 0.3, 0.9]]) * hit[:, None]
    return (a.astype("float32") for a in (origin, direction, color))


def run(steps, wrap=lambda f: f):
    rng = np.random.default_rng(0)
    field = seeded(Field())
    optimizer = optim.Adam(field.parameters(), lr=5e-3)

    def step(origins, directions, depths, colors):
        loss = F.mse_loss(render(field, origins, directions, depths), colors)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    step = wrap(step)
    losses = []
    for _ in range(steps):
        origins, directions, colors = scene(rng, 64)
        depths = np.linspace(1, 3, 16) + rng.uniform(0, 2 / 16, (64, 16))
        batch = (origins, directions, depths.astype("float32"), colors)
        losses.append(step(*(wg.tensor(a) for a in batch)).item())
    return losses
