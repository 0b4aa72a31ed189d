"""Ops that move elements or only the view of them: linear, each with its transpose.

The primitives here take exact, normalised parameters; the public functions (shaping) accept
what a user writes. Most are views: no element moves until a kernel reads through the layout.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..backends.array import Array, Body, Number
from ..backends.base import Device
from ..core import REGISTRY, apply, register
from ..dtypes import DType
from ..layout import Layout, Shape
from . import intervals
from .linear import Linear, View


def view(
    name: str,
    *,
    layout: Callable[..., Layout],
    transpose: Callable,
    doc: str,
    batch: Callable | None = None,
) -> View:
    """Declare an op that is a function from layout to layout, and a batching rule of its own."""
    return register(View(name, layout, transpose, doc), batch)


def linear(
    name: str,
    *,
    compute: Callable[..., Array],
    transpose: Callable,
    doc: str,
    batch: Callable | None = None,
) -> Linear:
    """Declare a linear op: compute(device, *arrays, **params), its transpose and batching rule."""
    return register(Linear(name, compute, transpose, doc), batch)


def _unbroadcast(ct: Any, shapes: tuple[Shape, ...]) -> Any:
    """Sum `ct` over the axes that broadcasting repeated: the transpose of broadcasting."""
    (shape,) = shapes
    lead = len(ct.shape) - len(shape)
    axes = (*range(lead), *(lead + i for i, n in enumerate(shape) if n != ct.shape[lead + i]))
    out = apply(REGISTRY["sum"], ct, axes=axes, keepdims=False) if axes else ct
    return out if out.shape == shape else reshape(out, shape)


def _broadcast_batch(op: Any, level: Any, inputs: list, batched: list, params: dict) -> Any:
    (x,), shape = inputs, params["shape"]
    lead = len(shape) - len(x.shape) + 1
    x = reshape(x, (level.size, *(1,) * lead, *x.shape[1:])) if lead else x
    return apply(op, x, shape=(level.size, *shape))


def _permute_batch(op: Any, level: Any, inputs: list, batched: list, params: dict) -> Any:
    return apply(op, *inputs, axes=(0, *(a + 1 for a in params["axes"])))


alias = view(
    "alias",
    layout=lambda layout: layout,
    transpose=lambda ct: ct,
    doc="The same tensor with an identity of its own.",
)
broadcast_to_ = view(
    "broadcast_to",
    layout=lambda layout, shape: layout.expand(shape),
    transpose=_unbroadcast,
    batch=_broadcast_batch,
    doc="Repeat along new axes and axes of extent 1, without a copy.",
)
permute_ = view(
    "permute_dims",
    layout=lambda layout, axes: layout.permute(axes),
    transpose=lambda ct, axes: permute(ct, tuple(axes.index(i) for i in range(len(axes)))),
    batch=_permute_batch,
    doc="Reorder the axes, without a copy.",
)
slice_ = view(
    "slice",
    layout=lambda layout, starts, sizes, steps: layout.slice(starts, sizes, steps),
    transpose=lambda ct, shapes, starts, steps: apply(
        REGISTRY["embed"], ct, shape=shapes[0], starts=starts, steps=steps, value=0
    ),
    doc="Every step-th element from a start, a given number of them, without a copy.",
)


def _copy(device: Device, x: Array) -> Array:
    made = device.copy(x)
    made.storage.bounds = intervals.known(x)
    return made


def _reshape(device: Device, x: Array, shape: Shape) -> Array:
    layout = x.layout.reshape(shape)
    if layout is None:
        x = _copy(device, x)
        layout = Layout.dense(shape)
    return x.view(layout)


reshape_ = linear(
    "reshape",
    compute=_reshape,
    transpose=lambda ct, shapes: reshape(ct, shapes[0]),
    doc="The same elements in another shape; a copy only where no view can have it.",
)


copy_ = linear(
    "copy",
    compute=_copy,
    transpose=lambda ct: ct,
    doc="The same values in memory of their own.",
)


def _cast_to_int(source: DType, target: DType) -> str:
    name = {"int32": "i32", "uint32": "u32"}[target.name]
    return f"f32_to_{name}(a)" if source.is_floating else f"{name}(a)"


def _cast_to_bool(source: DType) -> str:
    return "a != 0.0 || is_nan(a)" if source.is_floating else "a != A(0)"


def _numpy_cast(target: DType) -> Callable[[Any], Any]:
    if not target.is_integer:
        return lambda a: a.astype(target.numpy)
    info = np.iinfo(target.numpy)
    low, high = float(info.min), float(info.max)

    def cast(a: Any) -> Any:
        if a.dtype.kind != "f":
            return a.astype(target.numpy)
        inside = np.clip(np.nan_to_num(np.trunc(a.astype(np.float64)), nan=0.0), low, high)
        return inside.astype(target.numpy)

    return cast


_CASTS = {
    target: Body(
        f"to_{target.name}",
        {
            "bool": _cast_to_bool,
            "float16": lambda source: "f32(a)",
            "float32": lambda source: "f32(a)",
            "float64": lambda source: "f64(a)",
        }.get(target.name, lambda source, target=target: _cast_to_int(source, target)),
        _numpy_cast(target),
    )
    for target in dtypes.ALL
}


def cast(device: Device, x: Array, dtype: DType) -> Array:
    """Return a copy of an array, as `dtype`. Raises: DTypeError where the device lacks it."""
    if x.dtype is dtype:
        return device.copy(x)
    device.check_dtype(dtype, "astype")
    return device.map(_CASTS[dtype], (x,), (x.dtype,), x.shape, dtype)


def through_float32(device: Device, x: Array, run: Callable[[Array], Array]) -> Array:
    """Return what `run` makes of an array; of a float16 one it is made in float32, then rounded.

    For kernels that pass totals on through memory: their results have the dtype of what they read.
    """
    if x.dtype is not dtypes.float16:
        return run(x)
    return cast(device, run(cast(device, x, dtypes.float32)), dtypes.float16)


def _astype(device: Device, x: Array | Number, dtype: DType, source: DType) -> Array:
    assert isinstance(x, Array)
    made = cast(device, x, dtype)
    if dtype.is_integer and not source.is_floating:
        known = intervals.interval(x, source)
        made.storage.bounds = intervals.fitting(known, dtype)
    return made


astype_ = linear(
    "astype",
    compute=_astype,
    transpose=lambda ct, source: apply(REGISTRY["astype"], ct, dtype=source, source=ct.dtype),
    doc="Conversion to a dtype. Floats to integers truncate towards 0 and saturate; NaN becomes 0.",
)


reshape_.is_view = True
alias.lifts = True


def _to_device(source_device: Device, x: Array, device: Device, source: Device) -> Array:
    made = device.upload(source_device.download(x), x.dtype)
    made.storage.bounds = x.storage.bounds
    return made


to_device: Linear = linear(
    "to_device",
    compute=_to_device,
    transpose=lambda ct, source, device: apply(to_device, ct, device=source, source=device),
    doc="The same values on another device.",
)


# The primitives as functions, for rules and for the public functions.


def reshape(x: Any, shape: Shape) -> Any:
    """Return `x` in `shape`, which has as many elements."""
    return apply(reshape_, x, shape=shape)


def permute(x: Any, axes: Shape) -> Any:
    """Return `x` with its axes in the order `axes`."""
    return apply(permute_, x, axes=axes)


def slice_view(x: Any, starts: Shape, sizes: Shape, steps: Shape) -> Any:
    """Return sizes[i] elements along axis i from starts[i] in steps of steps[i] (not 0)."""
    return apply(slice_, x, starts=starts, sizes=sizes, steps=steps)
