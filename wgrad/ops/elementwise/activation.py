"""Activation functions of neural networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import accuracy
from ..accuracy import Accuracy
from ..families import Elementwise
from .arithmetic import abs_, clamp
from .declare import by_kind, elementwise
from .hyperbolic import sigmoid_slope, tanh
from .logic import greater, less, less_equal, logical_and, where
from .transcendental import (
    bell_of,
    by_blocks,
    erfc_of_positive,
    exp,
    polynomial,
    signs,
    with_signs,
)

_LEAST = -2000.0  # whose exponential is 0, while that of -inf, times it, would be NaN


def _sigmoid(a: np.ndarray) -> np.ndarray:
    e = np.exp(np.minimum(a, 40))  # beyond 40 it is 1 to every digit
    return e / (1 + e)


sigmoid = elementwise(
    "sigmoid",
    wgsl="real_sigmoid(a)",
    numpy=_sigmoid,
    partials=(lambda a: sigmoid_slope(a),),
    ulp=Accuracy(4, points=(88.72284, -88.72284)),
    doc="1 / (1 + e ** -a); never overflows.",
    example="""
    >>> wg.sigmoid(wg.tensor([-200.0, 0.0, 200.0]))
    tensor([0. , 0.5, 1. ])
    """,
)


def _gated(a: Any, b: np.ndarray) -> np.ndarray:
    wide = b.astype(np.float64)
    return (a * _sigmoid(wide)).astype(np.result_type(a, b))


gated: Elementwise = elementwise(
    "gated",
    wgsl="gated(a, b)",
    numpy=_gated,
    partials=(lambda b: sigmoid(b), lambda out, b: gated(out, -b)),
    ulp=Accuracy(8, points=(88.72284, -88.72284)),
    doc="a * sigmoid(b), also where sigmoid(b) alone is too small for a float.",
)


def _logsigmoid(a: np.ndarray) -> np.ndarray:
    return np.minimum(a, 0) - np.log1p(np.exp(-np.abs(a)))


logsigmoid = elementwise(
    "logsigmoid",
    wgsl="real_logsigmoid(a)",
    numpy=_logsigmoid,
    partials=(lambda a: sigmoid(-a),),
    ulp=8,
    doc="log(sigmoid(a)), exact also where sigmoid is 0 or 1.",
)


def _softplus(a: np.ndarray, b: Any, c: Any) -> np.ndarray:
    t = a * b
    return np.where(t > c, a, (np.maximum(t, 0) + np.log1p(np.exp(-np.abs(t)))) / b)


softplus = elementwise(
    "softplus",
    wgsl="real_softplus(a, b, c)",
    numpy=_softplus,
    partials=(lambda a, b, c: where(greater(a * b, c), 1.0, sigmoid(a * b)), None, None),
    arguments=("x", "beta", "threshold"),
    ulp=Accuracy(8, points=(20,), calls={"softplus": (1, 20)}),
    doc="log(1 + e ** (a * b)) / b, and a where a * b is greater than c.",
)


def _zero(a: Any) -> Any:
    """0 of a's dtype: two numbers to choose from would be float32. NaN stays NaN."""
    return hardtanh(a, 0.0, 0.0)


