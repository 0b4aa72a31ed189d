"""Work with several results on the tape: a token stands for all of them, and each is one of it.

The node of the token is that of the work; each result puts its cotangent beside those of others, so
that the work's rule runs once with all that have one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..backends.array import Array, Number
from ..backends.base import Device
from ..core import Call, Node, Op, apply, wrap
from ..dtypes import float32
from ..layout import Layout
from ..ops import movement
from ..origin import caller
from ..shaping import stack
from ..tape import identity
from ..tensor import Tensor


class Cts(Mapping[int, Tensor]):
    """Cotangents of some of the results, by their places: what the node of all of them gets."""

    def __init__(self, parts: dict[int, Tensor]):
        self._parts = parts

    def __getitem__(self, place: int) -> Tensor:
        return self._parts[place]

    def __iter__(self) -> Any:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __add__(self, other: Cts) -> Cts:
        self._parts.update(other._parts)  # of one pass, and nobody else's
        return self


class _Result(Op):
    """One of the results, of the token that stands for all of them."""

    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        return params.pop("box").pop()

    def pull(self, position: int, ct: Tensor, env: dict[str, Any]) -> Any:
        return Cts({env["place"]: ct})

    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        raise NotImplementedError


_RESULT = _Result("result", (lambda: None,))


def results_of(
    op: Op, parents: Sequence[Node | None], made: Sequence[Array], saved: dict[str, Any]
) -> list[Tensor]:
    """Return the results of work, of which `op` is the node; its rule finds what is `saved`.

    Its `pulls` gets `Cts`, and `parents` in its env.
    """
    token = wrap(made[0].storage.device.full((), 0, float32))
    node = token.node = Node(requires_grad=True)
    node.is_parameter = False
    node.op, node.parents, node.origin = op, tuple(parents), caller()
    node.params, node.saved = {"parents": node.parents}, saved
    identity.stamp(node, token.array)
    return [
        apply(_RESULT, token, box=[x], place=i) if x.dtype.is_floating else wrap(x)
        for i, x in enumerate(made)
    ]


class _Slices(Op):
    """What lies along a first axis, slice by slice, whose cotangents are stacked once."""

    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        raise NotImplementedError

    def pulls(self, positions: Sequence[int], ct: Any, env: dict[str, Any]) -> list[Tensor]:
        like = next(iter(ct.values()))
        zeros = wrap(like.device.full(like.shape, 0, like.dtype))
        return [stack([ct.get(i, zeros) for i in range(env["length"])])]

    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        raise NotImplementedError


_SLICES = _Slices("unstack", (lambda: None,))


def slices(x: Tensor) -> list[Tensor]:
    """Return the slices of a tracked tensor along its first axis; no interpreter is to be asked."""
    x = apply(movement.alias, x)  # which is checked as what operations are given
    whole = x.array.layout
    shape, strides, start = whole.shape[1:], whole.strides, whole.offset
    views = [Layout(shape, strides[1:], start + i * strides[0]) for i in range(x.shape[0])]
    made = [x.array.view(view) for view in views]
    return results_of(_SLICES, [x.node], made, {"length": x.shape[0]})
