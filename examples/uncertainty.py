"""Regression that knows how sure it is: means and variances by several networks, and their band.

    python examples/uncertainty.py [--device webgpu] [--steps 1000] [--seed 0] [--output folder]

The noise of the data grows with x, and around x = 0 there are no data at all. Each of five networks
gives a mean and a variance, and is trained by `GaussianNLLLoss`: that is the noise. Where the five
disagree, nobody has seen data: that is added to the variance. One compiled step trains all five.
Exits with 1 when the band of 95 % holds less than 90 % or more than 99 % of new points.
"""

from __future__ import annotations

import sys
from typing import Any

from common import Goal, main, panels

import wgrad as wg
from wgrad import nn, optim

MEMBERS = 5
GOAL = Goal("share of new points in the band of 95 %", least=0.90, most=0.99)


def data(n: int) -> tuple[wg.Tensor, wg.Tensor]:
    """Return x and y, (n, 1) each, of a wave whose noise grows from 0.05 to 0.25."""
    x = wg.rand(n, 1) * 3 + 1  # 1 to 4, on either side of 0
    x = wg.where(wg.rand(n, 1) < 0.5, -x, x)
    return x, (2 * x).sin() + (0.05 + 0.025 * (x + 4)) * wg.randn(n, 1)


def network() -> nn.Module:
    """Return a network that gives two numbers for each x: of the mean, and of the variance."""
    return nn.Sequential(
        *(nn.Linear(1, 50), nn.ReLU(), nn.Linear(50, 50), nn.ReLU(), nn.Linear(50, 2))
    )


def mean_and_variance(model: nn.Module, x: wg.Tensor) -> tuple[wg.Tensor, wg.Tensor]:
    """Return what a network thinks of x, (n, 1) each; a variance is positive."""
    mean, raw = wg.split(model(x), 2, axis=1)
    return mean, nn.functional.softplus(raw) + 1e-4


def run(options: Any) -> tuple[float, Any]:
    """Train, and return the share of new points in the band, and the picture."""
    x, y = data(400)
    members = nn.ModuleList(network() for _ in range(MEMBERS))
    optimizer = optim.Adam(members.parameters(), lr=0.01)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=options.steps)
    criterion = nn.GaussianNLLLoss()

    @wg.compile
    def step() -> wg.Tensor:
        optimizer.zero_grad()
        loss = wg.zeros(())
        for model in members:
            mean, variance = mean_and_variance(model, x)
            loss = loss + criterion(mean, y, variance)
        loss.backward()
        optimizer.step()
        return loss / MEMBERS

    for i in range(options.steps):
        loss = step()
        schedule.step()
        if i % 250 == 0 or i == options.steps - 1:
            print(f"step {i:5d}: {loss.item():.3f} nats")

    @wg.no_grad()
    def band(x: wg.Tensor) -> tuple[wg.Tensor, wg.Tensor, wg.Tensor]:
        """Return the mean, the deviation in all, and that of the noise, (n, 1) each."""
        means, variances = zip(*(mean_and_variance(m, x) for m in members), strict=True)
        noise, means = wg.stack(variances).mean(0), wg.stack(means)
        return means.mean(0), (noise + means.var(0)).sqrt(), noise.sqrt()

    new, target = data(2000)
    mean, deviation, _ = band(new)
    found = ((target - mean).abs() < 1.96 * deviation).astype("float32").mean().item()

    line = wg.linspace(-5, 5, 300).reshape(-1, 1)
    at, mid, total, noise = (z.numpy().reshape(-1) for z in (line, *band(line)))
    figure, (ax,) = panels(1, 1, 7.5, 3.8)
    for deviation, shade, label in (
        (total, 0.2, "noise and ignorance"),
        (noise, 0.5, "noise alone"),
    ):
        low, high = mid - 1.96 * deviation, mid + 1.96 * deviation
        ax.fill_between(at, low, high, color="C0", alpha=shade, lw=0, label=f"95 %, {label}")
    ax.plot(at, mid, color="C0", label="mean of the five")
    ax.scatter(x.numpy(), y.numpy(), s=5, color="C1", label="data")
    ax.set(title=f"the band holds {found:.1%} of new points", xlim=(-5, 5), ylim=(-4, 3))
    ax.legend(frameon=False, ncols=2, loc="lower center")
    return found, figure


if __name__ == "__main__":
    sys.exit(main(run, GOAL, steps=1000))
