"""Learn XOR: the smallest function that needs a hidden layer.

    python examples/xor.py [--device numpy] [--seed 0]

Exits with 1 when the summed squared error ends at .05 or above.
"""

from __future__ import annotations

import argparse
import sys

import wgrad as wg
from wgrad import nn, optim

GOAL = 0.05  # summed squared error
EPOCHS = 1000


def train(seed: int, epochs: int = EPOCHS) -> tuple[nn.MLP, float]:
    """Return a network trained on the default device, and its summed squared error."""
    x = wg.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = wg.tensor([[0.0], [1.0], [1.0], [0.0]])
    model = nn.MLP(2, [4, 1], hidden="tanh", seed=seed)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for _ in range(epochs):
        loss = nn.mse_loss(model(x), y, reduction="sum")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with wg.no_grad():
        return model, nn.mse_loss(model(x), y, reduction="sum").item()


def main(arguments: list[str] | None = None) -> int:
    """Run the example; return the exit status."""
    parser = argparse.ArgumentParser(description="Learn XOR.")
    parser.add_argument("--device", help='"numpy", "webgpu", "webgpu:<part of a name>" or "auto"')
    parser.add_argument("--seed", type=int, default=0, help="of the initial weights")
    options = parser.parse_args(arguments)
    try:
        with wg.device(options.device) as device:
            print(f"device: {device.name} ({device.description})")
            model, error = train(options.seed)
            for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
                print(f"{a} xor {b}: {model([float(a), float(b)]).item():6.3f}")
    except wg.errors.WgradError as error:
        print(f"xor: {error}", file=sys.stderr)
        return 2
    print(f"summed squared error after {EPOCHS} epochs: {error:.2g}")
    return 0 if error < GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
