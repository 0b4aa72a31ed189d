"""Initial values by PyTorch's names: each function fills a tensor in place, and returns it.

They are for leaves: parameters, also while the tape records, and tensors without history. Numbers
come from the global stream (`wg.manual_seed`), or from `generator`, and are the same on every
device.

    layer = nn.Linear(64, 10)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
"""

from __future__ import annotations

import math
from math import prod
from typing import Any

import numpy as np

from ..checks.arguments import checked_choice, size
from ..creation import eye, tensor
from ..creation.inputs import as_float
from ..errors import ArgumentError, DTypeError, GradientError, ShapeError, shown
from ..functional.decompositions import qr
from ..functional.regularization import check_share
from ..ops.elementwise import clamp, erfinv, sign
from ..random import Generator, normal, randn, randperm, uniform
from ..shaping import diagonal, matrix_transpose, reshape
from ..tensor import Tensor

__all__ = [
    *("calculate_gain", "constant_", "dirac_", "eye_", "kaiming_normal_", "kaiming_uniform_"),
    *("normal_", "ones_", "orthogonal_", "sparse_", "trunc_normal_", "uniform_"),
    *("xavier_normal_", "xavier_uniform_", "zeros_"),
]

_GAINS = {
    **dict.fromkeys(
        (
            *("linear", "sigmoid", "conv1d", "conv2d", "conv3d", "conv_transpose1d"),
            *("conv_transpose2d", "conv_transpose3d"),
        ),
        1.0,
    ),
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: Any = None) -> float:
    """Return by how much larger weights have to be for what a nonlinearity takes away.

    1 for "linear", "sigmoid" and convolutions, 5/3 for "tanh", sqrt(2) for "relu", 3/4 for "selu",
    sqrt(2 / (1 + param ** 2)) for "leaky_relu", whose slope `param` is 0.01 unless given.
    Raises: ArgumentError.

    >>> round(wg.nn.init.calculate_gain("relu") ** 2, 6)
    2.0
    """
    checked_choice(nonlinearity, (*_GAINS, "leaky_relu"), "calculate_gain", "nonlinearity")
    if nonlinearity != "leaky_relu":
        return _GAINS[nonlinearity]
    slope = 0.01 if param is None else as_float(param, "calculate_gain", "param")
    return math.sqrt(2 / (1 + slope**2))


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with uniform numbers from `a` up to but without `b`. Raises: GradientError.

    >>> x = wg.nn.init.uniform_(wg.zeros(1000), -1.0, 1.0)
    >>> bool((wg.abs(x) <= 1).all())
    True
    """
    x = _leaf(tensor, "uniform_")
    return x.assign(uniform(a, b, x.shape, x.dtype, x.device, generator))


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with normal numbers of a mean and a standard deviation. Raises: GradientError.

    >>> layer = wg.nn.Linear(3, 2)
    >>> layer.weight is wg.nn.init.normal_(layer.weight, std=0.02)
    True
    """
    x = _leaf(tensor, "normal_")
    return x.assign(normal(mean, std, x.shape, x.dtype, x.device, generator))


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with normal numbers of which those outside `a` to `b` are drawn again, in effect.

    They are the inverse of the distribution function at uniform numbers between its values at `a`
    and `b`. Raises: ArgumentError unless a < b and std > 0; GradientError.

    >>> x = wg.nn.init.trunc_normal_(wg.zeros(1000), std=0.5, a=-1.0, b=1.0)
    >>> bool((wg.abs(x) <= 1).all())
    True
    """
    name = "trunc_normal_"
    x = _leaf(tensor, name)
    middle, spread = as_float(mean, name, "mean"), as_float(std, name, "std", above=0)
    low, high = as_float(a, name, "a"), as_float(b, name, "b")
    if not low < high:
        raise ArgumentError(f"{name}: a={low} and b={high} came, and a < b is needed")
    least, most = (math.erf((end - middle) / spread / math.sqrt(2)) for end in (low, high))
    if least == most:
        raise ArgumentError(
            f"{name}: no normal number of mean {middle} and std {spread} lies in {low} to {high}"
        )
    drawn = uniform(least, most, x.shape, x.dtype, x.device, generator)
    return x.assign(clamp(erfinv(drawn) * (spread * math.sqrt(2)) + middle, low, high))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one number. Raises: GradientError.

    >>> wg.nn.init.constant_(wg.zeros(2), 3.0)
    tensor([3., 3.])
    """
    return _leaf(tensor, "constant_").assign(as_float(val, "constant_", "val"))


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1. Raises: GradientError.

    >>> wg.nn.init.ones_(wg.zeros(2))
    tensor([1., 1.])
    """
    return _leaf(tensor, "ones_").assign(1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0. Raises: GradientError.

    >>> layer = wg.nn.Linear(3, 2)
    >>> wg.nn.init.zeros_(layer.bias)
    tensor([0., 0.], requires_grad=True)
    """
    return _leaf(tensor, "zeros_").assign(0.0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with 1 on the diagonal and 0 elsewhere. Raises: ShapeError; GradientError.

    >>> wg.nn.init.eye_(wg.zeros((2, 3)))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    x = _leaf(tensor, "eye_")
    if len(x.shape) != 2:
        raise ShapeError(f"eye_: a tensor of shape {x.shape} came, and a matrix is needed")
    return x.assign(eye(*x.shape, dtype=x.dtype, device=x.device))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a convolution's weight so that channels pass unchanged, as many as there are.

    Shapes: (out, in, k), (out, in, k, k) or (out, in, k, k, k); each of `groups` parts of the out
    channels starts anew. Raises: ShapeError; ArgumentError unless groups divide out; GradientError.
    """
    x = _leaf(tensor, "dirac_")
    parts = size(groups, "dirac_: groups")
    if len(x.shape) not in (3, 4, 5):
        raise ShapeError(f"dirac_: shape {x.shape} came, and 3, 4 or 5 axes are needed")
    if x.shape[0] % parts:
        raise ArgumentError(f"dirac_: groups={parts} came, and it must divide {x.shape[0]}")
    values = np.zeros(x.shape, x.dtype.numpy)
    rows = x.shape[0] // parts
    middle = tuple(n // 2 for n in x.shape[2:])
    for i in range(parts):
        for j in range(min(rows, x.shape[1])):
            values[(i * rows + j, j, *middle)] = 1
    return x.assign(values)


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with uniform numbers in (-b, b), b = gain * sqrt(6 / (fan_in + fan_out)).

    A weight (out, in, k, ...) has fan_in = in * k * ... and fan_out = out * k * ...
    Raises: ShapeError for less than 2 axes; GradientError.
    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks" (AISTATS 2010).

    >>> w = wg.nn.init.xavier_uniform_(wg.zeros((2, 4)))
    >>> bool((wg.abs(w) <= 1).all())  # b = sqrt(6 / (4 + 2))
    True
    """
    x = _leaf(tensor, "xavier_uniform_")
    bound = as_float(gain, "xavier_uniform_", "gain") * math.sqrt(
        6 / sum(_fans(x, "xavier_uniform_"))
    )
    return x.assign(uniform(-bound, bound, x.shape, x.dtype, x.device, generator))


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with normal numbers of standard deviation gain * sqrt(2 / (fan_in + fan_out)).

    Fans, errors and source are xavier_uniform_'s.

    >>> w = wg.nn.init.xavier_normal_(wg.zeros((500, 500)))
    >>> round(w.std().item(), 3)  # sqrt(2 / (500 + 500))
    0.045
    """
    x = _leaf(tensor, "xavier_normal_")
    std = as_float(gain, "xavier_normal_", "gain") * math.sqrt(2 / sum(_fans(x, "xavier_normal_")))
    return x.assign(normal(0.0, std, x.shape, x.dtype, x.device, generator))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill with uniform numbers in (-b, b), b = gain * sqrt(3 / fan).

    The gain is calculate_gain(nonlinearity, a), the fan that of xavier_uniform_ by `mode`:
    "fan_in" keeps the variance in the forward pass, "fan_out" in the backward pass.
    Raises: ShapeError for less than 2 axes; ArgumentError; GradientError.
    Source: He et al., "Delving deep into rectifiers" (ICCV 2015).

    >>> layer = wg.nn.Linear(6, 100)
    >>> w = wg.nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    >>> bool((wg.abs(w) <= 1).all())  # gain sqrt(2), fan 6: b = sqrt(2) * sqrt(3 / 6)
    True
    """
    x = _leaf(tensor, "kaiming_uniform_")
    bound = math.sqrt(3) * _he(x, a, mode, nonlinearity, "kaiming_uniform_")
    return x.assign(uniform(-bound, bound, x.shape, x.dtype, x.device, generator))


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill with normal numbers of standard deviation gain / sqrt(fan).

    Arguments, errors and source are kaiming_uniform_'s.

    >>> w = wg.nn.init.kaiming_normal_(wg.zeros((1000, 50)), nonlinearity="relu")
    >>> round(w.std().item(), 1)  # sqrt(2) / sqrt(50)
    0.2
    """
    x = _leaf(tensor, "kaiming_normal_")
    std = _he(x, a, mode, nonlinearity, "kaiming_normal_")
    return x.assign(normal(0.0, std, x.shape, x.dtype, x.device, generator))


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with an orthogonal matrix times `gain`: of rows, or columns, where there are fewer.

    Axes after the second are counted with it. It is the Q of a QR decomposition of normal numbers,
    with the signs that make it uniform over all orthogonal matrices.
    Raises: ShapeError for less than 2 axes; GradientError.
    Source: Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear
    neural networks" (ICLR 2014).

    >>> w = wg.nn.init.orthogonal_(wg.zeros((2, 5)))
    >>> wg.allclose(w @ w.T, wg.eye(2), atol=1e-5)
    True
    """
    name = "orthogonal_"
    x = _leaf(tensor, name)
    if len(x.shape) < 2:
        raise ShapeError(f"{name}: shape {x.shape} came, and at least 2 axes are needed")
    rows, columns = x.shape[0], prod(x.shape[1:])
    factor = as_float(gain, name, "gain")
    if not rows * columns:
        return x
    drawn = randn(
        max(rows, columns), min(rows, columns), dtype=x.dtype, device=x.device, generator=generator
    )
    q, r = qr(drawn)
    q = q * sign(diagonal(r))
    q = q if rows >= columns else matrix_transpose(q)
    return x.assign(reshape(q, x.shape) * factor)


def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Tensor:
    """Fill a matrix with normal numbers, but a share `sparsity` of each column with 0.

    Raises: ShapeError unless there are 2 axes; ArgumentError; GradientError.
    Source: Martens, "Deep learning via Hessian-free optimization" (ICML 2010).
    """
    name = "sparse_"
    x = _leaf(tensor, name)
    share = check_share(sparsity, name, "sparsity")
    if len(x.shape) != 2:
        raise ShapeError(f"{name}: a tensor of shape {x.shape} came, and a matrix is needed")
    rows, columns = x.shape
    kept = np.ones((rows, columns), x.dtype.numpy)
    for j in range(columns):
        kept[randperm(rows, "numpy", generator).numpy()[: math.ceil(share * rows)], j] = 0
    drawn = normal(0.0, std, x.shape, x.dtype, x.device, generator)
    return x.assign(drawn * _on(kept, x))


def _on(values: np.ndarray, like: Tensor) -> Tensor:
    return tensor(values, dtype=like.dtype, device=like.device)


def _leaf(x: Any, where: str) -> Tensor:
    """Return a tensor that can be filled. Raises: DTypeError; GradientError."""
    if not isinstance(x, Tensor):
        raise DTypeError(f"{where}: {shown(x)} came, and a tensor is needed")
    if not x.dtype.is_floating:
        raise DTypeError(f"{where}: a {x.dtype.name} tensor came, and a floating one is needed")
    if not x.is_leaf:
        raise GradientError(
            f"{where}: a result of shape {x.shape} came, which the tape follows; a leaf is needed"
        )
    return x


def _fans(x: Tensor, where: str) -> tuple[int, int]:
    if len(x.shape) < 2:
        raise ShapeError(f"{where}: shape {x.shape} came, and at least 2 axes are needed")
    field = prod(x.shape[2:])
    return max(x.shape[1] * field, 1), max(x.shape[0] * field, 1)


def _he(x: Tensor, a: float, mode: str, nonlinearity: str, where: str) -> float:
    fans = dict(zip(("fan_in", "fan_out"), _fans(x, where), strict=True))
    checked_choice(mode, fans, where, "mode")
    return calculate_gain(nonlinearity, a) / math.sqrt(fans[mode])
