"""Find the velocities with which bodies under their own gravity fly into the letters of a word.

    python examples/shaders/nbody.py [--device webgpu] [--steps 60] [--out pictures]

The gradient passes through the whole flight. The picture has the tracks before and after.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gallery
import numpy as np

import wgrad as wg
from wgrad import optim

pull = wg.kernel.elementwise(gallery.HERE / "nbody.wgsl")
DT = 0.05


def advance(x: wg.Tensor, v: wg.Tensor, mass: wg.Tensor) -> tuple[wg.Tensor, wg.Tensor]:
    """Return positions and velocities, (n, 3) each, one leapfrog step later.

    Compiled, the n x n accelerations are summed as they are computed, and never in memory.
    """
    x = x + v * (DT / 2)
    v = v + pull(x[:, None], x, mass).sum(axis=1) * DT
    return x + v * (DT / 2), v


def fly(x: wg.Tensor, v: wg.Tensor, mass: wg.Tensor, moments: int) -> list[wg.Tensor]:
    """Return the positions at each moment."""
    track = [x]
    for _ in range(moments):
        x, v = advance(x, v, mass)
        track.append(x)
    return track


def word(text: str, bodies: int) -> np.ndarray:
    """Return points (bodies, 3) on the letters of a text, from left to right."""
    Image, ImageDraw, ImageFont = gallery.pillow()
    image = Image.new("L", (400, 200))
    font = ImageFont.load_default(150)
    ImageDraw.Draw(image).text((200, 100), text, fill=255, anchor="mm", font=font)
    inside = np.argwhere(np.asarray(image) > 128)
    spread = np.random.default_rng(1).permutation(inside)[: 40 * bodies].astype(float)
    points = spread[:bodies]
    for _ in range(20):  # each point goes to the middle of what is nearest to it
        nearest = ((spread[:, None] - points) ** 2).sum(-1).argmin(1)
        points = np.array([spread[nearest == i].mean(0) for i in range(bodies)])
    flat = (points - points.mean(0)) / 75
    return np.stack([flat[:, 1], flat[:, 0], 0 * flat[:, 0]], -1)


def paired(ends: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the points in the order of the bodies that end nearest to them."""
    away = ((ends[:, None] - points) ** 2).sum(-1)
    order = np.zeros(len(ends), int)
    for _ in ends:
        i, j = np.unravel_index(away.argmin(), away.shape)
        order[i] = j
        away[i], away[:, j] = np.inf, np.inf
    return points[order]


def drawn(track: np.ndarray, size: int = 240) -> np.ndarray:
    """Return a picture of tracks (moments, bodies, 3): brighter to their end."""
    Image, ImageDraw, _ = gallery.pillow()
    fine = 4 * size
    image = Image.new("RGB", (fine, fine), (8, 10, 24))
    draw = ImageDraw.Draw(image)
    at = (track[:, :, :2] / 3.2 + 0.5) * fine
    for i in range(1, len(at)):
        share = i / (len(at) - 1)
        ink = tuple(round(a + (b - a) * share) for a, b in ((25, 120), (40, 150), (90, 220)))
        for a, b in zip(at[i - 1], at[i], strict=True):
            draw.line([*a, *b], fill=ink, width=5)
    for x, y in at[-1]:
        draw.ellipse([x - 14, y - 14, x + 14, y + 14], fill=(255, 214, 120))
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS)) / 255


def run(steps: int, out: Path, bodies: int = 96, moments: int = 24) -> list[float]:
    """Find the velocities; return the mean squared distance from the letters before and after."""
    angle = np.arange(bodies) * 2.39996
    radius = 1.1 * np.sqrt((np.arange(bodies) + 0.5) / bodies)
    disc = np.stack([np.cos(angle), np.sin(angle), 0 * angle], -1) * radius[:, None]
    spin = disc[:, [1, 0, 2]] * [-0.8, 0.8, 0]
    x, v, mass = wg.tensor(disc), wg.parameter(spin), wg.full(bodies, 1 / bodies)
    with wg.no_grad():
        before = wg.stack(fly(x, v, mass, moments)).numpy()
    goal = wg.tensor(paired(before[-1], word("wg", bodies)))
    optimizer = optim.Adam([v], lr=0.1)

    @wg.compile
    def step() -> wg.Tensor:
        loss = (fly(x, v, mass, moments)[-1] - goal).square().sum(axis=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    errors = []
    for i in range(steps):
        optimizer.lr = 0.1 * (1 - i / steps)
        errors.append(step().item())
    with wg.no_grad():
        after = wg.stack(fly(x, v, mass, moments)).numpy()
    print(f"mean squared distance {errors[0]:.4f}, then {errors[-1]:.6f}")
    gallery.save(out / "nbody.png", gallery.beside(drawn(before), drawn(after)))
    return [errors[0], errors[-1]]


if __name__ == "__main__":
    sys.exit(gallery.start(run, __doc__, steps=60))
