"""A step of training, and its losses on the adapter that this process finds: run as a program."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

import wgrad as wg
from wgrad import nn, optim


def made() -> tuple[Any, Any, Any]:
    """Return a model, its optimizer, and a step of both."""
    wg.manual_seed(11)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.25), nn.Linear(8, 3))
    optimizer = optim.Adam(model.parameters(), lr=0.02)

    def train(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, train


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return what it trains on."""
    rng = np.random.default_rng(3)
    return [
        (rng.normal(size=(16, 6)).astype("f4"), rng.integers(0, 3, 16).astype("i4"))
        for _ in range(20)
    ]


def main() -> None:
    """Print the adapter, and the losses."""
    with wg.device("webgpu"):
        model, optimizer, train = made()
        step = wg.compile(train, state=[model, optimizer])
        losses = [step(wg.tensor(x), wg.tensor(y)) for x, y in batches()]
        (adapter,) = [x.adapter for x in wg.devices() if x.name == "webgpu"]
        json.dump([adapter, [x.item() for x in losses]], sys.stdout)


if __name__ == "__main__":
    main()
