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
from typing import Any

import wgrad as wg
from wgrad import nn, optim

GOAL = 0.96  # held-out accuracy
BATCH = 128
HIDDEN = 64
LEARNING_RATE = 0.3  # at first; it falls linearly, epoch by epoch
MOMENTUM = 0.9

Data = tuple[wg.Tensor, wg.Tensor, wg.Tensor, wg.Tensor]


def load_digits() -> tuple[Any, Any]:
    """Return NumPy arrays: images (1797, 64) from 0 to 1, and labels (1797,) from 0 to 9.

    Raises: MissingDependencyError without scikit-learn.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise wg.errors.MissingDependencyError(
            "the digits come with scikit-learn, which is not installed: "
            "pip install 'wgrad[examples]'"
        ) from error
    images, labels = datasets.load_digits(return_X_y=True)
    return images / 16.0, labels


def split(images: Any, labels: Any) -> Data:
    """Return images and labels to train on, then those held out, as tensors."""
    x, y = wg.tensor(images), wg.tensor(labels)
    rows = range(len(x))
    seen = [i for i in rows if i % 5]
    return x[seen], y[seen], x[::5], y[::5]


@wg.no_grad()
def accuracy(model: nn.Module, x: wg.Tensor, y: wg.Tensor) -> float:
    """Return the share of rows whose largest logit is their label's."""
    hits = wg.argmax(model(x), axis=1) == y
    return hits.astype(float).mean().item()


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
    found = accuracy(model, x_test, y_test)
    for epoch in range(epochs):
        optimizer.lr = LEARNING_RATE * (1 - epoch / epochs)
        total.assign(0.0)
        for images, labels in wg.data.batches(x, y, size=BATCH, generator=order):
            run_step(images, labels)
        found = accuracy(model, x_test, y_test)
        print(f"{epoch + 1:5d} {total.item() / len(y):7.4f}  {found:8.2%}", flush=True)
    return found


def run(epochs: int, seed: int, eager: bool = False) -> float:
    """Load, train and test on the default device, and return the accuracy."""
    images, labels = load_digits()
    device = wg.default_device()
    print(f"device: {device.name} ({device.description})")
    start = time.perf_counter()
    data = split(images, labels)
    model = nn.MLP(64, [HIDDEN, 10], hidden="relu", seed=seed)
    found = train(model, data, epochs, seed, eager)
    print(f"time: {time.perf_counter() - start:.1f} s")
    print("stats:", ", ".join(f"{name} {count}" for name, count in wg.stats().items()))
    print(f"held out: {len(data[3])} of {len(images)} images, {found:.2%} recognised")
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
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
