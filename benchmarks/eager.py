"""Eager dispatch against the same work by hand, on the WebGPU adapter at hand and on NumPy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import wgrad as wg

from .byhand import ByHand
from .harness import Case


def webgpu_cases() -> Iterator[Case]:
    """Yield the cases that need an adapter."""
    device = wg.device("webgpu")
    hand = ByHand(device.gpu.info["device"])
    with device:
        yield _matmul(hand)
        yield _vector_add(hand)
        yield _chain(hand)


def _matmul(hand: ByHand, n: int = 512) -> Case:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, n, n), dtype=np.float32)
    a, b = wg.tensor(x), wg.tensor(y)
    pipeline = hand.pipeline("matmul_naive")
    out = hand.buffer(np.zeros((n, n), np.float32))
    params = hand.uniform("4I", n, n, n, 0)
    group = hand.bind(pipeline, params, hand.buffer(x), hand.buffer(y), out)

    def ours() -> None:
        a @ b
        a.device.synchronize()

    def theirs() -> None:
        hand.run([(pipeline, group, n // 8, n // 8)])
        hand.wait(out)

    theirs()
    seen = np.frombuffer(hand.device.queue.read_buffer(out), np.float32).reshape(n, n)
    exact = x.astype(np.float64) @ y
    for result in (seen, (a @ b).numpy()):
        np.testing.assert_allclose(result, exact, atol=1e-3)
    return Case(f"matmul {n} x {n} x {n}", ours, theirs, 10, "one output a thread")


def _vector_add(hand: ByHand, n: int = 1 << 22) -> Case:
    x, y = np.random.default_rng(1).standard_normal((2, n), dtype=np.float32)
    a, b = wg.tensor(x), wg.tensor(y)
    pipeline = hand.pipeline("add_naive")
    out = hand.buffer(np.zeros(n, np.float32))
    group = hand.bind(pipeline, hand.buffer(x), hand.buffer(y), out)

    def ours() -> None:
        a + b
        a.device.synchronize()

    def theirs() -> None:
        hand.run([(pipeline, group, 256, n // 64 // 256)])
        hand.wait(out)

    return Case("add two vectors of 4M", ours, theirs, 2, "one scalar a thread")


def _chain(hand: ByHand, length: int = 1000, n: int = 256) -> Case:
    start = wg.tensor(np.ones(n, np.float32))
    multiply, add = hand.pipeline("multiply_number"), hand.pipeline("add_number")
    ping, pong = hand.buffer(np.ones(n, np.float32)), hand.buffer(np.ones(n, np.float32))
    steps = [
        (multiply, hand.bind(multiply, hand.uniform("f", 1.01), ping, pong), n // 64, 1),
        (add, hand.bind(add, hand.uniform("f", 0.1), pong, ping), n // 64, 1),
    ] * length

    def ours() -> None:
        x = start
        with wg.no_grad():
            for _ in range(length):
                x = x * 1.01 + 0.1
        x.device.synchronize()

    def theirs() -> None:
        hand.run(steps)
        hand.wait(ping)

    return Case(f"{length} x (x * 1.01 + 0.1), {n} wide", ours, theirs, 1 / 4, "wgpu by hand")


class NumpyMlp:
    """An MLP of one hidden tanh layer, cross-entropy and SGD, written by hand in NumPy."""

    def __init__(self, sizes: tuple[int, int, int], batch: int, lr: float = 0.1):
        rng = np.random.default_rng(0)
        i, h, o = sizes
        f32 = np.float32
        self.w1 = (rng.standard_normal((i, h)) / i**0.5).astype(f32)
        self.b1 = np.zeros(h, f32)
        self.w2 = (rng.standard_normal((h, o)) / h**0.5).astype(f32)
        self.b2 = np.zeros(o, f32)
        self.x = rng.standard_normal((batch, i)).astype(f32)
        self.y = rng.integers(0, o, batch)
        self.rows = np.arange(batch)
        self.lr = f32(lr)

    def step(self) -> float:
        h = np.tanh(self.x @ self.w1 + self.b1)
        z = h @ self.w2 + self.b2
        z -= z.max(axis=1, keepdims=True)
        e = np.exp(z)
        total = e.sum(axis=1, keepdims=True)
        loss = float((np.log(total)[:, 0] - z[self.rows, self.y]).mean())
        dz = e / total
        dz[self.rows, self.y] -= 1
        dz /= np.float32(len(self.y))
        dh = (dz @ self.w2.T) * (1 - h * h)
        self.w2 -= self.lr * (h.T @ dz)
        self.b2 -= self.lr * dz.sum(axis=0)
        self.w1 -= self.lr * (self.x.T @ dh)
        self.b1 -= self.lr * dh.sum(axis=0)
        return loss


def mlp_case(sizes: tuple[int, int, int] = (784, 128, 10), batch: int = 64) -> Case:
    """Return a training step on the NumPy device against the same by hand."""
    hand = NumpyMlp(sizes, batch)
    with wg.device("numpy"):
        model = wg.nn.MLP(sizes[0], list(sizes[1:]), hidden="tanh")
        layers = [p for p in model.parameters()]
        starts = (hand.w1.T, hand.b1, hand.w2.T, hand.b2)
        for parameter, value in zip(layers, starts, strict=True):
            with wg.no_grad():
                parameter.assign(value)
        optimizer = wg.optim.SGD(model.parameters(), lr=0.1)
        x, y = wg.tensor(hand.x), wg.tensor(hand.y)

    def ours() -> float:
        loss = wg.nn.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    for _ in range(3):
        np.testing.assert_allclose(ours(), hand.step(), rtol=1e-4)
    many = 20

    def repeated(step):
        return lambda: [step() for _ in range(many)]

    name = f"MLP {'-'.join(map(str, sizes))}, batch {batch}, {many} SGD steps"
    return Case(name, repeated(ours), repeated(hand.step), 1 / 3, "NumPy by hand")
