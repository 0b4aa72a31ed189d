"""Recurrent networks: RNN, GRU and LSTM over sequences, and their cells, which take one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..checks.arguments import checked_choice, checked_flag, count, size
from ..creation import DeviceLike, zeros
from ..creation.inputs import as_tensor
from ..errors import ArgumentError, ShapeError, shown
from ..functional.linalg import linear
from ..functional.regularization import check_share, dropout
from ..layout import Shape
from ..random import Seed
from ..shaping import concat, reshape, transpose
from ..tensor import Tensor
from .layers import Uniform
from .module import Module
from .recurrence import State, Weights, recurrent_layer, step_of

_GATES = {"rnn": 1, "gru": 3, "lstm": 4}


class _Shared(Module):
    """What networks over sequences and cells share: a kind, a nonlinearity, their states."""

    _is_brief = True
    _kind = "rnn"

    nonlinearity = "tanh"

    def _zeros(self, shapes: Sequence[Shape], x: Tensor) -> State:
        return tuple(zeros(shape, dtype=x.dtype, device=x.device) for shape in shapes)

    def _states(self, given: Any, shapes: Sequence[Shape], x: Tensor) -> State:
        """Return the states that came, checked, or zeros for None."""
        name = type(self).__name__
        if given is None:
            return self._zeros(shapes, x)
        states: Any = given if self._kind == "lstm" else (given,)
        if not isinstance(states, (tuple, list)) or len(states) != len(shapes):
            raise ArgumentError(f"{name}: {shown(given)} came, and a pair (h, c) is needed")
        states = tuple(as_tensor(s, name, x) for s in states)
        for word, state, shape in zip("hc", states, shapes, strict=False):
            if state.shape != shape:
                raise ShapeError(f"{name}: {word} {state.shape} came, and {shape} is needed")
        return states

    def _result(self, states: State) -> Any:
        return states if self._kind == "lstm" else states[0]


class RNNBase(_Shared):
    """What RNN, GRU and LSTM share. Its options are theirs."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int,
        seed: Seed,
        device: DeviceLike,
    ):
        name = type(self).__name__
        self.input_size = size(input_size, f"{name}: input_size")
        self.hidden_size = size(hidden_size, f"{name}: hidden_size")
        self.num_layers = size(num_layers, f"{name}: num_layers")
        self.bias = checked_flag(bias, name, "bias")
        self.batch_first = checked_flag(batch_first, name, "batch_first")
        self.dropout = check_share(dropout, name, "dropout")
        self.bidirectional = checked_flag(bidirectional, name, "bidirectional")
        self.proj_size = count(proj_size, name, "proj_size")
        if self.proj_size >= self.hidden_size:
            raise ArgumentError(
                f"{name}: proj_size={proj_size} came, and less than hidden_size={hidden_size} is "
                "needed"
            )
        make = Uniform(self.hidden_size, seed, device)
        rows = _GATES[self._kind] * self.hidden_size
        out = self.proj_size or self.hidden_size
        for layer in range(self.num_layers):
            features = self.input_size if not layer else out * self._directions
            for suffix in self._suffixes(layer):
                setattr(self, f"weight_ih{suffix}", make(rows, features))
                setattr(self, f"weight_hh{suffix}", make(rows, out))
                if self.bias:
                    setattr(self, f"bias_ih{suffix}", make(rows))
                    setattr(self, f"bias_hh{suffix}", make(rows))
                if self.proj_size:
                    setattr(self, f"weight_hr{suffix}", make(self.proj_size, self.hidden_size))

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"][: self._directions]

    def _weights(self, suffix: str) -> Weights:
        return Weights(
            getattr(self, f"weight_ih{suffix}"),
            getattr(self, f"weight_hh{suffix}"),
            getattr(self, f"bias_ih{suffix}") if self.bias else None,
            getattr(self, f"bias_hh{suffix}") if self.bias else None,
            getattr(self, f"weight_hr{suffix}") if self.proj_size else None,
        )

    def forward(self, input: Any, hx: Any = None) -> tuple[Tensor, Any]:
        """Return (output, state): the outputs of all times, and the last state of each layer."""
        name = type(self).__name__
        weights = [[self._weights(s) for s in self._suffixes(i)] for i in range(self.num_layers)]
        x = as_tensor(input, name, weights[0][0].input)
        if len(x.shape) not in (2, 3) or x.shape[-1] != self.input_size:
            raise ShapeError(
                f"{name}: an input of shape {x.shape} came, and 2 or 3 axes are needed, the last "
                f"of {self.input_size}"
            )
        batched = len(x.shape) == 3
        x = x if batched else reshape(x, (x.shape[0], 1, self.input_size))
        if batched and self.batch_first:
            x = transpose(x, 0, 1)
        steps, n, _ = x.shape
        if not steps:
            raise ShapeError(f"{name}: a sequence of no steps came, and at least one is needed")
        lead = self.num_layers * self._directions
        lasts = [self.proj_size or self.hidden_size, self.hidden_size][: len(self._parts)]
        shapes: list[Shape] = [(lead, n, m) if batched else (lead, m) for m in lasts]
        states: State | None = None
        if hx is not None:
            given = zip(self._states(hx, shapes, x), lasts, strict=True)
            states = tuple(reshape(s, (lead, n, last)) for s, last in given)
        finals: list[State] = []
        for i, own in enumerate(weights):
            if i and self.dropout and self.training:
                x = dropout(x, self.dropout)
            places = slice(i * self._directions, (i + 1) * self._directions)
            first = None if states is None else tuple(s[places] for s in states)
            last, x = recurrent_layer(self._kind, own, self.nonlinearity, first, x)
            finals.append(last)
        ends = tuple(concat(parts, 0) for parts in zip(*finals, strict=True))
        if not batched:
            return x[:, 0], self._result(tuple(s[:, 0] for s in ends))
        return transpose(x, 0, 1) if self.batch_first else x, self._result(ends)

    @property
    def _parts(self) -> str:
        return "hc" if self._kind == "lstm" else "h"

    def extra_repr(self) -> str:
        usual = {
            "num_layers": 1, "nonlinearity": "tanh", "bias": True, "batch_first": False,
            "dropout": 0.0, "bidirectional": False, "proj_size": 0,
        }  # fmt: skip
        parts = [f"{self.input_size}, {self.hidden_size}"]
        parts += [f"{k}={getattr(self, k)!r}" for k, v in usual.items() if getattr(self, k) != v]
        return ", ".join(parts)


