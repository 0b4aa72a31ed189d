"""The families of linear ops: each declares its *transpose*, and forward mode is the op itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..backends.array import Array, Number
from ..backends.base import Device
from ..core import Call, Op, Tensor, apply
from ..layout import Layout, Shape
from .families import add_up, dense, in_front


class Linear(Op):
    """An op that is linear in all its inputs together, with its transpose towards each.

    `compute(device, *arrays, **params)` runs it. A transpose is a rule that takes `ct`.
    """

    batch = in_front

    def __init__(self, name: str, compute: Callable[..., Array], transpose: Callable, doc: str):
        super().__init__(name, (transpose,), doc)
        self.compute = compute

    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        return self.compute(device, *inputs, **params)

    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        return apply(self, *dense(call, tangents), **call.params)


class View(Linear):
    """A linear op that only changes the layout: no element moves."""

    is_view = True

    def __init__(self, name: str, layout: Callable[..., Layout], transpose: Callable, doc: str):
        self.layout = layout

        def compute(device: Device, x: Array, **params: Any) -> Array:
            return x.view(layout(x.layout, **params))

        super().__init__(name, compute, transpose, doc)

    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        x: Any = inputs[0]  # as `compute` does, by one call less
        return x.view(self.layout(x.layout, **params))

    def shape_of(self, inputs: Sequence[Any], params: Mapping[str, Any]) -> Shape:
        return self.layout(Layout.dense(inputs[0].shape), **params).shape


class Bilinear(Op):
    """An op that is linear in each of two inputs; a transpose takes `ct` and the other input."""

    def __init__(self, name: str, compute: Callable[..., Array], transposes: Sequence, doc: str):
        super().__init__(name, transposes, doc)
        self.compute = compute

    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        return self.compute(device, *inputs, **params)

    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        (a, b), (da, db) = call.inputs, tangents
        return add_up(
            [
                None if da is None else apply(self, da, b, **call.params),
                None if db is None else apply(self, a, db, **call.params),
            ]
        )
