"""micrograd: a network of single numbers, trained on two half-moons with a margin loss."""

import numpy as np

import wgrad as wg


class Neuron:
    def __init__(self, rng, inputs, linear=False):
        number = lambda x: wg.tensor(float(x), requires_grad=True)  # noqa: E731
        self.w = [number(rng.uniform(-1, 1)) for _ in range(inputs)]
        self.b = number(0.0)
        self.linear = linear

    def __call__(self, x):
        out = sum((w * v for w, v in zip(self.w, x, strict=True)), self.b)
        return out if self.linear else out.relu()


class MLP:
    def __init__(self, rng, inputs, sizes):
        widths = [inputs, *sizes]
        self.layers = [
            [Neuron(rng, a, linear=b == sizes[-1] == 1) for _ in range(b)]
            for a, b in zip(widths, sizes, strict=False)
        ]

    def __call__(self, x):
        for layer in self.layers:
            x = [neuron(x) for neuron in layer]
        return x[0]

    def parameters(self):
        return [p for layer in self.layers for n in layer for p in [*n.w, n.b]]


def run(steps, wrap=lambda f: f):
    rng = np.random.default_rng(1)
    angle = np.pi * rng.uniform(size=12)
    side = np.array([1.0, -1.0] * 6)
    points = np.stack([side * np.cos(angle) + (side < 0), side * np.sin(angle)], axis=1)
    model = MLP(rng, 2, [5, 1])

    def step(rate):
        scores = [model([float(a), float(b)]) for a, b in points]
        margins = [(1 - float(s) * y).relu() for s, y in zip(side, scores, strict=True)]
        loss = sum(margins) / len(margins) + 1e-4 * sum(p * p for p in model.parameters())
        for p in model.parameters():
            p.grad = None
        loss.backward()
        with wg.no_grad():
            for p in model.parameters():
                p -= rate * p.grad
        return loss.detach()

    step = wrap(step)
    return [step(1.0 - 0.9 * k / 100).item() for k in range(steps)]
