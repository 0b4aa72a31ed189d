"""Compositions that are used in every step as one op each, where nobody follows what they do.

An op costs more than the kernels of a small problem. These do the very same as the compositions
that they stand for (functional/), in one call on the tape. In a trace, and under an interpreter or
an observer, the compositions are used themselves.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ..backends.array import Array, Number
from ..backends.base import Device
from ..backends.fold import SUM
from ..backends.numpy import places_of, silently
from ..core import Call, Op, Tensor, apply, wrap
from ..core.interpret import current
from ..core.tracing import tracing
from ..layout import Shape
from ..tape import is_recording
from ..tape.identity import restored, saved
from .elementwise import add, clamp, divide, exp, log, multiply, negative, subtract, weighted
from .families import expanded
from .indexing import gather_, scatter_
from .linalg import matmul_, matrix_transpose
from .reduction import max_, sum_


def stands_alone() -> bool:
    """Whether an op may stand for a composition now: nobody follows the operations in it."""
    return not current.get().special and tracing() is None


class _LabelLoss(Op):
    """`label_loss`; `kept` is a list, which gets exp(a - the largest) and its sums."""

    def __init__(self) -> None:
        super().__init__("cross_entropy", (lambda b: None, None))

    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        x: Any = inputs[0]
        operands: Any = inputs
        if not device.launches:  # it is the host, which needs no kernels
            losses = partial(_losses, params["kept"], params["axis"], params["count"])
            return device.host(self.name, losses, operands, x.dtype)
        over = {"axes": (params["axis"],), "keepdims": True}
        limit = float(np.finfo(x.dtype.numpy).max)
        largest = clamp.run(device, (max_.run(device, (x,), over), -limit, limit), {})
        wide = largest.view(largest.layout.expand(x.layout.shape))
        powers = exp.run(device, (subtract.run(device, (x, wide), {}),), {})
        total = sum_.run(device, (powers,), over)
        params["kept"] += powers, total
        score = gather_.run(device, inputs, {"axis": params["axis"]})
        above = subtract.run(device, (score, largest), {})
        loss = subtract.run(device, (log.run(device, (total,), {}), above), {})
        if params["count"] is None:
            return loss
        every = {"axes": tuple(range(len(loss.layout.shape))), "keepdims": False}
        return divide.run(device, (sum_.run(device, (loss,), every), params["count"]), {})

    def pull(self, position: int, ct: Tensor, env: dict[str, Any]) -> Tensor | None:
        axis, count = env["axis"], env["count"]
        recomputed = is_recording() or tracing() is not None  # what is kept leads nowhere
        if not recomputed and not ct.device.launches and stands_alone():
            slopes = partial(_slopes, env["kept"], axis, count)
            return wrap(ct.device.host(self.name, slopes, (ct.array, env["b"].array), ct.dtype))
        if count is not None:
            ct = expanded(ct if count == 1 else multiply(ct, 1 / count), env["b"].shape)
        if recomputed:
            x = restored(env["owner"](), "a", env["given"])
            largest = max_(x.detach(), axis, keepdims=True)
            limit = float(np.finfo(x.dtype.numpy).max)
            powers = exp(x - clamp(largest, -limit, limit))
            total = sum_(powers, axis, keepdims=True)
        else:
            powers, total = [wrap(self._on_device(x, ct)) for x in env["kept"]]
        shape: Shape = powers.shape
        at_label = apply(scatter_, negative(ct), env["b"], axis=axis, size=shape[axis])
        share = weighted(ct, divide(1.0, total))
        return at_label + weighted(expanded(share, shape), powers)

    @staticmethod
    def _on_device(x: Any, like: Tensor) -> Array:
        return like.device.upload(x, like.dtype) if isinstance(x, np.ndarray) else x

    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        raise NotImplementedError  # forward mode follows the operations


def _losses(
    kept: list, axis: int, count: float | None, x: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Return what `_LabelLoss.run` does, of host arrays."""
    limit = np.finfo(x.dtype).max
    with np.errstate(all="ignore"):
        largest = np.maximum.reduce(x, axis, keepdims=True)
        np.minimum(np.maximum(largest, -limit, out=largest), limit, out=largest)
        powers = np.subtract(x, largest)
        np.exp(powers, out=powers)
        adding = SUM.accumulator(x.dtype, x.shape[axis])
        total = np.add.reduce(powers, axis, adding, keepdims=True).astype(x.dtype, copy=False)
        kept += powers, total
        loss = np.log(total) - (x[places_of(labels, axis)] - largest)
        if count is None:
            return loss
        adding = SUM.accumulator(x.dtype, loss.size)
        return np.add.reduce(loss, None, adding).astype(x.dtype, copy=False) / x.dtype.type(count)


def _slopes(
    kept: list, axis: int, count: float | None, ct: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Return what `_LabelLoss.pull` does, of host arrays."""
    powers, total = kept
    product = weighted.body.numpy
    with np.errstate(all="ignore"):
        if count is not None:
            ct = np.broadcast_to(ct * ct.dtype.type(1 / count), total.shape)
        out = product(product(ct, 1 / total), powers)
        out[places_of(labels, axis)] -= ct
        return out


_label_loss = _LabelLoss()


def label_loss(x: Tensor, labels: Tensor, axis: int, count: float | None) -> Tensor:
    """Return -log_softmax(x)[labels] along an axis, which is kept: labels have extent 1 there.

    With `count` it is the sum of these divided by that, a 0-d tensor.
    It is for where `stands_alone`, and for float32 and float64 with at least one class.
    """
    given = saved(0, (x,), x)
    out = apply(_label_loss, x, labels, axis=axis, kept=[], given=given, count=count)
    if out.node is not None:
        params: Any = out.node.params
        params["owner"] = weakref.ref(out.node)
    return out


class _Linear(Op):
    """`biased`: a (n, k), b (m, k) and c (m,) -> a @ b.T + c."""

    def __init__(self) -> None:
        rules = (
            lambda ct, b: apply(matmul_, ct, b),
            lambda ct, a: apply(matmul_, matrix_transpose(ct), a),
            lambda ct: apply(sum_, ct, axes=(0,), keepdims=False),
        )
        super().__init__("linear", rules)
        self.wants_shapes = False

    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        operands: Any = inputs
        x, weight, bias = operands
        if not device.launches:
            return device.host(self.name, _affine, operands, x.dtype)
        product = device.matmul(x, weight.view(weight.layout.permute((1, 0))))
        wide = bias.view(bias.layout.expand(product.layout.shape))
        return add.run(device, (product, wide), {})

    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        raise NotImplementedError  # forward mode follows the operations


def _affine(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    out = silently(np.matmul, x, weight.T)
    silently(np.add, out, bias, out)
    return out


_linear = _Linear()


def biased(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return x @ weight.T + bias: (n, k), (m, k), (m,) -> (n, m), all of one dtype.

    It is for where `stands_alone`, and for float32 and float64.
    """
    return apply(_linear, x, weight, bias)
