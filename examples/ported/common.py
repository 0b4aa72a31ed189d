"""What the programs share: data of their own, and weights that any library can start from."""

from __future__ import annotations

import numpy as np

import wgrad as wg

# Words to learn from: names of functions.
WORDS = [
    "absolute",
    "add",
    "allclose",
    "amax",
    "amin",
    "arange",
    "argmax",
    "argmin",
    "argsort",
    "asin",
    "atan",
    "bincount",
    "broadcast",
    "ceil",
    "chunk",
    "clamp",
    "clip",
    "concat",
    "conv",
    "copysign",
    "cosine",
    "cross",
    "cumsum",
    "cumulative",
    "deg",
    "diagonal",
    "diff",
    "digamma",
    "divide",
    "dropout",
    "einsum",
    "embedding",
    "equal",
    "exponential",
    "expand",
    "eye",
    "flatten",
    "flip",
    "floor",
    "full",
    "gather",
    "gelu",
    "gradient",
    "greater",
    "hessian",
    "hypot",
    "identity",
    "index",
    "isfinite",
    "jacobian",
    "kron",
    "layer",
    "lerp",
    "lgamma",
    "linear",
    "linspace",
    "logsumexp",
    "masked",
    "matmul",
    "maximum",
    "mean",
    "median",
    "meshgrid",
    "minimum",
    "multiply",
    "narrow",
    "negative",
    "nonzero",
    "norm",
    "normal",
    "ones",
    "outer",
    "pad",
    "permute",
    "polygamma",
    "pow",
    "prod",
    "quantile",
    "random",
    "reciprocal",
    "relu",
    "remainder",
    "repeat",
    "reshape",
    "roll",
    "round",
    "scatter",
    "searchsorted",
    "select",
    "sigmoid",
    "sign",
    "silu",
    "sinc",
    "slice",
    "softmax",
    "softplus",
    "sort",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "sum",
    "take",
    "tanh",
    "tensor",
    "tile",
    "topk",
    "trace",
    "transpose",
    "tril",
    "triu",
    "trunc",
    "unfold",
    "uniform",
    "unique",
    "unsqueeze",
    "variance",
    "where",
    "zeros",
]


def seeded(model, seed=0):
    """Give the weights of a model values that come of NumPy, and return the model."""
    rng = np.random.default_rng(seed)
    with wg.no_grad():
        for name, p in sorted(model.named_parameters(), key=lambda pair: pair[0]):
            shape = tuple(p.shape)
            if len(shape) > 1:
                scale = 1 / np.sqrt(np.prod(shape[1:]))
            elif "bias" in name:
                scale = 0.01
            else:
                continue  # the weight of a norm, which is 1
            p.copy_(wg.tensor((scale * rng.standard_normal(shape)).astype("float32")))
    return model


def noise(rng, *shape):
    """Return standard normal numbers of NumPy's as a tensor."""
    return wg.tensor(rng.standard_normal(shape).astype("float32"))


def words(length):
    """Return inputs and targets (n, length) of letters: 0 ends a word, -1 counts nowhere."""
    x = np.zeros((len(WORDS), length), np.int64)
    y = np.full((len(WORDS), length), -1, np.int64)
    for row, word in enumerate(WORDS):
        letters = [ord(c) - 96 for c in word][: length - 1]
        x[row, 1 : 1 + len(letters)] = letters
        y[row, : len(letters)] = letters
        y[row, len(letters)] = 0
    return x, y


def contexts(size):
    """Return the `size` letters before each letter (n, size), and that letter (n,)."""
    x, y = [], []
    for word in WORDS:
        before = [0] * size
        for letter in [*(ord(c) - 96 for c in word), 0]:
            x.append(before)
            y.append(letter)
            before = [*before[1:], letter]
    return np.array(x), np.array(y)
