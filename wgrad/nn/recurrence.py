"""What recurrent networks do in one step of time, and the loop over all steps.

A step takes a state and the part of the input's product that belongs to its time, and returns the
new state and the output of that time. States are tuples of tensors (n, hidden).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..creation import zeros
from ..functional.linalg import linear
from ..ops.elementwise import relu, sigmoid, tanh
from ..shaping import concat, split, stack
from ..tensor import Tensor
from ..transforms.scan import scan

State = tuple[Tensor, ...]
Step = Callable[[State, Tensor], tuple[State, Tensor]]


class Weights(NamedTuple):
    """The weights of one layer in one direction, or of a cell."""

    input: Tensor  # (gates * hidden, features)
    hidden: Tensor  # (gates * hidden, hidden or proj)
    input_bias: Tensor | None
    hidden_bias: Tensor | None
    projection: Tensor | None = None  # (proj, hidden)


def rnn_step(
    weights: Weights, nonlinearity: Callable, state: State, x: Tensor
) -> tuple[State, Tensor]:
    """Return h' = nonlinearity(x + W h + b)."""
    (h,) = state
    new = nonlinearity(x + linear(h, weights.hidden, weights.hidden_bias))
    return (new,), new


def lstm_step(weights: Weights, state: State, x: Tensor) -> tuple[State, Tensor]:
    """Return c' = f * c + i * g and h' = o * tanh(c'), projected where there is a projection."""
    h, c = state
    gates = x + linear(h, weights.hidden, weights.hidden_bias)
    i, f, g, o = split(gates, 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    if weights.projection is not None:
        h = linear(h, weights.projection)
    return (h, c), h


def gru_step(weights: Weights, state: State, x: Tensor) -> tuple[State, Tensor]:
    """Return h' = (1 - z) * n + z * h, where n = tanh(xn + r * (Wn h + bn))."""
    (h,) = state
    xr, xz, xn = split(x, 3, -1)
    hr, hz, hn = split(linear(h, weights.hidden, weights.hidden_bias), 3, -1)
    n = tanh(xn + sigmoid(xr + hr) * hn)
    h = n + sigmoid(xz + hz) * (h - n)
    return (h,), h


def step_of(kind: str, weights: Weights, nonlinearity: str) -> Step:
    """Return the step of a kind of network."""
    if kind == "lstm":
        return functools.partial(lstm_step, weights)
    if kind == "gru":
        return functools.partial(gru_step, weights)
    return functools.partial(rnn_step, weights, {"tanh": tanh, "relu": relu}[nonlinearity])


def run(
    kind: str, weights: Weights, nonlinearity: str, state: State, x: Tensor, backwards: bool
) -> Any:
    """Return the last state and the outputs of all times. Shapes: x (time, n, features).

    The input's product is one for all times, and the biases are added to it, but for a GRU's, of
    which one is within a product. `backwards` begins with the last time; outputs are in the order
    of the input.
    """
    bias = weights.input_bias
    if kind != "gru" and bias is not None and weights.hidden_bias is not None:
        bias = bias + weights.hidden_bias
        weights = weights._replace(hidden_bias=None)
    products = linear(x, weights.input, bias)
    return scan(step_of(kind, weights, nonlinearity), state, products, reverse=backwards)


def recurrent_layer(
    kind: str, weights: Sequence[Weights], nonlinearity: str, state: State | None, x: Tensor
) -> tuple[State, Tensor]:
    """Return the last states and the outputs of one layer, in one direction or in both.

    Without a state it begins with zeros. Shapes: x (time, n, features) -> states (directions, n,
    hidden) and outputs (time, n, directions * hidden).
    """
    lasts: list[State] = []
    outs = []
    for i, own in enumerate(weights):
        if state is None:
            sizes = [own.hidden.shape[1]]  # what is handed on may be projected, a cell is not
            sizes += [own.hidden.shape[0] // 4] * (kind == "lstm")
            first = tuple(zeros((x.shape[1], n), dtype=x.dtype, device=x.device) for n in sizes)
        else:
            first = tuple(s[i] for s in state)
        final, out = run(kind, own, nonlinearity, first, x, bool(i))
        lasts.append(final)
        outs.append(out)
    # Both have names, for a graph of ONNX asks for them.
    last = tuple(stack(parts, 0) for parts in zip(*lasts, strict=True))
    out = outs[0] if len(outs) == 1 else concat(outs, -1)
    return last, out
