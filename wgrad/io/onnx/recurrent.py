"""LSTM, GRU and RNN, both ways: a recurrent layer as one operator, and the operators as loops.

Their gates lie in an order of their own: i, o, f, c in an LSTM and z, r, h in a GRU, where layers
here have i, f, g, o and r, z, n.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core import Tensor
from ...creation import zeros
from ...functional.linalg import linear
from ...layout import Shape
from ...ops import elementwise as ew
from ...shaping import split, stack, transpose
from ...transforms.scan import scan
from .building import Graph
from .operators import Operator
from .recording import Part

_OPERATORS = {"rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}
_ORDER = {"rnn": (0,), "gru": (1, 0, 2), "lstm": (0, 3, 1, 2)}  # of our gates in an operator
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": ew.tanh,
    "sigmoid": ew.sigmoid,
    "relu": ew.relu,
}
_USUAL = {"RNN": ("tanh",), "GRU": ("sigmoid", "tanh"), "LSTM": ("sigmoid", "tanh", "tanh")}
_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
_DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}


# Written: what recurrent_layer of nn is called with, and its results by their names in it.
ARGUMENTS = ("kind", "weights", "nonlinearity", "state", "x")
RESULTS = ("out", "last")


def written(g: Graph, part: Part) -> tuple[str, ...] | None:
    """Write a layer as one operator; return the names of its outputs and of its last states."""
    kind, weights, how, state, x = (part.arguments[n] for n in ARGUMENTS)
    used = [t for own in weights for t in own if t is not None]
    kinds = {t.dtype for t in (x, *used, *(state or ()))}
    if len(kinds) > 1 or not x.dtype.is_floating or weights[0].projection is not None:
        return None
    hidden, many = weights[0].hidden.shape[1], len(weights)
    rows = np.concatenate([np.arange(hidden) + i * hidden for i in _ORDER[kind]])

    def both(made: list[str]) -> str:
        return made[0] if many == 1 else g.node("Concat", *made, axis=0)

    def chosen(names: list[str], rows: np.ndarray) -> str:
        index = g.constant(rows[None].astype(np.int64))  # with an axis for the directions in front
        return both([g.node("Gather", name, index, axis=0) for name in names])

    bias = None
    if weights[0].input_bias is not None:
        sums = [
            g.node("Concat", *(g.of(b) for b in (own.input_bias, own.hidden_bias)), axis=0)
            for own in weights
        ]
        bias = chosen(sums, np.concatenate([rows, rows + len(rows)]))
    attributes: dict[str, Any] = {
        "hidden_size": hidden,
        "direction": "forward" if many == 1 else "bidirectional",
    }
    if kind == "gru":
        attributes["linear_before_reset"] = 1
    if kind == "rnn":
        attributes["activations"] = [how.capitalize()] * many
    out, *last = g.several(
        _OPERATORS[kind],
        3 if kind == "lstm" else 2,
        g.of(x),
        chosen([g.of(own.input) for own in weights], rows),
        chosen([g.of(own.hidden) for own in weights], rows),
        bias,
        None,
        *(g.of(s) for s in state or ()),
        **attributes,
    )
    if many == 1:
        return g.node("Squeeze", out, g.integers(1)), *last
    beside = g.node("Transpose", out, perm=[0, 2, 1, 3])
    return g.node("Reshape", beside, g.integers(0, 0, -1)), *last


def written_again(g: Graph, part: Part) -> tuple[str, ...] | None:
    """Write an operator that was read, with the attributes that it had."""
    node, *inputs = (part.arguments[n] for n in INPUTS)
    names = [
        None if x is None else g.of(x) if isinstance(x, Tensor) else g.constant(x) for x in inputs
    ]
    return tuple(g.several(node.op, 3 if node.op == "LSTM" else 2, *names, **node.attributes))


# Read: what an operator has, by the names of the arguments below.
INPUTS = ("node", "x", "w", "r", "b", "lengths", "h", "c", "peepholes")


def recurrent_operator(
    node: Operator,
    x: Any,
    w: Any,
    r: Any,
    b: Any = None,
    lengths: Any = None,
    h: Any = None,
    c: Any = None,
    peepholes: Any = None,
) -> tuple[Tensor, ...]:
    """Return all outputs, the last h, and of an LSTM the last c."""
    rows, count = node.tensor(x), _GATES[node.op]
    first = bool(node.get("layout", 0))  # whether the batch is the first axis
    rows = transpose(rows, 0, 1) if first else rows
    directions = _DIRECTIONS.get(node.get("direction", "forward"), ())
    w, r = node.tensor(w), node.tensor(r)
    shapes = rows.shape, w.shape, r.shape
    if not directions or any(len(s) != 3 for s in shapes):
        node.refuse(f"shapes {shapes} came for X, W and R, in direction {node.get('direction')}")
    (time, n, _), many, hidden = rows.shape, len(directions), r.shape[2]
    if lengths is not None:
        known = lengths.numpy() if isinstance(lengths, Tensor) else np.asarray(lengths)
        if known.shape != (n,) or (known != time).any():
            node.refuse("sequences of several lengths came, which are not read")
    if node.get("clip") or node.get("input_forget"):
        node.refuse("clipped gates, and those that share a gate, are not read")
    needed: dict[str, tuple[Any, Shape]] = {
        "W": (w, (many, count * hidden, rows.shape[2])),
        "R": (r, (many, count * hidden, hidden)),
    }
    state = []
    for label, given in (("initial_h", h), ("initial_c", c))[: 1 + (node.op == "LSTM")]:
        if given is None:
            state.append(zeros((many, n, hidden), dtype=rows.dtype, device=rows.device))
            continue
        made = node.tensor(given)
        state.append(transpose(made, 0, 1) if first else made)
        needed[label] = state[-1], (many, n, hidden)
    if b is not None:
        needed["B"] = node.tensor(b), (many, 2 * count * hidden)
    if peepholes is not None:
        needed["P"] = node.tensor(peepholes), (many, 3 * hidden)
    for label, (tensor, shape) in needed.items():
        if tensor.shape != shape:
            node.refuse(f"{label} of shape {tensor.shape} came, and {shape} is needed")
    acts = _activations(node, many)
    bias, peep = (needed[k][0] if k in needed else None for k in ("B", "P"))
    outs, lasts = [], []
    for i, backwards in enumerate(directions):
        inputs, hiddens = (None, None) if bias is None else split(bias[i], 2)
        step = _STEPS[node.op](
            node, r[i], hiddens, acts[i], None if peep is None else split(peep[i], 3)
        )
        last, out = scan(
            step, tuple(s[i] for s in state), linear(rows, w[i], inputs), reverse=backwards
        )
        outs.append(out)
        lasts.append(last)
    # As in recurrent_layer: a graph asks for both by their names.
    last = tuple(stack(parts, int(first)) for parts in zip(*lasts, strict=True))
    out = stack([transpose(x, 0, 1) for x in outs], 2) if first else stack(outs, 1)
    return out, *last


def _activations(node: Operator, many: int) -> list[tuple[Callable[[Tensor], Tensor], ...]]:
    """Return the activations of each direction."""
    usual = _USUAL[node.op]
    given = [str(name).lower() for name in node.get("activations") or usual * many]
    parameters = node.get("activation_alpha") or node.get("activation_beta")
    if len(given) != len(usual) * many or parameters or not _ACTIVATIONS.keys() >= set(given):
        node.refuse(
            f"the activations {given} came; {len(usual)} for each direction are needed, of "
            f"{', '.join(_ACTIVATIONS)}, which take no numbers"
        )
    each = [_ACTIVATIONS[name] for name in given]
    return [tuple(each[i * len(usual) : (i + 1) * len(usual)]) for i in range(many)]


def _rnn(node: Operator, r: Tensor, bias: Any, acts: tuple, peep: Any) -> Callable:
    def step(state: Any, x: Tensor) -> Any:
        h = acts[0](x + linear(state[0], r, bias))
        return (h,), h

    return step


def _gru(node: Operator, r: Tensor, bias: Any, acts: tuple, peep: Any) -> Callable:
    f, g = acts
    after = node.get("linear_before_reset", 0)  # of the product or of h: what is reset
    n = 2 * r.shape[1]

    def step(state: Any, x: Tensor) -> Any:
        (h,) = state
        (xz, xr, xh) = split(x, 3, -1)
        (hz, hr) = split(linear(h, r[:n], None if bias is None else bias[:n]), 2, -1)
        z, reset, own = f(xz + hz), f(xr + hr), None if bias is None else bias[n:]
        inner = reset * linear(h, r[n:], own) if after else linear(reset * h, r[n:], own)
        h = (1 - z) * g(xh + inner) + z * h
        return (h,), h

    return step


def _lstm(node: Operator, r: Tensor, bias: Any, acts: tuple, peep: Any) -> Callable:
    f, g, last = acts

    def step(state: Any, x: Tensor) -> Any:
        h, c = state
        i, o, forget, new = split(x + linear(h, r, bias), 4, -1)
        if peep is not None:  # their order is that of the gates
            i, forget = i + peep[0] * c, forget + peep[2] * c
        c = f(forget) * c + f(i) * g(new)
        h = f(o if peep is None else o + peep[1] * c) * last(c)
        return (h, c), h

    return step


_STEPS = {"RNN": _rnn, "GRU": _gru, "LSTM": _lstm}