# Piecewise linear. As in PyTorch, the slope at a kink is that of the flatter side.
relu = elementwise(
    "relu",
    wgsl="select(a, T(0), a <= T(0))",
    numpy=lambda a: np.maximum(a, 0),
    partials=(lambda out: out > 0,),
    kind="number",
    ulp=Accuracy(0, zeros=False),
    doc="max(a, 0), with slope 0 at 0; NaN stays NaN.",
    example="""
    >>> wg.relu(wg.tensor([-2.0, 0.0, 3.0]))
    tensor([0., 0., 3.])
    """,
)
leaky_relu = elementwise(
    "leaky_relu",
    wgsl="select(a, a * b, a <= 0.0)",
    numpy=lambda a, b: np.where(a <= 0, a * b, a),
    partials=(
        lambda a, b: where(greater(a, 0), 1.0, _zero(a) + b),
        lambda a: where(greater(a, 0), 0.0, a),
    ),
    arguments=("x", "negative_slope"),
    ulp=Accuracy(4, calls={"leaky_relu": (0.01,)}),
    doc="a, or a * b where a is not positive.",
)
hardtanh = elementwise(
    "hardtanh",
    wgsl=by_kind("min(max(a, b), c)", floating="nan_min(nan_max(a, b), c)"),
    numpy=lambda a, b, c: np.minimum(np.maximum(a, b), c),
    partials=(lambda a, b, c: logical_and(greater(a, b), less(a, c)), None, None),
    kind="number",
    arguments=("x", "min_val", "max_val"),
    ulp=Accuracy(0, points=(1, 6), zeros=False, calls={"hardtanh": (-1, 1), "relu6": (0, 6)}),
    doc="a kept between b and c; unlike clamp it has slope 0 at both.",
)
hardsigmoid = elementwise(
    "hardsigmoid",
    wgsl="nan_min(nan_max(a + 3.0, 0.0), 6.0) / 6.0",
    numpy=lambda a: np.minimum(np.maximum(a + 3, 0), 6) / 6,
    partials=(lambda a: where(less(abs_(a), 3), 1 / 6, _zero(a)),),
    ulp=Accuracy(4, points=(3,)),
    doc="(a + 3) / 6 kept between 0 and 1.",
)
hardswish = elementwise(
    "hardswish",
    wgsl="select(a * (nan_min(a + 3.0, 6.0) / 6.0), 0.0, a <= -3.0)",
    numpy=lambda a: np.where(a <= -3, 0, a * (np.minimum(a + 3, 6) / 6)),
    partials=(lambda a: where(less_equal(a, -3), 0.0, where(less(a, 3), a / 3 + 0.5, 1.0)),),
    ulp=Accuracy(4, points=(3,)),
    doc="a * hardsigmoid(a).",
)

# With exponentials.


def _elu_slope(a: Any, b: Any, c: Any, d: Any) -> Any:
    # The exponential where it is not asked for must not overflow: 0 times it would be NaN.
    below = where(greater(a, 0), 0.0, a)
    return where(greater(a, 0), c, exp(below * d) * (b * c * d))


SELU = 1.6732632423543772, 1.0507009873554805  # alpha and scale, which keep mean 0 and variance 1
elu = elementwise(
    "elu",
    wgsl="select(b * c * real_expm1(a * d), a * c, a > 0.0)",
    numpy=lambda a, b, c, d: np.where(a > 0, a * c, np.expm1(np.where(a > 0, 0, a) * d) * b * c),
    partials=(_elu_slope, None, None, None),
    arguments=("x", "alpha", "scale", "input_scale"),
    ulp=Accuracy(8, calls={"elu": (1, 1, 1), "celu": (1, 1, 1), "selu": (*SELU, 1)}),
    doc="a * c, or b * c * (e ** (a * d) - 1) where a is not positive: ELU, SELU and CELU.",
)


def _wide(
    function: Callable[[Any], Any], narrow: Callable[[np.ndarray], np.ndarray] | None = None
) -> Callable[[Any], Any]:
    """Compute in float64, block by block: a small result of float32 keeps all its digits.

    `narrow` computes so in float32.
    """
    of_block = narrow or (lambda a: function(a.astype(np.float64)))

    def compute(a: Any) -> Any:
        if not isinstance(a, np.ndarray) or (narrow and a.dtype != np.float32):
            return function(a.astype(np.float64)).astype(a.dtype)
        return by_blocks(of_block, a)

    return compute


def _silu_slope(a: Any) -> Any:
    a = clamp(a, _LEAST, -_LEAST)  # where the slope is 0 and 1
    s = sigmoid(a)
    return s * (1 + a * (1 - s))


silu = elementwise(
    "silu",
    wgsl="real_silu(a)",
    numpy=_wide(lambda a: np.maximum(a, _LEAST) * _sigmoid(a)),
    partials=(_silu_slope,),
    ulp=Accuracy(8, more=accuracy.tail),
    doc="a * sigmoid(a), also called swish.",
    example="""
    >>> wg.nn.functional.silu(wg.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """,
)


def _mish(a: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(a))
    w = e * (e + 2)  # tanh(log(1 + n)) is (n**2 + 2 * n) / (n**2 + 2 * n + 2)
    above = a * ((1 + 2 * e) / (1 + 2 * e * (1 + e)))
    return np.where(a >= 0, above, np.maximum(a, _LEAST) * w / (w + 2))


def _mish_slope(a: Any) -> Any:
    a = clamp(a, _LEAST, -_LEAST)
    t = tanh(softplus(a, 1.0, math.inf))
    return t + a * (1 - t * t) * sigmoid(a)


