"""A time series: two layers of LSTM read sines, and say at each value which comes next."""

import numpy as np

import wgrad as wg
from wgrad import nn, optim

from .common import seeded


class Sequence(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.lstm = nn.LSTM(1, width, num_layers=2, batch_first=True)
        self.linear = nn.Linear(width, 1)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.linear(out)


def run(steps, wrap=lambda f: f):
    rng = np.random.default_rng(0)
    at = np.arange(25)[None] + rng.integers(-80, 80, (16, 1))
    series = np.sin(at / 3.0).astype("float32")[..., None]
    x, y = wg.tensor(series[:, :-1]), wg.tensor(series[:, 1:])
    net = seeded(Sequence())
    criterion = nn.MSELoss()
    optimizer = optim.Adam(net.parameters(), lr=1e-2)

    def step():
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    step = wrap(step)
    return [step().item() for _ in range(steps)]
