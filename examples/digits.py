"""Train an MLP on the 1,797 handwritten digits that scikit-learn ships, on any device.

    python examples/digits.py [--device webgpu] [--epochs 30] [--seed 0] [--eager]

A training step is compiled: forward, backward and update are a handful of kernels in one submit.
With --eager every operation is dispatched as it is called; the numbers are the same.
Every fifth image is held out, whatever the seed. Exits with 1 when fewer than 96 % of those are
recognised, and with 2 when it cannot run.
"""

from __future__ import annotations

import argparse
import sys
import time

import wgrad as wg
from wgrad import nn, optim

GOAL = 0.96  # held-out accuracy
BATCH, HIDDEN, MOMENTUM = 128, 64, 0.9
LEARNING_RATE = 0.3  # at first; it falls linearly, epoch by epoch
Data = tuple[wg.Tensor, wg.Tensor, wg.Tensor, wg.Tensor]


def digits() -> Data:
    """Return images (n, 64) from 0 to 1 and labels (n,) to train on, then those held out."""
    images, labels = wg.data.load("digits").tensors
    x, seen = images.reshape(len(images), -1), [i for i in range(len(images)) if i % 5]
    return x[seen], labels[seen], x[::5], labels[::5]


@wg.no_grad()
def accuracy(model: nn.Module, x: wg.Tensor, y: wg.Tensor) -> float:
    """Return the share of rows whose largest logit is their label's."""
    return (wg.argmax(model(x), axis=1) == y).astype(float).mean().item()


def train(model: nn.Module, data: Data, epochs: int, seed: int, eager: bool = False) -> float:
    """Train `model`, print how it goes, and return the accuracy on what was held out."""
    x, y, x_test, y_test = data
    optimizer = optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    order = wg.Generator(seed)
    total = wg.zeros(())  # of an epoch's losses, summed on the device: one readback an epoch

    def step(images: wg.Tensor, labels: wg.Tensor) -> None:
        loss = nn.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total.assign(total + loss.detach() * len(labels))

    run_step = step if eager else wg.compile(step)
    print("epoch    loss  accuracy")
    for epoch in range(epochs):
        optimizer.lr = LEARNING_RATE * (1 - epoch / epochs)
        total.assign(0.0)
        for images, labels in wg.data.batches(x, y, size=BATCH, generator=order):
            run_step(images, labels)
        found = accuracy(model, x_test, y_test)
        print(f"{epoch + 1:5d} {total.item() / len(y):7.4f}  {found:8.2%}", flush=True)
    return accuracy(model, x_test, y_test)


def run(epochs: int, seed: int, eager: bool = False) -> float:
    """Load, train and test on the default device, and return the accuracy."""
    device, start, data = wg.default_device(), time.perf_counter(), digits()
    print(f"device: {device.name} ({device.description})")
    model = nn.MLP(64, [HIDDEN, 10], hidden="relu", seed=seed)
    found = train(model, data, epochs, seed, eager)
    print(f"time: {time.perf_counter() - start:.1f} s")
    print("stats:", ", ".join(f"{name} {count}" for name, count in wg.stats().items()))
    print(
        f"held out: {len(data[3])} of {len(data[1]) + len(data[3])} images, {found:.2%} recognised"
    )
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the example; return the exit status."""
    parser = argparse.ArgumentParser(description="Train an MLP on handwritten digits.")
    parser.add_argument("--device", help='"numpy", "webgpu", "webgpu:<part of a name>" or "auto"')
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0, help="of the weights and of the order")
    parser.add_argument("--eager", action="store_true", help="do not compile the training step")
    options = parser.parse_args(arguments)
    try:
        with wg.device(options.device):
            found = run(options.epochs, options.seed, options.eager)
    except wg.errors.WgradError as error:
        print(f"digits: {error}", file=sys.stderr)
        return 2
    if found < GOAL:
        print(f"digits: {found:.2%} is less than {GOAL:.0%}", file=sys.stderr)
    return int(found < GOAL)


if __name__ == "__main__":
    sys.exit(main())
