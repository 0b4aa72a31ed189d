"""A page of a user's code that `mypy --strict` must understand, and that runs (test_types.py).

What ends with `# type: ignore` is wrong, and would be told of where the checker missed it.
"""

from __future__ import annotations

from typing import assert_type

import numpy as np

import wgrad as wg
from wgrad import nn, optim
from wgrad.nn import functional as F


class Net(nn.Module):
    """Two layers, and an op as an attribute, which is no method here."""

    activation = wg.relu

    def __init__(self, width: int) -> None:
        self.first = nn.Linear(2, width)
        self.last = nn.Sequential(nn.Linear(width, 3), nn.LayerNorm(3))

    def forward(self, x: wg.Tensor) -> wg.Tensor:
        out: wg.Tensor = self.last(self.activation(self.first(x)))
        return out


def operators(x: wg.Tensor) -> wg.Tensor:
    """Numbers, arrays and tensors on either side."""
    y = 2.0 * x + x / 3 - 1 - x @ x
    y += np.float32(1.0)
    y = -(y**2) * abs(y) % 2 // 1 + divmod(y, 2)[0]
    mask = (y > 0) & ~(y == x) | (y != 3)
    assert_type(mask, wg.Tensor)
    return wg.where(mask, y, x[0]) + sum([x, y])


def methods(x: wg.Tensor) -> float:
    """Methods have the signatures of their functions, without the tensor."""
    assert_type(x.exp(), wg.Tensor)
    assert_type(x.any(axis=0, keepdims=True), wg.Tensor)
    assert_type(x.shape, tuple[int, ...])
    assert_type(x.grad, wg.Tensor | None)
    values, positions = x.softmax(axis=0).reshape(2, -1).topk(1, axis=1)
    top = values.exp().sum(axis=0, keepdims=True).mean() + positions.astype(wg.float32).max()
    return float(top.clip(min=0.0))


def mistakes(x: wg.Tensor) -> None:
    """Never called."""
    x.exp(2)  # type: ignore[call-arg]
    x.softmax(dim=0)  # type: ignore[call-arg]
    x.expp()  # type: ignore[attr-defined]
    wg.atan2(x)  # type: ignore[call-arg]
    doubled("text")  # type: ignore[arg-type]
    optim.SGD(3)  # type: ignore[arg-type]


@wg.compile
def doubled(x: wg.Tensor) -> wg.Tensor:
    """A compiled function keeps its signature."""
    return x + x


def energy(x: wg.Tensor) -> wg.Tensor:
    return (x * x).sum()


def train(steps: int) -> list[float]:
    """A loop as everybody writes it."""
    wg.manual_seed(0)
    model = Net(4)
    optimizer = optim.Adam(model.parameters(), lr=0.01)

    @wg.compile(fuse=True)
    def step(x: wg.Tensor, y: wg.Tensor, scale: float = 1.0) -> wg.Tensor:
        loss = F.cross_entropy(model(x), y) * scale
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    x, y = wg.randn(5, 2), wg.tensor([0, 1, 2, 1, 0])
    losses = [step(x, y, scale=0.5) for _ in range(steps)]
    assert_type(losses, list[wg.Tensor])
    with wg.no_grad():
        model.eval()
    return [float(loss) for loss in losses]


if __name__ == "__main__":
    x = wg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert operators(x).shape == (2, 2) and methods(x) > 0
    assert wg.grad(energy)(x).tolist() == doubled(x.detach()).tolist()
    before, *_, after = train(20)
    assert after < before
