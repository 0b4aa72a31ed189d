"""What each operator of ONNX is in wgrad: the other side of operations.py and functions.py.

A row gets the node and its inputs (tensors, NumPy arrays for what is known beforehand, None for
what is left out) and returns what the operator gives. Shapes and axes are arrays of integers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import dtypes
from ...backends.base import Device
from ...creation import tensor
from ...dtypes import DType
from ...errors import FileError, shown
from ...functional import reductions
from ...functional.activation import elu, gelu, softsign
from ...functional.arithmetic import pow as power
from ...functional.linalg import matmul
from ...functional.softmax import log_softmax, logsumexp, softmax
from ...ops import elementwise as ew
from ...shaping import (
    reshape,
)
from ...tensor import Tensor

MOST = 1 << 26  # elements of a result that a file alone asks for

# By the number of TensorProto.DataType. Integers of 64 bits are int32 on devices.
TYPES: dict[int, DType] = {
    1: dtypes.float32,
    2: dtypes.uint32,
    3: dtypes.int32,
    4: dtypes.uint32,
    5: dtypes.int32,
    6: dtypes.int32,
    7: dtypes.int32,
    9: dtypes.bool_,
    10: dtypes.float16,
    11: dtypes.float64,
    12: dtypes.uint32,
    13: dtypes.uint32,
    16: dtypes.float32,
}


@dataclass(eq=False)
class Operator:
    """A node of a graph: what it does, with which attributes, and how it is called in messages."""

    op: str
    label: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    opset: int
    device: Device

    def get(self, name: str, usual: Any = None) -> Any:
        """Return an attribute."""
        return self.attributes.get(name, usual)

    def refuse(self, what: str) -> Any:
        """Raise FileError about this node."""
        raise FileError(f"{self.label}: {what}")

    def tensor(self, x: Any) -> Any:
        """Return an input as a tensor."""
        return x if isinstance(x, Tensor) else tensor(np.asarray(x), device=self.device)

    def integers(self, x: Any) -> list[int]:
        """Return an input that holds sizes or axes."""
        found = x.numpy() if isinstance(x, Tensor) else np.asarray(x)
        if found.dtype.kind not in "iu" or found.ndim > 1 or found.size > 64:
            self.refuse(f"{shown(found)} came for sizes, and a few integers are needed")
        return [int(n) for n in found.reshape(-1)]

    def number(self, x: Any) -> Any:
        """Return an input that holds one number."""
        found = x.numpy() if isinstance(x, Tensor) else np.asarray(x)
        if found.size != 1:
            self.refuse(f"{found.size} elements came, and one number is needed")
        return found.reshape(-1)[0].item()

    def axes(self, given: Any, rank: int, name: str = "axes") -> tuple[int, ...] | None:
        """Return axes that are an input, or were an attribute before; None for all of them."""
        listed = self.get(name) if given is None else self.integers(given)
        return None if listed is None else tuple(int(a) % rank if rank else 0 for a in listed)

    def bounded(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return a shape that a file asks for, unless it is huge."""
        if any(n < 0 for n in shape) or math.prod(shape) > MOST:
            self.refuse(
                f"shape {shown(tuple(shape))} is asked for, and at most {MOST} elements are made"
            )
        return tuple(shape)


Row = Callable[..., Any]


def plain(function: Callable[..., Any]) -> Row:
    """A function of tensors alone."""
    return lambda node, *inputs: function(*map(node.tensor, inputs))


def folded(function: Callable[[Any, Any], Any]) -> Row:
    """A function of two tensors, for any number of them."""

    def row(node: Operator, first: Any, *others: Any) -> Any:
        out = node.tensor(first)
        for x in others:
            out = function(out, node.tensor(x))
        return out

    return row


def _divide(node: Operator, a: Any, b: Any) -> Any:
    x, y = node.tensor(a), node.tensor(b)
    if x.dtype.is_floating:
        return x / y
    exact = ew.trunc(x.astype(dtypes.float32) / y.astype(dtypes.float32))
    return exact.astype(x.dtype)


def _mod(node: Operator, a: Any, b: Any) -> Any:
    x, y = node.tensor(a), node.tensor(b)
    if node.get("fmod", 0):
        return x - ew.trunc(x / y) * y
    return ew.remainder(x, y)


def _clip(node: Operator, x: Any, low: Any = None, high: Any = None) -> Any:
    out = node.tensor(x)
    low = node.get("min") if low is None else low
    high = node.get("max") if high is None else high
    out = out if low is None else ew.maximum(out, node.number(low))
    return out if high is None else ew.minimum(out, node.number(high))


def _elu(node: Operator, x: Any) -> Any:
    return elu(node.tensor(x), float(node.get("alpha", 1.0)))


def _selu(node: Operator, x: Any) -> Any:
    alpha = node.get("alpha", 1.67326319217681884765625)
    return ew.elu(node.tensor(x), alpha, node.get("gamma", 1.05070102214813232421875), 1.0)


def _gemm(node: Operator, a: Any, b: Any, c: Any = None) -> Any:
    x, y = node.tensor(a), node.tensor(b)
    x = x.T if node.get("transA", 0) else x
    y = y.T if node.get("transB", 0) else y
    out = matmul(x, y)
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    out = out if alpha == 1 else out * alpha
    if c is None or not beta:
        return out
    return out + (node.tensor(c) if beta == 1 else node.tensor(c) * beta)


