"""Learn XOR, the smallest function that needs a hidden layer, and draw the network that did.

    python examples/xor.py [--device webgpu] [--epochs 1000] [--seed 0] [--output folder]

Draws the graph of the trained network for one input, xor.svg, and its answer at every point of the
plane, xor-regions.png. Exits with 1 when the summed squared error ends above .05.
"""

from __future__ import annotations

import sys
from typing import Any

from common import Goal, main

import wgrad as wg
from wgrad import nn, optim

EPOCHS = 1000
GOAL = Goal("summed squared error", most=0.05, form=".2g")
INPUTS, OUTPUTS = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0.0, 1.0, 1.0, 0.0]


def train(seed: int, epochs: int = EPOCHS) -> tuple[nn.MLP, float]:
    """Return a network trained on the default device, and its summed squared error."""
    x, y = wg.tensor(INPUTS), wg.tensor(OUTPUTS).reshape(4, 1)
    model = nn.MLP(2, [4, 1], hidden="tanh", seed=seed)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for _ in range(epochs):
        loss = nn.mse_loss(model(x), y, reduction="sum")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with wg.no_grad():
        return model, nn.mse_loss(model(x), y, reduction="sum").item()


def run(options: Any) -> tuple[float, Any]:
    """Train, print what the network gives, and return its error and the pictures."""
    model, error = train(options.seed, options.epochs)
    for a, b in INPUTS:
        print(f"{a:.0f} xor {b:.0f}: {model([a, b]).item():6.3f}")

    def answer(x: wg.Tensor) -> wg.Tensor:
        """Return the network's result, above 0 for 1 and below for 0."""
        return model(x) - 0.5

    one = wg.label(wg.tensor(INPUTS[1]), "x")
    graph = wg.viz.graph(model, one, depth=1, engine="python")
    return error, {"": graph, "-regions": wg.viz.landscape(answer, INPUTS, OUTPUTS)}


if __name__ == "__main__":
    sys.exit(main(run, GOAL, epochs=EPOCHS))