class RNN(RNNBase):
    """A recurrent network: h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), over a sequence.

    Layers are stacked, each on the outputs of the one below, of which `dropout` drops a share in
    training; `bidirectional` has a second network from the end to the start beside each, whose
    outputs come after the first one's. nonlinearity="relu" takes relu for tanh.

    Shapes: input (time, n, input_size), or (n, time, input_size) with batch_first, or without n;
    hx (layers * directions, n, hidden_size), zeros unless given -> output (time, n, directions *
    hidden_size), its axes as the input's, and the last state, of hx's shape.
    weight_ih_l0 (hidden_size, input_size), weight_hh_l0 (hidden_size, hidden_size), bias_ih_l0 and
    bias_hh_l0 (hidden_size,); those of layer k end in _lk, backwards in _lk_reverse. All start
    uniform in (-b, b) with b = 1 / sqrt(hidden_size); `seed` as in Linear.
    The input's product is one matrix product for all times.

    Raises: ArgumentError; in the call, ShapeError.
    Source: Elman, "Finding structure in time" (Cognitive Science 1990).

    >>> out, h = wg.nn.RNN(3, 8, batch_first=True)(wg.ones(2, 5, 3))
    >>> out.shape, h.shape
    ((2, 5, 8), (1, 2, 8))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: DeviceLike = None,
        *,
        seed: Seed = None,
    ):
        self.nonlinearity = checked_choice(nonlinearity, ("tanh", "relu"), "RNN", "nonlinearity")
        how = num_layers, bias, batch_first, dropout, bidirectional, 0, seed, device
        super().__init__(input_size, hidden_size, *how)


class GRU(RNNBase):
    """A gated recurrent network over a sequence.

    r = sigmoid(W_ir x + b_ir + W_hr h + b_hr), z likewise, n = tanh(W_in x + b_in + r * (W_hn h +
    b_hn)) and h' = (1 - z) * n + z * h. The rows of the weights are those of r, z and n, one after
    the other: weight_ih_l0 (3 * hidden_size, input_size). Shapes and all else are as in RNN.

    Raises: ArgumentError; in the call, ShapeError.
    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder" (EMNLP 2014).

    >>> out, h = wg.nn.GRU(3, 8, num_layers=2)(wg.ones(5, 2, 3))  # 5 times, 2 sequences
    >>> out.shape, h.shape
    ((5, 2, 8), (2, 2, 8))
    """

    _kind = "gru"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: DeviceLike = None,
        *,
        seed: Seed = None,
    ):
        how = num_layers, bias, batch_first, dropout, bidirectional, 0, seed, device
        super().__init__(input_size, hidden_size, *how)


class LSTM(RNNBase):
    """Long short-term memory: a recurrent network whose cell c is kept by gates, over a sequence.

    With i, f, o = sigmoid and g = tanh of W_i x + b_i + W_h h + b_h, each by its own rows: c' = f *
    c + i * g and h' = o * tanh(c'). The rows of the weights are those of i, f, g and o, one after
    the other: weight_ih_l0 (4 * hidden_size, input_size). With `proj_size` it is h' = W_hr (o *
    tanh(c')), and outputs and h have that size: weight_hr_l0 (proj_size, hidden_size).
    The state hx is a pair (h, c), and so is the one returned. Shapes and all else are as in RNN.

    Raises: ArgumentError; in the call, ShapeError.
    Source: Hochreiter and Schmidhuber, "Long short-term memory" (Neural Computation 1997).

    >>> out, (h, c) = wg.nn.LSTM(3, 8, bidirectional=True)(wg.ones(5, 2, 3))
    >>> out.shape, h.shape, c.shape
    ((5, 2, 16), (2, 2, 8), (2, 2, 8))
    """

    _kind = "lstm"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: DeviceLike = None,
        *,
        seed: Seed = None,
    ):
        how = num_layers, bias, batch_first, dropout, bidirectional, proj_size, seed, device
        super().__init__(input_size, hidden_size, *how)


class _Cell(_Shared):
    """What the cells share."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, seed: Seed, device: DeviceLike
    ):
        name = type(self).__name__
        self.input_size = size(input_size, f"{name}: input_size")
        self.hidden_size = size(hidden_size, f"{name}: hidden_size")
        self.bias = checked_flag(bias, name, "bias")
        make = Uniform(self.hidden_size, seed, device)
        rows = _GATES[self._kind] * self.hidden_size
        self.weight_ih = make(rows, self.input_size)
        self.weight_hh = make(rows, self.hidden_size)
        self.bias_ih = make(rows) if self.bias else None
        self.bias_hh = make(rows) if self.bias else None

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Return the state after one step."""
        name = type(self).__name__
        weights = Weights(self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        x = as_tensor(input, name, weights.input)
        if len(x.shape) not in (1, 2) or x.shape[-1] != self.input_size:
            raise ShapeError(
                f"{name}: an input of shape {x.shape} came, and 1 or 2 axes are needed, the last "
                f"of {self.input_size}"
            )
        lead, n = x.shape[:-1], x.shape[0] if len(x.shape) == 2 else 1
        shapes = [(*lead, self.hidden_size)] * (2 if self._kind == "lstm" else 1)
        states = self._states(hx, shapes, x)
        states = tuple(reshape(s, (n, self.hidden_size)) for s in states)
        product = linear(reshape(x, (n, self.input_size)), weights.input, weights.input_bias)
        states, _ = step_of(self._kind, weights, self.nonlinearity)(states, product)
        return self._result(tuple(reshape(s, (*lead, self.hidden_size)) for s in states))

    def extra_repr(self) -> str:
        other = f", nonlinearity={self.nonlinearity!r}" * (self.nonlinearity != "tanh")
        return f"{self.input_size}, {self.hidden_size}{', bias=False' * (not self.bias)}{other}"


class RNNCell(_Cell):
    """One step of RNN: the state after an input and the state before, zeros unless given.

    Shapes: input (n, input_size) and hx (n, hidden_size), or both without n -> as hx. Its tensors
    are weight_ih, weight_hh, bias_ih and bias_hh, as RNN's of one layer, and start as they do.
    Raises: ArgumentError; in the call, ShapeError.

    >>> cell, h = wg.nn.RNNCell(3, 8), None
    >>> for x in wg.ones(5, 2, 3):
    ...     h = cell(x, h)
    >>> h.shape
    (2, 8)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: DeviceLike = None,
        *,
        seed: Seed = None,
    ):
        self.nonlinearity = checked_choice(
            nonlinearity, ("tanh", "relu"), "RNNCell", "nonlinearity"
        )
        super().__init__(input_size, hidden_size, bias, seed, device)


class GRUCell(_Cell):
    """One step of GRU; the rest is as in RNNCell.

    Shapes: input (n, input_size) and hx (n, hidden_size), or both without n -> as hx.

    >>> cell, h = wg.nn.GRUCell(3, 8), None
    >>> for x in wg.ones(5, 2, 3):
    ...     h = cell(x, h)
    >>> h.shape
    (2, 8)
    """

    _kind = "gru"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: DeviceLike = None,
        *,
        seed: Seed = None,
    ):
        super().__init__(input_size, hidden_size, bias, seed, device)


class LSTMCell(_Cell):
    """One step of LSTM: takes and returns a pair (h, c); the rest is as in RNNCell.

    Shapes: input (n, input_size), h and c (n, hidden_size), or all without n -> two as h.

    >>> cell, state = wg.nn.LSTMCell(3, 8), None
    >>> for x in wg.ones(5, 2, 3):
    ...     state = cell(x, state)
    >>> state[0].shape, state[1].shape
    ((2, 8), (2, 8))
    """

    _kind = "lstm"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: DeviceLike = None,
        *,
        seed: Seed = None,
    ):
        super().__init__(input_size, hidden_size, bias, seed, device)
