"""The problems: what is computed, on which numbers. Knows no library that computes it.

Every peer gets the same arrays from `arrays()` and returns the same outputs, which are compared
before anything is timed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Problem:
    """A computation that is the same in every library; one of its steps is what is timed."""

    @property
    def flops(self) -> int:
        """Multiplications and additions of a step, 0 where nobody asks."""
        return 0

    @property
    def traffic(self) -> int:
        """Bytes that a step has to read and write at the least, 0 where nobody asks."""
        return 0

    def arrays(self) -> Arrays:
        """Return the numbers to start from, the same for every peer."""
        raise NotImplementedError  # every problem has its own


class _Draw:
    """Seeded float32 numbers."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def normal(self, *shape: int, scale: float = 1.0) -> np.ndarray:
        return (self.rng.standard_normal(shape) * scale).astype(np.float32)

    def weight(self, rows: int, columns: int) -> np.ndarray:
        """Return a weight whose outputs have the variance of its inputs."""
        return self.normal(rows, columns, scale=columns**-0.5)

    def labels(self, count: int, classes: int) -> np.ndarray:
        return self.rng.integers(0, classes, count).astype(np.int32)


@dataclass(frozen=True)
class Mlp(Problem):
    """A training step: Linear layers with tanh between them, cross-entropy, an optimizer.

    Weights are (out, in), as in nn.Linear. Output: the loss before the update.
    """

    sizes: tuple[int, ...]
    batch: int = 64
    optimizer: str = "SGD"
    lr: float = 0.1

    def arrays(self) -> Arrays:
        draw = _Draw()
        found = {"x": draw.normal(self.batch, self.sizes[0])}
        found["y"] = draw.labels(self.batch, self.sizes[-1])
        for i, (n, m) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            found[f"w{i}"], found[f"b{i}"] = draw.weight(m, n), np.zeros(m, np.float32)
        return found


@dataclass(frozen=True)
class Matmul(Problem):
    """A product of two square matrices."""

    n: int

    @property
    def flops(self) -> int:
        return 2 * self.n**3

    def arrays(self) -> Arrays:
        draw = _Draw()
        return {"a": draw.normal(self.n, self.n), "b": draw.normal(self.n, self.n)}


@dataclass(frozen=True)
class Add(Problem):
    """A sum of two vectors."""

    n: int

    @property
    def traffic(self) -> int:
        return 3 * 4 * self.n

    def arrays(self) -> Arrays:
        draw = _Draw()
        return {"a": draw.normal(self.n), "b": draw.normal(self.n)}


@dataclass(frozen=True)
class Function(Problem):
    """A function of one vector, or of two, of numbers evenly spread from `low` to `high`."""

    name: str
    n: int
    low: float
    high: float
    arity: int = 1

    @property
    def traffic(self) -> int:
        return (self.arity + 1) * 4 * self.n

    def arrays(self) -> Arrays:
        rng = _Draw().rng
        spread = self.high - self.low
        return {
            name: (self.low + spread * rng.random(self.n)).astype(np.float32)
            for name in "ab"[: self.arity]
        }


