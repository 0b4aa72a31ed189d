"""What larger functions are in ONNX as one operator each: linear layers, norms, pools, ...

A row gets the graph and the call of the function, and returns the name of its result, or of each
where RESULTS names several, or None where ONNX has no such operator for these arguments: then the
function's operations are written. None of
these rows is needed for a graph to be right; with them it reads as the model does.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ...core import Value
from ...dtypes import float16
from ...functional.adaptive import _adaptive_avg_pool, _adaptive_max_pool, output_sizes
from ...functional.convolution import _conv as conv
from ...functional.convolution import _conv_transpose as conv_transpose
from ...functional.convolution import _named_padding, numbers
from ...functional.linalg import linear
from ...functional.normalization import batch_norm, group_norm, instance_norm, layer_norm
from ...functional.pooling import _avg_pool, _max_pool
from ...functional.reductions import _arg as arg
from ...functional.reductions import mean
from ...functional.softmax import log_softmax, logsumexp, softmax
from ...functional.windows import pool_frame
from ...indexing.taking import take_flat, taken
from ...layout import normalize_axes, normalize_axis
from ...nn.recurrence import recurrent_layer
from . import recurrent
from .building import Graph
from .recording import Part

Row = Callable[[Graph, Part], "str | tuple[str, ...] | None"]


def _alike(*tensors: Any) -> bool:
    """Whether all are tensors of one floating dtype, but for those that are None."""
    there = [x for x in tensors if x is not None]
    return all(
        isinstance(x, Value) and x.dtype.is_floating and x.dtype is there[0].dtype for x in there
    )


def _linear(g: Graph, part: Part) -> str | None:
    x, weight, bias = (part.arguments[n] for n in ("x", "weight", "bias"))
    if not _alike(x, weight, bias):
        return None
    names = [g.of(x), g.of(weight), None if bias is None else g.of(bias)]
    if len(x.shape) == 2:
        return g.node("Gemm", *names, transB=1)
    product = g.node("MatMul", names[0], g.node("Transpose", names[1], perm=[1, 0]))
    return product if bias is None else g.node("Add", product, names[2])


# Images.
def _with_batch(g: Graph, x: Any, d: int, make: Callable[[str], str]) -> str:
    """Return what `make` makes of images with a batch axis, without it where `x` has none."""
    if len(x.shape) == d + 2:
        return make(g.of(x))
    first = g.integers(0)
    return g.node("Squeeze", make(g.node("Unsqueeze", g.of(x), first)), first)


def _conv(g: Graph, part: Part) -> str | None:
    given = part.arguments
    x, weight, bias, d = given["input"], given["weight"], given["bias"], given["d"]
    if not _alike(x, weight, bias):
        return None
    kernel = weight.shape[2:]
    steps = numbers(given["stride"], d, "conv", "stride", 1)
    gaps = numbers(given["dilation"], d, "conv", "dilation", 1)
    if isinstance(given["padding"], str):
        before, after = _named_padding(given["padding"], "conv", kernel, steps, gaps)
    else:
        before = after = numbers(given["padding"], d, "conv", "padding", 0)
    names = g.of(weight), None if bias is None else g.of(bias)
    return _with_batch(
        g,
        x,
        d,
        lambda image: g.node(
            "Conv",
            image,
            *names,
            kernel_shape=list(kernel),
            strides=list(steps),
            dilations=list(gaps),
            pads=[*before, *after],
            group=int(given["groups"]),
        ),
    )


def _conv_transpose(g: Graph, part: Part) -> str | None:
    given = part.arguments
    x, weight, bias, d = given["input"], given["weight"], given["bias"], given["d"]
    if not _alike(x, weight, bias):
        return None
    pads = list(numbers(given["padding"], d, "conv", "padding", 0))
    names = g.of(weight), None if bias is None else g.of(bias)
    return _with_batch(
        g,
        x,
        d,
        lambda image: g.node(
            "ConvTranspose",
            image,
            *names,
            kernel_shape=list(weight.shape[2:]),
            strides=list(numbers(given["stride"], d, "conv", "stride", 1)),
            dilations=list(numbers(given["dilation"], d, "conv", "dilation", 1)),
            output_padding=list(numbers(given["output_padding"], d, "conv", "output_padding", 0)),
            pads=pads * 2,
            group=int(given["groups"]),
        ),
    )


def _pool(g: Graph, part: Part) -> str | None:
    given = part.arguments
    x, d, largest = given["input"], given["d"], part.name == "_max_pool"
    if not _alike(x) or given.get("return_indices") or given.get("divisor_override"):
        return None
    up = bool(given["ceil_mode"])
    if up and not largest:
        return None  # what such windows are divided by differs
    size, stride, padding = (given[n] for n in ("kernel_size", "stride", "padding"))
    frame = pool_frame("pool", d, size, stride, padding, given.get("dilation", 1))
    kernel, steps, gaps, pads = frame
    attributes: dict[str, Any] = {
        "kernel_shape": list(kernel),
        "strides": list(steps),
        "pads": [*pads, *pads],
        "ceil_mode": int(up),
    }
    if largest:
        attributes["dilations"] = list(gaps)
    else:
        attributes["count_include_pad"] = int(given["count_include_pad"])
    op = "MaxPool" if largest else "AveragePool"
    return _with_batch(g, x, d, lambda image: g.node(op, image, **attributes))


def _adaptive_pool(g: Graph, part: Part) -> str | None:
    given = part.arguments
    x, d = given["input"], given["d"]
    if not _alike(x) or given.get("return_indices"):
        return None
    op = "MaxPool" if part.name == "_adaptive_max_pool" else "AveragePool"
    image = x.shape[-d:]
    asked = output_sizes(given["output_size"], d, "pool")
    counts = [n if size is None else size for n, size in zip(image, asked, strict=True)]
    if all(n == 1 for n in counts):
        return _with_batch(g, x, d, lambda image: g.node(f"Global{op}", image))
    fixed = all(len({s[-d + i] for s in g.shapes(g.runs[0].number(x))}) == 1 for i in range(d))
    if not fixed or any(n % m for n, m in zip(image, counts, strict=True)):
        return None
    kernel = [n // m for n, m in zip(image, counts, strict=True)]
    return _with_batch(
        g, x, d, lambda image: g.node(op, image, kernel_shape=kernel, strides=kernel)
    )


# Normalizations.
def _layer_norm(g: Graph, part: Part) -> str | None:
    given = part.arguments
    x, weight, bias = given["input"], given["weight"], given["bias"]
    shape = given["normalized_shape"]
    axes = len(shape) if isinstance(shape, (tuple, list)) else 1
    if not _alike(x, weight, bias) or x.dtype is float16:
        return None
    scale = (
        g.of(weight) if weight is not None else g.constant(np.ones(x.shape[-axes:], x.dtype.numpy))
    )
    names = g.of(x), scale, None if bias is None else g.of(bias)
    return g.node("LayerNormalization", *names, axis=-axes, epsilon=float(given["eps"]))


def _channels(g: Graph, x: Any, weight: Any, bias: Any) -> list[str]:
    """Return the names of a scale and a shift of each channel."""
    return [
        g.constant(np.full(x.shape[1], usual, x.dtype.numpy)) if tensor is None else g.of(tensor)
        for tensor, usual in ((weight, 1), (bias, 0))
    ]


def _batch_norm(g: Graph, part: Part) -> str | None:
    given = part.arguments
    x, *others = (given[n] for n in ("input", "weight", "bias", "running_mean", "running_var"))
    if given["training"] or others[2] is None or not _alike(x, *others):
        return None
    names = [*_channels(g, x, *others[:2]), g.of(others[2]), g.of(others[3])]
    return g.node("BatchNormalization", g.of(x), *names, epsilon=float(given["eps"]))


def _instance_norm(g: Graph, part: Part) -> str | None:
    given = part.arguments
    x, weight, bias = given["input"], given["weight"], given["bias"]
    if not given["use_input_stats"] or not _alike(x, weight, bias):
        return None
    names = _channels(g, x, weight, bias)
    return g.node("InstanceNormalization", g.of(x), *names, epsilon=float(given["eps"]))


def _group_norm(g: Graph, part: Part) -> str | None:
    given = part.arguments
    x, weight, bias = given["input"], given["weight"], given["bias"]
    if g.opset < 21 or not _alike(x, weight, bias):
        return None
    names = _channels(g, x, weight, bias)
    return g.node(
        "GroupNormalization",
        g.of(x),
        *names,
        num_groups=int(given["num_groups"]),
        epsilon=float(given["eps"]),
    )


# Along an axis.
def _along(op: str) -> Row:
    def row(g: Graph, part: Part) -> str | None:
        x = part.arguments["x"]
        if not _alike(x):
            return None
        axis = normalize_axis(part.arguments["axis"], len(x.shape), part.name)
        return g.node(op, g.of(x), axis=axis)

    return row


def _over(op: str) -> Row:
    def row(g: Graph, part: Part) -> str | None:
        x, kept = part.arguments["x"], int(part.arguments["keepdims"])
        if not _alike(x):
            return None
        axes = normalize_axes(part.arguments["axis"], len(x.shape), part.name)
        if not axes or not prod(x.shape):
            return None
        return g.node(op, g.of(x), g.integers(*axes), keepdims=kept)

    return row


def _arg(g: Graph, part: Part) -> str | None:
    x, axis, name = (part.arguments[n] for n in ("x", "axis", "name"))
    if not _alike(x) or axis is None:
        return None
    at = normalize_axis(axis, len(x.shape), name)
    op = "ArgMax" if name == "argmax" else "ArgMin"
    found = g.node(op, g.of(x), axis=at, keepdims=int(part.arguments["keepdims"]))
    return g.node("Cast", found, to=6)


def _taken(g: Graph, part: Part) -> str | None:
    x, index, axis = (part.arguments[n] for n in ("x", "index", "at"))
    return g.node("Gather", g.of(x), g.of(index), axis=int(axis))


def _taken_flat(g: Graph, part: Part) -> str | None:
    x, index, axis = (part.arguments[n] for n in ("x", "index", "axis"))
    return g.node("Gather", g.of(x), g.of(index), axis=int(axis))


_IMAGE = ("d", "input", "weight", "bias", "stride", "padding", "dilation", "groups")
_NORM = ("input", "weight", "bias", "eps")
_FRAME = ("d", "input", "kernel_size", "stride", "padding", "ceil_mode")

# The functions, their arguments that rows look at, and their rows.
_TABLE: tuple[tuple[Callable[..., Any], tuple[str, ...], Row], ...] = (
    (linear, ("x", "weight", "bias"), _linear),
    (conv, _IMAGE, _conv),
    (conv_transpose, (*_IMAGE, "output_padding"), _conv_transpose),
    (_max_pool, (*_FRAME, "dilation", "return_indices"), _pool),
    (_avg_pool, (*_FRAME, "count_include_pad", "divisor_override"), _pool),
    (_adaptive_avg_pool, ("d", "input", "output_size"), _adaptive_pool),
    (_adaptive_max_pool, ("d", "input", "output_size", "return_indices"), _adaptive_pool),
    (layer_norm, (*_NORM, "normalized_shape"), _layer_norm),
    (batch_norm, (*_NORM, "running_mean", "running_var", "training"), _batch_norm),
    (instance_norm, (*_NORM, "use_input_stats"), _instance_norm),
    (group_norm, (*_NORM, "num_groups"), _group_norm),
    (softmax, ("x", "axis"), _along("Softmax")),
    (log_softmax, ("x", "axis"), _along("LogSoftmax")),
    (logsumexp, ("x", "axis", "keepdims"), _over("ReduceLogSumExp")),
    (mean, ("x", "axis", "keepdims"), _over("ReduceMean")),
    (arg, ("x", "axis", "keepdims", "name"), _arg),
    (taken, ("x", "index", "at"), _taken),
    (take_flat, ("x", "index", "axis"), _taken_flat),
    (recurrent_layer, recurrent.ARGUMENTS, recurrent.written),
    (recurrent.recurrent_operator, recurrent.INPUTS, recurrent.written_again),
)
FUNCTIONS = {function: names for function, names, _ in _TABLE}
PARTS = {function.__name__: row for function, _, row in _TABLE}
RESULTS = {  # of those with several, the variables that hold them at the end
    recurrent_layer.__name__: recurrent.RESULTS,
    recurrent.recurrent_operator.__name__: recurrent.RESULTS,
}
