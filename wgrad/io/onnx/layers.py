"""What the operators for images and norms are in wgrad, and what is computed on sizes alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...functional.adaptive import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)
from ...functional.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from ...functional.normalization import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from ...functional.pooling import (
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from ...shaping import pad
from .operators import ROWS as PLAIN
from .operators import Operator, Row
from .recurrent import recurrent_operator
from .shapes import ROWS as SHAPES

_CONV = (conv1d, conv2d, conv3d)
_CONV_TRANSPOSE = (conv_transpose1d, conv_transpose2d, conv_transpose3d)
_MAX = (max_pool1d, max_pool2d, max_pool3d)
_MEAN = (avg_pool1d, avg_pool2d, avg_pool3d)
_GLOBAL = {
    "GlobalAveragePool": (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d),
    "GlobalMaxPool": (adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d),
}


def _image(node: Operator, x: Any) -> tuple[Any, int]:
    """Return images as a tensor, and how many axes they have."""
    out = node.tensor(x)
    d = len(out.shape) - 2
    if not 1 <= d <= 3:
        node.refuse(f"an input of shape {out.shape} came; images of one to three axes are needed")
    return out, d


def _frame(node: Operator, x: Any, d: int, kernel: Any) -> tuple[tuple, tuple, list]:
    """Return stride, dilation, and (before, after) of each axis."""
    steps = tuple(node.get("strides") or (1,) * d)
    gaps = tuple(node.get("dilations") or (1,) * d)
    how = node.get("auto_pad", "NOTSET")
    if how in ("SAME_UPPER", "SAME_LOWER"):
        pads = []
        for n, k, s, g in zip(x.shape[2:], kernel, steps, gaps, strict=True):
            total = max(0, (-(-n // s) - 1) * s + g * (k - 1) + 1 - n)
            small = total // 2
            pads.append((small, total - small) if how == "SAME_UPPER" else (total - small, small))
        return steps, gaps, pads
    flat = (0,) * 2 * d if how == "VALID" else tuple(node.get("pads") or (0,) * 2 * d)
    if len(steps) != d or len(gaps) != d or len(flat) != 2 * d or any(n < 0 for n in flat):
        node.refuse(f"strides {steps}, dilations {gaps} and pads {flat} came for {d} axes")
    return steps, gaps, list(zip(flat[:d], flat[d:], strict=True))


def _padded(node: Operator, x: Any, pads: list, value: float) -> Any:
    node.bounded([n + b + a for n, (b, a) in zip(x.shape[2:], pads, strict=True)])
    return pad(x, ((0, 0), (0, 0), *pads), value=value)


def _conv(node: Operator, x: Any, weight: Any, bias: Any = None) -> Any:
    image, d = _image(node, x)
    filters = node.tensor(weight)
    steps, gaps, pads = _frame(node, image, d, filters.shape[2:])
    around = tuple(b for b, _ in pads)
    if any(b != a for b, a in pads):
        image, around = _padded(node, image, pads, 0.0), (0,) * d
    shift = None if bias is None else node.tensor(bias)
    return _CONV[d - 1](image, filters, shift, steps, around, gaps, int(node.get("group", 1)))


def _conv_transpose(node: Operator, x: Any, weight: Any, bias: Any = None) -> Any:
    image, d = _image(node, x)
    filters = node.tensor(weight)
    steps, gaps, pads = _frame(node, image, d, filters.shape[2:])
    more = tuple(node.get("output_padding") or (0,) * d)
    if node.get("output_shape") or node.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        node.refuse("an output shape instead of pads is not read")
    if any(b != a for b, a in pads):
        node.refuse(f"pads {pads} that differ before and after are not read")
    shift = None if bias is None else node.tensor(bias)
    around = tuple(b for b, _ in pads)
    group = int(node.get("group", 1))
    return _CONV_TRANSPOSE[d - 1](image, filters, shift, steps, around, more, group, gaps)


def _pool(node: Operator, x: Any) -> Any:
    image, d = _image(node, x)
    kernel = tuple(node.get("kernel_shape") or ())
    if len(kernel) != d or len(node.outputs) > 1:
        node.refuse(f"a kernel of {kernel} came, or places are asked for, which are not read")
    steps, gaps, pads = _frame(node, image, d, kernel)
    up = bool(node.get("ceil_mode", 0))
    around = tuple(b for b, _ in pads)
    even = all(b == a for b, a in pads)
    if node.op == "MaxPool":
        if not even:
            image, around = _padded(node, image, pads, -np.inf), (0,) * d
        return _MAX[d - 1](image, kernel, steps, around, gaps, up)
    if any(n != 1 for n in gaps) or (up and (any(around) or not even)):
        node.refuse("means of dilated windows, or of padded ones rounded up, are not read")
    counted = bool(node.get("count_include_pad", 0))
    if not even:
        if not counted:
            node.refuse("means that do not count uneven padding are not read")
        image, around = _padded(node, image, pads, 0.0), (0,) * d
    return _MEAN[d - 1](image, kernel, steps, around, up, counted)


def _global(node: Operator, x: Any) -> Any:
    image, d = _image(node, x)
    return _GLOBAL[node.op][d - 1](image, 1)


def _batch_norm(node: Operator, x: Any, *given: Any) -> Any:
    if node.get("training_mode", 0):
        node.refuse("batch normalization in training mode is not read")
    scale, shift, middle, spread = map(node.tensor, given)
    eps = float(node.get("epsilon", 1e-5))
    return batch_norm(node.tensor(x), middle, spread, scale, shift, eps=eps)


def _instance_norm(node: Operator, x: Any, scale: Any, shift: Any) -> Any:
    eps = float(node.get("epsilon", 1e-5))
    scale, shift = node.tensor(scale), node.tensor(shift)
    return instance_norm(node.tensor(x), None, None, scale, shift, eps=eps)


def _group_norm(node: Operator, x: Any, scale: Any, shift: Any) -> Any:
    if node.opset < 21:
        node.refuse("before opset 21 its scale is one number a group, which is not read")
    groups, eps = int(node.get("num_groups", 1)), float(node.get("epsilon", 1e-5))
    return group_norm(node.tensor(x), groups, node.tensor(scale), node.tensor(shift), eps)


def _last_axes(node: Operator, x: Any) -> tuple[Any, tuple[int, ...]]:
    out = node.tensor(x)
    return out, out.shape[int(node.get("axis", -1)) % max(len(out.shape), 1) :]


def _layer_norm(node: Operator, x: Any, scale: Any, shift: Any = None) -> Any:
    out, shape = _last_axes(node, x)
    if len(node.outputs) > 1:
        node.refuse("mean and deviation are asked for, which are not read")
    bias = None if shift is None else node.tensor(shift)
    return layer_norm(out, shape, node.tensor(scale), bias, float(node.get("epsilon", 1e-5)))


def _rms_norm(node: Operator, x: Any, scale: Any) -> Any:
    out, shape = _last_axes(node, x)
    return rms_norm(out, shape, node.tensor(scale), float(node.get("epsilon", 1e-5)))


ROWS: dict[str, Row] = {
    **PLAIN,
    **SHAPES,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "GlobalAveragePool": _global,
    "GlobalMaxPool": _global,
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": _instance_norm,
    "GroupNormalization": _group_norm,
    "LayerNormalization": _layer_norm,
    "RMSNormalization": _rms_norm,
    **dict.fromkeys(("RNN", "GRU", "LSTM"), recurrent_operator),
}


# What is computed of sizes, with NumPy: no device has to be asked.
def _axes(node: Operator, axes: Any) -> tuple[int, ...]:
    return tuple(node.get("axes") if axes is None else node.integers(axes))


def _sliced(node: Operator, x: Any, *given: Any) -> Any:
    begin, end = node.integers(given[0]), node.integers(given[1])
    axes, steps = [*(None if g is None else node.integers(g) for g in given[2:]), None, None][:2]
    keys = [slice(None)] * x.ndim
    for i, (first, last) in enumerate(zip(begin, end, strict=True)):
        keys[axes[i] if axes else i] = slice(first, last, steps[i] if steps else 1)
    return x[tuple(keys)]


def _quotient(node: Operator, a: Any, b: Any) -> Any:
    if a.dtype.kind == "f":
        return a / b
    if not np.all(b):
        node.refuse("a size is divided by 0")
    return (np.sign(a) * np.sign(b) * (abs(a) // abs(b))).astype(a.dtype)


def _binary(function: Callable[..., Any]) -> Row:
    return lambda node, a, b: function(a, b)


_NUMPY_TYPES = {1: "f4", 6: "i4", 7: "i8", 9: "?", 11: "f8"}

ON_HOST: dict[str, Row] = {
    "Identity": lambda node, x: x,
    "Add": _binary(np.add),
    "Sub": _binary(np.subtract),
    "Mul": _binary(np.multiply),
    "Div": _quotient,
    "Equal": _binary(np.equal),
    "Less": _binary(np.less),
    "Greater": _binary(np.greater),
    "Max": lambda node, *xs: np.maximum.reduce(np.broadcast_arrays(*xs)),
    "Min": lambda node, *xs: np.minimum.reduce(np.broadcast_arrays(*xs)),
    "Where": lambda node, c, a, b: np.where(c, a, b),
    "Gather": lambda node, x, i: np.take(x, i, int(node.get("axis", 0))),
    "Concat": lambda node, *xs: np.concatenate(xs, int(node.get("axis", 0))),
    "Slice": _sliced,
    "Squeeze": lambda node, x, axes=None: np.squeeze(
        x, None if axes is None and not node.get("axes") else _axes(node, axes)
    ),
    "Unsqueeze": lambda node, x, axes=None: np.expand_dims(x, _axes(node, axes)),
    "Cast": lambda node, x: x.astype(_NUMPY_TYPES[node.get("to")]),
    "ReduceProd": lambda node, x, axes=None: np.prod(x, keepdims=bool(node.get("keepdims", 1))),
    "Reshape": lambda node, x, shape: np.reshape(x, node.integers(shape)),
    "ConstantOfShape": lambda node, shape: np.full(
        node.bounded(node.integers(shape)),
        np.asarray(node.get("value", np.float32(0))).reshape(-1)[0],
    ),
}