@dataclass(frozen=True)
class Shading(Problem):
    """A function of peers/shading.py of inputs with these shapes, evenly drawn from 0.1 to 0.9.

    The loss is the sum of what it gives times `ct`, of shape `result`. Outputs: the function's
    values, summed over `summed`; with `gradient` the loss and the gradients by all inputs.
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    result: tuple[int, ...]
    gradient: bool
    summed: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"x{k}" for k in range(len(self.shapes)))

    def arrays(self) -> Arrays:
        draw = _Draw()
        found = {
            name: draw.rng.uniform(0.1, 0.9, shape).astype(np.float32)
            for name, shape in zip(self.names, self.shapes, strict=True)
        }
        return {**found, "ct": draw.rng.uniform(0.5, 1.5, self.result).astype(np.float32)}


@dataclass(frozen=True)
class FrontEnd(Problem):
    """Reading, typing and deriving a shader of about 100 lines, as text; nothing is computed."""

    def arrays(self) -> Arrays:
        return {}


@dataclass(frozen=True)
class Elementwise(Problem):
    """A chain of elementwise operations: `length` times, four each, relu(0.9 x + y) - 0.5."""

    length: int
    n: int

    @property
    def traffic(self) -> int:
        return 3 * 4 * self.n

    def arrays(self) -> Arrays:
        draw = _Draw()
        return {"x": draw.normal(self.n), "y": draw.normal(self.n)}


@dataclass(frozen=True)
class Reduction(Problem):
    """The sum of positive numbers over an axis, or over all for None."""

    shape: tuple[int, ...]
    axis: int | None = None

    def arrays(self) -> Arrays:
        return {"x": _Draw().rng.random(self.shape, np.float32)}


@dataclass(frozen=True)
class Softmax(Problem):
    """exp(x) / sum(exp(x)) of every row."""

    rows: int
    columns: int

    def arrays(self) -> Arrays:
        return {"x": _Draw().normal(self.rows, self.columns)}


@dataclass(frozen=True)
class TinySteps(Problem):
    """Many small operations, one after the other: `length` times 1.01 x + 0.1."""

    length: int
    n: int

    def arrays(self) -> Arrays:
        return {"x": np.ones(self.n, np.float32)}


@dataclass(frozen=True)
class NormBlock(Problem):
    """gelu(layer_norm(x) @ w1 + b1) @ w2, with the tanh form of GELU, forward and backward.

    The loss is the sum of the output times `ct`. Outputs: the loss, then the gradients by x, the
    scale and shift of the norm, w1, b1 and w2.
    """

    rows: int
    width: int
    hidden: int

    names = ("x", "scale", "shift", "w1", "b1", "w2")

    def arrays(self) -> Arrays:
        draw = _Draw()
        return {
            "x": draw.normal(self.rows, self.width),
            "scale": 1 + draw.normal(self.width, scale=0.1),
            "shift": draw.normal(self.width, scale=0.1),
            "w1": draw.weight(self.width, self.hidden),
            "b1": draw.normal(self.hidden, scale=0.1),
            "w2": draw.weight(self.hidden, self.width),
            "ct": draw.normal(self.rows, self.width),
        }


@dataclass(frozen=True)
class Attention(Problem):
    """softmax(q @ k.T / sqrt(width)) @ v for every head, forward and backward.

    The loss is the sum of the output times `ct`. Outputs: the loss, and the gradients by q, k, v.
    """

    batch: int
    heads: int
    tokens: int
    width: int

    names = ("q", "k", "v")

    def arrays(self) -> Arrays:
        draw = _Draw()
        shape = self.batch, self.heads, self.tokens, self.width
        return {name: draw.normal(*shape) for name in ("q", "k", "v", "ct")}


@dataclass(frozen=True)
class Transformer(Problem):
    """A training step of a transformer block: mean squared error, AdamW (weight decay 0.01).

    x + attention(layer_norm(x)), then x + down(gelu(up(layer_norm(x)))), with the tanh form of GELU
    and four times the width inside; norms have neither scale nor shift. Output: the loss.
    """

    batch: int
    tokens: int
    width: int
    heads: int
    lr: float = 1e-3

    names = ("q", "k", "v", "out", "up", "cu", "down", "cd")

    def arrays(self) -> Arrays:
        draw = _Draw()
        n, wide = self.width, 4 * self.width
        shape = self.batch, self.tokens, n
        return {
            "x": draw.normal(*shape),
            "y": draw.normal(*shape),
            **{name: draw.weight(n, n) for name in ("q", "k", "v", "out")},
            "up": draw.weight(wide, n),
            "cu": np.zeros(wide, np.float32),
            "down": draw.weight(n, wide),
            "cd": np.zeros(n, np.float32),
        }


@dataclass(frozen=True)
class Convolution(Problem):
    """A convolution of square images with square kernels, forward and backward.

    The loss is the sum of the output times `ct`. Outputs: the loss, and the gradients by the
    images (batch, channels, side, side) and by the kernels (filters, channels, size, size).
    """

    batch: int
    channels: int
    side: int
    filters: int
    size: int = 3
    stride: int = 1

    names = ("x", "k")

    @property
    def padding(self) -> int:
        return self.size // 2

    def arrays(self) -> Arrays:
        draw = _Draw()
        fan = self.channels * self.size**2
        side = (self.side + 2 * self.padding - self.size) // self.stride + 1
        return {
            "x": draw.normal(self.batch, self.channels, self.side, self.side),
            "k": draw.normal(self.filters, self.channels, self.size, self.size, scale=fan**-0.5),
            "ct": draw.normal(self.batch, self.filters, side, side),
        }


@dataclass(frozen=True)
class Cnn(Problem):
    """A training step: twice (3x3 convolution, relu, 2x2 max pooling), then a Linear layer.

    Images are (batch, 1, side, side), kernels (out, in, 3, 3), padded by 1; the features of the
    Linear layer are in the order (channel, row, column). Cross-entropy and SGD; output: the loss.
    """

    batch: int
    side: int = 28
    channels: tuple[int, int] = (8, 16)
    classes: int = 10
    lr: float = 0.1

    names = ("k1", "c1", "k2", "c2", "w", "b")

    def arrays(self) -> Arrays:
        draw = _Draw()
        first, second = self.channels
        features = second * (self.side // 4) ** 2
        return {
            "x": draw.normal(self.batch, 1, self.side, self.side),
            "y": draw.labels(self.batch, self.classes),
            "k1": draw.normal(first, 1, 3, 3, scale=1 / 3),
            "c1": np.zeros(first, np.float32),
            "k2": draw.normal(second, first, 3, 3, scale=prod((first, 3, 3)) ** -0.5),
            "c2": np.zeros(second, np.float32),
            "w": draw.weight(self.classes, features),
            "b": np.zeros(self.classes, np.float32),
        }


@dataclass(frozen=True)
class Layer(Problem):
    """A training step of one layer of `nn`, made of `sizes`: mean squares to `y`, and Adam.

    Its weights have the names of PyTorch's state dict. Inputs have `shape`; of what a recurrent
    layer returns, the outputs of all times count. Output: the loss before the update.
    """

    kind: str  # a class of nn
    sizes: tuple[int, ...]
    shape: tuple[int, ...]
    lr: float = 0.01

    def weights(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the weights by their names."""
        if self.kind == "TransformerEncoderLayer":
            width, _, hidden = self.sizes
            shapes = {"self_attn.in_proj": (3 * width, width), "self_attn.out_proj": (width, width)}
            shapes |= {"linear1": (hidden, width), "linear2": (width, hidden)}
            shapes |= {"norm1": (width,), "norm2": (width,)}
            dash = {"self_attn.in_proj": "_"}
            return {
                f"{name}{dash.get(name, '.')}{part}": shape if part == "weight" else shape[:1]
                for name, shape in shapes.items()
                for part in ("weight", "bias")
            }
        if self.kind == "LayerNorm":
            return {"weight": self.sizes, "bias": self.sizes}
        features, hidden = self.sizes
        rows = hidden * {"RNN": 1, "GRU": 3, "LSTM": 4}[self.kind]
        shapes = {"weight_ih_l0": (rows, features), "weight_hh_l0": (rows, hidden)}
        return {**shapes, "bias_ih_l0": (rows,), "bias_hh_l0": (rows,)}

    def arrays(self) -> Arrays:
        draw = _Draw()
        found = {"x": draw.normal(*self.shape)}
        recurs = self.kind in ("RNN", "GRU", "LSTM")
        last = self.sizes[-1] if recurs else self.shape[-1]
        found["y"] = draw.normal(*self.shape[:-1], last)
        for name, shape in self.weights().items():
            found[name] = draw.normal(*shape, scale=shape[-1] ** -0.5)
        return found


@dataclass(frozen=True)
class Saving(Problem):
    """Tensors written to a new file, which is on the disk at the end. Output: the first tensor."""

    count: int
    size: int

    @property
    def traffic(self) -> int:
        return self.count * self.size * 4

    def arrays(self) -> Arrays:
        draw = _Draw()
        return {f"w{i}": draw.normal(self.size) for i in range(self.count)}


@dataclass(frozen=True)
class Loading(Saving):
    """The tensors of such a file read again. Output: all of them."""
