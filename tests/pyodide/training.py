"""Twenty steps of a small network, compiled and not; prints the losses as JSON, and the devices."""

import json

import numpy as np

import wgrad as wg
from wgrad import nn, optim


def train(compiled: bool) -> list[float]:
    """Return the losses of twenty steps of Adam on random digits."""
    rng = np.random.default_rng(0)
    wg.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    x = wg.tensor(rng.standard_normal((64, 64)).astype("f4"))
    y = wg.tensor(rng.integers(0, 10, 64))

    def step():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    step = wg.compile(step) if compiled else step
    return [step().item() for _ in range(20)]


names = [device.name for device in wg.devices()]
print(json.dumps({"losses": [train(False), train(True)], "devices": names}))
