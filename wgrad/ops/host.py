"""The family of ops that NumPy computes on the host, whatever the device: what has no kernel.

On a GPU each is a trip to the host, which waits for all work before it and is counted in
`stats()["host_trips"]`. NumPy computes in float64, and the result is rounded once. The derivatives
are rules, as everywhere. Several results lie one after the other in one, `packed`, along its last
axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from .. import dtypes
from ..backends.array import Array, Number
from ..backends.base import Device
from ..core import REGISTRY, Call, Op, Rule, Tensor, apply, register, wrap
from ..errors import LinAlgError
from ..layout import Shape
from .elementwise import where
from .families import dense, in_front
from .movement import reshape, slice_view

TANGENTS = ("ta", "tb")  # how a forward rule calls the inputs' tangents


class Ruled(Op):
    """An op with rules for both modes: each of `pulls` takes `ct`, `push` takes `ta` and `tb`."""

    batch = in_front

    def __init__(self, name: str, pulls: Sequence[Callable | None], push: Callable, doc: str):
        super().__init__(name, pulls, doc)
        self.forward = Rule(push)

    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        return self.forward(
            {**call.env(), **dict(zip(TANGENTS, dense(call, tangents), strict=False))}
        )


class Host(Ruled):
    """An op that `numpy` computes from float64 arrays and the parameters.

    `failure` says which inputs have no result, where NumPy raises for some.
    """

    def __init__(
        self,
        name: str,
        numpy: Callable[..., np.ndarray],
        pulls: Sequence[Callable | None],
        push: Callable,
        doc: str,
        failure: str,
    ):
        super().__init__(name, pulls, push, doc)
        self.numpy = numpy
        self.failure = failure

    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        arrays = [x for x in inputs if isinstance(x, Array)]
        dtype = arrays[0].dtype

        def compute(*given: np.ndarray) -> np.ndarray:
            wide = [x.astype(np.float64) for x in given]
            try:
                with np.errstate(all="ignore"):
                    return np.asarray(self.numpy(*wide, **params)).astype(dtype.numpy)
            except np.linalg.LinAlgError as error:
                raise LinAlgError(f"{self.name}: {self.failure}") from error

        return device.host(self.name, compute, arrays, dtype)


class Part(Ruled):
    """Part of a packed result, as a function of `a` with a derivative of its own.

    Its inputs are a and `b`, the result of a Host op of a. `place` says from the shape of a where
    in b it begins, and how long it is. Nothing is derived through b: where vectors have no
    derivative, values may have one.
    """

    def __init__(self, name: str, place: Callable, pull: Callable, push: Callable, doc: str):
        super().__init__(name, (pull, None), push, doc)
        self.place = place

    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        a, b = inputs
        assert isinstance(a, Array) and isinstance(b, Array)
        start, size = self.place(a.shape, **params)
        shape = (*b.shape[:-1], size)
        starts = (*(0,) * (len(shape) - 1), start)
        return device.copy(b.view(b.layout.slice(starts, shape, (1,) * len(shape))))


def part(name: str, *, place: Callable, pull: Callable, push: Callable, doc: str) -> Part:
    """Declare an op that is a part of a packed result."""
    return register(Part(name, place, pull, push, doc))


def host(
    name: str,
    *,
    numpy: Callable[..., np.ndarray],
    pulls: Sequence[Callable | None],
    push: Callable,
    doc: str,
    failure: str = "NumPy finds no result",
) -> Host:
    """Declare an op that NumPy computes on the host."""
    return register(Host(name, numpy, pulls, push, doc, failure))


def packed(*parts: np.ndarray, inner: Sequence[int]) -> np.ndarray:
    """Return arrays side by side along one last axis; `inner` are the axes that each has there."""
    flat = [
        x.reshape(*x.shape[: x.ndim - n], prod(x.shape[x.ndim - n :]))
        for x, n in zip(parts, inner, strict=True)
    ]
    return np.concatenate(flat, axis=-1)


def joined(*parts: Any, inner: Sequence[int]) -> Any:
    """Return tensors as `packed` does arrays."""
    flat = []
    for x, n in zip(parts, inner, strict=True):
        lead = len(x.shape) - n
        flat.append(reshape(x, (*x.shape[:lead], prod(x.shape[lead:]))))
    return apply(REGISTRY["concat"], *flat, axis=len(flat[0].shape) - 1)


def unpacked(x: Any, *shapes: Shape) -> tuple[Any, ...]:
    """Return the parts of a packed result, of these shapes behind the leading axes."""
    lead, start, parts = x.shape[:-1], 0, []
    for shape in shapes:
        size, ones = prod(shape), (1,) * len(lead)
        part = slice_view(x, (0,) * len(lead) + (start,), (*lead, size), (*ones, 1))
        parts.append(reshape(part, (*lead, *shape)))
        start += size
    return tuple(parts)


def masked(x: Any, kept: np.ndarray, other: Any = 0.0) -> Any:
    """Return `x` where `kept`, a mask of its last axes, and elsewhere `other`."""
    return where(wrap(x.device.upload(kept, dtypes.bool_)), x, other)
