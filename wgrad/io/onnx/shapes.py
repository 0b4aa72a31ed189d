"""What the operators of shapes, places and constants are in wgrad."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import dtypes
from ...creation import full
from ...dtypes import DType
from ...errors import shown
from ...functional import reductions
from ...functional.einsum import einsum
from ...functional.scans import cumulative_sum
from ...indexing import take, take_along_axis
from ...ops import elementwise as ew
from ...shaping import (
    broadcast_to,
    concat,
    expand_dims,
    flip,
    pad,
    permute_dims,
    reshape,
    split,
    squeeze,
    tile,
    tril,
    triu,
)
from ...tensor import Tensor
from .operators import MOST, TYPES, Operator, Row


# Shapes.
def _reshape(node: Operator, x: Any, shape: Any = None) -> Any:
    out, sizes = node.tensor(x), list(node.get("shape") or node.integers(shape))
    if not node.get("allowzero", 0):
        if any(not n and i >= len(out.shape) for i, n in enumerate(sizes)):
            node.refuse(f"shape {shown(tuple(sizes))} came for {out.shape}")
        sizes = [out.shape[i] if n == 0 else n for i, n in enumerate(sizes)]
    return reshape(out, tuple(sizes))


def _flatten(node: Operator, x: Any) -> Any:
    out = node.tensor(x)
    at = node.get("axis", 1)
    at = at + len(out.shape) if at < 0 else at
    return reshape(out, (math.prod(out.shape[:at]), math.prod(out.shape[at:])))


def _unsqueeze(node: Operator, x: Any, axes: Any = None) -> Any:
    out = node.tensor(x)
    listed = node.get("axes") if axes is None else node.integers(axes)
    for axis in sorted(a % (len(out.shape) + len(listed)) for a in listed):
        out = expand_dims(out, axis)
    return out


def _squeeze(node: Operator, x: Any, axes: Any = None) -> Any:
    out = node.tensor(x)
    chosen = node.axes(axes, len(out.shape))
    return squeeze(
        out, tuple(i for i, n in enumerate(out.shape) if n == 1) if chosen is None else chosen
    )


def _transpose(node: Operator, x: Any) -> Any:
    out = node.tensor(x)
    return permute_dims(out, tuple(node.get("perm") or reversed(range(len(out.shape)))))


def _expand(node: Operator, x: Any, shape: Any) -> Any:
    out = node.tensor(x)
    sizes = np.broadcast_shapes(out.shape, node.bounded(node.integers(shape)))
    return broadcast_to(out, node.bounded(sizes))


def _concat(node: Operator, *inputs: Any) -> Any:
    return concat([node.tensor(x) for x in inputs], axis=int(node.get("axis", 0)))


def _split(node: Operator, x: Any, sizes: Any = None) -> Any:
    out, axis = node.tensor(x), int(node.get("axis", 0))
    listed = node.get("split") if sizes is None else node.integers(sizes)
    extent = out.shape[axis]
    if listed is None:
        each = -(-extent // len(node.outputs))
        listed = [each] * (len(node.outputs) - 1)
        listed.append(extent - each * len(listed))
    if sum(listed) != extent or min(listed) < 0:
        node.refuse(f"parts of {shown(listed)} came for an axis of {extent}")
    return split(out, [int(n) for n in np.cumsum(listed[:-1])], axis)


def _slice(node: Operator, x: Any, starts: Any = None, ends: Any = None, *rest: Any) -> Any:
    out = node.tensor(x)
    begin = node.get("starts") if starts is None else node.integers(starts)
    end = node.get("ends") if ends is None else node.integers(ends)
    axes = rest[0] if rest and rest[0] is not None else node.get("axes", range(len(begin)))
    listed = node.integers(axes if isinstance(axes, Tensor) else np.asarray(axes))
    steps = node.integers(rest[1]) if len(rest) > 1 and rest[1] is not None else [1] * len(begin)
    if not len(begin) == len(end) == len(listed) == len(steps) or 0 in steps:
        node.refuse("starts, ends, axes and steps are of several lengths, or a step is 0")
    keys: list[Any] = [slice(None)] * len(out.shape)
    for b, e, axis, step in zip(begin, end, listed, steps, strict=True):
        n = out.shape[axis]
        e = e + n if -n <= e < 0 else e
        keys[axis] = slice(b, None if step < 0 and e < 0 else e, step)
    return out[tuple(keys)]


def _pad(node: Operator, x: Any, pads: Any = None, value: Any = None, axes: Any = None) -> Any:
    out = node.tensor(x)
    widths = node.get("pads") if pads is None else node.integers(pads)
    listed = list(range(len(out.shape))) if axes is None else node.axes(axes, len(out.shape))
    mode = node.get("mode", "constant")
    assert listed is not None
    if mode not in ("constant", "reflect", "edge", "wrap") or len(widths) != 2 * len(listed):
        node.refuse(f"pads {shown(widths)} in mode {shown(mode)} came")
    pairs = [(0, 0)] * len(out.shape)
    for i, axis in enumerate(listed):
        pairs[axis] = widths[i], widths[len(listed) + i]
    cut = tuple(
        slice(-min(b, 0), n + min(a, 0)) for n, (b, a) in zip(out.shape, pairs, strict=True)
    )
    around = node.get("value", 0) if value is None else node.number(value)
    more = [(max(b, 0), max(a, 0)) for b, a in pairs]
    node.bounded([n + b + a for n, (b, a) in zip(out.shape, more, strict=True)])
    out = pad(out, more, mode, around) if any(map(any, more)) else out
    return out if all(b >= 0 and a >= 0 for b, a in pairs) else out[cut]


def _tile(node: Operator, x: Any, repeats: Any) -> Any:
    out, times = node.tensor(x), node.integers(repeats)
    node.bounded([n * t for n, t in zip(out.shape, times, strict=False)])
    return tile(out, tuple(times))


def _cast(node: Operator, x: Any) -> Any:
    return node.tensor(x).astype(_known_type(node, node.get("to")))


def _known_type(node: Operator, number: Any) -> DType:
    if number not in TYPES:
        node.refuse(f"elements of type {shown(number)} are needed, which wgrad has not")
    chosen = TYPES[number]
    return chosen if chosen in node.device.dtypes else dtypes.float32


def _constant_of_shape(node: Operator, shape: Any) -> Any:
    value = node.get("value", np.zeros(1, np.float32))
    return full(
        node.bounded(node.integers(shape)), node.number(value), _own(value), device=node.device
    )


def _own(value: Any) -> DType:
    return dtypes.infer(np.asarray(value))


def _range(node: Operator, *ends: Any) -> Any:
    start, stop, step = map(node.number, ends)
    if not step or abs((stop - start) / step) > MOST:
        node.refuse(f"numbers from {start} to {stop} in steps of {step} came")
    return np.arange(start, stop, step)


def _trilu(node: Operator, x: Any, k: Any = None) -> Any:
    part = triu if node.get("upper", 1) else tril
    return part(node.tensor(x), 0 if k is None else int(node.number(k)))


def _einsum(node: Operator, *inputs: Any) -> Any:
    return einsum(str(node.get("equation")), *map(node.tensor, inputs))


# Indices.
def _gather(node: Operator, x: Any, index: Any) -> Any:
    return take(node.tensor(x), node.tensor(index), axis=int(node.get("axis", 0)))


def _gather_elements(node: Operator, x: Any, index: Any) -> Any:
    return take_along_axis(node.tensor(x), node.tensor(index), axis=int(node.get("axis", 0)))


def _one_hot(node: Operator, labels: Any, depth: Any, values: Any) -> Any:
    off, on = np.asarray(values.numpy() if isinstance(values, Tensor) else values).tolist()
    count = node.number(depth)
    axis = node.get("axis", -1)
    index = expand_dims(node.tensor(labels), axis)
    places = np.arange(count).reshape(-1, *(1,) * (len(index.shape) - 1 - axis % len(index.shape)))
    return ew.where(ew.equal(index, node.tensor(places)), float(on), float(off))


def _arg(function: Callable[..., Any]) -> Row:
    def row(node: Operator, x: Any) -> Any:
        out, axis = node.tensor(x), int(node.get("axis", 0))
        kept = bool(node.get("keepdims", 1))
        if not node.get("select_last_index", 0):
            return function(out, axis=axis, keepdims=kept)
        return out.shape[axis] - 1 - function(flip(out, axis), axis=axis, keepdims=kept)

    return row


def _cumsum(node: Operator, x: Any, axis: Any) -> Any:
    out, at = node.tensor(x), int(node.number(axis))
    if node.get("exclusive", 0):
        node.refuse("exclusive sums are not read")
    if node.get("reverse", 0):
        return flip(cumulative_sum(flip(out, at), axis=at), at)
    return cumulative_sum(out, axis=at)


def _constant(node: Operator) -> Any:
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        if node.get(name) is not None:
            made = np.asarray(node.get(name))
            return made.astype(np.float32) if made.dtype == np.float64 and name != "value" else made
    return node.refuse("a constant of no numbers came")


ROWS: dict[str, Row] = {
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Expand": _expand,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Pad": _pad,
    "Tile": _tile,
    "Cast": _cast,
    "Shape": lambda node, x: np.array(
        np.shape(x)[node.get("start", 0) : node.get("end", 32)], np.int64
    ),
    "Size": lambda node, x: np.int64(math.prod(np.shape(x))),
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
    "Trilu": _trilu,
    "Einsum": _einsum,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "OneHot": _one_hot,
    "ArgMax": _arg(reductions.argmax),
    "ArgMin": _arg(reductions.argmin),
    "CumSum": _cumsum,
}
