"""Let a GRU read a chaotic series, and go on beyond the data by itself.

    python examples/forecast.py [--device webgpu] [--steps 1500] [--seed 0] [--output folder]

The series is the equation of Mackey and Glass, which depends on its own past: it never repeats.
The network learns the next value from the values so far, and then is fed what it said itself.
Exits with 1 when the first 100 values are off by more than a quarter of the series' deviation.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from common import Goal, main, panels

import wgrad as wg
from wgrad import nn, optim

SEEN, AHEAD, WINDOW, BATCH, WIDTH = 1500, 200, 60, 16, 32
DELAY = 17  # of the equation
GOAL = Goal("error of the first 100 values, of the deviation", most=0.25)


def series(length: int) -> np.ndarray:
    """Return x' = 0.2 x(t - 17) / (1 + x(t - 17)^10) - x / 10, a value a unit of time.

    Scaled to mean 0 and deviation 1. Source: Mackey and Glass, Science 197 (1977).
    """
    x = [1.2] * (10 * DELAY + 1)
    for _ in range(10 * (length + 300)):
        past = x[-1 - 10 * DELAY]
        x.append(x[-1] + 0.1 * (0.2 * past / (1 + past**10) - 0.1 * x[-1]))
    values = np.array(x[-10 * length :: 10])
    return (values - values.mean()) / values.std()


class Forecaster(nn.Module):
    """A GRU over a series, and the step from each value to the next that its states tell."""

    def __init__(self) -> None:
        self.gru = nn.GRU(1, WIDTH, batch_first=True)
        self.change = nn.Linear(WIDTH, 1)

    def forward(self, x: wg.Tensor, state: Any = None) -> tuple[wg.Tensor, wg.Tensor]:
        """Return the value after each of x (n, time, 1), and the last state, to go on from."""
        hidden, state = self.gru(x, state)
        return x + self.change(hidden), state


def run(options: Any) -> tuple[float, Any]:
    """Train, go on beyond the data, and return the error there, and a picture."""
    values = series(SEEN + AHEAD)
    seen = wg.tensor(values[:SEEN])
    model = Forecaster()
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=options.steps)

    @wg.compile
    def step() -> wg.Tensor:
        starts = wg.randint(0, SEEN - WINDOW, (BATCH, 1))
        x = seen[starts + wg.arange(WINDOW + 1)].unsqueeze(-1)
        told, _ = model(x[:, :-1])
        at = 2 * DELAY  # before, the network has not seen what the series depends on
        loss = nn.functional.mse_loss(told[:, at:], x[:, at + 1 :])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    for i in range(options.steps):
        loss = step()
        schedule.step()
        if i % 300 == 0:
            print(f"step {i:5d}: {loss.item():.1e}")

    def go_on(carry: Any, _: None) -> tuple[Any, wg.Tensor]:
        value, state = model(*carry)
        return (value, state), value

    with wg.no_grad():
        told, state = model(seen[-WINDOW:].reshape(1, -1, 1))
        _, later = wg.scan(go_on, (told[:, -1:], state), length=AHEAD - 1)
    forecast = wg.cat([told[0, -1], later.flatten()]).numpy()
    error = np.sqrt(np.mean((forecast - values[SEEN:])[:100] ** 2))
    figure, (ax,) = panels(1, 1, 9, 3.2)
    at = np.arange(-SEEN, AHEAD)
    ax.plot(at[:SEEN], values[:SEEN], color="0.4", label="the data")
    ax.plot(at[SEEN - 1 :], values[SEEN - 1 :], color="0.8", lw=4, label="what came then")
    ax.plot(at[SEEN:], forecast, color="C1", label="the forecast")
    ax.set(title=f"beyond the data: off by {error:.0%} of the deviation in the first 100")
    ax.set(xlim=(-200, AHEAD), ylim=(-2.6, 3), xlabel="time")
    ax.legend(frameon=False, ncols=3, loc="upper left")
    return error, figure


if __name__ == "__main__":
    sys.exit(main(run, GOAL, steps=1500))