mish = elementwise(
    "mish",
    wgsl="real_mish(a)",
    numpy=_wide(_mish),
    partials=(_mish_slope,),
    ulp=Accuracy(8, more=accuracy.tail),
    doc="a * tanh(log(1 + e ** a)).",
)

_PEAK = 1 / math.sqrt(2 * math.pi)  # the density of normal numbers at 0
# e ** (t ** 2 / 2) P(X > t) (t + 3) for a normal X, as a polynomial in (t - 3) / (t + 3).
_SHARE = (
    -2.62990681e-4, -8.97755614e-4, 0.00107473345, 0.00692000752, -0.0104800938,
    -0.0472552851, 0.230019405, -0.509332299, 0.729083657,
)  # fmt: skip
_END = np.float32(15)  # from where on the tail is 0 in float32


def _tail(a: np.ndarray) -> Any:
    """The probability that a normal number is greater than |a|."""
    return erfc_of_positive(np.abs(a) * math.sqrt(0.5)) * 0.5


def _gelu(a: np.ndarray) -> np.ndarray:
    tail = _tail(a)
    return np.where(a >= 0, a * (1 - tail), np.maximum(a, _LEAST) * tail)


def _gelu_slope(a: np.ndarray) -> np.ndarray:
    tail, near = _tail(a), np.minimum(np.maximum(a, _LEAST), -_LEAST)
    return np.where(a >= 0, 1 - tail, tail) + near * np.exp(near * near * -0.5) * _PEAK


def _narrow_tail(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return e ** (-t ** 2 / 2), and what makes a tail of it, of float32 t from 0 to 15."""
    bell = bell_of(t, 0.5)
    share = t - 3
    further = t + 3
    share /= further
    share = polynomial(_SHARE, share)
    share /= further
    return bell, share


def _narrow_gelu(a: np.ndarray) -> np.ndarray:
    t = np.abs(a)
    np.minimum(t, _END, out=t)
    bell, below = _narrow_tail(t)
    below *= t  # first, for the tail alone may be too small for all its digits
    below *= bell
    value = np.maximum(a, 0, out=t)
    value -= below
    return with_signs(value, signs(a))


def _narrow_gelu_slope(a: np.ndarray) -> np.ndarray:
    t, sides = np.abs(a), signs(a)
    np.minimum(t, _END, out=t)
    bell, share = _narrow_tail(t)
    share *= bell
    value = with_signs(t, sides)
    value *= bell
    value *= _PEAK
    value -= with_signs(share, sides)  # before 1, which would swallow a small tail
    value += sides >= 0  # by the sign bit, as the tail: -0.0 has 0.5, too
    return value


def _gelu_curvature(a: Any) -> Any:
    a = clamp(a, -100.0, 100.0)  # where it is 0
    return (2 - a * a) * exp(a * a * -0.5) * _PEAK


gelu_slope = elementwise(
    "gelu_slope",
    wgsl="gelu_slope(a)",
    numpy=_wide(_gelu_slope, _narrow_gelu_slope),
    partials=(_gelu_curvature,),
    ulp=Accuracy(8, more=accuracy.tail, terms=1),
    doc="The derivative of gelu.",
)
gelu = elementwise(
    "gelu",
    wgsl="real_gelu(a)",
    numpy=_wide(_gelu, _narrow_gelu),
    partials=(lambda a: gelu_slope(a),),
    ulp=Accuracy(8, more=accuracy.tail),
    doc="a times the probability that a normal number is smaller.",
)

_INNER, _CUBIC = math.sqrt(8 / math.pi), 0.044715


def _gelu_tanh(a: np.ndarray) -> np.ndarray:
    near = np.minimum(np.maximum(a, -100), 100)
    return np.where(a > 100, a, near * _sigmoid(near * (near * near * _CUBIC + 1) * _INNER))


def _gelu_tanh_slope(a: Any) -> Any:
    a = clamp(a, -40.0, 40.0)  # where the slope is 0 and 1
    square = a * a
    s = sigmoid(a * (square * _CUBIC + 1) * _INNER)
    return s + a * s * (1 - s) * (square * (3 * _CUBIC) + 1) * _INNER


gelu_tanh = elementwise(
    "gelu_tanh",
    wgsl="real_gelu_tanh(a)",
    numpy=_wide(_gelu_tanh),
    partials=(_gelu_tanh_slope,),
    ulp=Accuracy(8, more=accuracy.tail),
    doc="gelu through a tanh: a / 2 * (1 + tanh(sqrt(2 / pi) * (a + 0.044715 * a ** 3))).",
)