# What adds up.
def _reduced(function: Callable[..., Any]) -> Row:
    def row(node: Operator, x: Any, axes: Any = None) -> Any:
        out = node.tensor(x)
        chosen = node.axes(axes, len(out.shape))
        if not chosen:
            if node.get("noop_with_empty_axes", 0):
                return out
            chosen = tuple(range(len(out.shape)))
        return function(out, axis=chosen, keepdims=bool(node.get("keepdims", 1)))

    return row


def _l1(x: Any, axis: Any, keepdims: bool) -> Any:
    return reductions.sum(ew.abs_(x), axis, keepdims)


def _squares(x: Any, axis: Any, keepdims: bool) -> Any:
    return reductions.sum(ew.square(x), axis, keepdims)


def _l2(x: Any, axis: Any, keepdims: bool) -> Any:
    return ew.sqrt(_squares(x, axis, keepdims))


def _softmax(function: Callable[..., Any]) -> Row:
    def row(node: Operator, x: Any) -> Any:
        out = node.tensor(x)
        if node.opset >= 13:
            return function(out, axis=int(node.get("axis", -1)))
        at = int(node.get("axis", 1)) % max(len(out.shape), 1)
        rows = (math.prod(out.shape[:at]), math.prod(out.shape[at:]))
        return reshape(function(reshape(out, rows), axis=1), out.shape)

    return row


def _dropout(node: Operator, x: Any, ratio: Any = None, training: Any = None) -> Any:
    if training is not None and node.number(training):
        node.refuse("dropout in training mode would drop the same in every run")
    return node.tensor(x)


def _gelu(node: Operator, x: Any) -> Any:
    return gelu(node.tensor(x), node.get("approximate", "none"))


def _prelu(node: Operator, x: Any, slope: Any) -> Any:
    return ew.leaky_relu(node.tensor(x), node.tensor(slope))


ROWS: dict[str, Row] = {
    **{
        f.capitalize(): plain(getattr(ew, f)) for f in ("sin", "cos", "tan", "asin", "acos", "atan")
    },
    **{f.capitalize(): plain(getattr(ew, f)) for f in ("sinh", "cosh", "asinh", "acosh", "atanh")},
    **{
        f.capitalize(): plain(getattr(ew, f))
        for f in ("exp", "log", "sqrt", "erf", "floor", "ceil")
    },
    **{
        f.capitalize(): plain(getattr(ew, f))
        for f in ("tanh", "sigmoid", "relu", "reciprocal", "sign")
    },
    "Identity": lambda node, x: x,
    "Abs": plain(ew.abs_),
    "Neg": plain(ew.negative),
    "Round": plain(ew.round_),
    "Not": plain(ew.logical_not),
    "IsNaN": plain(ew.isnan),
    "IsInf": plain(ew.isinf),
    "Add": plain(ew.add),
    "Sub": plain(ew.subtract),
    "Mul": plain(ew.multiply),
    "Div": _divide,
    "Mod": _mod,
    "Pow": plain(power),
    "Equal": plain(ew.equal),
    "Less": plain(ew.less),
    "LessOrEqual": plain(ew.less_equal),
    "Greater": plain(ew.greater),
    "GreaterOrEqual": plain(ew.greater_equal),
    "And": plain(ew.logical_and),
    "Or": plain(ew.logical_or),
    "Xor": plain(ew.logical_xor),
    "BitwiseAnd": plain(ew.bitwise_and),
    "BitwiseOr": plain(ew.bitwise_or),
    "BitwiseXor": plain(ew.bitwise_xor),
    "BitwiseNot": plain(ew.bitwise_invert),
    "Where": plain(ew.where),
    "Max": folded(ew.maximum),
    "Min": folded(ew.minimum),
    "Sum": folded(ew.add),
    "Clip": _clip,
    "LeakyRelu": lambda node, x: ew.leaky_relu(node.tensor(x), float(node.get("alpha", 0.01))),
    "PRelu": _prelu,
    "Elu": _elu,
    "Selu": _selu,
    "Celu": lambda node, x: ew.elu(
        node.tensor(x), node.get("alpha", 1.0), 1.0, 1 / node.get("alpha", 1.0)
    ),
    "Softplus": lambda node, x: ew.softplus(node.tensor(x), 1.0, 20.0),
    "Softsign": plain(softsign),
    "Gelu": _gelu,
    "Mish": plain(ew.mish),
    "HardSwish": plain(ew.hardswish),
    "HardSigmoid": lambda node, x: ew.clamp(
        node.tensor(x) * node.get("alpha", 0.2) + node.get("beta", 0.5), 0.0, 1.0
    ),
    "Softmax": _softmax(softmax),
    "LogSoftmax": _softmax(log_softmax),
    "Dropout": _dropout,
    "MatMul": plain(matmul),
    "Gemm": _gemm,
    "ReduceSum": _reduced(reductions.sum),
    "ReduceMean": _reduced(reductions.mean),
    "ReduceMax": _reduced(reductions.max),
    "ReduceMin": _reduced(reductions.min),
    "ReduceProd": _reduced(reductions.prod),
    "ReduceL1": _reduced(_l1),
    "ReduceL2": _reduced(_l2),
    "ReduceSumSquare": _reduced(_squares),
    "ReduceLogSumExp": _reduced(logsumexp),
}
