"""Solve the heat equation with a network that has never seen its solution (a PINN).

    python examples/pinn.py [--device webgpu] [--steps 3000] [--seed 0] [--output folder]

A rod of length 1 has the temperature sin(pi x) + sin(3 pi x) / 3 at first, and 0 at both ends. The
network u(x, t) is trained on random places and times alone, where what the equation u_t = u_xx / 16
leaves over becomes small: its second derivatives are differentiated once more, by the weights.
Exits with 1 when the relative error, in the norm of L2, is above 2 %.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from common import Goal, main, panels

import wgrad as wg
from wgrad import nn, optim

HEAT = 1 / 16
PLACES, WIDTH = 256, 32
GOAL = Goal("relative error", most=0.02)


class Rod(nn.Module):
    """A temperature u(x, t), (n, 1), that keeps to the ends and to the start by construction."""

    def __init__(self) -> None:
        self.layers = nn.MLP(2, [WIDTH, WIDTH, 1], hidden="tanh")

    def forward(self, x: wg.Tensor, t: wg.Tensor) -> wg.Tensor:
        """Return u at places x and times t, (n, 1) each."""
        return start(x) + t * x * (1 - x) * self.layers(wg.cat([2 * x - 1, 2 * t - 1], dim=1))


def start(x: wg.Tensor) -> wg.Tensor:
    """Return the temperature at first."""
    return wg.sin(wg.pi * x) + wg.sin(3 * wg.pi * x) / 3


def solution(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return what is known to be right: each wave fades by the square of its frequency."""
    return sum(np.exp(-HEAT * (k * np.pi) ** 2 * t) * np.sin(k * np.pi * x) / k for k in (1, 3))


def slope(u: wg.Tensor, x: wg.Tensor) -> wg.Tensor:
    """Return the derivative of each u by its own x, which can be differentiated again."""
    return wg.autograd.grad(u.sum(), x, create_graph=True)[0]


def run(options: Any) -> tuple[float, Any]:
    """Train, and return the relative error, and a picture of the temperature and of the error."""
    model = Rod()
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=options.steps)

    @wg.compile
    def step() -> wg.Tensor:
        x, t = (wg.rand(PLACES, 1).requires_grad_() for _ in range(2))
        u = model(x, t)
        rest = slope(u, t) - HEAT * slope(slope(u, x), x)
        loss = (rest**2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    curve = []
    for i in range(options.steps):
        curve.append(step().item())
        schedule.step()
        if (i + 1) % 500 == 0:
            print(f"step {i + 1:5d}: {np.mean(curve[-500:]):.2e}")

    t, x = np.meshgrid(np.linspace(0, 1, 101), np.linspace(0, 1, 101))
    with wg.no_grad():
        found = model(*(wg.tensor(a.reshape(-1, 1)) for a in (x, t))).numpy().reshape(x.shape)
    right = solution(x, t)
    error = np.linalg.norm(found - right) / np.linalg.norm(right)

    figure, (first, second, third) = panels(1, 3, 11, 3.2)
    image = first.imshow(found, origin="lower", extent=(0, 1, 0, 1), aspect="auto", cmap="inferno")
    figure.colorbar(image, ax=first)
    first.set(title="the network's temperature", xlabel="time", ylabel="place")
    for k in (0, 25, 50, 100):
        second.plot(x[:, k], right[:, k], color="0.75", lw=4)
        second.plot(x[:, k], found[:, k], label=f"t = {k / 100}")
    second.set(title="it (thin) on what is right (wide)", xlabel="place")
    second.legend(frameon=False)
    image = third.imshow(abs(found - right), origin="lower", extent=(0, 1, 0, 1), aspect="auto")
    figure.colorbar(image, ax=third)
    third.set(title=f"the error: {error:.2%} in all", xlabel="time", ylabel="place")
    return error, figure


if __name__ == "__main__":
    sys.exit(main(run, GOAL, steps=3000))
