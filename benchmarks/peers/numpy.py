"""NumPy by hand: forward, backward and update written out, the way one would to be fast."""

from __future__ import annotations

import os

import numpy as np

from ..problems import Add, Loading, Matmul, Mlp, Reduction, Saving, Softmax
from .base import About, Peer, Step, scratch

F = np.float32


class NumpyPeer(Peer):
    """NumPy; its steps have run when they return."""

    def about(self) -> About:
        return About(f"NumPy {np.__version__}", "CPU")

    def matmul(self, problem: Matmul) -> Step:
        given = problem.arrays()
        return lambda: (given["a"] @ given["b"],)

    def add(self, problem: Add) -> Step:
        given = problem.arrays()
        return lambda: (given["a"] + given["b"],)

    def reduction(self, problem: Reduction) -> Step:
        x = problem.arrays()["x"]
        return lambda: (x.sum(problem.axis),)

    def softmax(self, problem: Softmax) -> Step:
        x = problem.arrays()["x"]

        def step() -> tuple:
            e = np.exp(x - x.max(axis=1, keepdims=True))
            e /= e.sum(axis=1, keepdims=True)
            return (e,)

        return step

    def saving(self, problem: Saving) -> Step:
        given, path = problem.arrays(), scratch("x.bin")

        def step() -> tuple:
            with open(path.with_suffix(".part"), "wb") as file:
                for x in given.values():
                    file.write(x)
                file.flush()
                os.fsync(file.fileno())
            os.replace(path.with_suffix(".part"), path)
            return (given["w0"],)

        return step

    def loading(self, problem: Loading) -> Step:
        self.saving(problem)()

        def step() -> tuple:
            with open(scratch("x.bin"), "rb") as file:
                return tuple(np.fromfile(file, F, problem.size) for _ in range(problem.count))

        return step

    def mlp(self, problem: Mlp) -> Step:
        given = problem.arrays()
        x, y = given["x"], given["y"]
        count = len(problem.sizes) - 1
        weights = [np.ascontiguousarray(given[f"w{i}"].T) for i in range(count)]
        biases = [given[f"b{i}"] for i in range(count)]
        rows, share = np.arange(problem.batch), F(1 / problem.batch)
        update = {"SGD": _sgd, "Adam": _adam}[problem.optimizer]([*weights, *biases], problem.lr)
        last = count - 1

        def step() -> tuple:
            inputs = [x]
            for i in range(last):
                inputs.append(np.tanh(inputs[i] @ weights[i] + biases[i]))
            z = inputs[last] @ weights[last] + biases[last]
            z -= z.max(axis=1, keepdims=True)
            e = np.exp(z)
            total = e.sum(axis=1, keepdims=True)
            loss = (np.log(total)[:, 0] - z[rows, y]).mean()
            d = e / total
            d[rows, y] -= F(1)
            d *= share
            by_weights, by_biases = [], []
            for i in range(last, -1, -1):
                by_weights.append(inputs[i].T @ d)
                by_biases.append(d.sum(axis=0))
                if i:
                    h = inputs[i]
                    d = (d @ weights[i].T) * (1 - h * h)
            update([*by_weights[::-1], *by_biases[::-1]])
            return (loss,)

        return step


def _sgd(parameters: list[np.ndarray], lr: float):
    rate = F(lr)

    def update(gradients: list[np.ndarray]) -> None:
        for p, g in zip(parameters, gradients, strict=True):
            p -= rate * g

    return update


def _adam(parameters: list[np.ndarray], lr: float, b1: float = 0.9, b2: float = 0.999):
    means = [np.zeros_like(p) for p in parameters]
    squares = [np.zeros_like(p) for p in parameters]
    steps = 0

    def update(gradients: list[np.ndarray]) -> None:
        nonlocal steps
        steps += 1
        rate, share = F(lr / (1 - b1**steps)), F(1 / (1 - b2**steps))
        for p, g, m, v in zip(parameters, gradients, means, squares, strict=True):
            m *= F(b1)
            m += F(1 - b1) * g
            v *= F(b2)
            v += F(1 - b2) * (g * g)
            p -= rate * m / (np.sqrt(v * share) + F(1e-8))

    return update


def start() -> NumpyPeer:
    return NumpyPeer()
